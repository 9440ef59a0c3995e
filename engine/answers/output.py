"""Scores to the result table of LANGUAGE §6: key columns under their own names and types, `anchor`, then the task's.

Ties are broken by the order of the entities' rows, so that the same data gives the same table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.planning.bounds import bounds_of, probability_alone
from pql.engine.planning.plan import Plan
from pql.engine.planning.step_grid import grid_of
from pql.language.bound import TaskKind

OK, NOT_ELIGIBLE, UNKNOWN, NOTHING = "ok", "not eligible", "unknown id", "no candidates"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who gets a row: `keys` (n rows, the key columns), their anchors µs, and, if ids were asked for, a status.

    Scores belong to the rows whose status is OK, in order; all rows without a `status`.
    """

    keys: pa.Table
    anchors: NDArray[np.int64]
    status: tuple[str, ...] | None = None

    @property
    def scored(self) -> NDArray[np.int64]:
        """The positions of the rows that have scores."""
        if self.status is None:
            return np.arange(self.keys.num_rows)
        return np.flatnonzero(np.array(self.status) == OK)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Ranked items: position among the scored rows int64[r], the items, score float64[r], rank int64[r] from 1.

    `candidates` int64[n]: how many items the rules leave each of the n scored rows; None without rules.
    """

    position: NDArray[np.int64]
    items: pa.Array
    score: NDArray[np.float64]
    rank: NDArray[np.int64]
    candidates: NDArray[np.int64] | None = None


def result_names(keys: tuple[str, ...], wanted: tuple[str, ...]) -> dict[str, str]:
    """Our column names by what they mean; one that a key has taken already gets a trailing underscore."""
    return dict(zip(wanted, _apart(keys, wanted), strict=True))


def _apart(taken: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The wanted names in order, each with underscores until it is no other's."""
    lower = {name.lower() for name in taken}
    found = []
    for name in wanted:
        while name.lower() in lower:
            name += "_"
        lower.add(name.lower())
        found.append(name)
    return found


def result_table(
    plan: Plan,
    asked: Asked,
    scores: NDArray[np.float64] | Ranked,
    *,
    classes: pa.Array | None = None,
    threshold: float = 0.5,
) -> pa.Table:
    """The table of predictions, best first.

    scores: float64[s] (binary: probability; regression: value), float64[s, classes] (multiclass, multilabel),
    float64[s, steps] (forecast), float64[s, 3] (time to event: median, probability, expected time) or Ranked, for the
    s scored rows of `asked`. With bounds asked for, values have a last axis more: the value and its k bounds.
    """
    if isinstance(scores, Ranked) and plan.query.asks_pairs:
        return _one_row_per_pair(plan, asked, scores, threshold)
    if isinstance(scores, Ranked) and plan.task.kind is TaskKind.MULTICLASS:
        return _ranked_classes(plan, asked, scores)
    if isinstance(scores, Ranked):
        return _items(plan, asked, scores)
    kind = plan.task.kind
    if kind is TaskKind.BINARY:
        columns: dict[str, NDArray | pa.Array] = {"probability": scores}
        if not probability_alone(plan.query):
            columns["prediction"] = scores >= threshold
        return _one_row_each(plan, asked, columns, order=scores)
    if kind is TaskKind.TIME_TO_EVENT:
        median = pa.array(scores[:, 0], mask=np.isnan(scores[:, 0]))
        columns = {"median": median, "probability": scores[:, 1], "prediction": scores[:, 2]}
        return _one_row_each(plan, asked, columns, order=-scores[:, 2])
    if kind is TaskKind.FORECAST:
        return _one_row_per_step(plan, asked, scores)
    if kind is TaskKind.REGRESSION:
        table = scores[:, None] if scores.ndim == 1 else scores
        columns = dict(zip(("prediction", *bounds_of(plan.query).names), table.T, strict=True))
        return _one_row_each(plan, asked, columns, order=table[:, 0])
    assert classes is not None
    if kind is TaskKind.MULTILABEL or plan.query.distribution:
        return _one_row_per_class(plan, asked, scores, classes)
    best = scores.argmax(axis=1)
    probability = scores[np.arange(len(scores)), best]
    return _one_row_each(
        plan, asked, {"prediction": classes.take(pa.array(best)), "probability": probability}, probability
    )


