"""Probabilities that mean what they say, and the threshold of a yes/no prediction: both fitted on validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST = 10  # of either class, below which probabilities are left as they are


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt's map of a probability: sigmoid(slope * logit(p) + intercept). Strictly rising, so ranks don't change."""

    slope: float = 1.0
    intercept: float = 0.0

    def apply(self, probability: Floats) -> Floats:
        """Calibrated probabilities, float64 of the same shape."""
        if self == Calibration():
            return probability
        return sigmoid(self.slope * logit(probability) + self.intercept)

    def to_json(self) -> dict[str, Any]:
        return {"slope": self.slope, "intercept": self.intercept}


def logit(probability: Floats) -> Floats:
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.log(p) - np.log1p(-p)


def sigmoid(score: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(score, -60, 60)))


def fit_calibration(probability: Floats, positive: NDArray[np.bool_]) -> Calibration:
    """Fit on validation by Newton's method with Platt's smoothed targets.

    With few examples of a class, or where the fit would turn or blow up the order, the identity is kept.
    """
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if min(ones, zeros) < FEWEST:
        return Calibration()
    x = logit(probability)
    target = np.where(positive, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    slope, intercept = 1.0, 0.0
    for _ in range(50):
        p = sigmoid(slope * x + intercept)
        gradient = np.array([((p - target) * x).sum() + 1e-3 * (slope - 1), (p - target).sum()])
        weight = p * (1 - p)
        cross = (weight * x).sum()
        hessian = np.array([[(weight * x * x).sum() + 1e-3, cross], [cross, weight.sum() + 1e-9]])
        step = np.linalg.solve(hessian, gradient)
        slope, intercept = slope - float(step[0]), intercept - float(step[1])
        if not np.isfinite(slope + intercept) or abs(slope) > 100:
            return Calibration()
        if np.abs(step).max() < 1e-9:
            break
    if not 0.2 <= slope <= 5.0:
        return Calibration()
    return Calibration(slope, intercept)


def best_threshold(probability: Floats, positive: NDArray[np.bool_]) -> float:
    """The threshold whose `probability >= threshold` has the highest F1; 0.5 where one class only is seen."""
    ones = int(positive.sum())
    if not ones or ones == len(positive):
        return 0.5
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    hits = np.cumsum(positive[order])
    taken = np.arange(1, len(order) + 1)
    is_border = np.append(ranked[1:] < ranked[:-1], True)
    scores = np.where(is_border, 2 * hits / (taken + ones), -1.0)
    at = int(np.argmax(scores))
    if at + 1 < len(ranked):
        return float((ranked[at] + ranked[at + 1]) / 2)
    return float(ranked[at])
