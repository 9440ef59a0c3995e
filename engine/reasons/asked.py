"""From rows of a result to the predictions they show, and the reasons of those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.graph.interactions import item_values
from pql.engine.graph.key_index import parent_rows
from pql.engine.ranking.trained import TrainedRanker
from pql.engine.reasons.reasons import Floats
from pql.engine.reasons.table import ReasonTable, importance_table, why_table
from pql.engine.reasons.why import Units, Why, why, why_scored
from pql.language.bound import TaskKind

if TYPE_CHECKING:
    from pql.engine.answers.kept import KeptModel
    from pql.engine.answers.output import Asked
    from pql.engine.graph.seeds import Seeds
    from pql.engine.graph.temporal import TemporalGraph
    from pql.engine.labels.training_table import LabelTable
    from pql.engine.pairs.rank_rules import Rules
    from pql.engine.planning.plan import Plan
    from pql.engine.training.trained import TrainedModel

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
    given, shown, units = _predictions(model.trained, model.classes, plan, graph, rows, at)
    if not len(units):
        return Reasoned(graph, given, shown, None)
    if isinstance(model.trained, TrainedRanker):
        from pql.engine.reasons.ranking import why_ranked

        return Reasoned(graph, given, shown, why_ranked(model.trained, plan, graph, seeds, units, rules))
    return Reasoned(graph, given, shown, why(model, plan, graph, labels, seeds, units))


def why_of(
    trained: TrainedModel | TrainedRanker,
    classes: pa.Array | None,
    plan: Plan,
    graph: TemporalGraph,
    asked: pa.Table,
    seeds: Seeds,
    lags: NDArray[np.float32] | None,
    rows: pa.Table,
) -> Reasoned:
    """The reasons of `rows` of an answer to labels of one's own. `asked`: the key and the anchor of what `seeds` were
    scored for, row by row, under the names they have in `rows`; `lags` float32[n, L]: their earlier labels, if any."""
    at = parent_rows([rows.column(name) for name in asked.column_names], asked.columns).astype(np.int64)
    given, shown, units = _predictions(trained, classes, plan, graph, rows, at, dated=True)
    if not len(units):
        return Reasoned(graph, given, shown, None)
    if isinstance(trained, TrainedRanker):
        from pql.engine.reasons.ranking import why_ranked

        return Reasoned(graph, given, shown, why_ranked(trained, plan, graph, seeds, units, None))
    lags = np.zeros((len(seeds), 0), dtype=np.float32) if lags is None else lags
    return Reasoned(graph, given, shown, why_scored(trained, plan, graph, seeds, lags, units))


def _predictions(
    trained: TrainedModel | TrainedRanker,
    classes: pa.Array | None,
    plan: Plan,
    graph: TemporalGraph,
    rows: pa.Table,
    at: NDArray[np.int64],
    *,
    dated: bool = False,
) -> tuple[pa.Table, Floats, Units]:
    """What rows of a result are about (with their anchors, if `dated`), the values they show, and the units of them:
    `at` int64[n] is the seed of each row, -1 where it has none."""
    place, value = _PLACES[plan.task.kind] if not plan.query.asks_pairs else (None, 0)
    behind = len(plan.output.keys) + 1
    shown = rows.column(behind + value).cast(pa.float64())
    output = np.zeros(rows.num_rows, dtype=np.int64)
    about = list(rows.column_names[: behind if dated else behind - 1])
    if place is not None or plan.query.asks_pairs:
        which = behind + place if place is not None else behind - 2
        about += [rows.column_names[which]] if place is not None else []
        output = _codes(trained, classes, plan, graph, rows.column(which))
    kept = np.flatnonzero((at >= 0) & (output >= 0) & shown.is_valid().to_numpy(zero_copy_only=False))
    given = rows.select(about).take(pa.array(kept, pa.int64()))
    if plan.task.kind is TaskKind.MULTICLASS:
        taken = {name.lower() for name in about[:-1]}
        given = given.rename_columns([*about[:-1], "class" if "class" not in taken else "class_"])
    values = np.asarray(shown.take(pa.array(kept, pa.int64())).to_numpy(), dtype=np.float64)
    return given, values, Units(at[kept], output[kept])


def _codes(
    trained: TrainedModel | TrainedRanker,
    classes: pa.Array | None,
    plan: Plan,
    graph: TemporalGraph,
    values: pa.ChunkedArray,
) -> NDArray[np.int64]:
    """int64[u]: the step from 0, or the code of the class or the item; -1 unknown."""
    if plan.task.kind is TaskKind.FORECAST:
        return np.asarray(values.fill_null(0).to_numpy(), dtype=np.int64) - 1
    if isinstance(trained, TrainedRanker):
        known = item_values(plan, graph)
    else:
        assert classes is not None
        known = classes
    known = known.combine_chunks() if isinstance(known, pa.ChunkedArray) else known
    found = pc.index_in(values.cast(known.type), value_set=known, skip_nulls=True)
    return np.asarray(found.fill_null(-1).to_numpy(), dtype=np.int64)
