"""What a place where data lives must offer: its tables, and a snapshot from which all reads of one query come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from pql.backends.altered import LaterRows
    from pql.backends.memory import Memory


PREDICTIONS = "predictions by pql"  # how the comment begins on a table that CREATE TABLE makes of predictions
HOLDS_PREDICTIONS = "it holds predictions"  # why such a table is left out


@dataclass(frozen=True, slots=True)
class DeclaredLink:
    """A foreign key that the database itself declares."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table as stored: its name as the language will call it, columns as (name, DuckDB type), declared constraints.

    A table outside the main schema is called by its bare name where that is free, else `schema.table`; `schema` is
    where it stands, empty where the source has no schemas.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    primary_key: tuple[str, ...] | None = None
    links: tuple[DeclaredLink, ...] = ()
    is_view: bool = False
    schema: str = ""


class Snapshot(Protocol):
    """One consistent view of the data. Everything a prediction reads comes through one of these.

    `memory`: what was made of this very state of the data, where the backend is certain that it is the same.
    `notes`: what of the data was not read as it stands, for people.
    """

    memory: Memory | None

    @property
    def notes(self) -> tuple[str, ...]: ...

    def tables(self) -> tuple[StoredTable, ...]:
        """All tables, in a stable order."""
        ...

    def names(self) -> tuple[str, ...]:
        """The names of all tables, and of their columns as far as they are known without reading a table for it."""
        ...

    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Tables and views that can't be read, as (name, reason)."""
        ...

    def query(
        self, sql: str, parameters: Sequence[Any] = (), *, frames: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        """Run one SELECT of DuckDB's over the tables (called by their names, quoted) and return all rows as Arrow.

        The tables' columns are in their normal forms (see `scan`). `?` in the text are the `parameters`, in order.
        `frames` are further tables of this one statement, by name. PqlError `sql_failed` if DuckDB refuses it.
        """
        ...

    def run_sql(
        self, statement: str, parameters: Mapping[str, Any], frames: Mapping[str, pa.Table], *, note: str = ""
    ) -> pa.Table:
        """Run one statement of the user's over the tables as they are stored, under the names the source has for them.

        A query gives its rows; COPY and CREATE TABLE give one row with how many were written (`rows`). `$name` in
        the text are the `parameters`; `frames` are further tables of this one statement, which must not shadow any.
        note: what predictions a table is made of; it is kept as the table's comment, and the table is no data then.
        PqlError `sql_error`, `several_statements`, `statement_not_allowed`, `read_only`, `table_exists`,
        `file_in_source`, `file_not_writable`.
        """
        ...

    def check_sql(self, statement: str, parameters: Mapping[str, Any], frames: Mapping[str, pa.Table]) -> None:
        """Raise what `run_sql` would say of names in a statement, before its frames have rows (or all their types).

        Nothing is run, and nothing is raised that types or rows could change. PqlError `sql_error`, `table_exists`,
        `file_in_source`.
        """
        ...

    def without(self, later: Mapping[str, LaterRows]) -> AbstractContextManager[Snapshot]:
        """The same data without the rows that `later` marks, by table. The data itself isn't touched."""
        ...

    def scrambled(self, later: Mapping[str, LaterRows], seed: int) -> AbstractContextManager[Snapshot]:
        """The same data with other values, links and company of the rows that `later` marks, by table."""
        ...

    def scan(
        self, table: str, columns: Sequence[str], *, time_column: str | None = None, until: int | None = None
    ) -> pa.Table:
        """The given columns in stored order; with `until` (µs), only rows whose `time_column` is at or before it.

        Normal forms: int64, float64 (decimals too), bool, string (enums and UUIDs too), timestamp[us] naive UTC
        (dates too; 'infinity' is NULL). Integers that may exceed 64 bits (UBIGINT, HUGEINT) are strings where the
        column is named as an id, else float64. Columns of other types can't be read: PqlError `unreadable_column`.
        """
        ...


class Backend(Protocol):
    """A database, a folder or a set of frames. `identity` names it for the registry, stable over sessions.

    `read_only` is False where it was opened for writing.
    """

    identity: str
    read_only: bool

    def snapshot(self, *, write: bool = False) -> AbstractContextManager[Snapshot]:
        """Open a snapshot; every read inside the `with` sees the same data.

        write: what CREATE TABLE makes inside is kept, all of it or, after an error, nothing. PqlError `read_only`.
        """
        ...

    def close(self) -> None: ...
