"""Heavy-tailed targets: logarithms that keep zero and sign, and the entity's own earlier targets as a start."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LAG_DECAY = 0.7  # of the weight of each earlier window in the start of a regression

Floats = NDArray[np.float64]


def lag_start(lags: NDArray[np.float32], otherwise: float) -> Floats:
    """The mean of the earlier targets, nearer ones weighing more; `otherwise` where none is known. float64[n]."""
    total, weight = np.zeros(len(lags)), np.zeros(len(lags))
    for i in range(lags.shape[1]):
        known = np.isfinite(lags[:, i])
        total += np.where(known, lags[:, i], 0.0).astype(np.float64) * LAG_DECAY**i
        weight += known * LAG_DECAY**i
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), otherwise)


def to_log(values: Floats) -> Floats:
    """Signed log1p: tames heavy tails, keeps zero and sign."""
    return np.sign(values) * np.log1p(np.abs(values))


def from_log(values: Floats) -> Floats:
    return np.sign(values) * np.expm1(np.minimum(np.abs(values), 69.0))


def is_heavy(values: Floats) -> bool:
    """Whether the largest of numbers is far beyond what is usual: more than ten times their mean and median size."""
    sizes = np.abs(values)
    return bool(len(sizes)) and float(sizes.max()) > 10 * max(float(np.median(sizes)), float(sizes.mean()), 1e-12)