def no_rows(plan: Plan) -> pa.Table:
    """A table without rows that has the columns of the plan's result; types that only the data tells are null."""
    ours = {
        "anchor": pa.timestamp("us"),
        "window_start": pa.timestamp("us"),
        "window_end": pa.timestamp("us"),
        "rank": pa.int64(),
        "step": pa.int64(),
        "status": pa.string(),
        "score": pa.float64(),
        "probability": pa.float64(),
        "median": pa.float64(),
        "prediction": {TaskKind.BINARY: pa.bool_(), TaskKind.MULTICLASS: pa.null()}.get(plan.task.kind, pa.float64()),
        **dict.fromkeys(bounds_of(plan.query).names, pa.float64()),
    }
    names = [name for name in plan.output.columns if name not in plan.output.keys]
    fields = [(name, pa.null()) for name in plan.output.keys] + [(n, ours.get(n.rstrip("_"), pa.null())) for n in names]
    return pa.schema(fields).empty_table()


def _one_row_each(
    plan: Plan, asked: Asked, columns: dict[str, NDArray | pa.Array], order: NDArray[np.float64]
) -> pa.Table:
    """One row per entity, highest `order` first, rows without a score last."""
    n, scored = asked.keys.num_rows, asked.scored
    place = np.full(n, -1, np.int64)
    place[scored] = np.arange(len(scored))
    rank = np.full(n, -np.inf)
    rank[scored] = order
    rows = np.argsort(-rank, kind="stable")
    from_scores = pa.array(place[rows], mask=place[rows] < 0)
    values = {name: pa.array(data).take(from_scores) for name, data in columns.items()}
    return _assemble(plan, asked, rows, values)


def _one_row_per_class(plan: Plan, asked: Asked, scores: NDArray[np.float64], classes: pa.Array) -> pa.Table:
    """One row per entity and class (at most top k of them where asked), best first within each entity."""
    k = scores.shape[1]
    if plan.task.kind is TaskKind.MULTILABEL and plan.task.top_k is not None:
        k = min(k, plan.task.top_k)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    position = np.repeat(np.arange(len(scores)), k)
    score = np.take_along_axis(scores, best, axis=1).ravel()
    items = classes.take(pa.array(best.ravel()))
    if plan.task.kind is TaskKind.MULTILABEL:
        rank = np.tile(np.arange(1, k + 1), len(scores))
        return _items(plan, asked, Ranked(position, items, score, rank))
    return _spread(plan, asked, position, {"class": items, "probability": pa.array(score)})


def _one_row_per_step(plan: Plan, asked: Asked, scores: NDArray[np.float64]) -> pa.Table:
    """One row per entity and step, in the order of the entities' rows, then steps."""
    n, count = scores.shape[:2]
    position = np.repeat(np.arange(n), count)
    steps = step_columns(plan, asked.anchors[asked.scored][position], np.tile(np.arange(count), n))
    table = scores[:, :, None] if scores.ndim == 2 else scores
    values = [pa.array(table[:, :, i].ravel()) for i in range(table.shape[2])]
    names = ("step", "window_start", "window_end", "prediction", *bounds_of(plan.query).names)
    return _spread(plan, asked, position, dict(zip(names, (*steps, *values), strict=True)))


def step_columns(plan: Plan, anchors: NDArray[np.int64], number: NDArray[np.int64]) -> tuple[pa.Array, ...]:
    """Of the rows of a forecast (anchors µs, steps from 0): the step from 1, and its window's start and end."""
    grid = grid_of(plan.query)
    assert grid is not None
    start, end = np.empty(len(anchors), np.int64), np.empty(len(anchors), np.int64)
    for anchor in np.unique(anchors).tolist():
        for step in np.unique(number[anchors == anchor]).tolist():
            at = (anchors == anchor) & (number == step)
            start[at], end[at] = grid.window(anchor, step)
    moments = [pa.array(times).cast(pa.timestamp("us")) for times in (start, end)]
    return (pa.array(number + 1), *moments)


def _one_row_per_pair(plan: Plan, asked: Asked, ranked: Ranked, threshold: float) -> pa.Table:
    """One row per pair of the first and the second entity, the likeliest first."""
    order = np.argsort(-ranked.score, kind="stable")
    rows = asked.scored[ranked.position[order]]
    keys = asked.keys.take(pa.array(rows)).append_column(
        plan.output.keys[-1], _whole(ranked.items.take(pa.array(order)))
    )
    columns = {"probability": pa.array(ranked.score[order]), "prediction": pa.array(ranked.score[order] >= threshold)}
    return _assemble(plan, Asked(keys, asked.anchors[rows]), np.arange(len(rows)), columns)


