"""Candidates: a bounded union of sources, each read from the anchor's own past."""

from dataclasses import replace

import numpy as np
import pytest
from fake_graphs import DAY
from rankings import HORIZON, truth_of, world

from pql.engine.graph.interactions import ItemTable, make_interactions
from pql.engine.pairs.candidates import (
    CATEGORY,
    NEAREST,
    OWN,
    POPULAR,
    TASTE,
    TOGETHER,
    Limits,
    candidate_recall,
    candidates_at,
)
from pql.engine.pairs.latent import latent_at
from pql.engine.pairs.pair_features import pair_features
from pql.engine.pairs.pair_history import history_at, popular_order
from pql.engine.pairs.together import together_at

ANCHOR = 90 * DAY
ALL = np.arange(120)


def made(interactions, anchor=ANCHOR, entities=ALL, **limits):
    history = history_at(interactions, anchor, HORIZON)
    return history, candidates_at(history, entities, together_at(history), Limits(**limits))


def test_every_source_gives_its_own_kind_of_item():
    history, found = made(world())
    key = found.owner * history.n_items + found.items
    assert np.array_equal(key, np.unique(key))
    own = (found.source & OWN) > 0
    assert history.find(ALL[found.owner[own]], found.items[own])[1].all()
    popular = set(popular_order(history)[:40].tolist())
    assert popular <= set(found.items[(found.source & POPULAR) > 0].tolist())
    assert (found.together[(found.source & TOGETHER) > 0] > 0).all()
    kind = history.items.categories[0][1]
    inside = (found.source & CATEGORY) > 0
    assert {(o, kind[i]) for o, i in zip(found.owner[inside], found.items[inside], strict=True)} <= {
        (e, kind[i]) for e, i in zip(history.pair_entity, history.pair_item, strict=True)
    }


def test_limits_bound_what_an_entity_gets():
    _, found = made(world(), own=3, latest=1, popular=4, together=2, categories=1, per_category=2)
    for flag, most in ((OWN, 4), (TOGETHER, 2), (CATEGORY, 2)):
        assert np.bincount(found.owner[(found.source & flag) > 0], minlength=120).max() <= most


def test_nearest_items_join_and_unknown_ones_never_do():
    interactions = world()
    history = history_at(interactions, ANCHOR, HORIZON)
    nearest = np.tile(np.array([[39, 3, -1]]), (120, 1))
    found = candidates_at(history, ALL, together_at(history), Limits(popular=2, together=0, categories=0), nearest)
    assert set(found.items[(found.source & NEAREST) > 0].tolist()) == {3}
    assert (interactions.items.birth[found.items] <= ANCHOR).all()


def test_items_that_fit_an_entity_best_join_whoever_else_is_asked_for():
    history = history_at(world(), ANCHOR, HORIZON)
    latent, limits = latent_at(history), Limits(popular=2, together=0, categories=0, taste=4)
    found = candidates_at(history, ALL, together_at(history), limits, latent=latent)
    fits = (found.source & TASTE) > 0
    assert np.bincount(found.owner[fits]).max() == 4
    score = latent.scores(np.full(40, 7), np.arange(40))
    best = [item for item in np.argsort(-score) if history.item_recent_buyers[-1][item] > 0][:4]
    assert set(found.items[fits & (found.owner == 7)].tolist()) == set(best)
    alone = candidates_at(history, np.array([7]), together_at(history), limits, latent=latent)
    assert np.array_equal(alone.items, found.items[found.owner == 7])
    assert np.array_equal(alone.source, found.source[found.owner == 7])


def test_the_more_own_items_the_fewer_others_and_the_best_of_every_source_stay():
    history, found = made(world(), total=9, others=3)
    own = np.bincount(found.owner[(found.source & OWN) > 0], minlength=120)
    sizes = np.bincount(found.owner, minlength=120)
    assert own.max() > 6
    assert (sizes == np.maximum(9, own + 3)).all()
    first = popular_order(history)[0]
    assert (np.bincount(found.owner[found.items == first], minlength=120) == 1).all()


