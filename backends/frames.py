"""Tables in memory: a dict of pandas, polars or Arrow tables, read through a DuckDB of our own."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pql.backends.base import StoredTable
from pql.backends.memory import Memory
from pql.backends.relations import DuckSnapshot, Relation, run
from pql.backends.sql import identifier
from pql.backends.sql_targets import read_only
from pql.language.errors import PqlError


def own_settings() -> dict[str, Any]:
    """How a DuckDB of our own in memory is configured: nothing is fetched, and what memory can't hold goes to files of
    its own, which it deletes, under the system's temporary folder (DuckDB's default is the working directory)."""
    spill = Path(tempfile.gettempdir()) / f"pql-{uuid.uuid4().hex[:12]}"
    return {
        "python_enable_replacements": False,
        "autoinstall_known_extensions": False,
        "temp_directory": str(spill),
    }


class FrameBackend:
    """A dict of tables by name. They are converted to Arrow when connecting: later changes of a frame aren't seen."""

    def __init__(self, frames: Mapping[str, Any]) -> None:
        if not frames:
            raise PqlError("empty_source", "the dict has no tables", hint="pass {'orders': frame, …}")
        self._memory = Memory()
        self._con = duckdb.connect(config=own_settings())
        self.read_only = True
        self._relations: list[Relation] = []
        self._named: dict[str, pa.Table] = {}
        seen: dict[str, str] = {}
        described: list[str] = []
        for position, (name, frame) in enumerate(frames.items()):
            if not isinstance(name, str) or not name:
                raise PqlError(
                    "unsupported_source",
                    f"a table's name must be a string, not {name!r}",
                    hint="Pass {'orders': frame, …}",
                )
            if name.lower() in seen:
                raise PqlError(
                    "duplicate_table",
                    f"tables {seen[name.lower()]} and {name} differ in case only",
                    hint="Rename one of them.",
                )
            seen[name.lower()] = name
            table = to_arrow(frame, name)
            source = f"frame_{position}"
            self._con.register(source, table)
            self._named[name] = table
            columns = describe(self._con, identifier(source))
            self._relations.append(Relation(StoredTable(name, columns), identifier(source)))
            described.append(f"{name}{columns}")
        digest = hashlib.sha256("\n".join(sorted(described)).encode()).hexdigest()
        self.identity = f"frames:{digest[:16]}"

    @contextmanager
    def snapshot(self, *, write: bool = False) -> Iterator[DuckSnapshot]:
        if write:
            raise read_only()
        cursor = self._con.cursor()
        try:
            snapshot = _FrameSnapshot(self._con, self._relations, cursor, self._named)
            snapshot.memory = self._memory
            yield snapshot
        finally:
            cursor.close()

    def close(self) -> None:
        self._con.close()


class _FrameSnapshot(DuckSnapshot):
    """Frames, which SQL finds under their own names on a cursor of its own."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        relations: list[Relation],
        cursor: duckdb.DuckDBPyConnection,
        named: Mapping[str, pa.Table],
    ) -> None:
        super().__init__(con, relations)
        self._cursor = cursor
        self._unnamed = dict(named)

    def _con_of_the_user(self) -> duckdb.DuckDBPyConnection:
        while self._unnamed:
            name, table = self._unnamed.popitem()
            self._cursor.register(name, table)
        return self._cursor

    @contextmanager
    def _beside(self) -> Iterator[duckdb.DuckDBPyConnection]:
        yield self._con_of_the_user()


def describe(con: duckdb.DuckDBPyConnection, source: str) -> tuple[tuple[str, str], ...]:
    """The columns of a relation as (name, DuckDB type)."""
    rows = run(con, f"DESCRIBE SELECT * FROM {source}").to_pylist()
    return tuple((row["column_name"], row["column_type"]) for row in rows)


def to_arrow(frame: Any, name: str) -> pa.Table:
    """A pandas, polars or Arrow table as Arrow, in types that DuckDB reads; PqlError if it is none of these."""
    kind = type(frame)
    origin = kind.__module__.split(".")[0]
    try:
        if isinstance(frame, pa.Table):
            table = frame
        elif isinstance(frame, pa.RecordBatch):
            table = pa.Table.from_batches([frame])
        elif origin == "pandas" and kind.__name__ == "DataFrame":
            table = _from_pandas(frame)
        elif origin == "polars" and kind.__name__ in ("DataFrame", "LazyFrame"):
            table = (frame.collect() if kind.__name__ == "LazyFrame" else frame).to_arrow()
        elif hasattr(frame, "__arrow_c_stream__"):
            table = pa.table(frame)
        else:
            raise PqlError(
                "unsupported_source",
                f"the table {name} is {kind.__name__}, not a pandas, polars or Arrow table",
                hint="Pass {'orders': frame, …}",
            )
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise PqlError(
            "source_unreadable",
            f"the table {name} can't be converted to Arrow: {error}",
            hint="Give columns of one type each: numbers, strings, booleans, dates.",
        ) from error
    if not table.num_columns:
        raise PqlError("unsupported_source", f"the table {name} has no columns", hint="Leave it out.")
    lowered = [column.lower() for column in table.column_names]
    for column in table.column_names:
        if lowered.count(column.lower()) > 1:
            raise PqlError(
                "duplicate_column",
                f"the table {name} has several columns called {column} (case doesn't count)",
                hint="Rename one of them.",
            )
    fields = [_readable(table.column(i)) for i in range(table.num_columns)]
    return pa.table(fields, names=table.column_names)


def _from_pandas(frame: Any) -> pa.Table:
    """A pandas frame as Arrow. A named index becomes columns; objects that don't fit one type become strings."""
    if any(level is not None for level in frame.index.names):
        frame = frame.reset_index()
    names = [str(column) for column in frame.columns]
    arrays = []
    for position in range(len(names)):
        series = frame.iloc[:, position]
        if type(series.dtype).__name__ == "SparseDtype":
            series = series.sparse.to_dense()
        if _is_span(series):
            arrays.append(_as_text(series))
            continue
        try:
            array = pa.Array.from_pandas(series)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            array = _as_text(series)
        arrays.append(array)
    return pa.table(arrays, names=names)


def _is_span(series: Any) -> bool:
    """True of pandas' periods and intervals, also as categories: spans, which SQL knows as texts alone."""
    kind = series.cat.categories.dtype if type(series.dtype).__name__ == "CategoricalDtype" else series.dtype
    return type(kind).__name__ in ("PeriodDtype", "IntervalDtype")


def _as_text(series: Any) -> pa.Array:
    return pa.array([str(v) if ok else None for v, ok in zip(series, series.notna(), strict=True)], pa.string())


def _readable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in a type that DuckDB reads: naive µs timestamps in UTC, decoded dictionaries, plain floats."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType) and not isinstance(kind, pa.UuidType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
        kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp(kind.unit)).cast(pa.timestamp("us"), safe=False)
    if pa.types.is_date64(kind):
        return column.cast(pa.date32())
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    return column
