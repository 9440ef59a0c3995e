"""TIME_TO: when an event happens next, learnt from rows whose windows may not be complete yet.

A training row is watched from its anchor until the event, the window's end, or the moment past which its label must
not look: the validation anchor while models are chosen, the end of the data in the refit. Rows cut short are kept as
far as they go. The stacked table of `quality.survival` makes it a yes/no task per interval, which every model that
answers yes/no learns; a row's features are its seed's and those of its interval, measured against the entity's own
earlier events of the same kind. Validation and test windows are complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pql.engine.examples.steps import node_rows, repeat_seeds
from pql.engine.examples.targets import example_hash, require, split_of
from pql.engine.graph.seeds import BEYOND, TEST, TRAIN, VALID, Examples, Seeds, StepRows
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.labels.training_table import LabelTable, Watched
from pql.engine.models.hazards import FIRST, INTERVAL, LAST, PAST, WIDTH
from pql.engine.planning.plan import Plan
from pql.engine.quality.bootstrap import draws_of
from pql.engine.quality.calibrate import logit
from pql.engine.quality.checked import Checked, of_times
from pql.engine.quality.metrics import MetricRow, MetricsTable
from pql.engine.quality.survival import (
    Intervals,
    expected_time,
    fit_intervals,
    measure_survival,
    median_time,
    resampled_concordance,
    stack,
    survival,
    survival_at,
)
from pql.engine.training.evaluate import drawn_intervals
from pql.engine.training.predict import predict
from pql.engine.training.train import train
from pql.engine.training.trained import TrainedModel
from pql.language.bound import BoundAggregate, TaskKind
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.engine.events import Events

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_JUDGED = 8_000  # seeds of validation and of test, each
FEWEST_EVENTS = 5
CURVE = np.linspace(0.0, 1.0, 21)  # moments at which the curves of tested examples are kept
NAMES = (
    INTERVAL,
    WIDTH,
    "usual log-odds of the interval",
    PAST,
    FIRST,
    LAST,
    "since the last event, by the interval's start",
    "mean gap between events",
    "since the last event, in gaps, by the interval's start",
)


def train_time_to(plan: Plan, graph: TemporalGraph, labels: LabelTable, events: Events) -> TrainedModel:
    """Train the plan's members on intervals at risk, choose on validation, measure curves, refit on all there is.

    Raises `no_labels`, `too_few_labels`, `no_positive_labels`.
    """
    watched = labels.watched
    assert watched is not None
    rows, split = node_rows(labels.keys, graph), split_of(labels, plan)
    usable = labels.usable & (rows >= 0)
    seeds = Seeds(rows, labels.anchors)
    known = usable & (split >= 0)
    require(split[known], labels, plan)
    times, happened = watched.shares()
    learn = np.flatnonzero(usable & (split == TRAIN))
    if not happened[learn].any():
        raise PqlError(
            "no_positive_labels",
            f"the event happens in none of the {len(learn)} training windows: there is nothing to learn",
            span=plan.query.syntax.target.span,
            hint="widen the window, or loosen its WHERE",
        )
    intervals = fit_intervals(times[learn], happened[learn])
    hashes = example_hash(labels.keys, labels.anchors, plan.model.seed)
    judged = [_fewest(np.flatnonzero(usable & (split == code)), hashes, MOST_JUDGED) for code in (VALID, TEST)]
    looked = np.concatenate(judged).astype(np.int64)
    parts = [
        _at_risk(seeds, watched, times, happened, learn, intervals, hashes, plan.model.max_examples),
        _whole(seeds, watched, times, happened, looked, split, intervals),
    ]
    everything = np.flatnonzero(usable & (labels.anchors < plan.split.prediction))
    times_all, happened_all = watched.shares(final=True)
    again = _at_risk(seeds, watched, times_all, happened_all, everything, intervals, hashes, plan.model.max_examples)
    inner = replace(plan, task=replace(plan.task, kind=TaskKind.BINARY, metric="logloss"))
    judge = _Judge(intervals, seeds.take(looked), times[looked], happened[looked])
    trained = train(inner, graph, _joined(parts), 0, events, judge=judge.table, again=again)
    sample = None if judge.checked is None else judge.checked.keyed(graph.nodes[graph.entity].keys)
    return replace(trained, intervals=intervals, checked=sample)


def predict_time_to(
    trained: TrainedModel, plan: Plan, graph: TemporalGraph, labels: LabelTable, seeds: Seeds
) -> Floats:
    """float64[n, 3], in the target's unit but for the second: the median (NaN where the event is less likely than not
    within the horizon), the probability of the event within the horizon, and the expected time, at most the horizon.
    """
    intervals = trained.intervals
    assert intervals is not None
    assert isinstance(plan.query.target, BoundAggregate)
    rows, steps = stacked(graph, labels, seeds, intervals)
    scores = predict(trained, graph, rows, np.zeros((len(rows), 0), np.float32), steps)
    curves = survival(scores.reshape(len(seeds), len(intervals)))
    unit = plan.query.target.window.end
    times = (median_time(intervals, curves) * unit, 1.0 - curves[:, -1], expected_time(intervals, curves) * unit)
    return np.stack(times, axis=1)


def stacked(graph: TemporalGraph, labels: LabelTable, seeds: Seeds, intervals: Intervals) -> tuple[Seeds, StepRows]:
    """A row per seed and interval, those of one seed together, and what is known of each."""
    watched = labels.watched
    assert watched is not None
    rows, number = repeat_seeds(seeds, len(intervals))
    place = np.repeat(_places(labels, graph, seeds), len(intervals))
    return rows, _steps(watched.take(np.maximum(place, 0)), number, intervals)


class _Judge:
    """Measures models by the survival curves of the seeds that are looked at."""

    def __init__(self, intervals: Intervals, seeds: Seeds, times: Floats, happened: NDArray[np.bool_]) -> None:
        self.intervals, self.seeds, self.times, self.happened = intervals, seeds, times, happened
        self.checked: Checked | None = None

    def table(
        self,
        examples: Examples,
        scores: Sequence[tuple[str, str, Floats]],
        weights: Mapping[str, float],
        notes: Sequence[str],
    ) -> MetricsTable:
        """The measures of each (name, role, hazards of all `examples`), of the seeds whose rows are all there."""
        count = len(self.intervals)
        assert examples.steps is not None
        first = np.flatnonzero(examples.steps.number == 0)
        whole = first[first + count <= len(examples)]
        whole = whole[examples.steps.number[whole + count - 1] == count - 1]
        order = np.lexsort((self.seeds.rows, self.seeds.anchors))
        place = _match(self.seeds.take(order), examples.seeds.take(whole))
        rows: list[MetricRow] = []
        drawn: dict[str, Floats] = {}
        measured = "test" if (examples.split[whole[place >= 0]] == TEST).any() else "valid"
        for split, title in ((VALID, "valid"), (TEST, "test")):
            chosen = (examples.split[whole] == split) & (place >= 0)
            at, truth = whole[chosen], order[place[chosen]]
            if not len(at):
                continue
            cells = at[:, None] + np.arange(count)
            for name, role, values in scores:
                found = measure_survival(
                    self.intervals, survival(values[cells]), self.times[truth], self.happened[truth]
                )
                weight = weights.get(name) if role != "model" else None
                rows += [MetricRow(name, role, title, m, v, len(at), weight) for m, v in found.items()]
            if title == measured:
                said = next((survival(values[cells]) for _, role, values in scores if role == "model"), None)
                if said is not None:
                    who, when, ended = self.seeds.take(truth), self.times[truth], self.happened[truth]
                    expected = expected_time(self.intervals, said)
                    self.checked = of_times(
                        split, len(at), who, when, ended, survival_at(self.intervals, said, CURVE), expected
                    )
                drawn = self._drawn(truth, [(name, survival(values[cells])) for name, _, values in scores])
        return drawn_intervals(MetricsTable("concordance", tuple(rows), tuple(notes)), measured, drawn)

    def _drawn(self, truth: Ints, curves: Sequence[tuple[str, Floats]]) -> dict[str, Floats]:
        """The concordance of each model's curves of these seeds, under the draws of a bootstrap over entities."""
        draws = draws_of(self.seeds.rows[truth])
        if draws is None:
            return {}
        times, happened = self.times[truth], self.happened[truth]
        return {
            name: resampled_concordance(draws, times, happened, -expected_time(self.intervals, found))
            for name, found in curves
        }


