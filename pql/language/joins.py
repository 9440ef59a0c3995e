"""Which table's rows an aggregate reads, and the route from them to the entity."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import replace

from pql.language import ast
from pql.language.bound import Passage, Route
from pql.language.catalog import AS_TEXT, Table
from pql.language.functions import Function
from pql.language.names import listed
from pql.language.passages import among, asked, clause, through
from pql.language.routes import spelled, to_entity, upward
from pql.language.scope import Scope, find_column, is_clocked, quoted, timestamps
from pql.language.unreachable import choices

# Functions of values, for which a row that is pointed to stands for the row that points to it.
_OF_VALUES = frozenset({"LIST_DISTINCT", "ARRAY_AGG", "COUNT_DISTINCT", "FIRST", "LAST"})


def column_names(node: object) -> Iterator[ast.ColumnName]:
    """Every column name written below a node."""
    if isinstance(node, ast.ColumnName):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from column_names(item)
    elif dataclasses.is_dataclass(node) and not isinstance(node, ast.Span | ast.Identifier | ast.Literal):
        for field in dataclasses.fields(node):
            yield from column_names(getattr(node, field.name))


def _where_tables(scope: Scope, node: ast.Aggregate) -> tuple[str, ...]:
    """The tables named in the row filter (unknown names are reported where the filter is bound)."""
    quiet = replace(scope, findings=[], warnings=[], touched={})
    names = column_names(node.where) if node.where is not None else iter(())
    found = [find_column(quiet, name) for name in names if name.table is not None]
    return tuple(dict.fromkeys(hit[0].name for hit in found if hit is not None))


def find_fact(
    scope: Scope, node: ast.Aggregate, function: Function, base: str, tables: tuple[str, ...], *, needs_clock: bool
) -> tuple[str, Route] | None:
    """The table whose rows are aggregated, and the route from it to the entity."""
    assert scope.entity is not None
    entity = scope.entity.name
    table = scope.catalog.table(base)
    star = isinstance(node.argument, ast.Star)
    points_up = any(all(step.up for step in r) for r in to_entity(base, entity, scope.links))
    of_values = not is_clocked(table) or function.name in _OF_VALUES
    looks_further = not star and of_values and not points_up and base != entity
    if looks_further and needs_clock:
        facts = _facts_between(scope, node, base, tables)
        if facts is None:
            return None
        if facts:
            return facts
    if needs_clock and not is_clocked(table) and base != entity:
        _refuse_clockless(scope, node, table)
        return None
    return _one_route(scope, node, function, base)


def _one_route(scope: Scope, node: ast.Aggregate, function: Function, fact: str) -> tuple[str, Route] | None:
    assert scope.entity is not None
    entity = scope.entity.name
    span = node.argument.span
    routes = to_entity(fact, entity, scope.links)
    if fact == entity:  # only a row that points to another of its own table has a way there
        routes = tuple(route for route in routes if all(step.up for step in route))
    routes = through(scope, fact, entity, routes)
    if len(routes) > 1 and scope.using is not None:
        routes = tuple(r for r in routes if all(step.target in scope.using for step in r)) or routes
    if len(routes) > 1 and (function.lists or function.picks or scope.is_pair):
        routes = _not_through(scope, node, fact, routes) or routes
    if len(routes) == 1:
        return fact, routes[0]
    if not routes:
        message = f"no route of foreign keys leads from {fact} to {entity}"
        hint = "rows that only share a parent are not the entity's own; LINK a.x -> b.y declares a missing link"
        if fact == entity:
            message = f"the table {fact} is the entity itself: there is one row of it, not many"
            hint = "aggregate a table that points to it, or name its column without an aggregate"
        elif empty := next((name for name in (entity, fact) if scope.catalog.table(name).rows == 0), None):
            message = f"the table {empty} has no rows, so that none of {fact} can be seen to point to {entity}"
            scope.fault("no_data", message, span, hint=f"see that {empty} is filled, and not only later than AS OF")
            return None
        elif scope.query.ignoring and to_entity(fact, entity, scope.catalog.links):
            hint = "IGNORING takes the foreign key away that leads there"
        elif bare := [table.name for table in scope.catalog.tables if table.rows == 0]:
            hint = f"tables without rows have no links, as {listed(bare)}; LINK a.x -> b.y declares a missing one"
        scope.fault("no_join_path", message, span, hint=hint)
        return None
    if len(scope.via) < len(scope.query.via or ()):
        return None  # what VIA names wrongly is a fault already
    shown = "; ".join(spelled(fact, route) for route in routes)
    hint, edits = choices(scope, fact, routes)
    message = f"the table {fact} leads to {entity} by several routes: {shown}"
    near = tuple(part for part in hint.removeprefix("choose one: ").split(" | ") if part)
    scope.fault("ambiguous_join", message, span, hint=hint, edits=edits, near=near)
    return None


def _not_through(scope: Scope, node: ast.Aggregate, fact: str, routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Without the routes that start with the foreign key that is itself asked for."""
    if not isinstance(node.argument, ast.ColumnName):
        return routes
    found = find_column(scope, node.argument)
    if found is None or found[0].name != fact:
        return routes
    return tuple(r for r in routes if r[0].link.child_columns != (found[1].name,))


