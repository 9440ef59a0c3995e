"""Implicit matrix factorisation: entities and items as vectors whose products tell who will like what. For rankings.

Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008), fitted by the `implicit`
package. Only the items' vectors are kept: an entity's vector is solved for from its own past, so it is that of any
later anchor too, and an entity that the fit has never seen has one.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.graph.key_index import parent_rows
from pql.engine.models.base import State
from pql.engine.models.popularity import popularity_scores
from pql.engine.pairs.pair_history import History, popular_order
from pql.language.errors import PqlError

FACTORS = 48
ROUNDS = 12
RIDGE = 5.0
WEIGHT = 8.0  # of having met an item, beside not having met it
MOST_ITEMS = 20_000  # with most entities
NEAR_BASIS, NEAREST = 5_000, 50
_SLIVER = 1e-9

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Als:
    """`vectors` float64[m, f] of the items `items` int64[m] (rows of the ranking's items; -1: unknown here).

    `values`: the items as they are called in the data.
    """

    items: Ints
    vectors: Floats
    values: pa.Array | None = None
    name: str = "als"

    def called(self, values: pa.Array, source: tuple[str, str] | None = None) -> Als:
        """The model with the items' own values (of all items of the ranking), by which they are found again."""
        return replace(self, values=values.take(pa.array(self.items)))

    def among(self, values: pa.Array) -> Als:
        """The model over another list of items, in which its own are looked up."""
        if self.values is None:
            return self
        found = parent_rows([pa.chunked_array([self.values])], [pa.chunked_array([values])])
        return replace(self, items=found.astype(np.int64))

    def reach(self, history: History, entities: Ints) -> AlsReach:
        """The vectors of `entities` (rows, int64[n]) from their past, and the items nearest to them."""
        place = np.full(history.n_items, -1, dtype=np.int64)
        here = np.flatnonzero(self.items >= 0)
        place[self.items[here]] = here
        mine = self._solved(history, entities, place)
        basis = popular_order(history)[:NEAR_BASIS]
        basis = np.sort(basis[place[basis] >= 0])
        limit = min(NEAREST, len(basis))
        nearest = np.zeros((len(entities), 0), dtype=np.int64)
        if limit:
            score = np.round(mine @ self.vectors[place[basis]].T, 9)
            nearest = basis[np.argsort(-score, axis=1, kind="stable")[:, :limit]]
        return AlsReach(history, mine, self.vectors, place, nearest)

    def _solved(self, history: History, entities: Ints, place: Ints) -> Floats:
        """float64[n, f]: of each entity, what fits its own past best; noughts without one."""
        size = self.vectors.shape[1]
        gram = self.vectors.T @ self.vectors + RIDGE * np.eye(size)
        low, high = (np.searchsorted(history.key, (entities + i) * history.n_items) for i in (0, 1))
        found = np.zeros((len(entities), size))
        for number, (start, end) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
            at = place[history.pair_item[start:end]]
            known = at >= 0
            if not known.any():
                continue
            mine = self.vectors[at[known]]
            weight = WEIGHT * strength(history.decayed[start:end][known])
            found[number] = np.linalg.solve(gram + (mine.T * (weight - 1.0)) @ mine, mine.T @ weight)
        return found

    def shares(self, history: History, entity: int, item: int) -> tuple[Ints, Floats]:
        """The items an entity has met, and what each adds to its score of `item`, in parallel; none if either is
        unknown."""
        place = np.full(history.n_items, -1, dtype=np.int64)
        here = np.flatnonzero(self.items >= 0)
        place[self.items[here]] = here
        start, end = (int(np.searchsorted(history.key, (entity + i) * history.n_items)) for i in (0, 1))
        at = place[history.pair_item[start:end]]
        known = at >= 0
        if place[item] < 0 or not known.any():
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        mine = self.vectors[at[known]]
        weight = WEIGHT * strength(history.decayed[start:end][known])
        gram = self.vectors.T @ self.vectors + RIDGE * np.eye(self.vectors.shape[1])
        solved = np.linalg.solve(gram + (mine.T * (weight - 1.0)) @ mine, self.vectors[place[item]])
        return history.pair_item[start:end][known].astype(np.int64), (mine @ solved) * weight

    def state(self) -> State:
        return {"name": self.name, "items": self.items, "vectors": self.vectors, "values": self.values}

    @classmethod
    def restore(cls, state: State) -> Als:
        items = np.asarray(state["items"], dtype=np.int64)
        return cls(items, np.asarray(state["vectors"], dtype=np.float64), state["values"])


@dataclass(frozen=True, slots=True)
class AlsReach:
    """`mine` float64[n, f]: the entities' vectors. `place`: of every item among the `vectors`, -1 unknown."""

    history: History
    mine: Floats
    vectors: Floats
    place: Ints
    nearest: Ints

    def score(self, owner: Ints, items: Ints) -> Floats:
        """float64[c]: the products of the vectors; popularity orders items without one."""
        at = self.place[items]
        near = np.zeros(len(items))
        known = np.flatnonzero(at >= 0)
        near[known] = np.einsum("cf,cf->c", self.mine[owner[known]], self.vectors[at[known]])
        return np.round(near, 9) + _SLIVER * popularity_scores(self.history, items)


def strength(decayed: Floats) -> Floats:
    """How much a pair counts by how often and how lately it was met, from 1 on."""
    return 1.0 + np.log1p(decayed)


def als_at(history: History, seed: int = 0) -> Als:
    """The items' vectors from the past of one anchor. Raises PqlError `missing_package` without `implicit`."""
    if importlib.util.find_spec("implicit") is None:
        raise PqlError(
            "missing_package",
            "The model als needs implicit, which is not installed.",
            hint='pip install "pql-engine[als]", or leave the option model out.',
        )
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    most = np.lexsort((np.arange(history.n_items), -history.item_buyers))[:MOST_ITEMS]
    items = np.sort(most[history.item_buyers[most] > 0])
    place = np.full(history.n_items, -1, dtype=np.int64)
    place[items] = np.arange(len(items))
    at = place[history.pair_item]
    entity, row = np.unique(history.pair_entity[at >= 0], return_inverse=True)
    size = min(FACTORS, max(1, len(items) - 1), max(1, len(entity) - 1))
    if not len(items):
        return Als(items, np.zeros((0, 1)))
    data = strength(history.decayed[at >= 0]).astype(np.float32)
    matrix = csr_matrix((data, (row, at[at >= 0])), shape=(len(entity), len(items)))
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=size,
            regularization=RIDGE,
            alpha=WEIGHT,
            iterations=ROUNDS,
            num_threads=1,
            use_gpu=False,
            random_state=seed,
        )
        model.fit(matrix, show_progress=False)
    return Als(items, np.asarray(model.item_factors, dtype=np.float64))
