"""The clauses beside target and entity: filters, tables, times, what is returned."""

from __future__ import annotations

import dataclasses
import datetime as dt

from pql.language import ast
from pql.language.aggregates import bind_aggregate
from pql.language.bound import Call, ColumnRef, Constant, Expression, TaskKind
from pql.language.expressions import Place, bind_condition
from pql.language.moments import HINT, as_moment
from pql.language.names import singulars
from pql.language.scope import Edit, Scope, find_column, find_table, quoted
from pql.language.tasks import aggregates_in, columns_in, is_constant


def bind_using(scope: Scope) -> tuple[str, ...] | None:
    """The tables of USING, with the entity's own and, of a virtual table and the one enriching it, both."""
    if scope.query.using is None:
        return None
    names: list[str] = []
    for name in scope.query.using:
        is_free = not any(singulars(table.name) & {"model"} for table in scope.catalog.tables)
        if name.text.upper() == "MODEL" and not name.quoted and is_free:
            message = "USING MODEL is not followed by the name of a kept model"
            scope.fault("missing_name", message, name.span, hint="SHOW MODELS lists them")
            return None
        table = find_table(scope, name)
        if table is not None:
            names.append(table.name)
    for table in scope.catalog.tables:
        if table.enriches is not None and (table.name in names or table.enriches in names):
            names += [table.enriches, table.name]
    if scope.entity is not None:
        names.append(scope.entity.name)
    return tuple(dict.fromkeys(names))


def bind_ignoring(scope: Scope) -> frozenset[tuple[str, str]]:
    found = [find_column(scope, name) for name in scope.query.ignoring]
    return frozenset((hit[0].name, hit[1].name) for hit in found if hit is not None)


def bind_where(scope: Scope, entity: str) -> Expression | None:
    """The entity filter: columns of its row and of rows it points to, and past aggregates."""
    node = scope.query.where
    if node is None:
        return None
    bound = bind_condition(scope, node, Place(entity, "filter", bind_aggregate))
    if bound is not None and is_constant(bound):
        message = "this condition is the same for every entity: it would change nothing"
        edits = scope.without("WHERE", node.span)
        scope.fault("constant_condition", message, node.span, hint="compare a column, or leave WHERE out", edits=edits)
    return bound


def bind_assuming(scope: Scope, entity: str, *, is_static: bool) -> Expression | None:
    """ASSUMING: a condition on future windows, or `entity.column = constant`."""
    node = scope.query.assuming
    if node is None:
        return None
    bound = bind_condition(scope, node, Place(entity, "assuming", bind_aggregate))
    if bound is None:
        return None
    aggregates = aggregates_in(bound)
    past = [a for part in _conjuncts(bound) for a in aggregates_in(part) if not _speaks_of_the_future(part)]
    if past:
        message = "ASSUMING speaks of the future; what has happened already belongs in WHERE"
        edits: tuple[Edit, ...] = ()
        before = scope.text[: node.span.start] if node.span != ast.NOWHERE else ""
        at = before.upper().rfind("ASSUMING")
        if at >= 0 and scope.query.where is None and len(past) == len(aggregates):
            edits = (Edit(at, at + len("ASSUMING"), "WHERE"),)
        scope.fault("assuming_past", message, past[0].span, hint="use WHERE", edits=edits)
        return None
    if is_static and aggregates:
        message = "the target is a column: it has no future that could be assumed"
        scope.fault("assuming_static", message, node.span, hint="leave ASSUMING out, or ask for an aggregate")
        return None
    if not aggregates and not _is_edit(bound):
        message = "ASSUMING sets a column of the entity to one constant, or states a condition on a future window"
        scope.fault("assuming_static", message, node.span, hint="write table.column = constant")
        return None
    if aggregates and columns_in(bound):
        message = "ASSUMING can't mix a column and a future window"
        scope.fault("mixed_static_temporal", message, node.span, hint="keep one; a column's condition fits WHERE")
        return None
    names = [] if aggregates else [f"{column.table}.{column.column}" for column in columns_in(bound)]
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        scope.fault("clause_conflict", f"ASSUMING sets {twice[0]} twice", node.span, hint="keep one of the two")
        return None
    return bound


def _conjuncts(bound: Expression) -> tuple[Expression, ...]:
    """The conditions that AND joins, each of which must hold."""
    if isinstance(bound, Call) and bound.op == "and":
        return tuple(part for argument in bound.args for part in _conjuncts(argument))
    return (bound,)


def _speaks_of_the_future(condition: Expression) -> bool:
    """Whether something in a condition lies in the future; it may be compared with the past."""
    return any(aggregate.window.is_future for aggregate in aggregates_in(condition))


def _is_edit(bound: Expression) -> bool:
    """`column = constant`, `column IS NULL`, a boolean column or NOT of one, or several of these joined by AND."""
    if not isinstance(bound, Call):
        return isinstance(bound, ColumnRef)
    if bound.op == "and":
        return all(_is_edit(argument) for argument in bound.args)
    if bound.op in ("is_null", "not"):
        return isinstance(bound.args[0], ColumnRef)
    return bound.op == "=" and isinstance(bound.args[0], ColumnRef) and isinstance(bound.args[1], Constant)


