"""Times to an event that may be cut short (censored): intervals, stacked rows, survival curves, and their measures.

All times are shares of the horizon, so that windows of months, which differ in length, lie on one scale: 1 is the
window's end. The horizon is cut into K intervals; the hazard of an interval is the probability that the event falls
into it, given that it has not happened before. One row per (seed, interval at risk) makes an ordinary yes/no table,
whose log loss is the likelihood of the discrete hazard model: a row that is censored speaks for the intervals it
fully survived. Within an interval the rate is taken as constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.quality.bootstrap import Draws
from pql.engine.quality.metrics import auroc

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST_INTERVALS = 8
EVENTS_EACH = 40  # training events per interval, at least
EVENTS_AT_ONCE = 500  # whose pairs lie in memory together
MOST_PAIRED = 4_000  # seeds whose pairs the concordance counts, evenly spread


@dataclass(frozen=True, slots=True)
class Intervals:
    """The intervals `(ends[k - 1], ends[k]]` of the horizon, the last end is 1; `usual`: their hazards in training."""

    ends: tuple[float, ...]
    usual: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def starts(self) -> Floats:
        return np.array([0.0, *self.ends[:-1]])

    @property
    def widths(self) -> Floats:
        return np.array(self.ends) - self.starts


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Stacked rows: which seed (position) and interval (from 0), and whether the event fell into it."""

    seed: Ints
    interval: Ints
    event: Bools


