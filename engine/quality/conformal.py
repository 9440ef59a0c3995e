"""Conformal correction: what a conditional distribution promises is put right on examples that made no part of it.

Quantiles: the level of each example's value in its own distribution (its PIT; where the value has a probability of its
own, spread evenly over it) would be uniform if the distributions were right. The empirical distribution of those
levels says which level to ask for to get the one that is wanted (distributional conformal prediction, Chernozhukov
and others, 2021; for atoms, Czado and others, 2009).

Intervals: equal tails, save where an end stands on an atom: what the closed interval gains there is taken off the other
end. Atoms can't be divided, so some intervals cover more than asked; the level is chosen such that on the whole as
many examples are covered as asked, but not lower than `floor_of`, so that the others don't pay too much for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.quality.distribution import Distribution

GRID = np.linspace(0.0, 1.0, 401)
ASKED = np.linspace(0.0, 1.0, 101)[1:-1]  # levels of intervals that are tried on the calibration examples
MOST = 4_000  # calibration examples used

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Correction:
    """Made of `n` examples. `reached` float64[401]: the share of them at or below each level of `GRID`;
    `covered` float64[99]: the share that intervals of each level in `ASKED` covered. Without examples, no change.
    """

    n: int
    reached: Floats
    covered: Floats

    def quantile(self, distribution: Distribution, level: float | Floats) -> Floats:
        """The corrected quantiles float64[n] of one level, or of one per row."""
        return distribution.quantile(self.asked_for(level))

    def interval(self, distribution: Distribution, probability: float) -> tuple[Floats, Floats]:
        """(lower, upper), float64[n] each: the values that lie between with the wanted probability, on the whole."""
        return self._closed(distribution, self.level(probability))

    def level(self, probability: float) -> float:
        """The level of intervals that covers as asked: the least that did, but not below `floor_of`.

        1 where the examples are too few to tell (fewer than p / (1 - p)): everything from `low` to `high`.
        """
        if not self.n:
            return probability
        wanted = math.ceil((self.n + 1) * probability) / self.n
        enough = self.covered >= wanted - 1e-12
        if not enough.any():
            return 1.0
        first = int(np.argmax(enough))
        level = float(ASKED[first])
        if first:
            level = float(np.interp(wanted, self.covered[first - 1 : first + 1], ASKED[first - 1 : first + 1]))
        return max(level, floor_of(probability))

    def share(self, distribution: Distribution, values: Floats) -> tuple[Floats, Floats]:
        """(P(Y < value), P(Y <= value)) of each row's value under the corrected distribution."""
        below, up_to = distribution.cdf(values)
        return np.interp(below, GRID, self.reached), np.interp(up_to, GRID, self.reached)

    def state(self) -> dict[str, Any]:
        return {"n": self.n, "reached": self.reached, "covered": self.covered}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Correction:
        reached, covered = (np.asarray(state[name], dtype=np.float64) for name in ("reached", "covered"))
        return cls(int(state["n"]), reached, covered)

    def share_below(self, distribution: Distribution, values: Floats, level: float, shown: Floats) -> float:
        """The share of values at or below what is shown as their quantile.

        Where that is the corrected quantile, a value that stands on an atom counts by the part below; where it was
        moved to hold the prediction, a value counts whole.
        """
        parts = _parts_below(*distribution.cdf(values), float(self.asked_for(level)))
        return float(np.where(shown == self.quantile(distribution, level), parts, values <= shown).mean())

    def asked_for(self, level: float | Floats) -> Floats:
        """The level to ask of the uncorrected distribution."""
        return np.asarray(np.interp(level, self.reached, GRID), dtype=np.float64)

    def _closed(self, distribution: Distribution, level: float) -> tuple[Floats, Floats]:
        if level >= 1.0:
            n = len(distribution)
            return np.full(n, distribution.low), np.full(n, distribution.high)
        start = np.full(len(distribution), (1.0 - level) / 2)
        lower = self.quantile(distribution, start)
        before = np.minimum(self.share(distribution, lower)[0], start)
        upper = self.quantile(distribution, np.minimum(before + level, 1.0))
        after = self.share(distribution, upper)[1]
        lower = np.maximum(lower, self.quantile(distribution, np.maximum(after - level, start)))
        return lower, np.maximum(lower, upper)


def floor_of(probability: float) -> float:
    """The least level that may stand for a probability: a quarter more is missed than asked, and at most 5 points."""
    return max(0.0, probability - min(0.05, 0.25 * (1.0 - probability)))


def no_correction() -> Correction:
    return Correction(0, GRID, ASKED)


def fit_correction(distribution: Distribution, truth: Floats) -> Correction:
    """The correction that makes the distributions right for these rows and their true values, in the mean.

    The rows must not have taken part in the fit of the distributions. One row more, uniform, is counted with them.
    """
    n = len(truth)
    if not n:
        return no_correction()
    below, up_to = distribution.cdf(truth)
    reached = n * np.array([_share_below(below, up_to, level) for level in GRID.tolist()])
    reached = np.maximum.accumulate((reached + GRID) / (n + 1))
    reached[0], reached[-1] = 0.0, 1.0
    first = Correction(n, reached, ASKED)
    covered = np.empty(len(ASKED))
    for i, level in enumerate(ASKED.tolist()):
        lower, upper = first._closed(distribution, level)
        covered[i] = float(((lower <= truth) & (truth <= upper)).mean())
    return Correction(n, reached, covered)


def _share_below(below: Floats, up_to: Floats, level: float) -> float:
    """The mean of what lies at or below a level, of values whose levels are spread evenly from `below` to `up_to`."""
    return float(_parts_below(below, up_to, level).mean())


def _parts_below(below: Floats, up_to: Floats, level: float) -> Floats:
    return np.clip((level - below) / np.maximum(up_to - below, 1e-12), 0.0, 1.0)
