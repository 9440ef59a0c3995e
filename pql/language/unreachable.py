"""Columns that can't be reached from where they stand: what is said, and where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pql.language import ast
from pql.language.bound import Passage, Route
from pql.language.catalog import Column, Table
from pql.language.names import look_up
from pql.language.passages import asked, clause
from pql.language.routes import spelled, to_entity
from pql.language.scope import Edit, Scope, is_clocked, quoted

if TYPE_CHECKING:
    from pql.language.expressions import Place


def choices(scope: Scope, start: str, routes: tuple[Route, ...]) -> tuple[str, tuple[Edit, ...]]:
    """How one of several equal routes is chosen: the clauses in words, and the edit that takes the first."""
    passed = [[start, *(step.target for step in route)][:-1] for route in routes]
    ways: list[tuple[Passage, ...]] = []
    for index, route in enumerate(routes):
        others = {name for k, tables in enumerate(passed) if k != index for name in tables}
        own = [name for name in passed[index] if name not in others]
        ways.append((Passage(own[0]),) if own else _by_links(route, [r for r in routes if r is not route]))
    clauses = dict.fromkeys(clause(way) for way in ways if way)
    return ("choose one: " + " | ".join(clauses), asked(scope, ways[0])) if clauses else ("", ())


def _by_links(route: Route, others: list[Route]) -> tuple[Passage, ...]:
    """The columns that tell a route from others that pass the same tables: one if it will do."""
    links = [step.link for step in route if not all(step in other for other in others)]
    alone = [link for link in links if not any(step.link == link for other in others for step in other)]
    found = []
    for link in alone[:1] or links:
        rest = {column for other in others for step in other if step.link != link for column in step.link.child_columns}
        own = [column for column in link.child_columns if column not in rest]
        found.append(Passage(link.child, (own or link.child_columns)[0]))
    return tuple(found)


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
