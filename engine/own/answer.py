"""Scores of a label table's rows as a result: the rows in their order, with the columns of a query's result."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.answers.output import OK, UNKNOWN, Ranked, result_names
from pql.engine.own.labels import OwnLabels
from pql.engine.planning.plan import Plan
from pql.language.bound import TaskKind


def answer_table(
    plan: Plan,
    labels: OwnLabels,
    anchors: NDArray[np.int64],
    known: NDArray[np.bool_],
    scores: NDArray[np.float64] | Ranked,
    *,
    classes: pa.Array | None = None,
    threshold: float = 0.5,
) -> pa.Table:
    """One row per row of the table, or of a ranking k of them; a `status` where some keys aren't known.

    anchors int64[n], known bool[n]: of every row. scores: of the known rows alone, in order, shaped as for queries.
    """
    n = len(labels)
    place = np.full(n, -1, dtype=np.int64)
    place[known] = np.arange(int(known.sum()))
    rows = np.arange(n)
    if isinstance(scores, Ranked):
        assert plan.task.item is not None
        position = np.flatnonzero(known)[scores.position]
        lost = np.flatnonzero(~known)
        rows = np.concatenate([position, lost])
        order = np.lexsort((np.concatenate([scores.rank, np.zeros(len(lost), dtype=np.int64)]), rows))
        rows = rows[order]
        pick = np.concatenate([np.arange(len(position)), np.full(len(lost), -1)])[order]
        item = plan.task.item.key or plan.task.item.column.column
        columns = {item: scores.items, "score": pa.array(scores.score), "rank": pa.array(scores.rank, pa.int64())}
    else:
        pick = place
        columns = _columns(plan, scores, classes, threshold)
    at = pa.array(pick, mask=pick < 0)
    values = {name: data.take(at) for name, data in columns.items()}
    if not known.all():
        values["status"] = pa.array(np.where(known[rows], OK, UNKNOWN).tolist(), pa.string())
    key = plan.query.entity.keys[0]
    names = result_names((key,), ("anchor", *values))
    arrays = [labels.keys.take(pa.array(rows)), pa.array(anchors[rows]).cast(pa.timestamp("us")), *values.values()]
    return pa.table(arrays, names=[key, *names.values()])


def _columns(
    plan: Plan, scores: NDArray[np.float64], classes: pa.Array | None, threshold: float
) -> dict[str, pa.Array]:
    kind = plan.task.kind
    if kind is TaskKind.BINARY:
        return {"probability": pa.array(scores), "prediction": pa.array(scores >= threshold)}
    if kind is TaskKind.REGRESSION:
        return {"prediction": pa.array(scores)}
    assert classes is not None
    best = scores.argmax(axis=1) if len(scores) else np.zeros(0, dtype=np.int64)
    probability = scores[np.arange(len(scores)), best]
    return {"prediction": classes.take(pa.array(best)), "probability": pa.array(probability)}
