"""Values that a condition compares with and no row has: nearly always a slip of the pen, and never an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from pql.backends.base import Snapshot
from pql.backends.sql import identifier
from pql.engine.relations import relation_sql
from pql.language.bound import BoundAggregate, BoundQuery, Call, ColumnRef, Constant, Expression
from pql.language.catalog import LogicalType

MOST_VALUES = 2_000  # of a column with more, nothing is said: it is no category
MOST_COLUMNS = 8
SHOWN = 6


def unseen_values(snapshot: Snapshot, query: BoundQuery, until: int | None) -> tuple[str, ...]:
    """A warning for each text that a column is compared with and that no row at or before `until` (µs) has."""
    compared: dict[tuple[str, str], list[str]] = {}
    for root in (query.target, query.where, query.candidates, query.assuming):
        for read, value in _compared(root):
            values = compared.setdefault((read.table, read.column), [])
            if value not in values:
                values.append(value)
    warnings = []
    for (table, column), values in list(compared.items())[:MOST_COLUMNS]:
        known = _values(snapshot, query, table, column, until)
        if known:
            warnings += [_warning(table, column, value, known) for value in values if value not in known]
    return tuple(warnings)


def _compared(node: Expression | None) -> Iterator[tuple[ColumnRef, str]]:
    """The columns of strings below a node with the texts they are equal to."""
    if isinstance(node, BoundAggregate):
        yield from _compared(node.argument)
        yield from _compared(node.where)
    elif isinstance(node, Call):
        for part in node.args:
            yield from _compared(part)
        if node.op in ("=", "!=", "in") and len(node.args) == 2:
            column, constant = node.args
            if isinstance(column, ColumnRef) and column.type is LogicalType.STRING and isinstance(constant, Constant):
                given = constant.value if isinstance(constant.value, tuple) else (constant.value,)
                yield from ((column, value) for value in given if isinstance(value, str))


def _values(snapshot: Snapshot, query: BoundQuery, table: str, column: str, until: int | None) -> list[str]:
    """The values of a column in order; none where there are too many to be a category."""
    rows = relation_sql(query.catalog, table, until, (column,))
    name = identifier(column)
    text = f"SELECT DISTINCT {name} AS value FROM ({rows}) AS r WHERE {name} IS NOT NULL LIMIT {MOST_VALUES + 1}"
    found = snapshot.query(text).column(0).to_pylist()
    return sorted(found) if len(found) <= MOST_VALUES else []


def _warning(table: str, column: str, value: str, known: list[str]) -> str:
    shown = value if len(value) <= 40 else value[:39] + "…"
    by_low = {other.lower(): other for other in known}
    near = [by_low[low] for low in difflib.get_close_matches(value.lower(), by_low, n=1, cutoff=0.6)]
    if near:
        say = f"did you mean '{near[0]}'?"
    else:
        listed = ", ".join(f"'{other}'" for other in known[:SHOWN])
        say = f"its values are {listed}" + (f", … ({len(known):,} in all)" if len(known) > SHOWN else "")
    return f"{table}.{column} is never '{shown}' up to the anchor; {say}"
