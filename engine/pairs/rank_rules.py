"""The rules of a ranking as arrays: which items an entity may be given at an anchor, and how many of a kind."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Barred:
    """Pairs not to be given. `key` int64[p] = entity * items + item, ascending; `time` int64[p], µs.

    With `ever`, a pair is barred at anchors at or after its time, else at the anchor that is its time.
    """

    key: NDArray[np.int64]
    time: NDArray[np.int64]
    ever: bool

    def at(self, anchor: int) -> NDArray[np.int64]:
        return self.key[self.time <= anchor if self.ever else self.time == anchor]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a query's rules say of I items. `since` int64[I]: when each becomes a candidate (NEVER: it doesn't).

    `cap`: how many items of one group a list may hold; `group` int64[I] and `group_known` int64[I], from when the group
    is known (before, an item is in group 0, that of NULL).
    """

    since: NDArray[np.int64] | None = None
    barred: tuple[Barred, ...] = ()
    cap: int | None = None
    group: NDArray[np.int64] | None = None
    group_known: NDArray[np.int64] | None = None

    def earlier(self, lag: int) -> Rules:
        """The rules for moments that stand for anchors `lag` µs later: what is barred at an anchor alone, is at its
        moment; all else holds from when it is known, as before."""
        if not lag:
            return self
        barred = (part if part.ever else replace(part, time=part.time - lag) for part in self.barred)
        return replace(self, barred=tuple(barred))

    def at(self, anchor: int, known: NDArray[np.bool_]) -> Allowed:
        """The rules at an anchor, where the items `known` (bool[I]) exist."""
        open_ = known if self.since is None else known & (self.since <= anchor)
        keys = [part.at(anchor) for part in self.barred]
        key = np.unique(np.concatenate(keys)) if keys else np.zeros(0, dtype=np.int64)
        group = None
        if self.group is not None and self.group_known is not None:
            group = np.where(self.group_known <= anchor, self.group, 0)
        return Allowed(open_, key, self.cap, group)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The rules at one anchor: `open` bool[I]; `barred` int64[q] = entity * I + item, ascending; cap per group."""

    open: NDArray[np.bool_]
    barred: NDArray[np.int64]
    cap: int | None = None
    group: NDArray[np.int64] | None = None

    @property
    def n_items(self) -> int:
        return len(self.open)

    def permits(self, entity: NDArray, item: NDArray) -> NDArray[np.bool_]:
        """bool[c]: whether each pair may be given."""
        ok = self.open[item]
        if not len(self.barred):
            return ok
        wanted = entity.astype(np.int64) * self.n_items + item
        at = np.minimum(np.searchsorted(self.barred, wanted), len(self.barred) - 1)
        return ok & (self.barred[at] != wanted)

    def barred_for(self, entities: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The barred items of entities: the position of each one's entity in `entities`, and the item."""
        low = np.searchsorted(self.barred, entities * self.n_items)
        sizes = np.searchsorted(self.barred, (entities + 1) * self.n_items) - low
        owner = np.repeat(np.arange(len(entities), dtype=np.int64), sizes)
        place = np.arange(len(owner)) + np.repeat(low - (np.cumsum(sizes) - sizes), sizes)
        return owner, self.barred[place] % max(1, self.n_items)

    def counts(self, entities: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n]: how many items each entity may be given (AT MOST left aside)."""
        owner, item = self.barred_for(entities)
        return int(self.open.sum()) - np.bincount(owner[self.open[item]], minlength=len(entities))

    def caps(self, items: NDArray[np.int64]) -> Cap | None:
        """AT MOST for some candidates."""
        return None if self.cap is None or self.group is None else Cap(self.cap, self.group[items])


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `n` candidates of one `group` (int64[c]) in a list."""

    n: int
    group: NDArray[np.int64]

    def take(self, index: NDArray) -> Cap:
        return Cap(self.n, self.group[index])
