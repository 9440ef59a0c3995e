"""The rows of a fact table as an entity at an anchor sees them.

A fact is read as it was known by the anchor for windows of the past, by the window's end for those of the future: it
belongs to an entity once all rows on its way there are known, and columns of a row not known by then are NULL. Where
that can change, a fact has one row per state, known from `known` until `gone` (NULL: ever after).
"""

from __future__ import annotations

from collections.abc import Sequence

from pql.backends.sql import identifier
from pql.engine.labels.expressions import RowScope, expression_sql
from pql.engine.labels.scope import LabelScope
from pql.engine.planning.relations import TIME
from pql.language.bound import BoundAggregate, ColumnRef, Expression, Route


def facts_sql(
    scope: LabelScope,
    fact: str,
    route: Route,
    argument: Expression | None,
    where: Expression | None,
    ties: Sequence[str],
) -> tuple[str, bool]:
    """The rows of a fact table that belong to an entity, with its key: time, known, gone, value, tie_0 …

    Second: whether a row may be known, or change by what it is read through, later than its own time.
    """
    reach = RowScope(scope.sources, fact, "f")
    several = any(not step.up for step in route)
    keys = _keys_reached(scope, reach, route)
    way = tuple(reach.known)

    def resolve(node: ColumnRef | BoundAggregate) -> str:
        assert isinstance(node, ColumnRef)
        text = reach.column(node)
        clocks = [clock for clock in reach.clocks(node.route) if clock not in way]
        return f"(CASE WHEN {latest_sql(clocks)} <= w.state THEN {text} END)" if clocks else text

    value = expression_sql(argument, resolve, scope.parameters) if argument is not None else "TRUE"
    condition = expression_sql(where, resolve, scope.parameters) if where is not None else ""
    ties_text = [f"f.{identifier(column)} AS tie_{i}" for i, column in enumerate(ties)]
    name = scope.sources.rows(fact, ties)
    if several:
        name = f"(SELECT *, row_number() OVER () AS __number FROM {name})"
    own, later = f"f.{identifier(TIME)}", [clock for clock in reach.known if clock not in way]
    joins, gone = joined_sql(reach), "CAST(NULL AS BIGINT)"
    if later:
        states = ", ".join([own, *(f"greatest({own}, {clock})" for clock in later)])
        joins += f" CROSS JOIN LATERAL (SELECT unnest(list_distinct([{states}])) AS state) AS w"
        gone = f"least({', '.join(f'CASE WHEN {clock} > w.state THEN {clock} END' for clock in later)})"
    known = latest_sql(["w.state" if later else own, *way])
    selected = [
        *(f"{text} AS {identifier(key)}" for text, key in zip(keys, scope.keys, strict=True)),
        f"{own} AS time",
        f"{known} AS known",
        f"{gone} AS gone",
        f"{value} AS value",
        *ties_text,
    ]
    conditions = [f"{text} IS NOT NULL" for text in keys] + ([condition] if condition else [])
    rows = (
        f"SELECT {', '.join([*selected, 'f.__number'] if several else selected)} FROM {name} AS f{joins} "
        f"WHERE {' AND '.join(conditions)}"
    )
    if several:
        named = ", ".join(identifier(key) for key in scope.keys)
        same = ["time", "value", *(f"tie_{i}" for i in range(len(ties)))]
        others = ", ".join(f"any_value({column}) AS {column}" for column in same)
        rows = (
            f"SELECT {named}, {others}, min(known) AS known, gone FROM ({rows}) AS r GROUP BY {named}, __number, gone"
        )
    return rows, bool(reach.known)


def inside_sql(scope: LabelScope, aggregate: BoundAggregate, *, moves: bool = False, guarded: bool) -> str:
    """The condition that a fact row `f` lies in the window of an aggregate at an anchor `a`."""
    if aggregate == scope.awaited:
        return "f.time > a.anchor AND f.time <= a.seen" + (f" AND {known_by_sql('a.seen')}" if guarded else "")
    window = scope.windows.index((aggregate.window, moves))
    conditions = []
    if aggregate.window.start is not None:
        conditions.append(f"f.time > a.after_{window}")
    conditions.append(f"f.time <= a.until_{window}")
    if scope.by_row:
        conditions.append("f.time <= a.anchor")
    if guarded:
        conditions.append(known_by_sql(f"greatest(a.until_{window}, a.anchor)"))
    return " AND ".join(conditions)


def known_by_sql(bound: str) -> str:
    """The condition that the state of a fact row `f` is the one known by a moment."""
    return f"f.known <= {bound} AND (f.gone IS NULL OR f.gone > {bound})"


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
