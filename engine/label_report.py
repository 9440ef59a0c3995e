"""The training table for people and programs: one row per example, with its split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pql.engine.output import result_names
from pql.engine.targets import NAMES, split_of

if TYPE_CHECKING:
    from pql.engine.labels import LabelTable
    from pql.engine.plan import Plan


def label_rows(labels: LabelTable, plan: Plan) -> pa.Table:
    """Key columns, `anchor`, `label`, `split` of every labelled and eligible row, by anchor, then key."""
    split = split_of(labels, plan)
    known = labels.label.is_valid().to_numpy(zero_copy_only=False)
    index = np.flatnonzero(labels.eligible & known & (split >= 0))
    at = pa.array(index)
    names = result_names(tuple(labels.keys.column_names), ("anchor", "label", "split"))
    columns = [labels.keys.column(name).take(at) for name in labels.keys.column_names]
    columns.append(pa.array(labels.anchors[index]).cast(pa.timestamp("us")))
    columns.append(labels.label.take(at))
    columns.append(pa.array([NAMES[int(code)] for code in split[index]], pa.string()))
    return pa.table(columns, names=[*labels.keys.column_names, *names.values()])
