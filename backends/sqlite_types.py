"""What the columns of a SQLite table are: its types are only advice, so the values that are there decide with them.

A value that doesn't fit its column is NULL, and is counted in a note; where many don't fit, the column is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from pql.backends.names import is_id_name
from pql.backends.origin import Field
from pql.backends.sql import identifier

FEW = 0.05  # the share of values that may not fit before a column is text
CLASSES = ("integer", "real", "text", "blob")
_TIME = re.compile(r"\b(DATE|DATETIME|TIMESTAMP|TIMESTAMPTZ|SMALLDATETIME)\d*\b")
_FRACTION = re.compile(r"\(\s*\d+\s*,\s*0*[1-9]\d*\s*\)")
_ARROW = {
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.int64(),
    "BLOB": pa.binary(),
    "TIMESTAMP": pa.string(),
}


@dataclass(frozen=True, slots=True)
class Declared:
    """A column as declared: its name, and its type as written, in capitals."""

    name: str
    sql_type: str

    @property
    def affinity(self) -> str:
        """SQLite's own rule: integer, text, blob, real or numeric (https://www.sqlite.org/datatype3.html, 3.1)."""
        kind = self.sql_type
        if "INT" in kind:
            return "integer"
        if any(part in kind for part in ("CHAR", "CLOB", "TEXT")):
            return "text"
        if not kind or "BLOB" in kind:
            return "blob"
        return "real" if any(part in kind for part in ("REAL", "FLOA", "DOUB")) else "numeric"

    @property
    def is_flag(self) -> bool:
        return "BOOL" in self.sql_type

    @property
    def is_time(self) -> bool:
        return bool(_TIME.search(self.sql_type))


@dataclass(frozen=True, slots=True)
class Decided:
    """How a column is read: `select` in SQLite's SQL, as Arrow's `arrow`, then DuckDB's `field`.

    `odd`: how many values don't fit and are NULL. `is_time`: its moments are written as text or numbers.
    """

    select: str
    arrow: pa.DataType
    field: Field
    odd: int = 0
    is_time: bool = False


def counts_of(column: Declared) -> tuple[str, ...]:
    """SQLite's expressions that count a column's values by class, and of truth values those that are 0 or 1."""
    quoted = identifier(column.name)
    by_class = tuple(f"count(CASE WHEN typeof({quoted}) = '{kind}' THEN 1 END)" for kind in CLASSES)
    flags = f"count(CASE WHEN typeof({quoted}) = 'integer' AND {quoted} IN (0, 1) THEN 1 END)"
    return (*by_class, flags if column.is_flag else "0")


def decided(column: Declared, counts: Mapping[str, int], *, whole: bool) -> Decided:
    """How to read a column. counts: its values by class, and `flag`: those that are 0 or 1."""
    name, quoted = column.name, identifier(column.name)
    sql_type, odd = _sql_type(column, counts)
    is_left = False
    select = quoted
    if sql_type == "BIGINT":
        select = f"CASE WHEN typeof({quoted}) = 'integer' THEN {quoted} END"
    elif sql_type == "DOUBLE":
        select = f"CASE WHEN typeof({quoted}) IN ('integer', 'real') THEN CAST({quoted} AS REAL) END"
    elif sql_type == "VARCHAR":
        text = f"CAST({quoted} AS TEXT)"
        select = f"CASE typeof({quoted}) WHEN 'blob' THEN hex({quoted}) ELSE {text} END" if counts["blob"] else text
    elif sql_type == "BOOLEAN":
        select = f"CASE WHEN {quoted} IN (0, 1) THEN {quoted} END"
    elif sql_type == "BLOB":
        is_left = not whole
    elif sql_type == "TIMESTAMP":
        select = f"CAST({quoted} AS TEXT)"
    form = f"CAST({'NULL' if is_left else quoted} AS {sql_type})"
    is_time = column.is_time and sql_type in ("BIGINT", "DOUBLE", "VARCHAR")
    return Decided(select, _ARROW[sql_type], Field(name, sql_type, form, is_left), odd, is_time)


def _sql_type(column: Declared, counts: Mapping[str, int]) -> tuple[str, int]:
    """DuckDB's type for a column, and how many of its values don't fit it."""
    whole, real, text, blob = (counts[kind] for kind in CLASSES)
    there = whole + real + text + blob
    if not there:
        return _of_declared(column), 0
    numbers, others = whole + real, text + blob
    if numbers and others <= FEW * there and not (others and is_id_name(column.name)):
        if column.is_flag and counts["flag"] == numbers:
            return "BOOLEAN", others
        is_fraction = real or column.affinity == "real" or _FRACTION.search(column.sql_type)
        return ("DOUBLE" if is_fraction else "BIGINT"), others
    if blob == there and not is_id_name(column.name):
        return "BLOB", 0
    return "VARCHAR", 0


def _of_declared(column: Declared) -> str:
    """The type of a column without a value."""
    if column.is_time:
        return "TIMESTAMP"
    if column.is_flag:
        return "BOOLEAN"
    if column.affinity == "numeric":
        return "DOUBLE"
    return {"integer": "BIGINT", "real": "DOUBLE", "text": "VARCHAR"}.get(column.affinity, "VARCHAR")
