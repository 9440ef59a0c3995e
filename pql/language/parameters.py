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

    numpy scalars become Python's, aware timestamps naive UTC, UUIDs their text, non-finite floats None.
    """
    if hasattr(value, "item") and not isinstance(value, str | bytes) and getattr(value, "ndim", 0) == 0:
        value = value.item()
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
    if isinstance(value, list | tuple | set | frozenset) or getattr(value, "ndim", 0) == 1:
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else list(value)
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
        message = f"a parameter can't be a {error}"
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
