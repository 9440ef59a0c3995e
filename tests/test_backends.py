"""Backends: what is read, from where, in which form, and what is said when it can't be."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pql.backends.base import Backend
from pql.backends.connect import open_backend
from pql.backends.sql import identifier
from pql.backends.testing import BackendConformance
from pql.language.errors import PqlError

_NUMBER = itertools.count()


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _database(tables: Mapping[str, pa.Table]) -> Path:
    path = Path(f"made{next(_NUMBER)}.duckdb")
    with duckdb.connect(path) as con:
        _fill(con, tables)
    return path


def _fill(con: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> None:
    for name, table in tables.items():
        con.register("given", table)
        con.execute(f"CREATE TABLE {identifier(name)} AS SELECT * FROM given")
        con.unregister("given")


class TestDuckDBFile(BackendConformance):
    def make(self, tables: Mapping[str, pa.Table]) -> Backend:
        return open_backend(_database(tables))


class TestDuckDBConnection(BackendConformance):
    def make(self, tables: Mapping[str, pa.Table]) -> Backend:
        con = duckdb.connect()
        _fill(con, tables)
        return open_backend(con)


class TestOpenTransaction(BackendConformance):
    def make(self, tables: Mapping[str, pa.Table]) -> Backend:
        con = duckdb.connect()
        con.begin()
        _fill(con, tables)
        return open_backend(con)


class TestTemporaryTables(BackendConformance):
    def make(self, tables: Mapping[str, pa.Table]) -> Backend:
        con = duckdb.connect()
        for name, table in tables.items():
            con.register(name, table)
        return open_backend(con)


class TestArrow(BackendConformance):
    def make(self, tables: Mapping[str, pa.Table]) -> Backend:
        return open_backend(dict(tables))


class TestPandas(BackendConformance):
    def make(self, tables: Mapping[str, pa.Table]) -> Backend:
        return open_backend({name: table.to_pandas(integer_object_nulls=True) for name, table in tables.items()})

    def test_scans_return_normal_forms_in_stored_order(self) -> None:
        with self.backend().snapshot() as snapshot:
            assert snapshot.scan("type", ["select", "price"]).schema.types == [pa.string(), pa.float64()]
            assert snapshot.scan("type", ["price"]).column(0).to_pylist() == [0.5, float("inf"), None]


class TestPolars(BackendConformance):
    def make(self, tables: Mapping[str, pa.Table]) -> Backend:
        return open_backend({name: pl.from_arrow(table) for name, table in tables.items()})


class TestParquetFolder(BackendConformance):
    def make(self, tables: Mapping[str, pa.Table]) -> Backend:
        folder = Path(f"folder{next(_NUMBER)}")
        folder.mkdir()
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
        return open_backend(folder)

    def test_the_order_of_tables_is_stable(self) -> None:
        with self.backend().snapshot() as snapshot:
            names = [table.name for table in snapshot.tables()]
        assert names == sorted(names)


def _only(source: object, table: str = "t") -> pa.Table:
    """All readable columns of one table."""
    with open_backend(source).snapshot() as snapshot:
        return snapshot.query(f"SELECT * FROM {identifier(table)}")


def _code(source: object) -> str:
    with pytest.raises(PqlError) as caught, open_backend(source).snapshot() as snapshot:
        snapshot.tables()
    return caught.value.code


def test_sources_that_cant_be_opened_are_coded_errors(tmp_path: Path) -> None:
    Path("empty").mkdir()
    Path("broken.duckdb").write_text("no database")
    Path("broken.parquet").write_text("no parquet")
    Path("lite.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    duckdb.connect("void.duckdb").close()
    assert _code("missing.duckdb") == "source_not_found"
    assert not Path("missing.duckdb").exists()
    assert _code("empty") == "empty_source"
    assert _code("void.duckdb") == "empty_source"
    assert _code("broken.duckdb") == "source_unreadable"
    assert _code("broken.parquet") == "source_unreadable"
    assert _code("lite.db") == "source_unreadable"
    assert _code("oracle://host/db") == "unsupported_source"
    assert _code("") == "empty_source"
    assert _code({}) == "empty_source"
    assert _code(7) == "unsupported_source"
    assert _code({"t": [1, 2]}) == "unsupported_source"
    assert _code({"t": pa.table({"a": [1], "A": [2]})}) == "duplicate_column"
    assert _code({"t": pa.table({"a": [1]}), "T": pa.table({"a": [1]})}) == "duplicate_table"


def test_a_closed_connection_is_a_coded_error() -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE t AS SELECT 1 AS a")
    backend = open_backend(con)
    con.close()
    with pytest.raises(PqlError) as caught, backend.snapshot():
        pass
    assert caught.value.code == "source_closed"


def test_a_file_that_another_program_writes_is_locked() -> None:
    path = _database({"t": pa.table({"a": [1]})})
    script = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        assert _code(path) == "source_locked"
    finally:
        holder.communicate()


def test_a_file_is_never_written() -> None:
    path = _database({"t": pa.table({"a": [1, 2]})})
    before = (path.read_bytes(), path.stat().st_mtime_ns, sorted(os.listdir()))
    backend = open_backend(path)
    with backend.snapshot() as snapshot:
        snapshot.scan("t", ["a"])
        with pytest.raises(PqlError):
            snapshot.query("DROP TABLE t")
    backend.close()
    assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(os.listdir())) == before


def test_tables_of_other_schemas_are_called_by_their_name_where_it_is_free() -> None:
    con = duckdb.connect()
    con.execute("CREATE SCHEMA sales; CREATE TABLE orders AS SELECT 1 AS a; CREATE TABLE sales.orders AS SELECT 2 AS a")
    con.execute("CREATE TABLE sales.items AS SELECT 3 AS a")
    with open_backend(con).snapshot() as snapshot:
        assert [table.name for table in snapshot.tables()] == ["orders", "sales.orders", "items"]
        rows = snapshot.query(
            'SELECT a FROM "orders" UNION ALL SELECT a FROM "sales.orders" UNION ALL SELECT a FROM items'
        )
    assert rows.column("a").to_pylist() == [1, 2, 3]


def test_views_are_tables_and_broken_ones_are_left_out() -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE t AS SELECT 1 AS a, [1] AS l; CREATE VIEW v AS SELECT l[1] AS x FROM t")
    con.execute("CREATE TABLE gone AS SELECT 1 AS a; CREATE VIEW w AS SELECT a FROM gone; DROP TABLE gone")
    with open_backend(con).snapshot() as snapshot:
        assert [(table.name, table.is_view) for table in snapshot.tables()] == [("t", False), ("v", True)]
        assert snapshot.scan("v", ["x"]).to_pydict() == {"x": [1]}
        assert [name for name, _ in snapshot.skipped()] == ["w"]


def test_constraints_are_read_as_declared() -> None:
    con = duckdb.connect()
    con.execute("CREATE SCHEMA s; CREATE TABLE s.p (a INTEGER, b INTEGER, PRIMARY KEY (a, b))")
    con.execute("CREATE TABLE s.c (x INTEGER, y INTEGER, FOREIGN KEY (x, y) REFERENCES s.p (a, b))")
    with open_backend(con).snapshot() as snapshot:
        child, parent = sorted(snapshot.tables(), key=lambda table: table.name)
    assert parent.primary_key == ("a", "b")
    assert [(link.columns, link.parent, link.parent_columns) for link in child.links] == [(("x", "y"), "p", ("a", "b"))]


def test_one_snapshot_sees_one_state() -> None:
    con = duckdb.connect()
    con.execute("CREATE TABLE t AS SELECT 1 AS a")
    with open_backend(con).snapshot() as snapshot:
        con.execute("INSERT INTO t VALUES (2)")
        assert snapshot.scan("t", ["a"]).num_rows == 1
    with open_backend(con).snapshot() as snapshot:
        assert snapshot.scan("t", ["a"]).num_rows == 2


def test_the_users_connection_stays_as_it_was() -> None:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'Asia/Tokyo'; CREATE TABLE t AS SELECT 1 AS a; CREATE TEMP TABLE own AS SELECT 2 AS a")
    frame = pa.table({"a": [3]})
    con.register("given", frame)
    asked = "SELECT name, value FROM duckdb_settings() UNION ALL SELECT view_name, 'v' FROM duckdb_views() ORDER BY ALL"
    before = con.sql(asked).fetchall()
    with open_backend(con).snapshot() as snapshot:
        assert {table.name for table in snapshot.tables()} == {"t", "own", "given"}
        assert snapshot.query("SELECT a FROM s", frames={"s": frame}).num_rows == 1
    assert con.sql(asked).fetchall() == before
    con.begin()
    con.execute("INSERT INTO t VALUES (5)")
    with open_backend(con).snapshot() as snapshot:
        assert snapshot.scan("t", ["a"]).num_rows == 2
    con.rollback()
    assert con.sql("SELECT count(*) FROM t").fetchall() == [(1,)]


def test_types_are_shown_in_their_normal_form() -> None:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'America/New_York'")
    con.execute(
        "CREATE TABLE t AS SELECT TIMESTAMPTZ '2024-01-01 00:00:00+02' AS z, TIMESTAMP 'infinity' AS inf, "
        "DATE '2024-01-01' AS d, 1.5::DECIMAL(10, 2) AS dec, 7::DECIMAL(12, 0) AS whole, 'x'::ENUM('x', 'y') AS e, "
        "18446744073709551615::UBIGINT AS big_id, 5::HUGEINT AS total, uuid() AS u, [1] AS l, TIMESTAMP_NS "
        "'2024-01-01 00:00:00.123456789' AS ns, 3::UTINYINT AS small, 2::FLOAT AS f, TIME '10:00' AS clock"
    )
    with open_backend(con).snapshot() as snapshot:
        row = snapshot.query("SELECT * FROM t").to_pylist()[0]
        scanned = snapshot.scan("t", ["big_id", "total", "z", "e", "u", "ns", "inf"])
        with pytest.raises(PqlError) as caught:
            snapshot.scan("t", ["l"])
    assert caught.value.code == "unreadable_column"
    assert row["z"] == dt.datetime(2023, 12, 31, 22)
    assert row["inf"] is None
    assert row["d"] == dt.datetime(2024, 1, 1)
    assert (row["dec"], row["whole"], row["e"], row["small"], row["f"]) == (1.5, 7, "x", 3, 2.0)
    assert (row["big_id"], row["total"]) == ("18446744073709551615", 5.0)
    assert "l" not in row
    assert "clock" not in row
    assert scanned.schema.types == [
        pa.string(), pa.float64(), pa.timestamp("us"), pa.string(), pa.string(), pa.timestamp("us"), pa.timestamp("us")
    ]  # fmt: skip


def test_spans_of_pandas_are_texts_and_sparse_columns_numbers() -> None:
    from pql.backends.frames import to_arrow

    days = pd.period_range("2024-01-30", periods=3, freq="D")
    frame = pd.DataFrame(
        {
            "day": days,
            "band": pd.cut([1.0, 2.0, 3.0], [0, 1.5, 3]),
            "width": pd.arrays.IntervalArray.from_breaks([0, 1, 2, 3]),
            "cost": pd.arrays.SparseArray([0.0, 0.0, 2.5]),
        }
    )
    frame.loc[1, "day"] = pd.NaT
    rows = to_arrow(frame, "visits").to_pydict()
    assert rows["day"] == ["2024-01-30", None, "2024-02-01"]
    assert rows["band"] == ["(0.0, 1.5]", "(1.5, 3.0]", "(1.5, 3.0]"]
    assert rows["width"] == ["(0, 1]", "(1, 2]", "(2, 3]"]
    assert rows["cost"] == [0.0, 0.0, 2.5]
    with pytest.raises(PqlError, match="no columns") as caught:
        to_arrow(pd.DataFrame(), "nothing")
    assert caught.value.code == "unsupported_source"


def test_pandas_frames_keep_what_they_mean() -> None:
    frame = pd.DataFrame(
        {
            "user_id": [1.0, None, 3.0],
            "name": pd.Series(["a", None, "c"], dtype=object),
            "kind": pd.Categorical(["x", "y", "x"]),
            "at": pd.to_datetime(["2024-01-01", None, "2024-01-02"]).tz_localize("Europe/Berlin"),
            "uid": [uuid.UUID(int=1), None, uuid.UUID(int=3)],
            "mixed": [1, "two", None],
            "money": [Decimal("1.50"), None, Decimal("2.25")],
            "amount": [1.0, float("nan"), float("-inf")],
        }
    ).set_index(pd.Index([10, 11, 12], name="row_id"))
    rows = _only({"t": frame}).to_pydict()
    assert rows["row_id"] == [10, 11, 12]
    assert rows["user_id"] == [1, None, 3]
    assert rows["name"] == ["a", None, "c"]
    assert rows["kind"] == ["x", "y", "x"]
    assert rows["at"] == [dt.datetime(2023, 12, 31, 23), None, dt.datetime(2024, 1, 1, 23)]
    assert rows["uid"] == [str(uuid.UUID(int=1)), None, str(uuid.UUID(int=3))]
    assert rows["mixed"] == ["1", "two", None]
    assert rows["money"] == [1.5, None, 2.25]
    assert rows["amount"] == [1.0, None, float("-inf")]


def test_an_empty_frame_is_a_table() -> None:
    assert _only({"t": pd.DataFrame({"a": pd.Series([], dtype="int64")})}).num_rows == 0
    assert _only({"t": pl.DataFrame({"a": []})}).num_rows == 0


def test_a_folder_holds_csv_files_and_folders_of_parts() -> None:
    folder = Path("data")
    (folder / "parts").mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), folder / "parts" / "0.parquet")
    pq.write_table(pa.table({"a": [2]}), folder / "parts" / "1.parquet")
    (folder / "plain.csv").write_text("id,at,code\n9007199254740993,2024-01-01,007\n2,2024-01-02,010\n")
    pd.DataFrame({"a": [1]}).to_csv(folder / "zipped.csv.gz", index=False)
    (folder / "notes.txt").write_text("no table")
    with open_backend(folder).snapshot() as snapshot:
        assert [table.name for table in snapshot.tables()] == ["parts", "plain", "zipped"]
        assert snapshot.scan("parts", ["a"]).to_pydict() == {"a": [1, 2]}
        assert snapshot.scan("plain", ["id", "at", "code"]).to_pylist()[0] == {
            "id": 9007199254740993,
            "at": dt.datetime(2024, 1, 1),
            "code": "007",
        }


def test_a_file_that_changes_during_a_snapshot_is_noticed() -> None:
    Path("data").mkdir()
    path = Path("data") / "t.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with open_backend("data").snapshot() as snapshot:
        snapshot.scan("t", ["a"])
        pq.write_table(pa.table({"a": [1, 2, 3]}), path)
        with pytest.raises(PqlError) as caught:
            snapshot.scan("t", ["a"])
    assert caught.value.code == "source_changed"


def test_file_names_with_quotes_are_read() -> None:
    Path("it's").mkdir()
    pq.write_table(pa.table({"a": [1]}), Path("it's") / f"{quote('x')}'y.parquet")
    assert _only("it's", "x'y").num_rows == 1


def test_a_database_has_one_identity_by_path_or_connection() -> None:
    path = _database({"t": pa.table({"a": [1]})})
    backend = open_backend(path)
    named = backend.identity
    backend.close()
    with duckdb.connect(path) as con:
        assert open_backend(con).identity == named
