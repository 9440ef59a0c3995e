"""Weigh a ranking's members on validation, and report each of them alone beside the baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pql.engine.ranking.judged import Judged
from pql.engine.ranking.scoring import graded

Floats = NDArray[np.float64]

GNN, TWO_TOWER = "gnn", "two_tower"  # the network over pairs, and that over entities and items
BOOSTED, JOINT = "boosted", "boosted + gnn"  # the ranker without and with the network's scores as features
RANKERS = (BOOSTED, JOINT)
SIMPLE = ("repeat", "popularity")  # baselines, which may also take part in a blend
CALENDAR = "calendar"  # items of the same season, as a member
UNLEARNT = (*SIMPLE, CALENDAR)
SHARES = (0.15, 0.3, 0.45)
LEAST_GAIN = 1.005  # a mixture must be better than what is simpler by half a percent
FEWEST_ANCHORS = 3  # from which on a gain must also be more than one standard error between anchors


def choose_weights(judged: Judged | None, members: Sequence[str], k: int, notes: list[str]) -> dict[str, float]:
    """The weights of `members` (sum 1) that do best on validation; the first member alone without validation examples.

    Begins with the best single member and mixes in another where that gains at least half a percent of MAP. A member
    that has learnt begins only where it is clearly better than the best that hasn't. Of the two rankers only one is
    used; with the network's scores only where they gain as much.
    """
    weights = dict.fromkeys(members, 0.0)
    if judged is None or len(members) == 1:
        weights[members[0]] = 1.0
        return weights
    grades = {m: graded(judged.owner, judged.scores[m]) for m in members}
    precise = {m: judged.precision(grades[m], k) for m in members}
    alone = {m: _mean(precise[m]) for m in members}
    rankers = [m for m in RANKERS if m in alone]
    ranker = rankers[0] if rankers else None
    if len(rankers) > 1 and alone[JOINT] > alone[BOOSTED] * LEAST_GAIN:
        ranker = JOINT
    free = [m for m in members if m not in RANKERS or m == ranker]
    best = max(free, key=lambda m: alone[m])
    plain = max((m for m in free if m in UNLEARNT), key=lambda m: alone[m], default=best)
    if best not in UNLEARNT and not _stands_out(precise[best], precise[plain], judged.anchors):
        best = plain
    chosen, value, score = {best: 1.0}, precise[best], grades[best]
    for other in free:
        if other in (best, "popularity"):
            continue
        kept, base = chosen, score
        for share in SHARES:
            mixed = (1 - share) * base + share * grades[other]
            tried = judged.precision(mixed, k)
            if _mean(tried) > _mean(value) * LEAST_GAIN and _stands_out(tried, value, judged.anchors):
                chosen, value, score = {**{m: w * (1 - share) for m, w in kept.items()}, other: share}, tried, mixed
    weights.update(chosen)
    notes.extend(_remarks(weights, alone))
    return weights


def _mean(precision: Floats) -> float:
    known = ~np.isnan(precision)
    return float(precision[known].mean()) if known.any() else 0.0


def _stands_out(better: Floats, worse: Floats, anchors: NDArray[np.int64]) -> bool:
    """Whether the mean difference exceeds its standard error between anchors; yes where there are too few anchors.

    Examples of one anchor have much of their truth in common, so that they aren't counted one by one.
    """
    known = ~np.isnan(better)
    if len(anchors) != len(better) or len(np.unique(anchors[known])) < FEWEST_ANCHORS:
        return True
    number = np.unique(anchors[known], return_inverse=True)[1]
    gain = (better - worse)[known]
    mean = float(gain.mean())
    spread = np.bincount(number, weights=gain - mean)
    groups = len(spread)
    error = float(np.sqrt((spread**2).sum() * groups / (groups - 1))) / len(gain)
    return mean > error


def _remarks(weights: Mapping[str, float], alone: Mapping[str, float]) -> Iterator[str]:
    """What validation says about the members that add nothing, and about the network as a feature."""
    if JOINT in weights and BOOSTED in weights:
        gain = alone[JOINT] - alone[BOOSTED]
        verdict = "so it is used" if weights[JOINT] else "too little to be used"
        yield f"The network's scores as features change the ranker's MAP on validation by {gain:+.4f}: {verdict}."
    for member, weight in weights.items():
        rival = (member == BOOSTED and weights.get(JOINT)) or member == JOINT
        if not weight and member not in UNLEARNT and not rival:
            yield f"{member} has weight nought on validation: it adds nothing to the blend."
