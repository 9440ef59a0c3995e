"""The same network in PyTorch Geometric's words: a sample as `HeteroData`, messages by `HeteroConv` of `SAGEConv`.

It is slower and computes every node at every layer; it is here so that the field's own modules vouch for the fast
path (a test holds both to the same numbers), and for people who want the sampled graph in their own PyG model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from pql.engine.graph.sample import Sample
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.nn.hetero import Batch, HeteroNetwork
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

Relation = tuple[str, str, str]


def _geometric() -> Any:
    try:
        import torch_geometric.data
        import torch_geometric.nn
    except ImportError as error:
        raise PqlError(
            "missing_extra", "this needs torch_geometric", hint="Install it with: pip install 'pql-engine[pyg]'"
        ) from error
    return torch_geometric


def relation_of(graph: TemporalGraph, edge: int, *, down: bool) -> Relation:
    """(source, name, target) as PyG has it: messages flow from source to target; `rev_` from parent to child."""
    child, parent = graph.nodes[graph.edges[edge].child].name, graph.nodes[graph.edges[edge].parent].name
    name = graph.edges[edge].name
    return (child, name, parent) if down else (parent, f"rev_{name}", child)


def to_hetero_data(graph: TemporalGraph, trees: Sample) -> HeteroData:
    """The sampled trees as disjoint `HeteroData`.

    Each node type has `n_id` (row of its table), `batch` (the seed it belongs to) and `time` (its edge's, µs); the
    seeds come first among the nodes of their type. Each edge type's messages flow from neighbour to source node.
    """
    data = _geometric().data.HeteroData()
    start, size = _layout(trees)
    for table, name in enumerate(node.name for node in graph.nodes):
        blocks = [block for block in trees.blocks if block.table == table]
        if blocks:
            data[name].n_id = torch.from_numpy(np.concatenate([b.rows for b in blocks]))
            data[name].batch = torch.from_numpy(np.concatenate([b.seeds for b in blocks]))
            data[name].time = torch.from_numpy(np.concatenate([b.times for b in blocks]))
            data[name].num_nodes = size[table]
    edges: dict[Relation, list[np.ndarray]] = {}
    for i, block in enumerate(trees.blocks[1:], start=1):
        pair = np.stack([start[i] + np.arange(len(block)), start[block.source] + block.parents])
        edges.setdefault(relation_of(graph, block.edge, down=block.down), []).append(pair)
    for relation, pairs in edges.items():
        data[relation].edge_index = torch.from_numpy(np.concatenate(pairs, axis=1))
    return data


def _layout(trees: Sample) -> tuple[list[int], dict[int, int]]:
    """Where each block's nodes begin among the nodes of its table, and how many each table has."""
    start: list[int] = []
    size: dict[int, int] = {}
    for block in trees.blocks:
        start.append(size.get(block.table, 0))
        size[block.table] = start[-1] + len(block)
    return start, size


def reference_forward(network: HeteroNetwork, graph: TemporalGraph, trees: Sample, batch: Batch) -> Tensor:
    """What `network(batch)` gives, float32[n, hidden], by PyG's modules holding the network's weights."""
    pyg = _geometric()
    data = to_hetero_data(graph, trees)
    start, size = _layout(trees)
    first = network.embed(batch)
    tables = sorted(size)
    x = {
        graph.nodes[t].name: torch.cat([first[i].value() for i, b in enumerate(trees.blocks) if b.table == t])
        for t in tables
    }
    for layer in network.rounds():
        convolutions = {}
        for relation in data.edge_types:
            edge, down = _edge_of(graph, relation)
            conv = pyg.nn.SAGEConv((-1, -1), network.spec.hidden, aggr="mean", root_weight=False, bias=False)
            conv.lin_l = layer.neighbor[f"e{edge}{'d' if down else 'u'}"]
            convolutions[relation] = conv
        messages = pyg.nn.HeteroConv(convolutions, aggr="sum")(x, data.edge_index_dict) if convolutions else {}
        counted = _counts(layer, batch, start, size, network.spec.hidden)
        for t in tables:
            name = graph.nodes[t].name
            total = layer.own[f"t{t}"](x[name]) + counted[t] + messages.get(name, 0.0)
            x[name] = x[name] + F.relu(layer.norm[f"t{t}"](total))
    return x[graph.nodes[trees.blocks[0].table].name][: len(trees)]


def _edge_of(graph: TemporalGraph, relation: Relation) -> tuple[int, bool]:
    for edge in range(len(graph.edges)):
        for down in (True, False):
            if relation_of(graph, edge, down=down) == relation:
                return edge, down
    raise KeyError(relation)


def _counts(layer: Any, batch: Batch, start: list[int], size: dict[int, int], hidden: int) -> dict[int, Tensor]:
    """What the counts of known neighbours add to each node of each table."""
    kind = batch.blocks[0].counts.dtype
    out = {table: torch.zeros(n, hidden, dtype=kind) for table, n in size.items()}
    for block in batch.blocks[1:]:
        table = batch.blocks[block.source].table
        at = start[block.source]
        rows = slice(at, at + len(block.counts))
        out[table][rows] = out[table][rows] + layer.count[block.relation](block.counts)
    return out
