"""A result in the format asked for, to stdout or a file."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pql.json_rows import json_lines, json_text, without_nests
from pql.language.errors import PqlError
from pql.table import cell

if TYPE_CHECKING:
    import pyarrow as pa


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
        _out("\n", None)
    write(result, form, None, limit)


def write(result: Any, form: str, output: Path | None, limit: int) -> None:
    """Write `result` (a table with a text of its own, or a text) as box, csv, json, jsonl, md or parquet.

    Raises PqlError `binary_output` for parquet on a terminal, `file_not_writable` if the file can't be written.
    """
    if form in ("json", "jsonl") and hasattr(result, "to_json") and not hasattr(result, "to_arrow_table"):
        return _out(
            json.dumps(result.to_json(), ensure_ascii=False, indent=1 if form == "json" else None) + "\n", output
        )
    if form == "box" or not hasattr(result, "to_arrow_table"):
        text = result.shown(limit) if hasattr(result, "shown") else str(result)
        return _out(text + "\n", output)
    table = result.to_arrow_table()
    if form == "parquet":
        check(form, output)
        if output is None:
            import pyarrow.parquet as pq

            return pq.write_table(table, sys.stdout.buffer)
        try:
            return result.to_parquet(output)
        except OSError as error:
            raise _not_writable(output, error) from error
    return _out(_text(table, form), output)


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
        lines = ["| " + " | ".join(map(_md, table.column_names)) + " |", "|" + " --- |" * table.num_columns]
        columns = [column.to_pylist() for column in table.columns]
        lines += ["| " + " | ".join(_md(cell(value)) for value in row) + " |" for row in zip(*columns, strict=True)]
        return "\n".join(lines) + "\n"
    return json_lines(table) if form == "jsonl" else json_text(table)


def _md(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _out(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _not_writable(output, error) from error


def _not_writable(path: Path, error: OSError) -> PqlError:
    return PqlError(
        "file_not_writable",
        f"The file {path} can't be written: {error.strerror or error}.",
        hint="Name a file in a folder that exists and that you may write.",
    )
