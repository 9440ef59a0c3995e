"""Values and times as they come: NULLs, infinities, odd types, clocks of every unit; no answer holds a NaN."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from clinic import COUNT, SPEND, changed, clinic, fault, ids, predict


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_columns_of_nulls_infinities_and_constants() -> None:
    tables = clinic()
    amount = tables["visits"].column("amount").to_pylist()
    amount[100:110], amount[110:120], amount[120:130], amount[130:140] = (
        [np.inf] * 10,
        [-np.inf] * 10,
        [np.nan] * 10,
        [None] * 10,
    )
    tables = changed(
        tables, "visits", amount=amount, nothing=pa.nulls(900, pa.float64()), same=[1] * 900, void=pa.nulls(900)
    )
    tables = changed(tables, "users", nothing=pa.nulls(30, pa.string()), huge=[1e308] * 29 + [-1e308])
    for target in (
        "SUM(visits.amount, 0, 20, days)",
        "MAX(visits.amount, 0, 20, days)",
        "AVG(visits.amount, 0, 20, days)",
    ):
        assert ids(predict(tables, f"PREDICT {target} FOR EACH users.user_id")) == set(range(30))


def test_a_target_of_nulls_only_has_no_labels() -> None:
    tables = changed(clinic(), "visits", nothing=pa.nulls(900, pa.float64()))
    assert fault(tables, "PREDICT AVG(visits.nothing, 0, 20, days) FOR EACH users.user_id").code == "no_labels"


def test_decimals_are_numbers() -> None:
    amount = [decimal.Decimal(i % 50) / 4 for i in range(900)]
    tables = changed(clinic(), "visits", amount=pa.array(amount, pa.decimal128(18, 4)))
    assert ids(predict(tables, SPEND)) == set(range(30))


def test_enums_are_categories() -> None:
    con = duckdb.connect()
    for name, table in clinic().items():
        con.register("given", table)
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    con.execute("CREATE TYPE kinds AS ENUM ('check', 'repair', 'sale')")
    con.execute("ALTER TABLE visits ALTER kind TYPE kinds")
    assert (
        len(predict(con, "PREDICT COUNT(visits.* WHERE visits.kind = 'sale', 0, 20, days) > 1 FOR EACH users.user_id"))
        == 30
    )
    result = predict(con, "PREDICT LAST(visits.kind, 0, 20, days) FOR EACH users.user_id")
    assert {row[2] for row in result} <= {"check", "repair", "sale"}


def test_columns_of_types_nobody_reads_do_no_harm() -> None:
    tables = changed(
        clinic(),
        "visits",
        tags=[["a", "b"]] * 900,
        raw=[b"\x00\xff"] * 900,
        place=[{"x": 1.0}] * 900,
        clock=pa.array([dt.time(12, 30)] * 900),
        took=pa.array([dt.timedelta(seconds=5)] * 900),
        done=[True, False] * 450,
        small=pa.array([1.5] * 900, pa.float32()),
        word=pa.array(["a", "b", "c"] * 300).dictionary_encode(),
    )
    assert ids(predict(tables, COUNT)) == set(range(30))


def test_rows_without_a_time_are_in_no_window() -> None:
    tables = clinic()
    when = tables["visits"].column("at").to_pylist()
    when[400:450] = [None] * 50
    assert ids(predict(changed(tables, "visits", at=pa.array(when, pa.timestamp("us"))), COUNT)) == set(range(30))


def test_a_clock_of_nulls_only_has_no_history() -> None:
    tables = changed(clinic(), "visits", at=pa.nulls(900, pa.timestamp("us")))
    assert fault(tables, COUNT).code in ("no_data", "missing_time_column")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_every_unit_and_zone_mean_the_same_moments(unit: str) -> None:
    tables = clinic()
    plain = predict(tables, COUNT)
    at = tables["visits"].column("at")
    seconds = at.cast(pa.int64()).to_pylist()
    zoned = pa.array([s // 10**6 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit] for s in seconds], pa.int64())
    zoned = zoned.cast(pa.timestamp(unit, "Europe/Berlin"))
    assert predict(changed(tables, "visits", at=zoned), COUNT).fetchall() == plain.fetchall()


def test_dates_are_clocks() -> None:
    tables = clinic()
    at = tables["visits"].column("at").cast(pa.timestamp("s"), safe=False).cast(pa.date32(), safe=False)
    assert ids(predict(changed(tables, "visits", at=at), COUNT)) == set(range(30))


def test_endless_times_are_no_moments() -> None:
    con = duckdb.connect()
    for name, table in clinic().items():
        con.register("given", table)
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    con.execute(
        "UPDATE visits SET \"at\" = 'infinity' WHERE visit_id IN (1, 2);"
        "UPDATE visits SET \"at\" = '-infinity' WHERE visit_id = 3"
    )
    result = predict(con, COUNT)
    assert ids(result) == set(range(30))
    assert {row[1].year for row in result} == {2023}


def test_a_window_that_the_data_cannot_fill() -> None:
    assert (
        fault(clinic(), "PREDICT COUNT(visits.*, 0, 300, days) FOR EACH users.user_id").code == "insufficient_history"
    )


def test_a_moment_before_all_data() -> None:
    assert fault(clinic(), f"{COUNT} AS OF 2001-01-01").code in ("no_data", "insufficient_history", "empty_source")


def test_a_moment_that_the_data_does_not_reach_is_warned_of() -> None:
    late = predict(clinic(), f"{COUNT} AS OF 2024-07-20")
    assert any("366 days before the anchor" in note for note in late.notes)
    assert not any("before the anchor" in note for note in predict(clinic(), COUNT).notes)
