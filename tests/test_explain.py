"""EXPLAIN prints all of a plan, and every value of every stage has a printer."""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import json
import math
import subprocess
import sys
import typing
import uuid
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pql.bound_text import as_json, bound_text, expression_text, route_text, tree_text
from pql.engine.labels.counts import LabelCount, count_labels
from pql.engine.planning import plan as plan_values
from pql.engine.planning.plan import (
    Anchor,
    GraphPlan,
    ModelPlan,
    Output,
    Plan,
    PlannedColumn,
    PlannedTable,
    Regime,
    Split,
    Staleness,
    Task,
)
from pql.explain import PARTS, Explanation, explain, explain_json
from pql.language import ast, bound
from pql.language.bound import (
    BoundAggregate,
    BoundEntity,
    BoundQuery,
    BoundWindow,
    Call,
    ColumnRef,
    Constant,
    Expression,
    Item,
    Passage,
    Step,
    TaskKind,
)
from pql.language.catalog import Catalog, Key, Link, LogicalType, Stype, Table
from pql.language.errors import PqlError
from pql.language.format import format as format_syntax
from pql.language.parser import parse, parse_script

INT, BOOL, TEXT = LogicalType.INTEGER, LogicalType.BOOLEAN, LogicalType.STRING
DAY = plan_values.US_PER_DAY
LINK = Link("orders", ("customer_id",), "customers", ("customer_id",))
AMOUNT = ColumnRef("orders", "amount", INT, Stype.NUMBER)
COUNT = BoundAggregate("COUNT", "orders", None, None, BoundWindow(0, 30), (Step(LINK),), INT)
BASKET = replace(COUNT, function="LIST_DISTINCT", argument=ColumnRef("orders", "product_id", INT, Stype.ID))


def const(value) -> Constant:
    return Constant(value, None)


def call(op: str, *args) -> Call:
    return Call(op, args, BOOL)


QUERY = BoundQuery(
    syntax=parse("PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id WHERE city = 'Rome'"),
    text="",
    catalog=Catalog((Table("customers", (), Key(("customer_id",)), rows=1234), Table("orders", ())), (LINK,)),
    entity=BoundEntity("customers", ("customer_id",)),
    target=call("=", COUNT, const(0)),
    is_static=False,
    task=TaskKind.BINARY,
    reason="the target is a condition",
    where=call("=", ColumnRef("customers", "city", TEXT, Stype.CATEGORY), const("Rome")),
    ids=(7, 8),
    reading="PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR customers",
)
PLAN = Plan(
    query=QUERY,
    task=Task(TaskKind.BINARY, "binary", "bce", "auroc", "the target is a condition"),
    split=Split(
        kind="anchors",
        anchors=(
            Anchor(10 * DAY, "lag"),
            Anchor(40 * DAY, "train"),
            Anchor(70 * DAY, "valid"),
            Anchor(100 * DAY, "test"),
            Anchor(130 * DAY, "predict"),
        ),
        prediction=130 * DAY,
        width_text="30 days",
        step_text="29 days",
        lags=1,
        encoder_cut=40 * DAY,
        notes=("some note",),
    ),
    graph=GraphPlan(
        tables=(
            PlannedTable("customers", (), "the entity"),
            PlannedTable("orders", (PlannedColumn("amount", Stype.NUMBER),), "the target counts its rows"),
        ),
        links=(LINK,),
        hops=2,
        neighbors=(16, 8),
        co_occurrence=True,
        left_out=(("memberships", "facts without a clock"),),
    ),
    model=ModelPlan("auto", ("boosted", "gnn"), ("rate",), 5, 64, 2, 200_000, True, 17, 2, 60.0, "about 9 s"),
    output=Output(("customer_id",), ("customer_id", "anchor", "gone"), "highest probability first", alias="gone"),
    eligibility="rows of customers seen in some linked table by the anchor",
    regime=Regime(tables=(Staleness("orders", 130 * DAY, 0.0, 2.0),), why="the data reaches the prediction anchor"),
    warnings=("memberships: facts without a clock",),
)
COUNTS = (
    LabelCount("train", 1, 900, 0, 11, "12.5 % true"),
    LabelCount("valid", 1, 950, 3, 0, "13.0 % true"),
    LabelCount("test", 1, 980, 0, 0, "12.0 % true"),
)


def report(**more) -> str:
    return explain(PLAN, statement_text="SELECT 1", label_counts=COUNTS, **more)


