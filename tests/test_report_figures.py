"""The figures of a report hold what numpy and scikit-learn say of the same examples, for every kind of target."""

from __future__ import annotations

import re

import numpy as np
import pytest
from test_report import KINDS
from test_why import shop

import pql
from pql.pictures.bins import ranked_truth
from pql.pictures.classes import confusion
from pql.pictures.figure import Figures
from pql.pictures.quality import quality_figures
from pql.pictures.yes_no import gain

NAMES = {
    "yes or no": ("calibration", "gain", "lift", "scores"),
    "number": ("predicted", "levels", "errors", "coverage"),
    "class": ("calibration", "confusion"),
    "labels": ("calibration", "gain", "lift", "scores"),
    "forecast": ("steps", "series", "one series", "one series", "one series", "predicted", "levels", "errors"),
    "time": ("survival", "calibration", "predicted", "gain", "lift"),
    "static": ("calibration", "confusion"),
    "ranking": ("recall", "places"),
    "pairs": ("recall", "places"),
}


@pytest.fixture(scope="module")
def drawn():  # type: ignore[no-untyped-def]
    """Of every kind of target the tested examples and their figures."""
    found = {}
    with pql.connect(shop()) as db:
        for kind, (query, model) in KINDS.items():
            result = db.predict(f"{query} WITH (model = {model}, budget = '5 s', anchors = 4)")
            behind = result.background()
            assert behind is not None
            assert behind.checked is not None
            found[kind] = behind.checked, quality_figures(result.plan, behind), behind
    return found


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_of_target_has_its_figures(drawn, kind: str) -> None:  # type: ignore[no-untyped-def]
    _, figures, _ = drawn[kind]
    assert isinstance(figures, Figures)
    assert figures.names() == NAMES[kind]
    for figure in figures:
        assert figure.picture.title
        assert figure.picture.description
        assert "nan" not in str(figure.picture.shapes)
        assert not re.search(r"(?<![\w])nan(?!\w)", figure.caption + figure.picture.description)


