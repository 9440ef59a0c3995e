"""What stands behind predictions and isn't in their table: labels, what the model said of tested examples, drift.

It is worked out when it is asked for, from the graph that answered, and reads nothing later than the prediction anchor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.examples.steps import node_rows
from pql.engine.examples.targets import lag_values, split_of
from pql.engine.features.as_of import FeatureSpec, fit_features
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.graph.seeds import TRAIN, Seeds
from pql.engine.labels.counts import LabelCount, count_labels
from pql.engine.labels.statement import label_statement
from pql.engine.quality.checked import Checked, spread
from pql.engine.quality.drift import Drift, drift_of
from pql.engine.ranking.trained import TrainedRanker
from pql.language.catalog import Stype
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.engine.answers.kept import KeptModel
    from pql.engine.graph.temporal import NodeColumn, TemporalGraph
    from pql.engine.labels.training_table import LabelTable
    from pql.engine.planning.plan import Plan

MOST_COMPARED = 2_000  # rows on either side of the drift
TOP_FEATURES = 40  # by importance, whose drift is told
FEWEST_OF_PART = 10  # tested examples of a part, below which it says nothing
MOST_VALUES = 12  # of a column that divides the tested examples
MOST_NAMED = 6  # of its values that are told apart
MOST_COLUMNS = 4
QUARTERS = 4

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Segment:
    """Some of the tested examples: those with `value` in `column`; `at` int64[m] are their positions."""

    column: str
    value: str
    at: Ints


@dataclass(frozen=True, slots=True)
class Background:
    """label_sql: the labels' statement with its values written out. counts: examples by split. checked: tested examples
    with what the model said of them. segments: parts of these. drift: None where it can't be told. sizes: rows of every
    node table. classes: what class codes mean. told: sentences on why the model says what it says of tested examples at
    given positions; none where it can't tell."""

    label_sql: str
    counts: tuple[LabelCount, ...]
    checked: Checked | None
    segments: tuple[Segment, ...] = ()
    drift: Drift | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    told: Callable[[Ints], tuple[str, ...]] | None = None


def background(model: KeptModel, plan: Plan, graph: TemporalGraph, labels: LabelTable, seeds: Seeds) -> Background:
    """All of it. `seeds`: whom the result is about, at the prediction anchor."""
    checked = model.trained.checked
    return Background(
        label_statement(plan).literal_text(),
        count_labels(labels, plan),
        checked,
        () if checked is None else segments_of(checked, graph),
        _drift(model, plan, graph, labels, seeds),
        {node.name: len(node) for node in graph.nodes},
        () if model.classes is None else tuple(str(value) for value in model.classes.to_pylist()),
    )


def segments_of(checked: Checked, graph: TemporalGraph) -> tuple[Segment, ...]:
    """Parts of the tested examples by columns of few values of the entity's table, numbers by quarters."""
    node = graph.nodes[graph.entity]
    if not checked.keys or not set(checked.keys) <= set(node.keys.column_names):
        return ()
    rows = node_rows(pa.table(dict(checked.keys)), graph)
    found: list[Segment] = []
    columns = sorted(node.columns, key=lambda column: column.stype is not Stype.CATEGORY)
    for column in columns:
        parts = _parts(column, rows)
        parts = [part for part in parts if len(part.at) >= FEWEST_OF_PART]
        if len(parts) > 1 and len({part.column for part in found} | {column.name}) <= MOST_COLUMNS:
            found += parts
    return tuple(found)


def _parts(column: NodeColumn, rows: Ints) -> list[Segment]:
    known = np.flatnonzero(rows >= 0)
    if not len(known):
        return []
    data = column.data[rows[known]]
    if column.stype is Stype.CATEGORY and column.values is not None:
        codes, counts = np.unique(data, return_counts=True)
        if len(codes) > MOST_VALUES:
            return []
        order = codes[np.argsort(-counts, kind="stable")][:MOST_NAMED]
        return [
            Segment(
                column.name,
                "no value" if code < 0 else str(column.values[int(code)].as_py()),
                known[data == code],
            )
            for code in order.tolist()
        ]
    if column.stype is not Stype.NUMBER:
        return []
    finite = np.isfinite(data)
    values = np.unique(data[finite])
    if len(values) < 2:
        return []
    if len(values) <= QUARTERS:
        return [Segment(column.name, f"{value:g}", known[data == value]) for value in values.tolist()]
    edges = np.unique(np.quantile(data[finite], np.arange(1, QUARTERS) / QUARTERS, method="inverted_cdf"))
    place = np.searchsorted(edges, data, side="left")
    parts = []
    for i in range(len(edges) + 1):
        inside = finite & (place == i)
        if inside.any():
            low, high = float(data[inside].min()), float(data[inside].max())
            parts.append(Segment(column.name, f"{low:,.6g} to {high:,.6g}", known[inside]))
    return parts


def _drift(model: KeptModel, plan: Plan, graph: TemporalGraph, labels: LabelTable, seeds: Seeds) -> Drift | None:
    """The features of training examples against those of whom is predicted for, each as of its anchor."""
    rows, split = node_rows(labels.keys, graph), split_of(labels, plan)
    learnt = labels.usable & (rows >= 0) & (split == TRAIN) & labels.label.is_valid().to_numpy(zero_copy_only=False)
    if labels.steps is not None:
        learnt &= labels.steps == 0
    at = spread(np.flatnonzero(learnt), MOST_COMPARED)
    if not len(at) or not len(seeds):
        return None
    before = Seeds(rows[at], labels.anchors[at])
    asked = seeds.take(spread(np.arange(len(seeds)), MOST_COMPARED))
    try:
        if isinstance(model.trained, TrainedRanker):
            spec = fit_features(graph, cut=int(before.anchors.max()), horizon=model.trained.horizon, hops=1, limit=60)
            return drift_of(spec.compute(graph, before), spec.compute(graph, asked))
        spec = model.trained.spec
        names = [name for name, _ in model.trained.importance[:TOP_FEATURES]]
        found = (_features(spec, plan, graph, labels, part) for part in (before, asked))
        return drift_of(next(found), next(found), [name for name in names if name in spec.names])
    except PqlError:  # the graph isn't that of the training
        return None


def _features(spec: FeatureSpec, plan: Plan, graph: TemporalGraph, labels: LabelTable, seeds: Seeds) -> FeatureMatrix:
    return spec.compute(graph, seeds, lag_values(labels, plan, graph, seeds) if spec.lags else None)
