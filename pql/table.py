"""A table of values as text that people can read in a terminal, without colour and without surprises.

Cells come from the user's data: control characters are shown escaped, long cells are cut.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST = 48  # characters of a cell that stands beside others
_PAGE = 10_000  # of one on a line of its own
_CUT = (10, 5, 8)  # columns of a text that is cut: at best, before whole columns are left out, and with some left out
_NAME = 5  # columns of a name, below which it tells nothing
_LEAST = 3  # columns of a cell, however narrow the terminal is
_WIDTH: ContextVar[int | None] = ContextVar("width", default=None)


def cell(value: Any) -> str:
    """One value as text: numbers with four decimals, midnight as a date, NULL as an empty cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d") if value.time() == dt.time() else value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = "; ".join(" ".join(filter(None, map(cell, one.values()))) for one in value)
    return cut(str(value), _LONGEST)


def _number(value: float) -> str:
    size = abs(value)
    if 0 < size < 0.00005 or 1e15 <= size < math.inf:
        return f"{value:.4g}"
    return f"{value:,.4f}" if size < 100 else f"{value:,.2f}"


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
    """Columns and rows as aligned text with a rule under the header. `right` marks right-aligned columns.

    Where they don't fit, texts are cut first; then columns are left out in the middle, with a `…` in their place.
    """
    return _drawn(columns, rows, right or [False] * len(columns), indent)[0]


def _drawn(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[bool], indent: str
) -> tuple[str, bool]:
    """The text of a table, and whether it has all columns by names that tell."""
    from rich.cells import cell_len, set_cell_size

    lines = [list(map(cell, columns)), *([cell(value) for value in row] for row in rows)]
    widths = [max(cell_len(line[i]) for line in lines) for i in range(len(columns))]
    most = _WIDTH.get()
    gap, named = None, True
    if most is not None and sum(widths) + 2 * (len(widths) - 1) > most - len(indent):
        uncut = [max((cell_len(line[i]) for line in lines[1:]), default=0) for i in range(len(columns))]
        uncut = [u if to_right else 0 for u, to_right in zip(uncut, right, strict=True)]  # numbers stay whole
        room = most - len(indent)
        for cut_at in _CUT:
            least = [max(min(width, cut_at), u) for width, u in zip(widths, uncut, strict=True)]
            gap = _gap(least, room)
            if gap is None:
                break
        if gap is not None:
            lines = [[*line[: gap.start], "…", *line[gap.stop :]] for line in lines]
            right = [*right[: gap.start], False, *right[gap.stop :]]
            widths, least = ([*w[: gap.start], 1, *w[gap.stop :]] for w in (widths, least))
        room -= 2 * (len(widths) - 1)
        if sum(least) > room:
            least = [min(width, _LEAST) for width in widths]
        widths = _narrowed(widths, least, room)
        named = all(min(cell_len(name), _NAME) <= width for name, width in zip(lines[0], widths, strict=True))

    def drawn(line: Sequence[str]) -> str:
        parts = []
        for text, width, to_right in zip(line, widths, right, strict=True):
            if cell_len(text) > width:
                text = set_cell_size(text, width - 1) + "…"
            pad = " " * (width - cell_len(text))
            parts.append(pad + text if to_right else text + pad)
        return (indent + "  ".join(parts)).rstrip()

    rule = indent + "  ".join("─" * width for width in widths)
    return "\n".join([drawn(lines[0]), rule, *map(drawn, lines[1:])]), gap is None and named


def _gap(least: Sequence[int], room: int) -> range | None:
    """The columns in the middle to leave out so that the others, at their least, fit; None where all do. The first and
    the last one stay."""
    if sum(least) + 2 * (len(least) - 1) <= room or len(least) < 3:
        return None
    first, last = 1, len(least) - 1
    room -= least[0] + least[-1] + 1 + 2 * 2
    while last - first > 1:
        next_ = first if first <= len(least) - last else last - 1
        if least[next_] + 2 > room:
            break
        room -= least[next_] + 2
        first, last = (first + 1, last) if next_ == first else (first, last - 1)
    return range(first, last)


def _narrowed(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths that sum to at most `room`, the widest made narrower first, none below its least."""
    most = max(widths, default=0)
    while most > 0 and sum(max(low, min(width, most)) for width, low in zip(widths, least, strict=True)) > room:
        most -= 1
    made = [max(low, min(width, most)) for width, low in zip(widths, least, strict=True)]
    for i, width in enumerate(widths):
        if made[i] < width and sum(made) < room:
            made[i] += 1
    return made


def arrow_table_text(table: pa.Table, *, limit: int = 20, indent: str = "", total: int | None = None) -> str:
    """The first `limit` rows of an Arrow table as text, with a line that says how many there are in all (`total`), and
    how many columns where the width of the terminal leaves some out, or cuts their names."""
    import pyarrow as pa

    head = table.slice(0, limit)
    right = [pa.types.is_integer(f.type) or pa.types.is_floating(f.type) for f in table.schema]
    columns = [column.to_pylist() for column in head.columns]
    text, is_whole = _drawn(table.column_names, list(zip(*columns, strict=True)), right, indent)
    total = table.num_rows if total is None else total
    more = [f"{total:,} rows"] * (total > limit) + [f"{table.num_columns:,} columns"] * (not is_whole)
    narrow = "" if is_whole else f"\n{indent}--format line (.mode line) shows all"
    return f"{text}\n{indent}… {', '.join(more)} in all{narrow}" if more else text
