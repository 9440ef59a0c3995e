"""Draws that depend on what is drawn for, and on nothing else: hashes instead of a generator with a state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import Seeds


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def draw(seeds: Seeds, seed: int, number: int) -> NDArray[np.float64]:
    """float64[n] in [0, 1): the draw of that number (below 64) for each row and anchor."""
    mixed = np.full(len(seeds), (seed % 2**31) * 64 + number, dtype=np.uint64)
    for part in (seeds.rows, seeds.anchors):
        mixed = mix(mixed ^ part.astype(np.int64).view(np.uint64))
    return (mixed >> np.uint64(11)) / float(2**53)