@pytest.mark.parametrize(
    "said",
    [
        "FOR EACH customers.customer_id",  # the query
        "read as: PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR customers",
        "binary, because the target is a condition",
        "COUNT(orders.*, 0, 30, days) = 0",
        "orders: orders -> customers",
        "head binary, loss bce; chosen by auroc",
        "customers.customer_id (1,234 rows)",
        "seen in some linked table by the anchor",
        "customers.city = 'Rome'",
        "2 by id",
        "1970-05-11",  # the prediction anchor
        "30 days, 29 days",
        "the 1 windows before each anchor",
        "rows at or before 1970-02-10",
        "train: 1970-02-10",
        "some note",
        "900",
        "12.5 % true",
        "undefined:",
        "not WHERE:",
        "censored:",
        "2, with the last 16, 8 rows",
        "Jaccard",
        "customers: the entity",
        "amount (number)",
        "orders.customer_id -> customers.customer_id",
        "memberships: facts without a clock",
        "auto: boosted, gnn",
        "rate",
        "60 s, which is up to 200,000 examples, 5 epochs, 2 threads",
        "hidden 64, layers 2, seed 17",
        "fitted again on all labelled anchors",
        "about 9 s",
        "customer_id, anchor, gone",
        "highest probability first",
        "Warnings",
        "SELECT 1",
    ],
)
def test_the_report_says_all_of_it(said):
    assert said in report()


def test_the_report_fits_a_terminal_and_is_plain():
    assert all(len(line) <= 120 for line in report().splitlines())
    assert "\x1b" not in report()
    assert "{" not in report()
    assert str(Explanation(PLAN, "SELECT 1", COUNTS)) == report()


def test_a_row_split_says_where_it_is_cut():
    split = Split("row_time", (Anchor(0, "predict"),), 9 * DAY, valid_from=6 * DAY, test_from=8 * DAY)
    text = explain(replace(PLAN, split=split))
    assert "by the rows' own time" in text
    assert "rows from 1970-01-07" in text


def test_each_part_alone():
    assert report(part="sql") == "SELECT 1"
    assert report(part="ast").startswith("Predict\n")
    assert "target    COUNT(orders.*, 0, 30, days) = 0" in report(part="bound")
    assert report(part="graph").startswith("hops")
    assert json.loads(report(part="json")) == explain_json(PLAN, statement_text="SELECT 1", label_counts=COUNTS)
    with pytest.raises(PqlError, match="no part plan"):
        report(part="plan")
    assert set(PARTS) == {"ast", "bound", "sql", "graph", "json"}


def test_json_holds_times_as_text_and_every_part():
    made = Explanation(PLAN, "SELECT 1", COUNTS).to_json()
    assert json.loads(json.dumps(made)) == made
    assert made["split"]["anchors"][0] == {"time": "1970-01-11", "role": "lag"}
    assert made["labels"][0]["examples"] == 900
    assert made["graph"]["left_out"] == {"memberships": "facts without a clock"}


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (COUNT, "COUNT(orders.*, 0, 30, days)"),
        (replace(COUNT, window=BoundWindow(None, 0)), "COUNT(orders.*, -INF, 0, days)"),
        (replace(COUNT, where=call(">", AMOUNT, const(5))), "COUNT(orders.* WHERE orders.amount > 5, 0, 30, days)"),
        (replace(COUNT, function="SUM", argument=call("*", AMOUNT, const(2.5))), "SUM(orders.amount * 2.5, 0, "),
        (call("or", call("and", AMOUNT, AMOUNT), AMOUNT), "orders.amount AND orders.amount OR orders.amount"),
        (call("and", call("or", AMOUNT, AMOUNT), AMOUNT), "(orders.amount OR orders.amount) AND orders.amount"),
        (call("not", call("=", AMOUNT, const(1))), "NOT orders.amount = 1"),
        (call("not", call("is_null", AMOUNT)), "orders.amount IS NOT NULL"),
        (call("in", AMOUNT, const((1, 2))), "orders.amount IN (1, 2)"),
        (call("not", call("between", AMOUNT, const(1), const(2))), "orders.amount NOT BETWEEN 1 AND 2"),
        (call("like", AMOUNT, const("a%'")), "orders.amount LIKE 'a%'''"),
        (call("not", call("starts_with", AMOUNT, const("x"))), "orders.amount NOT STARTS WITH 'x'"),
        (call("-", AMOUNT, call("-", AMOUNT, const(1))), "orders.amount - (orders.amount - 1)"),
        (call("-", call("-", AMOUNT, const(1)), AMOUNT), "orders.amount - 1 - orders.amount"),
        (call("*", call("+", AMOUNT, const(1)), call("neg", AMOUNT)), "(orders.amount + 1) * -orders.amount"),
        (const(None), "NULL"),
        (const(True), "TRUE"),
        (const(dt.datetime(2024, 1, 2)), "2024-01-02"),
        (const(uuid.UUID(int=1)), "'00000000-0000-0000-0000-000000000001'"),
    ],
)  # fmt: skip
def test_bound_expressions_read_like_the_language(node, text):
    assert text in expression_text(node)