def fit_intervals(times: Floats, happened: Bools) -> Intervals:
    """Intervals with about as many training events each, at most 8, and their Kaplan-Meier hazards."""
    events = np.sort(times[happened])
    count = int(np.clip(len(events) // EVENTS_EACH, 1, MOST_INTERVALS))
    inner = np.quantile(events, np.arange(1, count) / count, method="lower") if count > 1 else np.zeros(0)
    ends = np.append(np.unique(inner[(inner > 0) & (inner < 1)]), 1.0)
    rows = stack(times, happened, Intervals(tuple(ends.tolist()), (0.0,) * len(ends)))
    at_risk = np.bincount(rows.interval, minlength=len(ends))
    events_in = np.bincount(rows.interval[rows.event], minlength=len(ends))
    return Intervals(tuple(ends.tolist()), tuple(((events_in + 0.5) / (at_risk + 1.0)).tolist()))


def stack(times: Floats, happened: Bools, intervals: Intervals) -> AtRisk:
    """One row for each seed and interval it was at risk in, by seed, then interval.

    An event's rows end with its interval; a censored seed has the intervals that ended by then.
    """
    ends = np.array(intervals.ends)
    last = np.minimum(np.searchsorted(ends, times, side="left"), len(ends) - 1)
    survived = np.searchsorted(ends, times, side="right")
    count = np.where(happened, last + 1, survived)
    seed = np.repeat(np.arange(len(times)), count)
    first = np.cumsum(count) - count
    interval = np.arange(len(seed)) - np.repeat(first, count)
    return AtRisk(seed, interval, happened[seed] & (interval == last[seed]))


def survival(hazards: Floats) -> Floats:
    """float64[n, K]: the probability that the event hasn't happened by the end of each interval."""
    return np.asarray(np.cumprod(1.0 - np.clip(hazards, 1e-7, 1.0 - 1e-7), axis=1), dtype=np.float64)


def median_time(intervals: Intervals, curves: Floats) -> Floats:
    """float64[n]: when the survival falls to a half, NaN where it doesn't within the horizon."""
    before = np.concatenate([np.ones((len(curves), 1)), curves[:, :-1]], axis=1)
    at = (curves <= 0.5).argmax(axis=1)
    rows = np.arange(len(curves))
    upper, lower = before[rows, at], curves[rows, at]
    share = np.log(upper / 0.5) / np.log(upper / lower)
    found = intervals.starts[at] + share * intervals.widths[at]
    return np.where(curves[:, -1] <= 0.5, found, np.nan)


def expected_time(intervals: Intervals, curves: Floats) -> Floats:
    """float64[n]: the mean time to the event or to the horizon, whichever comes first."""
    before = np.concatenate([np.ones((len(curves), 1)), curves[:, :-1]], axis=1)
    drop = np.log(before / curves)  # > 0: hazards are kept from nought
    total = np.zeros(len(curves))
    for k, width in enumerate(intervals.widths):
        total += width * (before[:, k] - curves[:, k]) / drop[:, k]
    return total


def survival_at(intervals: Intervals, curves: Floats, moments: Floats) -> Floats:
    """float64[n, m]: the probability that the event hasn't happened by moments between 0 and 1."""
    whole = np.concatenate([np.ones((len(curves), 1)), curves], axis=1)
    k = np.minimum(np.searchsorted(np.array(intervals.ends), moments, side="left"), len(intervals) - 1)
    share = (moments - intervals.starts[k]) / intervals.widths[k]
    return np.asarray(whole[:, k] ** (1.0 - share) * whole[:, k + 1] ** share, dtype=np.float64)


def measure_survival(intervals: Intervals, curves: Floats, times: Floats, happened: Bools) -> dict[str, float]:
    """How good curves are, on windows that are complete: who hasn't had the event by the horizon had none in it.

    concordance: of two, the one with the earlier event has the shorter expected time. auroc and brier: of the
    probability of the event within the horizon. ibs: the Brier score at the end of each interval, averaged.
    """
    probability = 1.0 - curves[:, -1]
    by = [np.mean((1.0 - curves[:, k] - (happened & (times <= end))) ** 2) for k, end in enumerate(intervals.ends)]
    return {
        "concordance": concordance(times, happened, -expected_time(intervals, curves)),
        "auroc": auroc(happened, probability),
        "brier": float(np.mean((probability - happened) ** 2)),
        "ibs": float(np.sum(np.array(by) * intervals.widths)),
    }


def concordance(times: Floats, happened: Bools, risk: Floats) -> float:
    """Harrell's C: the share of comparable pairs in which the earlier event has the greater risk, ties counted half.

    A pair is comparable if the earlier time is an event's, and the other's later (or censored at that time). NaN if
    there is none.
    """
    chosen = _paired(len(times))
    times, happened, risk = times[chosen], happened[chosen], risk[chosen]
    good, pairs = 0.0, 0
    for i in np.flatnonzero(happened):
        later = (times > times[i]) | ((times == times[i]) & ~happened)
        others = risk[later]
        pairs += len(others)
        good += float((others < risk[i]).sum()) + 0.5 * float((others == risk[i]).sum())
    return good / pairs if pairs else math.nan


def resampled_concordance(draws: Draws, times: Floats, happened: Bools, risk: Floats) -> Floats:
    """float64[b]: `concordance` where each seed counts as often as a draw says; NaN without a comparable pair.

    All sums are of whole and half numbers, so that they are exact in any order.
    """
    chosen = _paired(len(times))
    times, happened, risk = times[chosen], happened[chosen], risk[chosen]
    weights = np.concatenate(list(draws.take(chosen).blocks())).astype(np.float32)  # [b, n]
    good, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    events = np.flatnonzero(happened)
    for start in range(0, len(events), EVENTS_AT_ONCE):
        at = events[start : start + EVENTS_AT_ONCE]
        own, moment = risk[at, None], times[at, None]
        later = (times > moment) | ((times == moment) & ~happened)
        ahead = np.where(later, (risk < own) + np.float32(0.5) * (risk == own), np.float32(0.0)).astype(np.float32)
        counted = weights[:, at].astype(np.float64)
        good += (counted * (weights @ ahead.T)).sum(axis=1)
        pairs += (counted * (weights @ later.T.astype(np.float32))).sum(axis=1)
    return np.where(pairs > 0, good / np.where(pairs > 0, pairs, 1.0), np.nan)


def _paired(count: int) -> NDArray[np.int64]:
    """The seeds whose pairs are counted."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_PAIRED)).astype(np.int64))
