"""Why an item is ranked where it is: the members' own reasons, passed on through the list's order and the odds.

The members' scores, repeats, popularity and the entity's activity are moved one after the other from what all begin
with to what they are, the other candidates held as they are; what each changes is shared out by the member's reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pql.engine.examples.stale import as_seen, lag_of
from pql.engine.graph.interactions import interactions_of
from pql.engine.ranking.answer import bound, member_scores, moment_of
from pql.engine.ranking.choice import SIMPLE
from pql.engine.ranking.ranked_classes import as_ranking
from pql.engine.ranking.scoring import Described, Moment, batch_of, blended, describe
from pql.engine.ranking.trained import TrainedRanker
from pql.engine.reasons.pair_origins import COMPANY, FILLED, LATE_ROWS, LATELY, NO_PAST, PairOrigins
from pql.engine.reasons.pairs import PairReasons
from pql.engine.reasons.reasons import EVENED, Floats, Ints, Reasons, no_words
from pql.engine.reasons.why import ODDS, VALUE, Units, Why
from pql.language.bound import TaskKind

if TYPE_CHECKING:
    from pql.engine.graph.seeds import Seeds
    from pql.engine.graph.temporal import TemporalGraph
    from pql.engine.pairs.rank_rules import Rules
    from pql.engine.planning.plan import Plan


def why_ranked(
    trained: TrainedRanker, plan: Plan, graph: TemporalGraph, seeds: Seeds, units: Units, rules: Rules | None
) -> Why:
    """The reasons of items in the lists of some seeds (units: seed and item), or of pairs."""
    if plan.task.kind is not TaskKind.RANKING:
        plan = as_ranking(plan)
    interactions = interactions_of(plan, graph)
    trained, towers = bound(trained, plan, graph, interactions)
    chosen = seeds.take(units.seed)
    rules = None if rules is None else rules.earlier(lag_of(chosen))
    at_seen = as_seen(chosen)
    spec = None if trained.towers is None else trained.towers.spec
    origins = PairOrigins(plan, graph, chosen, units.output, spec)
    parts, order, horizon = [], [], 0
    for anchor in np.unique(at_seen.anchors).tolist():
        k, every = plan.task.top_k or trained.k, plan.query.asks_pairs
        moment = moment_of(trained, interactions, anchor, towers, rules, k, every=every)
        horizon = moment.history.horizon
        at = np.flatnonzero(at_seen.anchors == anchor)
        rows, place = np.unique(chosen.rows[at], return_inverse=True)
        size = min(batch_of(moment), 200)
        for start in range(0, len(rows), size):
            entities = rows[start : start + size]
            mine = np.flatnonzero((place >= start) & (place < start + size))
            listed = _Listed.of(trained, moment, entities, place[mine] - start, units.output[at[mine]])
            parts.append(_told(trained, moment, listed, origins, at[mine]))
            order.append(at[mine])
    reasons = Reasons.ordered(parts, order)
    scale = VALUE if trained.odds is None else ODDS
    return Why(reasons, origins, scale, chosen.anchors, chosen.seen, EVENED, horizon, origins.item_table)


@dataclass(frozen=True, slots=True)
class _Listed:
    """Some entities' candidates with every member's score, and of u units the position of the entity and the item, and
    which candidate each is (-1: none: the list was filled up)."""

    entities: Ints
    described: Described
    scores: dict[str, Floats]
    owner: Ints
    item: Ints
    at: Ints

    @classmethod
    def of(cls, trained: TrainedRanker, moment: Moment, entities: Ints, owner: Ints, item: Ints) -> _Listed:
        described = describe(moment, entities)
        candidates = described.candidates
        width = max(1, moment.history.n_items)
        key = candidates.owner * width + candidates.items
        wanted = owner * width + item
        at = np.minimum(np.searchsorted(key, wanted), max(0, len(key) - 1))
        found = (key[at] == wanted) if len(key) else np.zeros(len(wanted), dtype=bool)
        scores = member_scores(trained, described)
        return cls(entities, described, scores, owner, item, np.where(found, at, -1))


def _told(trained: TrainedRanker, moment: Moment, listed: _Listed, origins: PairOrigins, units: Ints) -> Reasons:
    known = np.flatnonzero(listed.at >= 0)
    left = np.flatnonzero(listed.at < 0)
    weights = {name: weight for name, weight in trained.weights if weight > 0}
    sources = sorted(weights, key=lambda name: (-weights[name], name))
    if trained.odds is not None:
        sources += [name for name in (trained.odds.member, *SIMPLE) if name not in sources]
    teller = PairReasons(trained, moment, listed.described, listed.entities, origins, units[known])
    score = _Score(trained, listed, weights, listed.at[known])
    begin = score.outset({name: teller.begin(name) for name in sources})
    parts, order = [], []
    if len(known):
        parts.append(_of_candidates(listed, known, sources, teller, score, begin))
        order.append(known)
    if len(left):
        reached = trained.odds.intercept if trained.odds is not None else 0.0
        words = no_words((len(left), 1))
        words[:, 0] = "there are no more candidates"
        amounts = np.full((len(left), 1), reached - begin)
        parts.append(Reasons(np.full(len(left), begin), (FILLED,), amounts, words))
        order.append(left)
    return Reasons.ordered(parts, order)


def _of_candidates(
    listed: _Listed, known: Ints, sources: list[str], teller: PairReasons, score: _Score, begin: float
) -> Reasons:
    """From what all begin with, over what each list begins with, member by member to the score."""
    at = listed.at[known]
    told = {name: teller.of(name, listed.scores[name], at) for name in sources}
    values = {name: told[name].base for name in sources}
    reached = score.of(values)
    new = listed.described.newcomer[listed.described.candidates.owner[at]]
    first = np.column_stack([np.where(new, 0.0, reached - begin), np.where(new, reached - begin, 0.0)])
    found = [Reasons.of(np.full(len(at), begin), (COMPANY, NO_PAST), first)]
    for name in sources:
        values = {**values, name: listed.scores[name][at]}
        after = score.of(values)
        part = told[name].spread(after - reached)
        found.append(part)
        reached = after
    if score.odds is not None:
        late, rows = score.activity()
        words = no_words((len(at), 2))
        found.append(Reasons(np.zeros(len(at)), (LATELY, LATE_ROWS), np.column_stack([late, rows]), words))
    return Reasons.summed(found)


class _Score:
    """The score of candidates as a function of their members' scores, the other candidates held as they are."""

    def __init__(self, trained: TrainedRanker, listed: _Listed, weights: dict[str, float], at: Ints) -> None:
        self.odds, self.weights, self.at = trained.odds, weights, at
        self.scores = listed.scores
        owner = listed.described.candidates.owner
        self.order = blended(owner, listed.scores, dict(trained.weights))
        self.low = np.searchsorted(owner, owner[at], side="left")
        self.high = np.searchsorted(owner, owner[at], side="right")
        self.active = listed.described.activity[owner[at]]

    def of(self, values: dict[str, Floats]) -> Floats:
        """float64[u]: the log-odds (or the blended grade) with these scores of the members, and usual activity."""
        grade = np.zeros(len(self.at))
        for name, weight in sorted(self.weights.items()):
            grade += weight * 5.0 / (5.0 + self._places(self.scores[name], values[name]))
        if self.odds is None:
            return grade
        odds = self.odds
        margin = values[odds.member]
        columns = [margin, *(np.maximum(0.0, margin - knot) for knot in odds.knots)]
        columns.append(np.log1p(self._places(self.order, grade)))
        columns += [np.log(values[name] + 1e-6) for name in SIMPLE]
        usual = np.tile(odds.mean[len(columns) :], (len(self.at), 1))
        return self._logit(np.column_stack([*columns, usual]))

    def outset(self, values: dict[str, float]) -> float:
        """The same of a pair of which nothing speaks, at a usual place of a list."""
        if self.odds is None:
            return 0.0
        odds = self.odds
        margin = values[odds.member]
        columns = [margin, *(max(0.0, margin - knot) for knot in odds.knots)]
        columns.append(float(odds.mean[len(columns)]))
        columns += [float(np.log(values[name] + 1e-6)) for name in SIMPLE]
        return float(self._logit(np.array([[*columns, *odds.mean[len(columns) :]]]))[0])

    def activity(self) -> tuple[Floats, Floats]:
        """What the entity's activity adds: how lately it was active, and how much of late."""
        assert self.odds is not None
        wide = self.active.shape[1]
        low, high = self.odds.low[-wide:], self.odds.high[-wide:]
        mean, scale, slope = self.odds.mean[-wide:], self.odds.scale[-wide:], self.odds.slope[-wide:]
        parts = ((np.clip(self.active, low, high) - mean) / scale - (np.clip(mean, low, high) - mean) / scale) * slope
        return parts[:, 0], parts[:, 1:].sum(axis=1)

    def _logit(self, columns: Floats) -> Floats:
        assert self.odds is not None
        read = (np.clip(columns, self.odds.low, self.odds.high) - self.odds.mean) / self.odds.scale
        return np.asarray(read @ self.odds.slope + self.odds.intercept)

    def _places(self, scores: Floats, mine: Floats) -> Floats:
        """float64[u]: the place in its list that each candidate would have with the score `mine`."""
        found = np.empty(len(self.at))
        for i, (low, high, at) in enumerate(zip(self.low.tolist(), self.high.tolist(), self.at.tolist(), strict=True)):
            here = scores[low:high]
            better = here > mine[i]
            better[: at - low] |= here[: at - low] == mine[i]
            better[at - low] = False
            found[i] = np.count_nonzero(better)
        return found
