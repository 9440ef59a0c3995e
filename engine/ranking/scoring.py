"""Scoring (entity, item) pairs at one anchor: its past, candidates, features and every member's score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.interactions import Interactions
from pql.engine.graph.seeds import Seeds
from pql.engine.models.calendar import calendar_scores
from pql.engine.models.popularity import popularity_scores
from pql.engine.models.ranker import PairScorer, RankerRows, top_lists
from pql.engine.models.repeat import repeat_scores
from pql.engine.pairs.candidates import Candidates, Limits, best_of, candidates_at, popular_fill
from pql.engine.pairs.pair_features import AnchorPast, PairFeatures, anchor_past, featureless, pair_features
from pql.engine.pairs.pair_history import History, history_at, locate, popular_order
from pql.engine.pairs.places import places_within
from pql.engine.pairs.rank_rules import Allowed, Rules
from pql.engine.pairs.together import Together, together_at
from pql.engine.ranking.pair_models import PairModel, made_at

BATCH = 1_000  # entities described at a time
LEAST_STEP = 1e-9  # by which the odds of a list fall at least, so that they order it
MOST_PAIRS = 200_000  # candidates described at a time
NEAR_BASIS = 5_000  # items compared by embedding: the most popular ones
NEAREST = 40
MOST_FILLED = 200  # candidates that popular items fill up to before they are scored
NETWORK_FEATURES = ("network score", "network rank")


class Towers(Protocol):
    """Embeddings of the network: the nearer an item to an entity (inner product), the likelier."""

    def embed_entities(self, seeds: Seeds) -> NDArray[np.float32]: ...

    def embed_items(self, anchor: int) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Moment:
    """One anchor: its past, its item–item model, the rules and, with towers, the items' embeddings (float32[I, d]).

    `calendar` float64[I]: items by season. `past`: what the features of pairs are made of; None where nobody
    reads them. `least`: popular items fill up to as many candidates of each entity. `limits`: how many each source may
    give. `models`: those of pairs that take part.
    """

    history: History
    together: Together
    calendar: NDArray[np.float64]
    past: AnchorPast | None
    allowed: Allowed
    least: int = 0
    limits: Limits = field(default_factory=Limits)
    towers: Towers | None = None
    items: NDArray[np.float32] | None = None
    models: tuple[PairModel, ...] = ()


@dataclass(frozen=True, slots=True)
class Described:
    """The candidates of some entities with their features and the scores of the members that need no ranker."""

    candidates: Candidates
    features: PairFeatures
    met: NDArray[np.bool_]  # whether the pair is in the entity's history
    newcomer: NDArray[np.bool_]  # whether the entity has no history at all
    activity: NDArray[np.float64]  # [n, 4]: recency, rows in one and in four horizons (logs), whether there are any
    scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RankedItems:
    """Ranked lists of n seeds: those of seed i are the entries `offsets[i]:offsets[i + 1]`, best first.

    `seed` int64[r], `item` int64[r] (distinct within a seed), `score` float64[r] in (0, 1], not rising within a seed,
    `rank` int32[r] from 1. `candidates` int64[n]: how many items the rules leave each seed.
    """

    offsets: NDArray[np.int64]
    seed: NDArray[np.int64]
    item: NDArray[np.int64]
    score: NDArray[np.float64]
    rank: NDArray[np.int32]
    candidates: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def moment_at(
    interactions: Interactions,
    anchor: int,
    horizon: int,
    towers: Towers | None = None,
    rules: Rules | None = None,
    k: int = 0,
    *,
    limits: Limits | None = None,
    every: bool = False,
    featured: bool = True,
    models: Sequence[str | PairModel] = (),
    seed: int = 0,
) -> Moment:
    """All that is known at `anchor` and is the same for every entity. `k`: the length of the lists to be made.

    With `every`, all that the rules allow are candidates. Without `featured`, candidates aren't described by features:
    baselines and models of pairs don't read them. `models`: those of pairs, made at the anchor (with `seed`) where only
    their name is given.
    """
    history = history_at(interactions, anchor, horizon)
    allowed = (rules or Rules()).at(anchor, history.known)
    items = None if towers is None else towers.embed_items(anchor)
    least = history.n_items if every else 0 if rules is None else min(k, MOST_FILLED)
    made = tuple(made_at(history, [one], seed)[0] if isinstance(one, str) else one for one in models)
    past = anchor_past(history) if featured else None
    limits = limits or Limits()
    calendar = calendar_scores(history)
    return Moment(history, together_at(history), calendar, past, allowed, least, limits, towers, items, made)


def batch_of(moment: Moment) -> int:
    """How many entities are described at a time."""
    return max(1, min(BATCH, MOST_PAIRS // max(1, moment.least)))


def describe(moment: Moment, entities: NDArray[np.int64]) -> Described:
    """Candidates, features and simple scores of `entities` (rows, int64[n], n small: one batch)."""
    history = moment.history
    vectors, nearest = None, None
    if moment.towers is not None and moment.items is not None:
        seeds = Seeds(entities, np.full(len(entities), history.anchor, dtype=np.int64))
        vectors = moment.towers.embed_entities(seeds)
        nearest = _nearest(moment, entities, vectors, moment.items)
    reached = {model.name: model.reach(history, entities) for model in moment.models}
    near_by = [part for part in (nearest, *(reach.nearest for reach in reached.values())) if part is not None]
    nearest = np.concatenate(near_by, axis=1) if near_by else None
    candidates = candidates_at(
        history,
        entities,
        moment.together,
        moment.limits,
        nearest,
        moment.allowed,
        moment.least,
        None if moment.past is None else moment.past.latent,
    )
    entity = entities[candidates.owner]
    extra: tuple[tuple[str, NDArray[np.float32]], ...] = ()
    scores = {
        "popularity": popularity_scores(history, candidates.items),
        "repeat": repeat_scores(history, entity, candidates.items),
        "calendar": moment.calendar[candidates.items],
    }
    if vectors is not None and moment.items is not None:
        near = np.einsum("cd,cd->c", vectors[candidates.owner], moment.items[candidates.items]).astype(np.float32)
        place = places_within(candidates.owner, near).astype(np.float32)
        extra = tuple(zip(NETWORK_FEATURES, (near, place), strict=True))
        scores["two_tower"] = near.astype(np.float64)
    for name, reach in reached.items():
        scores[name] = reach.score(candidates.owner, candidates.items)
    _, met = history.find(entity, candidates.items)
    newcomer = history.entity_count[entity] == 0
    features = featureless(len(candidates))
    if moment.past is not None:
        features = pair_features(history, entities, candidates, extra, moment.past)
    return Described(candidates, features, met, newcomer, activity_of(history, entities), scores)


def activity_of(history: History, entities: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64[n, 4]: logs of recency (in horizons) and of the rows in 1 and 4 horizons, and whether there are any."""
    recency = (history.anchor - history.entity_last[entities]) / history.horizon
    counts = [np.log1p(history.entity_windows[i][entities]) for i in (0, -1)]
    return np.column_stack([np.log1p(recency), *counts, history.entity_count[entities] > 0]).astype(np.float64)


