"""The training loop: counted work, one optimiser, early stopping, and an end within a second when asked to stop.

Epochs and examples are counted; no clock decides anything. The network computes on THREADS threads, whatever the
machine has, so the same seed and data give the same bits on one core and on many; its steps are too small to share
anyway, and another model may use the other cores meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import cos, log2, pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pql.engine.events import Events

THREADS = 1


@dataclass(frozen=True, slots=True)
class Schedule:
    """How much work: `epochs` at most, batches of `batch`, peak rate `rate` (warm-up, then cosine over all epochs)."""

    epochs: int
    batch: int
    rate: float
    decay: float
    patience: int
    seed: int
    average: float = 0.98  # of the weights, per step: what is evaluated and kept


def schedule_of(epochs: int, n: int, seed: int) -> Schedule:
    """The usual schedule for n examples: batches of 64 to 1,024, about a hundred steps per epoch where n allows it;
    patience of a quarter of the epochs, and never less than two epochs or a hundred steps.
    """
    batch = int(min(1_024, max(64, 2 ** round(log2(max(n / 100, 1))))))
    patience = max(2, epochs // 4, -(-100 * batch // max(n, 1)))
    return Schedule(epochs, batch, rate=3e-3, decay=0.02, patience=patience, seed=seed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did: `rounds` is the epoch whose weights were kept (1 is the first), `scores` one per epoch."""

    rounds: int
    scores: tuple[float, ...]
    stopped: bool


@contextmanager
def computing(seed: int) -> Iterator[None]:
    """torch with THREADS threads and this seed; as it was before afterwards."""
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(THREADS)
        try:
            yield
        finally:
            torch.set_num_threads(before)


class Optimizer:
    """AdamW over all parameters as one flat vector, with gradient clipping and an average of the weights."""

    def __init__(self, module: nn.Module, *, decay: float, average: float) -> None:
        parameters = [p for p in module.parameters() if p.requires_grad]
        self.weights = torch.cat([p.detach().reshape(-1) for p in parameters])
        self.gradient = torch.zeros_like(self.weights)
        self._decay = torch.cat([torch.full((p.numel(),), decay if p.dim() > 1 else 0.0) for p in parameters])
        self._mean = torch.zeros_like(self.weights)
        self._square = torch.zeros_like(self.weights)
        self.average = self.weights.clone()
        self._keep = average
        self._steps = 0
        at = 0
        for p in parameters:
            p.data = self.weights[at : at + p.numel()].view_as(p)
            p.grad = self.gradient[at : at + p.numel()].view_as(p)
            at += p.numel()

    def step(self, rate: float) -> None:
        """One update from the gradient, which is then cleared."""
        self._steps += 1
        norm = float(self.gradient.norm())
        if norm == norm and norm != float("inf"):  # a step without finite gradient is left out
            if norm > 1.0:
                self.gradient.mul_(1.0 / norm)
            self._mean.lerp_(self.gradient, 0.1)
            self._square.mul_(0.999).addcmul_(self.gradient, self.gradient, value=0.001)
            first, second = 1 - 0.9**self._steps, 1 - 0.999**self._steps
            self.weights.addcmul_(self._decay, self.weights, value=-rate)
            self.weights.addcdiv_(self._mean, (self._square / second).sqrt_().add_(1e-8), value=-rate / first)
        self.average.lerp_(self.weights, 1 - min(self._keep, self._steps / (self._steps + 4)))
        self.gradient.zero_()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The module with the averaged weights, for evaluation."""
        own = self.weights.clone()
        self.weights.copy_(self.average)
        try:
            yield
        finally:
            self.weights.copy_(own)


def rate_at(schedule: Schedule, progress: float) -> float:
    """The learning rate at `progress` (0 to 1) of all epochs."""
    warm = min(1.0, (progress + 1e-3) / 0.04)
    return schedule.rate * warm * (0.02 + 0.98 * 0.5 * (1 + cos(pi * min(progress, 1.0))))


def draw_batches(
    rng: np.random.Generator, n: int, size: int, groups: NDArray[np.int64] | None
) -> list[NDArray[np.int64]]:
    """The n positions in a random order, in batches of nearly equal size, at most `size`, each within one group."""
    order = rng.permutation(n)
    if groups is None:
        return np.array_split(order, max(1, -(-n // size)))
    order = order[np.argsort(groups[order], kind="stable")]
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    batches = [batch for part in parts for batch in np.array_split(part, -(-len(part) // size))]
    return [batches[i] for i in rng.permutation(len(batches))]


def train(
    module: nn.Module,
    schedule: Schedule,
    n: int,
    loss: Callable[[NDArray[np.int64]], Tensor],
    events: Events,
    *,
    evaluate: Callable[[], float] | None = None,
    rounds: int | None = None,
    groups: NDArray[np.int64] | None = None,
    beat: float | None = None,
    visit: int | None = None,
    name: str = "gnn",
) -> Outcome:
    """Train `module` in place on n examples; it ends with the best weights, in eval mode.

    `loss(index)` gives the loss of a batch of positions. With `evaluate` (smaller is better, called after each epoch)
    the best epoch's weights are kept and `schedule.patience` epochs without progress end the run; with `rounds`
    that many epochs are run. With `groups` int64[n] no batch mixes two groups. `beat`: only a smaller score is worth
    keeping weights for; `rounds` is 0 where no epoch had one. `visit`: examples an epoch visits, drawn anew; without
    it, all. KeyboardInterrupt or `events.stop()` ends it and keeps the best so far.
    """
    rng = np.random.default_rng(schedule.seed)
    optimizer = Optimizer(module, decay=schedule.decay, average=schedule.average)
    best: Tensor | None = None
    best_score, kept = float("inf") if beat is None else beat, 0
    scores: list[float] = []
    last = rounds or schedule.epochs
    epochs = max(schedule.epochs, last)
    stopped = False
    try:
        for epoch in range(1, last + 1):
            module.train()
            batches = draw_batches(rng, n, schedule.batch, groups)
            if visit is not None:
                batches = batches[: max(1, visit // schedule.batch)]
            for b, index in enumerate(batches):
                value = loss(index)
                value.backward()
                optimizer.step(rate_at(schedule, (epoch - 1 + b / len(batches)) / epochs))
                if events.stopped:
                    raise KeyboardInterrupt
                if b % 8 == 0:
                    done = (epoch - 1 + (b + 1) / len(batches)) / last
                    events.progress(name, f"epoch {epoch} of {last}", done)
            if evaluate is None:
                kept = epoch
                continue
            module.eval()
            with optimizer.averaged(), torch.no_grad():
                score = evaluate()
            scores.append(score)
            if score < best_score or (best is None and beat is None):
                best, best_score, kept = optimizer.average.clone(), score, epoch
            elif epoch - kept >= schedule.patience:
                break
    except KeyboardInterrupt:
        stopped = True
        events.stop()
    module.eval()
    optimizer.weights.copy_(optimizer.average if best is None else best)
    for p in module.parameters():  # products depend on where weights lie: each in a place of its own, as if read back
        p.data, p.grad = p.data.clone(), None
    return Outcome(kept if beat is not None else max(kept, 1), tuple(scores), stopped)
