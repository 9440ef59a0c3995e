"""Times that are written as text or counted as numbers are read as times; what only looks like them is left alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from catalogs import clock, infer

import pql
from pql.backends.connect import open_backend

MOMENT = dt.datetime(2024, 3, 14, 9, 30)


def first(column: str, values: Any) -> Any:
    """The first value of the column as a snapshot shows it."""
    with open_backend({"t": pd.DataFrame({column: values})}).snapshot() as snapshot:
        return snapshot.query("SELECT * FROM t").to_pylist()[0][column]


def moments() -> pd.DatetimeIndex:
    return pd.date_range(MOMENT, periods=40, freq="D")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("%Y-%m-%d %H:%M:%S", MOMENT),
        ("%Y-%m-%dT%H:%M:%SZ", MOMENT),
        ("%Y-%m-%dT%H:%M:%S+02:00", MOMENT - dt.timedelta(hours=2)),
        ("%Y-%m-%d", dt.datetime(2024, 3, 14)),
        ("%d/%m/%Y", dt.datetime(2024, 3, 14)),
        ("%m/%d/%Y %H:%M", MOMENT),
        ("%d.%m.%Y", dt.datetime(2024, 3, 14)),
        ("%Y%m%d", dt.datetime(2024, 3, 14)),
        ("%d-%b-%Y", dt.datetime(2024, 3, 14)),
        ("%d.%m.%y", dt.datetime(2024, 3, 14)),
        ("%m/%d/%y %H:%M", MOMENT),
        ("%m/%d/%Y %I:%M %p", MOMENT),
    ],
)
def test_text_is_read(form: str, expected: dt.datetime) -> None:
    assert first("created_at", moments().strftime(form).astype(object)) == expected


@pytest.mark.parametrize("form", ["%d.%m.%Y %H:%M", "%d/%m/%Y", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d"])
def test_a_date_with_its_separators_is_read_whatever_its_column_is_called(form: str) -> None:
    assert first("zeitpunkt", moments().strftime(form).astype(object)).date() == MOMENT.date()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_counts_since_1970_are_read(unit: str) -> None:
    assert first("ts", moments().as_unit(unit).astype("int64")) == MOMENT


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%Y/%m/%d", "%d.%m.%Y", "%Y-%m-%dT%H:%M:%S+00:00"])
def test_plain_dates_are_read_whatever_their_column_is_called(form: str) -> None:
    assert first("admitted", moments().strftime(form).astype(object)).date() == MOMENT.date()


@pytest.mark.parametrize("column", ["start_ms", "activated_ms", "opened"])
def test_milliseconds_are_read_where_the_name_says_their_unit_or_a_moment(column: str) -> None:
    assert first(column, moments().as_unit("ms").astype("int64")) == MOMENT
    assert first(column, [227, 160, 183]) == 227


def test_days_as_whole_numbers_are_read() -> None:
    assert first("date", moments().strftime("%Y%m%d").astype(int)) == dt.datetime(2024, 3, 14)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("air_time", [227, 160, 183]),
        ("transaction_id", [1_700_000_000, 1_700_000_001, 1_700_000_002]),
        ("population", [1_700_000_000, 1_400_000_000, 330_000_000]),
        ("day", [1, 2, 3]),
        ("order_date", ["01/02/2024", "03/04/2024", "05/06/2024"]),  # a day and a month that could be exchanged
        ("created", ["by hand", "by hand", "2024-01-01"]),
        ("article", ["20240131", "20240201", "20240202"]),
        ("version", ["1.10.2", "1.11.2", "1.12.0"]),
        ("remark", ["paid on 01.02.2024", "2024-01-01", "2024-01-02"]),
        ("opened_at", ["10:00", "11:30", "09:15"]),
    ],
)
def test_what_only_looks_like_a_time_is_left_alone(column: str, values: list[Any]) -> None:
    assert first(column, values) == values[0]


def test_all_values_tell_the_day_from_the_month_where_the_first_do_not() -> None:
    early = ["01/02/2024"] * 1_500
    assert first("ordered", [*early, "01/31/2024"]) == dt.datetime(2024, 1, 2)
    assert first("ordered", [*early, "31/01/2024"]) == dt.datetime(2024, 2, 1)


@pytest.mark.parametrize("hour", ["", " 10:30"])
def test_a_csv_file_whose_days_are_all_months_too_is_not_guessed(tmp_path: Path, hour: str) -> None:
    days = [f"{day:02}/{month:02}/2024{hour}" for day, month in ((1, 2), (1, 3), (4, 4))]
    pd.DataFrame({"order_id": range(3), "ordered": days}).to_csv(tmp_path / "orders.csv", index=False)
    with open_backend(tmp_path).snapshot() as snapshot:
        assert snapshot.query("SELECT ordered FROM orders").to_pydict()["ordered"] == days


def test_zoned_moments_of_any_unit_are_read(tmp_path: Path) -> None:
    for unit in ("s", "us", "ns"):
        frame = pd.DataFrame({"order_id": range(40), "placed": moments().tz_localize("Europe/Berlin").as_unit(unit)})
        frame.to_parquet(tmp_path / f"orders_{unit}.parquet")
    with open_backend(tmp_path).snapshot() as snapshot:
        for unit in ("s", "us", "ns"):
            shown = snapshot.query(f"SELECT min(placed) AS p FROM orders_{unit}").to_pylist()[0]["p"]
            assert shown == MOMENT - dt.timedelta(hours=1)


def test_such_a_column_is_a_clock_and_can_be_compared_with_a_date(tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    con = duckdb.connect(str(path))
    con.execute(
        "CREATE TABLE visits AS SELECT i % 20 AS user_id, 1700000000 + i * 7200 AS ts, "
        "strftime(TIMESTAMP '2023-11-14' + INTERVAL (i * 2) HOUR, '%d.%m.%Y') AS due_on FROM range(4000) r(i)"
    )
    con.close()
    with pql.connect(path) as db:
        catalog = db.graph().catalog
        assert catalog.table("visits").clock.column == "ts"
        assert [str(c.type) for c in catalog.table("visits").columns] == ["integer", "timestamp", "timestamp"]
        text = "PREDICT COUNT(visits.* WHERE visits.due_on < '2024-02-01', 0, 7, days) FOR EACH user"
        result = db.predict(f"{text} WITH (model = entity_mean)")
        assert len(result) == 20
        proof = db.check_leakage(f"{text} WITH (model = entity_mean)")
    assert "leak" in str(proof).lower()


def test_a_row_with_its_own_year_is_not_known_with_the_row_it_points_to() -> None:
    players = pd.DataFrame({"player_id": range(60), "debut": pd.date_range("1980-01-01", periods=60, freq="90D")})
    seasons = pd.DataFrame({"player_id": [i // 5 for i in range(300)], "year": [1990 + i % 5 for i in range(300)]})
    assert clock(infer({"players": players, "seasons": seasons}), "seasons") == ("none", None)


def test_a_row_is_known_when_the_last_row_that_it_names_is() -> None:
    at = pd.Timestamp("2024-01-01")
    tables = {
        "coupons": pd.DataFrame({"coupon_id": range(5), "valid_from": [at + pd.Timedelta(days=i) for i in range(5)]}),
        "orders": pd.DataFrame(
            {"order_id": range(200), "ordered_at": [at + pd.Timedelta(days=10 + i) for i in range(200)]}
        ),
        "coupon_uses": pd.DataFrame({"coupon_id": [i % 5 for i in range(80)], "order_id": range(80)}),
        "shipments": pd.DataFrame(
            {
                "shipment_id": range(200),
                "order_id": range(200),
                "shipped_at": [at + pd.Timedelta(days=12 + i) for i in range(200)],
            }
        ),
        "order_items": pd.DataFrame(
            {"order_id": [i // 2 for i in range(400)], "shipment_id": [i // 2 for i in range(400)]}
        ),
    }
    catalog = infer(tables)
    assert clock(catalog, "coupon_uses") == ("inherited", "coupon_uses.order_id -> orders.order_id")
    assert clock(catalog, "order_items") == ("inherited", "order_items.order_id -> orders.order_id")


def test_a_table_of_changes_has_the_time_of_the_change() -> None:
    at = pd.date_range("2024-01-01", periods=40, freq="D")
    tables = {
        "listings": pd.DataFrame({"listing_id": range(40), "listed_at": at, "updated_at": at + pd.Timedelta(days=3)}),
        "price_changes": pd.DataFrame({"listing_id": range(40), "changed_at": at + pd.Timedelta(days=9)}),
    }
    catalog = infer(tables)
    assert clock(catalog, "price_changes") == ("own", "changed_at")
    assert clock(catalog, "listings") == ("own", "listed_at")
