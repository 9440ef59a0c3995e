"""DuckDB databases: a file, opened read-only unless asked otherwise, or a connection that the user has open.

Only CREATE TABLE ever writes, and only where the session was opened for it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from pql.backends.base import HOLDS_PREDICTIONS, PREDICTIONS, DeclaredLink, StoredTable
from pql.backends.file_state import FileState
from pql.backends.memory import Memory
from pql.backends.relations import DuckSnapshot, Relation, first_line, run
from pql.backends.sql import qualified, string
from pql.backends.sql_targets import read_only
from pql.language.errors import PqlError

SUFFIXES = (".duckdb", ".ddb", ".db")


class DuckDBFile:
    """A DuckDB file. It is opened read-only unless `read_only` is False; opening never creates it."""

    def __init__(self, path: Path, *, read_only: bool = True) -> None:
        self.path = path.resolve()
        self.identity = f"duckdb:{self.path}"
        self.read_only = read_only
        self._files = FileState([self.path, self.path.with_name(self.path.name + ".wal")]) if read_only else None
        self._con = _open(self.path, read_only=read_only)
        self._memory = Memory() if read_only else None  # DuckDB's lock keeps writers out while the file is open

    @contextmanager
    def snapshot(self, *, write: bool = False) -> Iterator[DuckSnapshot]:
        if write and self.read_only:
            raise read_only()
        cursor = _cursor(self._con)
        try:
            with _transaction(cursor, write=write):
                snapshot = _read(cursor, writes=write)
                snapshot.memory = self._memory
                yield snapshot
        finally:
            cursor.close()

    def state(self) -> str | None:
        """The same text for the same content of the file; None where it is written to."""
        return None if self._files is None else self._files.told()

    def close(self) -> None:
        self._con.close()


class DuckDBConnection:
    """A connection of the user's. Its settings, temporary objects and transactions stay as they are.

    Reads come from a transaction of their own on a second cursor; where that couldn't see everything (the user is
    inside a transaction, or has temporary tables or registered frames), from the connection itself: inside the user's
    transaction if there is one, else between BEGIN and ROLLBACK.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, *, read_only: bool = True) -> None:
        self._con = con
        self.identity = _identity(con)
        self.read_only = read_only

    @contextmanager
    def snapshot(self, *, write: bool = False) -> Iterator[DuckSnapshot]:
        if write and self.read_only:
            raise read_only()
        if _in_transaction(self._con):
            yield _read(self._con, is_ours=False, writes=write)
            return
        own = not _has_temporary(self._con)
        con = _cursor(self._con) if own else self._con
        try:
            if own:
                _stand_where(con, self._con)
            with _transaction(con, write=write):
                yield _read(con, database=_current_database(self._con), is_ours=own, writes=write)
        finally:
            if own:
                con.close()

    def close(self) -> None:
        """The connection is the user's: it stays open."""


