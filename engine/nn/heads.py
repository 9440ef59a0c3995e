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


def thin(x: Tensor, share: float) -> Tensor:
    """`x` with about `share` of its values at nought, the others raised to make up for them, drawn byte by byte."""
    noise = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
    cut = round(256 * share)
    kept = noise.view(torch.uint8)[: x.numel()].view_as(x) >= cut
    return x * kept * (256 / (256 - cut))


class FeatureHead(nn.Module):
    """Encoded features of seeds [n, f] → outputs [n, outputs]: two hidden layers beside a straight linear path.

    `blind` is the share of the inputs that a step of training does without; set where they would be learnt by heart.
    """

    def __init__(self, features: int, outputs: int, *, hidden: int = 64, dropout: float = 0.3) -> None:
        super().__init__()
        self.dropout = dropout
        self.blind = 0.0
        self.first = nn.Linear(features, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, outputs)
        self.wide = nn.Linear(features, outputs, bias=False)
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            self.wide.weight.zero_()

    def forward(self, features: Tensor) -> Tensor:
        if self.training and self.blind:
            features = thin(features, self.blind)
        x = F.relu(self.first(features))
        x = F.relu(self.second(thin(x, self.dropout) if self.training else x))
        return self.out(thin(x, self.dropout) if self.training else x) + self.wide(features)
