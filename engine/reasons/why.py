"""Why: the reasons of a trained model's predictions, member by member, blended and calibrated like its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from pql.engine.examples.steps import compute_stacked, forecast_rows
from pql.engine.examples.targets import lag_values, width_of
from pql.engine.features.past_facts import past_behind
from pql.engine.graph.seeds import Seeds, StepRows
from pql.engine.models.base import Inputs
from pql.engine.planning.anchors import shift_by
from pql.engine.planning.plan import Plan
from pql.engine.quality.calibrate import logit, sigmoid
from pql.engine.quality.survival import expected_time, survival
from pql.engine.reasons.members import classes_of, reasons_of
from pql.engine.reasons.reasons import BOUNDS, Floats, Ints, Reasons, RowParts, no_words, numeric, slopes
from pql.engine.reasons.rows import FeatureRows, Named
from pql.engine.training.trained import TrainedModel
from pql.language.bound import BoundAggregate, TaskKind

if TYPE_CHECKING:
    from pql.engine.answers.kept import KeptModel
    from pql.engine.graph.temporal import TemporalGraph
    from pql.engine.labels.training_table import LabelTable

ODDS, VALUE = "log-odds", "value"
OVER_TIME = "how the hazard goes over the horizon"
VALUES = (TaskKind.REGRESSION, TaskKind.FORECAST, TaskKind.TIME_TO_EVENT)


class Origins(Protocol):
    """Where the things that reasons name come from. `source`: the table and the column; `named`: rows of one unit."""

    def source(self, name: str) -> tuple[str, str]: ...

    def named(self, name: str, unit: int) -> Named | None: ...


@dataclass(frozen=True, slots=True)
class Units:
    """Which predictions are asked about: `seed` int64[u], positions among the seeds, and of each the class, label or
    step `output` int64[u]."""

    seed: Ints
    output: Ints

    def __len__(self) -> int:
        return len(self.seed)

    def take(self, index: Ints) -> Units:
        return Units(self.seed[index], self.output[index])


@dataclass(frozen=True, slots=True)
class Why:
    """The reasons of u units on a `scale`: the log-odds of probabilities, else the value shown. `anchors` int64[u];
    `seen` int64[u]: where what is read of each ends, its anchor or the data's end before it. `left`: what is said of a
    difference to what is shown; `horizon`: µs, where features count in horizons;
    `item`: the node table whose rows are ranked, -1 for none."""

    reasons: Reasons
    origins: Origins
    scale: str
    anchors: Ints
    seen: Ints
    left: str = BOUNDS
    horizon: int = 0
    item: int = -1


@dataclass(frozen=True, slots=True)
class _Grouped:
    """Origins of units that several models answer: of each unit which, and its place among that one's units."""

    parts: tuple[Origins, ...]
    which: Ints
    place: Ints

    def source(self, name: str) -> tuple[str, str]:
        found = (part.source(name) for part in self.parts)
        return next((one for one in found if one != ("", "")), ("", ""))

    def named(self, name: str, unit: int) -> Named | None:
        return self.parts[self.which[unit]].named(name, int(self.place[unit]))


def why(model: KeptModel, plan: Plan, graph: TemporalGraph, labels: LabelTable, seeds: Seeds, units: Units) -> Why:
    """The reasons of some predictions of a model that answers by scores; see `engine.reasons.ranking` for rankings."""
    chosen = seeds.take(units.seed)
    fold = np.full(len(chosen), -1) if model.folds is None else model.folds.of(labels, plan, graph, chosen)
    parts: list[Reasons] = []
    origins, order = [], []
    which, place = np.zeros(len(chosen), dtype=np.int64), np.zeros(len(chosen), dtype=np.int64)
    for number in np.unique(fold).tolist():
        at = np.flatnonzero(fold == number)
        trained = model.blend if number == -1 or model.folds is None else model.folds.models[number]
        which[at], place[at] = len(parts), np.arange(len(at))
        parts.append(_of(trained, plan, graph, labels, chosen.take(at), units.output[at]))
        origins.append(FeatureRows(trained.spec, graph, plan, chosen.take(at)))
        order.append(at)
    scale = VALUE if plan.task.kind in VALUES else ODDS
    found = Reasons.ordered(parts, order)
    horizon = 0
    if plan.task.kind is TaskKind.TIME_TO_EVENT and len(chosen):
        anchor = int(chosen.anchors[0])
        horizon = shift_by(anchor, width_of(plan)) - anchor
    return Why(found, _Grouped(tuple(origins), which, place), scale, chosen.anchors, chosen.seen, horizon=horizon)


def why_scored(
    trained: TrainedModel, plan: Plan, graph: TemporalGraph, seeds: Seeds, lags: NDArray[np.float32], units: Units
) -> Why:
    """The reasons of some predictions of a model of labels of one's own. `lags` float32[n, L]: of all seeds."""
    chosen, given = seeds.take(units.seed), lags[units.seed]
    features = compute_stacked(trained.spec, graph, chosen, given, None, trained.step_names)
    inputs = Inputs(graph, chosen, features, given)
    found = (
        _of_class(trained, inputs, units.output) if trained.kind == "multiclass" else _of_value(trained, inputs, None)
    )
    scale = VALUE if plan.task.kind in VALUES else ODDS
    return Why(found, FeatureRows(trained.spec, graph, plan, chosen), scale, chosen.anchors, chosen.seen)


