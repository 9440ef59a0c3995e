"""Reading: what each clause and each statement becomes."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from reading import column, read

from pql.language import ast
from pql.language.ast import Identifier, ListOf, Literal, Parameter
from pql.language.codes import CODES
from pql.language.errors import PqlError
from pql.language.parser import parse, parse_predict, parse_script

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "queries.jsonl"
REFUSED = {"error:syntax", "error:invalid_literal"}  # the outcomes of the corpus that are the parser's


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


# ---------------------------------------------------------------- statements


def test_statements():
    query = parse_predict("PREDICT t.x FOR EACH t")
    text = "PREDICT t.x FOR EACH t"
    x, y = column("a.x"), column("b.y")
    for written, tree in [
        (f"EXPLAIN {text}", ast.Explain(query)),
        (f"explain analyze sql {text}", ast.Explain(query, "sql", analyze=True)),
        (f"explain prediction {text}", ast.ExplainPrediction(query)),
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
        assert parse(written) == tree


def test_sql_is_kept_as_it_is():
    text = "select ';', \"a;b\" /* ; */ -- ;\n from t::x || [{'a': 1}]"
    assert parse_script(f" {text} ; SHOW TABLES") == ast.Script((ast.Sql(text), ast.Show("tables")))
    assert parse("WITH a AS (SELECT 1) SELECT * FROM a;") == ast.Sql("WITH a AS (SELECT 1) SELECT * FROM a")


def test_parse_predict_takes_nothing_else():
    with pytest.raises(PqlError) as caught:
        parse_predict("SHOW TABLES")
    assert caught.value.code == "not_a_prediction"
