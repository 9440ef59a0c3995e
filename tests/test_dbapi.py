"""What PEP 249 asks of a module, a connection and a cursor, and what tools that speak it make of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from shops import seed_shop

import pql
import pql.dbapi as dbapi
from pql.language.codes import CODES
from pql.language.errors import PqlError

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id WITH (model = entity_mean)"
SPEND = "PREDICT SUM(orders.amount, 0, 30, days) FOR customers.customer_id IN ({}) WITH (model = entity_mean)"


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dbapi.Connection]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(tmp_path_factory.mktemp("home")))
        with dbapi.connect(seed_shop()) as connection:
            yield connection


@pytest.fixture
def cur(con: dbapi.Connection) -> Iterator[dbapi.Cursor]:
    with con.cursor() as cursor:
        yield cursor


def test_the_module_says_what_it_is() -> None:
    assert (dbapi.apilevel, dbapi.threadsafety, dbapi.paramstyle) == ("2.0", 2, "qmark")
    assert set(dbapi.__all__) <= set(dir(dbapi))


def test_exceptions_form_the_tree_of_the_standard(con: dbapi.Connection) -> None:
    assert issubclass(dbapi.Warning, Exception)
    assert issubclass(dbapi.InterfaceError, dbapi.Error)
    assert issubclass(dbapi.DatabaseError, dbapi.Error)
    for name in (
        *("DataError", "OperationalError", "IntegrityError"),
        *("InternalError", "ProgrammingError", "NotSupportedError"),
    ):
        assert issubclass(getattr(dbapi, name), dbapi.DatabaseError)
        assert getattr(con, name) is getattr(dbapi, name)


def test_a_prediction_is_fetched_like_any_rows(cur: dbapi.Cursor) -> None:
    assert (cur.description, cur.rowcount, cur.arraysize) == (None, -1, 1)
    assert cur.execute(CHURN) is cur
    names = [column[0] for column in cur.description or []]
    assert names == ["CUSTOMER_ID", "anchor", "probability", "prediction"]
    assert all(len(column) == 7 for column in cur.description or [])
    first, two = cur.fetchone(), cur.fetchmany(2)
    cur.arraysize = 3
    three, rest = cur.fetchmany(), cur.fetchall()
    assert [first, *two, *three, *rest] == list(cur.result)
    assert cur.rowcount == len(cur.result)
    assert cur.fetchone() is None
    assert cur.fetchmany(5) == cur.fetchall() == []
    assert "auroc" in str(cur.result.metrics)


def test_types_are_compared_with_the_type_objects(cur: dbapi.Cursor) -> None:
    cur.execute("SELECT 1::BIGINT n, 'a' s, TIMESTAMP '2024-01-01' t, DATE '2024-01-01' d, '\\xAA'::BLOB b, 1.5 f")
    kinds = [column[1] for column in cur.description or []]
    wanted = [dbapi.NUMBER, dbapi.STRING, dbapi.DATETIME, dbapi.DATETIME, dbapi.BINARY, dbapi.NUMBER]
    assert kinds == wanted
    assert kinds[0] != dbapi.STRING
    assert dbapi.Date(2024, 1, 2) == dt.date(2024, 1, 2)
    assert dbapi.Timestamp(2024, 1, 2, 3, 4, 5) == dt.datetime(2024, 1, 2, 3, 4, 5)
    stamp = dbapi.TimestampFromTicks(86400.0)
    assert (dbapi.DateFromTicks(86400.0), dbapi.TimeFromTicks(86400.0)) == (stamp.date(), stamp.time())
    assert dbapi.Binary(b"x") == b"x"


def test_a_cursor_is_its_rows(cur: dbapi.Cursor) -> None:
    assert [row[0] for row in cur.execute("SELECT CUSTOMER_ID FROM CUSTOMERS ORDER BY 1 LIMIT 3")] == [0, 1, 2]


def test_parameters_are_values(cur: dbapi.Cursor) -> None:
    rows = cur.execute(SPEND.format("?, ?"), [3, 4]).fetchall()
    assert {row[0] for row in rows} == {3, 4}
    assert cur.execute(SPEND.format(":a, :b"), {"a": 3, "b": 4}).fetchall() == rows
    assert cur.execute("SELECT NAME FROM CUSTOMERS WHERE NAME = ?", ["x' OR '1'='1"]).fetchall() == []
    with pytest.raises(dbapi.ProgrammingError) as caught:
        cur.execute(SPEND.format("?, ?"), [3])
    assert caught.value.code == "unbound_parameter"


def test_many_sets_of_parameters_give_the_rows_of_all(cur: dbapi.Cursor) -> None:
    cur.executemany(SPEND.format("?"), [[3], [4], [5]])
    assert [row[0] for row in cur] == [3, 4, 5]
    assert cur.rowcount == 3
    assert cur.executemany(SPEND.format("?"), []).fetchall() == []


def test_plans_and_graphs_are_lines(cur: dbapi.Cursor) -> None:
    lines = [line for (line,) in cur.execute(f"EXPLAIN {CHURN}")]
    assert any("binary" in line for line in lines)
    assert cur.execute("SHOW GRAPH").fetchone() == ("tables",)


FAULTS = {
    "PREDICT COUNT(ordrs.*, 0, 30, days) FOR EACH customers.customer_id": (dbapi.ProgrammingError, "unknown_table"),
    "SELECT 1; SELECT 2": (dbapi.ProgrammingError, "several_statements"),
    "SELECT nothing FROM customers": (dbapi.ProgrammingError, "sql_error"),
    "PREDICT COUNT(orders.*, 0, 9, years) FOR EACH customers.customer_id": (dbapi.DataError, "insufficient_history"),
    f"CREATE TABLE churn AS {CHURN}": (dbapi.OperationalError, "read_only"),
    "DROP MODEL nobody": (dbapi.ProgrammingError, "unknown_model"),
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults_keep_their_code_hint_and_place(cur: dbapi.Cursor, text: str) -> None:
    kind, code = FAULTS[text]
    cur.execute("SELECT 1")
    with pytest.raises(kind) as caught:
        cur.execute(text)
    error = caught.value
    assert error.code == code
    assert error.hint
    assert isinstance(error.__cause__, PqlError)
    assert str(error) == str(error.pql_error)
    assert cur.description is None  # the rows of an earlier statement are gone
    with pytest.raises(dbapi.ProgrammingError):
        cur.fetchall()


def test_every_code_is_a_database_error() -> None:
    from pql.faces.dbapi_errors import translated

    kinds = {code: type(translated(PqlError(code, "x"))) for code in CODES}
    assert all(issubclass(kind, dbapi.DatabaseError) for kind in kinds.values())
    assert kinds["not_supported"] is dbapi.NotSupportedError
    assert kinds["source_locked"] is dbapi.OperationalError
    assert kinds["stopped"] is dbapi.OperationalError


def test_a_source_that_is_not_there_is_an_operational_error(tmp_path: Path) -> None:
    with pytest.raises(dbapi.OperationalError) as caught:
        dbapi.connect(tmp_path / "nothing.duckdb")
    assert caught.value.code == "source_not_found"


def test_what_is_closed_answers_no_more() -> None:
    con = dbapi.connect(seed_shop(purchases=50))
    cur = con.cursor()
    cur.close()
    cur.close()
    for misuse in (cur.fetchone, cur.fetchall, lambda: cur.execute("SELECT 1"), lambda: next(cur)):
        with pytest.raises(dbapi.Error, match="closed"):
            misuse()
    other = con.cursor()
    con.commit()
    con.rollback()
    con.close()
    con.close()
    for misuse in (con.cursor, con.commit, con.rollback, lambda: other.execute("SELECT 1")):
        with pytest.raises(dbapi.Error, match="closed"):
            misuse()


def test_a_session_given_stays_open() -> None:
    with pql.connect(seed_shop(purchases=50)) as db:
        with dbapi.connect(db) as con:
            assert con.session is db
        assert list(db.sql("SELECT 1")) == [(1,)]


@pytest.mark.filterwarnings("ignore:pandas only supports SQLAlchemy")
def test_pandas_reads_a_prediction(con: dbapi.Connection) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_sql(SPEND.format("?, ?"), con, params=[3, 4])
    assert set(frame["CUSTOMER_ID"]) == {3, 4}
    assert frame["anchor"].dtype.kind == "M"
    with pytest.raises((dbapi.DatabaseError, pandas.errors.DatabaseError), match="unknown_table"):
        pandas.read_sql("PREDICT COUNT(ordrs.*, 0, 30, days) FOR EACH customers.customer_id", con)


def test_values_that_no_parameter_takes_are_refused(cur: dbapi.Cursor) -> None:
    for text, given in (
        (SPEND.format("?"), [1, 2]),
        (CHURN, [1]),
        ("SELECT 1", [1]),
        ("SELECT ? + 1", [1, 2]),
        (SPEND.format(":one"), {"one": 1, "other": 2}),
        (f"SELECT count(*) FROM ({SPEND.format(':one')}) WHERE 1 = :x", {"one": 1, "x": 1, "other": 2}),
    ):
        with pytest.raises(dbapi.ProgrammingError) as caught:
            cur.execute(text, given)
        assert caught.value.code == "unused_parameter", text
    assert "2 values were given, and the text has one parameter ?" in _fault(cur, SPEND.format("?"), [1, 2])
    assert "no parameter :other" in _fault(cur, SPEND.format(":one"), {"one": 1, "other": 2})
    assert cur.execute(CHURN, []).rowcount > 0
    assert cur.execute(f"SELECT count(*) FROM ({SPEND.format(':one')}) WHERE 1 = :x", {"one": 1, "x": 1}).fetchall()
    missing = {"other": 2}  # what lacks a value is said first
    with pytest.raises(dbapi.ProgrammingError) as caught:
        cur.execute(SPEND.format(":one"), missing)
    assert caught.value.code == "unbound_parameter"


def _fault(cur: dbapi.Cursor, text: str, given: object) -> str:
    with pytest.raises(dbapi.ProgrammingError) as caught:
        cur.execute(text, given)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_script_shares_its_values_among_all_statements(con: dbapi.Connection) -> None:
    one = SPEND.format("?")
    assert len(con.session.run(f"{one}; {one}", [1, 2])) == 2
    with pytest.raises(PqlError, match="3 values were given, and the text has 2 parameters"):
        con.session.run(f"{one}; {one}", [1, 2, 3])
    with pytest.raises(PqlError) as caught:
        con.session.validate(f"{one}; {one}", [1, 2, 3])
    assert caught.value.code == "unused_parameter"


def test_a_name_without_its_quotes_is_repaired_as_at_the_prompt() -> None:
    tables = {"order items": {"id": [1, 2], "at": [dt.datetime(2024, 1, 1), dt.datetime(2024, 2, 1)]}}
    frames = {name: pa.table(columns) for name, columns in tables.items()}
    with dbapi.connect(frames) as con, con.cursor() as cur:
        with pytest.raises(dbapi.ProgrammingError) as caught:
            cur.execute("PREDICT COUNT(order items.*, 0, 30, days) FOR EACH order items.id")
        assert "`order items`" in str(caught.value)
