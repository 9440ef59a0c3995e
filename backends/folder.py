"""A folder of Parquet, CSV and JSON lines files: every file and every subfolder of parts is a table."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from pql.backends.base import StoredTable
from pql.backends.csv_files import read_csv_table
from pql.backends.file_state import FileState
from pql.backends.file_tables import (
    CSV,
    PARQUET,
    SUFFIXES,
    FileTable,
    fault_of_parts,
    file_tables,
    not_read,
    reading_sql,
    stem,
)
from pql.backends.frames import describe, own_settings
from pql.backends.memory import Memory
from pql.backends.relations import DuckSnapshot, Relation, first_line
from pql.backends.sql import identifier
from pql.backends.sql_targets import read_only
from pql.language.errors import PqlError

JUST_NOW = 2_000_000_000  # ns, within which two writes of a file may leave the same time


class FolderBackend:
    """A folder, or a single file. CSV and JSON files are read once, when connecting; Parquet files at every read.

    A snapshot refuses to go on (PqlError `source_changed`) when a file has changed since it was opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.identity = f"folder:{self.path}"
        self.read_only = True
        found = _sources(self.path)
        files = [Path(file) for table in found for file in table.files]
        self._files = FileState(files)
        self._memory: tuple[tuple[Stamp, ...], Memory] | None = None
        self._con = duckdb.connect(config=own_settings())
        self._skipped = _refused(self.path)
        self._notes: list[str] = []
        self._databases: list[str] = []  # subfolders that hold several tables
        self._relations = [
            relation for i, table in enumerate(found) if (relation := self._relation(i, table)) is not None
        ]
        if not self._relations:
            raise _empty(self.path, self._skipped, self._databases)
        self._parquet = tuple(file for file in files if file.name.lower().endswith(PARQUET))

    def _relation(self, position: int, table: FileTable) -> Relation | None:
        try:
            if fault := fault_of_parts(self._con, table):
                self._databases.append(table.name)
                self._skipped.append((table.name, f"{fault}; connect to the folder {table.name} itself"))
                return None
            text = reading_sql(table.files, table.files[0], is_partitioned=table.is_partitioned)
            if not table.files[0].lower().endswith(PARQUET):
                if not any(Path(file).stat().st_size for file in table.files):
                    self._skipped.append((table.name, "the file is empty"))
                    return None
                read, text = text, f"memory.main.file_{position}"
                if table.files[0].lower().endswith(CSV):
                    self._notes += read_csv_table(self._con, text, table)
                else:
                    self._con.execute(f"CREATE TABLE {text} AS SELECT * FROM {read}")
            columns = describe(self._con, text)
        except duckdb.Error as error:
            raise PqlError(
                "source_unreadable",
                f"the file {table.files[0]} can't be read: {_said(error)}",
                hint="See that it is whole: read it with DuckDB alone, or take it out of the folder.",
            ) from error
        return Relation(StoredTable(table.name, columns), text)

    @contextmanager
    def snapshot(self, *, write: bool = False) -> Iterator[DuckSnapshot]:
        if write:
            raise read_only()
        cursor = self._con.cursor()
        try:
            snapshot = _WatchedSnapshot(self._con, self._relations, cursor, self._parquet, self.path, self._skipped)
            snapshot.notes = tuple(self._notes)
            snapshot.memory = self._memory_of(snapshot.stamps)
            yield snapshot
        finally:
            cursor.close()

    def _memory_of(self, stamps: tuple[Stamp, ...]) -> Memory | None:
        """The memory of files with these stamps. None while one has just been written: the next write may leave the
        same stamp."""
        if any(abs(time.time_ns() - stamp.changed) < JUST_NOW for stamp in stamps):
            return None
        if self._memory is None or self._memory[0] != stamps:
            self._memory = (stamps, Memory())
        return self._memory[1]

    def state(self) -> str | None:
        """The same text for the same files with the same content; None where they have changed since connecting."""
        return self._files.told()

    def close(self) -> None:
        self._con.close()


