"""Label tables made from a shop's orders, as a user would make them, and the shop itself with a planted habit."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

START = dt.datetime(2022, 1, 1)
DAYS = 600


def shop(seed: int = 0, customers: int = 60, items: int = 12) -> dict[str, pa.Table]:
    """Customers, items and orders; customers differ in how often they order, and each has items of its own."""
    rng = np.random.default_rng(seed)
    rate = rng.choice([0.005, 0.02, 0.09], customers)
    who, what, when = [], [], []
    for customer in range(customers):
        days = np.flatnonzero(rng.random(DAYS) < rate[customer])
        for day in days.tolist():
            who.append(customer)
            what.append((customer + int(rng.integers(0, 3))) % items)
            when.append(START + dt.timedelta(days=day, hours=int(rng.integers(0, 24))))
    order = np.argsort(np.array(when), kind="stable")
    n = len(order)
    return {
        "customers": pa.table({"customer_id": range(customers), "city": [f"city {i % 5}" for i in range(customers)]}),
        "items": pa.table({"item_id": np.arange(items), "kind": [f"kind {i % 3}" for i in range(items)]}),
        "orders": pa.table(
            {
                "order_id": np.arange(n),
                "customer_id": np.array(who)[order],
                "item_id": np.array(what)[order],
                "ordered_at": pa.array(np.array(when)[order].tolist(), pa.timestamp("us")),
                "amount": np.round(rng.gamma(2.0, 10.0, n) + 5.0 * np.array(what)[order], 2),
                "grade": rng.integers(0, 4, n),
            }
        ),
    }


def anchors(first: int, last: int, step: int = 30) -> list[dt.datetime]:
    """Moments every `step` days, from day `first` to day `last`."""
    return [START + dt.timedelta(days=day) for day in range(first, last + 1, step)]


def labels(tables: dict[str, pa.Table], when: list[dt.datetime], kind: str = "orders", days: int = 30) -> pa.Table:
    """customer_id, at, label: of everybody at every moment. kind: any (0 or 1), orders (how many), city or items."""
    orders = tables["orders"].to_pylist()
    rows = []
    for moment in when:
        end = moment + dt.timedelta(days=days)
        inside = [row for row in orders if moment < row["ordered_at"] <= end]
        for customer in range(len(tables["customers"])):
            mine = [row["item_id"] for row in inside if row["customer_id"] == customer]
            if kind == "items":
                if mine:
                    rows.append((customer, moment, sorted(set(mine))))
                continue
            rows.append((customer, moment, {"any": int(bool(mine)), "orders": len(mine)}.get(kind, _class(len(mine)))))
    return pa.table(
        {
            "customer_id": [row[0] for row in rows],
            "at": pa.array([row[1] for row in rows], pa.timestamp("us")),
            "label": [row[2] for row in rows],
        }
    )


def _class(count: int) -> str:
    return "none" if not count else "few" if count < 3 else "many"
