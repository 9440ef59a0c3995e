"""Ranking end to end on interactions: it beats its baselines, answers in full, is repeatable and sees no later row."""

import numpy as np
import pytest
from fake_graphs import DAY
from rankings import ANCHORS, HORIZON, examples_of, model, world

from pql.engine.answers.artifact import load, save
from pql.engine.events import Events
from pql.engine.graph.interactions import ItemTable, make_interactions
from pql.engine.graph.seeds import TEST, TRAIN, VALID, Seeds
from pql.engine.models.popularity import popularity_scores
from pql.engine.models.ranker import RankerRows, columns_of, top_lists
from pql.engine.models.repeat import repeat_scores
from pql.engine.pairs.pair_history import history_at, popular_order
from pql.engine.ranking.answer import rank_items
from pql.engine.ranking.choice import choose_weights
from pql.engine.ranking.fitting import fit_ranking
from pql.engine.ranking.judged import Judged
from pql.engine.ranking.report import ranking_table
from pql.engine.ranking.trained import TrainedRanker
from pql.language.errors import PqlError

K = 5
NOW = int(ANCHORS[-1] + HORIZON)


def trained_on(interactions, *, k=K, towers=None, examples=None, **changes):
    examples = examples if examples is not None else examples_of(interactions)
    return fit_ranking(interactions, HORIZON, examples, model(**changes), Events(), k=k, towers=towers)


@pytest.fixture(scope="module")
def trained():
    return trained_on(world())


def everyone(anchor=NOW, n=120):
    return Seeds(np.arange(n), np.full(n, anchor))


def same(one, two):
    return all(np.array_equal(getattr(one, f), getattr(two, f)) for f in ("offsets", "seed", "item", "score", "rank"))


class Tastes:
    """Perfect towers: the entity's group against the item's."""

    def embed_entities(self, seeds):
        return np.eye(4, dtype=np.float32)[seeds.rows % 4]

    def embed_items(self, anchor):
        return np.eye(4, dtype=np.float32)[np.arange(40) % 4]


def test_the_ranker_beats_popularity_and_repeat_on_test(trained):
    value = trained.metrics.value
    assert value(trained.name, "test") > value("repeat", "test")
    assert value(trained.name, "test") > 1.5 * value("popularity", "test")
    assert value(trained.name, "test", f"map@{K} (new)") > value("popularity", "test", f"map@{K} (new)")
    assert sum(weight for _, weight in trained.weights) == pytest.approx(1.0)
    assert 0.8 < trained.recall <= 1.0


def test_every_seed_gets_k_distinct_known_items_with_falling_scores(trained):
    found = rank_items(trained, world(), everyone(), K)
    assert np.diff(found.offsets).tolist() == [K] * 120
    items, scores = found.item.reshape(-1, K), found.score.reshape(-1, K)
    assert all(len(set(row)) == K for row in items.tolist())
    assert found.rank.reshape(-1, K).tolist() == [[1, 2, 3, 4, 5]] * 120
    assert (np.diff(scores, axis=1) <= 0).all()
    assert ((scores > 0) & (scores <= 1)).all()


def test_more_items_than_candidates_are_filled_with_every_known_item(trained):
    found = rank_items(trained, world(), everyone(), 60)
    assert np.diff(found.offsets).tolist() == [40] * 120
    early = rank_items(trained, world(), everyone(70 * DAY), 60)
    assert np.diff(early.offsets).tolist() == [36] * 120
    assert (world().items.birth[early.item] <= 70 * DAY).all()
    assert (np.diff(early.score.reshape(120, -1), axis=1) <= 0).all()


def test_an_entity_without_history_gets_what_is_popular(trained):
    found = rank_items(trained, world(), everyone(), K)
    past = history_at(world(), NOW, HORIZON)
    assert past.entity_count[119] == 0
    assert found.item[found.seed == 119].tolist() == popular_order(past)[:K].tolist()


