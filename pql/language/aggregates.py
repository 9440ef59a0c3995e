"""Binding of aggregates: function, fact table, argument, row filter, window and the route to the entity."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import replace

from pql.language import ast
from pql.language.bound import BoundAggregate, BoundWindow, ColumnRef, Expression, Route
from pql.language.catalog import LogicalType, Table
from pql.language.expressions import Place, bind_condition, bind_value, choices
from pql.language.functions import FUNCTIONS, OTHER_NAMES, Function, result_type
from pql.language.names import listed, nearest
from pql.language.routes import spelled, to_entity, upward
from pql.language.scope import (
    Scope,
    canonical,
    find_column,
    find_table,
    foreign_key,
    is_clocked,
    is_own_key,
    quoted,
    timestamps,
)
from pql.language.tasks import is_constant
from pql.language.types_of import in_words
from pql.language.windows import bind_window, check_not_straddling, check_past

# Functions of values, for which a row that is pointed to stands for the row that points to it.
_OF_VALUES = frozenset({"LIST_DISTINCT", "ARRAY_AGG", "COUNT_DISTINCT", "FIRST", "LAST"})


def bind_aggregate(scope: Scope, node: ast.Aggregate, place: Place) -> BoundAggregate | None:
    """The aggregate with everything resolved; None where a fault was noted."""
    function = _function(scope, node)
    window = _window(scope, node, place)
    if function is None or scope.entity is None:
        names_only(scope, node)
        return None
    tables = _argument_tables(scope, node, function)
    if tables is None:
        if node.where is not None:
            names_only(scope, node.where)
        return None
    base = _base(scope, node, tables)
    if base is None or not _type_fits(scope, node, function):
        return None
    static = _is_static_list(scope, node, function, base, place)
    if node.window is None and static:
        window = BoundWindow(None, 0)
    elif node.window is None:
        bind_window(scope, node, place.purpose)
    found = _fact(scope, node, function, base, tables, needs_clock=not static)
    if found is None:
        return None
    fact, route = found
    rows = Place(fact, "rows", None, home=(fact, *tables))
    argument = None if isinstance(node.argument, ast.Star) else bind_value(scope, node.argument, rows)
    where = None if node.where is None else bind_condition(scope, node.where, rows)
    failed = (argument is None and not isinstance(node.argument, ast.Star)) or (
        where is None and node.where is not None
    )
    if failed or window is None:
        return None
    if node.where is not None and is_constant(where):
        message = "this filter is the same for every row: it would change nothing"
        scope.fault("constant_condition", message, node.where.span, hint="compare a column, or leave WHERE out")
        return None
    if argument is not None and is_constant(argument):
        message = f"{node.function} of a constant says nothing about rows"
        hint = f"name a column, or count rows with COUNT({quoted(fact)}.*, …)"
        scope.fault("constant_condition", message, node.argument.span, hint=hint)
        return None
    if function.lists or function.picks:
        argument = as_foreign_key(scope, argument)
        if argument is not None and _is_key_of_rows(scope, node, fact, argument, route):
            return None
    if function.lists and argument is None:
        scope.fault("wildcard", f"{node.function} needs a column", node.argument.span, hint="name the column to list")
        return None
    _warn_of_same_time(scope, fact, route)
    scope.touch(fact, node.argument.span)
    scope.touch_route(route, node.argument.span)
    name = "EXISTS" if function.name == "BOOL" else function.name
    kind = result_type(function, None if argument is None else argument.type)
    return BoundAggregate(name, fact, argument, where, window, route, kind, node.span)


def _warn_of_same_time(scope: Scope, fact: str, route: Route) -> None:
    clock = scope.catalog.table(fact).clock
    if clock.kind == "inherited" and len(route) == 1 and clock.via == route[0].link:
        parent = route[0].target
        scope.warnings.append(f"{fact} takes its time from {parent}: no row of it comes after the row it belongs to")


def as_foreign_key(scope: Scope, argument: Expression | None) -> Expression | None:
    """`products.product_id` reached through `transactions.product_id` is that foreign key itself."""
    if not isinstance(argument, ColumnRef) or not argument.route:
        return argument
    *before, last = argument.route
    if last.up and last.link.parent_columns == (argument.column,):
        column = scope.catalog.table(last.link.child).column(last.link.child_columns[0])
        return ColumnRef(last.link.child, column.name, column.type, column.stype, tuple(before), argument.span)
    return argument


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


def names_only(scope: Scope, node: ast.Expression) -> None:
    """Look up the names below a node that can't be bound, so that their faults are reported too."""
    if isinstance(node, ast.Aggregate) and isinstance(node.argument, ast.Star) and node.argument.table is not None:
        find_table(scope, node.argument.table)
    for name in column_names(node):
        if name.table is not None:
            find_column(scope, name)


