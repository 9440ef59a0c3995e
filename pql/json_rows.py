"""Rows as values that JSON knows."""

from __future__ import annotations

import base64
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def plain(value: Any) -> Any:
    """One value: moments and ids as text, whole decimals as integers, bytes in base 64, nan and infinities as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal) and value.is_finite():  # what DuckDB gives for the sum of whole numbers, too
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def json_rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table, each by column name."""
    return [{name: plain(value) for name, value in row.items()} for row in table.to_pylist()]


def json_text(table: pa.Table) -> str:
    """The rows as one JSON list, a row a line."""
    rows = [json.dumps(row, ensure_ascii=False) for row in json_rows(table)]
    return "[" + ",\n ".join(rows) + "]\n"


def json_lines(table: pa.Table) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in json_rows(table))


def without_nests(table: pa.Table) -> pa.Table:
    """The table with lists and structs as JSON text, which a file of comma-separated values can hold."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            values = table.column(i).to_pylist()
            texts = [None if value is None else json.dumps(plain(value), ensure_ascii=False) for value in values]
            table = table.set_column(i, field.name, pa.array(texts, pa.string()))
    return table
