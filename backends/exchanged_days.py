"""Days and months of a CSV file that could be exchanged (03/04/2024) stay text: whoever reads the file would guess."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from pql.backends.file_tables import literally
from pql.backends.sql import identifier, string

_GUESSED = ("%d/%m/%", "%m/%d/%", "%d-%m-%", "%m-%d-%")  # beginnings of the formats that may be either
_MONTHS = 12


def keep_exchanged_days(con: duckdb.DuckDBPyConnection, table: str, files: Sequence[str]) -> None:
    """Make text again of the dates and times in `table` whose days are all months too; the table is changed in place.

    Only of files that are written with the day or the month first, and where something differs between the two.
    """
    times = [
        (identifier(name), kind)
        for name, kind, *_ in con.execute(f"DESCRIBE {table}").fetchall()
        if kind in ("DATE", "TIMESTAMP")
    ]
    if not times:
        return
    tests = ", ".join(
        f"coalesce(max(day({c})) <= {_MONTHS} AND bool_or(day({c}) <> month({c})), false)" for c, _ in times
    )
    (found,) = con.execute(f"SELECT {tests} FROM {table}").fetchall()
    either = [column for column, is_either in zip(times, found, strict=True) if is_either]
    if not either:
        return
    sniffed = con.execute(
        f"SELECT DateFormat, TimestampFormat FROM sniff_csv({string(literally(files[0]))}, sample_size = -1)"
    ).fetchall()
    forms = dict(zip(("DATE", "TIMESTAMP"), sniffed[0], strict=True)) if sniffed else {}
    for column, kind in either:
        form = forms.get(kind) or ""
        if form.startswith(_GUESSED):
            con.execute(
                f"ALTER TABLE {table} ALTER COLUMN {column} TYPE VARCHAR USING strftime({column}, {string(form)})"
            )
