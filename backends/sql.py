"""The only place where SQL text is made: identifiers, literals, a SELECT builder, and parameters rendered as literals.

The dialect is DuckDB's. Values reach a running statement as parameters; `inline` renders the same statement with
literals, for people to read and paste.
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

EPOCH = dt.datetime(1970, 1, 1)
_INT64 = range(-(2**63), 2**63)


def identifier(name: str) -> str:
    """`name` as a quoted identifier: `a"b` becomes `"a""b"`."""
    return '"' + name.replace('"', '""') + '"'


def qualified(*parts: str) -> str:
    """A dotted name, every part quoted: database, schema, table or table, column."""
    return ".".join(identifier(part) for part in parts)


def microseconds(value: dt.datetime | dt.date) -> int:
    """µs since 1970 UTC of a date or datetime (naive ones are UTC)."""
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)
    if value.tzinfo is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    return (value - EPOCH) // dt.timedelta(microseconds=1)


def timestamp(us: int) -> str:
    """A TIMESTAMP literal of µs since 1970; years that Python's calendar lacks are made from the number itself."""
    try:
        moment = EPOCH + dt.timedelta(microseconds=us)
    except OverflowError:
        return f"make_timestamp({literal(us)})"
    text = moment.isoformat(sep=" ", timespec="microseconds" if us % 1_000_000 else "seconds")
    return f"TIMESTAMP '{text}'"


def string(value: str) -> str:
    """A string literal; NUL characters, which SQL text can't hold, are joined in with chr(0)."""
    pieces = ["'" + piece.replace("'", "''") + "'" for piece in value.split("\0")]
    return pieces[0] if len(pieces) == 1 else "(" + " || chr(0) || ".join(pieces) + ")"


def literal(value: Any) -> str:
    """`value` as a SQL literal of the type it has in the catalog.

    None, bool, int, float (inf and nan too), Decimal, str, date and datetime (aware ones become UTC), UUID (a string,
    as snapshots show UUIDs), and lists or tuples of these as `(a, b)`; an empty list is `(NULL)`, which nothing is in.
    TypeError for anything else.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return str(value)
        if value in _INT64:
            return f"CAST({string(str(value))} AS BIGINT)" if value == _INT64[0] else str(value)
        return str(value) if abs(value) < 2**127 else number(float(value))
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Decimal):
        return number(float(value))
    if isinstance(value, str):
        return string(value)
    if isinstance(value, dt.datetime | dt.date):
        return timestamp(microseconds(value))
    if isinstance(value, uuid.UUID):
        return string(str(value))
    if isinstance(value, list | tuple | set | frozenset):
        return "(" + (", ".join(literal(item) for item in value) or "NULL") + ")"
    if hasattr(value, "item"):  # a numpy scalar
        return literal(value.item())
    raise TypeError(f"no SQL literal for {type(value).__name__}")


def number(value: float) -> str:
    """A DOUBLE literal, exact: with an exponent, as DuckDB reads `0.1` as a DECIMAL."""
    if math.isnan(value):
        return "CAST('nan' AS DOUBLE)"
    if math.isinf(value):
        return f"CAST('{'-' if value < 0 else ''}infinity' AS DOUBLE)"
    text = repr(float(value))
    return text if "e" in text else text + "e0"


def parameter(value: Any) -> Any:
    """`value` as it is bound: aware datetimes as naive UTC, UUIDs as strings, numpy scalars as Python's."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    if isinstance(value, uuid.UUID):
        return str(value)
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        return value.item()
    return value


def conjunction(conditions: Sequence[str]) -> str:
    """All conditions, each in parentheses; `TRUE` for none."""
    return " AND ".join(f"({condition})" for condition in conditions) or "TRUE"


def alias(expression: str, name: str) -> str:
    """`expression AS "name"`."""
    return f"{expression} AS {identifier(name)}"


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT in the making. `where` are conditions that all hold; `str()` is the statement on several lines."""

    columns: tuple[str, ...]
    source: str
    joins: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    having: tuple[str, ...] = ()
    order_by: tuple[str, ...] = ()
    limit: int | None = None
    distinct: bool = False

    def filtered(self, *conditions: str) -> Select:
        """The same statement with more conditions."""
        return replace(self, where=(*self.where, *conditions))

    def __str__(self) -> str:
        lines = [
            f"SELECT {'DISTINCT ' if self.distinct else ''}{', '.join(self.columns) or '1'}",
            f"FROM {self.source}",
        ]
        lines += self.joins
        if self.where:
            lines.append("WHERE " + " AND ".join(_grouped(condition) for condition in self.where))
        if self.group_by:
            lines.append(f"GROUP BY {', '.join(self.group_by)}")
        if self.having:
            lines.append("HAVING " + " AND ".join(_grouped(condition) for condition in self.having))
        if self.order_by:
            lines.append(f"ORDER BY {', '.join(self.order_by)}")
        if self.limit is not None:
            lines.append(f"LIMIT {self.limit}")
        return "\n".join(lines)


def _grouped(condition: str) -> str:
    return f"({condition})" if " or " in condition.lower() else condition


def with_tables(tables: Sequence[tuple[str, str]], body: str) -> str:
    """`body` with names for queries in front: each (name, SELECT) is inlined where the name is used."""
    if not tables:
        return body
    named = ",\n".join(f"{identifier(name)} AS NOT MATERIALIZED ({query})" for name, query in tables)
    return f"WITH {named}\nSELECT * FROM (\n{body}\n)"


def mentions(statement: str, name: str) -> bool:
    """True if the text of `statement` can possibly name the table `name`."""
    lowered = statement.lower()
    return name.lower() in lowered or name.replace('"', '""').lower() in lowered


def inline(statement: str, parameters: Sequence[Any]) -> str:
    """`statement` with its `?` and `$1` parameters written as literals; text in quotes and comments stays as it is.

    ValueError if there are too few parameters.
    """
    out: list[str] = []
    used = 0
    for kind, piece in _pieces(statement):
        if kind == "text" or (kind == "numbered" and not piece[1:].isdigit()):
            out.append(piece)
            continue
        position = used if kind == "next" else int(piece[1:]) - 1
        used += kind == "next"
        if not 0 <= position < len(parameters):
            raise ValueError(f"parameter {position + 1} of {len(parameters)} is missing")
        out.append(literal(parameters[position]))
    return "".join(out)


def _pieces(statement: str) -> Iterator[tuple[str, str]]:
    """The statement cut into ('text', …), ('next', '?') and ('numbered', '$2')."""
    start = i = 0
    size = len(statement)
    while i < size:
        char = statement[i]
        if char in "'\"":
            i = _after_quote(statement, i, char)
        elif statement.startswith("--", i):
            end = statement.find("\n", i)
            i = size if end < 0 else end
        elif statement.startswith("/*", i):
            end = statement.find("*/", i + 2)
            i = size if end < 0 else end + 2
        elif char == "?" or (char == "$" and statement[i + 1 : i + 2].isdigit()):
            end = i + 1
            while char == "$" and statement[end : end + 1].isdigit():
                end += 1
            yield "text", statement[start:i]
            yield ("next" if char == "?" else "numbered"), statement[i:end]
            start = i = end
        else:
            i += 1
    yield "text", statement[start:]


def _after_quote(statement: str, start: int, quote: str) -> int:
    """The position after the quoted text that begins at `start`; doubled quotes belong to it."""
    i = start + 1
    while i < len(statement):
        if statement[i] == quote:
            if statement[i + 1 : i + 2] != quote:
                return i + 1
            i += 1
        i += 1
    return len(statement)
