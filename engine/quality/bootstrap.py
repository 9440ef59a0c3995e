"""How sure a measure is: 95 % intervals by a bootstrap over entities, the same draws for every model.

Rows of one entity at several anchors aren't independent, so entities are drawn, not rows: each counts as often as a
Poisson(1) number says, which is the bootstrap for many (Chamandy et al., Estimating uncertainty for massive data
streams, 2012). As all models are measured under the same draws, the differences between two of them have an interval
of their own, far narrower than either's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS, FEWEST_DRAWS = 200, 60
MOST_CELLS = 6_000_000  # draws times examples, beyond which there are fewer draws
CELLS_AT_ONCE = 1_000_000
FEWEST_CLUSTERS = 10
LEVEL = 0.95
MEANS = ("logloss", "brier", "accuracy", "mae")


@dataclass(frozen=True, slots=True)
class Draws:
    """How often each of n examples counts in each of b draws: by its cluster (`cluster` int64[n], 0…c - 1)."""

    cluster: Ints
    times: NDArray[np.float32]  # [b, c]

    def take(self, at: Ints) -> Draws:
        """The same draws of some of the examples."""
        return Draws(self.cluster[at], self.times)

    def blocks(self) -> Iterator[Floats]:
        """float64[some, n]: the weights of the examples, some draws at a time."""
        step = max(1, CELLS_AT_ONCE // max(1, len(self.cluster)))
        for start in range(0, len(self.times), step):
            yield self.times[start : start + step, self.cluster].astype(np.float64)


def draws_of(entities: Ints, seed: int = 0) -> Draws | None:
    """The draws for examples of these entities (int64[n]); None where there are too few entities to draw from."""
    _, cluster = np.unique(entities, return_inverse=True)
    count = int(cluster.max()) + 1 if len(cluster) else 0
    if count < FEWEST_CLUSTERS:
        return None
    number = int(np.clip(MOST_CELLS // len(cluster), FEWEST_DRAWS, DRAWS))
    times = np.random.default_rng(seed).poisson(1.0, (number, count)).astype(np.float32)
    return Draws(cluster.astype(np.int64), times)


def resampled(draws: Draws, metric: str, truth: Floats, scores: Floats) -> Floats | None:
    """float64[b]: a measure of `scores` float64[n] against `truth` float64[n] under each draw, NaN where it isn't
    defined; None for a measure that has no interval here."""
    if metric == "auroc":
        return _auroc(draws, truth > 0.5, scores)
    if metric == "average_precision":
        return _average_precision(draws, truth > 0.5, scores)
    if metric == "r2":
        return _r2(draws, truth, scores)
    if metric == "rmse":
        return np.sqrt(mean_of(draws, (scores - truth) ** 2))
    each = _each(metric, truth, scores)
    return None if each is None else mean_of(draws, each)


def mean_of(draws: Draws, values: Floats) -> Floats:
    """float64[b]: the mean of a measure that each example has a value of (float64[n], NaN where undefined)."""
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    return np.concatenate([_ratio(w @ filled, w @ known) for w in draws.blocks()])


def interval(values: Floats) -> tuple[float, float]:
    """The middle 95 % of the draws; NaN where fewer than half of them are defined."""
    known = values[np.isfinite(values)]
    if 2 * len(known) < len(values) or not len(known):
        return (np.nan, np.nan)
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return (float(low), float(high))


def _each(metric: str, truth: Floats, scores: Floats) -> Floats | None:
    if metric == "mae":
        return np.abs(scores - truth)
    if metric == "accuracy" and scores.ndim == 2:
        return (scores.argmax(axis=1) == truth).astype(np.float64)
    if metric == "brier":
        return (scores - (truth > 0.5)) ** 2
    if metric == "logloss" and scores.ndim == 1:
        p = np.clip(scores, 1e-15, 1 - 1e-15)
        return -np.where(truth > 0.5, np.log(p), np.log1p(-p))
    return None


def _auroc(draws: Draws, positive: NDArray[np.bool_], scores: Floats) -> Floats:
    order = np.argsort(scores, kind="stable")
    starts = _groups(scores[order])
    up = positive[order]
    found = []
    for w in draws.blocks():
        w = w[:, order]
        ones = np.add.reduceat(w * up, starts, axis=1)
        zeros = np.add.reduceat(w * ~up, starts, axis=1)
        below = np.cumsum(zeros, axis=1) - zeros / 2
        found.append(_ratio((ones * below).sum(axis=1), ones.sum(axis=1) * zeros.sum(axis=1)))
    return np.concatenate(found)


def _average_precision(draws: Draws, positive: NDArray[np.bool_], scores: Floats) -> Floats:
    order = np.argsort(-scores, kind="stable")
    starts = _groups(scores[order])
    up = positive[order]
    found = []
    for w in draws.blocks():
        w = w[:, order]
        ones = np.add.reduceat(w * up, starts, axis=1)
        hits = np.cumsum(ones, axis=1)
        precision = hits / np.maximum(np.cumsum(np.add.reduceat(w, starts, axis=1), axis=1), 1e-12)
        found.append(_ratio((ones * precision).sum(axis=1), hits[:, -1]))
    return np.concatenate(found)


def _r2(draws: Draws, truth: Floats, scores: Floats) -> Floats:
    error, centred = (scores - truth) ** 2, truth - truth.mean()
    found = []
    for w in draws.blocks():
        number = w.sum(axis=1)
        spread = w @ centred**2 - _ratio((w @ centred) ** 2, number)
        found.append(1.0 - _ratio(w @ error, spread))
    return np.concatenate(found)


def _groups(ranked: Floats) -> Ints:
    """Where each run of equal scores begins."""
    return np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)
