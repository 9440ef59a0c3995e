"""Databases elsewhere, copied table by table into a DuckDB of our own when a table is first needed.

A session reads each table once: what it has read it keeps, so that all its statements see one state of the data.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pql.backends.altered import LaterRows
from pql.backends.base import StoredTable
from pql.backends.frames import own_settings
from pql.backends.memory import Memory
from pql.backends.origin import LeftOut, Listed, Origin, Reading
from pql.backends.relations import DuckSnapshot, Relation, run
from pql.backends.sql import alias, identifier, qualified, string
from pql.backends.sql_targets import read_only
from pql.language.errors import PqlError

_BEHIND = "the database has changed since this session read it; connect again to see it as it is now"
_ABOUT_TABLES = ("information_schema", "duckdb_", "pragma", "show", "describe")


class CopiedBackend:
    """A database elsewhere, which is only ever read.

    A statement begins anew where the database has changed since the last one. Of an origin that is not `followed` the
    session stays with what it has once every table has been read, and says so where rows were written since.
    """

    def __init__(self, origin: Origin, identity: str) -> None:
        self.identity = identity
        self.read_only = True
        self._origin = origin
        self._copy: Copy | None = None
        weakref.finalize(self, origin.close)  # of a session that nobody closes

    @contextmanager
    def snapshot(self, *, write: bool = False) -> Iterator[CopiedSnapshot]:
        if write:
            raise read_only()
        try:
            yield CopiedSnapshot(self._current())
        finally:
            self._origin.rest()

    def _current(self) -> Copy:
        """The copy of before, where it is whole or the database is still in that state, else a new one."""
        copy = self._copy
        if copy is not None and copy.is_whole and not self._origin.followed:
            copy.is_behind = self._origin.written() != copy.written
            return copy
        if copy is not None and copy.state == self._origin.begin():
            return copy
        if copy is not None:
            copy.close()
            self._copy = None
        self._copy = Copy(self._origin)
        return self._copy

    def state(self) -> str | None:
        """The same text for the same content, in later sessions too; None where that can't be known."""
        return self._origin.told()

    def close(self) -> None:
        if self._copy is not None:
            self._copy.close()
        self._origin.close()


class Copy:
    """The tables of one state of a database elsewhere, as far as they have been needed."""

    def __init__(self, origin: Origin) -> None:
        self.state: Hashable = origin.begin()
        self.memory = Memory()
        self.written = origin.written()
        self.is_behind = False  # whether rows were written since that are not here
        self._origin = origin
        self._con = duckdb.connect(config=own_settings())
        listed, self._skipped = origin.tables()
        self._listed = {table.name: table for table in listed}
        if not listed:
            raise PqlError(
                "empty_source",
                "the database has no tables that can be read",
                hint="Create a table, name another schema, or ask for the right to read.",
            )
        self._relations: dict[str, Relation] = {}
        self._lack: set[str] = set()  # tables copied without the columns that only SQL reads
        self._gone: dict[str, str] = {}
        self._notes: dict[str, tuple[str, ...]] = {}
        self._whole: DuckSnapshot | None = None
        self._make_schemas()

    def _make_schemas(self) -> None:
        """The schemas of the database, all on the path on which SQL looks for a bare name."""
        schemas = list(dict.fromkeys(table.schema for table in self._listed.values() if table.schema))
        for schema in schemas:
            self._con.execute(f"CREATE SCHEMA IF NOT EXISTS {qualified('memory', schema)}")
        self._con.execute("CREATE SCHEMA memory.pql_copy")
        self._path = ",".join(identifier(schema) for schema in dict.fromkeys((*schemas, "main")))

    @property
    def is_whole(self) -> bool:
        """Whether every table has been read, or can't be."""
        return len(self._relations) + len(self._gone) == len(self._listed)

    def whole(self) -> DuckSnapshot:
        """A snapshot over all tables."""
        if self._whole is None:
            self.need(self._listed)
            if not self._relations:
                name, reason = next(iter(self._gone.items()))
                raise PqlError(
                    "empty_source", f"no table can be read; {name}: {reason}", hint="Ask for the right to read it."
                )
            relations = [self._relations[name] for name in self._listed if name in self._relations]
            self._whole = DuckSnapshot(self._con, relations, sorted((*self._skipped, *self._gone.items())))
            self._whole.notes = tuple(note for name in self._listed for note in self._notes.get(name, ()))
        return self._whole

    def need(self, names: Iterable[str], *, whole: bool = False) -> None:
        """Read tables that haven't been; with `whole` also the columns that only SQL reads. PqlError source_changed."""
        missing = [name for name in names if self._is_missing(name, whole=whole)]
        if not missing:
            return
        if self._origin.begin() != self.state:
            raise PqlError(
                "source_changed",
                "the database has changed since this session began to read it",
                hint="Run it again; a new session reads the database as it is now.",
            )
        for name in sorted(missing):
            self._read(self._listed[name], whole=whole)
        if self.is_whole:
            self._origin.rest()

    def _is_missing(self, name: str, *, whole: bool) -> bool:
        return name not in self._gone and (name not in self._relations or (whole and name in self._lack))

    def _read(self, table: Listed, *, whole: bool) -> None:
        position = list(self._listed).index(table.name)
        place = qualified("memory", "pql_copy", f"table_{position}")
        try:
            reading = self._origin.read(table, whole=whole)
            self._fill(place, reading)
        except LeftOut as error:
            self._gone[table.name] = str(error)
            self._con.execute(f"DROP TABLE IF EXISTS {place}")
            return
        columns = tuple((field.name, field.sql_type) for field in reading.fields)
        relation = Relation(table.stored(columns), place)
        if reading.finish is not None:
            relation = reading.finish(relation, lambda text: run(self._con, text).to_pylist())
        if table.name not in self._relations:
            self._relations[table.name] = relation
            self._notes[table.name] = reading.notes
            self._show(table, relation)
        self._lack.discard(table.name)
        if any(field.is_left for field in reading.fields):
            self._lack.add(table.name)

    def _fill(self, place: str, reading: Reading) -> None:
        made = ", ".join(f"{identifier(field.name)} {field.sql_type}" for field in reading.fields)
        self._con.execute(f"CREATE OR REPLACE TABLE {place} ({made or 'pql_empty BOOLEAN'})")
        shown = ", ".join(alias(field.form, field.name) for field in reading.fields)
        for batch in reading.batches:
            rows = pa.table(batch) if isinstance(batch, pa.RecordBatch) else batch
            if not rows.num_rows:
                continue
            self._con.register("pql_batch", rows)
            try:
                self._con.execute(f"INSERT INTO {place} SELECT {shown or 'NULL'} FROM pql_batch")
            finally:
                self._con.unregister("pql_batch")

    def _show(self, table: Listed, relation: Relation) -> None:
        """Let SQL find a table under its own name, and under what the language calls it where that is another.

        Of two names that differ in case only the first has it.
        """
        names = [(table.schema or "main", table.table)]
        if table.name != table.table:
            names.append(("main", table.name))
        for schema, name in names:
            view = qualified("memory", schema, name)
            self._con.execute(f"CREATE VIEW IF NOT EXISTS {view} AS SELECT * FROM {relation.source}")

    def names(self) -> tuple[str, ...]:
        read = [name for relation in self._relations.values() for name, _ in relation.table.columns]
        return (*self._listed, *read)

    def skipped(self) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((*self._skipped, *self._gone.items())))

    def need_for(self, statement: str) -> None:
        """Read what a statement of the user's may name. PqlError where a table that it names can't be read."""
        lowered = statement.lower()
        if any(word in lowered for word in _ABOUT_TABLES):
            self.need(self._listed)
        named = {name for name, table in self._listed.items() if _names(lowered, table.table)}
        self.need(named, whole=True)
        for name, reason in self._gone.items():
            if name in named:
                raise PqlError("sql_error", f"the table {name} can't be read: {reason}", hint="Leave it out.")

    def for_sql(self) -> UserSql:
        return UserSql(self._con, self._path, self._origin.files)

    def close(self) -> None:
        self._con.close()


