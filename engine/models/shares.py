"""Entity shares: how often each class came in the entity's own past, the latest rows weighing more, drawn to the usual
shares. With many classes it is most of what can be known of one entity: trees see too few examples of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.features.past import Past
from pql.engine.graph.seed_batches import spread_over
from pql.engine.models.base import Inputs, Problem, State

KEEPS = (1.0, 0.97, 0.9, 0.75, 0.5)  # what a row's weight keeps with each later row
DOUBTS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # rows' worth of the usual shares
LATEST = 200  # rows of an entity that count
BLOCK = 4_000_000  # numbers held at a time
FITTED_CELLS = 1_000_000  # examples times classes that weight and doubt are chosen on

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SharesFitted:
    """`base` float64[k]: the usual shares. `classes`: what the k classes are, as text. `keep`, `doubt`: see above."""

    base: Floats
    classes: tuple[str, ...]
    keep: float
    doubt: float
    kind: str = "multiclass"
    name: str = "entity_shares"

    def predict(self, inputs: Inputs) -> Floats:
        """float64[n, k]: the shares; the usual ones of an entity without a past."""
        if inputs.past is None or not self.classes:
            return np.tile(self.base, (len(inputs), 1))
        return _drawn(counts(inputs.past, self.classes, self.keep), self.base, self.doubt)

    def state(self) -> State:
        return {"base": self.base, "classes": list(self.classes), "keep": self.keep, "doubt": self.doubt}


@dataclass(frozen=True, slots=True)
class SharesModel:
    name: str = "entity_shares"
    tasks: frozenset[str] = frozenset({"multiclass"})

    def fit(
        self, problem: Problem, train: NDArray[np.int64], valid: NDArray[np.int64], rounds: int | None = None
    ) -> SharesFitted:
        """Fit on `train`, by the log loss of its labels given what came before; `valid` is not needed."""
        k = max(1, problem.classes)
        labels = np.asarray(problem.examples.labels)[train].astype(np.int64)
        tally = np.bincount(labels, minlength=k).astype(np.float64)
        base = (tally + 1.0 / k) / (tally.sum() + 1.0)
        past = problem.inputs.past
        if past is None or not len(train) or not problem.vocabulary:
            return SharesFitted(base, problem.vocabulary, 1.0, 1.0)
        some = spread_over(np.arange(len(train)), max(500, FITTED_CELLS // k))
        behind, truth = past.take(train[some]), labels[some]
        best, least = (1.0, 1.0), np.inf
        for keep in KEEPS:
            counted = counts(behind, problem.vocabulary, keep)
            total, hit = counted.sum(axis=1), counted[np.arange(len(truth)), truth]
            for doubt in DOUBTS:
                loss = -float(np.mean(np.log((hit + doubt * base[truth]) / (total + doubt))))
                if loss < least:
                    best, least = (keep, doubt), loss
        return SharesFitted(base, problem.vocabulary, *best)

    def restore(self, state: State) -> SharesFitted:
        base = np.asarray(state["base"], dtype=np.float64)
        return SharesFitted(base, tuple(state["classes"]), float(state["keep"]), float(state["doubt"]))


def counts(past: Past, classes: tuple[str, ...], keep: float) -> Floats:
    """float64[n, k]: how often each class lies behind each seed, `keep` ** the number of later rows each time."""
    k, facts = len(classes), past.facts
    found = np.zeros((len(past), k))
    if facts.kinds is None or facts.words is None or past.until is None or not k:
        return found
    place = pc.fill_null(pc.index_in(facts.words, value_set=pa.array(classes, pa.string())), -1)
    of_word = np.append(place.to_numpy(zero_copy_only=False).astype(np.int64), -1)  # the last one answers for NULL
    step = max(1, BLOCK // max(LATEST, k))
    for begin in range(0, len(past), step):
        until = past.until[begin : begin + step]
        number = np.minimum(past.rows[begin : begin + step], LATEST)
        owner = np.repeat(np.arange(len(until)), number)
        back = np.arange(len(owner)) - np.repeat(np.cumsum(number) - number, number)  # 0 for the latest row
        kind = of_word[facts.kinds[until[owner] - 1 - back]]
        known = kind >= 0
        cells = np.bincount(owner[known] * k + kind[known], keep ** back[known], minlength=len(until) * k)
        found[begin : begin + step] = cells.reshape(len(until), k)
    return found


def _drawn(counted: Floats, base: Floats, doubt: float) -> Floats:
    return (counted + doubt * base) / (counted.sum(axis=1, keepdims=True) + doubt)