def _match(known: Seeds, wanted: Seeds) -> Ints:
    """int64[len(wanted)]: where each stands among `known`, which are by anchor, then row; -1 where it doesn't."""
    if not len(known):
        return np.full(len(wanted), -1, np.int64)
    anchors = np.unique(known.anchors)
    size = int(max(known.rows.max(), wanted.rows.max() if len(wanted) else 0)) + 1
    place = np.searchsorted(anchors, wanted.anchors)
    there = (place < len(anchors)) & (anchors[np.minimum(place, len(anchors) - 1)] == wanted.anchors)
    codes = np.searchsorted(anchors, known.anchors) * size + known.rows
    asked = place * size + wanted.rows
    at = np.minimum(np.searchsorted(codes, asked), len(codes) - 1)
    return np.where(there & (codes[at] == asked), at, -1).astype(np.int64)


def _places(labels: LabelTable, graph: TemporalGraph, seeds: Seeds) -> Ints:
    """The row of the label table with each seed's own past, -1 where there is none."""
    rows = node_rows(labels.keys, graph)
    order = np.lexsort((rows, labels.anchors))
    order = order[rows[order] >= 0]
    place = _match(Seeds(rows[order], labels.anchors[order]), seeds)
    return np.where(place >= 0, order[np.maximum(place, 0)], -1)


