"""PREDICT inside SQL as users run it: joined, filtered, aggregated, written, over every kind of source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from shops import hostile_shop, seed_shop
from sql_sessions import SPEND, Q, file_of, fill, refused, two_tables

import pql


@pytest.fixture(scope="module")
def tables():
    return two_tables()


@pytest.fixture(scope="module")
def db(tables) -> Iterator[pql.Session]:
    with pql.connect(tables) as session:
        yield session


@pytest.fixture(scope="module")
def shop() -> Iterator[pql.Session]:
    with pql.connect(seed_shop(customers=30, purchases=600)) as session:
        yield session


@pytest.fixture
def file(tables, tmp_path: Path) -> Path:
    return file_of(tables, tmp_path)


# ---------------------------------------------------------------- reading


def test_predictions_are_joined_filtered_and_ordered(db: pql.Session, tables) -> None:
    result = db.sql(
        f"SELECT customer_id, c.name, p.probability FROM ({Q}) p JOIN customers c USING (customer_id) "
        "WHERE p.probability > 0.3 ORDER BY p.probability DESC, customer_id"
    )
    alone = [row for row in db.predict(Q) if row[2] > 0.3]
    assert 0 < len(alone) < 30
    assert [(row[0], row[2]) for row in result] == sorted(
        ((row[0], row[2]) for row in alone), key=lambda row: (-row[1], row[0])
    )
    assert all(row[1] == f"Customer {row[0]}" for row in result)
    assert "quality: " in result.shown()
    assert result.predictions[0].metrics.rows


PLACES = [
    "SELECT count(*) FROM (Q)",
    "FROM (Q) SELECT count(*)",
    "WITH p AS (Q) SELECT count(*) FROM p",
    "WITH p AS (SELECT * FROM (Q) WHERE TRUE), q AS (FROM p) SELECT count(*) FROM q",
    "SELECT count(*) FROM customers WHERE customer_id IN (SELECT customer_id FROM (Q))",
    "SELECT count(*) FROM ((Q) UNION (SELECT * FROM (Q)))",
    "SELECT count(*) FROM customers c, LATERAL (SELECT * FROM (Q) p WHERE p.customer_id = c.customer_id)",
    "SELECT (SELECT count(*) FROM (Q)) AS n",
    "SELECT count(*) FROM customers c WHERE EXISTS (SELECT 1 FROM (Q) p WHERE p.customer_id = c.customer_id)",
    "PIVOT (SELECT 1 AS one FROM (Q)) ON one USING count(*)",
]


def test_a_query_stands_wherever_a_table_may_stand(db: pql.Session) -> None:
    parts = ", ".join(f"({text})" for text in PLACES).replace("(Q)", f"({Q})")
    result = db.sql(f"SELECT {parts}")
    assert result.fetchall() == [(len(result.predictions[0]),) * len(PLACES)]
    assert len(result.predictions) == len(PLACES) + 1


def test_several_queries_in_one_statement(db: pql.Session) -> None:
    result = db.sql(
        f"SELECT customer_id, a.probability * b.prediction AS risk FROM ({Q}) a JOIN ({SPEND}) b USING (customer_id)"
    )
    churn = {row[0]: row[2] for row in db.predict(Q)}
    spend = {row[0]: row[2] for row in db.predict(SPEND)}
    assert {row[0]: row[1] for row in result} == pytest.approx({k: churn[k] * spend[k] for k in churn})
    assert [one.plan.task.kind for one in result.predictions] == ["binary", "regression"]
    assert result.shown().count("quality (query ") == 2


def test_the_same_query_is_answered_once(db: pql.Session) -> None:
    other = Q.replace("FOR EACH customers.customer_id", "for  each customers.customer_id")
    result = db.sql(f"SELECT count(*) FROM ({Q}) a JOIN (/* again */ {other}) b USING (customer_id)")
    assert result.predictions[0] is result.predictions[1]


def test_order_and_limit_around_a_ranking(shop: pql.Session) -> None:
    top = KINDS[0].replace("TOP 2", "TOP 3")
    rows = shop.sql(
        f"SELECT product_id, product_name, count(*) n FROM ({top}) JOIN products USING (product_id) "
        "GROUP BY ALL ORDER BY n DESC, product_id LIMIT 2"
    ).fetchall()
    assert len(rows) == 2
    assert all(name == f"Product {key}" and n > 0 for key, name, n in rows)


def test_without_a_query_it_is_plain_sql(db: pql.Session) -> None:
    assert db.sql("SELECT count(*) FROM orders").fetchall() == [(600,)]
    assert db.sql("VALUES (1, 'a')").fetchall() == [(1, "a")]
    result = db.sql("SELECT 1 AS a, 2 AS a, 3 AS predict, '(PREDICT' AS s")
    assert (result.columns, result.fetchall()) == (["a", "a_1", "predict", "s"], [(1, 2, 3, "(PREDICT")])
    assert result.df().shape == (1, 4)
    assert result.predictions == ()


def test_a_query_alone_and_a_script(db: pql.Session) -> None:
    assert db.sql(Q).fetchall() == db.predict(Q).fetchall()
    first, second = db.run(f"SELECT count(*) FROM orders; SELECT customer_id FROM ({Q}) LIMIT 1;")
    assert first.fetchall() == [(600,)]
    assert second.fetchall() == [(db.predict(Q).fetchall()[0][0],)]


def test_describe_explain_and_summarize_speak_of_the_result(db: pql.Session) -> None:
    assert [row[0] for row in db.sql(f"DESCRIBE SELECT * FROM ({Q})")] == db.predict(Q).columns
    (explained,) = db.sql(f"EXPLAIN SELECT * FROM ({Q}) JOIN customers USING (customer_id)")
    assert "join" in explained[1].lower()
    assert "\n│" in db.sql("EXPLAIN SELECT * FROM customers").shown()
    assert [row[0] for row in db.sql(f"SUMMARIZE SELECT * FROM ({Q})")] == db.predict(Q).columns


def test_columns_are_called_after_the_text(db: pql.Session) -> None:
    assert db.sql("SELECT ?, ? + 1 AS b", [1, 2]).columns == ["?", "b"]


def test_parameters_inside_and_around(db: pql.Session) -> None:
    text = f"SELECT customer_id FROM ({Q.replace('= 0', '> :least')}) p WHERE p.probability >= :p LIMIT $n"
    named = db.sql(text, {"least": 0, "p": 0.2, "n": 4}).fetchall()
    assert len(named) == 4
    listed = text.replace(":least", "?").replace(":p ", "? ").replace("$n", "?")
    assert db.sql(listed, [0, 0.2, 4]).fetchall() == named
    assert db.sql("SELECT :s AS s, :s = 'x' AS same", {"s": "'; DROP TABLE orders --"}).fetchall() == [
        ("'; DROP TABLE orders --", False)
    ]
    assert db.sql("SELECT count(*) FROM customers WHERE customer_id IN :ids", {"ids": [1, 2, 99]}).fetchall() == [(2,)]
    assert refused(db, text, {"least": 0, "n": 1}).code == "unbound_parameter"
    assert refused(db, text, {"p": 0, "n": 1}).code == "unbound_parameter"


def test_as_of_inside_is_its_own_moment(db: pql.Session) -> None:
    early = Q.replace(" WITH", " AS OF '2023-10-01' WITH")
    rows = db.sql(f"SELECT min(a.anchor), min(b.anchor) FROM ({early}) a, ({Q}) b").fetchall()
    assert str(rows[0][0]) == "2023-10-01 00:00:00"
    assert rows[0][1] > rows[0][0]


# ---------------------------------------------------------------- sources


def test_every_source_gives_the_same(tables, file: Path, tmp_path: Path) -> None:
    text = f"SELECT customer_id, name, probability FROM ({Q}) JOIN customers USING (customer_id) ORDER BY ALL"
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, table in tables.items():
        if name == "CUSTOMERS":
            pyarrow.csv.write_csv(table, folder / f"{name}.csv")
        else:
            pq.write_table(table, folder / f"{name}.parquet")
    con = duckdb.connect()
    fill(con, tables)
    frames = {name: table.to_pandas() for name, table in tables.items()}
    given = duckdb.connect()
    for name, table in tables.items():
        given.register(name, table)
    answers = []
    for source in (tables, frames, file, folder, con, given):
        with pql.connect(source) as session:
            answers.append(session.sql(text).fetchall())
    assert len(answers[0]) > 20
    assert all(answer == answers[0] for answer in answers)
    assert con.sql("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [(0,)]
    assert con.execute("SELECT current_setting('errors_as_json')").fetchone() == (False,)


def test_tables_go_by_the_names_the_source_has(tables) -> None:
    con = duckdb.connect()
    fill(con, tables)
    con.execute('CREATE SCHEMA "my ""s"; CREATE TABLE "my ""s"."t;" AS SELECT 7 AS x')
    con.execute("ATTACH ':memory:' AS other; CREATE TABLE other.main.o AS SELECT 8 AS y")
    with pql.connect(con) as session:
        assert session.sql('SELECT x, y FROM "my ""s"."t;", other.o').fetchall() == [(7, 8)]
        con.execute('USE "my ""s"')
        assert session.sql('SELECT x FROM "t;"').fetchall() == [(7,)]
    frames = {
        **tables,
        'a"b': pa.table({"select": [1]}),
        "frame_0": pa.table({"z": [5]}),
        "csv_0": pa.table({"q": [6]}),
    }
    with pql.connect(frames) as session:
        assert session.sql('SELECT "select", z, q FROM "a""b", frame_0, csv_0').fetchall() == [(1, 5, 6)]


def test_names_of_our_own_variables_are_no_tables(file: Path, tables) -> None:
    for source in (file, tables, duckdb.connect(str(file), read_only=True)):
        with pql.connect(source) as session:
            for name in ("frames", "tables", "con", "made", "pa", "self"):
                assert refused(session, f"SELECT * FROM {name}").code == "sql_error"


def test_predictions_and_rows_come_from_one_moment(file: Path, tables) -> None:
    con = duckdb.connect(str(file))
    with pql.connect(con) as session:
        with con.cursor() as other:
            before = session.sql(f"SELECT count(*), max(o.n) FROM ({Q}), (SELECT count(*) n FROM orders) o").fetchall()
            other.execute("DELETE FROM orders WHERE order_id > 400")
        after = session.sql(f"SELECT count(*), max(o.n) FROM ({Q}), (SELECT count(*) n FROM orders) o").fetchall()
    assert (before[0][1], after[0][1]) == (600, 401)


def test_rows_written_meanwhile_are_not_seen(file: Path) -> None:
    con = duckdb.connect(str(file))

    class Meanwhile:
        """Adds a customer whenever a stage begins."""

        def __getattr__(self, name: str) -> Callable[..., None]:
            with con.cursor() as other:
                other.execute("INSERT INTO customers SELECT max(customer_id) + 1, 'late', 1 FROM customers")
            return lambda *args, **kwargs: None

    with pql.connect(con, listener=Meanwhile()) as session:
        text = f"SELECT count(*) FILTER (c.name = 'late') FROM customers c LEFT JOIN ({Q}) USING (customer_id)"
        assert session.sql(text).fetchall() == [(0,)]
    assert con.sql("SELECT count(*) > 0 FROM customers WHERE name = 'late'").fetchall() == [(True,)]


@pytest.mark.parametrize("kind", ["big", "string", "uuid"])
def test_hostile_names_ids_and_values(kind: str) -> None:
    query = 'PREDICT SUM("a""b".value, 0, 20, days) AS "say ""hi""" FOR EACH type.type_id WITH (model = entity_mean)'
    with pql.connect(hostile_shop(kind)) as session:
        rows = session.sql(
            f'SELECT p.type_id, t."select", p."say ""hi""" AS "x""y" FROM ({query}) p '
            'JOIN (SELECT DISTINCT ON (type_id) * FROM "type") t USING (type_id)'
        )
        assert rows.columns == ["type_id", "select", 'x"y']
        assert len(rows) > 20


