"""Scenes of sources: what can't be opened or read, and what is said of keys, links and clocks."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from clinic import COUNT, clinic

import pql
from pql.backends.connect import open_backend
from pql.backends.location import location
from pql.backends.postgres_faults import refusal
from pql.engine.graph.history import load
from pql.engine.planning.relations import relation_sql
from pql.language import ast
from pql.language.catalog import Catalog, Clock, Column, Key, Link, LogicalType, Stype, Table
from pql.statements.graph import _parts


def _ask(source: object) -> None:
    with pql.connect(source) as db:
        db.predict(COUNT)


def source_not_found(place: Path) -> None:
    duckdb.connect("clinic.duckdb").close()
    _ask("clinics.duckdb")


def source_unreadable(place: Path) -> None:
    Path("broken.duckdb").write_bytes(b"not a database at all" * 50)
    _ask("broken.duckdb")


def _said_by_server(text: str) -> None:
    raise refusal(OSError(text), location("postgresql://ana:secret@db.clinic.org/clinic"), is_connecting=True)


def source_unreachable(place: Path) -> None:
    _said_by_server('connection to server at "db.clinic.org", port 5432 failed: Connection refused')


def source_refused(place: Path) -> None:
    _said_by_server('FATAL:  password authentication failed for user "ana"')


def missing_extension(place: Path) -> None:
    _ask("s3://clinic/visits.parquet")


def source_locked(place: Path) -> None:
    with duckdb.connect("clinic.duckdb") as con:
        con.execute("CREATE TABLE users AS SELECT 1 AS user_id")
        _ask("clinic.duckdb")


def _filled() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    _fill(con)
    return con


def _fill(con: duckdb.DuckDBPyConnection) -> None:
    for name, table in clinic().items():
        con.register("given", table)
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
        con.unregister("given")


def source_busy(place: Path) -> None:
    con = _filled()
    con.begin()
    con.execute("SELECT * FROM visits, visits AS other")
    _ask(con)


def source_aborted(place: Path) -> None:
    con = _filled()
    con.begin()
    try:
        con.execute("SELECT nothing FROM visits")
    except duckdb.Error:
        _ask(con)


def order_not_kept(place: Path) -> None:
    con = _filled()
    con.execute("SET preserve_insertion_order = false")
    with pql.connect(con) as db:
        list(db.run(f"CHECK LEAKAGE {COUNT} AS OF 2023-06-01 WITH (model = last_window)"))


def source_closed(place: Path) -> None:
    con = _filled()
    con.close()
    _ask(con)


def source_changed(place: Path) -> None:
    Path("data").mkdir()
    path = Path("data") / "users.parquet"
    pq.write_table(pa.table({"user_id": [1]}), path)
    with open_backend("data").snapshot() as snapshot:
        snapshot.scan("users", ["user_id"])
        pq.write_table(pa.table({"user_id": [1, 2, 3]}), path)
        snapshot.scan("users", ["user_id"])


def unsupported_source(place: Path) -> None:
    _ask(7)


def empty_source(place: Path) -> None:
    _ask({})


def duplicate_table(place: Path) -> None:
    _ask({"users": clinic()["users"], "Users": clinic()["users"]})


def duplicate_column(place: Path) -> None:
    _ask({"users": pa.table([[1], [2]], names=["user_id", "User_ID"])})


def unreadable_column(place: Path) -> None:
    with open_backend({"users": pa.table({"user_id": [1], "tags": [["a"]]})}).snapshot() as snapshot:
        snapshot.scan("users", ["tags"])


def sql_failed(place: Path) -> None:
    with open_backend(clinic()).snapshot() as snapshot:
        snapshot.query("SELEKT 1")


def sql_error(place: Path) -> None:
    with pql.connect(clinic()) as db:
        list(db.run("SELECT kid FROM visits"))


def statement_not_allowed(place: Path) -> None:
    with pql.connect(clinic()) as db:
        list(db.run("SELECT 1; WITH gone AS (DELETE FROM visits RETURNING *) SELECT * FROM gone"))


def read_only(place: Path) -> None:
    pql.connect(clinic(), read_only=False)


def table_exists(place: Path) -> None:
    with duckdb.connect("clinic.duckdb") as con:
        _fill(con)
    made = f"CREATE TABLE busy AS {COUNT} WITH (model = last_window)"
    with pql.connect("clinic.duckdb", read_only=False) as db:
        list(db.run(f"{made}; {made}"))


def file_in_source(place: Path) -> None:
    Path("clinic").mkdir()
    for name, table in clinic().items():
        pq.write_table(table, f"clinic/{name}.parquet")
    with pql.connect("clinic") as db:
        list(db.run(f"COPY ({COUNT} WITH (model = last_window)) TO 'clinic/busy.parquet'"))


def query_failed(place: Path) -> None:
    with open_backend(clinic()).snapshot() as snapshot:
        key = Column("user_id", LogicalType.INTEGER, Stype.ID)
        history = load(snapshot, Catalog((Table("users", (key,), Key(("user_id",))),)), {"users": ("user_id",)}, 0)
        history.query("SELECT * FROM nothing")


def not_a_key(place: Path) -> None:
    with pql.connect(clinic()) as db:
        list(db.run("KEY visits.user_id"))


def link_type(place: Path) -> None:
    with pql.connect(clinic()) as db:
        list(db.run("LINK visits.at -> users.user_id"))


def link_matches_nothing(place: Path) -> None:
    tables = clinic()
    numbers = pa.array(range(10_000, 10_000 + len(tables["visits"])))
    with pql.connect({**tables, "visits": tables["visits"].append_column("invoice", numbers)}) as db:
        list(db.run("LINK visits.invoice -> users.user_id"))


def time_type(place: Path) -> None:
    with pql.connect(clinic()) as db:
        list(db.run("TIME visits.kind"))


def unknown_link(place: Path) -> None:
    with pql.connect(clinic()) as db:
        list(db.run("UNLINK visits.kind -> users.user_id"))


def missing_table(place: Path) -> None:
    _parts(ast.ColumnName(None, ast.Identifier("user_id")))


def clock_type(place: Path) -> None:
    visits = Table("visits", (Column("at", LogicalType.FLOAT, Stype.NUMBER),), clock=Clock("own", "at"))
    relation_sql(Catalog((visits,)), "visits", None)


def clock_cycle(place: Path) -> None:
    own = Column("id", LogicalType.INTEGER, Stype.ID)
    links = Link("a", ("id",), "b", ("id",)), Link("b", ("id",), "a", ("id",))
    tables = tuple(
        Table(name, (own,), Key(("id",)), Clock("inherited", via=link))
        for name, link in zip(("a", "b"), links, strict=True)
    )
    relation_sql(Catalog(tables, links), "a", None)


SCENES = {
    scene.__name__: scene
    for scene in (
        source_not_found, source_unreadable, source_unreachable, source_refused,
        missing_extension, source_locked, source_busy, source_aborted, source_closed, source_changed,
        order_not_kept,
        unsupported_source, empty_source, duplicate_table, duplicate_column, unreadable_column, sql_failed, sql_error,
        statement_not_allowed, read_only, table_exists, file_in_source,
        query_failed, not_a_key, link_type, link_matches_nothing, time_type, unknown_link, missing_table, clock_type,
        clock_cycle,
    )
}  # fmt: skip
