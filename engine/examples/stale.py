"""How training imitates a regime whose data ends before the anchors: histories cut as early as in use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.draws import draw
from pql.engine.graph.seeds import BEYOND, TRAIN, Seeds
from pql.engine.graph.temporal import ALWAYS, TemporalGraph
from pql.engine.planning.plan import Regime
from pql.engine.planning.regime import known_times
from pql.language.options import Duration

COPIES = 4  # of every training example, each with a history cut elsewhere
Ints = NDArray[np.int64]


def is_met(graph: TemporalGraph, seeds: Seeds, *, first_seen: bool) -> NDArray[np.bool_]:
    """bool[n]: whether there is anything to know the entity by in what its seed sees.

    Its own row has come by then; without a clock of its own and with `first_seen`, some row that points to it has.
    """
    seen, own = seeds.seen, graph.nodes[graph.entity].time[seeds.rows]
    met = own <= seen
    if not first_seen or not (own == ALWAYS).any():
        return met
    known = np.zeros(len(seeds), dtype=bool)
    for edge in graph.edges:
        if edge.parent == graph.entity and len(edge.children):
            first = edge.indptr[seeds.rows]
            some = first < edge.indptr[seeds.rows + 1]
            known |= some & (edge.times[np.minimum(first, len(edge.times) - 1)] <= seen)
    return met & (known | (own != ALWAYS))


def at_prediction(seeds: Seeds, regime: Regime) -> Seeds:
    """The seeds of a prediction: they see what the data holds, and know how stale it is."""
    if regime.known is None:
        return seeds
    return Seeds(seeds.rows, seeds.anchors, np.minimum(seeds.anchors, regime.known))


def as_stale(seeds: Seeds, regime: Regime) -> Seeds:
    """The seeds of a ranking's examples: each sees what happened until as long before its anchor as will be missing.

    Where that differs between predictions, half-way between the least and the most. One cut for all, since lists are
    made of what is known of everybody at one moment.
    """
    if regime.known is None:
        return seeds
    return Seeds(seeds.rows, seeds.anchors, seeds.anchors - (regime.low + regime.high) // 2)


def lag_of(seeds: Seeds) -> int:
    """µs by which the histories of the seeds end before their anchors, at most."""
    return int((seeds.anchors - seeds.seen).max(initial=0))


def as_seen(seeds: Seeds) -> Seeds:
    """The seeds with the moments that their histories end at as their anchors."""
    return seeds if seeds.known is None else Seeds(seeds.rows, seeds.seen)


def staled(
    seeds: Seeds, split: NDArray[np.int8], regime: Regime, width: Duration, seed: int
) -> tuple[Seeds, Ints, NDArray[np.int8]]:
    """The examples as the regime has them: seeds whose histories are cut, which example each copies, and its split.

    Training examples come `COPIES` times: once as stale as the prediction, else with cuts drawn by a hash of entity,
    anchor and `seed`, so that a draw depends on nothing else. Those of validation and test are as stale as the
    prediction; further copies of them (split BEYOND) serve the refit alone. As they are in the as-of regime.
    """
    n = len(seeds)
    if regime.known is None or not n:
        return seeds, np.arange(n, dtype=np.int64), split
    anchors, place = np.unique(seeds.anchors, return_inverse=True)
    cuts = [np.array(known_times(int(anchor), regime, width), dtype=np.int64) for anchor in anchors]
    sizes = np.array([len(c) for c in cuts])[place]
    table = np.full((len(cuts), int(sizes.max())), 0, dtype=np.int64)
    for i, cut in enumerate(cuts):
        table[i, : len(cut)] = cut
    known = np.empty((COPIES, n), dtype=np.int64)
    known[0] = table[place, 0]
    for copy in range(1, COPIES):
        known[copy] = table[place, np.minimum((draw(seeds, seed, copy) * sizes).astype(np.int64), sizes - 1)]
    return _stacked(seeds, known, split)


def staled_freely(
    seeds: Seeds, split: NDArray[np.int8], regime: Regime, seed: int, valid_from: int
) -> tuple[Seeds, Ints, NDArray[np.int8]]:
    """As `staled`, for anchors at any moments, whose predictions are stale by between `low` and `high`.

    Training histories are cut anywhere in between, the cuts of an example's copies spread evenly. Those of validation
    all end as long before its first anchor, `valid_from` (µs), as the data before the first prediction.
    """
    n = len(seeds)
    if regime.known is None or not n:
        return seeds, np.arange(n, dtype=np.int64), split
    known = np.empty((COPIES, n), dtype=np.int64)
    for copy in range(COPIES):
        share = (copy + draw(seeds, seed, copy)) / COPIES
        known[copy] = seeds.anchors - (regime.low + share * (regime.high - regime.low)).astype(np.int64)
    held = split != TRAIN
    known[0, held] = np.minimum(seeds.anchors[held], valid_from) - regime.low
    return _stacked(seeds, known, split)


def _stacked(seeds: Seeds, known: Ints, split: NDArray[np.int8]) -> tuple[Seeds, Ints, NDArray[np.int8]]:
    copies, n = known.shape
    source = np.tile(np.arange(n, dtype=np.int64), copies)
    splits = np.tile(split, copies)
    splits[n:][splits[n:] != TRAIN] = BEYOND
    taken = Seeds(seeds.rows[source], seeds.anchors[source], known.ravel())
    order = np.lexsort((np.arange(len(source)), source))
    return taken.take(order), source[order], splits[order]
