"""Over several links: which rows belong to an entity, what filters read, and when it is known (LANGUAGE §2, §3)."""

from __future__ import annotations

from typing import Any

import pytest
from databases import Database, day, plan_by_hand, us
from meaning import Meaning

from pql.engine.graph.history import load
from pql.engine.labels.training_table import compute_eligible
from pql.language.binder import bind
from pql.language.errors import PqlError
from pql.language.parser import parse_predict

NAMES = {"city": "cities", "store": "stores", "customer": "customers", "maker": "makers", "product": "products"}


def key(table: str) -> str:
    return next(one for one, many in NAMES.items() if many == table) + "_id"


def market() -> Database:
    """Cities of stores and of customers; orders at stores by customers; items of orders, of products, of makers."""
    tables: dict[str, list[dict[str, Any]]] = {
        "cities": [{"city_id": n, "size": size} for n, size in ((1, 10), (2, None), (3, 30))],
        "stores": [{"store_id": n, "city_id": city} for n, city in ((1, 1), (2, 2), (3, None))],
        "customers": [{"customer_id": n, "city_id": city} for n, city in ((1, 1), (2, 1), (3, 2), (4, 9))],
        "makers": [{"maker_id": n, "land": land} for n, land in (("x", "north"), ("y", None))],
        "products": [
            {"product_id": "a", "maker_id": "x", "price": 2.0, "from": day(0)},
            {"product_id": "b", "maker_id": "y", "price": 3.0, "from": day(5)},
            {"product_id": "c", "maker_id": None, "price": None, "from": day(50)},
        ],
        "orders": [
            {"order_id": 1, "customer_id": 1, "store_id": 2, "at": day(2)},
            {"order_id": 2, "customer_id": 1, "store_id": 1, "at": day(4)},
            {"order_id": 3, "customer_id": 3, "store_id": 1, "at": day(6)},
            {"order_id": 4, "customer_id": 4, "store_id": 3, "at": day(8)},
            {"order_id": 5, "customer_id": None, "store_id": 2, "at": day(9)},
            {"order_id": 6, "customer_id": 2, "store_id": 2, "at": None},
            {"order_id": 7, "customer_id": 2, "store_id": 7, "at": day(20)},
        ],
        "items": [
            {"order_id": order, "product_id": product, "n": n}
            for order, product, n in [
                (1, "a", 1),
                (1, "b", 2),
                (2, "b", 4),
                (3, "c", 8),
                (4, "a", 16),
                (5, "a", 32),
                (6, "a", 64),
                (7, "zz", 128),
                (99, "a", 256),
                (2, None, 512),
            ]
        ],
    }  # fmt: skip
    kinds = {
        "size": "INTEGER",
        "land": "VARCHAR",
        "price": "DOUBLE",
        "from": "TIMESTAMP",
        "at": "TIMESTAMP",
        "n": "INTEGER",
    }
    texts = ("maker_id", "product_id")
    types = {
        name: {c: kinds.get(c, "VARCHAR" if c in texts else "INTEGER") for c in rows[0]}
        for name, rows in tables.items()
    }
    links = [
        ("stores", "cities"), ("customers", "cities"), ("orders", "customers"), ("orders", "stores"),
        ("products", "makers"), ("items", "products"),
    ]  # fmt: skip
    specs = [(child, (key(parent),), parent, (key(parent),)) for child, parent in links]
    return Database(
        tables,
        types,
        {name: (key(name),) for name in NAMES.values()} | {"orders": ("order_id",)},
        [*specs, ("items", ("order_id",), "orders", ("order_id",))],
        {"orders": "at", "items": "orders", "products": "from"},
    )


def asked(target: str, entity: str, tail: str = "") -> dict[Any, Any]:
    meaning = Meaning(market(), entity=entity)
    found = meaning.labels(target, tail=f"{tail} WITH (first_seen = off)")
    return {one: label for (one, _), label in found.items() if label not in (0, None, [])}


