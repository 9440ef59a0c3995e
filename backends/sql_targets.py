"""Where statements may write: never over the data, and never where predictions would be read as data.

A table of predictions has no clock, so that it would tell every earlier moment what was learnt later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from pql.backends.base import PREDICTIONS
from pql.backends.sql_kinds import NewTable
from pql.language.errors import PqlError


def read_only() -> PqlError:
    """The error for a table that is to be made where nothing may be written."""
    return PqlError(
        "read_only",
        "the session only reads, so that no table is made",
        hint="open it for writing: pql.connect(path, read_only=False), or pql DB --write -c … on the command line; "
        "COPY (PREDICT …) TO 'file.parquet' writes a file",
    )


def find_table(con: duckdb.DuckDBPyConnection, parts: Sequence[str]) -> str | None:
    """The comment on the table or view of a dotted name; None where there is none of that name."""
    where = {
        1: "schema_name = current_schema() AND database_name = current_database()",
        2: "lower($1) IN (lower(schema_name), lower(database_name))",
    }.get(len(parts), "lower(schema_name) = lower($2) AND lower(database_name) = lower($1)")
    last = f"lower({{}}) = lower(${len(parts)})"
    tables = f"SELECT comment FROM duckdb_tables() WHERE {where} AND {last.format('table_name')}"
    views = f"SELECT comment FROM duckdb_views() WHERE {where} AND {last.format('view_name')}"
    rows = con.execute(f"{tables} UNION ALL {views}", list(parts)).fetchall()
    return str(rows[0][0] or "") if rows else None


def refuse_table(con: duckdb.DuckDBPyConnection, made: NewTable) -> None:
    """Raise PqlError `table_exists` where a table is there, unless it holds predictions and is to be replaced."""
    comment = None if made.keeps else find_table(con, made.parts)
    if comment is None:
        return
    if not comment.startswith(PREDICTIONS):
        message = f"there is a table {made.name} already, and it holds data"
        raise PqlError("table_exists", message, hint="choose another name; only tables of predictions are replaced")
    if not made.replaces:
        hint = f"CREATE OR REPLACE TABLE {made.name} AS … writes it anew"
        raise PqlError("table_exists", f"there is a table {made.name} already", hint=hint)


def refuse_file(path: str | None, own: Iterable[Path]) -> None:
    """Raise PqlError `file_in_source` for a file that holds the data, or that stands in a folder of tables."""
    if path is None:
        return
    path = re.sub(r"^file:(//(localhost)?(?=/))?", "", path)  # which DuckDB writes to as well
    if "://" in path:
        return
    target = Path(path).expanduser().resolve()
    for place in own:
        if target == place:
            raise PqlError("file_in_source", f"the file {path} holds the data itself", hint="write to another file")
        if place in target.parents and not target.relative_to(place).parts[0].startswith((".", "_")):
            raise PqlError(
                "file_in_source",
                f"the file {path} would be a table of this session, and its predictions would be read as data",
                hint="write to another folder, or give the file a name that starts with _",
            )
