"""An entity's taste for the categories that items carry, and what an item makes of its category, as of one anchor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.pairs.own_pairs import OwnPairs
from pql.engine.pairs.pair_history import MULTIPLES, History, locate, picked

PRIOR = 10.0  # rows of everybody's taste that an entity's own is mixed with
FADING = 0.9  # of a row's weight that is left one basket later


@dataclass(frozen=True, slots=True)
class Kinds:
    """One category column at an anchor. `codes` int32[I] (-1 unknown), `n` codes.

    `share` float64[I, 2]: the item's part of its category's rows in the last 1 and 4 horizons (NaN unknown); `usual`
    float64[n]: the category's part of all rows in 4. `new_share`, `new_usual`: the same of first meetings in 8.
    """

    name: str
    codes: NDArray[np.int32]
    n: int
    share: NDArray[np.float64]
    usual: NDArray[np.float64]
    new_share: NDArray[np.float64]
    new_usual: NDArray[np.float64]


def kinds_at(history: History) -> tuple[Kinds, ...]:
    """All category columns of the items, as known at the anchor."""
    found = []
    late = history.first > history.anchor - 8 * history.horizon
    met = np.bincount(history.pair_item[late], minlength=history.n_items)
    for name, codes in history.items.categories:
        n = int(codes.max(initial=-1)) + 1
        known = (codes >= 0) & history.known
        shares = []
        for window in (history.item_windows[0], history.item_windows[-1]):
            total = np.bincount(codes[known], weights=window[known], minlength=n)
            with np.errstate(divide="ignore", invalid="ignore"):
                shares.append(np.where(known, window / picked(total, codes.astype(np.int64)), np.nan))
        in_use = max(1, len(np.unique(codes[known])))
        usual = (total + 1.0) / (total.sum() + in_use)
        new_total = np.bincount(codes[known], weights=met[known], minlength=n)
        with np.errstate(divide="ignore", invalid="ignore"):
            new_share = np.where(known, met / picked(new_total, codes.astype(np.int64)), np.nan)
        new_usual = (new_total + 1.0) / (new_total.sum() + in_use)
        found.append(Kinds(name, codes, n, np.column_stack(shares), usual, new_share, new_usual))
    return tuple(found)


def category_features(
    history: History,
    kinds: Kinds,
    own: OwnPairs,
    owner: NDArray[np.int64],
    item: NDArray[np.int64],
    times: NDArray[np.float32],
) -> dict[str, NDArray]:
    """Columns of the candidates (`owner`, `item` int64[c]); `times` float32[c]: how often the pair met."""
    width = max(1, kinds.n)
    code = kinds.codes[own.item].astype(np.int64)
    inside = np.flatnonzero(code >= 0)
    keys = own.owner[inside] * width + code[inside]
    order = np.argsort(keys, kind="stable")
    inside, keys = inside[order], keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    mine = kinds.codes[item].astype(np.int64)
    at, found = locate(keys[starts], np.where(mine >= 0, owner * width + mine, -1))

    def total(values: NDArray) -> NDArray[np.float64]:
        rows = values[inside].astype(np.float64)
        return np.where(found, picked(np.add.reduceat(rows, starts) if len(starts) else rows, at), 0.0)

    count = total(np.ones(len(own.item)))
    columns: dict[str, NDArray] = {}
    columns["share of mine"] = count / np.maximum(1, own.sizes[owner])
    for multiple in (MULTIPLES[0], MULTIPLES[-1]):
        recent = own.time > history.anchor - multiple * history.horizon
        sizes = np.bincount(own.owner[recent], minlength=len(own.sizes))
        columns[f"share of mine in {multiple}h"] = total(recent) / np.maximum(1, sizes[owner])
    fading = np.power(FADING, own.baskets_since.astype(np.float64))
    whole = _per_owner(own, fading)
    faded = total(fading)
    columns["share of mine, fading"] = faded / np.maximum(1e-9, whole[owner])
    last = own.time[inside][np.append(starts, len(keys))[1:] - 1] if len(starts) else own.time[:0]
    columns["recency"] = np.where(found, (history.anchor - picked(last, at)) / history.horizon, np.nan)
    columns["baskets since"] = np.where(
        found,
        picked(own.baskets_since[inside][np.append(starts, len(keys))[1:] - 1] if len(starts) else last, at),
        np.nan,
    )
    usual = picked(kinds.usual, np.maximum(mine, 0))
    taste = np.where(mine >= 0, (count + PRIOR * usual) / (own.sizes[owner] + PRIOR), np.nan)
    columns["lift"] = taste / np.where(usual > 0, usual, np.nan)
    fresh = total(own.fresh)
    distinct = np.bincount(own.owner, weights=own.fresh, minlength=len(own.sizes))
    new_usual = picked(kinds.new_usual, np.maximum(mine, 0))
    new_taste = np.where(mine >= 0, (fresh + PRIOR * new_usual) / (distinct[owner] + PRIOR), np.nan)
    columns["distinct of mine"] = fresh / np.maximum(1, distinct[owner])
    columns["expected new"] = new_taste * kinds.new_share[item]
    columns["item's share in 1h"] = kinds.share[item, 0]
    columns["item's share"] = kinds.share[item, 1]
    columns["expected"] = taste * kinds.share[item, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        columns["item's share of mine"] = np.where(found, times / count, np.nan)
    return {f"{kinds.name}: {name}": values for name, values in columns.items()}


def _per_owner(own: OwnPairs, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[n]: sums over each entity's own rows, in their order."""
    sums = np.zeros(len(own.sizes))
    have = np.flatnonzero(own.sizes)
    if len(have):
        sums[have] = np.add.reduceat(values, (np.cumsum(own.sizes) - own.sizes)[have])
    return sums
