"""The buying process (BG/NBD, Gamma-Gamma), RFM cells and gaps: against published values, simulations and by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import hyp2f1

import pql
from pql.engine.features.past import Facts
from pql.engine.features.purchase_process import (
    Purchases,
    Spending,
    fit_purchases,
    fit_spending,
    purchases_likelihood,
    spending_likelihood,
)
from pql.engine.graph.seeds import Seeds
from pql.engine.models.gaps import START, chance
from pql.engine.models.rfm import RfmModel
from pql.engine.planning.outcome import outcome_of
from pql.language.binder import bind
from pql.language.parser import parse_predict

CDNOW = Purchases(0.243, 4.414, 0.793, 2.426)  # Fader, Hardie and Lee 2005: estimates on the CDNOW data, in weeks


def simulated(n: int, true: Purchases, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    rate, drop = rng.gamma(true.r, 1 / true.alpha, n), rng.beta(true.a, true.b, n)
    age, x, last = rng.uniform(20, 40, n), np.zeros(n), np.zeros(n)
    time, active = np.zeros(n), np.ones(n, dtype=bool)
    later = np.zeros(n)  # purchases in the 10 weeks after
    while active.any():
        time = np.where(active, time + rng.exponential(1.0, n) / rate, time)
        active &= time <= age + 10
        before = active & (time <= age)
        x, last, later = x + before, np.where(before, time, last), later + (active & (time > age))
        active &= rng.random(n) >= drop
    return x, last, age, later


def test_the_published_example_and_the_closed_form() -> None:
    x, tx, age = np.array([2.0]), np.array([30.43]), np.array([38.86])
    assert CDNOW.expected(x, tx, age, 0.0, 39.0)[0] == pytest.approx(1.226, abs=5e-4)  # as its authors report it
    x, tx = np.array([0.0, 1, 2, 5, 30, 399]), np.array([0.0, 3, 30.43, 20, 38, 38])
    age, t = np.full(6, 38.86), 39.0
    r, alpha, a, b = CDNOW.r, CDNOW.alpha, CDNOW.a, CDNOW.b
    series = hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + age + t))
    wanted = (a + b + x - 1) / (a - 1) * (1 - ((alpha + age) / (alpha + age + t)) ** (r + x) * series)
    assert CDNOW.expected(x, tx, age, 0.0, t) == pytest.approx(wanted * CDNOW.alive(x, tx, age), rel=1e-6)
    assert CDNOW.any_in(x, tx, age, 0.0, t) == pytest.approx(CDNOW.any_in(x, tx, age, 1e-9, t), rel=1e-6)
    parts = [CDNOW.expected(x, tx, age, s, e) for s, e in ((0.0, 10.0), (10.0, 39.0))]
    assert sum(parts) == pytest.approx(CDNOW.expected(x, tx, age, 0.0, 39.0))
    many = np.array([400.0, 401.0])
    values = CDNOW.expected(many, np.full(2, 38.0), np.full(2, 38.86), 0.0, t)
    assert values[1] == pytest.approx(values[0], rel=0.02)


def test_the_gradients_are_those_of_the_likelihoods() -> None:
    rng = np.random.default_rng(1)
    x, tx, age, _ = simulated(200, CDNOW)
    n, m = rng.integers(1, 9, 200).astype(float), rng.gamma(2.0, 3.0, 200)
    for likelihood, args, size in ((purchases_likelihood, (x, tx, age), 4), (spending_likelihood, (n, m), 3)):
        theta = rng.normal(0, 0.3, size)
        steps = 1e-5 * np.eye(size)
        wanted = [(likelihood(theta + s, *args)[0] - likelihood(theta - s, *args)[0]) / 2e-5 for s in steps]
        assert likelihood(theta, *args)[1] == pytest.approx(np.array(wanted), rel=1e-4, abs=1e-4)


def test_the_parameters_of_a_simulation_are_found_again() -> None:
    true = Purchases(0.6, 5.0, 0.8, 2.5)
    x, tx, age, later = simulated(20_000, true)
    found = fit_purchases(x, tx, age)
    for name in ("r", "alpha", "a", "b"):
        assert getattr(found, name) == pytest.approx(getattr(true, name), rel=0.12)
    expected = found.expected(x, tx, age, 0.0, 10.0)
    assert expected.mean() == pytest.approx(later.mean(), rel=0.05)
    busy = expected > np.quantile(expected, 0.9)
    assert expected[busy].mean() == pytest.approx(later[busy].mean(), rel=0.06)
    any_in = found.any_in(x, tx, age, 0.0, 10.0)
    assert any_in.mean() == pytest.approx((later > 0).mean(), abs=0.01)
    rng = np.random.default_rng(2)
    n, mean = rng.integers(1, 20, 20_000).astype(float), rng.gamma(3.7, 1 / 15.4, 20_000)
    m = rng.gamma(6.25 * n, 1 / (mean * n))
    spent = fit_spending(n, m)
    assert (spent.p, spent.q, spent.gamma) == pytest.approx((6.25, 3.7, 15.4), rel=0.05)
    assert Spending(6.25, 3.7, 15.4).expected(np.array([1e9]), np.array([30.0]))[0] == pytest.approx(30.0, rel=1e-4)


def test_nobody_and_never_twice_give_finite_numbers() -> None:
    nothing = np.zeros(0)
    assert np.isfinite(list(vars_of(fit_purchases(nothing, nothing, nothing)))).all()
    once = fit_purchases(np.zeros(50), np.zeros(50), np.full(50, 9.0))
    assert np.isfinite(list(vars_of(once))).all()
    assert 0 <= once.any_in(np.zeros(1), np.zeros(1), np.full(1, 9.0), 0.0, 1.0)[0] < 0.1


def vars_of(process: Purchases) -> tuple[float, ...]:
    return process.r, process.alpha, process.a, process.b


def facts(outcome: str = "sum") -> Facts:
    """Entity 0 at 1, 1 and 4 (values 2, 3, 5), entity 1 at 9 (value 7), entity 2 never; horizon 2."""
    times = np.array([1, 1, 4, 9])
    moment = np.array([0, 1, 1, 2, 3])
    values = np.array([2.0, 3.0, 5.0, 7.0, np.nan])
    return Facts(np.array([0, 3, 4, 4]), times, moment, values, 2, 0.0, outcome)


def test_what_lies_behind_a_seed() -> None:
    past = facts().behind(Seeds(np.array([0, 0, 0, 1, 2]), np.array([0, 3, 5, 9, 9])))
    assert past.rows.tolist() == [0, 2, 3, 1, 0]
    assert past.moments.tolist() == [0, 1, 2, 1, 0]
    assert past.total.tolist() == [0.0, 5.0, 10.0, 7.0, 0.0]
    assert past.first[1:4].tolist() == [1.0, 2.0, 0.0]
    assert past.last[1:4].tolist() == [1.0, 0.5, 0.0]
    assert np.isnan(past.first[[0, 4]]).all()
    assert facts().everyone(5, 10).moments.tolist() == [2]
    assert past.take(np.array([2])).total.tolist() == [10.0]


def test_a_window_is_likelier_hit_where_the_next_event_is_due() -> None:
    n, gap = np.full(3, 9.0), np.log(np.full(3, 5.0))
    theta = np.array([np.log(5.0), 0.0, -1.0, 3.0, 0.5])
    p = chance(theta, n, gap, np.array([0.5, 5.0, 60.0]), 0.0)
    assert p[1] > p[0]
    assert p[2] < 0.05  # silent for twelve gaps: it doesn't come back
    assert ((p > 0) & (p < 1)).all()
    late = chance(theta, n, gap, np.array([0.5, 5.0, 60.0]), 0.5)
    assert (late <= p).all()
    assert late[1] < p[1]
    assert np.isfinite(chance(START, np.ones(1), np.zeros(1), np.full(1, 1e-3), 0.0)).all()


# ---------------------------------------------------------------- in a database


def cafe(until: dt.datetime | None = None, days: int = 260, seed: int = 0) -> dict[str, pa.Table]:
    """Guests with their own pace who at some visit stop coming, and their bills."""
    rng = np.random.default_rng(seed)
    guest, day, amount = [], [], []
    for who in range(150):
        pace, drop, when, usual = rng.gamma(2.0, 4.0) + 1, rng.beta(1, 12), rng.uniform(0, 150), rng.gamma(4.0, 5.0)
        while when < days:
            guest.append(who)
            day.append(when)
            amount.append(round(float(rng.gamma(4.0, usual / 4.0)), 2))
            if rng.random() < drop:
                break
            when += rng.exponential(pace)
    time = [dt.datetime(2023, 1, 1) + dt.timedelta(days=d) for d in day]
    kept = [i for i, t in enumerate(time) if until is None or t <= until]
    return {
        "guests": pa.table({"guest_id": pa.array(range(150)), "age": pa.array(rng.integers(20, 60, 150))}),
        "visits": pa.table(
            {
                "visit_id": pa.array(kept),
                "guest_id": pa.array([guest[i] for i in kept]),
                "amount": pa.array([amount[i] for i in kept]),
                "visited_at": pa.array([time[i] for i in kept]),
            }
        ),
    }


LAPSE = "PREDICT COUNT(visits.*, 0, 20, days) = 0 FOR EACH guests.guest_id"
SPENT = "PREDICT SUM(visits.amount, 0, 20, days) FOR EACH guests.guest_id"
VISITS = "PREDICT COUNT(visits.*, 0, 20, days) FOR EACH guests.guest_id"


@pytest.mark.parametrize(
    ("query", "model", "rival", "metric"),
    [
        (LAPSE, "bgnbd", "rate", "logloss"),
        (LAPSE, "interval", "rate", "logloss"),
        (LAPSE, "rfm", "rate", "logloss"),
        (SPENT, "bgnbd", "global_mean", "mae"),
        (SPENT, "rfm", "global_mean", "mae"),
        (VISITS, "bgnbd", "global_mean", "mae"),
    ],
)
def test_the_model_is_measured_kept_and_knows_nothing_later(query: str, model: str, rival: str, metric: str) -> None:
    cut = dt.datetime(2023, 8, 20)
    asked = f"{query} AS OF 2023-08-20 WITH (model = {model}, cache = off)"
    with pql.connect(cafe()) as db:
        found = db.predict(asked)
        assert found.model.name == model
        assert found.metrics.value(model, "test", metric) < found.metrics.value(rival, "test", metric)
        list(db.run(f"CREATE OR REPLACE MODEL kept AS {query} AS OF 2023-08-20 WITH (model = {model})"))
        kept = db.predict(f"{query} AS OF 2023-08-20 USING MODEL kept")
        assert kept.to_arrow_table().equals(found.to_arrow_table())
    with pql.connect(cafe(until=cut)) as db:
        assert db.predict(asked).to_arrow_table().equals(found.to_arrow_table())


def test_what_a_target_asks_of_its_rows() -> None:
    with pql.connect(cafe()) as db, db._work.backend.snapshot() as snapshot:
        catalog = db._work.catalog(snapshot)
    wanted = {
        "COUNT(visits.*, 0, 20, days) = 0": "none",
        "COUNT(visits.*, 0, 20, days) < 1": "none",
        "NOT EXISTS(visits.*, 0, 20, days)": "none",
        "EXISTS(visits.*, 0, 20, days)": "any",
        "COUNT(visits.*, 0, 20, days) >= 1": "any",
        "COUNT(visits.*, 0, 20, days) > 2": "other",
        "SUM(visits.amount, 0, 20, days) = 0": "other",
        "COUNT(visits.*, 0, 20, days)": "count",
        "SUM(visits.amount, 0, 20, days)": "sum",
        "AVG(visits.amount, 0, 20, days)": "other",
        "guests.age": None,
    }
    for target, outcome in wanted.items():
        text = f"PREDICT {target} FOR EACH guests.guest_id"
        assert outcome_of(bind(parse_predict(text), catalog, text=text).target) == outcome


def test_rare_cells_say_little() -> None:
    assert RfmModel().tasks == {"binary", "regression"}
    asked = "PREDICT COUNT(visits.*, 0, 20, days) > 2 FOR EACH guests.guest_id WITH (model = rfm)"
    with pql.connect(cafe()) as db:
        found = db.predict(asked)
        probability = found.to_arrow_table().column("probability").to_pylist()
        assert 0 < min(probability) < max(probability) < 1
        with pytest.raises(pql.PqlError, match="bgnbd can't answer") as error:
            db.predict(asked.replace("rfm", "bgnbd"))
        assert error.value.code == "model_not_for_task"
        assert "rfm" in str(error.value)
