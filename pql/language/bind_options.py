"""The options of WITH: names, values, and the nearest ones to what was written (LANGUAGE §7)."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

from pql.language import ast
from pql.language.names import listed, nearest
from pql.language.options import MODELS, Duration, Options
from pql.language.scope import Edit, Scope

_NAMES = {field.name: field.name for field in fields(Options)} | {"budget": "budget_seconds"}
OPTION_NAMES = tuple("budget" if name == "budget_seconds" else name for name in _NAMES if name != "budget")
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_SHORT = {"s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "hr": "hour", "d": "day"}
_UNITS = ("second", "minute", "hour", "day", "week", "month", "year")
_RANGES = {
    "anchors": (1, 10_000),
    "hops": (0, 4),
    "hidden": (1, 4096),
    "layers": (1, 4),
    "epochs": (1, 1000),
    "seed": (0, 2**31 - 1),
    "threads": (1, 1024),
}


def bind_options(scope: Scope, options: tuple[ast.Option, ...]) -> Options:
    """The options of the query over the documented defaults; faults are noted and leave the default."""
    chosen = Options()
    seen: set[str] = set()
    hops_set = neighbors_set = None
    for option in options:
        name = option.name.text.lower()
        if name not in OPTION_NAMES:
            near = nearest(name, OPTION_NAMES)
            edits = scope.replaced(option.name.span, near[0]) if near else ()
            hint = f"did you mean {near[0]}?" if near else f"the options are: {listed(OPTION_NAMES, limit=30)}"
            message = f"there is no option {option.name.text}"
            scope.fault("unknown_option", message, option.name.span, hint=hint, edits=edits, near=near)
            continue
        if name in seen:
            edits = _without(scope, option)
            message = f"the option {name} is set twice"
            scope.fault("duplicate_option", message, option.span, hint="keep one", edits=edits)
            continue
        seen.add(name)
        value = _value(scope, name, option)
        if value is not None:
            chosen = replace(chosen, **{_NAMES[name]: value})
            if name == "hops":
                hops_set = option
            if name == "neighbors":
                neighbors_set = option
    return _matched(scope, chosen, hops_set, neighbors_set)


def _without(scope: Scope, option: ast.Option) -> tuple[Edit, ...]:
    """The edit that takes out an option that is not the first, with the comma before it."""
    if option.span == ast.NOWHERE:
        return ()
    return (Edit(scope.text.rindex(",", 0, option.span.start), option.span.end, ""),)


def _matched(scope: Scope, chosen: Options, hops: ast.Option | None, neighbors: ast.Option | None) -> Options:
    """Options with one number of neighbours per hop."""
    if chosen.neighbors is None or len(chosen.neighbors) == chosen.hops:
        return chosen
    if hops is None and len(chosen.neighbors) <= 4:
        return replace(chosen, hops=len(chosen.neighbors))
    assert neighbors is not None
    message = f"neighbors has {len(chosen.neighbors)} numbers, hops is {chosen.hops}"
    scope.fault("bad_option_value", message, neighbors.span, hint="give one number per hop, at most 4")
    return chosen


def _value(scope: Scope, name: str, option: ast.Option) -> Any:
    node = option.value
    if isinstance(node, ast.Parameter):
        return None
    raw: Any = None
    if isinstance(node, ast.Literal):
        raw = node.value
    elif isinstance(node, ast.ListOf) and name in ("budget", "step"):  # 7 days, without quotes
        raw = " ".join(str(item.value) for item in node.items if isinstance(item, ast.Literal))
    elif isinstance(node, ast.ListOf):
        raw = tuple(item.value if isinstance(item, ast.Literal) else None for item in node.items)
    elif isinstance(node, ast.ColumnName) and node.table is None:
        raw = node.column.text
    elif isinstance(node, ast.Negate) and isinstance(node.operand, ast.Literal):
        operand = node.operand.value
        raw = -operand if isinstance(operand, int | float) else None
    if name == "model":
        return _one_of(scope, option, raw, MODELS)
    if name == "cache":
        raw = {True: "on", False: "off"}.get(raw, raw) if isinstance(raw, bool) else raw
        return _one_of(scope, option, raw, ("on", "off", "refresh"))
    if name in ("refit", "first_seen", "co_occurrence"):
        if isinstance(raw, bool):
            return raw
        word = _one_of(scope, option, raw, ("on", "off"))
        return None if word is None else word == "on"
    if name == "budget":
        return _budget(scope, option, raw)
    if name == "step":
        return _step(scope, option, raw)
    if name == "neighbors":
        numbers = (raw,) if isinstance(raw, int) and not isinstance(raw, bool) else raw
        if isinstance(numbers, tuple) and numbers and all(type(n) is int and 1 <= n <= 512 for n in numbers):
            return numbers
        _refuse(scope, option, "a list of whole numbers from 1 to 512, one per hop", "(16, 16)")
        return None
    low, high = _RANGES[name]
    if type(raw) is int and low <= raw <= high:
        return raw
    closest = min(max(raw, low), high) if type(raw) is int else None
    _refuse(scope, option, f"a whole number from {low} to {high}", None if closest is None else str(closest))
    return None


def _one_of(scope: Scope, option: ast.Option, raw: Any, allowed: tuple[str, ...]) -> str | None:
    if isinstance(raw, str) and raw.lower() in allowed:
        return raw.lower()
    near = nearest(str(raw), allowed)
    quoted = f"'{near[0]}'" if near and isinstance(option.value, ast.Literal) else near[0] if near else None
    _refuse(scope, option, f"one of {listed(allowed, limit=20)}", quoted, near)
    return None


def _budget(scope: Scope, option: ast.Option, raw: Any) -> float | None:
    if isinstance(raw, int | float) and not isinstance(raw, bool) and 0 < raw <= 86_400:
        return float(raw)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", raw.lower()) if isinstance(raw, str) else None
    if found:
        unit = _SHORT.get(found[2], found[2].removesuffix("s"))
        seconds = float(found[1]) * _SECONDS.get(unit, 0.0)
        if 0 < seconds <= 86_400:
            return seconds
    _refuse(scope, option, "a time from 1 second to 24 hours", "'60 s'")
    return None


def _step(scope: Scope, option: ast.Option, raw: Any) -> Duration | None:
    if type(raw) is int and 0 < raw <= 36_500:
        return Duration(raw, "days")
    found = re.fullmatch(r"\s*(\d{1,6})\s*([a-z]+)\s*", raw.lower()) if isinstance(raw, str) else None
    if found and int(found[1]) > 0:
        unit = (
            found[2].removesuffix("s") if len(found[2]) > 2 else {**_SHORT, "w": "week", "y": "year"}.get(found[2], "")
        )
        if unit in _UNITS:
            return Duration(int(found[1]), unit + "s")
    _refuse(scope, option, "a duration of whole units, as in '7 days'", "'7 days'")
    return None


def _refuse(
    scope: Scope, option: ast.Option, wanted: str, better: str | None = None, near: tuple[str, ...] = ()
) -> None:
    span = option.value.span if option.value.span != ast.NOWHERE else option.span
    default = getattr(Options(), _NAMES[option.name.text.lower()])
    if better is None and default is not None:
        better = _shown(default)
    edits: tuple[Edit, ...] = scope.replaced(option.value.span, better) if better is not None else ()
    message = f"the option {option.name.text} must be {wanted}"
    hint = "leave it out for the default" + ("" if default is None else f", which is {_shown(default)}")
    if near:
        hint = f"did you mean {near[0]}?"
    scope.fault("bad_option_value", message, span, hint=hint, edits=edits, near=near)


def _shown(value: object) -> str:
    """An option's value as it is written."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    if isinstance(value, float):  # the budget, the one option in seconds
        return f"'{value:g} s'"
    return f"'{value}'" if isinstance(value, str | Duration) else str(value)