def _open(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    if not path.exists():
        raise PqlError("source_not_found", f"there is no file {path}", hint="See that the path is right.")
    try:
        return _without_downloads(duckdb.connect(str(path), read_only=read_only))
    except duckdb.Error as error:
        reason = first_line(error)
        lowered = str(error).lower()
        if holder := re.search(r"held in (.+?) \(PID (\d+)\)", str(error)):
            raise PqlError(
                "source_locked",
                f"the file {path} is held by another process: {Path(holder[1]).name} (PID {holder[2]})",
                hint="Close it there, or open it read-only there and here: readers can share a file "
                "(duckdb -readonly, duckdb.connect(path, read_only=True)).",
            ) from error
        if "lock" in lowered or "different configuration" in lowered or "already attached" in lowered:
            raise PqlError(
                "source_locked",
                f"the file {path} is open for writing elsewhere: {reason}",
                hint="close the other connection, or connect to it: pql.connect(connection)",
            ) from error
        raise PqlError(
            "source_unreadable",
            f"the file {path} can't be read as a DuckDB database: {reason}",
            hint="Give a DuckDB file, or a folder of Parquet or CSV files.",
        ) from error


@contextmanager
def _transaction(con: duckdb.DuckDBPyConnection, *, write: bool) -> Iterator[None]:
    """One transaction, in which DuckDB itself refuses to write unless `write`; then it is kept where all went well."""
    con.execute("BEGIN TRANSACTION" if write else "BEGIN TRANSACTION READ ONLY")
    try:
        yield
        if write:
            _commit(con)
            return
    except BaseException:
        con.rollback()
        raise
    con.rollback()


def _commit(con: duckdb.DuckDBPyConnection) -> None:
    try:
        con.commit()
    except duckdb.Error as error:
        raise PqlError(
            "sql_error", f"what was made can't be kept: {first_line(error)}", hint="Run it again."
        ) from error


def _stand_where(cursor: duckdb.DuckDBPyConnection, con: duckdb.DuckDBPyConnection) -> None:
    """Give a cursor what its connection has said with USE."""
    path = _ask(con, "SELECT current_setting('search_path') AS path")[0]["path"]
    if path:
        cursor.execute(f"SET SESSION search_path = {string(str(path))}")


def _without_downloads(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Let nothing be fetched from the network, where the database is open nowhere else in this process."""
    try:
        rows = con.execute("SELECT * FROM duckdb_connection_count()").fetchall()
    except duckdb.CatalogException:  # an older DuckDB
        return con
    if rows == [(1,)]:
        con.execute("SET GLOBAL autoinstall_known_extensions = false")
    return con


def _cursor(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    try:
        cursor = con.cursor()
        cursor.execute("SET python_enable_replacements = false")  # a name in SQL is a table, never a variable of ours
        return cursor
    except duckdb.Error as error:
        raise PqlError(
            "source_closed",
            f"the connection is closed: {first_line(error)}",
            hint="Open it again with duckdb.connect, and connect pql to the new connection.",
        ) from error


def _ask(con: duckdb.DuckDBPyConnection, statement: str) -> list[dict[str, Any]]:
    try:
        return run(con, statement).to_pylist()
    except duckdb.Error as error:
        message = str(error)
        if "unfinished result" in message:
            raise PqlError(
                "source_busy",
                "the connection has an unfinished result",
                hint="fetch all its rows first, or connect to connection.cursor()",
            ) from error
        if "aborted" in message:
            raise PqlError("source_aborted", "the connection's transaction is aborted", hint="roll it back") from error
        if "closed" in message.lower():
            raise PqlError(
                "source_closed",
                "the connection is closed",
                hint="Open it again with duckdb.connect, and connect pql to the new connection.",
            ) from error
        raise PqlError(
            "source_unreadable",
            f"the database can't be read: {first_line(error)}",
            hint="Run SELECT 1 on the connection to see what DuckDB says of it.",
        ) from error


def _in_transaction(con: duckdb.DuckDBPyConnection) -> bool:
    """True between the user's BEGIN and its end: two statements then have one transaction id."""
    one, two = (_ask(con, "SELECT txid_current() AS id")[0]["id"] for _ in range(2))
    return one == two


def _has_temporary(con: duckdb.DuckDBPyConnection) -> bool:
    columns = "SELECT 1 FROM duckdb_columns() WHERE NOT internal AND database_name = 'temp'"
    return bool(_ask(con, f"{columns} UNION ALL SELECT 1 FROM duckdb_variables() LIMIT 1"))


def _current_database(con: duckdb.DuckDBPyConnection) -> str:
    return str(_ask(con, "SELECT current_database() AS name")[0]["name"])


def _identity(con: duckdb.DuckDBPyConnection) -> str:
    database = string(_current_database(con))
    path = _ask(con, f"SELECT path FROM duckdb_databases() WHERE database_name = {database}")[0]["path"]
    if path and path != ":memory:":
        return f"duckdb:{Path(path).resolve()}"
    columns = _ask(
        con, "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    )
    text = repr([tuple(row.values()) for row in columns])
    return f"memory:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _read(
    con: duckdb.DuckDBPyConnection, *, database: str | None = None, is_ours: bool = True, writes: bool = False
) -> DuckSnapshot:
    """All tables and views of the connection's current database and its temporary ones, with declared constraints."""
    database = database or _current_database(con)
    where = f"WHERE NOT internal AND database_name IN ({string(database)}, 'temp')"
    columns = _ask(
        con,
        "SELECT database_name, schema_name, table_name, column_name, data_type FROM duckdb_columns() "
        f"{where} ORDER BY database_name = 'temp', schema_name <> 'main', schema_name, table_oid, column_index",
    )
    views = {
        (row["database_name"], row["schema_name"], row["view_name"])
        for row in _ask(con, f"SELECT database_name, schema_name, view_name FROM duckdb_views() {where}")
    }
    found: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for row in columns:
        place = (row["database_name"], row["schema_name"], row["table_name"])
        found.setdefault(place, []).append((row["column_name"], row["data_type"]))
    names = _names(list(found))
    keys, links = _constraints(con, where, names)
    relations: list[Relation] = []
    skipped: list[tuple[str, str]] = [(".".join(place[1:]), "its columns are unknown") for place in views - set(found)]
    predicted = _places(con, f"SELECT * FROM duckdb_tables() {where} AND comment LIKE {string(PREDICTIONS + '%')}")
    for place, fields in found.items():
        if place in predicted:
            skipped.append((names[place], HOLDS_PREDICTIONS))
            continue
        is_view = place in views
        if is_view:
            reason = _fault_of_view(con, place)
            if reason:
                skipped.append((names[place], reason))
                continue
        declared = keys.get(place), tuple(links.get(place, ()))
        table = StoredTable(names[place], tuple(fields), *declared, is_view=is_view, schema=place[1])
        relations.append(Relation(table, qualified(*place)))
    files = [row["path"] for row in _ask(con, "SELECT path FROM duckdb_databases() WHERE NOT internal") if row["path"]]
    if not relations:
        raise PqlError(
            "empty_source",
            "the database has no tables that can be read",
            hint="Create a table, or connect to another file.",
        )
    ordered = _ask(con, "SELECT current_setting('preserve_insertion_order') AS kept")[0]["kept"]
    own = [Path(file).resolve() for file in files]
    how = {"is_ordered": bool(ordered), "is_ours": is_ours, "writes": writes}
    return DuckSnapshot(con, relations, sorted(skipped), own_files=own, **how)


def _places(con: duckdb.DuckDBPyConnection, statement: str) -> set[tuple[str, str, str]]:
    """The (database, schema, table) of each row of a catalog's."""
    return {(row["database_name"], row["schema_name"], row["table_name"]) for row in _ask(con, statement)}


def _names(places: list[tuple[str, str, str]]) -> dict[tuple[str, str, str], str]:
    """What each (database, schema, table) is called: the bare name where free (main first), else schema.table."""
    names: dict[tuple[str, str, str], str] = {}
    taken: set[str] = set()
    for place in places:
        database, schema, table = place
        for name in (table, f"{schema}.{table}", f"{database}.{schema}.{table}"):
            if name.lower() not in taken:
                names[place] = name
                taken.add(name.lower())
                break
    return names


def _fault_of_view(con: duckdb.DuckDBPyConnection, place: tuple[str, str, str]) -> str | None:
    """Why a view can't be read, or None. A view is bound on a cursor: a failed statement would end a transaction."""
    if place[0] == "temp":
        return None
    probe = con.cursor()
    try:
        run(probe, f"SELECT * FROM {qualified(*place)} LIMIT 0")
    except duckdb.Error as error:
        return first_line(error)
    finally:
        probe.close()
    return None


def _constraints(
    con: duckdb.DuckDBPyConnection, where: str, names: dict[tuple[str, str, str], str]
) -> tuple[dict[tuple[str, str, str], tuple[str, ...]], dict[tuple[str, str, str], list[DeclaredLink]]]:
    """Declared primary keys and foreign keys by place."""
    keys: dict[tuple[str, str, str], tuple[str, ...]] = {}
    links: dict[tuple[str, str, str], list[DeclaredLink]] = {}
    rows = _ask(
        con,
        "SELECT database_name, schema_name, table_name, constraint_type, constraint_column_names, referenced_table, "
        "referenced_column_names, constraint_text FROM duckdb_constraints() "
        f"{where.replace('NOT internal AND ', '')} AND constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY') "
        "ORDER BY table_oid, constraint_index",
    )
    for row in rows:
        place = (row["database_name"], row["schema_name"], row["table_name"])
        columns = tuple(row["constraint_column_names"])
        if row["constraint_type"] == "PRIMARY KEY":
            keys[place] = columns
            continue
        parent = _parent(row, place, names)
        if parent is not None:
            links.setdefault(place, []).append(DeclaredLink(columns, parent, tuple(row["referenced_column_names"])))
    return keys, links


def _parent(row: dict[str, Any], place: tuple[str, str, str], names: dict[tuple[str, str, str], str]) -> str | None:
    """The table a foreign key refers to: in its own schema, else the one the constraint's text names."""
    table = row["referenced_table"]
    candidates = [other for other in names if other[0] == place[0] and other[2] == table]
    text = row["constraint_text"] or ""
    for other in candidates:
        if any(f"REFERENCES {form}" in text for form in (f"{other[1]}.{table}", f'"{other[1]}"."{table}"')):
            return names[other]
    for other in candidates:
        if other[1] == place[1]:
            return names[other]
    return names[candidates[0]] if candidates else None