@pytest.mark.parametrize(
    ("kind", "made"), [("UUID", "md5(customer_id::VARCHAR)::UUID"), ("HUGEINT", "customer_id + (1::HUGEINT << 70)")]
)
def test_keys_are_compared_in_the_types_the_database_stores(tables, kind: str, made: str) -> None:
    con = duckdb.connect()
    fill(con, tables)
    for name in tables:
        con.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * REPLACE (({made})::{kind} AS customer_id) FROM {name}")
    with pql.connect(con) as session:
        chosen = f"SELECT customer_id FROM ({Q})"
        text = f"SELECT count(*), any_value(typeof(customer_id)) FROM customers WHERE customer_id IN ({chosen})"
        ((count, shown),) = session.sql(text)
    assert (count > 20, shown) == (True, kind)


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("SELECT 'é',\n wrong FROM ({Q}) p", "sql_error", "wrong"),
        ("SELECT * FROM ({Q}) p\n WHERE p.probabilty > 0", "sql_error", "p.probabilty"),
        ("SELECT * FROM ({Q}) p JOIN costumers USING (customer_id)", "sql_error", "costumers"),
        ("SELECT * FROM ({Q}) p GROUP WHERE", "sql_error", "WHERE"),
        ("SELECT nofunction(1)", "sql_error", "nofunction"),
        ("SELECT 'x", "sql_error", "'x"),
        ("SELECT name::INT FROM customers", "sql_error", "::INT"),
        ("SELECT * FROM customers WHERE customer_id IN ({Q})", "sql_error", "({Q}"),
        ("SELECT * FROM {Q}", "sql_error", ""),
        ("SELECT 1;\n SELECT 2", "several_statements", "SELECT 2"),
        ("SELECT * FROM ({Q} ORDER BY probability)", "foreign_clause", "ORDER"),
        ("SELECT * FROM ({OTHER})", "unknown_table", "oders"),
        ("SELECT \ud800", "unexpected_character", "\ud800"),
        ("SELECT * FROM read_csv('/nowhere.csv')", "sql_error", ""),
    ],
)
def test_faults_have_a_code_and_a_place(db: pql.Session, text: str, code: str, place: str) -> None:
    text = text.replace("{Q}", Q).replace("{OTHER}", Q.replace("orders", "oders"))
    error = refused(db, text)
    assert error.code == code
    assert error.span is not None
    assert text[error.span.start :].startswith(place.replace("{Q}", Q))
    assert "pql_" not in error.message


