"""A small world for ranking tests: entities with a taste who repeat themselves, as interactions and examples."""

from __future__ import annotations

import numpy as np
from fake_graphs import DAY, plan

from pql.engine.graph.interactions import ItemTable, make_interactions
from pql.engine.graph.seeds import TEST, TRAIN, VALID, Examples, Ragged, Seeds

HORIZON = 10 * DAY
ANCHORS = np.arange(60, 160, 10) * DAY


def model(**changes):
    return plan(**{"name": "auto", "members": ("boosted",), "refit": True, **changes})


def events_of(seed=0, entities=120, items=40, groups=4, rows=4000, days=160):
    """(entity, item, time) arrays: half of the rows repeat an earlier one, the rest are of the entity's group."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(0, days * DAY, rows))
    entity = rng.integers(0, entities - 5, rows)
    item = rng.integers(0, items // groups, rows) * groups + entity % groups
    for row in range(1, rows):
        if rng.random() < 0.5:
            earlier = np.flatnonzero(entity[:row] == entity[row])
            if len(earlier):
                item[row] = item[earlier[-1 - rng.integers(0, min(5, len(earlier)))]]
    return entity, item, time


def item_table(items=40, groups=4):
    rng = np.random.default_rng(1)
    birth = np.zeros(items, np.int64)
    birth[-groups:] = 100 * DAY
    kind = (np.arange(items) % groups).astype(np.int32)
    return ItemTable(birth, (("kind", kind),), (("price", np.where(birth > 0, np.nan, rng.random(items))),))


def world(seed=0, until=None):
    """Interactions; with `until`, only the rows at or before it."""
    entity, item, time = events_of(seed)
    items = item_table()
    time = np.maximum(time, items.birth[item])
    kept = slice(None) if until is None else time <= until
    return make_interactions(entity[kept], item[kept], time[kept], 120, items)


def truth_of(interactions, entities, anchor):
    inside = (interactions.time > anchor) & (interactions.time <= anchor + HORIZON)
    sets = [np.unique(interactions.item[inside & (interactions.entity == e)]) for e in entities]
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in sets])]).astype(np.int64)
    return Ragged(offsets, np.concatenate([*sets, np.zeros(0)]).astype(np.int64))


def examples_of(interactions, anchors=ANCHORS):
    """Every entity with something in the window, at every anchor; the last is test, the one before validation."""
    rows, times, sets = [], [], []
    for anchor in anchors.tolist():
        truth = truth_of(interactions, np.arange(interactions.n_entities), anchor)
        some = np.flatnonzero(np.diff(truth.offsets))
        rows.append(some)
        times.append(np.full(len(some), anchor))
        sets.append(truth.take(some))
    seeds = Seeds(np.concatenate(rows), np.concatenate(times))
    sizes = np.concatenate([np.diff(s.offsets) for s in sets])
    labels = Ragged(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), np.concatenate([s.values for s in sets]))
    split = np.where(seeds.anchors == anchors[-1], TEST, np.where(seeds.anchors == anchors[-2], VALID, TRAIN))
    return Examples(seeds, labels, split.astype(np.int8), np.zeros((len(seeds), 0), np.float32))
