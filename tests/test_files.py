"""Files as people have them: in any encoding, uneven, in parts, with names that mean something to somebody else."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pql
from pql.backends.base import Snapshot
from pql.backends.connect import open_backend
from pql.language.errors import PqlError

PRICES = "id;name;price\n1;Müller;1.234,50\n2;Zoë – 5 €;7,25\n"
ROWS = [{"id": 1, "name": "Müller", "price": 1234.5}, {"id": 2, "name": "Zoë – 5 €", "price": 7.25}]


def _open(folder: Path, **files: str | bytes) -> Snapshot:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with open_backend(folder).snapshot() as snapshot:
        return snapshot


def _fault(folder: Path, **files: str | bytes) -> PqlError:
    with pytest.raises(PqlError) as caught:
        _open(folder, **files)
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_csv_file_may_be_in_any_usual_encoding(encoding: str, tmp_path: Path) -> None:
    text = (
        PRICES.encode("utf-16-le").join((b"\xff\xfe", b"")) if encoding == "utf-16-le-bom" else PRICES.encode(encoding)
    )
    for name in ("t_dot_csv", "packed_dot_csv_dot_gz"):
        snapshot = _open(tmp_path, **{name: gzip.compress(text) if name.endswith("gz") else text})
    for table in ("t", "packed"):
        assert snapshot.query(f"SELECT * FROM {table}").to_pylist() == ROWS
    assert ("t is not in UTF-8" in " ".join(snapshot.notes)) == (not encoding.startswith("utf-8"))


def test_short_lines_are_filled_and_long_ones_are_named(tmp_path: Path) -> None:
    snapshot = _open(tmp_path, t_dot_csv="id,a,b\n1,2,3\n4,5\n6,7,8\n")
    assert snapshot.query("SELECT * FROM t").to_pylist()[1] == {"id": 4, "a": 5, "b": None}
    assert "shorter" in snapshot.notes[0]
    fault = _fault(tmp_path, t_dot_csv="id,a,b\n1,2,3\n4,5\n6,7,8,9\n")
    assert fault.code == "source_unreadable"
    assert "line 4 has 4 columns" in fault.message
    lines = [f"{i},{i}" for i in range(30_000)]
    lines[25_000] += ",1"
    assert "line 25002" in _fault(tmp_path, t_dot_csv="\n".join(["id,a", *lines])).message


def test_a_comma_of_decimals_separates_nothing_where_a_line_is_short(tmp_path: Path) -> None:
    lines = ["id;price;day", *(f'{i};"{i},5";2024-01-01' for i in range(20)), '20;"1,00"']
    snapshot = _open(tmp_path, t_dot_csv="\n".join(lines))
    row = list(snapshot.query("SELECT count(*), sum(price), count(day) FROM t").to_pylist()[0].values())
    assert row == [21, 201.0, 20]
    assert snapshot.notes == ("t: what lines lack that are shorter than the first counts as missing",)


def test_one_part_in_a_folder_of_a_value_is_no_uneven_file(tmp_path: Path) -> None:
    snapshot = _open(tmp_path, **{"t__year=2024__a_dot_csv": "id,a\n1,2\n"})
    assert snapshot.query("SELECT * FROM t").to_pylist() == [{"id": 1, "a": 2, "year": 2024}]
    assert snapshot.notes == ()


def test_lines_before_the_header_are_said_to_be_passed_over(tmp_path: Path) -> None:
    snapshot = _open(tmp_path, t_dot_csv="Report of 2024\n\nid,name\n1,a\n2,b\n")
    assert snapshot.query("SELECT id FROM t").num_rows == 2
    assert snapshot.notes == ("t: the first 2 lines are no part of the table",)


def test_quoted_lines_empty_files_and_two_columns_of_one_name(tmp_path: Path) -> None:
    snapshot = _open(tmp_path, t_dot_csv='id,id,x\n1,2,"a\nb, ""c"""\n', void_dot_csv="", head_dot_csv="id,day\n")
    assert snapshot.query("SELECT * FROM t").to_pylist() == [{"id": 1, "id_1": 2, "x": 'a\nb, "c"'}]
    assert snapshot.skipped() == (("void", "the file is empty"),)
    assert snapshot.query("SELECT * FROM head").num_rows == 0


