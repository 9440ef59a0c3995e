"""From scores to odds: how likely an item is among those of the window, calibrated on validation.

A logistic regression over what orders the pairs (the ranker's margin, the place in the list, repeats, popularity) and
over how active the entity is, fitted on every candidate of the validation examples, those with an empty window among
them in their true proportion. The order of a list stays that of its scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.models.base import State
from pql.engine.pairs.pair_history import locate
from pql.engine.pairs.places import places_within
from pql.engine.quality.calibrate import best_threshold, sigmoid
from pql.engine.quality.metrics import MetricRow, measure
from pql.engine.ranking.choice import RANKERS, SIMPLE
from pql.engine.ranking.judged import Judged
from pql.engine.ranking.scoring import blended

Floats = NDArray[np.float64]

FEWEST = 10  # true pairs, below which odds can't be told
KNOTS = (0.5, 0.9, 0.98)  # of the margin, where its slope may change
RIDGE = 2.0
ROUNDS = 30  # of Newton's method
HALVINGS = 20
ENOUGH = 1e-9  # of the loss: what less gain ends it
LEAST_CURVE = 1e-9
ARRAYS = ("knots", "mean", "scale", "slope", "low", "high")
PAIR_METRICS = ("auroc", "logloss", "brier")


@dataclass(frozen=True, slots=True)
class Odds:
    """P(item in the window) of a pair. `member`: whose raw score counts beside the list's order; `knots` of it.

    `mean`, `scale`, `slope`, `low`, `high` (what was seen of them) float64[f] of the columns, `threshold`: the
    probability from which a yes is predicted.
    """

    member: str
    knots: Floats
    mean: Floats
    scale: Floats
    slope: Floats
    low: Floats
    high: Floats
    intercept: float
    threshold: float = 0.5

    def apply(self, owner: NDArray[np.int64], scores: Mapping[str, Floats], order: Floats, activity: Floats) -> Floats:
        """float64[c] in (0, 1). `order`: the scores that make the lists; `activity` float64[n, 4] of the owners."""
        columns = _columns(owner, scores, order, activity, self.member, self.knots)
        columns = (np.clip(columns, self.low, self.high) - self.mean) / self.scale
        return sigmoid(columns @ self.slope + self.intercept)

    def state(self) -> State:
        """JSON values only."""
        arrays = {name: getattr(self, name).tolist() for name in ARRAYS}
        return {"member": self.member, **arrays, "intercept": self.intercept, "threshold": self.threshold}

    @classmethod
    def restore(cls, state: State) -> Odds:
        arrays = {name: np.array(state[name], dtype=np.float64) for name in ARRAYS}
        return cls(
            member=str(state["member"]),
            intercept=float(state["intercept"]),
            threshold=float(state["threshold"]),
            **arrays,
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """Judged pairs, each of which stands for `weight` pairs like it."""

    judged: Judged
    weight: float = 1.0

    @property
    def labels(self) -> NDArray[np.bool_]:
        """bool[c]: whether each pair's item is in the example's window."""
        judged = self.judged
        width = int(max(judged.items.max(initial=0), judged.truth.values.max(initial=0))) + 1
        of = np.repeat(np.arange(judged.n, dtype=np.int64), np.diff(judged.truth.offsets))
        return locate(of * width + judged.truth.values, judged.owner * width + judged.items)[1]


def fit_odds(samples: Sequence[Sample], weights: Mapping[str, float]) -> Odds | None:
    """Odds of the blend by `weights`, fitted on validation samples; None with too few true or false pairs."""
    labels = np.concatenate([sample.labels for sample in samples])
    if min(int(labels.sum()), int((~labels).sum())) < FEWEST:
        return None
    used = [m for m, weight in weights.items() if weight > 0]
    member = next((m for m in RANKERS if m in used), used[0])
    margin = np.concatenate([sample.judged.scores[member] for sample in samples])
    knots = np.quantile(margin, KNOTS)
    parts = [_of(sample.judged, weights, member, knots) for sample in samples]
    columns, weight = np.concatenate(parts), _weights(samples)
    mean = np.average(columns, axis=0, weights=weight)
    scale = np.sqrt(np.average((columns - mean) ** 2, axis=0, weights=weight))
    scale[scale < 1e-9] = 1.0
    slope, intercept = _logistic((columns - mean) / scale, labels, weight)
    repeats = _repeats(samples)
    fitted = np.repeat(sigmoid(((columns - mean) / scale) @ slope + intercept), repeats)
    threshold = best_threshold(fitted, np.repeat(labels, repeats))
    return Odds(member, knots, mean, scale, slope, columns.min(axis=0), columns.max(axis=0), intercept, threshold)


def odds_rows(
    split: str, samples: Sequence[Sample], odds: Odds, weights: Mapping[str, float], name: str, fitted: Sequence[Sample]
) -> tuple[MetricRow, ...]:
    """AUROC, log loss and Brier score over pairs, beside the baselines' odds and the plain rate (fitted likewise)."""
    labels, repeats = np.concatenate([s.labels for s in samples]), _repeats(samples)
    judged = [s.judged for s in samples]
    own = np.concatenate(
        [odds.apply(j.owner, j.scores, blended(j.owner, j.scores, weights), j.activity) for j in judged]
    )
    listed = [(name, "model", own)]
    rate = float(np.average(np.concatenate([s.labels for s in fitted]), weights=_weights(fitted)))
    for rival in SIMPLE:
        simple = fit_odds_of(rival, fitted)
        if rival != name and simple is not None:
            listed.append((rival, "baseline", np.concatenate([_one(j, rival, *simple) for j in judged])))
    listed.append(("rate", "baseline", np.full(len(labels), rate)))
    rows = []
    for model, role, probability in listed:
        truth, guess = np.repeat(labels, repeats).astype(np.float64), np.repeat(probability, repeats)
        values = measure("binary", truth, guess)
        rows += [MetricRow(model, role, split, metric, values[metric], len(labels)) for metric in PAIR_METRICS]
    return tuple(rows)


