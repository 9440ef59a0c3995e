"""Conditions on rows: every operator, with NULLs, in the label SQL and in the oracle (LANGUAGE §3, §4)."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from databases import day
from meaning import Meaning, events

ROWS = [
    {"name": "a", "amount": 1.0, "qty": 1, "paid": True, "item": "x", "due": day(1), "day": dt.date(2024, 1, 2)},
    {"name": "b", "amount": 2.5, "qty": 2, "paid": False, "item": "x%y", "due": day(2), "day": dt.date(2024, 1, 3)},
    {"name": "c", "amount": -1.0, "qty": 0, "paid": True, "item": "X_'s", "due": day(1.5)},
    {"name": "f", "paid": False, "qty": 5},
    {"name": "i", "amount": math.inf, "qty": 3, "item": ""},
    {"name": "n"},
    {"name": "t", "paid": True, "item": "a\\b\nc"},
    {"name": "u", "amount": math.nan, "item": "naïve 😀"},
]


@pytest.fixture(scope="module")
def meaning() -> Meaning:
    return Meaning(events(ROWS))


CONDITIONS = [
    # comparisons: NULL and what is not finite pass neither a condition nor its opposite
    ("events.amount = 1", "a"),
    ("events.amount == 1", "a"),
    ("events.amount != 1", "bc"),
    ("events.amount <> 1", "bc"),
    ("events.amount < 1", "c"),
    ("events.amount <= 1", "ac"),
    ("events.amount > 1", "b"),
    ("events.amount >= 1", "ab"),
    ("1 < events.amount", "b"),
    ("NOT events.amount = 1", "bc"),
    ("NOT events.amount > 1", "ac"),
    ("events.qty = 1.0", "a"),
    ("events.qty > 1.5", "bfi"),
    ("events.amount = 2.5e0", "b"),
    ("events.item = 'x'", "a"),
    ("events.item != 'x'", "bcitu"),
    ("events.item = 'X'", ""),
    ("events.item = ''", "i"),
    ("events.item = 'X_''s'", "c"),
    ("events.item > 'x'", "b"),
    # NULL
    ("events.amount IS NULL", "fintu"),
    ("events.amount IS NOT NULL", "abc"),
    ("NOT events.amount IS NULL", "abc"),
    ("events.paid IS NULL", "inu"),
    ("(events.amount > 1) IS NULL", "fintu"),
    ("events.item IS NOT NULL", "abcitu"),
    # booleans
    ("events.paid", "act"),
    ("NOT events.paid", "bf"),
    ("events.paid = TRUE", "act"),
    ("events.paid = FALSE", "bf"),
    ("events.paid != TRUE", "bf"),
    ("events.paid IN (TRUE)", "act"),
    # three values: AND, OR, NOT
    ("events.paid AND events.amount > 0", "a"),
    ("NOT (events.paid AND events.amount > 0)", "bcf"),
    ("events.paid OR events.amount > 0", "abct"),
    ("NOT (events.paid OR events.amount > 0)", ""),
    ("NOT (events.paid OR events.qty > 4)", "b"),
    ("events.paid AND events.paid IS NULL", ""),
    ("events.paid OR NOT events.paid", "abcft"),
    ("events.paid AND events.amount > 0 OR events.qty = 5", "af"),
    ("events.paid AND (events.amount > 0 OR events.qty = 0)", "ac"),
    ("NOT NOT events.paid", "act"),
    # IN
    ("events.qty IN (0, 1)", "ac"),
    ("events.qty IN (1)", "a"),
    ("events.qty NOT IN (0, 1)", "bfi"),
    ("NOT events.qty IN (0, 1)", "bfi"),
    ("events.item IN ('x', '')", "ai"),
    ("events.item NOT IN ('x', '')", "bctu"),
    ("events.amount IN (2.5)", "b"),
    ("events.qty IN (1.0, 2)", "ab"),
    # BETWEEN
    ("events.qty BETWEEN 1 AND 2", "ab"),
    ("events.qty NOT BETWEEN 1 AND 2", "cfi"),
    ("events.qty BETWEEN 2 AND 1", ""),
    ("events.qty NOT BETWEEN 2 AND 1", "abcfi"),
    ("events.qty BETWEEN 1 AND events.amount", "ab"),
    ("events.qty NOT BETWEEN 4 AND events.amount", "abci"),
    ("events.due BETWEEN 2024-01-02 AND 2024-01-02 12:00:00", "ac"),
    # LIKE has SQL's meaning: % and _, upper and lower case differ, a backslash is a character
    ("events.item LIKE 'x%'", "ab"),
    ("events.item LIKE 'x'", "a"),
    ("events.item LIKE 'x_y'", "b"),
    ("events.item LIKE '_'", "a"),
    ("events.item LIKE ''", "i"),
    ("events.item LIKE '%'", "abcitu"),
    ("events.item LIKE '%''s'", "c"),
    ("events.item LIKE 'a_b%'", "t"),
    ("events.item LIKE 'a\\\\b%c'", "t"),
    ("events.item LIKE 'na_ve _'", "u"),
    ("events.item NOT LIKE 'x%'", "citu"),
    ("NOT events.item LIKE 'x%'", "citu"),
    ("events.item LIKE 'x.y'", ""),
    # CONTAINS, STARTS WITH, ENDS WITH take every character as it is
    ("events.item CONTAINS '%'", "b"),
    ("events.item CONTAINS ''", "abcitu"),
    ("events.item NOT CONTAINS 'x'", "citu"),
    ("events.item STARTS WITH 'X_'", "c"),
    ("events.item STARTS WITH '_'", ""),
    ("NOT events.item STARTS WITH 'x'", "citu"),
    ("events.item ENDS WITH 'y'", "b"),
    ("events.item ENDS WITH '😀'", "u"),
    # column against column
    ("events.amount = events.qty", "a"),
    ("events.amount != events.qty", "bc"),
    ("events.due > events.at", "bc"),
    ("events.due = events.at", "a"),
    ("events.due >= events.day", "ab"),
    # dates and times: a date is its midnight
    ("events.day = 2024-01-02", "a"),
    ("events.day < 2024-01-03", "a"),
    ("events.day <= '2024-01-03'", "ab"),
    ("events.day > 2024-01-02 00:00:01", "b"),
    ("events.due = 2024-01-02", "a"),
    ("events.due < 2024-01-02 12:00:00", "a"),
    ("events.due >= 2024-01-02 12:00", "bc"),
    # arithmetic, in doubles; a division by nought is NULL, and so is what is not finite
    ("events.amount + events.qty > 3", "b"),
    ("events.amount - events.qty = 0", "a"),
    ("events.amount * 2 = 5", "b"),
    ("events.qty / 2 = 0.5", "a"),
    ("events.amount / events.qty > 0", "ab"),
    ("events.amount / events.qty IS NULL", "cfintu"),
    ("events.qty % 2 = 1", "afi"),
    ("events.qty % 0 IS NULL", "abcfintu"),
    ("-events.amount > 0", "c"),
    ("events.amount + 1 * 2 = 3", "a"),
    ("(events.amount + 1) * 2 = 4", "a"),
    ("events.amount - 1 - 1 = -1", "a"),
    ("events.qty * 1e308 * 10 IS NULL", "abfintu"),
]


@pytest.mark.parametrize(("condition", "passing"), CONDITIONS)
def test_rows_that_pass(meaning: Meaning, condition: str, passing: str) -> None:
    assert meaning.label(f"LIST_DISTINCT(events.name WHERE {condition}, 0, 10) CLASSIFY") == list(passing)


@pytest.mark.parametrize(
    "condition", ["events.paid", "events.amount > 1", "events.item LIKE 'x%'", "events.qty IN (1, 2)"]
)
def test_a_condition_its_opposite_and_neither_divide_the_rows(meaning: Meaning, condition: str) -> None:
    parts = [condition, f"NOT ({condition})", f"({condition}) IS NULL"]
    counts = [meaning.label(f"COUNT(events.* WHERE {part}, 0, 10)") for part in parts]
    assert sum(counts) == len(ROWS)
