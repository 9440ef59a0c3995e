"""The regime: whether the data reaches what is predicted, and training on histories as stale as the prediction's."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import label_tables
import numpy as np
import pyarrow as pa
import pytest
import rankings
from fake_graphs import DAY, make_edge, without_later
from fake_graphs import problem as fake_problem
from fake_graphs import shop as fake_shop
from shops import seed_shop

import pql
from pql.engine.events import Events
from pql.engine.examples.stale import COPIES, as_seen, as_stale, at_prediction, is_met, lag_of, staled
from pql.engine.examples.stale import staled_freely as freely
from pql.engine.features.as_of import STALENESS, fit_features
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.features.past import Facts
from pql.engine.features.seasons import fit_seasons
from pql.engine.graph.sample import sample
from pql.engine.graph.seeds import BEYOND, TRAIN, VALID, Examples, Seeds
from pql.engine.models.base import Inputs
from pql.engine.models.blend import fit_weights
from pql.engine.models.linear import LinearModel
from pql.engine.pairs.rank_rules import Barred, Rules
from pql.engine.planning.anchors import to_datetime
from pql.engine.planning.plan import Regime
from pql.engine.planning.regime import imitable, known_times, natural_gap, regime_of
from pql.engine.ranking.answer import rank_items
from pql.engine.ranking.fitting import fit_ranking
from pql.language.bound import TaskKind
from pql.language.catalog import Link
from pql.language.options import Duration

TEN = Duration(10, "days")
FROZEN = Regime(kind="frozen", known=100 * DAY, low=35 * DAY, high=35 * DAY)


def graph():
    """The fake shop with a declared link behind every edge type."""
    made = fake_shop()
    edges = tuple(
        replace(e, link=Link(made.nodes[e.child].name, (e.name,), made.nodes[e.parent].name, ("id",)))
        for e in made.edges
    )
    return replace(made, edges=edges)


def seeds(n: int = 40, seed: int = 0) -> Seeds:
    rng = np.random.default_rng(seed)
    return Seeds(rng.integers(0, 200, n), rng.integers(20, 30, n) * 10 * DAY)


# ---------------------------------------------------------------- which regime


def test_the_natural_gap_is_what_the_newest_row_is_old_at_99_of_100_moments():
    daily = np.arange(0, 1000) * DAY
    assert natural_gap(daily) == DAY
    weekdays = np.array([d for d in range(1000) if d % 7 < 5]) * DAY
    assert 2 * DAY < natural_gap(weekdays) <= 3 * DAY
    once = np.concatenate([daily, daily + 1005 * DAY])  # one pause of 6 days in 2,000 is no habit
    assert natural_gap(once) < 2 * DAY


def test_data_that_reach_the_anchor_up_to_a_usual_pause_are_as_of():
    regime = regime_of([102 * DAY], {"orders": 100 * DAY}, {"orders": 3 * DAY})
    assert (regime.kind, regime.known) == ("as-of", None)
    assert "no more than usual" in regime.why


def test_data_that_end_earlier_than_that_are_frozen_and_the_reason_says_by_how_much():
    regime = regime_of([110 * DAY, 150 * DAY], {"orders": 100 * DAY, "visits": 90 * DAY}, {"orders": 3 * DAY})
    assert (regime.kind, regime.known) == ("frozen", 100 * DAY)
    assert (regime.low, regime.high) == (10 * DAY, 50 * DAY)
    assert [(t.table, t.days) for t in regime.tables] == [("orders", 50.0), ("visits", 60.0)]
    assert "10 days to 50 days" in regime.why


def test_the_freshest_table_decides_for_the_whole_database():
    regime = regime_of([110 * DAY], {"orders": 50 * DAY, "visits": 110 * DAY}, {"orders": DAY})
    assert regime.kind == "as-of"


def test_no_more_staleness_is_imitated_than_the_data_is_long():
    assert imitable(FROZEN, 0, 100 * DAY, TEN) == FROZEN
    assert imitable(FROZEN, 0, 40 * DAY, TEN).high == 30 * DAY
    assert imitable(FROZEN, 0, 15 * DAY, TEN).known is None


# ---------------------------------------------------------------- copies


def test_histories_end_a_whole_number_of_widths_after_the_stalest():
    assert known_times(200 * DAY, FROZEN, TEN) == tuple(d * DAY for d in (165, 175, 185, 195))
    assert known_times(200 * DAY, Regime(), TEN) == (200 * DAY,)


def test_training_examples_are_copied_and_those_of_validation_are_as_stale_as_the_prediction():
    given = seeds()
    split = np.where(np.arange(len(given)) < 30, TRAIN, VALID).astype(np.int8)
    found, source, code = staled(given, split, FROZEN, TEN, 0)
    assert len(found) == COPIES * len(given)
    assert np.array_equal(found.rows, given.rows[source])
    stale = found.anchors - found.seen
    assert set(stale[code == VALID]) == {35 * DAY}
    assert np.count_nonzero(code == VALID) == 10
    assert np.count_nonzero(code == BEYOND) == 10 * (COPIES - 1)
    assert set(stale[code == TRAIN]) == {d * DAY for d in (35, 25, 15, 5)}


@pytest.mark.parametrize("way", ["by widths", "freely"])
def test_a_draw_depends_on_entity_and_anchor_alone(way: str):
    def cuts(given: Seeds) -> dict[tuple[int, int], list[int]]:
        split = np.zeros(len(given), np.int8)
        made = staled(given, split, FROZEN, TEN, 3) if way == "by widths" else freely(given, split, FROZEN, 3, 0)
        found: dict[tuple[int, int], list[int]] = {}
        for i, at in enumerate(made[1].tolist()):
            key = int(given.rows[at]), int(given.anchors[at])
            found.setdefault(key, []).append(int(made[0].seen[i]))
        return found

    given = seeds()
    one = given.take(np.array([7]))
    key = int(one.rows[0]), int(one.anchors[0])
    assert cuts(one)[key] == cuts(given)[key][:COPIES]


def test_examples_at_any_moments_are_stale_by_all_that_is_asked_and_validation_sees_what_was_before_it():
    regime = Regime(kind="frozen", known=400 * DAY, low=10 * DAY, high=90 * DAY)
    given = Seeds(np.arange(100), np.arange(200, 300) * DAY)
    split = np.where(np.arange(100) < 60, TRAIN, VALID).astype(np.int8)
    found, _, code = freely(given, split, regime, 0, 260 * DAY)
    stale = (found.anchors - found.seen)[code == TRAIN] / DAY
    assert 10 <= stale.min() < 12
    assert 88 < stale.max() <= 90
    assert set(found.seen[code == VALID]) == {250 * DAY}


def test_nothing_is_copied_in_the_as_of_regime():
    given = seeds()
    found, source, code = staled(given, np.zeros(40, np.int8), Regime(), TEN, 0)
    assert found is given
    assert np.array_equal(source, np.arange(40))
    assert not code.any()


def test_a_copy_in_which_nothing_is_known_of_the_entity_is_no_example():
    made = graph()
    first = made.edges[0].times[made.edges[0].indptr[:-1].clip(max=len(made.edges[0].times) - 1)]
    has = np.diff(made.edges[0].indptr) > 0
    rows = np.flatnonzero(has)[:5]
    before, after = Seeds(rows, first[rows] + DAY, first[rows] - 1), Seeds(rows, first[rows] + DAY, first[rows])
    assert not is_met(made, before, first_seen=True).any()
    assert is_met(made, after, first_seen=True).all()
    assert is_met(made, before, first_seen=False).all()


# ---------------------------------------------------------------- the time of year


def yearly() -> tuple:
    """A graph whose orders come on ten days of every spring, over six years; anchors of training over four."""
    made = graph()
    days = np.concatenate([365 * year + 90 + np.arange(10) for year in range(6)])
    when = np.sort(np.resize(days * DAY, len(made.nodes[1].time)))
    nodes = (made.nodes[0], replace(made.nodes[1], time=when), *made.nodes[2:])
    edge = made.edges[0]
    edges = (replace(make_edge(nodes, "orders.user", 1, 0, edge.parent_of), link=edge.link), *made.edges[1:])
    return replace(made, nodes=nodes, edges=edges), np.arange(365, 365 * 5, 30) * DAY


def test_how_busy_the_same_time_of_earlier_years_was_is_known_of_stale_histories():
    made, anchors = yearly()
    seasons = fit_seasons(made, anchors, 30 * DAY)
    assert seasons is not None
    spring, autumn = (365 * 5 + 80) * DAY, (365 * 5 + 250) * DAY
    seen = np.full(2, (365 * 3 + 300) * DAY)
    found = seasons.compute(made, Seeds(np.array([0, 0]), np.array([spring, autumn]), seen))
    assert found[:, 1].tolist() == [10, 0]
    assert found[:, 2].tolist() == [10, 0]
    assert 70 < found[0, 0] < 90


@pytest.mark.parametrize("scramble", [None, 1])
def test_the_same_time_of_earlier_years_is_read_up_to_what_is_seen(scramble: int | None):
    made, anchors = yearly()
    known = (365 * 4 + 95) * DAY
    seasons = fit_seasons(made, anchors[anchors <= known], 30 * DAY)
    assert seasons is not None
    given = Seeds(np.arange(100), known + np.arange(100) * 10 * DAY, np.full(100, known))
    later = without_later(made, known, scramble=scramble)
    assert seasons.compute(made, given).tobytes() == seasons.compute(later, given).tobytes()


def test_less_than_two_years_of_training_say_nothing_of_the_time_of_year():
    made, anchors = yearly()
    assert fit_seasons(made, anchors[:20], 30 * DAY) is None
    assert fit_seasons(made, anchors, 400 * DAY) is None


# ---------------------------------------------------------------- leaks


@pytest.mark.parametrize("scramble", [None, 1])
def test_no_row_after_what_a_seed_sees_reaches_its_features(scramble: int | None):
    made, known = graph(), 150 * DAY
    spec = fit_features(made, cut=known, horizon=30 * DAY, stale_days=60.0)
    given = Seeds(np.arange(200), np.full(200, 200 * DAY), np.full(200, known))
    changed = without_later(made, known, scramble=scramble)
    found = spec.compute(made, given).values.tobytes()
    assert found == spec.compute(changed, given).values.tobytes()
    assert found != spec.compute(made, Seeds(given.rows, given.anchors)).values.tobytes()


@pytest.mark.parametrize("scramble", [None, 1])
def test_no_row_after_what_a_seed_sees_is_sampled(scramble: int | None):
    made, known = graph(), 150 * DAY
    given = Seeds(np.arange(200), np.full(200, 200 * DAY), np.full(200, known))
    changed = without_later(made, known, scramble=scramble)
    there, gone = (sample(g, given.rows, given.seen, (4, 4)) for g in (made, changed))
    for a, b in zip(there.blocks, gone.blocks, strict=True):
        assert np.array_equal(a.times, b.times)
        assert (a.times <= known).all()


def test_no_row_after_what_a_seed_sees_is_behind_it():
    starts, times = np.array([0, 4]), np.array([10, 20, 30, 150]) * DAY
    facts = Facts(starts, times, np.arange(5), np.array([1.0, 2.0, 3.0, 1e6, np.nan]), 30 * DAY, 0.0, "sum")
    stale = facts.behind(Seeds(np.array([0]), np.array([200 * DAY]), np.array([40 * DAY])))
    fresh = facts.behind(Seeds(np.array([0]), np.array([40 * DAY])))
    assert stale.rows.tolist() == fresh.rows.tolist() == [3]
    assert stale.total is not None
    assert stale.total.tolist() == [6.0]
    assert stale.last.tolist() == fresh.last.tolist()


def test_a_moment_in_a_column_later_than_what_is_seen_is_unknown():
    made = graph()
    spec = fit_features(made, cut=400 * DAY, horizon=30 * DAY)
    row = np.array([0])
    born = int(made.nodes[0].column("born").data[0])
    at = spec.names.index("days since users.born")
    fresh, early = Seeds(row, np.array([born + DAY])), Seeds(row, np.array([born + DAY]), np.array([born - DAY]))
    assert spec.compute(made, fresh).values[0, at] == 1
    assert np.isnan(spec.compute(made, early).values[0, at])


def test_how_stale_a_history_is_is_a_feature_no_larger_than_in_training():
    made = graph()
    spec = fit_features(made, cut=150 * DAY, horizon=30 * DAY, stale_days=30.0)
    given = Seeds(np.array([1, 1, 1]), np.full(3, 200 * DAY), np.array([200, 180, 100]) * DAY)
    found = spec.compute(made, given)
    assert found.names[-1] == STALENESS[0]
    assert found.values[:, -1].tolist() == [0, 20, 30]


def test_seeds_of_a_prediction_see_what_the_data_holds():
    given = Seeds(np.array([0]), np.array([135 * DAY]))
    assert at_prediction(given, FROZEN).seen.tolist() == [100 * DAY]
    assert at_prediction(given, Regime()) is given


def test_a_later_row_moves_the_edge_of_no_stale_history():
    nodes = graph().nodes
    edge = make_edge(nodes, "orders.user", 1, 0, np.zeros(len(nodes[1].time), np.int32))
    alone = replace(graph(), edges=(replace(edge, link=Link("orders", ("u",), "users", ("id",))),))
    spec = fit_features(alone, cut=100 * DAY, horizon=10 * DAY)
    stale = spec.compute(alone, Seeds(np.array([0]), np.array([300 * DAY]), np.array([100 * DAY])))
    fresh = spec.compute(alone, Seeds(np.array([0]), np.array([100 * DAY])))
    counts = [i for i, name in enumerate(stale.names) if name.startswith("COUNT(orders")]
    assert stale.values[0, counts].tolist() == fresh.values[0, counts].tolist()


# ---------------------------------------------------------------- end to end

QUESTION = (
    "PREDICT COUNT(orders.*, 0, 10, days) FOR EACH customers.customer_id "
    "WITH (model = boosted, cache = off, anchors = 4)"
)


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    with pql.connect(seed_shop()) as session:
        yield session


def ends(db: pql.Session) -> dt.datetime:
    """When the data of the shop end."""
    return to_datetime(db.explain(QUESTION).plan.split.prediction)


def test_a_date_beyond_the_data_makes_the_regime_frozen_and_explain_says_so(db: pql.Session):
    last = ends(db)
    assert db.explain(QUESTION).plan.regime.kind == "as-of"
    explained = db.explain(QUESTION, as_of=last + dt.timedelta(days=35))
    regime = explained.plan.regime
    assert (regime.kind, round(regime.high / DAY)) == ("frozen", 35)
    assert "frozen: the data ends" in str(explained)
    assert "as stale as the prediction's" in str(explained)


def test_a_model_of_the_frozen_regime_is_measured_and_answers_in_it(db: pql.Session):
    last = ends(db)
    result = db.predict(QUESTION, as_of=last + dt.timedelta(days=35))
    assert len(result) > 50
    assert result.metrics.value("boosted", "test", "mae") > 0
    again = db.predict(QUESTION, as_of=last + dt.timedelta(days=35))
    assert result.to_arrow_table().equals(again.to_arrow_table())


def lists(result: pql.Predictions) -> list[tuple[int, int]]:
    return [(row["CUSTOMER_ID"], row["PRODUCT_ID"]) for row in result.to_arrow_table().to_pylist()]


@pytest.mark.parametrize("rule", ["", " EXCLUDING PURCHASED"])
def test_a_ranking_beyond_the_data_is_that_of_the_last_known_moment(db: pql.Session, rule: str):
    question = (
        "PREDICT LIST_DISTINCT(ORDERS.PRODUCT_ID, 0, 20, days) RANK TOP 5 FOR EACH CUSTOMERS.CUSTOMER_ID"
        f"{rule} WITH (model = repeat)"
    )
    last = to_datetime(db.explain(question).plan.split.prediction)
    later = db.predict(question, as_of=last + dt.timedelta(days=35))
    assert (later.plan.regime.kind, round(later.plan.regime.high / DAY)) == ("frozen", 35)
    assert lists(later) == lists(db.predict(question, as_of=last))
    fresh = db.predict(question, as_of=last).metrics.value("repeat", "valid")
    assert later.metrics.value("repeat", "valid") != fresh  # measured on histories that end 35 days earlier


def test_examples_of_rankings_are_cut_by_one_span_and_their_rules_move_with_them():
    given = Seeds(np.arange(3), np.array([100, 200, 200]) * DAY)
    stale = as_stale(given, replace(FROZEN, low=20 * DAY, high=40 * DAY))
    assert (given.anchors - stale.seen).tolist() == [30 * DAY] * 3
    assert lag_of(stale) == 30 * DAY
    assert as_seen(stale).anchors.tolist() == stale.seen.tolist()
    assert as_stale(given, Regime()) is given
    at_anchors = Barred(np.array([2, 5]), np.array([100, 200]) * DAY, ever=False)
    ever = Barred(np.array([3, 7]), np.array([160, 180]) * DAY, ever=True)
    known = np.ones(4, dtype=bool)
    moved = Rules(barred=(at_anchors, ever)).earlier(30 * DAY)
    assert moved.at(70 * DAY, known).barred.tolist() == [2]
    assert moved.at(170 * DAY, known).barred.tolist() == [3, 5]  # 7 isn't known yet


def test_a_ranking_learnt_from_stale_histories_reads_nothing_after_their_ends():
    everything = rankings.world()
    examples = rankings.examples_of(everything)
    regime = Regime(kind="frozen", known=140 * DAY, low=20 * DAY, high=20 * DAY)
    stale = replace(examples, seeds=as_seen(as_stale(examples.seeds, regime)))
    asked = Seeds(np.arange(120), np.full(120, 140 * DAY))
    answers = []
    for known in (everything, rankings.world(until=int(stale.seeds.anchors.max()))):
        trained = fit_ranking(known, rankings.HORIZON, stale, rankings.model(), Events(), k=5)
        answers.append((trained.weights, rank_items(trained, rankings.world(until=140 * DAY), asked, 5)))
    (weights, one), (others, two) = answers
    assert weights == others
    assert np.array_equal(one.item, two.item)
    assert np.array_equal(one.score, two.score)


# ---------------------------------------------------------------- own label tables


def test_rows_beyond_the_data_are_learnt_from_histories_as_stale_and_read_nothing_later(tmp_path, monkeypatch):
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    tables = label_tables.shop()
    train = label_tables.labels(tables, label_tables.anchors(60, 420), "any")
    test = label_tables.labels(tables, label_tables.anchors(480, 540), "any").drop_columns(["label"])
    asked = {"entity": "customers.customer_id", "time": "at", "target": "label", "horizon": "30 days"}
    until = label_tables.START + dt.timedelta(days=450)

    def ask(source) -> pql.Predictions:
        with pql.connect(source) as db:
            return db.fit(train, model="boosted", **asked).predict(test, until=until)

    result = ask(tables)
    assert result.plan.regime.kind == "frozen"
    assert "frozen" in " ".join(result.notes)
    assert result.plan.regime.high > 80 * DAY
    at = tables["orders"].column("ordered_at").to_numpy()
    earlier = dict(tables, orders=tables["orders"].filter(pa.array(at <= np.datetime64(until, "us"))))
    assert ask(earlier).to_arrow_table().equals(result.to_arrow_table())
    with pql.connect(tables) as db:
        fresh = db.fit(train, model="boosted", **asked).predict(test)
    assert fresh.plan.regime.kind == "as-of"


# ---------------------------------------------------------------- models for little data


def planted(n: int = 600, kind: str = "regression"):
    """A problem whose target is a sum of two features and much noise; the last fifth validates."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n, 12)).astype(np.float32)
    values[rng.random((n, 12)) < 0.1] = np.nan
    signal = np.nan_to_num(values[:, 0]) + np.nan_to_num(values[:, 1])
    target = signal + rng.normal(0, 2.0, n)
    labels = target if kind == "regression" else (target > 0.5).astype(np.float64)
    base = fake_problem(fake_shop(), TaskKind(kind))
    seeds = Seeds(np.arange(n) % 200, np.full(n, 100 * DAY))
    examples = Examples(seeds, labels, np.zeros(n, np.int8), np.zeros((n, 0), np.float32))
    matrix = FeatureMatrix(tuple(f"x{i}" for i in range(12)), values)
    inputs = Inputs(base.inputs.graph, seeds, matrix, examples.lags)
    return replace(base, inputs=inputs, examples=examples), signal


