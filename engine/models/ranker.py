"""The boosted ranker: LightGBM over pair features, by log loss, or by lambdarank where validation prefers it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pql.engine.events import Events
from pql.engine.graph.seeds import Ragged
from pql.engine.models.base import State
from pql.engine.models.trees import worthwhile_threads
from pql.engine.pairs.pair_features import PairFeatures
from pql.engine.pairs.rank_rules import Cap
from pql.engine.quality.rank_metrics import average_precision
from pql.language.errors import PqlError

OBJECTIVES = ("binary", "lambdarank")
MAX_ROUNDS = 150
LEAST_ROUNDS = 50  # looks before this only tell noise
_EVERY = 25
_PATIENCE = 2  # looks without a gain
_DEFAULT_ROUNDS = 100


LEAVES, FEW_LEAVES = 31, 7
BIN_ROWS = 50_000  # pairs that the bins of the features are made from
PLENTY = 40_000  # pairs; of fewer, whose items come again and again, large trees learn the items by heart


@dataclass(frozen=True, slots=True)
class RankerRows:
    """Training pairs: `values` float32[r, f], `labels` int8[r] (1: true), `groups` int64[g] rows per example."""

    values: NDArray[np.float32]
    labels: NDArray[np.int8]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def columns(self, places: NDArray[np.int64]) -> RankerRows:
        """The same pairs with some of the features."""
        return RankerRows(_at_columns(self.values, places), self.labels, self.groups)

    @staticmethod
    def together(parts: list[RankerRows]) -> RankerRows:
        return RankerRows(
            np.concatenate([p.values for p in parts]),
            np.concatenate([p.labels for p in parts]),
            np.concatenate([p.groups for p in parts]),
        )

    def at_most(self, rows: int) -> RankerRows:
        """These pairs, or those of evenly spread examples, about `rows` of them."""
        if len(self) <= rows:
            return self
        starts = np.concatenate([[0], np.cumsum(self.groups)])
        kept = np.linspace(0, len(self.groups) - 1, max(1, len(self.groups) * rows // len(self))).astype(np.int64)
        sizes = self.groups[kept]
        index = np.repeat(starts[kept] - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(sizes.sum())
        return RankerRows(self.values[index], self.labels[index], sizes)


@dataclass(frozen=True, slots=True)
class RankerCheck:
    """All candidates of the validation examples: features, `owner` int64[c], `items` int64[c], their truth, and k.

    The features stand in `parts`, one after the other; `places`: the columns that are read (all, if None). `cap`: AT
    MOST for these candidates.
    """

    parts: tuple[NDArray[np.float32], ...]
    owner: NDArray[np.int64]
    items: NDArray[np.int64]
    truth: Ragged
    k: int
    cap: Cap | None = None
    places: NDArray[np.int64] | None = None

    def columns(self, places: NDArray[np.int64]) -> RankerCheck:
        """The same candidates with some of the features."""
        return replace(self, places=places)

    def margin(self, predict: Callable[[NDArray[np.float32]], Any]) -> NDArray[np.float64]:
        """float64[c]: what `predict` says of the features, part by part."""
        read = (part if self.places is None else _at_columns(part, self.places) for part in self.parts)
        return np.concatenate([np.asarray(predict(part), dtype=np.float64) for part in read])

    def map(self, score: NDArray[np.float64]) -> float:
        """MAP@k of the candidates ordered by `score`; 0 if no example has a true item."""
        ranked = top_lists(self.owner, self.items, score, len(self.truth), self.k, self.cap)
        precision = average_precision(ranked, self.truth, self.k)
        known = ~np.isnan(precision)
        return float(precision[known].mean()) if known.any() else 0.0


def _at_columns(values: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    """`values[:, places]`, without a copy where that is all of it."""
    whole = len(places) == values.shape[1] and (places == np.arange(len(places))).all()
    return values if whole else values[:, places]


class PairScorer(Protocol):
    """What scores pairs by their features: trees or a network."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def score(self, features: PairFeatures, threads: int = 1) -> NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True)
class Ranker:
    """A fitted ranker. `text` is LightGBM's own; `importance` (feature, share of the gain), largest first."""

    objective: str
    rounds: int
    names: tuple[str, ...]
    text: str
    importance: tuple[tuple[str, float], ...]

    def score(self, features: PairFeatures, threads: int = 1) -> NDArray[np.float64]:
        """float64[c], higher is better; only comparable within one example."""
        if not len(features.values):
            return np.zeros(0)
        from lightgbm import Booster

        booster = Booster(model_str=self.text)
        values = _at_columns(features.values, columns_of(features.names, self.names))
        return np.asarray(booster.predict(values, raw_score=True, num_threads=threads), dtype=np.float64)

    def state(self) -> State:
        """Text and JSON values only."""
        return {
            "objective": self.objective,
            "rounds": self.rounds,
            "names": list(self.names),
            "text": self.text,
            "importance": [list(pair) for pair in self.importance],
        }

    @classmethod
    def restore(cls, state: State) -> Ranker:
        return cls(
            str(state["objective"]),
            int(state["rounds"]),
            tuple(state["names"]),
            str(state["text"]),
            tuple((name, float(share)) for name, share in state["importance"]),
        )


