"""Bound values as text that reads like the language, and any value of a stage as a tree or as JSON."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from pql.language.ast import Identifier, Span
from pql.language.bound import (
    BoundAggregate,
    BoundQuery,
    BoundWindow,
    Call,
    ColumnRef,
    Constant,
    Expression,
    Route,
    TaskKind,
)
from pql.language.catalog import Catalog
from pql.language.errors import PqlError
from pql.language.format import format as format_syntax
from pql.language.format import literal, quote_name

_MATCH = {"like": "LIKE", "contains": "CONTAINS", "starts_with": "STARTS WITH", "ends_with": "ENDS WITH"}
_INFIX = frozenset({"=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"})
_TIGHTNESS = {"or": 1, "and": 2, "not": 3, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "neg": 7}
_COMPARISON = 4


def expression_text(expression: Expression) -> str:
    """A bound expression as PQL: `COUNT(orders.* WHERE amount > 5, 0, 30, days) = 0`."""
    if isinstance(expression, Constant):
        return _constant(expression.value)
    if isinstance(expression, ColumnRef):
        return f"{quote_name(expression.table)}.{quote_name(expression.column)}"
    if isinstance(expression, BoundAggregate):
        return _aggregate(expression)
    if isinstance(expression, Call):
        return _call(expression)
    raise PqlError(
        "not_supported", f"no text for {type(expression).__name__}", hint="Leave that part of the query out."
    )


def window_text(window: BoundWindow) -> str:
    """`0, 30, days`."""
    start = "-INF" if window.start is None else str(window.start)
    return f"{start}, {window.end}, {window.unit}"


def route_text(route: Route, catalog: Catalog) -> str:
    """`order_items -> orders -> customers`; `calls -[caller]-> subscribers` where several links join the two."""
    parts = [route[0].source] if route else []
    for step in route:
        ends = (step.link.child, step.link.parent)
        several = sum((link.child, link.parent) == ends for link in catalog.links) > 1
        columns = f"[{', '.join(step.link.child_columns)}]"
        arrow = "->" if not several else f"-{columns}->" if step.up else f"<-{columns}-"
        parts += [arrow, step.target]
    return " ".join(parts)


def _aggregate(node: BoundAggregate) -> str:
    argument = f"{quote_name(node.fact)}.*" if node.argument is None else expression_text(node.argument)
    where = "" if node.where is None else f" WHERE {expression_text(node.where)}"
    return f"{node.function}({argument}{where}, {window_text(node.window)})"


def _constant(value: Any) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(_constant(item) for item in value) + ")"
    if isinstance(value, uuid.UUID):
        return f"'{value}'"
    return literal(value)


def _tightness(node: Expression) -> int:
    return _TIGHTNESS.get(node.op, _COMPARISON) if isinstance(node, Call) else 9


def _inside(node: Expression, than: int) -> str:
    text = expression_text(node)
    return f"({text})" if _tightness(node) <= than else text


def _call(node: Call) -> str:
    op, args = node.op, node.args
    if op in ("and", "or"):
        return f" {op.upper()} ".join(_inside(arg, _TIGHTNESS[op]) for arg in args)
    if op == "not":
        return _negated(args[0]) or f"NOT {_inside(args[0], 3)}"
    if op == "neg":
        return f"-{_inside(args[0], 7)}"
    return _condition(node, "")


def _negated(node: Expression) -> str | None:
    """`x NOT IN (…)`, `x IS NOT NULL`, … for a negated condition that has such a form."""
    if isinstance(node, Call) and (node.op in _MATCH or node.op in ("between", "in", "is_null")):
        return _condition(node, "NOT ")
    return None


def _condition(node: Call, no: str) -> str:
    op, args = node.op, node.args
    if op == "is_null":
        return f"{_inside(args[0], _COMPARISON)} IS {no}NULL"
    if op == "between":
        operand, low, high = (_inside(arg, _COMPARISON) for arg in args)
        return f"{operand} {no}BETWEEN {low} AND {high}"
    if op == "in":
        return f"{_inside(args[0], _COMPARISON)} {no}IN {expression_text(args[1])}"
    if op in _MATCH:
        return f"{_inside(args[0], _COMPARISON)} {no}{_MATCH[op]} {_inside(args[1], _COMPARISON)}"
    if op in _INFIX:
        left, right = args
        level = _tightness(node)
        return f"{_inside(left, level - (level > _COMPARISON))} {op} {_inside(right, level)}"
    raise PqlError("not_supported", f"no text for the operator {op}", hint="Leave that part of the query out.")


def bound_text(query: BoundQuery) -> str:
    """A bound query, one fact a line."""
    entity = ", ".join(f"{query.entity.table}.{key}" for key in query.entity.keys)
    lines = [
        f"target    {expression_text(query.target)}",
        f"task      {TaskKind.BINARY if query.asks_pairs else query.task}: {query.reason}",
        f"entity    {entity}",
    ]
    for node in _aggregates_of(query):
        lines.append(
            f"route     {node.function} over {node.fact}: {route_text(node.route, query.catalog) or node.fact}"
        )
    more = {
        "pair": None if query.pair is None else ", ".join(f"{query.pair.table}.{key}" for key in query.pair.keys),
        "item": None if query.item is None else item_text(query),
        "where": None if query.where is None else expression_text(query.where),
        **dict(rule_texts(query)),
        "assuming": None if query.assuming is None else expression_text(query.assuming),
        "ids": None if query.ids is None else ", ".join(_constant(value) for value in query.ids),
        "using": None if query.using is None else ", ".join(query.using),
        "ignoring": ", ".join(sorted(f"{table}.{column}" for table, column in query.ignoring)) or None,
        "via": ", ".join(map(str, query.via)) or None,
        "as of": None if query.as_of is None else _constant(query.as_of),
        "at": ", ".join(_constant(when) for when in query.evaluate_at) or None,
        "model": query.using_model,
        "alias": query.alias,
        "read as": query.reading,
    }
    lines += [f"{name:<9} {text}" for name, text in more.items() if text is not None]
    return "\n".join(lines)


def item_text(query: BoundQuery) -> str:
    """What is ranked: `orders.product_id, rows of products`."""
    if query.item is None:
        return ""
    column = expression_text(query.item.column)
    rows = f"rows of {query.item.table}" if query.item.table is not None else "plain values"
    top = f", the best {query.top_k}" if query.top_k is not None else ""
    return f"{column}, {rows}{top}"


def rule_texts(query: BoundQuery) -> tuple[tuple[str, str], ...]:
    """The rules of a ranking by name: `candidates`, `excluding`, `at most`."""
    texts = []
    if query.candidates is not None:
        texts.append(("candidates", f"those known at the anchor where {expression_text(query.candidates)}"))
    if query.excluding is not None:
        past = "; ".join(expression_text(one) for one in query.excluding.pasts)
        word = "" if query.excluding.what == "past" else f"{query.excluding.what}: "
        texts.append(("excluding", f"{word}what is in {past} at the anchor"))
    if query.at_most is not None:
        n, column = query.at_most
        texts.append(("at most", f"{n} per {expression_text(column)}, those without a value counted as one"))
    return tuple(texts)


def _aggregates_of(query: BoundQuery) -> Iterator[BoundAggregate]:
    def inside(node: Expression | None) -> Iterator[BoundAggregate]:
        if isinstance(node, BoundAggregate):
            yield node
        elif isinstance(node, Call):
            for argument in node.args:
                yield from inside(argument)

    for expression in (query.target, query.where, query.assuming):
        yield from inside(expression)


def tree_text(value: Any, indent: str = "") -> str:
    """Any frozen value as an indented tree of its fields; spans, the text and the catalog are left out."""
    return "\n".join(_tree(value, "", indent))


def _tree(value: Any, label: str, indent: str) -> Iterator[str]:
    head = f"{indent}{label}: " if label else indent
    if isinstance(value, Identifier):
        yield f"{head}{value.text}"
    elif is_dataclass(value) and not isinstance(value, type):
        yield f"{head}{type(value).__name__}"
        for name, inner in _parts(value):
            yield from _tree(inner, name, indent + "  ")
    elif isinstance(value, tuple) and any(is_dataclass(item) for item in value):
        yield f"{indent}{label}:"
        for item in value:
            yield from _tree(item, "-", indent + "  ")
    else:
        yield f"{head}{_leaf(value)}"


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    for field in fields(value):
        inner = getattr(value, field.name)
        absent = inner is None or inner == ()
        if isinstance(inner, Span | Catalog) or (absent and field.name != "value"):
            continue
        yield field.name, inner


def _leaf(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, frozenset):
        return ", ".join(sorted(str(item) for item in value))
    if isinstance(value, dt.date):
        return value.isoformat()
    return repr(value)


def as_json(value: Any) -> Any:
    """Any frozen value as JSON values: dataclasses as objects with their `node`, times as ISO text, no spans."""
    if isinstance(value, Identifier):
        return value.text
    if is_dataclass(value) and not isinstance(value, type):
        inner = {
            field.name: as_json(getattr(value, field.name))
            for field in fields(value)
            if not isinstance(getattr(value, field.name), Span | Catalog)
        }
        return {"node": type(value).__name__, **inner}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, frozenset):
        return sorted((as_json(item) for item in value), key=str)
    if isinstance(value, tuple | list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def syntax_text(query: BoundQuery) -> str:
    """The query as it was read, in the canonical layout; the text itself for values made by hand."""
    try:
        return format_syntax(query.syntax)
    except PqlError:
        return query.text.strip()
