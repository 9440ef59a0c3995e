"""Drift: how differently the inputs of a model are distributed among what it learnt from and what it predicts for.

PSI, the population stability index, sums (q - p) · ln(q / p) over bins that hold a tenth of the training examples
each, missing values having a bin of their own; KS is the largest distance of the two cumulative shares. Below `LITTLE`
the two are alike; from `MUCH` on they differ so much that what was learnt may not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.features.matrix import FeatureMatrix

BINS = 10
LITTLE, MUCH = 0.1, 0.25
FEWEST = 30  # rows on either side, below which nothing is said

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shift:
    """One feature. before, after float64[b]: the shares of the bins, in training and at the prediction; the last one is
    of missing values. edges float64[b - 2]: between the others. `middle`: both medians, NaN where nothing is known."""

    feature: str
    psi: float
    ks: float
    before: tuple[float, ...]
    after: tuple[float, ...]
    edges: tuple[float, ...]
    middle: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Drift:
    """The shifts of features, largest first; of `learnt` training examples and `asked` predicted rows. `chance`: the
    PSI that so few rows have on average where nothing has shifted."""

    shifts: tuple[Shift, ...]
    learnt: int
    asked: int

    @property
    def chance(self) -> float:
        return (BINS - 1) * (1 / max(1, self.learnt) + 1 / max(1, self.asked))

    def level(self, shift: Shift) -> str:
        """How large a shift is beyond chance: `little`, `some` or `much`."""
        size = shift.psi - self.chance
        return "much" if size >= MUCH else "some" if size >= LITTLE else "little"

    def count(self, *levels: str) -> int:
        """How many features shift like that."""
        return sum(self.level(shift) in levels for shift in self.shifts)


def drift_of(learnt: FeatureMatrix, asked: FeatureMatrix, names: Sequence[str] = ()) -> Drift | None:
    """The shifts of the features called `names` (all, if none are given); None where there are too few rows."""
    if min(len(learnt.values), len(asked.values)) < FEWEST:
        return None
    wanted = set(names)
    shifts = [
        shift_of(name, learnt.values[:, i].astype(np.float64), asked.values[:, i].astype(np.float64))
        for i, name in enumerate(learnt.names)
        if not wanted or name in wanted
    ]
    shifts.sort(key=lambda shift: (-shift.psi, shift.feature))
    return Drift(tuple(shifts), len(learnt.values), len(asked.values))


def shift_of(feature: str, before: Floats, after: Floats) -> Shift:
    """The shift from values float64[n] to float64[m], NaN where missing."""
    old, new = before[np.isfinite(before)], after[np.isfinite(after)]
    edges = np.unique(np.quantile(old, np.arange(1, BINS) / BINS, method="inverted_cdf")) if len(old) else np.zeros(0)
    p, q = _shares(before, edges), _shares(after, edges)
    smooth_p, smooth_q = _smoothed(p, len(before)), _smoothed(q, len(after))
    psi = float(((smooth_q - smooth_p) * np.log(smooth_q / smooth_p)).sum())
    middle = (_median(old), _median(new))
    return Shift(feature, psi, _ks(old, new), tuple(p.tolist()), tuple(q.tolist()), tuple(edges.tolist()), middle)


def _shares(values: Floats, edges: Floats) -> Floats:
    """float64[len(edges) + 2]: the share in each bin `(edge, next edge]`, and that of missing values."""
    known = np.isfinite(values)
    counts = np.bincount(np.searchsorted(edges, values[known], side="left"), minlength=len(edges) + 1)
    return np.append(counts, (~known).sum()) / max(1, len(values))


def _smoothed(shares: Floats, n: int) -> Floats:
    """Shares as if every bin had half a row more, so that an empty one costs what few rows may by chance."""
    return (shares * n + 0.5) / (n + 0.5 * len(shares))


def _ks(old: Floats, new: Floats) -> float:
    if not len(old) or not len(new):
        return float("nan")
    points = np.unique(np.concatenate([old, new]))
    below = np.searchsorted(np.sort(old), points, side="right") / len(old)
    above = np.searchsorted(np.sort(new), points, side="right") / len(new)
    return float(np.abs(below - above).max())


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else float("nan")
