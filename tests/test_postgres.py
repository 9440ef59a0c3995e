"""PostgreSQL: its types, keys, schemas and rights, one moment of it, and nothing of it changed or given away.

`pytest -m postgres` runs these, where a server's programs are installed or PQL_POSTGRES names a server.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from postgres_server import PASSWORD, programs, server
from shops import purchases_shop

import pql
from pql.backends.base import Backend
from pql.backends.connect import open_backend
from pql.backends.sql import identifier
from pql.backends.testing import BackendConformance
from pql.language.errors import PqlError

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.skipif(
        not os.environ.get("PQL_POSTGRES") and programs() is None,
        reason="no PostgreSQL here: neither initdb nor PQL_POSTGRES",
    ),
]
SHOP = Path(__file__).resolve().parents[2] / "shared" / "data" / "shop"
_NUMBER = itertools.count()
_TYPES = {"int64": "bigint", "int32": "integer", "int16": "smallint", "double": "double precision", "float": "real",
          "string": "text", "large_string": "text", "bool": "boolean", "date32[day]": "date"}  # fmt: skip


@pytest.fixture(scope="module")
def main() -> Iterator[str]:
    with server() as url:
        yield url


@pytest.fixture
def url(main: str) -> Iterator[str]:
    """A database of this test's own."""
    name = f"pql_test_{os.getpid()}_{next(_NUMBER)}"
    with psycopg.connect(main, autocommit=True) as con:
        con.execute(f"CREATE DATABASE {name}")
        parts = urlsplit(main)
        yield urlunsplit(parts._replace(path=f"/{name}"))
        con.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as con:
        for statement in statements:
            con.execute(statement)


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision}, {kind.scale})"
    return _TYPES[str(kind)]


def store(url: str, tables: Mapping[str, pa.Table]) -> None:
    """The tables of a dict in a database, rows in their order."""
    with psycopg.connect(url, autocommit=True) as con:
        for name, table in tables.items():
            columns = ", ".join(f"{identifier(field.name)} {_kind(field.type)}" for field in table.schema)
            con.execute(f"CREATE TABLE {identifier(name)} ({columns})")
            with con.cursor().copy(f"COPY {identifier(name)} FROM STDIN") as copy:
                for batch in table.to_batches(max_chunksize=10_000):
                    for row in batch.to_pylist():
                        copy.write_row(list(row.values()))


def _rows(url: str, table: str) -> list[dict[str, Any]]:
    with open_backend(url).snapshot() as snapshot:
        return snapshot.query(f"SELECT * FROM {identifier(table)}").to_pylist()


def _fault(source: str) -> PqlError:
    with pytest.raises(PqlError) as caught, open_backend(source).snapshot() as snapshot:
        snapshot.tables()
    return caught.value


class TestPostgres(BackendConformance):
    @pytest.fixture(autouse=True)
    def _url(self, url: str) -> None:
        self.url = url

    def make(self, tables: Mapping[str, pa.Table]) -> Backend:
        store(self.url, tables)
        return open_backend(self.url)


