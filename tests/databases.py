"""Small databases for tests of history and labels: rows as dicts, keys, links and clocks declared by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb

from pql.backends.base import Snapshot
from pql.backends.duckdb import DuckDBConnection
from pql.backends.logical import logical_type
from pql.backends.sql import identifier
from pql.engine.planning.anchors import to_us
from pql.engine.planning.plan import Anchor, GraphPlan, ModelPlan, Output, Plan, PlannedTable, Split, Task
from pql.language.bound import BoundQuery
from pql.language.catalog import NO_CLOCK, Catalog, Clock, Column, Key, Link, LogicalType, Role, Stype, Table, Virtual

Row = dict[str, Any]
LinkSpec = tuple[str, tuple[str, ...], str, tuple[str, ...]]


@dataclass
class Database:
    """tables: name → rows. types: name → column → DuckDB type. clocks: name → time column or the parent it inherits
    from. facts: clockless tables that are facts. Virtual tables are described in `virtual` and have no rows."""

    tables: dict[str, list[Row]]
    types: dict[str, dict[str, str]]
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    links: list[LinkSpec] = field(default_factory=list)
    clocks: dict[str, str] = field(default_factory=dict)
    virtual: dict[str, Virtual] = field(default_factory=dict)

    def catalog(self) -> Catalog:
        links = tuple(Link(*spec) for spec in self.links)
        tables = [self._table(name, links) for name in self.tables]
        tables += [self._virtual(name, virtual) for name, virtual in self.virtual.items()]
        return Catalog(tuple(tables), links)

    def connect(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(":memory:", config={"threads": 1})
        for name, rows in self.tables.items():
            types = self.types[name]
            columns = ", ".join(f"{identifier(c)} {t}" for c, t in types.items())
            con.execute(f"CREATE TABLE {identifier(name)} ({columns})")
            if rows:
                marks = ", ".join("?" for _ in types)
                con.executemany(
                    f"INSERT INTO {identifier(name)} VALUES ({marks})", [[row[c] for c in types] for row in rows]
                )
        return con

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        con = self.connect()
        with DuckDBConnection(con).snapshot() as snapshot:
            yield snapshot
        con.close()

    def _table(self, name: str, links: Sequence[Link]) -> Table:
        key = self.keys.get(name)
        columns = tuple(Column(c, logical_type(t, c), self._stype(name, c, t), t) for c, t in self.types[name].items())
        clock = NO_CLOCK
        where = self.clocks.get(name)
        if where in self.types[name]:
            clock = Clock("own", where)
        elif where is not None:
            clock = Clock("inherited", via=next(link for link in links if link.child == name and link.parent == where))
        role = Role.ENTITY if any(link.parent == name for link in links) else Role.FACT
        enriches = next((v for v, virtual in self.virtual.items() if virtual.enriched_by == name), None)
        return Table(name, columns, Key(key) if key else None, clock, role, len(self.tables[name]), None, enriches)

    def _virtual(self, name: str, virtual: Virtual) -> Table:
        key = self.keys[name]
        source, column = virtual.sources[0]
        columns = [
            Column(key[0], logical_type(self.types[source][column], column), Stype.ID, self.types[source][column])
        ]
        if virtual.enriched_by is not None:
            types = self.types[virtual.enriched_by]
            carried = [c for c in types if c not in self.keys[virtual.enriched_by]]
            columns += [Column(c, logical_type(types[c], c), self._stype(name, c, types[c]), types[c]) for c in carried]
        return Table(name, tuple(columns), Key(key), Clock("seen"), Role.ENTITY, None, virtual)

    def _stype(self, table: str, column: str, sql_type: str) -> Stype:
        linked = any(table == link[0] and column in link[1] for link in self.links)
        if linked or column in self.keys.get(table, ()):
            return Stype.ID
        kind = logical_type(sql_type, column)
        if kind.is_number:
            return Stype.NUMBER
        return Stype.TIMESTAMP if kind is LogicalType.TIMESTAMP else Stype.CATEGORY


def day(n: float) -> dt.datetime:
    """The n-th day of 2024, from 0; parts of days are kept."""
    return dt.datetime(2024, 1, 1) + dt.timedelta(days=n)


def us(n: float) -> int:
    """The n-th day of 2024 in microseconds since 1970."""
    return to_us(day(n))


def plan_by_hand(
    query: BoundQuery, anchors: Sequence[int], *, until: int, kind: str = "anchors", lags: int = 0
) -> Plan:
    """A plan with the given anchors (the last one tests, the one before validates), without models."""
    roles = ["train"] * max(0, len(anchors) - 2) + ["valid", "test"]
    split = Split(
        kind,
        tuple(Anchor(time, role) for time, role in zip(anchors, roles[-len(anchors) :], strict=True)),
        until,
        lags=lags,
    )
    tables = tuple(PlannedTable(table.name, ()) for table in query.catalog.tables)
    return Plan(
        query,
        Task(query.task, "", "", "", query.reason, query.item, query.top_k),
        split,
        GraphPlan(tables, query.catalog.links, 2, (4, 4)),
        ModelPlan("auto", (), (), 1, 8, 1, 200_000, True, 0, 1, 60.0),
        Output(query.entity.keys, (), ""),
    )


def shop() -> Database:
    """Customers without a clock, orders with one, items that inherit it, products that only describe."""
    return Database(
        tables={
            "customers": [
                {"customer_id": c, "region": r} for c, r in [(1, "north"), (2, "south"), (3, "north"), (4, None)]
            ],
            "products": [{"product_id": p, "price": x} for p, x in [("a", 1.5), ("b", float("inf")), ("c", None)]],
            "orders": [
                {"order_id": 10, "customer_id": 1, "ordered_at": day(0), "amount": 5.0},
                {"order_id": 11, "customer_id": 1, "ordered_at": day(10), "amount": 0.1},
                {"order_id": 12, "customer_id": 1, "ordered_at": day(20), "amount": 0.2},
                {"order_id": 13, "customer_id": 2, "ordered_at": day(5), "amount": None},
                {"order_id": 14, "customer_id": 2, "ordered_at": day(25), "amount": float("nan")},
                {"order_id": 15, "customer_id": 3, "ordered_at": None, "amount": 9.0},
                {"order_id": 16, "customer_id": 9, "ordered_at": day(6), "amount": 9.0},
                {"order_id": 17, "customer_id": None, "ordered_at": day(6), "amount": 9.0},
                {"order_id": 18, "customer_id": 3, "ordered_at": day(40), "amount": 7.0},
            ],
            "items": [
                {"order_id": 10, "product_id": "a", "qty": 2},
                {"order_id": 10, "product_id": "b", "qty": 1},
                {"order_id": 11, "product_id": "a", "qty": 3},
                {"order_id": 13, "product_id": "zz", "qty": 4},
                {"order_id": 99, "product_id": "c", "qty": 5},
                {"order_id": 18, "product_id": "c", "qty": 6},
            ],
        },
        types={
            "customers": {"customer_id": "BIGINT", "region": "VARCHAR"},
            "products": {"product_id": "VARCHAR", "price": "DOUBLE"},
            "orders": {"order_id": "BIGINT", "customer_id": "BIGINT", "ordered_at": "TIMESTAMP", "amount": "DOUBLE"},
            "items": {"order_id": "BIGINT", "product_id": "VARCHAR", "qty": "INTEGER"},
        },
        keys={"customers": ("customer_id",), "products": ("product_id",), "orders": ("order_id",)},
        links=[
            ("orders", ("customer_id",), "customers", ("customer_id",)),
            ("items", ("order_id",), "orders", ("order_id",)),
            ("items", ("product_id",), "products", ("product_id",)),
        ],
        clocks={"orders": "ordered_at", "items": "orders"},
    )
