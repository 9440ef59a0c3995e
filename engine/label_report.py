"""The training table for people and programs: one row per example, with its split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pql.engine.output import result_names, step_columns
from pql.engine.targets import split_names

if TYPE_CHECKING:
    from pql.engine.labels import LabelTable
    from pql.engine.plan import Plan


def label_rows(labels: LabelTable, plan: Plan) -> pa.Table:
    """Key columns, `anchor` (a row's own time in static queries), `label`, `split` of every example, by anchor, key.

    Of a forecast a row for each step, with `step`, `window_start` and `window_end` before the label.
    """
    split = split_names(labels, plan)
    known = labels.label.is_valid().to_numpy(zero_copy_only=False)
    index = np.flatnonzero(labels.usable & known & (split != ""))
    at = pa.array(index)
    times = labels.anchors[index] + (1 if plan.split.kind == "row_time" else 0)
    stepped = ("step", "window_start", "window_end") if labels.steps is not None else ()
    names = result_names(tuple(labels.keys.column_names), ("anchor", *stepped, "label", "split"))
    columns = [labels.keys.column(name).take(at) for name in labels.keys.column_names]
    columns.append(pa.array(times).cast(pa.timestamp("us")))
    if labels.steps is not None:
        columns += step_columns(plan, times, labels.steps[index])
    columns += [labels.label.take(at), pa.array(split[index].tolist())]
    return pa.table(columns, names=[*labels.keys.column_names, *names.values()])
