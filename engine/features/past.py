"""What lies behind a seed: the target's own fact rows at or before its anchor, in the few numbers that models of
purchases go by (how often, since when, how lately, how much).

Every number is a function of one entity's own rows up to the anchor: counts are whole, sums run over its rows alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.graph.seeds import Seeds
from pql.engine.graph.segments import reduce_ranges, upper_bound
from pql.engine.planning.plan import US_PER_DAY

RECENT = 6  # horizons that count as of late

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Facts:
    """The fact rows of a target, by entity and time.

    `starts` int64[E + 1]; `times` int64[m], µs; `moment` int64[m + 1]: how many moments (distinct times of one entity)
    begin before each row; `values` float64[m + 1]: of each row, NaN unknown, or None. `horizon`: µs, to the window's
    end; `start`: the window's start as a share of it. `outcome`: what the target asks of the window's rows: none, any,
    count, sum, or other. `source` int64[m]: where the rows stand in their table. `kinds` int64[m]: codes of the values
    that are classes, -1 unknown, into `words`, the values as text; None where they are none.
    """

    starts: Ints
    times: Ints
    moment: Ints
    values: Floats | None
    horizon: int
    start: float
    outcome: str
    source: Ints | None = None
    kinds: Ints | None = None
    words: pa.Array | None = None

    def behind(self, seeds: Seeds) -> Past:
        """The past of each seed, as of what it sees."""
        low, high, seen = self.starts[seeds.rows], self.starts[seeds.rows + 1], seeds.seen
        end = upper_bound(self.times, low, high, seen)
        rows = end - low
        some = rows > 0
        if not len(self.times):
            nothing = np.full(len(seeds), np.nan)
            return Past(rows, rows, rows, nothing, nothing, None if self.values is None else nothing, self, end)
        late = upper_bound(self.times, low, high, seen - RECENT * self.horizon)
        age = [
            np.where(some, (seen - self.times[at]) / self.horizon, np.nan)
            for at in (np.minimum(low, len(self.times) - 1), np.maximum(end - 1, 0))
        ]
        total = None
        if self.values is not None:
            known = np.where(np.isfinite(self.values), self.values, 0.0)
            total = reduce_ranges(np.add, known, np.column_stack([low, end]), 0.0)[:, 0]
        moments, recent = (self.moment[end] - self.moment[since] for since in (low, np.minimum(late, end)))
        return Past(rows, moments, recent, age[0], age[1], total, self, end)

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
    have none. `until` int64[n]: the place behind the last row of each among the facts."""

    rows: Ints
    moments: Ints
    recent: Ints
    first: Floats
    last: Floats
    total: Floats | None
    facts: Facts
    until: Ints | None = None

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
            until=None if self.until is None else self.until[index],
        )

    @property
    def days(self) -> float:
        """Days in a horizon."""
        return self.facts.horizon / US_PER_DAY
