"""Train what a plan asks for: features, members, blend, calibration, one look at the test rows, refit on all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.events import Events
from pql.engine.examples.context import judged, told
from pql.engine.examples.enough import too_little, with_validation, within_budget
from pql.engine.examples.steps import useful_names
from pql.engine.features.as_of import FeatureSpec
from pql.engine.graph.seeds import BEYOND, TEST, TRAIN, VALID, Examples, Labels
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.models.base import Fitted, Inputs, Model, Problem
from pql.engine.models.baselines import TASKS as BASELINES
from pql.engine.models.blend import combine, fit_weights
from pql.engine.models.boosted import BoostedFitted
from pql.engine.models.instant import InstantFitted
from pql.engine.models.tails import is_heavy
from pql.engine.planning.plan import Plan
from pql.engine.quality.calibrate import Calibration, best_threshold, fit_calibration
from pql.engine.quality.checked import checked_sample
from pql.engine.quality.cold_start import past_rows
from pql.engine.quality.metrics import LOWER_IS_BETTER, MetricsTable, measure
from pql.engine.training.evaluate import choosing_metric, metrics_table, of_totals
from pql.engine.training.problem import cut_of, problem_of, reads_few, spec_of
from pql.engine.training.spread_fit import bounds_at, refit_spread, with_spread
from pql.engine.training.trained import TrainedModel, class_count, class_names, model_called
from pql.language.errors import PqlError

__all__ = ["TrainedModel", "train"]

MOST_GROWTH = 1.25  # of the rounds, in the refit on more rows

STOPPED = "Stopped during the refit; the model before it answers."

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Measured = Sequence[tuple[str, str, Floats]]  # name, role, scores of all examples
Judge = Callable[[Examples, Measured, Mapping[str, float], Sequence[str]], MetricsTable]


@dataclass(slots=True)
class _Job:
    """One training: what it works on, and the notes it collects for the user."""

    plan: Plan
    graph: TemporalGraph
    examples: Examples
    classes: int
    kind: str
    metric: str
    events: Events
    notes: list[str]
    step_names: tuple[str, ...] = ()
    judge: Judge | None = None
    vocabulary: tuple[str, ...] = ()

    def problem(self, cut: int, spec: FeatureSpec) -> Problem:
        """What the models are fitted on, looked at until `cut` (µs)."""
        return problem_of(
            self.plan,
            self.graph,
            self.examples,
            spec,
            cut=cut,
            classes=self.classes,
            events=self.events,
            steps=self.step_names,
            vocabulary=self.vocabulary,
        )


@dataclass(slots=True)
class _Contestants:
    """Fitted models with their scores of the validation and test examples, in parallel."""

    models: list[Model]
    fitted: list[Fitted]
    scores: list[Floats]

    def add(self, model: Model, fitted: Fitted, scores: Floats) -> None:
        self.models.append(model)
        self.fitted.append(fitted)
        self.scores.append(scores)

    def move(self, i: int, to: _Contestants) -> str:
        """Hand contestant `i` to others; its name."""
        to.add(self.models.pop(i), self.fitted[i], self.scores.pop(i))
        return self.fitted.pop(i).name

    def names(self) -> list[str]:
        return [fitted.name for fitted in self.fitted]


def train(
    plan: Plan,
    graph: TemporalGraph,
    examples: Examples,
    classes: Sized | int | None,
    events: Events,
    *,
    judge: Judge | None = None,
    again: Examples | None = None,
) -> TrainedModel:
    """Train the plan's members on the TRAIN examples, choose on VALID, measure TEST once, refit on all if planned.

    `classes`: how many classes or labels there are (or what lists them); None or 0 for binary and regression. With too
    little data the best baseline answers and a note says so. A stop asked for through `events` keeps what is fitted
    so far. `judge` measures instead of the usual metrics; `again` are the examples of the refit where they aren't the
    same. Raises PqlError `no_examples` without a training example.
    """
    if not len(examples.where(TRAIN)):
        raise PqlError(
            "no_examples",
            "There is no training example: no entity is eligible at any training anchor, or no label is defined.",
            hint="EXPLAIN shows the anchors and how many examples were dropped; shorten the window or loosen WHERE.",
        )
    kind = plan.task.kind.value
    notes: list[str] = []
    examples = within_budget(examples, plan.model.max_examples, notes)
    examples = with_validation(kind, examples, plan.model.seed, notes)
    if reads_few(plan):
        notes.append(told(examples))
        examples = judged(examples, notes)
    plan = _by_tail(plan, examples)
    metric = choosing_metric(kind, plan.task.metric)
    names = () if examples.steps is None else useful_names(examples.steps, plan)
    job = _Job(
        plan, graph, examples, class_count(classes), kind, metric, events, notes, names, judge, class_names(classes)
    )
    first, models, problem = _choose(job)
    if not plan.model.refit:
        return first
    if events.stopped:
        return _told(first, "Stopped before the refit on all labelled anchors.")
    try:
        if again is not None:
            return _refit(replace(job, examples=again), first, models, None)
        return _refit(job, first, models, problem)
    except KeyboardInterrupt:
        if events.insisted:
            raise
        events.stop()
        return _told(first, STOPPED)


def _by_tail(plan: Plan, examples: Examples) -> Plan:
    """The plan, with errors that count by their size instead of its square, where few large labels would be all."""
    if plan.task.metric != "rmse":
        return plan
    labels = np.asarray(examples.labels, dtype=np.float64)[examples.where(TRAIN)]
    return replace(plan, task=replace(plan.task, metric="mae")) if is_heavy(labels) else plan


def _choose(job: _Job) -> tuple[TrainedModel, list[Model], Problem]:
    """Fit on TRAIN, choose on VALID, measure on TEST: the model, how its members were made, and from what."""
    kind, metric, examples = job.kind, job.metric, job.examples
    cut = cut_of(job.plan, examples)
    with job.events.stage("features"):
        spec = spec_of(job.plan, job.graph, examples, cut)
        problem = job.problem(cut, spec)
    look = examples.where(VALID, TEST, BEYOND)
    seen, inputs = examples.take(look), problem.inputs.take(look)
    checked = seen.where(VALID)
    truth = _labels(seen, checked)
    rivals = _fit_baselines(job, problem, inputs)
    members = _fit_members(job, problem, inputs)
    fell_back = not members.fitted
    if fell_back:
        if not rivals.fitted:
            _fit_simplest(job, problem, inputs, rivals)
        rivals.move(_best(job, truth, checked, rivals, job.plan.model.members), members)
    weights = fit_weights(kind, [s[checked] for s in members.scores], truth, metric)
    if job.plan.model.name in ("auto", "blend") and rivals.fitted and len(checked):
        blended = combine(kind, members.scores, weights)[checked]
        for by in dict.fromkeys((metric, "logloss")) if kind == "multiclass" and not fell_back else (metric,):
            best = _best(replace(job, metric=by), truth, checked, rivals, ())
            if _beats(kind, by, truth, rivals.scores[best][checked], blended):
                name = rivals.move(best, members)
                weights = fit_weights(kind, [s[checked] for s in members.scores], truth, metric)
                job.notes.append(f"The baseline {name} was best on validation, so it takes part in the blend.")
                break
    names = members.names()
    for name, weight in zip(names, weights, strict=True):
        if weight == 0:
            job.notes.append(f"{name} has weight nought on validation: it adds nothing to the blend.")
    blended = combine(kind, members.scores, weights)
    calibration, threshold = Calibration(), 0.5
    if kind == "binary":
        positive = np.asarray(truth) > 0.5
        calibration = fit_calibration(blended[checked], positive)
        threshold = best_threshold(calibration.apply(blended[checked]), positive)
    kept = [i for i, weight in enumerate(weights) if weight > 0]
    job.notes += of_totals(kind, blended, seen)
    trained = TrainedModel(
        name=names[0] if len(names) == 1 else "blend",
        kind=kind,
        spec=spec,
        members=tuple(members.fitted[i] for i in kept),
        weights=tuple(weights[i] for i in kept),
        calibration=calibration,
        threshold=threshold,
        limits=_limits(kind, examples, examples.where(TRAIN)),
        metrics=metrics_table(kind, metric, seen, ()),
        classes=job.classes,
        notes=tuple(job.notes),
        blend=tuple(zip(names, weights, strict=True)),
        importance=_importance(members.fitted),
        step_names=job.step_names,
    )
    parts = list(zip(names, members.scores, strict=True)) if len(names) > 1 else []
    simple = list(zip(rivals.names(), rivals.scores, strict=True))
    measured = [
        (trained.name, "model", trained.finish(blended)),
        *((name, "baseline" if name in BASELINES else "member", scores) for name, scores in parts),
        *((name, "baseline", scores) for name, scores in simple),
    ]
    thresholds = {trained.name: threshold}
    if kind == "binary":
        positive = np.asarray(truth) > 0.5
        thresholds |= {name: best_threshold(scores[checked], positive) for name, scores in (*parts, *simple)}
    if job.judge is not None:
        table = job.judge(seen, measured, dict(trained.blend), job.notes)
    else:
        table = metrics_table(
            kind,
            metric,
            seen,
            measured,
            weights=dict(trained.blend),
            thresholds=thresholds,
            notes=job.notes,
            by_anchor=job.plan.split.kind == "anchors",
            past=past_rows(job.plan, job.graph, seen.seeds),
        )
    trained = replace(trained, metrics=table)
    trained = with_spread(trained, job.plan, problem, look, measured, constant=bool(too_little(kind, examples)))
    if job.judge is None:
        said = measured[0][2]
        bounds = bounds_at(trained.spread, job.plan, problem.inputs.take(look), said)
        past = past_rows(job.plan, job.graph, seen.seeds)
        sample = checked_sample(kind, seen, said, past, bounds)
        keys = job.graph.nodes[job.graph.entity].keys
        trained = replace(trained, checked=None if sample is None else sample.keyed(keys))
    return trained, [members.models[i] for i in kept], problem


def _fit_baselines(job: _Job, problem: Problem, inputs: Inputs) -> _Contestants:
    """The plan's baselines that answer this kind of task and aren't asked for as the model itself."""
    found = _Contestants([], [], [])
    at, valid = job.examples.where(TRAIN), job.examples.where(VALID)
    for name in job.plan.model.baselines:
        model = model_called(name)
        if job.kind in model.tasks and name not in job.plan.model.members:
            fitted = model.fit(problem, at, valid)
            found.add(model, fitted, fitted.predict(inputs))
    return found


def _fit_simplest(job: _Job, problem: Problem, inputs: Inputs, rivals: _Contestants) -> None:
    names = {"binary": "rate", "multiclass": "majority", "multilabel": "popularity"}
    model = model_called(names.get(job.kind, "global_mean"))
    fitted = model.fit(problem, job.examples.where(TRAIN), job.examples.where(VALID))
    rivals.add(model, fitted, fitted.predict(inputs))


def _fit_members(job: _Job, problem: Problem, inputs: Inputs) -> _Contestants:
    """The plan's members; none where there is too little data for any."""
    found = _Contestants([], [], [])
    reason = too_little(job.kind, job.examples)
    if reason:
        job.notes.append(f"{reason}: a baseline answers.")
        return found
    at, valid = job.examples.where(TRAIN), job.examples.where(VALID)
    for name in job.plan.model.members:
        model = model_called(name)
        if job.kind not in model.tasks:
            raise PqlError(
                "model_not_for_task",
                f"The model {name} can't answer a {job.kind} target.",
                hint="Leave the option model out: a model that fits is then chosen.",
            )
        if job.events.stopped:
            job.notes.append(f"Stopped before {name} was fitted.")
            continue
        try:
            with job.events.stage(name, f"{len(at):,} examples"):
                fitted = model.fit(problem, at, valid)
                found.add(model, fitted, fitted.predict(inputs))
            job.notes += getattr(fitted, "notes", ())
        except KeyboardInterrupt:
            if job.events.insisted:
                raise
            job.events.stop()
            job.notes.append(f"Stopped before {name} was fitted.")
            continue
        if job.events.stopped:
            job.notes.append(f"Stopped while {name} was being fitted; the best so far is kept.")
    return found


