"""Right about time, from outside: whatever happens after the anchor, the answer and the training table stay the same.

Every task and model through the front door, with the graph inferred and with it declared. What lies in between is in
test_inside.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from functools import partial

import pyarrow as pa
import pytest
from histories import declared_in, late_database, other_futures, tables_of
from leak_questions import TASKS
from worlds import ANCHOR, Tables, shop, visited, with_another_future, without_future

import pql
from pql.session import Session

MODELS = {
    "binary": ("auto", "gnn", "boosted", "instant", "rate", "last_window", "entity_mean"),
    "regression": ("auto", "gnn", "boosted", "instant", "last_window"),
    "forecast": ("auto", "instant"),
    "multiclass": ("auto", "instant"),
    "ranking": ("gnn", "boosted", "popularity", "repeat"),
    "assumed": ("boosted", "entity_mean"),
    "edited": ("gnn", "boosted"),
}
CASES = [(task, model) for task in TASKS for model in MODELS.get(task, ("auto",))]
SMALL = "anchors = 3, budget = '5 s', epochs = 1, hidden = 8, neighbors = [4, 4], threads = 1"

Answer = tuple[pa.Table, pa.Table]


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path))


def answer(tables: Tables, query: str, declare: Callable[[Session], None] | None = None) -> Answer:
    """The predictions and the training table."""
    with pql.connect(tables) as db:
        if declare is not None:
            declare(db)
        return db.predict(query).to_arrow_table(), db.labels(query).to_arrow_table()


def asked(task: str, options: str = f"cache = off, {SMALL}", as_of: dt.datetime | None = ANCHOR) -> str:
    when = f" AS OF {as_of:%Y-%m-%d}" if as_of is not None else ""
    return f"{TASKS[task]}{when} WITH ({options})"


def assert_same(query: str, world: Tables, others: Iterator[Tables], declare=None) -> None:
    expected, labels = answer(world, query, declare)
    assert expected.num_rows > 0
    for other in others:
        predictions, other_labels = answer(other, query, declare)
        assert other_labels.equals(labels)
        assert predictions.equals(expected)


def futures(world: Tables) -> Iterator[Tables]:
    yield without_future(world)
    yield with_another_future(world, seed=1)


def declare_shop(db: Session) -> None:
    """The whole graph by hand, so that nothing is inferred."""
    for column in ("customers.customer_id", "products.product_id", "orders.order_id"):
        db.key(column)
    for child, parent in (
        ("orders.customer_id", "customers.customer_id"),
        ("order_lines.order_id", "orders.order_id"),
        ("order_lines.product_id", "products.product_id"),
    ):
        db.link(child, parent)
    db.time("orders.ordered_at")
    db.time("customers.joined_at")
    db.no_time("memberships")


@pytest.mark.parametrize(("task", "model"), CASES)
def test_the_future_changes_nothing(task: str, model: str) -> None:
    world = shop(seed=len(task) * 10 + len(model), orders=700)
    assert_same(asked(task, f"cache = off, model = {model}, {SMALL}"), world, futures(world))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("task", "model"), [*CASES, ("ranking", "auto")])
def test_the_future_changes_nothing_in_a_longer_training(task: str, model: str, seed: int) -> None:
    world = shop(seed)
    assert_same(asked(task, f"cache = off, model = {model}, epochs = 2"), world, futures(world))


@pytest.mark.parametrize("task", ["regression", "multiclass", "ranking", "static"])
def test_the_future_changes_nothing_of_a_declared_graph(task: str) -> None:
    world = shop(seed=3, orders=700)
    assert_same(asked(task), world, futures(world), declare_shop)


def test_the_future_changes_no_shared_items_and_nothing_three_hops_away() -> None:
    world = shop(seed=4, orders=700)
    query = asked(
        "binary", f"cache = off, model = gnn, hops = 3, co_occurrence = on, {SMALL}".replace("4, 4", "4, 3, 2")
    )
    assert_same(query, world, futures(world))


@pytest.mark.parametrize("task", ["binary", "ranking"])
def test_the_cache_knows_nothing_of_the_future(task: str) -> None:
    world = shop(seed=5, orders=700)
    expected, _ = answer(world, asked(task, SMALL))
    with pql.connect(with_another_future(world, seed=2)) as db:
        found = db.predict(asked(task, SMALL))
    assert found.model.cached
    assert found.to_arrow_table().equals(expected)


def test_a_named_model_answers_the_same_whatever_comes_later() -> None:
    world = shop(seed=6, orders=700)
    with pql.connect(world) as db:
        list(db.run(f"CREATE MODEL churn AS {asked('binary', SMALL, ANCHOR - dt.timedelta(days=30))}"))
    query = f"{TASKS['binary']} AS OF {ANCHOR:%Y-%m-%d} USING MODEL churn"
    assert_same(query, world, futures(world))


@pytest.mark.parametrize("task", ["binary", "regression", "ranking"])
def test_without_a_moment_asked_for_rows_later_than_the_facts_change_nothing(task: str) -> None:
    """The anchor is then the newest fact; rows of other tables may be later. Rows without a time are never read."""
    world = visited(shop(seed=7, orders=700))
    assert_same(asked(task, as_of=None), world, futures(world))


@pytest.mark.parametrize("seed", range(4))
def test_the_inferred_catalog_does_not_see_the_future(seed: int) -> None:
    from pql.backends.connect import open_backend
    from pql.backends.infer import infer_catalog

    until = int((ANCHOR - dt.datetime(1970, 1, 1)).total_seconds() * 1_000_000)
    world = shop(seed)
    catalogs = []
    for tables in (world, without_future(world), with_another_future(world, seed + 1)):
        with open_backend(tables).snapshot() as snapshot:
            catalogs.append(infer_catalog(snapshot, as_of=until))
    assert catalogs[0] == catalogs[1] == catalogs[2]


RANDOM = {
    "binary": "PREDICT COUNT(orders.*, 0, 10) = 0 FOR EACH customers.customer_id WHERE COUNT(orders.*, -40, 0) > 0",
    "regression": "PREDICT SUM(items.n * products.price, 0, 10) FOR EACH customers.customer_id",
    "ranking": "PREDICT LIST_DISTINCT(orders.product_id WHERE products.price > 1, 0, 10) RANK TOP 3 "
    "FOR EACH customers.customer_id",
    "row": "PREDICT orders.channel FOR EACH orders.order_id WHERE orders.qty > 1",
}


def assert_same_in_random(name: str, seed: int, options: str) -> None:
    database = late_database(seed)
    moment = dt.datetime(2024, 3, 10)
    query = f"{RANDOM[name]} AS OF {moment:%Y-%m-%d} WITH (cache = off, {options})"
    others = (tables_of(other) for other in other_futures(database, moment))
    assert_same(query, tables_of(database), others, partial(declared_in, database))


@pytest.mark.parametrize("name", RANDOM)
def test_the_future_changes_nothing_in_a_random_database(name: str) -> None:
    assert_same_in_random(name, seed=len(name), options=SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", RANDOM)
def test_the_future_changes_nothing_in_many_random_databases(name: str, seed: int) -> None:
    assert_same_in_random(name, seed, f"co_occurrence = on, {SMALL}".replace("5 s", "12 s"))
