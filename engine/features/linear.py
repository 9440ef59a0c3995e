"""Penalised linear models of a few rows, in closed form or by Newton's method, the penalty chosen by leaving one out.

The leave-one-out error of ridge regression is exact; that of the logistic regression is Newton's one-step
approximation from the full fit (Rad and Maleki, A scalable estimate of the out-of-sample prediction error, 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PENALTIES = (3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0)  # the strongest first
CAUTION = 0.5  # the strongest penalty within so many standard errors of the best is taken, of FEW rows; of more, fewer
FEW = 100
MOST_STEPS = 25
WORSE = 2  # penalties in a row that are no better, after which weaker ones aren't tried


@dataclass(frozen=True, slots=True)
class Linear:
    """`weights` float64[f] and `intercept`. `held_out` float64[n]: the prediction of each row without it (log-odds, or
    the value); `error`: its mean loss."""

    weights: Floats
    intercept: float
    held_out: Floats
    error: float

    def predict(self, inputs: Floats) -> Floats:
        """float64[n]: the value or the log-odds of each row of inputs float64[n, f].

        Summed input by input, so that a row's answer doesn't depend on how many others there are.
        """
        total = np.full(len(inputs), self.intercept)
        for j, weight in enumerate(self.weights.tolist()):
            total += weight * inputs[:, j]
        return total


def logistic(inputs: Floats, positive: NDArray[np.bool_]) -> Linear:
    """Logistic regression of bool[n] on inputs float64[n, f]; with one class alone, its rate and no weights."""
    n, f = inputs.shape
    y = positive.astype(np.float64)
    rate = (y.sum() + 0.5) / (n + 1.0)
    start = float(np.log(rate / (1 - rate)))
    if not f or y.min() == y.max():
        held = np.full(n, start)
        return Linear(np.zeros(f), start, held, float(np.mean(_log_loss(y, held))))
    rows = np.column_stack([inputs, np.ones(n)])
    beta = np.append(np.zeros(f), start)
    found: list[tuple[Floats, Floats, Floats]] = []
    for penalty in PENALTIES:
        beta, held = _newton(rows, y, penalty, beta)
        found.append((beta, held, _log_loss(y, held)))
        if _is_over([float(loss.mean()) for _, _, loss in found]):
            break
    beta, held, loss = found[_careful([loss for _, _, loss in found], CAUTION * min(1.0, FEW / n))]
    return Linear(beta[:-1], float(beta[-1]), held, float(loss.mean()))


def ridge(inputs: Floats, values: Floats) -> Linear:
    """Ridge regression of float64[n] on inputs float64[n, f] with mean nought."""
    n, f = inputs.shape
    mean = float(values.mean())
    if not f:
        held = np.full(n, mean)
        return Linear(np.zeros(f), mean, held, float(np.mean((values - held) ** 2)))
    left, sizes, right = np.linalg.svd(inputs, full_matrices=False)
    turned = left.T @ (values - mean)
    found: list[tuple[Floats, Floats, Floats]] = []
    for penalty in PENALTIES:
        share = sizes**2 / (sizes**2 + penalty)
        fitted = left @ (share * turned) + mean
        leverage = np.minimum((left**2) @ share + 1.0 / n, 0.99)
        held = values - (values - fitted) / (1 - leverage)
        found.append((right.T @ (sizes / (sizes**2 + penalty) * turned), held, (values - held) ** 2))
    caution = CAUTION if n <= FEW else 0.0  # the error is exact here
    weights, held, loss = found[_careful([loss for _, _, loss in found], caution)]
    return Linear(weights, mean, held, float(loss.mean()))


def _newton(rows: Floats, y: Floats, penalty: float, beta: Floats) -> tuple[Floats, Floats]:
    """The weights (intercept last, hardly penalised) and the held-out log-odds of every row."""
    strength = np.append(np.full(rows.shape[1] - 1, penalty), 1e-6)
    beta = beta.copy()
    for _ in range(MOST_STEPS):
        p, curve = _curve(rows, beta, strength)
        step = np.linalg.solve(curve, rows.T @ (y - p) - strength * beta)
        beta += step
        if np.abs(step).max() < 1e-4:
            break
    p, curve = _curve(rows, beta, strength)
    leverage = np.einsum("ij,ji->i", rows, np.linalg.solve(curve, rows.T))
    left = np.maximum(1 - p * (1 - p) * leverage, 1e-3)
    return beta, rows @ beta - (y - p) * leverage / left


def _curve(rows: Floats, beta: Floats, strength: Floats) -> tuple[Floats, Floats]:
    p = 1.0 / (1.0 + np.exp(-np.clip(rows @ beta, -30, 30)))
    weight = p * (1 - p) + 1e-9
    return p, (rows * weight[:, None]).T @ rows + np.diag(strength)


def _log_loss(y: Floats, score: Floats) -> Floats:
    return np.logaddexp(0.0, score) - y * score


def _careful(losses: list[Floats], caution: float) -> int:
    """The place of the strongest penalty whose loss is within `caution` standard errors of the least."""
    means = [float(loss.mean()) for loss in losses]
    best = int(np.argmin(means))
    slack = caution * float(losses[best].std()) / np.sqrt(len(losses[best]))
    return next(i for i, mean in enumerate(means) if mean <= means[best] + slack)


def _is_over(means: list[float]) -> bool:
    return len(means) > WORSE and min(means[-WORSE:]) > min(means)
