"""Binding of the target: temporal or static, the pair form, and where it looks."""

from __future__ import annotations

from dataclasses import replace

from pql.language import ast
from pql.language.aggregates import bind_aggregate
from pql.language.bound import BoundAggregate, BoundEntity, Call, ColumnRef, Expression, TaskKind
from pql.language.catalog import Table
from pql.language.expressions import Place, bind_value
from pql.language.scope import Edit, Scope, canonical, is_own_key, quoted
from pql.language.tasks import Task, aggregates_in, columns_in, decide, item_of
from pql.language.windows import refuse_past


def bind_target(scope: Scope, entity: str) -> Expression | None:
    """The target, checked as a whole; None where a fault was noted."""
    node = scope.query.target
    bound = bind_value(scope, node, Place(entity, "target", bind_aggregate))
    if bound is None:
        return None
    aggregates, columns = aggregates_in(bound), columns_in(bound)
    if not aggregates and not columns:
        message = "the target reads no data"
        scope.fault("constant_condition", message, node.span, hint="ask for an aggregate or a column")
        return None
    if aggregates and columns:
        _refuse_mixed(scope, node)
        return None
    for column in columns:
        if not column.route and is_own_key(scope.catalog.table(column.table), column.column):
            message = f"{column.table}.{column.column} is the entity's key: it is known, not predicted"
            scope.fault("target_is_key", message, column.span, hint="name another column")
            return None
    if not _nested_well(scope, bound, node):
        return None
    if aggregates and not any(a.window.is_future for a in aggregates) and not _is_static_list(scope, bound):
        for written in _written_aggregates(node):
            found = next((a for a in aggregates if a.span == written.span), aggregates[0])
            refuse_past(scope, written, found.window)
        return None
    return bound


def is_static(scope: Scope, bound: Expression) -> bool:
    """Whether the target is read from rows as they stand, without a window of time."""
    return not aggregates_in(bound) or _is_static_list(scope, bound)


def without_missing(where: Expression | None, target: Expression | None) -> tuple[Expression | None, bool]:
    """`where` without its condition that the column asked for IS NULL, and whether it had one.

    Such a condition says which rows are scored; those that teach have a value.
    """
    if where is None:
        return None, False
    parts = where.args if isinstance(where, Call) and where.op == "and" else (where,)
    rest = tuple(part for part in parts if not _asks_for_missing(part, target))
    if len(rest) == len(parts):
        return where, False
    if len(rest) < 2:
        return (rest[0] if rest else None), True
    assert isinstance(where, Call)
    return replace(where, args=rest), True


def _asks_for_missing(part: Expression, target: Expression | None) -> bool:
    if not isinstance(part, Call) or part.op != "is_null" or not isinstance(target, ColumnRef):
        return False
    column = part.args[0]
    return isinstance(column, ColumnRef) and replace(column, span=target.span) == target


def _is_static_list(scope: Scope, bound: Expression) -> bool:
    if not isinstance(bound, BoundAggregate) or bound.window.start is not None or bound.window.end != 0:
        return False
    return isinstance(scope.query.target, ast.Aggregate) and scope.query.target.window is None


def _nested_well(scope: Scope, bound: Expression, node: ast.Expression) -> bool:
    """Lists and TIME_TO stand alone as a target, never inside a condition."""
    if isinstance(bound, BoundAggregate):
        if bound.function == "TIME_TO" and bound.window.start != 0:
            message = "TIME_TO counts from the anchor: its window starts at 0"
            scope.fault("time_to_start", message, node.span, hint="write TIME_TO(…, 0, n, days)")
            return False
        return True
    for aggregate in aggregates_in(bound):
        if aggregate.function in ("LIST_DISTINCT", "ARRAY_AGG", "TIME_TO"):
            message = f"{aggregate.function} stands alone as a target, not inside an expression"
            hint = "EXISTS(t.* WHERE t.column = value, 0, 30, days) asks for one value"
            scope.fault("type_mismatch", message, aggregate.span, hint=hint)
            return False
    return True


