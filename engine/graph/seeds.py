"""Seeds and examples: who is predicted for, at which anchor, and with which label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TRAIN, VALID, TEST = 0, 1, 2
BEYOND = 3  # rows of validation and test that only a whole curve needs: the event was over, or nobody watched


@dataclass(frozen=True, slots=True)
class Seeds:
    """n pairs of an entity and an anchor. `rows` int64[n] index the entity's node table; `anchors` int64[n], µs.

    `known` int64[n], µs: where the history that may be seen ends, if that is earlier than the anchor (see
    `engine.planning.regime`); without it, histories end at the anchors.
    """

    rows: NDArray[np.int64]
    anchors: NDArray[np.int64]
    known: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def seen(self) -> NDArray[np.int64]:
        """int64[n], µs: nothing later than this may be looked at; never later than the anchor."""
        return self.anchors if self.known is None else np.minimum(self.anchors, self.known)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Seeds:
        return Seeds(self.rows[index], self.anchors[index], None if self.known is None else self.known[index])


@dataclass(frozen=True, slots=True)
class Ragged:
    """n sets of integers: those of example i are `values[offsets[i]:offsets[i + 1]]` (sorted, distinct)."""

    offsets: NDArray[np.int64]
    values: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Ragged:
        if index.dtype == bool:
            index = np.flatnonzero(index)
        sizes = np.diff(self.offsets)[index]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        starts = np.repeat(self.offsets[:-1][index] - offsets[:-1], sizes)
        return Ragged(offsets, self.values[starts + np.arange(offsets[-1])])


@dataclass(frozen=True, slots=True)
class StepRows:
    """Which step each of n stacked rows stands for: `number` int64[n] from 0, and its features float32[n, e]."""

    number: NDArray[np.int64]
    values: NDArray[np.float32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.number)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> StepRows:
        return StepRows(self.number[index], self.values[index], self.names)


Labels = NDArray[np.float64] | NDArray[np.int64] | Ragged


@dataclass(frozen=True, slots=True)
class Examples:
    """The training table in the graph's terms.

    labels: float64[n] for binary (0/1) and regression; int64[n] class codes for multiclass; Ragged item or class
    codes for ranking and multilabel. `split` int8[n]: TRAIN, VALID or TEST. `lags` float32[n, L]: the query's own
    target in the L windows before the anchor, nearest first, NaN where undefined; for class and set targets, L is 0.
    `steps`: of tasks of several steps per seed, whose rows are (seed, step); None of others.
    """

    seeds: Seeds
    labels: Labels
    split: NDArray[np.int8]
    lags: NDArray[np.float32]
    steps: StepRows | None = None

    def __len__(self) -> int:
        return len(self.seeds)

    def where(self, *splits: int) -> NDArray[np.int64]:
        """The positions of the examples in any of the given splits, ascending."""
        return np.flatnonzero(np.isin(self.split, splits))

    def take(self, index: NDArray[np.int64]) -> Examples:
        return Examples(
            self.seeds.take(index),
            self.labels[index] if isinstance(self.labels, np.ndarray) else self.labels.take(index),
            self.split[index],
            self.lags[index],
            None if self.steps is None else self.steps.take(index),
        )
