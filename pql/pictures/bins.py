"""Numbers behind the figures: bins of equally many, intervals of shares, gains among ties, and the span of an axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TAIL = 20  # times the median, that a number's tail must reach for logarithmic axes


def binned(values: Floats, most: int) -> list[Ints]:
    """Positions in bins of about equally many, ascending; equal values share a bin."""
    n = len(values)
    count = int(np.clip(n // 20, 1, most))
    borders = np.unique(np.quantile(values, np.arange(1, count) / count, method="inverted_cdf")) if n else np.zeros(0)
    place = np.searchsorted(borders, values, side="left")
    found = [np.flatnonzero(place == i) for i in range(len(borders) + 1)]
    return [at for at in found if len(at)]


def ranked_truth(truth: Floats, score: Floats) -> Floats:
    """float64[n]: the truth by falling score; among equal scores, whose order says nothing, their mean."""
    values, group = np.unique(-score, return_inverse=True)
    mean = np.bincount(group, weights=truth, minlength=len(values)) / np.bincount(group, minlength=len(values))
    return np.asarray(mean[np.sort(group)], dtype=np.float64)


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson)."""
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def heavy(values: Floats) -> bool:
    """Whether the largest values dwarf the middle, so that a plain axis would show nothing."""
    size = np.abs(values)
    some = size[size > 0]
    return bool(len(some) > 0 and np.quantile(size, 0.99) > TAIL * np.median(some))


def limits(values: Floats, *, log: bool) -> tuple[float, float]:
    """The span of an axis."""
    low, high = float(values.min()), float(values.max() if log else np.quantile(values, 0.99) * 1.05)
    low = min(low, 0.0) if low <= 0 or low < 0.3 * high else low
    return (low, high) if high > low else (low - 0.5, low + 0.5)
