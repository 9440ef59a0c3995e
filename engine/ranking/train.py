"""Train and apply a ranking: candidates, ranker, network and baselines, blended as validation says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.events import Events
from pql.engine.examples.stale import as_seen, lag_of
from pql.engine.graph.interactions import Interactions, interactions_of, item_values, mean_horizon
from pql.engine.graph.seeds import TEST, TRAIN, VALID, Examples, Ragged
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.models.pair_network import PairNetwork, fit_pair_network
from pql.engine.models.ranker import OBJECTIVES, PairScorer, Ranker, RankerCheck, RankerRows, columns_of, fit_ranker
from pql.engine.pairs.pair_history import history_at
from pql.engine.pairs.rank_rules import Rules
from pql.engine.planning.plan import ModelPlan, Plan
from pql.engine.ranking.blocks import Block, block_of, check_of, collect, judge
from pql.engine.ranking.choice import BOOSTED, CALENDAR, GNN, JOINT, SIMPLE, TWO_TOWER, choose_weights
from pql.engine.ranking.judged import Judged
from pql.engine.ranking.odds import Odds, Sample, fit_odds, odds_rows
from pql.engine.ranking.pair_models import PAIR_MODELS, PairModel, made_at
from pql.engine.ranking.report import ranking_table, sample_of
from pql.engine.ranking.scoring import (
    NETWORK_FEATURES,
    Moment,
    Towers,
    batch_of,
    moment_at,
)
from pql.engine.ranking.towers import NetworkTowers, fit_towers
from pql.engine.ranking.trained import TrainedRanker
from pql.engine.ranking.work import rank_work
from pql.language.errors import PqlError

__all__ = ["TrainedRanker", "fit_ranking", "train_ranking"]

RANKER_ANCHORS = 4  # the newest training anchors, which the ranker learns from at least ...
MOST_ANCHORS = 24  # ... and at most, where the newest have few examples
LOOKED = 1_000  # validation examples that the ranker's rounds are stopped on
MAX_HURRIED = 300  # of either, once the user wants the work to end
FEWEST_EXAMPLES = 20
FEWEST_PAIRED = 30  # examples, likewise
TOWERS = (GNN, TWO_TOWER, "blend")  # the models that the towers are trained for
_SPLITS = {VALID: "valid", TEST: "test"}


def train_ranking(
    plan: Plan,
    graph: TemporalGraph,
    examples: Examples,
    events: Events,
    rules: Rules | None = None,
    quiet: Examples | None = None,
) -> TrainedRanker:
    """Train the plan's members, choose their weights on VALID, measure TEST once, refit the ranker if planned.

    `examples.labels` are sets of item codes, those the `rules` forbid left out. `quiet`: eligible seeds of VALID and
    TEST whose window is empty, so that the odds are those of everybody. Raises PqlError `no_examples` without a
    training example.
    """
    lag = lag_of(examples.seeds)
    examples = replace(examples, seeds=as_seen(examples.seeds))
    quiet = None if quiet is None else replace(quiet, seeds=as_seen(quiet.seeds))
    rules = None if rules is None else rules.earlier(lag)
    with events.stage("interactions"):
        interactions = interactions_of(plan, graph)
    horizon, model = mean_horizon(plan), plan.model
    towers: NetworkTowers | None = None
    if model.name in TOWERS and len(examples.where(TRAIN)):
        with events.stage("gnn"):
            held = held_anchors(examples, model)
            towers = fit_towers(plan, graph, interactions.items, examples, horizon, events, held=held)
    bound = towers.bind(plan, graph, interactions.items) if towers is not None else None
    k = plan.task.top_k or 10
    pairs = plan.query.asks_pairs
    trained = fit_ranking(
        interactions,
        horizon,
        examples,
        model,
        events,
        k=k,
        towers=bound,
        rules=rules,
        quiet=quiet,
        pairs=pairs,
        lag=lag,
    )
    made = tuple(name for name, weight in trained.weights if weight > 0 and name in PAIR_MODELS)
    if made:
        with events.stage("refit"):
            newest = plan.split.prediction if plan.regime.known is None else plan.regime.known
            past = history_at(interactions, newest if model.refit else _newest(examples), horizon)
            values = item_values(plan, graph)
            item = plan.task.item
            source = (item.table, item.key) if item and item.table and item.key else None
            models = tuple(one.called(values, source) for one in made_at(past, made, model.seed))
        trained = replace(trained, pair_models=models)
    if trained.checked is not None:
        trained = replace(trained, checked=trained.checked.keyed(graph.nodes[graph.entity].keys))
    return replace(trained, towers=towers) if trained.uses_towers else trained


def held_anchors(examples: Examples, model: ModelPlan) -> int:
    """How many of the newest training anchors the ranker learns from; the towers learn from those before.

    Where the towers answer alone, one anchor is held, to stop on.
    """
    anchors = len(np.unique(examples.seeds.anchors[examples.where(TRAIN)]))
    return min(1, anchors - 1) if model.name == TWO_TOWER else min(RANKER_ANCHORS, anchors // 2)


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
    """`train_ranking` on interactions made by hand. `pairs`: the odds of every pair are wanted, not lists. `lag` (µs):
    the anchors that people know lie as much later than those given, where histories end."""
    if not isinstance(examples.labels, Ragged):
        raise TypeError("the labels of a ranking are sets (Ragged)")
    if not len(examples.where(TRAIN)):
        raise PqlError(
            "no_examples",
            "There is no training example: no entity has an item in the window of any training anchor.",
            hint="EXPLAIN shows the anchors and how many examples were dropped; shorten the window or loosen WHERE.",
        )
    work = rank_work(model)
    notes: list[str] = []
    moments: dict[int, Moment] = {}
    made: tuple[str | PairModel, ...] = tuple(name for name in PAIR_MODELS if name == model.name)
    if made and not model.refit:
        made = made_at(history_at(interactions, _newest(examples), horizon), [model.name], model.seed)

    wants = _wanted(model, towers)
    featured = bool({BOOSTED, GNN} & set(wants))

    def blocks(index: NDArray[np.int64], of: Examples = examples, *, every: bool = False) -> Iterator[Block]:
        for anchor in np.unique(of.seeds.anchors[index]).tolist():
            if anchor not in moments:
                moments.clear()  # of a large database one moment takes a gigabyte
                moments[anchor] = moment_at(
                    interactions,
                    anchor,
                    horizon,
                    towers,
                    rules,
                    k,
                    limits=work.limits,
                    every=every,
                    featured=featured,
                    models=made,
                    seed=model.seed,
                )
            at, batch = index[of.seeds.anchors[index] == anchor], batch_of(moments[anchor])
            for start in range(0, len(at), batch):
                yield block_of(moments[anchor], of, at[start : start + batch])

    def calm_of(split: int) -> NDArray[np.int64]:
        """Some of the split's examples with an empty window."""
        return _spread(quiet.where(split), work.quiet) if quiet is not None else np.zeros(0, dtype=np.int64)

    def sample(split: int, known: Judged | None, calm: Judged | None = None) -> list[Sample]:
        """Judged pairs of a split, of empty windows too; of every item where the odds of all pairs are wanted."""
        moments.clear()
        most = max(FEWEST_PAIRED, work.paired // max(1, interactions.n_items)) if pairs else work.quiet
        found, sizes = [], []
        for source in (examples, quiet):
            if source is None or not len(source.where(split)):
                continue
            if source is examples and known is not None and not pairs:
                judged_now = known
            elif source is quiet and calm is not None:
                judged_now = calm
            else:
                index = _spread(source.where(split), most)
                judged_now = judge(blocks(index, source, every=pairs), scorers, model, None)
            found.append(judged_now)
            sizes.append(len(source.where(split)) / judged_now.n)
        moments.clear()
        return [Sample(one, size / sizes[0]) for one, size in zip(found, sizes, strict=True)]

    if towers is None and model.name == TWO_TOWER:
        notes.append("The network has too few training anchors to learn from: a baseline answers.")
    newest = _newest_anchors(examples, work.seeds)
    if towers is not None:
        newest = newest[-held_anchors(examples, model) :]
    train = _spread(_at(examples, examples.where(TRAIN), newest), work.seeds)
    rankers: dict[str, Ranker] = {}
    scorers: dict[str, PairScorer] = {}
    network: PairNetwork | None = None
    checked: list[Block] = []
    idle: list[Block] = []  # validation examples with an empty window, for the odds
    calm: Judged | None = None
    names: tuple[str, ...] = ()
    rows: dict[int, list[RankerRows]] = {}
    if {BOOSTED, GNN} & set(wants) and not events.stopped:
        try:
            with events.stage("pairs", f"{len(train):,} examples of {len(newest)} anchors"):
                names = collect(blocks(train), rows, model.seed)
                moments.clear()
                checked = list(blocks(_spread(examples.where(VALID), work.checked)))
                if quiet is not None and checked and not pairs:
                    idle = list(blocks(calm_of(VALID), quiet))
            if sum(len(r.groups) for part in rows.values() for r in part) >= FEWEST_EXAMPLES:
                with events.stage("boosted" if BOOSTED in wants else "gnn"):
                    looked = (
                        check_of(checked[:: max(1, sum(b.described.candidates.n for b in checked) // LOOKED)], k)
                        if checked
                        else None
                    )
                    every = RankerRows.together([r for a in sorted(rows) for r in rows[a]]).at_most(work.rows)
                    if BOOSTED in wants:
                        rankers = _fit_rankers(every, names, looked, model, events, thorough=work.thorough)
                if GNN in wants and not events.stopped:
                    with events.stage("gnn", f"{len(every):,} pairs"):
                        network = scorers[GNN] = fit_pair_network(every, names, looked, seed=model.seed, events=events)
                scorers.update(rankers)
                del looked, every
            else:
                notes.append("Too few training examples with a true item among the candidates: a baseline answers.")
                wants, featured = SIMPLE, False
                moments.clear()
        except KeyboardInterrupt:
            _cut_short(events, notes, "Stopped before the ranker was fitted.")
            checked, idle = [], []

    judged: dict[int, Judged] = {}
    kept_rows = rows if model.refit and scorers else None
    hurry = MAX_HURRIED if events.stopped else work.measured
    try:
        with events.stage("evaluate"):
            if len(examples.where(VALID)):
                some = _spread(examples.where(VALID), min(hurry, work.checked))
                judged[VALID] = judge(checked or blocks(some), scorers, model, kept_rows)
                if quiet is not None and not pairs and len(calm_of(VALID)):
                    calm = judge(idle or blocks(calm_of(VALID), quiet), scorers, model, None)
            checked, idle = [], []
            moments.clear()
            if len(examples.where(TEST)):
                judged[TEST] = judge(blocks(_spread(examples.where(TEST), hurry)), scorers, model, kept_rows)
    except KeyboardInterrupt:
        _cut_short(events, notes, "Stopped while the members were being measured.")
    moments.clear()
    members = [*rankers, *(m for m in wants if m != BOOSTED and (m != GNN or m in scorers))] or list(SIMPLE)
    weights = choose_weights(judged.get(VALID), members, k, notes)
    shown = {_SPLITS[s]: replace(j, anchors=j.anchors + lag) for s, j in judged.items()}
    table = ranking_table(shown, weights, k)
    name = "blend" if sum(w > 0 for w in weights.values()) > 1 else max(weights, key=lambda m: weights[m])
    kept = next((r for n, r in rankers.items() if weights[n] > 0), None)
    network = network if weights.get(GNN, 0) > 0 else None
    odds: Odds | None = None
    if VALID in judged and not events.stopped:
        with events.stage("odds"):
            valid = sample(VALID, judged[VALID], calm)
            odds = fit_odds(valid, weights)
            if odds is not None and pairs:
                rows_of = [odds_rows("valid", valid, odds, weights, name, valid)]
                if TEST in judged:
                    rows_of.append(odds_rows("test", sample(TEST, None), odds, weights, name, valid))
                table = replace(table, metric="auroc", rows=(*(r for part in rows_of for r in part), *table.rows))
            del valid
    if (kept or network) and model.refit and not events.stopped:
        with events.patient(), events.stage("refit"):
            newest_rows = RankerRows.together(
                [r for a in sorted(rows)[-max(RANKER_ANCHORS, len(newest)) - 1 :] for r in rows[a]]
            ).at_most(work.rows)
            if kept is not None:
                again = fit_ranker(
                    newest_rows.columns(columns_of(names, kept.names)),
                    kept.names,
                    None,
                    seed=model.seed,
                    threads=model.threads,
                    events=events,
                    objective=kept.objective,
                    rounds=kept.rounds,
                )
                kept = kept if events.stopped else again
            if network is not None and not events.stopped:
                learnt = fit_pair_network(
                    newest_rows, names, None, seed=model.seed, events=events, rounds=network.rounds
                )
                network = network if events.stopped else learnt
    return TrainedRanker(
        name,
        k,
        horizon,
        tuple(weights.items()),
        kept,
        replace(table, notes=tuple(notes)),
        tuple(notes),
        judged[VALID].recall if VALID in judged else float("nan"),
        None,
        weights.get(TWO_TOWER, 0) > 0 or _reads_towers(kept) or _reads_towers(network),
        odds,
        work.limits,
        network=network,
        checked=sample_of(shown, weights, k),
    )


def _reads_towers(scorer: PairScorer | None) -> bool:
    return scorer is not None and bool(set(NETWORK_FEATURES) & set(scorer.names))


def _cut_short(events: Events, notes: list[str], note: str) -> None:
    """After Ctrl-C: go on with what is fitted, unless it was pressed again."""
    if events.insisted:
        raise KeyboardInterrupt
    events.stop()
    notes.append(note)


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


def _newest(examples: Examples) -> int:
    """The newest training anchor."""
    return int(examples.seeds.anchors[examples.where(TRAIN)].max())


def _spread(index: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of the positions, evenly spread."""
    if len(index) <= most:
        return index
    return index[np.linspace(0, len(index) - 1, most).astype(np.int64)]


def _at(examples: Examples, index: NDArray[np.int64], anchors: NDArray[np.int64]) -> NDArray[np.int64]:
    return index[np.isin(examples.seeds.anchors[index], anchors)]
