"""Measures by their definitions, and a table that says who is better."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from pql.engine.graph.seeds import TEST, TRAIN, VALID, Examples, Ragged, Seeds
from pql.engine.quality.calibrate import Calibration, best_threshold, fit_calibration, sigmoid
from pql.engine.quality.metrics import MetricRow, MetricsTable, auroc, average_precision, f1, macro_f1, measure
from pql.engine.training.evaluate import metrics_table


def test_auroc_counts_ordered_pairs_and_half_the_ties():
    truth = np.array([True, True, False, False])
    assert auroc(truth, np.array([0.9, 0.4, 0.4, 0.1])) == pytest.approx(3.5 / 4)
    assert auroc(truth, np.zeros(4)) == 0.5
    assert math.isnan(auroc(np.ones(4, bool), np.zeros(4)))


def test_average_precision_takes_ties_together():
    truth = np.array([True, False, True, False])
    assert average_precision(truth, np.array([4.0, 3, 2, 1])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(truth, np.ones(4)) == 0.5
    assert math.isnan(average_precision(np.zeros(3, bool), np.ones(3)))


def test_measures_agree_with_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    p = np.round(rng.random(500), 2)
    truth = (rng.random(500) < p).astype(float)
    found = measure("binary", truth, p, threshold=0.4)
    assert found["auroc"] == pytest.approx(sklearn.roc_auc_score(truth, p))
    assert found["average_precision"] == pytest.approx(sklearn.average_precision_score(truth, p))
    assert found["logloss"] == pytest.approx(sklearn.log_loss(truth, np.clip(p, 1e-15, 1 - 1e-15)))
    assert found["f1"] == pytest.approx(sklearn.f1_score(truth, p >= 0.4))
    labels, scores = rng.integers(0, 4, 300), rng.dirichlet(np.ones(4), 300)
    several = measure("multiclass", labels, scores)
    assert several["accuracy"] == pytest.approx(sklearn.accuracy_score(labels, scores.argmax(1)))
    assert several["macro_f1"] == pytest.approx(sklearn.f1_score(labels, scores.argmax(1), average="macro"))
    assert several["logloss"] == pytest.approx(sklearn.log_loss(labels, scores, labels=range(4)))
    numbers = measure("regression", p, truth)
    assert numbers["r2"] == pytest.approx(sklearn.r2_score(p, truth))


def test_numbers_are_measured_by_error_and_by_order():
    found = measure("regression", np.array([1.0, 2, 4]), np.array([2.0, 3, 50]))
    assert found["mae"] == 16
    assert found["rmse"] == pytest.approx(math.sqrt((1 + 1 + 46**2) / 3))
    assert found["spearman"] == pytest.approx(1)
    constant = measure("regression", np.array([1.0, 2]), np.array([1.0, 1.0]))
    assert math.isnan(constant["spearman"])
    assert math.isnan(measure("regression", np.ones(3), np.zeros(3))["r2"])


def test_labels_of_a_set_are_measured_by_mean_average_precision():
    truth = Ragged(np.array([0, 2, 2, 3]), np.array([0, 2, 1]))
    scores = np.array([[0.9, 0.5, 0.6], [0.1, 0.2, 0.3], [0.9, 0.5, 0.1]])
    found = measure("multilabel", truth, scores)
    assert found["map"] == pytest.approx((1 + 0.5) / 2)  # the empty set is left out


def test_f1_without_any_finding_is_nought():
    assert f1(np.array([True, False]), np.array([False, False])) == 0
    assert f1(np.zeros(2, bool), np.zeros(2, bool)) == 0
    assert macro_f1(np.array([0, 1]), np.array([0, 0]), 3) == pytest.approx((2 / 3) / 2)


def table(model: float, baseline: float, metric: str = "auroc") -> MetricsTable:
    rows = (
        MetricRow("blend", "model", "test", metric, model, 100),
        MetricRow("gnn", "member", "test", metric, model, 100, 0.0),
        MetricRow("entity_mean", "baseline", "test", metric, baseline, 100),
    )
    return MetricsTable(metric, rows, ("a note",))


def test_the_verdict_says_when_a_baseline_wins():
    assert "blend beats the best baseline, entity_mean" in table(0.8, 0.7).verdict()
    assert "The baseline entity_mean beats blend" in table(0.6, 0.7).verdict()
    assert "The baseline entity_mean beats blend" in table(9.0, 7.0, "mae").verdict()
    assert "ties with" in table(0.7, 0.7).verdict()
    assert "can't be measured" in table(math.nan, 0.7).verdict()


def test_a_baseline_that_answers_is_called_one():
    def verdict(answer: str, own: float, best: float) -> str:
        rows = (
            MetricRow(answer, "model", "test", "mae", own, 9),
            MetricRow("last_window", "baseline", "test", "mae", best, 9),
        )
        return MetricsTable("mae", rows).verdict()

    assert verdict("entity_mean", 1, 2) == (
        "A baseline answers, entity_mean: mae 1 on test; of the others last_window is the best, 2."
    )
    assert "last_window is better, 1." in verdict("entity_mean", 2, 1)
    assert "last_window is just as good, 2." in verdict("entity_mean", 2, 2)
    assert verdict("interval", 1, 2).startswith("interval beats"), "a baseline of other tasks"
    alone = MetricsTable("auroc", (MetricRow("rate", "model", "test", "auroc", 0.5, 9),))
    assert alone.verdict() == "rate, a baseline: auroc 0.5 on test."


def test_the_table_prints_aligned_with_weights_and_survives_json():
    shown = str(table(0.8, math.nan))
    lines = shown.splitlines()
    assert "gnn (0.00)" in shown
    assert lines[3].endswith("-")
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[-1] == "a note"
    original = table(0.8, math.nan)
    again = MetricsTable.from_json(json.loads(json.dumps(original.to_json())))
    assert str(again) == shown
    assert again.value("blend", "test") == 0.8
    assert math.isnan(again.value("nobody", "test"))


def test_every_part_is_measured_on_validation_and_test():
    seeds = Seeds(np.arange(6), np.zeros(6, np.int64))
    split = np.array([TRAIN, VALID, VALID, TEST, TEST, TEST], np.int8)
    examples = Examples(seeds, np.array([0, 0, 1, 0, 1, 1.0]), split, np.zeros((6, 0), np.float32))
    scores = np.array([0, 0.1, 0.9, 0.2, 0.1, 0.8])
    found = metrics_table("binary", "auroc", examples, [("boosted", "model", scores)])
    assert found.splits() == ("valid", "test")
    assert found.value("boosted", "valid") == 1.0
    assert found.value("boosted", "test") == 0.5
    assert {row.n for row in found.rows if row.split == "test"} == {3}


def test_calibration_mends_overconfidence_and_keeps_the_order():
    rng = np.random.default_rng(1)
    z = rng.normal(0, 1, 4000)
    positive = rng.random(4000) < sigmoid(z)
    overconfident = sigmoid(2.5 * z + 0.7)
    fitted = fit_calibration(overconfident, positive)
    mended = fitted.apply(overconfident)
    assert fitted.slope == pytest.approx(0.4, abs=0.05)
    assert abs(mended.mean() - positive.mean()) < 0.005
    assert (np.argsort(mended, kind="stable") == np.argsort(overconfident, kind="stable")).all()


def test_calibration_leaves_alone_what_it_cannot_learn():
    assert fit_calibration(np.full(30, 0.2), np.arange(30) < 3) == Calibration()
    p = np.linspace(0.01, 0.99, 200)
    assert fit_calibration(p, p < 0.5) == Calibration()  # upside down


def test_the_threshold_maximises_f1():
    p = np.array([0.9, 0.8, 0.7, 0.3, 0.2])
    truth = np.array([True, False, True, False, False])
    threshold = best_threshold(p, truth)
    assert 0.3 < threshold < 0.7
    assert f1(truth, p >= threshold) == max(f1(truth, p >= t) for t in p)
    assert best_threshold(p, np.ones(5, bool)) == 0.5
    tied = np.array([0.4, 0.4, 0.4, 0.1])
    assert 0.1 < best_threshold(tied, np.array([True, False, True, False])) <= 0.4