def _of(
    trained: TrainedModel, plan: Plan, graph: TemporalGraph, labels: LabelTable, seeds: Seeds, output: Ints
) -> Reasons:
    kind = plan.task.kind
    if kind is TaskKind.TIME_TO_EVENT:
        return _of_time(trained, plan, graph, labels, seeds)
    steps = forecast_rows(labels, plan, graph, seeds, output) if kind is TaskKind.FORECAST else None
    inputs = _inputs(trained, plan, graph, labels, seeds, steps)
    if kind is TaskKind.MULTICLASS:
        return _of_class(trained, inputs, output)
    return _of_value(trained, inputs, output if kind is TaskKind.MULTILABEL else None)


def _inputs(
    trained: TrainedModel,
    plan: Plan,
    graph: TemporalGraph,
    labels: LabelTable,
    seeds: Seeds,
    steps: StepRows | None,
) -> Inputs:
    lags = lag_values(labels, plan, graph, seeds)
    features = compute_stacked(trained.spec, graph, seeds, lags, steps, trained.step_names)
    names = {fitted.name for fitted in trained.members}
    past = past_behind(plan.query.target, graph, seeds, names) if trained.intervals is None else None
    return Inputs(graph, seeds, features, lags, past)


def _words(trained: TrainedModel) -> dict[str, tuple[str, ...]]:
    return {name: group.vocabulary for group in trained.spec.groups for name in group.categorical}


def _of_value(trained: TrainedModel, inputs: Inputs, of: Ints | None) -> Reasons:
    """Of yes or no, a number, or one label of a set each: the members' reasons by weight, then the calibration."""
    found = Reasons.summed(
        [
            reasons_of(fitted, inputs, trained.kind, _words(trained), of).times(weight)
            for fitted, weight in zip(trained.members, trained.weights, strict=True)
            if weight > 0
        ]
    )
    if trained.kind == "binary":
        found = found.times(trained.calibration.slope, trained.calibration.intercept)
    return found


def _of_class(trained: TrainedModel, inputs: Inputs, output: Ints) -> Reasons:
    """Of one class of several each: the log-odds of its share in the softmax of the members' weighted logarithms."""
    used = [(f, w) for f, w in zip(trained.members, trained.weights, strict=True) if w > 0]
    members = [classes_of(fitted, inputs, _words(trained)) for fitted, _ in used]
    weights = [weight for _, weight in used]
    width, n = members[0].after.shape[1], len(inputs)
    row = np.arange(n)

    def total(raw: Floats) -> Floats:
        blocks = [raw[:, i * width : (i + 1) * width] for i in range(len(members))]
        return np.sum([w * m.logs(block) for m, w, block in zip(members, weights, blocks, strict=True)], axis=0)

    def rest_of(logs: Floats) -> tuple[Floats, Floats]:
        """The shares of the other classes among themselves, and the log-odds of the class."""
        others = logs.copy()
        others[row, output] = -np.inf
        top = others.max(axis=1, keepdims=True) if width > 1 else np.zeros((n, 1))
        grown = np.exp(others - top)
        whole = np.maximum(grown.sum(axis=1, keepdims=True), 1e-300)
        return grown / whole, logs[row, output] - (top + np.log(whole))[:, 0]

    def gradient(raw: Floats) -> Floats:
        pulled = -rest_of(total(raw))[0]
        pulled[row, output] = 1.0
        blocks = [raw[:, i * width : (i + 1) * width] for i in range(len(members))]
        return np.concatenate([m.pull(w * pulled, b) for m, w, b in zip(members, weights, blocks, strict=True)], axis=1)

    if width == 1:
        return Reasons.of(logit(np.ones(n)))
    before = np.concatenate([m.before for m in members], axis=1)
    after = np.concatenate([m.after for m in members], axis=1)
    slope = slopes(before, after, gradient)
    parts = [m.reasons(slope[:, i * width : (i + 1) * width]) for i, m in enumerate(members)]
    found = Reasons.summed(parts)
    margin = rest_of(total(after))[1]
    return Reasons(margin - found.added, found.names, found.amounts, found.words, found.rows)


def _of_time(trained: TrainedModel, plan: Plan, graph: TemporalGraph, labels: LabelTable, seeds: Seeds) -> Reasons:
    """Of the expected time: what each thing does to the log-odds of the event in every interval, and so to the time."""
    from pql.engine.training.time_to import NAMES, stacked

    intervals = trained.intervals
    assert intervals is not None
    assert isinstance(plan.query.target, BoundAggregate)
    rows, steps = stacked(graph, labels, seeds, intervals)
    count, n = len(intervals), len(seeds)
    features = compute_stacked(
        trained.spec, graph, rows, np.zeros((len(rows), 0), np.float32), steps, trained.step_names
    )
    found = _of_value(trained, Inputs(graph, rows, features, np.zeros((len(rows), 0), np.float32)), None)
    unit = plan.query.target.window.end

    def time(odds: Floats) -> Floats:
        return expected_time(intervals, survival(sigmoid(odds))) * unit

    before, after = found.base.reshape(n, count), found.margin.reshape(n, count)
    slope = slopes(before, after, numeric(time))
    parts = found.times(slope.ravel())
    amounts = parts.amounts.reshape(n, count, -1).sum(axis=1)
    words = found.words[::count].copy()
    names = [OVER_TIME if name in NAMES[:3] else name for name in found.names]
    unique = tuple(dict.fromkeys(names))
    merged, told = np.zeros((n, len(unique))), no_words((n, len(unique)))
    for j, name in enumerate(names):
        merged[:, unique.index(name)] += amounts[:, j]
        told[:, unique.index(name)] = "" if name == OVER_TIME else words[:, j]
    rows_told = RowParts.joined([parts.rows.at(parts.rows.unit // count, parts.rows.amount)])
    whole = Reasons(np.zeros(n), unique, merged, told, rows_told)
    return Reasons(time(after) - whole.added, unique, merged, told, rows_told)
