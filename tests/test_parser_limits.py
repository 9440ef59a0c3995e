"""Reading: no text whatsoever gets anything but a tree or a PqlError, and none takes long."""

from __future__ import annotations

import time
from importlib.resources import files

import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import read

from pql.language import ast
from pql.language.codes import CODES
from pql.language.errors import PqlError
from pql.language.parser import parse, parse_predict, parse_script

EXAMPLES = [part.strip() for part in files("pql.grammars").joinpath("examples.pql").read_text("utf-8").split(";")]


# ---------------------------------------------------------------- limits, hostile texts, speed


def code_of(text: str) -> str:
    with pytest.raises(PqlError) as caught:
        parse_script(text)
    return caught.value.code


def test_limits():
    assert code_of("PREDICT " + "(" * 201 + "x" + ")" * 201 + " FOR t") == "too_deep"
    assert code_of("PREDICT " + "(" * 30_000) == "too_deep"
    assert code_of("PREDICT " + "NOT " * 5_000 + "x FOR t") == "too_deep"
    assert code_of("PREDICT " + "- " * 5_000 + "x FOR t") == "too_deep"
    assert code_of("PREDICT x" + " + 1" * 5_000 + " FOR t") == "too_deep"
    assert code_of("PREDICT x IN (" + "1," * 10_000 + "1) FOR t") == "too_many_values"
    assert code_of("PREDICT x FOR t -- " + "x" * 65_536) == "text_too_long"
    assert code_of("PREDICT x FOR t -- " + "é" * 40_000) == "text_too_long"


def test_what_lies_within_the_limits_is_read():
    assert parse("PREDICT " + "(" * 200 + "x" + ")" * 200 + " FOR t")
    assert parse("PREDICT " + "NOT " * 200 + "x FOR t")
    assert parse("PREDICT x IN (" + "1," * 9_999 + "1) FOR t")
    many = parse_predict("PREDICT x FOR t WHERE " + " OR ".join(["a"] * 8_000))
    assert isinstance(many.where, ast.Or)
    assert len(many.where.items) == 8_000


def check(text: str) -> None:
    """Parsing `text` gives a tree or a PqlError with a known code, a place in the text and a repair that reads."""
    error = read(text)
    if isinstance(error, PqlError):
        assert error.code in CODES
        assert error.message
        assert str(error)
        assert error.span is None or 0 <= error.span.start <= error.span.end <= len(text)
        assert error.fix is None or parse_script(error.fix)


@settings(max_examples=400, deadline=None)
@given(strategies.word_soups | st.text(max_size=30))
def test_any_text_gives_a_tree_or_a_pql_error(text):
    check(text)
    check("PREDICT t.x FOR EACH t.id " + text)
    check("PREDICT SUM(t.x, 0, " + text)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(EXAMPLES), st.integers(0, 400), st.integers(0, 12), strategies.words)
def test_any_damage_to_an_example_gives_a_tree_or_a_pql_error(example, at, length, word):
    check(example[:at] + word + example[at + length :])


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "PREDICT t.\0",
        "'" * 4_001,
        '"' * 4_001,
        "/*" * 2_000,
        "((((" * 40,
        "\ud800",
        "PREDICT x IN (" + "'a'," * 500,
    ],
)
def test_hostile_texts(text):
    check(text)


def test_speed():
    """Generous bounds, against blow-ups: a query of 200 characters takes 0.3 ms, a broken one of 2 KB 20 ms."""
    query = "PREDICT COUNT(orders.* WHERE orders.amount > 5, 0, 30, days) > 0 FOR EACH customers.customer_id "
    query += "WHERE customers.segment IN ('a', 'b', 'c') AND COUNT(orders.*, -90, 0, days) > 0 USING customers, orders"
    parse(query)
    started = time.perf_counter()
    for _ in range(20):
        parse(query)
    assert (time.perf_counter() - started) / 20 < 0.02
    broken = "PREDICT x FOR t WHERE " + "a = 1 AND " * 200 + "= 3 FOR"
    started = time.perf_counter()
    check(broken)
    assert time.perf_counter() - started < 0.5
