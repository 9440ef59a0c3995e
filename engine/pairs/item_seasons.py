"""Seasons: the last horizons, or the same days of earlier years, and which items were about in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.engine.pairs.pair_history import History

SEASONS = 3
YEAR = 365.25 * 86_400_000_000  # µs
FADING = 0.5  # of a season's weight that is left one season earlier


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
