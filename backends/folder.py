"""A folder of Parquet, CSV and JSON lines files: every file and every subfolder of Parquet parts is a table."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from pql.backends.base import StoredTable
from pql.backends.decimal_commas import read_decimal_commas
from pql.backends.file_state import FileState
from pql.backends.frames import describe, own_settings
from pql.backends.memory import Memory
from pql.backends.relations import DuckSnapshot, Relation, first_line
from pql.backends.sql import identifier, string
from pql.backends.sql_targets import read_only
from pql.language.errors import PqlError

_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_PARQUET = (".parquet", ".pq")
_JSON = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
SUFFIXES = _CSV + _PARQUET + _JSON
JUST_NOW = 2_000_000_000  # ns, within which two writes of a file may leave the same time


@dataclass(frozen=True, slots=True)
class _Source:
    """The files of one table."""

    name: str
    files: tuple[Path, ...]

    @property
    def is_parquet(self) -> bool:
        return self.files[0].name.lower().endswith(_PARQUET)


class FolderBackend:
    """A folder, or a single file. CSV and JSON files are read once, when connecting; Parquet files at every read.

    A snapshot refuses to go on (PqlError `source_changed`) when a file has changed since it was opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.identity = f"folder:{self.path}"
        self.read_only = True
        self._sources = _sources(self.path)
        if not self._sources:
            raise PqlError(
                "empty_source",
                f"the folder {self.path} has no Parquet, CSV or JSON lines files",
                hint=f"expected files {', '.join(SUFFIXES)}",
            )
        self._files = FileState(file for source in self._sources for file in source.files)
        self._memory: tuple[tuple[Stamp, ...], Memory] | None = None
        self._con = duckdb.connect(config=own_settings())
        self._relations = [self._relation(i, source) for i, source in enumerate(self._sources)]
        self._parquet = tuple(file for source in self._sources if source.is_parquet for file in source.files)

    def _relation(self, position: int, source: _Source) -> Relation:
        text = reading_sql(source.files, source.files[0].name)
        try:
            if not source.is_parquet:
                read, text = text, f"memory.main.file_{position}"
                self._con.execute(f"CREATE TABLE {text} AS SELECT * FROM {read}")
                if source.files[0].name.lower().endswith(_CSV):
                    read_decimal_commas(self._con, text, source.files)
            columns = describe(self._con, text)
        except duckdb.Error as error:
            raise PqlError(
                "source_unreadable",
                f"the file {source.files[0]} can't be read: {first_line(error)}",
                hint="See that it is whole: read it with DuckDB alone, or take it out of the folder.",
            ) from error
        return Relation(StoredTable(source.name, columns), text)

    @contextmanager
    def snapshot(self, *, write: bool = False) -> Iterator[DuckSnapshot]:
        if write:
            raise read_only()
        cursor = self._con.cursor()
        try:
            snapshot = _WatchedSnapshot(self._con, self._relations, cursor, self._parquet, self.path)
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
    ) -> None:
        self._files = files
        self.stamps = _stamps(files)
        self._cursor = cursor
        self._unnamed = list(relations)
        super().__init__(con, relations, own_files=(place,))

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


def reading_sql(files: Sequence[Path | str], name: str) -> str:
    """The table function that reads files of one kind, which `name` ends in."""
    listed = "[" + ", ".join(string(str(file)) for file in files) + "]"
    lowered = name.lower()
    if lowered.endswith(_PARQUET):
        return f"read_parquet({listed}, hive_partitioning = false)"
    if lowered.endswith(_JSON):
        return f"read_json({listed}, format = 'newline_delimited', sample_size = -1)"
    return f"read_csv({listed}, sample_size = -1)"


def stem(name: str) -> str:
    """A file's name without its suffix: what its table is called."""
    lowered = name.lower()
    suffix = max((s for s in SUFFIXES if lowered.endswith(s)), key=len, default="")
    return name[: len(name) - len(suffix)]


def _sources(path: Path) -> list[_Source]:
    """The tables of a folder (or the one of a file), by name."""
    if path.is_file():
        return [_Source(stem(path.name), (path,))]
    sources: dict[str, _Source] = {}
    for entry in sorted(path.iterdir()):
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir():
            files = tuple(sorted(file for file in entry.rglob("*") if file.name.lower().endswith(_PARQUET)))
            if not files:
                continue
        elif entry.is_file() and entry.name.lower().endswith(SUFFIXES):
            files = (entry,)
        else:
            continue
        name = entry.name if entry.is_dir() else stem(entry.name)
        if name.lower() in sources:
            raise PqlError(
                "duplicate_table",
                f"the files {sources[name.lower()].files[0]} and {entry} are both called {name}",
                hint="Rename one of them.",
            )
        sources[name.lower()] = _Source(name, files)
    return [sources[key] for key in sorted(sources)]
