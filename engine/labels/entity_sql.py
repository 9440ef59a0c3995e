"""Who there is at an anchor: the entities with their columns, and since when each is known (LANGUAGE §3)."""

from __future__ import annotations

from pql.backends.sql import identifier
from pql.engine.labels.expressions import RowScope
from pql.engine.labels.fact_sql import facts_sql, joined_sql, latest_sql
from pql.engine.labels.scope import LabelScope
from pql.engine.planning.planned_graph import aggregates
from pql.engine.planning.relations import TIME, collapse_sql, is_unique
from pql.language.bound import ColumnRef, Route, Step


def entities_sql(scope: LabelScope) -> str:
    """Key, clock and static columns of every entity, one row per key; columns of other rows with their clocks."""
    table, keys = scope.query.entity.table, scope.query.entity.keys
    reach = RowScope(scope.sources, table, "e")
    selected = [
        f"{reach.column(_own(scope, key))} AS {identifier(name)}" for key, name in zip(keys, scope.keys, strict=True)
    ]
    extra = []
    for i, reference in enumerate(scope.static):
        selected.append(f"{reach.column(reference)} AS column_{i}")
        extra.append(f"column_{i}")
        clocks = reach.clocks(reference.route)
        if clocks and (scope.by_row or not scope.query.is_static):
            selected.append(f"{latest_sql(clocks)} AS known_{i}")
            extra.append(f"known_{i}")
    present = " AND ".join(f"e.{identifier(key)} IS NOT NULL" for key in keys)
    rows = (
        f"SELECT {', '.join([*selected, f'e.{identifier(TIME)}'])} "
        f"FROM {scope.sources.rows(table, keys)} AS e{joined_sql(reach)} WHERE {present}"
    )
    if is_unique(scope.catalog.table(table), keys):
        return rows
    return collapse_sql(f"({rows}) AS r", scope.keys, extra)


def guard_sql(scope: LabelScope) -> str | None:
    """When each entity without a time of its own was first seen; None where rows need no such proof."""
    table = scope.catalog.table(scope.query.entity.table)
    if scope.query.is_static or table.clock.kind != "none" or not scope.query.options.first_seen:
        return None
    routes: list[tuple[str, Route]] = [
        (link.child, (Step(link),))
        for link in scope.catalog.links_to(table.name)
        if scope.catalog.table(link.child).clock.kind != "none"
    ]
    if not routes:
        routes = [
            (a.fact, a.route)
            for a in aggregates(scope.query.target)
            if scope.catalog.table(a.fact).clock.kind != "none"
        ]
    if not routes:
        return None
    parts = [facts_sql(scope, fact, route, None, None, ())[0] for fact, route in dict.fromkeys(routes)]
    keys = ", ".join(identifier(key) for key in scope.keys)
    return (
        f"SELECT {keys}, min(known) AS {identifier(TIME)} FROM "
        f"({' UNION ALL '.join(f'SELECT {keys}, known FROM ({part})' for part in parts)}) AS s GROUP BY {keys}"
    )


def exists_sql(scope: LabelScope, *, guarded: bool) -> str:
    """Who exists at the anchor (LANGUAGE §3)."""
    if scope.query.is_static:
        return ""
    if guarded:
        return f"\nWHERE s.{identifier(TIME)} <= a.anchor"
    kind = scope.catalog.table(scope.query.entity.table).clock.kind
    if kind == "none" or (kind == "seen" and not scope.query.options.first_seen):
        return ""
    return f"\nWHERE e.{identifier(TIME)} <= a.anchor"


def _own(scope: LabelScope, column: str) -> ColumnRef:
    meta = scope.catalog.table(scope.query.entity.table).column(column)
    return ColumnRef(scope.query.entity.table, column, meta.type, meta.stype)
