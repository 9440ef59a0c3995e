"""The training table for people and programs: one row per example, with its split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pql.engine.output import result_names
from pql.engine.targets import split_names

if TYPE_CHECKING:
    from pql.engine.labels import LabelTable
    from pql.engine.plan import Plan


def label_rows(labels: LabelTable, plan: Plan) -> pa.Table:
    """Key columns, `anchor` (a row's own time in static queries), `label`, `split` of every example, by anchor, key."""
    split = split_names(labels, plan)
    known = labels.label.is_valid().to_numpy(zero_copy_only=False)
    index = np.flatnonzero(labels.usable & known & (split != ""))
    at = pa.array(index)
    times = labels.anchors[index] + (1 if plan.split.kind == "row_time" else 0)
    names = result_names(tuple(labels.keys.column_names), ("anchor", "label", "split"))
    columns = [labels.keys.column(name).take(at) for name in labels.keys.column_names]
    columns += [pa.array(times).cast(pa.timestamp("us")), labels.label.take(at), pa.array(split[index].tolist())]
    return pa.table(columns, names=[*labels.keys.column_names, *names.values()])