def test_every_bound_node_and_operator_has_a_printer():
    samples = (const(1), AMOUNT, COUNT, call("=", AMOUNT, const(1)))
    assert {type(sample) for sample in samples} == set(typing.get_args(Expression))
    words = inspect.getdoc(Call).split("op:")[1].split(".")[0].replace("|", " ").split()
    arguments = {"between": 3, "is_null": 1, "not": 1, "neg": 1}
    for op in words:
        args = [const((1,)) if op == "in" and i else AMOUNT for i in range(arguments.get(op, 2))]
        assert "orders.amount" in expression_text(call(op, *args))
    with pytest.raises(PqlError):
        expression_text(call("xor", AMOUNT, AMOUNT))


def test_the_bound_query_prints_all_it_holds():
    item = Item(BASKET.argument, "products", "product_id")
    query = replace(
        QUERY, target=BASKET, item=item, top_k=5, using=("orders",), as_of=dt.datetime(2024, 1, 1), alias="x",
        ignoring=frozenset({("orders", "amount")}), assuming=QUERY.target, using_model="m",
        evaluate_at=(dt.datetime(2023, 1, 1),), pair=BoundEntity("products", ("product_id",)),
    )  # fmt: skip
    text = bound_text(query)
    for said in ("products.product_id", "rows of products", "best 5", "orders.amount", "2024-01-01", "2023-01-01",
                 "alias", "model", "assuming", "route", "ids", "where"):  # fmt: skip
        assert said in text
    assert route_text((), QUERY.catalog) == ""
    twice = tuple(Link("calls", (column,), "people", ("id",)) for column in ("caller", "callee"))
    assert route_text((Step(twice[1]),), Catalog((), twice)) == "calls -[callee]-> people"
    assert route_text((Step(twice[0]),), Catalog((), twice[:1])) == "calls -> people"


STATEMENTS = """
PREDICT COUNT(t.* WHERE a = -b * 2 AND NOT c IN (1, :list) OR d LIKE 'x%', -INF, ?, days) > 1 AS n RANK TOP 3
    FOR EACH e.id IN (1, 2) USING t, u WHERE x BETWEEN 1 AND 2 OR y IS NOT NULL ASSUMING COUNT(*, 0, 7, days) > 0
    AS OF 2024-01-01 CANDIDATES WHERE price > 1 EXCLUDING PURCHASED AT MOST 2 PER brand VIA r
    RETURN QUANTILES (0.1, 0.9) USING MODEL m IGNORING t.c WITH (model = gnn, neighbors = (8, 4));
PREDICT LAST(t.c, 0, 7, days) CLASSIFY FOR e;
PREDICT SUM(t.c, 0, 7, days) FORECAST 4 TIMEFRAMES FOR e;
PREDICT e.c AS CLASS FOR EACH e.id;
EXPLAIN ANALYZE JSON PREDICT e.c FOR EACH e.id;
EXPLAIN PREDICTION PREDICT e.c FOR EACH e.id;
EVALUATE PREDICT e.c FOR EACH e.id AT '2024-01-01', '2024-02-01';
LABELS PREDICT e.c FOR EACH e.id;
CHECK LEAKAGE PREDICT e.c FOR EACH e.id;
CREATE OR REPLACE MODEL m AS PREDICT e.c FOR EACH e.id;
SHOW TABLES;
SHOW METRICS FOR MODEL m;
DESCRIBE t;
DROP MODEL m;
ALTER MODEL m USE VERSION 2;
DEFINE TARGET gone AS COUNT(t.*, 0, 30, days) = 0;
DROP TARGET gone;
LINK a.x -> b.y;
UNLINK a.x -> b.y;
KEY t.x;
TIME t.x;
NO TIME t;
CREATE TABLE s AS PREDICT e.c FOR EACH e.id;
COPY (PREDICT e.c FOR EACH e.id) TO 'x.parquet';
EXPLAIN PREDICTION PREDICT COUNT(t.*, 0, 1) FOR EACH u;
SELECT 1
"""


