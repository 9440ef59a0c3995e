"""Train and apply a ranking: candidates, ranker, network and baselines, blended as validation says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.candidates import candidate_recall
from pql.engine.events import Events
from pql.engine.examples import TEST, TRAIN, VALID, Examples, Ragged, Seeds
from pql.engine.graph import TemporalGraph
from pql.engine.interactions import Interactions, horizon_of, interactions_of
from pql.engine.metrics import MetricsTable
from pql.engine.models.base import State
from pql.engine.models.ranker import Ranker, RankerCheck, RankerRows, columns_of, fit_ranker
from pql.engine.pair_history import locate
from pql.engine.plan import ModelPlan, Plan
from pql.engine.rank_choice import BOOSTED, JOINT, RANKERS, SIMPLE, Judged, choose_weights, ranking_table
from pql.engine.rank_scoring import (
    BATCH,
    NETWORK_FEATURES,
    Described,
    Moment,
    RankedItems,
    Towers,
    blended,
    describe,
    filled_lists,
    moment_at,
    ranker_scores,
    training_rows,
)
from pql.engine.rank_towers import NetworkTowers, fit_towers
from pql.language.errors import PqlError

RANKER_ANCHORS = 4  # the newest training anchors, which the ranker learns from
MAX_SEEDS = 6_000  # training examples
MAX_ROWS = 150_000  # training pairs
NEGATIVES = 20
MAX_CHECKED = 2_000  # validation examples, for weights and metrics
LOOKED = 2_000  # of those, for early stopping
MAX_MEASURED = 6_000  # test examples
MAX_HURRIED = 300  # of either, once the user wants the work to end
FEWEST_EXAMPLES = 20
NETWORK = {"gnn", "two_tower"}
_SPLITS = {VALID: "valid", TEST: "test"}


@dataclass(frozen=True, slots=True)
class TrainedRanker:
    """What answers a ranking. `weights`: (member, weight), sum 1, noughts included.

    Members: boosted, boosted + gnn (the ranker with the network's scores as features), gnn, repeat, popularity.

    `k`: the list's length it was chosen by. `horizon`: µs, the unit of its windows. `recall`: share of the validation
    truth among the candidates. `uses_towers`: whether the answer needs the network.
    """

    name: str
    k: int
    horizon: int
    weights: tuple[tuple[str, float], ...]
    ranker: Ranker | None
    metrics: MetricsTable
    notes: tuple[str, ...] = ()
    recall: float = float("nan")
    towers: NetworkTowers | None = None
    uses_towers: bool = False

    @property
    def importance(self) -> tuple[tuple[str, float], ...]:
        """(pair feature, share of the ranker's gain), largest first."""
        return self.ranker.importance if self.ranker else ()

    def state(self) -> State:
        """What an artifact keeps: numpy arrays and JSON values only."""
        return {
            "name": self.name,
            "k": self.k,
            "horizon": self.horizon,
            "weights": [list(pair) for pair in self.weights],
            "ranker": self.ranker.state() if self.ranker else None,
            "metrics": self.metrics.to_json(),
            "notes": list(self.notes),
            "recall": None if np.isnan(self.recall) else self.recall,
            "towers": self.towers.state() if self.towers else None,
        }

    @classmethod
    def restore(cls, state: State) -> TrainedRanker:
        """The ranking of a `state`, with the same answers bit for bit."""
        return cls(
            str(state["name"]),
            int(state["k"]),
            int(state["horizon"]),
            tuple((name, float(weight)) for name, weight in state["weights"]),
            Ranker.restore(state["ranker"]) if state["ranker"] else None,
            MetricsTable.from_json(state["metrics"]),
            tuple(state["notes"]),
            float("nan") if state["recall"] is None else float(state["recall"]),
            NetworkTowers.restore(state["towers"]) if state["towers"] else None,
            bool(state["towers"]),
        )


@dataclass(frozen=True, slots=True)
class _Block:
    """Some examples of one anchor, described. `labels` bool[c]: which candidates are true."""

    entities: NDArray[np.int64]
    truth: Ragged
    described: Described
    labels: NDArray[np.bool_]
    moment: Moment


def train_ranking(plan: Plan, graph: TemporalGraph, examples: Examples, events: Events) -> TrainedRanker:
    """Train the plan's members, choose their weights on VALID, measure TEST once, refit the ranker if planned.

    `examples.labels` are sets of item codes. Raises PqlError `no_examples` without a training example.
    """
    with events.stage("interactions"):
        interactions = interactions_of(plan, graph)
    horizon, model = horizon_of(plan), plan.model
    towers: NetworkTowers | None = None
    if NETWORK & {model.name, *model.members} and len(examples.where(TRAIN)):
        with events.stage("gnn"):
            held = held_anchors(examples, model)
            towers = fit_towers(plan, graph, interactions.items, examples, horizon, events, held=held)
    bound = towers.bind(plan, graph, interactions.items) if towers is not None else None
    trained = fit_ranking(interactions, horizon, examples, model, events, k=plan.task.top_k or 10, towers=bound)
    return replace(trained, towers=towers) if trained.uses_towers else trained


def predict_ranking(
    trained: TrainedRanker, plan: Plan, graph: TemporalGraph, seeds: Seeds, k: int | None = None
) -> RankedItems:
    """The `k` (else the trained number) best items of every seed, as of its anchor; items are coded like the labels."""
    interactions = interactions_of(plan, graph)
    towers = trained.towers.bind(plan, graph, interactions.items) if trained.towers is not None else None
    return rank_items(trained, interactions, seeds, k or trained.k, towers)


def held_anchors(examples: Examples, model: ModelPlan) -> int:
    """How many of the newest training anchors the ranker learns from; the towers learn from those before.

    Where the network answers alone, one anchor is held, to stop on.
    """
    anchors = len(np.unique(examples.seeds.anchors[examples.where(TRAIN)]))
    return min(1, anchors - 1) if model.name in NETWORK else min(RANKER_ANCHORS, anchors // 2)


def fit_ranking(
    interactions: Interactions,
    horizon: int,
    examples: Examples,
    model: ModelPlan,
    events: Events,
    *,
    k: int,
    towers: Towers | None = None,
) -> TrainedRanker:
    """`train_ranking` on interactions made by hand."""
    if not isinstance(examples.labels, Ragged):
        raise TypeError("the labels of a ranking are sets (Ragged)")
    if not len(examples.where(TRAIN)):
        raise PqlError(
            "no_examples",
            "There is no training example: no entity has an item in the window of any training anchor.",
            hint="EXPLAIN shows the anchors and how many examples were dropped; shorten the window or loosen WHERE.",
        )
    notes: list[str] = []
    moments: dict[int, Moment] = {}

    def blocks(index: NDArray[np.int64]) -> Iterator[_Block]:
        for anchor in np.unique(examples.seeds.anchors[index]).tolist():
            if anchor not in moments:
                moments[anchor] = moment_at(interactions, anchor, horizon, towers)
            at = index[examples.seeds.anchors[index] == anchor]
            for start in range(0, len(at), BATCH):
                yield _block(moments[anchor], examples, at[start : start + BATCH])

    wants = _wanted(model, towers)
    if towers is None and model.name in NETWORK:
        notes.append("The network has too few training anchors to learn from: a baseline answers.")
    newest = np.unique(examples.seeds.anchors[examples.where(TRAIN)])[
        -(RANKER_ANCHORS if towers is None else held_anchors(examples, model)) :
    ]
    train = _spread(_at(examples, examples.where(TRAIN), newest), min(MAX_SEEDS, max(500, model.max_examples)))
    rankers: dict[str, Ranker] = {}
    checked: list[_Block] = []
    names: tuple[str, ...] = ()
    rows: dict[int, list[RankerRows]] = {}
    if "boosted" in wants and not events.stopped:
        try:
            with events.stage("pairs", f"{len(train):,} examples of {len(newest)} anchors"):
                names = _collect(blocks(train), rows, model.seed)
                moments.clear()
                checked = list(blocks(_spread(examples.where(VALID), MAX_CHECKED)))
            if sum(len(r.groups) for part in rows.values() for r in part) >= FEWEST_EXAMPLES:
                with events.stage("boosted"):
                    looked = _check(checked[: max(1, LOOKED // BATCH)], k) if checked else None
                    every = RankerRows.together([r for a in sorted(rows) for r in rows[a]]).at_most(MAX_ROWS)
                    rankers = _fit_rankers(every, names, looked, model, events)
                del looked, every
            else:
                notes.append("Too few training examples with a true item among the candidates: a baseline answers.")
                wants = SIMPLE
        except KeyboardInterrupt:
            _cut_short(events, notes, "Stopped before the ranker was fitted.")
            checked = []

    judged: dict[int, Judged] = {}
    kept_rows = rows if model.refit and rankers else None
    hurry = MAX_HURRIED if events.stopped else MAX_MEASURED
    try:
        with events.stage("evaluate"):
            if len(examples.where(VALID)):
                found = checked or blocks(_spread(examples.where(VALID), min(hurry, MAX_CHECKED)))
                judged[VALID] = _judge(found, rankers, model, kept_rows)
            checked = []
            moments.clear()
            if len(examples.where(TEST)):
                judged[TEST] = _judge(blocks(_spread(examples.where(TEST), hurry)), rankers, model, kept_rows)
    except KeyboardInterrupt:
        _cut_short(events, notes, "Stopped while the members were being measured.")
    moments.clear()
    members = [*rankers, *(m for m in wants if m != BOOSTED)] or list(SIMPLE)
    weights = choose_weights(judged.get(VALID), members, k, notes)
    table = ranking_table({_SPLITS[s]: j for s, j in judged.items()}, weights, k)
    name = "blend" if sum(w > 0 for w in weights.values()) > 1 else max(weights, key=lambda m: weights[m])
    kept = next((r for n, r in rankers.items() if weights[n] > 0), None)
    if kept is not None and model.refit and not events.stopped:
        with events.patient(), events.stage("refit"):
            newest_rows = RankerRows.together([r for a in sorted(rows)[-RANKER_ANCHORS - 1 :] for r in rows[a]])
            again = fit_ranker(
                newest_rows.at_most(MAX_ROWS).columns(columns_of(names, kept.names)),
                kept.names,
                None,
                seed=model.seed,
                threads=model.threads,
                events=events,
                objective=kept.objective,
                rounds=kept.rounds,
            )
            kept = kept if events.stopped else again
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
        weights.get("gnn", 0) > 0 or weights.get(JOINT, 0) > 0,
    )


def rank_items(
    trained: TrainedRanker, interactions: Interactions, seeds: Seeds, k: int, towers: Towers | None = None
) -> RankedItems:
    """`predict_ranking` on interactions made by hand."""
    n = len(seeds)
    lists, values = np.full((n, k), -1, dtype=np.int64), np.zeros((n, k))
    weights = dict(trained.weights)
    for anchor in np.unique(seeds.anchors).tolist():
        moment = moment_at(interactions, anchor, trained.horizon, towers)
        at = np.flatnonzero(seeds.anchors == anchor)
        rows, place = np.unique(seeds.rows[at], return_inverse=True)
        for start in range(0, len(rows), BATCH):
            entities = rows[start : start + BATCH]
            described = describe(moment, entities)
            scores = dict(described.scores)
            if trained.ranker is not None:
                ranked_by = next(n for n in RANKERS if weights.get(n))
                scores[ranked_by] = ranker_scores(trained.ranker, described)
            score = blended(described.candidates.owner, scores, weights)
            found, value = filled_lists(moment.history, entities, described.candidates, score, k)
            mine = np.flatnonzero((place >= start) & (place < start + BATCH))
            lists[at[mine]], values[at[mine]] = found[place[mine] - start], value[place[mine] - start]
    here = lists >= 0
    sizes = here.sum(axis=1)
    return RankedItems(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.repeat(np.arange(n, dtype=np.int64), sizes),
        lists[here],
        values[here],
        np.tile(np.arange(1, k + 1, dtype=np.int32), (n, 1))[here],
    )


def _cut_short(events: Events, notes: list[str], note: str) -> None:
    """After Ctrl-C: go on with what is fitted, unless it was pressed again."""
    if events.insisted:
        raise KeyboardInterrupt
    events.stop()
    notes.append(note)


def _block(moment: Moment, examples: Examples, index: NDArray[np.int64]) -> _Block:
    assert isinstance(examples.labels, Ragged)
    index = index[np.argsort(examples.seeds.rows[index], kind="stable")]
    entities, truth = examples.seeds.rows[index], examples.labels.take(index)
    described = describe(moment, entities)
    width = max(1, moment.history.n_items)
    owner = np.repeat(np.arange(len(index), dtype=np.int64), np.diff(truth.offsets))
    candidates = described.candidates
    _, labels = locate(owner * width + truth.values, candidates.owner * width + candidates.items)
    return _Block(entities, truth, described, labels, moment)


def _collect(blocks: Iterable[_Block], rows: dict[int, list[RankerRows]], seed: int) -> tuple[str, ...]:
    """Draw the training pairs of every block into `rows` by anchor; the names of the features."""
    names: tuple[str, ...] = ()
    for number, block in enumerate(blocks):
        names = block.described.features.names
        drawn = training_rows(block.described, block.labels, negatives=NEGATIVES, seed=seed + number)
        rows.setdefault(block.moment.history.anchor, []).append(drawn)
    return names


def _fit_rankers(
    rows: RankerRows, names: tuple[str, ...], check: RankerCheck | None, model: ModelPlan, events: Events
) -> dict[str, Ranker]:
    """The ranker by name: without the network's scores and, where there are towers, with them as well."""
    plain = tuple(name for name in names if name not in NETWORK_FEATURES)
    objective, rankers = None, {}
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


def _check(listed: Sequence[_Block], k: int) -> RankerCheck:
    return RankerCheck(
        np.concatenate([b.described.features.values for b in listed]),
        _owners(listed),
        np.concatenate([b.described.candidates.items for b in listed]),
        _joined([b.truth for b in listed]),
        k,
    )


def _judge(
    blocks: Iterable[_Block], rankers: Mapping[str, Ranker], model: ModelPlan, rows: dict[int, list[RankerRows]] | None
) -> Judged:
    """Score all pairs of a split with every member; with `rows`, keep training pairs for the refit as well."""
    owner, items, met, truths, truth_met, recalls = [], [], [], [], [], []
    scores: dict[str, list[NDArray[np.float64]]] = {}
    n = 0
    for number, block in enumerate(blocks):
        candidates, history = block.described.candidates, block.moment.history
        members = dict(block.described.scores)
        for name, ranker in rankers.items():
            members[name] = ranker_scores(ranker, block.described, model.threads)
        for name, values in members.items():
            scores.setdefault(name, []).append(values)
        owner.append(candidates.owner + n)
        items.append(candidates.items)
        met.append(block.described.met)
        truths.append(block.truth)
        of = np.repeat(block.entities, np.diff(block.truth.offsets))
        truth_met.append(history.find(of, block.truth.values)[1])
        recalls.append(candidate_recall(candidates, block.truth) * candidates.n)
        if rows is not None and number * BATCH < MAX_SEEDS // RANKER_ANCHORS:
            drawn = training_rows(block.described, block.labels, negatives=NEGATIVES, seed=model.seed + number)
            rows.setdefault(history.anchor, []).append(drawn)
        n += candidates.n
    return Judged(
        n,
        np.concatenate(owner),
        np.concatenate(items),
        np.concatenate(met),
        _joined(truths),
        np.concatenate(truth_met),
        {name: np.concatenate(parts) for name, parts in scores.items()},
        float(np.nansum(recalls) / max(1, n)),
    )


def _wanted(model: ModelPlan, towers: Towers | None) -> tuple[str, ...]:
    """The members to weigh against each other, as the plan's model asks."""
    if model.name in SIMPLE:
        return (model.name,)
    if model.name in ("gnn", "two_tower"):
        return ("gnn",) if towers is not None else SIMPLE
    network = ("gnn",) if towers is not None and model.name != "boosted" else ()
    return ("boosted",) if model.name == "boosted" else ("boosted", *network, *SIMPLE)


def _spread(index: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of the positions, evenly spread."""
    if len(index) <= most:
        return index
    return index[np.linspace(0, len(index) - 1, most).astype(np.int64)]


def _at(examples: Examples, index: NDArray[np.int64], anchors: NDArray[np.int64]) -> NDArray[np.int64]:
    return index[np.isin(examples.seeds.anchors[index], anchors)]


def _owners(blocks: Sequence[_Block]) -> NDArray[np.int64]:
    starts = np.concatenate([[0], np.cumsum([b.described.candidates.n for b in blocks])])
    return np.concatenate([b.described.candidates.owner + s for b, s in zip(blocks, starts, strict=False)])


def _joined(parts: Sequence[Ragged]) -> Ragged:
    sizes = np.concatenate([np.diff(p.offsets) for p in parts])
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Ragged(offsets, np.concatenate([p.values for p in parts]))
