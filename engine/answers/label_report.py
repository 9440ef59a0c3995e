"""The training table for people and programs: one row per example, with its split and the event rows behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.answers.asked import asked_keys
from pql.engine.answers.output import result_names, step_columns
from pql.engine.examples.targets import split_names
from pql.engine.graph.key_index import parent_rows
from pql.engine.labels.event_sql import event_statement

if TYPE_CHECKING:
    from pql.engine.graph.history import History
    from pql.engine.labels.training_table import LabelTable
    from pql.engine.planning.plan import Plan

MOST_EVENTS = 10  # shown of each label


def label_rows(labels: LabelTable, plan: Plan, history: History | None = None) -> pa.Table:
    """Key columns, `anchor` (a row's own time in static queries), `label`, `split` of every example, by anchor, key;
    where ids are asked for, of theirs.

    Of TIME_TO the label is the time to the event in the target's unit where `event` is true, else how long it was
    watched for. Of a forecast a row for each step, with `step`, `window_start` and `window_end` before the label. With
    the history, and but for static targets, also `events`, the rows the label was made of: structs of table, key, time
    and value, by time, at most MOST_EVENTS of them; and `event_count`, how many there are.
    """
    split = split_names(labels, plan)
    known = labels.label.is_valid().to_numpy(zero_copy_only=False)
    shown = labels.usable & known & (split != "")
    if plan.query.ids is not None:
        shown &= _asked_for(labels, plan)
    index = np.flatnonzero(shown)
    at = pa.array(index)
    times = labels.anchors[index] + (1 if plan.split.kind == "row_time" else 0)
    stepped = ("step", "window_start", "window_end") if labels.steps is not None else ()
    happened = ("event",) if labels.watched is not None else ()
    behind = ("events", "event_count") if history is not None and not plan.query.is_static else ()
    wanted = ("anchor", *stepped, "label", *happened, "split", *behind)
    names = result_names(tuple(labels.keys.column_names), wanted)
    columns = [labels.keys.column(name).take(at) for name in labels.keys.column_names]
    columns.append(pa.array(times).cast(pa.timestamp("us")))
    if labels.steps is not None:
        columns += step_columns(plan, times, labels.steps[index])
    columns.append(labels.label.take(at))
    if labels.watched is not None:
        columns.append(pa.array(labels.watched.event[index] >= 0))
    columns.append(pa.array(split[index].tolist(), pa.string()))
    if history is not None and behind:
        columns += _events(labels, plan, history, at)
    return pa.table(columns, names=[*labels.keys.column_names, *names.values()])


def _asked_for(labels: LabelTable, plan: Plan) -> NDArray[np.bool_]:
    """Which rows are of an entity that the query names."""
    wanted, names = asked_keys(plan, labels.keys), labels.keys.column_names
    return parent_rows([labels.keys.column(n) for n in names], [wanted.column(n) for n in names]) >= 0


def _events(labels: LabelTable, plan: Plan, history: History, at: pa.Array) -> list[pa.Array]:
    """The rows behind each of the labels `at`, and how many they are; none where a window is empty."""
    statement = event_statement(plan, MOST_EVENTS)
    found = history.query(statement.sql, statement.parameters)
    count = len(labels.keys.column_names)
    wanted = [labels.keys.column(name).take(at) for name in labels.keys.column_names]
    wanted.append(pa.chunked_array([pa.array(labels.anchors).take(at)]))
    there = [found.column(i) for i in range(count)]
    there.append(found.column("moment").cast(pa.timestamp("us")).cast(pa.int64()))
    if labels.steps is not None:
        wanted.append(pa.chunked_array([pa.array(labels.steps).take(at)]))
        there.append(found.column("step").cast(pa.int64()))
    place = parent_rows(wanted, there)
    rows = pa.array(place, mask=place < 0)
    events = found.column("events").combine_chunks()
    nothing = pa.array([[]], events.type)
    listed = pa.concat_arrays([_whole(events), nothing]).take(pc.fill_null(rows, len(found)))
    numbers = pc.fill_null(found.column("event_count").combine_chunks().take(rows), 0)
    return [listed, numbers]


def _whole(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    return pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
