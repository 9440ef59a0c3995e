"""The sampler: the last k children and the known parents at each seed's anchor, exactly."""

import numpy as np
import pytest
from fake_graphs import DAY, make_edge, node, shop, without_later

from pql.engine.graph.sample import count_children, elapsed, sample
from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph


def brute_force(edge, parent, anchor, k):
    """The newest k children of a parent at an anchor, newest first, and how many there are."""
    own = [
        (t, c)
        for t, c in zip(
            edge.times[edge.indptr[parent] : edge.indptr[parent + 1]].tolist(),
            edge.children[edge.indptr[parent] : edge.indptr[parent + 1]].tolist(),
            strict=True,
        )
        if t <= anchor
    ]
    return [c for _, c in own[::-1][:k]], len(own)


def seeds_of(graph, n=300, seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(0, len(graph.nodes[0]), n), rng.integers(0, 400, n) * DAY


def test_children_are_the_last_k_at_or_before_the_anchor():
    graph = shop()
    rows, anchors = seeds_of(graph)
    block = sample(graph, rows, anchors, [4]).blocks[1]
    assert block.down
    for i, (row, anchor) in enumerate(zip(rows.tolist(), anchors.tolist(), strict=True)):
        wanted, count = brute_force(graph.edges[0], row, anchor, 4)
        assert block.rows[block.offsets[i] : block.offsets[i + 1]].tolist() == wanted
        assert block.counts[i] == count
    assert (block.times <= anchors[block.seeds]).all()
    assert (block.parents == block.seeds).all()
    assert block.slots.max() == 3


def test_a_child_exactly_at_the_anchor_is_seen_and_one_microsecond_later_is_not():
    nodes = (node("p", [ALWAYS]), node("c", [5, 6, ALWAYS, NEVER]))
    graph = TemporalGraph(nodes, (make_edge(nodes, "c.p", 1, 0, [0, 0, 0, 0]),), 0)
    assert sample(graph, [0, 0, 0], [4, 5, 6], [9]).blocks[1].rows.tolist() == [2, 0, 2, 1, 0, 2]


def test_parents_are_followed_only_once_they_are_known():
    nodes = (node("c", [0, 0, 0, 0]), node("p", [10, ALWAYS, NEVER]))
    graph = TemporalGraph(nodes, (make_edge(nodes, "c.p", 0, 1, [0, 1, 2, -1]),), 0)
    rows = np.arange(4)
    assert sample(graph, rows, np.full(4, 9), [2]).blocks[1].rows.tolist() == [1]
    later = sample(graph, rows, np.full(4, 10), [2]).blocks[1]
    assert later.rows.tolist() == [0, 1]
    assert later.counts.tolist() == [1, 1, 0, 0]


def test_the_second_hop_keeps_the_seeds_anchor_and_never_steps_straight_back():
    graph = shop()
    rows, anchors = seeds_of(graph)
    trees = sample(graph, rows, anchors, [3, 2])
    assert [(b.source, b.edge, b.down) for b in trees.blocks] == [(-1, -1, True), (0, 0, True), (1, 1, False)]
    for block in trees.blocks[1:]:
        source = trees.blocks[block.source]
        assert (block.seeds == source.seeds[block.parents]).all()
        assert (block.times <= anchors[block.seeds]).all()


def test_siblings_are_reached_through_a_parent():
    graph = shop()
    trees = sample(graph, np.arange(50), np.full(50, 300 * DAY), [3, 2], table=1)
    assert (1, 0, True) in {(b.source, b.edge, b.down) for b in trees.blocks}


def test_counting_uses_integers_only():
    near = 2**60
    nodes = (node("p", [ALWAYS]), node("c", [near, near + 1, near + 2]))
    edge = make_edge(nodes, "c.p", 1, 0, [0, 0, 0])
    assert count_children(edge, np.zeros(3, np.int64), near + np.arange(3)).tolist() == [1, 2, 3]


def test_elapsed_is_unknown_for_times_that_are_no_moment_or_still_to_come():
    times = np.array([0, DAY, ALWAYS, NEVER, 3 * DAY])
    got = elapsed(np.full(5, 2 * DAY), times)
    assert got[:2].tolist() == [2.0, 1.0]
    assert np.isnan(got[2:]).all()


@pytest.mark.parametrize("scramble", [None, 3])
def test_rows_after_the_anchor_leave_samples_identical(scramble):
    graph, anchor = shop(), 200 * DAY
    users = np.arange(len(graph.nodes[0]))
    other = without_later(graph, anchor, scramble=scramble)
    a = sample(graph, users, np.full(len(users), anchor), [5, 5])
    b = sample(other, users, np.full(len(users), anchor), [5, 5])
    names = [_keys(graph), _keys(other)]
    for x, y in zip(a.blocks, b.blocks, strict=True):
        assert (names[0][x.table][x.rows] == names[1][y.table][y.rows]).all()
        for field in ("offsets", "seeds", "times", "counts"):
            assert (getattr(x, field) == getattr(y, field)).all()


def _keys(graph):
    return [n.keys.column("id").to_numpy() for n in graph.nodes]


def test_empty_graphs_and_no_seeds_sample_nothing():
    nodes = (node("p", [ALWAYS]), node("c", []))
    graph = TemporalGraph(nodes, (make_edge(nodes, "c.p", 1, 0, []),), 0)
    assert len(sample(graph, [0], [0], [4, 4]).blocks[1]) == 0
    assert len(sample(shop(), [], [], [4, 4]).blocks[2]) == 0
