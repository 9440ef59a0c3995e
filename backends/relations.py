"""A snapshot over DuckDB: named relations in one transaction, every column shown in its normal form."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pql.backends.altered import LaterRows, mark_frame, readable, replaced, scrambled, without
from pql.backends.base import PREDICTIONS, StoredTable
from pql.backends.logical import is_whole, logical_type, may_be_whole, normal_form, whole_number
from pql.backends.memory import Memory
from pql.backends.sql import alias, identifier, mentions, parameter, string, timestamp, with_tables
from pql.backends.sql_kinds import SqlKind, file_written, new_table, sql_kind
from pql.backends.sql_targets import find_table, read_only, refuse_file, refuse_table
from pql.backends.user_sql import check as check_user_sql
from pql.backends.user_sql import run as run_user_sql
from pql.backends.written_amounts import written_amounts
from pql.backends.written_times import written_times
from pql.language.catalog import LogicalType
from pql.language.errors import PqlError

_FRAME_NAMES = itertools.count()
_ARROW = {
    LogicalType.INTEGER: pa.int64(),
    LogicalType.FLOAT: pa.float64(),
    LogicalType.BOOLEAN: pa.bool_(),
    LogicalType.STRING: pa.string(),
    LogicalType.UUID: pa.string(),
    LogicalType.TIMESTAMP: pa.timestamp("us"),
}


@dataclass(frozen=True, slots=True)
class Relation:
    """A stored table and the SQL that names it to DuckDB (a qualified name or a table function)."""

    table: StoredTable
    source: str


def run(con: duckdb.DuckDBPyConnection, statement: str, parameters: Sequence[Any] = ()) -> pa.Table:
    """All rows of one SELECT as Arrow; duckdb.Error as it comes."""
    relation = con.sql(statement, params=[parameter(value) for value in parameters] or None)
    if relation is None:
        raise duckdb.InvalidInputException("the statement returns no rows")
    if hasattr(relation, "to_arrow_table"):
        return relation.to_arrow_table()
    return relation.arrow()


def first_line(error: BaseException) -> str:
    """What a library's exception says, without its kind and without the lines that quote the statement."""
    text = str(error).strip().split("\n")[0]
    kind, colon, rest = text.partition(": ")
    return rest if colon and kind.endswith(("Error", "Exception")) else text


