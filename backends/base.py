"""What a place where data lives must offer: a list of its tables, and a snapshot from which all reads of one query come."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class DeclaredLink:
    """A foreign key that the database itself declares."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table as stored: its name as the language will call it, columns as (name, DuckDB type), declared constraints."""

    name: str
    columns: tuple[tuple[str, str], ...]
    primary_key: tuple[str, ...] | None = None
    links: tuple[DeclaredLink, ...] = ()


class Snapshot(Protocol):
    """One consistent view of the data. Everything a prediction reads comes through one of these."""

    def tables(self) -> tuple[StoredTable, ...]:
        """All tables, in a stable order."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run DuckDB SQL over the tables (called by their names, quoted) and return all rows as Arrow."""
        ...

    def scan(
        self, table: str, columns: Sequence[str], *, time_column: str | None = None, until: int | None = None
    ) -> pa.Table:
        """The given columns in stored order; with `until` (µs), only rows whose `time_column` is at or before it."""
        ...


class Backend(Protocol):
    """A database, a folder or a set of frames. `identity` names it for the registry, stable over sessions."""

    identity: str

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Open a snapshot; every read inside the `with` sees the same data."""
        ...

    def close(self) -> None: ...
