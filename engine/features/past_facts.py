"""Which fact rows lie behind a target, and what it asks of those of its window."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from pql.engine.features.past import Facts, Past
from pql.engine.graph.interactions import UNIT_DAYS, follow
from pql.engine.graph.row_filter import numbers_of, rows_that_pass
from pql.engine.graph.seeds import Seeds
from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph
from pql.engine.planning.outcome import outcome_of
from pql.engine.planning.plan import US_PER_DAY
from pql.engine.planning.planned_graph import aggregates, columns_read
from pql.language.bound import Expression

PAST_MODELS = frozenset({"rfm", "bgnbd", "interval"})  # the models that read it


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
    )


def past_behind(target: Expression, graph: TemporalGraph, seeds: Seeds, names: Collection[str]) -> Past | None:
    """What lies behind seeds of a target's own facts; None where no model called one of `names` goes by it."""
    if not PAST_MODELS & set(names) or outcome_of(target) is None:
        return None
    return facts_of(target, graph).behind(seeds)