def test_types_are_read_exactly(url: str) -> None:
    _execute(
        url,
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE DOMAIN price AS numeric(10, 2)",
        "CREATE TABLE odd (order_id numeric PRIMARY KEY, a numeric, b numeric(12, 3), p price, at timestamptz, "
        "t timestamp, d date, u uuid, m mood, ok boolean, f float8, f4 float4, txt text, code char(3), money money)",
        "INSERT INTO odd VALUES (9007199254740993, 1.5, 'NaN', 2.25, '2024-01-01 00:00:00.123456+02', 'infinity', "
        "'-infinity', '00000000-0000-0000-0000-000000000001', 'sad', true, 'NaN', 0.1, '', 'ab', 12.5), "
        "(2, 1e300, 1.125, NULL, '0044-03-15 BC', '9999-12-31 23:59:59.999999', '2024-02-29', NULL, 'ok', false, "
        "'-Infinity', NULL, E'a,\"b\"\\nc\\\\', NULL, NULL)",
        "INSERT INTO odd VALUES (3)",
    )
    one, two, three = _rows(url, "odd")
    assert (one["order_id"], two["order_id"]) == (9007199254740993, 2)
    assert (one["a"], two["a"], one["b"], two["b"], one["p"]) == (1.5, 1e300, None, 1.125, 2.25)
    assert (one["at"], two["at"]) == (dt.datetime(2023, 12, 31, 22, 0, 0, 123456), None)
    assert (one["t"], two["t"]) == (None, dt.datetime(9999, 12, 31, 23, 59, 59, 999999))
    assert (one["d"], two["d"]) == (None, dt.datetime(2024, 2, 29))
    assert (one["u"], one["m"], one["ok"], two["ok"]) == ("00000000-0000-0000-0000-000000000001", "sad", True, False)
    assert one["f"] != one["f"]
    assert (two["f"], round(one["f4"], 6), one["money"]) == (float("-inf"), 0.1, 12.5)
    assert (one["txt"], two["txt"], one["code"]) == ("", 'a,"b"\nc\\', "ab")
    assert {value for name, value in three.items() if name != "order_id"} == {None}


def test_the_users_sql_reads_what_questions_dont(url: str) -> None:
    _execute(
        url,
        "CREATE TABLE t (j jsonb, l int[], raw bytea, i interval, tm time, place point, x int)",
        "INSERT INTO t VALUES ('{\"a\": 1}', '{1,NULL}', '\\x00ff', "
        "'1 year 2 mons 3 days 04:05:06', '10:00', '(1,2)', 7)",
    )
    with pql.connect(url) as db:
        asked = "SELECT j->>'a', CAST(l AS INTEGER[]), raw, i = INTERVAL '14 months 3 days 4 hours 5 minutes 6 seconds'"
        assert db.sql(f"{asked}, CAST(tm AS VARCHAR) FROM t").fetchall() == [
            ("1", [1, None], b"\x00\xff", True, "10:00:00")
        ]
        assert "t: columns that are not read: place (point)" in str(db.graph())


def test_schemas_names_and_kinds_of_tables(url: str) -> None:
    _execute(
        url,
        'CREATE SCHEMA sales; CREATE TABLE odd (id int PRIMARY KEY, "Id" int); CREATE TABLE sales.odd (x int)',
        'CREATE TABLE sales."Order Items" ("itemId" serial PRIMARY KEY, odd int REFERENCES odd (id), at timestamptz)',
        "INSERT INTO odd VALUES (1, 2); INSERT INTO sales.odd VALUES (3)",
        "CREATE TABLE part (k int, at timestamp) PARTITION BY RANGE (at)",
        "CREATE TABLE part_2024 PARTITION OF part FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        "INSERT INTO part VALUES (1, '2024-05-05')",
        "CREATE VIEW v AS SELECT k + 1 AS x FROM part; CREATE VIEW bad AS SELECT 1 / (k - 1) AS x FROM part",
        "CREATE MATERIALIZED VIEW mv AS SELECT 1 AS one; CREATE MATERIALIZED VIEW mv0 AS SELECT 1 AS one WITH NO DATA",
        "COMMENT ON TABLE odd IS 'DROP TABLE odd'; CREATE TABLE empty (e int, at date); CREATE TABLE bare ()",
    )
    with open_backend(url).snapshot() as snapshot:
        tables = {table.name: table for table in snapshot.tables()}
        assert list(tables) == ["bare", "empty", "mv", "odd", "part", "v", "sales.odd", "Order Items"]
        assert dict(snapshot.skipped()) == {
            "bad": "division by zero",
            "mv0": "the materialised view is empty until REFRESH MATERIALIZED VIEW",
        }
        assert snapshot.query('SELECT * FROM "sales.odd"').to_pylist() == [{"x": 3}]
        assert snapshot.scan("odd", ["id", "Id_1"]).to_pylist() == [{"id": 1, "Id_1": 2}]
        assert snapshot.scan("part", ["k"]).num_rows == 1
    link = tables["Order Items"].links[0]
    assert (link.columns, link.parent, link.parent_columns) == (("odd",), "odd", ("id",))
    assert tables["Order Items"].primary_key == ("itemId",)
    with pql.connect(url) as db:
        assert db.sql("SELECT x FROM sales.odd").fetchall() == [(3,)]
        assert db.sql('SELECT count(*) AS n FROM sales."Order Items"').fetchall() == [(0,)]
    with open_backend(f"{url}?schema=sales").snapshot() as snapshot:
        assert [table.name for table in snapshot.tables()] == ["odd", "Order Items"]
    with open_backend(f"{url}?tables=part,sales.odd").snapshot() as snapshot:
        assert [table.name for table in snapshot.tables()] == ["part", "odd"]


