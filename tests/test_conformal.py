"""Conditional distributions and their conformal correction: coverage, atoms, whole numbers, order, few rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pql.engine.quality.conformal import Correction, fit_correction, floor_of, no_correction
from pql.engine.quality.distribution import LEVELS, Distribution
from pql.engine.training.spread import around, errors_of

NORMAL = np.array([-2.0537, -1.6449, -1.2816, -0.8416, -0.3853, 0.0, 0.3853, 0.8416, 1.2816, 1.6449, 2.0537])


def normal(mean, spread, share=0.0, *, whole=False, low=-1e6, high=1e6) -> Distribution:
    """What a model may say of values: normal with these means and spreads, and nought with probability `share`."""
    mean, spread = np.broadcast_arrays(np.asarray(mean, float), np.asarray(spread, float))
    knots = np.clip(mean[:, None] + spread[:, None] * NORMAL, low, high + whole)
    return Distribution(knots, np.broadcast_to(np.asarray(share, float), mean.shape).copy(), 0.0, whole, low, high)


def spending(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, the true share of noughts, values): noise grows with x, and so does the chance of anything at all."""
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    none = 0.9 - 0.8 * x
    values = np.where(rng.random(n) < none, 0.0, 50 + 40 * x + (2 + 8 * x) * rng.standard_normal(n))
    return x, none, values


def covered(lower, upper, values) -> float:
    return float(np.mean((lower <= values) & (values <= upper)))


def test_quantiles_rise_and_the_cdf_takes_them_back():
    found = normal(np.linspace(-5, 5, 50), np.linspace(0.5, 3, 50), 0.3)
    levels = [0.001, 0.02, 0.3, 0.5, 0.77, 0.98, 0.9999]
    values = np.stack([found.quantile(level) for level in levels], axis=1)
    assert (np.diff(values, axis=1) >= 0).all()
    for i, level in enumerate(levels):
        below, up_to = found.cdf(values[:, i])
        assert (below <= level + 1e-9).all()
        assert (up_to >= level - 1e-9).all()


def test_the_atom_has_its_probability():
    found = normal([5.0, -5.0], [1.0, 1.0], [0.25, 0.6])
    below, up_to = found.cdf(np.zeros(2))
    assert up_to - below == pytest.approx([0.25, 0.6])
    assert found.quantile(0.2) == pytest.approx([0.0, found.quantile(0.2)[1]])
    assert found.quantile(0.2)[1] < 0


def test_whole_numbers_have_whole_quantiles_and_their_own_probability():
    rng = np.random.default_rng(0)
    values = rng.poisson(3.0, 20_000)
    smooth = values + rng.random(len(values))
    found = Distribution(np.tile(np.quantile(smooth, LEVELS), (7, 1)), np.zeros(7), 0.0, True, 0.0, 30.0)
    at = np.arange(7.0)
    below, up_to = found.cdf(at)
    assert up_to - below == pytest.approx([np.mean(values == k) for k in range(7)], abs=0.03)
    for level in (0.01, 0.25, 0.5, 0.95):
        assert found.quantile(level)[0] == np.quantile(values, level, method="inverted_cdf")


@pytest.mark.parametrize("p", [0.5, 0.8, 0.9])
def test_a_wrong_distribution_is_put_right(p: float):
    """Too narrow and off centre, and most of the values are nought."""
    x, none, values = spending(3000, 0)
    wrong = normal(60 + 40 * x, 0.4 * (2 + 8 * x), np.clip(none - 0.1, 0, 1), low=0.0, high=200.0)
    correction = fit_correction(wrong, values)
    x, none, values = spending(20_000, 1)
    told = normal(60 + 40 * x, 0.4 * (2 + 8 * x), np.clip(none - 0.1, 0, 1), low=0.0, high=200.0)
    before = covered(*no_correction().interval(told, p), values)
    after = covered(*correction.interval(told, p), values)
    assert after >= p - 0.03
    assert abs(after - p) < abs(before - p) or p == 0.5
    for level in (0.1, 0.5, 0.9):
        shown = correction.quantile(told, level)
        assert correction.share_below(told, values, level, shown) == pytest.approx(level, abs=0.03)


def test_a_quantile_moved_to_hold_the_prediction_is_measured_where_it_is_shown():
    x, none, values = spending(2000, 3)
    told = normal(60 + 40 * x, 2 + 8 * x, none, low=0.0, high=200.0)
    correction = no_correction()
    plain = correction.quantile(told, 0.6)
    moved = np.full(len(values), 500.0)
    assert correction.share_below(told, values, 0.6, moved) == 1.0
    half = np.where(np.arange(len(values)) < 1000, moved, plain)
    expected = (1.0 + correction.share_below(told, values, 0.6, plain)) / 2
    assert expected < 0.95
    assert correction.share_below(told, values, 0.6, half) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("p", [0.8, 0.9])
