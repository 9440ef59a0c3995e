"""Reasons of the answers to a label table of one's own: they add up, row by row, whatever the task and the regime."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from label_tables import anchors, labels, shop
from test_why import adds_up

import pql

ENTITY = {"entity": "customers.customer_id", "time": "at", "target": "label", "horizon": "30 days"}


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("any", "boosted"),
        ("any", "last_window"),
        ("orders", "instant"),
        ("class", "instant"),
        ("items", "boosted"),
        ("items", "repeat"),
    ],
)
def test_answers_to_own_labels_have_reasons(kind: str, model: str) -> None:
    tables = shop()
    train, test = labels(tables, anchors(60, 450), kind), labels(tables, anchors(480, 540), kind)
    more = {"items": "items.item_id", "k": 3} if kind == "items" else {}
    fitted = pql.connect(tables).fit(train, model=model, budget="2 s", epochs=1, **ENTITY, **more)
    result = fitted.predict(test)
    why = result.why(12, most=3)
    adds_up(why)
    told = why.to_arrow_table().to_pylist()
    assert len(why.sentences) == 12
    shown = result.to_arrow_table().slice(0, 12).to_pylist()
    assert [row["anchor"] for row in told if row["reason"] == 0] == [row["anchor"] for row in shown]
    assert all(row["time"] is None or row["time"] <= row["anchor"] for row in told)
    assert len(result.importance()) >= 1


def test_reasons_of_rows_that_the_data_does_not_reach_are_of_what_it_holds() -> None:
    tables = shop()
    until = dt.datetime(2023, 6, 1)
    early = pc.less_equal(tables["orders"]["ordered_at"], pa.scalar(until, pa.timestamp("us")))
    train, test = labels(tables, anchors(60, 450)), labels(tables, anchors(560, 590))
    fitted = pql.connect({**tables, "orders": tables["orders"].filter(early)}).fit(train, model="instant", **ENTITY)
    why = fitted.predict(test).why(10)
    adds_up(why)
    times = [row["time"] for row in why.to_arrow_table().to_pylist() if row["time"] is not None]
    assert times
    assert max(times) <= until


def test_a_key_that_is_unknown_has_none() -> None:
    tables = shop()
    train, test = labels(tables, anchors(60, 450), "any"), labels(tables, anchors(480, 480), "any")
    stranger = pa.table({"customer_id": [10_000, 3], "at": [test["at"][0].as_py()] * 2})
    result = pql.connect(tables).fit(train, model="instant", **ENTITY).predict(stranger)
    assert {row["customer_id"] for row in result.why().to_arrow_table().to_pylist()} == {3}
    assert result.why(entity=10_000).sentences == ()
