"""How much past an entity had at its anchor: quality is told apart for those without any, with little, and the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.sample import count_children
from pql.engine.graph.seeds import Seeds
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.planning.plan import Plan
from pql.engine.planning.planned_graph import aggregates

Ints = NDArray[np.int64]

LITTLE = 5  # past rows
PARTS = ("no past rows", f"1-{LITTLE} past rows", f"> {LITTLE} past rows")


def past_rows(plan: Plan, graph: TemporalGraph, seeds: Seeds) -> Ints | None:
    """int64[n]: how many rows that point to the seed's entity it could see at its anchor; None for targets of a row.

    Of the table that leads from the target's rows to the entity; of all that point to it where none does.
    """
    if plan.query.is_static:
        return None
    into = [edge for edge in graph.edges if edge.parent == graph.entity and len(edge.children)]
    leading = {aggregate.route[-1].link for aggregate in aggregates(plan.query.target) if aggregate.route}
    chosen = [edge for edge in into if edge.link in leading] or into
    total = np.zeros(len(seeds), dtype=np.int64)
    for edge in chosen:
        total += count_children(edge, seeds.rows, seeds.seen)
    return total


def parts_of(past: Ints) -> list[tuple[str, Ints]]:
    """(name, positions) of each part that has examples; none where all are in one."""
    place = np.digitize(past, (1, LITTLE + 1))
    parts = [(name, np.flatnonzero(place == i)) for i, name in enumerate(PARTS)]
    parts = [(name, at) for name, at in parts if len(at)]
    return parts if len(parts) > 1 else []
