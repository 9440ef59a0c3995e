"""Popularity: the items that most distinct entities met in the last horizon, the same for everyone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.engine.pairs.pair_history import History


def popularity_scores(history: History, items: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64[c] in [0, 1): distinct entities in the last horizon, then in four horizons, then ever, as one number."""
    entities = 1.0 + np.count_nonzero(history.entity_count)
    recent, long = history.item_recent_buyers[0], history.item_recent_buyers[-1]
    score = (recent + (long + history.item_buyers / entities) / entities) / entities
    return score[items]
