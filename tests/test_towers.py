"""The two towers: they learn who likes what, as of the anchor, for known and for new items."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from fake_graphs import DAY, coded, make_edge, node, number, plan, task, without_later

from pql.engine.events import Events
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.graph.seeds import TRAIN, VALID, Examples, Ragged, Seeds
from pql.engine.graph.temporal import ALWAYS, TemporalGraph
from pql.engine.models.base import Inputs, Problem
from pql.engine.models.towers import fit_two_tower, nearest, restore_towers
from pql.engine.nn.items import Items, item_history, item_names
from pql.language.bound import TaskKind
from pql.language.catalog import Stype
from pql.language.errors import PqlError

ITEMS, GROUPS = 40, 4


def tastes(seed=0, users=150, *, by_value=False, epochs=15):
    """Users buy items of their own group (item i is of group i % GROUPS), each ten days, for 200 days."""
    rng = np.random.default_rng(seed)
    likes = rng.integers(0, GROUPS, users)
    when = np.tile(np.arange(20) * 10 * DAY, users) + rng.integers(0, 10, users * 20) * DAY
    who = np.repeat(np.arange(users), 20)
    what = rng.integers(0, ITEMS // GROUPS, len(who)) * GROUPS + likes[who]
    order = np.argsort(when, kind="stable")
    when, who, what = when[order], who[order], what[order]
    always = np.full(users, ALWAYS)
    born = np.zeros(ITEMS, np.int64)
    born[-4:] = 140 * DAY
    u, o = node("users", always), node("orders", when, number("x", rng.normal(size=len(when))))
    kinds = [f"g{i % GROUPS}" for i in range(ITEMS)]
    i = node("items", born, coded("kind", Stype.CATEGORY, kinds, np.zeros(ITEMS, np.int64)))
    nodes = (u, o, i)
    graph = TemporalGraph(nodes, (make_edge(nodes, "o.u", 1, 0, who), make_edge(nodes, "o.i", 1, 2, what)), 0)
    anchors = np.arange(60, 200, 20) * DAY
    seeds = Seeds(np.tile(np.arange(users), len(anchors)), np.repeat(anchors, users))
    sets = []
    for row, anchor in zip(seeds.rows, seeds.anchors, strict=True):
        sets.append(np.unique(what[(who == row) & (when > anchor) & (when <= anchor + 20 * DAY)]))
    labels = Ragged(np.concatenate([[0], np.cumsum([len(s) for s in sets])]).astype(np.int64), np.concatenate(sets))
    nothing = np.zeros((len(seeds), 0), np.float32)
    split = np.where(seeds.anchors == anchors[-1], VALID, TRAIN).astype(np.int8)
    inputs = Inputs(graph, seeds, FeatureMatrix((), nothing), nothing)
    p = Problem(
        task(TaskKind.RANKING), plan(epochs=epochs), inputs, Examples(seeds, labels, split, nothing), 0,
        int(anchors[-2]), frozenset(), 2, (8, 8), Events(),
    )  # fmt: skip
    names = pa.array([f"i{k}" for k in range(ITEMS)])
    items = Items(names, born, None, (2, np.arange(ITEMS))) if by_value else Items(names, born, 2)
    return p, items, likes


def fit(p, items, **more):
    split = p.examples
    return fit_two_tower(
        p, items, split.labels, split.where(TRAIN), split.where(VALID), horizon=20 * DAY, **more
    )  # fmt: skip


def scores(towers, p, items, anchor):
    index = np.flatnonzero(p.inputs.seeds.anchors == anchor)
    vectors = towers.embed_items(p.inputs.graph, items, np.arange(len(items)), anchor)
    return towers.embed_entities(p.inputs.take(index), items) @ vectors.T


@pytest.mark.parametrize("by_value", [False, True])
def test_the_best_items_are_of_the_users_own_group(by_value):
    p, items, likes = tastes(by_value=by_value)
    towers = fit(p, items)
    best, _ = nearest(*_pair(towers, p, items), 5)
    assert (best % GROUPS == likes[:, None]).mean() > (0.6 if by_value else 0.8)


def _pair(towers, p, items):
    anchor = int(p.inputs.seeds.anchors.max())
    index = np.flatnonzero(p.inputs.seeds.anchors == anchor)
    vectors = towers.embed_items(p.inputs.graph, items, np.arange(len(items)), anchor)
    return towers.embed_entities(p.inputs.take(index), items), vectors


def test_an_item_never_met_in_training_is_placed_by_its_columns():
    p, items, likes = tastes()
    towers = fit(p, replace(items, names=pa.array([f"old{k}" for k in range(ITEMS)])))
    renamed = replace(items, names=pa.array([f"new{k}" for k in range(ITEMS)]))
    got = scores(towers, p, renamed, int(p.inputs.seeds.anchors.max()))
    own = got[np.arange(len(got))[:, None], np.arange(ITEMS // GROUPS)[None, :] * GROUPS + likes[:, None]]
    assert (own.mean(axis=1) > got.mean(axis=1)).mean() > 0.8


def test_the_same_seed_gives_the_same_bits_and_so_does_a_restored_state():
    p, items, _ = tastes(epochs=2)
    first = fit(p, items)
    state = first.state()
    back = restore_towers({**state, "config": json.loads(json.dumps(state["config"]))})
    anchor = int(p.inputs.seeds.anchors.max())
    for other in (fit(p, items), back):
        assert (scores(other, p, items, anchor) == scores(first, p, items, anchor)).all()
    assert back.rounds == first.rounds


@pytest.mark.parametrize("scramble", [None, 2])
def test_rows_after_the_anchor_change_no_bit(scramble):
    p, items, _ = tastes(epochs=2)
    anchor = int(p.inputs.seeds.anchors.max())
    q = replace(p, inputs=replace(p.inputs, graph=without_later(p.inputs.graph, anchor, scramble=scramble)))
    towers, again = fit(p, items), fit(q, items)
    wanted = scores(towers, p, items, anchor)
    assert (scores(towers, q, items, anchor) == wanted).all()
    assert (scores(again, q, items, anchor) == wanted).all()


def test_items_recent_history_counts_rows_by_the_anchor_only():
    p, _, _ = tastes()
    graph = p.inputs.graph
    edge = graph.edges[1]
    got = item_history(graph, 2, np.arange(ITEMS), 100 * DAY, 20 * DAY)
    own = edge.times[edge.indptr[3] : edge.indptr[4]]
    assert got[3, 0] == np.float32(np.log1p((own <= 100 * DAY).sum()) / 4)
    assert got[3, 1] == np.float32(np.log1p(((own > 80 * DAY) & (own <= 100 * DAY)).sum()) / 4)


def test_rounds_fixes_the_work_and_needs_no_validation():
    p, items, _ = tastes(epochs=5)
    everything = np.arange(len(p.examples))
    labels = p.examples.labels
    assert fit_two_tower(p, items, labels, everything, everything[:0], horizon=DAY, rounds=2).rounds == 2


def test_no_answer_to_learn_from_is_a_coded_error():
    p, items, _ = tastes()
    empty = Ragged(np.zeros(len(p.examples) + 1, np.int64), np.zeros(0, np.int64))
    with pytest.raises(PqlError, match="no_examples"):
        fit_two_tower(p, items, empty, np.arange(5), np.arange(0), horizon=DAY)


def test_many_items_are_sampled(monkeypatch):
    monkeypatch.setattr("pql.engine.models.towers.ALL_ITEMS", 10)
    monkeypatch.setattr("pql.engine.models.towers.NEGATIVES", 12)
    p, items, likes = tastes()
    best, _ = nearest(*_pair(fit(p, items), p, items), 5)
    assert (best % GROUPS == likes[:, None]).mean() > 0.7


def test_nearest_is_best_first_and_ties_go_to_the_lower_position():
    places, found = nearest(np.ones((2, 1), np.float32), np.array([[1], [3], [3], [2]], np.float32), 9)
    assert places.tolist() == [[1, 2, 3, 0]] * 2
    assert found[0].tolist() == [3, 3, 2, 1]


def test_items_are_named_by_their_key():
    keys = pa.table({"a": [1, 2], "b": ["x", "y"]})
    assert item_names(keys.select(["a"])).to_pylist() == [1, 2]
    assert item_names(keys).to_pylist() == ["1\x1fx", "2\x1fy"]
