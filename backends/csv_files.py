"""CSV files as people have them: in other encodings than UTF-8, with lines before the header, with lines too short.

DuckDB finds out how a file is written. What it would read otherwise than a reader of the file does is noted or refused.
"""

from __future__ import annotations

import codecs
import csv
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa

from pql.backends.decimal_commas import read_decimal_commas
from pql.backends.exchanged_days import keep_exchanged_days
from pql.backends.file_tables import FileTable, literally, reading_sql
from pql.backends.sql import string
from pql.language.errors import PqlError

_SEPARATORS = ",;\t|"
_PIECE = 1 << 20  # bytes that are decoded at a time


def read_csv_table(con: duckdb.DuckDBPyConnection, target: str, table: FileTable) -> tuple[str, ...]:
    """Make `target` of the files of a table; what people should know of how they were read. duckdb.Error, PqlError."""
    try:
        return _read(con, target, table)
    except duckdb.Error as error:
        if "not utf-8 encoded" not in str(error):
            raise
    encoding = _encoding(Path(table.files[0]))
    with tempfile.TemporaryDirectory(prefix="pql-") as folder:
        files = [_in_utf8(Path(file), Path(folder) / str(i), encoding) for i, file in enumerate(table.files)]
        notes = _read(con, target, replace(table, files=tuple(files)), table.files)
    called = {"cp1252": "Windows-1252", "utf-16": "UTF-16"}[encoding]
    return (f"{table.name} is not in UTF-8: read as {called}", *notes)


def _read(con: duckdb.DuckDBPyConnection, target: str, table: FileTable, shown: Sequence[str] = ()) -> tuple[str, ...]:
    """shown: the names to give the files, where they are others."""
    first = table.files[0]
    separator, skipped, has_header, names = con.execute(
        "SELECT Delimiter, SkipRows, HasHeader, list_transform(Columns, lambda c: c.name) "
        f"FROM sniff_csv({string(literally(first))})"
    ).fetchall()[0]
    is_uneven = (
        (skipped and not has_header)
        or (skipped == 1 and _has_columns_by_another(first, separator))
        or (len(names) == 1 and separator not in names[0] and any(one in names[0] for one in _SEPARATORS))
    )
    if not is_uneven:
        source = reading_sql(table.files, first, is_partitioned=table.is_partitioned)
        try:
            con.execute(f"CREATE OR REPLACE TABLE {target} AS SELECT * FROM {source}")
            found = [name for name, *_ in con.execute(f"DESCRIBE {target}").fetchall()]
            is_uneven = len(table.files) == 1 and found[: len(names)] != names  # by lines that were not sniffed
        except duckdb.Error as error:
            if "not utf-8 encoded" in str(error) or len(table.files) > 1:
                raise
            is_uneven = True
    notes: tuple[str, ...] = ()
    used: str | None = None
    if is_uneven:
        notes = (f"{table.name}: what lines lack that are shorter than the first counts as missing",)
        used = _read_uneven(con, target, table, (shown or table.files)[0])
    elif skipped:
        lines = "line is" if skipped == 1 else f"{skipped} lines are"
        notes = (f"{table.name}: the first {lines} no part of the table",)
    read_decimal_commas(con, target, table.files, used)
    keep_exchanged_days(con, target, table.files)
    return notes


def _has_columns_by_another(file: str, separator: str) -> bool:
    """Whether the first two lines have as many columns as each other, by another separator than the one found: that of
    decimals, where a line is too short."""
    with pa.input_stream(file) as stream:
        lines = list(islice(codecs.getreader("utf-8-sig")(stream, "replace"), 2))
    for other in _SEPARATORS.replace(separator, ""):
        first, second = (len(row) for row in csv.reader(lines, delimiter=other))
        if first == second > 1:
            return True
    return False


def _read_uneven(con: duckdb.DuckDBPyConnection, target: str, table: FileTable, shown: str) -> str:
    """A table whose first line is its header, with lines that are shorter; its separator. PqlError if one is longer."""
    with pa.input_stream(table.files[0]) as file:
        lines = codecs.getreader("utf-8-sig")(file, "replace")
        header = next(lines, "")
        separator = max(_SEPARATORS, key=header.count)
        width = len(next(csv.reader([header], delimiter=separator), []))
        rows = csv.reader(lines, delimiter=separator)
        for row in rows:
            if len(row) > width:
                raise PqlError(
                    "source_unreadable",
                    f"the file {shown} can't be read: its line {rows.line_num + 1} has {len(row)} columns, "
                    f"the first has {width}",
                    hint=f"Mend that line: a text that holds {separator!r} stands in quotes.",
                )
    source = reading_sql(table.files, table.files[0], is_partitioned=table.is_partitioned)
    settings = f"delim = {string(separator)}, header = true, skip = 0, null_padding = true"
    con.execute(f"CREATE OR REPLACE TABLE {target} AS SELECT * FROM {source[:-1]}, {settings})")
    return separator


def _encoding(file: Path) -> str:
    with pa.input_stream(str(file)) as stream:
        start = stream.read(200)
    is_wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "utf-16" if is_wide else "cp1252"


def _in_utf8(file: Path, folder: Path, encoding: str) -> str:
    """A copy of a file in UTF-8."""
    folder.mkdir()
    copy = folder / f"{file.name.split('.')[0]}.csv"
    with copy.open("wb") as written:
        for piece in _decoded(file, encoding):
            written.write(piece.encode())
    return str(copy)


def _decoded(file: Path, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    with pa.input_stream(str(file)) as stream:
        while piece := stream.read(_PIECE):
            yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)
