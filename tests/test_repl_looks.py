"""What the prompt looks like: colours of what is typed, the modes of answers, and progress by stage."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompts import Terminalike, desk_over, shown, tiny

import pql
from pql.faces.desk import MODES, Desk
from pql.faces.highlight import PqlLexer, coloured
from pql.faces.known import Known, names_of
from pql.faces.progress import StderrProgress
from pql.faces.repl import take
from pql.faces.terminal import _Completer

TYPED = "PREDICT COUNT(orders.*, 0, 30, days) > 2 -- busy\nFOR EACH users.user_id WHERE users.city = 'Bern';"


@pytest.fixture(scope="module")
def session() -> Iterator[pql.Session]:
    with pql.connect(tiny()) as session:
        yield session


@pytest.fixture
def desk(session: pql.Session) -> Desk:
    return desk_over(session)


@pytest.mark.parametrize(
    ("word", "colour"),
    [
        ("PREDICT", "keyword"),
        ("COUNT", "function"),
        ("30", "number"),
        ("days", "number"),
        ("-- busy", "comment"),
        ("EACH", "keyword"),
        ("'Bern'", "string"),
    ],
)
def test_words_have_the_colour_of_what_they_are(word: str, colour: str) -> None:
    assert (f"class:pql.{colour}", word) in list(coloured(TYPED))


def test_names_have_no_colour_even_where_they_are_words_of_the_language() -> None:
    pieces = {text: style for style, text in coloured("SELECT t.count, t.where FROM t")}
    assert (pieces["count"], pieces["where"], pieces["t"]) == ("", "", "")


@pytest.mark.parametrize("text", [TYPED, ".mode csv", "SELECT 'open", "/* open\n", "`a`; $x ? \x00\n\n", ""])
def test_colours_change_no_character(text: str) -> None:
    assert "".join(piece for _, piece in coloured(text)) == text
    lexed = PqlLexer().lex_document(Document(text))
    assert "\n".join("".join(part[1] for part in lexed(n)) for n in range(text.count("\n") + 1)) == text


def test_a_command_has_a_colour_of_its_own() -> None:
    assert list(coloured(".mode csv")) == [("class:pql.command", ".mode csv")]


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        ("box", "n  word\n─  ────\n1  a|b\n"),
        ("csv", '"n","word"\n1,"a|b"\n'),
        ("jsonl", '{"n": 1, "word": "a|b"}\n'),
        ("md", "| n | word |\n| --- | --- |\n| 1 | a\\|b |\n"),
        ("line", "   n = 1\nword = a|b\n"),
    ],
)
def test_every_mode_at_the_prompt(desk: Desk, mode: str, answer: str) -> None:
    take(desk, f".mode {mode}")
    take(desk, "SELECT 1 AS n, 'a|b' AS word;")
    assert shown(desk) == answer


def test_json_is_one_list(desk: Desk) -> None:
    take(desk, ".mode json")
    take(desk, "SELECT 1 AS n UNION ALL SELECT 2 ORDER BY n;")
    assert json.loads(shown(desk)) == [{"n": 1}, {"n": 2}]


def test_all_modes_are_tried() -> None:
    assert set(MODES) == {"box", "csv", "json", "jsonl", "md", "line", "parquet"}


def test_a_stage_is_one_line_with_a_bar_and_ends_as_its_seconds() -> None:
    terminal = Terminalike()
    progress = StderrProgress(terminal)
    progress.stage("features", "orders", 0.0)
    progress.stage("train", "round 40", 0.5)
    drawn = re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue())
    assert "\n" not in drawn
    assert re.search(r"\r\x1b\[2Ktrain .*━+.* 50% round 40", drawn)
    progress.done("train", 1.25)
    assert re.search(r"\r\x1b\[2Ktrain 1\.[23] s\n$", terminal.getvalue())


def test_the_menu_comes_with_typing_but_not_on_an_empty_line(session: pql.Session) -> None:
    known = Known(lambda: session)
    known._names = names_of(session.catalog())

    def offered(text: str, *, tab: bool) -> list[str]:
        event = CompleteEvent(text_inserted=not tab, completion_requested=tab)
        return [one.text for one in _Completer(known).get_completions(Document(text), event)]

    assert offered("SELECT 1;\n", tab=False) == []
    assert "PREDICT" in offered("SELECT 1;\n", tab=True)
    assert "PREDICT" in offered("SELECT 1;\nPRE", tab=False)
    assert offered("PREDICT COUNT(", tab=False)[0] == "orders."
