"""Reasons are true: they name the cause that was planted, the rows they name are in the data, and without these rows
the prediction is another."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from planted import BAG, TENT, camping, help_desk

import pql
from pql.engine.quality.calibrate import logit

EACH = "FOR EACH customers.customer_id"
STAYS_AWAY = f"PREDICT COUNT(visits.*, 0, 14, days) = 0 {EACH}"
SPENDS = f"PREDICT AVG(orders.amount, 0, 30, days) {EACH}"
NEXT = "PREDICT LIST_DISTINCT(sales.product_id, 0, 14, days) RANK TOP 3 FOR EACH people.person_id"
CHEAP = "budget = '4 s', anchors = 5"
ROW = re.compile(r"\b(tickets|visits) (\d+), (\d+) (day|hour)s? before(?! the data)")


@pytest.fixture(scope="module")
def desk() -> dict[str, pa.Table]:
    return help_desk(140)


@pytest.fixture(scope="module")
def homes(desk: dict[str, pa.Table], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A home for each model of who stays away, where it is kept."""
    found = {}
    for model in ("boosted", "instant"):
        found[model] = tmp_path_factory.mktemp(model)
        with pql.connect(desk, home=found[model]) as session:
            list(session.run(f"CREATE MODEL away AS {STAYS_AWAY} WITH (model = {model}, {CHEAP})"))
    return found


def asked(tables: dict[str, pa.Table], home: Path, as_of: dt.datetime | None = None) -> pql.result.Predictions:
    return pql.connect(tables, home=home).predict(f"{STAYS_AWAY} USING MODEL away", as_of=as_of)


@pytest.mark.parametrize("model", ["boosted", "instant"])
def test_the_planted_cause_is_named_and_matters(desk: dict[str, pa.Table], homes: dict[str, Path], model: str) -> None:
    """Without the tickets named first predictions change more than without other tickets of the same people."""
    result = asked(desk, homes[model])
    why = result.why(25, most=300)
    named, told = {}, [row for row in why.to_arrow_table().to_pylist() if row["reason"] > 0]
    for row in told:
        if row["table"] == "tickets" and row["key"]:
            named.setdefault(row["customer_id"], int(row["key"].split(" | ")[0]))
    first = [said.split("raised most by ")[1].split(" and ")[0] for said in why.sentences if "raised most by" in said]
    assert sum("tickets" in one for one in first) >= 0.8 * len(why.sentences)
    ids, owners = desk["tickets"]["ticket_id"].to_numpy(), desk["tickets"]["customer_id"].to_numpy()
    rng = np.random.default_rng(0)
    other = {who: int(rng.choice(ids[(owners == who) & (ids != key)])) for who, key in named.items()}
    shown = result.to_arrow_table()
    before = dict(zip(shown["customer_id"].to_pylist(), logit(shown["probability"].to_numpy()), strict=True))
    moved = []
    for gone in (named, other):
        kept = pc.invert(pc.is_in(desk["tickets"]["ticket_id"], pa.array(list(gone.values()))))
        changed = {**desk, "tickets": desk["tickets"].filter(kept)}
        table = asked(changed, homes[model], as_of=shown["anchor"][0].as_py()).to_arrow_table()
        after = dict(zip(table["customer_id"].to_pylist(), logit(table["probability"].to_numpy()), strict=True))
        moved.append(np.array([abs(after[who] - before[who]) for who in named]))
    assert moved[0].mean() > 4 * moved[1].mean()
    assert (moved[0] > moved[1]).mean() > 0.8


def test_what_is_said_of_rows_is_so(desk: dict[str, pa.Table], homes: dict[str, Path]) -> None:
    """`tickets 1203, 3 days before` is a row of that customer, opened three days before the anchor."""
    clocks = {"tickets": "opened_at", "visits": "visited_at"}
    rows = {
        (name, next(iter(row.values()))): (row["customer_id"], row[clock])
        for name, clock in clocks.items()
        for row in desk[name].to_pylist()
    }
    result = asked(desk, homes["boosted"])
    anchor = result.to_arrow_table()["anchor"][0].as_py()
    seen = 0
    for said in result.why(200).sentences:
        who = int(re.match(r"customer_id (\d+): ", said)[1])  # type: ignore[index]
        for table, key, number, unit in ROW.findall(said):
            owner, time = rows[table, int(key)]
            assert owner == who
            assert (anchor - time) / dt.timedelta(**{f"{unit}s": 1}) == pytest.approx(int(number), abs=0.5001)
            seen += 1
        kinds = re.findall(r"the latest kind of tickets \((\w+); tickets (\d+)", said)
        for kind, key in kinds:
            at = desk["tickets"]["ticket_id"].to_pylist().index(int(key))
            assert desk["tickets"]["kind"][at].as_py() == kind
    assert seen > 250


