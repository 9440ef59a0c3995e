"""RETURN INTERVAL, QUANTILES, PROBABILITY and DISTRIBUTION, as a user asks for them: columns, coverage, kept models."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

import pql
from pql.engine.training.spread_fit import newest
from pql.language.errors import PqlError

START = dt.datetime(2024, 1, 1)
FAST = "WITH (model = boosted, budget = '1 s', anchors = 4, hops = 1)"
SPEND = "PREDICT SUM(visits.paid, 0, 30, days) FOR EACH guests.guest_id"
VISITS = "PREDICT COUNT(visits.*, 0, 30, days) FOR EACH guests.guest_id"
CUT = dt.datetime(2024, 11, 15)


def cafe(guests: int = 70, seed: int = 0, days: int = 370) -> dict[str, pa.Table]:
    """Guests who come at rates of their own, a third hardly ever, and pay amounts of their own. Rooms have a price."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.7, 0.06, guests)
    scale = rng.gamma(4.0, 5.0, guests)
    count = rng.poisson(rate * days)
    who = np.repeat(np.arange(guests), count)
    when = rng.random(len(who)) * days
    order = np.argsort(when)
    who, when = who[order], when[order]
    size = rng.integers(10, 80, 500)
    price = np.round(size * 20 + size * rng.standard_normal(500) * 3, 2)
    unknown = rng.random(500) < 0.1
    return {
        "guests": pa.table({"guest_id": np.arange(guests), "born": rng.integers(1940, 2005, guests)}),
        "visits": pa.table(
            {
                "visit_id": np.arange(len(who)),
                "guest_id": who,
                "at": pa.array([START + dt.timedelta(days=float(d)) for d in when], pa.timestamp("us")),
                "paid": np.round(scale[who] * rng.gamma(3.0, 0.3, len(who)), 2),
            }
        ),
        "rooms": pa.table(
            {
                "room_id": np.arange(500),
                "size": size,
                "floor": rng.integers(0, 5, 500),
                "price": pa.array(price, mask=unknown),
            }
        ),
    }


def until(tables: dict[str, pa.Table], moment: dt.datetime) -> dict[str, pa.Table]:
    at = tables["visits"].column("at").to_pylist()
    return tables | {"visits": tables["visits"].filter(pa.array([t <= moment for t in at]))}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return cafe()


@pytest.fixture
def db(tables) -> Iterator[pql.Session]:
    with pql.connect(tables) as session:
        yield session


def columns(result) -> dict[str, np.ndarray]:
    return {name: np.array(result.to_arrow_table().column(name)) for name in result.columns}


def test_an_interval_holds_its_prediction_and_its_coverage_is_measured() -> None:
    tables = cafe(guests=400)
    with pql.connect(tables) as session:
        result = session.predict(f"{SPEND} RETURN INTERVAL 0.8 AS OF 2024-11-15 {FAST}")
    assert result.columns == ["guest_id", "anchor", "prediction", "lower", "upper"]
    found = columns(result)
    assert (found["lower"] >= 0).all()
    assert (found["lower"] <= found["prediction"]).all()
    assert (found["prediction"] <= found["upper"]).all()
    coverage = result.metrics.value(result.model.name, "test", "coverage")
    assert 0.7 <= coverage <= 0.95
    for rival in ("global_median", "entity_mean"):
        assert result.metrics.value(rival, "test", "coverage") > 0
    assert result.metrics.value("boosted", "test", "pinball") < result.metrics.value("global_median", "test", "pinball")
    assert any(f"covers {coverage:.1%}" in note for note in result.notes)
    visits = tables["visits"]
    at, who, paid = (visits.column(name).to_numpy() for name in ("at", "guest_id", "paid"))
    inside = (at > np.datetime64(CUT)) & (at <= np.datetime64(CUT + dt.timedelta(days=30)))
    truth = np.bincount(who[inside], paid[inside], len(tables["guests"]))[found["guest_id"]]
    assert 0.7 <= np.mean((found["lower"] <= truth + 1e-6) & (truth <= found["upper"] + 1e-6)) <= 0.95


