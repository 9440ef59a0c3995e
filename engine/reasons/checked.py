"""Why the model says what it says of tested examples: those it missed by much are told with their reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.examples.stale import as_stale
from pql.engine.examples.steps import node_rows
from pql.engine.examples.targets import width_of
from pql.engine.graph.interactions import item_values
from pql.engine.graph.seeds import Seeds
from pql.engine.planning.regime import known_times
from pql.engine.quality.calibrate import sigmoid
from pql.engine.quality.checked import Checked
from pql.engine.ranking.trained import TrainedRanker
from pql.engine.reasons.table import why_table
from pql.engine.reasons.why import ODDS, Units, why
from pql.language.bound import TaskKind

if TYPE_CHECKING:
    from pql.engine.answers.kept import KeptModel
    from pql.engine.graph.temporal import TemporalGraph
    from pql.engine.labels.training_table import LabelTable
    from pql.engine.planning.plan import Plan

OUTPUTS = {"multiclass": "chosen", "multilabel": "label", "forecast": "step"}
MOST = 3  # reasons of each


def told_of(
    model: KeptModel, plan: Plan, graph: TemporalGraph, labels: LabelTable, checked: Checked, at: NDArray[np.int64]
) -> tuple[str, ...]:
    """A sentence on each of the tested examples at these positions: of a ranking on what its list begins with; none of
    pairs, nor of rankings that are held to rules.

    The reasons are those of the model that answers, which may have learnt from these examples since they were measured.
    """
    if plan.query.asks_pairs or not checked.keys or not len(at):
        return ()
    some = checked.take(at)
    given = pa.table(dict(some.keys))
    rows = node_rows(given, graph)
    if (rows < 0).any():
        return ()
    seeds = _as_tested(plan, Seeds(rows, some.anchors), ranked=isinstance(model.trained, TrainedRanker))
    if isinstance(model.trained, TrainedRanker):
        return _of_lists(model.trained, plan, graph, given, seeds)
    name = OUTPUTS.get(some.kind)
    output = np.zeros(len(at), dtype=np.int64) if name is None else some.more[name].astype(np.int64)
    if name == "step":
        given, output = given.append_column("step", pa.array(output)), output - 1
    found = why(model, plan, graph, labels, seeds, Units(np.arange(len(at)), output))
    margin = found.reasons.margin
    shown = sigmoid(margin) if found.scale == ODDS else margin
    return why_table(graph, given, shown, found, MOST).sentences


def _as_tested(plan: Plan, seeds: Seeds, *, ranked: bool) -> Seeds:
    """The seeds as they were measured: where the data ends before what is asked, each saw as much less."""
    if plan.regime.known is None or ranked:
        return as_stale(seeds, plan.regime)
    width = width_of(plan)
    known = [known_times(anchor, plan.regime, width)[0] for anchor in seeds.anchors.tolist()]
    return Seeds(seeds.rows, seeds.anchors, np.array(known, dtype=np.int64))


def _of_lists(
    trained: TrainedRanker, plan: Plan, graph: TemporalGraph, given: pa.Table, seeds: Seeds
) -> tuple[str, ...]:
    from pql.engine.ranking.answer import predict_ranking
    from pql.engine.ranking.ranked_classes import as_ranking
    from pql.engine.reasons.ranking import why_ranked

    plan = plan if plan.task.kind is TaskKind.RANKING else as_ranking(plan)
    assert plan.task.item is not None
    if plan.query.has_rules:
        return ()
    ranked = predict_ranking(trained, plan, graph, seeds, 1)
    if not np.array_equal(ranked.seed, np.arange(len(seeds))):
        return ()
    item = plan.task.item.key or plan.task.item.column.column
    taken = {name.lower() for name in given.column_names}
    values = item_values(plan, graph).take(pa.array(ranked.item))
    given = given.append_column(item if item.lower() not in taken else f"{item}_", values)
    found = why_ranked(trained, plan, graph, seeds, Units(ranked.seed, ranked.item.astype(np.int64)), None)
    return why_table(graph, given, np.asarray(ranked.score, dtype=np.float64), found, MOST).sentences
