"""Models of pairs made at one anchor: als (factors) and interval (what is due), each kept and free of the future."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from fake_graphs import DAY
from rankings import HORIZON, examples_of, model, world
from test_association_rules import NEXT, kiosk

import pql
from pql.engine.events import Events
from pql.engine.graph.interactions import ItemTable, make_interactions
from pql.engine.models.als import Als
from pql.engine.models.due import due_at
from pql.engine.pairs.pair_history import history_at
from pql.engine.ranking.fitting import fit_ranking
from pql.engine.ranking.pair_models import made_at, restored

NOW = 150 * DAY
NAMES = [
    pytest.param("als", marks=pytest.mark.skipif(not importlib.util.find_spec("implicit"), reason="needs implicit")),
    "interval",
    "rules",
]


def everything(name: str, until: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The candidates and the scores of all pairs at NOW."""
    history = history_at(world(until=until), NOW, HORIZON)
    (made,) = made_at(history, [name], seed=1)
    reach = made.reach(history, np.arange(120))
    return reach.nearest, reach.score(np.repeat(np.arange(120), 40), np.tile(np.arange(40), 120))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_later_than_the_anchor_counts_and_the_same_data_gives_the_same_bits(name: str) -> None:
    one, two = everything(name), everything(name, until=NOW)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert np.isfinite(one[1]).all()
    assert one[1].std() > 0


@pytest.mark.parametrize("name", NAMES)
def test_an_entity_is_scored_alone_as_among_others_and_after_being_kept(name: str) -> None:
    history = history_at(world(), NOW, HORIZON)
    (made,) = made_at(history, [name])
    values = pa.array([f"item {i}" for i in range(40)])
    (back,) = restored([made.called(values).state()])
    every, alone = made.reach(history, np.arange(120)), back.among(values).reach(history, np.array([7]))
    items = np.arange(40)
    assert np.array_equal(alone.score(np.zeros(40, int), items), every.score(np.full(40, 7), items))
    assert np.array_equal(alone.nearest[0], every.nearest[7])
    assert {str(key) for key in made.state()} == {str(key) for key in back.state()}


@pytest.mark.parametrize("name", NAMES)
def test_each_beats_popularity_where_entities_have_tastes(name: str) -> None:
    found = fit_ranking(world(), HORIZON, examples_of(world()), model(name=name, members=(name,)), Events(), k=5)
    assert found.name == name
    quality = {one: found.metrics.value(one, "test", "map@5") for one in (name, "popularity")}
    assert quality[name] > quality["popularity"] + 0.05


def test_factors_of_items_that_moved_are_found_again() -> None:
    vectors = np.eye(3)
    kept = Als(np.arange(3), vectors, pa.array(["a", "b", "c"]))
    moved = kept.among(pa.array(["x", "c", "a"]))
    assert moved.items.tolist() == [2, -1, 1]
    history = history_at(
        make_interactions(np.zeros(1, int), np.array([2]), np.array([DAY]), 1, ItemTable(np.zeros(3, np.int64))),
        2 * DAY,
        HORIZON,
    )
    score = moved.reach(history, np.array([0])).score(np.zeros(3, int), np.arange(3))
    assert score.argmax() == 2  # the item met, "a", points where its own vector does


def test_what_is_met_every_ten_days_is_due_after_ten() -> None:
    """Everybody meets item 0 every ten days and item 1 every forty."""
    rng = np.random.default_rng(0)
    entity, item, time = [], [], []
    for who in range(60):
        for what, gap in ((0, 10), (1, 40)):
            for day in np.arange(rng.uniform(0, gap), 400, gap):
                entity.append(who)
                item.append(what)
                time.append(int((day + rng.normal(0, 1)) * DAY))
    world = make_interactions(np.array(entity), np.array(item), np.array(time), 60, ItemTable(np.zeros(2, np.int64)))
    history = history_at(world, 380 * DAY, 5 * DAY)
    score = due_at(history).reach(history, np.arange(60)).score(np.repeat(np.arange(60), 2), np.tile([0, 1], 60))
    at, _ = history.find(np.arange(60), np.zeros(60, int))
    waited = (history.anchor - history.last[at]) / DAY
    often = score.reshape(60, 2)[:, 0]
    assert often[waited > 7].mean() > 0.6
    assert often[waited < 3].mean() < 0.2


def test_without_implicit_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def gone(name: str, package: str | None = None) -> object:
        return None if name == "implicit" else found(name, package)

    assert isinstance(importlib.util, ModuleType)
    monkeypatch.setattr(importlib.util, "find_spec", gone)
    with pql.connect(kiosk()) as db, pytest.raises(pql.PqlError, match=r"pql-engine\[als\]") as error:
        db.predict(f"{NEXT} WITH (model = als)")
    assert error.value.code == "missing_package"
