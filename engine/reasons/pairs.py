"""Why a member of a ranking scores an (entity, item) pair as it does: on the member's own scale, from what it says of
a pair of which nothing speaks, by the rows, items, rules and features that make the difference."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pql.engine.graph.seeds import Seeds
from pql.engine.models.als import Als
from pql.engine.models.calendar import TIE
from pql.engine.models.due import Due
from pql.engine.models.pair_network import PairNetwork
from pql.engine.models.popularity import popularity_scores
from pql.engine.models.ranker import Ranker, columns_of
from pql.engine.models.rules import SUMMED, Rules
from pql.engine.ranking.choice import CALENDAR, GNN, RANKERS
from pql.engine.ranking.scoring import NETWORK_FEATURES, Described, Moment
from pql.engine.ranking.towers import BoundTowers
from pql.engine.reasons.network import LOOKS, Looks, completed
from pql.engine.reasons.pair_origins import (
    MEMBER_RULE,
    MET,
    OTHER_ITEMS,
    OTHER_RULES,
    POPULARITY,
    SEASONS,
    WAITED,
    PairOrigins,
)
from pql.engine.reasons.reasons import Floats, Ints, Reasons, RowParts, in_words, no_words, steps
from pql.engine.reasons.wording import width_in_words

if TYPE_CHECKING:
    from lightgbm import Booster

    from pql.engine.ranking.trained import TrainedRanker

MOST_WORDS = 3


class PairReasons:
    """The reasons of members' scores of some candidates of `entities`; `units` int64[u]: as the origins count them."""

    def __init__(
        self,
        trained: TrainedRanker,
        moment: Moment,
        described: Described,
        entities: Ints,
        origins: PairOrigins,
        units: Ints,
    ) -> None:
        self.trained, self.moment, self.described = trained, moment, described
        self.entities, self.origins, self.units = entities, origins, units
        known = np.flatnonzero(moment.history.known)
        popular = popularity_scores(moment.history, known)
        self.usual = float(np.median(popular)) if len(known) else 0.0

    def begin(self, name: str) -> float:
        """What the member `name` says of a pair of which nothing speaks."""
        if name in RANKERS and self.trained.ranker is not None:
            nothing = np.zeros((1, len(self.trained.ranker.names)))
            return float(np.asarray(self._booster.predict(nothing, pred_contrib=True, num_threads=1))[0, -1])
        if name == GNN and self.trained.network is not None:
            return _outset(self.trained.network)
        if name == "two_tower":
            return self._liked
        models = {model.name: model for model in self.moment.models}
        small = {Als: 0.0, Due: 1e-12}.get(type(models.get(name)), 1e-6)
        return self.usual if name == "popularity" else small * self.usual

    def of(self, name: str, scores: Floats, at: Ints) -> Reasons:
        """The reasons of the scores that the member `name` gives the candidates `at` int64[u]."""
        margin = scores[at]
        if name == "popularity":
            return self._popular(at, margin)
        if name == "repeat":
            return self._repeated(at, margin)
        if name == CALENDAR:
            return self._seasonal(at, margin)
        if name in RANKERS and self.trained.ranker is not None:
            return self._unless_new(self.trained.ranker, self._by_trees(self.trained.ranker, at), at, margin)
        if name == GNN and self.trained.network is not None:
            return self._unless_new(self.trained.network, self._by_network(self.trained.network, at), at, margin)
        if name == "two_tower":
            return self._by_towers(at, margin)
        model = next(model for model in self.moment.models if model.name == name)
        if isinstance(model, Rules):
            return self._by_rules(model, at, margin)
        if isinstance(model, Als):
            return self._by_items(model, at, margin)
        assert isinstance(model, Due)
        return self._by_waits(model, at, margin)

    def _popular(self, at: Ints, margin: Floats) -> Reasons:
        history, items = self.moment.history, self.described.candidates.items[at]
        words = no_words((len(at), 1))
        counts = history.item_recent_buyers[0][items].tolist()
        words[:, 0] = [f"{count:,} in the last {self._horizon}" for count in counts]
        return steps([np.full(len(at), self.usual), margin], (POPULARITY,), words)

    def _seasonal(self, at: Ints, margin: Floats) -> Reasons:
        usual = np.full(len(at), TIE * self.usual)
        popular = TIE * self.described.scores["popularity"][at]
        words = no_words((len(at), 2))
        words[:, 0] = self._popular(at, popular).words[:, 0]
        return steps([usual, popular, margin], (POPULARITY, SEASONS), words)

    @property
    def _horizon(self) -> str:
        return width_in_words(self.moment.history.horizon)

    def _repeated(self, at: Ints, margin: Floats) -> Reasons:
        """Every earlier time by how long ago it was."""
        history = self.moment.history
        unit, rows, times = self.origins.rows_of(self.units)
        amount = 1.0 / (1.0 + (history.anchor - times) / history.horizon)
        table = np.full(len(rows), self.origins.fact, dtype=np.int64)
        parts = RowParts(unit, table, rows, times, amount)
        base = np.full(len(at), 1e-6 * self.usual)
        rest = margin - base - np.bincount(unit, weights=amount, minlength=len(at))
        words = self._popular(at, margin).words
        return Reasons(base, (POPULARITY,), rest[:, None], words, parts)

    def _unless_new(self, scorer: Ranker | PairNetwork, found: Reasons, at: Ints, margin: Floats) -> Reasons:
        """The reasons; of entities without a past, whom the scorer doesn't tell apart, those of popularity."""
        new = self.described.newcomer[self.described.candidates.owner[at]]
        if set(NETWORK_FEATURES) & set(scorer.names) or not new.any():
            return found
        rest, here = np.flatnonzero(~new), np.flatnonzero(new)
        return Reasons.ordered([found.take(rest), self._popular(at, margin).take(here)], [rest, here])

    @cached_property
    def _booster(self) -> Booster:
        from lightgbm import Booster

        assert self.trained.ranker is not None
        return Booster(model_str=self.trained.ranker.text)

    @property
    def _liked(self) -> float:
        """What a usual item gets from everybody, of the two towers."""
        known = self.moment.history.known
        assert self.moment.items is not None
        return float(np.median(self.moment.items[known, -1])) if known.any() else 0.0

    def _beside(self, at: Ints) -> None:
        """Tell the origins what each item goes with, of all that its entity had."""
        candidates = self.described.candidates
        for unit, c in zip(self.units.tolist(), at.tolist(), strict=True):
            items, shares = self.moment.together.shares(
                int(self.entities[candidates.owner[c]]), int(candidates.items[c])
            )
            most = float(shares.max(initial=0.0))
            self.origins.beside(unit, items[shares >= most / 2].tolist() if most > 0 else [])

    def _by_trees(self, ranker: Ranker, at: Ints) -> Reasons:
        self._beside(at)
        features = self.described.features
        values = features.values[at][:, columns_of(features.names, ranker.names)]
        parts = np.asarray(self._booster.predict(values, pred_contrib=True, num_threads=1))
        return Reasons(parts[:, -1], ranker.names, parts[:, :-1], _words(values))

    def _by_network(self, network: PairNetwork, at: Ints) -> Reasons:
        """Integrated gradients over the encoded features."""
        import torch

        from pql.engine.nn.loop import computing

        self._beside(at)
        features = self.described.features
        values = features.values[at][:, columns_of(features.names, network.names)]
        encoded = network.encode(values)
        columns = network.scaler.columns
        owners = np.repeat(np.arange(len(columns)), [column.width for column in columns])
        total, looks = np.zeros(encoded.shape), Looks.even(LOOKS)
        network.module.eval()
        with computing(0):
            for place, weight in zip(looks.places.tolist(), looks.weights.tolist(), strict=True):
                point = torch.from_numpy(encoded * np.float32(place)).requires_grad_()
                (slope,) = torch.autograd.grad(network.module(point).sum(), point)
                total += weight * slope.numpy()
        amounts = np.zeros(values.shape)
        np.add.at(amounts.T, owners, (total * encoded).T)
        found = Reasons(np.full(len(at), _outset(network)), network.names, amounts, _words(values))
        return completed(found, network.margin(values))

    def _by_rules(self, rules: Rules, at: Ints, margin: Floats) -> Reasons:
        """The rule that speaks most for the item, and the others."""
        candidates, history = self.described.candidates, self.moment.history
        fired = rules.reach(history, self.entities).best(candidates.owner[at], candidates.items[at])
        base = np.full(len(at), 1e-6 * self.usual)
        sliver = 1e-6 * popularity_scores(history, candidates.items[at])
        some = fired >= 0
        trust = np.where(some, rules.trust[np.maximum(fired, 0)] if len(rules) else 0.0, 0.0)
        words = no_words((len(at), 3))
        words[:, 2] = self._popular(at, margin).words[:, 0]
        for i, rule in enumerate(fired.tolist()):
            if rule >= 0:
                first = [one for one in rules.antecedent[rule].tolist() if one >= 0]
                had = " and ".join(self.origins.item_text(int(rules.items[one])) for one in first)
                gets = self.origins.item_text(int(rules.items[rules.consequent[rule]]))
                measures = f"confidence {rules.confidence[rule]:.2f}, lift {rules.lift[rule]:.1f}"
                words[i, 0] = f"{had} -> {gets}, {measures}"
                self.origins.because(int(self.units[i]), [int(rules.items[one]) for one in first])
        best = (1.0 + SUMMED) * trust
        rest = np.where(some, margin - sliver - best, 0.0)
        amounts = np.column_stack([best, rest, margin - base - best - rest])
        return Reasons(base, (MEMBER_RULE, OTHER_RULES, POPULARITY), amounts, words)

    def _by_items(self, model: Als, at: Ints, margin: Floats) -> Reasons:
        """The earlier items, each by what it adds to the product of the vectors."""
        candidates, history = self.described.candidates, self.moment.history
        amount, words = np.zeros((len(at), 2)), no_words((len(at), 2))
        lines: list[tuple[int, int, int, float]] = []
        for i, c in enumerate(at.tolist()):
            entity, item = int(self.entities[candidates.owner[c]]), int(candidates.items[c])
            items, shares = model.shares(history, entity, item)
            best = np.argsort(-np.abs(shares), kind="stable")
            words[i, 0] = ", ".join(self.origins.item_text(int(items[j])) for j in best[:MOST_WORDS])
            if self.origins.item_table >= 0:
                pair, _ = history.find(np.full(len(items), entity), items)
                times = history.last[pair]
                lines += [(i, int(items[j]), int(times[j]), float(shares[j])) for j in range(len(items))]
            else:
                amount[i, 0] = float(shares.sum())
        rows = RowParts()
        if lines:
            unit, row, time, size = (np.array(part) for part in zip(*lines, strict=True))
            rows = RowParts(unit, np.full(len(unit), self.origins.item_table, dtype=np.int64), row, time, size)
        base = np.zeros(len(at))
        told = Reasons(base, (OTHER_ITEMS, POPULARITY), amount, words, rows)
        amount[:, 1] = margin - told.added
        words[:, 1] = self._popular(at, margin).words[:, 0]
        return replace(told, amounts=amount)

    def _by_waits(self, model: Due, at: Ints, margin: Floats) -> Reasons:
        candidates, history = self.described.candidates, self.moment.history
        pair, found = history.find(self.entities[candidates.owner[at]], candidates.items[at])
        base = np.full(len(at), 1e-12 * self.usual)
        usual, due = base.copy(), base.copy()
        words = no_words((len(at), 3))
        words[:, 2] = self._popular(at, margin).words[:, 0]
        here = np.flatnonzero(found)
        if len(here):
            usual[here], due[here], times, waited = model.told(history, pair[here])
            for i, number, gaps in zip(here.tolist(), times.tolist(), waited.tolist(), strict=True):
                words[i, 0] = f"{number:,} times"
                words[i, 1] = f"{gaps:.2f} of its usual gaps"
        words[~found, :2] = "never"
        return steps([base, usual, due, margin], (MET, WAITED, POPULARITY), words)

    def _by_towers(self, at: Ints, margin: Floats) -> Reasons:
        """The product of the vectors: what the item gets from everybody, and what from this entity."""
        from pql.engine.reasons.towers import tower_reasons

        candidates, moment = self.described.candidates, self.moment
        assert moment.items is not None
        assert isinstance(moment.towers, BoundTowers)
        owner = self.entities[candidates.owner[at]]
        seeds = Seeds(owner, np.full(len(at), moment.history.anchor, dtype=np.int64))
        return tower_reasons(moment.towers, seeds, moment.items[candidates.items[at]], self._liked, margin)


def _outset(network: PairNetwork) -> float:
    """What a network of pairs says where every feature is at its middle."""
    import torch

    from pql.engine.nn.loop import computing

    width = sum(column.width for column in network.scaler.columns)
    network.module.eval()
    with computing(0), torch.no_grad():
        return float(network.module(torch.zeros(1, width))[0, 0])


def _words(values: np.ndarray) -> np.ndarray:
    words = no_words(values.shape)
    for j in range(values.shape[1]):
        words[:, j] = [in_words(value) for value in values[:, j].tolist()]
    return words
