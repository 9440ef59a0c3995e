"""The network of a ranking: it tells true items from others, is deterministic, restorable and blind to the future."""

import numpy as np
import pytest
from rankings import make_interactions
from test_rank import DAY, NOW, K, everyone, examples_of, same, trained_on, world

from pql.engine.events import Events
from pql.engine.models.pair_network import PairNetwork, fit_pair_network, list_loss
from pql.engine.models.ranker import RankerRows
from pql.engine.pairs.pair_features import PairFeatures
from pql.engine.ranking.answer import rank_items
from pql.engine.ranking.trained import TrainedRanker

torch = pytest.importorskip("torch")


def lists(seed=0, n=300):
    """Lists of nine pairs, one of them true: it has the highest first feature, but for noise."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 9, 3)).astype(np.float32)
    best = (values[:, :, 0] + 0.1 * rng.normal(size=(n, 9))).argmax(axis=1)
    labels = np.zeros((n, 9), np.int8)
    labels[np.arange(n), best] = 1
    values[rng.random(values.shape) < 0.05] = np.nan
    return RankerRows(values.reshape(-1, 3), labels.ravel(), np.full(n, 9))


def fit(rows, seed=0):
    return fit_pair_network(rows, ("a", "b", "c"), None, seed=seed, events=Events(), rounds=4)


def test_the_true_item_comes_first():
    network, fresh = fit(lists()), lists(1)
    score = network.score(PairFeatures(("c", "b", "a"), fresh.values[:, ::-1])).reshape(-1, 9)
    assert (score.argmax(axis=1) == fresh.labels.reshape(-1, 9).argmax(axis=1)).mean() > 0.7


def test_the_loss_is_the_softmax_cross_entropy_of_every_list():
    scores = torch.tensor([0.0, 1.0, 2.0, 0.5])
    loss = list_loss(scores, np.array([0, 1, 1, 1], np.float32), np.array([3, 1]))
    p = np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum()
    assert loss.item() == pytest.approx(-(np.log(p[1]) + np.log(p[2])) / 2 / 2)


def test_the_same_seed_gives_the_same_bits_and_so_does_a_restored_state():
    rows = lists()
    first = fit(rows)
    assert (fit(rows).margin(rows.values) == first.margin(rows.values)).all()
    assert (fit(rows, seed=1).margin(rows.values) != first.margin(rows.values)).any()
    assert (PairNetwork.restore(first.state()).margin(rows.values) == first.margin(rows.values)).all()


def test_a_ranking_by_the_network_outlives_its_state_and_ignores_later_rows():
    cut = world(until=NOW)
    rng = np.random.default_rng(0)
    more = make_interactions(
        np.concatenate([cut.entity, rng.integers(0, 120, 400)]),
        np.concatenate([cut.item, rng.integers(0, 40, 400)]),
        np.concatenate([cut.time, NOW + 1 + rng.integers(0, 20 * DAY, 400)]),
        120,
        cut.items,
    )
    one, two = (trained_on(w, examples=examples_of(cut), name="gnn") for w in (cut, more))
    assert one.name == "gnn"
    found = rank_items(one, cut, everyone(), K)
    assert same(found, rank_items(two, more, everyone(), K))
    assert same(found, rank_items(TrainedRanker.restore(one.state()), cut, everyone(), K))
