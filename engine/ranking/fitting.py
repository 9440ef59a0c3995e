"""Fit a ranking on interactions: draw pairs, fit the members, judge them, weigh them, fit what answers again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.events import Events
from pql.engine.graph.interactions import Interactions
from pql.engine.graph.seeds import TEST, TRAIN, VALID, Examples, Ragged
from pql.engine.models.pair_network import PairNetwork, fit_pair_network
from pql.engine.models.ranker import OBJECTIVES, PairScorer, Ranker, RankerCheck, RankerRows, columns_of, fit_ranker
from pql.engine.pairs.pair_history import history_at
from pql.engine.pairs.rank_rules import Rules
from pql.engine.planning.plan import ModelPlan
from pql.engine.quality.metrics import MetricsTable
from pql.engine.ranking.blocks import Block, check_of, collect, judge
from pql.engine.ranking.choice import BOOSTED, CALENDAR, GNN, JOINT, SIMPLE, TWO_TOWER, choose_weights
from pql.engine.ranking.judged import Judged
from pql.engine.ranking.odds import Odds, Sample, fit_odds, odds_rows
from pql.engine.ranking.pair_models import PAIR_MODELS, PairModel, made_at
from pql.engine.ranking.pasts import Pasts, newest_of, spread
from pql.engine.ranking.report import ranking_table, sample_of
from pql.engine.ranking.scoring import NETWORK_FEATURES, Towers
from pql.engine.ranking.trained import TrainedRanker
from pql.engine.ranking.work import RankWork, rank_work
from pql.language.errors import PqlError

RANKER_ANCHORS = 4  # the newest training anchors, which the ranker learns from at least ...
MOST_ANCHORS = 24  # ... and at most, where the newest have few examples
LOOKED = 1_000  # validation examples that the ranker's rounds are stopped on
MAX_HURRIED = 300  # of either, once the user wants the work to end
FEWEST_EXAMPLES = 20
FEWEST_PAIRED = 30  # examples, likewise
_SPLITS = {VALID: "valid", TEST: "test"}


def fit_ranking(
    interactions: Interactions,
    horizon: int,
    examples: Examples,
    model: ModelPlan,
    events: Events,
    *,
    k: int,
    towers: Towers | None = None,
    rules: Rules | None = None,
    quiet: Examples | None = None,
    pairs: bool = False,
    lag: int = 0,
) -> TrainedRanker:
    """A ranking of lists of `k`, with its members' weights chosen on VALID and measured once on TEST.

    `quiet`: eligible seeds of VALID and TEST whose window is empty. `pairs`: the odds of every pair are wanted, not
    lists. `lag` (µs): the anchors that people know lie as much later than those given, where histories end. Raises
    PqlError `no_examples` without a training example, TypeError for labels that are no sets.
    """
    if not isinstance(examples.labels, Ragged):
        raise TypeError("the labels of a ranking are sets (Ragged)")
    if not len(examples.where(TRAIN)):
        raise PqlError(
            "no_examples",
            "There is no training example: no entity has an item in the window of any training anchor.",
            hint="EXPLAIN shows the anchors and how many examples were dropped; shorten the window or loosen WHERE.",
        )
    work = rank_work(model)
    made: tuple[str | PairModel, ...] = tuple(name for name in PAIR_MODELS if name == model.name)
    if made and not model.refit:
        made = made_at(history_at(interactions, newest_of(examples), horizon), [model.name], model.seed)
    wants = _wanted(model, towers)
    featured = bool({BOOSTED, GNN} & set(wants))
    pasts = Pasts(interactions, horizon, k, work.limits, model.seed, towers, rules, made, featured)
    newest = _newest_anchors(examples, work.seeds)
    if towers is not None:
        newest = newest[-held_anchors(examples, model) :]
    fit = _Fit(pasts, examples, quiet, model, work, events, newest, wants, pairs)
    if towers is None and model.name == TWO_TOWER:
        fit.notes.append("The network has too few training anchors to learn from: a baseline answers.")

    fit.members_on_pairs()
    judged, calm = fit.judged()
    candidates = [*fit.rankers, *(m for m in fit.wants if m != BOOSTED and (m != GNN or m in fit.scorers))]
    weights = choose_weights(judged.get(VALID), candidates or list(SIMPLE), k, fit.notes)
    shown = {_SPLITS[s]: replace(j, anchors=j.anchors + lag) for s, j in judged.items()}
    table = ranking_table(shown, weights, k)
    name = "blend" if sum(w > 0 for w in weights.values()) > 1 else max(weights, key=lambda m: weights[m])
    kept = next((r for n, r in fit.rankers.items() if weights[n] > 0), None)
    network = fit.network if weights.get(GNN, 0) > 0 else None
    odds, table = fit.odds(judged, calm, weights, name, table)
    kept, network = fit.again(kept, network)
    return TrainedRanker(
        name,
        k,
        horizon,
        tuple(weights.items()),
        kept,
        replace(table, notes=tuple(fit.notes)),
        tuple(fit.notes),
        judged[VALID].recall if VALID in judged else float("nan"),
        None,
        weights.get(TWO_TOWER, 0) > 0 or _reads_towers(kept) or _reads_towers(network),
        odds,
        work.limits,
        network=network,
        checked=sample_of(shown, weights, k),
    )


def held_anchors(examples: Examples, model: ModelPlan) -> int:
    """How many of the newest training anchors the ranker learns from; the towers learn from those before.

    Where the towers answer alone, one anchor is held, to stop on.
    """
    anchors = len(np.unique(examples.seeds.anchors[examples.where(TRAIN)]))
    return min(1, anchors - 1) if model.name == TWO_TOWER else min(RANKER_ANCHORS, anchors // 2)


@dataclass(slots=True)
class _Fit:
    """One ranking in the making. `newest`: the anchors that pairs are drawn from; `wants`: the members to weigh.

    `rows`: the training pairs by anchor, kept for the last fit; `checked`, `idle`: blocks of VALID already described,
    of those who had an item in the window and of those who had none.
    """

    pasts: Pasts
    examples: Examples
    quiet: Examples | None
    model: ModelPlan
    work: RankWork
    events: Events
    newest: NDArray[np.int64]
    wants: tuple[str, ...]
    pairs: bool
    notes: list[str] = field(default_factory=list)
    rankers: dict[str, Ranker] = field(default_factory=dict)
    scorers: dict[str, PairScorer] = field(default_factory=dict)
    network: PairNetwork | None = None
    names: tuple[str, ...] = ()
    rows: dict[int, list[RankerRows]] = field(default_factory=dict)
    checked: list[Block] = field(default_factory=list)
    idle: list[Block] = field(default_factory=list)

    def members_on_pairs(self) -> None:
        """Draw the training pairs, and fit the members that learn from them."""
        if not {BOOSTED, GNN} & set(self.wants) or self.events.stopped:
            return
        try:
            self._draw()
            if sum(len(r.groups) for part in self.rows.values() for r in part) >= FEWEST_EXAMPLES:
                self._fit_members()
            else:
                self.notes.append(
                    "Too few training examples with a true item among the candidates: a baseline answers."
                )
                self.wants, self.pasts.featured = SIMPLE, False
                self.pasts.forget()
        except KeyboardInterrupt:
            self._cut_short("Stopped before the ranker was fitted.")
            self.checked, self.idle = [], []

    def judged(self) -> tuple[dict[int, Judged], Judged | None]:
        """The members on VALID and TEST, and on those of VALID whose window is empty."""
        examples, judged, calm = self.examples, {}, None
        kept = self.rows if self.model.refit and self.scorers else None
        hurry = MAX_HURRIED if self.events.stopped else self.work.measured
        try:
            with self.events.stage("evaluate"):
                if len(examples.where(VALID)):
                    some = spread(examples.where(VALID), min(hurry, self.work.checked))
                    found = self.checked or self.pasts.blocks(examples, some)
                    judged[VALID] = judge(found, self.scorers, self.model, kept)
                    if self.quiet is not None and not self.pairs and len(at := self._calm()):
                        calm = judge(self.idle or self.pasts.blocks(self.quiet, at), self.scorers, self.model, None)
                self.checked, self.idle = [], []
                self.pasts.forget()
                if len(examples.where(TEST)):
                    found = self.pasts.blocks(examples, spread(examples.where(TEST), hurry))
                    judged[TEST] = judge(found, self.scorers, self.model, kept)
        except KeyboardInterrupt:
            self._cut_short("Stopped while the members were being measured.")
        self.pasts.forget()
        return judged, calm

    def odds(
        self,
        judged: dict[int, Judged],
        calm: Judged | None,
        weights: dict[str, float],
        name: str,
        table: MetricsTable,
    ) -> tuple[Odds | None, MetricsTable]:
        """How likely a pair of a score is; where those of all pairs are wanted, the table has their measures first."""
        if VALID not in judged or self.events.stopped:
            return None, table
        with self.events.stage("odds"):
            valid = self._sample(VALID, judged[VALID], calm)
            odds = fit_odds(valid, weights)
            if odds is not None and self.pairs:
                rows = [odds_rows("valid", valid, odds, weights, name, valid)]
                if TEST in judged:
                    rows.append(odds_rows("test", self._sample(TEST, None), odds, weights, name, valid))
                table = replace(table, metric="auroc", rows=(*(r for part in rows for r in part), *table.rows))
        return odds, table

    def again(self, kept: Ranker | None, network: PairNetwork | None) -> tuple[Ranker | None, PairNetwork | None]:
        """What answers, fitted on the newest anchors too, if planned; as it was where the user wants an end."""
        if not (kept or network) or not self.model.refit or self.events.stopped:
            return kept, network
        model, events = self.model, self.events
        with events.patient(), events.stage("refit"):
            anchors = sorted(self.rows)[-max(RANKER_ANCHORS, len(self.newest)) - 1 :]
            rows = RankerRows.together([r for a in anchors for r in self.rows[a]]).at_most(self.work.rows)
            if kept is not None:
                ranker = fit_ranker(
                    rows.columns(columns_of(self.names, kept.names)),
                    kept.names,
                    None,
                    seed=model.seed,
                    threads=model.threads,
                    events=events,
                    objective=kept.objective,
                    rounds=kept.rounds,
                )
                kept = kept if events.stopped else ranker
            if network is not None and not events.stopped:
                learnt = fit_pair_network(rows, self.names, None, seed=model.seed, events=events, rounds=network.rounds)
                network = network if events.stopped else learnt
        return kept, network

    # ------------------------------------------------------------ parts of these

    def _draw(self) -> None:
        """Training pairs into `rows`, and VALID described: both before anything is fitted."""
        examples, anchors = self.examples, self.examples.seeds.anchors
        train = examples.where(TRAIN)
        train = spread(train[np.isin(anchors[train], self.newest)], self.work.seeds)
        with self.events.stage("pairs", f"{len(train):,} examples of {len(self.newest)} anchors"):
            self.names = collect(self.pasts.blocks(examples, train), self.rows, self.model.seed)
            self.pasts.forget()
            some = spread(examples.where(VALID), self.work.checked)
            self.checked = list(self.pasts.blocks(examples, some))
            if self.quiet is not None and self.checked and not self.pairs:
                self.idle = list(self.pasts.blocks(self.quiet, self._calm()))

    def _fit_members(self) -> None:
        """The ranker, without the network's scores and with them, and the network of pairs, as wanted."""
        with self.events.stage("boosted" if BOOSTED in self.wants else "gnn"):
            step = max(1, sum(block.described.candidates.n for block in self.checked) // LOOKED)
            looked = check_of(self.checked[::step], self.pasts.k) if self.checked else None
            every = RankerRows.together([r for a in sorted(self.rows) for r in self.rows[a]]).at_most(self.work.rows)
            if BOOSTED in self.wants:
                self.rankers = _fit_rankers(
                    every, self.names, looked, self.model, self.events, thorough=self.work.thorough
                )
        if GNN in self.wants and not self.events.stopped:
            with self.events.stage("gnn", f"{len(every):,} pairs"):
                self.network = self.scorers[GNN] = fit_pair_network(
                    every, self.names, looked, seed=self.model.seed, events=self.events
                )
        self.scorers.update(self.rankers)

    def _calm(self) -> NDArray[np.int64]:
        """Some of VALID's examples with an empty window."""
        assert self.quiet is not None
        return spread(self.quiet.where(VALID), self.work.quiet)

    def _sample(self, split: int, known: Judged | None, calm: Judged | None = None) -> list[Sample]:
        """Judged pairs of a split, of empty windows too; of every item where the odds of all pairs are wanted."""
        self.pasts.forget()
        items = max(1, self.pasts.interactions.n_items)
        most = max(FEWEST_PAIRED, self.work.paired // items) if self.pairs else self.work.quiet
        found, sizes = [], []
        for source in (self.examples, self.quiet):
            if source is None or not len(source.where(split)):
                continue
            if source is self.examples and known is not None and not self.pairs:
                judged = known
            elif source is self.quiet and calm is not None:
                judged = calm
            else:
                index = spread(source.where(split), most)
                blocks = self.pasts.blocks(source, index, every=self.pairs)
                judged = judge(blocks, self.scorers, self.model, None)
            found.append(judged)
            sizes.append(len(source.where(split)) / judged.n)
        self.pasts.forget()
        return [Sample(one, size / sizes[0]) for one, size in zip(found, sizes, strict=True)]

    def _cut_short(self, note: str) -> None:
        """After Ctrl-C: go on with what is fitted, unless it was pressed again."""
        if self.events.insisted:
            raise KeyboardInterrupt
        self.events.stop()
        self.notes.append(note)


def _reads_towers(scorer: PairScorer | None) -> bool:
    return scorer is not None and bool(set(NETWORK_FEATURES) & set(scorer.names))


def _fit_rankers(
    rows: RankerRows,
    names: tuple[str, ...],
    check: RankerCheck | None,
    model: ModelPlan,
    events: Events,
    *,
    thorough: bool,
) -> dict[str, Ranker]:
    """The ranker by name: without the network's scores and, where there are towers, with them as well."""
    plain = tuple(name for name in names if name not in NETWORK_FEATURES)
    objective: str | None = None if thorough else OBJECTIVES[0]
    rankers: dict[str, Ranker] = {}
    for name, chosen in {BOOSTED: plain, JOINT: names}.items():
        if name == JOINT and (plain == names or events.stopped):
            continue
        places = columns_of(names, chosen)
        rankers[name] = fit_ranker(
            rows.columns(places),
            chosen,
            check.columns(places) if check is not None else None,
            seed=model.seed,
            threads=model.threads,
            events=events,
            objective=objective,
        )
        objective = rankers[name].objective
    return rankers


def _wanted(model: ModelPlan, towers: Towers | None) -> tuple[str, ...]:
    """The members to weigh against each other, as the plan's model asks."""
    if model.name in (*SIMPLE, *PAIR_MODELS):
        return (model.name,)
    if model.name == TWO_TOWER:
        return (TWO_TOWER,) if towers is not None else SIMPLE
    if model.name in (BOOSTED, GNN):
        return (model.name,)
    network = (GNN,) if GNN in model.members else ()
    return (BOOSTED, *network, *((TWO_TOWER,) if towers is not None else ()), CALENDAR, *SIMPLE)


def _newest_anchors(examples: Examples, most: int) -> NDArray[np.int64]:
    """The newest training anchors that have `most` examples between them, ascending."""
    anchors, counts = np.unique(examples.seeds.anchors[examples.where(TRAIN)], return_counts=True)
    enough = 1 + int(np.searchsorted(np.cumsum(counts[::-1]), most))
    return anchors[-min(MOST_ANCHORS, max(RANKER_ANCHORS, enough)) :]
