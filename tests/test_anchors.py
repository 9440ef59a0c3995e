"""Anchors and split (LANGUAGE §3), on the calendar."""

from __future__ import annotations

import datetime as dt

import pytest

from pql.engine.planning.anchors import (
    Lagging,
    completes_at,
    lag_anchors,
    longest_fit,
    prediction_anchor,
    round_up_to_midnight,
    shift,
    show_time,
    temporal_split,
    to_us,
)
from pql.engine.planning.plan import US_PER_DAY, Split
from pql.engine.planning.row_splits import row_time_split
from pql.engine.planning.step_grid import StepGrid, step_windows
from pql.language.bound import BoundWindow
from pql.language.errors import PqlError
from pql.language.options import Duration

DAYS_30 = (BoundWindow(0, 30, "days"),)


def day(text: str) -> int:
    return to_us(dt.datetime.fromisoformat(text))


def dates(times: tuple[int, ...]) -> list[str]:
    return [show_time(time) for time in times]


def split(windows=DAYS_30, end="2024-12-01", oldest="2022-12-01", **more) -> Split:
    return temporal_split(windows, prediction=day(end), complete_until=day(end), oldest=day(oldest), **more)


def test_units_are_exact_and_months_clamp_at_their_end():
    assert shift(day("2024-03-31"), -1, "months") == day("2024-02-29")
    assert shift(day("2024-02-29"), 1, "years") == day("2025-02-28")
    assert shift(day("2024-12-31T10:30"), 2, "months") == day("2025-02-28T10:30")
    assert shift(day("2024-01-01"), -2, "weeks") == day("2023-12-18")
    assert shift(day("2024-01-01"), 36, "hours") == day("2024-01-02T12:00")
    assert shift(day("1969-01-31"), 1, "months") == day("1969-02-28")


def test_the_calendar_has_no_end_that_raises():
    assert shift(day("2024-01-01"), 100_000, "years") > day("9999-12-31")
    assert shift(day("2024-01-01"), -100_000, "months") < day("0001-01-01")


def test_the_prediction_anchor_is_the_newest_fact_rounded_up_to_midnight():
    assert prediction_anchor(day("2024-11-30T08:00"), DAYS_30) == day("2024-12-01")
    assert prediction_anchor(day("2024-12-01"), DAYS_30) == day("2024-12-01")
    assert prediction_anchor(day("2024-11-30T08:00"), (BoundWindow(0, 6, "hours"),)) == day("2024-11-30T08:00")
    assert prediction_anchor(day("2024-11-30"), DAYS_30, dt.datetime(2024, 6, 1)) == day("2024-06-01")
    assert round_up_to_midnight(-1) == 0


def test_anchors_step_back_from_the_newest_complete_window():
    made = split()
    assert dates(made.times("test")) == ["2024-11-01"]
    assert dates(made.times("valid")) == ["2024-09-02", "2024-10-02"]
    assert dates(made.times("train"))[-2:] == ["2024-07-04", "2024-08-03"]
    assert made.times("predict") == (day("2024-12-01"),)
    assert made.encoder_cut == day("2024-08-03")
    assert (made.width_text, made.step_text) == ("30 days", "30 days")


def test_no_label_window_crosses_a_border():
    for step in (Duration(30, "days"), Duration(7, "days"), Duration(45, "days"), Duration(1, "months")):
        made = split(step=step)
        train, valid, test = (made.times(role) for role in ("train", "valid", "test"))
        assert completes_at(train[-1], DAYS_30) <= valid[0]
        assert completes_at(valid[-1], DAYS_30) <= test[0]
        assert completes_at(test[0], DAYS_30) <= made.prediction


def test_at_most_twenty_training_anchors_or_as_many_as_asked_for():
    assert len(split(oldest="2010-01-01").times("train")) == 20
    assert len(split(oldest="2010-01-01", max_train=5).times("train")) == 5


def test_training_anchors_have_a_window_of_history_where_there_are_enough():
    made = split(oldest="2024-01-01")
    assert made.times("train")[0] >= day("2024-01-31")
    assert len(made.times("valid")) == 1