def test_what_may_not_be_read_is_left_out(url: str) -> None:
    role = f"pql_clerk_{os.getpid()}"
    _execute(
        url,
        f"CREATE ROLE {role} LOGIN PASSWORD 'clerk-secret'",
        "CREATE TABLE open (a int, salary int); CREATE TABLE shut (b int); CREATE SCHEMA vault",
        "CREATE TABLE vault.x ()",
        f"GRANT SELECT (a) ON open TO {role}; INSERT INTO open VALUES (1, 2)",
    )
    parts = urlsplit(url)
    mine = urlunsplit(parts._replace(netloc=f"{role}:clerk-secret@{parts.netloc.rpartition('@')[2]}"))
    try:
        with open_backend(mine).snapshot() as snapshot:
            assert [table.columns for table in snapshot.tables()] == [(("a", "INTEGER"),)]
            assert dict(snapshot.skipped()) == {"shut": "permission denied", "x": "permission denied"}
            assert snapshot.notes == ("open: columns that are not read: salary (permission denied)",)
    finally:
        _execute(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_session_sees_one_moment(url: str) -> None:
    _execute(url, "CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE TABLE other (b int)")
    backend = open_backend(url)
    with backend.snapshot() as snapshot:
        snapshot.run_sql("SELECT * FROM t", {}, {})
        _execute(url, "INSERT INTO t VALUES (2); INSERT INTO other VALUES (1)")
        assert snapshot.scan("t", ["a"]).num_rows == 1
        assert snapshot.scan("other", ["b"]).num_rows == 0
        assert snapshot.notes == ()
    for _ in range(100):  # the server's statistics come a little later
        with backend.snapshot() as snapshot:
            assert snapshot.scan("t", ["a"]).num_rows == 1
            if snapshot.notes:
                break
        time.sleep(0.1)
    assert snapshot.notes == (
        "the database has changed since this session read it; connect again to see it as it is now",
    )
    with open_backend(url).snapshot() as snapshot:
        assert snapshot.scan("t", ["a"]).num_rows == 2


def test_nothing_is_written(url: str) -> None:
    _execute(
        url,
        "CREATE TABLE t (a int); CREATE FUNCTION add() RETURNS int LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO t VALUES (1); RETURN 1; END'; CREATE VIEW sly AS SELECT add() AS a",
    )
    backend = open_backend(url)
    with backend.snapshot() as snapshot:
        assert dict(snapshot.skipped() if snapshot.tables() else ()) == {
            "sly": "cannot execute INSERT in a read-only transaction"
        }
        with pytest.raises(PqlError):
            snapshot.query("DELETE FROM t")
    with pytest.raises(PqlError) as caught, backend.snapshot(write=True):
        pass
    assert caught.value.code == "read_only"
    with psycopg.connect(url) as con:
        assert con.execute("SELECT count(*) FROM t").fetchall() == [(0,)]


def test_faults_of_connecting_are_coded_and_tell_no_password(main: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = urlsplit(main)
    host = parts.netloc.rpartition("@")[2]
    assert _fault(f"postgresql://admin:wr0ng-one@{host}/postgres").code == "source_refused"
    assert _fault(urlunsplit(parts._replace(path="/nowhere"))).code == "source_not_found"
    assert _fault("postgresql://admin:wr0ng-one@127.0.0.1:1/x").code == "source_unreachable"
    assert _fault("postgresql://admin:wr0ng-one@no.such.host.invalid/x").code == "source_unreachable"
    assert _fault(f"{main}?nonsense=1").code == "unsupported_source"
    for bad in ("wr0ng/one", "wr0ng@one", "wr0ng#one", "wr0ng%zzone"):
        error = _fault(f"postgresql://admin:{bad}@{host}/postgres")
        said = "".join(traceback.format_exception(error)) + repr(error)
        assert error.code == "unsupported_source"
        assert "wr0ng" not in said.replace(f"postgresql://admin:{bad}@", "")
    error = _fault(f"postgresql://admin:{PASSWORD}@{host}/nowhere")
    assert PASSWORD not in "".join(traceback.format_exception(error))
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert _fault(main).code == "missing_extra"


def test_a_password_is_kept_nowhere(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "kept"))
    store(url, purchases_shop())
    query = "PREDICT COUNT(purchases.*, 0, 30, days) FOR EACH customers.customer_id WITH (model = entity_mean)"
    with pql.connect(url) as db:
        db.link("purchases.customer_id", "customers.customer_id")
        said = str(db.explain(query)) + str(db.predict(query).plan) + repr(db) + str(db.graph())
    secret = urlsplit(url).password or "?"
    assert secret not in said
    kept = [path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert kept
    assert not any(secret.encode() in content for content in kept)


def test_a_server_that_goes_away_is_a_coded_error(url: str) -> None:
    _execute(url, "CREATE TABLE t (a int); CREATE TABLE other (b int)")
    backend = open_backend(url)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pql'"
    with backend.snapshot() as snapshot:
        snapshot.run_sql("SELECT * FROM t", {}, {})
        _execute(url, kill)
        with pytest.raises(PqlError) as caught:
            snapshot.tables()
    assert caught.value.code == "source_unreachable"
    with backend.snapshot() as snapshot:
        assert len(snapshot.tables()) == 2


def test_the_command_line_takes_the_address(url: str) -> None:
    store(url, {"users": pa.table({"user_id": [1, 2]})})
    done = subprocess.run(
        [sys.executable, "-m", "pql.faces.cli", url, "-c", "SELECT count(*) AS n FROM users", "--format", "csv"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, ['"n"', "2"])


def test_predictions_are_those_from_parquet(url: str, tmp_path: Path) -> None:
    tables = purchases_shop()
    for name, table in tables.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    store(url, tables)
    query = "PREDICT COUNT(purchases.*, 0, 30, days) = 0 FOR EACH customers.customer_id WITH (model = instant)"
    answer = pql.connect(url).predict(query).to_arrow_table()
    assert answer == pql.connect(tmp_path).predict(query).to_arrow_table()
    db = pql.connect(url)
    rows = db.sql(f"SELECT c.name, p.* FROM customers c JOIN ({query}) p USING (customer_id)")
    assert len(rows.fetchall()) == answer.num_rows


@pytest.mark.skipif(not SHOP.exists(), reason="no ../shared")
def test_predictions_of_a_real_shop_are_those_from_parquet(url: str) -> None:
    store(url, {path.stem: pq.read_table(path) for path in sorted(SHOP.glob("*.parquet"))})
    query = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id AS OF '2024-11-01'"
    for model in ("instant", "entity_mean"):
        asked = f"{query} WITH (model = {model})"
        assert pql.connect(url).predict(asked).to_arrow_table() == pql.connect(SHOP).predict(asked).to_arrow_table()


def test_numbers_of_any_precision_that_are_keys_stay_exact(url: str) -> None:
    _execute(
        url,
        "CREATE TABLE a (n numeric PRIMARY KEY); CREATE TABLE b (to_a numeric REFERENCES a (n), worth numeric(30, 10))",
        "INSERT INTO a VALUES (9007199254740993), (2); INSERT INTO b VALUES (9007199254740993, 0.1)",
    )
    assert _rows(url, "b") == [{"to_a": 9007199254740993, "worth": 0.1}]
    with pql.connect(url) as db:
        assert db.sql("SELECT worth FROM b").fetchall() == [(Decimal("0.1000000000"),)]
