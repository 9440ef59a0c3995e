"""Numbers that a CSV file writes with a decimal comma, as spreadsheets do where ';' separates: read as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from pql.backends.file_tables import literally
from pql.backends.sql import identifier, string

_WRITTEN = r"^\s*[-+]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?\s*$"
SEPARATORS = (";", "\t", "|")


def read_decimal_commas(
    con: duckdb.DuckDBPyConnection, table: str, files: Sequence[str], separator: str | None = None
) -> None:
    """Make numbers of the text columns of `table` whose every value is one with a decimal comma, such as 1.234,50.

    Only of files whose separator is no comma: elsewhere '1,2' may be a list. It is sniffed unless it is given. The
    table is changed in place.
    """
    texts = [name for name, kind, *_ in con.execute(f"DESCRIBE {table}").fetchall() if kind == "VARCHAR"]
    if not texts:
        return
    pattern = string(_WRITTEN)
    tests = ", ".join(
        f"coalesce(bool_and(regexp_full_match({c}, {pattern})) AND bool_or(contains({c}, ',')), false)"
        for c in map(identifier, texts)
    )
    (found,) = con.execute(f"SELECT {tests} FROM {table}").fetchall()
    numbers = [name for name, is_number in zip(map(identifier, texts), found, strict=True) if is_number]
    if numbers and (separator in SEPARATORS if separator is not None else _separates_otherwise(con, files)):
        for name in numbers:
            value = f"CAST(replace(replace(trim({name}), '.', ''), ',', '.') AS DOUBLE)"
            con.execute(f"ALTER TABLE {table} ALTER COLUMN {name} TYPE DOUBLE USING {value}")


def _separates_otherwise(con: duckdb.DuckDBPyConnection, files: Sequence[str]) -> bool:
    """Whether no file is separated by commas; the sniffer that reads the file says so."""
    for file in files:
        found = con.execute(f"SELECT Delimiter FROM sniff_csv({string(literally(file))})").fetchall()
        if not found or found[0][0] not in SEPARATORS:
            return False
    return True
