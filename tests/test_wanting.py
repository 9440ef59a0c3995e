"""Errors for want of rows say which condition leaves how many, and which table is empty."""

from __future__ import annotations

import pyarrow as pa
import pytest
from clinic import FAST, SPEND, Tables, changed, clinic, fault

import pql
from pql.language.errors import PqlError


def missing() -> Tables:
    """Half of the users have no weight."""
    tables = clinic()
    weight = pa.array([None if i % 2 else float(i) for i in range(30)])
    return changed(tables, "users", weight=weight, limit=pa.array([15.0] * 30))


def test_every_condition_of_where_is_counted() -> None:
    error = fault(clinic(), f"{SPEND} WHERE users.age > 30 AND users.age < 40 AND COUNT(visits.*, -30, 0, days) > 90")
    assert error.code == "no_entities"
    ages = clinic()["users"]["age"].to_pylist()
    told = f"users.age > 30 holds for {sum(a > 30 for a in ages)}, users.age < 40 holds for {sum(a < 40 for a in ages)}"
    assert f"Of 30 rows of users there, {told}, COUNT(visits.*, -30, 0, days) > 90 holds for none." in error.message
    assert "all of it for none." in fault(clinic(), f"{SPEND} WHERE users.age > 50 AND users.age < 50").message


def test_a_condition_that_asks_for_missing_values_is_named() -> None:
    query = "PREDICT users.weight > users.limit FOR EACH users.user_id {} WITH (model = instant, cache = off)"
    error = fault(missing(), query.format("WHERE users.weight IS NULL"), "")
    assert error.code == "no_labels"
    assert "Of 30 rows of users in all, users.weight IS NULL holds for 15." in error.message
    assert "users.weight, which the target reads, has no value in 15 of 15." in error.message
    assert error.hint.startswith("Leave out users.weight IS NULL")
    with pql.connect(missing()) as db:  # what the hint promises
        assert len(db.predict(query.format("")).to_arrow_table()) == 30


def test_an_aggregate_of_no_rows_says_so_and_no_where_is_to_be_relaxed() -> None:
    error = fault(clinic(), "PREDICT AVG(visits.amount WHERE visits.amount > 1000, 0, 20, days) FOR EACH users.user_id")
    assert error.code == "no_labels"
    assert "AVG of a window that holds no such value is undefined." in error.message
    assert "WHERE" not in error.hint


def test_sql_around_a_query_says_the_same() -> None:
    query = f"{SPEND} WHERE users.age > 900 {FAST}"
    with pql.connect(clinic()) as db, pytest.raises(PqlError) as raised:
        db.sql(f"SELECT * FROM ({query})")
    assert "users.age > 900 holds for none" in raised.value.message


@pytest.mark.parametrize(("table", "said"), [("users", "The table users has no rows"), ("visits", "Visits has no row")])
def test_a_table_without_rows_is_what_is_wrong(table: str, said: str) -> None:
    tables = clinic()
    error = fault({**tables, table: tables[table].slice(0, 0)}, SPEND)
    assert error.code == "no_data"
    assert said in str(error)