class DuckSnapshot:
    """Reads of `relations` through one connection, which is inside a transaction and stays there.

    Every statement gets the relations that it mentions as inlined common table expressions: nothing is created in
    any database, and the views of the user's database keep seeing the stored tables. `is_ours`: the connection is
    not the user's own; `writes`: tables may be made;
    `own_files` are the files and folders that hold the data.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        relations: Iterable[Relation],
        skipped: Sequence[tuple[str, str]] = (),
        *,
        is_ordered: bool = True,
        is_ours: bool = True,
        writes: bool = False,
        own_files: Sequence[Path] = (),
    ) -> None:
        self.memory: Memory | None = None
        self.notes: tuple[str, ...] = ()
        self._con = con
        self._skipped = tuple(skipped)
        self._is_ordered = is_ordered
        self._is_ours = is_ours
        self._writes = writes
        self._own_files = tuple(own_files)
        self._relations = tuple(self._as_meant(relation) for relation in relations) if is_ordered else tuple(relations)
        self._tables: list[StoredTable] = []
        self._shown: dict[str, str] = {}
        self._sources: dict[str, str] = {}
        for relation in self._relations:
            self._add(relation)

    def _add(self, relation: Relation) -> None:
        table = relation.table
        whole = self._whole_ids(relation)
        columns: list[tuple[str, str]] = []
        shown: list[str] = []
        for name, sql_type in table.columns:
            kind = "BIGINT" if name in whole else sql_type
            columns.append((name, kind))
            form = whole_number(name) if name in whole else normal_form(name, sql_type)
            if form is not None:
                shown.append(form if form == identifier(name) else alias(form, name))
        self._tables.append(replace(table, columns=tuple(columns)))
        self._sources[table.name] = relation.source
        self._shown[table.name] = f"SELECT {', '.join(shown) or '1'} FROM {relation.source}"

    def _as_meant(self, relation: Relation) -> Relation:
        """The relation with times that are written as text or numbers as TIMESTAMP, and written amounts as DOUBLE."""
        source, table = written_times(relation.source, relation.table, lambda text: self._run(text).to_pylist())
        source, table = written_amounts(source, table, lambda text: self._run(text).to_pylist())
        return relation if table is relation.table else Relation(table, source)

    def _whole_ids(self, relation: Relation) -> frozenset[str]:
        """Columns named as ids that hold whole numbers of 64 bits only, though their type isn't that of such."""
        doubtful = {name: kind for name, kind in relation.table.columns if may_be_whole(name, kind)}
        if not doubtful:
            return frozenset()
        tests = ", ".join(is_whole(name, kind) for name, kind in doubtful.items())
        row = self._run(f"SELECT {tests} FROM {relation.source}").to_pylist()[0]
        return frozenset(name for name, whole in zip(doubtful, row.values(), strict=True) if whole)

    def _run(self, statement: str, parameters: Sequence[Any] = ()) -> pa.Table:
        try:
            return run(self._con, statement, parameters)
        except duckdb.Error as error:
            raise PqlError(
                "sql_failed",
                f"DuckDB refuses the statement: {first_line(error)}",
                hint="Mend the SQL; DuckDB says where it stopped reading.",
            ) from error

    def tables(self) -> tuple[StoredTable, ...]:
        return tuple(self._tables)

    def names(self) -> tuple[str, ...]:
        return tuple(name for table in self._tables for name in (table.name, *(column for column, _ in table.columns)))

    def skipped(self) -> tuple[tuple[str, str], ...]:
        return self._skipped

    def query(
        self, sql: str, parameters: Sequence[Any] = (), *, frames: Mapping[str, pa.Table] | None = None
    ) -> pa.Table:
        body = sql.strip().rstrip(";")
        named = [(name, shown) for name, shown in self._shown.items() if mentions(body, name)]
        registered: list[str] = []
        try:
            for name, frame in (frames or {}).items():
                own = f"pql_frame_{next(_FRAME_NAMES)}"
                self._con.register(own, frame)
                registered.append(own)
                named = [(other, shown) for other, shown in named if other.lower() != name.lower()]
                named.append((name, f"SELECT * FROM {identifier(own)}"))
            return self._run(with_tables(named, body), parameters)
        finally:
            self._forget(self._con, registered)

    def run_sql(
        self, statement: str, parameters: Mapping[str, Any], frames: Mapping[str, pa.Table], *, note: str = ""
    ) -> pa.Table:
        kind = sql_kind(statement)
        self._refuse_targets(statement, kind)
        con = self._con_of_the_user()
        made = new_table(statement) if kind is SqlKind.CREATE_TABLE else None
        is_new = made is not None and (made.replaces or find_table(con, made.parts) is None)
        try:
            for name, frame in frames.items():
                con.register(name, frame)
            rows = run_user_sql(con, statement, parameters, kind=kind, is_ours=self._is_ours)
            if note and made is not None and is_new:
                con.execute(f"COMMENT ON TABLE {made.name} IS {string(f'{PREDICTIONS}: {note}')}")
            return rows
        finally:
            self._forget(con, frames)

    def _refuse_targets(self, statement: str, kind: SqlKind) -> None:
        if kind is SqlKind.CREATE_TABLE:
            if not self._writes:
                raise read_only()
            refuse_table(self._con, new_table(statement))
        elif kind is SqlKind.COPY:
            refuse_file(file_written(statement), self._own_files)

    def check_sql(self, statement: str, parameters: Mapping[str, Any], frames: Mapping[str, pa.Table]) -> None:
        self._refuse_targets(statement, sql_kind(statement))
        if not self._is_ours:
            return  # what fails here would end the user's transaction
        with self._beside() as con:
            try:
                for name, frame in frames.items():
                    con.register(name, frame)
                check_user_sql(con, statement, parameters)
            finally:
                self._forget(con, frames)

    @contextmanager
    def _beside(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection outside the transaction that finds the same tables."""
        con = self._con.cursor()
        try:
            con.execute("SET python_enable_replacements = false")
            path = run(self._con, "SELECT current_setting('search_path') AS path").to_pylist()[0]["path"]
            if path:
                con.execute(f"SET SESSION search_path = {string(str(path))}")
            yield con
        finally:
            con.close()

    def _forget(self, con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
        """Take registered frames away. A transaction that failed takes them away itself."""
        for name in names:
            with suppress(duckdb.TransactionException):
                con.unregister(name)

    def _con_of_the_user(self) -> duckdb.DuckDBPyConnection:
        """The connection on which SQL finds the tables under their own names."""
        return self._con

    @contextmanager
    def without(self, later: Mapping[str, LaterRows]) -> Iterator[DuckSnapshot]:
        """The same data without the rows that `later` marks, by table. PqlError `order_not_kept`."""
        with self._altered(later, lambda relation, rows: self._left(relation, rows)) as other:
            yield other

    @contextmanager
    def scrambled(self, later: Mapping[str, LaterRows], seed: int) -> Iterator[DuckSnapshot]:
        """The same data with other values and links in the rows that `later` marks, and more rows as late as they."""
        with self._altered(later, lambda relation, rows: self._mixed(relation, rows, seed)) as other:
            yield other

    @contextmanager
    def _altered(
        self, later: Mapping[str, LaterRows], change: Callable[[Relation, LaterRows], tuple[Relation, list[str]]]
    ) -> Iterator[DuckSnapshot]:
        if not self._is_ordered:
            raise PqlError(
                "order_not_kept",
                "This connection does not keep the order of rows, so its data can't be altered row by row.",
                hint="SET preserve_insertion_order = true",
            )
        registered: list[str] = []
        relations = []
        try:
            for relation in self._relations:
                rows = later.get(relation.table.name)
                if rows is not None and rows.later.any():
                    relation, made = change(relation, rows)
                    registered += made
                relations.append(relation)
            other = DuckSnapshot(self._con, relations, self._skipped)
            other.notes = self.notes
            yield other
        finally:
            self._forget(self._con, registered)

    def _left(self, relation: Relation, rows: LaterRows) -> tuple[Relation, list[str]]:
        mark = self._registered(mark_frame(rows))
        return replace(relation, source=without(relation.source, mark)), [mark]

    def _mixed(self, relation: Relation, rows: LaterRows, seed: int) -> tuple[Relation, list[str]]:
        table = relation.table
        columns = readable(table)
        inside, added = scrambled(self.scan(table.name, columns), rows, seed)
        frame, more = self._registered(inside), self._registered(added)
        changed = [name for name in columns if name != rows.clock]
        source = replaced(relation.source, table, frame, changed, more, rows.clock)
        return replace(relation, source=source), [frame, more]

    def _registered(self, frame: pa.Table) -> str:
        name = f"pql_frame_{next(_FRAME_NAMES)}"
        self._con.register(name, frame)
        return name

    def scan(
        self, table: str, columns: Sequence[str], *, time_column: str | None = None, until: int | None = None
    ) -> pa.Table:
        stored = next((t for t in self._tables if t.name == table), None)
        if stored is None:
            raise PqlError("unknown_table", f"there is no table {table}", hint="SHOW TABLES lists the tables.")
        kinds = dict(stored.columns)
        fields: list[pa.Field] = []
        for name in [*columns, *([time_column] if time_column else [])]:
            if name not in kinds:
                raise PqlError(
                    "unknown_column",
                    f"table {table} has no column {name}",
                    hint="DESCRIBE lists the columns of a table.",
                )
            kind = logical_type(kinds[name], name)
            if kind is LogicalType.OTHER:
                raise PqlError(
                    "unreadable_column",
                    f"{table}.{name} is {kinds[name]}, which can't be read",
                    hint="Cast it to a number, a string, a boolean, a date or a timestamp.",
                )
            fields.append(pa.field(name, _ARROW[kind]))
        schema = pa.schema(fields[: len(columns)])
        statement = f"SELECT {', '.join(identifier(name) for name in columns) or '1'} FROM {identifier(table)}"
        if until is not None and time_column is not None:
            statement += f" WHERE {identifier(time_column)} <= {timestamp(until)}"
        if not self._is_ordered and not stored.is_view:
            statement = self._in_stored_order(table, statement)
        rows = self.query(statement)
        if not columns:
            return rows.select([])
        return rows.cast(schema)

    def _in_stored_order(self, table: str, statement: str) -> str:
        """For connections that don't keep insertion order: ask for the order of the row ids."""
        shown = self._shown[table].replace("SELECT ", "SELECT rowid AS pql_row, ", 1)
        body = statement.replace(f"FROM {identifier(table)}", f"FROM ({shown})", 1)
        return f"{body} ORDER BY pql_row"
