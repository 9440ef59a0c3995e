"""How far off a predicted number may be: its conditional distribution, corrected on rows that no fit has seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.models.base import Inputs, State
from pql.engine.models.quantile_trees import QuantileTrees
from pql.engine.planning.bounds import Bounds
from pql.engine.quality.conformal import Correction
from pql.engine.quality.distribution import Distribution

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """Distributions and their correction."""

    trees: QuantileTrees
    correction: Correction

    def predict(self, inputs: Inputs, predictions: Floats, asked: Bounds) -> Floats:
        """float64[n, k]: the columns of `asked` beside the point predictions float64[n]."""
        return self.bounds(self.trees.predict(inputs), predictions, asked)

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
        return {"trees": self.trees.state(), "correction": self.correction.state()}

    @classmethod
    def restore(cls, state: State) -> Spread:
        return cls(QuantileTrees.restore(state["trees"]), Correction.restore(state["correction"]))


def _down(found: Distribution, lower: Floats, predictions: Floats) -> Floats:
    return np.minimum(lower, np.floor(predictions) if found.whole else predictions)


def _up(found: Distribution, upper: Floats, predictions: Floats) -> Floats:
    return np.maximum(upper, np.ceil(predictions) if found.whole else predictions)
