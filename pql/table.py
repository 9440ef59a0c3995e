"""A table of values as text that people can read in a terminal, without colour and without surprises.

Cells come from the user's data: control characters are shown escaped, long cells are cut.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST = 48  # characters of a cell that stands beside others
_PAGE = 10_000  # of one on a line of its own
_LEAST = 3  # columns of a cell, however narrow the terminal is
_WIDTH: ContextVar[int | None] = ContextVar("width", default=None)


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
    return cut(str(value), _LONGEST)


def whole(value: Any) -> str:
    """One value as text, on one line and never cut but where it is longer than a page."""
    return cut(str(value), _PAGE) if isinstance(value, str | list | dict | bytes) else cell(value)


def cut(text: str, longest: int) -> str:
    """At most `longest` characters of `text`, control characters escaped."""
    shown = escaped(text[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def escaped(text: str) -> str:
    """`text` with an escape for every character that doesn't print: control characters, line ends, marks of direction
    and of no width."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def printable(text: str) -> str:
    """A text of several lines, each `escaped`: nothing in it moves the cursor or speaks to the terminal."""
    return "\n".join(map(escaped, text.split("\n")))


@contextmanager
def fitting(width: int | None) -> Iterator[None]:
    """While inside, tables take at most `width` columns where they can: their widest cells are cut first."""
    before = _WIDTH.set(width)
    try:
        yield
    finally:
        _WIDTH.reset(before)


def text_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[bool] | None = None, indent: str = ""
) -> str:
    """Columns and rows as aligned text with a rule under the header. `right` marks right-aligned columns."""
    from rich.cells import cell_len, set_cell_size

    cells = [[cell(value) for value in row] for row in rows]
    heads = [cell(name) for name in columns]
    right = right or [False] * len(heads)
    widths = [max([cell_len(head), *(cell_len(row[i]) for row in cells)]) for i, head in enumerate(heads)]
    most = _WIDTH.get()
    if most is not None:
        widths = _narrowed(widths, most - len(indent) - 2 * (len(widths) - 1))

    def line(row: Sequence[str]) -> str:
        parts = []
        for text, width, to_right in zip(row, widths, right, strict=True):
            if cell_len(text) > width:
                text = set_cell_size(text, width - 1) + "…"
            pad = " " * (width - cell_len(text))
            parts.append(pad + text if to_right else text + pad)
        return (indent + "  ".join(parts)).rstrip()

    rule = indent + "  ".join("─" * width for width in widths)
    return "\n".join([line(heads), rule, *(line(row) for row in cells)])


def _narrowed(widths: Sequence[int], room: int) -> list[int]:
    """Widths that sum to at most `room`, the widest made narrower first, none below `_LEAST`."""
    made = list(widths)
    over = sum(made) - room
    while over > 0 and made and max(made) > _LEAST:
        widest = max(made)
        next_ = max([width for width in made if width < widest], default=0)
        at = [i for i, width in enumerate(made) if width == widest]
        step = max(1, min(widest - max(next_, _LEAST), over // len(at)))
        for i in at:
            taken = min(step, over, made[i] - _LEAST)
            made[i] -= taken
            over -= taken
    return made


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
