"""Features made of the query's own target in the windows before the anchor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.language.errors import PqlError

LIMIT = 1e30  # magnitudes beyond it are clipped, so that no float32 overflows


def lag_names(count: int) -> tuple[str, ...]:
    """Names of the features made of the query's own earlier targets."""
    if not count:
        return ()
    each = tuple(f"target {i + 1} windows ago" for i in range(count))
    if count == 1:
        return each
    summary = ("mean", "weighted mean", "spread", "maximum", "minimum", "trend")
    return each + tuple(f"{s} of earlier targets" for s in summary)


def compute_lags(lags: NDArray[np.float32] | None, count: int, out: NDArray[np.float32]) -> None:
    if not count:
        return
    if lags is None or lags.shape[1] < count:
        raise PqlError(
            "model_mismatch",
            f"The model was fitted with {count} earlier targets, which are missing here.",
            hint="Train again, e.g. by CREATE OR REPLACE MODEL.",
        )
    values = np.clip(lags[:, :count].astype(np.float64), -LIMIT, LIMIT)
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    out[:, :count] = np.where(known, values, np.nan)
    if count == 1:
        return
    weights = 0.7 ** np.arange(count)
    total, weighted, weight = np.zeros(len(values)), np.zeros(len(values)), np.zeros(len(values))
    for i in range(count):
        total += filled[:, i]
        weighted += weights[i] * filled[:, i]
        weight += weights[i] * known[:, i]
    number = known.sum(axis=1)
    mean = _ratio(total, number)
    spread = np.zeros(len(values))
    for i in range(count):
        spread += np.where(known[:, i], (filled[:, i] - np.where(number > 0, mean, 0.0)) ** 2, 0.0)
    summary = (
        mean,
        _ratio(weighted, weight),
        np.sqrt(_ratio(spread, number)),
        np.where(number > 0, np.where(known, values, -np.inf).max(axis=1), np.nan),
        np.where(number > 0, np.where(known, values, np.inf).min(axis=1), np.nan),
        np.where(known[:, 0], filled[:, 0] - mean, np.nan),
    )
    for i, column in enumerate(summary):
        out[:, count + i] = np.clip(column, -LIMIT, LIMIT)


def _ratio(above: NDArray, below: NDArray) -> NDArray[np.float64]:
    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)
