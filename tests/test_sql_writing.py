"""Writing from SQL around PREDICT: tables in a session opened for it, files anywhere but among the data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from sql_sessions import SPEND, Q, file_of, refused, two_tables

import pql
from pql.language.errors import PqlError


@pytest.fixture(scope="module")
def tables():
    return two_tables()


@pytest.fixture
def file(tables, tmp_path: Path) -> Path:
    return file_of(tables, tmp_path)


@pytest.fixture(scope="module")
def db(tables) -> Iterator[pql.Session]:
    with pql.connect(tables) as session:
        yield session


def test_tables_are_made_in_a_session_opened_for_writing(file: Path) -> None:
    before = file.read_bytes()
    with pql.connect(file) as session:
        error = refused(session, f"CREATE TABLE churn AS {Q}")
        assert (error.code, "read_only=False" in error.hint) == ("read_only", True)
        assert refused(session, f"CREATE TABLE churn AS SELECT * FROM ({Q})").code == "read_only"
    assert file.read_bytes() == before
    with pql.connect(file, read_only=False) as session:
        made = session.sql(f"CREATE TABLE churn AS {Q}")
        assert made.fetchall() == [(len(made.predictions[0]),)]
        list(session.run(f'CREATE TABLE main."high risk" AS SELECT * FROM ({Q}) WHERE probability > 0.3'))
        assert session.sql("SELECT count(*) FROM churn").fetchall() == made.fetchall()
    with duckdb.connect(str(file), read_only=True) as con:
        names = {row[0] for row in con.sql("SELECT table_name FROM duckdb_tables()").fetchall()}
        assert names == {"CUSTOMERS", "ORDERS", "churn", "high risk"}
        assert con.sql("SELECT * FROM churn").fetchall() == made.predictions[0].fetchall()


def test_only_tables_of_predictions_are_replaced(file: Path) -> None:
    with pql.connect(file, read_only=False) as session:
        session.sql(f"CREATE TABLE churn AS {Q}")
        for text in (f"CREATE TABLE Churn AS {Q}", f'CREATE TABLE "churn" AS ({Q})', f"CREATE TABLE main.churn AS {Q}"):
            assert refused(session, text).code == "table_exists"
        session.sql(f"CREATE OR REPLACE TABLE churn AS {SPEND}")
        assert session.sql("SELECT * FROM churn").columns == ["CUSTOMER_ID", "anchor", "prediction"]
        assert session.sql(f"CREATE TABLE IF NOT EXISTS orders AS {Q}").fetchall() == [(0,)]
        for text in (f"CREATE OR REPLACE TABLE orders AS {Q}", "CREATE OR REPLACE TABLE main.orders AS SELECT 1 AS x"):
            error = refused(session, text)
            assert (error.code, "holds data" in error.message) == ("table_exists", True)
        assert session.sql("SELECT count(*) FROM orders").fetchall() == [(600,)]


def test_tables_of_predictions_are_no_data_of_later_ones(file: Path) -> None:
    query = Q.replace("entity_mean", "boosted, anchors = 2")
    with pql.connect(file, read_only=False) as session:
        before = session.predict(query)
        session.sql(f"CREATE TABLE churn AS {query}")
        session.sql(f"CREATE TABLE risk AS SELECT customer_id, probability AS p FROM ({query})")
        after = session.predict(query.replace("WITH (", "WITH (cache = off, "))
        assert after.to_arrow_table() == before.to_arrow_table()
        (shown,) = session.run("SHOW TABLES")
        assert {row[0]: row[1] for row in shown if row[1] == "predictions"}.keys() == {"churn", "risk"}
        assert "churn" not in str(session.graph())
        assert session.sql("SELECT count(*) FROM churn JOIN risk USING (customer_id)").fetchall() == [(len(before),)]
        session.sql("CREATE TABLE cities AS SELECT 1 AS city_id, 'x' AS name")
        assert "cities" in str(session.graph())
    with duckdb.connect(str(file)) as con:
        ((comment,),) = con.sql("SELECT comment FROM duckdb_tables() WHERE table_name = 'churn'").fetchall()
        assert comment.startswith("predictions by pql: PREDICT COUNT(orders.*, 0, 30, days) = 0")


def test_files_are_written_neither_over_the_data_nor_beside_it(tables, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    with pql.connect(folder) as session:
        for path in (folder / "churn.parquet", folder / "ORDERS.parquet", folder / "parts" / "x.csv"):
            (folder / "parts").mkdir(exist_ok=True)
            for text in (f"COPY ({Q}) TO '{path}'", f"COPY (SELECT * FROM ({Q})) TO '{path}' (HEADER)"):
                assert refused(session, text).code == "file_in_source"
        assert len(session.sql(f"COPY ({Q}) TO '{folder}/_churn.parquet'")) == 1
    with pql.connect(folder) as session:
        (shown,) = session.run("SHOW TABLES")
        assert {row[0] for row in shown} == set(tables)
    for source in (file, duckdb.connect(str(file), read_only=True)):
        with pql.connect(source) as session:
            assert refused(session, f"COPY ({Q}) TO '{file}'").code == "file_in_source"


def test_a_table_is_made_whole_or_not_at_all(file: Path) -> None:
    con = duckdb.connect(str(file))
    with pql.connect(con, read_only=False) as session:
        assert refused(session, f"CREATE TABLE bad AS SELECT error('no') FROM ({Q})").code == "sql_error"
        session.sql(f"CREATE TABLE good AS ({Q})")
    assert con.sql("SELECT table_name FROM duckdb_tables() WHERE table_name IN ('bad', 'good')").fetchall() == [
        ("good",)
    ]
    with pytest.raises(PqlError) as error:
        pql.connect(file.parent / "shop.duckdb" / "..", read_only=False)
    assert error.value.code in {"empty_source", "read_only", "source_not_found", "source_unreadable"}


def test_a_folder_or_frames_are_never_opened_for_writing(tables) -> None:
    with pytest.raises(PqlError) as error:
        pql.connect(tables, read_only=False)
    assert error.value.code == "read_only"


def test_files_are_written_in_the_format_of_their_suffix(db: pql.Session, tmp_path: Path) -> None:
    expected = db.predict(Q).to_arrow_table()
    for suffix in ("parquet", "csv", "json"):
        path = tmp_path / f"it's {suffix}.{suffix}"
        path.write_text("there already")  # is written over, as DuckDB does
        quoted = str(path).replace("'", "''")
        assert db.sql(f"COPY ({Q}) TO '{quoted}'").fetchall() == [(expected.num_rows,)]
    assert pq.read_table(tmp_path / "it's parquet.parquet").column("probability") == expected.column("probability")
    assert pyarrow.csv.read_csv(tmp_path / "it's csv.csv").column_names == expected.column_names
    lines = [json.loads(line) for line in (tmp_path / "it's json.json").read_text().splitlines()]
    assert [line["CUSTOMER_ID"] for line in lines] == expected.column("CUSTOMER_ID").to_pylist()
    some = tmp_path / "some.tsv"
    db.sql(f"COPY (SELECT customer_id FROM ({Q}) LIMIT 2) TO '{some}' (FORMAT csv, HEADER false)")
    assert len(some.read_text().splitlines()) == 2
    for text in (f"COPY ({Q}) TO '{tmp_path}/nowhere/x.csv'", f"COPY (SELECT * FROM ({Q})) TO '{tmp_path}/no/x.csv'"):
        assert refused(db, text).code == "file_not_writable"