def _ranked_classes(plan: Plan, asked: Asked, ranked: Ranked) -> pa.Table:
    """The likeliest class of each entity, highest probability first; of RETURN DISTRIBUTION, the likeliest ones."""
    if plan.query.distribution:
        columns = {"class": ranked.items, "probability": pa.array(ranked.score)}
        return _spread(plan, asked, ranked.position, columns)
    best = np.flatnonzero(ranked.rank == 1)
    if len(best) == len(asked.scored):
        columns = {"prediction": ranked.items.take(pa.array(best)), "probability": pa.array(ranked.score[best])}
        return _one_row_each(plan, asked, columns, order=ranked.score[best])
    order = best[np.argsort(-ranked.score[best], kind="stable")]
    columns = {"prediction": ranked.items.take(pa.array(order)), "probability": pa.array(ranked.score[order])}
    return _spread(plan, asked, ranked.position[order], columns)


def _items(plan: Plan, asked: Asked, ranked: Ranked) -> pa.Table:
    assert plan.task.item is not None
    column = plan.output.alias or plan.task.item.key or plan.task.item.column.column
    values = {column: ranked.items, "score": pa.array(ranked.score), "rank": pa.array(ranked.rank, pa.int64())}
    if ranked.candidates is not None:
        values["candidates"] = pa.array(ranked.candidates[ranked.position])
    return _spread(plan, asked, ranked.position, values, ranked.candidates)


def _told_of_nothing(asked: Asked, candidates: NDArray[np.int64]) -> Asked:
    """The rows asked for by id, those whom a ranking's rules leave nothing with a status that says so."""
    if asked.status is None:
        return asked
    status = list(asked.status)
    for row in asked.scored[candidates == 0]:
        status[row] = NOTHING
    return Asked(asked.keys, asked.anchors, tuple(status))


def _spread(
    plan: Plan,
    asked: Asked,
    position: NDArray[np.int64],
    columns: dict[str, pa.Array],
    candidates: NDArray[np.int64] | None = None,
) -> pa.Table:
    """Several rows per entity, kept in order; entities without a score keep one row at the end."""
    scored = asked.scored
    rows = scored[position]
    rest = np.setdiff1d(np.arange(asked.keys.num_rows), scored if asked.status is None else rows)
    if candidates is not None:
        asked = _told_of_nothing(asked, candidates)
    padded = {name: pa.concat_arrays([_whole(data), pa.nulls(len(rest), data.type)]) for name, data in columns.items()}
    return _assemble(plan, asked, np.concatenate([rows, rest]).astype(np.int64), padded)


def _assemble(plan: Plan, asked: Asked, rows: NDArray[np.int64], columns: dict[str, pa.Array]) -> pa.Table:
    keys = asked.keys.take(pa.array(rows))
    wanted = ("anchor", *columns, *(("status",) if asked.status is not None else ()))
    named = "probability" if probability_alone(plan.query) else "prediction"
    names = _apart(keys.column_names, [plan.output.alias or name if name == named else name for name in wanted])
    arrays = [column.combine_chunks() for column in keys.columns]
    arrays.append(pa.array(asked.anchors[rows]).cast(pa.timestamp("us")))
    arrays += [_whole(data) for data in columns.values()]
    if asked.status is not None:
        arrays.append(pa.array([asked.status[row] for row in rows], pa.string()))
    return pa.table(arrays, names=[*keys.column_names, *names])


def _whole(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def with_names(table: pa.Table, lookups: dict[str, tuple[pa.Array, pa.Array, str]]) -> pa.Table:
    """`table` with a name column beside each id column: `lookups` maps the column to (ids, names, name's column)."""
    for column, (ids, names, title) in lookups.items():
        if column not in table.column_names:
            continue
        place = table.column_names.index(column)
        at = pc.index_in(table.column(column), value_set=ids)
        shown = title
        while shown in table.column_names:
            shown += "_"
        table = table.add_column(place + 1, shown, pa.chunked_array([names]).take(at))
    return table
