"""FIRST and LAST of more classes than can be told apart are ranked; the user still asks for one class and gets one."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

import pql

ASKED = "PREDICT FIRST(visits.page_id, 0, 20, days) FOR EACH people.person_id WITH (model = boosted)"
PAGES, PEOPLE = 1200, 220


def site():
    """People who keep to a few pages of their own; far more pages than classes."""
    rng = np.random.default_rng(0)
    rows = 6000
    who = rng.integers(0, PEOPLE, rows)
    page = (who * 37 + rng.integers(0, 5, rows) ** 2) % PAGES
    when = [dt.datetime(2024, 1, 1) + dt.timedelta(seconds=int(s)) for s in np.sort(rng.integers(0, 200 * 86400, rows))]
    return {
        "people": pa.table({"person_id": np.arange(PEOPLE)}),
        "pages": pa.table({"page_id": np.arange(PAGES), "section": [f"s{i % 7}" for i in range(PAGES)]}),
        "visits": pa.table(
            {"visit_id": np.arange(rows), "person_id": who, "page_id": page, "at": pa.array(when, pa.timestamp("us"))}
        ),
    }


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(tmp_path_factory.mktemp("home")))
        with pql.connect(site()) as session:
            yield session


def test_a_large_key_is_ranked_and_the_best_is_the_prediction(db):
    result = db.predict(ASKED)
    assert result.columns == ["person_id", "anchor", "prediction", "probability"]
    assert len(result) == PEOPLE
    found = result.df()
    assert found["probability"].is_monotonic_decreasing
    assert found["probability"].between(0, 1).all()
    visits = site()["visits"].to_pandas()
    met = set(zip(visits["person_id"], visits["page_id"], strict=True))
    assert np.mean([pair in met for pair in zip(found["person_id"], found["prediction"], strict=True)]) > 0.95
    assert result.metrics.metric == "accuracy"
    value = result.metrics.value
    assert value(result.model.name, "test") > 0.15 > value("popularity", "test")
    assert abs(found["probability"].mean() - value(result.model.name, "test")) < 0.12
    assert any("more than 500 classes" in note for note in result.notes)
    again = db.predict(ASKED)
    assert again.model.cached
    assert again.fetchall() == result.fetchall()


def test_its_distribution_is_the_likeliest_classes(db):
    found = db.predict(ASKED.replace(" WITH", " RETURN DISTRIBUTION WITH")).df()
    assert list(found.columns) == ["person_id", "anchor", "class", "probability"]
    assert (found.groupby("person_id").size() == 20).all()
    assert found.groupby("person_id")["probability"].sum().between(0.3, 1.5).all()
