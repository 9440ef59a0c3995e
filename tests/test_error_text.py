"""How a fault is shown: whole sentences, the right line, the caret under the words, nothing that a terminal obeys."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import pytest

from pql.faces.paint import shown as shown_on
from pql.language.ast import Span
from pql.language.error_text import WIDTH, advice, line_and_column, render_fault, sentence
from pql.language.errors import Fault, PqlError


def shown(text: str, words: str, **more: str) -> list[str]:
    """The lines of a fault at `words` in `text`."""
    start = text.index(words)
    return render_fault(Fault("code", "Found.", Span(start, start + len(words)), **more), text).split("\n")


def test_places_are_counted_from_one() -> None:
    assert line_and_column("ab\ncd", 0) == (1, 1)
    assert line_and_column("ab\ncd", 4) == (2, 2)
    assert line_and_column("ab", 99) == (1, 3)


def test_the_caret_is_under_the_words() -> None:
    assert shown("one\ntwo three", "three") == [
        "code: Found.", "  line 2, column 5", "  | two three", "  |     ^^^^^"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "columns"),
    [("東京 ", 5), ("é ", 2), ("e\u0301 ", 2), ("🙂 ", 3), ("\t\t", 2), ("ﬁ ", 2)],
)
def test_wide_and_combining_characters_are_measured_as_a_terminal_shows_them(before: str, columns: int) -> None:
    caret = shown(before + "WHERE x", "WHERE")[3]
    assert caret == "  | " + " " * columns + "^^^^^"


def test_wide_words_have_wide_carets() -> None:
    assert shown("a 東京 b", "東京")[3] == "  |   ^^^^"


def test_tabs_keep_the_caret_in_place() -> None:
    _, _, source, caret = shown("\tPREDICT\tSUM", "SUM")
    assert source.index("SUM") == caret.index("^")


@pytest.mark.parametrize("at", [0, 40, 300, 900, 1190])
def test_a_long_line_is_cut_around_the_fault(at: int) -> None:
    text = "x " * 600
    text = text[:at] + "HERE" + text[at + 4 :]
    _, place, source, caret = shown(text, "HERE")
    assert place.endswith(f"column {at + 1}")
    assert len(source) <= WIDTH + 6
    assert source[caret.index("^") : caret.rindex("^") + 1] == "HERE"
    assert source.startswith("  | …") == (at > 60)


def test_words_longer_than_the_line_are_cut() -> None:
    _, _, source, caret = shown("a " + "y" * 5000, "y" * 5000)
    assert len(source) < 2 * WIDTH
    assert source.endswith("…")
    assert caret.count("^") <= WIDTH


def test_a_span_of_several_lines_says_where_it_ends() -> None:
    assert shown("ab cd\nef gh", "cd\nef")[1:] == ["  line 1, column 4 to line 2, column 2", "  | ab cd", "  |    ^^"]


def test_the_end_of_the_text_has_a_caret() -> None:
    fault = Fault("incomplete", "The text ends.", Span(3, 3))
    assert render_fault(fault, "abc").split("\n")[1:] == ["  line 1, column 4", "  | abc", "  |    ^"]


def test_line_ends_of_windows_are_no_characters() -> None:
    assert shown("one\r\ntwo\r\n", "two")[1:] == ["  line 2, column 1", "  | two", "  | ^^^"]


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\x7f", "\x9b", "\u202e", "\u200f", "\ud800", "\u2028", "\ufeff"]
)
def test_nothing_that_a_terminal_obeys_is_shown(character: str) -> None:
    text = f"a{character}b WHERE"
    whole = str(
        PqlError("code", f"found {text}", span=Span(4, 9), hint=f"not {text}", fix=text, nearest=[text], text=text)
    )
    assert character not in whole
    whole.encode("utf-8")
    lines = whole.split("\n")
    assert lines[3].index("^") == lines[2].index("WHERE")


def test_a_fault_without_a_place_shows_none() -> None:
    assert render_fault(Fault("no_data", "nothing there", hint="add rows"), "text") == (
        "no_data: Nothing there.\n  hint: Add rows."
    )


def test_nearest_names_are_shown_once() -> None:
    one = Fault("c", "M.", hint="Did you mean orders?", nearest=("orders",))
    assert "nearest" not in render_fault(one, None)
    two = Fault("c", "M.", hint="Did you mean orders?", nearest=("orders", "owners"))
    assert "  nearest: orders, owners" in render_fault(two, None)


def test_a_fix_of_several_lines_stays_under_its_first() -> None:
    assert render_fault(Fault("c", "M.", fix="a\nb"), None) == "c: M.\n  fix: a\n       b"


def test_the_end_says_where_more_is_said_once_per_code() -> None:
    error = PqlError.of([Fault("a", "A."), Fault("b", "B."), Fault("a", "C.")])
    assert str(error).split("\n")[-1] == "  more: pql help a b"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("there is no table x", "There is no table x."),
        ("orders.amount has no values", "orders.amount has no values."),
        ("'x' can't stand here", "'x' can't stand here."),
        ("Is it?", "Is it?"),
        ("Done.", "Done."),
        ("", ""),
    ],
)
def test_messages_are_sentences(given: str, kept: str) -> None:
    assert sentence(given) == kept
    assert sentence(kept) == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("leave it out", "Leave it out."),
        ("write RANK TOP 10", "Write RANK TOP 10"),
        ("write table.column", "Write table.column"),
        ("write (t.x, -90, 0, days)", "Write (t.x, -90, 0, days)"),
        ("customers.segment is one", "customers.segment is one."),
        ("did you mean days?", "Did you mean days?"),
    ],
)
def test_hints_are_sentences_unless_they_end_in_a_piece_of_a_query(given: str, kept: str) -> None:
    assert advice(given) == kept
    assert advice(kept) == kept


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    error = PqlError("code", "found it", span=Span(0, 3), hint="do it", fix="one", nearest=["two"], text="one two")
    painted = shown_on(error, _Terminal())
    assert "\x1b[" in painted
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == str(error)
    assert shown_on(error, io.StringIO()) == str(error)
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown_on(error, _Terminal()) == str(error)


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_on_a_narrow_terminal_the_caret_stands_under_the_words(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    query = (
        "PREDICT COUNT(orders.*, 0, 30, days) FOR EACH customers.customer_id WHERE customers.cityy = 'Bern' AND TRUE"
    )
    at = query.index("customers.cityy")
    hint = "A long hint of many words, which goes on in another line where the terminal has no room for it"
    error = PqlError("unknown_column", hint, span=Span(at, at + 15), hint=hint, text=query)
    lines = shown_on(error, _Terminal()).splitlines()
    assert max(map(len, lines)) <= columns
    source, caret = next((one, two) for one, two in pairwise(lines) if "^" in two)
    start = caret.index("^")
    assert source[start : start + 15] == "customers.cityy"