def ranker_scores(ranker: PairScorer, described: Described, threads: int = 1) -> NDArray[np.float64]:
    """float64[c]: the ranker's scores; of entities without a past, whom it cannot tell apart, the items' popularity."""
    score = ranker.score(described.features, threads)
    if set(NETWORK_FEATURES) & set(ranker.names):
        return score
    return np.where(described.newcomer, described.scores["popularity"], score)


def training_rows(described: Described, labels: NDArray[np.bool_], *, negatives: int, seed: int) -> RankerRows:
    """All true candidates of every example that has one, and `negatives` others drawn among its candidates."""
    candidates = described.candidates
    true = np.bincount(candidates.owner[labels], minlength=candidates.n)
    draw = np.random.default_rng(seed).random(len(candidates))
    draw[labels] = 2.0
    index = best_of(candidates.owner, candidates.items, draw, candidates.n, len(candidates) + 1)
    owner = candidates.owner[index]
    place = np.arange(len(index)) - np.searchsorted(owner, owner)
    kept = np.sort(index[(place < true[owner] + negatives) & (true[owner] > 0)])
    groups = np.bincount(candidates.owner[kept], minlength=candidates.n)
    return RankerRows(described.features.values[kept], labels[kept].astype(np.int8), groups[groups > 0])


def graded(owner: NDArray[np.int64], score: NDArray) -> NDArray[np.float64]:
    """float64[c] in (0, 1]: 5 / (5 + place) within the owner, so that members of any scale mix."""
    return 5.0 / (5.0 + places_within(owner, score))


