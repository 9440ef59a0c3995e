"""How far off a predicted number may be: its conditional distribution, corrected on rows that no fit has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.models.base import Inputs, State
from pql.engine.models.quantile_trees import QuantileTrees
from pql.engine.models.tails import from_log, to_log
from pql.engine.planning.bounds import Bounds
from pql.engine.quality.conformal import Correction
from pql.engine.quality.distribution import LEVELS, Distribution

LEAST_WIDTH, MOST_WIDTH = 0.05, 2.0  # in logarithms

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """Distributions and their correction.

    `errors` float64[levels]: where they are given, the distributions stand around the point predictions: these are the
    quantiles at `LEVELS` of the errors, in logarithms and in widths that the trees tell (`widths_of`).
    """

    trees: QuantileTrees
    correction: Correction
    errors: Floats | None = None

    def distribution(self, inputs: Inputs, predictions: Floats) -> Distribution:
        """The uncorrected distributions of n seeds, beside their point predictions float64[n]."""
        found = self.trees.predict(inputs)
        return found if self.errors is None else around(found, predictions, self.errors)

    def predict(self, inputs: Inputs, predictions: Floats, asked: Bounds) -> Floats:
        """float64[n, k]: the columns of `asked` beside the point predictions float64[n]."""
        return self.bounds(self.distribution(inputs, predictions), predictions, asked)

    def bounds(self, found: Distribution, predictions: Floats, asked: Bounds) -> Floats:
        """The same of distributions. An interval holds its prediction; so do the outermost quantiles around 0.5."""
        if asked.probability is not None:
            lower, upper = self.correction.interval(found, asked.probability)
            return np.stack([_down(found, lower, predictions), _up(found, upper, predictions)], axis=1)
        columns = [self.correction.quantile(found, level) for level in asked.quantiles]
        if asked.quantiles[0] < 0.5:
            columns[0] = _down(found, columns[0], predictions)
        if asked.quantiles[-1] > 0.5:
            columns[-1] = _up(found, columns[-1], predictions)
        return np.stack(columns, axis=1)

    def state(self) -> State:
        return {"trees": self.trees.state(), "correction": self.correction.state(), "errors": self.errors}

    @classmethod
    def restore(cls, state: State) -> Spread:
        errors = state.get("errors")
        trees, correction = QuantileTrees.restore(state["trees"]), Correction.restore(state["correction"])
        return cls(trees, correction, None if errors is None else np.asarray(errors, dtype=np.float64))


def around(found: Distribution, centres: Floats, errors: Floats) -> Distribution:
    """Distributions around `centres` float64[n], as wide as `found` is, with errors as `errors_of` gives them."""
    start = to_log(centres + 0.5 * found.whole)
    knots = from_log(start[:, None] + widths_of(found)[:, None] * errors)
    return replace(found, knots=np.clip(knots, found.low, found.high + found.whole))


def errors_of(found: Distribution, centres: Floats, truth: Floats) -> Floats:
    """float64[levels]: the quantiles of what values are off their centres, in logarithms and widths of `found`."""
    off = to_log(truth + 0.5 * found.whole) - to_log(centres + 0.5 * found.whole)
    return np.asarray(np.quantile(off / widths_of(found), LEVELS), dtype=np.float64)


def widths_of(found: Distribution) -> Floats:
    """float64[n]: how far apart the knots of the middle half are in logarithms, within bounds."""
    first, last = np.searchsorted(LEVELS, [0.2, 0.8])
    widths = to_log(found.knots[:, last]) - to_log(found.knots[:, first])
    return np.clip(widths, LEAST_WIDTH, MOST_WIDTH)


def _down(found: Distribution, lower: Floats, predictions: Floats) -> Floats:
    return np.minimum(lower, np.floor(predictions) if found.whole else predictions)


def _up(found: Distribution, upper: Floats, predictions: Floats) -> Floats:
    return np.maximum(upper, np.ceil(predictions) if found.whole else predictions)
