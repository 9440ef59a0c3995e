"""How long reading and completing take, on the processor: what a person typing must not notice."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pql.language.parser import accepts, parse

QUERY = (
    "PREDICT SUM(orders.amount WHERE orders.status != 'returned' AND orders.qty > 2, 0, 3, months) > 100 "
    "FOR EACH customers.customer_id WHERE COUNT(orders.*, -90, 0, days) > 0 AND customers.city IN ('Berlin', 'B')"
)
PARSE_SECONDS, ACCEPTS_SECONDS, REFUSAL_SECONDS = 0.002, 0.005, 0.02


def quickest(call: Callable[[], object], repeats: int = 30) -> float:
    """The processor's seconds of the quickest of some runs, the first of which loads the tables."""
    call()
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return min(times)


def test_a_query_of_200_characters_is_read_in_two_milliseconds() -> None:
    assert 200 <= len(QUERY) <= 220
    assert quickest(lambda: parse(QUERY)) < PARSE_SECONDS


@pytest.mark.parametrize("length", [0, 8, 40, 110, 160, len(QUERY)])
def test_what_can_follow_is_known_in_five_milliseconds(length: int) -> None:
    assert accepts(QUERY[:length])
    assert quickest(lambda: accepts(QUERY[:length])) < ACCEPTS_SECONDS


@pytest.mark.parametrize(
    "mistake", ["WHERE SUM(orders.amount, 0, 30, dayz) > 3", "ORDER BY prediction LIMIT 3", "WHERE x = ‘y’", "WHERE ("]
)
def test_a_refusal_with_its_repair_takes_twenty_milliseconds(mistake: str) -> None:
    def refused() -> None:
        with pytest.raises(Exception, match="more: pql help"):
            parse(f"PREDICT COUNT(orders.*, 0, 30, days) FOR EACH customers.customer_id {mistake}")

    assert quickest(refused) < REFUSAL_SECONDS
