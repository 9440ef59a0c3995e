"""What an entity's events are worth: sums of a number that fade with age, and what its pace makes them come to.

A fading sum is per horizon of the time that the entity is known, so that those known for long and for short compare. It
is made of the sums of the windows, each weighed as its middle age asks; so it costs no walk over rows. The expected sum
is BG/NBD's expected number of moments (see `engine.features.pace`) times the mean value of one.
"""

from __future__ import annotations

import numpy as np

from pql.engine.features.measures import Measured, moments_counted
from pql.engine.features.pace import paced, summary_of
from pql.engine.graph.segments import Floats, History, reduce_ranges

HALF_LIVES = (1.0, 4.0, 8.0)  # in horizons
LATELY = 4.0  # half-life of the late values of a moment
EDGES = (np.inf, 8.0, 4.0, 2.0, 1.0, 0.5, 0.0)  # of the windows, in horizons
CAUTION = 0.3  # horizons without anything that everybody is given besides


def worth_names(text: str, half_lives: tuple[str, ...], horizon: str, rates: tuple[float, ...]) -> tuple[str, ...]:
    """Names of a worth group. `half_lives`, `horizon`: as text."""
    fading = tuple(f"fading SUM({text}) per {horizon} (half-life {life})" for life in half_lives)
    if not rates:
        return fading
    return (
        *fading,
        f"expected SUM({text}) in {horizon} (BG/NBD)",
        f"expected SUM({text}) in {horizon} (BG/NBD, late values)",
    )


def measure_worth(history: History, values: Floats, horizon: int, rates: tuple[float, ...]) -> Measured:
    """Fading sums and, with `rates` (see feature_pace), expected sums; `values` float64[m + 1], NaN for unknown."""
    known = np.isfinite(values)
    known[-1] = False
    sums = reduce_ranges(np.add, np.where(known, np.clip(values, -1e150, 1e150), 0.0), history.bounds, 0.0)
    moments = moments_counted(history)
    repeats, last, age = summary_of(history, horizon)
    fading = []
    for half_life in HALF_LIVES:
        total, _, span = _faded(sums, moments, age, half_life)
        fading.append(total / (span + CAUTION))
    if not rates:
        return fading
    expected = paced(repeats, last, age, rates)
    mean = _added(sums) / np.maximum(_added(moments.astype(np.float64)), 1.0)
    total, number, _ = _faded(sums, moments, age, LATELY)
    return [*fading, expected * mean, expected * (total + mean) / (number + 1.0)]


def _faded(sums: Floats, moments: np.ndarray, age: Floats, half_life: float) -> tuple[Floats, Floats, Floats]:
    """The fading sum, number of moments and time known of each seed, float64[n] each; NaN where its age is."""
    scale = half_life / np.log(2.0)
    total, number, span = np.zeros(len(age)), np.zeros(len(age)), np.zeros(len(age))
    for j in range(sums.shape[1]):
        low = EDGES[j + 1]
        high = np.minimum(age, EDGES[j])
        inside = np.where(high > low, scale * (np.exp2(-low / half_life) - np.exp2(-high / half_life)), 0.0)
        weight = np.where(high > low, inside / np.where(high > low, high - low, 1.0), np.exp2(-low / half_life))
        total = total + weight * sums[:, j]
        number = number + weight * moments[:, j]
        span = span + inside
    unknown = np.isnan(age)
    return np.where(unknown, np.nan, total), number, span


def _added(columns: Floats) -> Floats:
    total = np.zeros(len(columns))
    for j in range(columns.shape[1]):
        total = total + columns[:, j]
    return total
