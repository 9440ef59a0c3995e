"""The rows of a fit as LightGBM wants them: parameters by size, the telling features, one binned matrix for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.events import Events
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.graph.seed_batches import spread_over
from pql.engine.models.base import Problem
from pql.engine.models.tails import Floats, to_log
from pql.language.errors import PqlError

MOST_ROUNDS = 800
PATIENCE = 30
CELLS_PER_THREAD = 15_000_000
FEWEST_ROWS = 20  # below it a constant is fitted
MANY_FEATURES = 100  # of more, only the telling ones are kept
TELLING = 80
CHEAP_SEEDS = 15_000  # up to so many all are read: leaving some out would save little, and may cost much
GLANCE_ROWS = 12_000  # rows of the quick fit that tells them
GLANCE_ROUNDS = 25
MANY_ROWS = 100_000  # from there on trees may be larger


def worthwhile_threads(most: int, cells: int) -> int:
    """How many threads pay for a matrix of so many cells: on small ones they cost more in waiting than they gain."""
    return max(1, min(most, cells // CELLS_PER_THREAD))


class Data:
    """The rows of one fit as LightGBM wants them; the binned matrix is built once and shared."""

    def __init__(
        self,
        problem: Problem,
        train: NDArray[np.int64],
        valid: NDArray[np.int64],
        names: tuple[str, ...] | None = None,
    ) -> None:
        self.problem, self.train, self.valid = problem, train, valid
        features = problem.inputs.features
        self.names = features.names if names is None else names
        self.n = len(train)
        self.params = {
            "learning_rate": float(np.clip(0.05 * (self.n / 40_000), 0.05, 0.09)),
            "num_leaves": 12 if self.n < MANY_ROWS else 24,
            "max_depth": 4 if self.n < MANY_ROWS else 6,
            "min_data_in_leaf": int(np.clip(self.n // 60, 3, 40)),
            "min_sum_hessian_in_leaf": 1e-3,
            "feature_fraction": float(np.clip(40 / max(1, len(self.names)), 0.05, 1.0)),
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
        features = self.problem.inputs.features
        return any(_varies(features.values[self.train, features.names.index(name)]) for name in self.names)

    def sets(self, labels: Floats) -> tuple[Any, Any | None]:
        """LightGBM datasets of the train and validation rows with these labels (of all examples)."""
        import lightgbm

        features = self.problem.inputs.features
        if self._sets is None:
            at = [self.names.index(c) for c in features.categorical if c in self.names]
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


def telling_names(problem: Problem, train: NDArray[np.int64]) -> tuple[str, ...]:
    """The features that a quick fit on some of the training rows gains most from.

    Fewer features make each fit cheaper; of few features, or for few seeds, all are read.
    """
    import lightgbm

    names, seeds = problem.inputs.features.names, problem.inputs.seeds.take(train)
    rows = spread_over(train, GLANCE_ROWS)
    labels = to_log(np.asarray(problem.examples.labels, dtype=np.float64))
    if len(names) <= MANY_FEATURES or labels[rows].min() == labels[rows].max():
        return names
    if len(np.unique(np.stack([seeds.rows, seeds.anchors]), axis=1).T) <= CHEAP_SEEDS:
        return names
    data = Data(problem, rows, rows[:0])
    data.params |= {"learning_rate": 0.15, "max_bin": 31, "feature_fraction": 0.3}
    kind = problem.task.kind.value
    booster = lightgbm.train(
        {**data.params, "objective": "binary" if kind == "binary" else "l2"},
        data.sets(labels if kind != "binary" else np.asarray(problem.examples.labels, dtype=np.float64))[0],
        GLANCE_ROUNDS,
    )
    gain = booster.feature_importance("gain")
    best = np.sort(np.argsort(-gain, kind="stable")[:TELLING])
    return tuple(names[i] for i in best if gain[i] > 0) or names


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
