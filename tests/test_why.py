"""Reasons of predictions: they add up to what is shown, for every model, and say what was looked at."""

from __future__ import annotations

import numpy as np
import pytest
from test_purchases import LAPSE, SPENT, VISITS, cafe

import pql
from pql.engine.calibrate import logit
from pql.engine.reasons import Reasons, in_words

YES_NO = ("boosted", "instant", "rate", "last_window", "entity_mean", "rfm", "bgnbd", "interval")
NUMBERS = ("boosted", "instant", "entity_mean", "rfm", "bgnbd")
MODELS = [*((LAPSE, model) for model in YES_NO), *((SPENT, model) for model in NUMBERS), (VISITS, "bgnbd")]


def added_up(table: list[dict[str, object]]) -> dict[object, tuple[float, float]]:
    """Of each guest: the prediction and the sum of the contributions."""
    found: dict[object, tuple[float, float]] = {}
    for row in table:
        shown, total = found.get(row["guest_id"], (row["prediction"], 0.0))
        found[row["guest_id"]] = (shown, total + row["contribution"])  # type: ignore[operator]
    return found


@pytest.fixture(scope="module")
def db():  # type: ignore[no-untyped-def]
    with pql.connect(cafe()) as session:
        yield session


@pytest.mark.parametrize(("query", "model"), MODELS)
def test_the_contributions_add_up_to_what_is_shown(db: pql.Session, query: str, model: str) -> None:
    result = db.predict(f"{query} WITH (model = {model})")
    told = result.why(12, most=3).to_arrow_table().to_pylist()
    sums = added_up(told)
    assert len(sums) == 12
    for shown, total in sums.values():
        wanted = float(logit(np.array(shown))) if query == LAPSE else shown
        assert total == pytest.approx(wanted, abs=1e-6)
    first = [row for row in told if row["guest_id"] == told[0]["guest_id"]]
    assert first[0]["feature"] == "what all begin with"
    assert [row["reason"] for row in first] == list(range(len(first)))
    sizes = [abs(row["contribution"]) for row in first[1:] if row["feature"] != "everything else"]
    assert sizes == sorted(sizes, reverse=True)
    assert len(first) > 1 or model == "rate"


def test_a_blend_adds_its_members_up(db: pql.Session) -> None:
    result = db.predict(f"{LAPSE} WITH (model = blend, budget = '5 s', epochs = 1)")
    for shown, total in added_up(result.why(5, most=2).to_arrow_table().to_pylist()).values():
        assert total == pytest.approx(float(logit(np.array(shown))), abs=1e-6)


def test_reasons_of_one_entity_are_those_it_has_among_others(db: pql.Session) -> None:
    result = db.predict(f"{LAPSE} WITH (model = bgnbd)")
    many = result.why(len(result)).to_arrow_table().to_pylist()
    alone = result.why(entity=7).to_arrow_table().to_pylist()
    assert alone == [row for row in many if row["guest_id"] == 7]
    assert {row["feature"] for row in alone[1:]} == {"events so far, and over how long", "time since the last one"}
    assert any(str(row["value"]).endswith("days") for row in alone)
    assert "time since the last one" in str(result.why(entity=7))
    with pytest.raises(pql.PqlError) as error:
        result.why(entity=9_999)
    assert error.value.code == "unknown_entity"


def test_ids_asked_for_and_kept_models_have_reasons_too(db: pql.Session) -> None:
    list(db.run(f"CREATE OR REPLACE MODEL lapse AS {LAPSE} WITH (model = rfm)"))
    asked = LAPSE.replace("FOR EACH guests.guest_id", "FOR guests.guest_id IN (3, 100000, 5)")
    told = db.predict(f"{asked} USING MODEL lapse").why().to_arrow_table().to_pylist()
    assert {row["guest_id"] for row in told} == {3, 5}
    assert any("of 5)" in row["value"] for row in told)


def test_targets_whose_reasons_are_not_told_say_so(db: pql.Session) -> None:
    result = db.predict("PREDICT SUM(visits.amount, 0, 20, days) FORECAST 2 TIMEFRAMES FOR EACH guests.guest_id "
                        "WITH (model = entity_mean)")  # fmt: skip
    with pytest.raises(pql.PqlError, match="forecast") as error:
        result.why()
    assert error.value.code == "not_supported"


def test_sums_of_reasons_name_a_feature_once() -> None:
    words = np.array([["3", "x"]], dtype=object)
    one = Reasons(np.array([1.0]), ("a", "b"), np.array([[0.5, -0.25]]), words)
    both = Reasons.summed([one.times(0.5), one.times(0.5, 2.0)])
    assert both.names == ("a", "b")
    assert both.margin.tolist() == [one.margin[0] + 2.0]
    assert both.amounts.tolist() == [[0.5, -0.25]]


def test_values_in_words() -> None:
    assert in_words(float("nan")) == "unknown"
    assert in_words(3.0) == "3"
    assert in_words(0.12345) == "0.1235"
    assert in_words(1234567.0) == "1,234,567"
    assert in_words(1.0, ["tea", "mug"]) == "mug"
    assert in_words(-1.0, ["tea", "mug"]) == "another or none"
