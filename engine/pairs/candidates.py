"""Candidate items per (entity, anchor): a bounded union of sources, all of them read from the anchor's own past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import Ragged
from pql.engine.pairs.latent import Latent
from pql.engine.pairs.pair_history import History, locate, popular_order
from pql.engine.pairs.rank_rules import Allowed
from pql.engine.pairs.together import Together

DEEPER = 4  # times as many items of a source are looked through where some are barred to some entities
NEAR_BASIS = 5_000  # items whose fit to the taste of an entity is looked at: those met by most of late
OWN, POPULAR, TOGETHER, CATEGORY, NEAREST, TASTE = 1, 2, 4, 8, 16, 32
SOURCES = {
    OWN: "own history",
    POPULAR: "popular",
    TOGETHER: "goes together",
    CATEGORY: "category",
    NEAREST: "nearest",
    TASTE: "taste",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How many candidates each source may give an entity.

    Beside its own items an entity has others up to `total` of all, but at least `others`: with many of its own, the
    best of the list are hardly ever new ones; with few, or where they are excluded, they are.
    """

    own: int = 120
    latest: int = 30
    popular: int = 60
    together: int = 50
    categories: int = 3
    per_category: int = 10
    taste: int = 60
    total: int = 160
    others: int = 30


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
    allowed: Allowed | None = None,
    least: int = 0,
    latent: Latent | None = None,
) -> Candidates:
    """The candidates of `entities` (rows, int64[n]); `nearest` int64[n, q]: items near by embedding (-1: none).

    `latent`: the vectors of entities and items at the anchor, by which items that fit are found.

    `allowed`: the rules at the anchor; what they forbid is no candidate. `least`: popular items fill up to as many of
    each entity, as far as there are any.
    """
    limits = limits or Limits()
    n, n_items = len(entities), history.n_items
    if not n or not n_items:
        nothing = np.zeros(0, dtype=np.int64)
        return Candidates(n, nothing, nothing, nothing.astype(np.uint8), nothing.astype(np.float32))
    allowed = allowed or Allowed(history.known, np.zeros(0, dtype=np.int64))
    score = together.scores(entities)
    parts = [
        (OWN, *_own(history, entities, limits, allowed)),
        (POPULAR, *_popular(history, entities, limits, allowed)),
        (TOGETHER, *_together(together, _permitted(score, together, entities, allowed), limits.together)),
    ]
    for _, codes in history.items.categories:
        parts.append((CATEGORY, *_category(history, entities, codes, limits, allowed)))
    if nearest is not None and nearest.shape[1]:
        place = np.tile(np.arange(nearest.shape[1]), n)
        owner, item = np.repeat(np.arange(n, dtype=np.int64), nearest.shape[1]), nearest.ravel()
        parts.append((NEAREST, owner[item >= 0], item[item >= 0], place[item >= 0]))
    if latent is not None and limits.taste:
        parts.append((TASTE, *_taste(history, latent, entities, limits, allowed)))

    keys, source, place = _union(parts, n_items)
    permitted = allowed.permits(entities[keys // n_items], keys % n_items)
    keys, source, place = keys[permitted], source[permitted], place[permitted]
    kept = _roomy(keys // n_items, source, place, n, limits)
    keys, source, place = keys[kept], source[kept], place[kept]
    if least:
        owner, item = popular_fill(history, entities, allowed, keys // n_items, keys % n_items, least)
        if len(owner):
            more = np.full(len(owner), limits.total)
            keys, source, _ = _union([(POPULAR, owner, item, more)], n_items, (keys, source, place))
    owner, items = keys // n_items, keys % n_items
    value = np.full(len(keys), np.nan, dtype=np.float32)
    at, found = locate(together.basis, items)
    value[found] = score[owner[found], at[found]]
    return Candidates(n, owner, items, source, value)


Ints = NDArray[np.int64]
Found = tuple[Ints, Ints, Ints]  # owner, item, and the item's place (0 is best) in what the source has for the owner
Part = tuple[int, Ints, Ints, Ints]


def _union(
    parts: list[Part], n_items: int, more: tuple[Ints, NDArray[np.uint8], Ints] | None = None
) -> tuple[Ints, NDArray[np.uint8], Ints]:
    """The distinct owner * n_items + item of all sources, ascending, which sources gave each, and its best place."""
    keys = np.concatenate([owner * n_items + item for _, owner, item, _ in parts] + ([more[0]] if more else []))
    flags = np.concatenate(
        [np.full(len(owner), flag, dtype=np.uint8) for flag, owner, _, _ in parts] + ([more[1]] if more else [])
    )
    places = np.concatenate([place for *_, place in parts] + ([more[2]] if more else []))
    order = np.argsort(keys, kind="stable")
    keys, flags, places = keys[order], flags[order], places[order]
    new = np.ones(len(keys), dtype=bool)
    new[1:] = keys[1:] != keys[:-1]
    starts = np.flatnonzero(new)
    if not len(starts):
        return keys, flags, places
    return keys[starts], np.bitwise_or.reduceat(flags, starts), np.minimum.reduceat(places, starts)


def _roomy(owner: Ints, source: NDArray[np.uint8], place: Ints, n: int, limits: Limits) -> Ints:
    """Positions, ascending: the own items, and of the others those with the best places, as far as there is room."""
    own = (source & OWN) > 0
    room = np.maximum(limits.others, limits.total - np.bincount(owner[own], minlength=n))
    others = np.flatnonzero(~own)
    others = others[np.lexsort((others, place[others], owner[others]))]
    of = owner[others]
    number = np.arange(len(others)) - np.searchsorted(of, of)
    return np.sort(np.concatenate([np.flatnonzero(own), others[number < room[of]]]))


def _places(owner: Ints) -> Ints:
    """The place of every entry among its owner's, in the order given; owners ascend."""
    return np.arange(len(owner)) - np.searchsorted(owner, owner)


def popular_fill(
    history: History,
    entities: NDArray[np.int64],
    allowed: Allowed,
    owner: NDArray[np.int64],
    items: NDArray[np.int64],
    least: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(owner, item) of the most popular items that entities with fewer than `least` items still may be given.

    `owner` ascending and `items`: what they have. With a cap, an item counts as long as its group isn't full.
    """
    n = len(entities)
    owners, found = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    lows = np.searchsorted(owner, np.arange(n + 1))
    have = _usable(owner, items, allowed, n)
    short = np.flatnonzero(have < least)
    if not len(short):
        return owners[0], found[0]
    popular = popular_order(history, allowed.open)
    barred_of, barred = allowed.barred_for(entities[short])
    barred_at = np.searchsorted(barred_of, np.arange(len(short) + 1))
    free = np.ones(history.n_items, dtype=bool)
    for number, row in enumerate(short.tolist()):
        mine, never = items[lows[row] : lows[row + 1]], barred[barred_at[number] : barred_at[number + 1]]
        free[mine] = free[never] = False
        more = popular[free[popular]]
        free[mine] = free[never] = True
        if allowed.cap is not None and allowed.group is not None:
            more = _uncapped(more, mine, allowed.group, allowed.cap)
        more = more[: least - have[row]]
        owners.append(np.full(len(more), row, dtype=np.int64))
        found.append(more)
    return np.concatenate(owners), np.concatenate(found)


def _usable(owner: NDArray[np.int64], items: NDArray[np.int64], allowed: Allowed, n: int) -> NDArray[np.int64]:
    """int64[n]: how long a list the items of each owner can make, AT MOST heeded."""
    if allowed.cap is None or allowed.group is None:
        return np.bincount(owner, minlength=n)
    width = int(allowed.group.max(initial=0)) + 1
    keys, counts = np.unique(owner * width + allowed.group[items], return_counts=True)
    return np.bincount(keys // width, weights=np.minimum(counts, allowed.cap), minlength=n).astype(np.int64)


def _uncapped(
    more: NDArray[np.int64], mine: NDArray[np.int64], group: NDArray[np.int64], cap: int
) -> NDArray[np.int64]:
    """Those of `more`, in order, that a list of `mine` before them has room for."""
    taken = np.bincount(group[mine], minlength=int(group.max(initial=0)) + 1)
    order = np.argsort(group[more], kind="stable")
    of = group[more][order]
    place = np.arange(len(of)) - np.searchsorted(of, of)
    kept = np.sort(order[place + taken[of] < cap])
    return more[kept]


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


def _own(history: History, entities: NDArray[np.int64], limits: Limits, allowed: Allowed) -> Found:
    """The entity's own items: most interactions (recent ones weigh more), and those met last."""
    owner, pair = _own_pairs(history, entities)
    item = history.pair_item[pair].astype(np.int64)
    permitted = allowed.permits(entities[owner], item)
    owner, pair, item = owner[permitted], pair[permitted], item[permitted]
    often = best_of(owner, item, history.decayed[pair], len(entities), limits.own)
    late = best_of(owner, item, history.last[pair], len(entities), limits.latest)
    index = np.union1d(often, late)
    return owner[index], item[index], np.zeros(len(index), dtype=np.int64)


def _own_pairs(history: History, entities: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs of the entities (positions in the history's) and whose each is (0 … n - 1, ascending)."""
    low = np.searchsorted(history.pair_entity, entities.astype(history.pair_entity.dtype))
    sizes = np.searchsorted(history.pair_entity, entities.astype(history.pair_entity.dtype), side="right") - low
    owner = np.repeat(np.arange(len(entities), dtype=np.int64), sizes)
    return owner, np.arange(len(owner)) + np.repeat(low - (np.cumsum(sizes) - sizes), sizes)


def _popular(history: History, entities: NDArray[np.int64], limits: Limits, allowed: Allowed) -> Found:
    """Items with most entities in the last horizon and in the last four, the same for everyone but for the rules."""
    n, deeper = len(entities), DEEPER if len(allowed.barred) else 1
    recent = popular_order(history, allowed.open)[: deeper * (limits.popular // 2)]
    long = history.item_recent_buyers[-1]
    ranked = history.by_recent_buyers
    ranked = ranked[allowed.open[ranked]][: deeper * limits.popular]
    ranked = ranked[long[ranked] > 0]
    if not len(allowed.barred):
        listed = np.concatenate([recent, ranked])
        number = np.concatenate([np.arange(len(recent)), np.arange(len(ranked))])
        return np.repeat(np.arange(n, dtype=np.int64), len(listed)), np.tile(listed, n), np.tile(number, n)
    owners, items, places = [], [], []
    for listed, limit in ((recent, limits.popular // 2), (ranked, limits.popular)):
        owner, item = np.repeat(np.arange(n, dtype=np.int64), len(listed)), np.tile(listed, n)
        place = np.tile(np.arange(len(listed)), n)
        permitted = allowed.permits(entities[owner], item)
        owner, item, place = owner[permitted], item[permitted], place[permitted]
        index = best_of(owner, item, -place, n, limit)
        owners.append(owner[index])
        items.append(item[index])
        places.append(_places(owner[index]))
    return np.concatenate(owners), np.concatenate(items), np.concatenate(places)


def _permitted(
    score: NDArray[np.float32], together: Together, entities: NDArray[np.int64], allowed: Allowed
) -> NDArray[np.float32]:
    """The item–item scores with nought for what may not be given."""
    shut = ~allowed.open[together.basis]
    owner, item = allowed.barred_for(entities)
    if not shut.any() and not len(owner):
        return score
    score = score.copy()
    score[:, shut] = 0
    at, found = locate(together.basis, item)
    score[owner[found], at[found]] = 0
    return score


def _together(together: Together, score: NDArray[np.float32], limit: int) -> Found:
    """The best items of the item–item model, positive scores only."""
    return _best_scored(together.basis, score, limit)


def _taste(history: History, latent: Latent, entities: Ints, limits: Limits, allowed: Allowed) -> Found:
    """The items that fit an entity's vector best, positive scores only, among those many met of late."""
    ranked = history.by_recent_buyers
    ranked = ranked[(history.item_recent_buyers[-1][ranked] > 0) & allowed.open[ranked]][:NEAR_BASIS]
    basis = np.sort(ranked[latent.place[ranked] < len(latent.basis)])
    vectors, items = latent.entities[entities], latent.items[latent.place[basis]]
    # rounded, so that the order of the sums within a product, which follows the size of the batch, doesn't matter
    score = np.round(vectors.astype(np.float64) @ items.astype(np.float64).T, 6)
    owner, item = allowed.barred_for(entities)
    at, found = locate(basis, item)
    score[owner[found], at[found]] = 0
    return _best_scored(basis, score, limits.taste)


def _best_scored(basis: Ints, score: NDArray, limit: int) -> Found:
    """The `limit` best of the items `basis` of every owner by `score` [n, b], positive scores only."""
    n, b = score.shape
    limit = min(limit, b)
    if not limit or not n:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing
    threshold = -np.partition(-score, limit - 1, axis=1)[:, limit - 1 : limit]
    owner, place = np.nonzero((score >= threshold) & (score > 0))
    index = best_of(owner, place, score[owner, place], n, limit)
    return owner[index].astype(np.int64), basis[place[index]], _places(owner[index])


def _category(
    history: History, entities: NDArray[np.int64], codes: NDArray[np.int32], limits: Limits, allowed: Allowed
) -> Found:
    """The popular items of the categories an entity met most."""
    nothing = np.zeros(0, dtype=np.int64)
    n_codes = int(codes.max(initial=-1)) + 1
    if not n_codes or not limits.categories:
        return nothing, nothing, nothing
    ranked = history.by_recent_buyers
    ranked = ranked[(history.item_recent_buyers[-1][ranked] > 0) & (codes[ranked] >= 0) & allowed.open[ranked]]
    if not len(ranked):
        return nothing, nothing, nothing
    listed = ranked[np.argsort(codes[ranked], kind="stable")]
    of = codes[listed].astype(np.int64)
    first = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=n_codes))])
    width = limits.per_category * (DEEPER if len(allowed.barred) else 1)
    table = np.full((n_codes, width), -1, dtype=np.int64)
    rank = np.arange(len(listed)) - first[of]
    table[of[rank < width], rank[rank < width]] = listed[rank < width]

    owner, pair = _own_pairs(history, entities)
    code = codes[history.pair_item[pair]]
    mine = np.flatnonzero(code >= 0)
    keys, start = _runs(owner[mine] * n_codes + code[mine])
    counts = np.bincount(start, weights=history.count[pair[mine]]) if len(keys) else nothing
    owner = keys // n_codes
    index = best_of(owner, keys % n_codes, counts, len(entities), limits.categories)
    items = table[keys[index] % n_codes].ravel()
    owners, place = np.repeat(owner[index], width), np.tile(np.arange(width), len(index))
    return owners[items >= 0], items[items >= 0], place[items >= 0]


def _runs(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct keys, ascending, and for every key its number among them."""
    return np.unique(keys, return_inverse=True)
