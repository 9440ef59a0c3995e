"""What is known of every item at one anchor: popularity now, before and in the same season, rhythm, age.

Sums are of whole numbers, exact in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.pairs.item_seasons import SEASONS, YEAR, in_seasons
from pql.engine.pairs.pair_history import MULTIPLES, History

LAGS = (2, 3)  # the second and third horizon before the anchor


@dataclass(frozen=True, slots=True)
class ItemPast:
    """`values` float32[I, f], NaN where undefined; `gap` float64[I]: mean time between two baskets of one entity that
    hold the item, in horizons (NaN: nobody met it twice)."""

    names: tuple[str, ...]
    values: NDArray[np.float32]
    gap: NDArray[np.float64]


def item_past(history: History) -> ItemPast:
    """Describe all items of a history."""
    table: dict[str, NDArray] = {}
    anchor, horizon, n_items = history.anchor, history.horizon, history.n_items
    active = [max(1, int(np.count_nonzero(w))) for w in history.entity_windows]
    for multiple, buyers, n in zip(MULTIPLES, history.item_recent_buyers, active, strict=True):
        table[f"popularity in {multiple}h"] = buyers / n
    everybody = max(1, int(np.count_nonzero(history.entity_count)))
    table["popularity"] = history.item_buyers / everybody
    spans = {"last quarter h": (anchor - horizon // 4, anchor)}
    spans |= {f"h {lag} back": (anchor - lag * horizon, anchor - (lag - 1) * horizon) for lag in LAGS}
    if horizon < YEAR / 2:
        for years in range(1, SEASONS + 1):
            begin = anchor - int(years * YEAR)
            spans[f"the same h {years}y ago"] = (begin, begin + horizon)
    times = history.row_times
    for name, (begin, end) in spans.items():
        inside = np.flatnonzero((times > begin) & (times <= end))
        total = len(inside)
        counts = np.bincount(history.row_items[inside], minlength=n_items)
        table[f"share in {name}"] = counts / total if total else np.full(n_items, np.nan)
    table["seasons"] = in_seasons(history)
    newly = history.pair_item[history.first > anchor - horizon]
    newcomers = np.bincount(newly, minlength=n_items)
    table["first met in 1h"] = newcomers / active[0]
    gaps = history.pair_baskets.astype(np.int64) - 1
    span = _whole_sum(history.pair_item, history.last - history.first, n_items)
    number = _whole_sum(history.pair_item, gaps, n_items)
    with np.errstate(divide="ignore", invalid="ignore"):
        long = history.item_windows[-1]
        table["trend"] = np.where(long > 0, history.item_windows[0] * MULTIPLES[-1] / long, np.nan)
        chances = history.item_chances
        table["bought again"] = np.where(chances > 0, history.item_again / chances, np.nan)
        table["times per buyer"] = np.where(history.item_buyers > 0, history.item_count / history.item_buyers, np.nan)
        recent = history.item_recent_buyers[0]
        table["new among buyers in 1h"] = np.where(recent > 0, newcomers / recent, np.nan)
        gap = np.where(number > 0, span / number / horizon, np.nan)
    table["gap"] = gap
    met = np.bincount(history.pair_item[history.first > anchor - 4 * horizon], minlength=n_items)
    table["first met in 4h"] = met / active[-1]
    order = np.sort(times)
    rows_since = len(order) - np.searchsorted(order, history.item_first)
    table["share since first"] = history.item_count / np.maximum(1, rows_since)
    table["first met since first"] = history.item_buyers / np.maximum(1, rows_since)
    seen = history.item_count > 0
    table["item age"] = np.where(seen, (anchor - history.item_first) / horizon, np.nan)
    table["item recency"] = np.where(seen, (anchor - history.item_last) / horizon, np.nan)
    values = np.empty((n_items, len(table)), dtype=np.float32)
    for place, column in enumerate(table.values()):
        values[:, place] = column
    return ItemPast(tuple(f"item: {name}" for name in table), values, gap)


def _whole_sum(codes: NDArray, values: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """float64[n]: sums of whole numbers by code, exact whatever the order."""
    sums = np.zeros(n, dtype=np.int64)
    np.add.at(sums, codes, values)
    return sums.astype(np.float64)
