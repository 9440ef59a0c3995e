"""FORECAST n TIMEFRAMES: a prediction for each of n consecutive windows (LANGUAGE §2, §3, §6)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from databases import us
from shops import seed_shop

import pql
from pql.engine.planning.step_grid import StepGrid, grid_of
from pql.language.bound import BoundWindow

FAST = "model = boosted, anchors = 8, budget = '5 s', threads = 1"
WEEKS = f"PREDICT COUNT(orders.*, 0, 7, days) FORECAST 4 TIMEFRAMES FOR EACH customers.customer_id WITH ({FAST})"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))


@pytest.fixture
def db() -> Iterator[pql.Session]:
    with pql.connect(seed_shop()) as session:
        yield session


def weekly_rhythm(days: int = 120) -> dict[str, pa.Table]:
    """Shops that sell `shop + 1` on weekdays and ten times as much on Sundays."""
    rows = []
    for day in range(days):
        moment = dt.datetime(2024, 1, 1) + dt.timedelta(days=day, hours=9)
        rows += [(shop, moment, (shop + 1.0) * (10 if moment.weekday() == 6 else 1)) for shop in range(12)]
    shops, moments, amounts = zip(*rows, strict=True)
    return {
        "shops": pa.table({"shop_id": np.arange(12)}),
        "sales": pa.table(
            {
                "sale_id": np.arange(len(rows)),
                "shop_id": np.array(shops),
                "sold_at": pa.array(moments, pa.timestamp("us")),
                "amount": np.array(amounts),
            }
        ),
    }


def test_a_row_for_each_entity_and_step_by_entity_then_step(db: pql.Session) -> None:
    result = db.predict(WEEKS)
    assert result.columns == ["CUSTOMER_ID", "anchor", "step", "window_start", "window_end", "prediction"]
    rows = result.to_arrow_table().to_pylist()
    assert [row["step"] for row in rows[:8]] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert [row["CUSTOMER_ID"] for row in rows] == sorted(row["CUSTOMER_ID"] for row in rows)
    for row in rows:
        assert row["window_start"] == row["anchor"] + dt.timedelta(days=7 * (row["step"] - 1))
        assert row["window_end"] == row["window_start"] + dt.timedelta(days=7)
        assert row["prediction"] >= 0
    names = {(row.model, row.role) for row in result.metrics.rows}
    assert {("seasonal_naive", "baseline"), ("entity_mean", "baseline"), ("last_window", "baseline")} <= names
    steps = [result.metrics.value("boosted", "test", f"mae_step_{i}") for i in (1, 2, 3, 4)]
    assert result.metrics.value("boosted", "test") == pytest.approx(np.mean(steps), rel=1e-6)


def test_the_season_and_the_day_of_the_week_are_learnt() -> None:
    with pql.connect(weekly_rhythm()) as shops:
        result = shops.predict(
            f"PREDICT SUM(sales.amount, 0, 1, days) AS sold FORECAST 7 TIMEFRAMES FOR EACH shops.shop_id WITH ({FAST})"
        )
    rows = result.to_arrow_table().to_pylist()
    assert set(rows[0]) == {"shop_id", "anchor", "step", "window_start", "window_end", "sold"}
    for row in rows:
        truth = (row["shop_id"] + 1) * (10 if row["window_start"].weekday() == 6 else 1)
        assert row["sold"] == pytest.approx(truth, rel=0.35, abs=1.5)
    assert result.metrics.value("seasonal_naive", "test") == 0.0
    assert result.metrics.value("entity_mean", "test") > 5


def test_ids_asked_for_keep_their_status(db: pql.Session) -> None:
    asked = WEEKS.replace("FOR EACH customers.customer_id", "FOR customers.customer_id IN (0, 99999)")
    rows = db.predict(asked).to_arrow_table().to_pylist()
    assert [(row["CUSTOMER_ID"], row["step"], row["status"]) for row in rows] == [
        *((0, step, "ok") for step in (1, 2, 3, 4)),
        (99999, None, "unknown id"),
    ]


def test_the_training_table_has_a_row_for_each_step(db: pql.Session) -> None:
    table = db.labels(WEEKS.replace("COUNT(orders.*", "AVG(orders.amount")).to_arrow_table()
    assert table.column_names[:7] == ["CUSTOMER_ID", "anchor", "step", "window_start", "window_end", "label", "split"]
    counted = db.labels(WEEKS).to_arrow_table()
    assert len(counted) > len(table), "an average over an empty window has no label, the other steps keep theirs"
    assert set(counted.column("step").to_pylist()) == {1, 2, 3, 4}
    late = max(row["window_end"] for row in counted.to_pylist() if row["split"] == "train")
    assert late <= min(row["anchor"] for row in counted.to_pylist() if row["split"] == "valid")


def test_explain_and_evaluate_say_what_is_forecast(db: pql.Session) -> None:
    report = str(db.explain(WEEKS))
    assert "4 windows of 7 days each" in report
    assert "step, window_start, window_end, prediction" in report
    evaluation = db.evaluate(WEEKS)
    assert "mae_step_4" in set(evaluation.to_arrow_table().column("metric").to_pylist())


def test_a_kept_model_answers_the_same(db: pql.Session) -> None:
    first = db.predict(WEEKS)
    again = db.predict(WEEKS)
    assert again.model.cached
    assert not first.model.cached
    assert again.to_arrow_table().equals(first.to_arrow_table())
    list(db.run(f"CREATE MODEL weekly AS {WEEKS}"))
    named = db.predict(WEEKS.replace("WITH", "USING MODEL weekly WITH"))
    assert named.to_arrow_table().equals(first.to_arrow_table())


def test_the_network_and_the_blend_answer_a_forecast(db: pql.Session) -> None:
    options = "budget = '10 s', epochs = 1, hidden = 8, anchors = 3, neighbors = [4, 4], threads = 1"
    result = db.predict(WEEKS.replace(FAST, options))
    assert {"boosted", "gnn"} <= set(result.metrics.models())


def test_windows_lags_and_seasons_lie_on_one_grid() -> None:
    grid = StepGrid(3, 7, "days", 7, 14, 364)
    assert grid.window(us(0), 2) == (us(21), us(28))
    assert grid.recent(us(0), 2) == (us(-14), us(-21)), "the latest window that has ended is (-7, 0]"
    assert grid.same_season(us(0), 1) == (us(7 - 364), us(7 - 728))
    daily = StepGrid(10, 1, "days", 0, 1, 7)
    assert daily.same_season(us(0), 6)[0] == us(-1), "six days ahead it is the same weekday as yesterday"
    assert daily.same_season(us(0), 7)[0] == us(-7)
    months = StepGrid(2, 1, "months", 0, 1, 12)
    assert months.moved(BoundWindow(-1, 0, "months"), 1) == BoundWindow(0, 1, "months")


def test_past_windows_of_the_target_move_along_and_unlike_units_are_refused(db: pql.Session) -> None:
    change = "PREDICT SUM(orders.amount, 0, 7) - SUM(orders.amount, -7, 0) FORECAST 2 TIMEFRAMES FOR EACH customers"
    labels = db.labels(change).to_arrow_table().to_pylist()
    sums = db.labels("PREDICT SUM(orders.amount, 0, 7) FORECAST 2 TIMEFRAMES FOR EACH customers").to_arrow_table()
    known = {(r["CUSTOMER_ID"], r["window_start"]): r["label"] for r in sums.to_pylist()}
    second = [row for row in labels if row["step"] == 2]
    assert second
    for row in second:
        place = row["CUSTOMER_ID"], row["window_start"]
        before = row["CUSTOMER_ID"], row["window_start"] - dt.timedelta(days=7)
        assert row["label"] == pytest.approx(known[place] - known[before])
    with pytest.raises(pql.PqlError) as error:
        db.explain(
            "PREDICT SUM(orders.amount, 0, 1, months) / SUM(orders.amount, -7, 0, days) FORECAST 2 TIMEFRAMES "
            "FOR EACH customers"
        )
    assert error.value.code == "not_supported"
    assert "months" in str(error.value)


def test_a_query_without_steps_has_no_grid(db: pql.Session) -> None:
    plan = db.explain("PREDICT SUM(orders.amount, 0, 7) FOR EACH customers").plan
    assert grid_of(plan.query) is None


def test_more_timeframes_than_history_is_an_error_whose_fix_has_as_many_as_fit(db: pql.Session) -> None:
    with pytest.raises(pql.PqlError) as error:
        db.explain(WEEKS.replace("FORECAST 4", "FORECAST 300"))
    fix = error.value.faults[0].fix
    assert error.value.code == "insufficient_history"
    assert fix is not None
    assert "FORECAST 19 TIMEFRAMES" in fix
    assert "19 windows of 7 days" in str(db.explain(fix))


def test_what_is_assumed_and_named_test_anchors_hold_for_all_steps(db: pql.Session) -> None:
    assumed = WEEKS.replace("WITH", "ASSUMING COUNT(orders.*, 0, 14, days) > 1 WITH")
    rows = db.labels(assumed).to_arrow_table().to_pylist()
    by_place: dict[tuple, float] = {}
    for row in rows:
        if row["step"] <= 2:
            place = row["CUSTOMER_ID"], row["anchor"]
            by_place[place] = by_place.get(place, 0) + row["label"]
    assert by_place
    assert min(by_place.values()) > 1, "the assumption is about the anchor, whatever the step"
    (evaluation,) = db.run(f"EVALUATE {WEEKS} AT 2023-09-01, 2023-10-15")
    test = [row for row in evaluation.to_arrow_table().to_pylist() if row["split"] == "test"]
    assert {row["n"] for row in test if row["metric"] == "mae"} == {2 * 4 * 78}
