"""The heterogeneous temporal graph: rows as nodes, links as typed edges, every node with its time.

Tables and edge types are integers here; their names are kept beside them for people. Nothing in this file reads
beyond what `engine.graph.history` handed over, which ends at the prediction anchor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.language.catalog import Link, Stype

ALWAYS = np.iinfo(np.int64).min  # the time of a row that is known at every anchor
NEVER = np.iinfo(np.int64).max  # the time of a row whose clock is NULL: in no window, no history


@dataclass(frozen=True, slots=True)
class NodeColumn:
    """One column of a node table, raw (encoders are fitted later, on rows at or before their cut).

    NUMBER: float64[n], NaN for NULL and non-finite (booleans are 0/1). TIMESTAMP: int64[n] µs, ALWAYS for NULL.
    CATEGORY and TEXT: int32[n] codes into `values` (-1 for NULL), `values` a pyarrow array of the distinct values in
    order of first appearance by (time, row).
    """

    name: str
    stype: Stype
    data: NDArray
    values: pa.Array | None = None


@dataclass(frozen=True, slots=True)
class NodeTable:
    """The rows of one table. `time` int64[n]: µs, ALWAYS or NEVER. `keys`: the key columns as Arrow, for people."""

    name: str
    time: NDArray[np.int64]
    columns: tuple[NodeColumn, ...]
    keys: pa.Table

    def __len__(self) -> int:
        return len(self.time)

    def column(self, name: str) -> NodeColumn:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class EdgeType:
    """One link, in both directions.

    `parent_of` int32[n_child]: the parent's row, -1 where dangling or NULL. The reverse is a CSR sorted by (parent,
    time, child row): the children of parent p are `children[indptr[p]:indptr[p + 1]]` with `times` ascending; children
    whose time is NEVER are left out. An edge's time is the later of its two ends' times.
    """

    link: Link | None
    name: str
    child: int
    parent: int
    parent_of: NDArray[np.int32]
    indptr: NDArray[np.int64]
    children: NDArray[np.int32]
    times: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TemporalGraph:
    """All node tables and edge types of a plan. `entity` is the index of the entity's node table."""

    nodes: tuple[NodeTable, ...]
    edges: tuple[EdgeType, ...]
    entity: int

    def index(self, table: str) -> int:
        """The integer of the table called `table`; KeyError if it isn't in the graph."""
        for i, node in enumerate(self.nodes):
            if node.name == table:
                return i
        raise KeyError(table)

    def edge(self, link: Link) -> EdgeType:
        for edge in self.edges:
            if edge.link == link:
                return edge
        raise KeyError(str(link))
