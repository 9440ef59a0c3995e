"""Fit, correct and measure the distributions behind intervals and quantiles.

Validation is divided by a seeded hash of the entity: a third stops the trees early, the rest corrects what they promise
(`conformal`): its newest anchors, if they are enough. The trees are those of `models.quantile_trees`, whichever model
gives the point prediction; where they are off by more than it is, as where a season lifts everybody, they tell
widths alone, around the point predictions. Coverage is measured on the test rows; the refit then takes the correction
of the first trees, made anew with the test rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.examples.targets import example_hash
from pql.engine.graph.seed_batches import spread_over
from pql.engine.graph.seeds import TEST, TRAIN, VALID
from pql.engine.models.base import Inputs, Problem
from pql.engine.models.quantile_trees import fit_quantile_trees
from pql.engine.planning.bounds import Bounds, bounds_of, rows_for
from pql.engine.planning.plan import Plan
from pql.engine.quality.conformal import fit_correction, no_correction
from pql.engine.quality.distribution import LEVELS, Distribution
from pql.engine.quality.metrics import MetricRow
from pql.engine.training.predict import score
from pql.engine.training.spread import Spread, around, errors_of
from pql.engine.training.trained import TrainedModel

FEWEST_STOPPING = 30  # rows, below which the trees aren't stopped early and all of validation corrects
STOPPING_SHARE = 1 / 3
MOST_CORRECTING = 4_000
ENOUGH_CORRECTING = 1_000  # rows of the newest anchors that make earlier ones needless
FEW_CORRECTING = 200  # below it the notes say how uncertain the coverage is
CLEARLY = 0.95  # of the loss: what speaks for shapes around the point predictions
DECILES = np.arange(1, 10) / 10

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Scored = tuple[str, str, Floats]  # name, role, predictions of all validation and test rows


def with_spread(
    trained: TrainedModel, plan: Plan, problem: Problem, look: Ints, scored: Sequence[Scored], *, constant: bool
) -> TrainedModel:
    """The trained model with the distributions that the query asks for, measured; itself if it asks for none.

    look: the positions of the validation and test rows that `scored` are of. `constant`: no trees, where there is too
    little data for any.
    """
    asked = bounds_of(plan.query)
    if not asked:
        return trained
    with problem.events.stage("bounds", f"{rows_for(problem.plan.budget_seconds):,} examples at most"):
        said = next(scores for _, role, scores in scored if role == "model")
        _, correcting = divided(problem)
        said = said[np.searchsorted(look, correcting)]
        spread = fit_spread(problem, trained.limits, said, constant=constant or problem.events.stopped)
        rows = measured(problem, spread, asked, look, scored)
    notes = notes_on(spread, asked, rows, trained.name)
    table = trained.metrics
    table = replace(table, rows=(*table.rows, *rows), notes=(*table.notes, *notes))
    return replace(trained, spread=spread, metrics=table, notes=(*trained.notes, *notes))


def fit_spread(problem: Problem, limits: tuple[float, float], said: Floats, *, constant: bool = False) -> Spread:
    """Fit on TRAIN, stop early on a third of VALID, correct on the rest of it.

    `limits`: the range of the values. `said`: the point predictions of the correcting rows. `constant`: everyone gets
    the training examples' distribution, corrected.
    """
    stopping, correcting = divided(problem)
    train = problem.examples.where(TRAIN)
    most = rows_for(problem.plan.budget_seconds)
    trees = fit_quantile_trees(problem, train, stopping, most=most, limits=limits, constant=constant)
    plain = corrected(problem, Spread(trees, no_correction()), correcting, said)
    if trees.base[0] > 0 or len(correcting) < FEWEST_STOPPING:
        return plain
    centred = corrected(problem, Spread(trees, no_correction(), LEVELS), correcting, said)
    losses = [_loss(problem, spread, correcting, said) for spread in (plain, centred)]
    return centred if losses[1] < CLEARLY * losses[0] else plain


def bounds_at(spread: Spread | None, plan: Plan, inputs: Inputs, predictions: Floats) -> Floats | None:
    """float64[n, 2]: the outermost bounds that the query asks for, around predictions; None where it asks for none."""
    asked = bounds_of(plan.query)
    if spread is None or not asked:
        return None
    found = spread.predict(inputs, predictions, asked)
    return None if found.shape[1] < 2 else found[:, [0, -1]]


def refit_spread(problem: Problem, model: TrainedModel, limits: tuple[float, float], growth: float) -> Spread | None:
    """The trees of a first model once more on all labelled examples; None where it has none.

    Nothing is left to correct these on: they get the correction of the first trees, made anew with the test rows, which
    are nearest in time to what will be predicted and have been measured by then.
    """
    first = model.spread
    if first is None:
        return None
    everything = np.arange(len(problem.examples), dtype=np.int64)
    trees = fit_quantile_trees(
        problem,
        everything,
        everything[:0],
        most=int(rows_for(problem.plan.budget_seconds) * growth),
        limits=limits,
        first=first.trees,
        growth=growth,
        constant=not any(first.trees.trees),
    )
    unseen = np.sort(np.concatenate([divided(problem)[1], problem.examples.where(TEST)]))
    said = score(model, problem.inputs.take(unseen)) if first.errors is not None else np.zeros(len(unseen))
    return replace(corrected(problem, first, unseen, said), trees=trees)


def corrected(problem: Problem, spread: Spread, rows: Ints, said: Floats) -> Spread:
    """A spread with the correction, and the errors if it has any, of rows that its trees have not seen, beside their
    point predictions: of the newest of them, at most `MOST_CORRECTING`."""
    used = spread_over(newest(problem, rows), MOST_CORRECTING)
    found, truth, errors = spread.trees.predict(problem.inputs.take(used)), _labels(problem, used), spread.errors
    if errors is not None:
        centres = said[np.searchsorted(rows, used)]
        errors = errors_of(found, centres, truth)
        found = around(found, centres, errors)
    return replace(spread, correction=fit_correction(found, truth), errors=errors)


def _labels(problem: Problem, rows: Ints) -> Floats:
    return np.asarray(problem.examples.labels, dtype=np.float64)[rows]


def _loss(problem: Problem, spread: Spread, rows: Ints, said: Floats) -> float:
    """The pinball loss of the corrected deciles on the newest rows."""
    used = spread_over(newest(problem, rows), MOST_CORRECTING)
    found = spread.distribution(problem.inputs.take(used), said[np.searchsorted(rows, used)])
    return _pinball(_labels(problem, used), _deciles(spread, found))


def _deciles(spread: Spread, found: Distribution) -> Floats:
    return np.stack([spread.correction.quantile(found, level) for level in DECILES.tolist()], axis=1)


def newest(problem: Problem, rows: Ints) -> Ints:
    """The rows of the newest anchors, as few anchors as have `ENOUGH_CORRECTING` rows; all where none have.

    What is off at one anchor is off alike at the next one, and less and less so later.
    """
    anchors = problem.examples.seeds.anchors[rows]
    if len(rows) <= ENOUGH_CORRECTING:
        return rows
    since = np.sort(anchors)[len(anchors) - ENOUGH_CORRECTING]
    return rows[anchors >= since]


def divided(problem: Problem) -> tuple[Ints, Ints]:
    """Validation rows for early stopping, and those for the correction: no entity is in both."""
    valid = problem.examples.where(VALID)
    graph, seeds = problem.inputs.graph, problem.examples.seeds.take(valid)
    keys = graph.nodes[graph.entity].keys.take(seeds.rows)
    share = (example_hash(keys, np.zeros(len(valid), np.int64), problem.plan.seed) >> np.uint64(11)) / float(2**53)
    stops = share < STOPPING_SHARE
    if min(int(stops.sum()), int((~stops).sum())) < FEWEST_STOPPING:
        return valid[:0], valid
    return valid[stops], valid[~stops]


# ---------------------------------------------------------------- how good it is


def measured(problem: Problem, spread: Spread, asked: Bounds, look: Ints, scored: Sequence[Scored]) -> list[MetricRow]:
    """Coverage, width and pinball loss on the test examples, of the model and of simple bounds beside it.

    Those of a baseline are the quantiles of its own errors on the correcting rows, around its predictions.
    """
    test = problem.examples.where(TEST)
    if not len(test):
        return []
    _, correcting = divided(problem)
    labels = np.asarray(problem.examples.labels, dtype=np.float64)
    truth, rows = labels[test], []
    in_correcting, in_test = np.searchsorted(look, correcting), np.searchsorted(look, test)
    for name, role, predictions in scored:
        scores = predictions[in_test]
        if role == "model":
            found = spread.distribution(problem.inputs.take(test), scores)
            values = spread.bounds(found, scores, asked)
            deciles = _deciles(spread, found)
            shares = [
                spread.correction.share_below(found, truth, level, values[:, i])
                for i, level in enumerate(asked.quantiles)
            ]
        elif role == "baseline":
            errors = np.sort(labels[correcting] - predictions[in_correcting])
            low, high = spread.trees.low, spread.trees.high
            values = np.stack([np.clip(scores + _of_errors(errors, u), low, high) for u in _levels(asked)], axis=1)
            deciles = np.stack([np.clip(scores + _of_errors(errors, u), low, high) for u in DECILES.tolist()], axis=1)
            shares = [float(np.mean(truth <= values[:, i])) for i in range(len(asked.quantiles))]
        else:
            continue
        figures = {f"below_{title}": share for title, share in zip(asked.names, shares, strict=False)}
        if values.shape[1] > 1:
            if asked.probability is not None:
                figures["coverage"] = float(np.mean((values[:, 0] <= truth) & (truth <= values[:, 1])))
                figures["interval_score"] = _interval_score(truth, values[:, 0], values[:, 1], asked.probability)
            figures["width"] = float(np.mean(values[:, -1] - values[:, 0]))
        figures["pinball"] = _pinball(truth, deciles)
        rows += [MetricRow(name, role, "test", metric, value, len(test)) for metric, value in figures.items()]
    return rows


def notes_on(spread: Spread, asked: Bounds, rows: Sequence[MetricRow], model: str) -> list[str]:
    """What the user should know of the bounds: measured coverage, and how well it could be corrected."""
    found = {row.metric: row for row in rows if row.model == model}
    notes = []
    n = spread.correction.n
    if "coverage" in found:
        row = found["coverage"]
        notes.append(
            f"The {asked.probability:.6g} interval covers {row.value:.1%} of {row.n:,} test examples, which took no "
            f"part in its fit or correction; its mean width is {found['width'].value:.4g}, {_beside(rows, model)}."
        )
    elif asked.quantiles and rows:
        parts = [f"{name} {found['below_' + name].value:.1%}" for name in asked.names if "below_" + name in found]
        where = next(iter(found.values())).n
        notes.append(f"Of {where:,} test examples, these shares are at or below (ties divided): {', '.join(parts)}.")
    if not rows:
        notes.append("There is no test example: the coverage of the bounds is not measured.")
    if n < FEW_CORRECTING:
        level = asked.probability if asked.probability is not None else 0.5
        doubt = np.sqrt(level * (1 - level) / max(1, n))
        notes.append(
            f"The bounds are corrected on {n} examples only: their coverage is uncertain by about {2 * doubt:.0%}."
        )
    return notes


def _beside(rows: Sequence[MetricRow], model: str) -> str:
    """The model's interval score beside that of the best simple interval."""
    scores = {row.model: row.value for row in rows if row.metric == "interval_score"}
    own = scores.pop(model)
    if not scores:
        return f"its interval score {own:.4g}"
    best = min(scores, key=lambda name: scores[name])
    return f"its interval score {own:.4g} against {scores[best]:.4g} around {best}"


def _levels(asked: Bounds) -> tuple[float, ...]:
    if asked.probability is None:
        return asked.quantiles
    return ((1 - asked.probability) / 2, (1 + asked.probability) / 2)


def _of_errors(errors: Floats, level: float) -> float:
    """The quantile of sorted errors, one more counted, away from the middle."""
    n = len(errors)
    if not n:
        return 0.0
    place = np.ceil((n + 1) * level) if level >= 0.5 else np.floor((n + 1) * level)
    return float(errors[int(np.clip(place, 1, n)) - 1])


def _interval_score(truth: Floats, lower: Floats, upper: Floats, probability: float) -> float:
    """Winkler's score: the width, and 2 / (1 - p) times by how much the value is missed; low is good."""
    miss = np.maximum(lower - truth, 0.0) + np.maximum(truth - upper, 0.0)
    return float(np.mean(upper - lower + 2.0 / (1.0 - probability) * miss))


def _pinball(truth: Floats, deciles: Floats) -> float:
    """Mean over the nine deciles of the pinball loss, the proper measure of quantiles."""
    miss = truth[:, None] - deciles
    return float(np.maximum(DECILES * miss, (DECILES - 1) * miss).mean())
