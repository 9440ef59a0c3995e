"""Train what a plan asks for: features, members, blend, calibration, one look at the test rows, refit on all of it."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.anchors import completes_at
from pql.engine.calibrate import Calibration, best_threshold, fit_calibration
from pql.engine.evaluate import choosing_metric, metrics_table
from pql.engine.events import Events
from pql.engine.examples import TEST, TRAIN, VALID, Examples, Labels
from pql.engine.features import FeatureSpec, fit_features
from pql.engine.graph import ALWAYS, NEVER, TemporalGraph
from pql.engine.metrics import LOWER_IS_BETTER, measure
from pql.engine.models.base import Fitted, Inputs, Model, Problem
from pql.engine.models.blend import combine, fit_weights
from pql.engine.models.boosted import BoostedFitted, spread_over
from pql.engine.plan import US_PER_DAY, Plan
from pql.engine.planned_graph import columns_read, masked_columns
from pql.engine.planner import future_windows
from pql.engine.trained import TrainedModel, class_count, model_called
from pql.language.errors import PqlError

__all__ = ["TrainedModel", "train"]

FEWEST_TRAIN = 40  # examples below which only a baseline is fitted
FEWEST_OF_CLASS = 5  # examples of the rarer class, likewise
FEWEST_VALID = 10
MOST_GROWTH = 1.25  # of the rounds, in the refit on more rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def train(
    plan: Plan, graph: TemporalGraph, examples: Examples, classes: Sized | int | None, events: Events
) -> TrainedModel:
    """Train the plan's members on the TRAIN examples, choose on VALID, measure TEST once, refit on all if planned.

    `classes`: how many classes or labels there are (or what lists them); None or 0 for binary and regression. With too
    little data the best baseline answers and a note says so. A stop asked for through `events` keeps what is fitted
    so far. Raises PqlError `no_examples` without a training example.
    """
    kind = plan.task.kind.value
    if not len(examples.where(TRAIN)):
        raise PqlError(
            "no_examples",
            "There is no training example: no entity is eligible at any training anchor, or no label is defined.",
            hint="EXPLAIN shows the anchors and how many examples were dropped; shorten the window or loosen WHERE.",
        )
    notes: list[str] = []
    examples = _within_budget(examples, plan.model.max_examples, notes)
    examples = _with_validation(kind, examples, plan.model.seed, notes)
    metric = choosing_metric(kind, plan.task.metric)
    cut = _cut(plan, examples)
    with events.stage("features"):
        problem = _problem(plan, graph, examples, class_count(classes), cut, None, events)
    at, valid = examples.where(TRAIN), examples.where(VALID)
    look = examples.where(VALID, TEST)
    seen, seen_inputs = examples.take(look), problem.inputs.take(look)
    checked = seen.where(VALID)
    limits = _limits(kind, examples, at)

    baselines: list[tuple[Model, Fitted]] = []
    for name in plan.model.baselines:
        model = _model(name, kind)
        if model is not None and name not in plan.model.members:
            baselines.append((model, model.fit(problem, at, valid)))
    rivals = [(fitted.name, fitted.predict(seen_inputs)) for _, fitted in baselines]

    members: list[tuple[Model, Fitted]] = []
    reason = _too_little(kind, examples)
    if reason:
        notes.append(f"{reason}: a baseline answers.")
    for name in plan.model.members if not reason else ():
        if events.stopped and members:
            notes.append(f"Stopped before {name} was fitted.")
            continue
        model = model_called(name)
        if kind not in model.tasks:
            raise PqlError("not_supported", f"The model {name!r} can't answer a {kind} target.")
        with events.stage(name, f"{len(at):,} examples"):
            members.append((model, model.fit(problem, at, valid)))
        if events.stopped:
            notes.append(f"Stopped while {name} was being fitted; the best so far is kept.")
    scores = [fitted.predict(seen_inputs) for _, fitted in members]

    if not members:
        chosen = _best_rival(kind, metric, seen, checked, rivals, plan.model.members)
        model, fitted = baselines[chosen] if baselines else _simplest(kind, problem, at, valid)
        members, scores = [(model, fitted)], [fitted.predict(seen_inputs)]
        baselines = [b for i, b in enumerate(baselines) if i != chosen]
        rivals = [r for i, r in enumerate(rivals) if i != chosen]
    weights = fit_weights(kind, [s[checked] for s in scores], _labels(seen, checked))
    if plan.model.name in ("auto", "blend") and rivals and len(checked):
        blended = combine(kind, scores, weights)
        best = _best_rival(kind, metric, seen, checked, rivals, ())
        if _beats(kind, metric, seen, checked, rivals[best][1], blended):
            members.append(baselines.pop(best))
            name, values = rivals.pop(best)
            scores.append(values)
            weights = fit_weights(kind, [s[checked] for s in scores], _labels(seen, checked))
            notes.append(f"The baseline {name} was best on validation, so it takes part in the blend.")

    blended = combine(kind, scores, weights)
    calibration, threshold = Calibration(), 0.5
    if kind == "binary":
        positive = np.asarray(seen.labels)[checked] > 0.5
        calibration = fit_calibration(blended[checked], positive)
        threshold = best_threshold(calibration.apply(blended[checked]), positive)
    names = [fitted.name for _, fitted in members]
    name = names[0] if len(names) == 1 else "blend"
    for member, weight in zip(names, weights, strict=True):
        if weight == 0:
            notes.append(f"{member} has weight nought on validation: it adds nothing to the blend.")
    first = TrainedModel(
        name=name,
        kind=kind,
        spec=_spec(plan, graph, examples, cut),
        members=tuple(fitted for _, fitted in members),
        weights=weights,
        calibration=calibration,
        threshold=threshold,
        limits=limits,
        metrics=metrics_table(kind, metric, seen, ()),
        classes=problem.classes,
        blend=tuple(zip(names, weights, strict=True)),
    )
    final = first.finish(blended)
    parts = list(zip(names, scores, strict=True)) if len(names) > 1 else []
    measured = [(name, "model", final), *((n, "member", s) for n, s in parts), *((n, "baseline", s) for n, s in rivals)]
    thresholds = {name: threshold}
    if kind == "binary":
        truth = np.asarray(seen.labels)[checked] > 0.5
        thresholds |= {n: best_threshold(s[checked], truth) for n, s in (*parts, *rivals)}
    table = metrics_table(kind, metric, seen, measured, weights=dict(first.blend), thresholds=thresholds, notes=notes)
    kept = [(pair, weight) for pair, weight in zip(members, weights, strict=True) if weight > 0]
    first = replace(
        first,
        members=tuple(fitted for (_, fitted), _ in kept),
        weights=tuple(weight for _, weight in kept),
        metrics=table,
        notes=tuple(notes),
        importance=_importance(members),
    )
    if not plan.model.refit:
        return first
    if events.stopped:
        return replace(first, notes=(*first.notes, "Stopped before the refit on all labelled anchors."))
    return _refit(plan, graph, examples, first, [model for (model, _), _ in kept], problem, events)


def _refit(
    plan: Plan,
    graph: TemporalGraph,
    examples: Examples,
    first: TrainedModel,
    models: Sequence[Model],
    problem: Problem,
    events: Events,
) -> TrainedModel:
    """The same members once more on all labelled examples, as long as the first fit found good."""
    everything = np.arange(len(examples), dtype=np.int64)
    cut = max(problem.cut, int(examples.seeds.anchors.max()))
    growth = min(MOST_GROWTH, len(examples) / max(1, len(examples.where(TRAIN))))
    members: list[Fitted] = []
    with events.stage("refit", f"{len(examples):,} examples"):
        spec = first.spec if cut == problem.cut else _spec(plan, graph, examples, cut)
        inputs = problem.inputs if spec == first.spec else None
        again = _problem(plan, graph, examples, first.classes, cut, spec, events, inputs)
        for model, fitted in zip(models, first.members, strict=True):
            rounds = getattr(fitted, "rounds", None)
            if rounds is not None and isinstance(fitted, BoostedFitted):
                model, rounds = fitted.again, max(1, round(rounds * growth))
            members.append(model.fit(again, everything, everything[:0], rounds))
            if events.stopped:
                return replace(first, notes=(*first.notes, "Stopped during the refit; the model before it answers."))
    return replace(first, spec=spec, members=tuple(members), limits=_limits(first.kind, examples, everything))


def _spec(plan: Plan, graph: TemporalGraph, examples: Examples, cut: int) -> FeatureSpec:
    own = masked_in_own_row(plan)
    return fit_features(
        graph,
        cut=cut,
        horizon=horizon_of(plan, graph, cut),
        masked=masked_columns(plan.query) - own,
        masked_own=own,
        hops=plan.graph.hops,
        lags=examples.lags.shape[1],
    )


def _problem(
    plan: Plan,
    graph: TemporalGraph,
    examples: Examples,
    classes: int,
    cut: int,
    spec: FeatureSpec | None,
    events: Events,
    inputs: Inputs | None = None,
) -> Problem:
    if inputs is None:
        spec = spec or _spec(plan, graph, examples, cut)
        inputs = Inputs(graph, examples.seeds, spec.compute(graph, examples.seeds, examples.lags), examples.lags)
    return Problem(
        task=plan.task,
        plan=plan.model,
        inputs=inputs,
        examples=examples,
        classes=classes,
        cut=cut,
        masked=masked_columns(plan.query),
        hops=plan.graph.hops,
        neighbors=plan.graph.neighbors,
        events=events,
    )


def horizon_of(plan: Plan, graph: TemporalGraph, cut: int) -> int:
    """The width in µs that history windows are scaled to: the target's, or a fortieth of the history."""
    windows = future_windows(plan.query)
    if windows:
        return max(1, completes_at(plan.split.prediction, windows) - plan.split.prediction)
    times = [node.time[(node.time != ALWAYS) & (node.time != NEVER) & (node.time <= cut)] for node in graph.nodes]
    spans = [int(t.max() - t.min()) for t in times if len(t)]
    return max([span // 40 for span in spans] or [0]) or 30 * US_PER_DAY


def masked_in_own_row(plan: Plan) -> frozenset[tuple[str, str]]:
    """Columns of a static target that may be read of earlier rows: its own table's, where rows have a time.

    A column of a row that the entity points to isn't among them: an earlier row may point to the same one.
    """
    if plan.split.kind != "row_time":
        return frozenset()
    read = columns_read(plan.query.target)
    return frozenset((r.table, r.column) for r in read if r.table == plan.query.entity.table) - plan.query.ignoring


def _cut(plan: Plan, examples: Examples) -> int:
    """The latest time encoders and statistics may see while choosing."""
    if plan.split.kind == "anchors":
        return int(examples.seeds.anchors[examples.where(TRAIN)].max())
    return plan.split.encoder_cut


def _within_budget(examples: Examples, most: int, notes: list[str]) -> Examples:
    at = examples.where(TRAIN)
    if len(at) <= most:
        return examples
    kept = spread_over(at, most)
    notes.append(f"{most:,} of {len(at):,} training examples are used, evenly spread (option budget).")
    return examples.take(np.sort(np.concatenate([kept, examples.where(VALID, TEST)])))


def _with_validation(kind: str, examples: Examples, seed: int, notes: list[str]) -> Examples:
    """The examples with a usable validation part: a fifth of the training rows stands in where there is none."""
    at, valid = examples.where(TRAIN), examples.where(VALID)
    if len(valid) >= FEWEST_VALID and (kind != "binary" or _rarer(examples, valid) > 0):
        return examples
    if len(at) < FEWEST_TRAIN or (kind == "binary" and _rarer(examples, at) < FEWEST_OF_CLASS):
        return examples
    split = examples.split.copy()
    split[valid] = TRAIN
    at = np.flatnonzero(split == TRAIN)
    split[np.random.default_rng(seed).permutation(at)[: max(FEWEST_VALID, len(at) // 5)]] = VALID
    notes.append(
        "Validation had too few examples or one class only; a fifth of the training examples stands in for it."
    )
    return replace(examples, split=split)


def _rarer(examples: Examples, at: Ints) -> int:
    positive = int((np.asarray(examples.labels)[at] > 0.5).sum())
    return min(positive, len(at) - positive)


def _too_little(kind: str, examples: Examples) -> str:
    """Why no model can be fitted, or nothing."""
    at = examples.where(TRAIN)
    if len(at) < FEWEST_TRAIN:
        return f"Only {len(at)} training examples"
    if kind == "binary" and _rarer(examples, at) < FEWEST_OF_CLASS:
        count = _rarer(examples, at)
        return "All training examples have the same label" if not count else f"Only {count} examples of the rarer class"
    if kind == "multiclass" and len(np.unique(np.asarray(examples.labels)[at])) < 2:
        return "All training examples have the same class"
    if kind in ("regression", "forecast") and len(np.unique(np.asarray(examples.labels)[at])) < 2:
        return "All training examples have the same value"
    return ""


def _model(name: str, kind: str) -> Model | None:
    """The baseline of that name where it answers this kind of task, else None."""
    model = model_called(name)
    return model if kind in model.tasks else None


def _simplest(kind: str, problem: Problem, at: Ints, valid: Ints) -> tuple[Model, Fitted]:
    names = {"binary": "rate", "multiclass": "majority", "multilabel": "popularity"}
    model = model_called(names.get(kind, "global_mean"))
    return model, model.fit(problem, at, valid)


def _labels(examples: Examples, at: Ints) -> Labels:
    return examples.labels[at] if isinstance(examples.labels, np.ndarray) else examples.labels.take(at)


def _best_rival(
    kind: str, metric: str, seen: Examples, checked: Ints, rivals: Sequence[tuple[str, Floats]], wanted: Sequence[str]
) -> int:
    """The baseline that is best on validation, the earlier one where they tie or nothing can be measured."""
    best = next((i for i, (name, _) in enumerate(rivals) if name in wanted or name == "entity_mean"), 0)
    for i, (_, values) in enumerate(rivals):
        if len(checked) and _beats(kind, metric, seen, checked, values, rivals[best][1]):
            best = i
    return best


def _beats(kind: str, metric: str, seen: Examples, checked: Ints, left: Floats, right: Floats) -> bool:
    truth = _labels(seen, checked)
    a = measure(kind, truth, left[checked])[metric]
    b = measure(kind, truth, right[checked])[metric]
    return a < b if metric in LOWER_IS_BETTER else a > b


def _limits(kind: str, examples: Examples, at: Ints) -> tuple[float, float]:
    """The range of predicted numbers: that of the labels, a tenth wider, but never below zero if no label is."""
    if kind not in ("regression", "forecast"):
        return (0.0, 1.0)
    values = np.asarray(examples.labels, dtype=np.float64)[at]
    low, high = float(values.min()), float(values.max())
    slack = 0.1 * (high - low)
    return (max(0.0, low - slack) if low >= 0 else low - slack, min(0.0, high + slack) if high <= 0 else high + slack)


def _importance(members: Sequence[tuple[Model, Fitted]]) -> tuple[tuple[str, float], ...]:
    for _, fitted in members:
        if isinstance(fitted, BoostedFitted) and fitted.importance.sum() > 0:
            share = fitted.importance / fitted.importance.sum()
            order = np.argsort(-share, kind="stable")[:50]
            return tuple((fitted.names[i], round(float(share[i]), 6)) for i in order if share[i] > 0)
    return ()
