"""The catalog: tables, columns, keys, links and clocks of one database, as plain data with their evidence.

Backends make it (`backends.infer`), the binder and the planner read it. It never holds rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum


class LogicalType(StrEnum):
    """What a value is to the language, whatever the database calls it."""

    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    STRING = "string"
    TIMESTAMP = "timestamp"
    UUID = "uuid"
    OTHER = "other"  # blobs, lists, structs: shown, never read

    @property
    def is_number(self) -> bool:
        return self in (LogicalType.INTEGER, LogicalType.FLOAT)


class Stype(StrEnum):
    """The semantic type of a column: how an encoder reads it."""

    ID = "id"
    NUMBER = "number"
    CATEGORY = "category"
    TIMESTAMP = "timestamp"
    TEXT = "text"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a key, link or clock is believed. `source` is declared, inferred or override."""

    source: str
    note: str = ""
    ratio: float | None = None  # of a link: distinct child values found in the parent
    orphans: int | None = None  # of a link: child rows whose value the parent lacks
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `distinct`, `nulls` are counts over the rows read (exact or a sample's), None if not counted."""

    name: str
    type: LogicalType
    stype: Stype
    sql_type: str = ""
    distinct: int | None = None
    nulls: int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """The primary key: one column, or several for a composite key."""

    columns: tuple[str, ...]
    evidence: Evidence = Evidence("inferred")


@dataclass(frozen=True, slots=True)
class Link:
    """A foreign key: `child.child_columns -> parent.parent_columns` (parallel tuples, one pair unless composite)."""

    child: str
    child_columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    evidence: Evidence = field(default=Evidence("inferred"), compare=False)

    def __str__(self) -> str:
        left = ", ".join(self.child_columns)
        right = ", ".join(self.parent_columns)
        return f"{self.child}.{left} -> {self.parent}.{right}"


@dataclass(frozen=True, slots=True)
class Clock:
    """When a row became known.

    own: its time column `column`. inherited: the clock of the parent reached by the link `via` (latest, if
    several parents have one, is the inference's choice). seen: of a virtual table, the first time the value was
    seen in a clocked source. none: no clock; whether it describes or is a fact is the table's `role`.
    """

    kind: str  # own | inherited | seen | none
    column: str | None = None
    via: Link | None = None
    evidence: Evidence = Evidence("inferred")


NO_CLOCK = Clock("none")
AS_TEXT = "holds dates as text"  # in a catalog's warning about a column that could be a clock


class Role(StrEnum):
    """entity: keyed rows that others point to, or that describe; fact: rows about others, usually clocked."""

    ENTITY = "entity"
    FACT = "fact"


@dataclass(frozen=True, slots=True)
class Virtual:
    """How a table that isn't stored is made: the distinct values of `sources` (table, column), enriched by a table."""

    sources: tuple[tuple[str, str], ...]
    enriched_by: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One table. A clockless fact (`is_history` false) gives neither edges nor features."""

    name: str
    columns: tuple[Column, ...]
    key: Key | None = None
    clock: Clock = NO_CLOCK
    role: Role = Role.FACT
    rows: int | None = None
    virtual: Virtual | None = None
    enriches: str | None = None  # the virtual table that carries this table's columns
    always_known: bool = False  # NO TIME t: a clockless fact that its owner declares known at all times

    def column(self, name: str) -> Column:
        """The column called exactly `name`; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def has(self, name: str) -> bool:
        return any(column.name == name for column in self.columns)

    @property
    def is_history(self) -> bool:
        """True if its rows may be read as history: clocked, descriptive, or declared always known."""
        return self.clock.kind != "none" or self.role is Role.ENTITY or self.always_known


@dataclass(frozen=True, slots=True)
class Catalog:
    """All tables and links of one database as of one moment."""

    tables: tuple[Table, ...]
    links: tuple[Link, ...] = ()
    warnings: tuple[str, ...] = ()

    def table(self, name: str) -> Table:
        """The table called exactly `name`; KeyError if there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def has(self, name: str) -> bool:
        return any(table.name == name for table in self.tables)

    def links_from(self, child: str) -> tuple[Link, ...]:
        return tuple(link for link in self.links if link.child == child)

    def links_to(self, parent: str) -> tuple[Link, ...]:
        return tuple(link for link in self.links if link.parent == parent)

    def with_table(self, table: Table) -> Catalog:
        """This catalog with the table of the same name replaced."""
        tables = tuple(table if t.name == table.name else t for t in self.tables)
        return replace(self, tables=tables)
