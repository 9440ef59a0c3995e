"""Which files are one table, what it is called, and how DuckDB reads them; of a folder here or behind a URL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pql.backends.sql import string
from pql.language.errors import PqlError

CSV = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".tsv.zst")
PARQUET = (".parquet", ".pq")
JSON = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".jsonl.zst", ".ndjson.zst")
SUFFIXES = CSV + PARQUET + JSON

_NOT_READ = {
    (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"): "spreadsheets are not read: save each sheet as CSV",
    (".feather", ".arrow", ".ipc"): "Arrow files are not read: pyarrow.feather.read_table gives a frame to connect to",
    (".orc", ".avro"): "this form is not read: write it as Parquet",
    (".json", ".json.gz"): "JSON is read as lines: write one object a line (jq -c '.[]') and call the file .jsonl",
    (".zip", ".tar", ".tgz", ".tar.gz", ".7z"): "archives are not read: unpack it",
}
"""Files that hold tables and aren't read, and what to do with them."""


def not_read(name: str) -> str | None:
    """Why a file of tables isn't read, by its name; None if it is, or holds none."""
    return next((why for suffixes, why in _NOT_READ.items() if name.lower().endswith(suffixes)), None)


@dataclass(frozen=True, slots=True)
class FileTable:
    """The files of one table, all of one kind. `is_partitioned`: folders called `column=value` hold them."""

    name: str
    files: tuple[str, ...]
    is_partitioned: bool = False


def file_tables(files: Iterable[tuple[str, str]]) -> tuple[FileTable, ...]:
    """The tables of files, given as (path inside the folder, with slashes; how to open it), by name.

    Every file of the folder itself is a table. So is every subfolder, with all files in it: those of Parquet if there
    are any, else those of CSV. What begins with a dot or underscore is left out.
    PqlError duplicate_table.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for path, address in sorted(files):
        if path.lower().endswith(SUFFIXES) and not any(part.startswith((".", "_")) for part in path.split("/")):
            found.setdefault(path.partition("/")[0], []).append((path, address))
    tables: dict[str, FileTable] = {}
    for entry, members in found.items():
        is_folder = "/" in members[0][0]
        name = entry if is_folder else stem(entry)
        parts = _parts(members) if is_folder else members
        if not parts:
            continue
        table = FileTable(name, tuple(address for _, address in parts), is_folder and _are_partitioned(parts))
        if name.lower() in tables:
            raise PqlError(
                "duplicate_table",
                f"the files {tables[name.lower()].files[0]} and {parts[0][1]} are both called {name}",
                hint="Rename one of them.",
            )
        tables[name.lower()] = table
    return tuple(tables[key] for key in sorted(tables))


def _parts(members: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The files of a subfolder that are its table's: all of one kind."""
    for kind in (PARQUET, CSV):
        if parts := [member for member in members if member[0].lower().endswith(kind)]:
            return parts
    return []


def fault_of_parts(con: duckdb.DuckDBPyConnection, table: FileTable) -> str | None:
    """Why the files of a table can't be parts of one, or None: their columns must be those of one of them, or fewer."""
    if len(table.files) < 2:
        return None
    named = {file: _columns(con, file) for file in table.files}
    widest = max(table.files, key=lambda file: len(named[file]))
    for file in table.files:
        if not named[file] <= named[widest]:
            one, other = (Path(name).name for name in (file, widest))
            return f"its files {one} and {other} have different columns"
    return None


def _columns(con: duckdb.DuckDBPyConnection, file: str) -> set[str]:
    if file.lower().endswith(PARQUET):
        rows = con.execute(f"DESCRIBE SELECT * FROM {reading_sql((file,), file)}")
        return {name.lower() for name, *_ in rows.fetchall()}
    try:
        rows = con.execute(f"SELECT unnest(Columns).name FROM sniff_csv({string(literally(file))})")
    except duckdb.Error:  # another encoding: what is wrong is said when it is read
        return set()
    return {name.lower() for (name,) in rows.fetchall()}


def _are_partitioned(parts: list[tuple[str, str]]) -> bool:
    """Whether all parts are in folders of the same columns, as `year=2024/month=01/part.parquet`."""
    keys = {tuple(folder.partition("=")[0] for folder in path.split("/")[1:-1]) for path, _ in parts}
    return len(keys) == 1 and keys != {()} and all("=" in f for path, _ in parts for f in path.split("/")[1:-1])


def reading_sql(files: Sequence[Path | str], name: str, *, is_partitioned: bool = False) -> str:
    """The table function that reads files of one kind, which `name` ends in."""
    listed = "[" + ", ".join(string(literally(str(file))) for file in files) + "]"
    lowered = name.lower()
    settings = [f"hive_partitioning = {str(is_partitioned).lower()}"]
    if len(files) > 1:
        settings.append("union_by_name = true")
    if lowered.endswith(PARQUET):
        return f"read_parquet({listed}, {', '.join(settings)})"
    settings.append("sample_size = -1")
    if lowered.endswith((".gz", ".zst")):
        settings.append(f"compression = '{'gzip' if lowered.endswith('.gz') else 'zstd'}'")
    if lowered.endswith(JSON):
        return f"read_json({listed}, format = 'newline_delimited', {', '.join(settings)})"
    return f"read_csv({listed}, {', '.join(settings)})"


def literally(file: str) -> str:
    """A file's name as DuckDB takes it, to which * ? and [ are patterns; in the address of a web server they aren't."""
    return file if file.lower().startswith(("http://", "https://")) else re.sub(r"[*?\[]", r"[\g<0>]", file)


def stem(name: str) -> str:
    """A file's name without its suffix: what its table is called."""
    lowered = name.lower()
    suffix = max((s for s in SUFFIXES if lowered.endswith(s)), key=len, default="")
    return name[: len(name) - len(suffix)]
