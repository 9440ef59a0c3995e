"""From Arrow tables to the temporal graph: nodes with their times and raw columns, edges in both directions.

Everything is vectorised; nothing is fitted. The order of rows is the history's (by time), so that codes and row
numbers of earlier rows stay the same when later rows are deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.graph.cooccurrence import shared_item_edges, with_co_occurrence
from pql.engine.graph.key_index import one_chunk, parent_rows
from pql.engine.graph.temporal import ALWAYS, NEVER, EdgeType, NodeColumn, NodeTable, TemporalGraph
from pql.engine.planning.plan import Plan
from pql.language.catalog import Link, Stype, Table

if TYPE_CHECKING:
    from pql.engine.graph.history import History

TIME = "__time"
LATEST = np.int64(1) << 62  # a timestamp at or beyond it (±infinity in DuckDB) is no moment


def build_graph(history: History, plan: Plan) -> TemporalGraph:
    """The graph of `plan` over the rows that `history` holds (all at or before the prediction anchor)."""
    catalog = plan.query.catalog
    tables: dict[str, pa.Table] = {}  # the columns of links only: the others can go once the nodes have them
    nodes = []
    for planned in plan.graph.tables:
        meta = catalog.table(planned.name)
        rows = history.table(planned.name)
        columns = tuple(node_column(rows.column(c.name), c.name, c.stype) for c in planned.columns)
        nodes.append(NodeTable(planned.name, node_times(rows, meta), columns, _keys(rows, meta)))
        tables[planned.name] = rows.select(_ends_of_links(plan.graph.links, planned.name))
        del rows
    index = {planned.name: i for i, planned in enumerate(plan.graph.tables)}
    edges = tuple(edge_type(link, index[link.child], index[link.parent], tables, nodes) for link in plan.graph.links)
    graph = TemporalGraph(tuple(nodes), edges, index[plan.query.entity.table])
    return _with_shared_items(graph, plan, index) if plan.graph.co_occurrence else graph


def _ends_of_links(links: tuple[Link, ...], table: str) -> list[str]:
    """The columns of a table that its links leave from or lead to."""
    found = [name for link in links if link.child == table for name in link.child_columns]
    found += [name for link in links if link.parent == table for name in link.parent_columns]
    return list(dict.fromkeys(found))


def _with_shared_items(graph: TemporalGraph, plan: Plan, index: dict[str, int]) -> TemporalGraph:
    """The graph with edges between entities that share items, as of every anchor; as it is where nothing is shared."""
    item = plan.query.item
    wanted = index[item.table] if item is not None and item.table is not None else None
    first = min(plan.split.times("train"), default=plan.split.encoder_cut)
    pair = shared_item_edges(graph, wanted, until=first)
    anchors = plan.split.times("train", "valid", "test", "predict")
    return graph if pair is None else with_co_occurrence(graph, *pair, anchors)


def node_times(rows: pa.Table, table: Table) -> NDArray[np.int64]:
    """int64[n]: the row's time in µs; ALWAYS where the table has no clock, NEVER where the row's clock is NULL."""
    if table.clock.kind == "none":
        return np.full(len(rows), ALWAYS, dtype=np.int64)
    return _int64(rows.column(TIME), fill=NEVER)


def _keys(rows: pa.Table, table: Table) -> pa.Table:
    names = list(table.key.columns) if table.key is not None else []
    return rows.select(names)


def node_column(values: pa.ChunkedArray, name: str, stype: Stype) -> NodeColumn:
    """One column as arrays, by its semantic type (see `NodeColumn`)."""
    array = one_chunk(values)
    if stype is Stype.NUMBER:
        return NodeColumn(name, stype, numbers(array))
    if stype is Stype.TIMESTAMP:
        return NodeColumn(name, stype, moments(array))
    codes, distinct = dictionary(array)
    return NodeColumn(name, stype, codes, distinct)


def numbers(array: pa.Array) -> NDArray[np.float64]:
    """float64[n]: booleans as 0 and 1, NULL and non-finite values as NaN; text that is no number is NaN too."""
    if pa.types.is_null(array.type):
        return np.full(len(array), np.nan)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    data = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    data = np.array(data, dtype=np.float64)
    data[~np.isfinite(data)] = np.nan
    return data


def moments(array: pa.Array) -> NDArray[np.int64]:
    """int64[n] microseconds (UTC): dates and timestamps of any unit; ALWAYS for NULL and infinite ones."""
    if pa.types.is_null(array.type):
        return np.full(len(array), ALWAYS, dtype=np.int64)
    if pa.types.is_time(array.type):
        data = array.cast(pa.time64("us"), safe=False).cast(pa.int64())
    elif pa.types.is_integer(array.type):
        data = array.cast(pa.int64())
    elif pa.types.is_timestamp(array.type):
        data = array.cast(pa.timestamp("us", tz=array.type.tz), safe=False).cast(pa.int64())
    else:
        data = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    out = _int64(data, fill=ALWAYS)
    out[np.abs(out // 2) >= LATEST // 2] = ALWAYS
    return out


def dictionary(array: pa.Array) -> tuple[NDArray[np.int32], pa.Array]:
    """int32[n] codes in order of first appearance (-1 for NULL) and the distinct values."""
    if pa.types.is_null(array.type):
        return np.full(len(array), -1, dtype=np.int32), pa.array([], pa.string())
    if pa.types.is_nested(array.type):
        array = pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
    encoded = array.dictionary_encode()
    codes = encoded.indices
    if codes.null_count:
        codes = pc.fill_null(codes, -1)
    return np.array(codes.to_numpy(zero_copy_only=False), dtype=np.int32), encoded.dictionary


def _int64(values: pa.Array | pa.ChunkedArray, *, fill: int) -> NDArray[np.int64]:
    array = one_chunk(values).cast(pa.int64())
    if array.null_count:
        array = pc.fill_null(array, pa.scalar(fill, pa.int64()))
    return np.array(array.to_numpy(zero_copy_only=False), dtype=np.int64)


def edge_type(link: Link, child: int, parent: int, tables: dict[str, pa.Table], nodes: list[NodeTable]) -> EdgeType:
    """The edges of one link: the parent of every child row, and the children of every parent by (time, row)."""
    known = nodes[parent].time != NEVER
    parent_of = parent_rows(
        [tables[link.child].column(name) for name in link.child_columns],
        [tables[link.parent].column(name) for name in link.parent_columns],
        known,
    )
    indptr, children, times = reverse(parent_of, nodes[child].time, nodes[parent].time)
    return EdgeType(link, edge_name(link), child, parent, parent_of, indptr, children, times)


def edge_name(link: Link) -> str:
    """The name of an edge type for people: `orders.customer_id`."""
    return f"{link.child}.{'+'.join(link.child_columns)}"


def reverse(
    parent_of: NDArray[np.int32], child_time: NDArray[np.int64], parent_time: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Parents to children as CSR: indptr int64[p + 1], children int32[e], times int64[e], by (parent, time, row)."""
    linked = np.flatnonzero((parent_of >= 0) & (child_time != NEVER))
    lost = parent_time[parent_of[linked]] == NEVER
    if lost.any():
        linked = linked[~lost]
    indptr = np.zeros(len(parent_time) + 1, dtype=np.int64)
    np.cumsum(np.bincount(parent_of[linked], minlength=len(parent_time)), out=indptr[1:])
    own = child_time if len(linked) == len(child_time) else child_time[linked]
    if len(own) < 2 or bool(np.all(own[1:] >= own[:-1])):
        # Rows come by time, and a parent's own time lifts all its edges alike: order by (parent, row) is enough.
        packed = parent_of[linked].astype(np.int64)
        packed <<= 32
        packed |= linked
        del linked, own
        packed.sort()
        children = packed.astype(np.uint32).view(np.int32)
    else:
        parents = parent_of[linked]
        times = np.maximum(own, parent_time[parents])
        children = linked[np.lexsort((linked, times, parents))].astype(np.int32)
    return indptr, children, np.maximum(child_time[children], parent_time[parent_of[children]])
