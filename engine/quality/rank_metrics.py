"""Metrics of ranked lists: MAP, recall, NDCG at k and MRR, over all items or only those new to the entity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import Ragged


@dataclass(frozen=True, slots=True)
class RankMetrics:
    """Means over the n examples that have at least one true item; NaN if none has. `k` is where the lists are cut."""

    k: int
    map: float
    recall: float
    ndcg: float
    mrr: float
    n: int

    def rows(self, suffix: str = "") -> tuple[tuple[str, float], ...]:
        """(metric, value) as reported: `map@12`, `recall@12`, `ndcg@12`, `mrr`, each with `suffix`."""
        return (
            (f"map@{self.k}{suffix}", self.map),
            (f"recall@{self.k}{suffix}", self.recall),
            (f"ndcg@{self.k}{suffix}", self.ndcg),
            (f"mrr{suffix}", self.mrr),
        )


def hits(ranked: NDArray[np.int64], truth: Ragged) -> NDArray[np.bool_]:
    """bool[n, k]: which of the ranked items (int64[n, k], -1 where a list ends) are among the example's true ones."""
    n = len(truth)
    width = int(max(ranked.max(initial=0), truth.values.max(initial=0))) + 2
    owner = np.repeat(np.arange(n, dtype=np.int64), np.diff(truth.offsets))
    wanted = owner * width + truth.values
    asked = np.arange(n, dtype=np.int64)[:, None] * width + ranked
    if not len(wanted):
        return np.zeros(ranked.shape, dtype=bool)
    at = np.minimum(np.searchsorted(wanted, asked), len(wanted) - 1)
    return (wanted[at] == asked) & (ranked >= 0)


def average_precision(ranked: NDArray[np.int64], truth: Ragged, k: int) -> NDArray[np.float64]:
    """float64[n]: the average precision at k of every example, over min(k, number of true items); NaN without any."""
    hit = hits(ranked[:, :k], truth)
    place = np.arange(1, hit.shape[1] + 1)
    total = (np.cumsum(hit, axis=1) / place * hit).sum(axis=1)
    size = np.diff(truth.offsets)
    return np.where(size > 0, total / np.maximum(1, np.minimum(k, size)), np.nan)


def rank_metrics(ranked: NDArray[np.int64], truth: Ragged, k: int) -> RankMetrics:
    """The metrics of n ranked lists (int64[n, ≥ k], distinct items best first, -1 where a list ends)."""
    size = np.diff(truth.offsets)
    counted = np.flatnonzero(size > 0)
    if not len(counted):
        return RankMetrics(k, np.nan, np.nan, np.nan, np.nan, 0)
    ranked, truth, size = ranked[counted, :k], truth.take(counted), size[counted]
    hit = hits(ranked, truth)
    place = np.arange(1, hit.shape[1] + 1)
    gain = 1.0 / np.log2(1.0 + np.arange(1, k + 1))
    ideal = np.cumsum(gain)[np.minimum(k, size) - 1]
    first = np.where(hit.any(axis=1), 1.0 / (1.0 + hit.argmax(axis=1)), 0.0)
    return RankMetrics(
        k,
        float(((np.cumsum(hit, axis=1) / place * hit).sum(axis=1) / np.minimum(k, size)).mean()),
        float((hit.sum(axis=1) / size).mean()),
        float(((hit * gain[: hit.shape[1]]).sum(axis=1) / ideal).mean()),
        float(first.mean()),
        len(counted),
    )


def without_known(truth: Ragged, known: NDArray[np.bool_]) -> Ragged:
    """The truth without the items already in the entity's history (`known` bool per value)."""
    owner = np.repeat(np.arange(len(truth)), np.diff(truth.offsets))
    sizes = np.bincount(owner[~known], minlength=len(truth))
    return Ragged(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), truth.values[~known])
