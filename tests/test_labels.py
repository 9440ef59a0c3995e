"""The training table, case by case (LANGUAGE §3)."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import duckdb
import numpy as np
import pytest
from databases import Database, day, plan_by_hand, shop, us

from pql.engine.answers.label_report import label_rows
from pql.engine.graph.history import load, needed_tables
from pql.engine.labels.statement import label_statement
from pql.engine.labels.training_table import LabelTable, compute_eligible, compute_labels
from pql.engine.planning.plan import Plan
from pql.language.binder import bind
from pql.language.catalog import Virtual
from pql.language.parser import parse_predict


def plan_of(text: str, database: Database, days: tuple[float, ...] = (0, 10, 20), *, kind: str = "anchors") -> Plan:
    query = bind(parse_predict(text), database.catalog(), text=text)
    return plan_by_hand(query, [us(d) for d in days], until=us(30), kind=kind)


def table_of(text: str, database: Database | None = None, days=(0, 10, 20), *, kind: str = "anchors") -> LabelTable:
    database = database or shop()
    plan = plan_of(text, database, days, kind=kind)
    with database.snapshot() as snapshot:
        history = load(snapshot, plan.query.catalog, needed_tables(plan), plan.split.prediction)
    return compute_labels(history, plan)


def rows(text: str, database: Database | None = None, days=(0, 10, 20), *, kind: str = "anchors") -> dict:
    """(key, day) → label, of the eligible rows."""
    table = table_of(text, database, days, kind=kind)
    keys = zip(*(table.keys.column(name).to_pylist() for name in table.keys.column_names), strict=True)
    found = zip(keys, table.anchors, table.label.to_pylist(), table.eligible, strict=True)
    return {
        (key[0] if len(key) == 1 else key, (int(anchor) - us(0)) / 86_400_000_000): label
        for key, anchor, label, eligible in found
        if eligible
    }


def test_an_entity_counts_from_its_first_sight_and_sums_are_nought_without_rows():
    assert rows("PREDICT SUM(orders.amount, 0, 10) FOR EACH customers.customer_id") == {
        (1, 0): 0.1,
        (1, 10): 0.2,
        (2, 10): 0.0,
        (1, 20): 0.0,
        (2, 20): 0.0,
    }


def test_first_seen_off_lets_everybody_in():
    text = "PREDICT COUNT(orders.*, 0, 10) FOR EACH customers.customer_id WITH (first_seen = off)"
    assert {key for key, _ in rows(text)} == {1, 2, 3, 4}


def test_a_window_is_open_at_its_start_and_closed_at_its_end():
    text = "PREDICT COUNT(orders.*, 0, 10) FOR EACH customers.customer_id WHERE customers.customer_id = 1"
    assert rows(text, days=(0, 9.9, 10, 20)) == {(1, 0): 1, (1, 9.9): 1, (1, 10): 1, (1, 20): 0}


def test_an_undefined_mean_drops_the_example_and_is_counted():
    table = table_of("PREDICT AVG(orders.amount, 0, 10) FOR EACH customers.customer_id")
    assert len(table) == 2
    assert table.no_label == {us(10): 1, us(20): 2}


def test_where_marks_who_is_not_eligible():
    table = table_of("PREDICT COUNT(orders.*, 0, 10) FOR EACH customers.customer_id WHERE COUNT(orders.*, -10, 0) > 0")
    assert table.not_eligible == {us(20): 1}
    assert len(table) == 5
    assert int(table.eligible.sum()) == 4


def test_null_comparisons_are_no_labels_and_is_null_is_true():
    assert rows("PREDICT AVG(orders.amount, 0, 10) > 0 FOR EACH customers.customer_id") == {(1, 0): True, (1, 10): True}
    found = rows("PREDICT AVG(orders.amount, 0, 10) IS NULL FOR EACH customers.customer_id")
    assert found[(2, 20)] is True
    assert found[(1, 0)] is False


def test_two_hops_and_a_column_of_the_row_pointed_to():
    text = "PREDICT SUM(items.qty WHERE products.price IS NOT NULL, 0, 10) FOR EACH customers.customer_id"
    assert rows(text, days=(-1, 0)) == {(1, 0): 3}
    assert rows("PREDICT COUNT(items.*, 0, 10) FOR EACH customers.customer_id WITH (first_seen = off)", days=(-1,)) == {
        (1, -1): 2,
        (2, -1): 1,
        (3, -1): 0,
        (4, -1): 0,
    }


def test_a_route_down_counts_a_row_once():
    database = shop()
    database.tables["items"].append({"order_id": 10, "product_id": "a", "qty": 9})
    text = "PREDICT SUM(orders.amount, 0, 10) FOR EACH products.product_id WITH (first_seen = off)"
    assert rows(text, database, days=(-1,)) == {("a", -1): 5.0, ("b", -1): 5.0, ("c", -1): 0.0}


def test_sets_are_sorted_and_empty_ones_are_dropped_in_ranking_only():
    ranked = "PREDICT LIST_DISTINCT(items.product_id, 0, 10) RANK TOP 3 FOR EACH customers.customer_id"
    assert rows(ranked, days=(0,)) == {(1, 0): ["a"]}
    assert rows(ranked + " WITH (first_seen = off)", days=(-1,)) == {(1, -1): ["a", "b"], (2, -1): ["zz"]}
    labelled = "PREDICT LIST_DISTINCT(items.product_id, 0, 10) CLASSIFY FOR EACH customers.customer_id"
    assert rows(labelled, days=(10,)) == {(1, 10): [], (2, 10): []}


def test_the_pair_form_is_the_set_form():
    pair = "PREDICT BOOL(items.product_id, 0, 10) FOR EACH customers.customer_id, products.product_id RANK TOP 3"
    ranked = "PREDICT LIST_DISTINCT(items.product_id, 0, 10) RANK TOP 3 FOR EACH customers.customer_id"
    assert rows(pair) == rows(ranked)


def test_first_and_last_break_ties_by_primary_key():
    database = shop()
    for order, amount in ((30, 3.0), (29, 4.0), (28, None)):
        row = {"order_id": order, "customer_id": 1, "ordered_at": day(5), "amount": amount}
        database.tables["orders"].append(row)
    text = "PREDICT {}(orders.amount, 0, 9) FOR EACH customers.customer_id"
    assert rows(text.format("FIRST"), database, days=(0,)) == {(1, 0): 4.0}
    assert rows(text.format("LAST"), database, days=(0,)) == {(1, 0): 3.0}


def test_months_clamp_at_their_end():
    database = shop()
    database.tables["orders"] = [
        {"order_id": n, "customer_id": 1, "ordered_at": moment, "amount": 1.0}
        for n, moment in enumerate([dt.datetime(2023, 12, 1), dt.datetime(2024, 2, 29), dt.datetime(2024, 3, 1)])
    ]
    text = "PREDICT COUNT(orders.*, 0, 1, months) FOR EACH customers.customer_id"
    plan = plan_of(text, database, (30,))  # January 31st: the month ends on February 29th
    plan = replace(plan, split=replace(plan.split, prediction=us(100)))
    with database.snapshot() as snapshot:
        history = load(snapshot, plan.query.catalog, needed_tables(plan), us(100))
    assert compute_labels(history, plan).label.to_pylist() == [1.0]


def test_duplicate_keys_are_one_entity_and_null_keys_are_none():
    database = shop()
    database.tables["customers"] += [{"customer_id": 1, "region": "east"}, {"customer_id": None, "region": "x"}]
    text = "PREDICT COUNT(orders.*, 0, 10) FOR EACH customers.customer_id WHERE customers.region = 'east'"
    assert rows(text, database, days=(0,)) == {(1, 0): 1}


def test_composite_keys():
    database = Database(
        tables={
            "seats": [{"hall": h, "number": n} for h in ("a", "b") for n in (1, 2)],
            "tickets": [
                {"ticket_id": 1, "seat_number": 1, "hall": "a", "sold_at": day(1)},
                {"ticket_id": 2, "seat_number": 1, "hall": "a", "sold_at": day(12)},
                {"ticket_id": 3, "seat_number": 2, "hall": "a", "sold_at": day(3)},
                {"ticket_id": 4, "seat_number": None, "hall": "b", "sold_at": day(3)},
            ],
        },
        types={
            "seats": {"hall": "VARCHAR", "number": "INTEGER"},
            "tickets": {"ticket_id": "INTEGER", "seat_number": "SMALLINT", "hall": "VARCHAR", "sold_at": "TIMESTAMP"},
        },
        keys={"seats": ("hall", "number"), "tickets": ("ticket_id",)},
        links=[("tickets", ("seat_number", "hall"), "seats", ("number", "hall"))],
        clocks={"tickets": "sold_at"},
    )
    text = "PREDICT COUNT(tickets.*, 0, 10) FOR EACH seats"
    assert rows(text, database, days=(10,)) == {(("a", 1), 10): 1, (("a", 2), 10): 0}


def test_an_entity_that_is_only_an_id_column():
    database = Database(
        tables={"purchases": [{"household_id": h, "at": day(n)} for h, n in [(7, 1), (7, 11), (8, 12), (None, 2)]]},
        types={"purchases": {"household_id": "BIGINT", "at": "DATE"}},
        keys={"household": ("household_id",)},
        links=[("purchases", ("household_id",), "household", ("household_id",))],
        clocks={"purchases": "at"},
        virtual={"household": Virtual((("purchases", "household_id"),))},
    )
    text = "PREDICT COUNT(purchases.*, 0, 10) > 0 FOR EACH household.household_id"
    assert rows(text, database, days=(0, 10, 20)) == {(7, 10): True, (7, 20): False, (8, 20): False}


def test_static_targets_without_a_clock_keep_what_is_to_be_scored():
    table = table_of("PREDICT customers.region FOR EACH customers.customer_id", kind="hashed")
    assert table.label.to_pylist() == ["north", "south", "north", None]
    assert table.no_label == {None: 1}


def test_static_targets_with_a_clock_stand_just_before_their_own_time():
    text = "PREDICT orders.amount FOR EACH orders.order_id WHERE orders.customer_id = 1"
    table = table_of(text, kind="row_time")
    found = {
        k: (a, v, e)
        for k, a, v, e in zip(
            table.keys.column(0).to_pylist(), table.anchors, table.label.to_pylist(), table.eligible, strict=True
        )
    }
    assert found[11] == (us(10) - 1, 0.1, True)
    assert found[14] == (us(25) - 1, None, False)
    assert 18 not in found


def test_what_a_fact_is_read_through_must_be_known():
    database = shop()
    database.types["products"]["launched_at"] = "TIMESTAMP"
    database.clocks["products"] = "launched_at"
    for row, n in zip(database.tables["products"], (15, 0, 0), strict=True):
        row["launched_at"] = day(n)
    text = (
        "PREDICT COUNT(orders.*, 0, 10) FOR EACH customers.customer_id "
        "WHERE COUNT(items.* WHERE products.price > 1, -INF, 0) > 0"
    )
    assert rows(text, database, days=(0, 10, 15, 20)) == {(1, 15): 1, (1, 20): 0}


def test_who_may_be_predicted_for_at_the_prediction_anchor():
    database = shop()
    plan = plan_of(
        "PREDICT COUNT(orders.*, 0, 10) FOR EACH customers.customer_id WHERE customers.customer_id > 1", database
    )
    with database.snapshot() as snapshot:
        history = load(snapshot, plan.query.catalog, needed_tables(plan), plan.split.prediction)
    found = compute_eligible(history, plan, [us(30)])
    assert found.keys.column(0).to_pylist() == [1, 2]
    assert found.eligible.tolist() == [False, True]


@pytest.mark.parametrize("change", ["delete", "scramble"])
def test_rows_later_than_the_prediction_anchor_change_not_a_bit(change: str):
    def labels(*, changed: bool) -> LabelTable:
        rng = np.random.default_rng(0)
        database = shop()
        database.tables["orders"] = [
            {"order_id": n, "customer_id": int(c), "ordered_at": day(int(t)), "amount": float(x)}
            for n, (c, t, x) in enumerate(
                zip(rng.integers(1, 4, 400), rng.integers(0, 60, 400), rng.random(400), strict=True)
            )
        ]
        if changed and change == "delete":
            database.tables["orders"] = [row for row in database.tables["orders"] if row["ordered_at"] <= day(30)]
        elif changed:
            for row in database.tables["orders"]:
                if row["ordered_at"] > day(30):
                    row.update(amount=1e30, customer_id=2)
        return table_of("PREDICT SUM(orders.amount, 0, 10) FOR EACH customers.customer_id", database)

    before, after = labels(changed=False), labels(changed=True)
    assert before.label.equals(after.label)
    assert before.keys.equals(after.keys)


def test_the_statement_runs_as_pasted_with_hostile_names():
    database = Database(
        tables={
            'a"b': [{"anchor": 1, "type": "x'y"}],
            "type": [{"anchor": 1, "select": day(3), "$1": 2.0}, {"anchor": 1, "select": day(11), "$1": 3.0}],
        },
        types={
            'a"b': {"anchor": "BIGINT", "type": "VARCHAR"},
            "type": {"anchor": "BIGINT", "select": "TIMESTAMP", "$1": "DOUBLE"},
        },
        keys={'a"b': ("anchor",)},
        links=[("type", ("anchor",), 'a"b', ("anchor",))],
        clocks={"type": "select"},
    )
    text = "PREDICT SUM(`type`.`$1`, 0, 10) FOR EACH `a\"b`.`anchor` WHERE `a\"b`.`type` = 'x''y'"
    assert rows(text, database, days=(5,)) == {(1, 5): 3.0}
    con = database.connect()
    pasted = con.sql(label_statement(plan_of(text, database, (5,))).literal_text())
    assert pasted.columns == ["anchor_", "anchor", "label", "eligible"]
    assert pasted.fetchall() == [(1, day(5), 3.0, True)]
    con.close()


def test_the_training_table_for_people():
    database = shop()
    text = "PREDICT COUNT(orders.*, 0, 10) FOR EACH customers.customer_id"
    shown = label_rows(table_of(text, database), plan_of(text, database))
    assert shown.column_names == ["customer_id", "anchor", "label", "split"]
    assert shown.to_pylist()[0] == {"customer_id": 1, "anchor": day(0), "label": 1.0, "split": "train"}


def test_an_sql_error_is_an_error_of_ours():
    database = shop()
    plan = plan_of("PREDICT COUNT(orders.*, 0, 10) FOR EACH customers.customer_id", database)
    with database.snapshot() as snapshot:
        history = load(snapshot, plan.query.catalog, needed_tables(plan), us(30))
    with pytest.raises(Exception, match="nothing") as caught:
        history.query("SELECT * FROM nothing")
    assert not isinstance(caught.value, duckdb.Error)
    assert caught.value.code == "query_failed"


# ---------------------------------------------------------------- the rows behind each label


def report(text: str, database: Database | None = None, days=(0, 10, 20)) -> list[dict]:
    database = database or shop()
    plan = plan_of(text, database, days)
    with database.snapshot() as snapshot:
        history = load(snapshot, plan.query.catalog, needed_tables(plan), plan.split.prediction)
    return label_rows(compute_labels(history, plan), plan, history).to_pylist()


def test_the_rows_behind_each_label():
    rows = report("PREDICT SUM(orders.amount, 0, 10) FOR EACH customers.customer_id")
    assert [(row["customer_id"], row["label"], row["event_count"]) for row in rows] == [
        (1, 0.1, 1), (1, 0.2, 1), (2, 0.0, 0), (1, 0.0, 0), (2, 0.0, 0),
    ]  # fmt: skip
    assert rows[0]["events"] == [{"table": "orders", "key": "11", "time": day(10), "value": "0.1"}]
    assert rows[2]["events"] == []


def test_rows_of_several_links_and_filters_behind_a_label():
    rows = "items.* WHERE products.price > 1"
    text = f"PREDICT COUNT({rows}, 0, 10) = COUNT({rows}, -INF, 0) FOR EACH customers.customer_id"
    (row,) = [row for row in report(text, days=(0,)) if row["customer_id"] == 1]
    assert row["label"] is True
    assert row["event_count"] == 2
    assert row["events"] == [
        {"table": "items", "key": None, "time": day(0), "value": None},
        {"table": "items", "key": None, "time": day(10), "value": None},
    ]


def test_a_row_that_two_aggregates_read_stands_once():
    text = "PREDICT SUM(orders.amount, 0, 10) > MAX(orders.amount, 0, 20) FOR EACH customers.customer_id"
    (row,) = [row for row in report(text, days=(0,)) if row["customer_id"] == 1]
    assert [(event["key"], event["value"]) for event in row["events"]] == [("11", "0.1"), ("12", "0.2")]


def test_of_many_rows_the_first_are_shown_and_all_are_counted():
    database = shop()
    database.tables["orders"] += [
        {"order_id": 100 + n, "customer_id": 1, "ordered_at": day(1), "amount": 1.0} for n in range(25)
    ]
    (row,) = report("PREDICT COUNT(orders.*, 0, 10) FOR EACH customers.customer_id", database, (0,))
    assert (row["label"], row["event_count"], len(row["events"])) == (26.0, 26, 10)
    assert [event["key"] for event in row["events"]] == [str(100 + n) for n in range(10)]


def test_a_count_is_the_number_of_rows_behind_it_wherever_it_is_counted():
    for text in (
        "PREDICT COUNT(items.*, 0, 10) FOR EACH customers.customer_id",
        "PREDICT COUNT(orders.amount, 0, 20) FOR EACH customers.customer_id WITH (first_seen = off)",
        "PREDICT COUNT(orders.*, 0, 20) FOR EACH products.product_id",
        "PREDICT COUNT(orders.*, 0, 5) FORECAST 4 TIMEFRAMES FOR EACH customers.customer_id",
    ):
        rows = report(text, days=(0, 5))
        assert rows
        assert all(row["label"] == row["event_count"] for row in rows), text
        assert any(row["label"] for row in rows), text


def test_a_static_target_has_no_events():
    database = shop()
    text = "PREDICT orders.amount FOR EACH orders.order_id"
    plan = plan_of(text, database, kind="row_time")
    with database.snapshot() as snapshot:
        history = load(snapshot, plan.query.catalog, needed_tables(plan), plan.split.prediction)
    assert label_rows(compute_labels(history, plan), plan, history).column_names == [
        "order_id",
        "anchor",
        "label",
        "split",
    ]


def test_items_that_rules_leave_out_are_not_behind_a_label():
    database = shop()
    database.tables["items"].append({"order_id": 12, "product_id": "b", "qty": 1})
    text = "PREDICT LIST_DISTINCT(items.product_id, 0, 20) RANK TOP 2 FOR EACH customers.customer_id"
    (row,) = [r for r in report(text, database, (0,)) if r["customer_id"] == 1]
    assert (row["label"], row["event_count"]) == (["a", "b"], 2)
    (row,) = report(f"{text} CANDIDATES WHERE products.price > 1", database, (0,))
    assert (row["label"], [event["value"] for event in row["events"]]) == (["a"], ["a"])
