"""A result in the format asked for, to stdout or a file."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pql.faces.screen import Screen, folded
from pql.json_rows import json_lines, json_text, without_nests
from pql.language.errors import PqlError
from pql.table import cell, fitting, printable, whole

if TYPE_CHECKING:
    import pyarrow as pa


_MARKDOWN = {"\\": "\\\\", "&": "&amp;", "<": "&lt;", ">": "&gt;"} | {c: "\\" + c for c in "|[]`*"}


def write_all(results: Iterable[Any], form: str, output: Path | None, limit: int) -> None:
    """Write the answers of a script: to stdout, or with `output` the last one there and those before to stdout."""
    before: list[Any] = []
    first = True
    for result in results:
        for earlier in before:
            _write_next(earlier, form, limit, first=first)
            first = False
        before = [result]
        if output is None:
            _write_next(result, form, limit, first=first)
            before, first = [], False
    for last in before:
        write(last, form, output, limit)


def _write_next(result: Any, form: str, limit: int, *, first: bool) -> None:
    """One of several answers on stdout; an empty line stands between two that people read."""
    if form in ("box", "md") and not first:
        Screen().write("\n")
    write(result, form, None, limit)


def write(result: Any, form: str, output: Path | None, limit: int) -> None:
    """Write `result` (a table with a text of its own, or a text) as box, csv, json, jsonl, line, md or parquet.

    Raises PqlError `binary_output` for parquet on a terminal, `file_not_writable` if the file can't be written.
    """
    if form != "parquet" or not hasattr(result, "to_arrow_table"):
        screen = Screen()
        on_screen = output is None and screen.is_terminal
        text = rendered(result, form, limit, width=screen.width if on_screen else None, on_screen=on_screen)
        return screen.write(text) if output is None else _kept(text, output, "w")
    table = result.to_arrow_table()
    check(form, output)
    if output is None:
        import pyarrow.parquet as pq

        return pq.write_table(table, sys.stdout.buffer)
    try:
        return result.to_parquet(output)
    except OSError as error:
        raise _not_writable(output, error) from error


def rendered(result: Any, form: str, limit: int, *, width: int | None = None, on_screen: bool = False) -> str:
    """`result` as text in a form other than parquet.

    width: the columns that a box may take. on_screen: a terminal shows it, which must get no control characters.
    """
    if form in ("json", "jsonl") and hasattr(result, "to_json") and not hasattr(result, "to_arrow_table"):
        text = json.dumps(result.to_json(), ensure_ascii=False, indent=1 if form == "json" else None) + "\n"
    elif form == "box" or not hasattr(result, "to_arrow_table"):
        with fitting(width):
            text = result.shown(limit) if hasattr(result, "shown") else str(result)
        text = printable(text)
        return (text if width is None else folded(text, width)) + "\n"
    else:
        text = _text(result.to_arrow_table(), form)
    if not on_screen:
        return text
    return _json_escaped(text) if form in ("json", "jsonl") else printable(text)


def begun(path: Path) -> None:
    """An empty file to append answers to. Raises PqlError `file_not_writable`."""
    _kept("", path, "w")


def appended(text: str, path: Path) -> None:
    """Add `text` to a file. Raises PqlError `file_not_writable`."""
    _kept(text, path, "a")


def check(form: str, output: Path | None) -> None:
    """Raise PqlError `binary_output` where parquet would go to a terminal; better before the work than after."""
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise PqlError("binary_output", "Parquet can't be written to the terminal.", hint="Name a file with -o.")


def _text(table: pa.Table, form: str) -> str:
    if form == "csv":
        import pyarrow.csv as csv

        sink = io.BytesIO()
        csv.write_csv(without_nests(table), sink)
        return sink.getvalue().decode()
    if form == "md":
        heads = " | ".join(_md(cell(name)) for name in table.column_names)
        lines = [f"| {heads} |", "|" + " --- |" * table.num_columns]
        columns = [column.to_pylist() for column in table.columns]
        lines += ["| " + " | ".join(_md(cell(value)) for value in row) + " |" for row in zip(*columns, strict=True)]
        return "\n".join(lines) + "\n"
    if form == "line":
        return _lines(table)
    return json_lines(table) if form == "jsonl" else json_text(table)


def _lines(table: pa.Table) -> str:
    """One line per value, an empty one between rows: for rows too wide to stand beside each other."""
    names = [whole(name) for name in table.column_names]
    width = max(map(len, names), default=0)
    columns = [column.to_pylist() for column in table.columns]
    rows = []
    for row in zip(*columns, strict=True):
        rows.append("".join(f"{name:>{width}} = {whole(value)}\n" for name, value in zip(names, row, strict=True)))
    return "\n".join(rows)


def _md(text: str) -> str:
    for sign, instead in _MARKDOWN.items():
        text = text.replace(sign, instead)
    return text


def _json_escaped(text: str) -> str:
    """JSON with escapes for what doesn't print: the same data, safe to look at."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text).replace("\x7f", "\\u007f")


def _kept(text: str, path: Path, how: str) -> None:
    try:
        with path.open(how, encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(text)
    except OSError as error:
        raise _not_writable(path, error) from error


def _not_writable(path: Path, error: OSError) -> PqlError:
    return PqlError(
        "file_not_writable",
        f"The file {path} can't be written: {error.strerror or error}.",
        hint="Name a file in a folder that exists and that you may write.",
    )
