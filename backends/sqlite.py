"""SQLite files, read by Python's own sqlite3 and never written: mode=ro, and one transaction for all that is read.

A file in WAL mode that nobody has open is read as immutable, so that no side file is made beside it; whether it stays
as it is is then told by its size and time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import pyarrow as pa

from pql.backends.base import DeclaredLink
from pql.backends.copied import CopiedBackend
from pql.backends.file_state import FileState, beginning
from pql.backends.origin import LeftOut, Listed, Reading, Run
from pql.backends.relations import Relation, first_line
from pql.backends.sql import identifier
from pql.backends.sqlite_types import CLASSES, Decided, Declared, counts_of, decided
from pql.backends.written_numbers import written_numbers
from pql.backends.written_times import written_times
from pql.language.errors import PqlError

MAGIC = b"SQLite format 3\0"
BATCH = 50_000  # rows
AT_ONCE = 300  # columns whose values are counted in one statement
WAIT = 5.0  # s, for a program that is just writing
_CALLED = {"BIGINT": "number", "DOUBLE": "number", "BOOLEAN": "truth value"}
_WAL = 2  # what the header's bytes 18 and 19 say of a file in WAL mode


def sqlite_backend(path: Path) -> CopiedBackend:
    """The backend for a SQLite file. PqlError source_not_found, source_unreadable, source_locked."""
    path = path.resolve()
    if not path.is_file():
        raise PqlError("source_not_found", f"there is no file {path}", hint="See that the path is right.")
    return CopiedBackend(_File(path), f"sqlite:{path}")


class _File:
    """The `Origin` of a SQLite file."""

    followed = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.files = (path, *(Path(f"{path}-{kind}") for kind in ("wal", "shm", "journal")))
        self._file = _file(path)
        self._state = FileState([path])
        self._con = _open(path)
        try:
            self.begin()
        except PqlError:
            self._con.close()
            raise
        self.rest()

    def begin(self) -> tuple[Any, ...]:
        if not self._con.in_transaction and self._file != (now := _file(self._path)):
            self._con.close()
            self._file, self._con = now, _open(self._path)
        try:
            if not self._con.in_transaction:
                self._con.execute("BEGIN")
            self._con.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # takes the lock
            version = self._con.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            _fail(self._path, error)
        return version, *_file(self._path)

    def written(self) -> None:
        """`begin` tells all of it."""

    def told(self) -> str | None:
        """Of the file's content; None where rows stand in a journal beside it, which is written back one day."""
        if any(file.exists() and file.stat().st_size for file in self.files[1:] if not file.name.endswith("-shm")):
            return None
        if (told := self._state.told()) is None:
            self._state = FileState([self._path])
            told = self._state.told()
        return told

    def rest(self) -> None:
        if self._con.in_transaction:
            self._con.rollback()

    def close(self) -> None:
        self._con.close()

    def tables(self) -> tuple[tuple[Listed, ...], tuple[tuple[str, str], ...]]:
        try:
            found = [row for row in self._rows("PRAGMA main.table_list") if not row["name"].startswith("sqlite_")]
            skipped = [(row["name"], "it is a virtual table") for row in found if row["type"] == "virtual"]
            names = {row["name"].lower(): row["name"] for row in found}
            listed = [
                self._listed(row["name"], names, is_view=row["type"] == "view")
                for row in sorted(found, key=lambda row: (row["name"].lower(), row["name"]))
                if row["type"] in ("table", "view")
            ]
        except sqlite3.Error as error:
            _fail(self._path, error)
        return tuple(listed), tuple(skipped)

    def _rows(self, statement: str) -> list[dict[str, Any]]:
        cursor = self._con.execute(statement)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def _listed(self, table: str, names: dict[str, str], *, is_view: bool) -> Listed:
        if is_view:
            return Listed(table, "", table, is_view=True)
        key = self._key(table)
        links: dict[int, list[dict[str, Any]]] = {}
        for row in self._rows(f"PRAGMA main.foreign_key_list({identifier(table)})"):
            links.setdefault(row["id"], []).append(row)
        declared = [self._link(table, rows, names) for _, rows in sorted(links.items(), reverse=True)]
        return Listed(table, "", table, key or None, tuple(link for link in declared if link is not None))

    def _key(self, table: str) -> tuple[str, ...]:
        columns = self._rows(f"PRAGMA main.table_xinfo({identifier(table)})")
        return tuple(row["name"] for row in sorted(columns, key=lambda row: row["pk"]) if row["pk"])

    def _link(self, table: str, rows: list[dict[str, Any]], names: dict[str, str]) -> DeclaredLink | None:
        """A foreign key; without named columns it points to the parent's key. None if it points nowhere."""
        rows = sorted(rows, key=lambda row: row["seq"])
        parent = names.get(str(rows[0]["table"]).lower())
        if parent is None:
            return None
        mine = _as_named([row["from"] for row in rows], self._names(table))
        named = [row["to"] for row in rows if row["to"] is not None]
        theirs = _as_named(named, self._names(parent)) if named else self._key(parent)
        if mine is None or theirs is None or len(mine) != len(theirs):
            return None
        return DeclaredLink(mine, parent, theirs)

    def _names(self, table: str) -> list[str]:
        return [row["name"] for row in self._rows(f"PRAGMA main.table_xinfo({identifier(table)})")]

    def read(self, table: Listed, *, whole: bool) -> Reading:
        try:
            info = self._rows(f"PRAGMA main.table_xinfo({identifier(table.table)})")
            columns = [Declared(row["name"], str(row["type"] or "").upper()) for row in info if row["hidden"] != 1]
            source = f"main.{identifier(table.table)}" + ("" if table.is_view else " NOT INDEXED")
            ways = [
                decided(column, counts, whole=whole)
                for column, counts in zip(columns, self._counts(columns, source), strict=True)
            ]
            batches = self._batches([way for way in ways if not way.field.is_left], source)
        except sqlite3.Error as error:
            if table.is_view:
                raise LeftOut(str(error)) from error
            _fail(self._path, error)
        notes = tuple(
            f"{table.name}.{way.field.name}: {way.odd:,} {'value is' if way.odd == 1 else 'values are'} "
            f"no {_CALLED[way.field.sql_type]} and count{'s' if way.odd == 1 else ''} as missing"
            for way in ways
            if way.odd
        )
        times = {way.field.name for way in ways if way.is_time}
        is_imported = not table.is_view and all(column.sql_type in ("TEXT", "ANY", "") for column in columns)

        def finish(relation: Relation, run: Run) -> Relation:
            if is_imported:
                relation = Relation(*written_numbers(relation.source, relation.table, run))
            if times:
                source, stored = written_times(relation.source, relation.table, run, declared=times)
                relation = Relation(stored, source)
            return relation

        return Reading(tuple(way.field for way in ways), batches, finish, notes)

    def _counts(self, columns: list[Declared], source: str) -> list[dict[str, int]]:
        """Of every column, its values by class and those that are 0 or 1 (`flag`)."""
        found: list[dict[str, int]] = []
        for start in range(0, len(columns), AT_ONCE):
            asked = [text for column in columns[start : start + AT_ONCE] for text in counts_of(column)]
            row = self._con.execute(f"SELECT {', '.join(asked)} FROM {source}").fetchone()
            kinds = (*CLASSES, "flag")
            for i in range(0, len(row), len(kinds)):
                values = row[i : i + len(kinds)]
                found.append({kind: int(n or 0) for kind, n in zip(kinds, values, strict=True)})
        return found

    def _batches(self, ways: list[Decided], source: str) -> Iterator[pa.RecordBatch]:
        if not ways:
            return
        schema = pa.schema([(way.field.name, way.arrow) for way in ways])
        statement = f"SELECT {', '.join(way.select for way in ways)} FROM {source}"
        try:
            cursor = self._con.execute(statement)
            while rows := cursor.fetchmany(BATCH):
                columns = zip(*rows, strict=True)
                arrays = [pa.array(v, way.arrow) for v, way in zip(columns, ways, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except sqlite3.Error as error:
            _fail(self._path, error)


def _as_named(columns: list[str], names: list[str]) -> tuple[str, ...] | None:
    """Columns as their table spells them; None if it lacks one."""
    known = {name.lower(): name for name in names}
    found = [known.get(str(column).lower()) for column in columns]
    return tuple(name for name in found if name is not None) if all(found) else None


def _file(path: Path) -> tuple[Any, ...]:
    """What tells one state of a file from another, as far as the file system knows. PqlError source_changed."""
    try:
        stat = path.stat()
    except OSError as error:
        raise PqlError(
            "source_changed", f"the file {path} can't be read any more", hint="Run it again when it is there."
        ) from error
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, Path(f"{path}-wal").exists()


def _open(path: Path) -> sqlite3.Connection:
    header = beginning(path, 20)
    if header and header[:16] != MAGIC:
        raise PqlError(
            "source_unreadable",
            f"the file {path} is no SQLite database, or an encrypted one",
            hint="Give a SQLite file that isn't encrypted; one of SQLCipher can be exported with sqlcipher_export.",
        )
    is_alone = header[18:19] == bytes([_WAL]) and not Path(f"{path}-wal").exists()
    where = f"file:{quote(str(path))}?mode=ro{'&immutable=1' if is_alone else ''}"
    try:
        con = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=False, timeout=WAIT)
        con.text_factory = _text
        con.execute("PRAGMA query_only = 1")
        con.execute("PRAGMA trusted_schema = 0")
        return con
    except sqlite3.Error as error:
        _fail(path, error)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _fail(path: Path, error: sqlite3.Error) -> NoReturn:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        raise PqlError(
            "source_locked",
            f"the file {path} is open for writing elsewhere: {first_line(error)}",
            hint="Run it again when the other program has committed.",
        ) from error
    hint = "Run PRAGMA integrity_check on it with the sqlite3 program."
    if name.startswith(("SQLITE_NOTADB", "SQLITE_AUTH")):
        hint = "Give a SQLite file that isn't encrypted."
    elif name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        hint = "A program that wrote it may have crashed: open it once with the sqlite3 program, so that it is mended."
    raise PqlError(
        "source_unreadable", f"the SQLite file {path} can't be read: {first_line(error)}", hint=hint
    ) from error
