"""The pace of an entity's events: counts that fade with age, and what a customer-base model expects of it.

BG/NBD (Fader, Hardie, Lee 2005): an entity's moments come at a rate of its own, rates are gamma distributed, and after
each moment it drops out with a chance of its own, beta distributed. The four parameters are fitted on entities as of
the cut; the model's answers for a seed are closed forms of how many moments it had, when the first and the last.
"""

from __future__ import annotations

import numpy as np

from pql.engine.features.measures import Measured, moments_of, since
from pql.engine.features.purchase_process import Purchases, purchases_likelihood
from pql.engine.graph.segments import Floats, History, histories
from pql.engine.graph.temporal import ALWAYS, EdgeType, TemporalGraph
from pql.engine.planning.plan import US_PER_DAY

SAMPLE = 2_000  # entities the parameters are fitted on
FEWEST = 50
LATEST_MOMENTS = 32  # older ones no longer weigh in a fading count, nor do gaps before them
HALF_LIVES = (1.0, 2.0, 4.0)  # in horizons
BOUNDS = (-6.0, 8.0)  # of the parameters' logarithms
RIDGE = 1e-3  # on them


def fit_pace(graph: TemporalGraph, edge: EdgeType, horizon: int, cut: int) -> tuple[float, ...]:
    """(r, alpha, a, b) of the moments along an edge type, in horizons (µs), as of `cut`; () where they can't be had."""
    running = np.concatenate([[0], np.cumsum((edge.times <= cut) & (edge.times != ALWAYS))])
    owners = np.flatnonzero(np.diff(running[edge.indptr]) > 0)
    if len(owners) > SAMPLE:
        owners = owners[np.linspace(0, len(owners) - 1, SAMPLE).astype(np.int64)]
    if len(owners) < FEWEST:
        return ()
    times = np.full(len(owners), cut, dtype=np.int64)
    repeats, last, age = np.zeros(len(owners)), np.zeros(len(owners)), np.zeros(len(owners))
    for history in histories(graph, (edge,), owners, times, ()):
        repeats[history.order], last[history.order], age[history.order] = summary_of(history, horizon)
    known = np.flatnonzero(np.isfinite(age))
    known = known[np.lexsort((age[known], last[known], repeats[known]))]  # sums don't follow the order of the rows
    repeats, last, age = repeats[known], last[known], age[known]
    if len(age) < FEWEST or repeats.max() < 1 or age.max() <= 0:
        return ()
    return _fitted(repeats, last, age)


def _fitted(repeats: Floats, last: Floats, age: Floats) -> tuple[float, ...]:
    from scipy.optimize import minimize

    def cost(logs: Floats) -> tuple[float, Floats]:
        value, gradient = purchases_likelihood(logs, repeats, last, age)
        return -value / len(age) + RIDGE * float(logs @ logs), -gradient / len(age) + 2 * RIDGE * logs

    found = minimize(cost, np.array([0.0, 0.0, 0.0, 1.0]), jac=True, method="L-BFGS-B", bounds=[BOUNDS] * 4)
    if not np.isfinite(found.fun):
        return ()
    return tuple(float(f"{value:.6g}") for value in np.exp(found.x))


def pace_names(label: str, half_lives: tuple[str, ...], horizon: str, rates: tuple[float, ...]) -> tuple[str, ...]:
    """Names of a pace group. `half_lives`, `horizon`: as text."""
    fading = tuple(f"fading count of {label} (half-life {text})" for text in half_lives)
    gaps = (
        f"longest gap of {label}",
        f"latest gap of {label} against the longest",
        f"share of gaps of {label} longer than the latest",
        f"share of those gaps of {label} longer by {horizon} still",
        f"gaps of {label} longer than {horizon}",
    )
    if not rates:
        return (*fading, *gaps)
    return (
        *fading,
        *gaps,
        f"chance that {label} go on (BG/NBD)",
        f"expected {label} in {horizon} (BG/NBD)",
        f"chance of no {label} in {horizon} (BG/NBD)",
    )


def measure_pace(history: History, horizon: int, rates: tuple[float, ...]) -> Measured:
    """Fading counts of moments, how the latest gap compares with the own ones, and with `rates` (r, alpha, a, b)
    what BG/NBD expects of the next `horizon` (µs)."""
    starts, latest, m = moments_of(history)
    fading = [np.zeros(len(history)) for _ in HALF_LIVES]
    width = horizon / US_PER_DAY
    gaps, longer, much_longer, wide = (np.zeros(len(history)) for _ in range(4))
    longest = np.full(len(history), np.nan)
    recency = later = np.full(len(history), np.nan)
    for k in range(LATEST_MOMENTS if len(starts) else 0):
        at = starts[np.where(m > k, latest - k, 0)]
        days = np.where(m > k, since(history.times[at], history.anchors), np.nan)
        age = np.where(np.isfinite(days), days, np.inf) / width
        for total, half_life in zip(fading, HALF_LIVES, strict=True):
            total += np.exp2(-age / half_life)
        if k == 0:
            recency = days
        else:
            gap = days - later
            gaps += np.isfinite(gap)
            longer += gap > recency
            much_longer += gap > recency + width
            wide += gap > width
            longest = np.fmax(longest, gap)
        later = days
    own = [
        longest,
        recency / np.maximum(longest, 1e-3),
        np.where(gaps > 0, longer / np.maximum(gaps, 1.0), np.nan),
        (much_longer + 0.5) / (longer + 1.0),
        wide,
    ]
    if not rates:
        return [*fading, *own]
    process = Purchases(*rates)
    repeats, last, age = summary_of(history, horizon)
    alive = np.where(np.isfinite(age), process.alive(repeats, last, age), np.nan)
    return [*fading, *own, alive, paced(repeats, last, age, rates), 1.0 - process.any_in(repeats, last, age, 0.0, 1.0)]


def paced(repeats: Floats, last: Floats, age: Floats, rates: tuple[float, ...]) -> Floats:
    """The moments that BG/NBD expects in one horizon, at the pace so far; NaN where there were none."""
    process = Purchases(*rates)
    alive = np.where(np.isfinite(age), process.alive(repeats, last, age), np.nan)
    return alive * (process.r + repeats) / (process.alpha + age)


def summary_of(history: History, horizon: int) -> tuple[Floats, Floats, Floats]:
    """Of each seed: repeated moments, from the first moment to the last and to the anchor, in horizons; NaN without."""
    starts, latest, m = moments_of(history)
    if not len(starts):
        nothing = np.full(len(history), np.nan)
        return nothing, nothing.copy(), nothing.copy()
    scale = US_PER_DAY / horizon
    some = m > 0
    recent = np.where(some, since(history.times[starts[np.where(some, latest, 0)]], history.anchors), np.nan)
    first = np.where(some, since(history.times[starts[np.where(some, latest - (m - 1), 0)]], history.anchors), np.nan)
    return np.where(np.isfinite(first), m - 1.0, np.nan), (first - recent) * scale, first * scale
