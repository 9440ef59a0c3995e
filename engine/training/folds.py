"""Out of fold: the score of a row whose value is known must come from a model that never saw that value.

Rows without a time are dealt to folds by a hash. Rows with their own time are dealt to consecutive blocks, and each
block is scored by a model of strictly earlier rows: so are rows without a value, unless they are later than every
value. The first block has no earlier rows and isn't scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import TEST, TRAIN, VALID, Examples, Seeds
from pql.engine.planning.plan import Plan
from pql.engine.training.trained import TrainedModel
from pql.language.bound import TaskKind

if TYPE_CHECKING:
    from pql.engine.events import Events
    from pql.engine.graph.temporal import TemporalGraph
    from pql.engine.labels.training_table import LabelTable

FOLDS = 4


@dataclass(frozen=True, slots=True)
class Folds:
    """One model per fold. `borders` (µs) divide rows by their own time; empty where folds are by hash."""

    models: tuple[TrainedModel, ...]
    borders: tuple[int, ...]
    seed: int

    def of(self, labels: LabelTable, plan: Plan, graph: TemporalGraph, seeds: Seeds) -> NDArray[np.int64]:
        """int64[n]: which model scores each seed; -1 for those that the model of all values may score."""
        from pql.engine.examples.steps import node_rows

        known = labels.label.is_valid().to_numpy(zero_copy_only=False)
        fold = fold_of(seeds, self.borders, self.seed)
        if self.borders:
            return np.where(seeds.anchors > labels.anchors[known].max(), -1, fold)
        return np.where(np.isin(seeds.rows, node_rows(labels.keys, graph)[known]), fold, -1)

    def state(self) -> dict[str, Any]:
        return {"models": [m.state() for m in self.models], "borders": list(self.borders), "seed": self.seed}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Folds:
        models = tuple(TrainedModel.restore(one) for one in state["models"])
        return cls(models, tuple(int(b) for b in state["borders"]), int(state["seed"]))


def needs_folds(labels: LabelTable, plan: Plan) -> bool:
    """True if some row that will be scored has a known value, or is earlier than one."""
    if not plan.query.is_static:
        return False
    known = labels.label.is_valid().to_numpy(zero_copy_only=False)
    if not known.any():
        return False
    if plan.query.ids is not None or plan.task.kind is TaskKind.BINARY or known.all():
        return True
    return plan.split.kind == "row_time" and bool((labels.anchors[~known] <= labels.anchors[known].max()).any())


def time_borders(labels: LabelTable, plan: Plan) -> tuple[int, ...]:
    """Where the blocks of rows with their own time begin (µs); the rows before the first aren't scored."""
    known = labels.label.is_valid().to_numpy(zero_copy_only=False) & labels.eligible
    if plan.split.kind != "row_time" or not known.any():
        return ()
    shares = np.arange(1, FOLDS + 1) / (FOLDS + 1)
    borders = np.unique(np.quantile(labels.anchors[known], shares, method="lower"))
    return tuple(int(border) for border in borders if border > labels.anchors[known].min())


def fold_of(seeds: Seeds, borders: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    """int64[n]: the fold of each seed, by time where there are borders (-1 before the first), else by a hash."""
    if borders:
        return np.searchsorted(np.array(borders), seeds.anchors, side="right") - 1
    mixed = seeds.rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % 2**32 + 1)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return ((mixed >> np.uint64(40)) % np.uint64(FOLDS)).astype(np.int64)


def fit_folds(
    plan: Plan, graph: TemporalGraph, labels: LabelTable, examples: Examples, classes: Sized | int, events: Events
) -> Folds:
    """The plan's members once per fold, on the examples outside it (by time: before it). They are not refitted."""
    from pql.engine.training.train import train

    plan = replace(plan, model=replace(plan.model, refit=False))
    borders = time_borders(labels, plan)
    fold = fold_of(examples.seeds, borders, plan.model.seed)
    models = []
    for number in range(len(borders) or FOLDS):
        with events.stage(f"fold {number + 1}"):
            inside = np.flatnonzero(fold < number if borders else fold != number)
            part = _divided(examples.take(inside), borders)
            models.append(train(_cut_at(plan, part) if borders else plan, graph, part, classes, events))
    return Folds(tuple(models), borders, plan.model.seed)


def _cut_at(plan: Plan, examples: Examples) -> Plan:
    """The plan with encoders and statistics fitted on rows up to the latest of these training examples."""
    anchors = examples.seeds.anchors[examples.where(TRAIN)]
    return replace(plan, split=replace(plan.split, encoder_cut=int(anchors.max()))) if len(anchors) else plan


def _divided(examples: Examples, borders: tuple[int, ...]) -> Examples:
    """The examples of a fold's model with a validation part of their own: the latest sixth, or a sixth at random."""
    n = len(examples)
    order = np.argsort(examples.seeds.anchors if borders else np.arange(n), kind="stable")
    split = np.full(n, TRAIN, np.int8)
    if borders:
        split[order[n - n // 6 :]] = VALID
    else:
        split[examples.split == VALID] = VALID
        split[examples.split == TEST] = TRAIN
    return replace(examples, split=split)
