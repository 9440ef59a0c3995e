"""A table of values as text that people can read in a terminal, without colour and without surprises.

Cells come from the user's data: control characters are shown escaped, long cells are cut.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST = 48


def cell(value: Any) -> str:
    """One value as text: numbers with four significant decimals, midnight as a date, NULL as an empty cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.2f}"
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d") if value.time() == dt.time() else value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = "; ".join(" ".join(filter(None, map(cell, one.values()))) for one in value)
    text = str(value)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def text_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[bool] | None = None, indent: str = ""
) -> str:
    """Columns and rows as aligned text with a rule under the header. `right` marks right-aligned columns."""
    from rich.cells import cell_len

    cells = [[cell(value) for value in row] for row in rows]
    heads = [cell(name) for name in columns]
    right = right or [False] * len(heads)
    widths = [max([cell_len(head), *(cell_len(row[i]) for row in cells)]) for i, head in enumerate(heads)]

    def line(row: Sequence[str]) -> str:
        parts = []
        for text, width, to_right in zip(row, widths, right, strict=True):
            pad = " " * (width - cell_len(text))
            parts.append(pad + text if to_right else text + pad)
        return (indent + "  ".join(parts)).rstrip()

    rule = indent + "  ".join("─" * width for width in widths)
    return "\n".join([line(heads), rule, *(line(row) for row in cells)])


def arrow_table_text(table: pa.Table, *, limit: int = 20, indent: str = "", total: int | None = None) -> str:
    """The first `limit` rows of an Arrow table as text, with a line that says how many there are in all (`total`)."""
    import pyarrow as pa

    head = table.slice(0, limit)
    right = [pa.types.is_integer(f.type) or pa.types.is_floating(f.type) for f in table.schema]
    columns = [column.to_pylist() for column in head.columns]
    text = text_table(table.column_names, list(zip(*columns, strict=True)), right=right, indent=indent)
    total = table.num_rows if total is None else total
    if total > limit:
        text += f"\n{indent}… {total:,} rows in all"
    return text
