"""SQLite files: whatever is stored under its loose types, never written, and as it is at one moment."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shops import purchases_shop

import pql
from pql.backends.base import Backend
from pql.backends.connect import open_backend
from pql.backends.sql import identifier
from pql.backends.testing import BackendConformance
from pql.language.errors import PqlError

_NUMBER = itertools.count()
_TYPES = {"int64": "INTEGER", "int32": "INT", "double": "REAL", "string": "TEXT", "bool": "BOOLEAN"}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _declared(kind: pa.DataType) -> str:
    return "DATE" if kind == pa.date32() else "DATETIME" if pa.types.is_timestamp(kind) else _TYPES[str(kind)]


def store(path: str, tables: Mapping[str, pa.Table], more: Mapping[str, str] | None = None) -> Path:
    """A SQLite file of Arrow tables, times as ISO text. more: what stands beside the columns, by table."""
    con = sqlite3.connect(path)
    for name, table in tables.items():
        columns = [f"{identifier(field.name)} {_declared(field.type)}" for field in table.schema]
        extra = [more[name]] if more and name in more else []
        con.execute(f"CREATE TABLE {identifier(name)} ({', '.join(columns + extra)})")
        rows = [[str(v) if isinstance(v, dt.date) else v for v in row.values()] for row in table.to_pylist()]
        con.executemany(f"INSERT INTO {identifier(name)} VALUES ({', '.join('?' * len(columns))})", rows)
    con.commit()
    con.close()
    return Path(path)


def _made(script: str) -> Path:
    path = Path(f"made{next(_NUMBER)}.db")
    con = sqlite3.connect(path)
    con.executescript(script)
    con.commit()
    con.close()
    return path


def _all(path: Path | str, table: str = "t") -> dict[str, list[object]]:
    with open_backend(path).snapshot() as snapshot:
        return snapshot.query(f"SELECT * FROM {identifier(table)}").to_pydict()


def _code(path: Path | str) -> str:
    with pytest.raises(PqlError) as caught, open_backend(path).snapshot() as snapshot:
        snapshot.tables()
    return caught.value.code


class TestSQLite(BackendConformance):
    def make(self, tables: Mapping[str, pa.Table]) -> Backend:
        return open_backend(store(f"made{next(_NUMBER)}.sqlite", tables))


class TestSQLiteWithWal(BackendConformance):
    def make(self, tables: Mapping[str, pa.Table]) -> Backend:
        path = store(f"made{next(_NUMBER)}.sqlite", tables)
        with sqlite3.connect(path) as con:
            con.execute("PRAGMA journal_mode = wal")
        con.close()
        return open_backend(f"sqlite:///{path.resolve()}")


def test_values_decide_where_types_are_advice() -> None:
    path = _made(
        "CREATE TABLE t (price DECIMAL(10, 2), n INT, mostly REAL, wild, flag BOOLEAN, code TEXT, owner_id, "
        "empty DATE);"
        "INSERT INTO t SELECT value, value, value, iif(value % 2, 'x', 7), value % 2, printf('%03d', value), "
        "iif(value = 3, 'c3', value), NULL FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]');"
        "UPDATE t SET mostly = 'n/a' WHERE n = 20;"
    )
    rows = _all(path)
    assert rows["price"][:2] == [1.0, 2.0]
    assert isinstance(rows["price"][0], float)
    assert rows["n"][:2] == [1, 2]
    assert rows["mostly"][-2:] == [19.0, None]
    assert rows["wild"][:2] == ["x", "7"]
    assert rows["flag"][:2] == [True, False]
    assert rows["code"][:2] == ["001", "002"]
    assert rows["owner_id"][1:3] == ["2", "c3"]
    with open_backend(path).snapshot() as snapshot:
        assert dict(snapshot.tables()[0].columns)["empty"] == "TIMESTAMP"
        assert snapshot.notes == ("t.mostly: 1 value is no number and counts as missing",)


@pytest.mark.parametrize(
    ("declared", "stored"),
    [
        ("DATETIME", "'2024-01-02 03:04:05'"),
        ("TIMESTAMP", "'2024-01-02T03:04:05Z'"),
        ("DATETIME", "'2024-01-02 05:04:05+02:00'"),
        ("DATETIME", "1704164645"),
        ("TIMESTAMP", "1704164645000"),
        ("DATETIME", "julianday('2024-01-02 03:04:05')"),
    ],
)
def test_times_are_read_in_all_forms_that_sqlite_knows(declared: str, stored: str) -> None:
    path = _made(f"CREATE TABLE t (wann {declared}); INSERT INTO t VALUES ({stored}), (NULL);")
    assert _all(path)["wann"] == [dt.datetime(2024, 1, 2, 3, 4, 5), None]


def test_tables_imported_as_text_are_read_as_what_is_written() -> None:
    path = _made(
        "CREATE TABLE t (order_id TEXT, price TEXT, zip TEXT, ordered_at TEXT);"
        "INSERT INTO t VALUES ('1', '2.50', '01234', '2024-01-02'), ('2', '', '99999', '2024-01-03');"
    )
    rows = _all(path)
    assert rows["order_id"] == [1, 2]
    assert rows["price"] == [2.5, None]
    assert rows["zip"] == ["01234", "99999"]
    assert rows["ordered_at"] == [dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 3)]


def test_declared_keys_are_read_as_declared() -> None:
    path = _made(
        "CREATE TABLE Users (ID INTEGER PRIMARY KEY); CREATE TABLE p (a INT, b INT, PRIMARY KEY (b, a)) WITHOUT ROWID;"
        "CREATE TABLE c (u INT REFERENCES users, x INT, y INT, z INT REFERENCES gone (q),"
        " FOREIGN KEY (X, y) REFERENCES P (a, b)); INSERT INTO Users VALUES (1); INSERT INTO c VALUES (1, 2, 3, 4);"
    )
    with open_backend(path).snapshot() as snapshot:
        tables = {table.name: table for table in snapshot.tables()}
    assert tables["Users"].primary_key == ("ID",)
    assert tables["p"].primary_key == ("b", "a")
    assert [(link.columns, link.parent, link.parent_columns) for link in tables["c"].links] == [
        (("u",), "Users", ("ID",)),
        (("x", "y"), "p", ("a", "b")),
    ]


def test_views_are_tables_and_what_cant_be_read_is_left_out() -> None:
    path = _made(
        "CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a * 2)); INSERT INTO t VALUES (1);"
        "CREATE VIEW v AS SELECT a + 1 AS x FROM t; CREATE TABLE gone (q); CREATE VIEW w AS SELECT q FROM gone;"
        "DROP TABLE gone; CREATE VIRTUAL TABLE words USING fts5(body);"
    )
    with open_backend(path).snapshot() as snapshot:
        assert [(table.name, table.is_view) for table in snapshot.tables()] == [("t", False), ("v", True)]
        assert snapshot.query("SELECT b, x FROM t, v").to_pylist() == [{"b": 2, "x": 2}]
        assert [name for name, _ in snapshot.skipped()] == ["w", "words"]


def test_the_users_sql_reads_only_what_it_names() -> None:
    path = _made(
        "CREATE TABLE t (a INT, pic BLOB); INSERT INTO t VALUES (1, x'0102'); CREATE TABLE u (b INT);"
        "CREATE VIEW slow AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;"
    )
    db = pql.connect(path)
    assert db.sql("SELECT a, octet_length(pic) AS n FROM t").fetchall() == [(1, 2)]
    with pytest.raises(PqlError) as caught:
        db.sql("SELECT nothing FROM u")
    assert caught.value.code == "sql_error"
    with pytest.raises(PqlError) as caught:
        db.sql("DELETE FROM t")
    assert caught.value.code in ("statement_not_allowed", "unknown_statement")


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_file_is_never_written(mode: str) -> None:
    path = store("shop.sqlite", {"t": pa.table({"a": [1, 2]})})
    con = sqlite3.connect(path)
    con.execute(f"PRAGMA journal_mode = {mode}")
    con.close()
    before = path.read_bytes(), path.stat().st_mtime_ns, sorted(os.listdir())
    backend = open_backend(path)
    with backend.snapshot() as snapshot:
        assert snapshot.scan("t", ["a"]).num_rows == 2
        with pytest.raises(PqlError):
            snapshot.query("DROP TABLE t")
    with pytest.raises(PqlError) as caught, backend.snapshot(write=True):
        pass
    assert caught.value.code == "read_only"
    backend.close()
    assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(os.listdir())) == before


def test_a_file_that_another_program_writes_in_wal_mode_is_read_as_committed() -> None:
    con = sqlite3.connect("live.sqlite", isolation_level=None)
    con.executescript("PRAGMA journal_mode = wal; CREATE TABLE t (a INT); INSERT INTO t VALUES (1); BEGIN;")
    con.execute("INSERT INTO t VALUES (2)")
    backend = open_backend("live.sqlite")
    with backend.snapshot() as snapshot:
        assert snapshot.scan("t", ["a"]).num_rows == 1
        con.execute("COMMIT")
        assert snapshot.scan("t", ["a"]).num_rows == 1
    assert pql.connect("live.sqlite").sql("SELECT count(*) AS n FROM t").fetchall() == [(2,)]
    con.close()


def test_a_session_reads_a_changed_file_anew() -> None:
    path = _made("CREATE TABLE t (a INT); CREATE TABLE other (b INT); INSERT INTO t VALUES (1)")
    db = pql.connect(path)
    count = "SELECT count(*) AS n FROM t"
    assert db.sql(count).fetchall() == [(1,)]
    with sqlite3.connect(path) as con:
        con.execute("INSERT INTO t VALUES (2)")
    assert db.sql(count).fetchall() == [(2,)]
    db.graph()
    with sqlite3.connect(path) as con:
        con.execute("INSERT INTO t VALUES (3)")
    assert db.sql(count).fetchall() == [(3,)]
    con.close()


def test_a_file_that_is_replaced_or_written_again_is_opened_again() -> None:
    path = _made("PRAGMA journal_mode = wal; CREATE TABLE t (a INT); CREATE TABLE other (b INT)")
    db = pql.connect(path)
    count = "SELECT count(*) AS n FROM t"
    assert db.sql(count).fetchall() == [(0,)]
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("INSERT INTO t VALUES (1)")
    assert db.sql(count).fetchall() == [(1,)]
    writer.close()
    script = "CREATE TABLE t (a INT); CREATE TABLE other (b INT)"
    path = _made(script)
    db = pql.connect(path)
    assert db.sql(count).fetchall() == [(0,)]
    os.replace(_made(f"{script}; INSERT INTO t VALUES (1), (2)"), path)
    assert db.sql(count).fetchall() == [(2,)]


def test_files_that_cant_be_read_are_coded_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pql.backends.sqlite.WAIT", 0.05)
    Path("noise.sqlite").write_bytes(os.urandom(4096))
    Path("torn.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    Path("empty.sqlite").write_bytes(b"")
    assert _code("noise.sqlite") == "source_unreadable"
    assert _code("torn.db") == "source_unreadable"
    assert _code("empty.sqlite") == "empty_source"
    assert _code("sqlite:///nowhere.sqlite") == "source_not_found"
    path = store("held.sqlite", {"t": pa.table({"a": [1]})})
    con = sqlite3.connect(path, isolation_level=None)
    con.execute("BEGIN EXCLUSIVE")
    assert _code(path) == "source_locked"
    con.close()


def test_text_that_isnt_utf8_is_read() -> None:
    path = _made("CREATE TABLE t (a TEXT); INSERT INTO t VALUES (CAST(x'66ff6f' AS TEXT))")
    assert _all(path)["a"] == ["f\ufffdo"]


def test_predictions_are_those_from_parquet() -> None:
    tables = purchases_shop()
    Path("shop").mkdir()
    for name, table in tables.items():
        pq.write_table(table, Path("shop") / f"{name}.parquet")
    store("shop.sqlite", tables)
    query = "PREDICT COUNT(purchases.*, 0, 30, days) = 0 FOR EACH customers.customer_id WITH (model = entity_mean)"
    assert (
        pql.connect("shop.sqlite").predict(query).to_arrow_table()
        == pql.connect("shop").predict(query).to_arrow_table()
    )


def test_sql_stands_around_predictions() -> None:
    store("shop.sqlite", purchases_shop())
    db = pql.connect("shop.sqlite")
    answer = db.sql(
        "SELECT c.name, p.prediction FROM customers c JOIN (PREDICT COUNT(purchases.*, 0, 30, days) "
        "FOR EACH customers.customer_id WITH (model = entity_mean)) p USING (customer_id) WHERE c.customer_id = 2"
    )
    assert answer.fetchall()[0][0] == "Customer 2"
