"""The as-of features and lags of a seed as network inputs: rank-Gauss quantities, missing flags, one-hot codes."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.features.matrix import FeatureMatrix
from pql.language.errors import PqlError

KNOTS = 100
TOP_CODES = 24
SAMPLE = 20_000  # examples the quantiles are taken from, evenly spaced


@dataclass(frozen=True, slots=True)
class ColumnScaler:
    """A quantity: piecewise-linear map from `knots` to `levels` (standardised rank-Gauss), with a flag if `flagged`.
    A code column has `codes` instead: one indicator for each.
    """

    knots: tuple[float, ...]
    levels: tuple[float, ...]
    flagged: bool
    codes: tuple[int, ...] | None = None

    @property
    def width(self) -> int:
        return len(self.codes) if self.codes is not None else int(bool(self.knots)) + int(self.flagged)

    def encode(self, x: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Fills `out` float32[width, n]; no NaN."""
        if self.codes is not None:
            out[:] = x[None, :] == np.array(self.codes, np.float32)[:, None]
            return
        known = np.isfinite(x)
        if self.knots:
            whole = bool(known.all())
            z = np.interp(x if whole else np.where(known, x, 0.0), self.knots, self.levels)
            out[0] = z if whole else np.where(known, z, 0.0)
        if self.flagged:
            out[-1] = ~known


@dataclass(frozen=True, slots=True)
class FeatureScaler:
    """Scalers of every feature column and of the lags after them, fitted on training examples."""

    names: tuple[str, ...]
    lags: int
    columns: tuple[ColumnScaler, ...]

    @property
    def width(self) -> int:
        return sum(column.width for column in self.columns)

    def encode(self, features: FeatureMatrix, lags: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[n, width]. PqlError `model_mismatch` if the features aren't those of the fit."""
        if features.names != self.names or lags.shape[1] != self.lags:
            raise PqlError(
                "model_mismatch", "the features differ from those the model was trained on", hint="Train again."
            )
        out = np.empty((self.width, len(features.values)), np.float32)
        at = 0
        for x, column in zip(_columns(features, lags), self.columns, strict=True):
            column.encode(x, out[at : at + column.width])
            at += column.width
        return np.ascontiguousarray(out.T)

    def to_json(self) -> dict[str, Any]:
        columns = [
            [list(c.knots), list(c.levels), c.flagged, None if c.codes is None else list(c.codes)] for c in self.columns
        ]
        return {"names": list(self.names), "lags": self.lags, "columns": columns}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> FeatureScaler:
        columns = tuple(
            ColumnScaler(tuple(knots), tuple(levels), flagged, None if codes is None else tuple(codes))
            for knots, levels, flagged, codes in value["columns"]
        )
        return cls(tuple(value["names"]), value["lags"], columns)


def _columns(features: FeatureMatrix, lags: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [*np.ascontiguousarray(features.values.T), *np.ascontiguousarray(lags.T)]


def _fit_quantity(x: NDArray[np.float32]) -> ColumnScaler:
    known = x[np.isfinite(x)].astype(np.float64)
    flagged = 0 < len(known) < len(x)
    if not len(known) or known.min() == known.max():
        return ColumnScaler((), (), flagged)
    known.sort()
    places = np.linspace(0, len(known) - 1, KNOTS).round().astype(np.int64)
    knots = np.unique(known[places])
    rank = (np.searchsorted(known, knots, "left") + np.searchsorted(known, knots, "right")) / (2 * len(known))
    normal = NormalDist()
    levels = np.array([normal.inv_cdf(min(max(p, 1e-3), 1 - 1e-3)) for p in rank.tolist()])
    spread = np.interp(known, knots, levels)
    scale = float(spread.std())
    levels = (levels - spread.mean()) / (scale if scale > 1e-3 else 1.0)
    return ColumnScaler(tuple(knots.tolist()), tuple(levels.tolist()), flagged)


def _fit_codes(x: NDArray[np.float32]) -> ColumnScaler:
    values, counts = np.unique(x[np.isfinite(x)], return_counts=True)
    best = np.argsort(-counts, kind="stable")[:TOP_CODES]
    return ColumnScaler((), (), False, tuple(int(v) for v in np.sort(values[best])))


def fit_features(features: FeatureMatrix, lags: NDArray[np.float32]) -> FeatureScaler:
    """The scalers of these training examples' features and lags."""
    coded = {i for i, name in enumerate(features.names) if name in features.categorical}
    step = max(1, len(features.values) // SAMPLE)
    some = FeatureMatrix(features.names, features.values[::step], features.categorical)
    columns = _columns(some, lags[::step])
    scalers = [_fit_codes(x) if i in coded else _fit_quantity(x) for i, x in enumerate(columns)]
    return FeatureScaler(features.names, lags.shape[1], tuple(scalers))
