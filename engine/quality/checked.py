"""What a model said of the examples it was measured on, beside the truth: a sample that is kept with the model.

Curves and errors by part are drawn of it later, also of a model that is loaded. All of it lies at or before the
prediction anchor: windows of measured examples are complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.graph.seeds import TEST, VALID, Examples, Ragged, Seeds

MOST = 4_000  # examples
MOST_CELLS = 20_000  # of sets of labels: examples times labels
MOST_LISTED = 20  # items of a ranked list

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Checked:
    """n examples of one split, evenly spread over its `total`.

    kind: of the task, as models know it. split: test, or valid where there is no test. `keys`: the entity's key
    columns by name; `rows` int64[n] its rows in the graph of the training, until `keyed`. anchors int64[n], µs; past
    int64[n]: rows the entity had by then, empty where nobody counts. `truth` and `score` float64[n]: 0/1 and the
    probability of yes or no (of a time: of the event within the window); the numbers themselves; the class code and
    the probability of the chosen one; of sets, one row per (example, label), 0/1 and its probability; of rankings, how
    many true items there are and how many of them the list holds. `more`, float64 arrays by name: `chosen` (class
    codes), `label` (codes), `step` (from 1), `low`, `high` (bounds), `time` and `expected` (shares of the horizon),
    `curve` [n, m] (the probability of no event yet, evenly from the anchor to the horizon), `hits` and `new_hits`
    [n, k] (1 where the item at that place is true), `new_truth` (true items that the entity hadn't met).
    """

    kind: str
    split: str
    total: int
    anchors: Ints
    past: Ints
    truth: Floats
    score: Floats
    rows: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    keys: Mapping[str, pa.Array] = field(default_factory=dict)
    more: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, at: Ints) -> Checked:
        """Some of the examples."""
        return replace(
            self,
            anchors=self.anchors[at],
            past=self.past[at] if len(self.past) else self.past,
            truth=self.truth[at],
            score=self.score[at],
            rows=self.rows[at] if len(self.rows) else self.rows,
            keys={name: values.take(pa.array(at)) for name, values in self.keys.items()},
            more={name: values[at] for name, values in self.more.items()},
        )

    def keyed(self, keys: pa.Table) -> Checked:
        """With the entity's keys in place of its rows."""
        taken = keys.take(pa.array(self.rows, pa.int64()))
        columns = {name: _whole(taken.column(name)) for name in taken.column_names}
        return replace(self, keys=columns, rows=self.rows[:0])

    def state(self) -> dict[str, Any]:
        """What an artifact keeps: numpy and Arrow arrays and JSON values."""
        return {
            "kind": self.kind,
            "split": self.split,
            "total": self.total,
            "anchors": self.anchors,
            "past": self.past,
            "truth": self.truth,
            "score": self.score,
            "keys": dict(self.keys),
            "more": dict(self.more),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Checked:
        names = ("kind", "split", "total", "anchors", "past", "truth", "score", "keys", "more")
        return cls(**{name: state[name] for name in names})


def checked_sample(
    kind: str, examples: Examples, scores: Floats, past: Ints | None, bounds: Floats | None
) -> Checked | None:
    """The sample of what a model said of validation and test `examples`: `scores` as `Fitted.predict` gives them.

    `bounds` float64[n, 2]: the lower and upper bound of each. None where nothing was measured.
    """
    code = TEST if len(examples.where(TEST)) else VALID
    every = examples.where(code)
    if not len(every):
        return None
    sets = isinstance(examples.labels, Ragged)
    most = max(1, min(MOST, MOST_CELLS // max(1, scores.shape[1]))) if sets else MOST
    at = spread(every, most)
    made = _of_sets(examples.labels, scores, at) if isinstance(examples.labels, Ragged) else None
    if made is None:
        truth = np.asarray(examples.labels, dtype=np.float64)[at]
        more: dict[str, Floats] = {}
        score = np.asarray(scores[at], dtype=np.float64)
        if kind == "multiclass":
            more["chosen"] = score.argmax(axis=1).astype(np.float64)
            score = np.asarray(score.max(axis=1), dtype=np.float64)
        if examples.steps is not None:
            more["step"] = examples.steps.number[at].astype(np.float64) + 1.0
        if bounds is not None:
            more |= {"low": bounds[at, 0], "high": bounds[at, -1]}
        made = at, truth, score, more
    at, truth, score, more = made
    return _placed(kind, code, len(every), examples.seeds.take(at), past, at, truth, score, more)


def of_times(
    split: int, total: int, seeds: Seeds, times: Floats, happened: NDArray[np.bool_], curves: Floats, expected: Floats
) -> Checked:
    """The sample of times to an event, all in shares of the horizon; `curves` float64[n, m]: the probability of no
    event yet at moments from the anchor to the horizon, evenly."""
    at = spread(np.arange(len(seeds)), MOST)
    more = {"time": times[at], "expected": expected[at], "curve": curves[at]}
    truth = happened[at].astype(np.float64)
    return _placed("time_to_event", split, total, seeds.take(at), None, at, truth, 1.0 - curves[at, -1], more)


def of_lists(
    split: str, seeds: Seeds, past: Ints, hit: NDArray[np.bool_], truth: Ints, new: tuple[Floats, Ints], k: int
) -> Checked | None:
    """The sample of ranked lists: `hit` bool[n, width], `truth` int64[n] sizes, `new`: the same of items not met.

    Lists are asked for `k` long, and looked at further. None where no list has a true item.
    """
    total = int((truth > 0).sum())
    if not total:
        return None
    at = spread(np.flatnonzero(truth > 0), MOST)
    more = {"hits": hit[at].astype(np.float64), "new_hits": new[0][at].astype(np.float64)}
    more["new_truth"] = new[1][at].astype(np.float64)
    found = hit[at, :k].sum(axis=1).astype(np.float64)
    return _placed("ranking", TEST if split == "test" else VALID, total, seeds.take(at), past if len(past) else None,
                   at, truth[at].astype(np.float64), found, more)  # fmt: skip


def spread(at: Ints, most: int) -> Ints:
    """At most so many of the positions, evenly spread."""
    return at if len(at) <= most else at[np.linspace(0, len(at) - 1, most).astype(np.int64)]


def _placed(
    kind: str,
    code: int,
    total: int,
    seeds: Seeds,
    past: Ints | None,
    at: Ints,
    truth: Floats,
    score: Floats,
    more: Mapping[str, Floats],
) -> Checked:
    counted = np.zeros(0, dtype=np.int64) if past is None else past[at]
    split = "test" if code == TEST else "valid"
    return Checked(kind, split, total, seeds.anchors, counted, truth, score, seeds.rows, more=more)


def _of_sets(labels: Ragged, scores: Floats, at: Ints) -> tuple[Ints, Floats, Floats, dict[str, Floats]]:
    """One row per example and label."""
    chosen, width = labels.take(at), scores.shape[1]
    member = np.zeros((len(at), width))
    member[np.repeat(np.arange(len(at)), np.diff(chosen.offsets)), chosen.values] = 1.0
    label = np.tile(np.arange(width, dtype=np.float64), len(at))
    return np.repeat(at, width), member.ravel(), scores[at].ravel().astype(np.float64), {"label": label}


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
