"""Small shops with a past and a future: the future may be deleted or scrambled, the past stays as it is."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

START = dt.datetime(2023, 1, 1)
ANCHOR = dt.datetime(2023, 9, 1)
DAYS = 330  # the world goes on for months after the anchor

Tables = dict[str, pa.Table]


def shop(seed: int, customers: int = 60, products: int = 25, orders: int = 1500) -> Tables:
    """Customers (some join late), products, orders with lines (which have no clock of their own), memberships."""
    rng = np.random.default_rng(seed)
    joined = rng.integers(0, DAYS, customers)
    habit = rng.gamma(1.0, 1.0, customers)
    who = rng.choice(customers, orders, p=habit / habit.sum())
    when = np.sort(rng.integers(0, DAYS * 86400, orders))
    taste = rng.integers(0, 5, customers)
    category = rng.integers(0, 5, products)
    lines = rng.integers(1, 4, orders)
    order_of = np.repeat(np.arange(orders), lines)
    liked = rng.integers(0, products, len(order_of))
    same = np.flatnonzero(rng.random(len(order_of)) < 0.6)
    liked[same] = [
        rng.choice(np.flatnonzero(category == taste[who[order_of[i]]]), 1)[0]
        if (category == taste[who[order_of[i]]]).any()
        else liked[i]
        for i in same
    ]
    amount = np.round(rng.gamma(2.0, 10.0, len(order_of)), 2)
    amount[rng.random(len(amount)) < 0.02] = np.inf
    return {
        "customers": pa.table(
            {
                "customer_id": pa.array([f"c{i}" for i in range(customers)]),
                "segment": pa.array([["new", "old", None][int(i)] for i in rng.integers(0, 3, customers)]),
                "age": pa.array(rng.integers(18, 90, customers)),
                "joined_at": pa.array([START + dt.timedelta(days=int(d)) for d in joined], pa.timestamp("us")),
            }
        ),
        "products": pa.table(
            {
                "product_id": pa.array(np.arange(products) + 2**53 + 1),
                "category": pa.array([f"k{c}" for c in category]),
                "price": pa.array(np.round(rng.gamma(2.0, 5.0, products), 2)),
            }
        ),
        "orders": pa.table(
            {
                "order_id": pa.array(np.arange(orders)),
                "customer_id": pa.array([f"c{i}" for i in who]),
                "ordered_at": pa.array([START + dt.timedelta(seconds=int(s)) for s in when], pa.timestamp("us")),
                "channel": pa.array([["web", "shop", "phone"][int(i)] for i in rng.integers(0, 3, orders)]),
            }
        ),
        "order_lines": pa.table(
            {
                "order_id": pa.array(order_of),
                "product_id": pa.array(liked + 2**53 + 1),
                "qty": pa.array(rng.integers(1, 6, len(order_of))),
                "amount": pa.array(amount),
            }
        ),
        "memberships": pa.table(
            {
                "customer_id": pa.array([f"c{i}" for i in rng.integers(0, customers, 80)]),
                "club": pa.array([f"club {i}" for i in rng.integers(0, 4, 80)]),
            }
        ),
    }


def visited(tables: Tables, anchor: dt.datetime = ANCHOR) -> Tables:
    """The same shop where the newest order is at the anchor, customers join later all the same, and some orders (and
    with them their lines) have no time."""
    orders = tables["orders"]
    times = [None if i % 50 == 7 else t for i, t in enumerate(orders.column("ordered_at").to_pylist())]
    times[int(np.argmin([abs((t or START) - anchor) for t in times]))] = anchor
    place = orders.column_names.index("ordered_at")
    orders = orders.set_column(place, "ordered_at", pa.array(times, pa.timestamp("us")))
    kept = [t is None or t <= anchor for t in times]
    orders = orders.filter(pa.array(kept))
    ids = set(orders.column("order_id").to_pylist())
    lines = tables["order_lines"]
    lines = lines.filter(pa.array([i in ids for i in lines.column("order_id").to_pylist()]))
    return {**tables, "orders": orders, "order_lines": lines}


def _late(tables: Tables, anchor: dt.datetime) -> dict[str, np.ndarray]:
    """Which rows of each clocked table lie after the anchor."""
    orders = tables["orders"]
    late_orders = np.array([t is not None and t > anchor for t in orders.column("ordered_at").to_pylist()])
    late_ids = set(np.array(orders.column("order_id"))[late_orders].tolist())
    return {
        "orders": late_orders,
        "order_lines": np.array([i in late_ids for i in tables["order_lines"].column("order_id").to_pylist()]),
        "customers": np.array([t > anchor for t in tables["customers"].column("joined_at").to_pylist()]),
    }


def without_future(tables: Tables, anchor: dt.datetime = ANCHOR) -> Tables:
    """The same world with every row after the anchor deleted."""
    late = _late(tables, anchor)
    return {name: table.filter(pa.array(~late[name])) if name in late else table for name, table in tables.items()}


def with_another_future(tables: Tables, seed: int, anchor: dt.datetime = ANCHOR) -> Tables:
    """The same world with every row after the anchor scrambled: other times, customers, products, amounts, texts."""
    rng = np.random.default_rng(seed)
    late = _late(tables, anchor)
    changed = dict(tables)

    def put(name: str, column: str, make: list[object]) -> None:
        table = changed[name]
        place = table.column_names.index(column)
        values = table.column(column).to_pylist()
        for row in np.flatnonzero(late[name]):
            values[row] = make[int(rng.integers(len(make)))]
        changed[name] = table.set_column(
            place, table.schema.field(place), pa.array(values, table.schema.field(place).type)
        )

    later = [anchor + dt.timedelta(seconds=int(s)) for s in rng.integers(1, 40_000_000, 50)]
    put("orders", "ordered_at", list(later))
    put("orders", "customer_id", ["c0", "c1", "c2", "nobody", None])
    put("orders", "channel", ["pigeon", None, "x" * 300])
    put("order_lines", "product_id", [2**53 + 1, 2**53 + 2, 7, None])
    put("order_lines", "amount", [1e300, -1e300, float("nan"), float("inf"), 0.0])
    put("order_lines", "qty", [10**9, -(10**9), 0])
    put("customers", "joined_at", list(later))
    put("customers", "segment", ["future", None])
    put("customers", "age", [-1, 10**6])
    return changed
