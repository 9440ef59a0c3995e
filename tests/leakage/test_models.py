"""Right about time, model by model: no row later than the anchor has a say in what any model answers.

Every pair of a task and a model that answers it, over a small shop. The pairs that other tests of this folder don't
reach are tried in the main suite; all of them with the slow tests. Also: several questions of one session, and labels
of one's own.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from leak_questions import TASKS as OTHER_TASKS
from worlds import ANCHOR, START, Tables, shop, with_another_future, without_future

import pql
from pql.engine.planning.model_tasks import ANSWERS, answering

SMALL = "anchors = 3, budget = '5 s', epochs = 1, hidden = 8, neighbors = [4, 4], threads = 1, cache = off"
TASKS = {
    **OTHER_TASKS,
    "pairs": "PREDICT BOOL(order_lines.product_id, 0, 21, days) FOR EACH customers.customer_id, products.product_id",
    "ruled": "PREDICT LIST_DISTINCT(order_lines.product_id, 0, 21, days) RANK TOP 5 FOR EACH customers.customer_id "
    "CANDIDATES WHERE products.price > 3 EXCLUDING PURCHASED AT MOST 1 PER products.category",
    "bounds": "PREDICT SUM(order_lines.amount, 0, 21, days) FOR EACH customers.customer_id RETURN INTERVAL 0.8",
}
FAST = {
    ("binary", "rfm"),
    ("binary", "bgnbd"),
    ("binary", "interval"),
    ("binary", "linear"),
    ("regression", "rfm"),
    ("regression", "bgnbd"),
    ("regression", "linear"),
    ("forecast", "last_window"),
    ("time_to", "interval"),
    ("time_to", "gnn"),
    ("multiclass", "boosted"),
    ("multiclass", "entity_mean"),
    ("multilabel", "repeat"),
    ("ranking", "als"),
    ("ranking", "rules"),
    ("ranking", "two_tower"),
    ("ranking", "interval"),
    ("pairs", "boosted"),
    ("ruled", "boosted"),
}
YES_NO = ("boosted", "gnn", "instant", "linear", "rate", "last_window", "entity_mean", "rfm", "bgnbd", "interval")
NUMBERS = ("boosted", "gnn", "instant", "linear", "last_window", "entity_mean", "rfm", "bgnbd")
RANKINGS = ("boosted", "gnn", "interval", "popularity", "repeat", "rules", "als", "two_tower")
MODELS = {
    "binary": YES_NO,
    "regression": NUMBERS,
    "bounds": NUMBERS,
    "assumed": NUMBERS,
    "forecast": ("boosted", "gnn", "instant", "last_window", "entity_mean"),
    "time_to": ("boosted", "gnn", "rate", "interval"),
    "multiclass": ("boosted", "gnn", "instant", "rate", "last_window", "entity_mean"),
    "multilabel": ("boosted", "gnn", "instant", "rate", "popularity", "repeat"),
    "ranking": RANKINGS,
    "values": RANKINGS,
    "pairs": RANKINGS,
    "ruled": RANKINGS,
    "static": ("boosted", "gnn", "instant", "rate"),
}
CASES = [
    pytest.param(task, model, marks=() if (task, model) in FAST else pytest.mark.slow)
    for task, models in MODELS.items()
    for model in (*models, "auto")
]


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path))


def small_shop(seed: int, task: str = "") -> Tables:
    """A shop with few rows; with more for tasks that learn from few of them."""
    if task in ("assumed", "ruled"):
        return shop(seed, customers=30, products=25, orders=1200)
    return shop(seed, customers=30, products=12, orders=400)


def asked(task: str, model: str, as_of: dt.datetime = ANCHOR) -> str:
    return f"{TASKS[task]} AS OF {as_of:%Y-%m-%d} WITH (model = {model}, {SMALL})"


def answer(tables: Tables, query: str) -> pa.Table:
    with pql.connect(tables) as db:
        return db.predict(query).to_arrow_table()


def test_every_model_that_answers_a_task_is_tried() -> None:
    assert {model for models in MODELS.values() for model in models} == set(ANSWERS)
    with pql.connect(small_shop(1)) as db:
        for task, models in MODELS.items():
            query = db.explain(f"{TASKS[task]} AS OF {ANCHOR:%Y-%m-%d}").plan.query
            assert answering(query) == models, task


@pytest.mark.parametrize(("task", "model"), CASES)
def test_no_model_answers_otherwise_for_what_comes_later(task: str, model: str) -> None:
    world = small_shop(len(task) + len(model), task)
    found = answer(world, asked(task, model))
    assert found.num_rows > 0
    for other in (without_future(world), with_another_future(world, seed=1)):
        assert answer(other, asked(task, model)).equals(found)


@pytest.mark.parametrize("task", ["binary", "ranking"])
def test_what_a_session_remembers_of_later_moments_has_no_say(task: str) -> None:
    world = small_shop(seed=2)
    earlier = asked(task, "boosted", ANCHOR - dt.timedelta(days=60))
    expected = answer(without_future(world, ANCHOR - dt.timedelta(days=60)), earlier)
    with pql.connect(world) as db:
        for later in (asked(task, "boosted"), TASKS["regression"], asked(task, "boosted", ANCHOR)):
            db.predict(later if "AS OF" in later else f"{later} WITH ({SMALL}, model = entity_mean)")
        assert db.predict(earlier).to_arrow_table().equals(expected)


def weekly(world: Tables, days: range) -> pa.Table:
    """Whether, and how much, each customer orders in the week after each of these days."""
    orders = world["orders"]
    times = orders.column("ordered_at").to_numpy()
    who = orders.column("customer_id").to_pylist()
    rows = []
    for day in days:
        start = np.datetime64(START + dt.timedelta(days=day), "us")
        here = np.flatnonzero((times > start) & (times <= start + np.timedelta64(7, "D")))
        for c in range(30):
            count = sum(who[i] == f"c{c}" for i in here)
            moment = START + dt.timedelta(days=day)
            rows.append({"customer_id": f"c{c}", "at": moment, "n": float(count), "any": count > 0})
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize(
    ("target", "model"),
    [
        ("any", "boosted"),
        *(pytest.param("any", m, marks=pytest.mark.slow) for m in ("auto", "gnn", "instant", "linear", "rate")),
        *(pytest.param("n", m, marks=pytest.mark.slow) for m in ("auto", "gnn", "boosted", "instant", "linear")),
    ],
)
@pytest.mark.parametrize("late", [0, 40], ids=["as-of", "frozen"])
def test_own_labels_are_answered_without_what_comes_after(target: str, model: str, late: int) -> None:
    """Rows asked for at the anchor, or `late` days after the data ends."""
    world = small_shop(seed=3)
    end = (ANCHOR - START).days
    other = {"any": "n", "n": "any"}[target]
    train = weekly(world, range(40, end - 7, 14)).drop_columns([other])
    test = weekly(world, range(end + late, end + late + 1)).drop_columns(["n", "any"])
    given = {"entity": "customers.customer_id", "time": "at", "target": target, "horizon": "7 days"}

    def ask(tables: Tables) -> pa.Table:
        with pql.connect(tables) as db:
            fitted = db.fit(train, model=model, cache=False, **given)
            return fitted.predict(test, until=ANCHOR).to_arrow_table()

    found = ask(world)
    assert found.num_rows == len(test)
    assert ask(without_future(world)).equals(found)
    assert ask(with_another_future(world, seed=1)).equals(found)


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("regression", "entity_mean"),
        pytest.param("regression", "boosted", marks=pytest.mark.slow),
        pytest.param("binary", "auto", marks=pytest.mark.slow),
        pytest.param("ranking", "boosted", marks=pytest.mark.slow),
    ],
)
def test_a_measure_at_a_named_anchor_reads_no_row_beyond_its_window(task: str, model: str) -> None:
    """Keys, links, clocks and examples included."""
    world, moment = small_shop(seed=4), ANCHOR - dt.timedelta(days=60)
    query = f"EVALUATE {TASKS[task]} WITH (model = {model}, {SMALL}) AT {moment:%Y-%m-%d}"
    window_end = moment + dt.timedelta(days=21)
    found = []
    for tables in (world, without_future(world, window_end), with_another_future(world, 1, window_end)):
        with pql.connect(tables) as db:
            measured = db.evaluate(query)
            found.append((str(measured), measured.plan.query.catalog))
    assert found[0] == found[1] == found[2]
