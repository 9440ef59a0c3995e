"""The scored pairs of one split of a ranking: what members are weighed and reported on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import Ragged
from pql.engine.models.ranker import top_lists
from pql.engine.pairs.rank_rules import Cap
from pql.engine.quality.rank_metrics import average_precision


def _nobody() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Judged:
    """All pairs of one split with every member's score; `owner` int64[c] counts over its n examples, ascending.

    `met` bool[c]: the pair is in the entity's history; `truth_met`: likewise per value of `truth`. `recall`: the mean
    share of the truth among the candidates. `cap`: AT MOST for these pairs.
    `activity` float64[n, 4]: how active each example's entity is. `entities`, `anchors` and `past` int64[n]: who the
    examples are of, when, and how many rows of the list's table each had by then (empty where nobody asks).
    """

    n: int
    owner: NDArray[np.int64]
    items: NDArray[np.int64]
    met: NDArray[np.bool_]
    truth: Ragged
    truth_met: NDArray[np.bool_]
    scores: Mapping[str, NDArray[np.float64]]
    recall: float
    cap: Cap | None = None
    activity: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    entities: NDArray[np.int64] = field(default_factory=_nobody)
    anchors: NDArray[np.int64] = field(default_factory=_nobody)
    past: NDArray[np.int64] = field(default_factory=_nobody)

    def lists(self, score: NDArray[np.float64], k: int) -> NDArray[np.int64]:
        """int64[n, k]: every example's best items by `score`."""
        return top_lists(self.owner, self.items, score, self.n, k, self.cap)

    def new_lists(self, score: NDArray[np.float64], k: int) -> NDArray[np.int64]:
        """The same among items that the entity never met."""
        new = np.flatnonzero(~self.met)
        cap = None if self.cap is None else self.cap.take(new)
        return top_lists(self.owner[new], self.items[new], score[new], self.n, k, cap)

    def precision(self, score: NDArray[np.float64], k: int) -> NDArray[np.float64]:
        """float64[n]: the average precision at k of every example's list by `score`, NaN without a true item."""
        return average_precision(self.lists(score, k), self.truth, k)

    def quality(self, score: NDArray[np.float64], k: int) -> float:
        """MAP@k of the lists by `score`."""
        precision = self.precision(score, k)
        known = ~np.isnan(precision)
        return float(precision[known].mean()) if known.any() else 0.0