def bind_moment(scope: Scope, node: ast.Expression | dt.date | str, what: str) -> dt.datetime | None:
    """A timestamp of AS OF or AT, naive UTC."""
    if isinstance(node, ast.Parameter):
        return None
    found = as_moment(node.value if isinstance(node, ast.Literal) else node)
    if found is None:
        span = ast.NOWHERE if isinstance(node, dt.date | str) else node.span
        scope.fault("invalid_literal", f"{what} needs a date or a timestamp", span, hint=HINT)
    return found


def bind_as_of(scope: Scope, given: dt.date | str | None) -> dt.datetime | None:
    clause = scope.query.as_of
    written = None if clause is None else bind_moment(scope, clause.when, "AS OF")
    passed = None if given is None else bind_moment(scope, given, "as_of")
    if clause is not None and written is not None and passed is not None and written != passed:
        message = f"the query says AS OF {written}, as_of says {passed}"
        scope.fault("clause_conflict", message, clause.span, hint="say it once")
    return written or passed


def bind_levels(scope: Scope, task: TaskKind | None) -> tuple[float, ...]:
    """RETURN: whether the form fits the task; the quantiles asked for, or the interval's one probability."""
    clause = scope.query.returning
    if clause is None:
        return ()
    fits = {
        "quantiles": (TaskKind.REGRESSION, TaskKind.FORECAST),
        "interval": (TaskKind.REGRESSION, TaskKind.FORECAST),
        "probability": (TaskKind.BINARY, TaskKind.MULTICLASS, TaskKind.TIME_TO_EVENT),
        "distribution": (TaskKind.MULTICLASS,),
        "expected value": (TaskKind.REGRESSION, TaskKind.FORECAST),
    }[clause.form]
    if task is not None and task not in fits:
        names = " and ".join(kind.value.replace("_", " ") for kind in fits)
        message = f"RETURN {clause.form.upper()} belongs to {names}; this is {task.value.replace('_', ' ')}"
        edits = scope.removed(clause.span)
        scope.fault("clause_conflict", message, clause.span, hint="leave it out", edits=edits)
    levels = tuple(float(level) for level in clause.levels if isinstance(level, int | float))
    bad = [level for level in levels if not 0 < level < 1]
    if bad:
        better = [level if 0 < level < 1 else level / 100 for level in levels if 0 < level < 1 or 2 <= level < 100]
        shown = ", ".join(f"{level:g}" for level in dict.fromkeys(better))
        edits = ()
        if better and clause.form == "quantiles":
            edits = scope.replaced(clause.span, f"RETURN QUANTILES ({shown})")
        elif clause.form == "interval":
            edits = scope.replaced(clause.span, f"RETURN INTERVAL {shown or '0.9'}")
        verb = "is" if len(bad) == 1 else "are"
        message = f"{', '.join(f'{level:g}' for level in bad)} {verb} not between 0 and 1"
        scope.fault("quantile_range", message, clause.span, hint="0.9 means 90 %", edits=edits)
        return ()
    return tuple(sorted(set(levels)))


def check_using(scope: Scope, using: tuple[str, ...] | None) -> None:
    """Every table the query reads by name must be among those of USING."""
    if using is None or not scope.query.using:
        return
    end = scope.query.using[-1].span.end
    for table, span in scope.touched.items():
        if table not in using:
            edits = () if end == 0 else (Edit(end, end, f", {quoted(table)}"),)
            message = f"the query reads {table}, which USING leaves out"
            scope.fault("using_misses_target", message, span, hint=f"add {table} to USING", edits=edits)


def check_ignoring(scope: Scope, using: tuple[str, ...] | None) -> None:
    """Each column of IGNORING would be read without it: it is named once, and of a table of USING."""
    seen: set[tuple[str, str]] = set()
    for name in scope.query.ignoring:
        found = find_column(dataclasses.replace(scope, findings=[]), name)
        if found is None:
            continue
        table, column = found[0].name, found[1].name
        why = ""
        if (table, column) in seen:
            why = "it is named already"
        elif using is not None and table not in using:
            why = f"USING leaves {table} out"
        seen.add((table, column))
        if why:
            message = f"IGNORING {table}.{column} would change nothing: {why}"
            scope.fault("no_effect", message, name.span, hint="leave it out", edits=_unlisted(scope, name))


def _unlisted(scope: Scope, name: ast.ColumnName) -> tuple[Edit, ...]:
    """The edit that takes one name out of IGNORING, the clause with it where it is the only one."""
    names = scope.query.ignoring
    if name.span == ast.NOWHERE:
        return ()
    index = next(i for i, other in enumerate(names) if other is name)
    if index > 0:
        return (Edit(names[index - 1].span.end, name.span.end, ""),)
    if len(names) > 1:
        return (Edit(name.span.start, names[1].span.start, ""),)
    start = scope.text[: name.span.start].upper().rindex("IGNORING")
    return scope.removed(ast.Span(start, name.span.end))