def test_seeds_of_several_anchors_keep_their_order(trained):
    seeds = Seeds(np.array([7, 3, 7, 3]), np.array([NOW, NOW, 100 * DAY, NOW]))
    found = rank_items(trained, world(), seeds, K)
    lists = found.item.reshape(4, K)
    assert lists[1].tolist() == lists[3].tolist()
    alone = rank_items(trained, world(), Seeds(np.array([7]), np.array([100 * DAY])), K)
    assert alone.item.tolist() == lists[2].tolist()


def test_the_same_data_gives_the_same_ranking(trained):
    again = trained_on(world())
    assert again.ranker.text == trained.ranker.text
    assert same(rank_items(again, world(), everyone(), K), rank_items(trained, world(), everyone(), K))


def test_a_ranking_outlives_its_state(trained, tmp_path):
    save(tmp_path / "kept", trained.state(), {})
    back = TrainedRanker.restore(load(tmp_path / "kept")[0])
    assert np.array_equal(back.checked.more["hits"], trained.checked.more["hits"])
    assert same(rank_items(back, world(), everyone(), K), rank_items(trained, world(), everyone(), K))
    assert back.metrics == trained.metrics


def test_no_row_after_the_prediction_changes_training_or_answer(trained):
    cut = world(until=NOW)
    rng = np.random.default_rng(0)
    late = NOW + 1 + rng.integers(0, 20 * DAY, 400)
    more = make_interactions(
        np.concatenate([cut.entity, rng.integers(0, 120, 400)]),
        np.concatenate([cut.item, rng.integers(0, 40, 400)]),
        np.concatenate([cut.time, late]),
        120,
        cut.items,
    )
    one, two = trained_on(cut, examples=examples_of(cut)), trained_on(more, examples=examples_of(cut))
    assert one.ranker.text == two.ranker.text
    assert same(rank_items(one, cut, everyone(), K), rank_items(two, more, everyone(), K))


def test_the_network_is_reported_alone_and_as_features():
    trained = trained_on(world(), towers=Tastes())
    assert {"boosted", "boosted + gnn", "two_tower", "calendar", "repeat", "popularity"} == set(
        trained.metrics.models()
    ) - {"blend"}
    assert any("network's scores as features" in note for note in trained.notes)
    found = rank_items(trained, world(), everyone(), K, Tastes() if trained.uses_towers else None)
    assert len(found.item) == 120 * K


@pytest.mark.parametrize("name", ["repeat", "popularity"])
def test_a_baseline_may_be_asked_for(name):
    trained = trained_on(world(), name=name)
    assert trained.name == name
    assert trained.ranker is None
    assert np.diff(rank_items(trained, world(), everyone(), K).offsets).min() == K


def test_with_too_few_examples_a_baseline_answers_and_says_so():
    examples = examples_of(world())
    few = examples.take(np.concatenate([examples.where(TRAIN)[:5], examples.where(VALID), examples.where(TEST)]))
    trained = trained_on(world(), examples=few)
    assert trained.name in ("repeat", "popularity")
    assert "baseline answers" in trained.notes[0]


def test_without_validation_the_ranker_still_answers():
    examples = examples_of(world())
    trained = trained_on(world(), examples=examples.take(examples.where(TRAIN)))
    assert trained.name == "boosted"
    assert len(rank_items(trained, world(), everyone(), K).item) == 120 * K


def test_without_a_training_example_the_error_says_what_to_do():
    examples = examples_of(world())
    with pytest.raises(PqlError) as error:
        trained_on(world(), examples=examples.take(examples.where(TEST)))
    assert error.value.code == "no_examples"


def test_a_single_item_can_be_ranked():
    time = np.arange(10, 90) * DAY
    one = make_interactions(np.arange(80) % 8, np.zeros(80, int), time, 8, ItemTable(np.zeros(1, np.int64)))
    trained = trained_on(one, examples=examples_of(one, np.arange(30, 80, 10) * DAY))
    found = rank_items(trained, one, everyone(90 * DAY, 8), K)
    assert found.item.tolist() == [0] * 8