def _function(scope: Scope, node: ast.Aggregate) -> Function | None:
    name = node.function.upper()
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    near = (OTHER_NAMES[name],) if name in OTHER_NAMES else nearest(name, FUNCTIONS)
    edits = scope.replaced(node.name_span, near[0]) if near else ()
    hint = f"did you mean {near[0]}?" if near else f"the aggregations are: {listed(sorted(FUNCTIONS), limit=20)}"
    span = node.span if node.name_span == ast.NOWHERE else node.name_span
    scope.fault("unknown_aggregation", f"there is no aggregation {name}", span, hint=hint, edits=edits, near=near)
    return None


def _window(scope: Scope, node: ast.Aggregate, place: Place) -> BoundWindow | None:
    if node.window is None:
        return None
    window = bind_window(scope, node, place.purpose)
    if window is None:
        return None
    if place.purpose == "filter":
        return window if check_past(scope, node, window) else None
    if place.purpose == "target":
        return window if check_not_straddling(scope, node, window) else None
    return window


def _argument_tables(scope: Scope, node: ast.Aggregate, function: Function) -> tuple[str, ...] | None:
    """The tables the argument speaks of, in the order written."""
    if isinstance(node.argument, ast.Star):
        if not function.star:
            shown = f"{node.argument.table.text}.*" if node.argument.table else "*"
            message = f"{function.name} needs a column, not {shown}"
            edits = scope.replaced(node.name_span, "COUNT")
            hint = "name a column, or count rows with COUNT"
            scope.fault("wildcard", message, node.argument.span, hint=hint, edits=edits)
            return None
        if node.argument.table is None:
            return _only_fact(scope, node.argument)
        table = find_table(scope, node.argument.table)
        return None if table is None else (canonical(scope, table).name,)
    if _holds_aggregate(node.argument):
        message = f"{function.name} of an aggregate: an aggregate reads rows, not other aggregates"
        scope.fault("nested_aggregate", message, node.argument.span, hint="name a column of the rows")
        return None
    found = [find_column(scope, name) for name in column_names(node.argument)]
    if any(hit is None for hit in found):
        return None
    names = tuple(dict.fromkeys(hit[0].name for hit in found if hit is not None))
    if not names:
        message = f"{function.name} needs a column of some table"
        scope.fault("constant_condition", message, node.argument.span, hint="name the column, as in table.column")
        return None
    return names


def _holds_aggregate(node: ast.Expression) -> bool:
    if isinstance(node, ast.Arithmetic):
        return _holds_aggregate(node.left) or _holds_aggregate(node.right)
    if isinstance(node, ast.Negate):
        return _holds_aggregate(node.operand)
    return isinstance(node, ast.Aggregate)


def _only_fact(scope: Scope, star: ast.Star) -> tuple[str, ...] | None:
    """The table of a bare `*`: the only clocked one with a foreign key to the entity."""
    assert scope.entity is not None
    facts = dict.fromkeys(
        link.child
        for link in scope.links
        if link.parent == scope.entity.name != link.child and is_clocked(scope.catalog.table(link.child))
        if scope.using is None or link.child in scope.using
    )
    if len(facts) == 1:
        return tuple(facts)
    message = "* does not say which table" + (f": {listed(list(facts))} belong to {scope.entity.name}" if facts else "")
    edits = scope.replaced(star.span, f"{quoted(next(iter(facts)))}.*") if facts else ()
    scope.fault("wildcard", message, star.span, hint="write table.*", edits=edits, near=tuple(facts))
    return None


def _base(scope: Scope, node: ast.Aggregate, tables: tuple[str, ...]) -> str | None:
    """The one of the argument's tables whose rows point to a row of each of the others."""
    for table in tables:
        if all(upward(table, other, scope.links) for other in tables):
            return table
    message = f"{' and '.join(tables)}: no row of one points to one row of the other"
    hint = "an aggregate reads one table and the rows its foreign keys point to"
    scope.fault("no_join_path", message, node.argument.span, hint=hint)
    return None


def _type_fits(scope: Scope, node: ast.Aggregate, function: Function) -> bool:
    if not isinstance(node.argument, ast.ColumnName):
        return True
    found = find_column(scope, node.argument)
    if found is None:
        return False
    table, column = found
    if column.type in function.accepts:
        return True
    message = f"{function.name} can't be taken of {table.name}.{column.name}: it is {in_words(column.type)}"
    hint, edits = "", scope.replaced(ast.NOWHERE, "")
    if column.type is LogicalType.BOOLEAN and function.name == "SUM" and node.window is not None and node.where is None:
        name = scope.source(node.argument.span)
        hint = f"count the rows where it is true: COUNT({quoted(table.name)}.* WHERE {name}, …)"
        if node.name_span != ast.NOWHERE:
            edits = (
                *scope.replaced(node.name_span, "COUNT"),
                *scope.replaced(node.argument.span, f"{quoted(table.name)}.* WHERE {name}"),
            )
    elif function.name in ("SUM", "AVG", "MEDIAN", "STDDEV", "MIN", "MAX") and column.type is not LogicalType.OTHER:
        hint = "COUNT_DISTINCT counts its values, LAST gives the newest one"
        edits = scope.replaced(node.name_span, "COUNT_DISTINCT")
    scope.fault("type_mismatch", message, node.argument.span, hint=hint, edits=edits)
    return False


