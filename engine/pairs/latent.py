"""Latent taste: entities and items as vectors, from a truncated SVD of who met what how lately, as of one anchor.

The columns of the entity × item matrix are divided by a power of their norms before the decomposition, so that popular
items don't rule it (scaled PureSVD: Nikolakopoulos et al., EigenRec, 2019); the subspace is found by block power
iteration from a seeded start (Halko et al., 2011).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.pairs.pair_history import History, picked

RANK = 48
ROUNDS = 4  # of the power iteration
FEWEST = 3  # entities that an item needs
MAX_ITEMS = 30_000
MAX_ENTITIES = 20_000  # that the items' vectors are learned from
SCALE = 0.5  # power of its norm that an item's column is divided by


@dataclass(frozen=True, slots=True)
class Latent:
    """`place` int64[I]: an item's row in `items` float32[b + 1, r], the last of which is nought; `basis` int64[b];
    `entities` float32[E, r]."""

    place: NDArray[np.int64]
    basis: NDArray[np.int64]
    items: NDArray[np.float32]
    entities: NDArray[np.float32]

    def scores(self, entity: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32[c]: how well each item fits each entity; NaN for items that too few entities met."""
        place = self.place[item]
        score = np.einsum("cd,cd->c", self.entities[entity], self.items[place])
        return np.where(place < len(self.basis), score, np.nan).astype(np.float32)


def latent_at(history: History, rank: int = RANK) -> Latent:
    """The vectors as of the anchor."""
    from scipy.sparse import csr_matrix

    buyers = history.item_buyers
    most = np.lexsort((np.arange(history.n_items), -buyers))[:MAX_ITEMS]
    basis = np.sort(most[buyers[most] >= FEWEST])
    place = np.full(history.n_items, len(basis), dtype=np.int64)
    place[basis] = np.arange(len(basis))
    column = picked(place, history.pair_item.astype(np.int64))
    inside = column < len(basis)
    level = np.sqrt(np.minimum(history.decayed[inside], 4.0))
    rows, columns = history.pair_entity[inside].astype(np.int64), column[inside]
    sizes = np.bincount(rows, minlength=history.n_entities)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    rank = min(rank, len(basis), int(np.count_nonzero(sizes)))
    if not rank:
        nothing = np.zeros((len(basis) + 1, 1), dtype=np.float32)
        return Latent(place, basis, nothing, np.zeros((history.n_entities, 1), dtype=np.float32))
    # whole numbers, whose sums are exact in any order
    norm = np.sqrt(np.bincount(columns, weights=np.rint(level * level * 1024), minlength=len(basis)) / 1024)
    scale = np.maximum(norm, 1e-3) ** -SCALE
    values = (level * scale[columns]).astype(np.float32)
    matrix = csr_matrix((values, columns, indptr), shape=(history.n_entities, len(basis)))
    have = np.flatnonzero(sizes)
    have = have[:: max(1, -(-len(have) // MAX_ENTITIES))]
    some = matrix[have]
    across = some.T.tocsr()
    vectors = np.random.default_rng(0).standard_normal((len(basis), rank)).astype(np.float32)
    for _ in range(ROUNDS):
        vectors = np.linalg.qr(across @ (some @ vectors))[0]
    entities = np.asarray(matrix @ vectors, dtype=np.float32)
    items = np.zeros((len(basis) + 1, rank), dtype=np.float32)
    items[:-1] = vectors / scale[:, None]
    return Latent(place, basis, items, entities)
