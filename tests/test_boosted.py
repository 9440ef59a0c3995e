"""Boosted trees: better than the rate, steady on odd data, the same bits after a round trip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_graphs import problem, shop

from pql.engine.events import Events
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.graph.seeds import TRAIN, VALID
from pql.engine.models.base import Problem
from pql.engine.models.boosted import BoostedModel
from pql.engine.models.tails import from_log, to_log
from pql.engine.quality.metrics import measure
from pql.language.bound import TaskKind
from pql.language.errors import PqlError

KINDS = [TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS, TaskKind.MULTILABEL]


@pytest.fixture(scope="module")
def graph():
    return shop(0, users=120, orders=2500)


def parts(made: Problem):
    return made.examples.where(TRAIN), made.examples.where(VALID)


def with_features(made: Problem, values, categorical=()) -> Problem:
    names = tuple(f"f{i}" for i in range(values.shape[1]))
    features = FeatureMatrix(names, values.astype(np.float32), categorical)
    return replace(made, inputs=replace(made.inputs, features=features))


def test_it_ranks_better_than_chance(graph):
    made = problem(graph)
    train, valid = parts(made)
    fitted = BoostedModel().fit(made, train, valid)
    scores = fitted.predict(made.inputs.take(valid))
    found = measure("binary", made.examples.labels[valid], scores)
    assert found["auroc"] > 0.7
    assert fitted.rounds >= 1
    assert fitted.importance.sum() > 0


def test_a_regression_lets_validation_choose_its_loss(graph):
    made = problem(graph, TaskKind.REGRESSION)
    made = replace(made, task=replace(made.task, metric="mae"))
    train, valid = parts(made)
    fitted = BoostedModel().fit(made, train, valid)
    assert fitted.objective in ("l1", "l2", "log")
    truth = made.examples.labels[valid]
    median = np.median(made.examples.labels[train])
    error = measure("regression", truth, fitted.predict(made.inputs.take(valid)))["mae"]
    assert error < np.abs(truth - median).mean()
    again = fitted.again.fit(made, np.concatenate([train, valid]), valid[:0], fitted.rounds)
    assert (again.objective, again.rounds) == (fitted.objective, fitted.rounds)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bits_after_a_round_trip_and_a_second_fit(graph, kind):
    made = problem(graph, kind)
    train, valid = parts(made)
    fitted = BoostedModel().fit(made, train, valid)
    scores = fitted.predict(made.inputs)
    assert np.isfinite(scores).all()
    assert BoostedModel().restore(fitted.state()).predict(made.inputs).tobytes() == scores.tobytes()
    assert BoostedModel().fit(made, train, valid).predict(made.inputs).tobytes() == scores.tobytes()
    if kind is TaskKind.MULTICLASS:
        assert np.allclose(scores.sum(axis=1), 1)
    if kind in (TaskKind.BINARY, TaskKind.MULTILABEL):
        assert np.all((scores >= 0) & (scores <= 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ["few", "constant", "missing", "none"])
def test_odd_data_gives_a_constant_not_a_crash(graph, kind, case):
    made = problem(graph, kind)
    train, valid = parts(made)
    n = len(made.inputs)
    values = {
        "few": made.inputs.features.values,
        "constant": np.ones((n, 1)),
        "missing": np.full((n, 2), np.nan),
        "none": np.zeros((n, 0)),
    }[case]
    made = with_features(made, values)
    if case == "few":
        train, valid = train[:6], valid[:2]
    scores = BoostedModel().fit(made, train, valid).predict(made.inputs)
    assert np.isfinite(scores).all()
    assert len(scores) == n


def test_one_class_gives_its_rate(graph):
    made = problem(graph)
    train, valid = parts(made)
    labels = np.zeros(len(made.examples))
    made = replace(made, examples=replace(made.examples, labels=labels))
    assert np.all(BoostedModel().fit(made, train, valid).predict(made.inputs) == 0)


def test_categories_are_learnt_and_unknown_ones_are_missing(graph):
    made = problem(graph)
    rng = np.random.default_rng(0)
    codes = rng.integers(-1, 5, len(made.inputs))
    labels = (codes % 2 == 1).astype(float)
    made = with_features(replace(made, examples=replace(made.examples, labels=labels)), codes[:, None], ("f0",))
    train, valid = parts(made)
    scores = BoostedModel().fit(made, train, valid).predict(made.inputs.take(valid))
    assert measure("binary", labels[valid], scores)["auroc"] > 0.95


def test_of_many_features_and_rows_only_the_telling_ones_are_read(graph, monkeypatch):
    monkeypatch.setattr("pql.engine.models.trees.CHEAP_SEEDS", 20)
    made = problem(graph)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(len(made.inputs), 150))
    labels = (values[:, 77] + 0.1 * values[:, 3] > 0).astype(float)
    made = with_features(replace(made, examples=replace(made.examples, labels=labels)), values)
    train, valid = parts(made)
    fitted = BoostedModel().fit(made, train, valid)
    assert "f77" in fitted.names
    assert len(fitted.names) <= 80
    assert len(fitted.trees) == 3  # copies, averaged
    assert fitted.again.fit(made, train, valid[:0], 5).names == fitted.names
    assert measure("binary", labels[valid], fitted.predict(made.inputs.take(valid)))["auroc"] > 0.9


def test_a_refit_runs_the_given_rounds_without_validation(graph):
    made = problem(graph)
    train, valid = parts(made)
    fitted = BoostedModel().fit(made, np.concatenate([train, valid]), valid[:0], rounds=7)
    assert fitted.rounds == 7


def test_a_stop_keeps_the_rounds_so_far(graph):
    made = replace(problem(graph), events=Events())
    made.events.stop()
    train, valid = parts(made)
    fitted = BoostedModel().fit(made, train, valid)
    assert fitted.rounds == 1
    assert np.isfinite(fitted.predict(made.inputs)).all()


def test_contributions_add_up_to_the_raw_score(graph):
    made = problem(graph)
    train, valid = parts(made)
    fitted = BoostedModel().fit(made, train, valid)
    some = made.inputs.take(valid[:5])
    total = fitted.contributions(some).sum(axis=1)
    assert np.allclose(1 / (1 + np.exp(-total)), fitted.predict(some))
    made = problem(graph, TaskKind.MULTICLASS)
    several = BoostedModel().fit(made, *parts(made))
    weights = np.eye(several.raw(some).shape[1])[[1] * len(some)]
    assert np.allclose(several.contributions(some, weights=weights).sum(axis=1), several.raw(some)[:, 1])


def test_a_matrix_without_the_models_features_is_refused(graph):
    made = problem(graph)
    fitted = BoostedModel().fit(made, *parts(made))
    with pytest.raises(PqlError) as caught:
        fitted.predict(with_features(made, np.ones((len(made.inputs), 1))).inputs)
    assert caught.value.code == "model_mismatch"


def test_logarithms_keep_nought_and_sign():
    values = np.array([-1000.0, -1, 0, 1, 1e6])
    assert np.allclose(from_log(to_log(values)), values)
    assert np.isfinite(from_log(np.array([1e9]))).all()
