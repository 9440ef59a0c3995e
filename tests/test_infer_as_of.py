"""What is inferred as of a moment: rows later than it have no say, whatever they hold."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from catalogs import days, infer, us

import pql
from pql.language.catalog import Catalog


def random_database(seed: int) -> dict[str, pd.DataFrame]:
    """A small shop of random size, gaps and oddities."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    users = pd.DataFrame({"user_id": np.arange(8), "signup_at": days(*rng.integers(0, 30, 8).tolist()), "plan": "x"})
    items = pd.DataFrame({"item_id": np.arange(6), "supplier_id": rng.integers(0, 3, 6), "price": rng.random(6)})
    orders = pd.DataFrame(
        {
            "order_id": np.arange(n),
            "user_id": rng.integers(0, int(rng.integers(1, 12)), n),
            "store_id": rng.integers(0, 4, n),
            "at": days(*[None if rng.random() < 0.1 else float(rng.integers(0, 40)) for _ in range(n)]),
            "paid_at": days(*rng.integers(0, 60, n).tolist()),
            "status": rng.choice(["a", "b"], n),
        }
    )
    m = int(rng.integers(1, 60))
    lines = pd.DataFrame(
        {"order_id": rng.integers(0, n + 2, m), "item_id": rng.integers(0, 7, m), "quantity": rng.integers(0, 5, m)}
    )
    tables = {"items": items, "orders": orders, "order_lines": lines}
    if rng.random() < 0.5:
        tables["users"] = users
    if rng.random() < 0.5:
        tables["visits"] = pd.DataFrame(
            {"user_id": rng.integers(0, 9, 10), "seen_on": days(*rng.integers(0, 40, 10).tolist())}
        )
    if rng.random() < 0.5:
        tables["campaigns"] = pd.DataFrame(
            {"campaign_id": range(5), "start": days(*range(0, 50, 10)), "end": days(*range(20, 70, 10))}
        )
        tables["memberships"] = pd.DataFrame({"campaign_id": rng.integers(0, 5, 9), "user_id": rng.integers(0, 9, 9)})
    return tables


def row_times(tables: dict[str, pd.DataFrame], catalog: Catalog, name: str) -> pd.Series | None:
    """Every row's clock; None for tables without one."""
    found = catalog.table(name).clock
    if found.kind == "own":
        return tables[name][found.column]
    if found.kind != "inherited" or found.via is None:
        return None
    parent = row_times(tables, catalog, found.via.parent)
    assert parent is not None
    known = dict(zip(tables[found.via.parent][found.via.parent_columns[0]], parent, strict=True))
    return tables[name][found.via.child_columns[0]].map(known)


def without_later(tables: dict[str, pd.DataFrame], catalog: Catalog, as_of: int) -> dict[str, pd.DataFrame]:
    moment = pd.Timestamp(as_of, unit="us")
    kept = {}
    for name, frame in tables.items():
        times = row_times(tables, catalog, name)
        kept[name] = frame if times is None else frame[~(times > moment).to_numpy()]
    return kept


def scrambled(tables: dict[str, pd.DataFrame], catalog: Catalog, as_of: int, seed: int) -> dict[str, pd.DataFrame]:
    """Every later row with other values in all its columns, its clock aside."""
    rng = np.random.default_rng(seed)
    moment = pd.Timestamp(as_of, unit="us")
    made = {}
    for name, frame in tables.items():
        times = row_times(tables, catalog, name)
        frame = frame.copy()
        if times is not None and catalog.table(name).clock.kind == "own":
            later = np.flatnonzero((times > moment).to_numpy())
            for column in frame.columns:
                if column == catalog.table(name).clock.column or not len(later):
                    continue
                position = frame.columns.get_loc(column)
                if frame[column].dtype.kind == "i":
                    frame.iloc[later, position] = rng.integers(10_000, 20_000, len(later))
                elif frame[column].dtype.kind == "M":
                    frame.iloc[later, position] = days(*rng.integers(0, 90, len(later)).tolist()).to_numpy()
                else:
                    frame.iloc[later, position] = rng.choice(["q", "r", "s"], len(later))
        made[name] = frame
    return made


def check_later_rows_have_no_say(seed: int) -> None:
    tables = random_database(seed)
    moment = us((2.0, 8.0, 20.0, 33.5)[seed % 4])
    catalog = infer(tables, as_of=moment)
    assert str(infer(without_later(tables, catalog, moment), as_of=moment)) == str(catalog)
    assert str(infer(scrambled(tables, catalog, moment, seed), as_of=moment)) == str(catalog)


@pytest.mark.parametrize("seed", range(12))
def test_later_rows_have_no_say(seed: int) -> None:
    check_later_rows_have_no_say(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 60))
def test_later_rows_have_no_say_in_many_databases(seed: int) -> None:
    check_later_rows_have_no_say(seed)


@pytest.mark.parametrize("later", [["P00", "P01"], ["none", "other"]])
def test_links_that_only_values_tell_are_told_by_known_rows(later: list[str]) -> None:
    codes = [f"P{i:02d}" for i in range(20)]
    early = codes if later[0] == "none" else [f"Q{i:02d}" for i in range(20)]
    tables = {
        "places": pd.DataFrame({"code": codes, "country": ["DE", "FR"] * 10}),
        "routes": pd.DataFrame(
            {
                "route": range(500, 620),
                "origin": [early[i % 20] for i in range(60)] + later * 30,
                "at": days(*range(120)),
            }
        ),
    }
    as_of = us(59)
    catalog = infer(tables, as_of=as_of)
    assert ("routes.origin -> places.code" in map(str, catalog.links)) == (later[0] == "none")
    assert infer(without_later(tables, catalog, as_of), as_of=as_of) == catalog


def test_rows_that_are_deleted_later_are_known_until_then() -> None:
    start = dt.datetime(2024, 1, 1)
    created = [start + dt.timedelta(days=i) for i in range(100)]
    users = {"id": list(range(100)), "deletion_date": [at + dt.timedelta(days=400) for at in created]}
    orders = {"order_id": list(range(300)), "user_id": [i // 3 for i in range(300)]}
    orders["ordered_at"] = [created[i // 3] + dt.timedelta(days=1) for i in range(300)]
    for own in ({}, {"created_at": created}):
        frames = {"users": pa.table({**users, **own}), "orders": pa.table(orders)}
        with pql.connect(frames) as db:
            shown = str(db.explain("PREDICT COUNT(orders.*, 0, 10, days) FOR EACH users.id AS OF '2024-03-01'"))
            clock = db.catalog().table("users").clock
        assert "point nowhere" not in shown
        assert clock.column == ("created_at" if own else None)
