"""Candidate items per (entity, anchor): a bounded union of sources, all of them read from the anchor's own past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.examples import Ragged
from pql.engine.pair_history import History, locate, popular_order
from pql.engine.together import Together

OWN, POPULAR, TOGETHER, CATEGORY, NEAREST = 1, 2, 4, 8, 16
SOURCES = {OWN: "own history", POPULAR: "popular", TOGETHER: "goes together", CATEGORY: "category", NEAREST: "nearest"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How many candidates each source may give an entity."""

    own: int = 120
    latest: int = 30
    popular: int = 60
    together: int = 50
    categories: int = 3
    per_category: int = 10


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of n entities: `items` int64[c] ascending within each entity, `owner` int64[c] its position.

    `source` uint8[c]: an OR of the source flags. `together` float32[c]: the item–item score (NaN outside its basis).
    """

    n: int
    owner: NDArray[np.int64]
    items: NDArray[np.int64]
    source: NDArray[np.uint8]
    together: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.items)

    def take(self, index: NDArray[np.int64]) -> Candidates:
        """The given candidates (ascending positions); the entities keep their numbers."""
        return Candidates(self.n, self.owner[index], self.items[index], self.source[index], self.together[index])

    def ragged(self) -> Ragged:
        """The candidates as one set per entity."""
        counts = np.bincount(self.owner, minlength=self.n)
        return Ragged(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), self.items)


def candidates_at(
    history: History,
    entities: NDArray[np.int64],
    together: Together,
    limits: Limits | None = None,
    nearest: NDArray[np.int64] | None = None,
) -> Candidates:
    """The candidates of `entities` (rows, int64[n]); `nearest` int64[n, q]: items near by embedding (-1: none)."""
    limits = limits or Limits()
    n, n_items = len(entities), history.n_items
    if not n or not n_items:
        nothing = np.zeros(0, dtype=np.int64)
        return Candidates(n, nothing, nothing, nothing.astype(np.uint8), nothing.astype(np.float32))
    score = together.scores(entities)
    parts = [
        (OWN, *_own(history, entities, limits)),
        (POPULAR, *_popular(history, n, limits)),
        (TOGETHER, *_together(together, score, limits.together)),
    ]
    for _, codes in history.items.categories:
        parts.append((CATEGORY, *_category(history, entities, codes, limits)))
    if nearest is not None and nearest.shape[1]:
        owner, item = np.repeat(np.arange(n, dtype=np.int64), nearest.shape[1]), nearest.ravel()
        parts.append((NEAREST, owner[item >= 0], item[item >= 0]))

    keys = np.concatenate([owner * n_items + item for _, owner, item in parts])
    flags = np.concatenate([np.full(len(owner), flag, dtype=np.uint8) for flag, owner, _ in parts])
    known = history.known[keys % n_items]
    keys, flags = keys[known], flags[known]
    order = np.argsort(keys, kind="stable")
    keys, flags = keys[order], flags[order]
    new = np.ones(len(keys), dtype=bool)
    new[1:] = keys[1:] != keys[:-1]
    starts = np.flatnonzero(new)
    unique = keys[starts]
    owner, items = unique // n_items, unique % n_items
    source = np.bitwise_or.reduceat(flags, starts) if len(starts) else flags
    value = np.full(len(unique), np.nan, dtype=np.float32)
    at, found = locate(together.basis, items)
    value[found] = score[owner[found], at[found]]
    return Candidates(n, owner, items, source, value)


def best_of(owner: NDArray[np.int64], item: NDArray, score: NDArray, n: int, limit: int) -> NDArray[np.int64]:
    """Positions of the `limit` best-scored entries of every owner (0…n-1), ordered by (owner, score falling, item)."""
    order = np.lexsort((item, -score, owner))
    first = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))])
    place = np.arange(len(order)) - first[owner[order]]
    return order[place < limit]


def candidate_recall(candidates: Candidates, truth: Ragged) -> float:
    """The mean share of an example's true items among its candidates, over examples with any; NaN without any."""
    size = np.diff(truth.offsets)
    if not size.any():
        return float("nan")
    width = int(max(candidates.items.max(initial=0), truth.values.max(initial=0))) + 1
    owner = np.repeat(np.arange(len(truth)), size)
    _, found = locate(candidates.owner * width + candidates.items, owner * width + truth.values)
    return float((np.bincount(owner, weights=found, minlength=len(truth))[size > 0] / size[size > 0]).mean())