def test_hints_say_what_to_do(db: pql.Session) -> None:
    assert "(SELECT customer_id FROM (PREDICT" in refused(db, f"SELECT * FROM customers WHERE 1 IN ({Q})").hint
    assert "brackets" in refused(db, f"SELECT * FROM {Q}").hint
    error = refused(db, f"SELECT probabilty FROM ({Q})")
    assert (error.hint, error.faults[0].nearest[0]) == ("Did you mean probability?", "probability")
    fix = refused(db, f"-- x\nSELECT * FROM ({Q.replace('orders', 'oders')}) p WHERE p.probability > 2").fix
    assert fix is not None
    assert db.sql(fix).fetchall() == []


def test_hints_of_the_language_about_sql_around_a_query_run(db: pql.Session) -> None:
    shapes = []
    for clause in ("ORDER BY probability", "LIMIT 10", "SELECT 1", "UNION SELECT 1"):
        hint = refused(db, Q.replace(" WITH", f" {clause} WITH")).hint
        shape = hint[hint.index("SELECT * FROM (PREDICT …)") :].split(";")[0]
        shapes.append(shape.replace("PREDICT …", Q).replace("BY …", "BY 3").replace("UNION …", f"UNION FROM ({Q})"))
    results = list(db.run(";".join(shapes)))
    assert [len(result) for result in results][1:] == [10, len(results[3]), len(results[3])]
    assert len(results[0]) >= 10