def test_months_are_counted_from_the_last_anchor_and_clamp_one_by_one():
    made = split(windows=(BoundWindow(0, 1, "months"),), end="2024-05-31", oldest="2023-10-01")
    assert dates(made.times("train", "valid", "test"))[-3:] == ["2024-02-29", "2024-03-30", "2024-04-30"]


def test_a_delayed_window_steps_by_its_end():
    made = split(windows=(BoundWindow(30, 60, "days"),))
    assert made.width_text == "60 days"
    assert dates(made.times("test")) == ["2024-10-02"]


def test_of_several_windows_the_latest_end_counts():
    made = split(windows=(BoundWindow(0, 7, "days"), BoundWindow(0, 8, "weeks")))
    assert made.width_text == "8 weeks"


def test_every_anchor_has_its_lags_and_none_of_their_windows_is_later_than_it():
    made = split()
    assert made.lags == 6
    have = {anchor.time for anchor in made.anchors}
    for anchor in made.times("train", "valid", "test", "predict"):
        lags = lag_anchors(anchor, Duration(30, "days"), made.lags)
        assert {lag for lag in lags if lag >= day("2022-12-01")} <= have
        assert all(completes_at(lag, DAYS_30) <= anchor for lag in lags)
    assert split(with_lags=False).times("lag") == ()
    assert min(have) >= day("2022-12-01"), "before the oldest fact nothing is known"


def test_short_history_means_fewer_lags():
    assert split(oldest="2024-08-01").lags == 3


def test_evaluate_at_names_the_test_anchors():
    made = split(evaluate_at=(day("2024-10-01"), day("2024-09-01")))
    assert dates(made.times("test")) == ["2024-09-01", "2024-10-01"]
    assert dates(made.times("valid"))[-1] == "2024-08-02"
    assert made.prediction == day("2024-12-01")


def test_evaluate_at_needs_a_full_window():
    with pytest.raises(PqlError) as caught:
        split(evaluate_at=(day("2024-11-15"),))
    assert caught.value.code == "incomplete_window"
    assert "2024-11-01" in caught.value.hint


def test_labels_end_where_the_data_ends_even_if_as_of_is_later():
    made = temporal_split(
        DAYS_30, prediction=day("2026-01-01"), complete_until=day("2024-12-01"), oldest=day("2022-01-01")
    )
    assert dates(made.times("test")) == ["2024-11-01"]
    assert made.times("predict") == (day("2026-01-01"),)
    assert any("ends at 2024-12-01" in note for note in made.notes)
    assert max(made.times("lag")) < day("2024-11-01"), "a window that the data doesn't fill is no lag"


@pytest.mark.parametrize("oldest", ["2024-12-01", "2024-11-30", "2024-09-02"])
def test_too_little_history_says_the_longest_window_that_fits(oldest):
    with pytest.raises(PqlError) as caught:
        split(oldest=oldest)
    assert caught.value.code == "insufficient_history"
    longest = longest_fit("days", day(oldest), day("2024-12-01"))
    if longest:
        assert f"{longest} days" in caught.value.hint
        assert split(windows=(BoundWindow(0, longest, "days"),), oldest=oldest).times("train")


def test_the_least_history_gives_one_anchor_each():
    made = split(oldest="2024-09-01")
    assert [len(made.times(role)) for role in ("train", "valid", "test")] == [1, 1, 1]


def test_a_forecast_waits_for_its_last_step_and_steps_by_one_window():
    grid, first = StepGrid(4, 7, "days", 0, 7, 364), BoundWindow(0, 7, "days")
    windows = step_windows(first, grid)
    assert windows[-1] == BoundWindow(21, 28, "days")
    made = split(windows=windows, lagging=Lagging(grid.step, (first,), grid.lag_times))
    assert dates(made.times("test")) == ["2024-11-03"]
    assert made.step_text == "7 days"
    assert completes_at(made.times("train")[-1], windows) <= made.times("valid")[0]


def test_rows_with_their_own_time_are_split_along_it():
    made = row_time_split(prediction=100 * US_PER_DAY, oldest=0, newest=100 * US_PER_DAY)
    assert (made.valid_from, made.test_from) == (70 * US_PER_DAY, 85 * US_PER_DAY)
    assert made.encoder_cut < made.valid_from
