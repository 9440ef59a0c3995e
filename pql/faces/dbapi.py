"""DB-API 2.0 (PEP 249): `pql.dbapi.connect`, for tools that speak it.

    import pql.dbapi
    with pql.dbapi.connect("shop.duckdb") as con, con.cursor() as cur:
        cur.execute("PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR customers.customer_id IN ?", [[1, 2]])
        cur.fetchall()

One statement at a time, of any kind; an EXPLAIN or SHOW GRAPH gives its lines as rows. Every statement takes effect by
itself: there are no transactions.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pql.arrow_rows import ArrowRows, Description
from pql.faces.dbapi_errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
    translated,
)
from pql.language.errors import PqlError

if TYPE_CHECKING:
    import pyarrow as pa

    from pql.session import Session

apilevel = "2.0"
threadsafety = 2  # threads may share connections, whose statements take turns, not cursors
paramstyle = "qmark"  # named parameters, :name with a mapping, are taken too

Parameters = Sequence[Any] | Mapping[str, Any] | None
Row = tuple[Any, ...]


def connect(database: Any, *, read_only: bool = True) -> Connection:
    """A connection to whatever `pql.connect` takes: a DuckDB file or connection, a folder, a dict of tables.

    A `pql.Session` may be given, too; closing the connection leaves it open. Raises `OperationalError`.
    """
    from pql.session import Session
    from pql.session import connect as open_session

    if isinstance(database, Session):
        return Connection(database, owned=False)
    with _translating():
        return Connection(open_session(database, read_only=read_only), owned=True)


class Connection:
    """One session on a database. As a context manager it closes itself."""

    Warning, Error, InterfaceError, DatabaseError = Warning, Error, InterfaceError, DatabaseError
    DataError, OperationalError, IntegrityError = DataError, OperationalError, IntegrityError
    InternalError, ProgrammingError, NotSupportedError = InternalError, ProgrammingError, NotSupportedError
    autocommit = True

    def __init__(self, session: Session, *, owned: bool) -> None:
        self._session: Session | None = session
        self._owned = owned

    @property
    def session(self) -> Session:
        """The `pql.Session` behind it. Raises `ProgrammingError` once closed."""
        if self._session is None:
            raise ProgrammingError("The connection is closed.")
        return self._session

    def cursor(self) -> Cursor:
        assert self.session
        return Cursor(self)

    def commit(self) -> None:
        """Nothing: every statement has taken effect already."""
        assert self.session

    def rollback(self) -> None:
        """Nothing: no statement is pending."""
        assert self.session

    def close(self) -> None:
        """Let go of the data; cursors are of no use afterwards. A second time does nothing."""
        if self._owned and self._session is not None:
            self._session.close()
        self._session = None

    def __repr__(self) -> str:
        return f"<pql.dbapi.Connection: {'closed' if self._session is None else self._session}>"

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Cursor:
    """Runs statements and hands out their rows.

    `result` is the statement's answer as pql gives it, with metrics, plan and reasons; None before the first.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self.lastrowid = None
        self.result: Any = None
        self._rows: ArrowRows | None = None
        self._closed = False

    @property
    def description(self) -> list[Description] | None:
        """Of each column its name, its SQL type and five times None; None before the first statement."""
        return None if self._rows is None else self._rows.description

    @property
    def rowcount(self) -> int:
        """How many rows the statement gave; -1 before the first."""
        return -1 if self._rows is None else len(self._rows)

    def execute(self, operation: str, parameters: Parameters = None) -> Cursor:
        """Run one statement. parameters: a sequence for `?`, a mapping for `:name`; gives the cursor itself."""
        answer, table = self._answer(operation, parameters)
        self.result, self._rows = answer, ArrowRows(table)
        return self

    def executemany(self, operation: str, seq_of_parameters: Iterable[Parameters]) -> Cursor:
        """Run a statement once for each set of parameters; the rows of all stand one after the other."""
        import pyarrow as pa

        answers = [self._answer(operation, parameters) for parameters in seq_of_parameters]
        tables = [table for _, table in answers]
        try:
            rows = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
        except pa.ArrowInvalid as error:
            raise DataError(f"The rows of the statements don't go into one table: {error}") from error
        self.result, self._rows = (answers[-1][0] if answers else None), ArrowRows(rows)
        return self

    def fetchone(self) -> Row | None:
        return self._fetched().fetchone()

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next `size` rows, `arraysize` without it."""
        return self._fetched().fetchmany(self.arraysize if size is None else size)

    def fetchall(self) -> list[Row]:
        """The rows that are left."""
        rows = self._fetched()
        return rows.fetchmany(len(rows))

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def nextset(self) -> None:
        """None: a statement gives one table."""

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Nothing: sizes need no telling."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Nothing: values are never cut."""

    def close(self) -> None:
        """Give the rows up. A second time does nothing."""
        self.result, self._rows, self._closed = None, None, True

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _session(self) -> Session:
        if self._closed:
            raise ProgrammingError("The cursor is closed.")
        return self.connection.session

    def _fetched(self) -> ArrowRows:
        assert self._session()
        if self._rows is None:
            raise ProgrammingError("No statement was executed, so there are no rows to fetch.")
        return self._rows

    def _answer(self, operation: str, parameters: Parameters) -> tuple[Any, pa.Table]:
        session = self._session()
        self.result = self._rows = None
        with _translating():
            answer = session.execute(operation, parameters)
        return answer, _table(answer)


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except PqlError as error:
        raise translated(error) from error


def _table(answer: Any) -> pa.Table:
    """The answer as a table; what is a text, such as a plan, line by line."""
    import pyarrow as pa

    if hasattr(answer, "to_arrow_table"):
        return answer.to_arrow_table()
    return pa.table({"line": pa.array(str(answer).splitlines(), pa.string())})


# ---------------------------------------------------------------- types


class _Kind:
    """A type object: equal to the SQL types that it stands for."""

    def __init__(self, *beginnings: str) -> None:
        self._beginnings = beginnings

    def __eq__(self, other: object) -> bool:
        return other is self or (isinstance(other, str) and other.startswith(self._beginnings))

    def __hash__(self) -> int:
        return hash(self._beginnings)


STRING = _Kind("VARCHAR", "UUID")
BINARY = _Kind("BLOB")
NUMBER = _Kind(
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN"),
)
DATETIME = _Kind("TIMESTAMP", "DATE", "TIME", "INTERVAL")
ROWID = _Kind("ROWID")

Date = dt.date
Time = dt.time
Timestamp = dt.datetime
Binary = bytes


def DateFromTicks(ticks: float) -> dt.date:  # noqa: N802
    """The local day of a moment in seconds since 1970."""
    return dt.date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> dt.time:  # noqa: N802
    """The local time of day of a moment in seconds since 1970."""
    return dt.time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> dt.datetime:  # noqa: N802
    """The local time of a moment in seconds since 1970."""
    return dt.datetime(*time.localtime(ticks)[:6])
