"""How sure a measure is: 95 % intervals over entities, and whether a difference is more than noise."""

import numpy as np
import pytest

from pql.engine.graph.seeds import TEST, VALID, Examples, Ragged, Seeds
from pql.engine.quality.bootstrap import Draws, draws_of, interval, mean_of, resampled
from pql.engine.quality.metrics import measure
from pql.engine.quality.survival import concordance, resampled_concordance
from pql.engine.training.evaluate import metrics_table

RNG = np.random.default_rng(3)
TRUTH = (RNG.random(400) < 0.4).astype(float)
SCORES = np.round(np.clip(0.3 * TRUTH + RNG.random(400) * 0.7, 0.01, 0.99), 2)  # with ties
AMOUNTS = RNG.gamma(1.0, 40.0, 400)


@pytest.mark.parametrize("metric", ["auroc", "average_precision", "logloss", "brier"])
def test_a_draw_measures_what_repeating_the_rows_would(metric: str) -> None:
    times = RNG.poisson(1.0, (3, 400))
    found = resampled(Draws(np.arange(400), times.astype(np.float32)), metric, TRUTH, SCORES)
    assert found is not None
    for draw in range(3):
        rows = np.repeat(np.arange(400), times[draw])
        assert found[draw] == pytest.approx(measure("binary", TRUTH[rows], SCORES[rows])[metric], abs=1e-9)


@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_a_draw_of_numbers_too(metric: str) -> None:
    times = RNG.poisson(1.0, (3, 400))
    guess = AMOUNTS + RNG.normal(0, 20, 400)
    found = resampled(Draws(np.arange(400), times.astype(np.float32)), metric, AMOUNTS, guess)
    assert found is not None
    rows = np.repeat(np.arange(400), times[1])
    assert found[1] == pytest.approx(measure("regression", AMOUNTS[rows], guess[rows])[metric], abs=1e-9)


def test_a_draw_of_waiting_times_too() -> None:
    times, happened = np.round(RNG.random(300), 2), RNG.random(300) < 0.6
    times[~happened] = 1.0
    risk = np.round(RNG.normal(-times, 0.5), 1)  # with ties
    counts = RNG.poisson(1.0, (3, 300))
    found = resampled_concordance(Draws(np.arange(300), counts.astype(np.float32)), times, happened, risk)
    for draw in range(3):
        rows = np.repeat(np.arange(300), counts[draw])
        assert found[draw] == pytest.approx(concordance(times[rows], happened[rows], risk[rows]), abs=1e-12)


def test_sets_of_labels_and_waiting_times_have_intervals() -> None:
    draws = draws_of(np.arange(50))
    assert draws is not None
    nobody = np.zeros(50, dtype=bool)
    assert np.isnan(interval(resampled_concordance(draws, np.ones(50), nobody, np.ones(50)))).all()
    sets = Ragged(np.arange(0, 401, 2), np.tile([0, 1, 1, 2], 100))
    good = np.eye(3)[np.tile([0, 1], 100)] + np.eye(3)[np.tile([1, 2], 100)] + RNG.normal(0, 0.6, (200, 3))
    examples = Examples(
        Seeds(np.arange(200), np.zeros(200, np.int64)), sets, np.full(200, TEST), np.zeros((200, 0), np.float32)
    )
    models = [("blend", "model", good), ("popularity", "baseline", np.tile([0.2, 0.5, 0.3], (200, 1)))]
    table = metrics_table("multilabel", "map", examples, models)
    row = next(r for r in table.rows if (r.model, r.metric) == ("blend", "map"))
    assert row.low is not None
    assert row.high is not None
    assert row.low < row.value < row.high
    assert [d.rival for d in table.differences] == ["popularity"]


def test_the_interval_of_a_mean_is_two_standard_errors_wide() -> None:
    draws = draws_of(np.arange(2000))
    assert draws is not None
    values = RNG.normal(5, 2, 2000)
    low, high = interval(mean_of(draws, values))
    assert low < values.mean() < high
    assert high - low == pytest.approx(4 * 2 / np.sqrt(2000), rel=0.3)


def test_rows_of_one_entity_are_drawn_together() -> None:
    entities = np.repeat(np.arange(100), 20)
    values = np.repeat(RNG.normal(0, 1, 100), 20)  # all rows of an entity say the same
    together, apart = draws_of(entities), draws_of(np.arange(2000))
    assert together is not None
    assert apart is not None
    wide = np.ptp(interval(mean_of(together, values)))
    narrow = np.ptp(interval(mean_of(apart, values)))
    assert wide > 3 * narrow


def test_few_entities_have_no_interval() -> None:
    assert draws_of(np.zeros(500, np.int64)) is None
    assert draws_of(np.zeros(0, np.int64)) is None


def test_a_measure_that_is_never_defined_has_no_interval() -> None:
    draws = draws_of(np.arange(400))
    assert draws is not None
    found = resampled(draws, "auroc", np.ones(400), SCORES)
    assert found is not None
    assert np.isnan(interval(found)).all()
    assert resampled(draws, "spearman", AMOUNTS, SCORES) is None


def _table(model: np.ndarray, baseline: np.ndarray):
    split = np.where(np.arange(400) < 100, VALID, TEST).astype(np.int8)
    examples = Examples(Seeds(np.arange(400), np.zeros(400, np.int64)), TRUTH, split, np.zeros((400, 0), np.float32))
    past = np.where(np.arange(400) % 4 == 0, 0, np.arange(400) % 20)
    return metrics_table(
        "binary", "auroc", examples, [("boosted", "model", model), ("rate", "baseline", baseline)], past=past
    )


def test_the_verdict_says_when_a_difference_is_noise() -> None:
    table = _table(SCORES, SCORES + RNG.normal(0, 0.02, 400))
    assert "within the noise" in table.verdict()
    assert table.differences[0].low <= 0 <= table.differences[0].high
    table = _table(SCORES, RNG.random(400))
    assert "within the noise" not in table.verdict()
    assert table.differences[0].low > 0
    assert type(table).from_json(table.to_json()) == table


def test_the_test_rows_are_told_apart_by_how_much_past_there_was() -> None:
    table = _table(SCORES, RNG.random(400))
    parts = ("test, no past rows", "test, 1-5 past rows", "test, > 5 past rows")
    assert table.splits() == ("valid", "test", *parts)
    counted = {row.split: row.n for row in table.rows}
    assert sum(counted[part] for part in parts) == counted["test"] == 300
    row = next(r for r in table.rows if (r.model, r.split, r.metric) == ("boosted", "test", "auroc"))
    assert row.low is not None
    assert row.high is not None
    assert row.low < row.value < row.high
    assert f"{row.low:.4f} to {row.high:.4f}" in str(table)
