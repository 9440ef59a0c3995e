"""The clauses of a ranking: CANDIDATES WHERE, EXCLUDING and AT MOST, resolved against what is ranked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pql.language import ast
from pql.language.aggregates import as_foreign_key, bind_aggregate
from pql.language.bound import (
    BoundAggregate,
    BoundWindow,
    ColumnRef,
    Excluding,
    Expression,
    Item,
    TaskKind,
)
from pql.language.expressions import Place, bind_condition, bind_value
from pql.language.names import nearest
from pql.language.routes import upward
from pql.language.scope import Scope, is_clocked, knows_column
from pql.language.tasks import is_constant, item_of

EVER = BoundWindow(None, 0)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The clauses of ranking that bound: which items may be candidates, which not, and how many per value."""

    candidates: Expression | None = None
    excluding: Excluding | None = None
    at_most: tuple[int, ColumnRef] | None = None


def bind_ranked(scope: Scope, item: Item | None, task: TaskKind | None, target: Expression | None) -> Ranked:
    """CANDIDATES, EXCLUDING and AT MOST: only beside a ranking."""
    query = scope.query
    written = [
        (name, node.span)
        for name, node in (("CANDIDATES", query.candidates), ("EXCLUDING", query.excluding), ("AT MOST", query.at_most))
        if node is not None
    ]
    if not written or task is None:
        return Ranked()
    if task is not TaskKind.RANKING:
        for name, span in written:
            hint = "leave it out, or rank with LIST_DISTINCT(…) RANK TOP k"
            edits = scope.without(name, span)
            scope.fault("clause_conflict", f"{name} belongs to a ranking", span, hint=hint, edits=edits)
        return Ranked()
    assert item is not None
    assert isinstance(target, BoundAggregate)
    return Ranked(_candidates(scope, item), _excluding(scope, item, target), _at_most(scope, item))


def _candidates(scope: Scope, item: Item) -> Expression | None:
    """A condition on a row of the item's table; for plain values, on a row that carries the value."""
    node = scope.query.candidates
    if node is None:
        return None
    bound = bind_condition(scope, node, Place(item.table or item.column.table, "items"))
    if bound is not None and is_constant(bound):
        message = "this condition is the same for every item: it would change nothing"
        hint, edits = "compare a column, or leave CANDIDATES out", scope.without("CANDIDATES", node.span)
        scope.fault("constant_condition", message, node.span, hint=hint, edits=edits)
        return None
    return bound


def _at_most(scope: Scope, item: Item) -> tuple[int, ColumnRef] | None:
    clause = scope.query.at_most
    if clause is None:
        return None
    if not any(isinstance(one, ast.RankTop) for one in scope.query.tasks):
        message = "AT MOST thins lists, and without RANK every pair is answered"
        edits = scope.without("AT MOST", clause.span)
        scope.fault("clause_conflict", message, clause.span, hint="add RANK TOP k, or leave it out", edits=edits)
        return None
    if item.table is None:
        message = f"AT MOST reads a column of the items' rows, and values of {item.column.column} have none"
        edits = scope.without("AT MOST", clause.span)
        scope.fault("clause_conflict", message, clause.span, hint="leave it out, or rank a foreign key", edits=edits)
        return None
    column = bind_value(scope, clause.column, Place(item.table, "items"))
    if isinstance(clause.n, int) and clause.n < 1:
        message = "AT MOST needs a number of at least 1"
        scope.fault("top_not_positive", message, clause.span, hint="AT MOST 1 PER …")
        return None
    return (clause.n, column) if isinstance(clause.n, int) and isinstance(column, ColumnRef) else None


def _excluding(scope: Scope, item: Item, target: BoundAggregate) -> Excluding | None:
    clause = scope.query.excluding
    if clause is None or scope.entity is None:
        return None
    what = clause.what
    if isinstance(what, ast.ColumnName):
        word = what.column.text.upper()
        if what.table is None and word == "PURCHASED":
            return Excluding("purchased", (replace(target, where=None, window=EVER),))
        if what.table is None and word == "SEEN":
            return Excluding("seen", tuple(dict.fromkeys(_seen(scope, item, target))))
        if what.table is None and not knows_column(scope, what.column.text):
            near = nearest(word, ("PURCHASED", "SEEN")) or ("PURCHASED",)
            message = f"EXCLUDING does not know {what.column.text}"
            hint = "PURCHASED leaves out what the entity had in the target's table, SEEN what it had in any table"
            edits = scope.replaced(what.span, near[0])
            scope.fault("missing_window", message, what.span, hint=hint, edits=edits, near=near)
            return None
        shown = scope.source(what.span) or what.column.text
        message = "EXCLUDING needs PURCHASED, SEEN, or a column with a past window"
        edits = scope.replaced(what.span, f"({shown}, -90, 0, days)") if what.table is not None else ()
        scope.fault("missing_window", message, what.span, hint=f"write ({shown}, -90, 0, days)", edits=edits)
        return None
    if not isinstance(what, ast.Aggregate):
        hint = "write EXCLUDING (table.column, -90, 0, days)"
        scope.fault("missing_window", "EXCLUDING needs a column with a past window", what.span, hint=hint)
        return None
    named = replace(what, function="LIST_DISTINCT")
    past = bind_aggregate(scope, named, Place(scope.entity.name, "filter", bind_aggregate))
    if past is None:
        return None
    if not _same_items(scope, item, past.argument):
        ranked = f"rows of {item.table}" if item.table else f"values of {item.column.table}.{item.column.column}"
        message = f"EXCLUDING takes what is ranked: {ranked}"
        hint = f"name a foreign key to {item.table}" if item.table else f"name {item.column.table}.{item.column.column}"
        shown = f"{target.argument.table}.{target.argument.column}" if isinstance(target.argument, ColumnRef) else ""
        edits = scope.replaced(what.argument.span, shown) if shown else ()
        scope.fault("clause_conflict", message, what.argument.span, hint=hint, edits=edits)
        return None
    return Excluding("past", (past,))


def _same_items(scope: Scope, item: Item, argument: Expression | None) -> bool:
    if not isinstance(argument, ColumnRef):
        return False
    other = item_of(scope, argument)
    if item.table is None:
        return other.table is None and (argument.table, argument.column) == (item.column.table, item.column.column)
    if other.table is None:
        return False
    tables = scope.catalog.table(item.table), scope.catalog.table(other.table)
    return (
        tables[0].name == tables[1].name or tables[1].name == tables[0].enriches or tables[0].name == tables[1].enriches
    )


def _seen(scope: Scope, item: Item, target: BoundAggregate) -> Iterator[BoundAggregate]:
    """A past list for every table with a clock whose rows belong to an entity and to an item, in catalog order."""
    yield replace(target, where=None, window=EVER)
    assert scope.entity is not None
    for table in scope.catalog.tables:
        if not is_clocked(table) or (scope.using is not None and table.name not in scope.using):
            continue
        holder = item.table or item.column.table
        for route in upward(table.name, scope.entity.name, scope.links):
            for way in upward(table.name, holder, scope.links):
                column = item.key if item.table is not None else item.column.column
                meta = scope.catalog.table(holder).column(column or "")
                argument = as_foreign_key(scope, ColumnRef(holder, meta.name, meta.type, meta.stype, way))
                yield BoundAggregate("LIST_DISTINCT", table.name, argument, None, EVER, route, meta.type)
