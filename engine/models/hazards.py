"""The simple rivals of a time to an event: everybody's survival curve, that by recency, and the entity's own pace.

They answer the stacked table of `training.time_to`: one row per (seed, interval), the probability of the event in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.models.base import Inputs, Problem, State

Floats = NDArray[np.float64]

INTERVAL, WIDTH, PAST, FIRST = "interval", "width of the interval", "events so far", "since the first event"
LAST = "since the last event"
HAZARDS = ("kaplan_meier", "recency", "interval")
RECENCIES = 10  # groups by how long ago the last event was


@dataclass(frozen=True, slots=True)
class HazardFitted:
    """`hazards` float64[groups, K]: of each interval in training, by group; `edges` divide the groups of recency (the
    last one has had no event). `rate`: events per horizon at risk in training."""

    name: str
    hazards: Floats
    edges: Floats
    rate: float

    def predict(self, inputs: Inputs) -> Floats:
        """float64[n]: the probability of the event in each row's interval; never NaN."""
        column = {name: i for i, name in enumerate(inputs.features.names)}
        values = inputs.features.values
        if self.name != "interval":
            number = np.clip(values[:, column[INTERVAL]].astype(np.int64) - 1, 0, self.hazards.shape[1] - 1)
            return self.hazards[_groups(values[:, column[LAST]], self.edges), number]
        past = values[:, column[PAST]].astype(np.float64)
        since = np.nan_to_num(values[:, column[FIRST]].astype(np.float64), nan=0.0)
        pace = (past + self.rate) / (since + 1.0)  # one horizon's worth of everybody's rate
        return -np.expm1(-pace * values[:, column[WIDTH]].astype(np.float64))

    def state(self) -> State:
        return {"name": self.name, "hazards": self.hazards, "edges": self.edges, "rate": self.rate}


def _groups(since: NDArray[np.float32], edges: Floats) -> NDArray[np.int64]:
    """The group of each row by its last event: all one without edges, else the last where there was none."""
    if not len(edges):
        return np.zeros(len(since), dtype=np.int64)
    found = np.searchsorted(edges, since.astype(np.float64), side="left")
    return np.where(np.isnan(since), len(edges) + 1, found)


@dataclass(frozen=True, slots=True)
class HazardModel:
    """kaplan_meier: the hazards of all training rows. recency: those of rows whose last event was as long ago.
    interval: the entity's own events per time, so far."""

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
        since = problem.inputs.features.values[train, problem.inputs.features.names.index(LAST)]
        known = since[~np.isnan(since)].astype(np.float64)
        edges = np.zeros(0)
        if self.name == "recency" and len(known):
            edges = np.unique(np.quantile(known, np.arange(1, RECENCIES) / RECENCIES))
        group = _groups(since, edges)
        groups = len(edges) + 2 if len(edges) else 1
        usual = _hazards(np.zeros_like(group), number, event, 1, count, 0.5)
        hazards = _hazards(group, number, event, groups, count, usual)
        return HazardFitted(self.name, hazards, edges, float(event.sum()) / max(float(width.sum()), 1e-9))

    def restore(self, state: State) -> HazardFitted:
        hazards, edges = (np.asarray(state[name], dtype=np.float64) for name in ("hazards", "edges"))
        return HazardFitted(state["name"], hazards, edges, float(state["rate"]))


def _hazards(
    group: NDArray[np.int64],
    number: NDArray[np.int64],
    event: NDArray[np.bool_],
    groups: int,
    count: int,
    usual: Floats | float,
) -> Floats:
    """float64[groups, count]: the share of events among the rows at risk, with one row's worth of the usual one."""
    cell, size = group * count + number, groups * count
    happened = np.bincount(cell[event], minlength=size).reshape(groups, count)
    at_risk = np.bincount(cell, minlength=size).reshape(groups, count)
    return np.asarray((happened + usual) / (at_risk + 1.0), dtype=np.float64)
