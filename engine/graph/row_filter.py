"""Which rows of a table pass a bound condition, read from the graph's columns with SQL's three-valued logic."""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.temporal import ALWAYS, TemporalGraph
from pql.language.bound import Call, ColumnRef, Constant, Expression, Scalar
from pql.language.catalog import Stype

Truth = tuple[NDArray[np.bool_], NDArray[np.bool_]]  # (is true, is NULL)
_EPOCH = dt.datetime(1970, 1, 1)
_ARITHMETIC = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "neg": np.negative}
_COMPARE = {"=", "!=", "<", "<=", ">", ">="}


class _CannotTell(Exception):
    """The graph's columns do not hold what the condition asks for."""


def rows_that_pass(graph: TemporalGraph, table: int, where: Expression) -> NDArray[np.bool_] | None:
    """bool[n] for the rows of `table` for which `where` is true; None where the graph's columns cannot tell."""
    try:
        return _truth(graph, table, where)[0]
    except _CannotTell:
        return None


def numbers_of(graph: TemporalGraph, table: int, expression: Expression) -> NDArray[np.float64] | None:
    """float64[n]: a number for each row of `table`, NaN for NULL; None where the graph's columns cannot tell."""
    try:
        return _number(graph, table, expression)
    except _CannotTell:
        return None


def _number(graph: TemporalGraph, table: int, expression: Expression) -> NDArray[np.float64]:
    if isinstance(expression, Constant) and isinstance(expression.value, int | float):
        return np.full(len(graph.nodes[table]), float(expression.value))
    if isinstance(expression, ColumnRef):
        values, null = _values(graph, table, expression)
        if values.dtype != np.float64:
            raise _CannotTell
        return np.where(null, np.nan, values)
    if not isinstance(expression, Call) or expression.op not in _ARITHMETIC:
        raise _CannotTell
    parts = [_number(graph, table, one) for one in expression.args]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = _ARITHMETIC[expression.op](*parts)
    return np.where(np.isfinite(found), found, np.nan)


def _truth(graph: TemporalGraph, table: int, expression: Expression) -> Truth:
    if isinstance(expression, ColumnRef):
        values, null = _values(graph, table, expression)
        if values.dtype != np.float64:
            raise _CannotTell
        return ~null & (values == 1), null
    if not isinstance(expression, Call):
        raise _CannotTell
    op, args = expression.op, expression.args
    if op in ("and", "or"):
        return _connect(op, [_truth(graph, table, a) for a in args])
    if op == "not":
        true, null = _truth(graph, table, args[0])
        return ~true & ~null, null
    if not isinstance(args[0], ColumnRef):
        raise _CannotTell
    values, null = _values(graph, table, args[0])
    if op == "is_null":
        return null, np.zeros(len(null), dtype=bool)
    if not all(isinstance(a, Constant) for a in args[1:]):
        raise _CannotTell
    constants = [a.value for a in args[1:] if isinstance(a, Constant)]
    if op == "in":
        listed = constants[0] if isinstance(constants[0], tuple) else (constants[0],)
        return _connect("or", [_compare("=", values, null, v) for v in listed])
    if op == "between":
        low, high = constants
        return _connect("and", [_compare(">=", values, null, low), _compare("<=", values, null, high)])
    if op in _COMPARE and len(constants) == 1:
        return _compare(op, values, null, constants[0])
    raise _CannotTell


def _connect(op: str, parts: list[Truth]) -> Truth:
    true, null = parts[0]
    for other_true, other_null in parts[1:]:
        false, other_false = ~true & ~null, ~other_true & ~other_null
        if op == "and":
            true = true & other_true
            null = ~true & ~(false | other_false)
        else:
            true = true | other_true
            null = ~true & ~(false & other_false)
    return true, null


def _values(graph: TemporalGraph, table: int, ref: ColumnRef) -> tuple[NDArray, NDArray[np.bool_]]:
    """The column's values for every row of `table` (float64, int64 µs or object), and where they are NULL."""
    rows = np.arange(len(graph.nodes[table]))
    for step in ref.route:
        if not step.up:
            raise _CannotTell
        try:
            parent_of = graph.edge(step.link).parent_of
        except KeyError:
            raise _CannotTell from None
        rows = np.where(rows >= 0, parent_of[rows], -1) if len(parent_of) else np.full(len(rows), -1)
    try:
        column = graph.nodes[graph.index(ref.table)].column(ref.column)
    except KeyError:
        raise _CannotTell from None
    data = column.data[rows] if len(column.data) else np.full(len(rows), -1)
    gone = rows < 0
    if column.values is not None:
        words = np.empty(len(column.values) + 1, dtype=object)
        words[:-1] = column.values.to_pylist()
        return words[data], gone | (data < 0)
    if column.stype is Stype.TIMESTAMP:
        return data, gone | (data == ALWAYS)
    return data, gone | np.isnan(data)


def _compare(op: str, values: NDArray, null: NDArray[np.bool_], constant: Scalar | tuple[Scalar, ...]) -> Truth:
    if constant is None:
        return np.zeros(len(values), dtype=bool), np.ones(len(values), dtype=bool)
    if values.dtype == object:
        if not isinstance(constant, str):
            raise _CannotTell
        distinct = set(values[~null])
        if not all(isinstance(v, str) for v in distinct):
            raise _CannotTell
        passing = {v for v in distinct if _holds(op, v, constant)}
        true = np.fromiter((v in passing for v in values), dtype=bool, count=len(values)) & ~null
        return true, null
    if isinstance(constant, dt.datetime):
        if values.dtype != np.int64:
            raise _CannotTell
        constant = (constant - _EPOCH) // dt.timedelta(microseconds=1)
    if not isinstance(constant, int | float) or (values.dtype == np.int64 and not isinstance(constant, int)):
        raise _CannotTell
    with np.errstate(invalid="ignore"):
        return np.asarray(_holds(op, values, constant), dtype=bool) & ~null, null


def _holds(op: str, left, right):  # type: ignore[no-untyped-def]
    if op == "=":
        return left == right
    if op == "!=":
        return left != right
    if op == "<":
        return left < right
    if op == "<=":
        return left <= right
    return left > right if op == ">" else left >= right
