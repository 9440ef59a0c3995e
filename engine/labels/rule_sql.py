"""The rules of a ranking in SQL: which items are candidates and since when, and which an entity is not to be given.

The same common table expressions bound the label of the training table and, read by themselves, what is ranked:
`candidates` (value, known: µs or NULL), `excluded_i` (the entity's key, value, and since: µs where all of the past
counts, else anchor: µs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pql.backends.sql import identifier
from pql.engine.labels.expressions import Parameters, RowScope, Sources, expression_sql
from pql.engine.planning.planned_graph import columns_read
from pql.engine.planning.relations import TIME
from pql.language.bound import BoundAggregate, BoundQuery, ColumnRef, Expression, Item
from pql.language.catalog import LogicalType


@dataclass(frozen=True, slots=True)
class RuleSql:
    """The expressions of a query's rules, and how a fact row `f` at an anchor `a` is held against them."""

    expressions: tuple[tuple[str, str, str], ...]  # (candidates or excluded_i, the name it has, SELECT)
    joins: tuple[str, ...]
    condition: str


def pasts(query: BoundQuery) -> tuple[BoundAggregate, ...]:
    """The lists of the past whose values are excluded."""
    return () if query.excluding is None else query.excluding.pasts


def lists_ever(past: BoundAggregate) -> bool:
    """Whether all of the past up to the anchor counts."""
    return past.window.start is None and past.window.end == 0


def has_label_rules(query: BoundQuery) -> bool:
    """Whether some items are not to be given (AT MOST only thins the lists)."""
    return query.candidates is not None or bool(pasts(query))


def rule_sql(
    query: BoundQuery,
    sources: Sources,
    parameters: Parameters,
    keys: Sequence[str],
    facts: Callable[[BoundAggregate], str],
    bounded: Callable[[BoundAggregate], str],
) -> RuleSql:
    """The rules of `query`. `facts` gives the rows of a past list, `bounded` its rows joined to the anchors."""
    assert query.item is not None
    kind = query.target.type if isinstance(query.target, BoundAggregate) else None
    expressions: list[tuple[str, str, str]] = []
    joins: list[str] = []
    conditions: list[str] = []
    if query.candidates is not None:
        name = sources.own_name("candidates")
        expressions.append(("candidates", name, candidates_sql(query.item, query.candidates, sources, parameters)))
        joins.append(f"LEFT JOIN {name} AS c ON {_same('c', 'f', kind, _item_type(query, query.item))}")
        conditions.append("c.value IS NOT NULL AND coalesce(c.known <= a.anchor, TRUE)")
    named = ", ".join(identifier(key) for key in keys)
    for i, past in enumerate(pasts(query)):
        name, alias = sources.own_name(f"excluded_{i}"), f"x{i}"
        same = [f"{alias}.{identifier(key)} = f.{identifier(key)}" for key in keys]
        same.append(_same(alias, "f", past.type, kind))
        if lists_ever(past):
            rows = facts(past)
            text = (
                f"SELECT {named}, value, min(known) AS since FROM ({rows}) AS f "
                f"WHERE value IS NOT NULL AND time IS NOT NULL GROUP BY {named}, value"
            )
            conditions.append(f"coalesce({alias}.since > a.anchor, TRUE)")
        else:
            shown = ", ".join(f"f.{identifier(key)}" for key in keys)
            text = f"SELECT DISTINCT {shown}, a.anchor, f.value {bounded(past)} AND f.value IS NOT NULL"
            same.append(f"{alias}.anchor = a.anchor")
            conditions.append(f"{alias}.value IS NULL")
        expressions.append((f"excluded_{i}", name, text))
        joins.append(f"LEFT JOIN {name} AS {alias} ON {' AND '.join(same)}")
    return RuleSql(tuple(expressions), tuple(joins), " AND ".join(conditions))


def candidates_sql(item: Item, condition: Expression, sources: Sources, parameters: Parameters) -> str:
    """The items whose row passes `condition`, and from when its row and all that is read of it are known.

    A plain value is a candidate from the first row on that carries it and passes.
    """
    scope = _item_scope(item, sources, condition)

    def resolve(node: ColumnRef | BoundAggregate) -> str:
        assert isinstance(node, ColumnRef)
        return scope.column(node)

    text = expression_sql(condition, resolve, parameters)
    clocks = [clock for node in columns_read(condition) for clock in scope.clocks(node.route)]
    return _item_rows(item, sources, scope, f"{_known(clocks)} AS known", text, sums="min(known) AS known")


def groups_sql(item: Item, column: ColumnRef, sources: Sources) -> str:
    """The value of AT MOST's column for every item, and from when it is known."""
    scope = _item_scope(item, sources, column)
    text = scope.column(column)
    selected = f"{text} AS part, {_known(scope.clocks(column.route))} AS known"
    return _item_rows(item, sources, scope, selected, "TRUE", sums="any_value(part) AS part, min(known) AS known")


def _item_scope(item: Item, sources: Sources, expression: Expression) -> RowScope:
    table = item.table or item.column.table
    if item.table is not None and item.key is not None:
        own = [node.column for node in columns_read(expression) if not node.route]
        own += [c for node in columns_read(expression) if node.route for c in node.route[0].link.child_columns]
        sources.keyed(table, (item.key,), own)
    return RowScope(sources, table, "i")


def _item_rows(item: Item, sources: Sources, scope: RowScope, selected: str, condition: str, *, sums: str) -> str:
    if item.table is not None and item.key is not None:
        name, value = sources.keyed(item.table, (item.key,), ()), identifier(item.key)
    else:
        name, value = sources.rows(item.column.table, (item.column.column,)), identifier(item.column.column)
    joins = "".join(f" {join}" for join in scope.joins)
    rows = f"SELECT i.{value} AS value, {selected} FROM {name} AS i{joins} WHERE i.{value} IS NOT NULL AND {condition}"
    return f"SELECT value, {sums} FROM ({rows}) AS r GROUP BY value"


def _known(clocks: Sequence[str]) -> str:
    own = f"i.{identifier(TIME)}"
    return f"greatest({', '.join([own, *dict.fromkeys(clocks)])})" if clocks else own


def _item_type(query: BoundQuery, item: Item) -> LogicalType:
    if item.table is None or item.key is None:
        return item.column.type
    return query.catalog.table(item.table).column(item.key).type


def _same(left: str, right: str, one: LogicalType | None, other: LogicalType | None) -> str:
    """Equality of two values, as text where their types differ (a key may be text here and a number there)."""
    if one == other:
        return f"{left}.value = {right}.value"
    return f"CAST({left}.value AS VARCHAR) = CAST({right}.value AS VARCHAR)"
