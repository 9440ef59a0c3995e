"""The whole network of the `gnn` model: what the seed's features say, plus what its sampled neighbourhood adds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pql.engine.graph.encode import TableReader
from pql.engine.graph.sample import Sample
from pql.engine.nn.heads import FeatureHead, Head
from pql.engine.nn.hetero import HeteroNetwork, NetworkSpec, collate


class GnnModule(nn.Module):
    """`seed` reads the features; `network` and its `head` read the neighbourhood; their outputs add up.

    Either may be absent: without features there is no `seed`, with `spec` None no `network`. `prior` float32[outputs]
    are the outputs' first bias.
    """

    def __init__(self, spec: NetworkSpec | None, features: int, outputs: int, *, prior: Sequence[float]) -> None:
        super().__init__()
        self.outputs = outputs
        self.seed = FeatureHead(features, outputs) if features else None
        self.network: HeteroNetwork | None = None
        self.head: Head | None = None
        bias = torch.tensor(list(prior))
        if self.seed is not None:
            with torch.no_grad():
                self.seed.out.bias.copy_(bias)
            bias = torch.zeros_like(bias)
        if spec is not None:
            self.attach(spec, bias)

    def attach(self, spec: NetworkSpec, bias: Tensor) -> None:
        """A fresh network over the neighbourhood, whose outputs begin at `bias`."""
        self.network, self.head = HeteroNetwork(spec), Head(spec.hidden, 0, self.outputs, dropout=0.1)
        with torch.no_grad():
            self.head.out.bias.copy_(bias)

    def detach(self) -> None:
        """Without the neighbourhood from now on."""
        self.network = self.head = None

    def of_features(self, features: NDArray[np.float32]) -> Tensor:
        """What the features say, float32[n, outputs]; nought without any."""
        if self.seed is None:
            return torch.zeros(len(features), self.outputs)
        return self.seed(torch.from_numpy(np.ascontiguousarray(features)))

    def of_trees(self, trees: Sample, readers: Sequence[TableReader]) -> Tensor:
        """What the neighbourhood adds, float32[n, outputs]; nought without a network."""
        if self.network is None or self.head is None:
            return torch.zeros(len(trees), self.outputs)
        root = self.network(collate(trees, readers))
        return self.head(root, root.new_zeros(len(root), 0))
