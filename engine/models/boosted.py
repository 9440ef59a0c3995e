"""Gradient-boosted trees (LightGBM) on the as-of relational features: the honest rival of the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.events import Events
from pql.engine.examples import Labels, Ragged
from pql.engine.models.base import FeatureMatrix, Inputs, Problem, State
from pql.language.errors import PqlError

MOST_ROUNDS = 800
PATIENCE = 30
CELLS_PER_THREAD = 15_000_000
FEWEST_ROWS = 20  # below it a constant is fitted
MOST_LABELS = 64  # labels of a multilabel task that get trees of their own; rarer ones get their rate
MULTI_CELLS = 240_000  # rows times outputs that trees with several outputs are fitted on
FEWEST_MULTI_ROWS = 5_000
SMALL_TREES = {"num_leaves": 7, "learning_rate": 0.15}  # where there are many of them
RACE_ROWS = 8_000  # rows on which the ways to fit a regression are compared
REGRESSION_OBJECTIVES = ("l1", "l2", "log")
LAG_DECAY = 0.7  # of the weight of each earlier window in the start of a regression
START_GAIN = 0.005  # share of the error that a start from the lags must save on validation

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BoostedFitted:
    """Boosters as LightGBM's own text, one per output.

    `trees`: one text (binary, regression, multiclass) or one per label ("" where the label has only its rate).
    `base`: what is predicted where there are no trees (the rate, the median, or one number per class).
    `objective`: l1, l2 or log (regression), else the task's own. `from_lags`: the trees correct the weighted mean of
    the entity's earlier targets instead of a constant. `rounds`: how many rounds a refit shall run.
    """

    kind: str
    objective: str
    trees: tuple[str, ...]
    base: Floats
    names: tuple[str, ...]
    rounds: int
    importance: Floats
    from_lags: bool = False
    name: str = "boosted"
    _boosters: list[Any] = field(default_factory=list, repr=False, compare=False)

    @property
    def again(self) -> BoostedModel:
        """The model with the choices of this fit, for the refit."""
        return BoostedModel(self.objective, self.from_lags)

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
        raw = np.asarray(self._load()[0].predict(matrix, num_threads=1), dtype=np.float64)
        if self.from_lags:
            start = lag_start(inputs.lags, self.base[0])
            raw = raw + (to_log(start) if self.objective == "log" else start)
        if self.objective == "log":
            raw = from_log(raw)
        if self.kind == "multiclass":
            raw = 0.995 * raw + 0.005 * self.base
            return raw / raw.sum(axis=1, keepdims=True)
        return np.nan_to_num(raw, nan=float(self.base[0]), posinf=1e30, neginf=-1e30)

    def contributions(self, inputs: Inputs) -> Floats:
        """What each feature adds to each seed's raw score (SHAP values), float64[n, f + 1]; last what all start from.

        The raw score is the log-odds (binary), or the value or its logarithm by `objective`. Only for binary and
        regression; raises PqlError `not_supported` otherwise.
        """
        if self.kind not in ("binary", "regression", "forecast"):
            raise PqlError(
                "not_supported",
                f"Contributions of features aren't computed for {self.kind} targets.",
                hint="`result.metrics` shows how good the model is, `result.plan` what it looked at.",
            )
        if not any(self.trees):
            return np.tile(np.append(np.zeros(len(self.names)), self.base[0]), (len(inputs), 1))
        matrix = model_matrix(inputs.features, self.names)
        parts = np.asarray(self._load()[0].predict(matrix, pred_contrib=True, num_threads=1), dtype=np.float64)
        if self.from_lags:
            start = lag_start(inputs.lags, self.base[0])
            parts[:, -1] += to_log(start) if self.objective == "log" else start
        return parts

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
        }

    def _load(self) -> list[Any]:
        if not self._boosters:
            import lightgbm

            self._boosters.extend(lightgbm.Booster(model_str=text) if text else None for text in self.trees)
        return self._boosters


def worthwhile_threads(most: int, cells: int) -> int:
    """How many threads pay for a matrix of so many cells: on small ones they cost more in waiting than they gain."""
    return max(1, min(most, cells // CELLS_PER_THREAD))


@dataclass(frozen=True, slots=True)
class BoostedModel:
    """LightGBM on the features. `objective` and `from_lags` fix a regression; None lets validation choose."""

    objective: str | None = None
    from_lags: bool | None = None
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
        if kind in ("multiclass", "multilabel"):
            most = max(FEWEST_MULTI_ROWS, MULTI_CELLS // max(1, min(problem.classes, MOST_LABELS)))
            train, valid = spread_over(train, most), spread_over(valid, most)
        data = Data(problem, train, valid if rounds is None else valid[:0])
        if kind == "multilabel":
            return _fit_labels(data, rounds)
        if kind == "multiclass":
            return _fit_classes(data, rounds)
        if kind == "binary":
            return _fit_one(data, kind, "binary", rounds)
        usual = "l1" if problem.task.metric == "mae" else "l2"
        if self.objective is not None or not len(data.valid):
            return _fit_one(data, kind, self.objective or usual, rounds, from_lags=bool(self.from_lags))
        is_small = len(train) <= RACE_ROWS
        race = data if is_small else Data(problem, spread_over(train, RACE_ROWS), spread_over(valid, RACE_ROWS))
        if not is_small:
            race.params["learning_rate"] = 0.2
        inputs, truth = problem.inputs.take(race.valid), np.asarray(problem.examples.labels)[race.valid]
        starts = (False, True) if np.isfinite(inputs.lags).any() else (False,)
        best, least = None, np.inf
        for from_lags in starts:
            for objective in _objectives(race):
                fitted = _fit_one(race, kind, objective, rounds, from_lags=from_lags)
                miss = np.abs(fitted.predict(inputs) - truth)
                error = float(np.mean(miss if usual == "l1" else miss**2)) * (1 + START_GAIN * from_lags)
                if best is None or error < least:
                    best, least = fitted, error
        assert best is not None
        if is_small:
            return best
        return _fit_one(data, kind, best.objective, rounds, from_lags=best.from_lags)

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
        )


class Data:
    """The rows of one fit as LightGBM wants them; the binned matrix is built once and shared."""

    def __init__(self, problem: Problem, train: NDArray[np.int64], valid: NDArray[np.int64]) -> None:
        self.problem, self.train, self.valid = problem, train, valid
        features = problem.inputs.features
        self.names = features.names
        self.n = len(train)
        self.params = {
            "learning_rate": float(np.clip(0.05 * (self.n / 20_000), 0.05, 0.09)),
            "num_leaves": 15,
            "min_data_in_leaf": int(np.clip(self.n // 60, 3, 100)),
            "min_sum_hessian_in_leaf": 1e-3,
            "feature_fraction": float(np.clip(40 / max(1, len(self.names)), 0.15, 1.0)),
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l2": 5.0,
            "max_bin": 127,
            "max_cat_threshold": 16,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": worthwhile_threads(problem.plan.threads, problem.inputs.features.values.size),
            "seed": problem.plan.seed,
            "verbosity": -1,
        }
        self._sets: tuple[Any, Any] | None = None

    @property
    def is_enough(self) -> bool:
        if self.n < FEWEST_ROWS or not self.names:
            return False
        values = self.problem.inputs.features.values
        return any(_varies(values[self.train, j]) for j in range(values.shape[1]))

    def sets(self, labels: Floats) -> tuple[Any, Any | None]:
        """LightGBM datasets of the train and validation rows with these labels (of all examples)."""
        import lightgbm

        features = self.problem.inputs.features
        if self._sets is None:
            at = [features.names.index(c) for c in features.categorical]
            matrix = model_matrix(features.take(self.train), self.names)
            train = lightgbm.Dataset(
                matrix, labels[self.train], categorical_feature=at, params=self.params, free_raw_data=True
            ).construct()
            valid = None
            if len(self.valid):
                valid = lightgbm.Dataset(
                    model_matrix(features.take(self.valid), self.names),
                    labels[self.valid],
                    reference=train,
                    categorical_feature=at,
                    params=self.params,
                    free_raw_data=True,
                ).construct()
            self._sets = (train, valid)
        train, valid = self._sets
        train.set_label(labels[self.train])
        if valid is not None:
            valid.set_label(labels[self.valid])
        return train, valid

    def boost(
        self,
        labels: Floats,
        rounds: int | None,
        most: int = MOST_ROUNDS,
        start: Floats | None = None,
        **params: Any,
    ) -> tuple[str, int, Floats]:
        """Train; the model as text, the rounds kept, and each feature's total gain."""
        import lightgbm

        train, valid = self.sets(labels)
        train.set_init_score(None if start is None else start[self.train])
        if valid is not None:
            valid.set_init_score(None if start is None else start[self.valid])
        callbacks = [_watch(self.problem.events)]
        if rounds is None and valid is not None:
            callbacks.append(lightgbm.early_stopping(PATIENCE, first_metric_only=True, verbose=False))
        with self.problem.events.patient():
            booster = lightgbm.train(
                {**self.params, **params},
                train,
                max(1, rounds if rounds is not None else (most if valid is not None else 100)),
                valid_sets=[valid] if valid is not None and rounds is None else None,
                callbacks=callbacks,
            )
        best = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        text = booster.model_to_string(num_iteration=best)
        return text, max(1, best), booster.feature_importance("gain", iteration=best).astype(np.float64)