@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_the_linear_model_finds_a_planted_sum_and_its_state_gives_the_same_bits(kind: str):
    problem, signal = planted(kind=kind)
    train, valid = np.arange(480), np.arange(480, 600)
    fitted = LinearModel().fit(problem, train, valid)
    scores = fitted.predict(problem.inputs)
    assert np.corrcoef(scores[valid], signal[valid])[0, 1] > 0.85
    assert np.isfinite(scores).all()
    again = LinearModel().restore(fitted.state())
    assert again.predict(problem.inputs).tobytes() == scores.tobytes()
    assert fitted.predict(problem.inputs.take(np.array([7])))[0] == scores[7]
    refit = fitted.again.fit(problem, np.arange(600), np.arange(0))
    assert refit.penalty == fitted.penalty


def test_a_small_validation_draws_weights_to_equal_ones_and_a_large_one_does_not():
    rng = np.random.default_rng(1)

    def weights(n: int) -> tuple[float, ...]:
        truth = rng.normal(size=n)
        members = [truth + rng.normal(0, s, n) for s in (1.0, 1.02, 4.0)]
        return fit_weights("regression", members, truth)

    few, many = weights(100), weights(20_000)
    assert 0.35 < few[0] < 0.65
    assert few[2] == 0
    assert sum(few) == pytest.approx(1)
    assert sum(many) == pytest.approx(1)
    assert many[2] <= 0.05
