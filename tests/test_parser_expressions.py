"""Reading: targets, windows, operators, names and constants."""

from __future__ import annotations

import datetime as dt

import pytest
from reading import column, literal, target, where

from pql.language import ast
from pql.language.ast import ColumnName, Identifier, ListOf, Literal, Parameter
from pql.language.errors import PqlError
from pql.language.parser import parse, parse_predict

# ---------------------------------------------------------------- targets and expressions


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("0, 30, days", ast.Window(0, 30, "days")),
        ("0, 30", ast.Window(0, 30, None)),
        ("-90, 0, Day", ast.Window(-90, 0, "days")),
        ("-INF, 0", ast.Window(None, 0, None)),
        ("-infinity, 0, WEEK", ast.Window(None, 0, "weeks")),
        ("1, 3, months", ast.Window(1, 3, "months")),
        (":a, ?, years", ast.Window(Parameter("a", None), Parameter(None, 0), "years")),
    ],
)
def test_windows(text, window):
    assert target(f"SUM(t.x, {text})") == ast.Aggregate("SUM", column("t.x"), None, window)


def test_aggregates_take_any_function_name_stars_filters_and_arithmetic():
    assert target("frobnicate(t.x)") == ast.Aggregate("FROBNICATE", column("t.x"))
    assert target("COUNT(*, 0, 7)") == ast.Aggregate("COUNT", ast.Star(None), None, ast.Window(0, 7))
    assert target("NOT EXISTS(t.*)") == ast.Not(ast.Aggregate("EXISTS", ast.Star(Identifier("t"))))
    assert target("COUNT(DISTINCT t.x)") == target("COUNT_DISTINCT(t.x)")
    price = ast.Arithmetic("*", column("t.price"), column("t.qty"))
    assert target("SUM(t.price * t.qty WHERE t.ok)") == ast.Aggregate("SUM", price, column("t.ok"))
    assert target("t.*") == ast.Star(Identifier("t"))


def test_and_binds_tighter_than_or_and_not_than_and():
    a, b, c = column("a"), column("b"), column("c")
    assert where("a OR b AND NOT c") == ast.Or((a, ast.And((b, ast.Not(c)))))
    assert where("(a OR b) OR c") == where("a OR (b OR c)") == ast.Or((a, b, c))
    assert where("NOT a = 1") == ast.Not(ast.Comparison("=", a, Literal(1)))


def test_arithmetic_binds_as_in_school():
    a, b, c = column("a"), column("b"), column("c")
    assert where("a - b - c") == ast.Arithmetic("-", ast.Arithmetic("-", a, b), c)
    assert where("a + b * c") == ast.Arithmetic("+", a, ast.Arithmetic("*", b, c))
    assert where("-a % b") == ast.Arithmetic("%", ast.Negate(a), b)
    assert where("a - -5") == ast.Arithmetic("-", a, Literal(-5))


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("a == 1", ast.Comparison("=", column("a"), Literal(1))),
        ("a <> 1", ast.Comparison("!=", column("a"), Literal(1))),
        ("a BETWEEN 1 AND 2", ast.Between(column("a"), Literal(1), Literal(2))),
        ("a NOT BETWEEN 1 AND 2", ast.Between(column("a"), Literal(1), Literal(2), negated=True)),
        ("a IN (1)", ast.InList(column("a"), ListOf((Literal(1),)))),
        ("a NOT IN ['x', \"y\"]", ast.InList(column("a"), ListOf((Literal("x"), Literal("y"))), negated=True)),
        ("a IN ?", ast.InList(column("a"), Parameter(None, 0))),
        ("a IN 367", ast.InList(column("a"), Literal(367))),
        ("a IS NULL", ast.IsNull(column("a"))),
        ("a IS NOT NULL", ast.IsNull(column("a"), negated=True)),
        ("a LIKE 'x%'", ast.Match("LIKE", column("a"), Literal("x%"))),
        ("a NOT CONTAINS 'x'", ast.Match("CONTAINS", column("a"), Literal("x"), negated=True)),
        ("a starts  with 'x'", ast.Match("STARTS WITH", column("a"), Literal("x"))),
        ("a ENDS WITH 'x'", ast.Match("ENDS WITH", column("a"), Literal("x"))),
        ("a = (1, 2)", ast.Comparison("=", column("a"), ListOf((Literal(1), Literal(2))))),
        ("a = High", ast.Comparison("=", column("a"), column("High"))),
    ],
)
def test_operators(text, node):
    assert where(text) == node


