"""Binding of expressions: columns reached along links, operators with their type rules, constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pql.language import ast
from pql.language.bound import BoundAggregate, Call, ColumnRef, Constant, Expression, Scalar
from pql.language.catalog import Column, LogicalType, Stype, Table
from pql.language.passages import among
from pql.language.routes import spelled, upward
from pql.language.scope import Edit, Scope, find_column, knows_column
from pql.language.types_of import FLIPPED, as_text, comparable, constant, converted, in_words
from pql.language.unreachable import choices, unreachable

AggregateBinder = Callable[[Scope, ast.Aggregate, "Place"], BoundAggregate | None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands: columns are read from a row of `base`.

    purpose: target, filter (WHERE), assuming, rows (inside an aggregate) or items (CANDIDATES). `aggregate` binds
    the aggregates met, None where none may stand. `home` are the tables a bare column is looked for in first.
    """

    base: str
    purpose: str
    aggregate: AggregateBinder | None = None
    home: tuple[str, ...] = ()


def bind_value(scope: Scope, node: ast.Expression, place: Place) -> Expression | None:
    """Any expression; None where a fault was noted."""
    match node:
        case ast.Literal():
            return constant(node)
        case ast.ColumnName():
            return _column(scope, node, place)
        case ast.Aggregate():
            if place.aggregate is None:
                message = "an aggregate can't stand inside an aggregate, or where a row of one table is described"
                scope.fault("nested_aggregate", message, node.span, hint="filter its rows with columns instead")
                return None
            return place.aggregate(scope, node, place)
        case ast.Arithmetic():
            return _arithmetic(scope, node, place)
        case ast.Negate():
            return _negate(scope, node, place)
        case ast.Comparison():
            return _comparison(scope, node, place)
        case ast.Between():
            return _between(scope, node, place)
        case ast.InList():
            return _in_list(scope, node, place)
        case ast.IsNull():
            operand = bind_value(scope, node.operand, place)
            return (
                None if operand is None else _negated(Call("is_null", (operand,), LogicalType.BOOLEAN, node.span), node)
            )
        case ast.Match():
            return _match(scope, node, place)
        case ast.Not():
            operand = bind_condition(scope, node.operand, place)
            return None if operand is None else Call("not", (operand,), LogicalType.BOOLEAN, node.span)
        case ast.And() | ast.Or():
            bound = [bind_condition(scope, item, place) for item in node.items]
            items = tuple(item for item in bound if item is not None)
            op = "and" if isinstance(node, ast.And) else "or"
            return Call(op, items, LogicalType.BOOLEAN, node.span) if len(items) == len(bound) else None
        case ast.Star():
            shown = f"{node.table.text}.*" if node.table else "*"
            hint = f"count its rows: COUNT({shown}, 0, 30, days)" if place.purpose == "target" else "name a column"
            edits = scope.replaced(node.span, f"COUNT({shown}, 0, 30, days)") if place.purpose == "target" else ()
            scope.fault("wildcard", f"{shown} is not one value", node.span, hint=hint, edits=edits)
            return None
        case ast.ListOf():
            scope.fault("type_mismatch", "a list stands only right of IN", node.span, hint="use IN (…)")
            return None
        case _:  # an unbound parameter: its fault is noted already
            return None


def bind_condition(scope: Scope, node: ast.Expression, place: Place) -> Expression | None:
    """An expression that must be true or false."""
    bound = bind_value(scope, node, place)
    if bound is None or bound.type is LogicalType.BOOLEAN:
        return bound
    if bound.type is None:
        scope.fault("null_comparison", "NULL is no condition", node.span, hint="use IS NULL")
        return None
    edits: tuple[Edit, ...] = ()
    if bound.type.is_number and node.span != ast.NOWHERE:
        edits = (Edit(node.span.end, node.span.end, " > 0"),)
    message = f"a condition is needed here, this is {in_words(bound.type)}"
    scope.fault("type_mismatch", message, node.span, hint="compare it with something, as in … > 0", edits=edits)
    return None