def _refit(job: _Job, first: TrainedModel, models: Sequence[Model], problem: Problem | None) -> TrainedModel:
    """The same members once more on all labelled examples, as long as the first fit found good.

    `problem`: that of the first fit, where the examples are the same.
    """
    examples = job.examples
    everything = np.arange(len(examples), dtype=np.int64)
    cut = max(cut_of(job.plan, examples), int(examples.seeds.anchors.max()))
    growth = min(MOST_GROWTH, len(examples) / max(1, len(examples.where(TRAIN))))
    members: list[Fitted] = []
    with job.events.stage("refit", f"{len(examples):,} examples"):
        problem = job.problem(cut, first.spec) if problem is None else replace(problem, cut=cut)
        for model, fitted in zip(models, first.members, strict=True):
            rounds = getattr(fitted, "rounds", None)
            if isinstance(fitted, BoostedFitted):
                rounds = max(1, round(fitted.rounds * growth))
            model = getattr(fitted, "again", model)
            members.append(model.fit(problem, everything, everything[:0], rounds))
            if job.events.stopped:
                return _told(first, STOPPED)
        limits = _limits(first.kind, examples, everything)
        spread = refit_spread(problem, first, limits, growth)
        if job.events.stopped:
            return _told(first, STOPPED)
    return replace(first, members=tuple(members), limits=limits, spread=spread)


