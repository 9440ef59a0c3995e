"""Gradient-boosted trees (LightGBM) on the as-of relational features: the honest rival of the network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seed_batches import spread_over
from pql.engine.graph.seeds import Labels, Ragged
from pql.engine.models.base import Inputs, Problem, State
from pql.engine.models.tails import Floats, from_log, is_heavy, lag_start, to_log
from pql.engine.models.trees import Data, model_matrix, telling_names

MOST_LABELS = 64  # labels of a multilabel task that get trees of their own; rarer ones get their rate
MULTI_CELLS = 240_000  # rows times outputs that trees with several outputs are fitted on
FEWEST_MULTI_ROWS = 5_000
SMALL_TREES = {"num_leaves": 7, "learning_rate": 0.15}  # where there are many of them
FEW_ROWS = 25_000  # up to so many, several copies that differ by their seed are averaged
COPIES = 3
SEED_STEP = 101
RACE_ROWS = 8_000  # rows on which the ways to fit are compared
START_GAIN = 0.005  # share of the error that a start from the lags must save on validation
LATEST = 0.35  # of the training rows, where the latest are learnt from alone
LATEST_GAIN = 0.005  # share of the error that this must save
CONTRIBUTED = 50  # seeds whose contributions to all classes are held at a time
HASTE = 1.6  # times the learning rate of losses by size on many rows: their steps are short, and rounds dear
MANY_MOMENTS = 50  # anchors from which on rows may be too old to learn from


@dataclass(frozen=True, slots=True)
class BoostedFitted:
    """Boosters as LightGBM's own text, one per output.

    `trees`: one text (multiclass), one or several copies whose raw scores are averaged (binary, regression), or one per
    label ("" where the label has only its rate).
    `base`: what is predicted where there are no trees (the rate, the median, or one number per class).
    `objective`: l1, l2 or log (regression), else the task's own. `from_lags`: the trees correct the weighted mean of
    the entity's earlier targets instead of a constant. `rounds`: how many rounds a refit shall run. `names`: the
    features read. `latest`: the share of the training rows, the latest ones, that was learnt from.
    """

    kind: str
    objective: str
    trees: tuple[str, ...]
    base: Floats
    names: tuple[str, ...]
    rounds: int
    importance: Floats
    from_lags: bool = False
    latest: float = 1.0
    name: str = "boosted"
    _boosters: list[Any] = field(default_factory=list, repr=False, compare=False)

    @property
    def again(self) -> BoostedModel:
        """The model with the choices of this fit, for the refit."""
        return BoostedModel(self.objective, self.from_lags, self.names, self.latest)

    def predict(self, inputs: Inputs) -> Floats:
        """float64[n], or float64[n, classes] for multiclass and multilabel; never NaN."""
        n = len(inputs)
        if not any(self.trees) or n == 0:
            return np.tile(self.base, (n, 1)) if self.kind in ("multiclass", "multilabel") else np.full(n, self.base[0])
        matrix = model_matrix(inputs.features, self.names)
        if self.kind == "multilabel":
            scores = np.tile(self.base, (n, 1))
            for i, booster in enumerate(self._load()):
                if booster is not None:
                    scores[:, i] = booster.predict(matrix, num_threads=1)
            return scores
        is_binary = self.kind == "binary"
        raw = self._mean([b.predict(matrix, num_threads=1, raw_score=is_binary) for b in self._load()])
        if is_binary:
            return 1.0 / (1.0 + np.exp(-np.clip(raw, -500.0, 500.0)))
        if self.from_lags:
            start = lag_start(inputs.lags, self.base[0])
            raw = raw + (to_log(start) if self.objective == "log" else start)
        if self.objective == "log":
            raw = from_log(raw)
        if self.kind == "multiclass":
            raw = 0.995 * raw + 0.005 * self.base
            return raw / raw.sum(axis=1, keepdims=True)
        return np.nan_to_num(raw, nan=float(self.base[0]), posinf=1e30, neginf=-1e30)

    def raw(self, inputs: Inputs) -> Floats:
        """float64[n, classes]: the raw scores of the classes (multiclass); the logarithm of `base` without trees."""
        if not any(self.trees):
            return np.tile(np.log(self.base), (len(inputs), 1))
        return np.asarray(self._load()[0].predict(model_matrix(inputs.features, self.names), raw_score=True))

    def contributions(
        self, inputs: Inputs, weights: Floats | None = None, of: NDArray[np.int64] | None = None
    ) -> Floats:
        """What each feature adds to each seed's raw score (SHAP values), float64[n, f + 1]; last what all start from.

        The raw score is the log-odds (binary), or the value or its logarithm by `objective`, less the `start`; of
        several classes the sum of theirs by `weights` float64[n, classes]; of several labels that of the label `of`
        int64[n].
        """
        out = np.zeros((len(inputs), len(self.names) + 1))
        if self.kind == "multilabel":
            assert of is not None
            for label in np.unique(of).tolist():
                at = np.flatnonzero(of == label)
                booster = self._load()[label] if any(self.trees) else None
                if booster is None:
                    rate = min(max(float(self.base[label]), 1e-12), 1 - 1e-12)
                    out[at, -1] = np.log(rate / (1 - rate))
                else:
                    matrix = model_matrix(inputs.features.take(at), self.names)
                    out[at] = booster.predict(matrix, pred_contrib=True, num_threads=1)
            return out
        if self.kind == "multiclass":
            assert weights is not None
            if not any(self.trees):
                out[:, -1] = weights @ np.log(self.base)
                return out
            for begin in range(0, len(inputs), CONTRIBUTED):
                at = np.arange(begin, min(begin + CONTRIBUTED, len(inputs)))
                matrix = model_matrix(inputs.features.take(at), self.names)
                parts = np.asarray(self._load()[0].predict(matrix, pred_contrib=True, num_threads=1))
                out[at] = np.einsum("nkf,nk->nf", parts.reshape(len(at), len(self.base), -1), weights[at])
            return out
        if not any(self.trees):
            rate = float(self.base[0])
            if self.kind == "binary":
                rate = min(max(rate, 1e-12), 1 - 1e-12)
            out[:, -1] = np.log(rate / (1 - rate)) if self.kind == "binary" else rate
            return out
        matrix = model_matrix(inputs.features, self.names)
        return self._mean([b.predict(matrix, pred_contrib=True, num_threads=1) for b in self._load()])

    def start(self, inputs: Inputs) -> Floats | None:
        """float64[n]: what the trees correct, on their scale, where that is made of earlier targets; else None."""
        if not self.from_lags or not any(self.trees):
            return None
        start = lag_start(inputs.lags, self.base[0])
        return to_log(start) if self.objective == "log" else start

    def state(self) -> State:
        return {
            "kind": self.kind,
            "objective": self.objective,
            "trees": list(self.trees),
            "base": self.base,
            "names": list(self.names),
            "rounds": self.rounds,
            "importance": self.importance,
            "from_lags": self.from_lags,
            "latest": self.latest,
        }

    @staticmethod
    def _mean(copies: list[Any]) -> Floats:
        total = np.asarray(copies[0], dtype=np.float64)
        for copy in copies[1:]:
            total = total + np.asarray(copy, dtype=np.float64)
        return total / len(copies)

    def _load(self) -> list[Any]:
        if not self._boosters:
            import lightgbm

            self._boosters.extend(lightgbm.Booster(model_str=text) if text else None for text in self.trees)
        return self._boosters


@dataclass(frozen=True, slots=True)
class BoostedModel:
    """LightGBM on the features. What is None is chosen: the loss and start of a regression and the share of the
    training rows, the latest ones, on validation; the features to read by a quick fit."""

    objective: str | None = None
    from_lags: bool | None = None
    names: tuple[str, ...] | None = None
    latest: float | None = None
    name: str = "boosted"
    tasks: frozenset[str] = frozenset({"binary", "regression", "multiclass", "multilabel", "forecast"})

    def fit(
        self,
        problem: Problem,
        train: NDArray[np.int64],
        valid: NDArray[np.int64],
        rounds: int | None = None,
    ) -> BoostedFitted:
        """Fit on `train`, stop early on `valid`; with `rounds`, run that many and look at no validation rows."""
        kind = problem.task.kind.value
        valid = valid if rounds is None else valid[:0]
        if kind in ("multiclass", "multilabel"):
            most = max(FEWEST_MULTI_ROWS, MULTI_CELLS // max(1, min(problem.classes, MOST_LABELS)))
            data = Data(problem, spread_over(train, most), spread_over(valid, most), self.names)
            return _fit_labels(data, rounds) if kind == "multilabel" else _fit_classes(data, rounds)
        names = self.names or telling_names(problem, train)
        way = _Way("binary" if kind == "binary" else self.objective or _usual(problem), bool(self.from_lags))
        way = replace(way, latest=self.latest or 1.0)
        if self.objective is None and len(valid):
            way = _race(problem, train, valid, names, way)
        data = Data(problem, _latest(problem, train, way.latest), valid, names)
        return _fit_one(data, kind, way, rounds, copies=COPIES if len(train) <= FEW_ROWS else 1)

    def restore(self, state: State) -> BoostedFitted:
        return BoostedFitted(
            state["kind"],
            state["objective"],
            tuple(state["trees"]),
            np.asarray(state["base"], dtype=np.float64),
            tuple(state["names"]),
            int(state["rounds"]),
            np.asarray(state["importance"], dtype=np.float64),
            bool(state["from_lags"]),
            float(state["latest"]),
        )


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to fit numbers or a condition (see BoostedFitted)."""

    objective: str
    from_lags: bool = False
    latest: float = 1.0


