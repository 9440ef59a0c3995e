"""Heads: from the representation of a seed and its joined features to the outputs of a task."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class Head(nn.Module):
    """Root representation [n, hidden] and joined features [n, f] → outputs [n, outputs].

    A hidden layer over both, and a straight linear path from the features (wide and deep).
    """

    def __init__(self, hidden: int, features: int, outputs: int, *, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm = nn.LayerNorm(hidden)
        self.features = nn.Linear(features, hidden) if features else None
        self.wide = nn.Linear(features, outputs, bias=False) if features else None
        self.mix = nn.Linear(2 * hidden if features else hidden, hidden)
        self.out = nn.Linear(hidden, outputs)
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            self.out.bias.zero_()
            if self.wide is not None:
                self.wide.weight.zero_()

    def forward(self, root: Tensor, features: Tensor) -> Tensor:
        parts = [self.norm(root)]
        if self.features is not None:
            parts.append(F.relu(self.features(features)))
        joined = F.dropout(torch.cat(parts, dim=1), self.dropout, self.training)
        out = self.out(F.dropout(F.relu(self.mix(joined)), self.dropout, self.training))
        return out if self.wide is None else out + self.wide(features)
