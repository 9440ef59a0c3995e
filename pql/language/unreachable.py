"""Columns that can't be reached from where they stand: what is said, and where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pql.language import ast
from pql.language.bound import Route
from pql.language.catalog import Column, Table
from pql.language.names import look_up
from pql.language.routes import spelled, to_entity
from pql.language.scope import Edit, Scope, is_clocked, quoted

if TYPE_CHECKING:
    from pql.language.expressions import Place


def choices(scope: Scope, start: str, routes: tuple[tuple, ...]) -> tuple[str, tuple[Edit, ...]]:
    """How one of several equal routes is chosen: the clauses in words, and the edit that takes the first."""
    clauses: list[str] = []
    passed = [[start, *(step.target for step in route)][:-1] for route in routes]
    for index, tables in enumerate(passed):
        others = {name for k, other in enumerate(passed) if k != index for name in other}
        own = [name for name in tables if name not in others]
        if own:
            clauses.append(f"VIA {quoted(own[0])}")
    if len(clauses) < len(routes):  # they differ in the column only
        columns = []
        for route in routes:
            rest = {step.link for other in routes if other is not route for step in other}
            columns += [step.link for step in route if step.link not in rest]
        clauses = [f"IGNORING {quoted(link.child)}.{quoted(link.child_columns[0])}" for link in dict.fromkeys(columns)]
    clauses = list(dict.fromkeys(clauses))
    if not clauses:
        return "", ()
    free = scope.query.via is None if clauses[0].startswith("VIA") else not scope.query.ignoring
    return "choose one: " + " | ".join(clauses), scope.appended(clauses[0]) if free else ()


def _rows_between(table: str, route: Route) -> str:
    """The table on the route to the entity whose rows point both to `table` and, at last, to the entity."""
    down = [step.target for step in route if not step.up]
    return down[-1] if down else table


def _tables_named(scope: Scope, node: ast.Aggregate) -> set[str]:
    """The table that an aggregate's argument names, if it names one."""
    if not isinstance(node.argument, ast.Star | ast.ColumnName) or node.argument.table is None:
        return set()
    found = look_up(node.argument.table.text, [table.name for table in scope.catalog.tables], plurals=True).name
    return set() if found is None else {found}


def unreachable(scope: Scope, table: Table, column: Column, node: ast.ColumnName, place: Place) -> None:
    """The fault of a column of which a row of `place.base` has none, or many; for many, the place where it belongs."""
    name = f"{table.name}.{column.name}"
    below = to_entity(table.name, place.base, scope.links) if place.purpose in ("target", "filter", "assuming") else ()
    if not below:
        message = f"a row of {place.base} does not point to one row of {table.name}"
        hint = f"columns of {place.base} and of the rows its foreign keys point to may stand here"
        scope.fault("no_join_path", message, node.span, hint=hint)
        return
    route = f" (by the route {spelled(table.name, below[0])})" if len(below[0]) > 1 else ""
    message = f"one row of {place.base} has many rows of {table.name}{route}, so {name} is not one value"
    window = "-INF, 0" if place.purpose == "filter" else "0, 30, days"
    if place.purpose == "target":
        edits: tuple[Edit, ...] = ()
        if is_clocked(table) and node.span != ast.NOWHERE:
            edits = scope.replaced(node.span, f"LAST({scope.source(node.span)}, 0, 30, days)")
        hint = f"aggregate it over a window, as in LAST({name}, 0, 30, days)"
        scope.fault("missing_window", message, node.span, hint=hint, edits=edits)
        return
    facts = list(dict.fromkeys(_rows_between(table.name, way) for way in below))
    root = scope.query.where if place.purpose == "filter" else scope.query.assuming
    atom = _atom_of(root, node) if root is not None else None
    condition = "…" if atom is None or atom.span == ast.NOWHERE else scope.source(atom.span)
    counts = [f"COUNT({quoted(fact)}.* WHERE {condition}, {window}) > 0" for fact in facts]
    hint = f"count the rows of {' or '.join(facts)}: {' or '.join(counts)}"
    edits = () if condition == "…" or atom is None else scope.replaced(atom.span, counts[0])
    own = scope.query.target
    if isinstance(own, ast.Aggregate) and own.where is None and _tables_named(scope, own) & set(facts):
        hint += "; to aggregate only the rows that pass it, write the condition in the target's brackets"
    scope.fault("event_column_filter", message, node.span, hint=hint, edits=edits)


def _atom_of(root: ast.Expression, node: ast.ColumnName) -> ast.Expression | None:
    """The smallest condition without AND, OR, NOT around `node`."""
    if isinstance(root, ast.And | ast.Or):
        return next((hit for hit in (_atom_of(item, node) for item in root.items) if hit is not None), None)
    if isinstance(root, ast.Not):
        return _atom_of(root.operand, node)
    return root if root.span.start <= node.span.start and node.span.end <= root.span.end else None
