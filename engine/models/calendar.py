"""Calendar: items that were about in the same season of the last years, the newest first; the same for everyone.

Where horizons are long, the seasons are the last horizons; of shorter ones, the horizon that ends at the anchor and
those that began one, two and three years before it, which is when the same days came round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.engine.models.popularity import popularity_scores
from pql.engine.pair_history import History

SEASONS = 3
YEAR = 365.25 * 86_400_000_000  # µs
FADING = 0.5  # of a season's weight that is left one season earlier
_TIE = 1e-3  # of popularity, which orders items of the same seasons


def seasons_of(anchor: int, horizon: int) -> tuple[tuple[int, int], ...]:
    """(begin, end] in µs of the seasons looked back at, the newest first, none of them after the anchor."""
    if horizon >= YEAR / 2:
        return tuple((anchor - (k + 1) * horizon, anchor - k * horizon) for k in range(SEASONS))
    begins = [anchor - horizon, *(anchor - int(years * YEAR) for years in range(1, SEASONS + 1))]
    return tuple((begin, begin + horizon) for begin in begins)


def in_seasons(history: History) -> NDArray[np.float64]:
    """float64[I] in [0, 2): of the seasons in which anybody met the item 1, 1/2, 1/4 … added up, the newest first."""
    found, weight, times = np.zeros(history.n_items), 1.0, history.row_times
    for begin, end in seasons_of(history.anchor, history.horizon):
        about = np.zeros(history.n_items, dtype=bool)
        about[history.row_items[(times > begin) & (times <= end)]] = True
        found[about] += weight
        weight *= FADING
    return found


def calendar_scores(history: History) -> NDArray[np.float64]:
    """float64[I]: the seasons of each item, ties by popularity."""
    return in_seasons(history) + _TIE * popularity_scores(history, np.arange(history.n_items))
