"""The time of year of an anchor: where in it the anchor lies, and how busy this time was in earlier years.

What comes once a year (a season's races, the sales before Christmas) is the same for all entities, so that no history
of an entity tells it well. Where nothing of the last months or years is known, it is most of what is known of the
window that is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import Seeds
from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph
from pql.engine.planning.plan import US_PER_DAY

YEAR = 31_556_952_000_000  # µs, the mean Gregorian year
CYCLES = 2  # years that training must cover before the time of year tells anything
BACK = 3  # earlier years whose same window is looked at
DAY_OF_YEAR = "day of the year"

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Seasons:
    """Which tables' busy days are counted, in windows of `width` (µs) after the anchor, whole years earlier.

    `names`: one feature for the day of the year and two for each table.
    """

    tables: tuple[int, ...]
    width: int
    names: tuple[str, ...]

    def compute(self, graph: TemporalGraph, seeds: Seeds) -> NDArray[np.float32]:
        """float32[n, len(names)]: NaN where no earlier year is known. Depends on rows by what each seed sees alone."""
        anchors, seen = seeds.anchors, seeds.seen
        found = np.full((len(seeds), len(self.names)), np.nan, dtype=np.float32)
        found[:, 0] = day_of_year(anchors)
        back = np.maximum(1, -((seen - anchors - self.width) // YEAR))  # years until the window lies in what is seen
        for i, table in enumerate(self.tables):
            days = busy_days(graph, table)
            if not len(days):
                continue
            total, known = np.zeros(len(seeds)), np.zeros(len(seeds))
            for j in range(BACK):
                start = anchors - (back + j) * YEAR
                count = np.searchsorted(days, start + self.width, "right") - np.searchsorted(days, start, "right")
                there = start >= days[0]
                total += np.where(there, count, 0)
                known += there
                if j == 0:
                    found[:, 1 + 2 * i] = np.where(there, count, np.nan)
            found[:, 2 + 2 * i] = np.where(known > 0, total / np.maximum(known, 1), np.nan)
        return found

    def to_json(self) -> dict[str, Any]:
        return {"tables": list(self.tables), "width": self.width, "names": list(self.names)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Seasons:
        return cls(tuple(value["tables"]), int(value["width"]), tuple(value["names"]))


def fit_seasons(graph: TemporalGraph, anchors: Ints, width: int) -> Seasons | None:
    """The features of the time of year that training at `anchors` (µs) can tell something from; None if none.

    Training must cover two whole years, the window be shorter than one, and a table have days without rows.
    """
    if not len(anchors) or int(anchors.max() - anchors.min()) < CYCLES * YEAR or width >= YEAR * 9 // 10:
        return None
    facts = sorted({e.child for e in graph.edges if e.parent == graph.entity and e.link is not None})
    last = int(anchors.max())
    tables = []
    for table in facts:
        days = busy_days(graph, table)
        days = days[days <= last]
        if len(days) > 1 and len(days) * US_PER_DAY < 0.9 * (days[-1] - days[0]):
            tables.append(table)
    names = [DAY_OF_YEAR]
    for table in tables:
        name = graph.nodes[table].name
        names += [f"days with {name}, same time last year", f"days with {name}, same time of {BACK} years"]
    return Seasons(tuple(tables), int(width), tuple(names))


def busy_days(graph: TemporalGraph, table: int) -> Ints:
    """The ends of the days (µs, ascending, distinct) on which the table has rows."""
    times = graph.nodes[table].time
    times = times[(times != ALWAYS) & (times != NEVER)]
    return (np.unique(times // US_PER_DAY) + 1) * US_PER_DAY - 1


def day_of_year(anchors: Ints) -> NDArray[np.float64]:
    """float64[n]: 0 at the first midnight of the year (UTC)."""
    moments = anchors.astype("datetime64[us]")
    return (moments - moments.astype("datetime64[Y]").astype("datetime64[us]")).astype(np.int64) / US_PER_DAY
