"""Which task a target makes, why, and whether the clauses of the query fit it (LANGUAGE §5)."""

from __future__ import annotations

from dataclasses import dataclass

from pql.language import ast
from pql.language.bound import BoundAggregate, Call, ColumnRef, Constant, Expression, Item, TaskKind
from pql.language.catalog import LogicalType, Stype
from pql.language.functions import FUNCTIONS
from pql.language.scope import Edit, Scope, foreign_key, is_own_key, quoted
from pql.language.types_of import in_words


@dataclass(frozen=True, slots=True)
class Task:
    """The decision: kind, the reason in words, what is ranked or chosen among, and the numbers of the task clause."""

    kind: TaskKind
    reason: str
    item: Item | None = None
    top_k: int | None = None
    steps: int = 1


def decide(scope: Scope, target: Expression, *, is_static: bool) -> Task | None:
    """The task of a bound target; None where a fault was noted."""
    clauses = scope.query.tasks
    if len(clauses) > 1:
        shown = " and ".join(_clause_name(clause) for clause in clauses)
        second = clauses[1].span
        scope.fault(
            "clause_conflict",
            f"{shown} can't stand together",
            second,
            hint="keep one",
            edits=scope.removed(second),
        )
        return None
    clause = clauses[0] if clauses else None
    natural = _natural(scope, target, is_static=is_static, has_clause=clause is not None)
    match clause:
        case None:
            return natural
        case ast.RankTop():
            return _ranked(scope, clause, target)
        case ast.Classify():
            return _classified(scope, clause, target)
        case ast.Forecast():
            return _forecast(scope, clause, natural, is_static=is_static)
        case ast.AsKind():
            if _is_list(target):
                shown = _clause_name(clause)
                message = f"{shown} does not fit a list: it needs to be ranked or classified"
                edits = scope.replaced(clause.span, "RANK TOP 10")
                hint = "RANK TOP k gives the k most likely items, CLASSIFY a yes or no per value"
                scope.fault("clause_conflict", message, clause.span, hint=hint, edits=edits)
                return None
            return None if natural is None else _as_kind(scope, clause, target, natural)


def item_of(scope: Scope, column: ColumnRef) -> Item:
    """The values of a column as things to choose among: keys of the row it points to, or the values themselves."""
    link = foreign_key(scope, column.table, column.column)
    if link is not None:
        return Item(column, link.parent, link.parent_columns[0])
    if is_own_key(scope.catalog.table(column.table), column.column):
        return Item(column, column.table, column.column)
    return Item(column, None, None)


def aggregates_in(expression: Expression | None) -> tuple[BoundAggregate, ...]:
    """The aggregates of an expression, outermost, in order."""
    if isinstance(expression, BoundAggregate):
        return (expression,)
    if isinstance(expression, Call):
        return tuple(hit for argument in expression.args for hit in aggregates_in(argument))
    return ()


def columns_in(expression: Expression | None) -> tuple[ColumnRef, ...]:
    """The columns of an expression that stand outside aggregates."""
    if isinstance(expression, ColumnRef):
        return (expression,)
    if isinstance(expression, Call):
        return tuple(hit for argument in expression.args for hit in columns_in(argument))
    return ()


def _is_list(target: Expression) -> bool:
    return isinstance(target, BoundAggregate) and FUNCTIONS[target.function].lists


def _clause_name(clause: ast.TaskClause) -> str:
    match clause:
        case ast.RankTop():
            return "RANK TOP"
        case ast.Classify():
            return "CLASSIFY"
        case ast.Forecast():
            return "FORECAST"
        case ast.AsKind():
            return f"AS {clause.kind.upper()}"


def _natural(scope: Scope, target: Expression, *, is_static: bool, has_clause: bool) -> Task | None:
    """What the target is without a task clause."""
    span = scope.query.target.span
    if _is_list(target):
        if not has_clause:
            end = ast.Span(span.end, span.end)
            edits = () if span == ast.NOWHERE else scope.replaced(end, " RANK TOP 10")
            message = "a list needs to be ranked or classified"
            hint = "add RANK TOP k for the k most likely items, or CLASSIFY for a yes or no per value"
            scope.fault("missing_task_clause", message, span, hint=hint, edits=edits)
        return None
    if isinstance(target, BoundAggregate) and target.function == "TIME_TO":
        return Task(TaskKind.TIME_TO_EVENT, "TIME_TO: the time until the event, censored at the end of the window")
    if target.type is LogicalType.BOOLEAN:
        return Task(TaskKind.BINARY, _why_binary(target))
    column = _chosen_column(target)
    if column is not None:
        return _of_column(scope, column, span)
    if target.type is not None and target.type.is_number:
        name = f"{target.function}" if isinstance(target, BoundAggregate) else "an arithmetic expression"
        return Task(TaskKind.REGRESSION, f"{name}: a number")
    message = f"{in_words(target.type)} can't be predicted as it is"
    hint = "compare it with a constant, or ask TIME_TO(table.*, 0, 30, days) for when something happens"
    scope.fault("type_mismatch", message, span, hint=hint)
    return None