def _names(lowered: str, table: str) -> bool:
    """Whether a statement, in lower case, can name a table."""
    forms = {table.lower(), table.lower().replace('"', '""')}
    return any(re.search(rf"(?<!\w){re.escape(form)}(?!\w)", lowered) for form in forms)


class UserSql(DuckSnapshot):
    """The copied tables for the user's SQL, on a cursor that finds them under their own names."""

    def __init__(self, con: duckdb.DuckDBPyConnection, path: str, own_files: Sequence[Path]) -> None:
        super().__init__(con, (), own_files=own_files)
        self._cursor = con.cursor()
        self._cursor.execute("SET python_enable_replacements = false")
        self._cursor.execute(f"SET SESSION search_path = {string(path)}")

    def _con_of_the_user(self) -> duckdb.DuckDBPyConnection:
        return self._cursor

    @contextmanager
    def _beside(self) -> Iterator[duckdb.DuckDBPyConnection]:
        yield self._cursor

    def close(self) -> None:
        self._cursor.close()


class CopiedSnapshot:
    """What one statement sees of a database elsewhere. Questions read all its tables, SQL those that it names."""

    def __init__(self, copy: Copy) -> None:
        self.memory: Memory | None = copy.memory
        self._copy = copy

    @property
    def notes(self) -> tuple[str, ...]:
        notes = self._copy.whole().notes
        return (*notes, _BEHIND) if self._copy.is_behind else notes

    def tables(self) -> tuple[StoredTable, ...]:
        return self._copy.whole().tables()

    def names(self) -> tuple[str, ...]:
        return self._copy.names()

    def skipped(self) -> tuple[tuple[str, str], ...]:
        return self._copy.skipped()

    def query(
        self, sql: str, parameters: Sequence[Any] = (), *, frames: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        return self._copy.whole().query(sql, parameters, frames=frames)

    def run_sql(
        self, statement: str, parameters: Mapping[str, Any], frames: Mapping[str, pa.Table], *, note: str = ""
    ) -> pa.Table:
        self._copy.need_for(statement)
        sql = self._copy.for_sql()
        try:
            return sql.run_sql(statement, parameters, frames, note=note)
        finally:
            sql.close()

    def check_sql(self, statement: str, parameters: Mapping[str, Any], frames: Mapping[str, pa.Table]) -> None:
        self._copy.need_for(statement)
        sql = self._copy.for_sql()
        try:
            sql.check_sql(statement, parameters, frames)
        finally:
            sql.close()

    def without(self, later: Mapping[str, LaterRows]) -> AbstractContextManager[DuckSnapshot]:
        return self._copy.whole().without(later)

    def scrambled(self, later: Mapping[str, LaterRows], seed: int) -> AbstractContextManager[DuckSnapshot]:
        return self._copy.whole().scrambled(later, seed)

    def scan(
        self, table: str, columns: Sequence[str], *, time_column: str | None = None, until: int | None = None
    ) -> pa.Table:
        return self._copy.whole().scan(table, columns, time_column=time_column, until=until)
