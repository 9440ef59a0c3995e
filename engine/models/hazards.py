"""The simple rivals of a time to an event: everybody's survival curve, and the entity's own pace.

They answer the stacked table of `engine.time_to`: one row per (seed, interval), the probability of the event in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.models.base import Inputs, Problem, State

Floats = NDArray[np.float64]

INTERVAL, WIDTH, PAST, FIRST = "interval", "width of the interval", "events so far", "since the first event"
HAZARDS = ("kaplan_meier", "interval")


@dataclass(frozen=True, slots=True)
class HazardFitted:
    """`hazards` float64[K]: of each interval in training. `rate`: events per horizon at risk in training."""

    name: str
    hazards: Floats
    rate: float

    def predict(self, inputs: Inputs) -> Floats:
        """float64[n]: the probability of the event in each row's interval; never NaN."""
        column = {name: i for i, name in enumerate(inputs.features.names)}
        values = inputs.features.values
        if self.name == "kaplan_meier":
            number = np.clip(values[:, column[INTERVAL]].astype(np.int64) - 1, 0, len(self.hazards) - 1)
            return self.hazards[number]
        past = values[:, column[PAST]].astype(np.float64)
        since = np.nan_to_num(values[:, column[FIRST]].astype(np.float64), nan=0.0)
        pace = (past + self.rate) / (since + 1.0)  # one horizon's worth of everybody's rate
        return -np.expm1(-pace * values[:, column[WIDTH]].astype(np.float64))

    def state(self) -> State:
        return {"name": self.name, "hazards": self.hazards, "rate": self.rate}


@dataclass(frozen=True, slots=True)
class HazardModel:
    """kaplan_meier: the hazards of all training rows. interval: the entity's own events per time, so far."""

    name: str
    tasks: frozenset[str] = frozenset({"binary"})  # the stacked rows are yes/no

    def fit(
        self,
        problem: Problem,
        train: NDArray[np.int64],
        valid: NDArray[np.int64],
        rounds: int | None = None,
    ) -> HazardFitted:
        """Fit on `train`; `valid` and `rounds` are not needed."""
        steps = problem.examples.steps
        assert steps is not None
        event = np.asarray(problem.examples.labels)[train] > 0.5
        number = steps.number[train]
        width = problem.inputs.features.values[train, problem.inputs.features.names.index(WIDTH)].astype(np.float64)
        count = int(number.max()) + 1 if len(number) else 1
        at_risk = np.bincount(number, minlength=count)
        hazards = (np.bincount(number[event], minlength=count) + 0.5) / (at_risk + 1.0)
        return HazardFitted(self.name, hazards, float(event.sum()) / max(float(width.sum()), 1e-9))

    def restore(self, state: State) -> HazardFitted:
        return HazardFitted(state["name"], np.asarray(state["hazards"], dtype=np.float64), float(state["rate"]))