def _negated(call: Call, node: ast.Between | ast.InList | ast.IsNull | ast.Match) -> Call:
    return Call("not", (call,), LogicalType.BOOLEAN, node.span) if node.negated else call


# ---------------------------------------------------------------- columns


def _column(scope: Scope, node: ast.ColumnName, place: Place) -> ColumnRef | None:
    found = find_column(scope, node, place.home or (place.base,))
    if found is None:
        return None
    table, column = found
    return column_ref(scope, table, column, node, place)


def column_ref(scope: Scope, table: Table, column: Column, node: ast.ColumnName, place: Place) -> ColumnRef | None:
    """The column as read from a row of `place.base`, along the one shortest route of foreign keys."""
    routes = upward(place.base, table.name, scope.links)
    if scope.using is not None and len(routes) > 1:
        routes = tuple(r for r in routes if all(step.target in scope.using for step in r)) or routes
    if len(routes) > 1:
        routes = among(scope, place.base, routes)
    if len(routes) > 1:
        shown = [spelled(place.base, route) for route in routes]
        message = f"the table {table.name} is reached from {place.base} by several routes: {'; '.join(shown)}"
        hint, edits = choices(scope, place.base, routes)
        scope.fault("ambiguous_join", message, node.span, hint=hint, edits=edits)
        return None
    if not routes:
        unreachable(scope, table, column, node, place)
        return None
    if column.type is LogicalType.OTHER or (column.stype is Stype.IGNORED and column.type is LogicalType.OTHER):
        message = f"{table.name}.{column.name} ({column.sql_type or 'of an unknown type'}) can't be read"
        scope.fault("type_mismatch", message, node.span, hint="choose a number, string, boolean, date or UUID column")
        return None
    scope.touch(table.name, node.span)
    scope.touch_route(routes[0], node.span)
    return ColumnRef(table.name, column.name, column.type, column.stype, routes[0], node.span)


# ---------------------------------------------------------------- operators


def _arithmetic(scope: Scope, node: ast.Arithmetic, place: Place) -> Expression | None:
    left, right = bind_value(scope, node.left, place), bind_value(scope, node.right, place)
    if left is None or right is None:
        return None
    for side, written in ((left, node.left), (right, node.right)):
        if side.type is None or not side.type.is_number:
            message = f"{node.op} needs numbers, this is {in_words(side.type)}"
            scope.fault("type_mismatch", message, written.span, hint="name a column of numbers")
            return None
    both = left.type is LogicalType.INTEGER and right.type is LogicalType.INTEGER
    result = LogicalType.INTEGER if both and node.op != "/" else LogicalType.FLOAT
    return Call(node.op, (left, right), result, node.span)


def _negate(scope: Scope, node: ast.Negate, place: Place) -> Expression | None:
    operand = bind_value(scope, node.operand, place)
    if operand is None:
        return None
    if operand.type is None or not operand.type.is_number:
        scope.fault(
            "type_mismatch",
            f"- needs a number, this is {in_words(operand.type)}",
            node.span,
            hint="name a column of numbers",
        )
        return None
    if isinstance(operand, Constant) and isinstance(operand.value, int | float):
        return Constant(-operand.value, operand.type, node.span)
    return Call("neg", (operand,), operand.type, node.span)


def _is_null(node: ast.Expression) -> bool:
    return isinstance(node, ast.Literal) and node.value is None


