"""Random small databases and random queries over them: NULLs, ties, boundary times, infinities, dangling links."""

from __future__ import annotations

import datetime as dt
import math
import random
from typing import Any

from databases import Database, Row, day
from oracle_world import World

CHANNELS = ["web", "shop", "we%b", "a_b", "", None]
DEPARTMENTS = ["food", "toys", "Food", None]


def random_database(rng: random.Random) -> Database:
    """Customers, products, orders and perhaps items, with ids of some kind; a few of everything."""
    texts, with_items, clocked = rng.random() < 0.4, rng.random() < 0.5, rng.random() < 0.3
    launched, with_regions = rng.random() < 0.3, rng.random() < 0.4

    def customer_id(n: int) -> Any:
        return f"c{n}'\"" if texts else 2**60 + n

    customers: list[Row] = []
    for n in range(rng.randint(1, 5)):
        row = {
            "customer_id": customer_id(n),
            "region": rng.choice(["north", "south", None]),
            "age": rng.choice([20, 40, 60, None]),
        }
        if clocked:
            row["joined_at"] = rng.choice([None, *(day(d) for d in (0, 10, 15, 25))])
        customers.append(row)
    if rng.random() < 0.2:
        customers.append({**customers[0], "age": 10})  # a duplicate key
    if rng.random() < 0.2:
        customers.append({**customers[0], "customer_id": None})
    products: list[Row] = []
    for n in range(rng.randint(1, 4)):
        product = {
            "product_id": n,
            "dept": rng.choice(DEPARTMENTS),
            "price": rng.choice([1.5, 2.25, math.inf, None, 0.0]),
        }
        if launched:
            product["launched_at"] = rng.choice([day(0), day(12), day(30), None])
        products.append(product)
    orders: list[Row] = []
    for n in range(rng.randint(0, rng.choice([10, 25, 60]))):
        row = {
            "order_id": rng.choice([n, n, n, None]) if not with_items else n,
            "customer_id": rng.choice([customer_id(rng.randint(0, 5)), customer_id(rng.randint(0, 2)), None]),
            "ordered_at": random_time(rng),
            "amount": rng.choice([0.1, 0.2, 0.7, 5.0, -3.0, 1e16, math.nan, math.inf, None]),
            "qty": rng.choice([1, 2, 3, 0, None]),
            "day": rng.choice([None, dt.date(2024, 1, 11), dt.date(2024, 1, 21)]),
            "channel": rng.choice(CHANNELS),
            "paid": rng.choice([True, False, None]),
            "shipped_at": rng.choice([None, random_time(rng)]),
        }
        if not with_items:
            row["product_id"] = rng.choice([0, 1, 2, 7, None])
        orders.append(row)
    types = {
        "customers": {"customer_id": "VARCHAR" if texts else "BIGINT", "region": "VARCHAR", "age": "SMALLINT"},
        "products": {"product_id": "INTEGER", "dept": "VARCHAR", "price": "DOUBLE"},
        "orders": {
            "order_id": "INTEGER",
            "customer_id": "VARCHAR" if texts else "BIGINT",
            "ordered_at": "TIMESTAMP",
            "amount": "DOUBLE",
            "qty": "TINYINT",
            "day": "DATE",
            "channel": "VARCHAR",
            "paid": "BOOLEAN",
            "shipped_at": "TIMESTAMP",
        },
    }
    tables = {"customers": customers, "products": products, "orders": orders}
    links = [("orders", ("customer_id",), "customers", ("customer_id",))]
    clocks = {"orders": "ordered_at"}
    keys = {"customers": ("customer_id",), "products": ("product_id",), "orders": ("order_id",)}
    if clocked:
        types["customers"]["joined_at"] = "TIMESTAMP"
        clocks["customers"] = "joined_at"
    if launched:
        types["products"]["launched_at"] = "TIMESTAMP"
        clocks["products"] = "launched_at"
    if with_items:
        tables["items"] = [
            {
                "order_id": rng.randint(0, 25),
                "product_id": rng.choice([0, 1, 2, 7, None]),
                "n": rng.choice([1, 2, 3, None]),
            }
            for _ in range(rng.randint(0, 25))
        ]
        types["items"] = {"order_id": "INTEGER", "product_id": "INTEGER", "n": "INTEGER"}
        links += [
            ("items", ("order_id",), "orders", ("order_id",)),
            ("items", ("product_id",), "products", ("product_id",)),
        ]
        clocks["items"] = "orders"
    if with_regions:
        tables["regions"] = [{"region": "north", "zone": "cold"}, {"region": "east", "zone": None}]
        tables["regions"] += [{"region": "south", "zone": rng.choice(["hot", "cold"])}] * rng.randint(0, 2)
        types["regions"] = {"region": "VARCHAR", "zone": "VARCHAR"}
        keys["regions"] = ("region",)
        links.append(("customers", ("region",), "regions", ("region",)))
    if not with_items:
        types["orders"]["product_id"] = "INTEGER"
        links.append(("orders", ("product_id",), "products", ("product_id",)))
    return Database(tables, types, keys, links, clocks)