CASES = [
    # two and three links up; rows that dangle, lack a key or a time belong to nobody
    ("COUNT(orders.*, 0, 10)", "customers.customer_id", "", {1: 2, 3: 1, 4: 1}),
    ("COUNT(orders.*, 0, 10)", "cities.city_id", "VIA customers", {1: 2, 2: 1}),
    ("COUNT(orders.*, 0, 10)", "cities.city_id", "VIA stores", {1: 2, 2: 2}),
    ("SUM(items.n, 0, 10)", "customers.customer_id", "", {1: 519, 3: 8, 4: 16}),
    ("SUM(items.n, 0, 10)", "cities.city_id", "VIA customers", {1: 519, 2: 8}),
    ("SUM(items.n, 0, 10)", "cities.city_id", "VIA stores", {1: 524, 2: 35}),
    ("SUM(items.n, 0, 10)", "cities.city_id", "IGNORING orders.store_id", {1: 519, 2: 8}),
    ("COUNT(items.*, 0, 30)", "stores.store_id", "", {1: 3, 2: 3, 3: 1}),
    # columns of rows that are pointed to, in the argument and in the filter
    ("SUM(items.n * products.price, 0, 10)", "customers.customer_id", "", {1: 20.0, 4: 32.0}),
    ("COUNT(items.* WHERE makers.land = 'north', 0, 10)", "customers.customer_id", "", {1: 1, 4: 1}),
    ("COUNT(items.* WHERE makers.land IS NULL, 0, 10)", "customers.customer_id", "", {1: 3, 3: 1}),  # c: known later
    ("COUNT(items.* WHERE NOT makers.land = 'north', 0, 10)", "customers.customer_id", "", {}),
    ("COUNT(items.* WHERE products.price > 1 AND orders.store_id = 1, 0, 10)", "customers.customer_id", "", {1: 1}),
    ("COUNT(items.* WHERE customers.city_id = 1, 0, 10)", "stores.store_id", "", {1: 2, 2: 2}),
    ("LIST_DISTINCT(items.product_id, 0, 5) RANK TOP 2", "customers.customer_id", "", {1: ["a", "b"]}),
    ("LIST_DISTINCT(makers.land, 0, 10) CLASSIFY", "customers.customer_id", "", {1: ["north"], 4: ["north"]}),
    # the entity's own filters read rows it points to
    ("COUNT(orders.*, 0, 10)", "customers.customer_id", "WHERE cities.size = 10", {1: 2}),
    ("COUNT(orders.*, 0, 10)", "customers.customer_id", "WHERE cities.size IS NULL", {3: 1, 4: 1}),
]  # fmt: skip


@pytest.mark.parametrize(("target", "entity", "tail", "expected"), CASES)
def test_over_links(target: str, entity: str, tail: str, expected: dict[Any, Any]) -> None:
    assert asked(target, entity, tail) == expected


def test_two_equally_short_routes_must_be_told_apart() -> None:
    with pytest.raises(PqlError) as error:
        asked("COUNT(orders.*, 0, 10)", "cities.city_id")
    assert error.value.code == "ambiguous_join"


PAST = [
    "COUNT(items.* WHERE makers.land IS NULL, -20, 0) > 0",
    "COUNT(items.* WHERE products.price IS NULL, -20, 0) = 1",
    "COUNT(items.* WHERE products.price > 1 OR items.n > 3, -20, 0) > 2",
    "COUNT(items.* WHERE products.price IS NULL OR makers.land = 'north', -20, -4) > 0",
    "LAST(items.n WHERE NOT products.price IS NULL, -20, 0) > 1",
]


@pytest.mark.parametrize("past", PAST)
def test_what_is_not_known_yet_is_null_alike_at_an_anchor_of_training_and_at_the_last(past: str) -> None:
    """What a condition says at an anchor is the same with and without the rows that become known later."""
    database = market()
    text = f"PREDICT COUNT(orders.*, 0, 10) FOR EACH customers.customer_id WHERE {past} WITH (first_seen = off)"
    query = bind(parse_predict(text), database.catalog(), text=text)
    every = {table.name: [column.name for column in table.columns] for table in query.catalog.tables}

    def holds(anchor: int, until: int) -> dict[int, bool]:
        plan = plan_by_hand(query, [anchor], until=until)
        with database.snapshot() as snapshot:
            found = compute_eligible(load(snapshot, query.catalog, every, until), plan, [anchor])
        return dict(zip(found.keys.column(0).to_pylist(), found.eligible.tolist(), strict=True))

    told = {n: holds(us(n), us(100)) for n in (3, 5, 7, 10)}
    assert told == {n: holds(us(n), us(n)) for n in told}
    assert len({held for one in told.values() for held in one.values()}) == 2


def test_what_is_read_of_a_row_is_null_until_that_row_is_known() -> None:
    """Product b is known from day 5, c from day 50: a window that ends before does not see their prices."""
    meaning = Meaning(market(), entity="customers.customer_id")
    for end, count in ((3, 1), (4, 1), (5, 3), (10, 3)):
        target = f"COUNT(items.* WHERE products.price > 0, 0, {end})"
        assert meaning.labels(target, day(0), tail="WITH (first_seen = off)")[1, day(0)] == count
    past = "WHERE COUNT(items.* WHERE products.price > 0, -10, 0) > 0 WITH (first_seen = off)"
    assert set(meaning.labels("COUNT(orders.*, 0, 10)", day(2), tail=past)) == {(1, day(2))}
