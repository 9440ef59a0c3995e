"""The rows of one query, read once from a snapshot and cut at one moment: nothing later is ever in here.

The rows stand in a private DuckDB in memory under the user's own table names, so that the label SQL which runs here
also runs when pasted into the user's database. One thread, so that the order of rows is theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pql.backends.base import Snapshot
from pql.engine.planning.plan import Plan
from pql.engine.planning.planned_graph import aggregates, columns_read
from pql.engine.planning.relations import ROW, TIME, relation_sql, stored_columns
from pql.language.bound import Route
from pql.language.catalog import Catalog
from pql.language.errors import PqlError

if TYPE_CHECKING:
    import duckdb


class History:
    """The rows at or before `until` of the tables a query needs. Made by `load`."""

    def __init__(
        self, catalog: Catalog, until: int, rows: dict[str, pa.Table], columns: dict[str, tuple[str, ...]]
    ) -> None:
        """rows: stored tables as read, with `__row`. columns: what `table` shows of each table."""
        import duckdb

        from pql.backends.frames import own_settings

        self.catalog = catalog
        self.until = until
        self._columns = columns
        self._connection: duckdb.DuckDBPyConnection = duckdb.connect(
            ":memory:", config={**own_settings(), "threads": 1}
        )
        self._connection.execute("SET TimeZone = 'UTC'")
        self._rows: dict[str, pa.Table] = {}
        self._fingerprint = ""
        for name in _parents_first(catalog, rows):
            self._register(name, rows[name])
            self._cut(name)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """The rows of a statement over the tables. Raises `query_failed` with the database's words."""
        import duckdb

        try:
            return self._connection.sql(sql, params=list(parameters)).to_arrow_table()
        except duckdb.Error as error:
            raise PqlError(
                "query_failed",
                str(error).split("\n")[0],
                hint="Look at the table in the database itself: a view or a file of it may have changed.",
            ) from error

    def table(self, name: str) -> pa.Table:
        """The columns asked for and `__time` int64 (µs, NULL where clockless), by time, NULL first, then stored order.

        Rows of a virtual table with the same first sight stand by their key.
        """
        columns = self._columns[name]
        if (plain := self._as_read(name)) is not None:
            return plain
        virtual = self.catalog.table(name).virtual is not None
        wanted = columns if virtual else (*columns, ROW)
        rows = self.query(relation_sql(self.catalog, name, self.until, wanted))
        time = rows.column(TIME).cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy()
        if virtual:
            key = self.catalog.table(name).key
            assert key is not None
            order = pc.sort_indices(
                pa.table({"t": pa.array(time), "k": rows.column(key.columns[0])}),
                sort_keys=[("t", "ascending"), ("k", "ascending")],
            ).to_numpy()
        else:
            order = np.lexsort((rows.column(ROW).to_numpy(), time))
            rows = rows.drop_columns([ROW])
        if not np.array_equal(order, np.arange(len(order))):
            rows = rows.take(pa.array(order))
        return rows.combine_chunks()

    def _as_read(self, name: str) -> pa.Table | None:
        """What `table` gives, without a copy, of a stored table whose rows were read in the order of its own clock."""
        clock = self.catalog.table(name).clock
        if self.catalog.table(name).virtual is not None or clock.kind not in ("own", "none"):
            return None
        rows = self._rows[name]
        if clock.kind == "none":
            time = pa.chunked_array([pa.nulls(len(rows), pa.int64())])
        else:
            time = rows.column(clock.column)
            if time.type != pa.timestamp("us") or time.null_count or time.num_chunks != 1:
                return None
            time = time.cast(pa.int64())
            moments = time.chunk(0).to_numpy()
            if not bool(np.all(moments[1:] >= moments[:-1])):
                return None
        shown = rows.select(self._columns[name])
        floats = [column for column in shown.columns if pa.types.is_floating(column.type)]
        if any(pc.all(pc.is_finite(column)).as_py() is False for column in floats):
            return None
        return shown.append_column(TIME, time).combine_chunks()

    def columns(self, name: str) -> tuple[str, ...]:
        """The columns that `table(name)` shows."""
        return self._columns[name]

    def sizes(self) -> dict[str, int]:
        """The number of rows read of every stored table."""
        return {name: len(self._rows[name]) for name in sorted(self._rows)}

    @property
    def nbytes(self) -> int:
        """How many bytes the rows read take."""
        return sum(rows.nbytes for rows in self._rows.values())

    def fingerprint(self) -> str:
        """A hash of all rows read, their order and their columns; 64 hexadecimal digits."""
        if not self._fingerprint:
            self._fingerprint = self._hashed()
        return self._fingerprint

    def _hashed(self) -> str:
        total = hashlib.sha256()
        for name in sorted(self._rows):
            rows = self._rows[name]
            total.update(repr((name, len(rows))).encode())
            for field in rows.schema:
                if field.name == ROW:
                    continue
                total.update(repr((field.name, str(field.type))).encode())
                _hash_column(total, rows.column(field.name))
        return total.hexdigest()

    def close(self) -> None:
        self._connection.close()

    def _register(self, name: str, rows: pa.Table) -> None:
        self._rows[name] = rows
        self._connection.register(name, rows)

    def _cut(self, name: str) -> None:
        """Drop the rows whose clock, own or inherited, is later than `until` or unknown."""
        clock = self.catalog.table(name).clock
        if clock.kind == "none" or (
            clock.kind == "own" and _all_known(self._rows[name].column(clock.column), self.until)
        ):
            return
        kept = self.query(relation_sql(self.catalog, name, self.until, (ROW,))).column(ROW).to_numpy()
        rows = self._rows[name]
        if len(kept) == len(rows):
            return
        kept = np.searchsorted(rows.column(ROW).to_numpy(), np.sort(kept))
        self._connection.unregister(name)
        self._register(name, rows.take(pa.array(kept)).combine_chunks())


