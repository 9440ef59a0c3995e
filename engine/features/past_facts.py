"""Which fact rows lie behind a target, and what it asks of those of its window."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.features.past import Facts, Past
from pql.engine.graph.interactions import UNIT_DAYS, follow
from pql.engine.graph.key_index import as_text
from pql.engine.graph.row_filter import numbers_of, rows_that_pass
from pql.engine.graph.seeds import Seeds
from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph
from pql.engine.planning.outcome import outcome_of
from pql.engine.planning.plan import US_PER_DAY
from pql.engine.planning.planned_graph import aggregates, columns_read
from pql.language.bound import ColumnRef, Expression
from pql.language.catalog import Stype

PAST_MODELS = frozenset({"rfm", "bgnbd", "interval", "entity_shares"})  # the models that read it


def facts_of(target: Expression, graph: TemporalGraph) -> Facts:
    """The fact rows of a target's first aggregate, its row filter applied where the graph can tell."""
    aggregate = aggregates(target)[0]
    fact = graph.index(aggregate.fact)
    entity, known = follow(graph, fact, aggregate.route)
    time = np.maximum(graph.nodes[fact].time, known)
    keep = (entity >= 0) & (time != NEVER) & (time != ALWAYS)
    if aggregate.where is not None:
        passed = rows_that_pass(graph, fact, aggregate.where)
        if passed is not None:
            keep &= passed
            for reference in columns_read(aggregate.where):
                time = np.maximum(time, follow(graph, fact, reference.route)[1])
    values = None
    if aggregate.argument is not None and aggregate.function not in ("COUNT", "EXISTS", "COUNT_DISTINCT"):
        values = numbers_of(graph, fact, aggregate.argument)
    kinds, words = None, None
    if isinstance(aggregate.argument, ColumnRef) and aggregate.function in ("FIRST", "LAST"):
        kinds, words = _kinds(graph, fact, aggregate.argument)
    order = np.flatnonzero(keep)
    order = order[np.lexsort((order, time[order], entity[order]))]
    entity, time = entity[order], time[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (entity[1:] != entity[:-1]) | (time[1:] != time[:-1])
    unit = UNIT_DAYS[aggregate.window.unit] * US_PER_DAY
    return Facts(
        np.searchsorted(entity, np.arange(len(graph.nodes[graph.entity]) + 1)).astype(np.int64),
        time,
        np.concatenate([[0], np.cumsum(new)]).astype(np.int64),
        None if values is None else np.append(values[order], np.nan),
        max(1, round(aggregate.window.end * unit)),
        (aggregate.window.start or 0) / aggregate.window.end,
        outcome_of(target) or "other",
        order,
        None if kinds is None else kinds[order],
        words,
    )


def _kinds(graph: TemporalGraph, fact: int, column: ColumnRef) -> tuple[NDArray[np.int64] | None, pa.Array | None]:
    """The values of a column of `fact`, or of what it points to, as codes int64[n] and their words; None where the
    graph doesn't hold them. What became known only after the fact is unknown."""
    rows, known = follow(graph, fact, column.route)
    codes: NDArray[Any]
    try:
        node = graph.index(column.table)
        held = next((c for c in graph.nodes[node].columns if c.name == column.column), None)
    except KeyError:
        return None, None
    if held is None:
        way = next(
            (e for e in graph.edges if e.child == node and e.link and e.link.child_columns == (column.column,)), None
        )
        if way is None or way.link is None or not len(way.parent_of):
            return None, None
        codes, words = way.parent_of, graph.nodes[way.parent].keys.column(way.link.parent_columns[0])
        above = codes[np.maximum(rows, 0)]
        known = np.maximum(known, np.where(above >= 0, graph.nodes[way.parent].time[np.maximum(above, 0)], known))
    elif held.values is not None:
        codes, words = held.data, held.values
    elif held.stype is Stype.NUMBER and len(held.data):
        distinct, codes = np.unique(held.data, return_inverse=True)
        codes = np.where(np.isnan(held.data), -1, codes)
        words = pa.array(
            [str(int(v)) if v == int(v) else repr(v) for v in np.nan_to_num(distinct).tolist()], pa.string()
        )
    else:
        return None, None
    if isinstance(words, pa.ChunkedArray):
        words = words.combine_chunks()
    found = np.where((rows >= 0) & (known <= graph.nodes[fact].time), codes[np.maximum(rows, 0)], -1)
    return found.astype(np.int64), as_text(words)


def past_behind(target: Expression, graph: TemporalGraph, seeds: Seeds, names: Collection[str]) -> Past | None:
    """What lies behind seeds of a target's own facts; None where no model called one of `names` goes by it."""
    if not PAST_MODELS & set(names) or outcome_of(target) is None:
        return None
    return facts_of(target, graph).behind(seeds)
