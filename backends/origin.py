"""What a database elsewhere must offer so that its tables can be copied: their names, a state of it, their rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from pql.backends.base import DeclaredLink, StoredTable
from pql.backends.relations import Relation

Run = Callable[[str], list[dict[str, Any]]]
"""Gives the rows of a SELECT over what was copied."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A table as the database elsewhere lists it: what the language calls it, and where it stands there.

    `kept`: what the origin knows of it besides.
    """

    name: str
    schema: str
    table: str
    primary_key: tuple[str, ...] | None = None
    links: tuple[DeclaredLink, ...] = ()
    is_view: bool = False
    kept: Any = None

    def stored(self, columns: tuple[tuple[str, str], ...]) -> StoredTable:
        """The table with its columns as (name, DuckDB type)."""
        return StoredTable(self.name, columns, self.primary_key, self.links, self.is_view, self.schema)


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the copy. `form`: what DuckDB makes of the column that the batches bring, which has the same name.

    `is_left`: only the user's own SQL can read it, and it isn't in the batches.
    """

    name: str
    sql_type: str
    form: str
    is_left: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of one table on their way: the copy's columns, and the rows in stored order, in batches of bounded size.

    `finish` may show the copied columns in other types than they came in. `notes`: what was not read as it stands.
    """

    fields: tuple[Field, ...]
    batches: Iterator[pa.RecordBatch]
    finish: Callable[[Relation, Run], Relation] | None = None
    notes: tuple[str, ...] = field(default=())


class LeftOut(Exception):
    """A table can't be read, and the others can: it is left out, for this reason."""


class Origin(Protocol):
    """A database elsewhere. All that is read between `begin` and `rest` is of one state.

    `followed`: `begin` tells cheaply whether what was read before is still so. `files`: the files and folders of this
    machine that hold it, which nothing may be written to.
    """

    followed: bool
    files: tuple[Path, ...]

    def begin(self) -> Hashable:
        """Open a transaction that only reads, unless one is open; what names the state that it shows."""
        ...

    def written(self) -> Hashable:
        """What moves when rows are written, as far as an origin that isn't followed knows; asked at any time."""
        ...

    def told(self) -> str | None:
        """The same text for the same content, now and in later sessions; None where that can't be known."""
        ...

    def rest(self) -> None:
        """End the transaction, if one is open."""
        ...

    def tables(self) -> tuple[tuple[Listed, ...], tuple[tuple[str, str], ...]]:
        """All tables by name, and those that can't be read as (name, reason). Inside a transaction."""
        ...

    def read(self, table: Listed, *, whole: bool) -> Reading:
        """The rows of a table; with `whole` also the columns that only SQL reads. LeftOut. Inside a transaction."""
        ...

    def close(self) -> None: ...