def columns_of(names: tuple[str, ...], wanted: tuple[str, ...]) -> NDArray[np.int64]:
    """int64[len(wanted)]: where each wanted feature stands. PqlError `model_mismatch` if one is missing."""
    missing = set(wanted) - set(names)
    if missing:
        raise PqlError(
            "model_mismatch",
            f"The data has no {', '.join(sorted(missing))}, which the ranker was trained on.",
            hint="Train again, e.g. by CREATE OR REPLACE MODEL.",
        )
    return np.array([names.index(name) for name in wanted], dtype=np.int64)


def fit_ranker(
    rows: RankerRows,
    names: tuple[str, ...],
    check: RankerCheck | None,
    *,
    seed: int,
    threads: int,
    events: Events,
    objective: str | None = None,
    rounds: int | None = None,
) -> Ranker:
    """Fit on `rows`. With `check`, stop each objective on its MAP, keep the better; else `objective` for `rounds`."""
    objectives = (objective,) if objective else OBJECTIVES if check is not None else OBJECTIVES[:1]
    best: tuple[float, Ranker] | None = None
    for which in objectives:
        with events.patient():
            value, ranker = _fit(rows, names, check, which, rounds, seed, threads, events)
        if best is None or value > best[0]:
            best = (value, ranker)
        if events.stopped:
            break
    assert best is not None
    return best[1]


def top_lists(
    owner: NDArray[np.int64],
    items: NDArray[np.int64],
    score: NDArray[np.float64],
    n: int,
    k: int,
    cap: Cap | None = None,
) -> NDArray[np.int64]:
    """int64[n, k]: the k best items of every owner, best first, ties by place; -1 where fewer. Owners ascend.

    With a cap, an item whose group is full already is passed over.
    """
    if cap is not None:
        kept = within_cap(owner, score, cap)
        owner, items, score = owner[kept], items[kept], score[kept]
    sizes = np.bincount(owner, minlength=n)
    width = max(k, int(sizes.max(initial=0)))
    first = np.cumsum(sizes) - sizes
    place = np.arange(len(owner)) - first[owner]
    badness = np.full((n, width), np.inf)
    badness[owner, place] = -score
    order = np.argsort(badness, axis=1, kind="stable")[:, :k]
    here = order < sizes[:, None]
    lists = np.full((n, k), -1, dtype=np.int64)
    lists[here] = items[(first[:, None] + order)[here]]
    return lists


def within_cap(owner: NDArray[np.int64], score: NDArray[np.float64], cap: Cap) -> NDArray[np.int64]:
    """The positions, ascending, of the `cap.n` best candidates of every owner and group, ties by place."""
    order = np.lexsort((-score, cap.group, owner))
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (np.diff(owner[order]) != 0) | (np.diff(cap.group[order]) != 0)
    starts = np.flatnonzero(fresh)
    place = np.arange(len(order)) - starts[np.cumsum(fresh) - 1] if len(order) else order
    return np.sort(order[place < cap.n])


def _fit(
    rows: RankerRows,
    names: tuple[str, ...],
    check: RankerCheck | None,
    objective: str,
    rounds: int | None,
    seed: int,
    threads: int,
    events: Events,
) -> tuple[float, Ranker]:
    import lightgbm

    threads = worthwhile_threads(threads, rows.values.size)
    parameters: dict[str, Any] = {
        "objective": objective,
        "learning_rate": 0.05,
        "num_leaves": LEAVES if len(rows) >= PLENTY else FEW_LEAVES,
        "min_data_in_leaf": max(5, min(50, len(rows) // 200)),
        "max_bin": 63,
        "feature_fraction": 0.25,
        "lambda_l2": 1.0,
        "seed": seed,
        "num_threads": threads,
        "deterministic": True,
        "force_col_wise": True,
        "verbose": -1,
    }
    if objective == "lambdarank":
        parameters["lambdarank_truncation_level"] = 20
    data = lightgbm.Dataset(
        rows.values,
        rows.labels.astype(np.float32),
        group=rows.groups if objective == "lambdarank" else None,
        params={
            "max_bin": 63,
            "bin_construct_sample_cnt": BIN_ROWS,
            "verbose": -1,
            "feature_pre_filter": False,
            "num_threads": threads,
        },
    )
    booster = lightgbm.Booster(parameters, data)
    best, best_rounds = -1.0, 0
    margin = np.zeros(0 if check is None else len(check.items))
    limit = rounds or (MAX_ROUNDS if check is not None else _DEFAULT_ROUNDS)
    done = 0
    while done < limit:
        finished, start = False, done
        for _ in range(min(_EVERY, limit - done)):
            finished = booster.update()
            done += 1
            if finished or events.stopped:
                break
        events.progress("boosted", f"{objective}, {done} rounds", done / limit)
        if check is not None and rounds is None and booster.current_iteration() > start:
            newest = partial(
                booster.predict,
                raw_score=True,
                start_iteration=start,
                num_iteration=booster.current_iteration() - start,
                num_threads=threads,
            )
            margin += check.margin(newest)
            value = check.map(margin)
            if done >= min(LEAST_ROUNDS, limit) and value > best + 1e-9:
                best, best_rounds = value, done
        if finished or events.stopped or (best_rounds and done - best_rounds >= _PATIENCE * _EVERY):
            break
    kept = best_rounds or done
    gain = booster.feature_importance("gain", iteration=kept).astype(np.float64)
    total = float(gain.sum())
    order = np.argsort(-gain, kind="stable")
    importance = tuple((names[i], float(gain[i]) / total) for i in order if gain[i] > 0) if total > 0 else ()
    value = best if math.isfinite(best) else 0.0
    return value, Ranker(objective, kept, names, booster.model_to_string(num_iteration=kept), importance)
