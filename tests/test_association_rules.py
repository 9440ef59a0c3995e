"""Association rules: mined as mlxtend mines them, fired by what an entity had, kept, shown and used again."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fake_graphs import DAY
from rankings import HORIZON, world

import pql
from pql.engine.graph.interactions import ItemTable, make_interactions
from pql.engine.models.rules import Rules, mined, rules_at
from pql.engine.pairs.baskets import Baskets, baskets_at
from pql.engine.pairs.pair_history import history_at
from pql.engine.ranking.rule_table import rule_table

NOW = 150 * DAY


def baskets(rows: int = 400, items: int = 8, seed: int = 0) -> tuple[np.ndarray, Baskets]:
    rng = np.random.default_rng(seed)
    taste = rng.random((rows, 1)) < 0.5
    dense = rng.random((rows, items)) < np.where(taste, np.linspace(0.6, 0.1, items), 0.15)
    dense[:, 2] |= dense[:, 0] & dense[:, 1] & (rng.random(rows) < 0.7)
    row, item = np.nonzero(dense)
    return dense, Baskets(rows, row.astype(np.int64), item.astype(np.int64), "moment")


def test_the_measures_are_those_of_mlxtend() -> None:
    frequent = pytest.importorskip("mlxtend.frequent_patterns")
    dense, held = baskets()
    rules = mined(held, np.arange(8), 8, least=20, per=1000)
    sets = frequent.fpgrowth(pd.DataFrame(dense), min_support=20 / len(dense), max_len=3)
    wanted = frequent.association_rules(sets, metric="confidence", min_threshold=0.0)
    known = {
        (tuple(sorted(row.antecedents)), next(iter(row.consequents))): (row.support, row.confidence, row.lift)
        for row in wanted.itertuples()
        if len(row.consequents) == 1
    }
    pairs = [tuple(i for i in pair if i >= 0) for pair in rules.antecedent.tolist()]
    found = {
        (pair, then): measures
        for pair, then, *measures in zip(
            pairs, rules.consequent.tolist(), rules.support, rules.confidence, rules.lift, strict=True
        )
    }
    assert len(found) > 20
    assert {len(pair) for pair in pairs} == {1, 2}
    for rule, measures in found.items():
        assert measures == pytest.approx(known[rule])
    single = {rule for rule, measures in known.items() if len(rule[0]) == 1 and measures[2] > 1 + 1e-12}
    assert {rule for rule in found if len(rule[0]) == 1} == single
    surer = {
        rule
        for rule, measures in known.items()
        if len(rule[0]) == 2
        and measures[2] > 1 + 1e-12
        and measures[1] > max(known[((half,), rule[1])][1] for half in rule[0]) + 1e-12
    }
    assert {rule for rule in found if len(rule[0]) == 2} == surer


def rules_by_hand() -> Rules:
    """0 → 2 for sure, 1 → 3 half, and 0 & 1 → 4 always."""
    return Rules(
        np.arange(5),
        np.array([[0, -1], [1, -1], [0, 1]]),
        np.array([2, 3, 4]),
        np.array([80, 50, 95]),
        np.array([100, 100, 100]),
        np.array([0.1, 0.1, 0.1]),
        1000,
        "moment",
    )


def test_a_rule_fires_where_all_of_its_antecedent_was_had_lately() -> None:
    entity, item = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 0, 1])
    time = np.array([95, 96, 97, 10, 99]) * DAY
    history = history_at(make_interactions(entity, item, time, 4, ItemTable(np.zeros(5, np.int64))), 100 * DAY, HORIZON)
    reach = rules_by_hand().reach(history, np.arange(4))
    assert [sorted(row[row >= 0].tolist()) for row in reach.nearest] == [[2, 3, 4], [3], [3], []]
    score = reach.score(np.repeat(np.arange(4), 5), np.tile(np.arange(5), 4)).reshape(4, 5)
    assert score[0, 4] > score[0, 2] > score[0, 3] > score[0, 0]
    assert score[1, 3] == pytest.approx(score[0, 3])
    assert score[3].max() < 1e-5  # nothing fires: popularity alone
    assert reach.best(np.array([0, 1, 3]), np.array([4, 3, 4])).tolist() == [2, 1, -1]


def test_rows_with_one_time_are_an_occasion_else_a_horizon_is() -> None:
    items = ItemTable(np.zeros(6, np.int64))
    together = make_interactions(np.zeros(6, int), np.arange(6), np.array([1, 1, 1, 5, 5, 5]) * DAY, 1, items)
    held = baskets_at(history_at(together, 9 * DAY, HORIZON))
    assert (held.what, held.n) == ("moment", 2)
    apart = make_interactions(np.zeros(6, int), np.arange(6), np.arange(1, 13, 2) * DAY, 1, items)
    held = baskets_at(history_at(apart, 12 * DAY, HORIZON))
    assert (held.what, held.n) == ("horizon", 2)
    assert [held.items[held.rows == row].tolist() for row in (0, 1)] == [[0], [1, 2, 3, 4, 5]]


def test_rules_know_nothing_later_than_their_anchor() -> None:
    early, late = (rules_at(history_at(world(until=until), NOW, HORIZON)) for until in (NOW, None))
    assert len(early) > 10
    for name in ("items", "antecedent", "consequent", "count", "of", "usual"):
        assert np.array_equal(getattr(early, name), getattr(late, name))


def test_an_entity_does_not_depend_on_who_else_is_asked_for() -> None:
    history = history_at(world(), NOW, HORIZON)
    rules = rules_at(history)
    every = rules.reach(history, np.arange(120))
    alone = rules.reach(history, np.array([7]))
    items = np.arange(40)
    assert np.array_equal(alone.score(np.zeros(40, int), items), every.score(np.full(40, 7), items))
    assert np.array_equal(alone.nearest[0], every.nearest[7])


def test_kept_rules_find_their_items_again_wherever_they_stand() -> None:
    history = history_at(world(), NOW, HORIZON)
    values = pa.array([f"item {i}" for i in range(40)])
    rules = rules_at(history).called(values)
    back = Rules.restore(rules.state())
    shuffled = pa.array([f"item {i}" for i in [39, *range(20)]])
    moved = back.among(shuffled)
    assert [shuffled[i].as_py() for i in moved.items.tolist() if i >= 0] == [
        v for v in rules.values.to_pylist() if v in shuffled.to_pylist()
    ]
    same = back.among(values)
    assert np.array_equal(same.items, rules.items)
    assert np.array_equal(same.reach(history, np.arange(9)).value, rules.reach(history, np.arange(9)).value)


def test_the_table_names_items_and_has_the_surest_first() -> None:
    rules = rules_by_hand().called(pa.array([10, 11, 12, 13, 14]))
    table = rule_table(rules, (pa.array([10, 11, 14]), pa.array(["tea", "milk", "mug"]))).to_pylist()
    assert [row["antecedent"] for row in table] == ["10 & 11", "10", "11"]
    assert table[0]["antecedent_name"] == "tea & milk"
    assert [row["consequent_name"] for row in table] == ["mug", "12", "13"]
    assert table[0]["confidence"] == pytest.approx(0.95)
    assert table[0]["lift"] == pytest.approx(9.5)
    assert table[0]["support"] == pytest.approx(0.095)


def kiosk(days: int = 120, seed: int = 3) -> dict[str, pa.Table]:
    """Visitors who take coffee with milk, and tea with a biscuit."""
    rng = np.random.default_rng(seed)
    start, names = dt.datetime(2023, 1, 1), ["coffee", "milk", "tea", "biscuit", "paper", "juice"]
    visitor, item, time = [], [], []
    for day in range(days):
        for who in rng.choice(40, 12, replace=False).tolist():
            taken = {who % 2 * 2} | ({who % 2 * 2 + 1} if rng.random() < 0.8 else set())
            taken |= {int(rng.integers(4, 6))} if rng.random() < 0.3 else set()
            for what in sorted(taken):
                visitor.append(who)
                item.append(f"i{what}")
                time.append(start + dt.timedelta(days=day, hours=8))
    sales = {"sale_id": range(len(visitor)), "visitor_id": visitor, "item_id": item, "sold_at": time}
    return {
        "visitors": pa.table({"visitor_id": pa.array(range(40)), "age": pa.array(rng.integers(20, 60, 40))}),
        "items": pa.table({"item_id": [f"i{i}" for i in range(6)], "name": names}),
        "sales": pa.table({name: pa.array(values) for name, values in sales.items()}),
    }


NEXT = "PREDICT LIST_DISTINCT(sales.item_id, 0, 7, days) RANK TOP 3 FOR EACH visitors.visitor_id"


def test_a_model_of_rules_is_measured_kept_shown_and_used_again() -> None:
    with pql.connect(kiosk()) as db:
        list(db.run(f"CREATE MODEL habits AS {NEXT} WITH (model = rules)"))
        (shown,) = db.run("SHOW RULES FOR MODEL habits")
        table = shown.to_arrow_table().to_pylist()
        assert [*table[0]] == [
            "antecedent", "antecedent_name", "consequent", "consequent_name", "support", "confidence", "lift", "count",
        ]  # fmt: skip
        named = {(row["antecedent_name"], row["consequent_name"]): row for row in table}
        assert named["milk", "coffee"]["confidence"] == pytest.approx(1.0)
        assert named["coffee", "milk"]["confidence"] == pytest.approx(0.8, abs=0.06)
        assert ("milk", "tea") not in named
        assert "coffee" in str(shown)
        kept = db.predict(f"{NEXT} USING MODEL habits")
        assert kept.model.name == "rules"
        anew = db.predict(f"{NEXT} WITH (model = rules, cache = off)")
        assert kept.to_arrow_table().equals(anew.to_arrow_table())
        assert {row.model for row in kept.metrics.rows} == {"rules", "repeat", "popularity"}
        quality = {name: kept.metrics.value(name, "test", "map@3") for name in ("rules", "popularity")}
        assert quality["rules"] > quality["popularity"]
        still = db.predict(f"{NEXT} WITH (model = rules, refit = off)")
        assert len(still) == len(anew)