def _told(first: TrainedModel, note: str) -> TrainedModel:
    return replace(first, notes=(*first.notes, note))


def _labels(examples: Examples, at: Ints) -> Labels:
    return examples.labels[at] if isinstance(examples.labels, np.ndarray) else examples.labels.take(at)


def _best(job: _Job, truth: Labels, checked: Ints, rivals: _Contestants, wanted: Sequence[str]) -> int:
    """The baseline that is best on validation; else one of `wanted`, the entity's mean, or the first."""
    names = rivals.names()
    best = next((i for i, name in enumerate(names) if name in wanted or name == "entity_mean"), 0)
    for i, scores in enumerate(rivals.scores):
        if len(checked) and _beats(job.kind, job.metric, truth, scores[checked], rivals.scores[best][checked]):
            best = i
    return best


def _beats(kind: str, metric: str, truth: Labels, left: Floats, right: Floats) -> bool:
    a, b = measure(kind, truth, left)[metric], measure(kind, truth, right)[metric]
    return a < b if metric in LOWER_IS_BETTER else a > b


def _limits(kind: str, examples: Examples, at: Ints) -> tuple[float, float]:
    """The range of predicted numbers: that of the labels, a tenth wider, but never below zero if no label is."""
    if kind not in ("regression", "forecast"):
        return (0.0, 1.0)
    values = np.asarray(examples.labels, dtype=np.float64)[at]
    low, high = float(values.min()), float(values.max())
    slack = 0.1 * (high - low)
    return (max(0.0, low - slack) if low >= 0 else low - slack, min(0.0, high + slack) if high <= 0 else high + slack)


def _importance(members: Sequence[Fitted]) -> tuple[tuple[str, float], ...]:
    for fitted in members:
        if isinstance(fitted, InstantFitted) and fitted.parts:
            return tuple((name, round(share, 6)) for name, share in fitted.shares()[:50])
        if isinstance(fitted, BoostedFitted) and fitted.importance.sum() > 0:
            share = fitted.importance / fitted.importance.sum()
            order = np.argsort(-share, kind="stable")[:50]
            return tuple((fitted.names[i], round(float(share[i]), 6)) for i in order if share[i] > 0)
    return ()
