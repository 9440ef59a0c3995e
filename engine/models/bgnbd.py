"""bgnbd: counts, sums and silences of an entity's own events, told by the buying process of `purchase_process`.

An event is a moment at which the entity has rows; a count is events times rows at one, a sum events times their value,
both drawn to the usual ones by Gamma-Gamma. The process is fitted on everybody who has an event by the newest
training anchor; entities without any get the usual outcome of their like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.features.past import Past
from pql.engine.features.purchase_process import Purchases, Spending, fit_purchases, fit_spending
from pql.engine.models.base import Inputs, Problem, State
from pql.engine.models.rfm import needed

MOST_ENTITIES = 20_000  # that the process is fitted on
FEWEST = 10  # entities with a value, below which everybody's is the usual one
DOUBT = 20.0  # examples' worth of the usual outcome, for entities without an event
TRUST = 2.0  # events' worth of the usual size, where sizes may be negative

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BgnbdFitted:
    """`purchases` in horizons. `size`: the usual size of an event (rows or value); `spending` draws an entity's own to
    it, None where sizes may be negative or are few. `never`: the outcome of entities without an event."""

    outcome: str
    purchases: Purchases
    size: float
    spending: Spending | None
    never: float
    name: str = "bgnbd"

    def predict(self, inputs: Inputs) -> Floats:
        """float64[n]: P(none) or P(any), or the expected count or sum."""
        return self.outcomes(needed(inputs))

    def outcomes(self, past: Past) -> Floats:
        some = np.flatnonzero(past.moments > 0)
        found = np.full(len(past), self.never)
        known = past.take(some)
        x, tx, age = process(known)
        start = known.facts.start
        if self.outcome in ("none", "any"):
            any_in = self.purchases.any_in(x, tx, age, start, 1.0)
            found[some] = any_in if self.outcome == "any" else 1.0 - any_in
        else:
            found[some] = self.purchases.expected(x, tx, age, start, 1.0) * self.sizes(known)
        return found

    def sizes(self, past: Past) -> Floats:
        """float64[n]: the expected size of an event of each entity, all of which have had one."""
        n, total = past.moments.astype(np.float64), sizes_of(past, self.outcome)
        if total is None:
            return np.full(len(past), self.size)
        if self.spending is None:
            return (total + TRUST * self.size) / (n + TRUST)
        return self.spending.expected(n, np.maximum(total, 0.0) / n)

    def state(self) -> State:
        process, value = self.purchases, self.spending
        return {
            "outcome": self.outcome,
            "purchases": [process.r, process.alpha, process.a, process.b],
            "size": self.size,
            "spending": None if value is None else [value.p, value.q, value.gamma],
            "never": self.never,
        }


@dataclass(frozen=True, slots=True)
class BgnbdModel:
    name: str = "bgnbd"
    tasks: frozenset[str] = frozenset({"binary", "regression"})

    def fit(
        self, problem: Problem, train: NDArray[np.int64], valid: NDArray[np.int64], rounds: int | None = None
    ) -> BgnbdFitted:
        """Fit the process on everybody known at the newest of `train`'s anchors; `valid` and `rounds` aren't needed."""
        past = needed(problem.inputs)
        outcome = past.facts.outcome
        labels = np.asarray(problem.examples.labels, dtype=np.float64)[train]
        usual = float(labels.mean()) if len(labels) else 0.0
        nothing = past.moments[train] == 0
        never = float((labels[nothing].sum() + DOUBT * usual) / (nothing.sum() + DOUBT))
        newest = int(problem.inputs.seeds.anchors[train].max())
        everyone = past.facts.everyone(newest, MOST_ENTITIES)
        purchases = fit_purchases(*process(everyone))
        total = sizes_of(everyone, outcome)
        n = everyone.moments.astype(np.float64)
        size, spending = 1.0, None
        if total is not None and len(n):
            size = float(total.sum() / n.sum())
            positive = total > 0
            if positive.sum() >= FEWEST and (total >= 0).all() and np.ptp(total[positive] / n[positive]) > 0:
                spending = fit_spending(n[positive], total[positive] / n[positive])
        elif outcome == "sum":  # values that the graph can't tell: what the labels say an event is worth
            unsized = BgnbdFitted(outcome, purchases, 1.0, None, 0.0).outcomes(past.take(train))
            size = float(labels.sum() / max(unsized.sum(), 1e-9))
        return BgnbdFitted(outcome, purchases, size, spending, never)

    def restore(self, state: State) -> BgnbdFitted:
        spending = None if state["spending"] is None else Spending(*map(float, state["spending"]))
        purchases = Purchases(*map(float, state["purchases"]))
        return BgnbdFitted(state["outcome"], purchases, float(state["size"]), spending, float(state["never"]))


def process(past: Past) -> tuple[Floats, Floats, Floats]:
    """x, t_x and T of seeds with an event, in horizons: events after the first, when the last was, and now."""
    return (past.moments - 1).astype(np.float64), past.first - past.last, past.first


def sizes_of(past: Past, outcome: str) -> Floats | None:
    """float64[n]: rows (of a count) or value (of a sum) of all of a seed's events; None where it isn't known."""
    return past.rows.astype(np.float64) if outcome == "count" else past.total
