"""Which items go together: a linear item–item model of the entities' histories as of one anchor.

Every item of the basis is regressed on the others over all entities (ridge regression in closed form, an item never
explaining itself), so that a weight tells what an item adds once the others are known: plain co-occurrence counts,
cleaned of popularity. Profiles are whole numbers, their sums exact in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pql.engine.pair_history import History

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BASIS = 1_200
MAX_ENTITIES = 8_000
_LEVELS = 8
_CHUNK = 2_048


@dataclass(frozen=True, slots=True)
class Together:
    """`basis` int64[b]: the items compared, ascending. `weights` float64[b, b], `profile` E × b (sparse, float64)."""

    basis: NDArray[np.int64]
    weights: NDArray[np.float64]
    profile: csr_matrix

    def scores(self, entities: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32[n, b]: how well each item of the basis goes with what each entity has so far (0 without a past)."""
        return np.asarray(self.profile[entities] @ self.weights, dtype=np.float32)


def together_at(history: History, basis: int = BASIS) -> Together:
    """The item–item model as of the anchor, over the `basis` items with most distinct entities (ties by index)."""
    from scipy.sparse import csr_matrix

    most = np.lexsort((np.arange(history.n_items), -history.item_buyers))[:basis]
    chosen = np.sort(most[(history.item_buyers[most] > 0) & history.known[most]])
    position = np.full(history.n_items, -1, dtype=np.int64)
    position[chosen] = np.arange(len(chosen))
    place = position[history.pair_item]
    inside = place >= 0
    level = np.rint(np.sqrt(np.minimum(history.decayed[inside], 4.0)) * _LEVELS)
    shape = (history.n_entities, len(chosen))
    profile = csr_matrix((level, (history.pair_entity[inside], place[inside])), shape=shape)
    return Together(chosen, _weights(profile), profile / _LEVELS)


def _weights(profile: csr_matrix) -> NDArray[np.float64]:
    b = profile.shape[1]
    gram = np.zeros((b, b))
    rows = np.flatnonzero(np.diff(profile.indptr))
    rows = rows[:: max(1, -(-len(rows) // MAX_ENTITIES))]
    for start in range(0, len(rows), _CHUNK):
        dense = profile[rows[start : start + _CHUNK]].toarray()
        gram += dense.T @ dense
    if not gram.any():
        return gram
    diagonal = np.arange(b)
    gram[diagonal, diagonal] += 2.0 * float(np.trace(gram)) / b
    inverse = np.linalg.inv(gram)
    weights = -inverse / inverse[diagonal, diagonal]
    weights[diagonal, diagonal] = 0.0
    return weights
