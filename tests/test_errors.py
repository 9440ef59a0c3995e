"""Errors: every code has its example, its golden message, its help page, and repairs that are whole queries."""

from __future__ import annotations

import copy
import tomllib
from importlib.resources import files

import pytest
from error_examples import PAGE, RENEW, SAID, Mistake, fault_of, golden, is_whole, mistakes
from scenes import scenes

from pql.faces import help as pages
from pql.language import codes
from pql.language.ast import Span
from pql.language.errors import Fault, PqlError
from pql.language.parser import parse_script

WORDS = tomllib.loads(files("pql.grammars").joinpath("mistakes.toml").read_text("utf-8"))["words"]
HELP = tomllib.loads(files("pql.grammars").joinpath("help.toml").read_text("utf-8"))
MISTAKES = mistakes()


def refused(text: str) -> PqlError:
    error = fault_of(text)
    assert error is not None, f"nothing is wrong with {text}"
    return error


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.text[:60])
def test_a_mistake_has_its_code_its_place_its_hint_and_its_repair(mistake: Mistake) -> None:
    error = refused(mistake.text)
    assert error.code == mistake.code, str(error)
    assert error.fix == mistake.fix, str(error)
    assert error.hint, "a hint says what would do"
    assert error.span is not None or error.code == "empty_text"
    for mended in (mistake.fix, mistake.mended):
        assert mended is None or is_whole(mended), mended


def test_every_code_has_an_example() -> None:
    missing = set(codes.CODES) - {mistake.code for mistake in MISTAKES} - set(scenes())
    assert not missing, (
        f"add examples of {sorted(missing)}: a [[mistake]] with text and code (on the catalog of tests/shop_catalog.py)"
        " to grammars/mistakes.toml, or where it takes data or files a function of that name to tests/scenes_*.py and"
        f" its SCENES; then run `{RENEW}`"
    )


def test_every_code_of_the_language_has_an_example_that_is_mended() -> None:
    of_queries = {code for group in list(codes.GROUPS)[:7] for code in codes.GROUPS[group]} - set(scenes())
    mended = {mistake.code for mistake in MISTAKES if mistake.fix or mistake.mended}
    assert not of_queries - mended, "give one example of each a `mended` query in grammars/mistakes.toml"


def test_every_code_has_a_page_of_help() -> None:
    missing = set(codes.CODES) - set(HELP)
    assert not missing, f"add [code] with why, mend and related to grammars/help.toml for {sorted(missing)}"
    assert set(HELP) <= set(codes.CODES), "help.toml explains codes that are not registered"
    for code, entry in HELP.items():
        assert set(entry) == {"why", "mend", "related"}, code
        assert entry["why"].endswith("."), code
        assert entry["mend"].endswith((".", "…")), code
        assert set(entry["related"]) <= set(codes.CODES) - {code}, code
        assert entry["related"], code


def test_the_messages_are_the_golden_ones() -> None:
    kept = {
        entry["code"]: entry["says"] for entry in tomllib.loads(SAID.read_text("utf-8"))["said"] if "text" not in entry
    }
    assert golden(kept.__getitem__) == SAID.read_text("utf-8"), f"run `{RENEW}` and look at the difference"


def test_the_page_of_the_documentation_is_current() -> None:
    assert pages.markdown() == PAGE.read_text("utf-8"), f"run `{RENEW}`"


def test_messages_are_sentences_without_the_words_of_the_house() -> None:
    for examples in pages.said_of().values():
        for example in examples:
            head = example.says.split("\n")[0].split(": ", 1)[1]
            assert head[-1] in ".?…", head
            assert head[0] == head[0].upper() or set(".-") & set(head.split()[0]), "only names begin in lower case"
            assert "None" not in head, head
            assert "object at 0x" not in example.says


def test_help_shows_meaning_reason_remedy_example_and_mended_query() -> None:
    page = pages.text(["WINDOW_INVERTED"])
    assert page.startswith("window_inverted: A window that ends before it starts.")
    for part in ("Why", "What to do", "Example", "What is said", "Mended", "See also"):
        assert f"\n{part}\n" in page
    assert "fix: PREDICT SUM(orders.amount, 0, 30, days)" in page
    assert pages.text(["no_data", "no_labels"]).count("See also") == 2


def test_help_lists_every_code_by_group() -> None:
    index = pages.text([])
    assert all(f"\n{group}\n" in index for group in codes.GROUPS)
    assert all(f"  {code} " in index for code in codes.CODES)


