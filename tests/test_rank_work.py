"""A ranking's work follows the budget, by counts."""

from __future__ import annotations

from rankings import model

from pql.engine.ranking.work import rank_work


def test_a_minute_buys_everything_and_less_buys_less():
    full, more, some, least = (rank_work(model(budget_seconds=s)) for s in (60.0, 100.0, 10.0, 1.0))
    assert full == more
    assert (full.seeds, full.rows, full.checked, full.thorough) == (6_000, 150_000, 2_000, False)
    assert (some.seeds, some.rows, some.thorough) == (1_000, 25_000, False)
    assert rank_work(model(budget_seconds=120.0)).thorough
    assert least.rows < some.rows
    assert some.limits.own < full.limits.own
