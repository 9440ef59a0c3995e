"""Databases whose causes are known: what a reason ought to name was put there by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

START = dt.datetime(2024, 1, 1)
DAYS = 200
TENT, BAG = 0, 1


def _moments(days: list[float]) -> pa.Array:
    return pa.array([START + dt.timedelta(seconds=int(day * 86_400)) for day in days], pa.timestamp("us"))


def help_desk(customers: int = 200, seed: int = 0) -> dict[str, pa.Table]:
    """Customers come every third day or so; a ticket of the kind `broken` keeps them away for two weeks, and nothing
    else does. Their plan, region and age mean nothing to their visits; what an order costs is the plan's alone."""
    rng = np.random.default_rng(seed)
    plan = rng.choice(["basic", "plus", "pro"], customers)
    costs = {"basic": 5.0, "plus": 20.0, "pro": 60.0}
    tickets, visits, orders = [], [], []
    for who in range(customers):
        opened = np.sort(rng.uniform(0, DAYS, rng.poisson(DAYS / 20)))
        kinds = rng.choice(["broken", "billing", "question"], len(opened), p=[0.3, 0.35, 0.35])
        tickets += [(who, day, kind) for day, kind in zip(opened.tolist(), kinds.tolist(), strict=True)]
        days = np.cumsum(rng.exponential(3, DAYS))
        for day in opened[kinds == "broken"]:
            days = days[~((days > day + rng.uniform(4, 7)) & (days < day + rng.uniform(20, 24)))]
        visits += [(who, day) for day in days[days < DAYS].tolist()]
        bought = rng.uniform(0, DAYS) + np.cumsum(rng.exponential(6, 60))
        orders += [(who, day, round(rng.normal(costs[plan[who]], 1), 2)) for day in bought[bought < DAYS].tolist()]
    for rows in (tickets, visits, orders):
        rows.sort(key=lambda row: row[1])
    return {
        "customers": pa.table(
            {
                "customer_id": np.arange(customers),
                "plan": plan,
                "region": rng.choice(["north", "south"], customers),
                "age": rng.integers(18, 80, customers).astype(float),
            }
        ),
        "tickets": pa.table(
            {
                "ticket_id": np.arange(len(tickets)) + 1_000,
                "customer_id": [row[0] for row in tickets],
                "kind": [row[2] for row in tickets],
                "opened_at": _moments([row[1] for row in tickets]),
            }
        ),
        "visits": pa.table(
            {
                "visit_id": np.arange(len(visits)) + 50_000,
                "customer_id": [row[0] for row in visits],
                "visited_at": _moments([row[1] for row in visits]),
            }
        ),
        "orders": pa.table(
            {
                "order_id": np.arange(len(orders)) + 90_000,
                "customer_id": [row[0] for row in orders],
                "amount": [row[2] for row in orders],
                "ordered_at": _moments([row[1] for row in orders]),
            }
        ),
    }


def camping(people: int = 200, seed: int = 2) -> dict[str, pa.Table]:
    """Whoever buys a tent buys a sleeping bag within two weeks; nobody else does. All other sales are at random."""
    rng = np.random.default_rng(seed)
    names = ["tent", "sleeping bag", "stove", "lamp", "boots", "rope", "knife", "map"]
    sales: list[tuple[int, float, int]] = []
    for who in range(people):
        for day in np.cumsum(rng.exponential(12, 60)).tolist():
            item = int(rng.choice([TENT, 2, 3, 4, 5, 6, 7]))
            sales.append((who, day, item))
            if item == TENT:
                sales.append((who, day + rng.uniform(1, 13), BAG))
    sales = sorted((sale for sale in sales if sale[1] < DAYS), key=lambda sale: sale[1])
    return {
        "people": pa.table({"person_id": np.arange(people), "town": rng.choice(["Ulm", "Bonn"], people)}),
        "products": pa.table({"product_id": np.arange(len(names)), "name": names}),
        "sales": pa.table(
            {
                "sale_id": np.arange(len(sales)) + 1_000,
                "person_id": [sale[0] for sale in sales],
                "product_id": [sale[2] for sale in sales],
                "sold_at": _moments([sale[1] for sale in sales]),
            }
        ),
    }
