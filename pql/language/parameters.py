"""Parameters: `:name` and `?` are replaced by values in the tree, never pasted into text."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pql.language import ast
from pql.language.errors import Fault

Parameters = Mapping[str, Any] | Sequence[Any] | None
MOST_VALUES = 10_000
_WHOLE_NUMBERS = frozenset({"start", "end", "k", "steps", "n"})


def fill(query: ast.Predict, params: Parameters) -> tuple[ast.Predict, list[Fault]]:
    """The query with every parameter replaced by its value, and the faults met (unbound, of a wrong kind)."""
    faults: list[Fault] = []
    filled = _walk(query, params, faults)
    return filled, faults


def plain(value: Any) -> Any:
    """A Python value as the language knows it; raises TypeError for anything else.

    scalars of numpy become Python's, aware timestamps naive UTC, UUIDs their text, non-finite floats None.
    """
    if is_missing(value):
        return None
    value = unpacked(value)
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dt.datetime):
        return naive_utc(value)
    if isinstance(value, dt.date):
        return value
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def is_missing(value: Any) -> bool:
    """True of pandas' NA and NaT, which stand for no value."""
    return type(value).__name__ in ("NAType", "NaTType")


def listed(value: Any) -> Any:
    """The values of a list, set, array or Series as a list; anything else as it is."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    is_series = getattr(value, "ndim", 0) == 1 or hasattr(value, "to_pylist") or hasattr(value, "to_list")
    if isinstance(value, list | tuple) or (is_series and not isinstance(value, str | bytes)):
        values = value.to_pylist() if hasattr(value, "to_pylist") else value
        return list(values)
    return value


def bound(value: Any) -> Any:
    """A value as DuckDB binds it: lists of arrays and Series, Python's own of numpy's and pandas'."""
    several = listed(value)
    if isinstance(several, list):
        return [bound(one) for one in several]
    return None if is_missing(value) else unpacked(value)


def unpacked(value: Any) -> Any:
    """What a scalar of numpy, Arrow or polars holds; anything else as it is."""
    if getattr(getattr(value, "dtype", None), "kind", "") == "M" and value.ndim == 0:
        value = value.astype("datetime64[us]")  # of nanoseconds `item` makes a number
    if hasattr(value, "as_py"):
        return value.as_py()
    if hasattr(value, "item") and not isinstance(value, str | bytes) and getattr(value, "ndim", 0) == 0:
        return value.item()
    return value


def naive_utc(moment: dt.datetime) -> dt.datetime:
    """The same moment without a zone, in UTC; naive moments are UTC already."""
    return moment if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None)


def _value(node: ast.Parameter, params: Parameters, faults: list[Fault]) -> tuple[bool, Any]:
    shown = f":{node.name}" if node.name is not None else "?"
    if node.name is not None and isinstance(params, Mapping):
        if node.name in params:
            return True, params[node.name]
        hint = (
            "given are: " + ", ".join(f":{name}" for name in params) if params else f"pass params={{'{node.name}': …}}"
        )
    elif node.index is not None and isinstance(params, Sequence) and not isinstance(params, str):
        if node.index < len(params):
            return True, params[node.index]
        hint = f"{len(params)} values were given, this is number {node.index + 1}"
    elif node.name is not None:
        hint = f"pass params={{'{node.name}': …}}"
    else:
        hint = "pass params=[…], one value for each ?"
    faults.append(Fault("unbound_parameter", f"the parameter {shown} has no value", node.span, hint))
    return False, None


def _literal(value: Any, node: ast.Parameter, faults: list[Fault]) -> ast.Expression:
    value = listed(value)
    if isinstance(value, list):
        items = value
        if len(items) > MOST_VALUES:
            message = f"the list has {len(items)} values; {MOST_VALUES} are allowed"
            faults.append(Fault("too_many_values", message, node.span, "ask in several queries, or use WHERE"))
            return node
        if not items:
            faults.append(Fault("empty_list", "the list is empty", node.span, "give at least one value"))
            return node
        return ast.ListOf(tuple(_literal(item, node, faults) for item in items), node.span)
    try:
        return ast.Literal(plain(value), node.span)
    except TypeError as error:
        message = f"a parameter can't be of type {error}"
        hint = "give a number, a string, a boolean, a date, a timestamp, a UUID, None, or a list of them"
        faults.append(Fault("parameter_type", message, node.span, hint))
        return node


def _number(node: ast.Parameter, params: Parameters, faults: list[Fault], *, whole: bool) -> Any:
    found, value = _value(node, params, faults)
    if not found:
        return node
    try:
        value = plain(value)
    except TypeError:
        value = None
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        wanted = "a whole number" if whole else "a number"
        faults.append(
            Fault(
                "parameter_type",
                f"{wanted} is needed here, not {value!r}",
                node.span,
                hint="pass a plain number in params",
            )
        )
        return node
    return -value if node.is_negated else value


def _walk(node: Any, params: Parameters, faults: list[Fault], name: str = "") -> Any:
    if isinstance(node, ast.Parameter):
        if name in _WHOLE_NUMBERS or name == "levels":
            return _number(node, params, faults, whole=name != "levels")
        found, value = _value(node, params, faults)
        return _literal(value, node, faults) if found else node
    if isinstance(node, tuple):
        return tuple(_walk(item, params, faults, name) for item in node)
    if isinstance(node, ast.Span | ast.Literal | ast.Identifier) or not dataclasses.is_dataclass(node):
        return node
    changes = {}
    for field in dataclasses.fields(node):
        before = getattr(node, field.name)
        after = _walk(before, params, faults, field.name)
        if after is not before:
            changes[field.name] = after
    return dataclasses.replace(node, **changes) if changes else node  # type: ignore[type-var]
