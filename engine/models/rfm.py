"""RFM: recency, frequency and monetary value of an entity's own events, each in fifths; the usual outcome of the cell.

Hughes, "Strategic Database Marketing" (1994). The cells' means are drawn to those of wider cells (recency and
frequency, then recency, then all), so that a cell with few examples says little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.features.past import Past
from pql.engine.models.base import Inputs, Problem, State
from pql.language.errors import PqlError

FIFTHS = 5
DOUBT = 20.0  # examples' worth of the wider cell's mean
TASKS = frozenset({"binary", "regression"})

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RfmFitted:
    """`edges`: what divides recency (in horizons), frequency and value into fifths. `means` float64[6, 6, 6]: the usual
    outcome by recency, frequency and value (place 0: no event at all); `wider` float64[6, 6], by recency and frequency;
    `widest` float64[6], by recency; `usual`, of all. Recency fifth 5 is the latest."""

    kind: str
    edges: tuple[Floats, Floats, Floats]
    means: Floats
    wider: Floats
    widest: Floats
    usual: float
    name: str = "rfm"

    def scores(self, past: Past) -> Ints:
        """int64[n, 3]: the fifths, 1 to 5, of recency, frequency and value; 0 without an event."""
        recency, frequency, value = measures(past)
        some = past.moments > 0
        measured = (-recency, frequency, value)  # the later the last event, the higher the score
        columns = [np.searchsorted(e, v, side="left") + 1 for e, v in zip(self.edges, measured, strict=True)]
        return np.where(some[:, None], np.column_stack(columns), 0).astype(np.int64)

    def predict(self, inputs: Inputs) -> Floats:
        """float64[n]: the usual outcome of each seed's cell."""
        r, f, m = self.scores(needed(inputs)).T
        return self.means[r, f, m]

    def state(self) -> State:
        return {
            "kind": self.kind,
            "edges": list(self.edges),
            "means": self.means,
            "wider": self.wider,
            "widest": self.widest,
            "usual": self.usual,
        }


@dataclass(frozen=True, slots=True)
class RfmModel:
    name: str = "rfm"
    tasks: frozenset[str] = TASKS

    def fit(
        self, problem: Problem, train: NDArray[np.int64], valid: NDArray[np.int64], rounds: int | None = None
    ) -> RfmFitted:
        """Fit on `train`; `valid` and `rounds` are not needed."""
        past = needed(problem.inputs).take(train)
        labels = np.asarray(problem.examples.labels, dtype=np.float64)[train]
        some = past.moments > 0
        recency, frequency, value = (v[some] for v in measures(past))
        edges = (_edges(-recency), _edges(frequency), _edges(value))
        size = FIFTHS + 1
        empty = np.zeros((size, size, size))
        unfitted = RfmFitted(problem.task.kind.value, edges, empty, empty[0], empty[0, 0], 0.0)
        r, f, m = unfitted.scores(past).T
        usual = float(labels.mean()) if len(labels) else 0.0
        widest = _drawn(r, labels, np.full(size, usual))
        wider = _drawn(r * size + f, labels, np.repeat(widest, size))
        means = _drawn((r * size + f) * size + m, labels, np.repeat(wider, size))
        shape = (size, size, size)
        return RfmFitted(unfitted.kind, edges, means.reshape(shape), wider.reshape(shape[:2]), widest, usual)

    def restore(self, state: State) -> RfmFitted:
        edges = tuple(np.asarray(one, dtype=np.float64) for one in state["edges"])
        means, wider, widest = (np.asarray(state[name], dtype=np.float64) for name in ("means", "wider", "widest"))
        return RfmFitted(state["kind"], (edges[0], edges[1], edges[2]), means, wider, widest, float(state["usual"]))


def measures(past: Past) -> tuple[Floats, Floats, Floats]:
    """Of each seed: horizons since the last event (NaN without one), how many events of late, and an event's mean
    value."""
    value = np.zeros(len(past)) if past.total is None else past.total / np.maximum(1, past.moments)
    return past.last, past.recent.astype(np.float64), value


def needed(inputs: Inputs) -> Past:
    """The past of a model's inputs. Raises PqlError `model_not_for_task` where the target has no events to look at."""
    if inputs.past is None:
        raise PqlError(
            "model_not_for_task",
            "The model goes by the target's own past events, and this target has none.",
            hint="Leave the option model out: a model that fits is then chosen.",
        )
    return inputs.past


def _edges(values: Floats) -> Floats:
    """The bounds of the fifths, those that are different."""
    if not len(values):
        return np.zeros(0)
    return np.unique(np.quantile(values, np.arange(1, FIFTHS) / FIFTHS, method="lower"))


def _drawn(cell: Ints, labels: Floats, wider: Floats) -> Floats:
    """The mean of each cell with `DOUBT` examples' worth of the wider cell's."""
    total = np.bincount(cell, weights=labels, minlength=len(wider))
    return (total + DOUBT * wider) / (np.bincount(cell, minlength=len(wider)) + DOUBT)
