"""What a person should know about time in their own data: clocks, late rows, columns that nearly restate the label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pql.backends.altered import LaterRows
    from pql.engine.graph.temporal import TemporalGraph
    from pql.engine.planning.plan import Plan
    from pql.statements.leak_runs import Inside

TOO_GOOD = 0.98  # of a single feature: the area under the curve, or the size of the rank correlation
MOST_SUSPECTS = 5


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the report. `rows`: how many rows it is about, None where none are counted."""

    check: str
    subject: str
    finding: str
    rows: int | None = None
    is_warning: bool = False


def facts_of(plan: Plan, inside: Inside, later: Mapping[str, LaterRows]) -> list[Fact]:
    """The clock of every table the query reads, its derived edges, rows that are late, features that are too good."""
    return [*_clocks(plan, later), *_late_links(inside.graph), *_derived(plan, inside.graph), *_suspects(plan, inside)]


def _clocks(plan: Plan, later: Mapping[str, LaterRows]) -> Iterator[Fact]:
    from pql.graphview import describe_clock

    for planned in plan.graph.tables:
        table = plan.query.catalog.table(planned.name)
        rows = later.get(planned.name)
        kind = "clock" if table.clock.kind != "none" else "no clock"
        yield Fact(kind, planned.name, describe_clock(table), None if rows is None else int(rows.later.sum()))
    for name, why in plan.graph.left_out:
        yield Fact("left out", name, why)


def _late_links(graph: TemporalGraph) -> Iterator[Fact]:
    """Rows that are known before the row they point to: what links them counts from the later of both."""
    import numpy as np

    from pql.engine.graph.temporal import ALWAYS, NEVER

    for edge in graph.edges:
        if edge.link is None:
            continue
        child, parent = graph.nodes[edge.child], graph.nodes[edge.parent]
        linked = np.flatnonzero(edge.parent_of >= 0)
        own, other = child.time[linked], parent.time[edge.parent_of[linked]]
        early = int(((own != ALWAYS) & (own != NEVER) & (other != NEVER) & (own < other)).sum())
        if early:
            text = f"known before the row of {parent.name} they point to; the link counts from then on"
            yield Fact("late parents", str(edge.link), text, early)


def _derived(plan: Plan, graph: TemporalGraph) -> Iterator[Fact]:
    catalog = plan.query.catalog
    for link in plan.graph.links:
        if catalog.table(link.parent).virtual is not None:
            yield Fact("derived edges", str(link), f"{link.parent} is not stored: known from its first row on")
    for edge in graph.edges:
        if edge.link is None:
            yield Fact("derived edges", edge.name, "made from shared items as of every anchor", len(edge.children))


def _suspects(plan: Plan, inside: Inside) -> Iterator[Fact]:
    """The feature that alone tells the label best, on the test split; and values that nearly restate the label.

    A measure of the past may be as good as it likes; a value of a row may have been filled in when the label was known.
    """
    import numpy as np

    from pql.engine.graph.seeds import TEST

    examples, features = inside.examples, inside.checked
    if examples is None or features is None or not isinstance(examples.labels, np.ndarray):
        return
    at = examples.where(TEST)
    labels = examples.labels[at].astype(np.float64)
    if len(at) < 20 or len(np.unique(labels)) < 2:
        return
    if examples.labels.dtype != np.float64:
        return  # classes have no order
    powers = [(power(features.values[at, i].astype(np.float64), labels), name) for i, name in enumerate(features.names)]
    powers.sort(key=lambda pair: (-pair[0], pair[1]))
    what = "area under the curve" if len(np.unique(labels)) == 2 else "rank correlation"
    values = {f"{table.name}.{column.name}" for table in plan.graph.tables for column in table.columns}
    for place, (value, name) in enumerate(powers[:MOST_SUSPECTS]):
        restates = value > TOO_GOOD and (plan.query.is_static or name in values)
        if place == 0 or restates:
            said = f"alone: {what} {value:.3f} on test"
            doubt = ": is it filled in together with the label? IGNORING leaves it out" if restates else ""
            yield Fact("strongest feature", name, said + doubt, len(at), is_warning=restates)


def power(values: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """How well one feature alone orders the labels, 0 to 1: of two classes max(a, 1 - a) of the area under the curve,
    of numbers the size of Spearman's correlation. NaN counts as less than any value."""
    import numpy as np
    from scipy.stats import rankdata

    ranks = rankdata(np.where(np.isfinite(values), values, -np.inf))
    classes = np.unique(labels)
    if len(classes) == 2:
        positive = labels == classes[1]
        n, m = int(positive.sum()), int((~positive).sum())
        area = (ranks[positive].sum() - n * (n + 1) / 2) / (n * m)
        return float(max(area, 1 - area))
    truth = rankdata(labels)
    if np.ptp(ranks) == 0 or np.ptp(truth) == 0:
        return 0.0
    return float(abs(np.corrcoef(ranks, truth)[0, 1]))
