"""Blocks of examples with what lies before each, one anchor's past at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.interactions import Interactions
from pql.engine.graph.seeds import TRAIN, Examples
from pql.engine.pairs.candidates import Limits
from pql.engine.pairs.rank_rules import Rules
from pql.engine.ranking.blocks import Block, block_of
from pql.engine.ranking.pair_models import PairModel
from pql.engine.ranking.scoring import Moment, Towers, batch_of, moment_at


@dataclass(slots=True)
class Pasts:
    """The pasts that examples are described by. One is held at a time: of a large database it takes a gigabyte.

    `models`: the models of pairs that are candidates, or their names, to be made at every anchor anew; `featured`:
    whether candidates are described by features.
    """

    interactions: Interactions
    horizon: int
    k: int
    limits: Limits
    seed: int
    towers: Towers | None
    rules: Rules | None
    models: tuple[str | PairModel, ...]
    featured: bool
    _held: dict[int, Moment] = field(default_factory=dict)

    def blocks(self, examples: Examples, index: NDArray[np.int64], *, every: bool = False) -> Iterator[Block]:
        """The examples at `index`, described; `every`: by all items, not by the likeliest.

        Between calls that differ in `every`, `forget`.
        """
        anchors = examples.seeds.anchors
        for anchor in np.unique(anchors[index]).tolist():
            moment = self._at(anchor, every=every)
            at, batch = index[anchors[index] == anchor], batch_of(moment)
            for start in range(0, len(at), batch):
                yield block_of(moment, examples, at[start : start + batch])

    def forget(self) -> None:
        """Hold no past any more."""
        self._held.clear()

    def _at(self, anchor: int, *, every: bool) -> Moment:
        if anchor not in self._held:
            self._held.clear()
            self._held[anchor] = moment_at(
                self.interactions,
                anchor,
                self.horizon,
                self.towers,
                self.rules,
                self.k,
                limits=self.limits,
                every=every,
                featured=self.featured,
                models=self.models,
                seed=self.seed,
            )
        return self._held[anchor]


def newest_of(examples: Examples) -> int:
    """The newest training anchor."""
    return int(examples.seeds.anchors[examples.where(TRAIN)].max())


def spread(index: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of the positions, evenly spread."""
    if len(index) <= most:
        return index
    return index[np.linspace(0, len(index) - 1, most).astype(np.int64)]
