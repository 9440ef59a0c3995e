"""The graph network as a model: fit a problem, predict seeds, keep and restore its state. torch loads when used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.encode import Encoders, bind_readers, fit_encoders
from pql.engine.models.base import Inputs, Problem, State
from pql.engine.sample import elapsed, sample
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.engine.nn.losses import Target
    from pql.engine.nn.module import GnnModule
    from pql.engine.nn.seed_features import FeatureScaler

WORK = 90_000  # nodes visited per second of budget, all epochs together (hidden 64)
MIN_EPOCHS = 3
REFIT_RATE = 5e-4
REFIT_EXAMPLES = 30_000  # what the refit learns on from, evenly spread over all anchors
PROBE = 2_000  # seeds sampled to learn the size of a tree
PREDICT_BATCH = 2_048
VALID_LIMIT = 20_000


def spread_over(index: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """At most `limit` of the positions, evenly spaced."""
    if len(index) <= limit:
        return index
    return index[np.linspace(0, len(index) - 1, limit).astype(np.int64)]


def chunks_of_one_anchor(anchors: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Positions in chunks of at most `size`, each of one anchor, anchors ascending."""
    order = np.argsort(anchors, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(anchors[order])) + 1) if len(order) else []
    return [group[i : i + size] for group in groups for i in range(0, len(group), size)]


