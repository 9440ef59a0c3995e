"""How the `gnn` model learns: a network over the seed's features first, then one over its neighbours.

The first costs little. Then, with that held fast, the heterogeneous temporal network over sampled neighbours learns
what the features leave unsaid; it is measured after every WATCH examples, and is left out where it betters nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.encode import bind_readers, fit_encoders
from pql.engine.graph.sample import typical_age
from pql.engine.graph.seed_batches import spread_over
from pql.engine.graph.seeds import Examples
from pql.engine.models.base import Inputs, Problem

if TYPE_CHECKING:
    from pql.engine.models.gnn import FittedGnn
    from pql.engine.nn.module import GnnModule

WORK = 90_000  # nodes visited per second of budget, all epochs together (hidden 64)
VISITS = 300_000  # examples the network over features sees, all epochs together, where LEAST and MOST epochs allow
LEAST_EPOCHS, MOST_EPOCHS = 4, 20
HELD = range(3_000, VISITS // MOST_EPOCHS + 1)  # so many examples are all seen often, and in many steps: hold back by
HELD_RATE, HELD_BLIND = 1e-3, 0.3  # smaller steps, and a share of the features hidden at each
MIN_EPOCHS = 3
WATCH = 20_000  # examples after which the network over neighbours is measured
FEWEST_STEPS = 30  # of learning, before it is given up
GAIN = 1e-3  # share of the loss it must better, to stay
PROBE = 2_000  # seeds sampled to learn the size of a tree

NOTHING_ADDED = "gnn: neighbours add nothing to the as-of features on validation, so it answers from the features."


@dataclass(frozen=True, slots=True)
class NetworkParts:
    """What a network is made of: everything, save in ablations.

    `features`: the seed's as-of features and lags. `graph`: the sampled neighbours. `ages`: how long before the
    anchor things happened. `counts`: how many neighbours there are beside their mean. `staged`: the network over
    neighbours learns after that over features, and only stays if it betters it; otherwise both learn at once.
    """

    features: bool = True
    graph: bool = True
    ages: bool = True
    counts: bool = True
    staged: bool = True


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learnt from and watched: examples with their encoded features. `rounds`: epochs fixed beforehand."""

    problem: Problem
    learn: Examples
    known: Inputs
    features: NDArray[np.float32]
    check: Examples
    watched: Inputs
    seen: NDArray[np.float32]
    rounds: int | None

    @property
    def watching(self) -> bool:
        return self.rounds is None and len(self.check) > 0

    def take(self, limit: int) -> Lesson:
        """At most `limit` of the examples to learn from, evenly spaced."""
        some = spread_over(np.arange(len(self.learn)), limit)
        return replace(self, learn=self.learn.take(some), known=self.known.take(some), features=self.features[some])

    def score(self, fitted: FittedGnn) -> float:
        """The loss on what is watched, smaller is better."""
        from pql.engine.nn.losses import decode, score_of

        said = decode(fitted.target, fitted.outputs(self.watched, self.seen))
        return score_of(fitted.target, said, self.check.labels)


def lesson_of(
    fitted: FittedGnn, problem: Problem, train: NDArray[np.int64], valid: NDArray[np.int64], rounds: int | None
) -> Lesson:
    """The examples `train` and `valid` of a problem, as this network reads them."""
    known, watched = problem.inputs.take(train), problem.inputs.take(valid)
    learn, check = problem.examples.take(train), problem.examples.take(valid)
    return Lesson(problem, learn, known, fitted.encode(known), check, watched, fitted.encode(watched), rounds)


def hold_back(module: GnnModule, n: int) -> None:
    """Hide a share of the features from every step of training where n examples would be learnt by heart."""
    if module.seed is not None:
        module.seed.blind = HELD_BLIND if n in HELD else 0.0


