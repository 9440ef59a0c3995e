"""Reading: what each form of the language becomes; no text whatsoever gets anything but a tree or a PqlError."""

from __future__ import annotations

import datetime as dt
import json
import time
from importlib.resources import files
from pathlib import Path

import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from pql.language import ast
from pql.language.ast import ColumnName, Identifier, ListOf, Literal, Parameter
from pql.language.codes import CODES
from pql.language.errors import PqlError
from pql.language.parser import parse, parse_predict, parse_script

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "queries.jsonl"
EXAMPLES = [part.strip() for part in files("pql.grammars").joinpath("examples.pql").read_text("utf-8").split(";")]
REFUSED = {"error:syntax", "error:invalid_literal"}  # the outcomes of the corpus that are the parser's


def column(name: str) -> ColumnName:
    table, _, column_ = name.rpartition(".")
    return ColumnName(Identifier(table) if table else None, Identifier(column_))


def target(text: str) -> ast.Expression:
    return parse_predict(f"PREDICT {text} FOR EACH t.id").target


def where(text: str) -> ast.Expression | None:
    return parse_predict(f"PREDICT t.x FOR EACH t.id WHERE {text}").where


def literal(text: str) -> object:
    comparison = where(f"t.y = {text}")
    assert isinstance(comparison, ast.Comparison)
    assert isinstance(comparison.right, Literal)
    return comparison.right.value


def read(text: str) -> ast.Script | PqlError:
    try:
        return parse_script(text)
    except PqlError as error:
        return error


def test_the_corpus_is_read_as_expected():
    if not CORPUS.exists():
        pytest.skip("the shared corpus of queries is not beside the repository")
    for line in CORPUS.read_text("utf-8").splitlines():
        entry = json.loads(line)
        outcome = read(entry["query"])
        if isinstance(outcome, PqlError):
            assert entry["expect"] in REFUSED, f"{entry['query']}\n{outcome}"
            assert outcome.code in CODES
        else:
            assert entry["expect"] not in REFUSED, entry["query"]
            assert isinstance(outcome.statements[0], ast.Sql) == entry["query"].startswith("SELECT")


# ---------------------------------------------------------------- PREDICT


def test_a_whole_query():
    query = parse(
        "PREDICT LIST_DISTINCT(orders.product_id WHERE orders.amount > 5, 0, 14, days) AS next RANK TOP 10 "
        "FOR EACH customers.customer_id USING customers, orders WHERE customers.age >= 18 "
        "ASSUMING COUNT(visits.*, 0, 7) > 0 CANDIDATES WHERE products.price < 9.5 EXCLUDING PURCHASED "
        "AT MOST 3 PER products.department VIA orders IGNORING customers.name AS OF 2024-06-01 "
        "RETURN INTERVAL 0.9 USING MODEL m WITH (model = gnn, neighbors = [16, 16], step = 28 days)"
    )
    window = ast.Window(0, 14, "days")
    amount = ast.Comparison(">", column("orders.amount"), Literal(5))
    assert query == ast.Predict(
        target=ast.Aggregate("LIST_DISTINCT", column("orders.product_id"), amount, window),
        entities=(ast.EntityName(Identifier("customers"), Identifier("customer_id")),),
        alias=Identifier("next"),
        tasks=(ast.RankTop(10),),
        using=(Identifier("customers"), Identifier("orders")),
        where=ast.Comparison(">=", column("customers.age"), Literal(18)),
        assuming=ast.Comparison(
            ">", ast.Aggregate("COUNT", ast.Star(Identifier("visits")), None, ast.Window(0, 7)), Literal(0)
        ),
        as_of=ast.AsOf(Literal(dt.date(2024, 6, 1))),
        candidates=ast.Comparison("<", column("products.price"), Literal(9.5)),
        excluding=ast.Excluding(column("PURCHASED")),
        at_most=ast.AtMost(3, column("products.department")),
        returning=ast.Returning("interval", (0.9,)),
        via=(Identifier("orders"),),
        using_model=Identifier("m"),
        ignoring=(column("customers.name"),),
        options=(
            ast.Option(Identifier("model"), Literal("gnn")),
            ast.Option(Identifier("neighbors"), ListOf((Literal(16), Literal(16)))),
            ast.Option(Identifier("step"), ListOf((Literal(28), Literal("days")))),
        ),
    )