def fit_odds_of(member: str, samples: Sequence[Sample]) -> tuple[Floats, float] | None:
    """Slope and intercept of one member's own odds."""
    labels = np.concatenate([s.labels for s in samples])
    if min(int(labels.sum()), int((~labels).sum())) < FEWEST:
        return None
    column = np.concatenate([_tamed(s.judged.scores[member]) for s in samples])[:, None]
    return _logistic(column, labels, _weights(samples))


def _one(judged: Judged, member: str, slope: Floats, intercept: float) -> Floats:
    return sigmoid(_tamed(judged.scores[member])[:, None] @ slope + intercept)


def _weights(samples: Sequence[Sample]) -> Floats:
    return np.concatenate([np.full(len(s.judged.items), s.weight) for s in samples])


def _repeats(samples: Sequence[Sample]) -> NDArray[np.int64]:
    return np.maximum(1, np.round(_weights(samples))).astype(np.int64)


def _of(judged: Judged, weights: Mapping[str, float], member: str, knots: Floats) -> Floats:
    order = blended(judged.owner, judged.scores, weights)
    return _columns(judged.owner, judged.scores, order, judged.activity, member, knots)


def _columns(
    owner: NDArray[np.int64],
    scores: Mapping[str, Floats],
    order: Floats,
    activity: Floats,
    member: str,
    knots: Floats,
) -> Floats:
    margin = scores[member]
    columns = [margin, *(np.maximum(0.0, margin - knot) for knot in knots), np.log1p(places_within(owner, order))]
    columns += [_tamed(scores[name]) for name in SIMPLE]
    return np.column_stack([*columns, activity[owner]])


def _tamed(score: Floats) -> Floats:
    return np.log(score + 1e-6)


def _logistic(columns: Floats, labels: NDArray[np.bool_], weight: Floats) -> tuple[Floats, float]:
    """A logistic regression with a light ridge on standardised columns, by Newton's method with halved steps; weights
    are scaled to a mean of 1."""
    weight, truth = weight / weight.mean(), labels.astype(np.float64)
    wide = np.column_stack([columns, np.ones(len(columns))])
    ridge = np.append(np.full(columns.shape[1], RIDGE), 0.0)
    rate = float(np.average(truth, weights=weight))
    beta = np.append(np.zeros(columns.shape[1]), np.log(rate / (1 - rate)))

    def loss(score: Floats, beta: Floats) -> float:
        return float((weight * (np.logaddexp(0.0, score) - truth * score)).sum() + (ridge * beta * beta).sum() / 2)

    score = wide @ beta
    value = loss(score, beta)
    for _ in range(ROUNDS):
        odds = sigmoid(score)
        slope = wide.T @ (weight * (odds - truth)) + ridge * beta
        curve = (wide * (weight * odds * (1 - odds))[:, None]).T @ wide
        curve[np.diag_indices_from(curve)] += ridge + LEAST_CURVE
        step = np.linalg.solve(curve, slope)
        for _ in range(HALVINGS):
            tried = beta - step
            ahead = wide @ tried
            gain = value - (lower := loss(ahead, tried))
            if gain >= 0:
                break
            step /= 2
        else:
            break
        beta, score, value = tried, ahead, lower
        if gain < ENOUGH * abs(value):
            break
    return beta[:-1], float(beta[-1])
