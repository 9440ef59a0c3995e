"""Numbers written as text, in tables all of whose columns are text because they were imported from a text file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pql.backends.base import StoredTable
from pql.backends.sql import alias, identifier, literal

_WHOLE = r"-?(0|[1-9]\d{0,17})"
_NUMBER = r"[+-]?(0|[1-9]\d*)?(\.\d+)?([eE][+-]?\d+)?"


def written_numbers(
    source: str, table: StoredTable, run: Callable[[str], list[dict[str, Any]]]
) -> tuple[StoredTable, str]:
    """The table and `source` with columns of written numbers as BIGINT or DOUBLE; empty texts are NULL everywhere.

    A column is one of numbers if every text is, and none has a leading zero, as codes have. `run` gives the rows of a
    SELECT.
    """
    texts = [name for name, kind in table.columns if kind == "VARCHAR"]
    if not texts:
        return table, source
    counts = []
    for i, name in enumerate(texts):
        value = f"nullif({identifier(name)}, '')"
        for form, pattern in (("w", _WHOLE), ("n", _NUMBER)):
            fits = f"regexp_full_match({value}, {literal(pattern)})"
            counts.append(alias(f"count({value}) > 0 AND count(*) FILTER (WHERE NOT {fits}) = 0", f"{form}{i}"))
    row = run(f"SELECT {', '.join(counts)} FROM {source}")[0]
    kinds = {
        name: "BIGINT" if row[f"w{i}"] else "DOUBLE" if row[f"n{i}"] else "VARCHAR" for i, name in enumerate(texts)
    }
    shown = [
        alias(value if kinds[name] == "VARCHAR" else f"CAST({value} AS {kinds[name]})", name)
        for name in texts
        for value in (f"nullif({identifier(name)}, '')",)
    ]
    columns = tuple((name, kinds.get(name, kind)) for name, kind in table.columns)
    return replace(table, columns=columns), f"(SELECT * REPLACE ({', '.join(shown)}) FROM {source})"
