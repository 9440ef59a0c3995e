"""CHECK LEAKAGE: the proof on the user's own data finds what leaks, and says what to know about time in the data."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from worlds import ANCHOR, shop

import pql
from pql.language.errors import PqlError
from pql.statements.leak_facts import power
from pql.statements.leak_runs import same

FAST = "WITH (anchors = 3, model = rate)"
QUERY = "PREDICT COUNT(orders.*, 0, 21, days) = 0 FOR EACH customers.customer_id"


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))


def checked(source: Any, text: str) -> tuple[list[dict[str, Any]], str]:
    with pql.connect(source) as db:
        report = db.check_leakage(text)
        return report.to_arrow_table().to_pylist(), str(report)


def checks(rows: list[dict[str, Any]]) -> dict[str, bool]:
    return {row["check"]: row["identical"] for row in rows if row["identical"] is not None}


@pytest.mark.parametrize(
    "query",
    [
        f"{QUERY} AS OF 2023-09-01 WITH (anchors = 3, model = boosted)",
        "PREDICT LIST_DISTINCT(order_lines.product_id, 0, 21, days) RANK TOP 3 FOR EACH customers.customer_id "
        "AS OF 2023-09-01 WITH (anchors = 3, model = boosted)",
    ],
)
def test_the_answer_is_the_same_whatever_comes_later(query: str) -> None:
    rows, text = checked(shop(seed=5, orders=700), f"CHECK LEAKAGE {query}")
    found = checks(rows)
    for altered in ("deleted", "scrambled"):
        for what in ("plan", "rows", "labels", "graph", "metrics", "predictions"):
            assert found[f"{what} with later rows {altered}"]
    assert ("features with later rows deleted" in found) == ("RANK" not in query)
    later = {row["rows"] for row in rows if row["identical"] is not None}
    assert min(later) > 100
    assert "No leak" in text
    clocks = {row["subject"]: row["check"] for row in rows if row["check"] in ("clock", "no clock", "left out")}
    assert clocks["orders"] == "clock"
    assert clocks["products"] in ("no clock", "left out")
    assert "order_lines" in clocks


def test_without_as_of_it_checks_where_there_are_later_rows() -> None:
    rows, _ = checked(shop(seed=5, orders=700), f"{QUERY} {FAST}")
    anchors = {row["subject"] for row in rows if row["identical"] is not None}
    assert len(anchors) == 1
    assert anchors.pop() < "2023-11-26"
    assert all(row["rows"] > 20 for row in rows if row["identical"] is not None)


def test_a_leak_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline that reads three weeks too many."""
    from pql.engine.graph import history

    load = history.load
    monkeypatch.setattr(history, "load", lambda s, c, t, until: load(s, c, t, until + 21 * 86_400_000_000))
    rows, text = checked(shop(seed=5, orders=700), f"{QUERY} AS OF 2023-09-01 {FAST}")
    found = checks(rows)
    assert not found["rows with later rows deleted"]
    assert not found["graph with later rows scrambled"]
    assert found["plan with later rows deleted"]
    assert "LEAK" in text


def test_a_value_that_restates_the_label_is_pointed_at() -> None:
    world = shop(seed=2, orders=300)
    amount = world["orders"].column("order_id").to_pylist()
    total = pa.array([float((i * 37) % 101) for i in amount])
    world["orders"] = world["orders"].append_column("total", total).append_column("paid", pa.array(np.array(total) + 1))
    rows, text = checked(world, "PREDICT orders.total FOR EACH orders.order_id WITH (model = boosted)")
    (found,) = [row for row in rows if row["check"] == "strongest feature" and "IGNORING" in row["finding"]]
    assert found["subject"] == "orders.paid"
    assert "look at this: orders.paid" in text


def test_rows_known_before_those_they_point_to_are_counted() -> None:
    rows, _ = checked(shop(seed=5, orders=700), f"{QUERY} AS OF 2023-09-01 {FAST}")
    (late,) = [row for row in rows if row["check"] == "late parents"]
    assert late["subject"] == "orders.customer_id -> customers.customer_id"
    assert late["rows"] > 0


def test_data_without_clocks_has_nothing_to_prove() -> None:
    world = shop(seed=2)
    rows, text = checked(
        {"products": world["products"]}, "PREDICT category FOR EACH products.product_id WITH (model = boosted)"
    )
    assert "Nothing to prove" in text
    assert all(checks(rows).values())


def test_too_little_before_the_anchor_says_so() -> None:
    world = shop(seed=2, orders=300)
    with pytest.raises(PqlError) as error:
        checked(world, f"PREDICT COUNT(orders.*, 0, 80, days) > 1 FOR EACH customers.customer_id {FAST}")
    assert error.value.code in ("nothing_to_check", "insufficient_history")


def test_the_database_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as con:
        for name, table in shop(seed=5, orders=700).items():
            con.register("made", table)
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM made")
            con.unregister("made")
        con.execute("ALTER TABLE orders ALTER ordered_at TYPE TIMESTAMPTZ")
    before = path.read_bytes()
    rows, _ = checked(path, f"{QUERY} AS OF 2023-09-01 {FAST}")
    assert all(checks(rows).values())
    assert path.read_bytes() == before


def test_a_connection_that_keeps_no_order_is_refused() -> None:
    con = duckdb.connect()
    for name, table in shop(seed=5, orders=700).items():
        con.register("made", table)
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM made")
        con.unregister("made")
    con.execute("SET preserve_insertion_order = false")
    with pytest.raises(PqlError) as error:
        checked(con, f"{QUERY} AS OF {ANCHOR:%Y-%m-%d} {FAST}")
    assert error.value.code == "order_not_kept"


def test_the_same_means_the_same_bits() -> None:
    assert same(np.array([0.1, np.nan]), np.array([0.1, np.nan]))
    assert not same(np.array([0.1]), np.array([0.1 + 2**-54]))
    assert not same(np.array([1.0]), np.array([1]))
    assert same(pa.table({"a": [float("nan")]}), pa.table({"a": [float("nan")]}))
    assert not same(pa.table({"a": [1]}), pa.table({"b": [1]}))
    assert not same((1, 2), (1,))
    assert not same({"a": 1}, {"a": 2})


def test_the_power_of_a_feature() -> None:
    labels = np.array([0.0, 0.0, 1.0, 1.0])
    assert power(np.array([4.0, 3.0, 2.0, 1.0]), labels) == 1.0
    assert power(np.array([1.0, 1.0, 1.0, 1.0]), labels) == 0.5
    assert power(np.array([1.0, np.nan, 5.0, 7.0]), np.array([2.0, 1.0, 3.0, 9.0])) == pytest.approx(1.0)
    assert power(np.ones(4), np.arange(4.0)) == 0.0


def test_moments_of_a_far_future_survive_the_scrambling() -> None:
    world = shop(seed=5, orders=700)
    times = world["orders"].column("ordered_at").to_pylist()
    times[-1] = dt.datetime(9990, 1, 1)
    place = world["orders"].column_names.index("ordered_at")
    world["orders"] = world["orders"].set_column(place, "ordered_at", pa.array(times, pa.timestamp("us")))
    rows, _ = checked(world, f"{QUERY} AS OF 2023-09-01 {FAST}")
    assert all(checks(rows).values())
