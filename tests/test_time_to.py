"""TIME_TO: when something happens next, or how long it was watched for in vain (LANGUAGE §2, §5, §6)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from shops import seed_shop

import pql
from pql.engine.quality.survival import (
    Intervals,
    concordance,
    expected_time,
    fit_intervals,
    measure_survival,
    median_time,
    stack,
    survival,
)

FAST = "model = boosted, anchors = 6, budget = '5 s', threads = 1"
NEXT = f"PREDICT TIME_TO(orders.*, 0, 30, days) FOR EACH customers.customer_id WITH ({FAST})"
HALVES = Intervals((0.5, 1.0), (0.1, 0.1))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))


@pytest.fixture
def db() -> Iterator[pql.Session]:
    with pql.connect(seed_shop()) as session:
        yield session


def regulars(days: int = 300) -> dict[str, pa.Table]:
    """Machines that break down every 4, 8, 16 … days, each with its own rhythm; some never again after day 100."""
    rng = np.random.default_rng(0)
    rows = []
    for machine in range(90):
        gap, day = (4, 8, 16)[machine % 3], float(rng.uniform(0, 16))
        while day < (100 if machine % 9 == 0 else days):
            rows.append((machine, dt.datetime(2024, 1, 1) + dt.timedelta(days=day)))
            day += gap + float(rng.normal(0, 0.3))
    machines, moments = zip(*rows, strict=True)
    return {
        "machines": pa.table({"machine_id": np.arange(90)}),
        "failures": pa.table(
            {
                "failure_id": np.arange(len(rows)),
                "machine_id": np.array(machines),
                "failed_at": pa.array(moments, pa.timestamp("us")),
            }
        ),
    }


# ---------------------------------------------------------------- curves


def test_a_seed_has_a_row_for_every_interval_it_was_at_risk_in() -> None:
    times = np.array([0.3, 0.5, 0.7, 0.7, 0.2, 1.0])
    happened = np.array([True, True, True, False, False, False])
    rows = stack(times, happened, HALVES)
    assert list(zip(rows.seed.tolist(), rows.interval.tolist(), rows.event.tolist(), strict=True)) == [
        (0, 0, True),
        (1, 0, True),  # at the interval's end it is still within
        (2, 0, False),
        (2, 1, True),
        (3, 0, False),  # cut short in the second interval: it speaks for the first alone
        (5, 0, False),
        (5, 1, False),
    ]


def test_intervals_hold_about_as_many_events_each_and_their_hazards_are_kaplan_meiers() -> None:
    times = np.concatenate([np.linspace(0.01, 1.0, 400) ** 2, np.ones(400)])
    happened = np.arange(800) < 400
    intervals = fit_intervals(times, happened)
    assert len(intervals) == 8
    counts = np.histogram(times[happened], [0.0, *intervals.ends])[0]
    assert counts.min() >= 45
    assert survival(np.array([intervals.usual]))[0, -1] == pytest.approx(0.5, abs=0.01)
    assert fit_intervals(np.ones(5), np.zeros(5, dtype=bool)).ends == (1.0,)


def test_median_and_expected_time_of_a_constant_rate() -> None:
    rate = 2.0
    hazards = np.full((1, 4), 1 - np.exp(-rate / 4))
    quarters = Intervals((0.25, 0.5, 0.75, 1.0), (0.1,) * 4)
    curves = survival(hazards)
    assert median_time(quarters, curves)[0] == pytest.approx(np.log(2) / rate)
    assert expected_time(quarters, curves)[0] == pytest.approx((1 - np.exp(-rate)) / rate)
    rare = survival(np.full((1, 4), 0.05))
    assert np.isnan(median_time(quarters, rare)[0]), "less likely than not within the horizon"


def test_concordance_counts_comparable_pairs() -> None:
    times, happened = np.array([0.2, 0.4, 1.0, 0.4]), np.array([True, True, False, False])
    assert concordance(times, happened, -times) == pytest.approx(4.5 / 5)
    assert concordance(times, happened, times) == pytest.approx(0.1)
    assert np.isnan(concordance(times, np.zeros(4, dtype=bool), times))


def test_measures_of_a_perfect_and_a_blind_curve() -> None:
    times, happened = np.array([0.3, 1.0]), np.array([True, False])
    perfect = measure_survival(HALVES, survival(np.array([[1.0, 1.0], [0.0, 0.0]])), times, happened)
    assert (perfect["concordance"], perfect["auroc"]) == (1.0, 1.0)
    assert perfect["brier"] == pytest.approx(0, abs=1e-6)
    assert perfect["ibs"] == pytest.approx(0, abs=1e-6)
    blind = measure_survival(HALVES, survival(np.full((2, 2), 0.3)), times, happened)
    assert (blind["concordance"], blind["auroc"]) == (0.5, 0.5)


# ---------------------------------------------------------------- through the front door


def test_the_soonest_first_with_median_probability_and_expected_time(db: pql.Session) -> None:
    result = db.predict(NEXT)
    assert result.columns == ["CUSTOMER_ID", "anchor", "median", "probability", "prediction"]
    rows = result.to_arrow_table().to_pylist()
    expected = [row["prediction"] for row in rows]
    assert expected == sorted(expected)
    assert all(0 < row["prediction"] <= 30 and 0 <= row["probability"] <= 1 for row in rows)
    assert all((row["median"] is None) == (row["probability"] < 0.5) for row in rows)
    assert any(row["median"] is None for row in rows)
    assert any(row["median"] is not None for row in rows)
    assert result.metrics.metric == "concordance"
    assert set(result.metrics.metrics()) == {"concordance", "auroc", "brier", "ibs"}
    assert {"kaplan_meier", "recency", "interval"} <= set(result.metrics.models())
    assert result.metrics.value("kaplan_meier", "test") == 0.5
    measured = next(r for r in result.metrics.rows if (r.role, r.split, r.metric) == ("model", "test", "concordance"))
    assert measured.low is not None
    assert measured.high is not None
    assert measured.low <= measured.value <= measured.high
    assert "recency" in {difference.rival for difference in result.metrics.differences}


def test_the_rhythm_of_each_entity_is_learnt() -> None:
    with pql.connect(regulars()) as machines:
        result = machines.predict(
            f"PREDICT TIME_TO(failures.*, 0, 20, days) AS wait FOR EACH machines.machine_id WITH ({FAST})"
        )
    metrics = result.metrics
    assert metrics.value("boosted", "test") > 0.85
    rivals = [metrics.value(name, "test") for name in ("interval", "recency")]
    assert metrics.value("boosted", "test") > max(rivals) + 0.05
    assert metrics.value("boosted", "test", "ibs") < 0.7 * metrics.value("kaplan_meier", "test", "ibs")
    rows = result.to_arrow_table().to_pylist()
    waits = {gap: np.mean([r["wait"] for r in rows if r["machine_id"] % 3 == i]) for i, gap in enumerate((4, 8, 16))}
    broken = [r["probability"] for r in rows if r["machine_id"] % 9 == 0]
    assert waits[8] < waits[16]
    assert max(broken) < 0.2, "those that stopped failing are known to have stopped"


def test_labels_are_times_or_how_long_was_watched(db: pql.Session) -> None:
    rows = db.labels(NEXT).to_arrow_table().to_pylist()
    assert list(rows[0]) == ["CUSTOMER_ID", "anchor", "label", "event", "split", "events", "event_count"]
    border = min(row["anchor"] for row in rows if row["split"] == "valid")
    for row in rows:
        assert 0 <= row["label"] <= 30
        assert row["event"] == (row["event_count"] > 0)
        if row["event"]:
            wait = (row["events"][0]["time"] - row["anchor"]) / dt.timedelta(days=1)
            assert row["label"] == pytest.approx(wait)
        if row["split"] == "train":
            assert row["anchor"] + dt.timedelta(days=row["label"]) <= border + dt.timedelta(milliseconds=1)
        elif not row["event"]:
            assert row["label"] == 30, "validation and test windows are complete"
    cut = [row for row in rows if not row["event"] and row["label"] < 30]
    assert cut
    assert {row["split"] for row in cut} == {"train"}


def test_what_happens_after_the_validation_anchor_does_not_teach_what_is_chosen(db: pql.Session) -> None:
    """The labels of training rows are the same if nothing is ever ordered after the validation anchor."""
    rows = db.labels(NEXT).to_arrow_table().to_pylist()
    border = min(row["anchor"] for row in rows if row["split"] == "valid")
    tables = seed_shop()
    orders = tables["ORDERS"]
    late = pa.array([time > border for time in orders.column("ORDERED_AT").to_pylist()])
    moved = pa.array(np.where(late, 79, orders.column("CUSTOMER_ID").to_numpy()))  # all later orders: by one customer
    tables["ORDERS"] = orders.set_column(1, "CUSTOMER_ID", moved)
    with pql.connect(tables) as other:
        changed = other.labels(NEXT).to_arrow_table().to_pylist()
    before = [row for row in rows if row["split"] == "train"]
    assert before
    assert before == [row for row in changed if row["split"] == "train"]
    assert rows != changed


def test_explain_and_evaluate(db: pql.Session) -> None:
    report = str(db.explain(NEXT))
    for text in ("soonest first", "late", "cut short", "at most 30, in days"):
        assert text in report
    evaluation = db.evaluate(NEXT)
    assert {"concordance", "brier"} <= set(evaluation.to_arrow_table().column("metric").to_pylist())


def test_a_kept_model_answers_the_same(db: pql.Session) -> None:
    first = db.predict(NEXT)
    again = db.predict(NEXT)
    assert again.model.cached
    assert again.to_arrow_table().equals(first.to_arrow_table())
    list(db.run(f"CREATE MODEL waiting AS {NEXT}"))
    named = db.predict(NEXT.replace("WITH", "USING MODEL waiting WITH"))
    assert named.to_arrow_table().equals(first.to_arrow_table())


def test_ids_conditions_months_and_the_blend(db: pql.Session) -> None:
    options = "budget = '10 s', epochs = 1, hidden = 8, anchors = 3, neighbors = [4, 4], threads = 1"
    result = db.predict(
        "PREDICT TIME_TO(orders.* WHERE orders.amount > 20, 0, 1, months) FOR customers.customer_id IN (0, 99999) "
        f"WITH ({options})"
    )
    rows = result.to_arrow_table().to_pylist()
    assert [(row["CUSTOMER_ID"], row["status"]) for row in rows] == [(0, "ok"), (99999, "unknown id")]
    assert 0 < rows[0]["prediction"] <= 1
    assert {"boosted", "gnn"} <= set(result.metrics.models())


def test_the_own_pace_can_be_asked_for_alone_and_no_event_is_an_error(db: pql.Session) -> None:
    result = db.predict(NEXT.replace("model = boosted", "model = interval"))
    assert result.metrics.value("interval", "test") > 0.5
    with pytest.raises(pql.PqlError) as error:
        db.predict(NEXT.replace("orders.*", "orders.* WHERE orders.amount < 0"))
    assert error.value.code == "no_positive_labels"


def test_an_assumption_waits_for_complete_windows_and_the_leak_check_passes(db: pql.Session) -> None:
    assumed = NEXT.replace("WITH", "ASSUMING COUNT(orders.*, 0, 30, days) > 0 WITH")
    rows = db.labels(assumed).to_arrow_table().to_pylist()
    assert {row["event"] for row in rows} == {True}
    border = min(row["anchor"] for row in rows if row["split"] == "valid")
    assert max(row["anchor"] for row in rows if row["split"] == "train") + dt.timedelta(days=30) <= border
    (proof,) = db.run(f"CHECK LEAKAGE {NEXT}")
    found = proof.to_arrow_table().column("identical").to_pylist()
    assert True in found
    assert False not in found
