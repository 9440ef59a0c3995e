"""interval, of rankings: items that are due, by how long ago an entity met them beside how far apart it meets them.

A pair's gap is its own mean one, drawn to the item's and that to everybody's. How likely a pair is met within the next
horizon is read off the earlier anchors of the same past: the share of pairs that were, by number of times met, by
elapsed time in gaps, and by how often the item is met again at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.models.base import State
from pql.engine.models.popularity import popularity_scores
from pql.engine.pairs.pair_history import History, picked

LOOKS = 2  # earlier anchors, one horizon apart, that the shares are read off
OWN = 1.0  # gaps' worth of the item's own that a pair's is drawn to, and of everybody's that an item's is
TIMES = np.array([1, 2, 3, 5, 8, 13])  # at least so often met
WAITS = 12  # parts by elapsed time in gaps
LOYALTY = 4  # parts by the item's repeats
DOUBT = 20.0  # pairs' worth of the wider cell's share
NEAREST = 60
_SLIVER = 1e-6

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Due:
    """`shares` float64[times, loyalty, waits]: how many pairs were met within the next horizon; `waits` and `loyalty`:
    what divides the elapsed time and the items."""

    shares: Floats
    waits: Floats
    loyalty: Floats
    name: str = "interval"

    def called(self, values: pa.Array, source: tuple[str, str] | None = None) -> Due:
        return self

    def among(self, values: pa.Array) -> Due:
        return self

    def reach(self, history: History, entities: Ints) -> DueReach:
        """How due the items of `entities` (rows, int64[n]) are at the history's anchor."""
        past = _Pairs.of(history)
        value = self.shares[past.cells(self.waits, self.loyalty)]
        low, high = (np.searchsorted(history.key, (entities + i) * history.n_items) for i in (0, 1))
        nearest = np.full((len(entities), NEAREST), -1, dtype=np.int64)
        for number, (start, end) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
            order = np.argsort(-value[start:end], kind="stable")[:NEAREST]
            nearest[number, : len(order)] = history.pair_item[start:end][order]
        return DueReach(history, entities, value, nearest)

    def told(self, history: History, at: Ints) -> tuple[Floats, Floats, Ints, Floats]:
        """Of pairs of the history (positions `at`): the share of those met as often of items met again as much, that
        of those waited for as long besides, how often they were met, and how many gaps ago the last time was."""
        past = _Pairs.of(history)
        times, loyal, waits = (cell[at] for cell in past.cells(self.waits, self.loyalty))
        return self.shares.mean(axis=2)[times, loyal], self.shares[times, loyal, waits], past.times[at], past.waited[at]

    def state(self) -> State:
        return {"name": self.name, "shares": self.shares, "waits": self.waits, "loyalty": self.loyalty}

    @classmethod
    def restore(cls, state: State) -> Due:
        shares, waits, loyalty = (np.asarray(state[name], dtype=np.float64) for name in ("shares", "waits", "loyalty"))
        return cls(shares, waits, loyalty)


@dataclass(frozen=True, slots=True)
class DueReach:
    """`value` float64[p]: of every pair of the history."""

    history: History
    entities: Ints
    value: Floats
    nearest: Ints

    def score(self, owner: Ints, items: Ints) -> Floats:
        """float64[c]: the chance of each pair; repeats and popularity order what is alike."""
        at, found = self.history.find(self.entities[owner], items)
        due = np.where(found, picked(self.value, at) + _SLIVER * picked(self.history.decayed, at), 0.0)
        return due + _SLIVER * _SLIVER * popularity_scores(self.history, items)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The pairs met by a moment: times met, elapsed time in gaps, and how loyal their item is."""

    times: Ints
    waited: Floats
    loyal: Floats

    @classmethod
    def of(cls, history: History) -> _Pairs:
        return cls.by(history.pair_item, history.count, history.first, history.last, history.anchor, history.n_items)

    @classmethod
    def by(cls, item: NDArray, count: NDArray, first: Ints, last: Ints, moment: int, n_items: int) -> _Pairs:
        gaps = count.astype(np.int64) - 1
        spans = (last - first) // 1_000_000  # whole seconds, so that their sums are exact
        span = np.bincount(item, weights=spans, minlength=n_items)
        number = np.bincount(item, weights=gaps, minlength=n_items)
        pairs = np.bincount(item, minlength=n_items)
        usual = max(float(span.sum()) / max(1.0, float(number.sum())), 1.0)
        of_item = (span + OWN * usual) / (number + OWN)
        gap = (spans + OWN * of_item[item]) / (gaps + OWN)
        waited = (moment - last) / 1_000_000 / np.maximum(gap, 1.0)
        return cls(gaps + 1, waited, (number / np.maximum(1, pairs))[item])

    def cells(self, waits: Floats, loyalty: Floats) -> tuple[Ints, Ints, Ints]:
        return (
            np.searchsorted(TIMES, self.times, side="right") - 1,
            np.searchsorted(loyalty, self.loyal, side="left"),
            np.searchsorted(waits, self.waited, side="left"),
        )


def due_at(history: History) -> Due:
    """The shares read off the anchors one and more horizons before the history's."""
    entity = np.repeat(np.arange(history.n_entities, dtype=np.int64), np.diff(history.rows_indptr))
    order = np.lexsort((history.row_times, history.row_items, entity))
    key = (entity * max(1, history.n_items) + history.row_items)[order]
    times, items = history.row_times[order], history.row_items[order]
    starts = np.flatnonzero(np.append(True, key[1:] != key[:-1])) if len(key) else np.zeros(0, dtype=np.int64)
    ends = np.append(starts, len(key))[1:]
    looks, met = [], []
    for back in range(1, LOOKS + 1):
        moment = history.anchor - back * history.horizon
        seen = np.add.reduceat((times <= moment).astype(np.int64), starts) if len(starts) else starts
        some = np.flatnonzero(seen)
        begin, number = starts[some], seen[some]
        after = begin + number
        again = (after < ends[some]) & (times[np.minimum(after, max(0, len(times) - 1))] <= moment + history.horizon)
        first, last = times[begin], times[after - 1]
        looks.append(_Pairs.by(items[begin], number, first, last, moment, history.n_items))
        met.append(again)
    waited, loyal = (np.concatenate([getattr(one, name) for one in looks]) for name in ("waited", "loyal"))
    waits, loyalty = _parts(waited, WAITS), _parts(loyal, LOYALTY)
    cells = tuple(np.concatenate(part) for part in zip(*(one.cells(waits, loyalty) for one in looks), strict=True))
    return Due(_shares(cells, np.concatenate(met), (len(TIMES), LOYALTY, WAITS)), waits, loyalty)


def _parts(values: Floats, parts: int) -> Floats:
    return np.unique(np.quantile(values, np.arange(1, parts) / parts, method="lower")) if len(values) else np.zeros(0)


def _shares(cells: tuple[Ints, ...], met: NDArray[np.bool_], shape: tuple[int, int, int]) -> Floats:
    """The share of each cell, drawn to that of all waits, and that to everybody's."""
    total, hits = np.zeros(shape), np.zeros(shape)
    np.add.at(total, cells, 1)
    np.add.at(hits, cells, met)
    usual = (hits.sum() + 1.0) / (total.sum() + 2.0)
    rows = (hits.sum(axis=(0, 1)) + DOUBT * usual) / (total.sum(axis=(0, 1)) + DOUBT)
    wide = (hits.sum(axis=1) + DOUBT * rows) / (total.sum(axis=1) + DOUBT)
    return np.asarray((hits + DOUBT * wide[:, None, :]) / (total + DOUBT))
