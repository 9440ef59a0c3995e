"""Two towers for ranking: an entity's representation and an item's, whose dot product is the item's logit.

The entity tower is the graph network with the seed's features joined. The item tower reads the item's columns (where
items are node rows), its age and how often it was met lately, all as of the anchor, and a learnt vector for items that
were often enough the answer in training. Items are told apart by name, so a model outlives renumbered rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from pql.engine.graph.encode import Encoders, bind_readers, fit_encoders
from pql.engine.graph.sample import sample, typical_age
from pql.engine.graph.seed_batches import chunks_of_one_anchor, spread_over
from pql.engine.graph.seeds import Ragged
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.models.base import Inputs, Problem, State
from pql.engine.models.gnn import PREDICT_BATCH
from pql.engine.models.gnn_lesson import PROBE
from pql.engine.nn.heads import Head
from pql.engine.nn.hetero import (
    TIME_FEATURES,
    HeteroNetwork,
    NetworkSpec,
    TableEncoding,
    TableInput,
    TimeEncoding,
    collate,
    describe,
)
from pql.engine.nn.items import Items, ItemView, Met, history_width
from pql.engine.nn.loop import computing, schedule_of, train
from pql.engine.nn.seed_features import FeatureScaler, fit_features
from pql.language.errors import PqlError

SHARPNESS = 4.0  # scales an entity's vector, so that few steps already move the logits
WIDTH = 32  # of the vectors, without the item's bias
FORGET = 0.25  # share of the items whose own vector a training step does without
MIN_ANSWERS = 3  # times an item must have been the answer in training for a vector of its own
MAX_OWN = 50_000
NEGATIVES = 1_024  # items drawn per batch where there are too many for all
ALL_ITEMS = 2_048  # up to so many items the softmax is over all of them
VALID_LIMIT = 2_000
MAX_WORK = 240_000  # examples seen, all epochs together


class ItemTower(nn.Module):
    """Own columns, age, recent meetings and own vector of items → float32[m, WIDTH + 1], the last one a bias."""

    def __init__(self, spec: NetworkSpec, table: int | None, own: int, history: int) -> None:
        super().__init__()
        h = spec.hidden
        self.columns = TableEncoding(spec.tables[table], h) if table is not None else None
        self.clock = TimeEncoding(spec.unit)
        self.mix = nn.Linear(TIME_FEATURES + history + (h if table is not None else 0), h)
        self.out = nn.Linear(h, WIDTH + 1)
        self.own = nn.Embedding(own + 1, WIDTH + 1)
        with torch.no_grad():
            self.own.weight.mul_(0.1)
            self.own.weight[0] = 0.0

    def forward(self, columns: TableInput | None, ages: Tensor, history: Tensor, own: Tensor) -> Tensor:
        parts = [self.clock(ages), history]
        if self.columns is not None and columns is not None:
            parts.append(self.columns(columns))
        if self.training:  # now and then an item is a stranger, so that its columns learn to speak for it
            own = torch.where(torch.rand(len(own)) < FORGET, 0, own)
        known = (own > 0).to(history.dtype).unsqueeze(1)
        return self.out(F.relu(self.mix(torch.cat(parts, dim=1)))) + self.own(own) * known


class TowerModule(nn.Module):
    """Both towers. Their dot product, the entity's vector ending in 1, is an item's logit."""

    def __init__(self, spec: NetworkSpec, table: int | None, *, features: int, own: int, history: int) -> None:
        super().__init__()
        self.network = HeteroNetwork(spec)
        self.head = Head(spec.hidden, features, WIDTH, dropout=0.1)
        self.items = ItemTower(spec, table, own, history)
        self.clock = TimeEncoding(spec.unit)
        self.recall = nn.Linear(TIME_FEATURES, 1)
        self.gain = nn.Parameter(torch.ones(2))
        self.turn = nn.Linear(WIDTH, WIDTH, bias=False)
        with torch.no_grad():
            self.head.out.weight.mul_(5.0)
            self.turn.weight.copy_(torch.eye(WIDTH))

    def entities(self, root: Tensor, features: Tensor, met: Met, items: Tensor, place: Tensor) -> Tensor:
        """float32[n, WIDTH + 1]: the seed's own vector plus those of the items it has met, the recent ones more.

        `items` [u, WIDTH + 1] holds the vectors of the items met, `place` int64[m] where each of `met` is in them.
        """
        vectors = self.head(root, features)
        if len(place):
            weight = torch.exp(self.recall(self.clock(torch.from_numpy(met.ages)))[:, 0].clamp(-8, 8))
            offsets = torch.from_numpy(met.offsets)
            total = weighted_sum(items[:, :WIDTH].contiguous(), place, offsets, weight)
            mass = run_sums(weight, offsets) + 1e-3
            vectors = vectors + self.turn(self.gain[0] * total / mass + self.gain[1] * total / mass.sqrt())
        return torch.cat([SHARPNESS * vectors, vectors.new_ones(len(vectors), 1)], dim=1)


def run_sums(weight: Tensor, offsets: Tensor) -> Tensor:
    """float32[n, 1]: the sum of each run offsets[i]:offsets[i + 1] of weights."""
    each = torch.arange(len(weight))
    return F.embedding_bag(each, weight[:, None], offsets, mode="sum", include_last_offset=True)


def weighted_sum(values: Tensor, index: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """The weighted sum of values[index] over each run offsets[i]:offsets[i + 1]."""
    return F.embedding_bag(index, values, offsets, mode="sum", include_last_offset=True, per_sample_weights=weight)


@dataclass(frozen=True, slots=True)
class FittedTowers:
    """Trained towers. `vocabulary`: the names of the items with a vector of their own, in its order from 1."""

    encoders: Encoders
    scaler: FeatureScaler
    module: TowerModule
    neighbors: tuple[int, ...]
    vocabulary: tuple[str, ...]
    table: int | None
    horizon: int
    rounds: int
    scores: tuple[float, ...] = ()

    def embed_entities(self, inputs: Inputs, items: Items) -> NDArray[np.float32]:
        """float32[n, d]: the vectors of the seeds; their dot products with item vectors rank the items."""
        view = self.view(inputs.graph, items)
        readers = bind_readers(self.encoders, inputs.graph)
        features = self.scaler.encode(inputs.features, inputs.lags)
        out = np.zeros((len(inputs), WIDTH + 1), np.float32)
        self.module.eval()
        with computing(0), torch.no_grad():
            for index in chunks_of_one_anchor(inputs.seeds.anchors, PREDICT_BATCH):
                seeds = inputs.seeds.take(index)
                trees = sample(inputs.graph, seeds.rows, seeds.seen, self.neighbors)
                root, met = self.module.network(collate(trees, readers)), view.met(trees)
                codes, place = np.unique(met.items, return_inverse=True)
                vectors = self.module.items(*view.read(codes, int(seeds.anchors[0])))
                joined = torch.from_numpy(features[index])
                out[index] = self.module.entities(root, joined, met, vectors, torch.from_numpy(place)).numpy()
        return np.nan_to_num(out)

    def embed_items(
        self, graph: TemporalGraph, items: Items, codes: NDArray[np.int64], anchor: int
    ) -> NDArray[np.float32]:
        """float32[m, d]: the vectors of these items at the anchor (µs). Only items born by then mean anything."""
        view = self.view(graph, items)
        self.module.eval()
        parts = [np.zeros((0, WIDTH + 1), np.float32)]
        with computing(0), torch.no_grad():
            for i in range(0, len(codes), 8 * PREDICT_BATCH):
                chunk = np.asarray(codes[i : i + 8 * PREDICT_BATCH], np.int64)
                parts.append(self.module.items(*view.read(chunk, anchor)).numpy())
        return np.nan_to_num(np.concatenate(parts))

    def view(self, graph: TemporalGraph, items: Items) -> ItemView:
        """The items of this graph, by name those the towers know. PqlError `model_mismatch` if of another table."""
        if items.table != self.table:
            raise PqlError("model_mismatch", "the items aren't those the towers were trained on", hint="Train again.")
        own = np.zeros(len(items), np.int64)
        if self.vocabulary and len(items):
            places = pc.index_in(items.strings(), value_set=pa.array(self.vocabulary, pa.string())).fill_null(-1)
            own = np.asarray(places).astype(np.int64) + 1
        reader = None if items.table is None else bind_readers(self.encoders, graph)[items.table]
        return ItemView(graph, items, reader, own, self.horizon)

    def state(self) -> State:
        """JSON under `config`, every weight as an array under its name."""
        weights = {f"weight.{name}": value.detach().numpy().copy() for name, value in self.module.state_dict().items()}
        config: dict[str, Any] = {
            "encoders": self.encoders.to_json(),
            "scaler": self.scaler.to_json(),
            "network": self.module.network.spec.to_json(),
            "neighbors": list(self.neighbors),
            "vocabulary": list(self.vocabulary),
            "table": self.table,
            "horizon": self.horizon,
            "history": self.module.items.mix.in_features,
            "rounds": self.rounds,
            "scores": list(self.scores),
        }
        return {"config": config, **weights}


def restore_towers(state: State) -> FittedTowers:
    """The towers of a `FittedTowers.state`, with the same vectors bit for bit."""
    config = state["config"]
    scaler = FeatureScaler.from_json(config["scaler"])
    spec, table = NetworkSpec.from_json(config["network"]), config["table"]
    history = config["history"] - TIME_FEATURES - (spec.hidden if table is not None else 0)
    vocabulary = tuple(config["vocabulary"])
    with computing(0):
        module = TowerModule(spec, table, features=scaler.width, own=len(vocabulary), history=history)
    prefix = "weight."
    module.load_state_dict({k[len(prefix) :]: torch.from_numpy(np.array(v)) for k, v in state.items() if k != "config"})
    module.eval()
    encoders = Encoders.from_json(config["encoders"])
    neighbors = tuple(int(k) for k in config["neighbors"])
    scores = tuple(config["scores"])
    return FittedTowers(
        encoders, scaler, module, neighbors, vocabulary, table, config["horizon"], config["rounds"], scores
    )


def _vocabulary(items: Items, positives: Ragged) -> tuple[str, ...]:
    counts = np.bincount(positives.values, minlength=len(items))
    kept = np.flatnonzero(counts >= MIN_ANSWERS)
    names = items.strings().take(pa.array(kept)).to_pylist()
    ranked = sorted(zip((-counts[kept]).tolist(), names, strict=True), key=lambda pair: (pair[0], pair[1] or ""))
    return tuple(dict.fromkeys(name for _, name in ranked if name is not None))[:MAX_OWN]


def _known_answers(positives: Ragged, anchors: NDArray[np.int64], birth: NDArray[np.int64]) -> Ragged:
    """The answers already born at their example's anchor: what isn't known yet cannot be ranked."""
    owner = np.repeat(np.arange(len(positives)), np.diff(positives.offsets))
    kept = birth[positives.values] <= anchors[owner]
    offsets = np.zeros(len(positives) + 1, np.int64)
    np.cumsum(np.bincount(owner[kept], minlength=len(positives)), out=offsets[1:])
    return Ragged(offsets, positives.values[kept])


@dataclass(slots=True)
class Sampler:
    """Draws the items a batch's softmax runs over: all that are born, or the answers and uniform others."""

    birth: NDArray[np.int64]
    rng: np.random.Generator

    def draw(self, anchor: int, answers: NDArray[np.int64]) -> tuple[NDArray[np.int64], float]:
        """The codes (ascending) and the chance that an item that is no answer had to be drawn."""
        born = np.flatnonzero(self.birth <= anchor)
        if len(born) <= ALL_ITEMS:
            return born, 1.0
        drawn = born[self.rng.integers(0, len(born), NEGATIVES)]
        return np.union1d(answers, drawn), 1.0 - (1.0 - 1.0 / len(born)) ** NEGATIVES