def test_quantiles_are_ascending_columns_and_counts_have_whole_ones(db: pql.Session) -> None:
    result = db.predict(f"{VISITS} RETURN QUANTILES (0.9, 0.1, 0.5, 0.975) {FAST}")
    assert result.columns[2:] == ["prediction", "q10", "q50", "q90", "q97_5"]
    found = columns(result)
    levels = np.stack([found[name] for name in result.columns[3:]])
    assert (np.diff(levels, axis=0) >= 0).all()
    assert (levels == np.round(levels)).all()
    assert (levels >= 0).all()
    evaluation = db.evaluate(f"{VISITS} RETURN QUANTILES (0.1, 0.9) {FAST}")
    metrics = {row[3] for row in evaluation if row[0] == "boosted" and row[2] == "test"}
    assert {"below_q10", "below_q90", "width", "pinball"} <= metrics


def test_a_kept_model_answers_the_same(db: pql.Session) -> None:
    query = f"{SPEND} RETURN INTERVAL 0.9 {FAST}"
    first, second = db.predict(query), db.predict(query)
    assert second.model.cached
    assert second.to_arrow_table().equals(first.to_arrow_table())
    assert str(second.metrics) == str(first.metrics)


def test_a_named_model_gives_any_bounds_if_it_was_made_with_some(db: pql.Session) -> None:
    list(db.run(f"CREATE MODEL spend AS {SPEND} RETURN INTERVAL 0.9 {FAST}"))
    list(db.run(f"CREATE MODEL plain AS {SPEND} {FAST}"))
    wide = columns(db.predict(f"{SPEND} RETURN INTERVAL 0.9 USING MODEL spend WITH (hops = 1)"))
    narrow = columns(db.predict(f"{SPEND} RETURN INTERVAL 0.5 USING MODEL spend WITH (hops = 1)"))
    assert (wide["upper"] - wide["lower"]).mean() > (narrow["upper"] - narrow["lower"]).mean()
    assert (wide["prediction"] == narrow["prediction"]).all()
    with pytest.raises(PqlError) as error:
        db.predict(f"{SPEND} RETURN INTERVAL 0.9 USING MODEL plain WITH (hops = 1)")
    assert error.value.code == "model_mismatch"


def test_the_future_changes_no_bound(tables) -> None:
    query = f"{SPEND} RETURN QUANTILES (0.05, 0.5, 0.95) AS OF 2024-11-01 {FAST[:-1]}, cache = off)"
    answers = []
    for world in (tables, until(tables, dt.datetime(2024, 11, 1)), scrambled(tables, dt.datetime(2024, 11, 1))):
        with pql.connect(world) as session:
            result = session.predict(query)
            answers.append((result.to_arrow_table(), str(result.metrics)))
    assert answers[0][0].equals(answers[1][0])
    assert answers[0][0].equals(answers[2][0])
    assert answers[0][1] == answers[1][1] == answers[2][1]


def scrambled(tables: dict[str, pa.Table], moment: dt.datetime) -> dict[str, pa.Table]:
    visits = tables["visits"]
    later = np.array([t > moment for t in visits.column("at").to_pylist()])
    rng = np.random.default_rng(9)
    paid = visits.column("paid").to_numpy().copy()
    who = visits.column("guest_id").to_numpy().copy()
    paid[later], who[later] = 1e6 * rng.random(later.sum()), rng.permutation(who[later])
    changed = visits.set_column(3, "paid", pa.array(paid)).set_column(1, "guest_id", pa.array(who))
    return tables | {"visits": changed}


