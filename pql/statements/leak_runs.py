"""One run of a query for the proof that time is respected, and the comparison of two runs bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from pql.language import ast

if TYPE_CHECKING:
    import datetime as dt

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from pql.backends.base import Snapshot
    from pql.engine.events import Events
    from pql.engine.features.matrix import FeatureMatrix
    from pql.engine.graph.history import History
    from pql.engine.graph.seeds import Examples
    from pql.engine.graph.temporal import TemporalGraph
    from pql.engine.labels.training_table import LabelTable
    from pql.engine.planning.plan import Plan
    from pql.engine.quality.metrics import MetricsTable
    from pql.result import ModelInfo
    from pql.workspace import Request, Workspace

BUDGET = "3 s"
SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Inside:
    """What a model may look at: the rows read, the training table, the graph, the features of those predicted for.

    `examples` and `checked` (their features) belong to the training table; None for rankings, whose features are of
    pairs.
    """

    history: History
    labels: LabelTable
    graph: TemporalGraph
    features: FeatureMatrix | None
    examples: Examples | None
    checked: FeatureMatrix | None


@dataclass(frozen=True, slots=True)
class Run:
    """Everything about one run that must not depend on later rows."""

    plan: Plan
    inside: Inside
    predictions: pa.Table
    metrics: MetricsTable
    model: ModelInfo


def short(query: ast.Predict, seconds: float) -> ast.Predict:
    """The query for the proof: trained anew, never from the cache, with a small budget, the anchor said outside."""
    options = [option for option in query.options if option.name.text.lower() not in ("cache", "budget")]
    kept = [option for option in query.options if option.name.text.lower() == "budget" and seconds <= SECONDS]
    made = [ast.Option(ast.Identifier("cache"), ast.Literal("off"))]
    made += kept or [ast.Option(ast.Identifier("budget"), ast.Literal(BUDGET))]
    return replace(query, as_of=None, using_model=None, options=(*options, *made))


@contextmanager
def run(
    work: Workspace, snapshot: Snapshot, query: ast.Predict, request: Request, at: dt.datetime, events: Events
) -> Iterator[Run]:
    """The query, made `short`, answered over a snapshot at an anchor. Its rows are to be had while inside."""
    from pql.pipeline import answer, prepare

    infer = lambda until: work.catalog(snapshot, until)  # noqa: E731
    plan = prepare(snapshot, query, request.text, request.params, at, (), infer, targets=work.targets)
    result = answer(snapshot, plan, work.registry, events, keep=False)
    inside = _inside(snapshot, plan)
    try:
        yield Run(plan, inside, result.to_arrow_table(), result.metrics, result.model)
    finally:
        inside.history.close()


def _inside(snapshot: Snapshot, plan: Plan) -> Inside:
    from pql.engine.answers.scoring import who
    from pql.engine.examples.targets import lag_values, make_examples
    from pql.engine.graph.build import build_graph
    from pql.engine.graph.history import load, needed_tables
    from pql.engine.labels.training_table import compute_labels
    from pql.engine.training.problem import spec_of
    from pql.language.bound import TaskKind

    history = load(snapshot, plan.query.catalog, needed_tables(plan), plan.split.prediction)
    labels = compute_labels(history, plan)
    graph = build_graph(history, plan)
    if plan.task.kind in (TaskKind.RANKING, TaskKind.FORECAST, TaskKind.TIME_TO_EVENT):
        return Inside(history, labels, graph, None, None, None)
    examples, _ = make_examples(labels, plan, graph)
    spec = spec_of(plan, graph, examples)
    _, seeds = who(history, labels, plan, graph)
    features = spec.compute(graph, seeds, lag_values(labels, plan, graph, seeds))
    return Inside(history, labels, graph, features, examples, spec.compute(graph, examples.seeds, examples.lags))


def differences(one: Run, other: Run) -> dict[str, bool]:
    """What was compared, and whether it is the same bit for bit."""
    found = {
        "plan": _same_plan(one.plan, other.plan),
        "rows": one.inside.history.fingerprint() == other.inside.history.fingerprint(),
        "labels": same(one.inside.labels, other.inside.labels),
        "graph": same(one.inside.graph, other.inside.graph),
    }
    if one.inside.features is not None:
        found["features"] = same(one.inside.features, other.inside.features)
    return {
        **found,
        "metrics": same(one.metrics, other.metrics),
        "predictions": same(one.predictions, other.predictions),
    }


def _same_plan(one: Plan, other: Plan) -> bool:
    """Split, graph, model, output, and the catalog with all its evidence."""
    return repr(one) == repr(other) and repr(one.query.catalog) == repr(other.query.catalog)


def same(one: Any, other: Any) -> bool:
    """Whether two values of a stage are equal to the last bit: arrays by their bytes, NaN the same as NaN."""
    import numpy as np
    import pyarrow as pa

    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and _bytes(one) == _bytes(other)
    if isinstance(one, (pa.Table, pa.Array, pa.ChunkedArray)):
        return _same_arrow(one, other)
    if is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, float):
        return repr(one) == repr(other)
    return bool(one == other)


def _bytes(values: NDArray[np.generic]) -> bytes:
    return repr(values.tolist()).encode() if values.dtype == object else values.tobytes()


def _same_arrow(one: Any, other: Any) -> bool:
    """Arrow's own equality, in which NaN differs from NaN: then the values are compared as text."""
    import pyarrow as pa

    if isinstance(one, pa.Table):
        return one.schema.equals(other.schema) and all(
            _same_arrow(a, b) for a, b in zip(one.columns, other.columns, strict=True)
        )
    if one.type != other.type or len(one) != len(other):
        return False
    return bool(one.equals(other)) or repr(one.to_pylist()) == repr(other.to_pylist())