def _why_binary(target: Expression) -> str:
    if isinstance(target, BoundAggregate):
        return "EXISTS: yes or no" if target.function == "EXISTS" else f"{target.function} of a boolean: yes or no"
    if isinstance(target, ColumnRef):
        return f"{target.column}: a boolean column"
    return "a condition: yes or no"


def _chosen_column(target: Expression) -> ColumnRef | None:
    """The column of which the target is one value, if it is one."""
    if isinstance(target, ColumnRef):
        return target
    if isinstance(target, BoundAggregate) and FUNCTIONS[target.function].picks:
        return target.argument if isinstance(target.argument, ColumnRef) else None
    return None


def _of_column(scope: Scope, column: ColumnRef, span: ast.Span) -> Task | None:
    found = scope.catalog.table(column.table).column(column.column)
    count = "" if found.distinct is None else f", {found.distinct:,} distinct values"
    link = foreign_key(scope, column.table, column.column)
    if link is not None:
        reason = f"{column.column}: points to {link.parent}{count}: a class"
        return Task(TaskKind.MULTICLASS, reason, item_of(scope, column))
    if column.type is LogicalType.TIMESTAMP:
        message = f"{column.table}.{column.column} is a timestamp; it can't be predicted as it is"
        scope.fault("type_mismatch", message, span, hint="compare it with a date, or ask TIME_TO(table.*, 0, 30, days)")
        return None
    if column.type.is_number and column.stype not in (Stype.ID, Stype.CATEGORY):
        reason = f"{column.column}: {column.type.value}{count}: a number"
        if column.type is LogicalType.INTEGER:
            reason += "; `AS CLASS` makes it a class"
        return Task(TaskKind.REGRESSION, reason)
    if column.stype is Stype.TEXT:
        scope.warnings.append(
            f"{column.table}.{column.column} is free text{count}: its most frequent values are the classes"
        )
    kind = (
        "an id" if column.stype is Stype.ID else "a category" if column.stype is Stype.CATEGORY else column.type.value
    )
    reason = f"{column.column}: {kind}{count}: a class"
    if column.type.is_number:
        reason += "; `AS NUMBER` makes it a number"
    return Task(TaskKind.MULTICLASS, reason, item_of(scope, column))


def _ranked(scope: Scope, clause: ast.RankTop, target: Expression) -> Task | None:
    k = clause.k
    shown = 10 if not isinstance(k, int) or k < 1 else k
    better = scope.replaced(clause.span, f"RANK TOP {shown}")
    if not clause.has_rank:
        scope.fault("top_without_rank", "TOP needs RANK before it", clause.span, hint=f"RANK TOP {shown}", edits=better)
        return None
    if k is None:
        message = "RANK needs TOP and how many"
        scope.fault("rank_without_top", message, clause.span, hint="RANK TOP 10", edits=better)
        return None
    if isinstance(k, int) and k < 1:
        message = f"RANK TOP {k}: at least 1 item must be asked for"
        scope.fault("top_not_positive", message, clause.span, hint="RANK TOP 10", edits=better)
        return None
    if not _is_list(target):
        _refuse_rank(scope, clause, target, shown)
        return None
    assert isinstance(target, BoundAggregate)
    if not isinstance(target.argument, ColumnRef):
        message = "only values of a column can be ranked"
        scope.fault("type_mismatch", message, scope.query.target.span, hint="name one column inside LIST_DISTINCT")
        return None
    if isinstance(k, ast.Parameter):
        return None
    item = item_of(scope, target.argument)
    what = f"rows of {item.table}" if item.table else f"values of {target.argument.column}"
    return Task(TaskKind.RANKING, f"RANK TOP {k}: {what} in order of likelihood", item, k)


