"""Models of rankings that are made from the past of one anchor alone: rules, and whatever else is shaped like them.

`made_at` makes one; it gives candidates and scores to entities at its anchor and at later ones, and is kept with the
ranking, so that what was learnt can be shown and used again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.models.als import Als, als_at
from pql.engine.models.base import State
from pql.engine.models.due import Due, due_at
from pql.engine.models.rules import Rules, rules_at
from pql.engine.pairs.pair_history import History

PAIR_MODELS = ("rules", "als", "interval")


class Reach(Protocol):
    """What a model says of n entities at one anchor. `nearest` int64[n, q]: candidates of each (-1: none)."""

    @property
    def nearest(self) -> NDArray[np.int64]: ...

    def score(self, owner: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        """float64[c]: of pairs of an entity (its position) and an item."""
        ...


class PairModel(Protocol):
    """A model of pairs. `called` gives its items their values in the data and the table and key they are of, `among`
    finds them in another list."""

    @property
    def name(self) -> str: ...

    def reach(self, history: History, entities: NDArray[np.int64]) -> Reach: ...

    def called(self, values: pa.Array, source: tuple[str, str] | None = None) -> PairModel: ...

    def among(self, values: pa.Array) -> PairModel: ...

    def state(self) -> State: ...


def made_at(history: History, names: Sequence[str], seed: int = 0) -> tuple[PairModel, ...]:
    """The models called `names`, from what is known at the history's anchor."""
    return tuple(_make(name, history, seed) for name in names)


def restored(states: Sequence[State]) -> tuple[PairModel, ...]:
    return tuple(_restore(state) for state in states)


def _make(name: str, history: History, seed: int) -> PairModel:
    if name == "als":
        return als_at(history, seed)
    return due_at(history) if name == "interval" else rules_at(history)


def _restore(state: State) -> PairModel:
    if state["name"] == "als":
        return Als.restore(state)
    return Due.restore(state) if state["name"] == "interval" else Rules.restore(state)