def test_a_subfolder_of_parts_is_one_table(tmp_path: Path) -> None:
    parts = {f"o__{i:03}_dot_csv": f"id,v\n{i},{i}\n" for i in range(50)}
    pq.write_table(pa.table({"id": [1]}), tmp_path / "base.parquet")
    for year in (2023, 2024):
        (tmp_path / f"views/year={year}").mkdir(parents=True)
        pq.write_table(pa.table({"v": [year]}), tmp_path / f"views/year={year}/a.parquet")
    snapshot = _open(tmp_path, **parts, o__050_dot_csv="id,v,late\n50,50,1\n", _tmp__x_dot_csv="a\n1\n")
    assert [table.name for table in snapshot.tables()] == ["base", "o", "views"]
    assert snapshot.query("SELECT sum(v), count(late), count(*) FROM o").to_pylist()[0] == {
        "sum(v)": 1275, "count(late)": 1, "count_star()": 51
    }  # fmt: skip
    assert snapshot.query("SELECT bool_and(v = year) AS same FROM views").to_pylist() == [{"same": True}]


def test_a_subfolder_of_other_tables_is_left_out(tmp_path: Path) -> None:
    files = {"data__orders_dot_csv": "id,v\n1,1\n", "data__users_dot_csv": "uid,n\n1,a\n"}
    snapshot = _open(tmp_path, **files, t_dot_csv="x\n1\n")
    assert [table.name for table in snapshot.tables()] == ["t"]
    assert "different columns" in snapshot.skipped()[0][1]


@pytest.mark.parametrize("name", ["select", "my orders (1)", "it's", 'a"b', "größe", "a[1]*?", "semi;colon", "-- x"])
def test_a_file_may_have_any_name(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.csv").write_text("id\n7\n")
    (tmp_path / "a1xy.csv").write_text("id\n99\n")
    pq.write_table(pa.table({"id": [7]}), tmp_path / f"{name}_.parquet")
    quoted = name.replace('"', '""')
    db = pql.connect(tmp_path)
    for table in (quoted, f"{quoted}_"):
        assert db.sql(f'SELECT id FROM "{table}"').fetchall() == [(7,)]


@pytest.mark.parametrize("name", ["prices.xlsx", "prices.feather", "prices.json", "prices.zip"])
def test_what_isnt_read_is_said_with_what_to_do(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(PqlError) as caught:
        pql.connect(tmp_path / name)
    assert caught.value.code == "unsupported_source"
    assert "not read" in str(caught.value) or "lines" in str(caught.value)
    assert [left for left, _ in _open(tmp_path, t_dot_csv="x\n1\n").skipped()] == [name]


def _state(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Content, time of writing and mode of everything below a folder."""
    found = [folder, *folder.rglob("*")]
    return {
        str(path): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns, path.stat().st_mode)
        for path in found
    }


@pytest.mark.parametrize("source", ["", "db.duckdb", "wal.sqlite", "old.sqlite", "latin.csv", "file"])
def test_nothing_is_written_beside_any_file(source: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with duckdb.connect(folder / "db.duckdb") as con:
        con.execute("CREATE TABLE t AS SELECT 1 AS id, TIMESTAMP '2024-01-01' AS day")
    for name, mode in (("wal.sqlite", "wal"), ("old.sqlite", "delete")):
        lite = sqlite3.connect(folder / name)
        lite.executescript(f"PRAGMA journal_mode = {mode}; CREATE TABLE t (id INT); INSERT INTO t VALUES (1)")
        lite.close()
    (folder / "latin.csv").write_bytes("id;name\n1;Zoë\n".encode("cp1252"))
    pq.write_table(pa.table({"id": [1]}), folder / "t.parquet")
    before = _state(folder)
    db = pql.connect(f"file://{folder}/t.parquet" if source == "file" else folder / source)
    assert "id" in str(db.graph())
    table = "latin" if source == "latin.csv" else "t"
    assert db.sql(f"SELECT id FROM {table}").fetchall() == [(1,)]
    target = folder / (source if source not in ("", "file") else "t.parquet")
    for place in (target, f"file://{target}", f"file:{target}"):
        with pytest.raises(PqlError, match=r"holds the data|would be a table"):
            db.sql(f"COPY (SELECT 1 AS id) TO '{place}' (FORMAT parquet)")
    db.close()
    assert _state(folder) == before


def test_a_folder_above_a_database_names_the_folder_to_connect_to(tmp_path: Path) -> None:
    users, orders = "id,name\n1,a\n", "order_id,user_id\n1,1\n"
    error = _fault(tmp_path, db__users_dot_csv=users, db__orders_dot_csv=orders)
    assert error.code == "empty_source"
    assert "its subfolder holds the tables, db (orders, users)" in error.message
    assert error.hint == f"Connect to {tmp_path / 'db'}."
    error = _fault(tmp_path, tasks__churn__train_dot_csv="a\n1\n", tasks__spend__train_dot_csv="b\n1\n")
    assert "several tables each, db (orders, users), tasks (folders)" in error.message
    assert error.hint == f"Connect to {tmp_path / 'db'}."