REFUSED = {"statement_not_allowed", "unknown_statement", "missing_word", "missing_brackets", "syntax"}


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO customers VALUES (1, 'x', 2)",
        "UPDATE customers SET age = 1",
        "DROP TABLE customers",
        "ATTACH 'x.duckdb'",
        "PRAGMA database_list",
        "INSTALL httpfs",
        "SET threads = 1",
        "COPY customers FROM 'x.csv'",
        "WITH a AS (DELETE FROM customers RETURNING *) SELECT * FROM a",
        "SELECT * FROM (WITH a AS (INSERT INTO customers VALUES (1, 'x', 2) RETURNING *) FROM a)",
        "EXPLAIN ANALYZE WITH a AS (DELETE FROM customers RETURNING *) SELECT * FROM a",
        "CREATE TEMP TABLE x AS SELECT 1",
        "CREATE TABLE x AS WITH a AS (DELETE FROM customers RETURNING *) SELECT * FROM a",
        "COPY (WITH a AS (DELETE FROM customers RETURNING *) SELECT * FROM a) TO '/tmp/never.csv'",
    ],
)
def test_only_reading_statements_run(file: Path, text: str) -> None:
    con = duckdb.connect(str(file))
    con.execute("BEGIN")
    with pql.connect(con, read_only=False) as session:
        assert refused(session, text).code in REFUSED
    assert con.sql("SELECT count(*), min(age) > 1 FROM customers").fetchall() == [(30, True)]


