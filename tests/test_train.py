"""Training end to end on small graphs: choices by validation, one look at test, refit, honest fallbacks."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from fake_graphs import DAY, problem, shop, without_later
from test_features import linked

from pql.engine.events import Events
from pql.engine.examples.enough import within_budget
from pql.engine.features.as_of import MAX_FEATURES
from pql.engine.graph.seeds import BEYOND, TEST, TRAIN, VALID, Examples, Seeds
from pql.engine.models.blend import combine, fit_weights
from pql.engine.planning.plan import Anchor, GraphPlan, ModelPlan, Output, Plan, Regime, Split, Task
from pql.engine.quality.metrics import MetricRow, MetricsTable
from pql.engine.training.evaluate import of_totals
from pql.engine.training.predict import predict
from pql.engine.training.problem import most_features
from pql.engine.training.train import TrainedModel, train
from pql.language.bound import BoundAggregate, BoundEntity, BoundQuery, BoundWindow, TaskKind
from pql.language.catalog import Catalog, LogicalType
from pql.language.errors import PqlError

BASELINES = {
    TaskKind.BINARY: ("rate", "last_window", "entity_mean"),
    TaskKind.REGRESSION: ("global_mean", "global_median", "last_window", "entity_mean"),
    TaskKind.MULTICLASS: ("majority", "last_value", "entity_shares"),
    TaskKind.MULTILABEL: ("popularity", "repeat"),
}
METRIC = {
    TaskKind.BINARY: "auroc",
    TaskKind.REGRESSION: "mae",
    TaskKind.MULTICLASS: "accuracy",
    TaskKind.MULTILABEL: "map",
}
KINDS = list(BASELINES)


def case(kind: TaskKind = TaskKind.BINARY, seed: int = 0, users: int = 80, **model):
    """A plan, a graph and examples: anchors every 30 days, the last but one validates, the last tests."""
    graph = linked(shop(seed, users=users, orders=2000))
    made = problem(graph, kind)
    anchors = np.unique(made.examples.seeds.anchors)
    split = np.full(len(made.examples), TRAIN, np.int8)
    split[made.examples.seeds.anchors == anchors[-2]] = VALID
    split[made.examples.seeds.anchors == anchors[-1]] = TEST
    examples = replace(made.examples, split=split)
    window = BoundWindow(0, 30)
    target = BoundAggregate("COUNT", "orders", None, None, window, (), LogicalType.INTEGER)
    query = BoundQuery(None, "", Catalog(()), BoundEntity("users", ("id",)), target, False, kind, "")  # type: ignore[arg-type]
    prediction = int(anchors[-1]) + 30 * DAY
    values = {
        "name": "auto",
        "members": ("boosted",),
        "baselines": BASELINES[kind],
        "epochs": 2,
        "hidden": 16,
        "layers": 2,
        "max_examples": 100_000,
        "refit": True,
        "seed": 0,
        "threads": 1,
        "budget_seconds": 60.0,
    }
    plan = Plan(
        query,
        Task(kind, "", "", METRIC[kind], ""),
        Split("anchors", tuple(Anchor(int(a), "train") for a in anchors), prediction, encoder_cut=int(anchors[-3])),
        GraphPlan((), (), 2, (8, 8)),
        ModelPlan(**{**values, **model}),
        Output((), (), ""),
    )
    return plan, graph, examples, made.classes


def at_prediction(plan: Plan, graph, examples: Examples):
    n = len(graph.nodes[0])
    lags = np.ones((n, examples.lags.shape[1]), dtype=np.float32)
    return Seeds(np.arange(n), np.full(n, plan.split.prediction)), lags


@pytest.mark.parametrize("kind", KINDS)
def test_every_task_trains_predicts_and_survives_its_state(kind):
    plan, graph, examples, classes = case(kind)
    trained = train(plan, graph, examples, classes, Events())
    seeds, lags = at_prediction(plan, graph, examples)
    scores = predict(trained, graph, seeds, lags)
    assert np.isfinite(scores).all()
    assert scores.shape == ((len(seeds), 3) if classes else (len(seeds),))
    state = trained.state()
    json.dumps(state, default=lambda array: array.tolist())
    again = TrainedModel.restore(state)
    assert predict(again, graph, seeds, lags).tobytes() == scores.tobytes()
    assert str(again.metrics) == str(trained.metrics)
    assert trained.metrics.splits()[:2] == ("valid", "test")
    assert set(BASELINES[kind]) <= set(trained.metrics.models())
    assert sum(trained.weights) == pytest.approx(1)


def test_the_model_beats_the_rate_on_a_planted_signal():
    trained = train(*case(), Events())
    assert trained.metrics.value(trained.name, "test") > 0.65
    assert "baseline" in trained.metrics.verdict()
    assert 0 < trained.threshold < 1
    assert trained.importance[0][1] > 0


def test_the_same_data_gives_the_same_bits():
    plan, graph, examples, classes = case()
    seeds, lags = at_prediction(plan, graph, examples)
    first = predict(train(plan, graph, examples, classes, Events()), graph, seeds, lags)
    second = predict(train(plan, graph, examples, classes, Events()), graph, seeds, lags)
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_after_the_prediction_anchor_change_no_bit_of_the_predictions(kind):
    plan, graph, examples, classes = case(kind, users=40)
    anchor = plan.split.prediction
    later = linked(without_later(graph, anchor, scramble=1))
    without = linked(without_later(graph, anchor))
    seeds, lags = at_prediction(plan, graph, examples)
    scores = [predict(train(plan, g, examples, classes, Events()), g, seeds, lags) for g in (graph, later, without)]
    assert scores[0].tobytes() == scores[1].tobytes() == scores[2].tobytes()


def test_test_rows_choose_nothing():
    plan, graph, examples, classes = case(refit=False)
    other = replace(examples, labels=np.where(examples.split == TEST, 1 - examples.labels, examples.labels))
    seeds, lags = at_prediction(plan, graph, examples)
    first, second = (train(plan, graph, e, classes, Events()) for e in (examples, other))
    assert predict(first, graph, seeds, lags).tobytes() == predict(second, graph, seeds, lags).tobytes()
    assert first.metrics.value(first.name, "valid") == second.metrics.value(second.name, "valid")
    assert first.metrics.value(first.name, "test") != second.metrics.value(second.name, "test")


def test_the_refit_learns_from_all_labelled_anchors():
    plan, graph, examples, classes = case()
    seeds, lags = at_prediction(plan, graph, examples)
    with_refit = train(plan, graph, examples, classes, Events())
    plan = replace(plan, model=replace(plan.model, refit=False))
    without = train(plan, graph, examples, classes, Events())
    assert str(with_refit.metrics) == str(without.metrics)
    assert not np.array_equal(predict(with_refit, graph, seeds, lags), predict(without, graph, seeds, lags))


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_examples_fall_back_to_a_baseline_and_say_so(kind):
    plan, graph, examples, classes = case(kind)
    keep = np.concatenate([examples.where(TRAIN)[:12], examples.where(VALID)[:3]])
    trained = train(plan, graph, examples.take(keep), classes, Events())
    assert trained.name in BASELINES[kind]
    assert "Only 12 training examples" in trained.notes[0]
    seeds, lags = at_prediction(plan, graph, examples)
    assert np.isfinite(predict(trained, graph, seeds, lags)).all()


def test_one_class_only_answers_its_rate_and_says_so():
    plan, graph, examples, classes = case()
    trained = train(plan, graph, replace(examples, labels=np.ones(len(examples))), classes, Events())
    assert "same label" in trained.notes[0]
    seeds, lags = at_prediction(plan, graph, examples)
    assert np.all(predict(trained, graph, seeds, lags) > 0.9)


def test_validation_of_one_class_is_replaced_by_a_part_of_training():
    plan, graph, examples, classes = case()
    labels = np.where(examples.split == VALID, 0.0, examples.labels)
    trained = train(plan, graph, replace(examples, labels=labels), classes, Events())
    assert trained.name == "boosted"
    assert any("stands in" in note for note in trained.notes)


def test_no_training_example_is_an_error():
    plan, graph, examples, classes = case()
    with pytest.raises(PqlError) as caught:
        train(plan, graph, examples.take(examples.where(VALID)), classes, Events())
    assert caught.value.code == "no_examples"


def test_a_baseline_asked_for_by_name_answers():
    plan, graph, examples, classes = case(name="entity_mean", members=("entity_mean",))
    trained = train(plan, graph, examples, classes, Events())
    assert trained.name == "entity_mean"
    assert {r.role for r in trained.metrics.rows if r.model == "entity_mean"} == {"model"}


def test_an_unknown_model_and_a_wrong_task_are_refused():
    for name, code in (("oracle", "not_supported"), ("global_median", "model_not_for_task")):
        with pytest.raises(PqlError) as caught:
            train(*case(name=name, members=(name,)), Events())
        assert caught.value.code == code


def test_the_budget_caps_the_training_examples():
    plan, graph, examples, classes = case(max_examples=200)
    trained = train(plan, graph, examples, classes, Events())
    assert any("200 of" in note for note in trained.notes)


def test_a_stop_keeps_what_is_fitted():
    plan, graph, examples, classes = case()
    events = Events()
    events.stop()
    trained = train(plan, graph, examples, classes, events)
    assert any(note.startswith("Stopped") for note in trained.notes)
    seeds, lags = at_prediction(plan, graph, examples)
    assert np.isfinite(predict(trained, graph, seeds, lags)).all()


def test_a_stop_in_the_middle_comes_from_another_thread():
    plan, graph, examples, classes = case(users=150)
    events = Events()
    timer = threading.Timer(0.2, events.stop)
    timer.start()
    trained = train(plan, graph, examples, classes, events)
    timer.join()
    assert np.isfinite(trained.threshold)


def test_the_network_and_the_trees_are_blended_and_named():
    pytest.importorskip("torch")
    plan, graph, examples, classes = case(members=("boosted", "gnn"), users=50)
    trained = train(plan, graph, examples, classes, Events())
    assert {"boosted", "gnn"} <= set(dict(trained.blend))
    for member, weight in trained.blend:
        if weight == 0:
            assert any(member in note and "nought" in note for note in trained.notes)
    seeds, lags = at_prediction(plan, graph, examples)
    scores = predict(trained, graph, seeds, lags)
    assert predict(TrainedModel.restore(trained.state()), graph, seeds, lags).tobytes() == scores.tobytes()


def test_weights_find_the_better_member_and_name_the_useless_one():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, 500)
    good, bad = truth + rng.normal(0, 0.1, 500), rng.normal(0, 5, 500)
    assert fit_weights("regression", [good, bad], truth) == (1.0, 0.0)
    assert fit_weights("regression", [bad, good], truth) == (0.0, 1.0)
    noisy = [truth + rng.normal(0, 1, 500) for _ in range(2)]
    weights = fit_weights("regression", noisy, truth)
    assert min(weights) > 0.2
    assert sum(weights) == pytest.approx(1)
    assert fit_weights("regression", [good[:5], bad[:5]], truth[:5]) == (0.5, 0.5)


def test_blends_stay_probabilities():
    rng = np.random.default_rng(0)
    a, b = rng.dirichlet(np.ones(4), 50), rng.dirichlet(np.ones(4), 50)
    assert np.allclose(combine("multiclass", [a, b], (0.3, 0.7)).sum(axis=1), 1)
    p = combine("binary", [np.array([0.0, 1.0]), np.array([1.0, 1.0])], (0.5, 0.5))
    assert p[0] == pytest.approx(0.5)
    assert 0 < p[1] < 1


def test_a_baseline_in_the_blend_is_still_a_rival() -> None:
    rows = [
        MetricRow("blend", "model", "test", "mae", 2.0, 9),
        MetricRow("entity_mean", "baseline", "test", "mae", 2.0, 9, 1.0),
        MetricRow("global_mean", "baseline", "test", "mae", 5.0, 9),
    ]
    assert "entity_mean ties with blend" in MetricsTable("mae", tuple(rows)).verdict()


@pytest.mark.parametrize(("factor", "said"), [(0.5, 1), (0.95, 0), (1.5, 1)])
def test_predictions_that_do_not_add_up_are_told(factor: float, said: int) -> None:
    n = 40
    truth = np.linspace(1.0, 9.0, n)
    seeds = Seeds(np.arange(n), np.zeros(n, np.int64))
    seen = Examples(seeds, truth, np.full(n, TEST, np.int8), np.zeros((n, 0), np.float32))
    assert len(of_totals("regression", truth * factor, seen)) == said


def test_the_budget_thins_the_training_examples_alone() -> None:
    split = np.array([TRAIN] * 9 + [VALID, TEST, BEYOND], np.int8)
    seeds = Seeds(np.arange(12), np.zeros(12, np.int64))
    notes: list[str] = []
    kept = within_budget(Examples(seeds, np.zeros(12), split, np.zeros((12, 0), np.float32)), 3, notes)
    assert [int((kept.split == code).sum()) for code in (TRAIN, VALID, TEST, BEYOND)] == [3, 1, 1, 1]
    assert len(notes) == 1


def test_few_examples_get_more_features_but_not_of_stale_histories() -> None:
    plan = case()[0]
    few, some, many = (most_features(plan, n) for n in (1_000, 20_000, 200_000))
    assert few > some > many == MAX_FEATURES
    stale = replace(plan, regime=Regime(kind="frozen", known=0))
    by_class = replace(plan, task=replace(plan.task, kind=TaskKind.MULTICLASS))
    static = replace(plan, query=replace(plan.query, is_static=True))
    assert most_features(static, 1_000) == MAX_FEATURES
    assert most_features(stale, 1_000) == most_features(by_class, 1_000) == MAX_FEATURES


@pytest.mark.parametrize(("largest", "metric"), [(3.0, "rmse"), (1e6, "mae")])
def test_squares_choose_unless_one_large_label_would_be_all(largest: float, metric: str) -> None:
    plan, graph, examples = case(TaskKind.REGRESSION)[:3]
    plan = replace(plan, task=replace(plan.task, metric="rmse"))
    labels = np.random.default_rng(0).normal(1.0, 0.5, len(examples))
    labels[examples.where(TRAIN)[0]] = largest
    trained = train(plan, graph, replace(examples, labels=labels), None, Events())
    assert trained.metrics.metric == metric


def test_weights_go_by_squares_where_these_are_what_counts() -> None:
    truth = np.concatenate([np.zeros(300), np.full(100, 4.0)])
    middle, mean = np.zeros(400), np.ones(400)
    assert fit_weights("regression", [middle, mean], truth)[0] > 0.5
    assert fit_weights("regression", [middle, mean], truth, "rmse")[1] > 0.5