def test_help_of_an_unknown_code_names_the_nearest() -> None:
    with pytest.raises(PqlError) as caught:
        pages.text(["misspelt"])
    assert caught.value.code == "unknown_code"
    assert caught.value.nearest[0] == "misspelt_word"


@pytest.mark.parametrize(("word", "known"), WORDS.items())
def test_words_of_other_languages_are_answered(word: str, known: dict[str, str]) -> None:
    error = refused(f"PREDICT t.x FOR EACH t.id {word.lower()} t.y")
    assert error.code == known["code"]
    assert error.hint


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("PREDICT SUM(t.x, 0, 30, days FOR EACH t.id", "("),
        ("PREDICT t.x FOR EACH WHERE t.y = 1", "WHERE"),
        ("PREDICT t.x > 2010-02-30 FOR EACH t.id", "2010-02-30"),
        ("PREDICT 1 < t.x < 5 FOR EACH t.id", "< 5"),
        ("PREDICT t.x FOR EACH t.id WERE t.y = 1", "WERE"),
        ("PREDICT t.x FOR EACH t.id WHERE t.y = 1 WHERE t.z", "WHERE t.z"),
        ("PREDICT t.x = 'abc FOR EACH t.id", "'"),
    ],
)
def test_the_place_is_the_word_at_fault(text: str, place: str) -> None:
    span = refused(text).span
    assert span is not None
    assert text[span.start :].startswith(place)


def test_the_message_shows_line_column_caret_hint_and_fix() -> None:
    assert str(refused("PREDICT t.x\nFOR EACH t.id WERE t.y = 1")) == (
        "misspelt_word: 'WERE' is not known here.\n"
        "  line 2, column 15\n"
        "  | FOR EACH t.id WERE t.y = 1\n"
        "  |               ^^^^\n"
        "  hint: Did you mean WHERE?\n"
        "  fix: PREDICT t.x\n"
        "       FOR EACH t.id WHERE t.y = 1\n"
        "  more: pql help misspelt_word"
    )


def test_where_before_for_each_is_simply_accepted() -> None:
    assert fault_of("PREDICT COUNT(orders.*, 0, 30) WHERE customers.age > 30 FOR EACH customers.customer_id") is None


def test_every_route_that_is_offered_is_one() -> None:
    query = "PREDICT COUNT(orders.*, 0, 30, days) FOR EACH addresses.address_id"
    error = refused(query)
    offered = error.hint.removeprefix("Choose one: ").split(" | ")
    assert len(offered) == 2
    assert all(is_whole(f"{query} {clause}") for clause in offered)


def test_a_filter_two_links_away_says_the_route_and_the_table_that_is_counted() -> None:
    error = refused("PREDICT SUM(orders.amount, 0, 30) FOR EACH customers.customer_id WHERE skus.colour = 'red'")
    assert "skus <-[sku]- order_items -[order_id]-> orders -[customer_id]-> customers" in error.message
    assert error.fix is not None
    assert error.fix.endswith("WHERE COUNT(order_items.* WHERE skus.colour = 'red', -INF, 0) > 0")


def test_two_clauses_that_stand_twice_are_reported_at_once() -> None:
    error = refused("PREDICT t.x FOR t WHERE a WHERE b USING t USING t")
    assert [fault.code for fault in error.faults] == ["duplicate_clause", "duplicate_clause"]
    assert error.fix == "PREDICT t.x FOR t USING t WHERE a AND b"


def test_the_fault_of_one_statement_leaves_the_rest_of_a_script_in_its_fix() -> None:
    with pytest.raises(PqlError) as caught:
        parse_script("SHOW TABLES; PREDICT t.x RANK 5 FOR t; SHOW MODELS")
    assert caught.value.fix == "SHOW TABLES; PREDICT t.x RANK TOP 5 FOR t; SHOW MODELS"


def test_an_error_of_several_faults_is_its_first_and_can_be_copied() -> None:
    faults = (Fault("one", "first", Span(0, 1), "do it", "fixed"), Fault("two", "second"))
    error = copy.copy(PqlError.of(faults, "text"))
    assert (error.code, error.message, error.span) == ("one", "First.", Span(0, 1))
    assert (error.hint, error.fix) == ("Do it.", "fixed")
    assert error.faults == faults
    assert error.text == "text"
    assert "Second." in str(error)
