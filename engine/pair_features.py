"""Features of (entity, anchor, item) pairs: rhythm, popularity, taste. All from the anchor's own past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.candidates import SOURCES, Candidates
from pql.engine.pair_history import MULTIPLES, History, locate, picked


@dataclass(frozen=True, slots=True)
class PairFeatures:
    """`values` float32[c, f], NaN where undefined, one row per candidate; `names` the f columns."""

    names: tuple[str, ...]
    values: NDArray[np.float32]


def pair_features(
    history: History,
    entities: NDArray[np.int64],
    candidates: Candidates,
    scores: tuple[tuple[str, NDArray[np.float32]], ...] = (),
) -> PairFeatures:
    """Describe every candidate of `entities` (rows, int64[n]); `scores` are further columns, one value per candidate.

    Times are in horizons, so that one model serves every anchor; counts of items are shares of the active entities.
    """
    entity, item = entities[candidates.owner], candidates.items
    columns: dict[str, NDArray] = {}
    _pair(columns, history, entity, item)
    _item(columns, history, item)
    _entity(columns, history, entity)
    for name, codes in history.items.categories:
        _category(columns, history, entity, item, name, codes)
    for name, numbers in history.items.numbers:
        _number(columns, history, entity, item, name, numbers)
    columns["together"] = candidates.together
    columns["together_rank"] = _rank_within(candidates.owner, np.nan_to_num(candidates.together, nan=-1.0))
    for flag, name in SOURCES.items():
        columns[f"source: {name}"] = (candidates.source & flag) > 0
    columns.update(scores)
    values = np.empty((len(item), len(columns)), dtype=np.float32)
    for place, column in enumerate(columns.values()):
        values[:, place] = column
    return PairFeatures(tuple(columns), values)


def _pair(columns: dict[str, NDArray], history: History, entity: NDArray, item: NDArray) -> None:
    at, found = history.find(entity, item)
    anchor, horizon = history.anchor, history.horizon

    def of_pair(values: NDArray) -> NDArray[np.float32]:
        return np.where(found, picked(values, at), 0).astype(np.float32)

    def in_horizons(span: NDArray[np.int64], ok: NDArray[np.bool_]) -> NDArray[np.float32]:
        return np.where(ok, span / horizon, np.nan).astype(np.float32)

    columns["times"] = of_pair(history.count)
    for multiple, window in zip(MULTIPLES, history.windows, strict=True):
        columns[f"times in {multiple}h"] = of_pair(window)
    columns["times, decayed"] = of_pair(history.decayed)
    last, first = picked(history.last, at), picked(history.first, at)
    recency = in_horizons(anchor - last, found)
    columns["recency"] = recency
    columns["since first"] = in_horizons(anchor - first, found)
    several = found & (last > first)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(several, (last - first) / np.maximum(1, picked(history.count, at) - 1) / horizon, np.nan)
        columns["mean gap"] = gap.astype(np.float32)
        columns["recency / gap"] = (recency / gap).astype(np.float32)
    mine = np.maximum(1, history.entity_count[entity])
    columns["share of mine"] = columns["times"] / mine
    columns["share of mine in 1h"] = columns["times in 1h"] / np.maximum(1, history.entity_windows[0][entity])
    columns["times per basket"] = columns["times"] / np.maximum(1, history.entity_baskets[entity])
    columns["in last basket"] = found & (last == history.entity_last[entity])
    columns["own recency lag"] = in_horizons(history.entity_last[entity] - last, found)


def _item(columns: dict[str, NDArray], history: History, item: NDArray) -> None:
    table: dict[str, NDArray] = {}
    anchor, horizon = history.anchor, history.horizon
    active = [max(1, int(np.count_nonzero(w))) for w in history.entity_windows]
    for multiple, buyers, n in zip(MULTIPLES, history.item_recent_buyers, active, strict=True):
        table[f"popularity in {multiple}h"] = buyers / n
    table["popularity"] = history.item_buyers / max(1, int(np.count_nonzero(history.entity_count)))
    with np.errstate(divide="ignore", invalid="ignore"):
        long = history.item_windows[-1]
        table["trend"] = np.where(long > 0, history.item_windows[0] * MULTIPLES[-1] / long, np.nan)
        chances = history.item_chances
        table["bought again"] = np.where(chances > 0, history.item_again / chances, np.nan)
        table["times per buyer"] = np.where(history.item_buyers > 0, history.item_count / history.item_buyers, np.nan)
    seen = history.item_count > 0
    table["item age"] = np.where(seen, (anchor - history.item_first) / horizon, np.nan)
    table["item recency"] = np.where(seen, (anchor - history.item_last) / horizon, np.nan)
    for name, values in table.items():
        columns[f"item: {name}"] = values.astype(np.float32)[item]


def _entity(columns: dict[str, NDArray], history: History, entity: NDArray) -> None:
    count, baskets = history.entity_count, history.entity_baskets
    distinct = np.bincount(history.pair_entity, minlength=history.n_entities)
    seen = count > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        table = {
            "rows": count,
            "rows in 1h": history.entity_windows[0],
            "rows in 4h": history.entity_windows[-1],
            "recency": np.where(seen, (history.anchor - history.entity_last) / history.horizon, np.nan),
            "basket size": np.where(seen, count / baskets, np.nan),
            "repeats": np.where(seen, 1.0 - distinct / count, np.nan),
        }
    for name, values in table.items():
        columns[f"entity: {name}"] = values.astype(np.float32)[entity]


def _category(
    columns: dict[str, NDArray], history: History, entity: NDArray, item: NDArray, name: str, codes: NDArray[np.int32]
) -> None:
    """What the entity had of the item's category, and the item's place in it."""
    n_codes = int(codes.max(initial=-1)) + 1
    code = codes[history.pair_item].astype(np.int64)
    inside = np.flatnonzero(code >= 0)
    keys = history.pair_entity[inside].astype(np.int64) * max(1, n_codes) + code[inside]
    order = np.argsort(keys, kind="stable")
    inside, keys = inside[order], keys[order]
    new = np.ones(len(keys), dtype=bool)
    new[1:] = keys[1:] != keys[:-1]
    starts = np.flatnonzero(new)
    mine = codes[item].astype(np.int64)
    at, found = locate(keys[starts], np.where(mine >= 0, entity * max(1, n_codes) + mine, -1))

    def of_category(reduce: np.ufunc, values: NDArray) -> NDArray[np.int64]:
        rows = values[inside].astype(np.int64)
        return picked(reduce.reduceat(rows, starts) if len(starts) else rows, at)

    times = of_category(np.add, history.count)
    recent = of_category(np.add, history.windows[-1])
    last = of_category(np.maximum, history.last)
    columns[f"{name}: share of mine"] = np.where(found, times / np.maximum(1, history.entity_count[entity]), 0)
    columns[f"{name}: share of mine in 4h"] = np.where(
        found, recent / np.maximum(1, history.entity_windows[-1][entity]), 0
    )
    columns[f"{name}: recency"] = np.where(found, (history.anchor - last) / history.horizon, np.nan)
    known = (codes >= 0) & history.known
    total = np.bincount(codes[known], weights=history.item_windows[-1][known], minlength=n_codes)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(known, history.item_windows[-1] / picked(total, codes.astype(np.int64)), np.nan)
    columns[f"{name}: item's share"] = share[item]
    columns[f"{name}: item's share of mine"] = _own_share(history, entity, item, times, found)


def _own_share(
    history: History, entity: NDArray, item: NDArray, times: NDArray[np.int64], found: NDArray[np.bool_]
) -> NDArray[np.float64]:
    at, bought = history.find(entity, item)
    return np.where(found & bought, picked(history.count, at) / np.maximum(1, times), np.where(found, 0.0, np.nan))


def _number(
    columns: dict[str, NDArray],
    history: History,
    entity: NDArray,
    item: NDArray,
    name: str,
    numbers: NDArray[np.float64],
) -> None:
    """The item's number, and against the mean over what the entity had (a sum over its own rows only)."""
    value = numbers[history.row_items]
    ok = np.isfinite(value)
    filled = np.where(ok, value, 0.0)
    starts, sizes = history.rows_indptr[:-1], np.diff(history.rows_indptr)
    have = np.flatnonzero(sizes > 0)
    total, count = np.zeros(history.n_entities), np.zeros(history.n_entities)
    if len(have):
        total[have] = np.add.reduceat(filled, starts[have])
        count[have] = np.add.reduceat(ok.astype(np.int64), starts[have])
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(count > 0, total / count, np.nan)
        columns[name] = numbers[item]
        columns[f"{name} - my mean"] = numbers[item] - mean[entity]


def _rank_within(owner: NDArray[np.int64], score: NDArray) -> NDArray[np.float32]:
    """The place (0 is best) of every entry among its owner's; equal scores by position. Owners ascend."""
    order = np.lexsort((-score, owner))
    first = np.searchsorted(owner, owner)
    place = np.empty(len(order), dtype=np.float32)
    place[order] = np.arange(len(order))
    return place - first
