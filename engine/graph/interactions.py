"""Interactions: which entity met which item when, taken from the target's fact rows.

Items are integers: node rows of the item table where the items are keys, codes of a column's distinct values where they
are plain values. An interaction is known once its fact row and every row on the way to its entity and item are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.graph.row_filter import rows_that_pass
from pql.engine.graph.temporal import ALWAYS, NEVER, NodeColumn, NodeTable, TemporalGraph
from pql.engine.planning.plan import US_PER_DAY, Plan
from pql.engine.planning.planned_graph import aggregates, columns_read
from pql.language.bound import BoundAggregate, Expression, Item, Route
from pql.language.catalog import Stype
from pql.language.errors import PqlError

MAX_CATEGORIES = 4
MAX_NUMBERS = 3
UNIT_DAYS = {
    "seconds": 1 / 86_400,
    "minutes": 1 / 1_440,
    "hours": 1 / 24,
    "days": 1,
    "weeks": 7,
    "months": 30.4375,
    "years": 365.25,
}


@dataclass(frozen=True, slots=True)
class ItemTable:
    """What is known of n items. `birth` int64[n]: an item is a candidate at anchors at or after it (NEVER: at none).

    `categories`: (name, int32[n] codes, -1 unknown); `numbers`: (name, float64[n], NaN unknown).
    """

    birth: NDArray[np.int64]
    categories: tuple[tuple[str, NDArray[np.int32]], ...] = ()
    numbers: tuple[tuple[str, NDArray[np.float64]], ...] = ()

    def __len__(self) -> int:
        return len(self.birth)


@dataclass(frozen=True, slots=True)
class Interactions:
    """m interactions sorted by (entity, time, row).

    `entity`, `item` int32[m]; `time` int64[m], µs; `weight` float32[m] or None. The rows of entity e are
    `entity_indptr[e]:entity_indptr[e + 1]`. `pair_order` int64[m] sorts them by (entity, item, time); those of item i
    are `item_order[item_indptr[i]:item_indptr[i + 1]]`, by time.
    """

    entity: NDArray[np.int32]
    item: NDArray[np.int32]
    time: NDArray[np.int64]
    weight: NDArray[np.float32] | None
    n_entities: int
    entity_indptr: NDArray[np.int64]
    pair_order: NDArray[np.int64]
    item_indptr: NDArray[np.int64]
    item_order: NDArray[np.int64]
    items: ItemTable

    def __len__(self) -> int:
        return len(self.entity)

    @property
    def n_items(self) -> int:
        return len(self.items)


def make_interactions(
    entity: NDArray,
    item: NDArray,
    time: NDArray[np.int64],
    n_entities: int,
    items: ItemTable,
    weight: NDArray[np.float32] | None = None,
) -> Interactions:
    """Interactions from plain arrays of one length; rows with entity or item -1, or without a time, are left out."""
    keep = np.flatnonzero((entity >= 0) & (item >= 0) & (time != NEVER) & (time != ALWAYS))
    order = keep[np.lexsort((time[keep], entity[keep]))]
    entity, item, time = entity[order].astype(np.int32), item[order].astype(np.int32), time[order]
    pair_order = np.argsort(entity.astype(np.int64) * max(1, len(items)) + item, kind="stable")
    item_order = np.lexsort((time, item))
    return Interactions(
        entity,
        item,
        time,
        None if weight is None else weight[order].astype(np.float32),
        n_entities,
        _indptr(entity, n_entities),
        pair_order,
        _indptr(item[item_order], len(items)),
        item_order,
        items,
    )


@dataclass(frozen=True, slots=True)
class FactItems:
    """Of every row of the fact table `fact`: its `entity` and `item` int32[m] (-1 none), and `time` int64[m], from when
    on both are known (µs)."""

    fact: int
    entity: NDArray[np.int32]
    item: NDArray[np.int32]
    time: NDArray[np.int64]
    items: ItemTable


def interactions_of(plan: Plan, graph: TemporalGraph) -> Interactions:
    """The interactions of a ranking plan's target over `graph`, its row filter applied where the graph can tell."""
    rows = fact_items(plan, graph)
    return make_interactions(rows.entity, rows.item, rows.time, len(graph.nodes[graph.entity]), rows.items)


def fact_items(plan: Plan, graph: TemporalGraph) -> FactItems:
    """What the fact rows of a ranking plan's target say: who, which item, and when."""
    aggregate, item = target_aggregate(plan.query.target), plan.task.item
    if item is None:
        raise PqlError(
            "not_supported",
            "this target has no items to rank",
            hint="Write LIST_DISTINCT(table.column, 0, 30, days) RANK TOP k",
        )
    fact = graph.index(aggregate.fact)
    entity, entity_time = follow(graph, fact, aggregate.route)
    codes, items, item_time = _items(graph, fact, item)
    time = np.maximum(graph.nodes[fact].time, np.maximum(entity_time, item_time))
    if aggregate.where is not None:
        passed = rows_that_pass(graph, fact, aggregate.where)
        if passed is not None:
            codes = np.where(passed, codes, -1)
            for reference in columns_read(aggregate.where):  # what the filter reads must be known as well
                time = np.maximum(time, follow(graph, fact, reference.route)[1])
    return FactItems(fact, entity, codes, time, items)