def test_double_quotes_hold_a_name_or_a_text_by_place():
    assert where('"t"."x" = "y"') == ast.Comparison("=", column("t.x"), Literal("y"))
    assert where('"x" = "t"."y"') == ast.Comparison("=", column("x"), column("t.y"))
    assert where('a BETWEEN "b" AND "c"') == ast.Between(column("a"), Literal("b"), Literal("c"))
    assert target('SUM("price" * "qty")') == target("SUM(price * qty)")
    assert literal('"it\'s ""x"" \\" y"') == 'it\'s "x" " y'


# ---------------------------------------------------------------- words, names, constants


@pytest.mark.parametrize("name", ["week", "date", "rank", "position", "type", "count", "top", "each", "model", "days"])
def test_keywords_are_not_reserved(name):
    assert target(name) == column(name)
    assert target(f"t.{name}") == column(f"t.{name}")
    assert target(f"SUM({name}, 0, 1, {name})" if name == "days" else f"SUM({name}, 0, 1)")
    assert where(f"{name} > 3") == ast.Comparison(">", column(name), Literal(3))


@pytest.mark.parametrize("name", ["where", "for", "null", "and", "predict"])
def test_reserved_words_are_names_beside_a_dot_or_in_backticks(name):
    assert target(f"t.{name}") == column(f"t.{name}")
    assert target(f"`{name}`") == column(name)
    assert parse_predict(f"PREDICT x FOR EACH {name}.id").entities[0].table == Identifier(name)


def test_keywords_match_whole_words_only():
    assert parse_predict("PREDICT TOP5 FOR EACH t").target == column("TOP5")
    with pytest.raises(PqlError):
        parse("PREDICT t.x RANK TOP5 FOR EACH t")


def test_names_in_backticks_keep_every_character():
    assert target("`a b`.`c``d\n`") == ColumnName(Identifier("a b"), Identifier("c`d\n"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("18446744073709551615", 2**64 - 1), ("-9007199254740993", -9007199254740993),
        ("0.5", 0.5), (".5", 0.5), ("5.", 5.0), ("1.5e1", 15.0), ("1E3", 1000.0), ("+7", 7),
        ("true", True), ("FALSE", False), ("Null", None),
        ("'it''s'", "it's"), (r"'it\'s'", "it's"), (r"'a\nb\\c\%'", "a\nb\\c\\%"), ("'CAFÉ'", "CAFÉ"), ("''", ""),
        ("2010-03-14", dt.date(2010, 3, 14)), ("2010/3/14", dt.date(2010, 3, 14)),
        ("2010.03.14", dt.date(2010, 3, 14)), ("14.03.2010", dt.date(2010, 3, 14)),
        ("2010-03-14 07:08", dt.datetime(2010, 3, 14, 7, 8)),
        ("2010-03-14T07:08:09.25Z", dt.datetime(2010, 3, 14, 7, 8, 9, 250_000)),
        ("2010-03-14 00:30:00+01:00", dt.datetime(2010, 3, 13, 23, 30)),
        ("DATE '2010-03-14'", dt.date(2010, 3, 14)),
        ("timestamp '2010-03-14 07:08:09'", dt.datetime(2010, 3, 14, 7, 8, 9)),
    ],
)  # fmt: skip
def test_constants(text, value):
    read = literal(text)
    assert read == value
    assert type(read) is type(value)


def test_parameters_by_name_and_by_place():
    query = parse_predict("PREDICT SUM(t.x, 0, :n) > ? FOR t.id = ? WHERE t.y = ?1")
    assert query.ids == ast.EntityIds("=", Parameter(None, 1))
    assert query.where == ast.Comparison("=", column("t.y"), Parameter(None, 0))


def test_spaces_and_comments_stand_anywhere():
    text = "\ufeff-- one\n# two\nPREDICT/* three\n*/\tt.x\r\nFOR\u00a0EACH t . id ;;\n-- four"
    assert parse(text) == parse("PREDICT t.x FOR EACH t.id")


def test_spans_point_into_the_text():
    text = "EXPLAIN PREDICT SUM(t.price * 2, 0, 30, days) > 5 FOR EACH t.id WHERE t.y IN ('a') AS OF 2024-01-01"
    statement = parse(text)
    assert isinstance(statement, ast.Explain)
    query = statement.query

    def at(node) -> str:
        return text[node.span.start : node.span.end]

    assert at(statement) == text
    assert at(query) == text.removeprefix("EXPLAIN ")
    assert at(query.target) == "SUM(t.price * 2, 0, 30, days) > 5"
    assert at(query.target.left) == "SUM(t.price * 2, 0, 30, days)"
    assert at(query.target.left.window) == "0, 30, days"
    assert at(query.target.left.argument.left.column) == "price"
    assert at(query.entities[0]) == "t.id"
    assert at(query.where.items) == "('a')"
    assert at(query.as_of.when) == "2024-01-01"
