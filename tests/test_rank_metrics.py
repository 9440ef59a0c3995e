"""Ranking metrics by hand-worked lists."""

import numpy as np
import pytest

from pql.engine.graph.seeds import Ragged
from pql.engine.quality.rank_metrics import average_precision, hits, rank_metrics, without_known


def sets(*items):
    offsets = np.concatenate([[0], np.cumsum([len(i) for i in items])]).astype(np.int64)
    return Ragged(offsets, np.array([v for i in items for v in sorted(i)], dtype=np.int64))


def test_hits_are_the_true_items_and_never_the_end_of_a_list():
    found = hits(np.array([[5, 1, -1], [7, 5, 2]]), sets({1, 9}, {5}))
    assert found.tolist() == [[False, True, False], [False, True, False]]


def test_average_precision_divides_by_the_smaller_of_k_and_the_truth():
    lists = np.array([[1, 2, 3], [1, 2, 3], [4, 5, 6]])
    value = average_precision(lists, sets({1, 3}, {1, 2, 3, 8, 9}, {6}), 3)
    assert value.tolist() == pytest.approx([(1 + 2 / 3) / 2, 1.0, 1 / 3])


def test_all_measures_of_one_list():
    m = rank_metrics(np.array([[4, 1, 7, 2]]), sets({1, 2, 3}), 4)
    assert (m.n, m.k) == (1, 4)
    assert m.map == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert m.recall == pytest.approx(2 / 3)
    assert m.mrr == 0.5
    gain = 1 / np.log2([2, 3, 4, 5])
    assert m.ndcg == pytest.approx((gain[1] + gain[3]) / gain[:3].sum())


def test_examples_without_a_true_item_do_not_count():
    m = rank_metrics(np.array([[1], [2]]), sets({1}, set()), 1)
    assert (m.map, m.n) == (1.0, 1)
    nothing = rank_metrics(np.array([[1]]), sets(set()), 1)
    assert nothing.n == 0
    assert np.isnan(nothing.map)


def test_lists_shorter_than_k_are_allowed():
    assert rank_metrics(np.array([[3, -1]]), sets({3}), 12).map == 1.0


def test_new_items_are_the_truth_without_what_the_entity_had():
    left = without_known(sets({1, 2}, {5}, {7, 8}), np.array([True, False, True, False, False]))
    assert left.offsets.tolist() == [0, 1, 1, 3]
    assert left.values.tolist() == [2, 7, 8]


def test_rows_carry_the_cut_in_their_names():
    names = [name for name, _ in rank_metrics(np.array([[3]]), sets({3}), 1).rows(" (new)")]
    assert names == ["map@1 (new)", "recall@1 (new)", "ndcg@1 (new)", "mrr (new)"]
