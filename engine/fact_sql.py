"""The rows of a fact table as an entity at an anchor sees them.

A fact counts in a window once every row it is read through (its parents along routes and columns) is known: by the
anchor for windows of the past, by the window's end for those of the future.
"""

from __future__ import annotations

from collections.abc import Sequence

from pql.backends.sql import identifier
from pql.engine.expressions import RowScope, expression_sql
from pql.engine.label_scope import LabelScope
from pql.engine.relations import TIME
from pql.language.bound import BoundAggregate, ColumnRef, Expression, Route


def facts_sql(
    scope: LabelScope,
    fact: str,
    route: Route,
    argument: Expression | None,
    where: Expression | None,
    ties: Sequence[str],
) -> tuple[str, bool]:
    """The rows of a fact table that belong to an entity, with its key: time, known, value, tie_0 …

    Second: whether a row may be known later than its own time.
    """
    reach = RowScope(scope.sources, fact, "f")
    several = any(not step.up for step in route)
    keys = _keys_reached(scope, reach, route)

    def resolve(node: ColumnRef | BoundAggregate) -> str:
        assert isinstance(node, ColumnRef)
        return reach.column(node)

    value = expression_sql(argument, resolve, scope.parameters) if argument is not None else "TRUE"
    condition = expression_sql(where, resolve, scope.parameters) if where is not None else ""
    ties_text = [f"f.{identifier(column)} AS tie_{i}" for i, column in enumerate(ties)]
    name = scope.sources.rows(fact, ties)
    if several:
        name = f"(SELECT *, row_number() OVER () AS __number FROM {name})"
    known = latest_sql([f"f.{identifier(TIME)}", *reach.known])
    selected = [
        *(f"{text} AS {identifier(key)}" for text, key in zip(keys, scope.keys, strict=True)),
        f"f.{identifier(TIME)} AS time",
        f"{known} AS known",
        f"{value} AS value",
        *ties_text,
    ]
    conditions = [f"{text} IS NOT NULL" for text in keys] + ([condition] if condition else [])
    rows = (
        f"SELECT {', '.join([*selected, 'f.__number'] if several else selected)} FROM {name} AS f{joined_sql(reach)} "
        f"WHERE {' AND '.join(conditions)}"
    )
    if several:
        named = ", ".join(identifier(key) for key in scope.keys)
        same = ["time", "value", *(f"tie_{i}" for i in range(len(ties)))]
        others = ", ".join(f"any_value({column}) AS {column}" for column in same)
        rows = f"SELECT {named}, {others}, min(known) AS known FROM ({rows}) AS r GROUP BY {named}, __number"
    return rows, bool(reach.known)


def inside_sql(scope: LabelScope, aggregate: BoundAggregate, *, moves: bool = False, guarded: bool) -> str:
    """The condition that a fact row `f` lies in the window of an aggregate at an anchor `a`."""
    if aggregate == scope.awaited:
        return "f.time > a.anchor AND f.time <= a.seen" + (" AND f.known <= a.seen" if guarded else "")
    window = scope.windows.index((aggregate.window, moves))
    conditions = []
    if aggregate.window.start is not None:
        conditions.append(f"f.time > a.after_{window}")
    conditions.append(f"f.time <= a.until_{window}")
    if scope.by_row:
        conditions.append("f.time <= a.anchor")
    if guarded:
        conditions.append(f"f.known <= greatest(a.until_{window}, a.anchor)")
    return " AND ".join(conditions)


def joined_sql(reach: RowScope) -> str:
    """The joins of the rows that have been reached."""
    return "".join(f" {join}" for join in reach.joins)


def latest_sql(clocks: Sequence[str]) -> str:
    """The latest of some clocks."""
    return clocks[0] if len(clocks) == 1 else f"greatest({', '.join(clocks)})"


def _keys_reached(scope: LabelScope, reach: RowScope, route: Route) -> list[str]:
    """The entity's key columns as reached from a fact row; the last join is spared where the link holds the key."""
    keys = scope.query.entity.keys
    if route and route[-1].up and set(keys) <= set(route[-1].link.parent_columns):
        link = route[-1].link
        alias = reach.follow(route[:-1], inner=True)
        columns = [link.child_columns[link.parent_columns.index(key)] for key in keys]
        for column in columns:
            reach.follow(route[:-1], column)
        return [f"{alias}.{identifier(column)}" for column in columns]
    alias = reach.follow(route, inner=True)
    for key in keys:
        reach.follow(route, key)
    return [f"{alias}.{identifier(key)}" for key in keys]