def _own(history: History, entities: NDArray[np.int64], limits: Limits) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The entity's own items: most interactions (recent ones weigh more), and those met last."""
    low = np.searchsorted(history.pair_entity, entities)
    sizes = np.searchsorted(history.pair_entity, entities, side="right") - low
    owner = np.repeat(np.arange(len(entities), dtype=np.int64), sizes)
    pair = np.arange(len(owner)) + np.repeat(low - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
    item = history.pair_item[pair].astype(np.int64)
    often = best_of(owner, item, history.decayed[pair], len(entities), limits.own)
    late = best_of(owner, item, history.last[pair], len(entities), limits.latest)
    index = np.union1d(often, late)
    return owner[index], item[index]


def _popular(history: History, n: int, limits: Limits) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Items with most entities in the last horizon and in the last four, the same for everyone."""
    tables = [popular_order(history)[: limits.popular // 2]]
    ranked = np.lexsort((np.arange(history.n_items), -history.item_recent_buyers[-1]))[: limits.popular]
    chosen = np.union1d(tables[0], ranked[history.item_recent_buyers[-1][ranked] > 0])
    return np.repeat(np.arange(n, dtype=np.int64), len(chosen)), np.tile(chosen, n)


def _together(
    together: Together, score: NDArray[np.float32], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The best items of the item–item model, positive scores only."""
    n, b = score.shape
    limit = min(limit, b)
    if not limit:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    threshold = -np.partition(-score, limit - 1, axis=1)[:, limit - 1 : limit]
    owner, place = np.nonzero((score >= threshold) & (score > 0))
    index = best_of(owner, place, score[owner, place], n, limit)
    return owner[index].astype(np.int64), together.basis[place[index]]


def _category(
    history: History, entities: NDArray[np.int64], codes: NDArray[np.int32], limits: Limits
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The popular items of the categories an entity met most."""
    nothing = np.zeros(0, dtype=np.int64)
    n_codes = int(codes.max(initial=-1)) + 1
    if not n_codes or not limits.categories:
        return nothing, nothing
    ranked = np.lexsort((np.arange(history.n_items), -history.item_recent_buyers[-1]))
    ranked = ranked[(history.item_recent_buyers[-1][ranked] > 0) & (codes[ranked] >= 0) & history.known[ranked]]
    if not len(ranked):
        return nothing, nothing
    place = best_of(codes[ranked].astype(np.int64), np.arange(len(ranked)), np.zeros(len(ranked)), n_codes, 1 << 30)
    listed = ranked[place]
    of = codes[listed].astype(np.int64)
    first = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=n_codes))])
    table = np.full((n_codes, limits.per_category), -1, dtype=np.int64)
    rank = np.arange(len(listed)) - first[of]
    table[of[rank < limits.per_category], rank[rank < limits.per_category]] = listed[rank < limits.per_category]

    owner_of = np.full(history.n_entities, -1, dtype=np.int64)
    owner_of[entities] = np.arange(len(entities))
    code = codes[history.pair_item]
    mine = np.flatnonzero((owner_of[history.pair_entity] >= 0) & (code >= 0))
    keys, start = _runs(owner_of[history.pair_entity[mine]] * n_codes + code[mine])
    counts = np.bincount(start, weights=history.count[mine]) if len(keys) else nothing
    owner = keys // n_codes
    index = best_of(owner, keys % n_codes, counts, len(entities), limits.categories)
    items = table[keys[index] % n_codes]
    owners = np.repeat(owner[index], limits.per_category)
    return owners[items.ravel() >= 0], items.ravel()[items.ravel() >= 0]


def _runs(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct keys, ascending, and for every key its number among them."""
    return np.unique(keys, return_inverse=True)
