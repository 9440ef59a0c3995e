"""Calendar: items that were about in the same season of the last years, the newest first; the same for everyone.

Where horizons are long, the seasons are the last horizons; of shorter ones, the horizon that ends at the anchor and
those that began one, two and three years before it, which is when the same days came round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.engine.models.popularity import popularity_scores
from pql.engine.pairs.item_seasons import in_seasons
from pql.engine.pairs.pair_history import History

TIE = 1e-3  # of popularity, which orders items of the same seasons


def calendar_scores(history: History) -> NDArray[np.float64]:
    """float64[I]: the seasons of each item, ties by popularity."""
    return in_seasons(history) + TIE * popularity_scores(history, np.arange(history.n_items))
