"""interval: whether the next event falls into the window, from how far apart an entity's events are and how long ago
the last one was.

Gaps are lognormal around the entity's own mean gap, drawn to everybody's where it has few; after an event there is
another at all with a chance that grows with the number so far. The five parameters are the likeliest of the
training labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.features.past import Past
from pql.engine.models.base import Inputs, Problem, State
from pql.engine.models.hazards import HazardFitted, HazardModel
from pql.engine.models.rfm import needed

MOST_SEEDS = 8_000
DOUBT = 20.0  # examples' worth of the usual outcome, for entities without an event
LEAST_AGE = 1e-3  # horizons
START = np.array([0.0, 0.5, 0.0, 0.0, 0.5])
RIDGE = 1e-3
ROUNDS = 100

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GapsFitted:
    """`theta` float64[5]: the logarithms of the usual gap (in horizons), of how many gaps' worth it counts for and of
    the spread; the log-odds of another event after the first, and what each doubling of their number adds (by e).
    `never`: the share of windows with an event among entities without one so far. `negated`: the target is that there
    is none."""

    theta: Floats
    never: float
    negated: bool
    name: str = "interval"

    def predict(self, inputs: Inputs) -> Floats:
        """float64[n]: the probability of the target."""
        return self.outcomes(needed(inputs))

    def outcomes(self, past: Past) -> Floats:
        some = np.flatnonzero(past.moments > 0)
        found = np.full(len(past), self.never)
        found[some] = chance(self.theta, *rhythm(past.take(some)), past.facts.start)
        return 1.0 - found if self.negated else found

    def state(self) -> State:
        return {"theta": self.theta, "never": self.never, "negated": self.negated}


@dataclass(frozen=True, slots=True)
class IntervalModel:
    """Yes/no targets by their gaps, and of a time to an event, by the entity's own pace."""

    name: str = "interval"
    tasks: frozenset[str] = frozenset({"binary"})

    def fit(
        self, problem: Problem, train: NDArray[np.int64], valid: NDArray[np.int64], rounds: int | None = None
    ) -> GapsFitted | HazardFitted:
        """Fit on `train`; `valid` and `rounds` are not needed."""
        if problem.examples.steps is not None:
            return HazardModel("interval").fit(problem, train, valid, rounds)
        past = needed(problem.inputs).take(train)
        negated = past.facts.outcome == "none"
        happened = (np.asarray(problem.examples.labels)[train] > 0.5) ^ negated
        nothing = past.moments == 0
        usual = float(happened.mean())
        never = float((happened[nothing].sum() + DOUBT * usual) / (nothing.sum() + DOUBT))
        some = np.flatnonzero(~nothing)
        some = some[:: max(1, -(-len(some) // MOST_SEEDS))]
        theta = _likeliest(rhythm(past.take(some)), happened[some], past.facts.start)
        return GapsFitted(theta, never, negated)

    def restore(self, state: State) -> GapsFitted | HazardFitted:
        if "hazards" in state:
            return HazardModel("interval").restore(state)
        return GapsFitted(np.asarray(state["theta"], dtype=np.float64), float(state["never"]), bool(state["negated"]))


def rhythm(past: Past) -> tuple[Floats, Floats, Floats]:
    """Of seeds with an event: how many, the logarithm of their mean gap (0 with one alone), and the age of the last."""
    n = past.moments.astype(np.float64)
    gap = (past.first - past.last) / np.maximum(1.0, n - 1)
    return n, np.where(n > 1, np.log(np.maximum(gap, LEAST_AGE)), 0.0), np.maximum(past.last, LEAST_AGE)


def chance(theta: Floats, n: Floats, gap: Floats, age: Floats, start: float) -> Floats:
    """float64[n]: P(an event between `start` and one horizon from now | none since the last one)."""
    from scipy.special import expit, ndtr

    usual, doubt, spread = theta[0], np.exp(theta[1]), np.exp(theta[2])
    mean = (doubt * usual + (n - 1) * gap) / (doubt + n - 1)
    below = [ndtr((np.log(age + t) - mean) / spread) for t in (0.0, start, 1.0)]
    again = expit(theta[3] + theta[4] * np.log(n))
    hit = below[2] - below[1]
    if start > 0:  # the next one comes sooner, and one more by the window's end
        hit = hit + (below[1] - below[0]) * ndtr((np.log(1.0 - start / 2) - mean) / spread)
    return np.clip(again * hit / np.maximum(again * (1 - below[0]) + 1 - again, 1e-12), 1e-6, 1 - 1e-6)


def _likeliest(seen: tuple[Floats, Floats, Floats], happened: NDArray[np.bool_], start: float) -> Floats:
    from scipy.optimize import minimize

    if not len(happened):
        return START

    def loss(theta: Floats) -> float:
        p = chance(theta, *seen, start)
        away = theta - START
        return float(-np.mean(np.where(happened, np.log(p), np.log1p(-p))) + RIDGE * (away @ away))

    bounds = [(-8.0, 8.0), (-4.0, 6.0), (-3.0, 3.0), (-8.0, 8.0), (-4.0, 4.0)]
    return np.asarray(minimize(loss, START, method="L-BFGS-B", bounds=bounds, options={"maxiter": ROUNDS}).x)
