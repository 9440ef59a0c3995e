"""From rows of a result to the predictions they show, and the reasons of those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pql.engine.graph.interactions import item_values
from pql.engine.graph.key_index import parent_rows
from pql.engine.ranking.trained import TrainedRanker
from pql.engine.reasons.reasons import Floats
from pql.engine.reasons.table import ReasonTable, importance_table, why_table
from pql.engine.reasons.why import Units, Why, why
from pql.language.bound import TaskKind

if TYPE_CHECKING:
    from pql.engine.answers.kept import KeptModel
    from pql.engine.answers.output import Asked
    from pql.engine.graph.seeds import Seeds
    from pql.engine.graph.temporal import TemporalGraph
    from pql.engine.labels.training_table import LabelTable
    from pql.engine.pairs.rank_rules import Rules
    from pql.engine.planning.plan import Plan

# Of each kind of target, behind the keys and the anchor: where the class, item or step stands, and the value shown.
_PLACES = {
    TaskKind.BINARY: (None, 0),
    TaskKind.REGRESSION: (None, 0),
    TaskKind.MULTICLASS: (0, 1),
    TaskKind.MULTILABEL: (0, 1),
    TaskKind.RANKING: (0, 1),
    TaskKind.FORECAST: (0, 3),
    TaskKind.TIME_TO_EVENT: (None, 2),
}


@dataclass(frozen=True, slots=True)
class Reasoned:
    """The reasons of some rows of a result: `given` what they are about, `shown` float64[u] their values in it."""

    graph: TemporalGraph
    given: pa.Table
    shown: Floats
    found: Why | None

    @property
    def scale(self) -> str:
        """`log-odds` or `value`."""
        return self.found.scale if self.found is not None else ""

    def table(self, most: int) -> ReasonTable | None:
        """One row per reason, at most `most` of each row of the result; None where none of them has a prediction."""
        return None if self.found is None else why_table(self.graph, self.given, self.shown, self.found, most)

    def importance(self, by: str) -> pa.Table | None:
        """The mean absolute contribution, by `table`, `column` or `feature`."""
        return None if self.found is None else importance_table(self.found, self.graph, by)


def reasoned(
    model: KeptModel,
    plan: Plan,
    graph: TemporalGraph,
    labels: LabelTable,
    asked: Asked,
    seeds: Seeds,
    rules: Rules | None,
    rows: pa.Table,
) -> Reasoned:
    """The reasons of `rows` of a result of this plan and model; those without a prediction are left out."""
    keys = [name for name in rows.column_names[: len(plan.output.keys)] if name in asked.keys.column_names]
    scored = asked.keys.take(pa.array(asked.scored))
    at = parent_rows([rows.column(name) for name in keys], [scored.column(name) for name in keys]).astype(np.int64)
    place, value = _PLACES[plan.task.kind] if not plan.query.asks_pairs else (None, 0)
    behind = len(plan.output.keys) + 1
    shown = rows.column(behind + value).cast(pa.float64())
    output, about = np.zeros(rows.num_rows, dtype=np.int64), list(rows.column_names[: len(plan.output.keys)])
    if place is not None or plan.query.asks_pairs:
        which = behind + place if place is not None else behind - 2
        about += [rows.column_names[which]] if place is not None else []
        output = _codes(model, plan, graph, rows.column(which))
    kept = np.flatnonzero((at >= 0) & (output >= 0) & shown.is_valid().to_numpy(zero_copy_only=False))
    given = rows.select(about).take(pa.array(kept, pa.int64()))
    if plan.task.kind is TaskKind.MULTICLASS:
        taken = {name.lower() for name in about[:-1]}
        given = given.rename_columns([*about[:-1], "class" if "class" not in taken else "class_"])
    values = np.asarray(shown.take(pa.array(kept, pa.int64())).to_numpy(), dtype=np.float64)
    units = Units(at[kept], output[kept])
    if not len(kept):
        return Reasoned(graph, given, values, None)
    if isinstance(model.trained, TrainedRanker):
        from pql.engine.reasons.ranking import why_ranked

        return Reasoned(graph, given, values, why_ranked(model.trained, plan, graph, seeds, units, rules))
    return Reasoned(graph, given, values, why(model, plan, graph, labels, seeds, units))


def _codes(model: KeptModel, plan: Plan, graph: TemporalGraph, values: pa.ChunkedArray) -> np.ndarray:
    """int64[u]: the step from 0, or the code of the class or the item; -1 unknown."""
    if plan.task.kind is TaskKind.FORECAST:
        return np.asarray(values.fill_null(0).to_numpy(), dtype=np.int64) - 1
    if isinstance(model.trained, TrainedRanker):
        known = item_values(plan, graph)
    else:
        assert model.classes is not None
        known = model.classes
    known = known.combine_chunks() if isinstance(known, pa.ChunkedArray) else known
    found = pc.index_in(values.cast(known.type), value_set=known, skip_nulls=True)
    return np.asarray(found.fill_null(-1).to_numpy(), dtype=np.int64)