def random_time(rng: random.Random) -> dt.datetime | None:
    """Often a boundary of a window, or next to one; sometimes NULL."""
    if rng.random() < 0.08:
        return None
    moment = day(rng.choice([0, 0, 5, 10, 10, 15, 20, 25, 29, 30, 31, 40, 45, 59, 60]))
    return moment + rng.choice([dt.timedelta(0)] * 4 + [dt.timedelta(microseconds=m) for m in (-1, 1)])


def world_of(database: Database, until: dt.datetime, *, first_seen: bool) -> World:
    """The same database for the oracle."""
    tables = {name: [dict(row) for row in rows] for name, rows in database.tables.items()}
    return World(tables, database.keys, database.links, database.clocks, {}, first_seen, until)


def random_query(rng: random.Random, database: Database) -> str:
    """A query in the language; nearly all of them bind."""
    items = "items" in database.tables
    regions = "regions" in database.tables
    entity = rng.choice(["customers.customer_id"] * 4 + ["products.product_id"] + ["regions.region"] * regions)
    target, tail = _target(rng, entity, items=items)
    where = f" WHERE {_entity_filter(rng, entity, items=items, regions=regions)}" if rng.random() < 0.5 else ""
    assuming = f" ASSUMING {_condition(rng, entity, items=items)}" if rng.random() < 0.25 else ""
    options = " WITH (first_seen = off)" if rng.random() < 0.2 else ""
    return f"PREDICT {target}{tail} FOR EACH {entity}{where}{assuming}{options}"


def _window(rng: random.Random) -> str:
    return rng.choice(
        [
            *("0, 10", "0, 10, days", "5, 15, days", "0, 1, months", "1, 2, months", "0, 2, weeks", "0, 36, hours"),
            *("0, 1, year", "1, 2, weeks", "0, 7200, minutes", "432000, 864000, seconds"),
        ]
    )


def _past(rng: random.Random) -> str:
    return rng.choice(["-10, 0", "-INF, 0", "-20, -5, days", "-1, 0, months", "-INF, -10"])


def _target(rng: random.Random, entity: str, *, items: bool) -> tuple[str, str]:
    shape = rng.random()
    if shape < 0.35:
        return _number(rng, entity, _window(rng), items=items), ""
    if shape < 0.75:
        return _condition(rng, entity, items=items), ""
    if shape < 0.85:
        function = rng.choice(["FIRST", "LAST"])
        return f"{function}(orders.channel{_filter(rng, 'orders', entity, items=items)}, {_window(rng)})", ""
    column = rng.choice(["orders.channel", "items.product_id" if items else "orders.product_id", "products.dept"])
    if entity.startswith("products"):
        column = "orders.channel"
    fact = "items" if items and not column.startswith("orders") else "orders"
    function = rng.choice(["LIST_DISTINCT", "LIST_DISTINCT", "ARRAY_AGG"])
    what = f"{function}({column}{_filter(rng, fact, entity, items=items)}, {_window(rng)})"
    return what, rng.choice([" RANK TOP 3", " CLASSIFY"])


