"""The odds of pairs: a ranking's score is a probability, and the pair form without RANK answers every pair with one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from rankings import ANCHORS, HORIZON, examples_of, model, truth_of, world
from shops import seed_shop

import pql
from pql.engine.answers import scoring
from pql.engine.events import Events
from pql.engine.graph.seeds import TEST, VALID, Examples, Ragged, Seeds
from pql.engine.quality.metrics import auroc
from pql.engine.ranking.answer import pair_odds, rank_items
from pql.engine.ranking.fitting import fit_ranking
from pql.engine.ranking.odds import Odds
from pql.engine.ranking.scoring import falling
from pql.language.errors import PqlError

ASKED = "PREDICT BOOL(orders.product_id, 0, 14, days) FOR EACH customers.customer_id, products.product_id"
NOW = int(ANCHORS[-1])


def quiet_of(interactions, anchors=(int(ANCHORS[-2]), int(ANCHORS[-1]))):
    """Everybody with an empty window at the validation and the test anchor."""
    rows, times = [], []
    for anchor in anchors:
        truth = truth_of(interactions, np.arange(interactions.n_entities), anchor)
        none = np.flatnonzero(np.diff(truth.offsets) == 0)
        rows.append(none)
        times.append(np.full(len(none), anchor))
    seeds = Seeds(np.concatenate(rows), np.concatenate(times))
    split = np.where(seeds.anchors == anchors[-1], TEST, VALID).astype(np.int8)
    nothing = Ragged(np.zeros(len(seeds) + 1, np.int64), np.zeros(0, np.int64))
    return Examples(seeds, nothing, split, np.zeros((len(seeds), 0), np.float32))


@pytest.fixture(scope="module")
def trained():
    made = world(seed=3)
    return made, fit_ranking(
        made, HORIZON, examples_of(made), model(refit=False), Events(), k=5, quiet=quiet_of(made), pairs=True
    )


def test_the_score_of_a_list_is_how_often_its_items_come_true(trained):
    interactions, ranking = trained
    found = rank_items(ranking, interactions, Seeds(np.arange(120), np.full(120, NOW)), 5)
    truth = truth_of(interactions, np.arange(120), NOW)
    wanted = set(zip(np.repeat(np.arange(120), np.diff(truth.offsets)).tolist(), truth.values.tolist(), strict=True))
    hit = np.array([pair in wanted for pair in zip(found.seed.tolist(), found.item.tolist(), strict=True)])
    assert abs(found.score.mean() - hit.mean()) < 0.06
    likely = found.score > np.median(found.score)
    assert hit[likely].mean() > hit[~likely].mean()
    assert (np.diff(found.score.reshape(120, 5), axis=1) < 0).all()


def test_every_pair_has_its_odds_and_they_beat_the_baselines(trained):
    interactions, ranking = trained
    found = pair_odds(ranking, interactions, Seeds(np.arange(120), np.full(120, NOW)))
    assert len(found.item) == 120 * 40
    assert ((found.score > 0) & (found.score < 1)).all()
    truth = truth_of(interactions, np.arange(120), NOW)
    wanted = set(zip(np.repeat(np.arange(120), np.diff(truth.offsets)).tolist(), truth.values.tolist(), strict=True))
    hit = np.array([pair in wanted for pair in zip(found.seed.tolist(), found.item.tolist(), strict=True)])
    assert abs(found.score.sum() / hit.sum() - 1) < 0.2
    assert auroc(hit, found.score) == pytest.approx(ranking.metrics.value(ranking.name, "test", "auroc"), abs=0.02)
    value = ranking.metrics.value
    assert value(ranking.name, "test", "logloss") < value("rate", "test", "logloss")
    assert value(ranking.name, "test", "auroc") > value("popularity", "test", "auroc")


def test_odds_outlive_their_state(trained):
    _, ranking = trained
    back = Odds.restore(json.loads(json.dumps(ranking.odds.state())))
    assert all(np.array_equal(getattr(back, f), getattr(ranking.odds, f)) for f in ("mean", "slope", "low", "knots"))
    assert replace(back, intercept=0.0).member == ranking.odds.member


def test_values_are_evened_out_until_they_fall():
    assert falling(np.array([[0.5, 0.2, 0.4, 0.1]])).tolist() == [[0.5, 0.30000000000000004, 0.30000000000000004, 0.1]]


@pytest.fixture
def db(tmp_path, monkeypatch):
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    with pql.connect(seed_shop()) as session:
        yield session


def test_without_rank_the_pair_form_gives_every_pair_its_probability(db):
    result = db.predict(f"{ASKED} WITH (model = boosted)")
    assert result.columns == ["CUSTOMER_ID", "PRODUCT_ID", "anchor", "probability", "prediction"]
    found = result.df()
    assert len(found) == found["CUSTOMER_ID"].nunique() * 30
    assert not found.duplicated(["CUSTOMER_ID", "PRODUCT_ID"]).any()
    assert found["probability"].is_monotonic_decreasing
    assert 0 < found["prediction"].sum() < len(found)
    assert {"rate", "repeat", "popularity"} <= set(result.metrics.models())
    assert result.metrics.metric == "auroc"


def test_rules_and_where_bound_the_pairs(db):
    text = f"{ASKED} WHERE customers.customer_id < 5 CANDIDATES WHERE products.price < 20 WITH (model = boosted)"
    found = db.predict(text).df()
    assert found["CUSTOMER_ID"].max() < 5
    prices = seed_shop()["PRODUCTS"].to_pandas().set_index("PRODUCT_ID")["PRICE"]
    assert set(found["PRODUCT_ID"]) == set(prices[prices < 20].index)


def test_too_many_pairs_are_refused_before_anything_is_trained_with_the_ways_out(db, monkeypatch):
    monkeypatch.setattr(scoring, "MOST_PAIRS", 1000)
    with pytest.raises(PqlError) as error:
        db.predict(ASKED)
    assert error.value.code == "too_many_pairs"
    assert "2,340 pairs" in str(error.value)
    assert error.value.fix == f"{ASKED} RANK TOP 10"
    assert "score" in db.predict(f"{error.value.fix} WITH (model = popularity)").columns


def test_at_most_needs_lists(db):
    with pytest.raises(PqlError) as error:
        db.explain(f"{ASKED} AT MOST 1 PER products.category_id")
    assert error.value.code == "clause_conflict"
    assert error.value.fix == ASKED