def test_clauses_stand_in_any_order():
    one = parse("PREDICT t.x FOR EACH t.id WHERE t.y = 1 USING t, u AS OF 2024-01-01 RANK TOP 3 AS z")
    two = parse("PREDICT t.x AS z AS OF 2024-01-01 RANK TOP 3 USING t, u WHERE t.y = 1 FOR EACH t.id")
    assert one == two


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("FOR t.id = 7", ast.EntityIds("=", Literal(7))),
        ("FOR EACH t.id == 'a'", ast.EntityIds("=", Literal("a"))),
        ('FOR t.id = "a"', ast.EntityIds("=", Literal("a"))),
        ("FOR t.id IN (4)", ast.EntityIds("IN", ListOf((Literal(4),)))),
        ("FOR t.id IN [4, -5]", ast.EntityIds("IN", ListOf((Literal(4), Literal(-5))))),
        ("FOR t.id IN :ids", ast.EntityIds("IN", Parameter("ids", None))),
        ("FOR t.id > 7", ast.EntityIds(">", Literal(7))),
        ("FOR t.a, u.b = (1, 2)", ast.EntityIds("=", ListOf((Literal(1), Literal(2))))),
    ],
)
def test_entity_ids(text, ids):
    assert parse_predict(f"PREDICT t.x {text}").ids == ids


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("RANK TOP 5", ast.RankTop(5)),
        ("RANK", ast.RankTop(None)),
        ("TOP 5", ast.RankTop(5, has_rank=False)),
        ("RANK TOP -1", ast.RankTop(-1)),
        ("RANK TOP :k", ast.RankTop(Parameter("k", None))),
        ("CLASSIFY", ast.Classify()),
        ("FORECAST 4 TIMEFRAMES", ast.Forecast(4)),
        ("AS CLASS", ast.AsKind("class")),
        ("as number", ast.AsKind("number")),
    ],
)
def test_tasks_before_and_after_for(text, task):
    assert parse_predict(f"PREDICT t.x {text} FOR EACH t.id").tasks == (task,)
    assert parse_predict(f"PREDICT t.x FOR EACH t.id {text} WHERE t.y").tasks == (task,)


def test_tasks_of_two_kinds_are_kept_for_the_binder_to_judge():
    assert parse_predict("PREDICT t.x RANK TOP 5 FORECAST 2 TIMEFRAMES FOR t").tasks == (
        ast.RankTop(5),
        ast.Forecast(2),
    )


def test_relql_reads_into_the_same_tree():
    assert parse(
        "PREDICT EXISTS(results.*) OVER (30 DAYS FOLLOWING) FROM drivers "
        "WHERE COUNT(results.*) OVER (365 DAYS PRECEDING) > 0"
    ) == parse("PREDICT EXISTS(results.*, 0, 30, days) FOR EACH drivers WHERE COUNT(results.*, -365, 0, days) > 0")
    assert parse("PREDICT ARRAY_AGG(o.p) OVER (14 DAYS FOLLOWING RANK TOP 9) FROM c") == parse(
        "PREDICT ARRAY_AGG(o.p, 0, 14, days) RANK TOP 9 FOR EACH c"
    )


def test_the_excluded():
    def excluded(text: str) -> ast.Expression:
        clause = parse_predict(f"PREDICT t.x FOR EACH t.id EXCLUDING {text}").excluding
        assert clause is not None
        return clause.what

    assert excluded("PURCHASED") == excluded("(PURCHASED)") == column("PURCHASED")
    assert excluded("(o.p, -90, 0, days)") == ast.Aggregate("", column("o.p"), None, ast.Window(-90, 0, "days"))
    assert excluded("LIST_DISTINCT(o.p, -9, 0)") == ast.Aggregate(
        "LIST_DISTINCT", column("o.p"), None, ast.Window(-9, 0)
    )


