"""What the network is made of: neighbours stay where they tell more than the features, and go where they don't."""

from dataclasses import replace

import numpy as np
import pytest
from fake_graphs import problem, shop

from pql.engine.features.matrix import FeatureMatrix
from pql.engine.graph.seeds import TRAIN, VALID
from pql.engine.models.gnn import Gnn
from pql.engine.models.gnn_lesson import HELD_BLIND, NOTHING_ADDED, NetworkParts
from pql.language.bound import TaskKind


def fit(p, **parts):
    return Gnn(NetworkParts(**parts)).fit(p, p.examples.where(TRAIN), p.examples.where(VALID))


def loss(p, fitted):
    valid = p.examples.where(VALID)
    return np.abs(fitted.predict(p.inputs.take(valid)) - p.examples.labels[valid]).mean()


def blind(p):
    """The problem with features that tell nothing."""
    noise = np.random.default_rng(0).normal(size=p.inputs.features.values.shape).astype(np.float32)
    lags = np.zeros_like(p.inputs.lags)
    features = FeatureMatrix(p.inputs.features.names, noise)
    return replace(p, inputs=replace(p.inputs, features=features, lags=lags), examples=replace(p.examples, lags=lags))


def test_neighbours_stay_where_they_tell_what_the_features_leave_unsaid():
    p = blind(problem(shop(users=300, orders=5000), TaskKind.REGRESSION, epochs=6))
    whole, alone = fit(p), fit(p, graph=False)
    assert whole.notes == ()
    assert whole.encoders is not None
    assert loss(p, whole) < 0.9 * loss(p, alone)


def test_neighbours_that_add_nothing_are_left_out_and_a_note_says_so():
    p = problem(shop(), epochs=12)
    told = np.random.default_rng(1).integers(0, 2, len(p.examples)).astype(np.float32)
    labels = np.where(np.random.default_rng(2).random(len(told)) < 0.2, 1 - told, told).astype(np.float64)
    features = FeatureMatrix(("told",), told[:, None])
    p = replace(p, inputs=replace(p.inputs, features=features), examples=replace(p.examples, labels=labels))
    whole = fit(p)
    assert whole.notes == (NOTHING_ADDED,)
    assert whole.encoders is None
    assert (whole.predict(p.inputs) == fit(p, graph=False).predict(p.inputs)).all()
    assert (Gnn().restore(whole.state()).predict(p.inputs) == whole.predict(p.inputs)).all()


@pytest.mark.parametrize(
    "parts", [{"features": False}, {"graph": False}, {"ages": False}, {"counts": False}, {"staged": False}]
)
def test_every_part_may_be_left_out_for_an_ablation(parts):
    p = problem(shop(users=60), epochs=1)
    fitted = fit(p, **parts)
    assert np.isfinite(fitted.predict(p.inputs)).all()
    assert (Gnn().restore(fitted.state()).predict(p.inputs) == fitted.predict(p.inputs)).all()


def test_features_are_hidden_from_training_where_examples_would_be_learnt_by_heart(monkeypatch):
    p = problem(shop(users=60), epochs=1)
    plain = fit(p, graph=False)
    monkeypatch.setattr("pql.engine.models.gnn_lesson.HELD", range(10, 10_000))
    held = fit(p, graph=False)
    assert (plain.module.seed.blind, held.module.seed.blind) == (0.0, HELD_BLIND)
    assert (held.predict(p.inputs) != plain.predict(p.inputs)).any()
    assert (Gnn().restore(held.state()).predict(p.inputs) == held.predict(p.inputs)).all()
