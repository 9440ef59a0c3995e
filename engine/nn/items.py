"""Items to be ranked, as the item tower reads them: who they are, what is known of them at an anchor, who met them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import Tensor

from pql.engine.graph.encode import TableReader
from pql.engine.graph.key_index import as_text
from pql.engine.graph.sample import Block, Sample, elapsed, history_end
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.nn.hetero import TableInput

WINDOWS = (1, 3, 12)  # recent windows an item's meetings are counted in, in units of the horizon


@dataclass(frozen=True, slots=True)
class Items:
    """The items to be ranked, by code 0 … n - 1.

    `names`: Arrow array of n, what tells items apart for good (key values or plain values). `birth` int64[n]: when an
    item is first known (NEVER: at no anchor). `table`: the node table whose rows they are, None for plain values; then
    `holder` may tell the node table that holds the values and the item code of each of its rows (-1: none).
    """

    names: pa.Array
    birth: NDArray[np.int64]
    table: int | None = None
    holder: tuple[int, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self.birth)

    def strings(self) -> pa.Array:
        names = self.names.combine_chunks() if isinstance(self.names, pa.ChunkedArray) else self.names
        return as_text(names)


@dataclass(frozen=True, slots=True)
class Met:
    """The items met in the seeds' trees: `items` int64[m] codes, those of seed i at `offsets[i]:offsets[i + 1]`,
    `ages` float32[m, 1] in days.
    """

    items: NDArray[np.int64]
    offsets: NDArray[np.int64]
    ages: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ItemView:
    """The items of one graph as the item tower reads them."""

    graph: TemporalGraph
    items: Items
    reader: TableReader | None
    own: NDArray[np.int64]
    horizon: int

    def read(self, codes: NDArray[np.int64], anchor: int) -> tuple[TableInput | None, Tensor, Tensor, Tensor]:
        """The inputs of `ItemTower.forward` for these items at this anchor."""
        columns = None
        if self.reader is not None:
            columns = TableInput(
                torch.from_numpy(self.reader.numbers(codes)),
                torch.from_numpy(self.reader.categories(codes)),
                tuple((torch.from_numpy(i), torch.from_numpy(o)) for i, o in self.reader.texts(codes)),
            )
        ages = elapsed(np.full(len(codes), anchor), self.items.birth[codes])[:, None]
        history = item_history(self.graph, self.items.table, codes, anchor, self.horizon)
        return columns, torch.from_numpy(ages), torch.from_numpy(history), torch.from_numpy(self.own[codes])

    def met(self, trees: Sample) -> Met:
        """The items in sampled trees, of the first two hops."""
        table, codes = (self.items.table, None) if self.items.holder is None else self.items.holder
        blocks = [b for b in trees.blocks[1:] if b.table == table and b.depth <= 2]
        seeds = np.concatenate([b.seeds for b in blocks]) if blocks else np.zeros(0, np.int64)
        rows = np.concatenate([b.rows for b in blocks]) if blocks else np.zeros(0, np.int64)
        times = [b.times if b.depth == 1 else _when(trees, b) for b in blocks]
        when = np.concatenate(times) if blocks else np.zeros(0, np.int64)
        order = np.argsort(seeds, kind="stable")
        seeds, rows, when = seeds[order], rows[order], when[order]
        items = rows if codes is None else codes[rows].astype(np.int64)
        known = np.flatnonzero(items >= 0)
        seeds, items, when = seeds[known], items[known], when[known]
        offsets = np.searchsorted(seeds, np.arange(len(trees) + 1))
        return Met(items, offsets, elapsed(trees.anchors[seeds], when)[:, None])


def _when(trees: Sample, block: Block) -> NDArray[np.int64]:
    """When an item of the second hop was met: the time of the row of the first hop that led to it."""
    return trees.blocks[block.source].times[block.parents]


def item_history(
    graph: TemporalGraph, table: int | None, codes: NDArray[np.int64], anchor: int, horizon: int
) -> NDArray[np.float32]:
    """float32[m, f]: for each link to the items' table, log1p of the rows known at the anchor, in all and lately."""
    out = [np.zeros((len(codes), 0), np.float32)]
    for edge in graph.edges:
        if edge.parent == table:
            at = np.full(len(codes), anchor)
            end = history_end(edge, codes, at)
            starts = [edge.indptr[codes], *(history_end(edge, codes, at - w * horizon) for w in WINDOWS)]
            out.append(np.log1p(np.stack([end - start for start in starts], axis=1)).astype(np.float32) / 4)
    return np.concatenate(out, axis=1)


def history_width(graph: TemporalGraph, table: int | None) -> int:
    """The number of columns of `item_history`."""
    return (1 + len(WINDOWS)) * sum(edge.parent == table for edge in graph.edges)


def item_names(keys: pa.Table) -> pa.Array:
    """What tells the rows of a node table apart, from its `keys`: joined as text where there are several columns."""
    columns = [keys.column(i).combine_chunks() for i in range(keys.num_columns)]
    if len(columns) == 1:
        return columns[0]
    return pc.binary_join_element_wise(*(column.cast(pa.string()) for column in columns), "\x1f")
