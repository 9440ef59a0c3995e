"""What DuckDB's types are to the language, and the expression that shows a stored column in its normal form.

The normal forms: BIGINT, DOUBLE, BOOLEAN, VARCHAR, TIMESTAMP (µs, naive UTC; infinite moments are NULL). UUIDs and
enums are shown as strings. Integers that may exceed 64 bits (UBIGINT, HUGEINT, DECIMAL(38, 0)) are strings where the
column's name is an id's, so that they survive exactly, and DOUBLE elsewhere. Ids of another type whose values are
whole numbers of 64 bits are BIGINT; the conditions for that are here, but nothing here looks at values.
"""

from __future__ import annotations

import re

from pql.backends.names import is_id_name
from pql.backends.sql import identifier
from pql.language.catalog import LogicalType

_SMALL = {"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER"}
_WIDE = {"UBIGINT", "HUGEINT", "UHUGEINT", "BIGNUM", "VARINT"}
_MOMENTS = {"TIMESTAMP", "DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_ZONED = {"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ", "TIMESTAMPTZ_NS"}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


def _base(sql_type: str, name: str) -> str:
    """One of integer, wide, float, boolean, string, uuid, moment, zoned, other."""
    upper = sql_type.upper()
    if upper == "BIGINT" or upper in _SMALL:
        return "integer"
    decimal = _DECIMAL.fullmatch(upper)
    if decimal:
        if int(decimal[2]) > 0:
            return "float"
        return "integer" if int(decimal[1]) <= 18 else ("wide" if is_id_name(name) else "float")
    if upper in _WIDE:
        return "wide" if is_id_name(name) else "float"
    if upper in ("DOUBLE", "FLOAT", "REAL"):
        return "float"
    if upper == "BOOLEAN":
        return "boolean"
    if upper in ("VARCHAR", '"NULL"', "NULL") or (upper.startswith("ENUM(") and upper.endswith(")")):
        return "string"
    if upper == "UUID":
        return "uuid"
    if upper in _MOMENTS:
        return "moment"
    if upper in _ZONED:
        return "zoned"
    return "other"


_LOGICAL = {
    "integer": LogicalType.INTEGER,
    "wide": LogicalType.STRING,
    "float": LogicalType.FLOAT,
    "boolean": LogicalType.BOOLEAN,
    "string": LogicalType.STRING,
    "uuid": LogicalType.UUID,
    "moment": LogicalType.TIMESTAMP,
    "zoned": LogicalType.TIMESTAMP,
    "other": LogicalType.OTHER,
}


def logical_type(sql_type: str, name: str = "") -> LogicalType:
    """What a column of DuckDB's `sql_type` is to the language; `name` decides about integers beyond 64 bits."""
    return _LOGICAL[_base(sql_type, name)]


def normal_form(name: str, sql_type: str) -> str | None:
    """The expression that shows the stored column `name` in its normal form; None for types that are never read."""
    quoted = identifier(name)
    match _base(sql_type, name):
        case "integer":
            return quoted if sql_type.upper() == "BIGINT" else f"CAST({quoted} AS BIGINT)"
        case "float":
            return quoted if sql_type.upper() == "DOUBLE" else f"CAST({quoted} AS DOUBLE)"
        case "boolean":
            return quoted
        case "string":
            return quoted if sql_type.upper() == "VARCHAR" else f"CAST({quoted} AS VARCHAR)"
        case "wide" | "uuid":
            return f"CAST({quoted} AS VARCHAR)"
        case "moment":
            return f"CASE WHEN isfinite({quoted}) THEN CAST({quoted} AS TIMESTAMP) END"
        case "zoned":
            quoted = f"CAST({quoted} AS TIMESTAMPTZ)" if sql_type.upper().endswith("_NS") else quoted
            return f"CASE WHEN isfinite({quoted}) THEN make_timestamp(epoch_us({quoted})) END"
    return None


def whole_number(name: str) -> str:
    """The expression that shows a column of whole numbers of another type (see `may_be_whole`) as BIGINT."""
    return f"TRY_CAST({identifier(name)} AS BIGINT)"


def may_be_whole(name: str, sql_type: str) -> bool:
    """Whether a column is an id by its name and of a type that may hold whole numbers of 64 bits in another form.

    DOUBLE, where a DataFrame stored them beside NULLs, DECIMAL, and integers that may exceed 64 bits.
    """
    return is_id_name(name) and _base(sql_type, name) in ("float", "wide")


def is_whole(name: str, sql_type: str) -> str:
    """A condition, over all rows, that a column holds whole numbers of 64 bits (of a DOUBLE, below 2^53) or NULL only.

    `sql_type`: one of a column that `may_be_whole`. NaN counts as NULL.
    """
    quoted, upper = identifier(name), sql_type.upper()
    if upper in ("DOUBLE", "FLOAT", "REAL"):
        odd = f"NOT isnan({quoted}) AND (abs({quoted}) > 9007199254740992 OR {quoted} <> floor({quoted}))"
    else:
        broken = f" OR {quoted} <> floor({quoted})" if _DECIMAL.fullmatch(upper) else ""
        odd = f"{quoted} IS NOT NULL AND (TRY_CAST({quoted} AS BIGINT) IS NULL{broken})"
    return f"count(*) FILTER (WHERE {odd}) = 0 AND count({quoted}) > 0"
