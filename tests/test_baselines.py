"""Baselines: what anybody would guess, never NaN, the same after a round trip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_graphs import problem, shop

from pql.engine.graph.seeds import TRAIN, VALID
from pql.engine.models.base import Problem
from pql.engine.models.baselines import TASKS, BaselineModel
from pql.language.bound import TaskKind
from pql.language.errors import PqlError


@pytest.fixture(scope="module")
def graph():
    return shop(0, users=50, orders=800)


def fitted(name: str, made: Problem):
    return BaselineModel(name).fit(made, made.examples.where(TRAIN), made.examples.where(VALID))


def test_the_rate_is_that_of_training(graph):
    made = problem(graph, TaskKind.BINARY)
    rate = np.asarray(made.examples.labels)[made.examples.where(TRAIN)].mean()
    assert np.all(fitted("rate", made).predict(made.inputs) == rate)


def test_last_window_repeats_it_and_falls_back_where_it_is_unknown(graph):
    made = problem(graph, TaskKind.REGRESSION)
    lags = made.inputs.lags.copy()
    lags[0] = np.nan
    scores = fitted("last_window", made).predict(replace(made.inputs, lags=lags))
    mean = np.asarray(made.examples.labels)[made.examples.where(TRAIN)].mean()
    assert scores[0] == mean
    assert np.array_equal(scores[1:], lags[1:, 0].astype(float))


def test_entity_mean_averages_the_earlier_windows(graph):
    made = problem(graph, TaskKind.REGRESSION)
    lags = np.array([[1, 3, np.nan], [np.nan] * 3], dtype=np.float32)
    inputs = replace(made.inputs.take(np.array([0, 1])), lags=lags)
    model = fitted("entity_mean", made)
    assert model.predict(inputs).tolist() == [2.0, model.base[0]]
    binary = fitted("entity_mean", problem(graph, TaskKind.BINARY)).predict(inputs)
    assert binary[0] < 2  # a rate is drawn towards everybody's


def test_global_mean_and_median(graph):
    made = problem(graph, TaskKind.REGRESSION)
    values = np.asarray(made.examples.labels)[made.examples.where(TRAIN)]
    assert fitted("global_median", made).predict(made.inputs)[0] == np.median(values)
    assert fitted("global_mean", made).predict(made.inputs)[0] == pytest.approx(values.mean())


def test_classes_by_frequency_or_by_the_entitys_latest_one(graph):
    made = problem(graph, TaskKind.MULTICLASS)
    common = fitted("majority", made).predict(made.inputs)
    assert np.allclose(common.sum(axis=1), 1)
    labels = np.asarray(made.examples.labels)
    train = made.examples.where(TRAIN)
    assert common[0].argmax() == np.bincount(labels[train]).argmax()
    latest = fitted("last_value", made).predict(made.inputs.take(made.examples.where(VALID)))
    last_anchor = made.examples.seeds.anchors[train].max()
    expected = labels[train][made.examples.seeds.anchors[train] == last_anchor]
    assert np.array_equal(latest.argmax(axis=1), expected)
    assert np.allclose(latest.sum(axis=1), 1)


def test_labels_by_popularity_or_repeated(graph):
    made = problem(graph, TaskKind.MULTILABEL)
    popular = fitted("popularity", made).predict(made.inputs)
    assert popular.shape == (len(made.inputs), 3)
    assert np.all((popular > 0) & (popular < 1))
    repeated = fitted("repeat", made).predict(made.inputs)
    assert not np.array_equal(repeated, popular)


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS, TaskKind.MULTILABEL])
def test_every_baseline_survives_its_state_and_predicts_nothing_but_numbers(graph, kind):
    made = problem(graph, kind)
    for name, tasks in TASKS.items():
        if kind.value not in tasks:
            with pytest.raises(PqlError):
                fitted(name, made)
            continue
        model = fitted(name, made)
        scores = model.predict(made.inputs)
        assert np.isfinite(scores).all()
        again = BaselineModel(name).restore(model.state())
        assert again.predict(made.inputs).tobytes() == scores.tobytes()
