"""One protocol for every model that scores (entity, anchor) seeds: `fit` a Problem, get a Fitted, ask it to predict.

Rankers, which score (seed, item) pairs, have the same shape in `engine.ranking.train`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pql.engine.events import Events
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.features.past import Past
from pql.engine.graph.seeds import Examples, Seeds
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.planning.plan import ModelPlan, Task


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a model may look at for n seeds: the graph (through a sampler that respects anchors), features, lags, and,
    where a member of `PAST_MODELS` takes part, what lies behind each seed of the target's own facts."""

    graph: TemporalGraph
    seeds: Seeds
    features: FeatureMatrix
    lags: NDArray[np.float32]
    past: Past | None = None

    def __len__(self) -> int:
        return len(self.seeds)

    def take(self, index: NDArray[np.int64]) -> Inputs:
        past = None if self.past is None else self.past.take(index)
        return Inputs(self.graph, self.seeds.take(index), self.features.take(index), self.lags[index], past)


@dataclass(frozen=True, slots=True)
class Problem:
    """One learning problem: inputs and labels of the same n examples, in the same order.

    `classes` is the number of classes (multiclass) or labels (multilabel), 0 otherwise. `cut`: the latest time (µs)
    whose rows encoders and statistics may see. `scale` is not fixed here: models standardise on train rows.
    `vocabulary`: the classes as text, where they are known.
    """

    task: Task
    plan: ModelPlan
    inputs: Inputs
    examples: Examples
    classes: int
    cut: int
    masked: frozenset[tuple[str, str]]  # (table, column) that no encoder may read
    hops: int
    neighbors: tuple[int, ...]
    events: Events
    vocabulary: tuple[str, ...] = ()


State = dict[str, Any]  # arrays (numpy) and JSON values only: what an artifact keeps


class Fitted(Protocol):
    """A fitted model.

    `predict` gives float64[n] (binary: probability; regression: value) or float64[n, classes] (multiclass:
    probabilities that sum to 1; multilabel: one probability per class); never NaN.
    `state` gives what an artifact keeps; `Model.restore` takes it back.
    """

    @property
    def name(self) -> str: ...

    def predict(self, inputs: Inputs) -> NDArray[np.float64]: ...

    def state(self) -> State: ...


class Model(Protocol):
    """A way to learn. `fit` trains on `train`, stops and chooses on `valid` (positions into the problem's examples).

    With `rounds` given (from a first fit's `Fitted.rounds`, if it has them), `valid` may be empty: the refit on all
    labelled anchors runs that much work and no early stopping.
    """

    @property
    def name(self) -> str: ...

    @property
    def tasks(self) -> frozenset[str]: ...

    def fit(
        self,
        problem: Problem,
        train: NDArray[np.int64],
        valid: NDArray[np.int64],
        rounds: int | None = None,
    ) -> Fitted: ...

    def restore(self, state: State) -> Fitted: ...
