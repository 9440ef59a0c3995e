"""A ridge regression on rank-transformed features, of all training rows: what holds where trees find only noise.

Where little can be told from the features, as from stale histories, a sum of many small effects that saturate at the
ends of what was seen generalises better than splits. All rows count, unlike for `instant`; the penalty is chosen on
validation, so in the regime of use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.features.linear import logistic
from pql.engine.features.rank_gauss import Column, fit_columns, matrix, normal_scores
from pql.engine.graph.seed_batches import spread_over
from pql.engine.models.base import Inputs, Problem, State
from pql.engine.quality.calibrate import logit, sigmoid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PENALTIES = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1)  # for each row, the strongest first
CAUTION = 0.5  # the strongest penalty within so many standard errors of the best is taken
MOST_ROWS = 60_000
MOST_CELLS = 30_000_000  # rows times inputs
FEWEST_CHOSEN_ON = 30  # validation rows, below which the penalty is USUAL
USUAL = 3.0
BLOCK = 4_096  # rows that are turned into inputs at a time


@dataclass(frozen=True, slots=True)
class LinearFitted:
    """What a fit leaves: `weights` float64[f] of the inputs `columns`, standardised rows aside.

    binary: the probability's log-odds are `slope` times the sum and `offset`. regression: the sum is a normal score,
    which `values` and `scores` (ascending, in parallel) turn into a value; without them it is the value.
    """

    kind: str
    columns: tuple[Column, ...]
    weights: Floats
    intercept: float
    slope: float
    offset: float
    values: Floats
    scores: Floats
    penalty: float
    name: str = "linear"

    @property
    def again(self) -> LinearModel:
        """The model with the penalty of this fit, for the refit."""
        return LinearModel(self.penalty)

    def predict(self, inputs: Inputs) -> Floats:
        """float64[n]; never NaN. Summed input by input: a row's answer doesn't depend on the others'."""
        parts = [np.zeros(0)]
        for begin in range(0, len(inputs), BLOCK):
            part = np.arange(begin, min(begin + BLOCK, len(inputs)))
            made = matrix(self.columns, inputs.features.take(part))
            total = np.full(len(part), self.intercept)
            for j, weight in enumerate(self.weights.tolist()):
                total += weight * made[:, j]
            parts.append(total)
        return self._finish(np.concatenate(parts))

    def contributions(self, inputs: Inputs) -> Floats:
        """What each feature adds to each seed's raw score, float64[n, f + 1]; last what all start from. The raw score
        is the log-odds (binary), or the value on the scale of the target."""
        place = {name: j for j, name in enumerate(inputs.features.names)}
        out = np.zeros((len(inputs), len(place) + 1))
        made = matrix(self.columns, inputs.features)
        slope, offset = (self.slope, self.offset) if self.kind == "binary" else (1.0, 0.0)
        for j, (column, weight) in enumerate(zip(self.columns, self.weights.tolist(), strict=True)):
            out[:, place[column.feature]] += slope * weight * made[:, j]
        out[:, -1] = slope * self.intercept + offset
        return out

    def on_scale(self, raw: Floats) -> Floats:
        """A regression's raw scores, float64[n], as values of the target."""
        return np.interp(raw, self.scores, self.values) if len(self.values) else raw

    def state(self) -> State:
        return {
            "kind": self.kind,
            "columns": [column.state() for column in self.columns],
            "weights": self.weights,
            "numbers": [self.intercept, self.slope, self.offset, self.penalty],
            "values": self.values,
            "scores": self.scores,
        }

    def _finish(self, raw: Floats) -> Floats:
        if self.kind == "binary":
            return sigmoid(self.slope * raw + self.offset)
        return self.on_scale(raw)


