"""Sources of every kind give the same answer; what is no source is a coded error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from clinic import COUNT, SPEND, clinic, predict

import pql
from pql.backends import web
from pql.language.errors import PqlError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def _filled(con: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table], schema: str = "main") -> None:
    for name, table in tables.items():
        con.register("given", table)
        con.execute(f'CREATE TABLE {schema}."{name}" AS SELECT * FROM given')
        con.unregister("given")


def _pandas() -> Any:
    return {name: table.to_pandas() for name, table in clinic().items()}


def _polars() -> Any:
    import polars

    return {name: polars.from_arrow(table) for name, table in clinic().items()}


def _views() -> Any:
    con = duckdb.connect()
    con.execute("CREATE SCHEMA raw")
    _filled(con, clinic(), "raw")
    con.execute("CREATE VIEW users AS SELECT * FROM raw.users; CREATE VIEW visits AS SELECT * FROM raw.visits")
    return con


def _declared() -> Any:
    path = Path("declared.duckdb")
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE users (user_id BIGINT PRIMARY KEY, age BIGINT)")
        con.execute(
            "CREATE TABLE visits (visit_id BIGINT PRIMARY KEY, user_id BIGINT REFERENCES users (user_id),"
            ' "at" TIMESTAMP NOT NULL, amount DOUBLE, kind VARCHAR)'
        )
        for name, table in clinic().items():
            con.register("given", table)
            con.execute(f"INSERT INTO {name} SELECT * FROM given")
    return path


def _parquet() -> Any:
    import pyarrow.parquet as pq

    folder = Path("folder")
    folder.mkdir()
    for name, table in clinic().items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def _csv() -> Any:
    import pyarrow.csv as csv

    folder = Path("texts")
    folder.mkdir()
    for name, table in clinic().items():
        csv.write_csv(table, folder / f"{name}.csv")
    return str(folder)


SOURCES: list[Callable[[], Any]] = [_pandas, _polars, _views, _declared, _parquet, _csv]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Any, ...]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(tmp_path_factory.mktemp("home")))
        yield predict(clinic(), SPEND).fetchall()


@pytest.mark.parametrize("make", SOURCES, ids=lambda make: make.__name__.strip("_"))
def test_the_same_data_from_anywhere_gives_the_same_answer(make: Callable[[], Any], expected: list[Any]) -> None:
    source = make()
    assert predict(source, SPEND).fetchall() == expected


def test_other_schemas_are_read() -> None:
    con = duckdb.connect()
    con.execute("CREATE SCHEMA shop")
    _filled(con, clinic(), "shop")
    assert len(predict(con, COUNT)) == 30


def test_a_users_transaction_goes_on() -> None:
    con = duckdb.connect()
    _filled(con, clinic())
    con.begin()
    con.execute("INSERT INTO users VALUES (500, 33)")
    assert len(predict(con, COUNT)) == 30
    con.rollback()
    assert con.execute("SELECT count(*) FROM users").fetchall() == [(30,)]


def test_sources_that_are_not_there_or_not_databases() -> None:
    Path("broken.duckdb").write_bytes(b"not a database at all" * 50)
    Path("empty").mkdir()
    for source, code in (
        ("nowhere.duckdb", "source_not_found"),
        ("broken.duckdb", "source_unreadable"),
        ("empty", "empty_source"),
        (7, "unsupported_source"),
    ):
        with pytest.raises(PqlError) as error, pql.connect(source) as db:
            db.predict(COUNT)
        assert error.value.code == code


@pytest.mark.parametrize(
    ("address", "said", "unsaid"),
    [
        ("s3://b/x.parquet", "AWS_ACCESS_KEY_ID", "gcs"),
        ("gs://b/x.parquet", "TYPE gcs", "AWS"),
        ("az://b/x.parquet", "TYPE azure", "AWS"),
        ("hf://datasets/a/b/x.parquet", "TYPE huggingface", "AWS"),
        ("https://example.org/x.parquet", "signed", "AWS"),
    ],
)
def test_a_refusal_names_the_keys_of_its_own_server(address: str, said: str, unsaid: str) -> None:
    files = object.__new__(web._Files)
    files._shown, files._scheme = address, address.partition("://")[0]
    refused = files._fault(duckdb.HTTPException("HTTP Error: HTTP GET error on 'x' (HTTP 403)"))
    assert refused.code == "source_refused"
    assert said in refused.hint
    assert unsaid not in refused.hint
    moved = files._fault(duckdb.HTTPException("HTTP Error: HTTP GET error on 'x' (HTTP 301)"))
    assert moved.code == "source_unreachable"
    assert ("AWS_REGION" in moved.hint) == address.startswith("s3")
