"""Which facts tell who met which item: of all tables that point to both, the one that explains the label table best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.interactions import Interactions, interactions_of
from pql.engine.graph.seeds import Examples, Ragged
from pql.engine.graph.segments import ragged_ranges, upper_bound
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.planning.plan import Plan
from pql.language.bound import BoundAggregate, BoundWindow, ColumnRef, Item
from pql.language.catalog import Catalog, Stype
from pql.language.errors import PqlError
from pql.language.options import Duration
from pql.language.routes import links_for, upward

MOST_TRIED = 2_000  # examples that a table is judged by
CLEARLY = 0.01  # how much better than a nearer table a farther one must explain the labels

Way = tuple[Item, BoundAggregate]


def ways_of(
    catalog: Catalog, entity: str, item_table: str, key: str, horizon: Duration, ignoring: frozenset[tuple[str, str]]
) -> list[Way]:
    """Every table with a clock that points to both entity and item, the nearest and largest first, as the target of a
    ranking. Raises PqlError `not_supported` where there is none."""
    links = links_for(catalog, entity, ignoring=ignoring)
    found = []
    for fact in catalog.tables:
        if fact.clock.kind == "none" or fact.name in (entity, item_table):
            continue
        here, there = upward(fact.name, entity, links), upward(fact.name, item_table, links)
        if here and there:
            found.append((len(here[0]) + len(there[0]), -(fact.rows or 0), fact.name, here[0], there[0]))
    if not found:
        raise PqlError(
            "not_supported",
            f"no table with a clock points to both {entity} and {item_table}, so nothing tells who met what",
            hint="Declare the links: db.link('child.column', 'parent.key')",
        )
    column = catalog.table(item_table).column(key)
    ways = []
    for _, _, fact_name, to_entity, to_item in sorted(found):
        reference = ColumnRef(item_table, key, column.type, Stype.ID, to_item)
        window = BoundWindow(0, horizon.n, horizon.unit)
        aggregate = BoundAggregate("LIST_DISTINCT", fact_name, reference, None, window, to_entity, column.type)
        ways.append((Item(reference, item_table, key), aggregate))
    return ways


def with_way(plan: Plan, way: Way) -> Plan:
    """The plan with its items met in another table."""
    item, target = way
    return replace(plan, query=replace(plan.query, item=item, target=target), task=replace(plan.task, item=item))


def best_way(
    plan: Plan, ways: Sequence[Way], graph: TemporalGraph, examples: Examples, ends: NDArray[np.int64], until: int
) -> Plan:
    """The plan whose table's rows in the labels' windows are most nearly the labels.

    `ends` int64[n], µs: where the examples' windows end; those that end after `until` tell nothing. Tables that the
    graph doesn't hold aren't tried.
    """
    names = {node.name for node in graph.nodes}
    tried = [way for way in ways if way[1].fact in names and _passed(way) <= names]
    complete = np.flatnonzero(ends <= until)
    if len(tried) < 2 or not len(complete):
        return plan
    at = complete[np.linspace(0, len(complete) - 1, min(MOST_TRIED, len(complete))).astype(np.int64)]
    assert isinstance(examples.labels, Ragged)
    best, most = plan, -1.0
    for way in tried:
        other = with_way(plan, way)
        share = agreement(interactions_of(other, graph), examples.take(at), ends[at])
        if share > most + CLEARLY:
            best, most = other, share
    return best


def agreement(met: Interactions, examples: Examples, ends: NDArray[np.int64]) -> float:
    """Of all pairs that are labels or met in a label's window, the share that is both."""
    assert isinstance(examples.labels, Ragged)
    rows, anchors = examples.seeds.rows, examples.seeds.anchors
    low, high = met.entity_indptr[rows], met.entity_indptr[rows + 1]
    start, stop = upper_bound(met.time, low, high, anchors), upper_bound(met.time, low, high, ends)
    place = np.repeat(np.arange(len(rows), dtype=np.int64), stop - start)
    items = met.item[ragged_ranges(start, stop - start)].astype(np.int64)
    found = np.unique(place * met.n_items + items)
    owner = np.repeat(np.arange(len(rows), dtype=np.int64), np.diff(examples.labels.offsets))
    wanted = owner * met.n_items + examples.labels.values
    both = int(np.isin(wanted, found).sum())
    return both / max(1, len(found) + len(wanted) - both)


def _passed(way: Way) -> set[str]:
    item, target = way
    return {step.target for step in (*item.column.route, *target.route)}
