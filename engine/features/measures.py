"""The measures of a history: clocks, numbers, categories and distinct parents over a block of seeds' ranges.

Each function gives one float64[n] per feature, in the order of the name lists of `engine.features.paths`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.segments import Floats, History, Ints, count_ranges, last_positions, reduce_ranges
from pql.engine.graph.temporal import ALWAYS, NEVER
from pql.engine.planning.plan import US_PER_DAY

Measured = list[Floats]


def since(times: Ints, anchors: Ints) -> Floats:
    """Days from `times` to `anchors`, NaN where the time is unknown or later than the anchor."""
    known = (times != ALWAYS) & (times != NEVER) & (times <= anchors)
    return np.where(known, (anchors - np.where(known, times, anchors)) / US_PER_DAY, np.nan)


def moments_of(history: History) -> tuple[Ints, Ints, Ints]:
    """Where moments begin (positions; rows at the same time are one), each seed's latest (index, -1) and how many."""
    starts = np.flatnonzero(_beginnings(history))
    latest = np.searchsorted(starts, history.end, side="left") - 1
    latest = np.where(history.end > history.start, latest, -1)
    return starts, latest, np.where(latest >= 0, latest + 1 - np.searchsorted(starts, history.start, side="left"), 0)


def moments_counted(history: History) -> Ints:
    """int64[n, w + 1]: how many moments lie between the bounds of each seed's history, oldest first."""
    return count_ranges(_beginnings(history), history.bounds)


def _beginnings(history: History) -> NDArray[np.bool_]:
    moments = history.first.copy()
    moments[1:] |= history.times[1:] != history.times[:-1]
    return moments


def measure_clock(history: History, *, brief: bool, occasions: bool, terse: bool = False) -> Measured:
    """How many rows (and moments) per window, how long ago the latest and first were, and the rhythm of the gaps."""
    counts = _whole_and_windows(np.diff(history.bounds, axis=1))
    starts, latest, m = moments_of(history)
    back = {k: _moment(history, starts, latest, m, k) for k in (1, 2, 3, 5, 10)}
    recency = back[1]
    first = _moment(history, starts, latest, m, m)
    mean_gap = _ratio(first - recency, m - 1)
    if terse:
        return [*_floats(counts[:, [0, 2]]), recency]
    if brief:
        return [*_floats(counts[:, [0, 2, 4]]), recency, first, mean_gap]
    gaps = np.zeros(len(history.times) + 1)
    inner = np.flatnonzero(~history.first)
    real = inner[history.times[inner - 1] != ALWAYS]
    gaps[real] = (history.times[real] - history.times[real - 1]) / US_PER_DAY
    squares = reduce_ranges(np.add, gaps * gaps, history.bounds, 0.0)
    total = _running(squares)[:, 0]
    spread = np.sqrt(np.maximum(_ratio(total, m - 1) - mean_gap * mean_gap, 0.0))
    result = _floats(counts)
    times = _whole_and_windows(moments_counted(history))
    if occasions:
        result += _floats(times)
    return [
        *result,
        recency,
        *(back[k] for k in (2, 3, 5, 10)),
        first,
        mean_gap,
        spread,
        recency / np.maximum(mean_gap, 1e-3),
        m / np.maximum(first, 1.0),
        _ratio(times[:, 4], times[:, 2]),
        _ratio(times[:, 2], m),
    ]


def _moment(history: History, starts: Ints, latest: Ints, m: Ints, k: int | Ints) -> Floats:
    """Days since the k-th latest moment, NaN where there are fewer."""
    at = latest - (k - 1)
    has = (m >= k) & (latest >= 0)
    if not len(starts):
        return np.full(len(history), np.nan)
    times = history.times[starts[np.where(has, at, 0)]]
    return np.where(has, since(times, history.anchors), np.nan)


def measure_number(
    history: History, values: Floats, centre: float, *, brief: bool, gaps: bool = False, terse: bool = False
) -> Measured:
    """Sums, means, extremes, spreads and latest values of a number; `values` float64[m + 1], NaN for unknown."""
    known = np.isfinite(values)
    known[-1] = False
    filled = np.where(known, np.clip(values, -1e150, 1e150), 0.0)
    n = _whole_and_windows(count_ranges(known[:-1], history.bounds))
    sums = _running(reduce_ranges(np.add, filled, history.bounds, 0.0))
    highest = reduce_ranges(np.maximum, np.where(known, filled, -np.inf), history.bounds, -np.inf)
    recent = last_positions(history, 10 if brief else 20)
    latest = np.where(recent >= 0, values[recent], np.nan)
    newest = _first_known(latest)
    means = _last_means(latest, (5, 10) if brief else (3, 5, 10, 20))
    top = highest.max(axis=1)
    shares: Measured = []
    if gaps:
        rows = history.end[:, None] - history.bounds[:, [0, 2]]
        shares = [_ratio(n[:, 0], rows[:, 0]), _ratio(n[:, 2], rows[:, 1])]
    if terse:
        return [_ratio(sums[:, 0], n[:, 0]), _ratio(sums[:, 2], n[:, 2]), newest, *means, *shares]
    if brief:
        averages = (_ratio(sums[:, 0], n[:, 0]), _ratio(sums[:, 2], n[:, 2]))
        return [*averages, sums[:, 2], newest, *means, _defined(top), *shares]
    shifted = np.where(known, filled - centre, 0.0)
    firsts = _running(reduce_ranges(np.add, shifted, history.bounds, 0.0))
    squares = _running(reduce_ranges(np.add, shifted * shifted, history.bounds, 0.0))
    lowest = reduce_ranges(np.minimum, np.where(known, filled, np.inf), history.bounds, np.inf)
    whole = _ratio(sums[:, 0], n[:, 0])
    return [
        *sums.T,
        whole,
        _ratio(sums[:, 2], n[:, 2]),
        _ratio(sums[:, 4], n[:, 4]),
        _defined(lowest.min(axis=1)),
        _defined(top),
        _defined(highest[:, 2:].max(axis=1)),
        _deviation(firsts[:, 0], squares[:, 0], n[:, 0]),
        _deviation(firsts[:, 2], squares[:, 2], n[:, 2]),
        newest,
        *means,
        means[0] - whole,
        *shares,
    ]


