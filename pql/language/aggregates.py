"""Binding of aggregates: function, fact table, argument, row filter, window and the route to the entity."""

from __future__ import annotations

from pql.language import ast
from pql.language.bound import BoundAggregate, BoundWindow, ColumnRef, Expression, Route
from pql.language.catalog import LogicalType
from pql.language.expressions import Place, bind_condition, bind_value
from pql.language.functions import FUNCTIONS, OTHER_NAMES, Function, result_type
from pql.language.joins import column_names, find_fact
from pql.language.names import listed, nearest
from pql.language.passages import own_via
from pql.language.routes import to_entity, upward
from pql.language.scope import (
    Edit,
    Scope,
    canonical,
    find_column,
    find_table,
    foreign_key,
    is_clocked,
    is_own_key,
    quoted,
)
from pql.language.tasks import is_constant
from pql.language.types_of import in_words
from pql.language.windows import bind_window, check_not_straddling, check_past


def bind_aggregate(scope: Scope, node: ast.Aggregate, place: Place) -> BoundAggregate | None:
    """The aggregate with everything resolved; None where a fault was noted."""
    if not node.via:
        return _bound(scope, node, place)
    with own_via(scope, node):
        return _bound(scope, node, place)


def _bound(scope: Scope, node: ast.Aggregate, place: Place) -> BoundAggregate | None:
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
    found = find_fact(scope, node, function, base, tables, needs_clock=not static)
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
        edits = scope.without("WHERE", node.where.span)
        hint = "compare a column, or leave WHERE out"
        scope.fault("constant_condition", message, node.where.span, hint=hint, edits=edits)
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
    if name in ("P", "PROB", "PROBABILITY") and node.window is None:
        hint = "the probability of a condition is what a query of it gives: leave the function out"
        edits = scope.replaced(node.span, scope.source(node.argument.span))
        scope.fault("unknown_aggregation", f"there is no function {name}", node.name_span, hint=hint, edits=edits)
        return None
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
        unwrapped: tuple[Edit, ...] = ()
        innermost: ast.Expression = node
        while isinstance(innermost, ast.Aggregate) and isinstance(innermost.argument, ast.Aggregate):
            innermost = innermost.argument
        if innermost is not node:
            unwrapped = scope.replaced(node.span, scope.source(innermost.span))
        scope.fault("nested_aggregate", message, node.argument.span, hint="name a column of the rows", edits=unwrapped)
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
        if column.type is LogicalType.STRING and function.name not in ("MIN", "MAX"):
            digits = f"regexp_replace({column.name}, '[^0-9.-]', '', 'g')"
            hint += (
                f"; numbers written as text are read where all values are of one form: else cast them in a view, "
                f"SELECT * REPLACE (TRY_CAST({digits} AS DOUBLE) AS {column.name}) FROM {table.name}"
            )
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