def _all_known(clock: pa.ChunkedArray, until: int) -> bool:
    """True if every row has a time, and none is later than `until`."""
    if clock.type != pa.timestamp("us") or clock.null_count or not len(clock):
        return False
    return int(pc.max(clock).cast(pa.int64()).as_py()) <= until


def load(snapshot: Snapshot, catalog: Catalog, tables: Mapping[str, Sequence[str]], until: int) -> History:
    """Read `tables` (name → the columns `History.table` shall show) up to `until` (µs), each stored table once."""
    stored = stored_columns(catalog, tables)
    rows = {}
    for name, columns in stored.items():
        clock = catalog.table(name).clock
        if not columns:
            columns = (catalog.table(name).columns[0].name,)
        if clock.kind == "own":
            read = snapshot.scan(name, columns, time_column=clock.column, until=until)
        else:
            read = snapshot.scan(name, columns)
        read = read.append_column(ROW, pa.array(np.arange(len(read), dtype=np.int64)))
        names, whole = read.column_names, []
        for column in names:  # one by one, so that no two copies of a table stand beside each other
            whole.append(pa.table({column: read.column(0)}).combine_chunks().column(0))
            read = read.remove_column(0)
        rows[name] = pa.table(whole, names=names)
    return History(catalog, until, rows, {name: tuple(dict.fromkeys(columns)) for name, columns in tables.items()})


def needed_tables(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Table → columns that labels and graph of a plan read: features, keys, links, arguments, conditions, routes."""
    query, catalog = plan.query, plan.query.catalog
    found: dict[str, dict[str, None]] = {}

    def need(table: str, columns: Iterable[str]) -> None:
        found.setdefault(table, {}).update(dict.fromkeys(columns))

    def need_route(route: Route) -> None:
        for step in route:
            need(step.link.child, step.link.child_columns)
            need(step.link.parent, step.link.parent_columns)

    for planned in plan.graph.tables:
        need(planned.name, (column.name for column in planned.columns))
    for link in plan.graph.links:
        need(link.child, link.child_columns)
        need(link.parent, link.parent_columns)
    need(query.entity.table, query.entity.keys)
    excluded = () if query.excluding is None else query.excluding.pasts
    column = None if query.at_most is None else query.at_most[1]
    for aggregate in aggregates(query.target, query.where, query.assuming, *excluded):
        need(aggregate.fact, ())
        need_route(aggregate.route)
    for reference in columns_read(query.target, query.where, query.assuming, query.candidates, column, *excluded):
        need(reference.table, (reference.column,))
        need_route(reference.route)
    if query.item is not None:
        need(query.item.column.table, (query.item.column.column,))
        need_route(query.item.column.route)
        if query.item.table is not None and query.item.key is not None:
            need(query.item.table, (query.item.key,))
    if query.options.first_seen and catalog.table(query.entity.table).clock.kind == "none":
        for link in catalog.links_to(query.entity.table):
            if catalog.table(link.child).clock.kind != "none":
                need(link.child, link.child_columns)
                need(link.parent, link.parent_columns)
    for name in found:
        key = catalog.table(name).key
        if key is not None:
            need(name, key.columns)
    return {name: tuple(columns) for name, columns in found.items()}


def _parents_first(catalog: Catalog, names: Iterable[str]) -> list[str]:
    """The stored tables so that the one a clock is inherited from stands before its heirs."""
    names = list(names)
    ordered: list[str] = []

    def place(name: str, depth: int) -> None:
        clock = catalog.table(name).clock
        if clock.kind == "inherited" and clock.via is not None and depth < len(names):
            for parent in _stored(catalog, clock.via.parent):
                if parent in names and parent not in ordered:
                    place(parent, depth + 1)
        if name not in ordered:
            ordered.append(name)

    for name in names:
        place(name, 0)
    return ordered


def _stored(catalog: Catalog, name: str) -> tuple[str, ...]:
    virtual = catalog.table(name).virtual
    if virtual is None:
        return (name,)
    return tuple(table for table, _ in virtual.sources)


def _hash_column(total: hashlib._Hash, column: pa.ChunkedArray) -> None:
    """Feed the values of a column to a hash, whatever their chunks, offsets and the bytes under NULLs."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.null_count:
        total.update(np.packbits(array.is_valid().to_numpy(zero_copy_only=False)).tobytes())
    kind = array.type
    if pa.types.is_temporal(kind):
        array = array.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    elif pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)):
            array = pa.array([None if value is None else repr(value) for value in array.to_pylist()], pa.string())
        array = pc.fill_null(array.cast(pa.large_binary()), b"")  # which leaves no bytes under NULLs
        _feed(total, pc.binary_length(array))
        if len(array):
            offsets = np.frombuffer(array.buffers()[1], dtype=np.int64)[array.offset : array.offset + len(array) + 1]
            data = array.buffers()[2]
            if data is not None:
                total.update(memoryview(data)[offsets[0] : offsets[-1]])
        return
    values = array.fill_null(0) if array.null_count else array
    _feed(total, values)


def _feed(total: hashlib._Hash, numbers: pa.Array) -> None:
    total.update(np.ascontiguousarray(numbers.to_numpy(zero_copy_only=False)).view(np.uint8).data)