class _WatchedSnapshot(DuckSnapshot):
    """A snapshot of files that other programs could replace: every read checks that they are still the same."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        relations: list[Relation],
        cursor: duckdb.DuckDBPyConnection,
        files: tuple[Path, ...],
        place: Path,
        skipped: Sequence[tuple[str, str]],
    ) -> None:
        self._files = files
        self.stamps = _stamps(files)
        self._cursor = cursor
        self._unnamed = list(relations)
        super().__init__(con, relations, sorted(skipped), own_files=(place,))

    def _run(self, statement: str, parameters: Sequence[Any] = ()) -> pa.Table:
        rows = super()._run(statement, parameters)
        self._check()
        return rows

    def run_sql(
        self, statement: str, parameters: Mapping[str, Any], frames: Mapping[str, pa.Table], *, note: str = ""
    ) -> pa.Table:
        rows = super().run_sql(statement, parameters, frames, note=note)
        self._check()
        return rows

    def _con_of_the_user(self) -> duckdb.DuckDBPyConnection:
        """A cursor on which every file is a temporary view under the name of its table."""
        while self._unnamed:
            relation = self._unnamed.pop()
            view = identifier(relation.table.name)
            self._cursor.execute(f"CREATE TEMP VIEW {view} AS SELECT * FROM {relation.source}")
        return self._cursor

    @contextmanager
    def _beside(self) -> Iterator[duckdb.DuckDBPyConnection]:
        yield self._con_of_the_user()

    def _check(self) -> None:
        if _stamps(self._files) != self.stamps:
            raise PqlError("source_changed", "a file of the folder changed while it was read", hint="run it again")


class Stamp(NamedTuple):
    """What tells one state of a file from another; `changed` in ns, `place` on the disk."""

    size: int
    changed: int
    place: int


def _stamps(files: tuple[Path, ...]) -> tuple[Stamp, ...]:
    """The stamp of every file; PqlError if one is gone."""
    try:
        return tuple(Stamp(stat.st_size, stat.st_mtime_ns, stat.st_ino) for stat in (file.stat() for file in files))
    except OSError as error:
        raise PqlError(
            "source_changed",
            f"the file {error.filename} can't be read any more",
            hint="Run it again when nobody writes to the folder.",
        ) from error


def _sources(path: Path) -> tuple[FileTable, ...]:
    """The tables of a folder (or the one of a file), by name."""
    if path.is_file():
        return (FileTable(stem(path.name), (str(path),)),)
    found: list[tuple[str, str]] = []
    seen: set[str] = set()  # a link may lead back
    for folder, inside, names in os.walk(path, followlinks=True):
        inside[:] = [name for name in inside if not name.startswith((".", "_"))]
        if (real := os.path.realpath(folder)) in seen:
            inside.clear()
            continue
        seen.add(real)
        files = [Path(folder) / name for name in names if name.lower().endswith(SUFFIXES)]
        found += [(file.relative_to(path).as_posix(), str(file)) for file in files if file.is_file()]
    return file_tables(found)


def _said(error: duckdb.Error) -> str:
    """What DuckDB says of a file; of a line of CSV, what is wrong with it too."""
    lines = [line for line in str(error).strip().split("\n")[1:] if line and not line.startswith("Original Line")]
    first = first_line(error)
    return f"{first}: {lines[0]}" if first.startswith("CSV Error on Line") and lines else first


def _refused(path: Path) -> list[tuple[str, str]]:
    """The files of a folder that hold tables in a form that isn't read."""
    files = sorted(path.iterdir()) if path.is_dir() else []
    return [(file.name, why) for file in files if (why := not_read(file.name)) and not file.name.startswith(".")]


def _empty(path: Path, skipped: list[tuple[str, str]], databases: list[str]) -> PqlError:
    if databases:
        inside = {name: _tables_in(path / name) for name in databases}
        best = max(databases, key=lambda name: len(inside[name]))
        held = [f"{name} ({_some(tables)})" if tables else f"{name} (folders)" for name, tables in inside.items()]
        return PqlError(
            "empty_source",
            f"the folder {path} is not one database: its subfolders hold several tables each, {', '.join(held)}"
            if len(databases) > 1
            else f"the folder {path} is not a database itself: its subfolder holds the tables, {held[0]}",
            hint=f"Connect to {path / best}.",
        )
    if skipped:
        name, reason = skipped[0]
        return PqlError(
            "empty_source",
            f"no table of {path} can be read; {name}: {reason}",
            hint="Connect to a folder whose files are tables.",
        )
    return PqlError(
        "empty_source",
        f"the folder {path} has no Parquet, CSV or JSON lines files",
        hint=f"expected files {', '.join(SUFFIXES)}",
    )


def _tables_in(folder: Path) -> list[str]:
    """The names of the tables whose files lie in a folder itself."""
    return sorted(stem(file.name) for file in folder.iterdir() if file.is_file() and file.name.endswith(SUFFIXES))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
