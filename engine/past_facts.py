"""What lies behind a seed: the target's own fact rows at or before its anchor, in the few numbers that models of
purchases go by (how often, since when, how lately, how much).

Every number is a function of one entity's own rows up to the anchor: counts are whole, sums run over its rows alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.examples import Seeds
from pql.engine.graph import ALWAYS, NEVER, TemporalGraph
from pql.engine.interactions import follow
from pql.engine.plan import US_PER_DAY
from pql.engine.planned_graph import columns_read
from pql.engine.row_filter import numbers_of, rows_that_pass
from pql.engine.segments import reduce_ranges, upper_bound
from pql.language.bound import BoundAggregate, Call, Constant, Expression

RECENT = 6  # horizons that count as of late
PAST_MODELS = frozenset({"rfm", "bgnbd", "interval"})  # the models that read it
_DAYS = {
    "seconds": 1 / 86_400,
    "minutes": 1 / 1_440,
    "hours": 1 / 24,
    "days": 1,
    "weeks": 7,
    "months": 30.4375,
    "years": 365.25,
}
_NONE = {("=", 0), ("<", 1), ("<=", 0)}
_ANY = {("!=", 0), (">", 0), (">=", 1)}

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Facts:
    """The fact rows of a target, by entity and time.

    `starts` int64[E + 1]; `times` int64[m], µs; `moment` int64[m + 1]: how many moments (distinct times of one entity)
    begin before each row; `values` float64[m + 1]: of each row, NaN unknown, or None. `horizon`: µs, to the window's
    end; `start`: the window's start as a share of it. `outcome`: what the target asks of the window's rows: none, any,
    count, sum, or other.
    """

    starts: Ints
    times: Ints
    moment: Ints
    values: Floats | None
    horizon: int
    start: float
    outcome: str

    def behind(self, seeds: Seeds) -> Past:
        """The past of each seed."""
        low, high = self.starts[seeds.rows], self.starts[seeds.rows + 1]
        end = upper_bound(self.times, low, high, seeds.anchors)
        rows = end - low
        some = rows > 0
        if not len(self.times):
            nothing = np.full(len(seeds), np.nan)
            return Past(rows, rows, rows, nothing, nothing, None if self.values is None else nothing, self)
        late = upper_bound(self.times, low, high, seeds.anchors - RECENT * self.horizon)
        age = [
            np.where(some, (seeds.anchors - self.times[at]) / self.horizon, np.nan)
            for at in (np.minimum(low, len(self.times) - 1), np.maximum(end - 1, 0))
        ]
        total = None
        if self.values is not None:
            known = np.where(np.isfinite(self.values), self.values, 0.0)
            total = reduce_ranges(np.add, known, np.column_stack([low, end]), 0.0)[:, 0]
        moments, recent = (self.moment[end] - self.moment[since] for since in (low, np.minimum(late, end)))
        return Past(rows, moments, recent, age[0], age[1], total, self)

    def everyone(self, anchor: int, most: int) -> Past:
        """The past, at one anchor, of at most `most` of the entities that have one, evenly spread."""
        rows = np.arange(len(self.starts) - 1, dtype=np.int64)
        begun = self.starts[rows] < self.starts[rows + 1]
        begun[begun] &= self.times[self.starts[rows[begun]]] <= anchor
        rows = rows[begun]
        rows = rows[:: max(1, -(-len(rows) // most))]
        return self.behind(Seeds(rows, np.full(len(rows), anchor, dtype=np.int64)))


@dataclass(frozen=True, slots=True)
class Past:
    """Of n seeds: `rows`, `moments` (distinct times) and those of them of late int64[n]; `first` and `last` float64[n]:
    how long ago they were, in horizons (NaN without any); `total` float64[n]: the sum of their values, None where they
    have none."""

    rows: Ints
    moments: Ints
    recent: Ints
    first: Floats
    last: Floats
    total: Floats | None
    facts: Facts

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: NDArray[np.int64]) -> Past:
        return replace(
            self,
            rows=self.rows[index],
            moments=self.moments[index],
            recent=self.recent[index],
            first=self.first[index],
            last=self.last[index],
            total=None if self.total is None else self.total[index],
        )

    @property
    def days(self) -> float:
        """Days in a horizon."""
        return self.facts.horizon / US_PER_DAY


def outcome_of(target: Expression) -> str | None:
    """What a target asks of the rows of one future window: that there are none or any, their count or sum, or
    something other; None where it has no such window."""
    aggregates = list(_aggregates(target))
    if not aggregates or aggregates[0].window.start is None or aggregates[0].window.start < 0:
        return None
    if any(not step.up for step in aggregates[0].route):
        return None
    if isinstance(target, BoundAggregate):
        return {"COUNT": "count", "SUM": "sum", "EXISTS": "any"}.get(target.function, "other")
    if len(aggregates) > 1 or not isinstance(target, Call):
        return "other"
    inner = target.args[0]
    if target.op == "not":
        return {"none": "any", "any": "none"}.get(outcome_of(inner) or "", "other")
    if isinstance(inner, BoundAggregate) and inner.function == "COUNT" and len(target.args) == 2:
        bound = target.args[1].value if isinstance(target.args[1], Constant) else None
        if isinstance(bound, int | float):
            return "none" if (target.op, bound) in _NONE else "any" if (target.op, bound) in _ANY else "other"
    return "other"


def facts_of(target: Expression, graph: TemporalGraph) -> Facts:
    """The fact rows of a target's first aggregate, its row filter applied where the graph can tell."""
    aggregate = next(_aggregates(target))
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
    unit = _DAYS[aggregate.window.unit] * US_PER_DAY
    return Facts(
        np.searchsorted(entity, np.arange(len(graph.nodes[graph.entity]) + 1)).astype(np.int64),
        time,
        np.concatenate([[0], np.cumsum(new)]).astype(np.int64),
        None if values is None else np.append(values[order], np.nan),
        max(1, round(aggregate.window.end * unit)),
        (aggregate.window.start or 0) / aggregate.window.end,
        outcome_of(target) or "other",
    )


def past_behind(target: Expression, graph: TemporalGraph, seeds: Seeds, names: Collection[str]) -> Past | None:
    """What lies behind seeds of a target's own facts; None where no model called one of `names` goes by it."""
    if not PAST_MODELS & set(names) or outcome_of(target) is None:
        return None
    return facts_of(target, graph).behind(seeds)


def _aggregates(expression: Expression) -> Iterator[BoundAggregate]:
    if isinstance(expression, BoundAggregate):
        yield expression
    elif isinstance(expression, Call):
        for argument in expression.args:
            yield from _aggregates(argument)
