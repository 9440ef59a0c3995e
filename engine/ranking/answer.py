"""Answer a ranking: the best items of every seed, or the odds of every pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.examples.stale import as_seen, lag_of
from pql.engine.graph.interactions import Interactions, interactions_of, item_values
from pql.engine.graph.seeds import Seeds
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.pairs.rank_rules import Rules
from pql.engine.planning.plan import Plan
from pql.engine.ranking.choice import GNN, RANKERS
from pql.engine.ranking.scoring import (
    Described,
    Moment,
    RankedItems,
    Towers,
    batch_of,
    blended,
    describe,
    filled_lists,
    moment_at,
    ranker_scores,
)
from pql.engine.ranking.trained import TrainedRanker


def predict_ranking(
    trained: TrainedRanker,
    plan: Plan,
    graph: TemporalGraph,
    seeds: Seeds,
    k: int | None = None,
    rules: Rules | None = None,
) -> RankedItems:
    """The `k` (else the trained number) best items of every seed, as of its anchor; items are coded like the labels.

    Of the pair form without RANK, every item.
    """
    rules = None if rules is None else rules.earlier(lag_of(seeds))
    seeds = as_seen(seeds)
    interactions = interactions_of(plan, graph)
    trained, towers = bound(trained, plan, graph, interactions)
    if plan.query.asks_pairs:
        return pair_odds(trained, interactions, seeds, towers, rules)
    return rank_items(trained, interactions, seeds, k or trained.k, towers, rules)


def bound(
    trained: TrainedRanker, plan: Plan, graph: TemporalGraph, interactions: Interactions
) -> tuple[TrainedRanker, Towers | None]:
    """The ranking over the items of a graph, and its towers."""
    towers = trained.towers.bind(plan, graph, interactions.items) if trained.towers is not None else None
    if trained.pair_models:
        values = item_values(plan, graph)
        trained = replace(trained, pair_models=tuple(model.among(values) for model in trained.pair_models))
    return trained, towers


def moment_of(
    trained: TrainedRanker,
    interactions: Interactions,
    anchor: int,
    towers: Towers | None,
    rules: Rules | None,
    k: int,
    *,
    every: bool = False,
) -> Moment:
    """The past of one anchor (µs) as a ranking reads it; `every`: all items are candidates, not the likeliest."""
    return moment_at(
        interactions,
        anchor,
        trained.horizon,
        towers,
        rules,
        k,
        limits=trained.limits,
        every=every,
        featured=trained.reads_features,
        models=trained.pair_models,
    )


def rank_items(
    trained: TrainedRanker,
    interactions: Interactions,
    seeds: Seeds,
    k: int,
    towers: Towers | None = None,
    rules: Rules | None = None,
) -> RankedItems:
    """`predict_ranking` on interactions made by hand."""
    n = len(seeds)
    lists, values = np.full((n, k), -1, dtype=np.int64), np.zeros((n, k))
    counts = np.zeros(n, dtype=np.int64)
    for anchor in np.unique(seeds.anchors).tolist():
        moment = moment_of(trained, interactions, anchor, towers, rules, k)
        at = np.flatnonzero(seeds.anchors == anchor)
        rows, place = np.unique(seeds.rows[at], return_inverse=True)
        for start in range(0, len(rows), batch_of(moment)):
            entities = rows[start : start + batch_of(moment)]
            described = describe(moment, entities)
            score, odds = _scored(trained, described)
            found, value = filled_lists(moment, entities, described.candidates, score, odds, k)
            mine = np.flatnonzero((place >= start) & (place < start + len(entities)))
            counts[at[mine]] = moment.allowed.counts(entities)[place[mine] - start]
            lists[at[mine]], values[at[mine]] = found[place[mine] - start], value[place[mine] - start]
    here = lists >= 0
    sizes = here.sum(axis=1)
    return RankedItems(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.repeat(np.arange(n, dtype=np.int64), sizes),
        lists[here],
        values[here],
        np.tile(np.arange(1, k + 1, dtype=np.int32), (n, 1))[here],
        counts,
    )


def pair_odds(
    trained: TrainedRanker,
    interactions: Interactions,
    seeds: Seeds,
    towers: Towers | None = None,
    rules: Rules | None = None,
) -> RankedItems:
    """Every pair of a seed and an item it may be given, as `rank_items` gives the best ones."""
    owners, items, odds, counts = [], [], [], np.zeros(len(seeds), dtype=np.int64)
    for anchor in np.unique(seeds.anchors).tolist():
        moment = moment_of(trained, interactions, anchor, towers, rules, trained.k, every=True)
        at = np.flatnonzero(seeds.anchors == anchor)
        at = at[np.argsort(seeds.rows[at], kind="stable")]
        for start in range(0, len(at), batch_of(moment)):
            mine = at[start : start + batch_of(moment)]
            described = describe(moment, seeds.rows[mine])
            counts[mine] = np.bincount(described.candidates.owner, minlength=len(mine))
            owners.append(mine[described.candidates.owner])
            items.append(described.candidates.items)
            odds.append(_scored(trained, described)[1])
    owner, item, value = np.concatenate(owners), np.concatenate(items), np.concatenate(odds)
    order = np.lexsort((-value, owner))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(seeds)))]).astype(np.int64)
    rank = (np.arange(len(order)) - offsets[owner[order]] + 1).astype(np.int32)
    return RankedItems(offsets, owner[order], item[order], value[order], rank, counts)


def _scored(trained: TrainedRanker, described: Described) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What orders each candidate, and its odds: the probability that it is among the items of the window."""
    owner = described.candidates.owner
    weights, scores = dict(trained.weights), member_scores(trained, described)
    score = blended(owner, scores, weights)
    odds = score if trained.odds is None else trained.odds.apply(owner, scores, score, described.activity)
    return score, odds


def member_scores(trained: TrainedRanker, described: Described) -> dict[str, NDArray[np.float64]]:
    """The scores of every member that there are, by name."""
    weights, scores = dict(trained.weights), dict(described.scores)
    if trained.ranker is not None:
        scores[next(n for n in RANKERS if weights.get(n))] = ranker_scores(trained.ranker, described)
    if trained.network is not None:
        scores[GNN] = ranker_scores(trained.network, described)
    return scores
