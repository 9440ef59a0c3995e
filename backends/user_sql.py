"""Running SQL that the user wrote, and looking up its names before anything is run.

Places in errors are character offsets in the statement.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa

from pql.backends.sql import parameter
from pql.backends.sql_errors import said
from pql.backends.sql_kinds import SqlKind
from pql.language.ast import Span
from pql.language.errors import PqlError

_ABOUT_NAMES = re.compile(
    r"not found|does not exist|does not have a column|must appear in the GROUP BY|Subquery returns|result columns",
    re.IGNORECASE,
)


def run(
    con: duckdb.DuckDBPyConnection, statement: str, parameters: Mapping[str, Any], *, kind: SqlKind, is_ours: bool
) -> pa.Table:
    """All rows of a statement as Arrow; of COPY and CREATE TABLE one row with how many were written (`rows`).

    is_ours: the connection is our own, so that it may be told to say where an error is.
    """
    values = {name: _bindable(value) for name, value in parameters.items()}
    try:
        if is_ours:
            con.execute("SET errors_as_json = true")
        result = _interruptible(con, lambda: con.execute(statement, values or None))
        if kind is SqlKind.READ:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Arrow output", UserWarning)
                fetch = getattr(result, "to_arrow_table", None) or getattr(result, "fetch_arrow_table", None)
                assert fetch is not None
                table = _distinct_names(_interruptible(con, fetch))
        else:
            counts = result.fetchall()
            table = pa.table({"rows": pa.array([counts[0][0] if counts else 0], pa.int64())})
        if is_ours:
            con.execute("SET errors_as_json = false")
        return table
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except duckdb.Error as error:
        raise said(error, statement) from error
    except RuntimeError as error:
        if "interrupted" in str(error):  # by Ctrl-C
            raise KeyboardInterrupt from error
        raise PqlError(
            "sql_error", f"DuckDB gave up: {error}", hint="Read less at once, or give DuckDB more memory."
        ) from error
    except (pa.ArrowException, OverflowError, TypeError, ValueError, UnicodeError) as error:
        raise PqlError(
            "sql_error",
            f"the rows can't be read: {str(error).splitlines()[0]}",
            hint="Cast the column to another type.",
        ) from error


def _interruptible(con: duckdb.DuckDBPyConnection, fetch: Callable[[], Any]) -> Any:
    """`fetch()`, ended by Ctrl-C: DuckDB doesn't look at signals, so it works in a thread of its own."""
    if threading.current_thread() is not threading.main_thread():
        return fetch()
    with ThreadPoolExecutor(1) as pool:
        waited = pool.submit(fetch)
        try:
            return waited.result()
        except KeyboardInterrupt:
            con.interrupt()
            raise


def check(con: duckdb.DuckDBPyConnection, statement: str, parameters: Mapping[str, Any]) -> None:
    """Raise `sql_error` where a statement names what isn't there. `con` is our own and in no transaction."""
    values = {name: _bindable(value) for name, value in parameters.items()}
    explain = f"EXPLAIN {statement}"
    try:
        if [one.type.name for one in duckdb.extract_statements(explain)] != ["EXPLAIN"]:
            return
        con.execute("SET errors_as_json = true")
        con.execute(explain, values or None).fetchall()
    except duckdb.Error as error:
        fault = said(error, explain).faults[0]
        if _ABOUT_NAMES.search(fault.message):
            shift = len(explain) - len(statement)
            span = None if fault.span is None else Span(fault.span.start - shift, fault.span.end - shift)
            raise PqlError.of([replace(fault, span=span)]) from error
    except (OverflowError, TypeError, ValueError, UnicodeError):
        return
    finally:
        con.execute("SET errors_as_json = false")


def _bindable(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return [parameter(item) for item in value]
    return parameter(value)


def _distinct_names(table: pa.Table) -> pa.Table:
    """The table with column names that differ: a second `id` is `id_1`, as in DuckDB's data frames."""
    taken: set[str] = set()
    names = []
    for name in table.column_names:
        free, number = name, 0
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free)
        names.append(free)
    return table if names == table.column_names else table.rename_columns(names)
