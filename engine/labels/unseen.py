"""Values that a condition compares with and no row has: nearly always a slip of the pen, and never an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from pql.backends.base import Snapshot
from pql.backends.sql import identifier
from pql.engine.planning.relations import relation_sql
from pql.language.ast import NOWHERE, Span
from pql.language.bound import BoundAggregate, BoundQuery, Call, ColumnRef, Constant, Expression
from pql.language.catalog import LogicalType
from pql.language.errors import PqlError

MOST_VALUES = 2_000  # of a column with more, nothing is said: it is no category
MOST_COLUMNS = 8
SHOWN = 6
WANTING = frozenset(  # codes of errors that such a value may be behind
    {"no_entities", "no_labels", "too_few_labels", "no_positive_labels", "no_negative_labels", "no_candidates"}
)


@dataclass(frozen=True, slots=True)
class Unseen:
    """A text compared with a column that never holds it. `near`: the column's value that is written most alike, if
    any; `span`: where the text stands, if it stands alone."""

    column: str
    value: str
    near: str | None
    known: tuple[str, ...]
    span: Span

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= 40 else self.value[:39] + "…"
        if self.near is not None:
            say = f"did you mean '{self.near}'?"
        else:
            listed = ", ".join(f"'{other}'" for other in self.known[:SHOWN])
            say = f"its values are {listed}" + (f", … ({len(self.known):,} in all)" if len(self.known) > SHOWN else "")
        return f"{self.column} is never '{shown}' up to the anchor; {say}"


def unseen_values(snapshot: Snapshot, query: BoundQuery, until: int | None) -> tuple[Unseen, ...]:
    """Each text that a column is compared with and that no row at or before `until` (µs) has."""
    compared: dict[tuple[str, str], dict[str, Span]] = {}
    for root in (query.target, query.where, query.candidates, query.assuming):
        for read, value, span in _compared(root):
            compared.setdefault((read.table, read.column), {}).setdefault(value, span)
    found = []
    for (table, column), values in list(compared.items())[:MOST_COLUMNS]:
        known = _values(snapshot, query, table, column, until)
        if known:
            found += [_unseen(f"{table}.{column}", v, s, known) for v, s in values.items() if v not in known]
    return tuple(found)


def told_of_values(error: PqlError, snapshot: Snapshot, query: BoundQuery, until: int) -> PqlError:
    """An error for want of rows that names the values no row has, where the query asks for such."""
    if error.code not in WANTING or len(error.faults) > 1:
        return error
    unseen = unseen_values(snapshot, query, until)
    if not unseen:
        return error
    first, told = unseen[0], "; ".join(str(one) for one in unseen)
    fix = None
    if first.near is not None and query.text[first.span.start : first.span.end].strip("'\"") == first.value:
        better = "'" + first.near.replace("'", "''") + "'"
        fix = query.text[: first.span.start] + better + query.text[first.span.end :]
    return PqlError(
        error.code,
        error.message,
        span=error.span,
        hint=f"{told}{'' if told.endswith('?') else '.'} {error.hint}",
        fix=fix or error.fix,
    )


def _compared(node: Expression | None) -> Iterator[tuple[ColumnRef, str, Span]]:
    """The columns of strings below a node with the texts they are equal to, and where these stand."""
    if isinstance(node, BoundAggregate):
        yield from _compared(node.argument)
        yield from _compared(node.where)
    elif isinstance(node, Call):
        for part in node.args:
            yield from _compared(part)
        if node.op in ("=", "!=", "in") and len(node.args) == 2:
            column, constant = node.args
            if isinstance(column, ColumnRef) and column.type is LogicalType.STRING and isinstance(constant, Constant):
                several = isinstance(constant.value, tuple)
                given = constant.value if isinstance(constant.value, tuple) else (constant.value,)
                span = NOWHERE if several else constant.span
                yield from ((column, value, span) for value in given if isinstance(value, str))


def _values(snapshot: Snapshot, query: BoundQuery, table: str, column: str, until: int | None) -> list[str]:
    """The values of a column in order; none where there are too many to be a category."""
    rows = relation_sql(query.catalog, table, until, (column,))
    name = identifier(column)
    text = f"SELECT DISTINCT {name} AS value FROM ({rows}) AS r WHERE {name} IS NOT NULL LIMIT {MOST_VALUES + 1}"
    found = snapshot.query(text).column(0).to_pylist()
    return sorted(found) if len(found) <= MOST_VALUES else []


def _unseen(column: str, value: str, span: Span, known: list[str]) -> Unseen:
    by_low = {other.lower(): other for other in known}
    near = [by_low[low] for low in difflib.get_close_matches(value.lower(), by_low, n=1, cutoff=0.6)]
    return Unseen(column, value, near[0] if near else None, tuple(known), span)
