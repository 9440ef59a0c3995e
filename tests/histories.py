"""Random databases in which much is known late, and the same ones with everything after a moment deleted or scrambled.

What is known late: products launched after they were ordered, customers who join after their first order, second rows
of a key with other values, items whose order comes later, rows without a time.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
from databases import Database, LinkSpec, Row, day

from pql.language.catalog import Catalog, Stype
from pql.session import Session

DAYS = 90
CHANNELS = ["web", "shop", "phone", "fax"]
DEPTS = ["food", "toys", "books", None]
NOTES = ["red and round", "a blue box", "red box", None]


def late_database(seed: int) -> Database:
    """Customers, orders, items of orders, products and their makers; clocks, duplicates and targets vary by seed."""
    rng = random.Random(seed)
    joins, launches, twice = rng.random() < 0.5, rng.random() < 0.6, rng.random() < 0.5
    n_customers, n_products = 14, 9
    customers: list[Row] = [_customer(rng, c, joins=joins) for c in range(n_customers)]
    products: list[Row] = [_product(rng, p, launches=launches) for p in range(n_products)]
    if twice:  # later versions of the same rows; without a clock nothing tells which is later
        if joins:
            customers += [_customer(rng, c, joins=True) for c in rng.sample(range(n_customers), 5)]
        if launches:
            products += [_product(rng, p, launches=True) for p in rng.sample(range(n_products), 4)]
    makers = [{"maker_id": m, "country": rng.choice("abc"), "founded_at": _moment(rng)} for m in range(4)]
    habits = [rng.choices(range(n_products), k=3) for _ in range(n_customers)]
    orders: list[Row] = []
    for n in range(260):
        who = rng.randrange(n_customers)
        orders.append(
            {
                "order_id": n,
                "customer_id": rng.choice([who] * 12 + [99, None]),
                "product_id": rng.choice([*habits[who] * 3, rng.randrange(n_products), 77, None]),
                "ordered_at": _moment(rng) if rng.random() < 0.97 else None,
                "amount": rng.choice([0.1, 0.2, 0.7, 5.0, -3.0, 1e6, float("nan"), float("inf"), None]),
                "qty": rng.choice([1, 2, 3, None]),
                "channel": rng.choice(CHANNELS[:3]),
                "paid_at": rng.choice([None, _moment(rng)]),
            }
        )
    rng.shuffle(orders)
    items = [
        {"order_id": rng.randrange(265), "product_id": rng.choice([*range(n_products), 77]), "n": rng.randint(1, 4)}
        for _ in range(300)
    ]
    types = {
        "customers": {"customer_id": "BIGINT", "region": "VARCHAR", "age": "SMALLINT"},
        "orders": {
            "order_id": "INTEGER",
            "customer_id": "BIGINT",
            "product_id": "INTEGER",
            "ordered_at": "TIMESTAMP",
            "amount": "DOUBLE",
            "qty": "TINYINT",
            "channel": "VARCHAR",
            "paid_at": "TIMESTAMP",
        },
        "items": {"order_id": "INTEGER", "product_id": "INTEGER", "n": "INTEGER"},
        "products": {
            "product_id": "INTEGER",
            "maker_id": "INTEGER",
            "dept": "VARCHAR",
            "price": "DOUBLE",
            "note": "VARCHAR",
        },
        "makers": {"maker_id": "INTEGER", "country": "VARCHAR", "founded_at": "TIMESTAMP"},
    }
    links: list[LinkSpec] = [
        ("orders", ("customer_id",), "customers", ("customer_id",)),
        ("orders", ("product_id",), "products", ("product_id",)),
        ("items", ("order_id",), "orders", ("order_id",)),
        ("items", ("product_id",), "products", ("product_id",)),
        ("products", ("maker_id",), "makers", ("maker_id",)),
    ]
    clocks = {"orders": "ordered_at", "items": "orders", "makers": "founded_at"}
    if joins:
        types["customers"]["joined_at"] = "TIMESTAMP"
        clocks["customers"] = "joined_at"
    if launches:
        types["products"]["launched_at"] = "TIMESTAMP"
        clocks["products"] = "launched_at"
    tables = {"customers": customers, "orders": orders, "items": items, "products": products, "makers": makers}
    keys = {name: (f"{name[:-1]}_id",) for name in ("customers", "orders", "products", "makers")}
    return Database(tables, types, keys, links, clocks)


def catalog_of(database: Database) -> Catalog:
    """The catalog as declared, with a text column."""
    catalog = database.catalog()
    tables = tuple(
        replace(t, columns=tuple(replace(c, stype=Stype.TEXT) if c.name == "note" else c for c in t.columns))
        for t in catalog.tables
    )
    return replace(catalog, tables=tables)


def tables_of(database: Database) -> dict[str, pa.Table]:
    """The rows as Arrow tables."""
    con = database.connect()
    tables = {name: con.sql(f"FROM {name}").to_arrow_table() for name in database.tables}
    con.close()
    return tables


def declared_in(database: Database, session: Session) -> None:
    """Declare keys and clocks in a session; the links' names tell them."""
    for name, key in database.keys.items():
        session.key(f"{name}.{key[0]}")
    for name, clock in database.clocks.items():
        if clock in database.types[name]:
            session.time(f"{name}.{clock}")


