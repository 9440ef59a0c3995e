"""Tables as text: aligned for any script, honest about how many rows there are, safe for any cell."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from pql.table import arrow_table_text, cell, fitting, text_table

CELLS = [
    (None, ""),
    (True, "yes"),
    (0.12345, "0.1235"),
    (1234.5, "1,234.50"),
    (-0.0000012, "-1.2e-06"),
    (0.0, "0.0000"),
    (1e300, "1e+300"),
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


PREDICTIONS = pa.table(
    {"customer_id": [7, 2222222], "name": ["Ann Somebody", "Bob"], "prediction": [0.5, 0.25], "class": ["a", "b" * 30]}
)


def test_texts_are_cut_before_numbers_where_a_table_is_too_wide() -> None:
    with fitting(40):
        text = arrow_table_text(PREDICTIONS)
    assert max(map(len, text.splitlines())) <= 40
    assert all(number in text for number in ("2222222", "0.5000", "0.2500"))
    assert "columns in all" not in text


@pytest.mark.parametrize("width", [20, 40, 80])
def test_of_very_many_columns_those_in_the_middle_are_left_out(width: int) -> None:
    wide = pa.table({f"column_{i}": [i * 1000] for i in range(100)})
    with fitting(width):
        head, _, row, *more = arrow_table_text(wide).splitlines()
    assert head.split()[0] in ("column_0", "colum…")
    assert row.split()[0] == "0"
    assert "…" in row.split()
    assert row.split()[-1] == "99000"
    assert max(len(head), len(row)) <= width
    assert more == ["… 100 columns in all", "--format line (.mode line) shows all"]


def test_a_table_that_fits_is_whole() -> None:
    with fitting(200):
        assert "…" not in arrow_table_text(PREDICTIONS)


def test_where_names_are_cut_to_nothing_it_says_how_to_see_all() -> None:
    with fitting(40):
        text = arrow_table_text(pa.table({f"view_of_column_{i}": ["x" * 20] for i in range(2)}))
        assert "--format line" not in text
        text = arrow_table_text(pa.table({f"view_of_column_{i}": [i * 10**9] for i in range(10)}))
    assert text.splitlines()[-1] == "--format line (.mode line) shows all"
