"""PostgreSQL, through psycopg: every read inside one REPEATABLE READ READ ONLY transaction, by COPY as CSV.

The server itself refuses to write. Rows come in the order in which they are stored.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pql.backends.copied import CopiedBackend
from pql.backends.location import Location, location
from pql.backends.names import is_id_name
from pql.backends.origin import LeftOut, Listed, Reading, Run
from pql.backends.postgres_catalog import tables_of
from pql.backends.postgres_faults import refusal, said
from pql.backends.postgres_types import Way, number_type, way
from pql.backends.relations import Relation
from pql.backends.sql import alias, identifier, literal, qualified
from pql.language.errors import PqlError

if TYPE_CHECKING:
    import psycopg

BATCH = 8 << 20  # bytes of CSV
_BEGIN = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL extra_float_digits = 3",
    "SET LOCAL synchronize_seqscans = off",
    "SET LOCAL max_parallel_workers_per_gather = 0",
    "SET LOCAL statement_timeout = 0",
)
_WRITTEN = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_catalog.pg_stat_user_tables"
_DENIED = "42501"


def postgres_backend(text: str) -> CopiedBackend:
    """The backend for a `postgresql://…` URL; see `location`.

    PqlError missing_extra, unsupported_source, source_unreachable, source_refused, source_not_found.
    """
    place = location(text)
    server = _Server(place)
    limits = [f"{what}={','.join(names)}" for what, names in (("s", place.schemas), ("t", place.tables)) if names]
    return CopiedBackend(server, f"postgres:{server.name()}{'?' if limits else ''}{'&'.join(limits)}")


class _Server:
    """The `Origin` of a PostgreSQL database."""

    followed = False  # any statement anywhere on the server moves what names a state

    def __init__(self, place: Location) -> None:
        self._place = place
        self.files: tuple[Path, ...] = ()
        self._con = self._connected()

    def _connected(self) -> psycopg.Connection[Any]:
        try:
            import psycopg
        except ImportError as error:
            raise PqlError(
                "missing_extra",
                "PostgreSQL is read by psycopg, which is not installed",
                hint='pip install "pql-engine[postgres]"',
            ) from error
        try:
            con = psycopg.connect(self._place.address, autocommit=True, prepare_threshold=None, **self._defaults())
            con.execute("SET client_encoding = 'UTF8'")
            return con
        except (psycopg.Error, UnicodeError) as error:
            raise refusal(error, self._place, is_connecting=True) from None

    def _defaults(self) -> dict[str, Any]:
        """What libpq is told where neither the URL nor the environment says it."""
        defaults = {"connect_timeout": (10, "PGCONNECT_TIMEOUT"), "application_name": ("pql", "PGAPPNAME")}
        return {
            name: value
            for name, (value, variable) in defaults.items()
            if f"{name}=" not in self._place.address and variable not in os.environ
        }

    def name(self) -> str:
        """User, host, port, database and the cluster's own identifier: what tells this database from all others."""
        import psycopg

        info = self._con.info
        where = f"{info.user}@{info.host or info.hostaddr}:{info.port}/{info.dbname}"
        try:
            row = self._con.execute("SELECT system_identifier FROM pg_catalog.pg_control_system()").fetchone()
        except psycopg.Error:  # a server that doesn't tell
            return where
        return f"{where}#{row[0]}" if row else where

    def _ask(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        import psycopg

        try:
            return self._con.execute(statement.encode(), parameters or None).fetchall()
        except psycopg.Error as error:
            raise refusal(error, self._place, is_lost=self._con.closed) from None

    @property
    def _is_open(self) -> bool:
        """Whether a transaction is open."""
        return not self._con.closed and self._con.info.transaction_status.name in ("INTRANS", "INERROR")

    def begin(self) -> str:
        import psycopg

        if not self._is_open:
            for attempt in (1, 2):
                try:
                    for statement in _BEGIN:
                        self._con.execute(statement.encode())
                    break
                except psycopg.Error as error:
                    if attempt == 2 or not self._con.closed:
                        raise refusal(error, self._place, is_lost=self._con.closed) from None
                    self._con = self._connected()
        return str(self._ask("SELECT pg_catalog.txid_current_snapshot()::text")[0][0])

    def written(self) -> int | None:
        """How many rows have been written, by the server's own statistics; None where it doesn't tell."""
        import psycopg

        try:
            row = self._con.execute(_WRITTEN).fetchone() if not self._con.closed else None
        except psycopg.Error:
            return None
        return int(row[0]) if row else None

    def told(self) -> None:
        """What names a state doesn't outlast the session."""

    def rest(self) -> None:
        import psycopg

        if not self._is_open:
            return
        try:
            self._con.execute("ROLLBACK")
        except psycopg.Error:
            self._con.close()

    def close(self) -> None:
        self._con.close()

    def tables(self) -> tuple[tuple[Listed, ...], tuple[tuple[str, str], ...]]:
        return tables_of(self._ask, self._place.schemas, self._place.tables)

    def read(self, table: Listed, *, whole: bool) -> Reading:
        unread = table.kept.unread
        ways = [found for column in table.kept.columns if (found := way(column, whole=whole)) is not None]
        notes = (f"{table.name}: columns that are not read: {', '.join(unread)}",) if unread else ()
        numbers = [one.field.name for one in ways if one.is_number]
        keys = {*(table.primary_key or ()), *(column for link in table.links for column in link.columns)}

        def finish(relation: Relation, run: Run) -> Relation:
            return _numbered(relation, numbers, keys, run) if numbers else relation

        batches = self._batches(table, [one for one in ways if not one.field.is_left])
        return Reading(tuple(one.field for one in ways), batches, finish, notes)

    def _batches(self, table: Listed, ways: list[Way]) -> Iterator[pa.RecordBatch]:
        """The rows of a table. A savepoint keeps the transaction where one table can't be read. LeftOut."""
        import psycopg

        place = qualified(table.schema, table.table)
        only = "ONLY " if table.kept.kind == "r" else ""
        shown = ", ".join(way.select for way in ways) or "1"
        statement = f"COPY (SELECT {shown} FROM {only}{place}) TO STDOUT (FORMAT csv)"
        schema = pa.schema([(way.field.name, way.arrow) for way in ways] or [("pql_one", pa.int8())])
        try:
            self._con.execute("SAVEPOINT pql_table")
            rows = io.BytesIO()
            with self._con.cursor().copy(statement.encode()) as copy:
                for row in copy:
                    rows.write(row)
                    if rows.tell() >= BATCH:
                        yield from self._parsed(table, rows, schema)
                        rows = io.BytesIO()
            if rows.tell():
                yield from self._parsed(table, rows, schema)
        except psycopg.Error as error:
            if self._con.closed or (table.kept.kind in ("r", "p") and error.sqlstate != _DENIED):
                raise refusal(error, self._place, is_lost=self._con.closed) from None
            self._con.execute("ROLLBACK TO SAVEPOINT pql_table")
            raise LeftOut(said(error, self._place)) from None

    def _parsed(self, table: Listed, rows: io.BytesIO, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import pyarrow.csv as csv

        rows.seek(0)
        try:
            read = csv.read_csv(
                rows,
                read_options=csv.ReadOptions(column_names=schema.names, use_threads=False, block_size=BATCH * 2),
                parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                convert_options=csv.ConvertOptions(
                    column_types=schema,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    true_values=["t"],
                    false_values=["f"],
                ),
            )
        except pa.ArrowException as error:
            raise PqlError(
                "source_unreadable",
                f"the table {table.name} can't be read: {str(error).splitlines()[0]}",
                hint="Make a view of it that casts or leaves out the column, and name it in ?tables=….",
            ) from error
        yield from read.to_batches()


def _numbered(relation: Relation, numbers: list[str], keys: set[str], run: Run) -> Relation:
    """The relation with its numbers of any precision, which came as text, as DOUBLE or as ids.

    keys: columns that are ids whatever their names.
    """
    pattern = literal(r"-?\d{1,18}(\.0*)?")
    fits = [
        f"bool_and(regexp_full_match({identifier(name)}, {pattern})) IS NOT FALSE AS w{i}"
        for i, name in enumerate(numbers)
    ]
    row = run(f"SELECT {', '.join(fits)} FROM {relation.source}")[0]
    kinds = {
        name: number_type(is_id=name in keys or is_id_name(name), is_whole=row[f"w{i}"])
        for i, name in enumerate(numbers)
    }
    whole_part = f"split_part({{}}, {literal('.')}, 1)"
    shown = ", ".join(
        alias(f"TRY_CAST({(whole_part if kind == 'BIGINT' else '{}').format(identifier(name))} AS {kind})", name)
        for name, kind in kinds.items()
    )
    columns = tuple((name, kinds.get(name, kind)) for name, kind in relation.table.columns)
    return Relation(replace(relation.table, columns=columns), f"(SELECT * REPLACE ({shown}) FROM {relation.source})")
