"""What some entities did with each of their items: counts, rhythm and place in their own sequence, as of one anchor.

Computed for one batch of entities from their own rows alone, so that neither later rows nor other entities matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.pairs.pair_history import MULTIPLES, History, locate, picked
from pql.engine.pairs.places import places_within

HALF_LIVES = (0.25, 1.0, 4.0)  # horizons in which a time loses half of its weight
LAST = (1, 3, 5, 10, 20)  # baskets looked back at
FADE = 0.8  # of a time's weight that is left one basket later
YEAR = 365.25 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class OwnPairs:
    """The q pairs of n entities. `key` int64[q] = owner * I + item, ascending; `values` float32[q + 1, f], the last row
    that of a pair never met. Rows of the entities, by (owner, time): `owner`, `item`, `time`, `baskets_since` int64[m].
    `sizes`, `baskets` int64[n]: rows and distinct times of each entity."""

    names: tuple[str, ...]
    key: NDArray[np.int64]
    values: NDArray[np.float32]
    owner: NDArray[np.int64]
    item: NDArray[np.int64]
    time: NDArray[np.int64]
    baskets_since: NDArray[np.int64]
    fresh: NDArray[np.bool_]
    sizes: NDArray[np.int64]
    baskets: NDArray[np.int64]

    def at(self, owner: NDArray[np.int64], item: NDArray[np.int64], n_items: int) -> NDArray[np.int64]:
        """int64[c]: the row of `values` of each pair, the last one where it was never met."""
        at, found = locate(self.key, owner * n_items + item)
        return np.where(found, at, len(self.key))


def own_pairs(history: History, entities: NDArray[np.int64], item_gap: NDArray[np.float64]) -> OwnPairs:
    """Describe the pairs of `entities` (rows, int64[n]). `item_gap` float64[I]: the items' usual gap, horizons."""
    anchor, horizon = history.anchor, history.horizon
    first = history.rows_indptr[entities]
    sizes = history.rows_indptr[entities + 1] - first
    start = np.cumsum(sizes) - sizes
    owner = np.repeat(np.arange(len(entities), dtype=np.int64), sizes)
    place = np.arange(len(owner)) - start[owner]
    rows = first[owner] + place
    item, time = history.row_items[rows].astype(np.int64), history.row_times[rows]
    fresh = np.ones(len(rows), dtype=bool)
    fresh[1:] = (owner[1:] != owner[:-1]) | (time[1:] != time[:-1])
    number = np.cumsum(fresh)
    baskets = np.bincount(owner[fresh], minlength=len(entities))
    baskets_since = np.cumsum(baskets)[owner] - number

    by_pair = history.pair_row[rows] - first[owner] + start[owner]
    item_p, time_p, since_p = item[by_pair], time[by_pair], baskets_since[by_pair]
    rows_p = (sizes[owner] - 1 - place)[by_pair]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (owner[1:] != owner[:-1]) | (item_p[1:] != item_p[:-1])
    starts = np.flatnonzero(new)
    ends = np.append(starts, len(rows))[1:] - 1
    of = owner[starts]
    first_met = np.zeros(len(rows), dtype=bool)
    first_met[by_pair[starts]] = True
    age = (anchor - time_p) / horizon
    q = len(starts)

    def total(values: NDArray) -> NDArray[np.float64]:
        return np.add.reduceat(values.astype(np.float64), starts) if q else np.zeros(0)

    columns: dict[str, tuple[NDArray, float]] = {}
    count = (ends - starts + 1).astype(np.float64)
    columns["times"] = count, 0
    for multiple in MULTIPLES:
        columns[f"times in {multiple}h"] = total(time_p > anchor - multiple * horizon), 0
    columns["times, decayed"] = total(1.0 / (1.0 + age)), 0
    for half in HALF_LIVES:
        columns[f"times, half-life {half:g}h"] = total(np.exp2(-age / half)), 0
    for last in LAST:
        columns[f"times in last {last}"] = total(since_p < last), 0
    columns["times, fading"] = total(FADE**since_p), 0
    columns["times by place"] = total(1.0 / (1.0 + since_p)), 0
    columns["rows since"] = rows_p[ends], np.nan
    columns["baskets since"] = since_p[ends], np.nan

    other = new.copy()
    other[1:] |= since_p[1:] != since_p[:-1]
    in_baskets = total(other)
    columns["baskets"] = in_baskets, 0
    begin, end = time_p[starts], time_p[ends]
    recency = (anchor - end) / horizon
    columns["recency"] = recency, np.nan
    columns["since first"] = (anchor - begin) / horizon, np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        span = (end - begin) / horizon
        gap = np.where(in_baskets > 1, span / (in_baskets - 1), np.nan)
        columns["mean gap"] = gap, np.nan
        columns["recency / gap"] = recency / gap, np.nan
        usual = item_gap[item_p[starts]]
        likely = np.where(np.isfinite(usual), (span + usual) / in_baskets, gap)
        columns["likely gap"] = likely, np.nan
        columns["recency / likely gap"] = recency / likely, np.nan
        columns["recency - likely gap"] = recency - likely, np.nan
        before = np.full(q, -1, dtype=np.int64)
        several = ends > starts
        before[several] = ends[several] - 1
        last_gap = np.where(several, (end - time_p[before]) / horizon, np.nan)
        columns["last gap"] = last_gap, np.nan
    windows = [np.bincount(owner[time > anchor - m * horizon], minlength=len(entities)) for m in MULTIPLES]
    columns["share of mine"] = count / np.maximum(1, sizes[of]), 0
    for multiple, window in zip(MULTIPLES, windows, strict=True):
        columns[f"share of mine in {multiple}h"] = columns[f"times in {multiple}h"][0] / np.maximum(1, window[of]), 0
    columns["times per basket"] = in_baskets / np.maximum(1, baskets[of]), 0
    columns["baskets per basket since first"] = in_baskets / np.maximum(1, since_p[starts] + 1), 0
    mine_last = time[np.cumsum(sizes)[of] - 1] if q else time
    columns["own recency lag"] = (mine_last - end) / horizon, np.nan
    columns["place among mine"] = places_within(of, columns["times, decayed"][0]), np.nan
    columns["place by fading"] = places_within(of, columns["times, fading"][0]), np.nan
    if horizon < YEAR / 2:
        ago = (time_p > anchor - YEAR) & (time_p <= anchor - YEAR + horizon)
        columns["times a year ago"] = total(ago), 0
    values = np.empty((q + 1, len(columns)), dtype=np.float32)
    for place_of, (column, absent) in enumerate(columns.values()):
        values[:q, place_of] = column
        values[q, place_of] = absent
    key = of * history.n_items + picked(item_p, starts) if q else np.zeros(0, dtype=np.int64)
    return OwnPairs(tuple(columns), key, values, owner, item, time, baskets_since, first_met, sizes, baskets)
