"""The formatter: canonical text that reads back to an equal tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import strategies
from hypothesis import given, settings

from pql.language import ast
from pql.language.errors import PqlError
from pql.language.format import format, quote_name, quote_string
from pql.language.lexing import KEYWORDS
from pql.language.parser import parse, parse_predict, parse_script

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "queries.jsonl"


@settings(max_examples=150, deadline=None)
@given(strategies.statements)
def test_a_formatted_statement_reads_back_equal(statement):
    text = format(statement)
    read = parse(text)
    assert read == statement
    assert format(read) == text  # also tells TRUE from 1 and 1 from 1.0


@pytest.mark.parametrize("word", sorted(KEYWORDS | {"days", "INFINITY", "timeframe", "date"}))
def test_any_name_may_be_called_like_a_keyword(word):
    name = ast.Identifier(word)
    bare, column = ast.ColumnName(None, name), ast.ColumnName(name, name)
    aggregate = ast.Aggregate("SUM", bare, ast.Comparison("=", bare, column), ast.Window(0, 30, "days"))
    query = ast.Predict(
        target=ast.Comparison(">", aggregate, ast.Arithmetic("+", bare, bare)),
        entities=(ast.EntityName(name, None), ast.EntityName(name, name)),
        alias=name,
        using=(name, name),
        using_model=name,
        where=ast.Or((ast.Not(bare), ast.InList(bare, ast.ListOf((bare, column))), ast.Star(name))),
        excluding=ast.Excluding(bare),
        at_most=ast.AtMost(3, bare),
        via=(name,),
        ignoring=(bare, column),
        options=(ast.Option(name, ast.Literal(word)),),
    )
    assert parse(format(query)) == query
    for statement in (
        ast.CreateModel(name, query),
        ast.Show("metrics", name),
        ast.Describe(name),
        ast.Describe(name, is_model=True),
        ast.AlterModel(name, 2),
        ast.DefineTarget(name, bare, (ast.RankTop(5),)),
        ast.TimeOverride(None, name),
    ):
        assert parse(format(statement)) == statement


def test_a_comment_at_the_end_of_sql_does_not_swallow_the_next_statement():
    script = ast.Script((ast.Sql("SELECT 1 -- one"), ast.Sql("SELECT 2")))
    assert parse_script(format(script)) == script


def test_the_corpus_survives_formatting():
    if not CORPUS.exists():
        pytest.skip("the shared corpus of queries is not beside the repository")
    read = 0
    for line in CORPUS.read_text("utf-8").splitlines():
        try:
            statement = parse(json.loads(line)["query"])
        except PqlError:
            continue
        text = format(statement)
        assert parse(text) == statement
        assert format(parse(text)) == text
        read += 1
    assert read > 180


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("predict sum( t.x ,0,30 , Day )for each t.id", "PREDICT SUM(t.x, 0, 30, days) FOR EACH t.id"),
        ("PREDICT t.x WHERE t.y=1 FOR t.id;", "PREDICT t.x FOR t.id WHERE t.y = 1"),
        ("PREDICT `t`.`x` == 'a' FOR EACH t", "PREDICT t.x = 'a' FOR EACH t"),
        ("PREDICT ((t.x)) > (1) FOR EACH t", "PREDICT t.x > 1 FOR EACH t"),
        ("PREDICT a + (b + c) - (d) FOR EACH t", "PREDICT a + (b + c) - d FOR EACH t"),
        ("PREDICT NOT (a AND (b OR c)) FOR EACH t", "PREDICT NOT (a AND (b OR c)) FOR EACH t"),
        ("PREDICT - - a FOR EACH t", "PREDICT -(-a) FOR EACH t"),
        ('PREDICT t.`where` = "x" FOR EACH t.`a b`', "PREDICT t.where = 'x' FOR EACH t.`a b`"),
        ("PREDICT `where` FOR EACH `each`", "PREDICT `where` FOR EACH `each`"),
        ("PREDICT t.x FOR t.id=7 as of 14.03.2010", "PREDICT t.x FOR t.id = 7 AS OF 2010-03-14"),
        ("PREDICT t.x FOR t WITH(step=28 DAY)", "PREDICT t.x FOR t WITH (step = 28 days)"),
        ("PREDICT t.x FOR t.id=? WHERE t.y=?", "PREDICT t.x FOR t.id = ? WHERE t.y = ?"),
        ("PREDICT t.x WHERE t.y=? FOR t.id=?", "PREDICT t.x FOR t.id = ?2 WHERE t.y = ?1"),
        ("PREDICT COUNT(*) OVER (7 DAYS FOLLOWING) FROM t", "PREDICT COUNT(*, 0, 7, days) FOR EACH t"),
    ],
)
def test_the_canonical_text(written, canonical):
    assert format(parse(written)) == canonical


def test_parts_of_a_query_have_a_text_too():
    query = parse_predict("PREDICT SUM(t.x, 0, 7) > 3 RANK TOP 5 FOR t.id IN (1, 2)")
    assert format(query.target) == "SUM(t.x, 0, 7) > 3"
    assert format(query.tasks[0]) == "RANK TOP 5"
    assert query.ids is not None
    assert format(query.ids) == "IN (1, 2)"
    assert format(ast.Identifier("a b")) == "`a b`"


def test_quoting():
    assert [quote_name(n) for n in ("x", "Größe", "where", "model", "a`b", "1")] == [
        "x", "Größe", "`where`", "`model`", "`a``b`", "`1`",
    ]  # fmt: skip
    assert quote_string("it's a \\ and\na line") == "'it''s a \\\\ and\\na line'"


def test_a_tree_of_the_greatest_depth_has_a_text():
    for text in ("NOT " * 200 + "x", "x" + " + 1" * 200, "(x - " * 100 + "1" + ")" * 100, "-(" * 100 + "x" + ")" * 100):
        query = parse(f"PREDICT {text} FOR EACH t")
        assert parse(format(query)) == query


def test_what_is_no_tree_is_refused():
    with pytest.raises(TypeError, match="has no text"):
        format(42)  # type: ignore[arg-type]
