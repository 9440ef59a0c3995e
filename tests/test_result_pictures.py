"""Pictures of results: by name, beside each other in a notebook, of stored answers and of one's own labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hostile_texts import assert_only_ours
from label_tables import anchors, labels
from label_tables import shop as labelled_shop
from test_report import CHURN, KINDS, is_safe, read
from test_why import MONTHS, shop

import pql
from pql.pictures.svg import Picture

FIRST = {"yes or no": "Calibration", "number": "Predicted against", "forecast": "Forecast for customer_id 0",
         "time": "Survival", "ranking": "Recall"}  # fmt: skip
OWN = {"entity": "customers.customer_id", "time": "at", "target": "label", "horizon": "30 days"}


@pytest.fixture(scope="module")
def store():  # type: ignore[no-untyped-def]
    with pql.connect(shop()) as session:
        yield session


@pytest.mark.parametrize("kind", list(FIRST))
def test_a_result_has_the_picture_of_its_kind(store: pql.Session, kind: str) -> None:
    query, model = KINDS[kind]
    result = store.predict(f"{query} WITH (model = {model}, anchors = 4)")
    picture = result.picture()
    assert isinstance(picture, Picture)
    assert picture.title.startswith(FIRST[kind])
    assert picture.svg().startswith("<svg")
    page = assert_only_ours(result.pictures()._repr_html_())
    assert page.elements >= {"svg", "figure"}
    assert result.pictures().names()[-1] == "metrics"
    assert result.picture("importance").title == "What weighs, by column"


def test_a_name_without_a_picture_says_which_there_are(store: pql.Session) -> None:
    result = store.predict(f"{CHURN} WITH (model = rate, anchors = 3)")
    with pytest.raises(pql.PqlError) as error:
        result.picture("survival")
    assert error.value.code == "bad_reason_argument"
    assert "calibration" in str(error.value)
    assert "importance" in str(error.value)


def test_the_forecast_is_that_of_the_rows(store: pql.Session) -> None:
    result = store.predict(f"{MONTHS} RETURN INTERVAL 0.8 WITH (model = instant, anchors = 4)")
    said = result.picture("forecast").description
    for row in result.to_arrow_table().slice(0, 3).to_pylist():
        step = f"{row['window_start']:%Y-%m-%d}: {row['prediction']:.4g} ({row['lower']:.4g} to {row['upper']:.4g})"
        assert step in said
    assert said.count(";") == 2


def test_an_evaluation_has_the_picture_of_its_metrics(store: pql.Session) -> None:
    assert "auroc" in store.evaluate(f"{CHURN} WITH (model = rate, anchors = 3)").picture().title


def test_a_stored_answer_reports_what_it_did_when_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, table in shop().items():
        pq.write_table(table, folder / f"{name}.parquet")
    pages = []
    for _ in range(2):
        with pql.connect(str(folder)) as db:
            result = db.predict(f"{CHURN} WITH (model = instant, anchors = 4)")
        pages.append(result.report())  # the session is closed
    assert result.model.cached
    before, after = (page[: page.index('<section id="made">')] for page in pages)
    assert before == after
    assert 'id="labels"' in pages[1]
    assert result.picture("lift").title.startswith("Lift")


@pytest.mark.parametrize("kind", ["any", "orders", "class", "items"])
def test_labels_of_ones_own_have_a_whole_report(kind: str) -> None:
    tables = labelled_shop()
    train, val, test = (labels(tables, when, kind) for when in (anchors(60, 360), anchors(390, 450), anchors(480, 540)))
    more = {"items": "items.item_id", "k": 3, "model": "repeat"} if kind == "items" else {"model": "instant"}
    with pql.connect(tables) as db:
        model = db.fit(train, val, **{**OWN, **more})
        told, untold = model.predict(test), model.predict(test.drop_columns(["label"]))
    reader = read(page := told.report())
    is_safe(reader)
    ids = {attributes.get("id") for name, attributes in reader.tags if name == "section"}
    assert ids >= {"question", "quality", "curves", "parts", "answers", "importance", "drift", "graph", "made"}
    assert "labels" not in ids  # the labels were given, not made by a statement
    behind = told.background()
    assert behind is not None
    assert behind.checked is not None
    assert behind.checked.split == "test"
    assert behind.drift is not None
    assert [count.split for count in behind.counts] == ["train", "valid"]
    assert 0.8 * len(train) < behind.counts[0].examples <= len(train)  # windows that reach into validation are left out
    if kind != "items":
        assert page.count("What it goes by there") == 1
    else:
        assert behind.checked.truth.sum() == sum(map(len, test["label"].to_pylist()))
    if kind == "any":
        truth = np.array(test["label"].to_pylist(), dtype=float)
        assert behind.checked.truth.tolist() == truth.tolist()
        assert behind.checked.keys["customer_id"].to_pylist() == test["customer_id"].to_pylist()
        assert behind.checked.score == pytest.approx(told.to_arrow_table()["probability"].to_numpy())
    other = untold.background()
    assert other is not None
    assert other.checked is not None
    assert other.checked.split == "valid"
    assert "validation examples" in untold.report()


def test_the_reasons_of_some_predictions_show_themselves_beneath_each_other(store: pql.Session) -> None:
    drawn = store.predict(f"{CHURN} WITH (model = instant, anchors = 3)").why(2).pictures()
    page = drawn._repr_html_()
    assert_only_ours(page)
    assert page.count("<svg") == len(drawn) == 2


def test_a_picture_alone_has_its_whole_title(store: pql.Session) -> None:
    result = store.predict(f"{CHURN} WITH (model = instant, anchors = 3)")
    for name in ("calibration", "gain", "lift", "scores"):
        drawn = result.picture(name)
        assert drawn.svg().count(f">{drawn.title}</text>") == 1
