"""Amounts written as text are read as numbers, where they have one unit and one meaning."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import pql
from pql.backends.connect import open_backend


def read(values: list[Any], column: str = "amount") -> list[Any]:
    """The values of the column as a snapshot shows them."""
    with open_backend({"t": pd.DataFrame({column: values})}).snapshot() as snapshot:
        return [row[column] for row in snapshot.query("SELECT * FROM t").to_pylist()]


@pytest.mark.parametrize(
    "form",
    ["{:,.2f} EUR", "€ {:,.2f}", "${:,.2f}", "EUR {:,.2f}", "{:,.2f}€", "{:,.2f} %", "{:,.2f} kg", "{:,.2f} km/h"],
)
def test_numbers_beside_one_unit_are_read(form: str) -> None:
    numbers = [-3.25, 1234.5, 0.75, 1_234_567.0, 12.0, 99.99]
    assert read([form.format(number) for number in numbers]) == numbers


def test_decimal_commas_are_read() -> None:
    assert read(["1.234,50 €", "-0,75 €", "12 €", "7,5 €", "3,25 €", None]) == [1234.5, -0.75, 12, 7.5, 3.25, None]


@pytest.mark.parametrize(
    "values",
    [
        ["12.50 EUR", "13.50 USD", "1.50 EUR", "2.50 EUR", "3.50 EUR", "4.50 EUR"],  # two currencies
        ["1.234 EUR", "2.345 EUR", "3.456 EUR", "4.567 EUR", "5.678 EUR"],  # a point of thousands, or of decimals
        ["12 months", "24 months", "36 months", "12 months", "24 months"],  # classes
        ["A12", "A13", "A14", "A15", "A16", "A17"],
        ["P 12b", "P 13b", "P 14c", "P 15", "P 16", "P 17"],
        ["00123", "00124", "00125", "00126", "00127"],
        ["1.3", "1.4", "2.0", "2.7", "3.0", "n.a."],
    ],
)
def test_other_text_is_left_alone(values: list[str]) -> None:
    assert read(values) == values


def test_what_is_written_otherwise_is_missing() -> None:
    numbers = [f"{i}.5 kg" for i in range(40)]
    assert read([*numbers, "unknown"])[-2:] == [39.5, None]


def test_they_can_be_summed() -> None:
    n = 400
    tables = {
        "accounts": pd.DataFrame({"account_id": range(20)}),
        "bookings": pd.DataFrame(
            {
                "booking_id": range(n),
                "account_id": [i % 20 for i in range(n)],
                "booked_at": pd.date_range("2024-01-01", periods=n, freq="D"),
                "amount": [f"{1000 + i:,.2f} EUR" for i in range(n)],
            }
        ),
    }
    with pql.connect(tables) as db:
        found = db.labels("PREDICT SUM(bookings.amount, 0, 40, days) FOR EACH accounts.account_id")
    assert found.to_arrow_table()["label"].to_pylist()
