"""A small model fitted at query time: a penalised linear model of rank-transformed features, on at most 1,000 rows.

No network, no trees: an answer a fraction of a second after the features are there. Inputs that go with the target
are shrunk less than others (by their correlation with it), which a single penalty can't do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.examples.context import context, natural_rates
from pql.engine.features.linear import Linear, logistic, ridge
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.features.rank_gauss import Column, fit_columns, matrix, normal_scores
from pql.engine.graph.seeds import Labels
from pql.engine.models.base import Inputs, Problem, State
from pql.engine.models.boosted import membership
from pql.engine.models.tails import from_log, to_log
from pql.engine.quality.calibrate import sigmoid

Floats = NDArray[np.float64]

MOST_INPUTS = 128
FEWEST_INPUTS = 12
ROWS_PER_INPUT = 8
FLOOR = 0.02  # added to every input's correlation with the target
MOST_LABELS = 100  # classes of a set, or of a column, that are told apart: the most frequent ones
FEWEST_OF_LABEL = 5
GAIN = 0.02  # by which another scale of the target must better the ranks'


@dataclass(frozen=True, slots=True)
class Part:
    """One linear model: of the class `target` (binary, regression: 0), over the columns `inputs`."""

    target: int
    inputs: NDArray[np.int64]
    linear: Linear


@dataclass(frozen=True, slots=True)
class InstantFitted:
    """What a fit leaves. `base`: what is said where nothing tells rows apart: float64[1], or one per class.

    scale: of a regression's target, `ranks` (its normal scores, between `values` and `scores`), `log` or `plain`.
    `rows`: how many examples it was fitted on.
    """

    kind: str
    columns: tuple[Column, ...]
    parts: tuple[Part, ...]
    base: Floats
    scale: str
    values: Floats
    scores: Floats
    rows: int
    name: str = "instant"

    def predict(self, inputs: Inputs) -> Floats:
        """float64[n], or float64[n, classes]; never NaN."""
        n = len(inputs)
        if self.kind in ("multiclass", "multilabel"):
            return self._classes(inputs.features, n)
        if not self.parts:
            return np.full(n, self.base[0])
        raw = self.parts[0].linear.predict(self._matrix(inputs.features, self.parts[0]))
        if self.kind == "binary":
            return sigmoid(raw)
        return self.on_scale(raw)

    def raw(self, inputs: Inputs) -> Floats:
        """float64[n, classes]: the log-odds of every class, each against the rest."""
        rates = np.clip(self.base, 1e-12, 1 - 1e-12)
        scores = np.tile(np.log(rates) - np.log1p(-rates), (len(inputs), 1))
        for part in self.parts:
            scores[:, part.target] = part.linear.predict(self._matrix(inputs.features, part))
        return scores

    def contributions(self, inputs: Inputs, weights: Floats | None = None) -> Floats:
        """What each feature adds to each seed's raw score, float64[n, f + 1]; last what all start from.

        The raw score is the log-odds (binary), or the value on the scale of the target; of several classes the sum of
        their log-odds by `weights` float64[n, classes].
        """
        names = inputs.features.names
        place = {name: j for j, name in enumerate(names)}
        out = np.zeros((len(inputs), len(names) + 1))
        if weights is not None:
            rates = np.clip(self.base, 1e-12, 1 - 1e-12)
            rest = np.log(rates) - np.log1p(-rates)
            rest[[part.target for part in self.parts]] = 0.0
            out[:, -1] = weights @ rest
        elif not self.parts:
            out[:, -1] = self.base[0]
        for part in self.parts:
            weight = np.ones(len(inputs)) if weights is None else weights[:, part.target]
            if not weight.any():
                continue
            values = self._matrix(inputs.features, part)
            for j, column in enumerate(self.columns[i] for i in part.inputs.tolist()):
                out[:, place[column.feature]] += weight * part.linear.weights[j] * values[:, j]
            out[:, -1] += weight * part.linear.intercept
        return out

    def shares(self) -> tuple[tuple[str, float], ...]:
        """(feature, its share of the sizes of all weights), largest first."""
        total: dict[str, float] = {}
        for part in self.parts:
            for i, weight in zip(part.inputs.tolist(), part.linear.weights.tolist(), strict=True):
                feature = self.columns[i].feature
                total[feature] = total.get(feature, 0.0) + abs(weight)
        whole = sum(total.values())
        ranked = sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
        return tuple((name, size / whole) for name, size in ranked if size > 0)

    def state(self) -> State:
        return {
            "kind": self.kind,
            "columns": [column.state() for column in self.columns],
            "parts": [
                {
                    "target": part.target,
                    "inputs": part.inputs,
                    "weights": part.linear.weights,
                    "intercept": part.linear.intercept,
                }
                for part in self.parts
            ],
            "base": self.base,
            "scale": self.scale,
            "values": self.values,
            "scores": self.scores,
            "rows": self.rows,
        }

    def _matrix(self, features: FeatureMatrix, part: Part) -> Floats:
        return matrix(tuple(self.columns[i] for i in part.inputs.tolist()), features)

    def on_scale(self, raw: Floats) -> Floats:
        """A regression's raw scores, float64[n], as values of the target."""
        if self.scale == "ranks":
            return np.interp(raw, self.scores, self.values)
        return from_log(raw) if self.scale == "log" else raw

    def _classes(self, features: FeatureMatrix, n: int) -> Floats:
        scores = np.tile(self.base, (n, 1))
        for part in self.parts:
            scores[:, part.target] = sigmoid(part.linear.predict(self._matrix(features, part)))
        if self.kind == "multiclass":
            scores = np.maximum(scores, 1e-9)
            scores = scores / scores.sum(axis=1, keepdims=True)
        return scores


