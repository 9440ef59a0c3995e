"""Why the model says what it says of tested examples: those it missed by much are told with their reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.examples.steps import node_rows
from pql.engine.graph.seeds import Seeds
from pql.engine.quality.calibrate import sigmoid
from pql.engine.quality.checked import Checked
from pql.engine.ranking.trained import TrainedRanker
from pql.engine.reasons.table import why_table
from pql.engine.reasons.why import ODDS, Units, why

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
    """A sentence on each of the tested examples at these positions; none of rankings, or where histories were cut.

    The reasons are those of the model that answers, which may have learnt from these examples since they were measured.
    """
    if isinstance(model.trained, TrainedRanker) or plan.regime.known is not None or not checked.keys or not len(at):
        return ()
    some = checked.take(at)
    given = pa.table(dict(some.keys))
    rows = node_rows(given, graph)
    if (rows < 0).any():
        return ()
    name = OUTPUTS.get(some.kind)
    output = np.zeros(len(at), dtype=np.int64) if name is None else some.more[name].astype(np.int64)
    if name == "step":
        given, output = given.append_column("step", pa.array(output)), output - 1
    found = why(model, plan, graph, labels, Seeds(rows, some.anchors), Units(np.arange(len(at)), output))
    margin = found.reasons.margin
    shown = sigmoid(margin) if found.scale == ODDS else margin
    return why_table(graph, given, shown, found, MOST).sentences