def _usual(problem: Problem) -> str:
    return "l1" if problem.task.metric == "mae" else "l2"


def _race(
    problem: Problem, train: NDArray[np.int64], valid: NDArray[np.int64], names: tuple[str, ...], usual: _Way
) -> _Way:
    """The way that errs least on validation, each tried on some of the rows."""
    kind = problem.task.kind.value
    runs, checked = spread_over(train, RACE_ROWS), spread_over(valid, RACE_ROWS)
    whole = Data(problem, runs, checked, names)
    inputs, truth = problem.inputs.take(checked), np.asarray(problem.examples.labels, dtype=np.float64)[checked]

    def error(data: Data, way: _Way) -> float:
        if len(train) > RACE_ROWS:
            data.params["learning_rate"] = 0.2
        found = _fit_one(data, kind, way, None).predict(inputs)
        if kind == "binary":
            found = np.clip(found, 1e-6, 1 - 1e-6)
            return float(-np.mean(np.where(truth > 0.5, np.log(found), np.log(1 - found))))
        miss = np.abs(found - truth)
        return float(np.mean(miss if usual.objective == "l1" else miss**2))

    best, least = usual, np.inf
    if kind != "binary":
        for from_lags in (False, True) if np.isfinite(inputs.lags).any() else (False,):
            for objective in _objectives(whole):
                way = replace(usual, objective=objective, from_lags=from_lags)
                missed = error(whole, way) * (1 + START_GAIN * from_lags)
                if missed < least:
                    best, least = way, missed
    if len(np.unique(problem.inputs.seeds.anchors[runs])) >= MANY_MOMENTS:
        if kind == "binary":
            least = error(whole, best)
        late = replace(best, latest=LATEST)
        data = Data(problem, spread_over(_latest(problem, train, LATEST), RACE_ROWS), checked, names)
        if error(data, late) * (1 + LATEST_GAIN) < least:
            best = late
    return best