def chunks_by_anchor(anchors: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Positions in chunks of at most `size`, in the order of their anchors. Where anchors are few, a chunk holds one
    anchor only, so that what is known later cannot even change the shape of the batch its seeds are computed in.
    """
    if len(np.unique(anchors)) < 64 + len(anchors) // 64:
        return chunks_of_one_anchor(anchors, size)
    order = np.argsort(anchors, kind="stable")
    return [order[i : i + size] for i in range(0, len(order), size)]


@dataclass(frozen=True, slots=True)
class FittedGnn:
    """A trained network with all it needs to read a graph."""

    encoders: Encoders
    scaler: FeatureScaler
    target: Target
    module: GnnModule
    neighbors: tuple[int, ...]
    rounds: int
    scores: tuple[float, ...] = ()
    name: str = "gnn"

    def predict(self, inputs: Inputs) -> NDArray[np.float64]:
        """float64[n] or float64[n, classes]; never NaN."""
        from pql.engine.nn.losses import decode

        return decode(self.target, self._outputs(inputs, roots=False))

    def embed(self, inputs: Inputs) -> NDArray[np.float32]:
        """The representation of each seed before the head, float32[n, hidden]."""
        return self._outputs(inputs, roots=True)

    def _outputs(self, inputs: Inputs, *, roots: bool) -> NDArray[np.float32]:
        from pql.engine.nn.loop import computing
        from pql.engine.nn.module import run

        readers = bind_readers(self.encoders, inputs.graph)
        features = self.scaler.encode(inputs.features, inputs.lags)
        width = self.module.network.spec.hidden if roots else self.target.outputs
        out = np.zeros((len(inputs), width), np.float32)
        with computing(0):
            for index in chunks_by_anchor(inputs.seeds.anchors, PREDICT_BATCH):
                seeds = inputs.seeds.take(index)
                trees = sample(inputs.graph, seeds.rows, seeds.seen, self.neighbors)
                out[index] = run(self.module, trees, readers, features[index], roots=roots)
        return out

    @property
    def again(self) -> ContinuedGnn:
        """The model that learns on from these weights, once through all examples: the refit."""
        return ContinuedGnn(self)

    def state(self) -> State:
        """JSON under `config`, every weight as an array under its name."""
        weights = {f"weight.{name}": value.detach().numpy().copy() for name, value in self.module.state_dict().items()}
        config: dict[str, Any] = {
            "encoders": self.encoders.to_json(),
            "scaler": self.scaler.to_json(),
            "target": self.target.to_json(),
            "network": self.module.network.spec.to_json(),
            "neighbors": list(self.neighbors),
            "rounds": self.rounds,
            "scores": list(self.scores),
        }
        return {"config": config, **weights}


class Gnn:
    """The heterogeneous temporal graph network with the seed's as-of features joined at its head."""

    name = "gnn"
    tasks = frozenset({"binary", "regression", "forecast", "multiclass", "multilabel"})

    def fit(
        self,
        problem: Problem,
        train: NDArray[np.int64],
        valid: NDArray[np.int64],
        rounds: int | None = None,
    ) -> FittedGnn:
        """Train on the examples `train`, stop on `valid`; or run `rounds` epochs when given.

        PqlError `no_examples` without training examples.
        """
        from pql.engine.nn.hetero import describe
        from pql.engine.nn.loop import computing, schedule_of
        from pql.engine.nn.loop import train as run_training
        from pql.engine.nn.losses import encode_labels, fit_target, loss_of, score_of
        from pql.engine.nn.module import GnnModule, outputs_of
        from pql.engine.nn.seed_features import fit_features

        if not len(train):
            raise PqlError("no_examples", "there is no training example", hint="Widen the window or the filter.")
        plan, inputs, graph = problem.plan, problem.inputs, problem.inputs.graph
        neighbors = tuple(problem.neighbors[: min(problem.hops, plan.layers)])
        encoders = fit_encoders(graph, problem.cut, problem.masked)
        readers = bind_readers(encoders, graph)
        seeds = inputs.seeds
        probe = spread_over(train, PROBE)
        trees = sample(graph, seeds.rows[probe], seeds.seen[probe], neighbors)
        visited = sum(len(block) for block in trees.blocks) / len(probe) + 8
        work = plan.budget_seconds * WORK * 64 / max(plan.hidden, 16) / visited
        train = spread_over(train, int(min(plan.max_examples, max(work / MIN_EPOCHS, 512))))
        epochs = max(1, min(plan.epochs, max(MIN_EPOCHS, int(work / len(train)))))
        schedule = schedule_of(epochs, len(train), plan.seed)
        learn, check = problem.examples.take(train), problem.examples.take(spread_over(valid, VALID_LIMIT))
        target = fit_target(problem.task.kind, learn.labels, problem.classes)
        watched = inputs.take(spread_over(valid, VALID_LIMIT))
        known = inputs.take(train)
        scaler = fit_features(known.features, known.lags)
        features = scaler.encode(known.features, known.lags)
        with computing(plan.seed):
            spec = describe(graph, encoders, hidden=plan.hidden, layers=plan.layers, unit=typical_age(trees))
            module = GnnModule(spec, scaler.width, target.outputs, dropout=0.1, prior=target.prior)
            fitted = FittedGnn(encoders, scaler, target, module, neighbors, 1)

            def loss(index: NDArray[np.int64]) -> Any:
                batch = known.seeds.take(index)
                drawn = sample(graph, batch.rows, batch.seen, neighbors)
                out = outputs_of(module, drawn, readers, features[index])
                return loss_of(target, out, encode_labels(target, learn.labels, index))

            def evaluate() -> float:
                return score_of(target, fitted.predict(watched), check.labels)

            outcome = run_training(
                module,
                schedule,
                len(train),
                loss,
                problem.events,
                evaluate=evaluate if len(valid) and rounds is None else None,
                rounds=rounds,
            )
        return replace(fitted, rounds=outcome.rounds, scores=outcome.scores)

    def restore(self, state: State) -> FittedGnn:
        """The fitted model of a `FittedGnn.state`, with the same predictions bit for bit."""
        return restored(state)


class ContinuedGnn:
    """The refit of a network: it keeps encoders and scales, and learns on from the weights at a small rate."""

    name = "gnn"
    tasks = Gnn.tasks

    def __init__(self, start: FittedGnn) -> None:
        self.start = start

    def fit(
        self,
        problem: Problem,
        train: NDArray[np.int64],
        valid: NDArray[np.int64],
        rounds: int | None = None,
    ) -> FittedGnn:
        """One epoch over the examples `train`, thinned to REFIT_EXAMPLES; `valid` and `rounds` don't matter."""
        from pql.engine.nn.loop import computing, schedule_of
        from pql.engine.nn.loop import train as run_training
        from pql.engine.nn.losses import encode_labels, loss_of
        from pql.engine.nn.module import outputs_of

        train = spread_over(train, min(problem.plan.max_examples, REFIT_EXAMPLES))
        learn, known = problem.examples.take(train), problem.inputs.take(train)
        with computing(problem.plan.seed):
            fitted = restored(self.start.state())
            readers = bind_readers(fitted.encoders, problem.inputs.graph)
            features = fitted.scaler.encode(known.features, known.lags)

            def loss(index: NDArray[np.int64]) -> Any:
                batch = known.seeds.take(index)
                drawn = sample(problem.inputs.graph, batch.rows, batch.seen, fitted.neighbors)
                out = outputs_of(fitted.module, drawn, readers, features[index])
                return loss_of(fitted.target, out, encode_labels(fitted.target, learn.labels, index))

            schedule = replace(schedule_of(1, len(train), problem.plan.seed), rate=REFIT_RATE)
            run_training(fitted.module, schedule, len(train), loss, problem.events, rounds=1)
        return fitted

    def restore(self, state: State) -> FittedGnn:
        return restored(state)


def restored(state: State) -> FittedGnn:
    """The fitted model of a `FittedGnn.state`, with the same predictions bit for bit."""
    import torch

    from pql.engine.nn.hetero import NetworkSpec
    from pql.engine.nn.losses import Target
    from pql.engine.nn.module import GnnModule
    from pql.engine.nn.seed_features import FeatureScaler

    config = state["config"]
    encoders = Encoders.from_json(config["encoders"])
    scaler = FeatureScaler.from_json(config["scaler"])
    target = Target.from_json(config["target"])
    with torch.random.fork_rng(devices=[]):
        spec = NetworkSpec.from_json(config["network"])
        module = GnnModule(spec, scaler.width, target.outputs, dropout=0.1, prior=target.prior)
    weights = {
        name.removeprefix("weight."): torch.from_numpy(np.array(value))
        for name, value in state.items()
        if name.startswith("weight.")
    }
    module.load_state_dict(weights)
    module.eval()
    neighbors = tuple(int(k) for k in config["neighbors"])
    return FittedGnn(encoders, scaler, target, module, neighbors, config["rounds"], tuple(config["scores"]))


def typical_age(trees: Any) -> float:
    """The median age in days of what the seeds' first hop reaches, at least a second; 30 where nothing has a time."""
    ages = [elapsed(trees.anchors[block.seeds], block.times) for block in trees.blocks if block.depth == 1]
    days = np.concatenate(ages) if ages else np.zeros(0, np.float32)
    days = days[np.isfinite(days)]
    return max(float(np.median(days)), 1 / 86_400) if len(days) else 30.0