def _fit_one(data: Data, kind: str, objective: str, rounds: int | None, *, from_lags: bool = False) -> BoostedFitted:
    labels = np.asarray(data.problem.examples.labels, dtype=np.float64)
    known = labels[data.train]
    center = 0.0 if not len(known) else float(known.mean() if objective in ("binary", "l2") else np.median(known))
    base = np.array([center])
    if not data.is_enough or known.min() == known.max():
        return BoostedFitted(kind, objective, (), base, data.names, 1, np.zeros(len(data.names)))
    params: dict[str, Any] = {"objective": "binary", "metric": "binary_logloss"}
    if objective != "binary":
        params = {"objective": "l2" if objective == "l2" else "l1", "metric": "l1"}
        if data.problem.task.metric != "mae":
            params["metric"] = "l2"
    start = lag_start(data.problem.inputs.lags, center) if from_lags else np.zeros(len(labels))
    if objective == "log":
        labels, start = to_log(labels), to_log(start)
    text, best, gain = data.boost(labels, rounds, start=start if from_lags else None, **params)
    return BoostedFitted(kind, objective, (text,), base, data.names, best, gain, from_lags)


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


def lag_start(lags: NDArray[np.float32], otherwise: float) -> Floats:
    """The mean of the earlier targets, nearer ones weighing more; `otherwise` where none is known. float64[n]."""
    total, weight = np.zeros(len(lags)), np.zeros(len(lags))
    for i in range(lags.shape[1]):
        known = np.isfinite(lags[:, i])
        total += np.where(known, lags[:, i], 0.0).astype(np.float64) * LAG_DECAY**i
        weight += known * LAG_DECAY**i
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), otherwise)


