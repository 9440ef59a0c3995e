"""What is known of entities, items and their pairs at one anchor, computed from interactions at or before it only.

Every count here is a sum of ones over rows that exist at the anchor, and every float sum runs over one entity's or one
pair's own rows, so that rows after the anchor cannot change a single bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.interactions import Interactions, ItemTable

MULTIPLES = (1, 2, 4)  # the windows before the anchor, in horizons


@dataclass(frozen=True, slots=True)
class History:
    """The past of one anchor. E entities, I items, p distinct (entity, item) pairs sorted by `key` = entity * I + item.

    The rows of entity e are `rows_indptr[e]:rows_indptr[e + 1]` of both `row_items` and `pair_row`.
    Windows are the 1, 2 and 4 horizons before the anchor. `decayed` is the pair's number of interactions, each
    weighing 1 / (1 + age / horizon). Times are µs; entities or items without a past have 0 counts and `anchor` as time.
    """

    anchor: int
    horizon: int
    items: ItemTable
    n_entities: int
    rows_indptr: NDArray[np.int64]  # of `row_items` per entity
    row_items: NDArray[np.int32]  # by (entity, time)
    row_times: NDArray[np.int64]
    key: NDArray[np.int64]
    pair_entity: NDArray[np.int32]
    pair_item: NDArray[np.int32]
    pair_row: NDArray[np.int32]  # positions in `row_items`, sorted by (pair, time)
    count: NDArray[np.int32]
    pair_baskets: NDArray[np.int32]  # distinct times
    windows: tuple[NDArray[np.int32], ...]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    decayed: NDArray[np.float64]
    entity_count: NDArray[np.int64]
    entity_windows: tuple[NDArray[np.int64], ...]
    entity_last: NDArray[np.int64]
    entity_baskets: NDArray[np.int64]
    item_count: NDArray[np.int64]
    item_windows: tuple[NDArray[np.int64], ...]
    item_buyers: NDArray[np.int64]
    item_recent_buyers: tuple[NDArray[np.int64], ...]
    item_first: NDArray[np.int64]
    item_last: NDArray[np.int64]
    item_again: NDArray[np.int64]  # interactions followed by the same pair's next within one horizon ...
    item_chances: NDArray[np.int64]  # ... among those at least one horizon old
    known: NDArray[np.bool_]
    by_buyers: NDArray[
        np.int64
    ]  # all items, by distinct entities in the last horizon, then in 4, then ever, then index
    by_recent_buyers: NDArray[np.int64]  # all items, by distinct entities in the last 4 horizons, then index

    @property
    def n_items(self) -> int:
        return len(self.items)

    def find(self, entity: NDArray, item: NDArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Positions of pairs in the pair arrays (0 where absent) and whether they are there."""
        return locate(self.key, entity.astype(np.int64) * self.n_items + item)


def locate(sorted_keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each wanted key stands in `sorted_keys` (0 where absent), and whether it does."""
    if not len(sorted_keys):
        return np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=bool)
    at = np.searchsorted(sorted_keys, wanted)
    at[at == len(sorted_keys)] = 0
    found = sorted_keys[at] == wanted
    at[~found] = 0
    return at, found


def picked(values: NDArray, at: NDArray[np.int64]) -> NDArray:
    """`values[at]`, or noughts where there are no values at all."""
    return values[at] if len(values) else np.zeros(len(at), dtype=values.dtype)


def history_at(interactions: Interactions, anchor: int, horizon: int) -> History:
    """The past of `anchor` (inclusive), with windows in multiples of `horizon` µs."""
    n_entities, n_items = interactions.n_entities, interactions.n_items
    past = interactions.time <= anchor
    row_entity, row_items, row_times = interactions.entity[past], interactions.item[past], interactions.time[past]
    order = interactions.pair_order[past[interactions.pair_order]]
    pair_row = (np.cumsum(past, dtype=np.int32) - np.int32(1))[order]
    entity, item, time = interactions.entity[order], interactions.item[order], interactions.time[order]
    del past, order
    keys = entity.astype(np.int64) * n_items + item
    new = np.ones(len(keys), dtype=bool)
    new[1:] = keys[1:] != keys[:-1]
    starts = np.flatnonzero(new)
    ends = np.append(starts, len(keys))[1:]
    pair_key, pair_entity, pair_item = keys[starts], entity[starts], item[starts]
    del keys
    weight = (anchor - time) / horizon
    weight += 1.0
    decayed = np.add.reduceat(np.divide(1.0, weight, out=weight), starts) if len(starts) else np.zeros(0)
    del weight
    recent = [time > anchor - m * horizon for m in MULTIPLES]

    apart = new.copy()
    apart[1:] |= time[1:] != time[:-1]
    gap = np.diff(time)
    again = np.zeros(len(new), dtype=bool)
    again[:-1] = ~new[1:] & (gap <= horizon) & (gap > 0)
    chance = time <= anchor - horizon
    del gap, new

    fresh = np.ones(len(row_entity), dtype=bool)
    fresh[1:] = (row_entity[1:] != row_entity[:-1]) | (row_times[1:] != row_times[:-1])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row_entity, minlength=n_entities))]).astype(np.int64)
    sizes = np.diff(indptr)
    entity_last = np.full(n_entities, anchor, dtype=np.int64)
    entity_last[sizes > 0] = row_times[indptr[1:][sizes > 0] - 1]

    item_first = np.full(n_items, anchor, dtype=np.int64)
    item_last = np.full(n_items, np.iinfo(np.int64).min, dtype=np.int64)
    pair_first, pair_last = time[starts], time[ends - 1]
    np.minimum.at(item_first, pair_item, pair_first)
    np.maximum.at(item_last, pair_item, pair_last)
    item_count = np.bincount(item, minlength=n_items)
    item_last[item_count == 0] = anchor
    windows = tuple(_sum_by(starts, r) for r in recent)
    item_buyers = np.bincount(pair_item, minlength=n_items)
    buyers = tuple(np.bincount(pair_item[w > 0], minlength=n_items) for w in windows)
    return History(
        anchor,
        horizon,
        interactions.items,
        n_entities,
        indptr,
        row_items,
        row_times,
        pair_key,
        pair_entity,
        pair_item,
        pair_row,
        (ends - starts).astype(np.int32),
        _sum_by(starts, apart),
        windows,
        pair_first,
        pair_last,
        decayed,
        sizes,
        tuple(np.bincount(entity[r], minlength=n_entities) for r in recent),
        entity_last,
        np.bincount(row_entity[fresh], minlength=n_entities),
        item_count,
        tuple(np.bincount(item[r], minlength=n_items) for r in recent),
        item_buyers,
        buyers,
        item_first,
        item_last,
        np.bincount(item[again & chance], minlength=n_items),
        np.bincount(item[chance], minlength=n_items),
        interactions.items.birth <= anchor,
        np.lexsort((np.arange(n_items), -item_buyers, -buyers[-1], -buyers[0])),
        np.lexsort((np.arange(n_items), -buyers[-1])),
    )


def popular_order(history: History, open_: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """All items known at the anchor (or those `open_`, bool[I]), most popular first.

    By distinct entities in the last horizon, then in 4, then ever, then index.
    """
    ranked = history.by_buyers
    return ranked[(history.known if open_ is None else open_)[ranked]]


def _sum_by(starts: NDArray[np.int64], flags: NDArray[np.bool_]) -> NDArray[np.int32]:
    if not len(starts):
        return np.zeros(0, dtype=np.int32)
    return np.add.reduceat(flags.astype(np.int32), starts)