def test_what_a_column_alone_decides_is_told_by_it(desk: dict[str, pa.Table]) -> None:
    plans = dict(zip(desk["customers"]["customer_id"].to_pylist(), desk["customers"]["plan"].to_pylist(), strict=True))
    with pql.connect(desk) as session:
        result = session.predict(f"{SPENDS} WITH (model = instant, {CHEAP})")
        ids = result.to_arrow_table()["customer_id"].to_pylist()
        why = result.why_rows([i for i, who in enumerate(ids) if plans[who] == "pro"][:30])
    assert len(why.sentences) == 30
    assert sum("; raised most by its plan (pro)" in said for said in why.sentences) >= 29


@pytest.mark.parametrize("model", ["boosted", "rules"])
def test_the_next_product_is_told_by_the_one_before(model: str) -> None:
    tables = camping()
    sales = tables["sales"].to_pylist()
    tents = {(row["person_id"], str(row["sale_id"])) for row in sales if row["product_id"] == TENT}
    with pql.connect(tables) as session:
        result = session.predict(f"{NEXT} WITH (model = {model}, {CHEAP})")
        listed = result.to_arrow_table().to_pylist()
        anchor = listed[0]["anchor"]
        last = {row["person_id"]: row["sold_at"] for row in sales if row["product_id"] == TENT}
        bags = {row["person_id"]: row["sold_at"] for row in sales if row["product_id"] == BAG}
        waiting = {
            who
            for who, when in last.items()
            if anchor - when < dt.timedelta(days=8) and bags.get(who, dt.datetime.min) < when
        }
        at = [i for i, row in enumerate(listed) if row["person_id"] in waiting and row["product_id"] == BAG]
        assert len(at) >= 4
        told = result.why_rows(at, most=3).to_arrow_table().to_pylist()
    found = {
        row["person_id"] for row in told for key in (row["key"] or "").split(" | ") if (row["person_id"], key) in tents
    }
    assert len(found) >= 0.9 * len(at)


def test_importance_agrees_with_a_permutation(desk: dict[str, pa.Table], homes: dict[str, Path]) -> None:
    """What weighs most changes the predictions most when its values are dealt out anew; and it is the same twice."""
    result = asked(desk, homes["instant"])
    shares = {
        (row["table"], row["column"]): row["contribution"]
        for row in result.importance(rows=100).to_arrow_table().to_pylist()
    }
    assert result.importance(rows=100).to_arrow_table().equals(result.importance(rows=100).to_arrow_table())
    shown = result.to_arrow_table().sort_by("customer_id")
    rng = np.random.default_rng(0)
    moved = {}
    for table, column in (("tickets", "kind"), ("customers", "age"), ("customers", "region"), ("customers", "plan")):
        dealt = desk[table].column(column).take(pa.array(rng.permutation(len(desk[table]))))
        changed = {**desk, table: desk[table].set_column(desk[table].column_names.index(column), column, dealt)}
        after = asked(changed, homes["instant"]).to_arrow_table().sort_by("customer_id")
        before, now = (logit(one["probability"].to_numpy()) for one in (shown, after))
        moved[table, column] = float(np.abs(before - now).mean())
    assert max(moved, key=moved.__getitem__) == ("tickets", "kind")
    assert moved["tickets", "kind"] > 5 * max(size for name, size in moved.items() if name[0] != "tickets")
    assert shares["tickets", "kind"] > 5 * max(shares.get(name, 0.0) for name in moved if name[0] != "tickets")


@pytest.mark.parametrize("query", [STAYS_AWAY, SPENDS])
def test_where_the_data_ends_early_times_are_told_from_its_end(desk: dict[str, pa.Table], query: str) -> None:
    with pql.connect(desk) as session:
        result = session.predict(f"{query} AS OF '2024-12-01' WITH (model = instant, {CHEAP})")
        said = " ".join(result.why(20).sentences)
        behind = result.background()
        assert behind is not None
        assert behind.told is not None
        missed = behind.told(np.arange(3))
    assert "before the data ends" in said
    assert not re.search(r"days before[;,).]", said)
    assert len(missed) == 3
    assert "before the data ends" in " ".join(missed)


def test_tested_lists_are_told_by_what_they_begin_with() -> None:
    with pql.connect(camping()) as session:
        for when in ("", "AS OF '2024-10-01' "):
            result = session.predict(f"{NEXT} {when}WITH (model = rules, {CHEAP})")
            behind = result.background()
            assert behind is not None
            assert behind.told is not None
            told = behind.told(np.arange(4))
            assert len(told) == 4
            assert all(re.match(r"person_id \d+, product_id \d+: ", said) for said in told)
