"""Another future: the SQL of a table in which the later rows are gone, or hold other values, links and company.

The user's data is only read: the altered tables are subqueries of one statement, beside a frame that marks the later
rows and holds what stands in them instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.backends.base import StoredTable
from pql.backends.logical import logical_type
from pql.backends.sql import identifier
from pql.language.catalog import LogicalType

MARK = "pql_later"
PLACE = "pql_place"


@dataclass(frozen=True, slots=True)
class LaterRows:
    """The rows of a stored table that become known after a moment.

    later: bool[n], in stored order. moved: columns whose values are only exchanged among the later rows (keys, links,
    ids). clock: the table's own time column, which stays as it is in rows that are there; None if it has none.
    """

    later: NDArray[np.bool_]
    moved: frozenset[str]
    clock: str | None


def without(source: str, mark: str) -> str:
    """A relation like `source` without its later rows, in the same order. `mark`: the registered frame's name."""
    marked = f"(SELECT * FROM {source}) AS s POSITIONAL JOIN {identifier(mark)} AS f"
    return f"(SELECT s.* FROM {marked} WHERE NOT f.{identifier(MARK)})"


def mark_frame(rows: LaterRows) -> pa.Table:
    """The frame that `without` reads."""
    return pa.table({MARK: pa.array(rows.later)})


def replaced(source: str, table: StoredTable, frame: str, columns: Sequence[str], added: str, clock: str | None) -> str:
    """A relation like `source` with other values of `columns` in its later rows, and the rows of `added` after it."""
    names = [name for name, _ in table.columns]
    kinds = dict(table.columns)
    shown = [
        f"CASE WHEN f.{identifier(MARK)} THEN TRY_CAST(f.{identifier(name)} AS {kinds[name]}) "
        f"ELSE s.{identifier(name)} END AS {identifier(name)}"
        if name in columns
        else f"s.{identifier(name)}"
        for name in names
    ]
    marked = f"(SELECT * FROM {source}) AS s POSITIONAL JOIN {identifier(frame)} AS f"
    more = [
        f"TRY_CAST({identifier(name)} AS {kinds[name]}) AS {identifier(name)}"
        if name in columns or name == clock
        else f"CAST(NULL AS {kinds[name]}) AS {identifier(name)}"
        for name in names
    ]
    return f"(SELECT {', '.join(shown)} FROM {marked} UNION ALL SELECT {', '.join(more)} FROM {identifier(added)})"


def scrambled(values: pa.Table, rows: LaterRows, seed: int) -> tuple[pa.Table, pa.Table]:
    """(what stands in the later rows, marked, NULL elsewhere; the rows that are added).

    values: the table's readable columns, in stored order. Every column is exchanged among the later rows on its own,
    so that keys and links lead elsewhere; numbers, texts and moments that are neither become values never seen. Half
    of the later rows come a second time, with others' values.
    """
    rng = np.random.default_rng(seed)
    at = np.flatnonzero(rows.later)
    place = np.full(len(rows.later), -1)
    place[at] = np.arange(len(at))
    take = pa.array(place, mask=place < 0)
    again = rng.permutation(len(at))[: len(at) // 2]
    inside: dict[str, pa.Array] = {MARK: pa.array(rows.later)}
    added: dict[str, pa.Array] = {PLACE: pa.array(np.arange(len(again)))}
    for name in values.column_names:
        late = _one(values.column(name)).take(pa.array(at))
        if name == rows.clock:
            added[name] = late.take(pa.array(again))
            continue
        other = late.take(pa.array(rng.permutation(len(at))))
        if name not in rows.moved:
            other = _unseen(other, rng)
        inside[name] = other.take(take)
        added[name] = other.take(pa.array(again))
    return pa.table(inside), pa.table(added)


def readable(table: StoredTable) -> list[str]:
    """The columns of a table whose values can be read, in order."""
    return [name for name, kind in table.columns if logical_type(kind, name) is not LogicalType.OTHER]


def _one(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _unseen(values: pa.Array, rng: np.random.Generator) -> pa.Array:
    """Values of the same type, half of them such as were never there, one in ten missing."""
    changed, missing = rng.random(len(values)) < 0.5, rng.random(len(values)) < 0.1
    return pa.array(
        [
            None if none else _other(value) if other else value
            for value, other, none in zip(values.to_pylist(), changed, missing, strict=True)
        ],
        values.type,
    )


def _other(value: object) -> object:
    import datetime as dt

    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value // 2 + 1
    if isinstance(value, float):
        return -7.5 * value + 1000.0
    if isinstance(value, str):
        return value + " of another future"
    if isinstance(value, dt.datetime) and value.year < 9000:
        return value + dt.timedelta(days=11, seconds=7)
    return value
