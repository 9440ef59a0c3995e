"""The whole network of the `gnn` model: hetero network, joined features, head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pql.engine.encode import TableReader
from pql.engine.nn.heads import Head
from pql.engine.nn.hetero import HeteroNetwork, NetworkSpec, collate
from pql.engine.sample import Sample


class GnnModule(nn.Module):
    """`network` makes the roots' representations, `head` joins the features; `prior` is the outputs' first bias."""

    def __init__(
        self, spec: NetworkSpec, features: int, outputs: int, *, dropout: float, prior: Sequence[float]
    ) -> None:
        super().__init__()
        self.network = HeteroNetwork(spec)
        self.head = Head(spec.hidden, features, outputs, dropout=dropout)
        with torch.no_grad():
            self.head.out.bias.copy_(torch.tensor(list(prior)))


def outputs_of(
    module: GnnModule, trees: Sample, readers: Sequence[TableReader], features: NDArray[np.float32]
) -> Tensor:
    """The outputs float32[n, outputs] of sampled seeds with their encoded features."""
    root = module.network(collate(trees, readers))
    return module.head(root, torch.from_numpy(np.ascontiguousarray(features)))


def run(
    module: GnnModule,
    trees: Sample,
    readers: Sequence[TableReader],
    features: NDArray[np.float32],
    *,
    roots: bool,
) -> NDArray[np.float32]:
    """Without gradients: the outputs, or with `roots` the representations before the head."""
    module.eval()
    with torch.no_grad():
        out = module.network(collate(trees, readers)) if roots else outputs_of(module, trees, readers, features)
    return out.numpy()
