"""Targets and losses: labels → what the network learns, its outputs → loss and → predictions, by kind of task."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from pql.engine.graph.seeds import Labels, Ragged
from pql.language.bound import TaskKind

DELTA = 0.1  # where Huber's parabola ends, in standard deviations: near the median, which MAE asks for
HEAVY = 4.0  # labels are heavy-tailed when the 99th percentile stands this many times further out than the spread


@dataclass(frozen=True, slots=True)
class Target:
    """What is known of the labels, from training examples only.

    Regression learns (t(y) - center) / scale, t = log1p(y / unit) when `log` (labels are then never negative), and
    its predictions stay within [low, high]. `prior` float: the outputs' first bias (logit of the base rate, …).
    """

    kind: TaskKind
    outputs: int
    prior: tuple[float, ...]
    center: float = 0.0
    scale: float = 1.0
    log: bool = False
    unit: float = 1.0
    low: float = 0.0
    high: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "kind": str(self.kind)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Target:
        return cls(**{**value, "kind": TaskKind(value["kind"]), "prior": tuple(value["prior"])})


def _logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.clip(p, 1e-4, 1 - 1e-4)
    return np.log(p / (1 - p))


def fit_target(kind: TaskKind, labels: Labels, classes: int) -> Target:
    """The target of these training labels (at least one)."""
    n = len(labels)
    if isinstance(labels, Ragged):
        counts = np.bincount(labels.values, minlength=classes)[:classes]
        return Target(kind, classes, tuple(_logit((counts + 0.5) / (n + 1)).tolist()))
    if kind == TaskKind.MULTICLASS:
        counts = np.bincount(labels.astype(np.int64), minlength=classes)[:classes]
        return Target(kind, classes, tuple(np.log((counts + 0.5) / (n + 0.5 * classes)).tolist()))
    y = labels.astype(np.float64)
    if kind == TaskKind.BINARY:
        return Target(kind, 1, (float(_logit(np.array([(y.sum() + 0.5) / (n + 1)]))[0]),))
    q25, q50, q75, q99 = np.quantile(y, [0.25, 0.5, 0.75, 0.99])
    positive = y[y > 0]
    log = bool(y.min() >= 0 and len(positive) and q99 - q50 > HEAVY * max(q75 - q50, q50 - q25, 1e-12))
    unit = float(np.median(positive)) if log else 1.0
    z = np.log1p(y / unit) if log else y
    center, scale = float(np.median(z)), float(z.std())
    if not np.isfinite(scale) or scale < 1e-12 * max(1.0, abs(center)):
        scale = 1.0
    return Target(kind, 1, (0.0,), center, scale, log, unit, float(y.min()), float(y.max()))


def encode_labels(target: Target, labels: Labels, index: NDArray[np.int64]) -> Tensor:
    """The labels at `index` as the loss wants them: float32[b] / int64[b] / float32[b, classes]."""
    if isinstance(labels, Ragged):
        part = labels.take(index)
        dense = torch.zeros(len(index), target.outputs)
        rows = np.repeat(np.arange(len(index)), np.diff(part.offsets))
        kept = (part.values >= 0) & (part.values < target.outputs)
        dense[torch.from_numpy(rows[kept]), torch.from_numpy(part.values[kept])] = 1.0
        return dense
    y = labels[index]
    if target.kind == TaskKind.MULTICLASS:
        return torch.from_numpy(y.astype(np.int64))
    if target.kind == TaskKind.BINARY:
        return torch.from_numpy(y.astype(np.float32))
    z = np.log1p(y / target.unit) if target.log else y
    return torch.from_numpy(((z - target.center) / target.scale).astype(np.float32))


def loss_of(target: Target, outputs: Tensor, labels: Tensor) -> Tensor:
    """The mean loss of outputs [b, outputs] against encoded labels."""
    if target.kind == TaskKind.MULTICLASS:
        return F.cross_entropy(outputs, labels)
    if target.kind == TaskKind.MULTILABEL:
        return F.binary_cross_entropy_with_logits(outputs, labels)
    if target.kind == TaskKind.BINARY:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], labels)
    return F.huber_loss(outputs[:, 0], labels, delta=DELTA) / DELTA


def decode(target: Target, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Predictions of outputs [n, outputs]: probabilities, values, or one probability per class; never NaN."""
    out = np.clip(np.nan_to_num(outputs.astype(np.float64), nan=0.0), -60, 60)
    if target.kind == TaskKind.MULTICLASS:
        e = np.exp(out - out.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
    if target.kind == TaskKind.MULTILABEL:
        return 1 / (1 + np.exp(-out))
    if target.kind == TaskKind.BINARY:
        return 1 / (1 + np.exp(-out[:, 0]))
    z = out[:, 0] * target.scale + target.center
    if target.log:
        z = target.unit * np.expm1(np.clip(z, -30, 30))
    return np.clip(z, target.low, target.high)


def score_of(target: Target, predictions: NDArray[np.float64], labels: Labels) -> float:
    """What early stopping watches, smaller is better: log loss, or the absolute error in the label's own unit."""
    if isinstance(labels, Ragged):
        truth = encode_labels(target, labels, np.arange(len(labels))).numpy()
        p = np.clip(predictions, 1e-7, 1 - 1e-7)
        return float(-(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean())
    if target.kind == TaskKind.MULTICLASS:
        p = predictions[np.arange(len(predictions)), labels.astype(np.int64)]
        return float(-np.log(np.clip(p, 1e-7, 1)).mean())
    if target.kind == TaskKind.BINARY:
        p = np.clip(predictions, 1e-7, 1 - 1e-7)
        return float(-(labels * np.log(p) + (1 - labels) * np.log(1 - p)).mean())
    return float(np.abs(predictions - labels).mean())