def blended(
    owner: NDArray[np.int64], scores: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float]
) -> NDArray[np.float64]:
    """float64[c] in (0, 1]: the weighted mean of the members' grades."""
    total = np.zeros(len(owner))
    for name, weight in sorted(weights.items()):
        if weight > 0:
            total += weight * graded(owner, scores[name])
    return total


def falling(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[n, k] that don't rise along a row: the mean of the least so far and the most from there on."""
    least = np.minimum.accumulate(values, axis=1)
    most = np.maximum.accumulate(values[:, ::-1], axis=1)[:, ::-1]
    return (least + most) / 2


def filled_lists(
    moment: Moment,
    entities: NDArray[np.int64],
    candidates: Candidates,
    score: NDArray[np.float64],
    odds: NDArray[np.float64],
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k best items by `score` and their odds of every entity (int64, float64 [n, k]), evened out so that they fall.

    Where the candidates run out, popular items follow with ever smaller odds, and -1 only where the rules leave fewer
    than k of the items known.
    """
    n = len(entities)
    lists = top_lists(candidates.owner, candidates.items, score, n, k, moment.allowed.caps(candidates.items))
    width = max(1, moment.history.n_items)
    at, found = locate(candidates.owner * width + candidates.items, (np.arange(n)[:, None] * width + lists).ravel())
    values = np.zeros((n, k))
    usable = (found & (lists.ravel() >= 0)).reshape(n, k)
    if len(score):
        values[usable] = odds[at.reshape(n, k)[usable]]
        values = falling(values) * (1 - LEAST_STEP * np.arange(k))
    if (lists >= 0).all():
        return lists, values
    here = lists >= 0
    have = here.sum(axis=1)
    owner, item = np.repeat(np.arange(n, dtype=np.int64), have), lists[here]
    owner, item = popular_fill(moment.history, entities, moment.allowed, owner, item, k)
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    floor = np.where(have > 0, values[np.arange(n), np.maximum(0, have - 1)], 1.0)
    lists[owner, have[owner] + place] = item
    values[owner, have[owner] + place] = floor[owner] / (2.0 + place)
    return lists, values


def _nearest(
    moment: Moment, entities: NDArray[np.int64], vectors: NDArray[np.float32], items: NDArray[np.float32]
) -> NDArray[np.int64]:
    """int64[n, q]: the items nearest to every entity among the most popular ones, those it may be given first."""
    allowed = moment.allowed
    basis = np.sort(popular_order(moment.history, allowed.open)[:NEAR_BASIS])
    limit = min(NEAREST, len(basis))
    if not limit:
        return np.zeros((len(vectors), 0), dtype=np.int64)
    score = np.round(vectors.astype(np.float64) @ items[basis].astype(np.float64).T, 6)
    owner, item = allowed.barred_for(entities)
    at, found = locate(basis, item)
    score[owner[found], at[found]] = -np.inf
    least = -np.partition(-score, limit - 1, axis=1)[:, limit - 1 : limit]
    owner, place = np.nonzero(score >= least)
    best = best_of(owner, place, score[owner, place], len(score), limit)
    return basis[place[best]].reshape(len(score), limit)