def test_repeat_puts_what_was_met_first_and_popular_items_behind():
    past = history_at(world(), NOW, HORIZON)
    items = np.arange(40)
    score = repeat_scores(past, np.zeros(40, np.int64), items)
    met = past.find(np.zeros(40), items)[1]
    assert score[met].min() > score[~met].max()
    popular = popularity_scores(past, items)
    assert np.array_equal(np.argsort(-score[~met], kind="stable"), np.argsort(-popular[~met], kind="stable"))


def test_lists_break_ties_by_item_and_end_with_minus_one():
    owner, items = np.array([0, 0, 0, 2]), np.array([4, 6, 9, 1])
    lists = top_lists(owner, items, np.array([1.0, 2.0, 1.0, 0.0]), 3, 2)
    assert lists.tolist() == [[6, 4], [-1, -1], [1, -1]]


def test_training_rows_are_thinned_by_whole_examples():
    rows = RankerRows(np.arange(20, dtype=np.float32)[:, None], np.tile([1, 0], 10).astype(np.int8), np.full(5, 4))
    some = rows.at_most(8)
    assert some.groups.tolist() == [4, 4]
    assert some.values[:, 0].tolist() == [0, 1, 2, 3, 16, 17, 18, 19]


def test_a_feature_the_ranker_needs_but_the_data_lacks_is_a_coded_error():
    with pytest.raises(PqlError, match="brand") as error:
        columns_of(("times",), ("times", "brand: recency"))
    assert error.value.code == "model_mismatch"


def test_a_member_that_adds_nothing_is_said_to_have_weight_nought():
    from pql.engine.graph.seeds import Ragged

    n = 50
    owner, items = np.repeat(np.arange(n), 3), np.tile([0, 1, 2], n)
    good = np.tile([3.0, 2.0, 1.0], n)
    judged = Judged(
        n, owner, items, np.zeros(3 * n, bool), Ragged(np.arange(n + 1), np.zeros(n, np.int64)),
        np.zeros(n, bool), {"boosted": good, "gnn": -good, "repeat": -good}, 1.0,
    )  # fmt: skip
    notes: list[str] = []
    assert choose_weights(judged, ["boosted", "gnn", "repeat"], 1, notes) == {"boosted": 1.0, "gnn": 0.0, "repeat": 0.0}
    assert notes == ["gnn has weight nought on validation: it adds nothing to the blend."]


def test_a_ranking_is_reported_with_intervals_and_by_how_much_past_there_was():
    from pql.engine.graph.seeds import Ragged

    n = 60
    owner, items = np.repeat(np.arange(n), 3), np.tile([0, 1, 2], n)
    truth = Ragged(np.arange(n + 1), np.arange(n) % 2)  # every other example wants item 0, the rest item 1
    good = np.where(items == np.repeat(np.arange(n) % 2, 3), 2.0, 1.0)
    judged = Judged(
        n, owner, items, np.zeros(3 * n, bool), truth, np.zeros(n, bool),
        {"boosted": good, "repeat": np.tile([3.0, 2.0, 1.0], n), "popularity": np.tile([1.0, 2.0, 3.0], n)}, 1.0,
        entities=np.arange(n), anchors=np.where(np.arange(n) < 20, 0, 86_400_000_000), past=np.arange(n) % 8,
    )  # fmt: skip
    table = ranking_table({"test": judged}, {"boosted": 1.0}, 1)
    test = {row.model: row for row in table.rows if row.split == "test" and row.metric == "map@1"}
    assert (test["boosted"].value, test["repeat"].value, test["popularity"].value) == (1.0, 0.5, 0.0)
    assert test["repeat"].low is not None
    assert test["repeat"].low < 0.5 < test["repeat"].high
    assert {d.rival for d in table.differences} == {"repeat", "popularity"}
    assert not any(d.is_noise() for d in table.differences)
    counted = {row.split: row.n for row in table.rows if row.model == "boosted" and row.metric == "map@1"}
    assert counted == {
        "test": 60, "test 1970-01-01": 20, "test 1970-01-02": 40,
        "test, no past rows": 8, "test, 1-5 past rows": 38, "test, > 5 past rows": 14,
    }  # fmt: skip
