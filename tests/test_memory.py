"""What a session keeps between queries: the same answer sooner, and never of data that has changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from worlds import shop

import pql
from pql.backends.duckdb import DuckDBConnection, DuckDBFile
from pql.backends.folder import FolderBackend
from pql.backends.frames import FrameBackend
from pql.backends.memory import Memory

QUERY = (
    "PREDICT COUNT(orders.*, 0, 21, days) = 0 FOR EACH customers.customer_id AS OF 2023-09-01 WITH (model = {model})"
)
INSTANT = QUERY.format(model="instant, cache = off")


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))


def written(folder: Path, tables: dict[str, pa.Table], age: float = 60.0) -> Path:
    """The tables as Parquet files, last written `age` seconds ago."""
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        file = folder / f"{name}.parquet"
        pq.write_table(table, file)
        os.utime(file, (time.time() - age, time.time() - age))
    return folder


def file_of(path: Path, tables: dict[str, pa.Table]) -> Path:
    with duckdb.connect(str(path)) as con:
        for name, table in tables.items():
            con.register("given", table)
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    return path


def test_of_each_kind_the_latest_are_kept_and_the_oldest_let_go():
    memory, made = Memory(), []

    def make(value: str):
        return lambda: made.append(value) or value

    assert [memory.recall("catalog", k, make(k)) for k in "abcda"] == list("abcda")
    assert made == list("abcd")
    memory.recall("catalog", "e", make("e"))  # in place of b, which was asked for longest ago
    memory.recall("catalog", "b", make("b"))
    assert made == list("abcdeb")
    assert memory.recall("rows", 1, make("r"), keep=lambda rows: False) == "r"
    memory.recall("rows", 1, make("r"))
    assert made[-2:] == ["r", "r"]


def test_a_second_query_of_a_session_reads_the_data_no_more(monkeypatch):
    import pql.engine.graph.history as history

    reads = []
    load = history.load
    monkeypatch.setattr(history, "load", lambda *given: reads.append(1) or load(*given))
    with pql.connect(shop(0)) as db:
        first = db.predict(INSTANT)
        second = db.predict(INSTANT)
        assert second.to_arrow_table().equals(first.to_arrow_table())
        assert len(reads) == 1
        db.predict(INSTANT.replace("= 0 FOR", "> 1 FOR"))
        assert len(reads) == 1
        db.predict(INSTANT.replace("2023-09-01", "2023-08-15"))
        assert len(reads) == 2


def test_a_changed_file_of_a_folder_is_seen_at_once(tmp_path):
    world = shop(0)
    folder = written(tmp_path / "data", world)
    with pql.connect(folder) as db:
        first = db.predict(INSTANT)
        assert db.predict(INSTANT).to_arrow_table().equals(first.to_arrow_table())
        kept = world["orders"].slice(0, world["orders"].num_rows // 2)
        written(folder, {"orders": kept}, age=30)
        second = db.predict(INSTANT)
    with pql.connect({**world, "orders": kept}) as fresh:
        expected = fresh.predict(INSTANT)
    assert second.to_arrow_table().equals(expected.to_arrow_table())
    assert not second.to_arrow_table().equals(first.to_arrow_table())


def test_what_is_said_of_the_graph_counts_at_once():
    with pql.connect(shop(0)) as db:
        db.predict(INSTANT)
        db.unlink("orders.customer_id", "customers.customer_id")
        with pytest.raises(pql.PqlError):
            db.predict(INSTANT)
        db.forget_overrides()
        assert len(db.predict(INSTANT))


def test_only_data_that_cannot_change_is_remembered(tmp_path):
    world = shop(0)
    folder = FolderBackend(written(tmp_path / "old", world))
    with folder.snapshot() as one, folder.snapshot() as two:
        assert one.memory is two.memory is not None
        with one.without({}) as other:
            assert other.memory is None
    with FolderBackend(written(tmp_path / "new", world, age=0)).snapshot() as just_written:
        assert just_written.memory is None
    with FrameBackend(world).snapshot() as frames:
        assert frames.memory is not None
    path = file_of(tmp_path / "shop.duckdb", world)
    reading = DuckDBFile(path)
    with reading.snapshot() as snapshot:
        assert snapshot.memory is not None
    reading.close()
    writing = DuckDBFile(path, read_only=False)
    with writing.snapshot() as snapshot:
        assert snapshot.memory is None
    writing.close()
    with duckdb.connect(str(path)) as con, DuckDBConnection(con).snapshot() as snapshot:
        assert snapshot.memory is None


def test_rows_added_to_the_users_connection_are_seen(tmp_path):
    world = shop(0)
    half = {**world, "orders": world["orders"].slice(0, world["orders"].num_rows // 2)}
    with duckdb.connect(str(file_of(tmp_path / "shop.duckdb", half))) as con, pql.connect(con) as db:
        before = db.predict(INSTANT).to_arrow_table()
        con.register("all_orders", world["orders"])
        con.execute("CREATE OR REPLACE TABLE orders AS SELECT * FROM all_orders")
        con.unregister("all_orders")
        after = db.predict(INSTANT).to_arrow_table()
    assert not after.equals(before)
