"""Right about time: whatever happens after the anchor, predictions and everything behind them stay bit-identical."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from worlds import ANCHOR, shop, with_another_future, without_future

import pql

TASKS = {
    "binary": "PREDICT COUNT(orders.*, 0, 21, days) = 0 FOR EACH customers.customer_id",
    "filtered": "PREDICT COUNT(orders.* WHERE orders.channel = 'web', 0, 21, days) > 1 FOR EACH customers.customer_id "
    "WHERE COUNT(orders.*, -60, 0, days) > 0",
    "regression": "PREDICT SUM(order_lines.amount, 0, 21, days) FOR EACH customers.customer_id",
    "multiclass": "PREDICT LAST(orders.channel, 0, 21, days) FOR EACH customers.customer_id",
    "multilabel": "PREDICT LIST_DISTINCT(products.category, 0, 21, days) CLASSIFY FOR EACH customers.customer_id",
    "ranking": "PREDICT LIST_DISTINCT(order_lines.product_id, 0, 21, days) RANK TOP 5 FOR EACH customers.customer_id",
    "values": "PREDICT LIST_DISTINCT(products.category, 0, 21, days) RANK TOP 2 FOR EACH customers.customer_id",
    "static": "PREDICT customers.segment FOR EACH customers.customer_id",
}
MODELS = {
    "binary": ("auto", "gnn", "boosted", "rate", "last_window", "entity_mean"),
    "regression": ("auto", "gnn", "boosted", "last_window"),
    "ranking": ("auto", "gnn", "boosted", "popularity", "repeat"),
}
CASES = [(task, model) for task in TASKS for model in MODELS.get(task, ("auto",))]


def answer(tables: dict[str, pa.Table], query: str) -> tuple[pa.Table, pa.Table]:
    """The predictions and the training table."""
    with pql.connect(tables) as db:
        db_query = f"{query} AS OF {ANCHOR:%Y-%m-%d}"
        return db.predict(db_query).to_arrow_table(), db.labels(db_query).to_arrow_table()


@pytest.mark.parametrize(("task", "model"), CASES)
def test_the_future_changes_nothing(task: str, model: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path))
    query = f"{TASKS[task]} WITH (model = {model}, cache = off, epochs = 2)"
    world = shop(seed=len(task) * 10 + len(model))
    expected, labels = answer(world, query)
    assert expected.num_rows > 0
    for other in (without_future(world), with_another_future(world, seed=1)):
        predictions, other_labels = answer(other, query)
        assert other_labels.equals(labels)
        assert predictions.equals(expected)


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