def test_calibration_gain_and_lift_are_those_of_scikit_learn(drawn) -> None:  # type: ignore[no-untyped-def]
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import roc_auc_score

    checked, figures, _ = drawn["labels"]
    truth, score = checked.truth, checked.score
    told = re.findall(r"predicted ([\d.]+) %, came true ([\d.]+) %", figures.find("calibration").picture.description)
    real, said = calibration_curve(truth, score, n_bins=10, strategy="quantile")
    assert [float(x) for x, _ in told] == pytest.approx(100 * said, abs=2.5)  # bins may differ by one example
    assert [float(y) for _, y in told] == pytest.approx(100 * real, abs=5)
    # The area under the gain is that under the ROC curve, of the positives and negatives together.
    hits = ranked_truth(truth, score)
    area = float((np.cumsum(hits) - hits / 2).sum() / truth.sum() / len(truth))
    rate = truth.mean()
    assert area == pytest.approx(rate / 2 + (1 - rate) * roc_auc_score(truth, score))
    first = np.argsort(-score, kind="stable")[: -(-len(score) // 10)]
    lift = truth[first].mean() / rate
    assert figures.find("lift").caption.startswith(f"The first tenth comes true {lift:.2f} times")


def test_equal_scores_lift_nobody() -> None:
    truth = np.array([1.0] * 10 + [0.0] * 30)
    gained, lifted = gain(truth, np.full(40, 0.25))
    assert "first 20 % hold 20.0 %" in gained.picture.description
    assert set(re.findall(r": ([\d.]+) times", lifted.picture.description)) == {"1.00"}


def test_numbers_are_those_of_numpy(drawn) -> None:  # type: ignore[no-untyped-def]
    checked, figures, _ = drawn["number"]
    inside = (checked.more["low"] <= checked.truth) & (checked.truth <= checked.more["high"])
    assert f"Within: {100 * inside.mean():.1f} % of {len(checked)}" in figures.find("coverage").caption
    half = np.median(np.abs(checked.score - checked.truth))
    assert f"at most {half:.2f}" in figures.find("errors").caption


def test_steps_and_series_are_those_of_numpy(drawn) -> None:  # type: ignore[no-untyped-def]
    checked, figures, _ = drawn["forecast"]
    step, miss = checked.more["step"], np.abs(checked.score - checked.truth)
    told = re.findall(r"step \d: ([\d.]+)", figures.find("steps").picture.description)
    assert [float(x) for x in told] == pytest.approx([miss[step == i].mean() for i in (1, 2, 3)], rel=1e-3)
    series = re.findall(r"([\d.]+) predicted, ([\d.]+) actual", figures.find("series").picture.description)
    assert [float(y) for _, y in series] == pytest.approx(
        [checked.truth[step == i].mean() for i in (1, 2, 3)], rel=1e-3
    )
    one = figures.find("one series")
    who = int(one.title.split()[-1])
    mine = np.array(checked.keys["customer_id"]) == who
    actual = [float(y) for y in re.findall(r"([\d.]+) actual", one.picture.description)]
    assert actual == pytest.approx(checked.truth[mine][np.argsort(step[mine])], rel=1e-3)
    totals = {
        k: checked.truth[np.array(checked.keys["customer_id"]) == k].sum()
        for k in set(checked.keys["customer_id"].to_pylist())
    }
    assert totals[who] == max(totals.values())


def test_the_survival_curve_is_that_of_the_events(drawn) -> None:  # type: ignore[no-untyped-def]
    checked, figures, _ = drawn["time"]
    curve = checked.more["curve"]
    assert curve.shape == (len(checked), 21)
    assert (np.diff(curve, axis=1) <= 0).all()
    assert (curve[:, 0] == 1).all()
    assert (1 - curve[:, -1]) == pytest.approx(checked.score)
    told = re.findall(
        r"([\d.]+) days: ([\d.]+) % predicted, ([\d.]+) % seen", figures.find("survival").picture.description
    )
    assert len(told) == 6
    for day, said, seen in ((float(a), float(b), float(c)) for a, b, c in told):
        before = (checked.truth > 0.5) & (checked.more["time"] * 30 <= day)
        assert seen == pytest.approx(100 * (1 - before.mean()), abs=0.06)
        assert said == pytest.approx(100 * curve[:, round(day / 30 * 20)].mean(), abs=0.06)


def test_lists_and_classes_are_those_of_scikit_learn(drawn) -> None:  # type: ignore[no-untyped-def]
    from sklearn.metrics import confusion_matrix

    checked, figures, _ = drawn["ranking"]
    told = re.findall(r"first \d+: ([\d.]+) %", figures.find("recall").picture.description)
    recall = (np.cumsum(checked.more["hits"], axis=1) / checked.truth[:, None]).mean(axis=0)
    assert [float(x) for x in told] == pytest.approx(100 * recall, abs=0.06)
    checked, figures, behind = drawn["class"]
    matrix = confusion_matrix(checked.truth, checked.more["chosen"], normalize="true")
    described = figures.find("confusion").picture.description
    for code, name in enumerate(behind.classes):
        shares = re.search(rf"{name} \(\d+\): ([^;]*)", described)[1]  # type: ignore[index]
        for other, label in enumerate(behind.classes):
            assert f"{label} {matrix[code, other]:.0%}" in shares


def test_long_names_of_classes_are_numbered() -> None:
    truth = np.repeat(np.arange(8), 5).astype(float)
    shapes = confusion(truth, truth, lambda code: f"a very long name of class {code}").picture.shapes
    assert re.findall(r">(\d)</text>", shapes)[:8] == list("12345678")
    assert "1 a very long" in shapes
    short = confusion(truth[:10], truth[:10], lambda code: "xy"[code]).picture.shapes
    assert ">x</text>" in short
    assert "1 x" not in short
