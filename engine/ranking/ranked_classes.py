"""FIRST or LAST of more classes than can be told apart: they are ranked, and the best one is the prediction.

The label becomes a set of one item, so that the ranking's candidates, ranker and odds answer; where nothing happens in
the window there is no label, so the probability is that of the class given that something does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pql.engine.examples.targets import MOST_CLASSES, split_of
from pql.engine.graph.seeds import TRAIN
from pql.engine.labels.training_table import LabelTable
from pql.engine.planning.plan import Plan
from pql.engine.quality.metrics import MetricsTable
from pql.engine.ranking.trained import TrainedRanker
from pql.language.bound import BoundAggregate, TaskKind
from pql.language.errors import PqlError

MOST_SHOWN = 20  # classes of RETURN DISTRIBUTION
_AS_RANKED = {"rate": "popularity", "last_window": "repeat"}  # what the simple models are where classes are ranked
NOT_RANKING = ("instant",)
_NAMES = {"map@1": "accuracy", "mrr": "mrr"}


def has_too_many_classes(labels: LabelTable, plan: Plan) -> bool:
    """Whether a FIRST or LAST has more different values in training than a softmax is fitted for."""
    if plan.task.kind is not TaskKind.MULTICLASS or plan.task.item is None:
        return False
    if not isinstance(plan.query.target, BoundAggregate):
        return False
    train = np.flatnonzero(labels.usable & (split_of(labels, plan) == TRAIN))
    return bool(pc.count_distinct(labels.label.take(pa.array(train))).as_py() > MOST_CLASSES)


def as_ranking(plan: Plan, k: int = 1) -> Plan:
    """The same question as a ranking of the `k` likeliest classes. Raises `model_not_for_task` of models of few."""
    if plan.model.name in NOT_RANKING:
        raise PqlError(
            "model_not_for_task",
            f"The model {plan.model.name} tells at most {MOST_CLASSES:,} classes apart; this target has more.",
            span=plan.query.syntax.target.span,
            hint="For this target: auto, blend, boosted, gnn, rate, last_window.",
        )
    task = replace(plan.task, kind=TaskKind.RANKING, head="ranking", loss="pairwise", metric="map", top_k=k)
    model = replace(plan.model, name=_AS_RANKED.get(plan.model.name, plan.model.name))
    return replace(plan, task=task, model=model, query=replace(plan.query, task=TaskKind.RANKING, top_k=k))


def as_sets(labels: LabelTable) -> LabelTable:
    """The labels as lists of one."""
    offsets = pa.array(np.arange(len(labels) + 1, dtype=np.int32))
    return replace(labels, label=pa.ListArray.from_arrays(offsets, labels.label))


def as_classes(trained: TrainedRanker) -> TrainedRanker:
    """The ranking with the names of measures that a choice among classes has: MAP of one is the accuracy."""
    table = trained.metrics
    rows = tuple(replace(row, metric=_NAMES[row.metric]) for row in table.rows if row.metric in _NAMES)
    note = f"There are more than {MOST_CLASSES:,} classes: they are ranked, and the best is the prediction."
    notes = (note, *trained.notes)
    return replace(trained, metrics=MetricsTable("accuracy", rows, notes), notes=notes)
