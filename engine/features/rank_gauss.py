"""Features as a linear model wants them: each on the scale of a normal distribution, by its rank in a few rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.features.matrix import FeatureMatrix

Floats = NDArray[np.float64]

KNOTS = 65  # of a feature's map from values to normal scores
FEWEST = 8  # rows of the rarer side, below which a category or a gap tells nothing
MOST_CATEGORIES = 8  # of a column, the most frequent ones
TAIL = 1e-3  # ranks are kept within [TAIL, 1 - TAIL]

QUANTITY, MISSING, CATEGORY = "quantity", "missing", "category"


@dataclass(frozen=True, slots=True)
class Column:
    """One input of the linear model, of the feature `feature`.

    quantity: interpolated from `values` to `scores` (both ascending), nought where missing. missing: whether it is,
    category: whether it is the code `values[0]`; 1 and 0, standardised by `center` and `scale`.
    """

    kind: str
    feature: str
    values: Floats
    scores: Floats
    center: float
    scale: float

    @property
    def name(self) -> str:
        if self.kind == QUANTITY:
            return self.feature
        return f"{self.feature} is missing" if self.kind == MISSING else f"{self.feature} #{self.values[0]:.0f}"

    def apply(self, raw: NDArray[np.float32]) -> Floats:
        """float64[n] of the feature's n values."""
        if self.kind == QUANTITY:
            known = np.isfinite(raw)
            return np.where(known, np.interp(np.where(known, raw, 0.0), self.values, self.scores), 0.0)
        flag = ~np.isfinite(raw) if self.kind == MISSING else raw == self.values[0]
        return (flag - self.center) / self.scale

    def state(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "feature": self.feature,
            "values": self.values,
            "scores": self.scores,
            "center": self.center,
            "scale": self.scale,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Column:
        values, scores = (np.asarray(state[name], dtype=np.float64) for name in ("values", "scores"))
        return cls(state["kind"], state["feature"], values, scores, float(state["center"]), float(state["scale"]))


def fit_columns(features: FeatureMatrix) -> tuple[Column, ...]:
    """The inputs that the features of these n rows give: those that don't vary among them give none."""
    found: list[Column] = []
    for j, name in enumerate(features.names):
        raw = features.values[:, j]
        if name in features.categorical:
            found += _categories(name, raw)
            continue
        known = raw[np.isfinite(raw)].astype(np.float64)
        missing = len(raw) - len(known)
        if min(missing, len(known)) >= FEWEST:
            found.append(_flag(MISSING, name, missing / len(raw), np.zeros(0)))
        if len(known) >= FEWEST:
            found += _quantity(name, known)
    return tuple(found)


def matrix(columns: tuple[Column, ...], features: FeatureMatrix) -> Floats:
    """float64[n, len(columns)]: the inputs of n rows."""
    place = {name: j for j, name in enumerate(features.names)}
    out = np.empty((len(features.values), len(columns)))
    for i, column in enumerate(columns):
        out[:, i] = column.apply(features.values[:, place[column.feature]])
    return out


def normal_scores(values: Floats) -> tuple[Floats, Floats]:
    """The distinct values, ascending, and the normal score of each: that of the middle of its ranks."""
    distinct, counts = np.unique(values, return_counts=True)
    n = len(values)
    middle = 2 * np.cumsum(counts) - counts  # ranks in halves, 1 … 2n - 1
    return distinct, quantiles(middle / (2 * n))


def _quantity(name: str, known: Floats) -> list[Column]:
    values, scores = normal_scores(known)
    if len(values) < 2:
        return []
    at = np.searchsorted(values, known)
    center, scale = float(scores[at].mean()), float(scores[at].std())
    if scale < 1e-6:
        return []
    if len(values) > KNOTS:
        kept = np.unique(np.linspace(0, len(values) - 1, KNOTS).astype(np.int64))
        values, scores = values[kept], scores[kept]
    return [Column(QUANTITY, name, values, (scores - center) / scale, center, scale)]


def _categories(name: str, raw: NDArray[np.float32]) -> list[Column]:
    codes, counts = np.unique(raw[raw >= 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    usual = [i for i in order if FEWEST <= counts[i] <= len(raw) - FEWEST]
    return [_flag(CATEGORY, name, counts[i] / len(raw), codes[i : i + 1].astype(np.float64)) for i in usual]


def _flag(kind: str, name: str, share: float, values: Floats) -> Column:
    """A yes/no input. Rare ones stay small, so that a penalty doesn't take them for more than they are."""
    scale = max(0.1, float(np.sqrt(share * (1 - share)))) * (1.4 if kind == CATEGORY else 2.0)
    return Column(kind, name, values, np.zeros(0), float(share), scale)


@cache
def _table() -> tuple[Floats, Floats]:
    inverse = NormalDist().inv_cdf
    shares = np.linspace(TAIL, 1 - TAIL, 2_001)
    return shares, np.array([inverse(share) for share in shares.tolist()])


def quantiles(shares: Floats) -> Floats:
    """The normal quantiles of shares, these kept within [TAIL, 1 - TAIL]; to three digits."""
    return np.interp(shares, *_table())
