"""Conditional distributions by boosted trees: one for the probability of the atom, one per level of the rest.

Trees of the quantile loss (LightGBM) are fitted at `distribution.LEVELS` on the logarithms of the examples that are not
the atom, starting from the entity's earlier targets where there are any; levels that cross are put in order. With too
few examples every row gets the training examples' own quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seed_batches import spread_over
from pql.engine.models.base import Inputs, Problem, State
from pql.engine.models.tails import from_log, lag_start, to_log
from pql.engine.models.trees import Data, model_matrix, telling_names
from pql.engine.quality.distribution import LEVELS, Distribution

MOST_ROUNDS = 300
USUAL_ROUNDS = 60  # where no rows are left to stop early by
ATOM_SHARE = (0.03, 0.97)  # of the training examples that one value must have to be modelled by itself
FEWEST_REST = 60  # examples besides the atom, below which their quantiles are constants
SIZES: dict[str, Any] = {"num_leaves": 15, "learning_rate": 0.09}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class QuantileTrees:
    """Trees as LightGBM's own text: `trees[0]` of the atom ("" if constant), then one per level ("" likewise).

    base: the constants, in the same order: the atom's share and the quantiles of the rest. `rounds`: what early
    stopping found, in the same order. `centre`: where trees start from if nothing is known of the entity's earlier
    targets; None where they don't start from those.
    """

    names: tuple[str, ...]
    trees: tuple[str, ...]
    base: Floats
    rounds: tuple[int, ...]
    atom: float
    whole: bool
    low: float
    high: float
    centre: float | None = None
    _boosters: list[Any] = field(default_factory=list, repr=False, compare=False)

    def predict(self, inputs: Inputs) -> Distribution:
        """The distributions of n seeds."""
        n = len(inputs)
        found = np.tile(self.base, (n, 1))
        if any(self.trees) and n:
            if not self._boosters:
                import lightgbm

                self._boosters.extend(lightgbm.Booster(model_str=text) if text else None for text in self.trees)
            matrix = model_matrix(inputs.features, self.names)
            start = 0.0 if self.centre is None else to_log(lag_start(inputs.lags, self.centre))
            for i, booster in enumerate(self._boosters):
                if booster is not None:
                    score = booster.predict(matrix, num_threads=1)
                    found[:, i] = score if i == 0 else from_log(score + start)
        top = self.high + 1.0 if self.whole else self.high
        knots = np.clip(np.sort(found[:, 1:], axis=1), self.low, top)
        return Distribution(knots, np.clip(found[:, 0], 0.0, 1.0), self.atom, self.whole, self.low, self.high)

    def state(self) -> State:
        return {
            "names": list(self.names),
            "trees": list(self.trees),
            "base": self.base,
            "rounds": list(self.rounds),
            "atom": self.atom,
            "whole": self.whole,
            "low": self.low,
            "high": self.high,
            "centre": self.centre,
        }

    @classmethod
    def restore(cls, state: State) -> QuantileTrees:
        return cls(
            tuple(state["names"]),
            tuple(state["trees"]),
            np.asarray(state["base"], dtype=np.float64),
            tuple(int(r) for r in state["rounds"]),
            float(state["atom"]),
            bool(state["whole"]),
            float(state["low"]),
            float(state["high"]),
            None if state["centre"] is None else float(state["centre"]),
        )


def fit_quantile_trees(
    problem: Problem,
    train: NDArray[np.int64],
    stopping: NDArray[np.int64],
    *,
    most: int,
    limits: tuple[float, float],
    first: QuantileTrees | None = None,
    growth: float = 1.0,
    constant: bool = False,
) -> QuantileTrees:
    """Fit on at most `most` of `train`, evenly spread; stop early on `stopping`, if there are any.

    `first`: an earlier fit whose rounds, times `growth`, a refit repeats. `constant`: no trees. `limits`: the range of
    the values.
    """
    labels = np.asarray(problem.examples.labels, dtype=np.float64)
    whole = bool((labels[train] == np.round(labels[train])).all()) if first is None else first.whole
    low, high = (float(np.ceil(limits[0])), float(np.floor(limits[1]))) if whole else limits
    train = spread_over(train, most)
    atom = _most_frequent(labels[train]) if first is None else first.atom
    share = float(np.mean(labels[train] == atom))
    has_atom = share >= ATOM_SHARE[0] if first is None else first.base[0] > 0
    smooth = labels + _jitter(len(labels), problem.plan.seed) if whole else labels
    rest = train[labels[train] != atom] if has_atom else train
    around = smooth[rest] if len(rest) else np.array([atom + 0.5 * whole])
    base = np.concatenate([[share if has_atom else 0.0], np.quantile(around, LEVELS)])
    lags = problem.inputs.lags
    centre = float(np.median(around)) if np.isfinite(lags[train]).any() else None
    if first is not None:
        centre = first.centre
    start = None if centre is None else to_log(lag_start(lags, centre))
    trees, rounds = [""] * len(base), [1] * len(base)
    names = telling_names(problem, train) if first is None else first.names

    def fit(i: int, data: Data, target: Floats, start: Floats | None, params: dict[str, Any]) -> None:
        wanted = None if first is None else max(1, round(first.rounds[i] * growth))
        if wanted is None and not len(data.valid):
            wanted = USUAL_ROUNDS
        trees[i], rounds[i], _ = data.boost(target, wanted, MOST_ROUNDS, start, **{**SIZES, **params})

    if not constant and has_atom and share <= ATOM_SHARE[1]:
        data = Data(problem, train, stopping, names)
        if data.is_enough:
            fit(0, data, (labels == atom).astype(np.float64), None, {"objective": "binary", "metric": "binary_logloss"})
    if not constant and len(rest) >= FEWEST_REST and around.min() < around.max():
        data = Data(problem, rest, stopping[labels[stopping] != atom] if has_atom else stopping, names)
        for i, level in enumerate(LEVELS.tolist() if data.is_enough else (), start=1):
            if problem.events.stopped:
                trees, rounds = [""] * len(base), [1] * len(base)
                break
            fit(i, data, to_log(smooth), start, {"objective": "quantile", "metric": "quantile", "alpha": level})
    return QuantileTrees(names, tuple(trees), base, tuple(rounds), atom, whole, low, high, centre)


def _most_frequent(values: Floats) -> float:
    distinct, counts = np.unique(values, return_counts=True)
    return float(distinct[counts.argmax()])


def _jitter(n: int, seed: int) -> Floats:
    """float64[n] between 0 and 1, spread evenly: what makes whole numbers continuous."""
    return np.random.default_rng(seed).permutation(n) / n + 0.5 / n
