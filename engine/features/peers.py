"""Peers: rows of the seeds' own table that share what the seed's row points to, over one way up or several at once.

The results of the same driver at the same circuit share the ends of two ways up; all rows share the end of no way.
Such owners of a history have no row of their own, so their index is made here, from rows and links alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import Seeds
from pql.engine.graph.temporal import ALWAYS, NEVER, EdgeType, TemporalGraph

Peers = tuple[tuple[int, ...], ...]  # ways up: edge indexes, from the seeds' table
EVERYONE: Peers = ((),)


def peer_edges(graph: TemporalGraph, peers: Peers) -> EdgeType:
    """An edge type from the rows of the seeds' table to the groups they share: `parent_of` is the group's number."""
    node = graph.nodes[graph.entity]
    codes = np.zeros(len(node), dtype=np.int64)
    missing = node.time == NEVER
    for way in peers:
        end, size = _end(graph, way)
        missing |= end < 0
        _, codes = np.unique(codes * size + np.maximum(end, 0), return_inverse=True)
    linked = np.flatnonzero(~missing)
    order = np.lexsort((linked, node.time[linked], codes[linked]))
    children = linked[order]
    count = int(codes.max(initial=-1)) + 1
    indptr = np.concatenate([[0], np.cumsum(np.bincount(codes[linked], minlength=count))]).astype(np.int64)
    groups = np.where(missing, -1, codes).astype(np.int32)
    here = graph.entity
    return EdgeType(None, "peers", here, here, groups, indptr, children.astype(np.int32), node.time[children])


def peer_groups(edge: EdgeType, seeds: Seeds) -> NDArray[np.int64]:
    """int64[n]: the group of each seed's row, -1 where it has none."""
    return edge.parent_of[seeds.rows].astype(np.int64)


def _end(graph: TemporalGraph, way: tuple[int, ...]) -> tuple[NDArray[np.int64], int]:
    """Where a way up ends for every row, -1 where nowhere or known only after the row; and how many ends there are."""
    time = graph.nodes[graph.entity].time
    rows = np.arange(len(time), dtype=np.int64)
    if not way:
        return np.zeros(len(time), dtype=np.int64), 1
    for e in way:
        edge = graph.edges[e]
        above = graph.nodes[edge.parent].time
        if not len(edge.parent_of) or not len(above):
            return np.full(len(time), -1, dtype=np.int64), 1
        rows = np.where(rows >= 0, edge.parent_of[np.maximum(rows, 0)], -1).astype(np.int64)
        rows = np.where((rows >= 0) & (above[np.maximum(rows, 0)] <= np.where(time == NEVER, ALWAYS, time)), rows, -1)
    return rows, len(graph.nodes[graph.edges[way[-1]].parent])


def peer_ways(graph: TemporalGraph, most: int = 6) -> list[Peers]:
    """The peers worth a history: of grandparents, of pairs of ways up, and everyone. At most `most` ways are paired."""
    ups: list[tuple[int, ...]] = []
    for e, edge in enumerate(graph.edges):
        if edge.child == graph.entity and edge.link is not None and edge.parent != graph.entity:
            ups.append((e,))
    for (e,) in list(ups):
        for f, edge in enumerate(graph.edges):
            if edge.child == graph.edges[e].parent and edge.link is not None and edge.parent != graph.entity:
                ups.append((e, f))
    ups = ups[:most]
    pairs = [(p, q) for i, p in enumerate(ups) for q in ups[i + 1 :] if p != q[: len(p)]]
    return [*((way,) for way in ups if len(way) > 1), *pairs, EVERYONE]
