"""The graph network as a model: fit a problem, predict seeds, keep and restore its state. torch loads when used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.features.matrix import FeatureMatrix
from pql.engine.graph.encode import Encoders, bind_readers
from pql.engine.graph.sample import Sample, sample
from pql.engine.graph.seed_batches import chunks_by_anchor, spread_over
from pql.engine.models.base import Inputs, Problem, State
from pql.engine.models.gnn_lesson import NetworkParts, hold_back, learn_features, learn_neighbors, lesson_of
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.engine.graph.encode import TableReader
    from pql.engine.nn.losses import Target
    from pql.engine.nn.module import GnnModule
    from pql.engine.nn.seed_features import FeatureScaler

REFIT_RATE = 5e-4
REFIT_EXAMPLES = 30_000  # what the refit learns on from, evenly spread over all anchors
PREDICT_BATCH = 2_048
VALID_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class FittedGnn:
    """A trained network with all it needs to read a graph. `encoders` None: it reads no neighbours."""

    encoders: Encoders | None
    scaler: FeatureScaler
    target: Target
    module: GnnModule
    neighbors: tuple[int, ...]
    rounds: int
    scores: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    name: str = "gnn"

    def predict(self, inputs: Inputs) -> NDArray[np.float64]:
        """float64[n] or float64[n, classes]; never NaN."""
        from pql.engine.nn.losses import decode

        return decode(self.target, self.outputs(inputs))

    def encode(self, inputs: Inputs) -> NDArray[np.float32]:
        """float32[n, width]: the features and lags as the network reads them."""
        return self.scaler.encode(shown(self.scaler, inputs.features), inputs.lags[:, : self.scaler.lags])

    def outputs(self, inputs: Inputs, features: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """float32[n, outputs]: what the network says of the seeds, not yet decoded. `features`: theirs, encoded."""
        from pql.engine.nn.loop import computing

        readers = self.readers(inputs)
        features = self.encode(inputs) if features is None else features
        out = np.zeros((len(inputs), self.target.outputs), np.float32)
        with computing(0):
            import torch

            self.module.eval()
            with torch.no_grad():
                for index in chunks_by_anchor(inputs.seeds.anchors, PREDICT_BATCH):
                    said = self.module.of_features(features[index])
                    if readers:
                        said = said + self.module.of_trees(self.trees(inputs, index), readers)
                    out[index] = said.numpy()
        return out

    def readers(self, inputs: Inputs) -> tuple[TableReader, ...]:
        """The readers of the graph's tables; none without neighbours."""
        return () if self.encoders is None else bind_readers(self.encoders, inputs.graph)

    def trees(self, inputs: Inputs, index: NDArray[np.int64]) -> Sample:
        """The sampled neighbourhoods of some seeds."""
        seeds = inputs.seeds.take(index)
        return sample(inputs.graph, seeds.rows, seeds.seen, self.neighbors)

    @property
    def again(self) -> ContinuedGnn:
        """The model that learns on from these weights, once through all examples: the refit."""
        return ContinuedGnn(self)

    def state(self) -> State:
        """JSON under `config`, every weight as an array under its name."""
        weights = {f"weight.{name}": value.detach().numpy().copy() for name, value in self.module.state_dict().items()}
        network = self.module.network
        config: dict[str, Any] = {
            "encoders": None if self.encoders is None else self.encoders.to_json(),
            "scaler": self.scaler.to_json(),
            "target": self.target.to_json(),
            "network": None if network is None else network.spec.to_json(),
            "neighbors": list(self.neighbors),
            "rounds": self.rounds,
            "scores": list(self.scores),
        }
        return {"config": config, **weights}


def shown(scaler: FeatureScaler, features: FeatureMatrix) -> FeatureMatrix:
    """The features a scaler reads: all, or none where it was fitted on none."""
    return features if scaler.names else FeatureMatrix((), features.values[:, :0])


class Gnn:
    """The heterogeneous temporal graph network beside a network over the seed's as-of features."""

    name = "gnn"
    tasks = frozenset({"binary", "regression", "forecast", "multiclass", "multilabel"})

    def __init__(self, parts: NetworkParts | None = None) -> None:
        self.parts = parts or NetworkParts()

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
        from pql.engine.nn.loop import computing
        from pql.engine.nn.losses import fit_target
        from pql.engine.nn.module import GnnModule
        from pql.engine.nn.seed_features import fit_features

        if not len(train):
            raise PqlError("no_examples", "there is no training example", hint="Widen the window or the filter.")
        train = spread_over(train, problem.plan.max_examples)
        valid = spread_over(valid, VALID_LIMIT)
        known = problem.inputs.take(train)
        names = slice(None) if self.parts.features else slice(0)
        features = FeatureMatrix(
            known.features.names[names], known.features.values[:, names], known.features.categorical
        )
        scaler = fit_features(features, known.lags[:, names])
        target = fit_target(problem.task.kind, problem.examples.take(train).labels, problem.classes)
        with computing(problem.plan.seed):
            module = GnnModule(None, scaler.width, target.outputs, prior=target.prior)
            fitted = FittedGnn(None, scaler, target, module, (), 1)
            lesson = lesson_of(fitted, problem, train, valid, rounds)
            if scaler.width and (self.parts.staged or not self.parts.graph):
                fitted = learn_features(fitted, lesson)
            if self.parts.graph and not problem.events.stopped:
                fitted = learn_neighbors(fitted, lesson, self.parts)
        return fitted

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

        train = spread_over(train, min(problem.plan.max_examples, REFIT_EXAMPLES))
        learn, known = problem.examples.take(train), problem.inputs.take(train)
        with computing(problem.plan.seed):
            fitted = restored(self.start.state())
            readers, features, module = fitted.readers(known), fitted.encode(known), fitted.module
            hold_back(module, len(train))

            def loss(index: NDArray[np.int64]) -> Any:
                out = module.of_features(features[index])
                if readers:
                    out = out + module.of_trees(fitted.trees(known, index), readers)
                return loss_of(fitted.target, out, encode_labels(fitted.target, learn.labels, index))

            schedule = replace(schedule_of(1, len(train), problem.plan.seed), rate=REFIT_RATE)
            run_training(module, schedule, len(train), loss, problem.events, rounds=1)
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
    encoders = None if config["encoders"] is None else Encoders.from_json(config["encoders"])
    scaler = FeatureScaler.from_json(config["scaler"])
    target = Target.from_json(config["target"])
    spec = None if config["network"] is None else NetworkSpec.from_json(config["network"])
    with torch.random.fork_rng(devices=[]):
        module = GnnModule(spec, scaler.width, target.outputs, prior=target.prior)
    weights = {
        name.removeprefix("weight."): torch.from_numpy(np.array(value))
        for name, value in state.items()
        if name.startswith("weight.")
    }
    module.load_state_dict(weights)
    module.eval()
    neighbors = tuple(int(k) for k in config["neighbors"])
    return FittedGnn(encoders, scaler, target, module, neighbors, config["rounds"], tuple(config["scores"]))
