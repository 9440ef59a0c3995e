"""How much work a ranking may do: counts of examples, pairs and candidates that follow from the plan's budget.

The same budget gives the same counts on any machine; a minute or more buys all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from pql.engine.pairs.candidates import Limits
from pql.engine.planning.plan import ModelPlan

FULL = 60.0  # seconds of budget that buy everything
LEAST = 0.1  # share of the work that is always done
WHOLE = 0.5  # share from which on all candidates are looked at
THOROUGH = 120.0  # seconds of budget from which on both of the ranker's objectives are tried


@dataclass(frozen=True, slots=True)
class RankWork:
    """`seeds` training examples and `rows` training pairs of them; `checked` validation examples, for weights and
    metrics; `measured` test examples; `quiet` ones with an empty window, for the odds; `paired`: pairs of all items,
    for the odds of every pair; `towers`: examples of the network. `thorough`: both of the ranker's objectives
    are tried."""

    seeds: int
    rows: int
    checked: int
    measured: int
    quiet: int
    paired: int
    towers: int
    thorough: bool
    limits: Limits


def rank_work(model: ModelPlan) -> RankWork:
    """The work that the budget of a plan pays for."""
    share = max(LEAST, min(1.0, model.budget_seconds / FULL))

    def part(whole: int, least: int) -> int:
        return max(least, int(whole * share))

    return RankWork(
        seeds=min(part(6_000, 800), max(500, model.max_examples)),
        rows=part(150_000, 20_000),
        checked=part(2_000, 400),
        measured=part(6_000, 800),
        quiet=part(600, 200),
        paired=part(200_000, 50_000),
        towers=part(20_000, 4_000),
        thorough=model.budget_seconds >= THOROUGH,
        limits=Limits()
        if share >= WHOLE
        else Limits(own=60, latest=20, popular=40, together=30, categories=2, per_category=8),
    )
