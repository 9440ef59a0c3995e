"""Addresses of databases and files: what is read behind them, and what is never shown."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pql
from pql.backends import extensions, web
from pql.backends.connect import open_backend
from pql.backends.location import location, shown_source
from pql.backends.postgres_faults import refusal
from pql.backends.table_source import read_table
from pql.backends.testing import BackendConformance
from pql.language.errors import PqlError


class TestFilesBehindAUrl(BackendConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self, tables):
        for name, table in tables.items():
            pq.write_table(table, self.folder / f"{name}.parquet")
        return open_backend(f"file://{self.folder}/")


def _code(source: str) -> str:
    with pytest.raises(PqlError) as caught, open_backend(source).snapshot() as snapshot:
        snapshot.tables()
    return caught.value.code


def test_a_folder_behind_a_url_may_hold_files_of_every_kind(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "one.parquet")
    (tmp_path / "two.csv").write_text("b\n2\n")
    (tmp_path / "three.jsonl").write_text('{"c": 3}\n{"c": null}\n')
    db = pql.connect(f"file://{tmp_path}/")
    assert db.sql("SELECT a, b, c FROM one, two, three WHERE c = 3").fetchall() == [(1, 2, 3)]
    assert pql.connect(f"file://{tmp_path}/two.csv").sql("SELECT * FROM two").fetchall() == [(2,)]


def test_files_that_cant_be_had_are_coded_errors(tmp_path: Path) -> None:
    assert _code(f"file://{tmp_path}/") == "empty_source"
    assert _code(f"file://{tmp_path}/none.parquet") == "source_not_found"


def test_without_the_extension_its_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        def execute(self, statement: str) -> None:
            raise duckdb.IOException(f"{statement}: no such extension")

    monkeypatch.setattr(extensions, "packaged", lambda extension: [])
    monkeypatch.setattr(web.duckdb, "connect", lambda config: Bare())
    for address in ("s3://bucket/shop/", "https://host.invalid/a.parquet?sign=k3y", "az://box/a.csv"):
        with pytest.raises(PqlError) as caught:
            open_backend(address)
        assert caught.value.code == "missing_extension"
        assert "k3y" not in str(caught.value)
        assert ("pql-engine[s3]" if "az:" not in address else "duckdb-extension-azure") in str(caught.value)
    monkeypatch.setattr(extensions, "packaged", lambda extension: [Path("v0.1.0/httpfs.duckdb_extension")])
    with pytest.raises(PqlError, match=r"for DuckDB 0\.1\.0"):
        open_backend("s3://bucket/shop/")


def test_a_signed_address_is_named_without_its_signature(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "t.parquet")
    assert "k3y" not in open_backend(f"file://{tmp_path}/t.parquet").identity
    assert "?" not in open_backend(f"file://{tmp_path}/t.parquet").identity


def test_a_folder_holds_json_lines(tmp_path: Path) -> None:
    rows = [{"order_id": i, "at": "2024-01-02 03:04:05", "tags": ["x"]} for i in range(3)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "orders.jsonl").write_text(text)
    (tmp_path / "packed.ndjson.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "settings.json").write_text("{}")
    with open_backend(tmp_path).snapshot() as snapshot:
        assert [table.name for table in snapshot.tables()] == ["orders", "packed"]
        assert snapshot.scan("packed", ["order_id"]).column(0).to_pylist() == [0, 1, 2]
    assert read_table(tmp_path / "packed.ndjson.gz", "train").num_rows == 3


def test_a_location_shows_no_password() -> None:
    place = location("postgresql://ana:s%40cret@db.org:5433/shop?schema=a,b&tables=orders&sslmode=require")
    assert place.shown == "postgresql://ana@db.org:5433/shop"
    assert (place.schemas, place.tables) == (("a", "b"), ("orders",))
    assert place.address == "postgresql://ana:s%40cret@db.org:5433/shop?sslmode=require"
    assert "cret" not in repr(place)
    assert place.hide("can't find host s@cret or s%40cret") == "can't find host *** or ***"
    assert location("postgres:///shop?host=/run/pg&password=hidden").hide("hidden") == "***"


def test_a_source_is_shown_without_its_password() -> None:
    assert shown_source("postgresql://ana:s@c/ret@db.org/shop?schema=a") == "postgresql://ana@db.org/shop?schema=a"
    assert shown_source("postgresql://db.org/shop?password=secret&x=1") == "postgresql://db.org/shop?password=***&x=1"
    assert shown_source("postgresql://ana@db.org/shop") == "postgresql://ana@db.org/shop"
    assert shown_source("a:b@c.duckdb") == "a:b@c.duckdb"


@pytest.mark.parametrize("password", ["a/b", "a@b", "a#b"])
def test_an_address_that_cant_be_told_apart_is_refused_unshown(password: str) -> None:
    with pytest.raises(PqlError) as caught:
        location(f"postgresql://ana:{password}@db.org/shop")
    assert caught.value.code == "unsupported_source"
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('FATAL:  password authentication failed for user "ana"', "source_refused"),
        ("fe_sendauth: no password supplied", "source_refused"),
        ('FATAL:  database "shop" does not exist', "source_not_found"),
        ('connection to server at "db.org", port 5432 failed: Connection refused', "source_unreachable"),
        ('invalid URI query parameter: "foo"', "unsupported_source"),
    ],
)
def test_what_the_server_says_is_coded(said: str, code: str) -> None:
    assert refusal(OSError(said), location("postgresql://ana:secret@db.org/shop"), is_connecting=True).code == code


def test_without_the_driver_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(PqlError) as caught:
        open_backend("postgresql://ana:secret@db.org/shop")
    assert caught.value.code == "missing_extra"
    assert "pql-engine[postgres]" in str(caught.value)
    assert "secret" not in str(caught.value)