def _written_aggregates(node: ast.Expression) -> list[ast.Aggregate]:
    if isinstance(node, ast.Aggregate):
        return [node]
    if isinstance(node, ast.And | ast.Or):
        return [hit for item in node.items for hit in _written_aggregates(item)]
    found: list[ast.Aggregate] = []
    for name in ("left", "right", "operand", "low", "high", "pattern"):
        part = getattr(node, name, None)
        if part is not None:
            found += _written_aggregates(part)
    return found


def _refuse_mixed(scope: Scope, node: ast.Expression) -> None:
    message = "a column that is known already and a window of the future stand in one target"
    edits: tuple[Edit, ...] = ()
    if isinstance(node, ast.And) and node.span != ast.NOWHERE:
        temporal = [item for item in node.items if _written_aggregates(item)]
        static = [item for item in node.items if not _written_aggregates(item)]
        if temporal and static and all(item.span != ast.NOWHERE for item in node.items):
            condition = " AND ".join(_bracketed(scope, item) for item in static)
            edits = scope.replaced(node.span, " AND ".join(_bracketed(scope, item) for item in temporal))
            where = scope.query.where
            if where is None:
                edits += scope.appended(f"WHERE {condition}")
            else:
                edits += scope.replaced(where.span, f"({scope.source(where.span)}) AND {condition}")
    scope.fault(
        "mixed_static_temporal", message, node.span, hint="move the condition on the column to WHERE", edits=edits
    )


def _bracketed(scope: Scope, node: ast.Expression) -> str:
    text = scope.source(node.span)
    return f"({text})" if isinstance(node, ast.Or) and not text.startswith("(") else text


def bind_pair(scope: Scope, second: Table | None, target: Expression) -> tuple[Expression, BoundEntity, Task] | None:
    """`BOOL(fact.fk, …) FOR EACH a, b`: a ranking of b for each a with RANK TOP k, else the pair's probability."""
    node = scope.query.target
    if second is None or scope.entity is None or second.key is None:
        return None
    keys = second.key.columns
    whole = canonical(scope, second)
    if whole.key is not None and len(keys) == 1:
        second, keys = whole, whole.key.columns
    span = scope.query.entities[1].span
    simple = isinstance(target, BoundAggregate) and target.function == "EXISTS"
    column = target.argument if isinstance(target, BoundAggregate) else None
    if not simple or not isinstance(column, ColumnRef) or not isinstance(target, BoundAggregate):
        message = "with two entities the target must be BOOL(fact.key, start, end)"
        hint = "BOOL of the foreign key to the second entity; or ask for one entity"
        scope.fault("pair_mismatch", message, node.span, hint=hint)
        return None
    item = item_of(scope, column)
    parents = {link.parent for link in scope.catalog.links_from(column.table) if link.child_columns == (column.column,)}
    twin = second.enriches in parents or any(scope.catalog.table(p).enriches == second.name for p in parents)
    if second.name not in parents and not twin:
        points = f"points to {item.table}" if item.table else "is no foreign key"
        message = f"{column.table}.{column.column} {points}, the second entity is {second.name}"
        edits: tuple[Edit, ...] = ()
        first = scope.query.entities[0].span
        if item.table is not None and item.table != scope.entity.name:
            edits = scope.replaced(span, f"{quoted(item.table)}.{quoted(item.key or '')}")
        elif item.table is not None and span != ast.NOWHERE:
            edits = (*scope.replaced(first, scope.source(span)), *scope.replaced(span, scope.source(first)))
        hint = "the target column must be the foreign key to the second entity"
        scope.fault("pair_mismatch", message, span, hint=hint, edits=edits)
        return None
    if second.name != item.table:
        item = replace(item, table=second.name, key=keys[0])
    pair = BoundEntity(second.name, keys)
    listed = replace(target, function="LIST_DISTINCT", type=column.type)
    if not any(isinstance(clause, ast.RankTop) for clause in scope.query.tasks):
        if scope.query.tasks:
            decide(scope, target, is_static=False)  # notes why the clause does not fit a yes or no
        reason = f"BOOL of a pair: how likely each {second.name} is for each {scope.entity.name}"
        return listed, pair, Task(TaskKind.RANKING, reason, item)
    task = decide(scope, listed, is_static=False)
    return None if task is None else (listed, pair, replace(task, item=item))
