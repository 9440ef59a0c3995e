"""Exact as-of reductions over the rows of an entity: binary search inside index segments, then reduction per range.

Every seed's numbers are a function of its own range of rows alone, added up in a fixed order: rows after the anchor,
other seeds of the batch and the batch's size can't change a bit of them. Whole numbers may use prefix sums (they are
exact), floats never do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.temporal import ALWAYS, EdgeType, TemporalGraph

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def upper_bound(times: Ints, low: Ints, high: Ints, bound: Ints) -> Ints:
    """For each i, the first position in [low[i], high[i]) whose time is later than bound[i] (high[i] if none).

    `times` ascend within every [low, high). Shapes: int64[n] each, `times` int64[m].
    """
    low, high = low.copy(), high.copy()
    if not len(low) or not len(times):
        return low
    last = len(times) - 1
    for _ in range(int(np.max(high - low, initial=0)).bit_length()):
        middle = (low + high) >> 1
        is_open = low < high
        passed = is_open & (times[np.minimum(middle, last)] <= bound)
        low = np.where(passed, middle + 1, low)
        high = np.where(is_open & ~passed, middle, high)
    return low


def ragged_ranges(starts: Ints, sizes: Ints) -> Ints:
    """The positions starts[i] … starts[i] + sizes[i] - 1 of all i, one after the other."""
    offsets = np.cumsum(sizes) - sizes
    return np.repeat(starts - offsets, sizes) + np.arange(int(sizes.sum()), dtype=np.int64)


def reduce_ranges(ufunc: np.ufunc, values: Floats, bounds: Ints, empty: float) -> Floats:
    """`ufunc` over values[bounds[i, j]:bounds[i, j + 1]], float64[n, b - 1]; `empty` where the range is empty.

    `values` must be contiguous float64 with one spare element at its end; `bounds` int64[n, b] ascend along a row.
    """
    n, width = bounds.shape
    if n == 0:
        return np.empty((0, width - 1))
    reduced = ufunc.reduceat(values, bounds.ravel()).reshape(n, width)[:, :-1]
    return np.where(bounds[:, 1:] > bounds[:, :-1], reduced, empty)


def count_ranges(flags: NDArray[np.bool_], bounds: Ints) -> Ints:
    """How many flags are set in flags[bounds[i, j]:bounds[i, j + 1]], int64[n, b - 1]."""
    running = np.zeros(len(flags) + 1, dtype=np.int64)
    np.cumsum(flags, out=running[1:])
    at = running[bounds]
    return at[:, 1:] - at[:, :-1]


@dataclass(frozen=True, slots=True)
class History:
    """The rows of a block of seeds, as of their anchors, in time order.

    `order` int64[n]: which seeds (positions in the caller's arrays) the block's rows stand for. `rows` int64[m]: rows
    of the fact table, grouped by owner, ascending by (time, row). `times` int64[m]. `first` bool[m]: the first row of
    its owner. `bounds` int64[n, w + 2]: the ranges (from the owner's first row, over the windows from the widest to the
    narrowest, to the anchor). `anchors` int64[n].
    """

    order: Ints
    rows: Ints
    times: Ints
    first: NDArray[np.bool_]
    bounds: Ints
    anchors: Ints

    def __len__(self) -> int:
        return len(self.order)

    @property
    def start(self) -> Ints:
        return self.bounds[:, 0]

    @property
    def end(self) -> Ints:
        return self.bounds[:, -1]


def histories(
    graph: TemporalGraph,
    chain: tuple[EdgeType, ...],
    owners: Ints,
    anchors: Ints,
    windows: tuple[int, ...],
    block_rows: int = 2_000_000,
    block_seeds: int = 100_000,
    recent: int = 0,
) -> Iterator[History]:
    """The histories of n owners at n anchors, in blocks that bound memory.

    `chain` leads down from the owners' table: one edge type, or two (children of children). `owners` int64[n] index the
    first edge type's parent table; -1 has no history. `windows`: widths in µs, widest first. With `recent`, only
    so many latest rows of each seed are in its ranges. Blocks never split an owner's seeds unless one owner alone is
    more than a block.
    """
    order = np.lexsort((anchors, owners))
    owner = owners[order]
    edge = chain[0]
    known = np.maximum(owner, 0)
    if len(edge.indptr) < 2:
        owner, sizes = np.full(len(owner), -1, dtype=np.int64), np.zeros(len(owner), dtype=np.int64)
    else:
        sizes = np.where(owner >= 0, edge.indptr[known + 1] - edge.indptr[known], 0)
    changes = np.ones(len(owner), dtype=bool)
    changes[1:] = owner[1:] != owner[:-1]
    load = np.cumsum(np.where(changes, sizes, 0))
    begin = 0
    while begin < len(order):
        budget = (load[begin - 1] if begin else 0) + block_rows
        end = min(int(np.searchsorted(load, budget, side="right")), begin + block_seeds)
        end = max(end, begin + 1)
        while end < len(order) and not changes[end] and end - begin < 2 * block_seeds:
            end += 1
        block = order[begin:end]
        yield _history(graph, chain, block, owner[begin:end], anchors[block], windows, recent)
        begin = end


def _history(
    graph: TemporalGraph,
    chain: tuple[EdgeType, ...],
    order: Ints,
    owners: Ints,
    anchors: Ints,
    windows: tuple[int, ...],
    recent: int,
) -> History:
    present = owners >= 0
    unique, place = np.unique(owners[present], return_inverse=True)
    latest = np.full(len(unique), ALWAYS, dtype=np.int64)
    np.maximum.at(latest, place, anchors[present])
    rows, times, sizes = _owned(graph, chain, unique, latest)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    first = np.zeros(len(rows), dtype=bool)
    first[offsets[:-1][sizes > 0]] = True
    bounds = np.zeros((len(order), len(windows) + 2), dtype=np.int64)
    start, stop = np.zeros(len(order), dtype=np.int64), np.zeros(len(order), dtype=np.int64)
    start[present], stop[present] = offsets[:-1][place], offsets[1:][place]
    end = upper_bound(times, start, stop, anchors)
    if recent:
        start = np.maximum(start, end - recent)
    bounds[:, 0], bounds[:, -1] = start, end
    low = start
    for j, width in enumerate(windows):
        low = upper_bound(times, low, end, anchors - width)
        bounds[:, j + 1] = low
    return History(order, rows, times, first, bounds, anchors)


def _owned(graph: TemporalGraph, chain: tuple[EdgeType, ...], owners: Ints, latest: Ints) -> tuple[Ints, Ints, Ints]:
    """Rows, times and how many per owner, at or before the owner's `latest` anchor, ascending by (time, row)."""
    edge = chain[0]
    if len(edge.indptr) < 2:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, np.zeros(len(owners), dtype=np.int64)
    start = edge.indptr[owners]
    sizes = upper_bound(edge.times, start, edge.indptr[owners + 1], latest) - start
    at = ragged_ranges(start, sizes)
    rows, times = edge.children[at].astype(np.int64), edge.times[at]
    for edge in chain[1:]:
        group = np.repeat(np.arange(len(owners)), sizes)
        if len(edge.indptr) < 2:
            rows = rows[:0]
            times = times[:0]
            sizes = np.zeros(len(owners), dtype=np.int64)
            continue
        start = edge.indptr[rows]
        counts = upper_bound(edge.times, start, edge.indptr[rows + 1], latest[group]) - start
        at = ragged_ranges(start, counts)
        group = np.repeat(group, counts)
        times = np.maximum(np.repeat(times, counts), edge.times[at])
        rows = edge.children[at].astype(np.int64)
        order = np.lexsort((rows, times, group))
        rows, times = rows[order], times[order]
        sizes = np.bincount(group, minlength=len(owners)).astype(np.int64)
    return rows, times, sizes


def last_positions(history: History, k: int) -> Ints:
    """Positions of the last k rows of every seed, newest first, int64[n, k]; -1 where there are fewer."""
    at = history.end[:, None] - 1 - np.arange(k, dtype=np.int64)[None, :]
    return np.where(at >= history.start[:, None], at, -1)