def _refuse_rank(scope: Scope, clause: ast.RankTop, target: Expression, k: int) -> None:
    edits: tuple[Edit, ...] = scope.removed(clause.span)
    if target.type is LogicalType.BOOLEAN:
        what, order = "a yes or no", "probability"
    elif target.type is not None and target.type.is_number and not _is_class(target):
        what, order = "a number", "prediction"
    else:
        message = "RANK TOP orders a list of items; this target has one value"
        hint = "RETURN DISTRIBUTION gives every class with its probability; LIST_DISTINCT(…) RANK TOP k ranks items"
        scope.fault("rank_on_scalar", message, clause.span, hint=hint, edits=edits)
        return
    message = f"RANK TOP orders a list of items; this target is {what} per entity"
    hint = f"take the first rows with SQL: SELECT * FROM (PREDICT …) ORDER BY {order} DESC LIMIT {k}"
    if order == "prediction" and scope.query.alias is not None:
        name = scope.query.alias.text
        order = name if quoted(name) == name else '"' + name.replace('"', '""') + '"'
    around = f"SELECT * FROM ({{}}) ORDER BY {order} DESC LIMIT {k}"
    scope.fault("rank_on_scalar", message, clause.span, hint=hint, edits=edits, around=around)


def _is_class(target: Expression) -> bool:
    column = _chosen_column(target)
    return column is not None and column.stype in (Stype.ID, Stype.CATEGORY)


def _classified(scope: Scope, clause: ast.Classify, target: Expression) -> Task | None:
    if not _is_list(target):
        message = "CLASSIFY gives a yes or no per value of a list; this target has one value"
        hint = "leave it out; AS CLASS makes a number a class"
        scope.fault("clause_conflict", message, clause.span, hint=hint, edits=scope.removed(clause.span))
        return None
    assert isinstance(target, BoundAggregate)
    if not isinstance(target.argument, ColumnRef):
        message = "only values of a column can be classes"
        scope.fault("type_mismatch", message, scope.query.target.span, hint="name one column inside LIST_DISTINCT")
        return None
    item = item_of(scope, target.argument)
    return Task(TaskKind.MULTILABEL, f"CLASSIFY: a yes or no for each value of {target.argument.column}", item)


def _forecast(scope: Scope, clause: ast.Forecast, natural: Task | None, *, is_static: bool) -> Task | None:
    faulty = False
    if isinstance(clause.steps, int) and clause.steps < 1:
        edits = scope.replaced(clause.span, "FORECAST 1 TIMEFRAMES")
        message = f"FORECAST {clause.steps}: at least one timeframe must be asked for"
        scope.fault("forecast_not_positive", message, clause.span, hint="FORECAST 1 TIMEFRAMES", edits=edits)
        faulty = True
    if is_static:
        message = "FORECAST repeats the target's window, and a column has none"
        edits = scope.removed(clause.span)
        scope.fault("forecast_needs_window", message, clause.span, hint="aggregate over a window", edits=edits)
        return None
    if natural is None or natural.kind is not TaskKind.REGRESSION:
        what = "a list" if natural is None else natural.kind.value.replace("_", " ")
        message = f"FORECAST needs a number, this target is {what}"
        edits = scope.removed(clause.span)
        scope.fault("forecast_needs_number", message, clause.span, hint="forecast SUM, COUNT, AVG …", edits=edits)
        return None
    if faulty or isinstance(clause.steps, ast.Parameter):
        return None
    reason = f"FORECAST {clause.steps}: {natural.reason} in each of {clause.steps} windows"
    return Task(TaskKind.FORECAST, reason, steps=clause.steps)


def _as_kind(scope: Scope, clause: ast.AsKind, target: Expression, natural: Task) -> Task | None:
    away = scope.removed(clause.span)
    same = {TaskKind.MULTICLASS: "class", TaskKind.REGRESSION: "number"}.get(natural.kind)
    if same == clause.kind:
        message = f"AS {clause.kind.upper()} would change nothing ({natural.reason})"
        scope.fault("no_effect", message, clause.span, hint="leave it out", edits=away)
        return None
    if same is None:
        message = f"AS {clause.kind.upper()} does not fit a target that is {natural.kind.value.replace('_', ' ')}"
        scope.fault("clause_conflict", message, clause.span, hint="leave it out", edits=away)
        return None
    column = _chosen_column(target)
    if clause.kind == "class":
        item = None if column is None else item_of(scope, column)
        return Task(TaskKind.MULTICLASS, "AS CLASS: each value is a class", item)
    if target.type is None or not target.type.is_number:
        message = f"AS NUMBER needs a number, this is {in_words(target.type)}"
        scope.fault("type_mismatch", message, clause.span, hint="leave it out", edits=away)
        return None
    return Task(TaskKind.REGRESSION, "AS NUMBER: read as a number")


def is_constant(expression: Expression | None) -> bool:
    """Whether an expression reads no data at all."""
    if isinstance(expression, Call):
        return all(is_constant(argument) for argument in expression.args)
    return isinstance(expression, Constant)