def _is_static_list(scope: Scope, node: ast.Aggregate, function: Function, base: str, place: Place) -> bool:
    """`LIST_DISTINCT(coupons.product_id)` of a clockless table: links as they stand, without a window."""
    return (
        node.window is None
        and function.lists
        and place.purpose == "target"
        and scope.catalog.table(base).clock.kind == "none"
        and bool(to_entity(base, scope.entity.name, scope.links) if scope.entity else ())
    )


def _where_tables(scope: Scope, node: ast.Aggregate) -> tuple[str, ...]:
    """The tables named in the row filter (unknown names are reported where the filter is bound)."""
    quiet = replace(scope, findings=[], warnings=[], touched={})
    names = column_names(node.where) if node.where is not None else iter(())
    found = [find_column(quiet, name) for name in names if name.table is not None]
    return tuple(dict.fromkeys(hit[0].name for hit in found if hit is not None))


def _fact(
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
    if scope.via:
        through = to_entity(fact, entity, scope.links, via=scope.via)
        scope.via_used |= bool(through)
        routes = through or routes
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
            message = f"{fact} is the entity itself: there is one row of it, not many"
            hint = "aggregate a table that points to it, or name its column without an aggregate"
        scope.fault("no_join_path", message, span, hint=hint)
        return None
    shown = "; ".join(spelled(fact, route) for route in routes)
    hint, edits = choices(scope, fact, routes)
    message = f"{fact} leads to {entity} by several routes: {shown}"
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
    best: list[tuple[str, Route]] = []
    length = 0
    for table in scope.catalog.tables:
        if table.name == base or not is_clocked(table) or (scope.via and table.name not in scope.via):
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
        scope.via_used = True
    if len(best) > 1 and len({fact for fact, _ in best}) == 1:
        narrowed = [hit for hit in best if base not in [step.target for step in hit[1]]]
        best = narrowed or best
    if len(best) <= 1:
        return best[0] if best else ()
    facts = tuple(dict.fromkeys(fact for fact, _ in best))
    entity = scope.entity.name
    if len(facts) == 1:
        hint, edits = choices(scope, facts[0], tuple(route for _, route in best))
        message = f"{facts[0]} leads to {entity} by several routes"
        scope.fault("ambiguous_join", message, node.argument.span, hint=hint, edits=edits)
        return None
    clauses = tuple(f"VIA {quoted(fact)}" for fact in facts)
    message = f"{entity} and {base} meet in several tables: {listed(facts)}"
    edits = scope.appended(clauses[0]) if scope.query.via is None else ()
    hint = f"choose one: {' | '.join(clauses)}"
    scope.fault("ambiguous_join", message, node.argument.span, hint=hint, edits=edits, near=clauses)
    return None


def _refuse_clockless(scope: Scope, node: ast.Aggregate, table: Table) -> None:
    columns = timestamps(table)
    message = f"{table.name} has no time column, so no row of it lies in a window"
    if columns:
        hint = "name it: " + " or ".join(f"TIME {quoted(table.name)}.{quoted(column)}" for column in columns)
    else:
        hint = f"{table.name} has no timestamp column, and no foreign key to a row that has one"
    scope.fault("missing_time_column", message, node.argument.span, hint=hint)


def _is_key_of_rows(scope: Scope, node: ast.Aggregate, fact: str, argument: Expression, route: Route) -> bool:
    """Whether the values asked for name rows that do not exist yet, or the entity itself; then a fault."""
    if not isinstance(argument, ColumnRef) or argument.route:
        return False
    table = scope.catalog.table(fact)
    own = is_own_key(table, argument.column) and foreign_key(scope, fact, argument.column) is None
    itself = bool(route) and route[0].up and route[0].link.child_columns == (argument.column,)
    if not own and not itself:
        return False
    why = "the rows do not exist yet" if own else "it is the entity itself"
    message = f"{fact}.{argument.column} can't be predicted: {why}"
    edits = scope.replaced(node.name_span, "COUNT") if own else ()
    hint = "name a column of these rows, or count them" if own else "name another column"
    scope.fault("target_is_key", message, node.argument.span, hint=hint, edits=edits)
    return True
