"""Errors: every malformed text has its code, its place and, where one exists, a repair that reads."""

from __future__ import annotations

import copy
import tomllib
from importlib.resources import files

import pytest

from pql.language import codes
from pql.language.ast import Span
from pql.language.errors import Fault, PqlError
from pql.language.parser import parse, parse_script

DATA = tomllib.loads(files("pql.grammars").joinpath("mistakes.toml").read_text("utf-8"))
MISTAKES = DATA["mistake"]
ELSEWHERE = {"text_too_long", "too_deep", "too_many_values", "not_a_prediction"}  # shown by the parser's tests


def refused(text: str) -> PqlError:
    with pytest.raises(PqlError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["text"][:60])
def test_a_mistake_has_its_code_and_its_repair(mistake):
    error = refused(mistake["text"])
    assert error.code == mistake["code"], str(error)
    assert error.fix == mistake.get("fix"), str(error)
    assert error.fix is None or parse(error.fix)
    assert error.hint, "a hint says what would do"
    assert error.span is not None or error.code == "empty_text"


def test_every_code_of_the_parser_has_a_mistake_that_shows_it():
    shown = {mistake["code"] for mistake in MISTAKES} | ELSEWHERE
    assert shown >= set(codes.TEXT) | set(codes.SYNTAX) | set(codes.ARGUMENTS)


@pytest.mark.parametrize(("word", "known"), DATA["words"].items())
def test_words_of_other_languages_are_answered(word, known):
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
def test_the_place_is_the_word_at_fault(text, place):
    span = refused(text).span
    assert span is not None
    assert text[span.start :].startswith(place)


def test_the_message_shows_line_column_caret_hint_and_fix():
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


def test_two_clauses_that_stand_twice_are_reported_at_once():
    error = refused("PREDICT t.x FOR t WHERE a WHERE b USING t USING t")
    assert [fault.code for fault in error.faults] == ["duplicate_clause", "duplicate_clause"]
    assert error.fix == "PREDICT t.x FOR t USING t WHERE a AND b"


def test_the_fault_of_one_statement_leaves_the_rest_of_a_script_in_its_fix():
    with pytest.raises(PqlError) as caught:
        parse_script("SHOW TABLES; PREDICT t.x RANK 5 FOR t; SHOW MODELS")
    assert caught.value.fix == "SHOW TABLES; PREDICT t.x RANK TOP 5 FOR t; SHOW MODELS"


def test_an_error_of_several_faults_is_its_first_and_can_be_copied():
    faults = (Fault("one", "first", Span(0, 1), "do it", "fixed"), Fault("two", "second"))
    error = copy.copy(PqlError.of(faults, "text"))
    assert (error.code, error.message, error.span, error.hint, error.fix) == (
        "one",
        "First.",
        Span(0, 1),
        "Do it.",
        "fixed",
    )
    assert error.faults == faults
    assert error.text == "text"
    assert "Second." in str(error)
