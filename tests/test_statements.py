"""The statements about what is kept: models and their versions, named targets, tables, scripts."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from shops import seed_shop

import pql
from pql.engine.answers.registry import Registry
from pql.language.errors import PqlError

QUERY = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id"
RATE = f"{QUERY} WITH (model = rate)"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("shop")
    for name, table in seed_shop(customers=40, purchases=1200).items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


@pytest.fixture
def db(folder: Path) -> Iterator[pql.Session]:
    with pql.connect(folder) as session:
        yield session


def last(db: pql.Session, script: str, params: Any = None) -> Any:
    *_, answer = db.run(script, params)
    return answer


def rows(answer: Any) -> list[dict[str, Any]]:
    return answer.to_arrow_table().to_pylist()


def code_of(db: pql.Session, script: str, params: Any = None) -> str:
    with pytest.raises(PqlError) as error:
        list(db.run(script, params))
    return error.value.code


# ---------------------------------------------------------------- models


def test_models_are_made_listed_described_changed_and_dropped(db: pql.Session) -> None:
    earlier = QUERY + " AS OF 2023-09-01 WITH (model = rate)"
    made = rows(last(db, f"CREATE MODEL gone AS {earlier}; CREATE OR REPLACE MODEL gone AS {RATE}"))
    assert [(row["model"], row["version"], row["current"]) for row in made] == [("gone", 1, False), ("gone", 2, True)]
    assert made[0]["trained_as_of"] == dt.datetime(2023, 9, 1)
    assert made[1]["trained_as_of"] > made[0]["trained_as_of"]
    assert code_of(db, f"CREATE MODEL gone AS {RATE}") == "model_exists"

    described = last(db, "DESCRIBE MODEL gone")
    facts = {(row["part"], row["name"]): row["value"] for row in rows(described)}
    assert facts["model", "version"] == "2 of 2"
    assert facts["member", "rate"] == "1.000"
    assert len(facts["model", "data"]) == 64
    assert float(facts["metric", "rate, test, auroc"]) == 0.5
    for word in ("trained as of", "Metrics", "Versions", "2023-09-01"):
        assert word in str(described)

    metrics = last(db, "SHOW METRICS FOR MODEL gone")
    assert metrics.columns == db.evaluate(RATE).columns
    assert {"valid", "test"} <= {row["split"] for row in rows(metrics)}

    changed = rows(last(db, "ALTER MODEL gone USE VERSION 1"))
    assert [row["current"] for row in changed] == [True, False]
    assert code_of(db, "ALTER MODEL gone USE VERSION 3") == "unknown_version"
    assert code_of(db, "SHOW RULES FOR MODEL gone") == "no_rules"
    assert rows(last(db, "DROP MODEL gone")) == []
    for statement in (
        "DESCRIBE MODEL gone",
        "DROP MODEL gone",
        "SHOW METRICS FOR MODEL gone",
        "SHOW RULES FOR MODEL x",
    ):
        assert code_of(db, statement) == "unknown_model"


def test_a_model_never_answers_for_a_moment_before_what_it_has_seen(db: pql.Session) -> None:
    list(db.run(f"CREATE MODEL gone AS {QUERY} AS OF 2023-09-01 WITH (model = rate)"))
    asked = QUERY + " AS OF {} USING MODEL gone WITH (model = rate)"
    assert len(db.predict(asked.format("2023-09-01"))) > 0
    assert len(db.predict(asked.format("2023-10-01"))) > 0
    with pytest.raises(PqlError) as error:
        db.predict(asked.format("2023-08-31"))
    assert error.value.code == "model_from_the_future"
    assert "2023-09-01" in str(error.value)
    assert "^^^^^^^^^^^^^^^^" in str(error.value)


# ---------------------------------------------------------------- targets


def test_a_defined_target_is_kept_and_its_reading_is_shown(db: pql.Session, folder: Path) -> None:
    list(db.run("DEFINE TARGET quiet AS COUNT(orders.*, 0, :days, days) = 0", {"days": 30}))
    with pql.connect(folder) as later:
        result = later.predict("PREDICT quiet FOR EACH customers.customer_id WITH (model = rate)")
    assert result.to_arrow_table().equals(db.predict(RATE).to_arrow_table())
    assert str(result).startswith("read as: PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id")
    shown = rows(last(db, "SHOW TARGETS"))
    assert shown == [{"target": "quiet", "stands_for": "COUNT(orders.*, 0, 30, days) = 0", "task": None}]
    assert rows(last(db, "DROP TARGET QUIET")) == []
    assert code_of(db, "DROP TARGET quiet") == "unknown_target"
    assert code_of(db, "PREDICT quiet FOR EACH customers.customer_id") == "unknown_target"


def test_a_defined_target_brings_its_task_and_shadows_the_transparent_reading(db: pql.Session) -> None:
    explain = "EXPLAIN BOUND PREDICT {} FOR EACH customers.customer_id"
    script = "DEFINE TARGET next_product AS LIST_DISTINCT(orders.product_id, 0, 7, days) RANK TOP 3"
    before = str(last(db, explain.format("next_product")))
    assert "the best 10" in before
    after = str(last(db, f"{script}; {explain.format('next_product')}"))
    assert "the best 3" in after
    assert "LIST_DISTINCT(ORDERS.PRODUCT_ID, 0, 7, days)" in after
    assert "the best 2" in str(last(db, explain.format("next_product RANK TOP 2")))


def test_a_model_keeps_what_its_target_stood_for(db: pql.Session) -> None:
    quiet = "DEFINE TARGET quiet AS COUNT(orders.*, 0, 30, days) = 0"
    query = "PREDICT quiet FOR EACH customers.customer_id WITH (model = rate)"
    made = rows(last(db, f"{quiet}; CREATE MODEL m AS {query}; DROP TARGET quiet; SHOW MODELS"))
    assert "COUNT(orders.*, 0, 30, days) = 0" in made[0]["query"]


def test_definitions_that_no_query_could_use_are_refused(db: pql.Session) -> None:
    list(db.run("DEFINE TARGET gone AS churn_30d; DEFINE TARGET gone AS churn_30d"))
    for target, code in (
        ("gone AS churn_60d", "target_exists"),
        ("churn_30d AS gone", "cyclic_target"),
        ("me AS me", "cyclic_target"),
        ("x AS COUNT(nowhere.*, 0, 30, days)", "unknown_table"),
        ("x AS SUM(orders.nothing, 0, 30, days)", "unknown_column"),
        ("x AS nothing", "unknown_target"),
        ("x AS COUNT(orders.*, 0, :n, days)", "unbound_parameter"),
    ):
        assert code_of(db, f"DEFINE TARGET {target}") == code, target
    assert "NOT EXISTS(" in str(last(db, "EXPLAIN BOUND PREDICT gone FOR EACH customers.customer_id"))


# ---------------------------------------------------------------- EXPLAIN and EVALUATE


def test_explain_analyze_says_what_it_took_and_gave(db: pql.Session) -> None:
    list(db.run(RATE))  # kept: ANALYZE trains all the same
    explained = last(db, f"EXPLAIN ANALYZE {RATE}")
    measured = explained.to_json()["measured"]
    assert {"read", "graph", "predict", "all"} <= set(measured["seconds"])
    assert measured["seconds"]["all"] == pytest.approx(sum(v for k, v in measured["seconds"].items() if k != "all"))
    assert measured["rows"]["ORDERS"] == 1200
    assert not measured["model"]["loaded"]
    assert measured["predictions"] == len(db.predict(RATE))
    assert {"valid", "test"} <= {row["split"] for row in measured["metrics"]}
    text = str(explained)
    assert text.startswith("Query")
    for word in ("Measured", "took", "rows read    C", "model        rate", "auroc"):
        assert word in text
    assert "Measured" not in str(last(db, f"EXPLAIN {RATE}"))


@pytest.mark.parametrize("part", ["AST", "BOUND", "SQL", "GRAPH"])
def test_every_part_is_text_and_data(db: pql.Session, part: str) -> None:
    explained = last(db, f"EXPLAIN {part} {RATE}")
    assert str(explained)
    assert list(json.loads(json.dumps(explained.to_json(), allow_nan=False))) == [part.lower()]


def test_explain_json_is_valid_and_whole(db: pql.Session) -> None:
    explained = last(db, f"EXPLAIN ANALYZE JSON {RATE}")
    made = json.loads(str(explained))
    assert made == json.loads(json.dumps(explained.to_json(), allow_nan=False))
    assert {"query", "ast", "bound", "task", "split", "graph", "model", "output", "labels", "sql"} < set(made)


@pytest.mark.parametrize(
    "query", [QUERY, "PREDICT LIST_DISTINCT(orders.product_id, 0, 30, days) RANK TOP 3 FOR EACH customers.customer_id"]
)
def test_several_test_anchors_are_measured_each_and_together(db: pql.Session, query: str) -> None:
    model = "popularity" if "RANK" in query else "rate"
    rows_ = rows(db.evaluate(f"EVALUATE {query} WITH (model = {model}) AT 2023-10-01, 2023-12-01"))
    splits = list(dict.fromkeys(row["split"] for row in rows_ if "past rows" not in row["split"]))
    assert splits == ["valid", "test", "test 2023-10-01", "test 2023-12-01"]
    n = {row["split"]: row["n"] for row in rows_ if "(new)" not in row["metric"]}
    assert n["test"] == n["test 2023-10-01"] + n["test 2023-12-01"]
    once = rows(db.evaluate(f"EVALUATE {query} WITH (model = {model}) AT 2023-12-01"))
    assert {row["split"] for row in once if "past rows" not in row["split"]} == {"valid", "test"}


def test_a_kept_model_is_not_measured_at_anchors_it_may_know(db: pql.Session) -> None:
    list(db.run(f"CREATE MODEL gone AS {RATE}"))
    asked = f"EVALUATE {QUERY} USING MODEL gone WITH (model = rate)"
    assert len(db.evaluate(asked)) > 0
    assert code_of(db, f"{asked} AT 2023-10-01") == "clause_conflict"


def test_measures_go_by_no_ids(db: pql.Session) -> None:
    query = QUERY.replace("FOR EACH customers.customer_id", "FOR customers.customer_id = 'c1'")
    with pytest.raises(PqlError) as error:
        db.evaluate(f"EVALUATE {query} WITH (model = rate)")
    assert error.value.code == "no_effect"
    assert error.value.fix is not None
    assert len(db.evaluate(error.value.fix)) > 0


# ---------------------------------------------------------------- tables


def test_tables_are_listed_and_described(db: pql.Session) -> None:
    shown = {row["table"]: row for row in rows(last(db, "SHOW TABLES"))}
    assert shown["ORDERS"]["kind"] == "fact"
    assert shown["ORDERS"]["rows"] == 1200
    assert "CUSTOMERS" in shown["ORDERS"]["points_to"]
    described = last(db, "DESCRIBE order")
    columns = {row["column"]: row for row in rows(described)}
    assert columns["CUSTOMER_ID"]["role"] == "-> CUSTOMERS.CUSTOMER_ID"
    assert columns["CUSTOMER_ID"]["distinct"] == 38
    assert columns["CUSTOMER_ID"]["null_share"] == 0.0
    assert "clock" in {row["role"] for row in columns.values()}
    assert "links" in str(described)
    assert code_of(db, "DESCRIBE nowhere") == "unknown_table"


def test_a_virtual_table_is_described_too() -> None:
    import pyarrow as pa

    days = [dt.datetime(2024, 1, 1) + dt.timedelta(days=i) for i in range(100)]
    visits = pa.table({"visit_id": range(100), "patient_id": [i % 9 for i in range(100)], "at": days})
    with pql.connect({"visits": visits}) as db:
        shown = {row["table"]: row["kind"] for row in rows(last(db, "SHOW TABLES"))}
        assert shown == {"visits": "fact", "patient": "virtual"}
        described = last(db, "DESCRIBE patient")
        assert rows(described)[0]["role"] == "key"
        assert "visits.patient_id" in str(described)


# ---------------------------------------------------------------- scripts


def test_a_script_answers_one_after_another_up_to_the_fault(db: pql.Session) -> None:
    script = "-- first\nSHOW TABLES;;\n/* second */ SHOW TARGETS;\n# third\n  DESCRIBE nowhere;\nSHOW MODELS;"
    running = db.each(script)
    answers = [next(running), next(running)]
    with pytest.raises(PqlError) as error:
        next(running)
    assert [answer.columns[0] for answer in answers] == ["table", "target"]
    assert error.value.code == "unknown_table"
    assert "Statement 3 of 4" in str(error.value)
    assert "line 5, column 12" in str(error.value)


def test_a_script_that_cannot_be_read_runs_not_at_all(db: pql.Session) -> None:
    with pytest.raises(PqlError):
        next(iter(db.run("DEFINE TARGET t AS churn_30d;\nSHOW NONSENSE")))
    assert rows(last(db, "SHOW TARGETS")) == []


def test_the_question_marks_of_a_script_are_counted_through(db: pql.Session) -> None:
    one = "EXPLAIN BOUND PREDICT COUNT(orders.*, 0, ?) FOR EACH customers.customer_id"
    first, second = db.run(f"{one}; {one} WHERE age > ?", [7, 14, 30])
    assert "COUNT(ORDERS.*, 0, 7, days)" in str(first)
    assert "COUNT(ORDERS.*, 0, 14, days)" in str(second)
    assert "> 30" in str(second)
    assert code_of(db, f"{one}; {one}", [7]) == "unbound_parameter"


# ---------------------------------------------------------------- what is kept


def test_two_sessions_see_what_the_other_says(folder: Path) -> None:
    with pql.connect(folder) as one, pql.connect(folder) as two:
        list(one.run("DEFINE TARGET a AS churn_30d"))
        list(two.run("DEFINE TARGET b AS churn_60d"))
        assert [row["target"] for row in rows(last(one, "SHOW TARGETS"))] == ["a", "b"]
        list(one.run("NO TIME customers"))
        assert "NO TIME CUSTOMERS" in str(two.graph())
        two.forget_overrides()
        assert "declared" not in str(one.graph())


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"a": "SHOW TABLES"}', '{"a": 3}', '{"a": "DEFINE TARGET"}', "[[", "\xff"]
)
def test_kept_targets_that_are_none_are_refused(db: pql.Session, home: Path, text: str) -> None:
    list(db.run("DEFINE TARGET a AS churn_30d"))
    (kept,) = home.rglob("targets.json")
    kept.write_bytes(text.encode("latin-1"))
    assert code_of(db, "SHOW TARGETS") == "registry_corrupt"
    assert code_of(db, "PREDICT a FOR EACH customers.customer_id") == "registry_corrupt"


def test_kept_overrides_that_are_none_are_refused(db: pql.Session, home: Path) -> None:
    list(db.run("NO TIME customers"))
    (kept,) = home.rglob("overrides.json")
    kept.write_text(json.dumps({"links": 1}))
    assert code_of(db, "SHOW GRAPH") == "registry_corrupt"


def test_a_session_that_waits_too_long_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pql.engine.answers.registry.PATIENCE", 0.05)
    registry = Registry("frames:x", tmp_path)
    with registry._locked(), pytest.raises(PqlError) as error:
        Registry("frames:x", tmp_path).change_notes("targets", lambda kept: {})
    assert error.value.code == "registry_busy"
