"""Two small tables and their file, for tests of PREDICT inside SQL."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from shops import seed_shop

import pql
from pql.language.errors import PqlError

Q = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id WITH (model = entity_mean)"
SPEND = "PREDICT SUM(orders.amount, 0, 30, days) FOR EACH customers.customer_id WITH (model = entity_mean)"


def two_tables() -> dict[str, pa.Table]:
    shop = seed_shop(customers=30, purchases=600)
    return {"CUSTOMERS": shop["CUSTOMERS"], "ORDERS": shop["ORDERS"].drop_columns(["PRODUCT_ID"])}


def fill(con: duckdb.DuckDBPyConnection, tables: dict[str, pa.Table]) -> None:
    for name, table in tables.items():
        con.register("given", table)
        con.execute(f'CREATE TABLE "{name}" AS SELECT * FROM given')
        con.unregister("given")


def file_of(tables: dict[str, pa.Table], folder: Path) -> Path:
    path = folder / "shop.duckdb"
    with duckdb.connect(str(path)) as con:
        fill(con, tables)
    return path


def refused(session: pql.Session, text: str, params=None) -> PqlError:
    with pytest.raises(PqlError) as error:
        session.sql(text, params)
    return error.value
