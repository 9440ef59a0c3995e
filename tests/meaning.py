"""What the labels of a query are on a small database: told by the label SQL and by the oracle, which must agree."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

from databases import Database, day, plan_by_hand
from oracle import training_table
from random_worlds import world_of

from pql.engine.graph.history import load
from pql.engine.labels.training_table import compute_labels
from pql.engine.planning.anchors import to_datetime, to_us
from pql.language.binder import bind
from pql.language.parser import parse_predict

UNTIL = dt.datetime(2030, 1, 1)


class Meaning:
    """Ask for labels; a database is read once. `None` is a label that is undefined."""

    def __init__(self, database: Database, until: dt.datetime = UNTIL, entity: str = "customers.customer_id") -> None:
        self.database, self.until, self.entity = database, until, entity
        self.catalog = database.catalog()
        every = {table.name: [column.name for column in table.columns] for table in self.catalog.tables}
        with database.snapshot() as snapshot:
            self.history = load(snapshot, self.catalog, every, to_us(until))

    def labels(self, target: str, *moments: dt.datetime, tail: str = "") -> dict[tuple[Any, dt.datetime], Any]:
        """(key, anchor) → label of every eligible entity, at each of the moments (default: the first day)."""
        text = f"PREDICT {target} FOR EACH {self.entity} {tail}"
        anchors = moments or (day(0),)
        query = bind(parse_predict(text), self.catalog, text=text)
        plan = plan_by_hand(query, [to_us(moment) for moment in anchors], until=to_us(self.until))
        table = compute_labels(self.history, plan)
        keys = list(zip(*(table.keys.column(name).to_pylist() for name in table.keys.column_names), strict=True))
        times = [to_datetime(int(anchor)) for anchor in table.anchors]
        rows = zip(keys, times, table.label.to_pylist(), table.usable.tolist(), strict=True)
        by_sql = {(key, time): label for key, time, label, usable in rows if usable}
        world = world_of(self.database, self.until, first_seen=query.options.first_seen)
        told = [row for row in training_table(parse_predict(text), world, list(anchors)) if row.usable]
        by_oracle = {(row.key, row.anchor): row.label for row in told}
        assert set(by_sql) == {place for place, label in by_oracle.items() if label is not None}, text
        for place, label in by_sql.items():
            assert alike(label, by_oracle[place]), f"{text} at {place}: SQL {label!r}, oracle {by_oracle[place]!r}"
        return {(key[0] if len(key) == 1 else key, time): label for (key, time), label in by_oracle.items()}

    def label(self, target: str, moment: dt.datetime | None = None, tail: str = "") -> Any:
        """The label of the only entity there is."""
        (value,) = self.labels(target, *([moment] if moment else []), tail=tail).values()
        return value


def alike(one: Any, other: Any) -> bool:
    """The same value, but for the last bits of sums and for whole numbers that a column of doubles holds."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(alike(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return type(one) is type(other) and one == other


def events(
    rows: Sequence[dict[str, Any]], customers: Sequence[dict[str, Any]] = ({"customer_id": 1, "level": "gold"},)
) -> Database:
    """Customers (all always there) and their events: `at` is the clock; what a row leaves out is NULL."""
    types = {
        "event_id": "INTEGER", "customer_id": "INTEGER", "at": "TIMESTAMP", "name": "VARCHAR", "amount": "DOUBLE",
        "qty": "INTEGER", "paid": "BOOLEAN", "due": "TIMESTAMP", "day": "DATE", "item": "VARCHAR",
    }  # fmt: skip
    filled = [
        {**dict.fromkeys(types), "event_id": n, "customer_id": 1, "at": day(1), **row} for n, row in enumerate(rows)
    ]
    known = {**dict.fromkeys(types), "event_id": -1, "customer_id": 1, "at": day(-400)}
    seen = [{**known, "event_id": -1 - n, "customer_id": row["customer_id"]} for n, row in enumerate(customers)]
    return Database(
        {"customers": [dict(row) for row in customers], "events": [*filled, *seen]},
        {"customers": {"customer_id": "INTEGER", "level": "VARCHAR"}, "events": types},
        {"customers": ("customer_id",), "events": ("event_id",)},
        [("events", ("customer_id",), "customers", ("customer_id",))],
        {"events": "at"},
    )
