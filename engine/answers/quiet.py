"""A note where a question about leaving is also asked of those who left long ago."""

from __future__ import annotations

import numpy as np

from pql.engine.examples.targets import lag_values
from pql.engine.graph.seeds import Seeds
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.labels.training_table import LabelTable
from pql.engine.planning.outcome import outcome_of
from pql.engine.planning.plan import Plan
from pql.engine.planning.planned_graph import aggregates
from pql.language.format import quote_name

MANY = 0.2  # of those scored, from which the note is worth its line


def quiet_already(plan: Plan, labels: LabelTable, graph: TemporalGraph, seeds: Seeds) -> tuple[str, ...]:
    """How many of the seeds had no row in the window before the anchor either, and the WHERE that leaves them out.

    Only of a target that asks whether there is none, of a query without WHERE that asks about everybody.
    """
    query = plan.query
    if query.is_static or query.where is not None or query.ids is not None or outcome_of(query.target) != "none":
        return ()
    counted = aggregates(query.target)[0]
    window, lags = counted.window, lag_values(labels, plan, graph, seeds)
    if not lags.shape[1] or counted.where is not None or window.start != 0:
        return ()
    quiet = int(np.sum(lags[:, 0] > 0.5))
    if quiet < MANY * len(seeds):
        return ()
    earlier = f"COUNT({quote_name(counted.fact)}.*, -{2 * window.end}, 0, {window.unit})"
    return (
        f"{quiet:,} of the {len(seeds):,} had none in the {window.end} {window.unit} before the anchor either, and may "
        f"have left long ago: WHERE {earlier} > 0 leaves out those who did.",
    )