def nodes_of(module) -> set[type]:
    return {
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if dataclasses.is_dataclass(cls) and cls.__module__ == module.__name__
    }


def values_in(value) -> set[type]:
    found: set[type] = set()
    if dataclasses.is_dataclass(value):
        found.add(type(value))
        for field in dataclasses.fields(value):
            found |= values_in(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            found |= values_in(item)
    return found


def test_every_node_of_the_syntax_tree_prints():
    script = parse_script(STATEMENTS)
    seen: set[type] = {ast.Script}
    for statement in script.statements:
        seen |= values_in(statement)
        tree = tree_text(statement)
        assert tree.splitlines()[0] == type(statement).__name__
        assert "object at 0x" not in tree
        assert "Span(" not in tree
        json.dumps(as_json(statement))
        assert format_syntax(statement)
    missing = nodes_of(ast) - seen - {ast.Span}
    assert not missing, f"no statement above holds {missing}"


@pytest.mark.parametrize("module", [plan_values, bound], ids=["plan", "bound"])
def test_every_value_of_plan_and_bound_query_reaches_json(module):
    rule = bound.Excluding("past", (BASKET,))
    query = replace(QUERY, target=BASKET, item=Item(BASKET.argument, "products", "product_id"), excluding=rule)
    query = replace(query, via=(Passage("orders", "customer_id"),))
    made = as_json(replace(PLAN, query=query))
    text = json.dumps(made)
    for cls in nodes_of(module) - {Call, Constant, ColumnRef}:
        assert f'"node": "{cls.__name__}"' in text


def test_odd_values_are_json_too():
    assert as_json((math.inf, uuid.UUID(int=1), frozenset({"b", "a"}), dt.date(2024, 1, 1), {1: None})) == [
        "inf", "00000000-0000-0000-0000-000000000001", ["a", "b"], "2024-01-01", {"1": None},
    ]  # fmt: skip


class TestLabelCounts:
    class Table:
        watched = None
        not_assumed: typing.ClassVar = {}
        ruled_out: typing.ClassVar = {}
        anchors = np.array([40, 40, 70, 100, 100], np.int64) * DAY
        eligible = np.array([True, False, True, True, True])
        no_label: typing.ClassVar = {40 * DAY: 2}
        not_eligible: typing.ClassVar = {40 * DAY: 1}

        def __init__(self, label):
            self.label = label
            self.usable = self.eligible

        def __len__(self):
            return len(self.anchors)

    @pytest.mark.parametrize(
        ("label", "train", "test"),
        [
            (pa.array([True, False, True, True, False]), "100.0 % true", "50.0 % true"),
            (pa.array([1.0, 9.0, 0.0, 0.0, 3.0]), "mean 1, median 1, 0 % zero", "mean 1.5, median 1.5, 50 % zero"),
            (pa.array(["a", "b", "c", "b", "b"]), "1 classes, most often 'a'", "1 classes, most often 'b' (100.0 %)"),
            (pa.array([[1], [], [1], [1, 2], [3]]), "1.0 items each", "1.5 items each"),
        ],
    )
    def test_counts_of_each_split(self, label, train, test):
        counts = count_labels(self.Table(label), PLAN)
        assert [(c.split, c.examples, c.undefined, c.filtered) for c in counts] == [
            ("train", 1, 2, 1), ("valid", 1, 0, 0), ("test", 2, 0, 0),
        ]  # fmt: skip
        assert counts[0].summary.startswith(train)
        assert counts[2].summary == test

    def test_static_rows_without_a_label_are_those_to_score(self):
        label = pa.array([1.0, 1.0, None, 2.0, 3.0])
        split = Split("row_time", (), 0, valid_from=70 * DAY, test_from=99 * DAY)
        counts = count_labels(self.Table(label), replace(PLAN, split=split))
        assert [(c.split, c.examples, c.undefined, c.filtered) for c in counts] == [
            ("train", 1, 0, 1), ("valid", 0, 1, 0), ("test", 2, 0, 0),
        ]  # fmt: skip
        assert counts[1].summary == "no labels"
        (whole,) = count_labels(self.Table(label), replace(PLAN, split=Split("hashed", (), 0)))
        assert (whole.split, whole.examples, whole.undefined) == ("all", 3, 1)


def test_explaining_loads_nothing_heavy():
    code = (
        "import sys, pql.explain, pql.engine.planning.planner, pql.engine.labels.counts;"
        "bad = {'torch', 'pandas', 'lightgbm', 'sklearn', 'duckdb', 'scipy'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
