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

from pql.engine.pairs.pair_history import History

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BASIS = 1_200
MAX_ENTITIES = 8_000
_LEVELS = 8
_CHUNK = 2_048
_SPARSE = 300  # times as long as a dense one does a sparse product take


@dataclass(frozen=True, slots=True)
class Together:
    """`basis` int64[b]: the items compared, ascending. `weights` float64[b, b], `profile` E × b (sparse, float64)."""

    basis: NDArray[np.int64]
    weights: NDArray[np.float64]
    profile: csr_matrix

    def scores(self, entities: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32[n, b]: how well each item of the basis goes with what each entity has so far (0 without a past)."""
        return np.asarray(self.profile[entities] @ self.weights, dtype=np.float32)

    def shares(self, entity: int, item: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The items that an entity has so far, and what each adds to the score of `item`; none outside the basis."""
        place = int(np.searchsorted(self.basis, item))
        if place == len(self.basis) or self.basis[place] != item:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        row = self.profile[[entity]]
        return self.basis[row.indices], row.data * self.weights[row.indices, place]


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
    from scipy.linalg.lapack import dpotrf, dpotri

    b = profile.shape[1]
    rows = np.flatnonzero(np.diff(profile.indptr))
    gram = _gram(profile, rows[:: max(1, -(-len(rows) // MAX_ENTITIES))])
    if not gram.any():
        return gram
    diagonal = np.arange(b)
    gram[diagonal, diagonal] += 2.0 * float(np.trace(gram)) / b
    lower = dpotri(dpotrf(gram, lower=1, overwrite_a=1)[0], lower=1, overwrite_c=1)[0]
    inverse = np.tril(lower) + np.tril(lower, -1).T
    weights = -inverse / inverse[diagonal, diagonal]
    weights[diagonal, diagonal] = 0.0
    return weights


def _gram(profile: csr_matrix, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64[b, b]: the profiles' inner products over some entities; sums of whole numbers below 2 ** 24, so exact."""
    b = profile.shape[1]
    some = profile[rows]
    sizes = np.diff(some.indptr).astype(np.int64)
    if int((sizes * sizes).sum()) * _SPARSE < len(rows) * b * b:
        return np.asarray((some.T @ some).toarray(), dtype=np.float64)
    gram = np.zeros((b, b), dtype=np.float32)
    some = some.astype(np.float32)
    for start in range(0, len(rows), _CHUNK):
        dense = some[start : start + _CHUNK].toarray()
        gram += dense.T @ dense
    return gram.astype(np.float64)
