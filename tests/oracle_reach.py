"""Which rows the oracle counts for an entity: the table that is meant, and the ways from its rows to others."""

from __future__ import annotations

import datetime as dt
from typing import Any

from oracle_values import clean
from oracle_world import LinkSpec, Row, World

from pql.language import ast

OF_VALUES = ("LIST_DISTINCT", "ARRAY_AGG", "COUNT_DISTINCT", "FIRST", "LAST")


def walk(node: Any, kind: Any) -> list[Any]:
    """All nodes of a kind at or below a node."""
    if isinstance(node, tuple):
        return [found for part in node for found in walk(part, kind)]
    found = [node] if isinstance(node, kind) else []
    for name in getattr(node, "__dataclass_fields__", {}):
        child = getattr(node, name)
        for part in child if isinstance(child, tuple) else (child,):
            found += walk(part, kind)
    return found


def facts_of(world: World, node: Any, entity: str) -> set[str]:
    return {fact_of(world, aggregate, entity) for aggregate in walk(node, ast.Aggregate)}


def fact_of(world: World, aggregate: ast.Aggregate, entity: str) -> str:
    """The table whose rows are counted: the clocked one named that leads up to the entity.

    Where none does, functions of values read the rows that point both to the named row and to the entity; counts
    and sums stay with the rows named, if these have a clock.
    """
    named = [node.table.text for node in walk(aggregate.argument, (ast.ColumnName, ast.Star))]
    for table in named:
        if table in world.clocks and leads(world, table, entity):
            return table
    if named[0] in world.clocks and aggregate.function not in OF_VALUES:
        return named[0]
    facts = [t for t in world.clocks if leads(world, t, entity) and any(leads(world, t, n) for n in named)]
    assert len(facts) == 1, f"which rows are meant by {named}?"
    return facts[0]


def leads(world: World, table: str, goal: str) -> bool:
    try:
        world.route(table, goal)
    except KeyError:
        return False
    return True


class Reach:
    """A row and the rows it points to; remembers the times of all rows it has looked at."""

    def __init__(self, world: World, table: str, row: Row) -> None:
        self.world, self.table, self.row = world, table, row
        self.times: list[dt.datetime] = []

    def follow(self, route: list[LinkSpec]) -> Row | None:
        row: Row | None = self.row
        for link in route:
            found = self.world.parent(link, row) if row is not None else None
            row = found[0] if found else None
            if found and found[1] is not None:
                self.times.append(found[1])
        return row

    def column(self, name: ast.ColumnName) -> Any:
        assert name.table is not None
        row = self.follow(self.world.route(self.table, name.table.text))
        return None if row is None else clean(row[name.column.text])


def belongings(world: World, table: str, row: Row, goal: str) -> list[tuple[tuple[Any, ...], list[dt.datetime]]]:
    """The keys of `goal` that a row belongs to, each with the times of the rows on the way there.

    The way is the shortest one up; if there is none, down to the rows that point here and up from those.
    """
    key = world.keys[goal]
    try:
        route = world.route(table, goal)
    except KeyError:
        found = []
        for link in world.links:
            if link[2] != table:
                continue
            try:
                world.route(link[0], goal)
            except KeyError:
                continue
            for child in world.visible(link[0]):
                if [child[column] for column in link[1]] == [row[column] for column in link[3]]:
                    time = world.time(link[0], child)
                    for reached, times in belongings(world, link[0], child, goal):
                        found.append((reached, times if time is None else [time, *times]))
        return found
    if not route:
        return [(tuple(row[column] for column in key), [])]
    reach = Reach(world, table, row)
    before = reach.follow(route[:-1])
    if before is None:
        return []
    last = route[-1]
    return [(tuple(before[last[1][last[3].index(column)]] for column in key), reach.times)]
