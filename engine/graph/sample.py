"""Temporal neighbour sampling: for every seed, the last k children and the parents known at its anchor, hop by hop.

Every node reached inherits its seed's anchor, so nothing later than the anchor is ever seen. All arithmetic on times is
in int64 microseconds. A walk never steps straight back along the link it has just taken from child to parent's child
(it would only find the same node again); masked columns are left out by the encoders, so nothing else is special.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.segments import upper_bound
from pql.engine.graph.temporal import EdgeType, TemporalGraph

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Block:
    """The m nodes reached from block `source` along one edge type in one direction (block 0: the seeds themselves).

    `down` is parent to children (last k, newest first), otherwise child to parent. Those of source node i stand at
    `offsets[i]:offsets[i + 1]`. `rows` int64[m] into the node table `table`; `seeds` int64[m] the seed each belongs to;
    `times` int64[m] when the edge came to be (ALWAYS possible); `counts` int64[len(source)] how many such neighbours
    are known at the anchor, of which the last k are here.
    """

    table: int
    depth: int
    source: int
    edge: int
    down: bool
    offsets: Ints
    rows: Ints
    seeds: Ints
    times: Ints
    counts: Ints

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def parents(self) -> Ints:
        """int64[m]: the position in the source block that each node was reached from."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @property
    def slots(self) -> Ints:
        """int64[m]: the rank among the neighbours of the same source node, 0 is the newest."""
        return np.arange(len(self.rows)) - self.offsets[:-1].repeat(np.diff(self.offsets))


@dataclass(frozen=True, slots=True)
class Sample:
    """The sampled trees of n seeds. `blocks[0]` holds the seeds; sources come before what was reached from them."""

    anchors: Ints
    blocks: tuple[Block, ...]

    def __len__(self) -> int:
        return len(self.anchors)

    def children(self, index: int) -> list[int]:
        """The indices of the blocks reached from block `index`."""
        return [i for i, block in enumerate(self.blocks) if block.source == index]


def history_end(edge: EdgeType, parents: Ints, anchors: Ints) -> Ints:
    """For each parent the end of its children with time <= anchor: a position in `edge.children`, int64[n]."""
    low, high = edge.indptr[parents], edge.indptr[parents + 1]
    live = np.flatnonzero(low < high)
    end = low.copy()
    end[live] = upper_bound(edge.times, low[live], high[live], anchors[live])
    return end


def count_children(edge: EdgeType, parents: Ints, anchors: Ints) -> Ints:
    """How many children each parent has at its anchor, int64[n]."""
    return history_end(edge, parents, anchors) - edge.indptr[parents]


def _children(graph: TemporalGraph, edge_index: int, source: Block, position: int, anchors: Ints, limit: int) -> Block:
    edge = graph.edges[edge_index]
    end = history_end(edge, source.rows, anchors)
    counts = end - edge.indptr[source.rows]
    taken = np.minimum(counts, limit)
    offsets = np.zeros(len(taken) + 1, np.int64)
    np.cumsum(taken, out=offsets[1:])
    places = np.repeat(end + offsets[:-1] - 1, taken) - np.arange(offsets[-1])
    return Block(
        table=edge.child,
        depth=source.depth + 1,
        source=position,
        edge=edge_index,
        down=True,
        offsets=offsets,
        rows=edge.children[places].astype(np.int64),
        seeds=np.repeat(source.seeds, taken),
        times=edge.times[places],
        counts=counts,
    )


def _parents(graph: TemporalGraph, edge_index: int, source: Block, position: int, anchors: Ints) -> Block:
    edge = graph.edges[edge_index]
    rows = edge.parent_of[source.rows].astype(np.int64)
    time = graph.nodes[edge.parent].time
    known = rows >= 0
    times = time[np.where(known, rows, 0)] if len(time) else np.zeros(len(rows), np.int64)
    known &= times <= anchors
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(known, out=offsets[1:])
    return Block(
        table=edge.parent,
        depth=source.depth + 1,
        source=position,
        edge=edge_index,
        down=False,
        offsets=offsets,
        rows=rows[known],
        seeds=source.seeds[known],
        times=times[known],
        counts=known.astype(np.int64),
    )


def sample(
    graph: TemporalGraph, rows: Ints, anchors: Ints, neighbors: Sequence[int], *, table: int | None = None
) -> Sample:
    """The trees around n seeds: `rows` of the node table `table` (default: the entity's) at `anchors` (µs).

    `neighbors` holds one k per hop; its length is the number of hops.
    """
    rows = np.asarray(rows, np.int64)
    anchors = np.asarray(anchors, np.int64)
    start = graph.entity if table is None else table
    n = len(rows)
    blocks = [
        Block(
            table=start,
            depth=0,
            source=-1,
            edge=-1,
            down=True,
            offsets=np.array([0, n], np.int64),
            rows=rows,
            seeds=np.arange(n, dtype=np.int64),
            times=graph.nodes[start].time[rows],
            counts=np.array([n], np.int64),
        )
    ]
    frontier = [0]
    for limit in neighbors:
        reached = []
        for position in frontier:
            source = blocks[position]
            known_from = anchors[source.seeds]
            for index, edge in enumerate(graph.edges):
                if edge.parent == source.table:
                    reached.append(len(blocks))
                    blocks.append(_children(graph, index, source, position, known_from, int(limit)))
                back = source.down and source.edge == index
                if edge.child == source.table and not back:
                    reached.append(len(blocks))
                    blocks.append(_parents(graph, index, source, position, known_from))
        frontier = reached
    return Sample(anchors, tuple(blocks))


def elapsed(anchors: Ints, times: Ints) -> NDArray[np.float32]:
    """Days from each time to its anchor, float32[n]; NaN where the time is ALWAYS, NEVER or after the anchor."""
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    known = (times > low) & (times < high) & (times <= anchors)
    gap = np.where(known, anchors, 0).astype(np.float64) - np.where(known, times, 0)
    return np.where(known, gap / 86_400_000_000, np.nan).astype(np.float32)


def typical_age(trees: Sample) -> float:
    """The median age in days of what the seeds' first hop reaches, at least a second; 30 where nothing has a time."""
    ages = [elapsed(trees.anchors[block.seeds], block.times) for block in trees.blocks if block.depth == 1]
    days = np.concatenate(ages) if ages else np.zeros(0, np.float32)
    days = days[np.isfinite(days)]
    return max(float(np.median(days)), 1 / 86_400) if len(days) else 30.0
