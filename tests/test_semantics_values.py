"""What a label is: every aggregate, the empty window, undefined values and arithmetic of them (LANGUAGE §3)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from databases import day
from meaning import Meaning, alike, events

CUSTOMERS = [{"customer_id": n, "level": level} for n, level in ((1, "gold"), (2, None), (3, "gold"), (4, "plain"))]
ROWS = [
    # customer 1: three rows; customer 2: no row; customer 3: a row of NULLs; customer 4: one row
    {"customer_id": 1, "at": day(1), "amount": 4.0, "qty": 2, "name": "b", "paid": True, "item": "x", "due": day(3)},
    {"customer_id": 1, "at": day(3), "amount": 1.0, "qty": 0, "name": "a", "paid": False, "item": "y"},
    {"customer_id": 1, "at": day(2), "amount": 2.5, "qty": 3, "name": "b", "paid": None, "item": "x"},
    {"customer_id": 3, "at": day(2)},
    {"customer_id": 4, "at": day(2), "amount": -3.0, "qty": 1, "name": "c", "paid": True, "item": "z"},
    {"customer_id": 1, "at": None, "amount": 1000.0, "qty": 1000, "name": "zz"},
    {"customer_id": 1, "at": day(60), "amount": 1000.0, "qty": 1000, "name": "zz"},
]


@pytest.fixture(scope="module")
def meaning() -> Meaning:
    return Meaning(events(ROWS, CUSTOMERS))


def check(meaning: Meaning, target: str, expected: list[Any]) -> None:
    found = meaning.labels(target)
    for number, wanted in enumerate(expected, start=1):
        label = found[number, day(0)]
        assert label is wanted is None or alike(label, wanted) or alike(wanted, label), (number, label, wanted)


W = "0, 10"
AGGREGATES = [
    # the window of:                      1 (rows)        2 (empty) 3 (NULLs) 4 (one row)
    (f"COUNT(events.*, {W})",             [3, 0, 1, 1]),
    (f"COUNT(events.amount, {W})",        [3, 0, 0, 1]),
    (f"COUNT(events.event_id, {W})",      [3, 0, 1, 1]),
    (f"COUNT_DISTINCT(events.name, {W})", [2, 0, 0, 1]),
    (f"COUNT_DISTINCT(events.event_id, {W})", [3, 0, 1, 1]),
    (f"COUNT_DISTINCT(events.paid, {W})", [2, 0, 0, 1]),
    (f"SUM(events.amount, {W})",          [7.5, 0, 0, -3]),
    (f"SUM(events.qty, {W})",             [5, 0, 0, 1]),
    (f"AVG(events.amount, {W})",          [2.5, None, None, -3]),
    (f"MIN(events.amount, {W})",          [1, None, None, -3]),
    (f"MAX(events.amount, {W})",          [4, None, None, -3]),
    (f"MEDIAN(events.amount, {W})",       [2.5, None, None, -3]),
    (f"STDDEV(events.amount, {W})",       [1.5, None, None, None]),
    (f"FIRST(events.amount, {W})",        [4, None, None, -3]),
    (f"LAST(events.amount, {W})",         [1, None, None, -3]),
    (f"FIRST(events.name, {W})",          ["b", None, None, "c"]),
    (f"LAST(events.name, {W})",           ["a", None, None, "c"]),
    (f"LAST(events.paid, {W})",           [False, None, None, True]),
    (f"EXISTS(events.*, {W})",            [True, False, True, True]),
    (f"EXISTS(events.amount, {W})",       [True, False, False, True]),
    (f"NOT EXISTS(events.*, {W})",        [False, True, False, False]),
    (f"BOOL(events.name, {W})",           [True, False, False, True]),
    (f"COUNT(events.*, {W}) = 0",         [False, True, False, False]),
    (f"LIST_DISTINCT(events.name, {W}) CLASSIFY", [["a", "b"], [], [], ["c"]]),
    (f"LIST_DISTINCT(events.name, {W}) RANK TOP 2", [["a", "b"], None, None, ["c"]]),
    (f"ARRAY_AGG(events.name, {W}) CLASSIFY", [["b", "b", "a"], [], [], ["c"]]),
    (f"ARRAY_AGG(events.name, {W}) RANK TOP 2", [["b", "b", "a"], None, None, ["c"]]),
    (f"COUNT(events.* WHERE events.paid, {W})", [1, 0, 0, 1]),
    (f"AVG(events.amount WHERE events.amount > 100, {W})", [None, None, None, None]),
    (f"SUM(events.amount WHERE events.amount > 100, {W})", [0, 0, 0, 0]),
    (f"EXISTS(events.* WHERE events.amount > 100, {W})", [False, False, False, False]),
    (f"COUNT(events.* WHERE NOT events.paid, {W})", [1, 0, 0, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("target", "expected"), AGGREGATES)
def test_aggregates(meaning: Meaning, target: str, expected: list[Any]) -> None:
    check(meaning, target, expected)


AVG = f"AVG(events.amount, {W})"
COUNT = f"COUNT(events.*, {W})"
UNDEFINED = [
    # a comparison with what is undefined is neither true nor false
    (f"{AVG} > 0",                          [True, None, None, False]),
    (f"{AVG} <= 0",                         [False, None, None, True]),
    (f"{AVG} = 2.5",                        [True, None, None, False]),
    (f"{AVG} != 2.5",                       [False, None, None, True]),
    (f"NOT {AVG} > 0",                      [False, None, None, True]),
    (f"{AVG} IS NULL",                      [False, True, True, False]),
    (f"{AVG} IS NOT NULL",                  [True, False, False, True]),
    (f"({AVG} > 0) IS NULL",                [False, True, True, False]),
    (f"{AVG} BETWEEN 0 AND 3",              [True, None, None, False]),
    (f"{AVG} NOT BETWEEN 0 AND 3",          [False, None, None, True]),
    (f"{AVG} IN (2.5, 3)",                  [True, None, None, False]),
    (f"{AVG} NOT IN (2.5, 3)",              [False, None, None, True]),
    (f"LAST(events.name, {W}) = 'a'",       [True, None, None, False]),
    (f"LAST(events.name, {W}) LIKE 'a%'",   [True, None, None, False]),
    (f"LAST(events.name, {W}) NOT LIKE 'a%'", [False, None, None, True]),
    (f"LAST(events.name, {W}) IN ('a')",    [True, None, None, False]),
    (f"FIRST(events.name, {W}) STARTS WITH 'b'", [True, None, None, False]),
    (f"MAX(events.due, {W}) > 2024-01-02",  [True, None, None, None]),
    (f"MAX(events.due, {W}) IS NULL",       [False, True, True, True]),
    (f"STDDEV(events.amount, {W}) >= 0",    [True, None, None, None]),
    # AND and OR with an unknown side
    (f"{AVG} > 0 AND {COUNT} > 0",          [True, False, None, False]),
    (f"{AVG} > 0 AND {COUNT} = 0",          [False, None, False, False]),
    (f"{AVG} > 0 OR {COUNT} = 0",           [True, True, None, False]),
    (f"{AVG} > 0 OR {COUNT} > 0",           [True, None, True, True]),
    (f"NOT ({AVG} > 0 AND {COUNT} > 0)",    [False, True, None, True]),
    (f"NOT ({AVG} > 0 OR {COUNT} = 0)",     [False, False, None, True]),
    (f"{AVG} IS NULL OR {AVG} < 0",         [False, True, True, True]),
    (f"{AVG} IS NULL AND {COUNT} = 1",      [False, False, True, False]),
    # sums and counts are nought, never NULL
    (f"SUM(events.amount, {W}) = 0",        [False, True, True, False]),
    (f"SUM(events.amount, {W}) IS NULL",    [False, False, False, False]),
    (f"{COUNT} IN (0, 3)",                  [True, True, False, False]),
    (f"{COUNT} BETWEEN 1 AND 2",            [False, False, True, True]),
    (f"EXISTS(events.*, {W}) AND NOT EXISTS(events.amount, {W})", [False, False, True, False]),
    (f"NOT NOT EXISTS(events.*, {W})",      [True, False, True, True]),
    # aggregate against aggregate
    (f"{COUNT} > COUNT(events.*, 2, 10)",   [True, False, True, True]),
    (f"SUM(events.amount, {W}) > AVG(events.amount, {W})", [True, None, None, False]),
    (f"MAX(events.amount, {W}) = MIN(events.amount, {W})", [False, None, None, True]),
    (f"{COUNT} > COUNT(events.*, -10, 0)",  [True, False, True, True]),
    (f"FIRST(events.name, {W}) = LAST(events.name, {W})", [False, None, None, True]),
]  # fmt: skip


@pytest.mark.parametrize(("target", "expected"), UNDEFINED)
def test_conditions_on_aggregates(meaning: Meaning, target: str, expected: list[Any]) -> None:
    check(meaning, target, expected)


ARITHMETIC = [
    (f"SUM(events.amount * events.qty, {W})",      [15.5, 0, 0, -3]),
    (f"SUM(events.amount / events.qty, {W})",      [2 + 2.5 / 3, 0, 0, -3]),  # x / 0 is NULL, and NULLs are skipped
    (f"COUNT(events.amount / events.qty, {W})",    [2, 0, 0, 1]),
    (f"AVG(events.amount + 1, {W})",               [3.5, None, None, -2]),
    (f"MAX(-events.amount, {W})",                  [-1, None, None, 3]),
    (f"SUM(events.qty % 2, {W})",                  [1, 0, 0, 1]),
    (f"COUNT_DISTINCT(events.qty * 0, {W})",       [1, 0, 0, 1]),
    (f"SUM(events.amount, {W}) / {COUNT}",         [2.5, None, 0, -3]),
    (f"SUM(events.amount, {W}) - {COUNT}",         [4.5, 0, -1, -4]),
    (f"{COUNT} * 2 + 1",                           [7, 1, 3, 3]),
    (f"-{COUNT}",                                  [-3, 0, -1, -1]),
    (f"{COUNT} % 2",                               [1, 0, 1, 1]),
    (f"{AVG} + {COUNT}",                           [5.5, None, None, -2]),
    (f"{COUNT} / 0",                               [None, None, None, None]),
    (f"{COUNT} / 0 IS NULL",                       [True, True, True, True]),
    (f"SUM(events.amount, {W}) / COUNT(events.amount, {W}) > 0", [True, None, None, False]),
    (f"MAX(events.amount, {W}) - MIN(events.amount, {W}) >= 3", [True, None, None, False]),
    (f"{COUNT} - COUNT(events.*, 2, 10) > 0",      [True, False, True, True]),
    (f"({COUNT} + 1) * 2",                         [8, 2, 4, 4]),
    (f"MAX(events.amount, {W}) * 1e308 * 1e308",   [None, None, None, None]),
]  # fmt: skip


@pytest.mark.parametrize(("target", "expected"), ARITHMETIC)
def test_arithmetic(meaning: Meaning, target: str, expected: list[Any]) -> None:
    check(meaning, target, expected)


ASSUMING = [
    ("COUNT(events.*, 0, 10) > 0", {1: 7.5, 3: 0, 4: -3}),
    ("NOT EXISTS(events.*, 0, 10)", {2: 0}),
    ("AVG(events.amount, 0, 10) > 0", {1: 7.5}),
    ("NOT AVG(events.amount, 0, 10) > 0", {4: -3}),
    ("AVG(events.amount, 0, 10) IS NULL", {2: 0, 3: 0}),
    ("AVG(events.amount, 0, 10) > 0 OR COUNT(events.*, 0, 10) = 0", {1: 7.5, 2: 0}),
    ("SUM(events.amount, 0, 10) / COUNT(events.*, 0, 10) >= 0", {1: 7.5, 3: 0}),
    ("COUNT(events.*, 2, 10) > 0", {1: 7.5}),
    ("COUNT(events.*, 0, 100) > 3", {1: 7.5}),
    ("COUNT(events.*, 0, 10) > COUNT(events.* WHERE events.paid, 0, 10)", {1: 7.5, 3: 0}),
    ("COUNT(events.*, 0, 10) > COUNT(events.*, -INF, 0)", {1: 7.5}),
]


@pytest.mark.parametrize(("assumed", "expected"), ASSUMING)
def test_only_where_the_assumption_is_true(meaning: Meaning, assumed: str, expected: dict[int, float]) -> None:
    found = meaning.labels("SUM(events.amount, 0, 10)", tail=f"ASSUMING {assumed}")
    assert {key: label for (key, _), label in found.items()} == expected


ELIGIBLE = [
    ("customers.level = 'gold'", {1, 3}),
    ("customers.level != 'gold'", {4}),
    ("NOT customers.level = 'gold'", {4}),
    ("customers.level IS NULL", {2}),
    ("customers.level IN ('gold', 'plain')", {1, 3, 4}),
    ("customers.level NOT IN ('gold')", {4}),
    ("customers.level = 'gold' OR customers.level IS NULL", {1, 2, 3}),
    ("COUNT(events.*, -500, 0) > 0", {1, 2, 3, 4}),
    ("COUNT(events.*, -10, 0) > 0", set()),
    ("AVG(events.amount, -INF, 0) IS NULL AND customers.customer_id > 2", {3, 4}),
    ("NOT AVG(events.amount, -INF, 0) > 0", set()),
    ("COUNT(events.*, -INF, 0) = 1 AND customers.level = 'plain'", {4}),
]


@pytest.mark.parametrize(("where", "expected"), ELIGIBLE)
def test_who_is_eligible(meaning: Meaning, where: str, expected: set[int]) -> None:
    assert {key for key, _ in meaning.labels("COUNT(events.*, 0, 10)", tail=f"WHERE {where}")} == expected


# ---------------------------------------------------------------- order, ties, values that are no numbers

TIES = [
    {"event_id": 7, "at": day(1), "name": "b", "amount": 1.0, "qty": None},
    {"event_id": 5, "at": day(1), "name": "c", "amount": 2.0, "qty": 9},
    {"event_id": 6, "at": day(1), "name": None, "amount": None, "qty": 8},
    {"event_id": 9, "at": day(2), "name": "b", "amount": math.nan, "qty": 1},
    {"event_id": 8, "at": day(2), "name": "d", "amount": math.inf, "qty": 2},
    {"event_id": 3, "at": day(3), "name": None, "amount": -math.inf, "qty": None},
]
ORDERED = [
    ("FIRST(events.name, 0, 10)", "c"),  # of two rows at one time the one with the lesser key
    ("LAST(events.name, 0, 10)", "b"),
    ("FIRST(events.amount, 0, 10)", 2),
    ("LAST(events.amount, 0, 10)", 1),  # what is not finite counts as NULL
    ("FIRST(events.qty, 0, 10)", 9),
    ("LAST(events.qty, 0, 10)", 1),
    ("SUM(events.amount, 0, 10)", 3),
    ("MAX(events.amount, 0, 10)", 2),
    ("MIN(events.amount, 0, 10)", 1),
    ("AVG(events.amount, 0, 10)", 1.5),
    ("COUNT(events.amount, 0, 10)", 2),
    ("COUNT_DISTINCT(events.amount, 0, 10)", 2),
    ("MEDIAN(events.qty, 0, 10)", 5),
    ("EXISTS(events.amount, 2, 10)", False),
    ("ARRAY_AGG(events.name, 0, 10) CLASSIFY", ["c", "b", "d", "b"]),
    ("LIST_DISTINCT(events.name, 0, 10) CLASSIFY", ["b", "c", "d"]),
    ("FIRST(events.name WHERE events.qty IS NULL, 0, 10)", "b"),
    ("LAST(events.name WHERE events.amount IS NULL, 0, 10)", "b"),
    ("SUM(events.amount + events.qty, 0, 10)", 11),
    ("STDDEV(events.amount, 0, 10)", math.sqrt(0.5)),
    ("MEDIAN(events.amount, 0, 10)", 1.5),
]


@pytest.fixture(scope="module")
def ties() -> Meaning:
    return Meaning(events(TIES))


@pytest.mark.parametrize(("target", "expected"), ORDERED)
def test_order_and_ties(ties: Meaning, target: str, expected: Any) -> None:
    label = ties.label(target)
    assert alike(label, expected) or alike(expected, label)


def test_without_a_key_the_value_breaks_ties() -> None:
    rows = [{"event_id": None, "at": day(1), "name": name} for name in ("b", "a", "c", None)]
    meaning = Meaning(events(rows))
    assert (meaning.label("FIRST(events.name, 0, 10)"), meaning.label("LAST(events.name, 0, 10)")) == ("a", "c")


def test_whole_numbers_add_up_exactly() -> None:
    meaning = Meaning(events([{"qty": 2**30}] * 9 + [{"qty": 1}]))
    assert meaning.label("SUM(events.qty, 0, 10)") == 9 * 2**30 + 1
    assert meaning.label("SUM(events.qty, 0, 10) = 9663676417") is True
