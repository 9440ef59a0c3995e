"""Which column a measure's name means: by its own name, else by a documented list of synonyms."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pql.language.catalog import Column, Stype, Table
from pql.language.names import look_up, singulars
from pql.language.routes import upward
from pql.language.scope import Scope, foreign_key, is_own_key

# Words for money, the first that a column's name holds wins; and words for pieces.
MONEY = (
    "spend",
    "spent",
    "spending",
    "amount",
    "sales",
    "sale",
    "revenue",
    "turnover",
    "value",
    "total",
    "paid",
    "payment",
    "price",
    "cost",
)
PIECES = ("quantity", "qty", "units", "unit", "pieces", "items", "volume")
# A column with one of these words is a part of the sum, not the sum.
_PARTS = frozenset({"disc", "discount", "coupon", "tax", "vat", "fee", "shipping", "refund", "tip"})
_PER_PIECE = frozenset({"price", "cost"})


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of the rows of `fact`: a column of `table`, times `pieces` of the fact where that is given."""

    fact: str
    table: str
    column: str
    pieces: str | None = None


def words_of(name: str) -> tuple[str, ...]:
    """`salesValue`, `sales_value` -> `sales`, `value`."""
    return tuple(w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name))


def numbers_of(scope: Scope, table: Table) -> tuple[Column, ...]:
    """The columns that can be summed: numbers that are no keys and no ids."""
    return tuple(
        column
        for column in table.columns
        if column.type.is_number
        and column.stype not in (Stype.ID, Stype.CATEGORY)
        and not is_own_key(table, column.name)
        and foreign_key(scope, table.name, column.name) is None
    )


def by_name(scope: Scope, facts: tuple[Table, ...], name: str) -> list[Measure]:
    """The columns of the facts that are called so, up to case and number."""
    hits = []
    for fact in facts:
        found = look_up(name, [column.name for column in numbers_of(scope, fact)], plurals=True)
        hits += [Measure(fact.name, fact.name, column) for column in (found.name, *found.several) if column]
    return hits


def by_synonym(scope: Scope, facts: tuple[Table, ...], name: str) -> list[Measure]:
    """The columns whose names hold a synonym of `name`, in the facts or, for a price, in a row they point to."""
    group = next((g for g in (MONEY, PIECES) if singulars(name) & {s for w in g for s in singulars(w)}), None)
    if group is None:
        return []
    group = (*(word for word in group if word in singulars(name)), *group)
    for word in group:
        hits = [m for fact in facts for m in _holding(scope, fact, fact, word)]
        if hits:
            return [reading for hit in hits for reading in _times_pieces(scope, hit)]
    if "price" not in group:
        return []
    for word in group:
        hits = []
        for fact in facts:
            for table in scope.catalog.tables:
                if table.name != fact.name and len(upward(fact.name, table.name, scope.links)) == 1:
                    hits += _holding(scope, fact, table, word) if _allowed(scope, table) else []
        if hits:
            return [reading for hit in hits for reading in _times_pieces(scope, hit)]
    return []


def _allowed(scope: Scope, table: Table) -> bool:
    return scope.using is None or table.name in scope.using


def _holding(scope: Scope, fact: Table, table: Table, word: str) -> list[Measure]:
    return [
        Measure(fact.name, table.name, column.name)
        for column in numbers_of(scope, table)
        if word in words_of(column.name) and not _PARTS & set(words_of(column.name))
    ]


def _times_pieces(scope: Scope, hit: Measure) -> list[Measure]:
    """A price beside a number of pieces may be meant per piece: one reading where the names say so, else two."""
    words = set(words_of(hit.column))
    if not _PER_PIECE & words or words & {"total", "line"}:
        return [hit]
    numbers = numbers_of(scope, scope.catalog.table(hit.fact))
    pieces = [c.name for c in numbers if c.name != hit.column and set(words_of(c.name)) & (set(PIECES) - {"unit"})]
    if len(pieces) != 1:
        return [hit]
    times = Measure(hit.fact, hit.table, hit.column, pieces[0])
    per_piece = hit.table != hit.fact or bool(words & {"unit", "per", "list"})
    return [times] if per_piece else [hit, times]
