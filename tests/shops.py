"""Databases for tests that go through the front door: a shop as its users know it, and nasty ones."""

from __future__ import annotations

import datetime as dt
import uuid

import numpy as np
import pyarrow as pa

START = dt.datetime(2023, 1, 1)


def seed_shop(seed: int = 0, customers: int = 80, products: int = 30, purchases: int = 2400, days: int = 400):
    """Customers, products with categories, purchases: the schema of the language's seed queries."""
    rng = np.random.default_rng(seed)
    habit = rng.gamma(1.0, 1.0, customers) + 0.05
    who = rng.choice(customers, purchases, p=habit / habit.sum())
    what = (who * 7 + rng.integers(0, 6, purchases)) % products
    when = [START + dt.timedelta(seconds=int(s)) for s in np.sort(rng.integers(0, days * 86400, purchases))]
    return {
        "CUSTOMERS": pa.table(
            {
                "CUSTOMER_ID": np.arange(customers),
                "NAME": [f"Customer {i}" for i in range(customers)],
                "AGE": rng.integers(18, 80, customers),
            }
        ),
        "CATEGORIES": pa.table({"CATEGORY_ID": np.arange(5), "CATEGORY_NAME": [f"Category {i}" for i in range(5)]}),
        "PRODUCTS": pa.table(
            {
                "PRODUCT_ID": np.arange(products),
                "CATEGORY_ID": np.arange(products) % 5,
                "PRODUCT_NAME": [f"Product {i}" for i in range(products)],
                "PRICE": np.round(rng.gamma(2.0, 10.0, products), 2),
            }
        ),
        "ORDERS": pa.table(
            {
                "ORDER_ID": np.arange(purchases),
                "CUSTOMER_ID": who,
                "PRODUCT_ID": what,
                "ORDERED_AT": pa.array(when, pa.timestamp("us")),
                "AMOUNT": np.round(rng.gamma(2.0, 12.0, purchases), 2),
            }
        ),
    }


def purchases_shop(seed: int = 0):
    """The same under the names of the named-target queries: customers, products, categories, purchases."""
    tables = seed_shop(seed)
    renamed = {"CUSTOMERS": "customers", "CATEGORIES": "categories", "PRODUCTS": "products", "ORDERS": "purchases"}
    result = {}
    for old, new in renamed.items():
        table = tables[old]
        names = [name.lower() for name in table.column_names]
        names = [n.replace("order_id", "purchase_id").replace("ordered_at", "purchased_at") for n in names]
        result[new] = table.rename_columns(names)
    return result


def hostile_shop(key_kind: str = "int", seed: int = 0):
    """A table called `type` keyed by nasty ids, facts in `a"b` with inf, NULLs, dangling links and duplicate keys."""
    rng = np.random.default_rng(seed)
    n, m = 40, 1500
    if key_kind == "big":
        keys = [2**60 + i for i in range(n)]
    elif key_kind == "string":
        keys = [f'id\'; DROP TABLE "type"; --{i}' for i in range(n)]
    elif key_kind == "uuid":
        keys = [str(uuid.UUID(int=i + 2**100)) for i in range(n)]
    else:
        keys = list(range(n))
    who = [keys[int(i)] for i in rng.integers(0, n - 5, m)]
    who[:20] = [None] * 20
    if key_kind != "int":
        who[20:30] = [type(keys[0])(5)] * 10
    value = rng.normal(10, 5, m)
    value[30:60] = np.inf
    value[60:90] = -np.inf
    value[90:120] = np.nan
    when = [START + dt.timedelta(seconds=int(s)) for s in rng.integers(0, 300 * 86400, m)]
    when[200:220] = [None] * 20
    return {
        "type": pa.table(
            {
                "type_id": pa.array([*keys, keys[0]]),  # one key twice
                "select": pa.array([*("ab"[i % 2] for i in range(n)), "a"]),
                "empty": pa.nulls(n + 1, pa.float64()),
                "same": pa.array([1] * (n + 1)),
            }
        ),
        'a"b': pa.table(
            {
                "type_id": pa.array(who),
                "at": pa.array(when, pa.timestamp("us")),
                "value": pa.array(value),
                "date": pa.array([None] * m, pa.timestamp("us")),
            }
        ),
        "nothing": pa.table({"type_id": pa.array([], pa.array(keys).type), "at": pa.array([], pa.timestamp("us"))}),
    }
