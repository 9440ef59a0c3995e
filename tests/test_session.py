"""The main job, as a user does it: point at data, ask, read a table with its metrics beside its baselines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from shops import hostile_shop, purchases_shop, seed_shop

import pql
from pql.language.errors import PqlError

FAST = "WITH (epochs = 2)"
CHURN = f"PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id {FAST}"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def tables():
    return seed_shop()


@pytest.fixture
def db(tables) -> Iterator[pql.Session]:
    with pql.connect(tables) as session:
        yield session


def test_one_query_gives_a_ranked_table_with_metrics_beside_baselines(db: pql.Session, tables) -> None:
    result = db.predict(CHURN)
    assert result.columns == ["CUSTOMER_ID", "anchor", "probability", "prediction"]
    probability = np.array(result.to_arrow_table().column("probability"))
    seen = set(tables["ORDERS"].column("CUSTOMER_ID").to_pylist())  # the first-seen guard leaves out the others
    assert sorted(row[0] for row in result) == sorted(seen)
    assert np.all(np.diff(probability) <= 0)
    assert np.all((probability >= 0) & (probability <= 1))
    shown = str(result.metrics)
    for name in ("rate", "last_window", "entity_mean", "auroc"):
        assert name in shown


SEEDS = [
    (
        seed_shop,
        "PREDICT BOOL(ORDERS.PRODUCT_ID, 0, 14, days) FOR EACH CUSTOMERS.CUSTOMER_ID, PRODUCTS.PRODUCT_ID RANK TOP 5",
        ["CUSTOMER_ID", "anchor", "PRODUCT_ID", "score", "rank"],
    ),
    (
        purchases_shop,
        "PREDICT next_product FOR customer USING customer, product, purchase, category",
        ["customer_id", "anchor", "product_id", "score", "rank"],
    ),
    (
        purchases_shop,
        "PREDICT total_spend_3m FOR customer USING customer, product, category, purchase",
        ["customer_id", "anchor", "prediction"],
    ),
]


@pytest.mark.parametrize(("make", "query", "columns"), SEEDS)
def test_the_seed_queries(make, query: str, columns: list[str]) -> None:
    with pql.connect(make()) as session:
        result = session.predict(query)
    assert result.columns == columns
    assert len(result) > 0
    assert all(value is not None for row in result for value in row)


def test_twelve_months_do_not_fit_a_year_and_the_error_says_what_would() -> None:
    with pql.connect(purchases_shop()) as session, pytest.raises(PqlError) as error:
        session.predict("PREDICT total_spend_12m FOR customer USING customer, product, category, purchase")
    assert error.value.code == "insufficient_history"
    assert "fits" in error.value.hint
    with pql.connect(purchases_shop()) as session:
        assert error.value.fix.startswith("PREDICT total_spend_4m FOR customer")
        assert str(session.explain(error.value.fix))


def test_the_same_query_loads_instead_of_training(db: pql.Session, tables) -> None:
    first = db.predict(CHURN)
    second = db.predict(CHURN.replace("customers.customer_id", "customers"))
    assert not first.model.cached
    assert second.model.cached
    assert second.to_arrow_table().equals(first.to_arrow_table())
    assert str(second.metrics) == str(first.metrics)
    with pql.connect(seed_shop(seed=1)) as other:
        assert not other.predict(CHURN).model.cached


def test_ids_asked_for_come_back_flagged(db: pql.Session) -> None:
    query = "PREDICT SUM(orders.amount, 0, 30, days) FOR customers.customer_id IN (3, 999, 4) WHERE customers.age < 0"
    with pytest.raises(PqlError):  # nobody to learn from
        db.predict(f"{query} {FAST}")
    result = db.predict(f"{query.replace('customers.age < 0', 'customers.age > 30')} {FAST}")
    status = {row[0]: row[-1] for row in result}
    assert set(status) == {3, 999, 4}
    assert status[999] == "unknown id"


def test_models_are_kept_by_name(db: pql.Session) -> None:
    list(db.run(f"CREATE MODEL churn AS {CHURN}"))
    (listed,) = db.run("SHOW MODELS")
    assert [row[0] for row in listed] == ["churn"]
    result = db.predict("PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id USING MODEL churn")
    assert result.model.cached
    with pytest.raises(PqlError, match="exists"):
        list(db.run(f"CREATE MODEL churn AS {CHURN}"))
    with pytest.raises(PqlError) as error:
        db.predict("PREDICT SUM(orders.amount, 0, 30, days) FOR EACH customers.customer_id USING MODEL churn")
    assert error.value.code == "model_mismatch"


def test_a_model_of_another_version_is_said_to_be_outdated(db: pql.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    list(db.run(f"CREATE MODEL churn AS {CHURN}"))
    monkeypatch.setattr("pql.engine.answers.kept.code_version", lambda: "another")
    asked = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id USING MODEL churn"
    with pytest.raises(PqlError, match="another version") as error:
        db.predict(asked)
    assert error.value.code == "model_outdated"
    list(db.run(f"CREATE OR REPLACE MODEL churn AS {CHURN}"))
    assert db.predict(asked).model.cached


def test_a_corrupt_kept_model_is_refused(db: pql.Session, tmp_path: Path) -> None:
    db.predict(CHURN)
    path = next((tmp_path / "home").rglob("state.json"))
    path.write_bytes(path.read_bytes()[:-5] + b"xxxxx")
    with pytest.raises(PqlError) as error:
        db.predict(CHURN)
    assert error.value.code == "model_corrupt"


def test_evaluate_at_named_anchors(db: pql.Session) -> None:
    result = db.evaluate(f"EVALUATE {CHURN} AT 2023-12-01")
    assert {"model", "split", "metric", "value"} <= set(result.columns)


def test_explain_trains_nothing_and_shows_the_label_sql(db: pql.Session) -> None:
    text = str(db.explain(CHURN))
    for word in ("binary", "first-seen", "anchors", "test", "SELECT", "ORDERS.CUSTOMER_ID", "boosted", "gnn"):
        assert word in text, word


@pytest.mark.parametrize("kind", ["int", "big", "string", "uuid"])
def test_hostile_names_ids_and_values(kind: str) -> None:
    with pql.connect(hostile_shop(kind)) as session:
        result = session.predict(f'PREDICT SUM("a""b".value, 0, 20, days) FOR EACH type.type_id {FAST}')
    table = result.to_arrow_table()
    assert table.column("prediction").null_count == 0
    assert np.isfinite(np.array(table.column("prediction"))).all()
    assert len(set(table.column("type_id").to_pylist())) == len(table)
    tables = hostile_shop(kind)
    seen = {value for name in ("type", 'a"b') for value in tables[name].column("type_id").to_pylist()} - {None}
    assert set(table.column("type_id").to_pylist()) <= seen


BAD = [
    ("PREDICT COUNT(nothing.*, 0, 20, days) FOR EACH type.type_id", "no_data"),
    ("PREDICT COUNT(nowhere.*, 0, 20, days) FOR EACH type.type_id", "unknown_table"),
    ('PREDICT COUNT("a""b".*, 0, 20, days) > 100000 FOR EACH type.type_id', "no_positive_labels"),
    ('PREDICT SUM("a""b".value, 0, 200, days) FOR EACH type.type_id', "insufficient_history"),
]


@pytest.mark.parametrize(("query", "code"), BAD)
def test_what_cannot_be_answered_says_why(query: str, code: str) -> None:
    with pql.connect(hostile_shop()) as session, pytest.raises(PqlError) as error:
        session.predict(query)
    assert error.value.code == code
    assert error.value.hint


def test_statements_give_what_the_methods_give(db: pql.Session) -> None:
    query = CHURN.removesuffix(FAST)
    (labels,) = db.run(f"LABELS {query}")
    assert labels.fetchall() == db.labels(query).fetchall()
    key = labels.fetchall()[0][0]
    (own,) = db.run(f"LABELS {query.replace('EACH customers.customer_id', f'customers.customer_id = {key}')}")
    assert own.fetchall() == [row for row in labels.fetchall() if row[0] == key]
    (text,) = db.run(f"EXPLAIN {query}")
    assert str(text) == str(db.explain(query))
    with pytest.raises(PqlError) as error:
        list(db.run("SHOW MODELS; LINK orders.nothing -> customers.customer_id"))
    assert error.value.code == "unknown_column"
    assert "^" in str(error.value)


def test_the_database_is_never_written(tmp_path: Path, tables) -> None:
    import duckdb

    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as con:
        for name, table in tables.items():
            con.register("t", table)
            con.execute(f'CREATE TABLE "{name}" AS SELECT * FROM t')
            con.unregister("t")
    before = path.read_bytes()
    with pql.connect(path) as session:
        session.predict(CHURN)
    assert path.read_bytes() == before


def test_a_closed_session_says_so(tables) -> None:
    session = pql.connect(tables)
    session.close()
    session.close()
    for ask in (session.predict, session.explain, session.sql, session.labels):
        with pytest.raises(PqlError) as error:
            ask(CHURN)
        assert error.value.code == "source_closed"
        assert "pql.connect" in str(error.value)
