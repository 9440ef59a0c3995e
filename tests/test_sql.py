"""SQL text: whatever a name or a value holds, DuckDB reads it back as it was."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pql.backends.sql import Select, identifier, inline, literal, mentions, qualified, timestamp, with_tables

CON = duckdb.connect()


def read(expression: str) -> object:
    return CON.sql(f"SELECT {expression}").fetchall()[0][0]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_strings_survive(text: str) -> None:
    assert read(literal(text)) == text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_identifiers_survive(name: str) -> None:
    assert CON.sql(f"SELECT 1 AS {identifier(name)}").columns == [name]


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_survive(number: int) -> None:
    assert read(literal(number)) == number
    assert read(f"CAST({literal(number)} AS BIGINT)") == number


@given(st.floats())
def test_floats_survive(number: float) -> None:
    back = read(literal(number))
    assert isinstance(back, float)
    assert back == number or (math.isnan(number) and math.isnan(back))


@given(st.datetimes(min_value=dt.datetime(1, 1, 1)))
def test_moments_survive(moment: dt.datetime) -> None:
    assert read(literal(moment)) == moment


@given(st.integers(-(2**62), 2**62))
def test_microseconds_survive(us: int) -> None:
    assert read(f"epoch_us({timestamp(us)})") == us


def test_other_values() -> None:
    assert literal(None) == "NULL"
    assert (literal(True), literal(False)) == ("TRUE", "FALSE")
    assert literal(uuid.UUID(int=1)) == "'00000000-0000-0000-0000-000000000001'"
    assert literal(dt.datetime(2024, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2)))) == (
        "TIMESTAMP '2024-01-01 00:00:00'"
    )
    assert literal(dt.date(2024, 1, 1)) == "TIMESTAMP '2024-01-01 00:00:00'"
    assert read(literal(Decimal("1.25"))) == 1.25
    assert literal((1, "a")) == "(1, 'a')"
    assert read(f"1 IN {literal([])}") is None
    with pytest.raises(TypeError):
        literal(object())


def test_names_are_quoted_part_by_part() -> None:
    assert qualified("main", 'a"b') == '"main"."a""b"'


def test_a_select_is_built_clause_by_clause() -> None:
    made = Select(
        ("a", "count(*) AS n"), '"t"', where=("a > 1 OR a IS NULL",), group_by=("a",), order_by=("n",), limit=3
    )
    assert str(made.filtered("b = 2")) == (
        'SELECT a, count(*) AS n\nFROM "t"\nWHERE (a > 1 OR a IS NULL) AND b = 2\nGROUP BY a\nORDER BY n\nLIMIT 3'
    )


def test_parameters_are_inlined_outside_of_quotes_and_comments() -> None:
    text = "SELECT '?', \"?\", ?, $2 -- ?\n/* ? */ WHERE a = 'it''s ?'"
    assert inline(text, ["x", 2]) == "SELECT '?', \"?\", 'x', 2 -- ?\n/* ? */ WHERE a = 'it''s ?'"
    with pytest.raises(ValueError, match="missing"):
        inline("SELECT ?", [])


def test_a_bound_and_an_inlined_statement_answer_alike() -> None:
    values = ["it's", 2**60, 0.1, dt.datetime(2024, 1, 1), None, True]
    text = "SELECT " + ", ".join("?" for _ in values)
    assert CON.sql(text, params=values).fetchall() == CON.sql(inline(text, values)).fetchall()


def test_named_queries_stand_in_for_tables() -> None:
    body = 'SELECT x FROM "a""b" ORDER BY x DESC'
    text = with_tables([('a"b', "SELECT * FROM (VALUES (1), (2)) t(x)")], body)
    assert CON.sql(text).fetchall() == [(2,), (1,)]
    assert mentions(body, 'a"b')
    assert not mentions(body, "orders")


def test_a_statement_may_name_its_own_part_like_a_table() -> None:
    text = with_tables([("t", "SELECT 1 AS x")], "WITH t AS (SELECT x + 1 AS x FROM t) SELECT * FROM t")
    assert CON.sql(text).fetchall() == [(2,)]