def _condition(rng: random.Random, entity: str, *, items: bool) -> str:
    window = _window(rng)
    number = _number(rng, entity, window, items=items)
    rows = rng.choice(["orders.*", "orders.amount", "orders.paid"]) + _filter(rng, "orders", entity, items=items)
    maybe_not = rng.choice(["", "NOT "])
    parts = [
        rng.choice(
            [
                f"{number} {rng.choice(['=', '==', '!=', '<>', '<', '<=', '>', '>='])} {rng.choice([0, 1, 2.5, -3])}",
                f"{rng.choice([0, 1, 2.5])} {rng.choice(['<', '>='])} {number}",
                f"{maybe_not}{rng.choice(['EXISTS', 'BOOL'])}({rows}, {window})",
                f"{number} IS {maybe_not}NULL",
                f"({number} > 1) IS {maybe_not}NULL",
                f"NOT ({number} > 1 {rng.choice(['AND', 'OR'])} EXISTS({rows}, {window}))",
                f"{number} {maybe_not}BETWEEN 0 AND 3",
                f"{number} {maybe_not}BETWEEN 0 AND COUNT(orders.*, {window})",
                f"COUNT(orders.*, {window}) {maybe_not}IN (0, 2, 3)",
                f"{number} {maybe_not}IN (1, 0.7)",
                f"LAST(orders.channel, {window}) {maybe_not}LIKE 'we%'",
                f"FIRST(orders.channel, {window}) {maybe_not}{rng.choice(['CONTAINS', 'STARTS WITH', 'IN'])} ('web')",
                f"FIRST(orders.channel, {window}) {rng.choice(['=', '!='])} LAST(orders.channel, {window})",
                f"{rng.choice(['MIN', 'MAX', 'FIRST', 'LAST'])}(orders.shipped_at, {window}) "
                f"{rng.choice(['>', '<=', '='])} 2024-01-16",
                f"LAST(orders.paid, {window})",
                f"MAX(orders.shipped_at, {window}) > MIN(orders.ordered_at, {window})",
                f"{number} > {_number(rng, entity, _past(rng), items=items)}",
                f"LAST(orders.channel, {window}) {rng.choice(['=', '!='])} 'web'",
            ]
        )
        for _ in range(rng.choice([1, 1, 2]))
    ]
    return rng.choice([" AND ", " OR "]).join(parts)


def _number(rng: random.Random, entity: str, window: str, *, items: bool) -> str:
    column = rng.choice(["orders.amount", "orders.qty"])
    rows = _filter(rng, "orders", entity, items=items)
    parts = _filter(rng, "items", entity, items=True)
    of_orders = [
        f"COUNT(orders.*{rows}, {window})",
        f"{rng.choice(['SUM', 'AVG', 'MIN', 'MAX', 'MEDIAN', 'STDDEV'])}({column}{rows}, {window})",
        f"{rng.choice(['COUNT', 'COUNT_DISTINCT'])}({rng.choice([column, 'orders.channel'])}{rows}, {window})",
        f"{rng.choice(['FIRST', 'LAST'])}({column}, {window})",
        f"SUM(orders.amount {rng.choice('+-*/%')} orders.qty, {window})",
        f"COUNT(orders.*, {window}) {rng.choice('+-*/%')} SUM(orders.qty, {window})",
        f"{rng.choice(['MAX', 'AVG', 'LAST'])}(-orders.amount * 2 + orders.qty{rows}, {window})",
        f"COUNT(orders.{rng.choice(['order_id', 'shipped_at', 'day', 'paid'])}{rows}, {window})",
        f"COUNT_DISTINCT(orders.{rng.choice(['order_id', 'customer_id', 'day', 'paid'])}{rows}, {window})",
        f"-(COUNT(orders.*, {window}) + 1) * {rng.choice(['2', '0.5', '1e308', '0'])}",
        f"AVG(orders.qty, {window}) / {rng.choice(['0', '2', f'COUNT(orders.*, {window})'])}",
    ]
    of_items = [
        f"COUNT(items.*{parts}, {window})",
        f"{rng.choice(['SUM', 'AVG'])}(items.n * products.price{parts}, {window})",
    ]
    if not items:
        return rng.choice(of_orders)
    return rng.choice(of_items if entity.startswith("products") else of_orders + of_items)