def _fewest(index: Ints, hashes: NDArray[np.uint64], most: int) -> Ints:
    """At most so many of the positions, those with the least hash, ascending."""
    if len(index) <= most:
        return index
    return np.sort(index[np.argsort(hashes[index], kind="stable")[:most]])


def _at_risk(
    seeds: Seeds,
    watched: Watched,
    times: Floats,
    happened: NDArray[np.bool_],
    at: Ints,
    intervals: Intervals,
    hashes: NDArray[np.uint64],
    most: int,
) -> Examples:
    """The rows at risk of these seeds as training examples, thinned by a hash of seed and interval."""
    rows = stack(times[at], happened[at], intervals)
    mixed = (hashes[at][rows.seed] + rows.interval.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    kept = _fewest(np.arange(len(rows.seed)), mixed ^ (mixed >> np.uint64(31)), most)
    place, number = at[rows.seed[kept]], rows.interval[kept]
    labels = rows.event[kept].astype(np.float64)
    steps = _steps(watched.take(place), number, intervals)
    lags = np.zeros((len(place), 0), np.float32)
    return Examples(seeds.take(place), labels, np.full(len(place), TRAIN, np.int8), lags, steps)


def _whole(
    seeds: Seeds,
    watched: Watched,
    times: Floats,
    happened: NDArray[np.bool_],
    at: Ints,
    split: NDArray[np.int8],
    intervals: Intervals,
) -> Examples:
    """Every interval of these seeds: those at risk in the seed's split, the others as BEYOND."""
    count = len(intervals)
    place, number = np.repeat(at, count), np.tile(np.arange(count), len(at))
    rows = stack(times[at], happened[at], intervals)
    labels = np.zeros(len(place))
    codes = np.full(len(place), BEYOND, np.int8)
    cells = rows.seed * count + rows.interval
    labels[cells] = rows.event
    codes[cells] = split[at][rows.seed]
    steps = _steps(watched.take(place), number, intervals)
    return Examples(seeds.take(place), labels, codes, np.zeros((len(place), 0), np.float32), steps)


def _joined(parts: Sequence[Examples]) -> Examples:
    steps = [part.steps for part in parts if part.steps is not None]
    return Examples(
        Seeds(np.concatenate([p.seeds.rows for p in parts]), np.concatenate([p.seeds.anchors for p in parts])),
        np.concatenate([np.asarray(p.labels, dtype=np.float64) for p in parts]),
        np.concatenate([p.split for p in parts]),
        np.concatenate([p.lags for p in parts]),
        StepRows(np.concatenate([s.number for s in steps]), np.concatenate([s.values for s in steps]), steps[0].names),
    )


def _steps(watched: Watched, number: Ints, intervals: Intervals) -> StepRows:
    """The features of stacked rows: the interval, and where it lies from the entity's earlier events (in horizons)."""
    starts, widths = intervals.starts[number], intervals.widths[number]
    usual = logit(np.array(intervals.usual))[number]
    horizon = watched.horizon.astype(np.float64)
    some = watched.past > 0
    first = np.where(some, watched.first / horizon, np.nan)
    last = np.where(some, watched.last / horizon, np.nan)
    gap = np.where(watched.past > 1, (first - last) / np.maximum(watched.past - 1, 1), np.nan)
    since = last + starts
    in_gaps = since / np.where(gap > 0, gap, np.nan)
    columns = (number + 1, widths, usual, watched.past, first, last, since, gap, in_gaps)
    values = np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=1)
    return StepRows(number, values, NAMES)