def _comparison(scope: Scope, node: ast.Comparison, place: Place) -> Expression | None:
    if _is_null(node.left) or _is_null(node.right):
        other = node.left if _is_null(node.right) else node.right
        bind_value(scope, other, place)
        form = {"=": "IS NULL", "!=": "IS NOT NULL"}.get(node.op)
        edits: tuple[Edit, ...] = ()
        if form is not None and node.span != ast.NOWHERE:
            edits = scope.replaced(node.span, f"{scope.source(other.span)} {form}")
        message = f"{node.op} NULL is never true"
        scope.fault("null_comparison", message, node.span, hint="use IS NULL or IS NOT NULL", edits=edits)
        return None
    for side in (node.left, node.right):
        if isinstance(side, ast.ListOf):
            bind_value(scope, node.left if side is node.right else node.right, place)
            form = {"=": "IN", "!=": "NOT IN"}.get(node.op)
            edits = ()
            if form is not None and side is node.right and node.span != ast.NOWHERE:
                text = f"{scope.source(node.left.span)} {form} {scope.source(side.span)}"
                edits = scope.replaced(node.span, text)
            message = f"{node.op} compares with one value, this is a list"
            scope.fault("type_mismatch", message, side.span, hint="use IN (…) for a list", edits=edits)
            return None
    left = bind_value(scope, node.left, place)
    right = _right_side(scope, node.right, left, place)
    if left is None or right is None:
        return None
    op = node.op
    if isinstance(left, Constant) and not isinstance(right, Constant):
        left, right, op = right, left, FLIPPED[op]
    if isinstance(right, Constant):
        fitted = _fitted(scope, right, left.type, _described(left))
        return None if fitted is None else Call(op, (left, fitted), LogicalType.BOOLEAN, node.span)
    if not _alike(left, right):
        message = f"{in_words(left.type)} can't be compared with {in_words(right.type)}"
        scope.fault("type_mismatch", message, node.span, hint="compare columns of the same kind")
        return None
    return Call(op, (left, right), LogicalType.BOOLEAN, node.span)


def _alike(left: Expression, right: Expression) -> bool:
    return left.type is not None and right.type is not None and comparable(left.type, right.type)


def _right_side(scope: Scope, node: ast.Expression, left: Expression | None, place: Place) -> Expression | None:
    """The right side of a comparison; a bare word that is no column is told apart from a mistyped one."""
    if isinstance(node, ast.ColumnName) and node.table is None and not knows_column(scope, node.column.text):
        word = node.column.text
        if left is None or left.type in (LogicalType.STRING, LogicalType.UUID, LogicalType.TIMESTAMP):
            shown = "'" + word.replace("'", "''") + "'"
            message = f"the name {word} stands for a column, and no table has it"
            edits = scope.replaced(node.span, shown)
            scope.fault("unknown_column", message, node.span, hint=f"a text stands in quotes: {shown}", edits=edits)
            return None
    return bind_value(scope, node, place)


def _described(expression: Expression) -> str:
    if isinstance(expression, ColumnRef):
        return f"{expression.table}.{expression.column}"
    return f"{expression.function}(…)" if isinstance(expression, BoundAggregate) else "the left side"


def _fitted(scope: Scope, value: Constant, to: LogicalType | None, beside: str) -> Constant | None:
    """The constant as a value of type `to`; a fault and None if it is none."""
    if value.type is None:
        scope.fault("null_comparison", "a comparison with NULL is never true", value.span, hint="use IS NULL")
        return None
    if to is None or isinstance(value.value, tuple):
        return value
    fits, fitted = converted(value.value, to)
    if fits:
        return Constant(fitted, to if value.type is LogicalType.STRING else value.type, value.span)
    message = f"{beside} is {in_words(to)}, this is {in_words(value.type)}"
    text = as_text(value.value, scope.source(value.span), to) if value.span != ast.NOWHERE else None
    edits = scope.replaced(value.span, text) if text is not None else ()
    hint = f"write {in_words(to)} here"
    if to is LogicalType.BOOLEAN:
        hint = f"write {beside} = TRUE, or {beside} = FALSE"
    elif to is LogicalType.STRING:
        hint = "did you forget the quotes?"
    elif to.is_number and text is not None:
        hint = "write it without quotes"
    elif to is LogicalType.TIMESTAMP:
        hint = "write a date: 2024-12-31, or 2024-12-31 12:30:00"
    scope.fault("type_mismatch", message, value.span, hint=hint, edits=edits)
    return None