def test_an_end_on_the_atom_gives_its_surplus_to_the_other(p: float):
    x, none, values = spending(20_000, 2)
    right = normal(50 + 40 * x, 2 + 8 * x, none, low=0.0, high=200.0)
    lower, upper = no_correction().interval(right, p)
    one, tails = lower == upper, np.stack([right.quantile((1 - p) / 2), right.quantile((1 + p) / 2)])
    assert covered(lower[~one], upper[~one], values[~one]) == pytest.approx(p, abs=0.015)
    assert (none[one] >= p - 1e-9).all()
    assert (upper <= tails[1] + 1e-9).all()
    assert covered(*tails, values) > covered(lower, upper, values) + 0.02


def test_the_rest_pays_little_for_what_the_atom_covers_too_much():
    x, none, values = spending(4000, 3)
    right = normal(50 + 40 * x, 2 + 8 * x, none, low=0.0, high=200.0)
    level = fit_correction(right, values).level(0.8)
    assert floor_of(0.8) <= level < 0.8
    assert floor_of(0.8) == pytest.approx(0.75)
    assert floor_of(0.5) == pytest.approx(0.45)
    assert floor_of(0.96) == pytest.approx(0.95)


def test_uneven_noise_is_covered_everywhere():
    x, none, values = spending(4000, 4)
    right = normal(50 + 40 * x, 2 + 8 * x, none, low=0.0, high=200.0)
    correction = fit_correction(right, values)
    x, none, values = spending(20_000, 5)
    lower, upper = correction.interval(normal(50 + 40 * x, 2 + 8 * x, none, low=0.0, high=200.0), 0.9)
    for part in (x > 0.8, (x > 0.5) & (x <= 0.8)):
        assert covered(lower[part], upper[part], values[part]) == pytest.approx(0.9, abs=0.04)


def test_too_few_rows_give_the_whole_range():
    told = normal(np.zeros(4), np.ones(4), low=-9.0, high=9.0)
    correction = fit_correction(told, np.array([0.1, -0.4, 0.3, 0.0]))
    lower, upper = correction.interval(told, 0.9)  # five rows can't tell what one in ten does
    assert (lower == -9.0).all()
    assert (upper == 9.0).all()
    assert (correction.interval(told, 0.6)[1] < 9.0).all()
    assert fit_correction(told.take(np.zeros(0, np.int64)), np.zeros(0)).interval(told, 0.8)[1] == pytest.approx(
        np.full(4, 1.2816)
    )


def test_nothing_lies_outside_of_the_limits():
    told = normal([1.0, 99.0], [50.0, 50.0], low=0.0, high=100.0)
    for level in (0.0, 1e-9, 0.5, 1 - 1e-9, 1.0):
        assert ((told.quantile(level) >= 0) & (told.quantile(level) <= 100)).all()
    assert (told.cdf(np.full(2, -1.0))[1] == 0).all()
    assert (told.cdf(np.full(2, 101.0))[0] == 1).all()


def test_a_value_that_never_changes_is_its_own_interval():
    told = replace(normal([7.0], [0.0], low=7.0, high=7.0), knots=np.full((1, len(LEVELS)), 7.0))
    correction = fit_correction(told.take(np.zeros(50, np.int64)), np.full(50, 7.0))
    assert correction.interval(told, 0.9) == (np.array([7.0]), np.array([7.0]))


def test_a_correction_comes_back_as_it_was():
    x, none, values = spending(500, 6)
    made = fit_correction(normal(x, 1 + x, none), values)
    back = Correction.restore(made.state())
    told = normal(x, 1 + x, none)
    assert all((a == b).all() for a, b in zip(made.interval(told, 0.83), back.interval(told, 0.83), strict=True))


def test_distributions_that_a_season_has_left_behind_stand_around_the_predictions():
    rng = np.random.default_rng(5)
    centres = np.exp(rng.uniform(3, 6, 2_000))
    noise = 0.05 + 0.1 * rng.random(2_000)
    truth = centres * 1.1 * np.exp(noise * rng.standard_normal(2_000))
    behind = normal(0.6 * centres, 0.3 * noise * centres, low=0.0, high=1e4)
    first, fresh = np.arange(1_000), np.arange(1_000, 2_000)
    errors = errors_of(behind.take(first), centres[first], truth[first])
    correction = fit_correction(around(behind.take(first), centres[first], errors), truth[first])
    moved = around(behind.take(fresh), centres[fresh], errors)
    lower, upper = correction.interval(moved, 0.9)
    assert covered(lower, upper, truth[fresh]) == pytest.approx(0.9, abs=0.04)
    assert np.median((upper - lower) / centres[fresh]) < 0.5
    plain = fit_correction(behind.take(first), truth[first])
    lower, upper = plain.interval(behind.take(fresh), 0.9)
    assert np.median((upper - lower) / centres[fresh]) > 5  # anything from the least to the most