def _latest(problem: Problem, rows: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """The latest of the rows, at least that share of them: those of one anchor stay together."""
    if share >= 1 or not len(rows):
        return rows
    anchors = problem.inputs.seeds.anchors[rows]
    return rows[anchors >= np.quantile(anchors, 1 - share, method="lower")]


def _fit_one(data: Data, kind: str, way: _Way, rounds: int | None, copies: int = 1) -> BoostedFitted:
    labels = np.asarray(data.problem.examples.labels, dtype=np.float64)
    known, objective = labels[data.train], way.objective
    center = 0.0 if not len(known) else float(known.mean() if objective in ("binary", "l2") else np.median(known))
    base = np.array([center])
    if not data.is_enough or known.min() == known.max():
        nothing = np.zeros(len(data.names))
        return BoostedFitted(kind, objective, (), base, data.names, 1, nothing, latest=way.latest)
    params: dict[str, Any] = {"objective": "binary", "metric": "binary_logloss"}
    if objective != "binary":
        params = {"objective": "l2" if objective == "l2" else "l1", "metric": "l1"}
        if data.problem.task.metric != "mae":
            params["metric"] = "l2"
    start = lag_start(data.problem.inputs.lags, center) if way.from_lags else np.zeros(len(labels))
    if objective in ("l1", "log") and len(known) > FEW_ROWS:
        params["learning_rate"] = HASTE * data.params["learning_rate"]
    if objective == "log":
        labels, start = to_log(labels), to_log(start)
    texts, kept, gain = [], [], np.zeros(len(data.names))
    for copy in range(copies):
        seed = data.problem.plan.seed + SEED_STEP * copy
        if copy and data.problem.events.stopped:
            break
        text, best, one = data.boost(labels, rounds, start=start if way.from_lags else None, seed=seed, **params)
        texts.append(text)
        kept.append(best)
        gain += one
    again = round(sum(kept) / len(kept))
    return BoostedFitted(kind, objective, tuple(texts), base, data.names, again, gain, way.from_lags, way.latest)


def _fit_classes(data: Data, rounds: int | None) -> BoostedFitted:
    labels = np.asarray(data.problem.examples.labels, dtype=np.float64)
    classes = max(1, data.problem.classes)
    counts = np.bincount(labels[data.train].astype(np.int64), minlength=classes).astype(np.float64)
    base = (counts + 1.0 / classes) / (counts.sum() + 1.0)
    if not data.is_enough or (counts > 0).sum() < 2:
        return BoostedFitted("multiclass", "multiclass", (), base, data.names, 1, np.zeros(len(data.names)))
    most = int(np.clip(1_500 // classes, 10, 300))
    params: dict[str, Any] = {
        "objective": "multiclass",
        "num_class": classes,
        "metric": "multi_logloss",
        "num_leaves": 7,
    }
    text, best, gain = data.boost(labels, rounds, most, **params)
    return BoostedFitted("multiclass", "multiclass", (text,), base, data.names, best, gain)


def _fit_labels(data: Data, rounds: int | None) -> BoostedFitted:
    sets = data.problem.examples.labels
    classes = max(1, data.problem.classes)
    member = membership(sets, classes, None)
    counts = member[data.train].sum(axis=0)
    base = (counts + 0.5) / (max(1, data.n) + 1.0)
    gain = np.zeros(len(data.names))
    trees = [""] * classes
    kept: list[int] = []
    usable = [c for c in np.argsort(-counts, kind="stable")[:MOST_LABELS] if 5 <= counts[c] <= data.n - 5]
    if data.is_enough:
        most = int(np.clip(1_500 // max(1, len(usable)), 20, 150))
        for c in usable:
            if data.problem.events.stopped:
                break
            params: dict[str, Any] = {"objective": "binary", "metric": "binary_logloss", **SMALL_TREES}
            trees[c], best, one = data.boost(member[:, c].astype(np.float64), rounds, most, **params)
            gain += one
            kept.append(best)
    again = int(np.median(kept)) if kept else 1
    return BoostedFitted("multilabel", "multilabel", tuple(trees), base, data.names, max(1, again), gain)


def membership(sets: Labels, classes: int, of: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """bool[n, classes]: which classes each example's set holds; `of` chooses examples."""
    if not isinstance(sets, Ragged):
        raise TypeError("multilabel labels are sets (Ragged)")
    chosen = sets if of is None else sets.take(of)
    result = np.zeros((len(chosen), classes), dtype=bool)
    rows = np.repeat(np.arange(len(chosen)), np.diff(chosen.offsets))
    result[rows, chosen.values] = True
    return result


def _objectives(data: Data) -> tuple[str, ...]:
    """The losses worth trying: the logarithm only where the labels have a heavy tail."""
    values = np.asarray(data.problem.examples.labels, dtype=np.float64)[data.train]
    if not len(values):
        return ("l1",)
    if data.problem.task.metric != "mae":
        return ("l2",)
    return ("l1", "log") if is_heavy(values) else ("l1", "l2")
