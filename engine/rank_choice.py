"""Weigh a ranking's members on validation, and report each of them alone beside the baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pql.engine.examples import Ragged
from pql.engine.metrics import MetricRow, MetricsTable
from pql.engine.models.ranker import top_lists
from pql.engine.pair_models import PAIR_MODELS
from pql.engine.rank_metrics import average_precision, rank_metrics, without_known
from pql.engine.rank_rules import Cap
from pql.engine.rank_scoring import blended, graded

BOOSTED, JOINT = "boosted", "boosted + gnn"  # the ranker without and with the network's scores as features
RANKERS = (BOOSTED, JOINT)
SIMPLE = ("repeat", "popularity")  # baselines, which may also take part in a blend
SHARES = (0.15, 0.3, 0.45)
LEAST_GAIN = 1.005  # a mixture must be better than what is simpler by half a percent


@dataclass(frozen=True, slots=True)
class Judged:
    """All pairs of one split with every member's score; `owner` int64[c] counts over its n examples.

    `met` bool[c]: the pair is in the entity's history; `truth_met`: likewise per value of `truth`. `recall`: the mean
    share of the truth among the candidates. `cap`: AT MOST for these pairs.
    `activity` float64[n, 4]: how active each example's entity is.
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

    def lists(self, score: NDArray[np.float64], k: int) -> NDArray[np.int64]:
        """int64[n, k]: every example's best items by `score`."""
        return top_lists(self.owner, self.items, score, self.n, k, self.cap)

    def new_lists(self, score: NDArray[np.float64], k: int) -> NDArray[np.int64]:
        """The same among items that the entity never met."""
        new = np.flatnonzero(~self.met)
        cap = None if self.cap is None else self.cap.take(new)
        return top_lists(self.owner[new], self.items[new], score[new], self.n, k, cap)

    def quality(self, score: NDArray[np.float64], k: int) -> float:
        """MAP@k of the lists by `score`."""
        precision = average_precision(self.lists(score, k), self.truth, k)
        known = ~np.isnan(precision)
        return float(precision[known].mean()) if known.any() else 0.0


def choose_weights(judged: Judged | None, members: Sequence[str], k: int, notes: list[str]) -> dict[str, float]:
    """The weights of `members` (sum 1) that do best on validation; the first member alone without validation examples.

    Begins with the best single member and mixes in another where that gains at least half a percent of MAP. Of the two
    rankers only one is used; with the network's scores only where they gain as much.
    """
    weights = dict.fromkeys(members, 0.0)
    if judged is None or len(members) == 1:
        weights[members[0]] = 1.0
        return weights
    grades = {m: graded(judged.owner, judged.scores[m]) for m in members}
    alone = {m: judged.quality(grades[m], k) for m in members}
    rankers = [m for m in RANKERS if m in alone]
    ranker = rankers[0] if rankers else None
    if len(rankers) > 1 and alone[JOINT] > alone[BOOSTED] * LEAST_GAIN:
        ranker = JOINT
    free = [m for m in members if m not in RANKERS or m == ranker]
    best = max(free, key=lambda m: alone[m])
    chosen, value, score = {best: 1.0}, alone[best], grades[best]
    for other in free:
        if other in (best, "popularity"):
            continue
        kept, base = chosen, score
        for share in SHARES:
            mixed = (1 - share) * base + share * grades[other]
            tried = judged.quality(mixed, k)
            if tried > value * LEAST_GAIN:
                chosen, value, score = {**{m: w * (1 - share) for m, w in kept.items()}, other: share}, tried, mixed
    weights.update(chosen)
    notes.extend(_remarks(weights, alone))
    return weights


def _remarks(weights: Mapping[str, float], alone: Mapping[str, float]) -> Iterator[str]:
    """What validation says about the members that add nothing, and about the network as a feature."""
    if JOINT in weights and BOOSTED in weights:
        gain = alone[JOINT] - alone[BOOSTED]
        verdict = "so it is used" if weights[JOINT] else "too little to be used"
        yield f"The network's scores as features change the ranker's MAP on validation by {gain:+.4f}: {verdict}."
    for member, weight in weights.items():
        rival = (member == BOOSTED and weights.get(JOINT)) or member == JOINT
        if not weight and member not in SIMPLE and not rival:
            yield f"{member} has weight nought on validation: it adds nothing to the blend."


def ranking_table(judged: Mapping[str, Judged], weights: Mapping[str, float], k: int) -> MetricsTable:
    """Every member, baseline and the blend on every split: MAP, recall, NDCG and MRR, over all and over new items."""
    return MetricsTable(f"map@{k}", tuple(r for split, part in judged.items() for r in _rows(split, part, weights, k)))


def _rows(split: str, judged: Judged, weights: Mapping[str, float], k: int) -> Iterator[MetricRow]:
    used = {m: w for m, w in weights.items() if w > 0}
    single = next(iter(used)) if len(used) == 1 else None
    listed: list[tuple[str, str, NDArray[np.float64], float | None]]
    listed = [] if single else [("blend", "model", blended(judged.owner, judged.scores, used), None)]
    for name in (*RANKERS, "gnn", *PAIR_MODELS, *SIMPLE):
        if name in judged.scores and (name in weights or name in SIMPLE):
            role = "model" if name == single else "baseline" if name in SIMPLE else "member"
            weight = weights.get(name) if role != "model" and (role == "member" or used.get(name)) else None
            listed.append((name, role, judged.scores[name], weight))
    listed.sort(key=lambda entry: ("model", "member", "baseline").index(entry[1]))
    new_truth = without_known(judged.truth, judged.truth_met)
    for name, role, score, weight in listed:
        over_all = rank_metrics(judged.lists(score, k), judged.truth, k)
        over_new = rank_metrics(judged.new_lists(score, k), new_truth, k)
        for measures, suffix in ((over_all, ""), (over_new, " (new)")):
            for metric, value in measures.rows(suffix):
                yield MetricRow(name, role, split, metric, value, measures.n, weight)
