"""Why a query found nobody, or nothing to learn from: which of its conditions leaves how many rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pql.language.bound import BoundAggregate, Call, ColumnRef, Expression
from pql.language.catalog import LogicalType
from pql.language.errors import Fault, PqlError

if TYPE_CHECKING:
    from pql.backends.base import Snapshot
    from pql.engine.graph.history import History
    from pql.engine.planning.plan import Plan

SHOWN = 6  # conditions, and columns
WANTING = frozenset({"no_entities", "no_labels", "too_few_labels"})
NONE_OF_NONE = frozenset({"AVG", "MIN", "MAX", "FIRST", "LAST", "MEDIAN", "STDDEV", "LIST_DISTINCT", "ARRAY_AGG"})


def told_why(error: PqlError, snapshot: Snapshot, plan: Plan) -> PqlError:
    """An error for want of rows with what the conditions of the query leave, and the values that no row has."""
    from pql.engine.labels.unseen import told_of_values

    query = plan.query
    if error.code in WANTING and len(error.faults) == 1:
        from pql.pipeline import history_of

        told, hint = _nobody(history_of(snapshot, plan), plan, error.code)
        fault = error.faults[0]
        message = f"{fault.message.rstrip('.')}.{told}" if told else fault.message
        error = PqlError.of([Fault(fault.code, message, fault.span, hint or fault.hint, fault.fix, fault.nearest)])
    return told_of_values(error, snapshot, query, plan.split.prediction)


def _nobody(history: History, plan: Plan, code: str) -> tuple[str, str]:
    """A sentence on what the conditions leave, and a better hint, if there is one."""
    from pql.bound_text import expression_text

    query, table = plan.query, plan.query.entity.table
    now = code == "no_entities"
    anchors = (plan.split.prediction,) if now or query.is_static else plan.split.times("train", "valid")
    where = "there" if now and not query.is_static else "in all" if query.is_static else "at the training anchors"
    everybody = _held(history, plan, anchors, None)
    if not everybody:
        empty = f" {table} has no row {'at all' if query.catalog.table(table).rows == 0 else 'there'}."
        hint = f"Fill {table}, or ask about another table." if query.catalog.table(table).rows == 0 else ""
        return (empty, hint) if now else ("", "")
    parts = _parts(query.where)
    found = [(expression_text(part), _held(history, plan, anchors, part)) for part in parts]
    counted = [f"{text} holds for {_number(n)}" for text, n in found[:SHOWN]]
    together = _held(history, plan, anchors, query.where) if parts else everybody
    if len(parts) > 1 and all(n for _, n in found):
        counted.append(f"all of it for {_number(together)}")
    told = f" Of {everybody:,} rows of {table} {where}, {', '.join(counted)}." if counted else ""
    if now or not together:
        return told, ""
    return _undefined(history, plan, anchors, told, together)


def _undefined(history: History, plan: Plan, anchors: Sequence[int], told: str, together: int) -> tuple[str, str]:
    """What leaves the label undefined where WHERE holds."""
    from pql.bound_text import expression_text

    query = plan.query
    target = query.target
    if isinstance(target, BoundAggregate) and target.function in NONE_OF_NONE:
        return f"{told} {target.function} of a window that holds no such value is undefined.", ""
    if not query.is_static:
        return told, ""
    hint = ""
    for column in list(dict.fromkeys(_columns(target)))[:SHOWN]:
        missing = Call("is_null", (column,), LogicalType.BOOLEAN)
        if n := _held(history, plan, anchors, _both(query.where, missing)):
            name = expression_text(column)
            told += f" {name}, which the target reads, has no value in {_number(n)} of {together:,}."
            if any(part == missing for part in _parts(query.where)):
                hint = f"Leave out {name} IS NULL: rows with a value teach, and those without one are answered as well."
    return told, hint


def _held(history: History, plan: Plan, anchors: Sequence[int], where: Expression | None) -> int:
    """For how many rows a condition holds at the anchors together."""
    from pql.engine.labels.training_table import compute_eligible

    changed = replace(plan, query=replace(plan.query, where=where))
    return int(compute_eligible(history, changed, anchors).eligible.sum())


def _parts(where: Expression | None) -> tuple[Expression, ...]:
    if where is None:
        return ()
    return where.args if isinstance(where, Call) and where.op == "and" else (where,)


def _both(where: Expression | None, other: Expression) -> Expression:
    return Call("and", (*_parts(where), other), LogicalType.BOOLEAN) if where is not None else other


def _columns(node: Expression | None) -> Iterator[ColumnRef]:
    if isinstance(node, ColumnRef):
        yield node
    elif isinstance(node, Call):
        for part in node.args:
            yield from _columns(part)


def _number(n: int) -> str:
    return f"{n:,}" if n else "none"
