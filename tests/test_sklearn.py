"""PqlPredictor: fit, predict, scores and clones as scikit-learn's tools expect them, on own label tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from label_tables import anchors, labels, shop
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import KFold, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import pql
from pql.language.errors import PqlError
from pql.sklearn import PqlPredictor

pandas = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def db() -> Iterator[pql.Session]:
    with pql.connect(shop()) as session:
        yield session


LATER = (480, 540)


def frame(kind: str, first: int = 240, last: int = 540):
    """Who and when, and what came true, by time."""
    table = labels(shop(), anchors(first, last), kind).to_pandas()
    return table[["customer_id", "at"]], table["label"]


def predictor(db: pql.Session, **more) -> PqlPredictor:
    given = {"entity": "customers.customer_id", "time": "at", "horizon": "30 days", "model": "entity_mean", **more}
    return PqlPredictor(db, **given)


def test_yes_and_no_are_learnt_and_scored(db: pql.Session) -> None:
    rows, y = frame("any", 240, 450)
    model = predictor(db).fit(rows, y)
    assert model.classes_.tolist() == [0, 1]
    assert (model.n_features_in_, model.feature_names_in_.tolist()) == (2, ["customer_id", "at"])
    later, truth = frame("any", *LATER)
    probability = model.predict_proba(later)
    assert probability.shape == (len(later), 2)
    assert np.allclose(probability.sum(axis=1), 1)
    assert probability[truth == 1, 1].mean() > 2 * probability[truth == 0, 1].mean()
    predicted = model.predict(later)
    assert set(predicted) <= {0, 1}
    assert model.score(later, truth) == pytest.approx((predicted == truth).mean())
    assert "auroc" in str(model.model_.metrics)
    assert is_classifier(model)


def test_classes_keep_their_values_and_order(db: pql.Session) -> None:
    rows, y = frame("any", 240, 450)
    model = predictor(db).fit(rows, y.map({0: "stays", 1: "goes"}))
    numbers = predictor(db).fit(rows, y)
    assert model.classes_.tolist() == ["goes", "stays"]
    later, _ = frame("any", *LATER)
    assert np.allclose(model.predict_proba(later)[:, 0], numbers.predict_proba(later)[:, 1], atol=0.05)
    model = predictor(db, model="last_window").fit(*frame("city", 240, 450))
    assert model.classes_.tolist() == ["few", "many", "none"]
    later, truth = frame("city", *LATER)
    probability = model.predict_proba(later)
    assert probability.shape == (len(later), 3)
    assert (model.predict(later) == model.classes_[probability.argmax(axis=1)]).all()
    assert model.score(later, truth) > 0.5


def test_numbers_are_a_regression(db: pql.Session) -> None:
    rows, y = frame("orders", 240, 450)
    model = predictor(db).fit(rows, y)
    assert is_regressor(model)
    assert not hasattr(model, "classes_")
    assert model.score(*frame("orders", *LATER)) > 0.2
    with pytest.raises(PqlError) as caught:
        model.predict_proba(rows)
    assert caught.value.code == "bad_fit_argument"


def test_a_clone_has_the_parameters_and_nothing_learnt(db: pql.Session) -> None:
    model = predictor(db, seed=3, ignoring=["customers.city"]).fit(*frame("any", 360, 450))
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert copy.db is db
    assert not hasattr(copy, "model_")
    with pytest.raises(NotFittedError):
        copy.predict(frame("any")[0])
    assert copy.set_params(model="rate", horizon="60 days").get_params()["model"] == "rate"
    assert model.get_params()["model"] == "entity_mean"


def test_cross_validation_by_time(db: pql.Session) -> None:
    rows, y = frame("any")
    folds = TimeSeriesSplit(n_splits=2, test_size=120)
    found = cross_val_score(predictor(db, task="binary"), rows, y, cv=folds, scoring="roc_auc")
    assert found.shape == (2,)
    assert (found > 0.7).all()


def test_folds_that_mix_the_moments_are_refused_with_those_that_do_not(db: pql.Session) -> None:
    rows, y = frame("any")
    mixed = KFold(3, shuffle=True, random_state=0)
    with pytest.raises(PqlError, match="TimeSeriesSplit") as caught:
        cross_val_score(predictor(db, task="binary"), rows, y, cv=mixed, error_score="raise")
    assert caught.value.code == "no_labels"


def test_it_is_the_end_of_a_pipeline(db: pql.Session) -> None:
    rows, y = frame("any", 240, 450)
    keep = ColumnTransformer([("keep", "passthrough", ["customer_id", "at"])], verbose_feature_names_out=False)
    steps = [
        ("late", FunctionTransformer(lambda given: given.assign(noise=1.0))),
        ("keep", keep),
        ("pql", predictor(db)),
    ]
    pipeline = Pipeline(steps).set_output(transform="pandas").fit(rows, y)
    later, _ = frame("any", *LATER)
    assert np.array_equal(pipeline.predict(later), predictor(db).fit(rows, y).predict(later))
    assert pipeline.set_params(pql__seed=1).named_steps["pql"].seed == 1


def test_a_path_is_opened_by_every_copy(tmp_path) -> None:
    import pyarrow.parquet as pq

    for name, table in shop().items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    rows, y = frame("any", 360, 450)
    model = clone(predictor(str(tmp_path)))
    assert model.fit(rows, y).score(*frame("any", *LATER)) > 0.5


def test_polars_and_arrow_are_tables_too(db: pql.Session) -> None:
    polars = pytest.importorskip("polars")
    rows, y = frame("any", 360, 450)
    later, _ = frame("any", *LATER)
    model = predictor(db).fit(polars.from_pandas(rows), polars.Series(y.to_numpy()))
    assert np.array_equal(model.predict(polars.from_pandas(later)), predictor(db).fit(rows, y).predict(later))


def _fault(case: str, db: pql.Session) -> PqlError:
    rows, y = frame("any", 360, 450)
    later, _ = frame("any", *LATER)
    model = predictor(db)
    wrong = {
        "no db": lambda: predictor(None).fit(rows, y),
        "no entity": lambda: PqlPredictor(db).fit(rows, y),
        "no such table": lambda: predictor(db, entity="clients.id").fit(rows, y),
        "no such time": lambda: predictor(db, time="when").fit(rows, y),
        "no such option": lambda: predictor(db, options={"modle": "gnn"}).fit(rows, y),
        "no such task": lambda: predictor(db, task="ranking").fit(rows, y),
        "array": lambda: model.fit(rows.to_numpy(), y),
        "fewer labels": lambda: model.fit(rows, y[1:]),
        "asked about the same moments": lambda: model.fit(rows, y).predict(rows),
        "no labels": lambda: model.fit(rows, None),
        "gaps": lambda: model.fit(rows, y.where(y == 1)),
        "wide": lambda: model.fit(rows, np.zeros((len(rows), 2))),
        "one class": lambda: model.fit(rows, y * 0),
        "three classes": lambda: predictor(db, task="binary").fit(rows, np.arange(len(rows)) % 3),
        "unknown key": lambda: model.fit(rows, y).predict(later.assign(customer_id=later.customer_id + 50)),
        "missing column": lambda: model.fit(rows, y).predict(later[["at"]]),
    }
    with pytest.raises(PqlError) as caught:
        wrong[case]()
    return caught.value


FAULTS = {
    "no db": "bad_fit_argument",
    "no entity": "bad_fit_argument",
    "no such table": "unknown_table",
    "no such time": "unknown_column",
    "no such option": "bad_fit_argument",
    "no such task": "bad_fit_argument",
    "array": "bad_label_table",
    "fewer labels": "bad_label_table",
    "asked about the same moments": "no_labels",
    "no labels": "bad_label_table",
    "gaps": "bad_label_table",
    "wide": "bad_label_table",
    "one class": "bad_fit_argument",
    "three classes": "bad_fit_argument",
    "unknown key": "unknown_entity",
    "missing column": "unknown_column",
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_wrong_is_said_with_a_code(db: pql.Session, case: str) -> None:
    error = _fault(case, db)
    assert error.code == FAULTS[case]
    assert error.hint
