"""Tasks of several steps per entity, learnt from one table with a row per (seed, step).

A forecast has one row for each window, so that an ordinary regression answers it: the features of the seed, computed
once and repeated, beside those of the step: which one it is, where in the day, week and year its window begins, and
the target over the latest windows of the same season. Rows of one seed stand together, steps ascending.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.features.as_of import FeatureSpec
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.graph.key_index import parent_rows
from pql.engine.graph.seeds import Seeds, StepRows
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.labels.training_table import LabelTable
from pql.engine.planning.anchors import UNIT_MONTHS, UNIT_US, to_datetime
from pql.engine.planning.plan import US_PER_DAY, Plan
from pql.engine.planning.step_grid import SAME_SEASON, StepGrid, grid_of

SEASONAL = tuple(f"target in the same season, {i + 1} back" for i in range(SAME_SEASON))
CYCLES = 2  # how often training must have seen the day, week or year go round before its place in it is a feature


def repeat_seeds(seeds: Seeds, count: int) -> tuple[Seeds, NDArray[np.int64]]:
    """Every seed `count` times, and the number of each row's step: 0, 1, …, count - 1, 0, 1, …"""
    return seeds.take(np.repeat(np.arange(len(seeds)), count)), np.tile(np.arange(count), len(seeds))


def with_step_features(
    features: FeatureMatrix, steps: StepRows | None, names: tuple[str, ...] | None = None
) -> FeatureMatrix:
    """The features of stacked rows: those of their seeds with those of their steps behind (only `names`, if given)."""
    if steps is None:
        return features
    kept = [i for i, name in enumerate(steps.names) if names is None or name in names]
    values = np.concatenate([features.values, steps.values[:, kept]], axis=1)
    return FeatureMatrix((*features.names, *(steps.names[i] for i in kept)), values, features.categorical)


def compute_stacked(
    spec: FeatureSpec,
    graph: TemporalGraph,
    seeds: Seeds,
    lags: NDArray[np.float32],
    steps: StepRows | None,
    names: tuple[str, ...] | None = None,
) -> FeatureMatrix:
    """The features of all rows, those of each seed computed once where its rows stand together."""
    if steps is None or not len(seeds):
        return with_step_features(spec.compute(graph, seeds, lags), steps, names)
    fresh = np.ones(len(seeds), dtype=bool)
    fresh[1:] = (np.diff(seeds.rows) != 0) | (np.diff(seeds.anchors) != 0)
    once = np.flatnonzero(fresh)
    found = spec.compute(graph, seeds.take(once), lags[once])
    return with_step_features(found.take(np.cumsum(fresh) - 1), steps, names)


def forecast_rows(
    labels: LabelTable, plan: Plan, graph: TemporalGraph, seeds: Seeds, number: NDArray[np.int64]
) -> StepRows:
    """The step features of a forecast's rows, for any seeds whose lag anchors the plan has."""
    grid = grid_of(plan.query)
    assert grid is not None
    seasonal = np.full((len(seeds), SAME_SEASON), np.nan, dtype=np.float32)
    starts = np.empty(len(seeds), dtype=np.int64)
    past = Lookup(labels, graph)
    for anchor in np.unique(seeds.anchors):
        here = np.flatnonzero(seeds.anchors == anchor)
        for step in np.unique(number[here]):
            at = here[number[here] == step]
            starts[at] = grid.window(int(anchor), int(step))[0]
            for i, time in enumerate(grid.same_season(int(anchor), int(step))):
                seasonal[at, i] = past.at(time, seeds.rows[at])
    calendar = _calendar(starts, grid)
    names = ("step", *SEASONAL, *(name for name, _, _ in calendar))
    values = np.empty((len(seeds), len(names)), dtype=np.float32)
    values[:, 0] = number + 1
    values[:, 1 : 1 + SAME_SEASON] = seasonal
    for i, (_, places, _) in enumerate(calendar):
        values[:, 1 + SAME_SEASON + i] = places
    return StepRows(number, values, names)


def useful_names(steps: StepRows, plan: Plan) -> tuple[str, ...]:
    """The step features that training can tell something from: places in a cycle only if it went round twice."""
    grid = grid_of(plan.query)
    if grid is None:
        return steps.names
    times = plan.split.times("train")
    span = grid.window(times[-1], grid.count - 1)[0] - times[0]
    wanted = {name for name, _, cycle in _calendar(np.zeros(0, np.int64), grid) if span >= CYCLES * cycle}
    calendar = {name for name, _, _ in _calendar(np.zeros(0, np.int64), grid)}
    return tuple(name for name in steps.names if name in wanted or name not in calendar)


def _calendar(starts: NDArray[np.int64], grid: StepGrid) -> list[tuple[str, NDArray[np.float64], int]]:
    """Where in the day, week and year each window begins: name, float64[n], and the cycle's length in µs."""
    day = US_PER_DAY
    width = grid.width * UNIT_US.get(grid.unit, 0) or grid.width * UNIT_MONTHS[grid.unit] * 28 * day
    found: list[tuple[str, NDArray[np.float64], int]] = []
    if width < day:
        found.append(("hour of the window", (starts % day) / 3_600_000_000, day))
    if width < 7 * day:
        found.append(("weekday of the window", ((starts // day + 3) % 7).astype(np.float64), 7 * day))
    if width < 300 * day:
        months = np.array([_month(int(time)) for time in starts], dtype=np.float64)
        found.append(("month of the window", months, 365 * day))
    return found


def _month(time: int) -> float:
    try:
        moment = to_datetime(time)
    except OverflowError:
        return 0.0
    return moment.month + (moment.day - 1) / 31


class Lookup:
    """The query's own target at earlier anchors: its first step, where it has several."""

    def __init__(self, labels: LabelTable, graph: TemporalGraph) -> None:
        self._rows = node_rows(labels.keys, graph)
        self._anchors = labels.anchors
        self._usable = (self._rows >= 0) & (True if labels.steps is None else labels.steps == 0)
        self._values = numbers(labels.label)
        self._known: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}

    def at(self, anchor: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """float64[len(rows)]: the labels of these entities at an anchor, NaN where there is none."""
        if anchor not in self._known:
            there = np.flatnonzero((self._anchors == anchor) & self._usable)
            order = there[np.argsort(self._rows[there], kind="stable")]
            self._known[anchor] = self._rows[order], self._values[order]
        known, values = self._known[anchor]
        found = np.full(len(rows), np.nan)
        if len(known):
            place = np.minimum(np.searchsorted(known, rows), len(known) - 1)
            hit = known[place] == rows
            found[hit] = values[place[hit]]
        return found


def node_rows(keys: pa.Table, graph: TemporalGraph) -> NDArray[np.int64]:
    """int64[n]: the row of the entity's node table with each key, -1 where there is none."""
    parent = graph.nodes[graph.entity].keys
    columns = [keys.column(name) for name in keys.column_names]
    return parent_rows(columns, [parent.column(name) for name in keys.column_names]).astype(np.int64)


def numbers(label: pa.Array) -> NDArray[np.float64]:
    """Labels that are numbers or conditions as float64[n], NaN where NULL."""
    array = label.cast(pa.int8()) if pa.types.is_boolean(label.type) else label
    return np.array(array.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
