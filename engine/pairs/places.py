"""The place of every entry among those of its owner, by score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_PADDED = 4  # times as many cells as entries a table of all owners may have


def places_within(owner: NDArray[np.int64], score: NDArray) -> NDArray[np.float64]:
    """float64[c]: 0 for the best score of each owner, 1 for the next …; ties by position. Owners ascend, no NaN."""
    if not len(owner):
        return np.zeros(0)
    number = np.cumsum(np.diff(owner, prepend=owner[0]) != 0)
    sizes = np.bincount(number)
    first = np.cumsum(sizes) - sizes
    width = int(sizes.max())
    if len(sizes) * width > MOST_PADDED * len(owner):
        order = np.lexsort((-score, owner))
        place = np.empty(len(order))
        place[order] = np.arange(len(order))
        return place - first[number]
    column = np.arange(len(owner)) - first[number]
    badness = np.full((len(sizes), width), np.inf, dtype=np.result_type(score.dtype, np.float32))
    badness[number, column] = -score
    order = np.argsort(badness, axis=1, kind="stable")
    table = np.empty((len(sizes), width))
    np.put_along_axis(table, order, np.arange(width, dtype=np.float64)[None, :], axis=1)
    return table[number, column]