@dataclass(frozen=True, slots=True)
class InstantModel:
    """The small model fitted at query time."""

    name: str = "instant"
    tasks: frozenset[str] = frozenset({"binary", "regression", "multiclass", "multilabel", "forecast"})

    def fit(
        self,
        problem: Problem,
        train: NDArray[np.int64],
        valid: NDArray[np.int64],
        rounds: int | None = None,
    ) -> InstantFitted:
        """Fit on a thousand of `train`; leaving rows out chooses the penalties, `valid` and `rounds` aren't needed."""
        kind = problem.task.kind.value
        rows = context(problem.examples, train, kind)
        features = problem.inputs.features.take(rows)
        columns = fit_columns(features)
        inputs = matrix(columns, features)
        if kind in ("multiclass", "multilabel"):
            return _fit_classes(problem, train, rows, columns, inputs)
        values = np.asarray(problem.examples.labels, dtype=np.float64)[rows]
        nothing = np.zeros(0)
        if kind == "binary":
            positive = values > 0.5
            rate = float(natural_rates(problem.examples, train, kind)[1])
            part = _shift(_part(0, inputs, positive), positive, rate)
            return InstantFitted(kind, columns, (part,), np.array([rate]), "plain", nothing, nothing, len(rows))
        return _fit_value(problem, kind, columns, inputs, values)

    def restore(self, state: State) -> InstantFitted:
        parts = tuple(
            Part(
                int(part["target"]),
                np.asarray(part["inputs"], dtype=np.int64),
                Linear(np.asarray(part["weights"], dtype=np.float64), float(part["intercept"]), np.zeros(0), 0.0),
            )
            for part in state["parts"]
        )
        return InstantFitted(
            state["kind"],
            tuple(Column.restore(column) for column in state["columns"]),
            parts,
            np.asarray(state["base"], dtype=np.float64),
            state["scale"],
            np.asarray(state["values"], dtype=np.float64),
            np.asarray(state["scores"], dtype=np.float64),
            int(state["rows"]),
        )


