"""Occasions: which items an entity met together, as of one anchor. What association rules are mined from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pql.engine.pairs.pair_history import History

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_OCCASIONS = 150_000  # the newest ones
LEAST_TOGETHER = 1.5  # items per moment from which on a moment is an occasion; below it, a horizon is


@dataclass(frozen=True, slots=True)
class Baskets:
    """`rows` int64[r] (the occasion of each entry, 0…n-1) and `items` int64[r], every pair of them once.

    `what`: "moment" (the rows of one entity with the same time) or "horizon" (those of one horizon before the anchor).
    """

    n: int
    rows: NDArray[np.int64]
    items: NDArray[np.int64]
    what: str

    def matrix(self, items: NDArray[np.int64], n_items: int) -> csr_matrix:
        """n × len(items), 1 where the occasion holds the item. `items` ascending."""
        from scipy.sparse import csr_matrix

        place = np.full(n_items, -1, dtype=np.int64)
        place[items] = np.arange(len(items))
        at = place[self.items]
        inside = at >= 0
        ones = np.ones(int(inside.sum()), dtype=np.int64)
        return csr_matrix((ones, (self.rows[inside], at[inside])), shape=(self.n, len(items)))


def baskets_at(history: History) -> Baskets:
    """The occasions of all entities at the history's anchor, the newest ones where there are very many."""
    moments = _baskets(history, history.row_times, "moment")
    if moments.n and len(moments.rows) >= LEAST_TOGETHER * moments.n:
        return moments
    return _baskets(history, -((history.anchor - history.row_times) // history.horizon), "horizon")


def _baskets(history: History, when: NDArray[np.int64], what: str) -> Baskets:
    if not len(when):
        nothing = np.zeros(0, dtype=np.int64)
        return Baskets(0, nothing, nothing, what)
    entity = np.repeat(np.arange(history.n_entities), np.diff(history.rows_indptr))
    item = history.row_items.astype(np.int64)
    order = np.lexsort((item, when, entity))
    entity, when, item = entity[order], when[order], item[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (entity[1:] != entity[:-1]) | (when[1:] != when[:-1])
    occasion = np.cumsum(new) - 1
    fresh = new.copy()
    fresh[1:] |= item[1:] != item[:-1]
    times = when[new]
    rows, item = occasion[fresh], item[fresh]
    if len(times) <= MOST_OCCASIONS:
        return Baskets(len(times), rows, item, what)
    newest = np.lexsort((np.arange(len(times)), -times))[:MOST_OCCASIONS]
    number = np.full(len(times), -1, dtype=np.int64)
    number[np.sort(newest)] = np.arange(MOST_OCCASIONS)
    kept = number[rows] >= 0
    return Baskets(MOST_OCCASIONS, number[rows[kept]], item[kept], what)
