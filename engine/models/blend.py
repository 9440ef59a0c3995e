"""A blend of fitted members: weights that validation chooses, never negative, summing to one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import Labels
from pql.engine.quality.calibrate import fit_calibration, logit, sigmoid
from pql.engine.quality.metrics import measure

Floats = NDArray[np.float64]

FEWEST = 40  # validation rows below which the weights are equal
STEPS = 20  # weights are multiples of 1 / STEPS
PRIOR_ROWS = 500  # of validation, that equal weights of the members weigh as much as
CLOSE = 0.05  # share of the best member's loss by which another may be worse and count as equal
MARGIN = 1e-3  # a member must better the loss by this share to be given weight


def combine(kind: str, scores: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """Members' predictions as one: logits averaged for binary and multilabel, logarithms for classes, values else."""
    used = [(s, w) for s, w in zip(scores, weights, strict=True) if w > 0]
    if len(used) == 1:
        return used[0][0]
    if kind in ("binary", "multilabel"):
        total = np.zeros_like(used[0][0])
        for s, w in used:
            total = total + w * logit(s)
        return sigmoid(total)
    if kind == "multiclass":
        total = np.zeros_like(used[0][0])
        for s, w in used:
            total = total + w * np.log(np.clip(s, 1e-9, 1.0))
        shifted = np.exp(total - total.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)
    total = np.zeros_like(used[0][0])
    for s, w in used:
        total = total + w * s
    return total


def fit_weights(kind: str, scores: Sequence[Floats], truth: Labels, metric: str = "") -> tuple[float, ...]:
    """One weight per member, by hill climbing over multiples of 0.05 on validation.

    The loss is the log loss (after calibration for binary), or the mean absolute error, squared for the metric rmse.
    Later members count only if they better it by a thousandth, so that noise buys nothing.
    """
    k = len(scores)
    if k == 1:
        return (1.0,)
    if len(truth) < FEWEST:
        return (1.0 / k,) * k
    units = [STEPS if i == 0 else 0 for i in range(k)]
    alone = [_loss(kind, truth, s, metric) for s in scores]
    best_member = int(np.argmin(alone))
    if alone[best_member] < alone[0] * (1 - MARGIN):
        units = [STEPS if i == best_member else 0 for i in range(k)]
    best = _loss(kind, truth, combine(kind, scores, units_to_weights(units)), metric)
    start = best
    for size in (8, 4, 2, 1):
        improved = True
        while improved:
            improved = False
            for source in range(k):
                for target in range(k):
                    if source == target or units[source] < size:
                        continue
                    trial = list(units)
                    trial[source] -= size
                    trial[target] += size
                    loss = _loss(kind, truth, combine(kind, scores, units_to_weights(trial)), metric)
                    if loss < best - 1e-12:
                        units, best, improved = trial, loss, True
    if best > start * (1 - MARGIN) and start > 0:
        only = best_member if alone[best_member] < alone[0] * (1 - MARGIN) else 0
        units = [STEPS if i == only else 0 for i in range(k)]
    return _cautious(kind, scores, truth, units_to_weights(units), best_member, metric)


def _cautious(
    kind: str, scores: Sequence[Floats], truth: Labels, weights: tuple[float, ...], best: int, metric: str
) -> tuple[float, ...]:
    """The weights drawn towards equal ones of all members that validation can't tell from the best, if it is small.

    Of n rows the weights found count n in n + PRIOR_ROWS. Only for numbers and yes or no.
    """
    if kind not in ("binary", "regression", "forecast"):
        return weights
    n = len(truth)
    losses = [_losses(kind, truth, s, metric) for s in scores]
    equal = []
    for i, loss in enumerate(losses):
        worse = loss - losses[best]
        noise = float(np.std(worse)) / np.sqrt(n)
        slack = max(2 * noise, CLOSE * float(losses[best].mean()))
        equal.append(1.0 if i == best or weights[i] > 0 or float(worse.mean()) < slack else 0.0)
    trust = n / (n + PRIOR_ROWS)
    if trust > 1 - 0.5 / STEPS:
        return weights
    mixed = [trust * w + (1 - trust) * e / sum(equal) for w, e in zip(weights, equal, strict=True)]
    units = [round(w * STEPS) for w in mixed]
    units[int(np.argmax(mixed))] += STEPS - sum(units)
    return units_to_weights(units)


def _losses(kind: str, truth: Labels, scores: Floats, metric: str) -> Floats:
    """float64[n]: the loss of each row."""
    if kind == "binary":
        positive = np.asarray(truth) > 0.5
        odds = logit(fit_calibration(scores, positive).apply(scores))
        return np.logaddexp(0.0, odds) - positive * odds
    missed = scores - np.asarray(truth)
    return missed * missed if metric == "rmse" else np.abs(missed)


def units_to_weights(units: Sequence[int]) -> tuple[float, ...]:
    return tuple(u / STEPS for u in units)


def _loss(kind: str, truth: Labels, scores: Floats, metric: str) -> float:
    if kind == "binary":
        positive = np.asarray(truth) > 0.5
        return measure(kind, truth, fit_calibration(scores, positive).apply(scores))["logloss"]
    if kind in ("multiclass", "multilabel"):
        return measure(kind, truth, scores)["logloss"]
    return float(np.mean(_losses(kind, truth, scores, metric)))
