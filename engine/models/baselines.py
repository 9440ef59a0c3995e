"""The simple rivals printed beside every model: rates, means, and what the entity did last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.examples.steps import SEASONAL
from pql.engine.models.base import Inputs, Problem, State
from pql.engine.models.boosted import membership
from pql.language.errors import PqlError

Floats = NDArray[np.float64]

NUMERIC = frozenset({"binary", "regression", "forecast"})
TASKS: dict[str, frozenset[str]] = {
    "rate": frozenset({"binary", "multilabel"}),
    "last_window": NUMERIC,
    "entity_mean": NUMERIC,
    "seasonal_naive": frozenset({"forecast"}),
    "global_mean": frozenset({"regression", "forecast"}),
    "global_median": frozenset({"regression", "forecast"}),
    "majority": frozenset({"multiclass"}),
    "last_value": frozenset({"multiclass"}),
    "popularity": frozenset({"multilabel"}),
    "repeat": frozenset({"multilabel"}),
}


@dataclass(frozen=True, slots=True)
class BaselineFitted:
    """A fitted baseline.

    `base`: what is said of an entity of which nothing is known: float64[1], or one number per class. `rows` int64[m]
    and `scores` float64[m, classes]: the latest known label of entities (for last_value and repeat), rows ascending.
    """

    name: str
    kind: str
    base: Floats
    rows: NDArray[np.int64]
    scores: Floats

    def predict(self, inputs: Inputs) -> Floats:
        """float64[n], or float64[n, classes]; never NaN."""
        n = len(inputs)
        if self.kind in ("multiclass", "multilabel"):
            result = np.tile(self.base, (n, 1))
            if len(self.rows):
                at = np.minimum(np.searchsorted(self.rows, inputs.seeds.rows), len(self.rows) - 1)
                known = self.rows[at] == inputs.seeds.rows
                result[known] = self.scores[at[known]]
            return result
        result = np.full(n, self.base[0])
        if self.name == "seasonal_naive":
            season = inputs.features.values[:, inputs.features.names.index(SEASONAL[0])].astype(np.float64)
            last = inputs.lags[:, 0].astype(np.float64) if inputs.lags.shape[1] else np.full(n, np.nan)
            result = np.where(np.isfinite(last), last, result)
            return np.where(np.isfinite(season), season, result)
        if self.name in ("last_window", "entity_mean") and inputs.lags.shape[1]:
            lags = inputs.lags.astype(np.float64)
            if self.name == "last_window":
                lags = lags[:, :1]
            known = np.isfinite(lags)
            number = known.sum(axis=1)
            total = np.zeros(n)
            for j in range(lags.shape[1]):
                total += np.where(known[:, j], lags[:, j], 0.0)
            if self.kind == "binary" and self.name == "entity_mean":
                return (total + self.base[0]) / (
                    number + 1.0
                )  # one window's worth of the rate, so that no window is certain
            result = np.where(number > 0, total / np.maximum(number, 1), result)
        return result

    def state(self) -> State:
        return {"name": self.name, "kind": self.kind, "base": self.base, "rows": self.rows, "scores": self.scores}


@dataclass(frozen=True, slots=True)
class BaselineModel:
    """The baseline called `name`; see `TASKS` for which task it answers."""

    name: str

    @property
    def tasks(self) -> frozenset[str]:
        return TASKS[self.name]

    def fit(
        self,
        problem: Problem,
        train: NDArray[np.int64],
        valid: NDArray[np.int64],
        rounds: int | None = None,
    ) -> BaselineFitted:
        """Fit on `train`; `valid` and `rounds` are not needed."""
        kind = problem.task.kind.value
        if kind not in self.tasks:
            raise PqlError(
                "model_not_for_task",
                f"The model {self.name} can't answer a {kind} target.",
                hint="Leave the option model out: a model that fits is then chosen.",
            )
        nothing = np.zeros(0, dtype=np.int64)
        labels = problem.examples.labels
        if kind == "multiclass":
            codes = np.asarray(labels)[train].astype(np.int64)
            counts = np.bincount(codes, minlength=problem.classes).astype(np.float64)
            base = (counts + 1e-3) / (counts.sum() + 1e-3 * max(1, problem.classes))
            if self.name == "majority":
                return BaselineFitted(self.name, kind, base, nothing, np.zeros((0, len(base))))
            rows, latest = _latest(problem, train)
            scores = np.tile(0.3 * base, (len(rows), 1))
            scores[np.arange(len(rows)), codes[latest]] += 0.7
            return BaselineFitted(self.name, kind, base, rows, scores)
        if kind == "multilabel":
            member = membership(labels, problem.classes, train)
            base = (member.sum(axis=0) + 0.5) / (len(train) + 1.0)
            if self.name != "repeat":
                return BaselineFitted(self.name, kind, base, nothing, np.zeros((0, len(base))))
            rows, latest = _latest(problem, train)
            return BaselineFitted(self.name, kind, base, rows, 0.5 * base + 0.5 * member[latest])
        values = np.asarray(labels, dtype=np.float64)[train]
        centre = 0.0
        if len(values):
            centre = float(np.median(values) if self.name == "global_median" else values.mean())
        return BaselineFitted(self.name, kind, np.array([centre]), nothing, np.zeros((0, 1)))

    def restore(self, state: State) -> BaselineFitted:
        return BaselineFitted(
            state["name"],
            state["kind"],
            np.asarray(state["base"], dtype=np.float64),
            np.asarray(state["rows"], dtype=np.int64),
            np.asarray(state["scores"], dtype=np.float64),
        )


def _latest(problem: Problem, train: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The entities met in training, ascending, and the position within `train` of each one's latest example."""
    seeds = problem.inputs.seeds.take(train)
    order = np.lexsort((seeds.anchors, seeds.rows))
    rows = seeds.rows[order]
    is_last = np.ones(len(rows), dtype=bool)
    is_last[:-1] = rows[1:] != rows[:-1]
    return rows[is_last], order[is_last]
