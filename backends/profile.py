"""What inference may look at: the rows known at one moment, and counts over them, each taken once.

`as_of` (µs) limits every table to the rows whose clock is at or before it, as soon as that clock is decided. Nothing
that is counted here depends on a later row.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.backends.base import HOLDS_PREDICTIONS, Snapshot, StoredTable
from pql.backends.logical import logical_type
from pql.backends.sql import Select, conjunction, identifier, timestamp
from pql.language.catalog import Clock, Evidence, Key, LogicalType

EXACT_ROWS = 200_000  # distinct values are counted exactly up to this many rows
MANY_ROWS = 500_000  # from here on whole numbers that lie close together are counted in place, without grouping
CLOSE = 4  # their range, per row
SOME_ROWS = 1_000  # first rows that are looked at
NEARLY_ALL_FIRST = 0.9
JOINABLE = (LogicalType.INTEGER, LogicalType.STRING, LogicalType.UUID)


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """The distinct non-NULL values of a column over the known rows, each with its number of rows."""

    values: pa.Array
    counts: NDArray[np.int64]
    nulls: int

    @property
    def distinct(self) -> int:
        return len(self.values)

    @property
    def rows(self) -> int:
        return int(self.counts.sum()) + self.nulls

    @property
    def is_key(self) -> bool:
        """Unique and never NULL, over at least one row."""
        return self.distinct > 0 and self.nulls == 0 and bool((self.counts == 1).all())

    @property
    def is_unique(self) -> bool:
        return bool((self.counts == 1).all())

    def found_in(self, parent: ValueCounts) -> tuple[int, int]:
        """How many distinct values the parent has too, and how many rows hold a value that it lacks."""
        if not self.distinct:
            return 0, 0
        known = pc.is_in(self.values, value_set=parent.values.cast(self.values.type)).to_numpy(zero_copy_only=False)
        return int(known.sum()), int(self.counts[~known].sum())


@dataclass(slots=True)
class Draft:
    """What is known of one stored table so far."""

    stored: StoredTable
    types: dict[str, LogicalType]
    clock: Clock | None = None
    key: Key | None = None
    key_score: int = 0
    hidden_by: tuple[str, ...] = ()  # conditions that rows must meet to be known
    rejected: tuple[tuple[str, str], ...] = ()  # time columns that are no clock, and why

    @property
    def name(self) -> str:
        return self.stored.name

    @property
    def key_column(self) -> str | None:
        """The single key column, None for no key or a composite one."""
        return self.key.columns[0] if self.key is not None and len(self.key.columns) == 1 else None

    @property
    def has_clock(self) -> bool:
        return self.clock is not None and self.clock.kind != "none"


@dataclass(slots=True)
class Profile:
    """The tables in the making and the counts over their known rows."""

    snapshot: Snapshot
    as_of: int | None
    drafts: dict[str, Draft] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _counts: dict[tuple[str, str, str], ValueCounts] = field(default_factory=dict)
    _rows: dict[str, int] = field(default_factory=dict)
    _some: dict[str, pa.Table] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot, as_of: int | None) -> Profile:
        profile = cls(snapshot, as_of)
        for stored in snapshot.tables():
            types = {name: logical_type(kind, name) for name, kind in stored.columns}
            profile.drafts[stored.name] = Draft(stored, types)
        profile.warnings += [
            f"{name} is left out: {reason}" for name, reason in snapshot.skipped() if reason != HOLDS_PREDICTIONS
        ]
        profile.warnings += snapshot.notes
        return profile

    @property
    def moment(self) -> str | None:
        """`as_of` as a SQL literal."""
        return None if self.as_of is None else timestamp(self.as_of)

    def known(self, table: str, *conditions: str) -> str:
        """The known rows of `table`, as a source to stand after FROM; `conditions` narrow them further."""
        where = (*self.drafts[table].hidden_by, *conditions)
        if not where:
            return identifier(table)
        return f"(SELECT * FROM {identifier(table)} WHERE {conjunction(where)})"

    def hide(self, table: str, *conditions: str) -> None:
        """From now on only rows that meet the conditions are known."""
        draft = self.drafts[table]
        draft.hidden_by = (*draft.hidden_by, *conditions)

    def counts(self, table: str, column: str, source: str | None = None) -> ValueCounts:
        """The values of a column over the known rows (or over `source`), each with its number of rows."""
        source = source or self.known(table)
        place = (table, column, source)
        if place not in self._counts and (found := self._counted_in_place(table, column, source)) is not None:
            self._counts[place] = found
        elif place not in self._counts:
            rows = self.snapshot.query(
                str(Select((f"{identifier(column)} AS v", "count(*) AS n"), source, group_by=("1",)))
            ).combine_chunks()
            values, numbers = rows.column("v").combine_chunks(), rows.column("n").combine_chunks()
            if isinstance(values, pa.ChunkedArray):
                values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
            if isinstance(numbers, pa.ChunkedArray):
                numbers = pa.concat_arrays(numbers.chunks) if numbers.num_chunks else pa.array([], numbers.type)
            is_null = values.is_null()
            nulls = int(pc.sum(numbers.filter(is_null)).as_py() or 0)
            present = pc.invert(is_null)
            counted = ValueCounts(values.filter(present), numbers.filter(present).to_numpy(zero_copy_only=False), nulls)
            self._counts[place] = counted
        return self._counts[place]

    def _counted_in_place(self, table: str, column: str, source: str) -> ValueCounts | None:
        """The counts of a large table's whole numbers, by a place for each between the least and the greatest."""
        if self.drafts[table].types[column] is not LogicalType.INTEGER or source != self.known(table):
            return None
        if self.rows(table) < MANY_ROWS:
            return None
        name = identifier(column)
        ends = self.snapshot.query(f"SELECT min({name}) AS a, max({name}) AS b FROM {source}").to_pylist()[0]
        if ends["a"] is None or ends["b"] - ends["a"] >= CLOSE * self.rows(table):
            return None
        rows = self.snapshot.query(f"SELECT {name} - ({ends['a']}) AS v FROM {source}").column("v")
        nulls = rows.null_count
        tally = np.bincount(rows.drop_null().to_numpy())
        there = np.flatnonzero(tally)
        return ValueCounts(pa.array(there + ends["a"]), tally[there], nulls)

    def may_be_found(self, table: str, column: str, parent: ValueCounts) -> bool:
        """Whether the first values of a column are nearly all among the parent's: a look before all are counted."""
        source = self.known(table)
        if source not in self._some:
            names = tuple(identifier(name) for name in self.drafts[table].types if self.joinable(table, name))
            self._some[source] = self.snapshot.query(str(Select(names, source, limit=SOME_ROWS)))
        values = self._some[source].column(column).drop_null().unique()
        if not len(values) or not parent.distinct:
            return False
        known = pc.is_in(values, value_set=parent.values.cast(values.type))
        return int(pc.sum(known).as_py()) >= NEARLY_ALL_FIRST * len(values)

    def rows(self, table: str) -> int:
        """The number of known rows."""
        source = self.known(table)
        if source not in self._rows:
            self._rows[source] = int(self.snapshot.query(f"SELECT count(*) AS n FROM {source}").column("n")[0].as_py())
        return self._rows[source]

    def joinable(self, table: str, column: str) -> bool:
        """True if the column's type can be that of a key."""
        return self.drafts[table].types[column] in JOINABLE

    def same_type(self, table: str, column: str, other: str, other_column: str) -> bool:
        """True if values of the two columns can be equal: integers, or strings and UUIDs."""
        kinds = {self.drafts[table].types[column], self.drafts[other].types[other_column]}
        return kinds == {LogicalType.INTEGER} or kinds <= {LogicalType.STRING, LogicalType.UUID}


def declared(note: str = "") -> Evidence:
    return Evidence("declared", note)