def softmax_loss(logits: Tensor, part: Ragged, codes: NDArray[np.int64], chance: NDArray[np.float32]) -> Tensor:
    """Cross-entropy of every answer, averaged within an example, then over examples that have answers.

    logits [b, m] of the items `codes` (ascending), corrected by the `chance` [m] with which each was drawn.
    """
    logits = logits - torch.from_numpy(np.log(chance))
    sizes = np.diff(part.offsets)
    owner = np.repeat(np.arange(len(part)), sizes)
    place = np.searchsorted(codes, part.values)
    weight = torch.from_numpy((1.0 / sizes[owner]).astype(np.float32))
    chosen = torch.log_softmax(logits, dim=1)[torch.from_numpy(owner), torch.from_numpy(place)]
    return -(chosen * weight).sum() / max(1, int((sizes > 0).sum()))


def fit_two_tower(
    problem: Problem,
    items: Items,
    positives: Ragged,
    train_index: NDArray[np.int64],
    valid_index: NDArray[np.int64],
    *,
    horizon: int,
    rounds: int | None = None,
) -> FittedTowers:
    """Train the towers on `positives` (item codes per example of the problem).

    `horizon` (µs): the width of the label window, the unit of an item's recent history. Early stopping on `valid_index`
    unless `rounds` (epochs) is given. PqlError `no_examples` if no training example has an answer known at its anchor.
    """
    plan, graph, seeds = problem.plan, problem.inputs.graph, problem.inputs.seeds
    positives = _known_answers(positives, seeds.anchors, items.birth)
    answered = np.diff(positives.offsets) > 0
    train_index, valid_index = train_index[answered[train_index]], valid_index[answered[valid_index]]
    if not len(train_index):
        raise PqlError("no_examples", "no training example has an item to learn from", hint="Widen the window.")
    neighbors = tuple(problem.neighbors[: min(problem.hops, plan.layers)])
    encoders = fit_encoders(graph, problem.cut, problem.masked)
    readers = bind_readers(encoders, graph)
    train_index = spread_over(train_index, min(plan.max_examples, MAX_WORK // 3))
    valid_index = spread_over(valid_index, VALID_LIMIT)
    known, answers = problem.inputs.take(train_index), positives.take(train_index)
    scaler = fit_features(known.features, known.lags)
    features = scaler.encode(known.features, known.lags)
    vocabulary = _vocabulary(items, answers)
    probe = spread_over(train_index, PROBE)
    unit = typical_age(sample(graph, seeds.rows[probe], seeds.seen[probe], neighbors))
    epochs = max(1, min(plan.epochs, max(3, MAX_WORK // len(train_index))))
    schedule = schedule_of(epochs, len(train_index), plan.seed)
    with computing(plan.seed):
        spec = describe(graph, encoders, hidden=plan.hidden, layers=plan.layers, unit=unit)
        history = history_width(graph, items.table)
        module = TowerModule(spec, items.table, features=scaler.width, own=len(vocabulary), history=history)
        fitted = FittedTowers(encoders, scaler, module, neighbors, vocabulary, items.table, horizon, 1)
        view = fitted.view(graph, items)
        drawing = Sampler(items.birth, np.random.default_rng(plan.seed + 1))
        share = np.bincount(answers.values, minlength=len(items)) / max(1, len(answers))

        def loss(index: NDArray[np.int64]) -> Tensor:
            batch, part = known.seeds.take(index), answers.take(index)
            anchor = int(batch.anchors[0])
            codes, chance = drawing.draw(anchor, np.unique(part.values))
            chances = np.ones(len(codes)) if chance == 1.0 else 1 - (1 - chance) * _unseen(share[codes], len(index))
            trees = sample(graph, batch.rows, batch.seen, neighbors)
            root = module.network(collate(trees, readers))
            met = view.met(trees)
            together = np.union1d(codes, met.items)
            items_now = module.items(*view.read(together, anchor))
            place = torch.from_numpy(np.searchsorted(together, met.items))
            vectors = module.entities(root, torch.from_numpy(features[index]), met, items_now, place)
            logits = vectors @ items_now[torch.from_numpy(np.searchsorted(together, codes))].T
            return softmax_loss(logits, part, codes, chances.astype(np.float32))

        def evaluate() -> float:
            return softmax_score(fitted, problem.inputs.take(valid_index), items, positives.take(valid_index))

        outcome = train(
            module,
            schedule,
            len(train_index),
            loss,
            problem.events,
            evaluate=evaluate if len(valid_index) and rounds is None else None,
            rounds=rounds,
            groups=known.seeds.anchors,
            name="two_tower",
        )
    return replace(fitted, rounds=outcome.rounds, scores=outcome.scores)


def _unseen(share: NDArray[np.float64], batch: int) -> NDArray[np.float64]:
    """The chance that none of a batch's examples has the item among its answers."""
    return (1.0 - np.minimum(share, 1.0)) ** batch


def softmax_score(fitted: FittedTowers, inputs: Inputs, items: Items, positives: Ragged) -> float:
    """The mean cross-entropy of the answers over all items born at each seed's anchor; smaller is better."""
    entities = fitted.embed_entities(inputs, items)
    total, n = 0.0, 0
    for anchor in np.unique(inputs.seeds.anchors).tolist():
        born = np.flatnonzero(items.birth <= anchor)
        vectors = torch.from_numpy(fitted.embed_items(inputs.graph, items, born, anchor))
        index = np.flatnonzero(inputs.seeds.anchors == anchor)
        with computing(0):
            for i in range(0, len(index), 256):
                some = index[i : i + 256]
                logits = torch.from_numpy(entities[some]) @ vectors.T
                one = softmax_loss(logits, positives.take(some), born, np.ones(len(born), np.float32))
                total, n = total + float(one) * len(some), n + len(some)
    return total / max(1, n)


def nearest(
    entities: NDArray[np.float32], items: NDArray[np.float32], k: int, *, block: int = 512
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k items of highest dot product for each entity, best first: positions int64[n, k] and scores float32[n, k].

    Ties go to the lower position; k is cut to the number of items.
    """
    k = min(k, len(items))
    places, scores = np.zeros((len(entities), k), np.int64), np.zeros((len(entities), k), np.float32)
    for i in range(0, len(entities), block):
        logits = entities[i : i + block] @ items.T
        some = np.sort(np.argpartition(-logits, k - 1, axis=1)[:, :k], axis=1) if k else places[i : i + block]
        found = np.take_along_axis(logits, some, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        places[i : i + block] = np.take_along_axis(some, order, axis=1)
        scores[i : i + block] = np.take_along_axis(found, order, axis=1)
    return places, scores