def _facts_between(
    scope: Scope, node: ast.Aggregate, base: str, tables: tuple[str, ...]
) -> tuple[str, Route] | tuple[()] | None:
    """The clocked table that points both to the argument's row and to the entity, nearest first.

    `()` if there is none, None if several are equally near (a fault).
    """
    assert scope.entity is not None
    needed = tuple(dict.fromkeys((*tables, *_where_tables(scope, node))))
    named = {passage.table for passage in scope.via}
    best: list[tuple[str, Route]] = []
    length = 0
    for table in scope.catalog.tables:
        if table.name == base or not is_clocked(table) or (scope.via and table.name not in named):
            continue
        if scope.using is not None and table.name not in scope.using:
            continue
        reached = [upward(table.name, other, scope.links) for other in needed]
        home = tuple(r for r in upward(table.name, scope.entity.name, scope.links) if r)
        if not home or not all(reached):
            continue
        total = len(home[0]) + sum(len(routes[0]) for routes in reached)
        if not best or total < length:
            best, length = [], total
        if total == length:
            best += [(table.name, route) for route in home]
    if not best and (scope.using is not None or scope.via):
        wider = replace(scope, using=None, via=(), findings=[], warnings=[], touched={})
        found = _facts_between(wider, node, base, tables)
        if found is None:
            scope.findings += wider.findings
        return found
    if scope.via and best:
        best = [(fact, route) for fact in dict.fromkeys(hit[0] for hit in best) for route in _home(scope, fact, best)]
    if len(best) > 1 and len({fact for fact, _ in best}) == 1:
        narrowed = [hit for hit in best if base not in [step.target for step in hit[1]]]
        best = narrowed or best
    if len(best) <= 1:
        return best[0] if best else ()
    facts = tuple(dict.fromkeys(fact for fact, _ in best))
    entity = scope.entity.name
    if len(facts) == 1:
        hint, edits = choices(scope, facts[0], tuple(route for _, route in best))
        message = f"the table {facts[0]} leads to {entity} by several routes"
        scope.fault("ambiguous_join", message, node.argument.span, hint=hint, edits=edits)
        return None
    clauses = tuple(clause((Passage(fact),)) for fact in facts)
    message = f"the tables {entity} and {base} meet in several tables: {listed(facts)}"
    edits = asked(scope, (Passage(facts[0]),))
    hint = f"choose one: {' | '.join(clauses)}"
    scope.fault("ambiguous_join", message, node.argument.span, hint=hint, edits=edits, near=clauses)
    return None


def _home(scope: Scope, fact: str, hits: list[tuple[str, Route]]) -> tuple[Route, ...]:
    """The routes of one of several tables that lead to the entity, as VIA chooses among them."""
    return among(scope, fact, tuple(route for name, route in hits if name == fact))


def _refuse_clockless(scope: Scope, node: ast.Aggregate, table: Table) -> None:
    columns = timestamps(table)
    message = f"the table {table.name} has no time column, so no row of it lies in a window"
    if columns:
        hint = "name it: " + " or ".join(f"TIME {quoted(table.name)}.{quoted(column)}" for column in columns)
    else:
        hint = f"the table {table.name} has no timestamp column, and no foreign key to a row that has one"
    for warning in scope.catalog.warnings:
        if warning.startswith(f"{table.name}.") and AS_TEXT in warning:
            hint = warning
    scope.fault("missing_time_column", message, node.argument.span, hint=hint)
