"""Repeat: what the entity met most, recent times weighing more; popular items follow for those it never met."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.engine.models.popularity import popularity_scores
from pql.engine.pairs.pair_history import History, picked

_NEVER_MET = 1e-6  # puts what was never met behind everything that was


def repeat_scores(history: History, entity: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64[c]: times met, each weighing 1 / (1 + age in horizons), plus a sliver of popularity."""
    at, found = history.find(entity, items)
    met = np.where(found, picked(history.decayed, at), 0.0)
    return met + _NEVER_MET * popularity_scores(history, items)
