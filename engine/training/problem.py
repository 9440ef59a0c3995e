"""What models are fitted on: the examples with their features, and the moment until which all of it may look."""

from __future__ import annotations

import numpy as np

from pql.engine.events import Events
from pql.engine.examples.context import read_rows
from pql.engine.examples.steps import compute_stacked
from pql.engine.features.as_of import MAX_FEATURES, FeatureSpec, fit_features
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.features.past_facts import past_behind
from pql.engine.features.paths import TOP_SHARES
from pql.engine.features.seasons import fit_seasons
from pql.engine.graph.seeds import TRAIN, Examples
from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph
from pql.engine.models.base import Inputs, Problem
from pql.engine.planning.anchors import completes_at
from pql.engine.planning.bounds import bounds_of
from pql.engine.planning.plan import US_PER_DAY, Plan
from pql.engine.planning.planned_graph import columns_read, masked_columns
from pql.engine.planning.planner import future_windows
from pql.language.bound import TaskKind

CHEAP_CELLS = 8_000_000  # examples times features, up to which there may be more than usual
MOST_FEATURES = 600
CLASS_SHARES = 24  # categories whose shares are features, where categories are predicted


def spec_of(plan: Plan, graph: TemporalGraph, examples: Examples, cut: int | None = None) -> FeatureSpec:
    """The features that the models of a plan are fitted on, which look until `cut` (µs; `cut_of` the plan, if None)."""
    cut = cut_of(plan, examples) if cut is None else cut
    own = masked_in_own_row(plan)
    width = history_width(plan, graph, cut)
    seasons = None
    if plan.regime.known is not None:
        seasons = fit_seasons(graph, examples.seeds.anchors[examples.where(TRAIN)], width)
    return fit_features(
        graph,
        cut=cut,
        horizon=width,
        masked=masked_columns(plan.query) - own,
        masked_own=own,
        hops=plan.graph.hops,
        limit=most_features(plan, len(examples)),
        lags=plan.split.lags if plan.split.kind == "own" else examples.lags.shape[1],
        shares=CLASS_SHARES if plan.task.kind.value in ("multiclass", "multilabel") else TOP_SHARES,
        stale_days=plan.regime.high / US_PER_DAY,
        seasons=seasons,
        probe=examples.seeds.take(examples.where(TRAIN)),
    )


def most_features(plan: Plan, examples: int) -> int:
    """How many features are kept: more of few examples, where they cost little.

    Not of stale histories or a row's own columns, of which far corners tell little, nor where every class has trees
    of its own.
    """
    if plan.regime.known is not None or plan.query.is_static:
        return MAX_FEATURES
    if plan.task.kind not in (TaskKind.BINARY, TaskKind.REGRESSION):
        return MAX_FEATURES
    return int(np.clip(CHEAP_CELLS // max(1, examples), MAX_FEATURES, MOST_FEATURES))


def problem_of(
    plan: Plan,
    graph: TemporalGraph,
    examples: Examples,
    spec: FeatureSpec,
    *,
    cut: int,
    classes: int,
    events: Events,
    steps: tuple[str, ...] = (),
    vocabulary: tuple[str, ...] = (),
) -> Problem:
    """The problem that a plan's models solve: the features `spec` of all examples, looked at until `cut` (µs).

    `steps`: the names of a forecast's features of the steps. `vocabulary`: the classes as text.
    """
    if reads_few(plan):
        features = _features_of_few(graph, examples, spec, plan.task.kind.value, steps)
    else:
        features = compute_stacked(spec, graph, examples.seeds, examples.lags, examples.steps, steps)
    names = {*plan.model.members, *plan.model.baselines}
    past = past_behind(plan.query.target, graph, examples.seeds, names) if examples.steps is None else None
    return Problem(
        task=plan.task,
        plan=plan.model,
        inputs=Inputs(graph, examples.seeds, features, examples.lags, past),
        examples=examples,
        classes=classes,
        cut=cut,
        masked=masked_columns(plan.query),
        hops=plan.graph.hops,
        neighbors=plan.graph.neighbors,
        events=events,
        vocabulary=vocabulary,
    )


def reads_few(plan: Plan) -> bool:
    """True where all that is fitted learns from a thousand rows: then the features of others aren't computed."""
    return plan.model.members == ("instant",) and not bounds_of(plan.query)


def _features_of_few(
    graph: TemporalGraph, examples: Examples, spec: FeatureSpec, kind: str, steps: tuple[str, ...]
) -> FeatureMatrix:
    """The features of the examples that are read; nothing (NaN) of others."""
    at = read_rows(examples, kind)
    some = examples.take(at)
    found = compute_stacked(spec, graph, some.seeds, some.lags, some.steps, steps)
    values = np.full((len(examples), found.values.shape[1]), np.nan, dtype=np.float32)
    values[at] = found.values
    return FeatureMatrix(found.names, values, found.categorical)


def history_width(plan: Plan, graph: TemporalGraph, cut: int) -> int:
    """The width in µs that history windows are scaled to: the target's, or a fortieth of the history."""
    if plan.split.width is not None:
        return max(1, plan.split.width)
    windows = future_windows(plan.query)
    if windows:
        return max(1, completes_at(plan.split.prediction, windows) - plan.split.prediction)
    times = [node.time[(node.time != ALWAYS) & (node.time != NEVER) & (node.time <= cut)] for node in graph.nodes]
    spans = [int(t.max() - t.min()) for t in times if len(t)]
    return max([span // 40 for span in spans] or [0]) or 30 * US_PER_DAY


def masked_in_own_row(plan: Plan) -> frozenset[tuple[str, str]]:
    """Columns of a static target, or filled in together with it, that may be read of earlier rows: its own table's,
    where rows have a time.

    A column of a row that the entity points to isn't among them: an earlier row may point to the same one.
    """
    if plan.split.kind != "row_time":
        return frozenset()
    read = columns_read(plan.query.target)
    own = frozenset((r.table, r.column) for r in read if r.table == plan.query.entity.table)
    return (own | plan.query.unknown) - plan.query.ignoring


def cut_of(plan: Plan, examples: Examples) -> int:
    """The latest time encoders and statistics may see while choosing."""
    if plan.split.kind == "anchors":
        return int(examples.seeds.anchors[examples.where(TRAIN)].max())
    return plan.split.encoder_cut