def to_log(values: Floats) -> Floats:
    """Signed log1p: tames heavy tails, keeps zero and sign."""
    return np.sign(values) * np.log1p(np.abs(values))


def from_log(values: Floats) -> Floats:
    return np.sign(values) * np.expm1(np.minimum(np.abs(values), 69.0))


def spread_over(index: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """At most `limit` of the positions, evenly spaced."""
    return index if len(index) <= limit else index[np.linspace(0, len(index) - 1, limit).astype(np.int64)]


def _objectives(data: Data) -> tuple[str, ...]:
    """The losses worth trying: the logarithm only where the labels have a heavy tail."""
    values = np.abs(np.asarray(data.problem.examples.labels, dtype=np.float64)[data.train])
    if not len(values):
        return ("l1",)
    if data.problem.task.metric != "mae":
        return ("l2",)
    heavy = float(values.max()) > 10 * max(float(np.median(values)), float(values.mean()), 1e-12)
    return ("l1", "log") if heavy else ("l1", "l2")


def _varies(column: NDArray[np.float32]) -> bool:
    unknown = np.isnan(column)
    known = column[~unknown]
    return len(known) > 0 and bool(unknown.any() or known.min() < known.max())


def model_matrix(features: FeatureMatrix, names: tuple[str, ...]) -> NDArray[np.float32]:
    """The named features; unknown categories (-1) as missing."""
    values = features.values
    if features.names != names:
        at = {n: i for i, n in enumerate(features.names)}
        missing = [n for n in names if n not in at]
        if missing:
            raise PqlError(
                "model_mismatch",
                f"The model needs the feature {missing[0]!r}, which is missing here.",
                hint="Train again, e.g. by CREATE OR REPLACE MODEL.",
            )
        values = values[:, [at[n] for n in names]]
    columns = [names.index(c) for c in features.categorical if c in names]
    if columns:
        values = values.copy()
        part = values[:, columns]
        values[:, columns] = np.where(part < 0, np.nan, part)
    return values


def _watch(events: Events) -> Callable[[Any], None]:
    """A callback that reports progress and ends training, keeping what is there, once the user wants to stop."""

    def watch(environment: Any) -> None:
        from lightgbm.callback import EarlyStopException

        if environment.iteration % 20 == 0:
            events.progress("boosted", f"round {environment.iteration}")
        if events.stopped:
            raise EarlyStopException(environment.iteration, environment.evaluation_result_list or [])

    return watch