def _fit_value(
    problem: Problem, kind: str, columns: tuple[Column, ...], inputs: Floats, values: Floats
) -> InstantFitted:
    """A number on the scale that leaving rows out favours: normal scores, whose middle is the median, or as it is."""
    by_median = problem.task.metric == "mae"
    center = float(np.median(values) if by_median else values.mean())
    best, least = None, np.inf
    for scale in ("ranks", "plain", "log"):
        known, scores = normal_scores(values) if scale == "ranks" else (np.zeros(0), np.zeros(0))
        target = scores[np.searchsorted(known, values)] if scale == "ranks" else values
        target = to_log(values) if scale == "log" else target
        part = _part(0, inputs, target)
        made = InstantFitted(kind, columns, (part,), np.array([center]), scale, known, scores, len(values))
        miss = np.abs(np.clip(made.on_scale(part.linear.held_out), values.min(), values.max()) - values)
        error = float(np.mean(miss if by_median else miss**2)) * (1.0 if best is None else 1 + GAIN)
        if best is None or error < least:
            best, least = made, error
    assert best is not None
    return best


def _fit_classes(
    problem: Problem, train: NDArray[np.int64], rows: NDArray[np.int64], columns: tuple[Column, ...], inputs: Floats
) -> InstantFitted:
    """One yes/no model per class."""
    kind, classes = problem.task.kind.value, max(1, problem.classes)
    labels: Labels = problem.examples.labels
    if kind == "multilabel":
        member = membership(labels, classes, rows)
        base = (member.sum(axis=0) + 0.5) / (len(rows) + 1.0)
    else:
        member = np.asarray(labels)[rows][:, None] == np.arange(classes)[None, :]
        natural = natural_rates(problem.examples, train, kind)
        base = np.zeros(classes)
        base[: len(natural)] = natural[:classes]
        base = (base + 1e-3 / classes) / (1 + 1e-3)
    counts = member.sum(axis=0)
    usual = [c for c in np.argsort(-counts, kind="stable")[:MOST_LABELS].tolist() if counts[c] >= FEWEST_OF_LABEL]
    parts = []
    for c in usual:
        if problem.events.stopped:
            break
        if counts[c] <= len(rows) - FEWEST_OF_LABEL:
            part = _part(c, inputs, member[:, c])
            parts.append(part if kind == "multilabel" else _shift(part, member[:, c], float(base[c])))
    nothing = np.zeros(0)
    return InstantFitted(kind, columns, tuple(parts), base, "plain", nothing, nothing, len(rows))


def _part(target: int, inputs: Floats, values: Floats | NDArray[np.bool_]) -> Part:
    """The linear model of `values` (bool: logistic) on the inputs that go with it most, these shrunk least."""
    centered = values - values.mean()
    spread = float(centered.std())
    n, f = inputs.shape
    if spread <= 1e-12:
        centered, spread = np.zeros(n), 1.0
    correlation = np.abs(inputs.T @ centered) / (n * spread)
    most = int(np.clip(n // ROWS_PER_INPUT, FEWEST_INPUTS, MOST_INPUTS))
    chosen = np.sort(np.argsort(-correlation, kind="stable")[:most])
    size = correlation[chosen] + FLOOR
    size = size / np.sqrt(np.mean(size**2)) if f else size
    scaled = inputs[:, chosen] * size
    if values.dtype == np.bool_:
        linear = logistic(scaled, values > 0.5)
    else:
        linear = ridge(scaled, np.asarray(values, dtype=np.float64))
    return Part(target, chosen, replace(linear, weights=linear.weights * size))


def _shift(part: Part, positive: NDArray[np.bool_], rate: float) -> Part:
    """The model as fitted on rows of which a share `rate` is positive, whatever share of these is."""
    here = float(np.clip(positive.mean(), 0.5 / len(positive), 1 - 0.5 / len(positive)))
    there = float(np.clip(rate, 1e-6, 1 - 1e-6))
    by = float(np.log(there / (1 - there)) - np.log(here / (1 - here)))
    return replace(part, linear=replace(part.linear, intercept=part.linear.intercept + by))
