"""Weigh a ranking's members on validation, and report each of them alone beside the baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pql.engine.judged import Judged
from pql.engine.rank_scoring import graded

GNN, TWO_TOWER = "gnn", "two_tower"  # the network over pairs, and that over entities and items
BOOSTED, JOINT = "boosted", "boosted + gnn"  # the ranker without and with the network's scores as features
RANKERS = (BOOSTED, JOINT)
SIMPLE = ("repeat", "popularity")  # baselines, which may also take part in a blend
SHARES = (0.15, 0.3, 0.45)
LEAST_GAIN = 1.005  # a mixture must be better than what is simpler by half a percent


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
