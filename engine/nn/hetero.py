"""The heterogeneous temporal graph network over sampled trees.

Every node starts from its encoded columns plus features of its age at the anchor. A layer updates a node from itself,
the mean of its neighbours per edge type and direction (as SAGE does), and how many of them are known, since a mean
cannot count; then layer norm and a residual. Only what the seeds still need is computed. Tables and edge types are
integers, so modules are called `t0`, `e3d`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from pql.engine.graph.encode import BUCKETS, Encoders, TableReader
from pql.engine.graph.sample import Sample, elapsed
from pql.engine.graph.temporal import TemporalGraph

TIME_FEATURES = 9
TEXT_WIDTH = 16


@dataclass(frozen=True, slots=True)
class TableSpec:
    """The inputs of one node table: 2 numbers per number column, vocabulary sizes, text columns, ages."""

    numbers: int
    categories: tuple[int, ...]
    texts: int
    timestamps: int
    timed: bool

    @property
    def ages(self) -> int:
        return self.timestamps + int(self.timed)


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What fixes the shape of a network. `edges` are (child, parent) tables; `unit` is a typical age in days;
    `counts`: how many neighbours are known is read beside their mean.
    """

    tables: tuple[TableSpec, ...]
    edges: tuple[tuple[int, int], ...]
    hidden: int
    layers: int
    unit: float
    counts: bool = True

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> NetworkSpec:
        tables = tuple(TableSpec(**{**t, "categories": tuple(t["categories"])}) for t in value["tables"])
        edges = tuple((int(child), int(parent)) for child, parent in value["edges"])
        return cls(tables, edges, value["hidden"], value["layers"], value["unit"], value["counts"])


def describe(
    graph: TemporalGraph,
    encoders: Encoders,
    *,
    hidden: int,
    layers: int,
    unit: float,
    ages: bool = True,
    counts: bool = True,
) -> NetworkSpec:
    """The spec of a network for this graph, read through these encoders; for ablations without ages or counts."""
    tables = tuple(
        TableSpec(
            numbers=2 * len(t.numbers),
            categories=tuple(c.size for c in t.categories),
            texts=len(t.texts),
            timestamps=len(t.timestamps) if ages else 0,
            timed=t.timed and ages,
        )
        for t in encoders.tables
    )
    return NetworkSpec(tables, tuple((e.child, e.parent) for e in graph.edges), hidden, layers, unit, counts)


@dataclass(frozen=True, slots=True)
class TableInput:
    """The distinct rows of one table met in a batch (u of them, ascending), encoded."""

    numbers: Tensor
    categories: Tensor
    texts: tuple[tuple[Tensor, Tensor], ...]

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class BlockInput:
    """One block of a sample as tensors: `inverse` int64[m] into the table's distinct rows, `ages` float32[m, a] in
    days (NaN unknown), `counts` float32[n, 2] of the source nodes: log1p of the neighbours known, and whether any is.
    """

    table: int
    depth: int
    source: int
    relation: str
    up: bool
    offsets: Tensor
    inverse: Tensor
    ages: Tensor
    counts: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """A sample, collated."""

    tables: dict[int, TableInput]
    blocks: tuple[BlockInput, ...]


