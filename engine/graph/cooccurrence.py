"""Derived edges between entities that share items (Jaccard above a threshold), as of an anchor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.temporal import NEVER, EdgeType, TemporalGraph

POPULAR = 2_000  # an item that more entities share than this joins nobody: it would make all of them neighbours
BLOCK = 2_000  # entities whose overlaps are counted at once


def co_occurrence_edges(
    graph: TemporalGraph,
    fact_edge_entity: EdgeType,
    fact_edge_item: EdgeType,
    anchor: int,
    threshold: float = 0.1,
    top: int = 10,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of entity rows that share items: source, target, Jaccard; sorted by source, then best first, then row.

    Both edge types lead up from the same fact table; only facts at or before `anchor` (µs), between rows that existed
    by then, count. Each source keeps its `top` most similar targets with a Jaccard above `threshold`.
    """
    from scipy.sparse import csr_array

    entity, item = fact_edge_entity.parent_of, fact_edge_item.parent_of
    linked = np.flatnonzero((entity >= 0) & (item >= 0) & (graph.nodes[fact_edge_entity.child].time <= anchor))
    rows, columns = entity[linked].astype(np.int64), item[linked].astype(np.int64)
    there = graph.nodes[fact_edge_entity.parent].time[rows] <= anchor
    there &= graph.nodes[fact_edge_item.parent].time[columns] <= anchor
    n_rows = len(graph.nodes[fact_edge_entity.parent])
    n_columns = len(graph.nodes[fact_edge_item.parent])
    pairs = np.unique(rows[there] * n_columns + columns[there])
    rows, columns = np.divmod(pairs, max(1, n_columns))
    sizes = np.bincount(rows, minlength=n_rows)
    shared = np.bincount(columns, minlength=n_columns)[columns] <= POPULAR
    rows, columns = rows[shared], columns[shared]
    ones = np.ones(len(rows), dtype=np.int32)
    has = csr_array((ones, (rows, columns)), shape=(n_rows, n_columns))
    by_item = has.T.tocsr()
    found = [
        _block(has[start : start + BLOCK] @ by_item, start, sizes, threshold, top) for start in range(0, n_rows, BLOCK)
    ]
    sources, targets, weights = (np.concatenate(part) for part in zip(*found, strict=True)) if found else _none()
    return sources, targets, weights


def _none() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64)


def _block(
    overlap: object, start: int, sizes: NDArray[np.int64], threshold: float, top: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The edges of a block of sources, from the counts of shared items (a sparse block by all entities)."""
    counts = overlap.tocoo()  # type: ignore[attr-defined]
    source, target = counts.row.astype(np.int64) + start, counts.col.astype(np.int64)
    weight = counts.data / (sizes[source] + sizes[target] - counts.data)
    kept = (source != target) & (weight > threshold)
    source, target, weight = source[kept], target[kept], weight[kept]
    order = np.lexsort((target, -weight, source))
    source, target, weight = source[order], target[order], weight[order]
    first = np.searchsorted(source, source)
    best = np.arange(len(source)) - first < top
    return source[best], target[best], weight[best]


def with_co_occurrence(
    graph: TemporalGraph,
    fact_edge_entity: EdgeType,
    fact_edge_item: EdgeType,
    anchors: Sequence[int],
    threshold: float = 0.1,
    top: int = 10,
) -> TemporalGraph:
    """`graph` with one more edge type between entities: the shared items as known at each of `anchors` (µs).

    An edge's time is the anchor it was computed at, so that a seed at an anchor sees those of this and earlier anchors,
    the newest last. It has no link, and nothing to gather upwards (`parent_of` is -1): both directions are in its CSR.
    """
    entity = fact_edge_entity.parent
    n = len(graph.nodes[entity])
    parts = []
    for anchor in sorted(set(anchors)):
        source, target, _ = co_occurrence_edges(graph, fact_edge_entity, fact_edge_item, anchor, threshold, top)
        parts.append((source, target, np.full(len(source), anchor, dtype=np.int64)))
    sources, targets, times = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((targets, times, sources))
    indptr = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(sources, minlength=n), out=indptr[1:])
    edge = EdgeType(
        link=None,
        name=f"{graph.nodes[entity].name}.shares_items",
        child=entity,
        parent=entity,
        parent_of=np.full(n, -1, dtype=np.int32),
        indptr=indptr,
        children=targets[order].astype(np.int32),
        times=times[order],
    )
    return replace(graph, edges=(*graph.edges, edge))


def shared_item_edges(
    graph: TemporalGraph, item: int | None = None, *, until: int = NEVER - 1
) -> tuple[EdgeType, EdgeType] | None:
    """The pair of edge types of one fact table that lead to the entity and to `item` (a node type), if there is one.

    Without `item`, the fact table with the most rows is taken, and of its other parents the one with the most rows;
    rows known after `until` (µs) don't count.
    """
    best: tuple[int, int, EdgeType, EdgeType] | None = None
    for to_entity in graph.edges:
        if to_entity.parent != graph.entity or to_entity.link is None or to_entity.child == graph.entity:
            continue
        for to_item in graph.edges:
            if to_item.child != to_entity.child or to_item.parent == graph.entity or to_item.link is None:
                continue
            if item is not None and to_item.parent != item:
                continue
            facts, items = (graph.nodes[table].time <= until for table in (to_entity.child, to_item.parent))
            size = (int(np.count_nonzero(facts)), int(np.count_nonzero(items)))
            if best is None or size > best[:2]:
                best = (*size, to_entity, to_item)
    return None if best is None else (best[2], best[3])
