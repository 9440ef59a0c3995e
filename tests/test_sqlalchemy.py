"""The SQLAlchemy dialect: reflection, statements as they are written, nothing but reading."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from shops import seed_shop

import pql

sa = pytest.importorskip("sqlalchemy")
from sqlalchemy.dialects import registry  # noqa: E402

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id WITH (model = entity_mean)"
SPEND = "PREDICT SUM(orders.amount, 0, 30, days) FOR customers.customer_id IN ({}) WITH (model = entity_mean)"


@pytest.fixture(scope="module", autouse=True)
def dialect() -> None:
    """Known to SQLAlchemy as the package's metadata says it is."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    registry.register("pql", *project["entry-points"]["sqlalchemy.dialects"]["pql"].split(":"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("shop")
    with duckdb.connect(str(folder / "shop.duckdb")) as con:
        for name, table in seed_shop().items():
            con.register("given", table)
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            con.unregister("given")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(folder / "home"))
        made = sa.create_engine(f"pql:///{folder / 'shop.duckdb'}")
        yield made
        made.dispose()


def test_pandas_and_polars_read_predictions(engine: Any) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = pandas.read_sql(CHURN, engine)  # without the warning that a bare DB-API connection gives
    assert list(frame.columns) == ["CUSTOMER_ID", "anchor", "probability", "prediction"]
    assert len(pandas.read_sql(SPEND.format("?, ?"), engine, params=(1, 2))) == 2
    assert pandas.read_sql_table("CUSTOMERS", engine)["NAME"][3] == "Customer 3"
    assert polars.read_database(CHURN, engine).height == len(frame)


def test_tables_columns_keys_and_links_are_those_of_the_graph(engine: Any) -> None:
    seen = sa.inspect(engine)
    assert seen.get_table_names() == ["CATEGORIES", "CUSTOMERS", "ORDERS", "PRODUCTS"]
    assert seen.has_table("ORDERS")
    assert not seen.has_table(CHURN)
    kinds = {one["name"]: str(one["type"]) for one in seen.get_columns("ORDERS")}
    assert kinds["ORDERED_AT"] == "DATETIME"
    assert kinds["AMOUNT"] == "DOUBLE"
    assert seen.get_pk_constraint("ORDERS")["constrained_columns"] == ["ORDER_ID"]
    links = [(*link["constrained_columns"], link["referred_table"]) for link in seen.get_foreign_keys("ORDERS")]
    assert links == [("CUSTOMER_ID", "CUSTOMERS"), ("PRODUCT_ID", "PRODUCTS")]
    with pytest.raises(sa.exc.NoSuchTableError):
        seen.get_columns("nothing")


def test_reflected_tables_are_joined_and_bound(engine: Any) -> None:
    meta = sa.MetaData()
    meta.reflect(engine)
    orders, customers = meta.tables["ORDERS"], meta.tables["CUSTOMERS"]
    spent = sa.func.sum(orders.c.AMOUNT).label("spent")
    query = sa.select(customers.c.NAME, spent).join(orders).group_by(customers.c.NAME).order_by(spent.desc()).limit(2)
    with engine.connect() as con:
        assert (
            len(
                con.execute(
                    query.where(orders.c.ORDERED_AT.between(dt.datetime(2023, 6, 1), dt.datetime(2024, 1, 1)))
                ).all()
            )
            == 2
        )
        names = con.execute(sa.select(customers.c.NAME).where(customers.c.CUSTOMER_ID.in_([1, 2]))).scalars().all()
    assert names == ["Customer 1", "Customer 2"]


def test_the_text_arrives_as_it_was_written(engine: Any) -> None:
    with engine.connect() as con:
        rows = con.execute(sa.text("SELECT 10 % 3, 'a%b', '12:30:00', 1::BIGINT")).all()
        assert rows == [(1, "a%b", "12:30:00", 1)]
        assert con.exec_driver_sql("SELECT '100%', ':x', '?'").all() == [("100%", ":x", "?")]
        named = con.execute(sa.text(SPEND.format(":a, :b")), {"a": 1, "b": 2}).all()
        assert named == con.exec_driver_sql(SPEND.format("?, ?"), (1, 2)).all()
        inside = f"SELECT count(*) FROM ({CHURN}) WHERE probability > :p"
        assert con.execute(sa.text(inside), {"p": 2}).scalar() == 0
        hostile = sa.text("SELECT count(*) FROM customers WHERE name = :n")
        assert con.execute(hostile, {"n": "x'; DROP TABLE customers; --"}).scalar() == 0
        assert con.execute(sa.text(f"EXPLAIN {CHURN}")).first() == ("Query",)


def test_it_only_reads_and_errors_keep_their_code(engine: Any) -> None:
    table = sa.Table("CUSTOMERS", sa.MetaData(), autoload_with=engine)
    with engine.connect() as con:
        with pytest.raises(sa.exc.ProgrammingError, match="unknown_statement"):
            con.execute(table.insert().values(CUSTOMER_ID=1))
        with pytest.raises(sa.exc.DBAPIError, match="read_only"):
            con.exec_driver_sql(f"CREATE TABLE churn AS {CHURN}")
        with pytest.raises(sa.exc.ProgrammingError) as caught:
            con.exec_driver_sql(CHURN.replace("orders", "ordrs"))
    assert caught.value.orig.code == "unknown_table"
    assert "Did you mean ORDERS?" in caught.value.orig.hint


def test_sessions_and_tables_are_engines_too_and_other_urls_are_refused() -> None:
    with pql.connect(seed_shop()) as db:
        made = sa.create_engine("pql://", connect_args={"database": db})
        with made.connect() as con:
            assert con.exec_driver_sql("SELECT count(*) FROM customers").scalar() == 80
        made.dispose()
        assert len(db.sql("SELECT 1")) == 1  # the session is its owner's
    with pytest.raises(sa.exc.ArgumentError, match="options stand in the query"):
        sa.create_engine("pql://host/shop.duckdb").connect()
    with pytest.raises(sa.exc.OperationalError, match="source_not_found"):
        sa.create_engine("pql:////nowhere/shop.duckdb").connect()