def measure_stamp(history: History, stamps: Ints, *, brief: bool) -> Measured:
    """Days since the timestamp of the latest row, and since the newest and oldest of all; `stamps` int64[m].

    Timestamps later than their row's own time count as unknown: they may have been filled in afterwards.
    """
    days = np.full(len(stamps) + 1, np.nan)
    known = np.flatnonzero((stamps != ALWAYS) & (stamps != NEVER) & (stamps <= history.times))
    days[known] = stamps[known] / US_PER_DAY
    recent = last_positions(history, 5)
    newest = _first_known(np.where(recent >= 0, days[recent], np.nan))
    anchors = history.anchors / US_PER_DAY
    if brief:
        return [anchors - newest]
    there = np.isfinite(days)
    top = reduce_ranges(np.maximum, np.where(there, days, -np.inf), history.bounds, -np.inf).max(axis=1)
    low = reduce_ranges(np.minimum, np.where(there, days, np.inf), history.bounds, np.inf).min(axis=1)
    return [anchors - newest, anchors - _defined(top), anchors - _defined(low)]


def measure_category(history: History, codes: Ints, top: int, *, brief: bool) -> Measured:
    """The latest category's code (-1 unknown), the `top` one most frequent in the history, and their shares of the
    rows, whole and lately."""
    recent = last_positions(history, 1)[:, 0]
    latest = np.where(recent >= 0, codes[recent] if len(codes) else -1, -1).astype(np.float64)
    span = history.bounds[:, [0, 2, -1]]
    n = span[:, [2]] - span[:, :2]
    whole, lately = [], []
    for code in range(top):
        found = count_ranges(codes == code, span)
        whole.append(_ratio(found[:, 0] + found[:, 1], n[:, 0]))
        lately.append(_ratio(found[:, 1], n[:, 1]))
    if brief:
        return [latest, *whole]
    most = np.full(len(history), -1.0)
    highest = np.zeros(len(history))
    for code, share in enumerate(whole):
        more = share > highest
        most[more], highest[more] = code, share[more]
    return [latest, most, *whole, *lately]


def measure_distinct(history: History, targets: Ints, *, brief: bool) -> Measured:
    """How many distinct parents the rows point to (`targets` int64[m], -1 for none), and how many of them lately for
    the first time."""
    owner = np.cumsum(history.first)
    order = np.lexsort((targets, owner))  # stable: rows stay in time order within (owner, target)
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (np.diff(targets[order]) != 0) | (np.diff(owner[order]) != 0)
    debut = np.zeros(len(order), dtype=bool)
    debut[order] = fresh
    debut &= targets >= 0
    found = _whole_and_windows(count_ranges(debut, history.bounds))
    whole = found[:, 0].astype(np.float64)
    if brief:
        return [whole]
    n = history.end - history.start
    return [whole, *_floats(found[:, [2, 4]]), _ratio(whole, n)]


def _whole_and_windows(per_bucket: Ints) -> Ints:
    """Buckets between bounds (oldest first) → totals from each bound to the anchor: whole, widest, …, narrowest."""
    return np.cumsum(per_bucket[:, ::-1], axis=1)[:, ::-1]


def _running(per_bucket: Floats) -> Floats:
    """The same for floats, added from the newest bucket backwards, so that order is fixed."""
    result = np.empty_like(per_bucket)
    total = np.zeros(len(per_bucket))
    for j in range(per_bucket.shape[1] - 1, -1, -1):
        total = total + per_bucket[:, j]
        result[:, j] = total
    return result


def _floats(columns: Ints) -> Measured:
    return [columns[:, j].astype(np.float64) for j in range(columns.shape[1])]


def _ratio(above: NDArray, below: NDArray) -> Floats:
    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)


def _defined(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def _deviation(total: Floats, squares: Floats, n: Ints) -> Floats:
    """The sample's standard deviation from sums about a fixed centre, NaN below two values."""
    enough = n > 1
    count = np.where(enough, n, 2).astype(np.float64)
    mean = total / count
    variance = np.maximum(squares / count - mean * mean, 0.0) * (count / (count - 1))
    return np.where(enough, np.sqrt(variance), np.nan)


def _first_known(latest: Floats) -> Floats:
    """The newest finite value among the last rows (newest first), NaN if there is none."""
    result = np.full(len(latest), np.nan)
    for j in range(latest.shape[1] - 1, -1, -1):
        result = np.where(np.isfinite(latest[:, j]), latest[:, j], result)
    return result


def _last_means(latest: Floats, ks: tuple[int, ...]) -> Measured:
    total, number = np.zeros(len(latest)), np.zeros(len(latest), dtype=np.int64)
    result = []
    for j in range(latest.shape[1]):
        known = np.isfinite(latest[:, j])
        total = total + np.where(known, latest[:, j], 0.0)
        number = number + known
        if j + 1 in ks:
            result.append(_ratio(total, number))
    return result