def item_values(plan: Plan, graph: TemporalGraph) -> pa.Array:
    """The item of each code: keys of the item's node table, or the values of its column."""
    item = plan.task.item
    assert item is not None
    if item.table is not None and item.key is not None:
        column = graph.nodes[graph.index(item.table)].keys.column(item.key)
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    values = graph.nodes[graph.index(item.column.table)].column(item.column.column).values
    assert values is not None
    return values


def target_aggregate(target: Expression) -> BoundAggregate:
    """The first aggregate of a target expression; PqlError not_supported if it has none."""
    for aggregate in aggregates(target):
        return aggregate
    raise PqlError(
        "not_supported",
        "ranking needs a target that aggregates fact rows over a window",
        hint="Write LIST_DISTINCT(table.column, 0, 30, days) RANK TOP k",
    )


def mean_horizon(plan: Plan) -> int:
    """The width of the target's window in µs; months and years at their mean length."""
    window = target_aggregate(plan.query.target).window
    units = window.end - (window.start or 0)
    return max(1, round(units * UNIT_DAYS[window.unit] * US_PER_DAY))


def follow(graph: TemporalGraph, table: int, route: Route) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """For every row of `table`: the row it points to along `route` (int32, -1 where it ends) and the time at which the
    whole way is known (int64, ALWAYS for an empty route)."""
    rows = np.arange(len(graph.nodes[table]), dtype=np.int32)
    known = np.full(len(rows), ALWAYS, dtype=np.int64)
    for step in route:
        if not step.up:
            raise PqlError(
                "not_supported",
                f"ranking cannot follow {step.link} from parent to children",
                hint="Rank a column of the fact table, or of a row it points to.",
            )
        edge = graph.edge(step.link)
        if not len(edge.parent_of):
            return np.full(len(rows), -1, dtype=np.int32), known
        rows = np.where(rows >= 0, edge.parent_of[rows], -1).astype(np.int32)
        times = graph.nodes[edge.parent].time
        if len(times):
            known = np.where(rows >= 0, np.maximum(known, times[rows]), known)
    return rows, known


def _items(graph: TemporalGraph, fact: int, item: Item) -> tuple[NDArray[np.int32], ItemTable, NDArray[np.int64]]:
    """The item code of every fact row, the items, and when the way to the item is known."""
    rows, known = follow(graph, fact, item.column.route)
    try:
        holder = graph.nodes[graph.index(item.column.table)]
        column = holder.column(item.column.column) if item.table is None else None
        table = graph.index(item.table) if item.table is not None else -1
    except KeyError as error:
        raise PqlError(
            "not_supported",
            f"The graph doesn't hold {error.args[0]}, whose values are ranked.",
            hint="Rank a column of the fact table, or of a row it points to.",
        ) from None
    if column is not None:
        if column.values is None:
            raise PqlError(
                "not_supported",
                f"{item.column.table}.{column.name} has too many distinct values to rank",
                hint="Rank a foreign key, or a column with fewer values.",
            )
        codes = column.data[rows] if len(column.data) else np.full(len(rows), -1)
        return np.where(rows >= 0, codes, -1).astype(np.int32), _value_items(holder, column), known
    if item.column.table != item.table:
        edge = next(
            (
                e
                for e in graph.edges
                if e.child == graph.index(item.column.table)
                and e.parent == table
                and e.link is not None
                and item.column.column in e.link.child_columns
            ),
            None,
        )
        if edge is None:
            raise PqlError(
                "not_supported",
                f"the graph has no link from {item.column.table} to {item.table}",
                hint="Declare it: LINK a.x -> b.y",
            )
        rows = np.where(rows >= 0, edge.parent_of[rows], -1).astype(np.int32) if len(edge.parent_of) else rows
        times = graph.nodes[table].time
        if len(times):
            known = np.where(rows >= 0, np.maximum(known, times[rows]), known)
    return rows, _row_items(graph.nodes[table]), known


def _row_items(table: NodeTable) -> ItemTable:
    """The rows of a table as items, with the categories and numbers they carry."""
    categories = [
        (c.name, c.data.astype(np.int32)) for c in table.columns if c.stype is Stype.CATEGORY and c.values is not None
    ]
    numbers = [(c.name, c.data.astype(np.float64)) for c in table.columns if c.stype is Stype.NUMBER]
    return ItemTable(table.time, tuple(categories[:MAX_CATEGORIES]), tuple(numbers[:MAX_NUMBERS]))


def _value_items(table: NodeTable, column: NodeColumn) -> ItemTable:
    """The distinct values of a column as items, born when first seen, with the categories of their first row."""
    n = len(column.values) if column.values is not None else 0
    order = np.lexsort((np.arange(len(table)), table.time))
    order = order[column.data[order] >= 0]
    codes, first = np.unique(column.data[order], return_index=True)
    row = np.full(n, -1, dtype=np.int64)
    row[codes] = order[first]
    birth = np.full(n, NEVER, dtype=np.int64)
    birth[codes] = table.time[row[codes]]
    categories = []
    for other in table.columns:
        if other.name == column.name or other.stype is not Stype.CATEGORY or other.values is None:
            continue
        if len(other.values) < n:
            values = np.full(n, -1, dtype=np.int32)
            values[codes] = other.data[row[codes]]
            categories.append((other.name, values))
    return ItemTable(birth, tuple(categories[:MAX_CATEGORIES]))


def _indptr(sorted_codes: NDArray, n: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(sorted_codes, minlength=n))]).astype(np.int64)
