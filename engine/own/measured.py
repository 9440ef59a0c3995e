"""What came true of the rows that a model of label tables was asked about, and what the simple rivals say of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.events import Events
from pql.engine.examples.targets import Classes, coded_labels, item_codes
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.graph.seeds import TEST, Examples, Labels, Ragged, Seeds
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.models.base import Inputs, Problem
from pql.engine.planning.plan import Plan
from pql.engine.quality.metrics import MetricRow, MetricsTable
from pql.engine.quality.rank_metrics import rank_metrics
from pql.engine.ranking.answer import predict_ranking
from pql.engine.ranking.trained import TrainedRanker
from pql.engine.training.evaluate import metrics_table
from pql.engine.training.trained import TrainedModel, model_called
from pql.language.bound import TaskKind

SIMPLE_RANKERS = ("repeat", "popularity")


@dataclass(frozen=True, slots=True)
class Measured:
    """n rows whose truth is known. `at` int64[n]: their places among the scored rows; `truth` as in `Examples`.

    `answers`: what the model (first) and every rival say of them: scores as models give them, or item codes int64[n, k]
    of a ranking, -1 where a list ends. `table`: all of it measured, as the split `test`.
    """

    at: NDArray[np.int64]
    truth: Labels
    answers: dict[str, NDArray]
    table: MetricsTable


def truth_of(label: pa.Array, plan: Plan, graph: TemporalGraph, classes: Classes) -> tuple[Labels, NDArray[np.int64]]:
    """The labels of rows in the model's codes, and the places of the rows that have one there.

    Classes that training never showed have none; nor have lists of unknown items.
    """
    split = np.full(len(label), TEST, dtype=np.int8)
    if plan.task.kind is TaskKind.MULTICLASS:
        assert classes.values is not None
        codes = item_codes(label, classes.values)
        at = np.flatnonzero(codes >= 0)
        return codes[at], at
    values, _, kept = coded_labels(label, split, plan, graph)
    at = np.flatnonzero(kept)
    return (values[at] if isinstance(values, np.ndarray) else values.take(at)), at


def measured(
    trained: TrainedModel,
    plan: Plan,
    examples: Examples,
    inputs: Inputs,
    scores: NDArray[np.float64],
    at: NDArray[np.int64],
    truth: Labels,
) -> Measured:
    """The model and the plan's baselines on the rows `at`. `examples`: what baselines learn from, all of them;
    `inputs`: of the scored rows; `scores`: the model's, of the same."""
    kind = plan.task.kind.value
    nothing = FeatureMatrix((), np.zeros((len(examples), 0), dtype=np.float32))
    problem = Problem(
        task=plan.task,
        plan=plan.model,
        inputs=Inputs(inputs.graph, examples.seeds, nothing, examples.lags),
        examples=examples,
        classes=trained.classes,
        cut=plan.split.encoder_cut,
        masked=frozenset(),
        hops=plan.graph.hops,
        neighbors=plan.graph.neighbors,
        events=Events(),
    )
    asked = inputs.take(at)
    answers = {trained.name: scores[at]}
    everything = np.arange(len(examples), dtype=np.int64)
    for name in plan.model.baselines:
        model = model_called(name)
        if kind in model.tasks and name not in answers:
            answers[name] = model.fit(problem, everything, everything[:0]).predict(asked)
    seeds = asked.seeds
    seen = Examples(seeds, truth, np.full(len(at), TEST, dtype=np.int8), asked.lags)
    listed = [(name, "model" if name == trained.name else "baseline", found) for name, found in answers.items()]
    table = metrics_table(kind, trained.metrics.metric, seen, listed, thresholds={trained.name: trained.threshold})
    return Measured(at, truth, answers, _joined(trained.metrics, table))


def measured_ranking(
    trained: TrainedRanker, plan: Plan, graph: TemporalGraph, seeds: Seeds, at: NDArray[np.int64], truth: Labels
) -> Measured:
    """The same of a ranking, whose rivals are the items met most often and the most popular ones."""
    assert isinstance(truth, Ragged)
    k = plan.task.top_k or trained.k
    answers = {trained.name: ranked_codes(trained, plan, graph, seeds.take(at), k)}
    for name in SIMPLE_RANKERS:
        if name not in answers:
            simple = replace(trained, name=name, weights=((name, 1.0),), ranker=None, towers=None, odds=None)
            answers[name] = ranked_codes(simple, plan, graph, seeds.take(at), k)
    rows = [
        MetricRow(name, "model" if name == trained.name else "baseline", "test", metric, value, len(at))
        for name, lists in answers.items()
        for metric, value in rank_metrics(lists, truth, k).rows()
    ]
    return Measured(at, truth, answers, _joined(trained.metrics, MetricsTable(trained.metrics.metric, tuple(rows))))


def ranked_codes(trained: TrainedRanker, plan: Plan, graph: TemporalGraph, seeds: Seeds, k: int) -> NDArray[np.int64]:
    """int64[n, k]: the codes of the best items of every seed, -1 where a list ends."""
    ranked = predict_ranking(trained, plan, graph, seeds, k)
    lists = np.full((len(seeds), k), -1, dtype=np.int64)
    lists[ranked.seed, ranked.rank.astype(np.int64) - 1] = ranked.item
    return lists


def _joined(first: MetricsTable, found: MetricsTable) -> MetricsTable:
    """Validation as measured in training, and test as measured now."""
    valid = tuple(row for row in first.rows if not row.split.startswith("test"))
    return replace(found, rows=(*valid, *found.rows), notes=first.notes)
