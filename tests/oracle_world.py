"""The oracle's database: rows that are dicts, what they point to, and when each became known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from oracle_values import clean

Row = dict[str, Any]
LinkSpec = tuple[str, tuple[str, ...], str, tuple[str, ...]]  # child, its columns, parent, its columns
FOREVER = dt.datetime(9999, 1, 1)


@dataclass
class World:
    """Tables as lists of dicts. clocks: table → its time column, or the parent whose time it inherits.

    virtual: table → (key, sources (table, column), enriching table or None).
    """

    tables: dict[str, list[Row]]
    keys: dict[str, tuple[str, ...]]
    links: list[LinkSpec]
    clocks: dict[str, str]
    virtual: dict[str, tuple[str, list[tuple[str, str]], str | None]] = field(default_factory=dict)
    first_seen: bool = True
    until: dt.datetime = FOREVER
    via: tuple[str, ...] = ()
    seen_before: dict[Any, Any] = field(default_factory=dict)  # answers already worked out

    def __post_init__(self) -> None:
        for name, (key, sources, enriched) in self.virtual.items():
            values = {row[column] for table, column in sources for row in self.tables[table]} - {None}
            described = {row[self.keys[enriched][0]]: row for row in self.tables[enriched]} if enriched else {}
            self.tables[name] = [{**described.get(value, {}), key: value} for value in sorted(values)]

    def time(self, table: str, row: Row) -> dt.datetime | None:
        """When a row became known; None where that isn't known, or where the table has no clock."""
        place = ("time", table, id(row))
        if place not in self.seen_before:
            self.seen_before[place] = self._time(table, row)
        return self.seen_before[place]

    def _time(self, table: str, row: Row) -> dt.datetime | None:
        if table in self.virtual:
            key, sources, _ = self.virtual[table]
            seen = [self.time(t, r) for t, c in sources for r in self.tables[t] if r[c] == row[key]]
            return min((time for time in seen if time is not None), default=None)
        clock = self.clocks.get(table)
        if clock is None:
            return None
        if clock in row:
            return clean(row[clock])
        link = next(link for link in self.links if link[0] == table and link[2] == clock)
        times = [self.time(clock, parent) for parent in self.parents(link, row)]
        return min((time for time in times if time is not None), default=None)

    def has_clock(self, table: str) -> bool:
        return table in self.clocks or table in self.virtual

    def visible(self, table: str) -> list[Row]:
        if table not in self.clocks:
            return self.tables[table]
        if ("visible", table) not in self.seen_before:
            times = [(row, self.time(table, row)) for row in self.tables[table]]
            self.seen_before["visible", table] = [row for row, time in times if time is not None and time <= self.until]
        return self.seen_before["visible", table]

    def parents(self, link: LinkSpec, row: Row) -> list[Row]:
        """All visible rows a row points to: none, one, or several with the same key."""
        wanted = [row[column] for column in link[1]]
        if None in wanted:
            return []
        return [p for p in self.visible(link[2]) if [p[column] for column in link[3]] == wanted]

    def parent(self, link: LinkSpec, row: Row) -> tuple[Row, dt.datetime | None] | None:
        """The row pointed to and its time; of several with the same key the one known first."""
        place = (link, *(row[column] for column in link[1]))
        if place not in self.seen_before:
            rows = self.parents(link, row)
            times = [time for time in (self.time(link[2], parent) for parent in rows) if time is not None]
            self.seen_before[place] = (self.collapse(link[2], rows), min(times, default=None)) if rows else None
        return self.seen_before[place]

    def collapse(self, table: str, rows: list[Row]) -> Row:
        """One row of several with the same key: those known first, and of these the least value of each column."""
        times = [self.time(table, row) for row in rows]
        first = min((time for time in times if time is not None), default=None)
        return collapse([row for row, time in zip(rows, times, strict=True) if time == first])

    def route(self, table: str, goal: str) -> list[LinkSpec]:
        """The shortest way up from a table to another; of several equally short, the one through `via`."""
        paths: list[tuple[str, list[LinkSpec]]] = [(table, [])]
        for here, path in paths:
            if here != goal and len(path) < 5:
                paths += [(link[2], [*path, link]) for link in self.links if link[0] == here]
        found = [path for here, path in paths if here == goal]
        if not found:
            raise KeyError(f"no way from {table} to {goal}")
        through = [path for path in found if set(self.via) & {link[2] for link in path[:-1]}]
        return (through or found)[0]


def collapse(rows: list[Row]) -> Row:
    """One row of several: the least non-NULL value of each column."""
    found = {}
    for column in rows[0]:
        values = [clean(row[column]) for row in rows]
        found[column] = min((value for value in values if value is not None), default=None)
    return found