def test_a_column_of_the_entity_itself_has_intervals_too(db: pql.Session, tables) -> None:
    result = db.predict(f"PREDICT rooms.price FOR EACH rooms.room_id RETURN INTERVAL 0.8 {FAST}")
    found = columns(result)
    unknown = np.flatnonzero(tables["rooms"].column("price").is_null().to_numpy(zero_copy_only=False))
    assert sorted(found["room_id"]) == sorted(unknown)
    assert (found["lower"] < found["upper"]).all()
    size = tables["rooms"].column("size").to_numpy()[found["room_id"]]
    assert np.mean((found["lower"] <= size * 20) & (size * 20 <= found["upper"])) > 0.8
    known = db.predict(f"PREDICT rooms.price FOR rooms.room_id IN (0, 1, 2, 3) RETURN INTERVAL 0.8 {FAST}")
    assert known.columns == ["room_id", "anchor", "prediction", "lower", "upper", "status"]


def test_a_forecast_has_bounds_for_every_step(db: pql.Session) -> None:
    result = db.predict(
        "PREDICT COUNT(visits.*, 0, 14, days) FORECAST 2 TIMEFRAMES FOR EACH guests.guest_id "
        f"RETURN INTERVAL 0.9 {FAST}"
    )
    assert result.columns[2:] == ["step", "window_start", "window_end", "prediction", "lower", "upper"]
    found = columns(result)
    assert (found["lower"] <= found["prediction"]).all()
    assert (found["prediction"] <= found["upper"]).all()
    assert set(found["step"]) == {1, 2}


def test_with_few_rows_the_interval_is_wide_and_says_so() -> None:
    with pql.connect(cafe(guests=6, days=250)) as session:
        result = session.predict(f"{SPEND} RETURN INTERVAL 0.9 {FAST}")
    found = columns(result)
    assert np.isfinite(found["upper"]).all()
    assert (found["lower"] <= found["prediction"]).all()
    assert any("corrected on" in note and "only" in note for note in result.notes)


def test_the_newest_rows_correct_if_they_are_enough() -> None:
    anchors = np.repeat([10, 20, 30], [4000, 1500, 700])
    problem = SimpleNamespace(examples=SimpleNamespace(seeds=SimpleNamespace(anchors=anchors)))
    rows = np.arange(6200)
    assert set(anchors[newest(problem, rows)]) == {20, 30}
    assert len(newest(problem, rows[:5500])) == 1500
    assert len(newest(problem, rows[3800:4700])) == 900


def test_the_plan_says_where_bounds_come_from(db: pql.Session) -> None:
    text = " ".join(str(db.explain(f"{SPEND} RETURN INTERVAL 0.9 {FAST}")).split())
    assert "lower, upper of a distribution for each row" in text
    assert "bounds" not in str(db.explain(f"{SPEND} {FAST}"))


@pytest.mark.parametrize("wrong", ["RETURN INTERVAL 1.5", "RETURN QUANTILES (0.1, 90)", "RETURN INTERVAL 0"])
def test_levels_outside_of_nought_and_one_are_refused(db: pql.Session, wrong: str) -> None:
    with pytest.raises(PqlError) as error:
        db.predict(f"{SPEND} {wrong}")
    assert error.value.code == "quantile_range"


def test_probabilities_are_returned_and_their_calibration_is_measured(db: pql.Session) -> None:
    result = db.predict(f"{VISITS.replace(' FOR', ' > 0 FOR')} RETURN PROBABILITY {FAST}")
    assert result.columns == ["guest_id", "anchor", "probability"]
    assert 0 <= result.metrics.value(result.model.name, "test", "ece") < 0.2
    named = db.predict(f"PREDICT rooms.floor AS CLASS FOR EACH rooms.room_id RETURN PROBABILITY {FAST}")
    assert named.columns == ["room_id", "anchor", "prediction", "probability"]


def test_a_distribution_has_a_row_for_each_class(db: pql.Session) -> None:
    result = db.predict(f"PREDICT rooms.floor AS CLASS FOR EACH rooms.room_id RETURN DISTRIBUTION {FAST}")
    assert result.columns == ["room_id", "anchor", "class", "probability"]
    found = columns(result)
    total = np.bincount(found["room_id"], found["probability"])
    assert total == pytest.approx(np.ones(500))