def learn_features(fitted: FittedGnn, lesson: Lesson) -> FittedGnn:
    """Train the network over features alone."""
    from pql.engine.nn.loop import schedule_of
    from pql.engine.nn.loop import train as run_training
    from pql.engine.nn.losses import encode_labels, loss_of

    target, module, plan = fitted.target, fitted.module, lesson.problem.plan
    n = len(lesson.learn)
    epochs = min(plan.epochs, max(LEAST_EPOCHS, min(MOST_EPOCHS, VISITS // n)))
    schedule = schedule_of(epochs, n, plan.seed)
    if n in HELD:
        schedule = replace(schedule, rate=HELD_RATE)
    hold_back(module, n)

    def loss(index: NDArray[np.int64]) -> Any:
        labels = encode_labels(target, lesson.learn.labels, index)
        return loss_of(target, module.of_features(lesson.features[index]), labels)

    outcome = run_training(
        module,
        schedule,
        n,
        loss,
        lesson.problem.events,
        evaluate=(lambda: lesson.score(fitted)) if lesson.watching else None,
        rounds=lesson.rounds,
    )
    return replace(fitted, rounds=outcome.rounds, scores=outcome.scores)


def learn_neighbors(before: FittedGnn, lesson: Lesson, parts: NetworkParts) -> FittedGnn:
    """Train the network over neighbours on what the features leave unsaid; drop it where it betters nothing.

    Without features, or not `staged`, it learns from the labels as they are, and stays.
    """
    import torch

    from pql.engine.nn.hetero import describe
    from pql.engine.nn.loop import schedule_of
    from pql.engine.nn.loop import train as run_training
    from pql.engine.nn.losses import encode_labels, loss_of

    problem, target, module = lesson.problem, before.target, before.module
    plan, graph = problem.plan, problem.inputs.graph
    staged = parts.staged and module.seed is not None
    encoders = fit_encoders(graph, problem.cut, problem.masked)
    fitted = replace(before, encoders=encoders, neighbors=tuple(problem.neighbors[: min(problem.hops, plan.layers)]))
    readers = bind_readers(encoders, graph)
    probe = spread_over(np.arange(len(lesson.learn)), PROBE)
    trees = fitted.trees(lesson.known, probe)
    visited = sum(len(block) for block in trees.blocks) / len(probe) + 8
    work = plan.budget_seconds * WORK * 64 / max(plan.hidden, 16) / visited
    lesson = lesson.take(int(max(work / MIN_EPOCHS, 512)))
    n = len(lesson.learn)
    epochs = max(1, min(plan.epochs, MOST_EPOCHS, max(MIN_EPOCHS, int(min(work, VISITS) / n))))
    schedule = schedule_of(epochs, n, plan.seed)
    if staged:  # an epoch is then what it is watched after
        visit = min(n, WATCH)
        patience = max(1, -(-FEWEST_STEPS * schedule.batch // visit))
        schedule = replace(schedule, epochs=max(1, round(epochs * n / visit)), patience=patience)
    spec = describe(
        graph,
        encoders,
        hidden=plan.hidden,
        layers=plan.layers,
        unit=typical_age(trees),
        ages=parts.ages,
        counts=parts.counts,
    )
    beat = (1 - GAIN) * lesson.score(before) if staged and lesson.watching else None
    said = torch.from_numpy(before.outputs(lesson.known, lesson.features)) if staged else None
    module.attach(spec, torch.zeros(target.outputs) if module.seed is not None else torch.tensor(list(target.prior)))
    if module.seed is not None:
        module.seed.requires_grad_(not staged)

    def loss(index: NDArray[np.int64]) -> Any:
        own = module.of_features(lesson.features[index]) if said is None else said[torch.from_numpy(index)]
        out = own + module.of_trees(fitted.trees(lesson.known, index), readers)
        return loss_of(target, out, encode_labels(target, lesson.learn.labels, index))

    outcome = run_training(
        module,
        schedule,
        n,
        loss,
        problem.events,
        evaluate=(lambda: lesson.score(fitted)) if lesson.watching else None,
        rounds=lesson.rounds,
        beat=beat,
        visit=WATCH if staged else None,
    )
    if module.seed is not None:
        module.seed.requires_grad_()
    if not outcome.rounds:
        module.detach()
        return replace(before, scores=(*before.scores, *outcome.scores), notes=(NOTHING_ADDED,))
    if staged:
        return replace(fitted, scores=(*before.scores, *outcome.scores))
    return replace(fitted, rounds=outcome.rounds, scores=outcome.scores)
