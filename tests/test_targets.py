"""Examples from the training table: node rows, labels as numbers and codes, lags, splits, and what can't be learnt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from databases import day, plan_by_hand, shop, us

from pql.engine.examples.targets import example_hash, lag_values, make_examples, split_names
from pql.engine.graph.build import build_graph
from pql.engine.graph.history import load, needed_tables
from pql.engine.graph.seeds import TEST, TRAIN, VALID, Ragged, Seeds
from pql.engine.graph.temporal import NodeTable, TemporalGraph
from pql.engine.labels.training_table import LabelTable, compute_labels
from pql.engine.planning.anchors import lag_anchors
from pql.engine.planning.plan import Plan
from pql.language.binder import bind
from pql.language.errors import PqlError
from pql.language.options import Duration
from pql.language.parser import parse_predict

DAYS = (0, 10, 20, 30)  # two anchors train, one validates, one tests
SUM = "PREDICT SUM(orders.amount, 0, 10) FOR EACH customers.customer_id"
CHURN = "PREDICT COUNT(orders.*, 0, 10) = 0 FOR EACH customers.customer_id"
CHANNEL = "PREDICT LAST(orders.channel, 0, 10) FOR EACH customers.customer_id"
ITEMS = "PREDICT LIST_DISTINCT(items.product_id, 0, 10) RANK TOP 2 FOR EACH customers.customer_id"
CLASSES = "PREDICT LIST_DISTINCT(items.product_id, 0, 10) CLASSIFY FOR EACH customers.customer_id"


def plan_of(text: str, *, lags: int = 0, kind: str = "anchors") -> Plan:
    database = shop()
    database.types["orders"]["channel"] = "VARCHAR"
    query = bind(parse_predict(text), database.catalog(), text=text)
    plan = plan_by_hand(query, [us(d) for d in DAYS], until=us(40), kind=kind, lags=lags)
    return replace(plan, split=replace(plan.split, width_text="10 days", valid_from=us(20), test_from=us(30)))


def graph_of(keys: pa.Table, items: pa.Array | None = None) -> TemporalGraph:
    def node(name: str, table: pa.Table) -> NodeTable:
        return NodeTable(name, np.zeros(len(table), dtype=np.int64), (), table)

    nodes = (node("products", pa.table({"product_id": items if items is not None else ["a"]})), node("customers", keys))
    return TemporalGraph(nodes, (), 1)


def labels_of(values: dict[float, list], kind: pa.DataType, ids=None, *, eligible=None) -> LabelTable:
    """One list of labels per anchor (in days), for customers 0, 1, 2, …; None leaves a customer out."""
    keys, anchors, labels = [], [], []
    for when, row in values.items():
        for i, value in enumerate(row):
            if value is not None:
                keys.append(ids[i] if ids else i)
                anchors.append(us(when))
                labels.append(value)
    chosen = np.ones(len(keys), dtype=bool) if eligible is None else np.array(eligible)
    return LabelTable(
        pa.table({"customer_id": pa.array(keys)}), np.array(anchors, dtype=np.int64), pa.array(labels, kind), chosen
    )


def graph_for(n: int = 6) -> TemporalGraph:
    return graph_of(pa.table({"customer_id": np.arange(n)[::-1]}))


NUMBERS = {0: [1, 2, 3], 10: [4, 5, 6], 20: [7, None, 9], 30: [10, 11, 12]}


def test_entities_become_rows_of_their_node_table_and_anchors_give_the_split():
    examples, classes = make_examples(labels_of(NUMBERS, pa.float64()), plan_of(SUM), graph_for())
    assert examples.seeds.rows.tolist() == [5, 4, 3, 5, 4, 3, 5, 3, 5, 4, 3]
    assert examples.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]
    assert examples.split.tolist() == [TRAIN] * 6 + [VALID] * 2 + [TEST] * 3
    assert examples.lags.shape == (11, 0)
    assert len(classes) == 0


@pytest.mark.parametrize(
    "ids",
    [
        [2**60, 2**60 + 1, 2**60 + 2],
        ["x'; --", "b", ""],
        ["00000010-0000-0000-0000-000000000001", "00000010-0000-0000-0000-000000000002", "f" * 8],
    ],
)
def test_ids_of_any_kind_find_their_row(ids):
    graph = graph_of(pa.table({"customer_id": pa.array([*ids[::-1], ids[0]])}))
    examples, _ = make_examples(labels_of(NUMBERS, pa.float64(), ids), plan_of(SUM), graph)
    assert examples.seeds.rows[:3].tolist() == [2, 1, 0]


def test_rows_for_which_where_does_not_hold_and_lag_anchors_are_no_examples():
    labels = labels_of({-10: [0, 0, 0], **NUMBERS}, pa.float64(), eligible=[True] * 4 + [False] + [True] * 9)
    plan = plan_of(SUM)
    examples, _ = make_examples(labels, plan, graph_for())
    assert examples.labels.tolist() == [1, 3, 4, 5, 6, 7, 9, 10, 11, 12]
    assert split_names(labels, plan)[:4].tolist() == ["", "", "", "train"]


def test_lags_are_the_labels_of_earlier_windows_whether_eligible_or_not():
    labels = labels_of(NUMBERS, pa.float64(), eligible=[False] + [True] * 10)
    plan, graph = plan_of(SUM, lags=2), graph_for()
    examples, _ = make_examples(labels, plan, graph)
    last = examples.lags[examples.seeds.anchors == us(30)]
    np.testing.assert_array_equal(last, np.array([[7, 4], [np.nan, 5], [9, 6]], dtype=np.float32))
    np.testing.assert_array_equal(examples.lags[2], np.array([1, np.nan], dtype=np.float32))
    ahead = lag_values(labels, plan, graph, Seeds(np.array([5, 0]), np.array([us(40), us(40)])))
    np.testing.assert_array_equal(ahead, np.array([[10, 7], [np.nan, np.nan]], dtype=np.float32))
    assert lag_anchors(us(40), Duration(10, "days"), 2) == (us(30), us(20))


def test_classes_are_those_of_training_most_frequent_first():
    values = {0: ["b", "a", "c"], 10: ["b", "c", "a"], 20: ["a", "new", "b"], 30: ["c", "b", "other"]}
    examples, classes = make_examples(labels_of(values, pa.string()), plan_of(CHANNEL), graph_for())
    assert classes.values.to_pylist() == ["a", "b", "c"]
    assert examples.labels.tolist() == [1, 0, 2, 1, 2, 0, 0, 1, 2, 1]
    assert classes.dropped == {"class unseen in training": 2}


def test_items_are_rows_of_the_item_table_and_unknown_ones_are_left_out():
    values = {0: [["a", "b"], ["b", "zz"], ["zz"]], 10: [["a"]] * 3, 20: [["b"]] * 3, 30: [["c", "a"]] * 3}
    graph = graph_of(pa.table({"customer_id": [0, 1, 2]}), pa.array(["c", "b", "a"]))
    examples, classes = make_examples(labels_of(values, pa.list_(pa.string())), plan_of(ITEMS), graph)
    assert isinstance(examples.labels, Ragged)
    assert examples.labels.values[:3].tolist() == [1, 2, 1]
    assert examples.labels.offsets[:4].tolist() == [0, 2, 3, 4]
    assert len(examples) == 11
    assert classes.table == "products"
    assert classes.dropped == {"item without a row": 2, "no known item in the window": 1}


def test_a_multilabel_set_may_be_empty():
    values = {0: [["a"], [], ["b"]], 10: [["b"], ["b"], []], 20: [["new"], [], ["a"]], 30: [["a"]] * 3}
    examples, classes = make_examples(labels_of(values, pa.list_(pa.string())), plan_of(CLASSES), graph_for())
    assert classes.values.to_pylist() == ["b", "a"]
    assert np.diff(examples.labels.offsets).tolist() == [1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1]


def test_the_cap_keeps_the_same_examples_whatever_comes_later():
    rng = np.random.default_rng(0)
    values = {when: rng.random(200).tolist() for when in DAYS}
    plan = plan_of(SUM)
    plan = replace(plan, model=replace(plan.model, max_examples=50))
    graph = graph_for(200)
    whole, _ = make_examples(labels_of(values, pa.float64()), plan, graph)
    assert [int(np.sum(whole.split == s)) for s in (TRAIN, VALID, TEST)] == [50, 50, 50]
    part, _ = make_examples(labels_of({k: v for k, v in values.items() if k < 30}, pa.float64()), plan, graph)
    assert part.labels.tolist() == whole.labels[whole.split != TEST].tolist()


def test_the_hash_depends_on_key_anchor_and_seed():
    keys = pa.table({"a": ["x", "y", "x"], "b": [1, 1, 1]})
    anchors = np.array([5, 5, 6], dtype=np.int64)
    assert len({*example_hash(keys, anchors, 0).tolist(), *example_hash(keys, anchors, 1).tolist()}) == 6
    assert example_hash(keys.slice(1, 1), anchors[1:2], 0)[0] == example_hash(keys, anchors, 0)[1]


def test_static_rows_are_split_by_their_time_or_by_their_key():
    keys = pa.table({"customer_id": np.arange(300)})
    anchors = np.array([us(d % 40) - 1 for d in range(300)], dtype=np.int64)
    labels = LabelTable(keys, anchors, pa.array([float(i) for i in range(300)]), np.ones(300, dtype=bool))
    text = "PREDICT customers.region FOR EACH customers.customer_id"
    by_time = split_names(labels, plan_of(text, kind="row_time"))
    assert by_time[:40].tolist() == ["train"] * 20 + ["valid"] * 10 + ["test"] * 10
    hashed = split_names(labels, plan_of(text, kind="hashed"))
    assert 170 < np.sum(hashed == "train") < 250
    assert 20 < np.sum(hashed == "valid") < 75


@pytest.mark.parametrize(
    ("values", "kind", "text", "code"),
    [
        ({0: [], 10: []}, pa.float64(), SUM, "no_labels"),
        ({0: [1, 2, 3], 10: [1, 2, 3]}, pa.float64(), SUM, "no_labels"),
        ({0: [1], 10: [1], 20: [2]}, pa.float64(), SUM, "too_few_labels"),
        ({0: [False] * 3, 10: [False] * 3, 20: [True]}, pa.bool_(), CHURN, "no_positive_labels"),
        ({0: [True] * 3, 10: [True] * 3, 20: [False]}, pa.bool_(), CHURN, "no_negative_labels"),
        ({0: ["a"] * 3, 10: ["a"] * 3, 20: ["a"]}, pa.string(), CHANNEL, "one_class"),
    ],
)
def test_what_cannot_be_learnt_says_why(values, kind, text, code):
    with pytest.raises(PqlError) as caught:
        make_examples(labels_of(values, kind), plan_of(text), graph_for())
    assert caught.value.code == code
    assert caught.value.hint


def test_from_rows_to_examples():
    database = shop()
    database.tables["orders"] = [
        {"order_id": n, "customer_id": n % 3 + 1, "ordered_at": day(n / 2 - 2), "amount": float(n)} for n in range(80)
    ]
    query = bind(parse_predict(SUM), database.catalog(), text=SUM)
    plan = plan_by_hand(query, [us(d) for d in DAYS], until=us(40))
    with database.snapshot() as snapshot:
        history = load(snapshot, plan.query.catalog, needed_tables(plan), us(40))
    graph = build_graph(history, plan)
    examples, _ = make_examples(compute_labels(history, plan), plan, graph)
    keys = graph.nodes[graph.entity].keys.column("customer_id").to_numpy()
    assert [int(keys[row]) for row in examples.seeds.rows] == [1, 2, 3] * 4
    assert examples.labels[0] == sum(n for n in range(5, 25) if n % 3 == 0)
