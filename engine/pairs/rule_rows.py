"""The rules of a query read from its data: the rows of the very SQL that bounds the labels, in the graph's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.examples.steps import node_rows
from pql.engine.graph.interactions import item_values
from pql.engine.graph.key_index import one_chunk, parent_rows
from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph
from pql.engine.labels.rule_sql import lists_ever, pasts
from pql.engine.labels.statement import rule_statements
from pql.engine.pairs.rank_rules import Barred, Rules
from pql.engine.planning.plan import Plan

if TYPE_CHECKING:
    from pql.engine.graph.history import History


def rules_of(history: History, plan: Plan, graph: TemporalGraph, anchors: Sequence[int]) -> Rules | None:
    """The rules of a ranking's query at `anchors` (and, for all of the past, at any); None where it has none."""
    query = plan.query
    if plan.task.item is None or not query.has_rules:
        return None
    values = item_values(plan, graph)
    tables = {
        name: history.query(one.sql, one.parameters)
        for name, one in rule_statements(plan, sorted(set(anchors))).items()
    }
    since = group = group_known = None
    if "candidates" in tables:
        since = np.full(len(values), NEVER, dtype=np.int64)
        rows, item = _coded(tables["candidates"], values)
        since[item] = _times(rows.column("known"))
    barred = []
    for i, past in enumerate(pasts(query)):
        rows, item = _coded(tables[f"excluded_{i}"], values)
        keys = rows.select(list(range(len(query.entity.keys)))).rename_columns(list(query.entity.keys))
        entity = node_rows(keys, graph)
        ever = lists_ever(past)
        key, time = entity * max(1, len(values)) + item, _times(rows.column("since" if ever else "anchor"))
        order = np.flatnonzero(entity >= 0)
        order = order[np.lexsort((time[order], key[order]))]
        barred.append(Barred(key[order], time[order], ever))
    if query.at_most is not None:
        group, group_known = np.zeros(len(values), dtype=np.int64), np.full(len(values), ALWAYS, dtype=np.int64)
        rows, item = _coded(tables["groups"], values)
        parts = one_chunk(rows.column("part")).dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
        group[item], group_known[item] = parts.astype(np.int64) + 1, _times(rows.column("known"))
    return Rules(since, tuple(barred), None if query.at_most is None else query.at_most[0], group, group_known)


def _coded(rows: pa.Table, values: pa.Array) -> tuple[pa.Table, NDArray[np.int64]]:
    """The rows whose `value` is an item, and the items."""
    codes = parent_rows([rows.column("value")], [pa.chunked_array([values])]).astype(np.int64)
    kept = np.flatnonzero(codes >= 0)
    return rows.take(pa.array(kept)), codes[kept]


def _times(values: pa.ChunkedArray) -> NDArray[np.int64]:
    """int64[n] µs, ALWAYS for NULL."""
    return np.asarray(values.cast(pa.int64()).fill_null(int(ALWAYS)).to_numpy(), dtype=np.int64)
