"""Which rows lie behind the reasons of an (entity, item) pair: earlier rows of the entity with the item, its latest
rows, the item itself. None is later than the anchor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pql.engine.features.as_of import FeatureSpec
from pql.engine.graph.interactions import fact_items, item_values
from pql.engine.graph.seeds import Seeds
from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph
from pql.engine.reasons.reasons import EVENED, Ints
from pql.engine.reasons.rows import MOST_ROWS, FeatureRows, Named
from pql.language.bound import Item

if TYPE_CHECKING:
    from pql.engine.planning.plan import Plan

POPULARITY = "how many had it of late"
SEASONS = "whether anybody had it in the same season"
MEMBER_RULE, OTHER_RULES = "the rule that speaks most for it", "the other rules that do"
OTHER_ITEMS = "what it had before"
MET, WAITED = "how often it was met so far", "how long ago it was, in gaps"
LATELY, LATE_ROWS = "how long ago its last event was", "how many events it had of late"
FILLED = "popular items fill the list up"
COMPANY, NO_PAST = "what else could be listed", "that nothing came before"
ITEM_LIKED = "how it stands with everybody"
_ENTITY = ("entity: ", LATELY, LATE_ROWS)
_LATEST = ("recency", "rows since", "baskets since", "own recency lag", "last gap", WAITED)
_OF_ENTITY = ("together", "latent", OTHER_ITEMS)


class PairOrigins:
    """Of u units, an entity and anchor `seeds` and an item `items` int64[u] each. `features`: those of the entities
    that towers read."""

    def __init__(
        self, plan: Plan, graph: TemporalGraph, seeds: Seeds, items: Ints, features: FeatureSpec | None = None
    ) -> None:
        assert plan.task.item is not None
        self._features = None if features is None else FeatureRows(features, graph, plan, seeds)
        self.graph, self.seeds, self.items = graph, seeds, items
        self.item: Item = plan.task.item
        found = fact_items(plan, graph)
        self.fact = found.fact
        self.item_table = graph.index(self.item.table) if self.item.table is not None else -1
        self._values = item_values(plan, graph)
        self._numbers = {name for name, _ in found.items.numbers}
        self._kinds = {name for name, _ in found.items.categories}
        wanted = np.unique(seeds.rows)
        kept = np.flatnonzero(
            np.isin(found.entity, wanted) & (found.item >= 0) & (found.time != NEVER) & (found.time != ALWAYS)
        )
        order = kept[np.lexsort((kept, found.time[kept], found.entity[kept]))]
        self._entity = found.entity[order].astype(np.int64)
        self._rows, self._times, self._of = (
            order.astype(np.int64),
            found.time[order],
            found.item[order].astype(np.int64),
        )
        self._because: dict[int, tuple[int, ...]] = {}
        self._beside: dict[int, tuple[int, ...]] = {}

    def because(self, unit: int, items: Sequence[int]) -> None:
        """The items that fire the rule a unit names."""
        self._because[unit] = tuple(items)

    def beside(self, unit: int, items: Sequence[int]) -> None:
        """The entity's items that the unit's item goes with."""
        self._beside[unit] = tuple(items)

    def item_text(self, item: int) -> str:
        """An item as it is called in the data."""
        return str(self._values[item].as_py()) if 0 <= item < len(self._values) else "another"

    def rows_of(self, units: Ints) -> tuple[Ints, Ints, Ints]:
        """The earlier rows of each unit's entity with its item: which of `units`, row of the fact table, time."""
        owners, rows, times = [], [], []
        for number, unit in enumerate(units.tolist()):
            at = self._pair(unit)
            owners.append(np.full(len(at), number, dtype=np.int64))
            rows.append(self._rows[at])
            times.append(self._times[at])
        empty = [np.zeros(0, dtype=np.int64)]
        return tuple(np.concatenate([*empty, *part]) for part in (owners, rows, times))  # type: ignore[return-value]

    def source(self, name: str) -> tuple[str, str]:
        if self._features is not None and name in self._features:
            return self._features.source(name)
        if name.startswith("how many ") and name.endswith(" there are"):
            return name.removeprefix("how many ").removesuffix(" there are"), ""
        fact, column = self.graph.nodes[self.fact].name, self.item.column.column
        holder = self.item.table or self.item.column.table
        if name.startswith("item: ") or name in (POPULARITY, SEASONS, ITEM_LIKED, FILLED):
            return holder, self.item.key or column
        kind = name.split(": ", 1)[0]
        if ": " in name and kind in self._kinds:
            return holder, kind
        if name in self._numbers or name.removesuffix(" - my mean") in self._numbers:
            return holder, name.removesuffix(" - my mean")
        if name.startswith(("source: ", "network ")) or name == EVENED:
            return "", ""
        return (fact, "") if name.startswith(_ENTITY) else (fact, column)

    def named(self, name: str, unit: int) -> Named | None:
        if self._features is not None and name in self._features:
            return self._features.named(name, unit)
        if name.startswith("how many ") and name.endswith(" there are"):
            return None
        table, _ = self.source(name)
        if name in (MEMBER_RULE, OTHER_RULES):
            at = self._entity_rows(unit)
            had = self._because.get(unit, ()) if name == MEMBER_RULE else ()
            return self._given(at[np.isin(self._of[at], had)] if had else at[:0])
        if table == self.graph.nodes[self.fact].name:
            if name.startswith(_ENTITY) or name.startswith(_OF_ENTITY):
                at = self._entity_rows(unit)
                if name.startswith("together") and (mine := self._beside.get(unit)):
                    at = at[np.isin(self._of[at], mine)]
                return self._given(at[-1:] if name in (LATELY, "entity: recency") else at)
            at = self._pair(unit)
            if name.startswith(_LATEST):
                return self._given(at[-1:])
            return self._given(at[:1] if name == "since first" else at)
        if self.item_table >= 0 and table:
            row = np.array([self.items[unit]])
            return Named(self.item_table, row, self.graph.nodes[self.item_table].time[row], 1)
        return None

    def _entity_rows(self, unit: int) -> Ints:
        """Positions of all rows of a unit's entity up to what it sees, oldest first."""
        row, seen = int(self.seeds.rows[unit]), int(self.seeds.anchors[unit])
        low, high = (int(np.searchsorted(self._entity, row, side=side)) for side in ("left", "right"))  # type: ignore[call-overload]
        return np.arange(low, low + int(np.searchsorted(self._times[low:high], seen, side="right")))

    def _pair(self, unit: int) -> Ints:
        at = self._entity_rows(unit)
        return at[self._of[at] == self.items[unit]]

    def _given(self, at: Ints) -> Named | None:
        if not len(at):
            return None
        newest = at[::-1][:MOST_ROWS]
        return Named(self.fact, self._rows[newest], self._times[newest], len(at))
