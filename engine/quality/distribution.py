"""Conditional distributions of numbers: many rows at once, each with quantiles at given levels and one atom.

A row's distribution mixes a single value (the atom: no purchase, nought) with a rest whose quantile function is
piecewise linear between knots and falls off exponentially beyond the outermost ones. Distributions of whole numbers
are those of a continuous variable of which the whole part counts (Machado and Santos Silva, 2005).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVELS = np.array([0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98])  # of the knots
TAIL = 2  # knots from the end that say how fast a tail falls off: those of 0.02 and 0.1

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Distribution:
    """n distributions. `knots` float64[n, levels]: the rest's quantiles at `LEVELS`, rising along each row.

    atom: the value that has a probability of its own, `share` float64[n]. whole: only whole numbers occur, and knots
    are those of value + uniform(0, 1). `low`, `high`: nothing lies outside.
    """

    knots: Floats
    share: Floats
    atom: float
    whole: bool
    low: float
    high: float

    def __len__(self) -> int:
        return len(self.knots)

    def take(self, index: NDArray[np.int64]) -> Distribution:
        return Distribution(self.knots[index], self.share[index], self.atom, self.whole, self.low, self.high)

    def quantile(self, level: Floats | float) -> Floats:
        """float64[n]: the least value with at least `level` (one, or one per row) of the probability at or below."""
        level = np.broadcast_to(np.asarray(level, dtype=np.float64), (len(self),))
        below, up_to = self.cdf(np.full(len(self), self.atom))
        rest = np.maximum(1.0 - self.share, 1e-9)
        inner = np.where(level <= below, level, level - self.share) / rest
        value = self._rest_quantile(np.clip(inner, 0.0, 1.0))
        has_atom = self.share > 0
        value = np.where(has_atom & (level > below) & (level <= up_to), self.atom, value)
        value = np.where(has_atom & (level > up_to), np.maximum(value, self.atom), value)
        return np.where(has_atom & (level <= below), np.minimum(value, self.atom), value)

    def cdf(self, values: Floats) -> tuple[Floats, Floats]:
        """(P(Y < value), P(Y <= value)) of each row's value, float64[n] each."""
        if self.whole:
            first = np.floor(values)
            below, up_to = self._rest_cdf(np.ceil(values))[0], self._rest_cdf(first + 1.0)[0]
        else:
            below, up_to = self._rest_cdf(values)
        rest = 1.0 - self.share
        below = rest * below + self.share * (values > self.atom)
        up_to = rest * up_to + self.share * (values >= self.atom)
        return np.clip(below, 0.0, 1.0), np.clip(np.maximum(below, up_to), 0.0, 1.0)

    @property
    def _top(self) -> float:
        return self.high + 1.0 if self.whole else self.high

    def _rest_quantile(self, level: Floats) -> Floats:
        row, m = np.arange(len(level)), len(LEVELS)
        right = np.clip(np.searchsorted(LEVELS, level, side="left"), 1, m - 1)
        left = right - 1
        share = (level - LEVELS[left]) / (LEVELS[right] - LEVELS[left])
        value = self.knots[row, left] + np.clip(share, 0.0, 1.0) * (self.knots[row, right] - self.knots[row, left])
        with np.errstate(divide="ignore", invalid="ignore"):
            down = np.log(LEVELS[0] / level) / np.log(LEVELS[TAIL] / LEVELS[0])
            up = np.log((1 - LEVELS[-1]) / (1 - level)) / np.log((1 - LEVELS[-1 - TAIL]) / (1 - LEVELS[-1]))
            low = self.knots[:, 0] - down * (self.knots[:, TAIL] - self.knots[:, 0])
            high = self.knots[:, -1] + up * (self.knots[:, -1] - self.knots[:, -1 - TAIL])
        value = np.where(level < LEVELS[0], np.nan_to_num(low, nan=self.low, neginf=self.low), value)
        value = np.where(level > LEVELS[-1], np.nan_to_num(high, nan=self._top, posinf=self._top), value)
        value = np.clip(value, self.low, self._top)
        if self.whole:
            value = np.clip(np.ceil(value) - 1.0, self.low, self.high)
        return value

    def _rest_cdf(self, values: Floats) -> tuple[Floats, Floats]:
        """(below, up to) of the rest, before whole numbers are made of it."""
        row, m = np.arange(len(values)), len(LEVELS)
        under = (self.knots < values[:, None]).sum(axis=1)
        upto = (self.knots <= values[:, None]).sum(axis=1)
        right = np.clip(under, 1, m - 1)
        start, end = self.knots[row, right - 1], self.knots[row, right]
        share = np.clip((values - start) / np.where(end > start, end - start, 1.0), 0.0, 1.0)
        below = LEVELS[right - 1] + share * (LEVELS[right] - LEVELS[right - 1])
        rise = self._tail(self.knots[:, TAIL] - self.knots[:, 0], self.knots[:, 0] - values)
        below = np.where(under == 0, rise, below)
        fall = self._tail(self.knots[:, -1] - self.knots[:, -1 - TAIL], values - self.knots[:, -1])
        below = np.where(under == m, 1.0 - fall, below)
        up_to = np.where(upto > under, LEVELS[np.maximum(upto, 1) - 1], below)
        up_to = np.where((upto == m) & (upto > under) & (self.knots[:, -1] == self.knots[:, -1 - TAIL]), 1.0, up_to)
        below = np.where(values <= self.low, 0.0, np.where(values > self._top, 1.0, below))
        up_to = np.where(values < self.low, 0.0, np.where(values >= self._top, 1.0, up_to))
        return below, np.maximum(below, up_to)

    @staticmethod
    def _tail(scale: Floats, distance: Floats) -> Floats:
        """What lies beyond a point this far outside of the outermost knot; nought where the tail has no width."""
        rate = np.log(LEVELS[TAIL] / LEVELS[0])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            found = LEVELS[0] * np.exp(-rate * np.maximum(distance, 0.0) / scale)
        return np.where(scale > 0, found, 0.0)