def test_an_entity_without_a_past_gets_popular_items():
    history, found = made(world())
    assert history.entity_count[119] == 0
    assert (found.source[found.owner == 119] == POPULAR).all()
    assert (found.owner == 119).sum() > 10


def test_most_of_what_follows_is_among_the_candidates():
    interactions = world()
    _, found = made(interactions, anchor=120 * DAY)
    assert candidate_recall(found, truth_of(interactions, ALL, 120 * DAY)) > 0.9
    assert np.isnan(candidate_recall(found, truth_of(interactions, ALL, 10_000 * DAY)))


def test_items_bought_by_the_same_people_go_together():
    interactions = world()
    history = history_at(interactions, ANCHOR, HORIZON)
    together = together_at(history)
    assert np.diag(together.weights).tolist() == [0.0] * len(together.basis)
    group = together.basis % 4
    same = group[:, None] == group[None, :]
    assert together.weights[same].mean() > together.weights[~same].mean()


@pytest.mark.parametrize("scrambled", [False, True])
@pytest.mark.parametrize("day", [40, 90, 130])
def test_no_later_row_changes_a_candidate_or_a_feature(day, scrambled):
    anchor = day * DAY
    full, cut = world(), world(until=anchor)
    if scrambled:
        late = cut.time[:0]
        rng = np.random.default_rng(3)
        late = anchor + 1 + rng.integers(0, 50 * DAY, 500)
        entity = np.concatenate([cut.entity, rng.integers(0, 120, 500)])
        item = np.concatenate([cut.item, rng.integers(0, 40, 500)])
        known = full.items.birth <= anchor
        items = replace(
            full.items,
            categories=(("kind", np.where(known, full.items.categories[0][1], 7).astype(np.int32)),),
            numbers=(("price", np.where(known, full.items.numbers[0][1], 1e9)),),
        )
        full = make_interactions(entity, item, np.concatenate([cut.time, late]), 120, items)
    results = []
    for interactions in (full, cut):
        history, found = made(interactions, anchor)
        results.append((found, pair_features(history, ALL, found)))
    (one, features), (two, others) = results
    assert np.array_equal(one.items, two.items)
    assert np.array_equal(one.source, two.source)
    assert features.names == others.names
    assert np.array_equal(features.values, others.values, equal_nan=True)


def test_features_tell_rhythm_recency_and_shares():
    time = np.array([2, 4, 6, 9]) * DAY
    made_by_hand = make_interactions(
        np.zeros(4, np.int64), np.array([0, 0, 0, 1]), time, 1, ItemTable(np.zeros(3, np.int64))
    )
    history = history_at(made_by_hand, 10 * DAY, 2 * DAY)
    found = candidates_at(history, np.array([0]), together_at(history))
    described = pair_features(history, np.array([0]), found)
    row = dict(zip(described.names, described.values[found.items.tolist().index(0)].tolist(), strict=True))
    assert row["times"] == 3
    assert row["times in 4h"] == 2
    assert row["recency"] == 2.0
    assert row["mean gap"] == 1.0
    assert row["recency / gap"] == 2.0
    assert row["share of mine"] == 0.75
    assert (row["baskets since"], row["times in last 1"], row["times in last 3"]) == (1, 0, 2)
    assert row["own recency lag"] == 1.5
    never = dict(zip(described.names, described.values[found.items.tolist().index(2)].tolist(), strict=True))
    assert never["times"] == 0
    assert np.isnan(never["recency"])


def test_an_empty_past_has_candidates_and_features():
    history, found = made(world(), anchor=-DAY, entities=np.array([0, 1]))
    assert len(found) == 0 or not found.source.any() or (found.source == POPULAR).all()
    assert len(pair_features(history, np.array([0, 1]), found).values) == len(found)
