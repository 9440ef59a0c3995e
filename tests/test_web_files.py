"""Files of web servers and object stores, really read: where DuckDB's extension httpfs is installed."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from object_server import KEY, object_server

import pql
from pql.backends import web
from pql.backends.extensions import load
from pql.language.errors import PqlError


def _has_httpfs() -> bool:
    try:
        load(duckdb.connect(), "httpfs", "s3://")
    except PqlError:
        return False
    return True


pytestmark = pytest.mark.skipif(
    not _has_httpfs(), reason='DuckDB\'s extension httpfs is not installed: pip install "pql-engine[s3]"'
)


def _parquet(**columns: list[Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


ORDERS = b"id,user_id,day\n1,1,2024-01-01\n2,2,2024-01-02\n"
FILES = {
    "shop/data/users.parquet": _parquet(user_id=[1, 2]),
    "shop/data/orders.csv": ORDERS,
    "shop/data/packed.csv.gz": gzip.compress(ORDERS),
    "shop/data/it's é [1].parquet": _parquet(a=[7]),
    "shop/data/items/part-0.parquet": _parquet(item=[1]),
    "shop/data/items/part-1.parquet": _parquet(item=[2]),
    "shop/data/views/year=2023/a.parquet": _parquet(v=[1]),
    "shop/data/views/year=2024/a.parquet": _parquet(v=[2]),
    "shop/data/notes.txt": b"no table",
    "shop/bad/torn.parquet": b"PAR1 nothing",
    "private/shop/users.parquet": _parquet(user_id=[1, 2, 3]),
    "private/slow/users.parquet": b"",
}


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with object_server(FILES) as host:
        yield host


@pytest.fixture(autouse=True)
def _store(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "h1dden-key")


def _fault(address: str) -> PqlError:
    with pytest.raises(PqlError) as caught:
        pql.connect(address).sql("SHOW TABLES")
    return caught.value


def test_a_folder_of_a_bucket_is_a_database() -> None:
    db = pql.connect("s3://shop/data/")
    assert db.sql("SELECT count(*) FROM users JOIN orders USING (user_id)").fetchall() == [(2,)]
    assert db.sql("SELECT sum(item) FROM items").fetchall() == [(3,)]
    assert db.sql("SELECT year, v FROM views ORDER BY year").fetchall() == [(2023, 1), (2024, 2)]
    assert db.sql('SELECT a FROM "it\'s é [1]"').fetchall() == [(7,)]
    assert db.sql("SELECT count(*) FROM packed WHERE day > DATE '2024-01-01'").fetchall() == [(1,)]


def test_a_pattern_names_some_of_the_files() -> None:
    db = pql.connect("s3://shop/data/*.csv")
    assert db.sql("SELECT count(*) FROM orders").fetchall() == [(2,)]
    assert _fault("s3://shop/data/*.tsv").code == "empty_source"


def test_one_file_of_a_web_server_is_a_table(host: str) -> None:
    for name in ("orders.csv", "packed.csv.gz"):
        db = pql.connect(f"http://{host}/shop/data/{name}?signature=k3y")
        assert db.sql(f"SELECT count(*) FROM {name.partition('.')[0]}").fetchall() == [(2,)]
    fault = _fault(f"http://{host}/shop/data/")
    assert fault.code == "unsupported_source"
    assert "a web server doesn't list its files" in fault.message


def test_credentials_of_the_environment_are_used_and_their_lack_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    db = pql.connect("s3://private/shop/")
    assert db.sql("SELECT count(*) FROM users").fetchall() == [(3,)]
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for address in ("s3://private/shop/", "s3://private/shop/users.parquet"):
        fault = _fault(address)
        assert fault.code == "source_refused"
        assert "AWS_ACCESS_KEY_ID" in str(fault)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("s3://shop/data/none.parquet", "source_not_found"),
        ("http://{host}/shop/none.csv?signature=k3y", "source_not_found"),
        ("http://{host}/private/shop/users.parquet?signature=k3y", "source_refused"),
        ("http://ana:k3y@127.0.0.1:1/users.parquet", "source_unreachable"),
        ("http://127.0.0.1:1/users.parquet?signature=k3y", "source_unreachable"),
        ("http://nobody.invalid/users.parquet?signature=k3y", "source_unreachable"),
        ("s3://shop/bad/torn.parquet", "source_unreadable"),
        ("s3://shop/empty/", "empty_source"),
        ("http://[x/users.parquet?signature=k3y", "unsupported_source"),
        ("http://host:port/users.parquet?signature=k3y", "unsupported_source"),
        ("s3://shop/a';DROP TABLE x;--.csv", "source_not_found"),
    ],
)
def test_faults_are_coded_and_show_no_signature(address: str, code: str, host: str) -> None:
    fault = _fault(address.format(host=host))
    assert fault.code == code
    assert "k3y" not in str(fault)
    assert "h1dden" not in str(fault)


def test_a_server_that_never_answers_is_given_up(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_TIMEOUT", 1)
    monkeypatch.setattr(web, "_RETRIES", 0)
    assert _fault(f"http://{host}/shop/slow/users.parquet").code == "source_unreachable"