def without_later(database: Database, moment: dt.datetime) -> Database:
    """The same database with every row deleted that became known after `moment`."""
    tables = {
        name: [row for row, late in zip(rows, _late(database, name, moment), strict=True) if not late]
        for name, rows in database.tables.items()
    }
    return replace(database, tables=tables)


def with_other_later(database: Database, moment: dt.datetime, seed: int) -> Database:
    """The same database with every later row scrambled: other times after `moment`, keys, links and values."""
    rng = random.Random(seed)
    tables = {}
    for name, rows in database.tables.items():
        late = _late(database, name, moment)
        tables[name] = [
            _scrambled(rng, database, name, row, moment) if is_late else row
            for row, is_late in zip(rows, late, strict=True)
        ]
    return replace(database, tables=tables)


def with_other_values_later(database: Database, moment: dt.datetime, seed: int, keep: tuple[str, ...] = ()) -> Database:
    """The same database with other values in every later row: keys, links, times and columns called `keep` stay."""
    other = with_other_later(database, moment, seed)
    tables = {}
    for name, rows in other.tables.items():
        kept = [column for column in database.types[name] if column.endswith(("_id", "_at")) or column in keep]
        tables[name] = [
            {**row, **{column: own[column] for column in kept}}
            for row, own in zip(rows, database.tables[name], strict=True)
        ]
    return replace(other, tables=tables)


def other_futures(database: Database, moment: dt.datetime) -> Iterator[Database]:
    """The database with another future, in two ways."""
    yield without_later(database, moment)
    yield with_other_later(database, moment, seed=1)


def _customer(rng: random.Random, number: int, *, joins: bool) -> Row:
    row: Row = {
        "customer_id": number,
        "region": rng.choice(["north", "south", "east", None]),
        "age": rng.choice([20, 40, 60, None]),
    }
    if joins:
        row["joined_at"] = _early(rng)
    return row


def _product(rng: random.Random, number: int, *, launches: bool) -> Row:
    row: Row = {
        "product_id": number,
        "maker_id": rng.randrange(5),
        "dept": rng.choice(DEPTS),
        "price": rng.choice([1.5, 2.25, 9.0, None, 0.5]),
        "note": rng.choice(NOTES),
    }
    if launches:
        row["launched_at"] = _early(rng)
    return row


def _moment(rng: random.Random) -> dt.datetime:
    """Often midnight, so that rows share moments and stand on the windows' borders."""
    return day(rng.randrange(DAYS)) + rng.choice([dt.timedelta(0)] * 3 + [dt.timedelta(hours=5, microseconds=1)])


def _early(rng: random.Random) -> dt.datetime:
    return day(0) if rng.random() < 0.4 else _moment(rng)


def _late(database: Database, name: str, moment: dt.datetime) -> list[bool]:
    times = _times(database, name)
    return [time is not None and time > moment for time in times]


def _times(database: Database, name: str) -> list[dt.datetime | None]:
    rows, clock = database.tables[name], database.clocks.get(name)
    if clock is None:
        return [None] * len(rows)
    if clock in database.types[name]:
        return [row[clock] for row in rows]
    link = next(link for link in database.links if link[0] == name and link[2] == clock)
    first: dict[object, dt.datetime] = {}
    for row, time in zip(database.tables[clock], _times(database, clock), strict=True):
        key = row[link[3][0]]
        if key is not None and time is not None:
            first[key] = min(first.get(key, time), time)
    return [first.get(row[link[1][0]]) for row in rows]


def _scrambled(rng: random.Random, database: Database, name: str, row: Row, moment: dt.datetime) -> Row:
    """Other values of the same types. A row that inherits its time keeps the link that it inherits it by."""
    clock = database.clocks[name]
    inherits = next((link[1] for link in database.links if link[0] == name and link[2] == clock), ())
    changed = dict(row)
    for column, kind in database.types[name].items():
        if column == clock:
            changed[column] = moment + dt.timedelta(seconds=rng.randint(1, 5_000_000))
        elif column in inherits:
            continue
        elif kind == "TIMESTAMP":
            changed[column] = rng.choice([None, day(500), day(-500)])
        elif kind == "VARCHAR":
            changed[column] = rng.choice(["future", "food", "web", "north", "x" * 300, None])
        elif kind == "DOUBLE":
            changed[column] = rng.choice([1e300, -1e300, float("nan"), float("inf"), 0.0, None])
        elif column.endswith("_id"):
            changed[column] = rng.choice([None, 0, 1, 2, 3, 77, 99, 120])
        else:
            changed[column] = rng.choice([-100, 0, 100, None])
    return changed
