"""What the oracle takes values, expressions and aggregations to mean: NULL is None, truth has three values."""

from __future__ import annotations

import calendar
import datetime as dt
import math
import re
import statistics
from collections.abc import Callable
from typing import Any

from pql.language import ast

Column = Callable[[ast.ColumnName], Any]


def clean(value: Any) -> Any:
    """Non-finite numbers are NULL; a date is its midnight."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shift(moment: dt.datetime, n: int, unit: str) -> dt.datetime:
    """A moment moved by whole units; months and years keep the day, or take the month's last."""
    if unit in ("months", "years"):
        month = moment.month - 1 + n * (12 if unit == "years" else 1)
        year, month = moment.year + month // 12, month % 12 + 1
        return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))
    return moment + dt.timedelta(**{unit: n})


def evaluate(node: Any, column: Column, aggregates: Callable[[ast.Aggregate], Any] | None) -> Any:
    """The value of an expression; NULL in gives NULL out, but in AND, OR, IS NULL and IN."""

    def of(child: Any) -> Any:
        return evaluate(child, column, aggregates)

    match node:
        case ast.Literal(value=value):
            return clean(value)
        case ast.ColumnName():
            return column(node)
        case ast.Aggregate():
            assert aggregates is not None
            return aggregates(node)
        case ast.Not(operand=operand):
            return negate(of(operand))
        case ast.And(items=items):
            truths = [of(item) for item in items]
            return False if False in truths else (None if None in truths else True)
        case ast.Or(items=items):
            truths = [of(item) for item in items]
            return True if True in truths else (None if None in truths else False)
        case ast.IsNull(operand=operand, negated=negated):
            return (of(operand) is None) != negated
        case ast.Between(operand=operand, low=low, high=high, negated=negated):
            value, least, most = of(operand), of(low), of(high)
            above = None if value is None or least is None else value >= least
            below = None if value is None or most is None else value <= most
            inside = False if False in (above, below) else (None if None in (above, below) else True)
            return negate(inside) if negated else inside
        case ast.InList(operand=operand, items=items, negated=negated):
            value, listed = of(operand), [of(item) for item in items.items]
            if value is None:
                return None
            found = (
                True if value in [item for item in listed if item is not None] else (None if None in listed else False)
            )
            return negate(found) if negated else found
    parts = [of(getattr(node, name)) for name in ("left", "right", "operand", "pattern") if hasattr(node, name)]
    if None in parts:
        return None
    match node:
        case ast.Negate():
            return -parts[0]
        case ast.Comparison(op=op):
            return compare(op, *parts)
        case ast.Arithmetic(op=op):
            return clean(calculate(op, float(parts[0]), float(parts[1])))
        case ast.Match(op=op, negated=negated):
            return matches(op, *parts) != negated
    raise TypeError(f"no meaning for {node}")


def negate(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def compare(op: str, left: Any, right: Any) -> bool:
    if isinstance(left, dt.datetime) and isinstance(right, str):
        right = dt.datetime.fromisoformat(right)
    return {
        "=": left == right,
        "!=": left != right,
        "<": op == "<" and left < right,
        "<=": op == "<=" and left <= right,
        ">": op == ">" and left > right,
        ">=": op == ">=" and left >= right,
    }[op]


def calculate(op: str, left: float, right: float) -> float | None:
    if op in "/%" and right == 0:
        return None
    if op == "%":
        return math.fmod(left, right)
    return {"+": left + right, "-": left - right, "*": left * right, "/": left / (right or 1)}[op]


def matches(op: str, text: str, pattern: str) -> bool:
    if op == "LIKE":
        wild = {"%": ".*", "_": "."}
        return re.fullmatch("".join(wild.get(c, re.escape(c)) for c in pattern), text, re.DOTALL) is not None
    return {"CONTAINS": pattern in text, "STARTS WITH": text.startswith(pattern), "ENDS WITH": text.endswith(pattern)}[
        op
    ]


def aggregate(function: str, rows: list[tuple[dt.datetime, list[Any], Any]]) -> Any:
    """One aggregation over (time, primary key, value)."""
    rows = [row for row in rows if row[2] is not None]
    values = [row[2] for row in rows]
    if function in ("COUNT", "EXISTS", "BOOL"):
        return len(values) if function == "COUNT" else bool(values)
    if function == "COUNT_DISTINCT":
        return len(set(values))
    if function == "SUM":
        return math.fsum(values)
    if function == "LIST_DISTINCT":
        return sorted(set(values))
    if function == "ARRAY_AGG":
        return [row[2] for row in sorted(rows)]
    if not values or (function == "STDDEV" and len(values) < 2):
        return None
    if function in ("FIRST", "LAST"):
        return sorted(rows)[0 if function == "FIRST" else -1][2]
    return {
        "AVG": statistics.fmean,
        "MIN": min,
        "MAX": max,
        "MEDIAN": statistics.median,
        "STDDEV": statistics.stdev,
    }[function](values)
