"""What Python programs give: texts, parameters, moments, numbers of rows. Wrong ones are errors with a code."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pytest
from shops import seed_shop

import pql

CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id WITH (model = entity_mean)"
SPEND = "PREDICT SUM(orders.amount, 0, 30, days) FOR customers.customer_id IN {} WITH (model = entity_mean)"


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pql.Session]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PQL_HOME", str(tmp_path_factory.mktemp("home")))
        with pql.connect(seed_shop()) as session:
            yield session


def code(ask: Callable[[], object]) -> str:
    with pytest.raises(pql.PqlError) as caught:
        ask()
    return caught.value.code


@pytest.mark.parametrize("text", [123, None, b"SHOW TABLES"])
def test_a_query_is_a_text(db: pql.Session, text: object) -> None:
    for ask in (db.predict, db.explain, db.plan, db.evaluate, db.labels, db.sql, db.validate, db.run, pql.parse):
        assert code(lambda: ask(text)) == "not_a_text"  # noqa: B023


def test_parameters_are_a_sequence_or_a_mapping(db: pql.Session) -> None:
    for given in ("1", 1, b"1"):
        assert code(lambda: db.predict(SPEND.format("(?)"), given)) == "parameter_type"  # noqa: B023
        assert code(lambda: db.sql("SELECT ?", given)) == "parameter_type"  # noqa: B023


def test_lists_may_be_arrays_and_series_and_scalars_any_library_s(db: pql.Session) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for values in (
        [1, 2],
        (1, 2),
        {1, 2},
        np.array([1, 2]),
        pa.array([1, 2]),
        pandas.Series([1, 2]),
        polars.Series([1, 2]),
    ):
        assert [row[0] for row in db.predict(SPEND.format("?"), [values])] == [1, 2]
        assert db.sql(
            "SELECT count(*) FROM customers WHERE customer_id IN (SELECT unnest(?))", [values]
        ).fetchone() == (2,)
    nanoseconds = np.datetime64("2024-01-01T10:00", "ns")
    row = db.sql("SELECT ?, ?, ?", [np.int64(3), pandas.NA, nanoseconds]).fetchone()
    assert row == (3, None, dt.datetime(2024, 1, 1, 10))
    assert (
        db.plan(CHURN, as_of=nanoseconds).split.prediction == db.plan(CHURN, as_of="2024-01-01 10:00").split.prediction
    )
    assert code(lambda: db.predict(SPEND.format("(?)"), [pandas.NaT])) == "null_comparison"
    assert code(lambda: db.predict(SPEND.format("(?)"), [object()])) == "parameter_type"


def test_numbers_of_rows_and_their_places_are_checked(db: pql.Session) -> None:
    result = db.predict(CHURN)
    assert set(result.why(np.int64(2)).to_arrow_table()[0].to_pylist()) == {row[0] for row in result.fetchmany(2)}
    for ask in (
        *(lambda: result.why("a"), lambda: result.why(0), lambda: result.why(True), lambda: result.why(1, most=0)),
        *(lambda: result.why_rows([1000]), lambda: result.why_rows("a"), lambda: result.why_rows([-1])),
        *(lambda: result.importance(rows="x"), lambda: result.importance("weekday")),
    ):
        assert code(ask) == "bad_reason_argument"


def test_what_format_takes_is_said() -> None:
    assert pql.format(pql.parse("show tables")) == "SHOW TABLES"
    with pytest.raises(TypeError, match=r"pql\.parse\(text\)"):
        pql.format("show tables")  # type: ignore[arg-type]


def test_label_tables_name_the_nearest_and_one_column_may_be_ignored(db: pql.Session) -> None:
    rows = {"CUSTOMER_ID": [1, 2] * 9, "when": ["2023-06-01"] * 18, "y": [0, 1] * 9}
    asked = {"target": "y", "time": "when", "horizon": "30 days", "model": "entity_mean"}
    with pytest.raises(pql.PqlError, match="Did you mean CUSTOMERS") as caught:
        db.fit(rows, entity="custmers.customer_id", **asked)
    assert caught.value.code == "unknown_table"
    with pytest.raises(pql.PqlError, match="Did you mean AMOUNT"):
        db.fit(rows, entity="customers.customer_id", ignoring="orders.amont", **asked)


def test_options_are_a_mapping() -> None:
    assert code(lambda: pql.connect(seed_shop(), options="budget")) == "bad_option_value"


def test_values_show_themselves_in_a_few_words(db: pql.Session) -> None:
    assert repr(db).startswith("<pql.Session: frames:")
    assert repr(db.evaluate(CHURN)).startswith("<pql.Evaluation: entity_mean")
    assert repr(db.labels(CHURN)).startswith("<pql.Report: 9")
    assert repr(db.predict(CHURN).why(1)).startswith("<pql.Why: ")
    assert repr(db.explain(CHURN)).startswith("Query\n")  # what a Python prompt shows
    assert repr(db.graph()).startswith("tables\n")