def test_names_are_looked_up_before_anything_is_trained(db: pql.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*args: object, **kwargs: object) -> None:
        raise AssertionError("a model is trained")

    monkeypatch.setattr("pql.pipeline.answer", train)
    for text, word in (
        (f"SELECT probabilty FROM ({Q})", "probabilty"),
        (f"SELECT * FROM ({Q}) p JOIN costumers USING (customer_id)", "costumers"),
        (f"SELECT * FROM ({Q}) p, ({SPEND}) s WHERE s.probability > 1", "s.probability"),
        (f"COPY (SELECT wrong FROM ({Q})) TO '/tmp/never.csv'", "wrong"),
        (f"SELECT * FROM customers WHERE customer_id IN ({Q})", f"({Q})"),
    ):
        error = refused(db, text)
        assert error.span is not None
        assert text[error.span.start : error.span.end] == word


KINDS = [
    "PREDICT LIST_DISTINCT(orders.product_id, 0, 30, days) RANK TOP 2 FOR EACH customers.customer_id "
    "WITH (model = popularity)",
    "PREDICT SUM(orders.amount, 0, 30, days) AS spent FOR customers.customer_id IN (1, 99) WITH (model = entity_mean)",
    "PREDICT FIRST(orders.product_id, 0, 30, days) FOR EACH customers.customer_id WITH (model = boosted, anchors = 2)",
    "PREDICT SUM(orders.amount, 0, 7, days) FORECAST 2 TIMEFRAMES FOR EACH customers.customer_id "
    "WITH (model = boosted, anchors = 2)",
    Q,
]


@pytest.mark.parametrize("query", KINDS)
def test_the_columns_known_before_training_are_those_of_the_result(query: str, shop: pql.Session) -> None:
    from pql.engine.answers.output import no_rows

    result = shop.predict(query)
    before = no_rows(result.plan).schema
    assert before.names == result.columns
    types = zip(before.types, result.to_arrow_table().schema.types, strict=True)
    assert all(expected in (pa.null(), found) for expected, found in types)


def test_ctrl_c_ends_a_long_statement(db: pql.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise RuntimeError("Query interrupted")

    with monkeypatch.context() as patch:
        patch.setattr("pql.backends.user_sql._distinct_names", interrupted)
        with pytest.raises(KeyboardInterrupt):
            db.sql("SELECT 1")
    assert db.sql("SELECT 1").fetchall() == [(1,)]