def _filter(rng: random.Random, fact: str, entity: str, *, items: bool) -> str:
    if rng.random() < 0.5:
        return ""
    reach = ["products.dept = 'food'", "products.price > 1", "products.dept LIKE 'F%'"]
    if fact == "items":
        own = ["items.n > 1", "items.n IS NULL", "orders.channel = 'web'", "orders.amount > 0", *reach]
    else:
        own = [
            "orders.amount > 0.15",
            "orders.channel IN ('web', 'shop')",
            "orders.channel NOT IN ('web', 'x')",
            "orders.channel LIKE 'we%'",
            "orders.channel LIKE '_\\\\_%'",
            "orders.channel CONTAINS '%'",
            "orders.channel STARTS WITH 'we'",
            "NOT orders.channel ENDS WITH 'b'",
            "orders.paid",
            "NOT orders.paid",
            "orders.shipped_at > orders.ordered_at",
            "orders.shipped_at >= 2024-01-16",
            "orders.qty = orders.amount",
            "orders.amount IS NOT NULL",
            "orders.qty BETWEEN 1 AND 2",
            "orders.amount / orders.qty > 1",
            "orders.qty % 2 = 0",
            "NOT (orders.paid AND orders.qty > 1)",
            "(orders.paid OR orders.qty > 1) IS NULL",
            "orders.channel NOT LIKE '%b'",
            "orders.channel NOT CONTAINS 'w'",
            "orders.qty NOT BETWEEN 1 AND 2",
            "orders.qty BETWEEN 1 AND orders.amount",
            "orders.day = 2024-01-11",
            "orders.day < orders.ordered_at",
            "orders.paid IN (TRUE)",
            "orders.paid != FALSE",
            "-orders.amount < orders.qty - 3",
            "orders.amount * orders.qty IS NULL",
            "orders.channel <> ''",
            "2 <= orders.qty",
        ]
        if not items and not entity.startswith("products"):
            own += reach
        if not entity.startswith("customers"):
            own.append("customers.region = 'north'")
    parts = [rng.choice(own) for _ in range(rng.choice([1, 1, 2]))]
    return " WHERE " + rng.choice([" AND ", " OR "]).join(parts)


def _entity_filter(rng: random.Random, entity: str, *, items: bool, regions: bool = False) -> str:
    if entity.startswith("customers"):
        own = ["customers.region = 'north'", "customers.age > 30", "customers.region IS NULL", "NOT customers.age < 50"]
        own += ["regions.zone = 'cold'", "regions.zone IS NULL", "NOT regions.zone = customers.region"] * regions
    elif entity.startswith("regions"):
        own = ["regions.zone = 'cold'", "regions.zone IS NULL"]
    else:
        own = ["products.dept = 'food'", "products.price > 1", "products.dept IS NOT NULL"]
    past = f"{_number(rng, entity, _past(rng), items=items)} {rng.choice(['>', '=', '<='])} {rng.choice([0, 1, 3])}"
    parts = [rng.choice([rng.choice(own), past]) for _ in range(rng.choice([1, 1, 2]))]
    return rng.choice([" AND ", " OR "]).join(parts)


def random_forecast(rng: random.Random, database: Database) -> str:
    """A forecast of some number, perhaps beside a past one, which moves along with it."""
    items = "items" in database.tables
    entity = rng.choice(["customers.customer_id"] * 4 + ["products.product_id"])
    window, past = rng.choice(
        [("0, 10", "-10, 0"), ("5, 12, days", "-INF, 0"), ("0, 1, months", "-1, 0, months"), ("0, 36, hours", "")]
    )
    target = _number(rng, entity, window, items=items)
    if past and rng.random() < 0.4:
        target = f"{target} - {_number(rng, entity, past, items=items)}"
    where = f" WHERE {_entity_filter(rng, entity, items=items)}" if rng.random() < 0.4 else ""
    return f"PREDICT {target} FORECAST {rng.randint(1, 3)} TIMEFRAMES FOR EACH {entity}{where}"


def random_time_to(rng: random.Random, database: Database) -> str:
    """A time to an order or an item of some kind."""
    items = "items" in database.tables
    entity = rng.choice(["customers.customer_id"] * 4 + ["products.product_id"])
    fact = "items" if items and (entity.startswith("products") or rng.random() < 0.3) else "orders"
    what = "items.*" if fact == "items" else rng.choice(["orders.*", "orders.amount"])
    event = f"TIME_TO({what}{_filter(rng, fact, entity, items=items)}"
    window = rng.choice(["0, 10", "0, 15, days", "0, 1, months", "0, 36, hours", "0, 2, weeks"])
    where = f" WHERE {_entity_filter(rng, entity, items=items)}" if rng.random() < 0.4 else ""
    return f"PREDICT {event}, {window}) FOR EACH {entity}{where}"