def test_using_model_takes_a_name_and_using_takes_tables():
    assert parse_predict("PREDICT x FOR t USING MODEL churn").using_model == Identifier("churn")
    assert parse_predict("PREDICT x FOR t USING MODEL").using == (Identifier("MODEL"),)
    assert parse_predict("PREDICT x FOR t USING model, t").using == (Identifier("model"), Identifier("t"))


def test_options_take_words_numbers_texts_lists_and_durations():
    query = parse_predict("PREDICT x FOR t WITH (a = off, b = 0.5, c = '60 s', d = (8), e = 28 DAY, f = TRUE, g = -1)")
    values = [option.value for option in query.options]
    duration = ListOf((Literal(28), Literal("days")))
    assert values == [
        Literal("off"), Literal(0.5), Literal("60 s"), ListOf((Literal(8),)), duration, Literal(True), Literal(-1),
    ]  # fmt: skip


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


# ---------------------------------------------------------------- statements


def test_statements():
    query = parse_predict("PREDICT t.x FOR EACH t")
    text = "PREDICT t.x FOR EACH t"
    x, y = column("a.x"), column("b.y")
    for written, read in [
        (f"EXPLAIN {text}", ast.Explain(query)),
        (f"explain analyze sql {text}", ast.Explain(query, "sql", analyze=True)),
        (f"EVALUATE {text}", ast.Evaluate(query)),
        (f"EVALUATE {text} AT 2024-01-01", ast.Evaluate(query, (Literal(dt.date(2024, 1, 1)),))),
        (f"LABELS {text}", ast.Labels(query)),
        (f"CHECK LEAKAGE {text}", ast.CheckLeakage(query)),
        (f"CREATE OR REPLACE MODEL m AS {text}", ast.CreateModel(Identifier("m"), query, replace=True)),
        (f"CREATE TABLE m AS {text}", ast.CreateTable(Identifier("m"), query)),
        (f"COPY ({text}) TO 'f.parquet'", ast.Copy(query, "f.parquet")),
        ("SHOW TABLES", ast.Show("tables")),
        ("SHOW METRICS FOR MODEL m", ast.Show("metrics", Identifier("m"))),
        ("DESCRIBE MODEL m", ast.Describe(Identifier("m"), is_model=True)),
        ("DESCRIBE model", ast.Describe(Identifier("model"))),
        ("DROP TARGET m", ast.DropTarget(Identifier("m"))),
        ("ALTER MODEL m USE VERSION 3", ast.AlterModel(Identifier("m"), 3)),
        ("DEFINE TARGET m AS t.x CLASSIFY", ast.DefineTarget(Identifier("m"), column("t.x"), (ast.Classify(),))),
        ("LINK a.x -> b.y", ast.LinkOverride(x, y)),
        ("UNLINK a.x->b.y", ast.LinkOverride(x, y, remove=True)),
        ("KEY a.x", ast.KeyOverride(x)),
        ("TIME a.x", ast.TimeOverride(x)),
        ("NO TIME a", ast.TimeOverride(None, Identifier("a"))),
    ]:
        assert parse(written) == read


def test_sql_is_kept_as_it_is():
    text = "select ';', \"a;b\" /* ; */ -- ;\n from t::x || [{'a': 1}]"
    assert parse_script(f" {text} ; SHOW TABLES") == ast.Script((ast.Sql(text), ast.Show("tables")))
    assert parse("WITH a AS (SELECT 1) SELECT * FROM a;") == ast.Sql("WITH a AS (SELECT 1) SELECT * FROM a")


def test_parse_predict_takes_nothing_else():
    with pytest.raises(PqlError) as caught:
        parse_predict("SHOW TABLES")
    assert caught.value.code == "not_a_prediction"


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