@dataclass(frozen=True, slots=True)
class LinearModel:
    """Ridge regression on all rows. `penalty` fixes what validation else chooses."""

    penalty: float | None = None
    name: str = "linear"
    tasks: frozenset[str] = frozenset({"binary", "regression"})

    def fit(self, problem: Problem, train: Ints, valid: Ints, rounds: int | None = None) -> LinearFitted:
        """Fit on `train`, choose the penalty on `valid`; `rounds` isn't needed."""
        kind = problem.task.kind.value
        features = problem.inputs.features
        rows = spread_over(train, min(MOST_ROWS, max(1_000, MOST_CELLS // max(1, features.values.shape[1]))))
        chosen = features.take(rows)
        columns = fit_columns(chosen)
        target = np.asarray(problem.examples.labels, dtype=np.float64)[rows]
        known, scores = np.zeros(0), np.zeros(0)
        if kind == "regression" and problem.task.metric == "mae":
            known, scores = normal_scores(target)
            target = scores[np.searchsorted(known, target)]
        mean = float(target.mean())
        sizes, turned, basis, center = _spectrum(matrix(columns, chosen).astype(np.float32), target - mean)

        def made(penalty: float) -> LinearFitted:
            weights = basis @ (turned / (sizes + penalty * len(rows)))
            intercept = mean - float(center @ weights)
            return LinearFitted(kind, columns, weights, intercept, 1.0, 0.0, known, scores, penalty)

        if self.penalty is not None or len(valid) < FEWEST_CHOSEN_ON:
            best = made(USUAL if self.penalty is None else self.penalty)
            return _as_odds(best, problem, rows) if kind == "binary" else best
        inputs = problem.inputs.take(valid)
        truth = np.asarray(problem.examples.labels, dtype=np.float64)[valid]
        found = [made(penalty) for penalty in PENALTIES]
        if kind == "binary":
            found = [_as_odds(one, problem, rows) for one in found]
        losses = [_loss(kind, problem.task.metric, one.predict(inputs), truth) for one in found]
        return found[_careful(losses)]

    def restore(self, state: State) -> LinearFitted:
        intercept, slope, offset, penalty = (float(number) for number in state["numbers"])
        weights, values, scores = (
            np.asarray(state[name], dtype=np.float64) for name in ("weights", "values", "scores")
        )
        columns = tuple(Column.restore(column) for column in state["columns"])
        return LinearFitted(state["kind"], columns, weights, intercept, slope, offset, values, scores, penalty)


def _spectrum(inputs: NDArray[np.float32], target: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Eigenvalues and vectors of the inputs' covariance (times n), the target in their terms, the inputs' means."""
    center = inputs.mean(axis=0, dtype=np.float64)
    inputs -= center.astype(np.float32)
    sizes, basis = np.linalg.eigh((inputs.T @ inputs).astype(np.float64))
    turned = basis.T @ (inputs.T @ target.astype(np.float32)).astype(np.float64)
    return np.maximum(sizes, 0.0), turned, basis, center


def _as_odds(fitted: LinearFitted, problem: Problem, rows: Ints) -> LinearFitted:
    """The fit with its sums turned into log-odds by a logistic regression of the training labels on them."""
    rows = spread_over(rows, 5_000)
    raw = logit(np.clip(fitted.predict(problem.inputs.take(rows)), 1e-12, 1 - 1e-12))
    spread = float(raw.std())
    if spread < 1e-9:
        return fitted
    positive = np.asarray(problem.examples.labels)[rows] > 0.5
    line = logistic(((raw - raw.mean()) / spread)[:, None], positive)
    slope = float(line.weights[0]) / spread
    return LinearFitted(
        fitted.kind,
        fitted.columns,
        fitted.weights,
        fitted.intercept,
        slope,
        line.intercept - slope * float(raw.mean()),
        fitted.values,
        fitted.scores,
        fitted.penalty,
    )


def _loss(kind: str, metric: str, scores: Floats, truth: Floats) -> Floats:
    """float64[n]: the loss of each row."""
    if kind == "binary":
        return np.logaddexp(0.0, logit(scores)) - (truth > 0.5) * logit(scores)
    miss = scores - truth
    return np.abs(miss) if metric == "mae" else miss**2


def _careful(losses: list[Floats]) -> int:
    """The place of the strongest penalty whose loss is within CAUTION standard errors of the least."""
    means = [float(loss.mean()) for loss in losses]
    best = int(np.argmin(means))
    slack = CAUTION * float(np.std(losses[best])) / np.sqrt(len(losses[best]))
    return next(i for i, mean in enumerate(means) if mean <= means[best] + slack)
