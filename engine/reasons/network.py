"""Why the network says what it says: integrated gradients over the seed's features and the sampled rows around it.

Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (2017). The way begins where every feature is at
its middle and no row is known, and leads straight to what is read: the encoded features, the state of every sampled
row before the first layer, and how many neighbours there are. What the finite number of looks along the way leaves is
shared out by size, so that the parts add up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pql.engine.features.lags import lag_names
from pql.engine.graph.seed_batches import chunks_by_anchor
from pql.engine.models.base import Inputs
from pql.engine.models.gnn import FittedGnn, shown
from pql.engine.reasons.reasons import Floats, Ints, Reasons, RowParts, no_words

if TYPE_CHECKING:
    from torch import Tensor

    from pql.engine.graph.sample import Sample
    from pql.engine.graph.temporal import TemporalGraph
    from pql.engine.nn.heads import Head
    from pql.engine.nn.hetero import Batch, HeteroNetwork, Nodes

LOOKS = 96  # along the way of the features, which bends where a unit begins to count
TREE_LOOKS = 24  # along the way of the rows
EARLY = 2  # power by which these looks stand closer near the beginning, where the norms of the layers turn
AROUND = 64  # seeds whose surroundings are held at a time


@dataclass(frozen=True, slots=True)
class Looks:
    """Places t float64[q] on the way from 0 to 1, and their weights, which sum to 1."""

    places: Floats
    weights: Floats

    @classmethod
    def even(cls, count: int) -> Looks:
        return cls((np.arange(count) + 0.5) / count, np.full(count, 1.0 / count))

    @classmethod
    def early(cls, count: int) -> Looks:
        found, weights = np.polynomial.legendre.leggauss(count)
        u = (found + 1) / 2
        return cls(u**EARLY, weights / 2 * EARLY * u ** (EARLY - 1))


class NetworkParts:
    """A network's outputs of n rows: where the way begins, `before`, and what is reached, `after`, float64[n, outputs];
    `reasons` of their sums by weights."""

    def __init__(self, fitted: FittedGnn, inputs: Inputs, vocabulary: Mapping[str, Sequence[str]]) -> None:
        self.fitted, self.inputs, self.vocabulary = fitted, inputs, vocabulary
        self.encoded = fitted.encode(inputs)
        self.readers = fitted.readers(inputs)
        self.after = fitted.outputs(inputs, self.encoded).astype(np.float64)
        self.before = np.tile(self._begin(), (len(inputs), 1)) + self._around(None)[0]

    def reasons(self, weights: Floats) -> Reasons:
        """The reasons of the outputs' sum by weights float64[n, outputs]."""
        from pql.engine.reasons.members import words_of

        features, owners = self._features(weights)
        read = (*shown(self.fitted.scaler, self.inputs.features).names, *lag_names_of(self.fitted))
        names = tuple(dict.fromkeys(read))  # an earlier target may be read twice: as a feature, and by itself
        place = {name: i for i, name in enumerate(names)}
        amounts = np.zeros((len(self.inputs), len(names)))
        np.add.at(amounts.T, np.array([place[read[i]] for i in owners.tolist()], dtype=np.int64), features.T)
        words = words_of(names, self.inputs, self.vocabulary)
        _, rows, counted = self._around(weights)
        found = Reasons.summed(
            [
                Reasons((weights * self.before).sum(axis=1), names, amounts, words, rows),
                Reasons.of(np.zeros(len(self.inputs)), tuple(counted), _columns(counted, len(self.inputs))),
            ]
        )
        return completed(found, (weights * self.after).sum(axis=1))

    def _begin(self) -> Floats:
        """float64[outputs]: what is said where every feature is at its middle."""
        import torch

        from pql.engine.nn.loop import computing

        with computing(0), torch.no_grad():
            said = self.fitted.module.of_features(np.zeros((1, self.encoded.shape[1]), np.float32))
        return np.asarray(said.numpy()[0], dtype=np.float64)

    def _features(self, weights: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """float64[n, width]: what each encoded input adds, and int64[width]: of which feature or lag it is."""
        import torch

        from pql.engine.nn.loop import computing

        columns = self.fitted.scaler.columns
        owners = np.repeat(np.arange(len(columns)), [column.width for column in columns]).astype(np.int64)
        module, looks = self.fitted.module.seed, Looks.even(LOOKS)
        if module is None:
            return np.zeros((len(self.inputs), 0)), owners[:0]
        total = np.zeros(self.encoded.shape)
        given = torch.from_numpy(weights.astype(np.float32))
        with computing(0):
            module.eval()
            for place, weight in zip(looks.places.tolist(), looks.weights.tolist(), strict=True):
                point = torch.from_numpy(self.encoded * np.float32(place)).requires_grad_()
                (slope,) = torch.autograd.grad((module(point) * given).sum(), point)
                total += weight * slope.numpy()
        return total * self.encoded, owners

    def _around(self, weights: Floats | None) -> tuple[Floats, RowParts, dict[str, Floats]]:
        """What the sampled rows add: the outputs without any, float64[n, outputs]; with `weights` the parts of the
        rows, and of how many there are by what they are."""
        import torch

        from pql.engine.nn.hetero import collate
        from pql.engine.nn.loop import computing

        n, module = len(self.inputs), self.fitted.module
        nothing, parts = np.zeros((n, module.outputs)), [RowParts()]
        counted: dict[str, Floats] = {}
        if module.network is None or module.head is None or not self.readers:
            return nothing, parts[0], counted
        with computing(0):
            module.eval()
            for index in chunks_by_anchor(self.inputs.seeds.anchors, AROUND):
                trees = self.fitted.trees(self.inputs, index)
                batch = collate(trees, self.readers)
                with torch.no_grad():
                    root = nowhere(module.network, batch)
                    nothing[index] = module.head(root, root.new_zeros(len(root), 0)).numpy()
                if weights is None:
                    continue
                given = torch.from_numpy(weights[index].astype(np.float32))
                head = module.head

                def said(root: Tensor, _: Tensor, given: Tensor = given, head: Head = head) -> Tensor:
                    return (head(root, root.new_zeros(len(root), 0)) * given).sum()

                found = integrated(module.network, batch, torch.zeros(len(index), 0), said)
                parts += row_parts(trees, index, found.rows)
                add_counts(counted, self.inputs.graph, trees, index, found.counts, n)
        return nothing, RowParts.joined(parts), counted


@dataclass(frozen=True, slots=True)
class Integrated:
    """What is added along the way, in a batch of trees: `rows` by the nodes of every block, `counts` by how many
    neighbours every source node has, `features` float64[n, width] by the encoded features."""

    rows: list[Floats]
    counts: list[Floats]
    features: Floats


def integrated(
    network: HeteroNetwork, batch: Batch, features: Tensor, said: Callable[[Tensor, Tensor], Tensor]
) -> Integrated:
    """The integrated gradients of `said` (of the roots and the features) over a collated batch of trees, with all
    parts growing from nought together."""
    import torch

    with torch.no_grad():
        states = [node.value() for node in network.embed(batch)]
    known = [block.counts for block in batch.blocks]
    parts = [*states, *known, features]
    total = [np.zeros(tuple(part.shape)) for part in parts]
    looks = Looks.early(TREE_LOOKS)
    for place, weight in zip(looks.places.tolist(), looks.weights.tolist(), strict=True):
        points = [(part * place).requires_grad_() for part in parts]
        counts = points[len(states) : -1]
        blocks = tuple(replace(block, counts=count) for block, count in zip(batch.blocks, counts, strict=True))
        root = network.propagate(replace(batch, blocks=blocks), _nodes(points[: len(states)]))
        slopes = torch.autograd.grad(said(root, points[-1]), points, allow_unused=True)
        for sums, slope in zip(total, slopes, strict=True):
            if slope is not None:
                sums += weight * slope.numpy()
    added = [sums * part.numpy() for sums, part in zip(total, parts, strict=True)]
    rows = [one.sum(axis=1) for one in added[: len(states)]]
    return Integrated(rows, [one.sum(axis=1) for one in added[len(states) : -1]], added[-1])


def row_parts(trees: Sample, index: Ints, amounts: Sequence[Floats]) -> list[RowParts]:
    """What the sampled rows of some seeds add; `index` int64[n]: which unit each seed is."""
    return [
        RowParts(index[block.seeds], np.full(len(block), block.table, dtype=np.int64), block.rows, block.times, amount)
        for block, amount in zip(trees.blocks, amounts, strict=True)
    ]


def add_counts(
    counted: dict[str, Floats], graph: TemporalGraph, trees: Sample, index: Ints, amounts: Sequence[Floats], n: int
) -> None:
    """Add what numbers of neighbours add to `counted`, by the table of the neighbours."""
    for block, amount in zip(trees.blocks[1:], amounts[1:], strict=True):
        if np.abs(amount).any():
            column = counted.setdefault(f"how many {graph.nodes[block.table].name} there are", np.zeros(n))
            column += np.bincount(index[trees.blocks[block.source].seeds], weights=amount, minlength=n)


def lag_names_of(fitted: FittedGnn) -> tuple[str, ...]:
    """The names of the earlier targets that a network reads beside the features."""
    return lag_names(fitted.scaler.lags)[: fitted.scaler.lags]


def _columns(counted: Mapping[str, Floats], n: int) -> Floats:
    return np.column_stack(list(counted.values())) if counted else no_words((n, 0)).astype(np.float64)


def _nodes(points: list[Tensor]) -> list[Nodes]:
    from pql.engine.nn.hetero import Nodes

    return [Nodes(point, point, None, None, point) for point in points]


def nowhere(network: HeteroNetwork, batch: Batch) -> Tensor:
    """The roots of a batch of trees as if no row of them were known."""
    values = [node.value() * 0.0 for node in network.embed(batch)]
    blocks = tuple(replace(block, counts=block.counts * 0.0) for block in batch.blocks)
    return network.propagate(replace(batch, blocks=blocks), _nodes(values))


def completed(found: Reasons, margin: Floats) -> Reasons:
    """The reasons with what is left of the margin shared out by size."""
    left = margin - found.margin
    rows, n = found.rows, len(margin)
    size = np.abs(found.amounts).sum(axis=1)
    size += np.bincount(rows.unit, weights=np.abs(rows.amount), minlength=n) if len(rows) else 0.0
    share = np.where(size > 1e-12, left / np.where(size > 1e-12, size, 1.0), 0.0)
    amounts = found.amounts + np.abs(found.amounts) * share[:, None]
    kept = rows.at(rows.unit, rows.amount + np.abs(rows.amount) * share[rows.unit])
    return replace(found, amounts=amounts, rows=kept)
