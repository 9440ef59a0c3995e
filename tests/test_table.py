"""Tables as text: aligned for any script, honest about how many rows there are, safe for any cell."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from pql.table import arrow_table_text, cell, text_table

CELLS = [
    (None, ""),
    (True, "yes"),
    (0.12345, "0.1235"),
    (1234.5, "1,234.50"),
    (dt.datetime(2024, 1, 2), "2024-01-02"),
    (dt.datetime(2024, 1, 2, 3, 4, 5), "2024-01-02 03:04:05"),
    ("\x1b[31mred\n", r"\x1b[31mred\n"),
    ("x" * 99, "x" * 47 + "…"),
    (2**60, str(2**60)),
]


@pytest.mark.parametrize(("value", "shown"), CELLS)
def test_a_cell(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_columns_are_aligned_by_the_width_people_see() -> None:
    lines = text_table(["name", "n"], [("日本", 1), ("abc", 22)], right=[False, True]).splitlines()
    assert lines == ["name   n", "────  ──", "日本   1", "abc   22"]


def test_rows_left_out_are_counted() -> None:
    table = pa.table({"x": [1, 2, 3]})
    assert arrow_table_text(table, limit=2).splitlines()[-1] == "… 3 rows in all"
    assert arrow_table_text(table, limit=3, total=9).splitlines()[-1] == "… 9 rows in all"
    assert "rows in all" not in arrow_table_text(table, limit=3)