def _between(scope: Scope, node: ast.Between, place: Place) -> Expression | None:
    operand = bind_value(scope, node.operand, place)
    ends: list[Expression] = []
    for written in (node.low, node.high):
        end = _right_side(scope, written, operand, place)
        if isinstance(end, Constant) and operand is not None:
            end = _fitted(scope, end, operand.type, _described(operand))
        elif end is not None and operand is not None and not _alike(operand, end):
            message = f"{in_words(operand.type)} can't be compared with {in_words(end.type)}"
            scope.fault("type_mismatch", message, written.span, hint="give both ends in the column's own kind")
            end = None
        if end is not None:
            ends.append(end)
    if operand is None or len(ends) < 2:
        return None
    return _negated(Call("between", (operand, *ends), LogicalType.BOOLEAN, node.span), node)


def _in_list(scope: Scope, node: ast.InList, place: Place) -> Expression | None:
    operand = bind_value(scope, node.operand, place)
    if isinstance(node.items, ast.Parameter):
        return None
    if not isinstance(node.items, ast.ListOf):
        text = f"({scope.source(node.items.span)})"
        edits = scope.replaced(node.items.span, text)
        scope.fault("type_mismatch", "IN needs a list", node.items.span, hint="put it in brackets: IN (…)", edits=edits)
        return None
    values: list[Scalar] = []
    whole = True
    for item in node.items.items:
        bound = _right_side(scope, item, operand, place)
        if bound is None:
            whole = False
        elif not isinstance(bound, Constant):
            scope.fault("type_mismatch", "a list holds constants only", item.span, hint="use = and OR for columns")
            whole = False
        elif operand is not None:
            fitted = _fitted(scope, bound, operand.type, _described(operand))
            if fitted is None or isinstance(fitted.value, tuple):
                whole = False
            else:
                values.append(fitted.value)
    if operand is None or not whole:
        return None
    listed = Constant(tuple(values), operand.type, node.items.span)
    return _negated(Call("in", (operand, listed), LogicalType.BOOLEAN, node.span), node)


def _as_existence(node: ast.Match) -> ast.Expression | None:
    """`LIST_DISTINCT(t.x WHERE c, s, e) CONTAINS v` as `EXISTS(t.x WHERE c AND t.x = v, s, e)`; None for others."""
    listed = node.operand
    if node.op != "CONTAINS" or not isinstance(listed, ast.Aggregate):
        return None
    if listed.function.upper() not in ("LIST_DISTINCT", "ARRAY_AGG") or isinstance(listed.argument, ast.Star):
        return None
    held: ast.Expression = ast.Comparison("=", listed.argument, node.pattern, node.span)
    if listed.where is not None:
        held = ast.And((*(listed.where.items if isinstance(listed.where, ast.And) else (listed.where,)), held))
    found = replace(listed, function="EXISTS", where=held)
    return ast.Not(found, node.span) if node.negated else found


def _match(scope: Scope, node: ast.Match, place: Place) -> Expression | None:
    existence = _as_existence(node)
    if existence is not None:
        return bind_value(scope, existence, place)
    operand = bind_value(scope, node.operand, place)
    pattern = _right_side(scope, node.pattern, operand, place)
    if operand is None or pattern is None:
        return None
    for side, written in ((operand, node.operand), (pattern, node.pattern)):
        if side.type is not LogicalType.STRING:
            edits: tuple[Edit, ...] = ()
            if side is pattern and isinstance(pattern, Constant) and written.span != ast.NOWHERE:
                text = as_text(pattern.value, scope.source(written.span), LogicalType.STRING)  # type: ignore[arg-type]
                edits = scope.replaced(written.span, text) if text else ()
            message = f"{node.op} compares strings, this is {in_words(side.type)}"
            hint = "compare other values with = < > or IN; a pattern stands in quotes"
            scope.fault("type_mismatch", message, written.span, hint=hint, edits=edits)
            return None
    op = node.op.lower().replace(" ", "_")
    return _negated(Call(op, (operand, pattern), LogicalType.BOOLEAN, node.span), node)
