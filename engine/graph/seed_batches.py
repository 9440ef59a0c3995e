"""Seeds in batches, and a few of many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def spread_over(index: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """At most `limit` of the positions, evenly spaced."""
    if len(index) <= limit:
        return index
    return index[np.linspace(0, len(index) - 1, limit).astype(np.int64)]


def chunks_of_one_anchor(anchors: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Positions in chunks of at most `size`, each of one anchor, anchors ascending."""
    order = np.argsort(anchors, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(anchors[order])) + 1) if len(order) else []
    return [group[i : i + size] for group in groups for i in range(0, len(group), size)]


def chunks_by_anchor(anchors: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Positions in chunks of at most `size`, in the order of their anchors. Where anchors are few, a chunk holds one
    anchor only, so that what is known later cannot even change the shape of the batch its seeds are computed in.
    """
    if len(np.unique(anchors)) < 64 + len(anchors) // 64:
        return chunks_of_one_anchor(anchors, size)
    order = np.argsort(anchors, kind="stable")
    return [order[i : i + size] for i in range(0, len(order), size)]