def distinct_rows(parts: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """The distinct values (ascending) of several arrays of rows below `size`, and each array as positions in them."""
    total = sum(len(part) for part in parts)
    if size > 8 * total + 1024:
        values, inverse = np.unique(np.concatenate(parts), return_inverse=True)
        return values, np.split(inverse, np.cumsum([len(part) for part in parts])[:-1])
    met = np.zeros(size, bool)
    for part in parts:
        met[part] = True
    values = np.flatnonzero(met)
    place = np.empty(size, np.int64)
    place[values] = np.arange(len(values))
    return values, [place[part] for part in parts]


def collate(sample: Sample, readers: Sequence[TableReader]) -> Batch:
    """The tensors the network reads of a sample; each table's distinct rows are encoded once."""
    tables: dict[int, TableInput] = {}
    inverses: list[np.ndarray] = [np.empty(0, np.int64)] * len(sample.blocks)
    for table in sorted({block.table for block in sample.blocks}):
        places = [i for i, block in enumerate(sample.blocks) if block.table == table]
        reader = readers[table]
        rows, inverse = distinct_rows([sample.blocks[i].rows for i in places], len(reader.node))
        for i, part in zip(places, inverse, strict=True):
            inverses[i] = part
        tables[table] = TableInput(
            torch.from_numpy(reader.numbers(rows)),
            torch.from_numpy(reader.categories(rows)),
            tuple((torch.from_numpy(ids), torch.from_numpy(offsets)) for ids, offsets in reader.texts(rows)),
        )
    blocks = []
    for i, block in enumerate(sample.blocks):
        reader = readers[block.table]
        anchors = sample.anchors[block.seeds]
        ages = [elapsed(anchors, block.times)] if reader.encoder.timed else []
        stamps = reader.timestamps(block.rows)
        ages += [elapsed(anchors, stamps[:, j]) for j in range(stamps.shape[1])]
        counts = np.stack([np.log1p(block.counts), block.counts > 0], axis=1).astype(np.float32)
        blocks.append(
            BlockInput(
                table=block.table,
                depth=block.depth,
                source=block.source,
                relation="" if i == 0 else f"e{block.edge}{'d' if block.down else 'u'}",
                up=not block.down,
                offsets=torch.from_numpy(block.offsets),
                inverse=torch.from_numpy(inverses[i]),
                ages=torch.from_numpy(np.stack(ages, axis=1) if ages else np.zeros((len(block), 0), np.float32)),
                counts=torch.from_numpy(counts),
            )
        )
    return Batch(tables, tuple(blocks))


class TimeEncoding(nn.Module):
    """Features of ages: float32[m, a] days (NaN unknown) → float32[m, TIME_FEATURES · a], all 0 where unknown."""

    def __init__(self, unit: float) -> None:
        super().__init__()
        self.unit = unit

    def forward(self, ages: Tensor) -> Tensor:
        known = ~torch.isnan(ages)
        days = torch.where(known, ages, 0.0)
        u = days / self.unit
        week = days * (2 * torch.pi / 7)
        year = days * (2 * torch.pi / 365.25)
        features = [
            torch.log1p(u),
            torch.log1p(days * 86_400) / 10,
            torch.exp(-u),
            torch.exp(-4 * u),
            torch.exp(-u / 4),
            torch.sin(week),
            torch.cos(week),
            torch.cos(year),
            torch.ones_like(days),
        ]
        return (torch.stack(features, dim=2) * known.unsqueeze(2)).flatten(1)


class TableEncoding(nn.Module):
    """The encoded columns of u rows → float32[u, hidden]."""

    def __init__(self, spec: TableSpec, hidden: int) -> None:
        super().__init__()
        widths = [min(16, 2 + round(size**0.5)) for size in spec.categories]
        sizes = zip(spec.categories, widths, strict=True)
        self.embeddings = nn.ModuleDict({f"c{j}": nn.Embedding(*shape) for j, shape in enumerate(sizes)})
        self.texts = nn.ModuleDict(
            {
                f"x{j}": nn.EmbeddingBag(BUCKETS, TEXT_WIDTH, mode="mean", include_last_offset=True)
                for j in range(spec.texts)
            }
        )
        self.constant = not (spec.numbers or widths or spec.texts)
        width = spec.numbers + sum(widths) + TEXT_WIDTH * spec.texts
        self.project = nn.Linear(1 if self.constant else width, hidden)
        with torch.no_grad():
            for embedding in (*self.embeddings.values(), *self.texts.values()):
                cast(nn.Embedding, embedding).weight.mul_(0.5)

    def forward(self, rows: TableInput) -> Tensor:
        if self.constant:
            return F.relu(self.project(rows.numbers.new_ones(len(rows), 1)))
        parts = [rows.numbers]
        parts += [self.embeddings[f"c{j}"](rows.categories[:, j]) for j in range(len(self.embeddings))]
        parts += [
            cast(nn.EmbeddingBag, self.texts[f"x{j}"])(ids, offsets) for j, (ids, offsets) in enumerate(rows.texts)
        ]
        return F.relu(self.project(torch.cat(parts, dim=1)))


def spread(values: Tensor, index: Tensor) -> Tensor:
    """values[index], with a backward pass that sums in a fixed order."""
    return F.embedding_bag(index, values, torch.arange(len(index) + 1), mode="sum", include_last_offset=True)


def segment_mean(values: Tensor, index: Tensor, offsets: Tensor) -> Tensor:
    """The mean of values[index] over each run offsets[i]:offsets[i + 1]; 0 for an empty one."""
    return F.embedding_bag(index, values, offsets, mode="mean", include_last_offset=True)


class Layer(nn.Module):
    """One round of messages."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        h = spec.hidden
        relations = [f"e{i}{way}" for i in range(len(spec.edges)) for way in "du"]
        self.own = nn.ModuleDict({f"t{i}": nn.Linear(h, h) for i in range(len(spec.tables))})
        self.neighbor = nn.ModuleDict({r: nn.Linear(h, h, bias=False) for r in relations})
        counted = relations if spec.counts else []
        self.count = nn.ModuleDict({r: nn.Linear(2, h, bias=False) for r in counted})
        self.norm = nn.ModuleDict({f"t{i}": nn.LayerNorm(h) for i in range(len(spec.tables))})


@dataclass(slots=True)
class Nodes:
    """The state of a block: `dense` [m, hidden] once computed; until then distinct rows, index and time features."""

    rows: Tensor
    index: Tensor
    time: Tensor | None
    time_weight: Tensor | None
    dense: Tensor | None = None

    def value(self) -> Tensor:
        if self.dense is None:
            self.dense = spread(self.rows, self.index)
            if self.time is not None and self.time_weight is not None:
                self.dense = self.dense + self.time @ self.time_weight.T
        return self.dense

    def message(self, weight: Tensor, offsets: Tensor) -> Tensor:
        """weight · mean of the nodes per source node, in the cheapest order of operations."""
        if self.dense is not None:
            return segment_mean(self.dense, torch.arange(len(self.dense)), offsets) @ weight.T
        if len(self.rows) < len(offsets):
            out = segment_mean(self.rows @ weight.T, self.index, offsets)
        else:
            out = segment_mean(self.rows, self.index, offsets) @ weight.T
        if self.time is not None and self.time_weight is not None:
            out = out + segment_mean(self.time, torch.arange(len(self.time)), offsets) @ (weight @ self.time_weight).T
        return out


class HeteroNetwork(nn.Module):
    """A batch of sampled trees → the representation of its seeds, float32[n, hidden]."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        self.clock = TimeEncoding(spec.unit)
        self.tables = nn.ModuleDict({f"t{i}": TableEncoding(t, spec.hidden) for i, t in enumerate(spec.tables)})
        self.ages = nn.ModuleDict(
            {
                f"t{i}": nn.Linear(TIME_FEATURES * t.ages, spec.hidden, bias=False)
                for i, t in enumerate(spec.tables)
                if t.ages
            }
        )
        self.layers = nn.ModuleList(Layer(spec) for _ in range(spec.layers))

    def rounds(self) -> list[Layer]:
        """The layers, first to last."""
        return [cast(Layer, layer) for layer in self.layers]

    def embed(self, batch: Batch) -> list[Nodes]:
        """The state of every block before the first layer."""
        rows = {table: self.tables[f"t{table}"](value) for table, value in batch.tables.items()}
        out = []
        for block in batch.blocks:
            name = f"t{block.table}"
            timed = name in self.ages
            time = self.clock(block.ages) if timed else None
            weight = cast(nn.Linear, self.ages[name]).weight if timed else None
            out.append(Nodes(rows[block.table], block.inverse, time, weight))
        return out

    def forward(self, batch: Batch) -> Tensor:
        return self.propagate(batch, self.embed(batch))

    def propagate(self, batch: Batch, nodes: list[Nodes]) -> Tensor:
        """The seeds' representation, float32[n, hidden], from the state of every block before the first layer."""
        for number, layer in enumerate(self.rounds(), start=1):
            reach = len(self.layers) - number
            updated = list(nodes)
            for i, block in enumerate(batch.blocks):
                if block.depth > reach:
                    continue
                name = f"t{block.table}"
                old = nodes[i].value()
                total = layer.own[name](old)
                for j, child in enumerate(batch.blocks):
                    if child.source == i:
                        total = total + nodes[j].message(
                            cast(nn.Linear, layer.neighbor[child.relation]).weight, child.offsets
                        )
                        if self.spec.counts:
                            total = total + layer.count[child.relation](child.counts)
                updated[i] = Nodes(old, block.inverse, None, None, old + F.relu(layer.norm[name](total)))
            nodes = updated
        return nodes[0].value()
