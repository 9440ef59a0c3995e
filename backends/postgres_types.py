"""What PostgreSQL's types are here: how a column is asked for, how it travels, and what DuckDB makes of it.

Rows come as CSV, in PostgreSQL's own exact text forms. NUMERIC(p, s) is DECIMAL; NUMERIC without a precision is
DOUBLE, or as an id a whole number or text. Infinite moments and those outside of the years 1 to 9999 are NULL.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from pql.backends.origin import Field
from pql.backends.sql import identifier

_PLAIN = {
    "bool": ("BOOLEAN", pa.bool_()),
    "int2": ("SMALLINT", pa.int16()),
    "int4": ("INTEGER", pa.int32()),
    "int8": ("BIGINT", pa.int64()),
    "oid": ("BIGINT", pa.int64()),
    "float4": ("FLOAT", pa.float32()),
    "float8": ("DOUBLE", pa.float64()),
}
_TEXTS = {"text", "varchar", "bpchar", "char", "name", "citext", "inet", "cidr", "macaddr", "macaddr8", "bit", "varbit",
          "xml", "ltree", "isbn", "ean13"}  # fmt: skip
_MOMENTS = {"timestamp": "{}", "timestamptz": "({} AT TIME ZONE 'UTC')", "date": "{}"}
_ONLY_SQL = {"time": "TIME", "timetz": "VARCHAR", "interval": "INTERVAL", "json": "JSON", "jsonb": "JSON"}
MOST_DIGITS = 38


@dataclass(frozen=True, slots=True)
class Attribute:
    """A column of a table: its type's name and kind (pg_type.typtype, typcategory), without domains around it.

    modifier: what the type says in brackets, encoded; -1 for nothing. number: its place. called: its name here.
    """

    name: str
    called: str
    kind: str
    typtype: str
    category: str
    modifier: int


@dataclass(frozen=True, slots=True)
class Way:
    """How a column is read: `select` in PostgreSQL's SQL, as Arrow's `arrow`, then as the copy's `field`.

    `is_number`: a number of any precision, in its text form.
    """

    select: str
    arrow: pa.DataType
    field: Field
    is_number: bool = False


def way(column: Attribute, *, whole: bool) -> Way | None:
    """How to read a column; None for types that aren't read. whole: also those that only SQL reads."""
    quoted, name = identifier(column.name), column.called
    here = identifier(name)
    if column.kind in _PLAIN:
        sql_type, arrow = _PLAIN[column.kind]
        return Way(quoted, arrow, Field(name, sql_type, here))
    if column.kind in ("numeric", "money"):
        return _number(column)
    if column.kind in _TEXTS or column.typtype in ("e", "r", "m"):
        return Way(f"{quoted}::text", pa.string(), Field(name, "VARCHAR", here))
    if column.kind == "uuid":
        return Way(f"{quoted}::text", pa.string(), Field(name, "UUID", f"CAST({here} AS UUID)"))
    if column.kind in _MOMENTS:
        first, last = ("0001-01-01", "9999-12-31") if column.kind == "date" else ("0001-01-01", "10000-01-01")
        form = _MOMENTS[column.kind].format(quoted)
        until = "<=" if column.kind == "date" else "<"
        select = f"CASE WHEN {form} >= '{first}' AND {form} {until} '{last}' THEN {form} END"
        sql_type, arrow = ("DATE", pa.date32()) if column.kind == "date" else ("TIMESTAMP", pa.timestamp("us"))
        return Way(select, arrow, Field(name, sql_type, here))
    return _for_sql(column, is_left=not whole)


def _number(column: Attribute) -> Way:
    quoted, here = identifier(column.name), identifier(column.called)
    select = f"{quoted}::numeric::text" if column.kind == "money" else f"{quoted}::text"
    precision, scale = ((column.modifier - 4) >> 16) & 0xFFFF, (column.modifier - 4) & 0x7FF
    if column.kind == "money":
        precision, scale = 20, 2
    elif column.modifier < 4 or precision > MOST_DIGITS or scale > precision:
        return Way(select, pa.string(), Field(column.called, "VARCHAR", here), is_number=True)
    sql_type = f"DECIMAL({precision},{scale})"
    return Way(select, pa.string(), Field(column.called, sql_type, f"TRY_CAST({here} AS {sql_type})"))


def _for_sql(column: Attribute, *, is_left: bool) -> Way | None:
    """A column that no question reads, and the user's own SQL may."""
    quoted, here = identifier(column.name), identifier(column.called)
    if column.kind == "bytea":
        sql_type, select, form = "BLOB", f"encode({quoted}, 'hex')", f"unhex({here})"
    elif column.category == "A":
        sql_type, select, form = "JSON", f"pg_catalog.to_json({quoted})::text", f"CAST({here} AS JSON)"
    elif column.kind in _ONLY_SQL:
        sql_type, select = _ONLY_SQL[column.kind], f"{quoted}::text"
        form = f"TRY_CAST({here} AS {sql_type})"
    else:
        return None
    form = f"CAST(NULL AS {sql_type})" if is_left else form
    return Way(select, pa.string(), Field(column.called, sql_type, form, is_left))


def number_type(*, is_id: bool, is_whole: bool) -> str:
    """What a column of numbers of any precision is: DOUBLE, or as an id BIGINT if it can be, else text."""
    return "DOUBLE" if not is_id else "BIGINT" if is_whole else "VARCHAR"
