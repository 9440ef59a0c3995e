"""Which rows lie behind a reason: from a feature's name and a seed to a table, a column and the rows that gave it.

Every row named is one that the feature itself was computed from: none is later than what the seed sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc

from pql.engine.examples.targets import width_of
from pql.engine.features.as_of import FeatureSpec, duration, owners_of
from pql.engine.features.lags import lag_names
from pql.engine.features.past import Facts
from pql.engine.features.past_facts import facts_of
from pql.engine.features.paths import Group, as_text
from pql.engine.features.peers import peer_edges, peer_groups
from pql.engine.graph.seeds import Seeds
from pql.engine.graph.segments import History, Ints, histories
from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph
from pql.engine.models.hazards import FIRST, LAST, PAST
from pql.engine.planning.anchors import lag_anchors
from pql.engine.planning.outcome import outcome_of
from pql.engine.planning.plan import Plan
from pql.engine.planning.planned_graph import aggregates
from pql.engine.planning.step_grid import grid_of
from pql.engine.reasons.members import (
    FREQUENCY,
    LATEST_LABEL,
    OFTEN,
    OWN_SHARES,
    RECENCY,
    SEASON,
    SINCE,
    START,
    VALUE,
    WINDOW_BEFORE,
    WINDOWS_BEFORE,
)

MOST_ROWS = 3  # that are named of a reason, the newest first
_BACK = re.compile(r" (\d+) back$")
_LAST = re.compile(r"^mean of last (\d+) ")
_SHARE = re.compile(r"^share of .* = (.*) \(-")
_WINDOW_AGO = re.compile(r"^target (\d+) windows ago$")
_EVENTS = (RECENCY, FREQUENCY, VALUE, OFTEN, SINCE, FIRST, LAST, PAST, OWN_SHARES)
_LAGS = (WINDOW_BEFORE, WINDOWS_BEFORE, START, SEASON, LATEST_LABEL)


@dataclass(frozen=True, slots=True)
class Named:
    """Some rows of one table, newest first: `rows` and `times` int64[r] (µs, ALWAYS possible) and how many there are
    in all."""

    table: int
    rows: Ints
    times: Ints
    count: int


@dataclass(frozen=True, slots=True)
class _Lines:
    """The histories of one path: of each seed its rows, their times, and where each window begins."""

    rows: tuple[Ints, ...]
    times: tuple[Ints, ...]
    bounds: tuple[Ints, ...]
    fact: int


@dataclass(slots=True)
class FeatureRows:
    """What the features of a spec, and the quantities of simple models, were read from, for `seeds`."""

    spec: FeatureSpec
    graph: TemporalGraph
    plan: Plan
    seeds: Seeds
    _groups: dict[str, tuple[Group, str]] = field(default_factory=dict)
    _lines: dict[tuple[object, ...], _Lines] = field(default_factory=dict)
    _facts: Facts | None = None

    def __post_init__(self) -> None:
        offered = [(group, name) for group in self.spec.groups for name in group.names]
        kept = range(len(offered)) if self.spec.kept is None else self.spec.kept
        for name, place in zip(self.spec.names, kept, strict=False):
            self._groups[name] = offered[place]

    def __contains__(self, name: str) -> bool:
        return name in self._groups

    def source(self, name: str) -> tuple[str, str]:
        """The table and the column that a feature reads; empty where it reads none, or no single one."""
        if name in self._groups:
            group = self._groups[name][0]
            if group.kind == "distinct":
                edge = self.graph.edges[int(group.column or 0)]
                link = edge.link
                return self.graph.nodes[group.table].name, ", ".join(link.child_columns) if link is not None else ""
            return self.graph.nodes[group.table].name, group.column or ""
        if name.startswith("how many ") and name.endswith(" there are"):
            return name.removeprefix("how many ").removesuffix(" there are"), ""
        if self._is_target(name) and (found := aggregates(self.plan.query.target)):
            argument = found[0].argument
            return found[0].fact, str(getattr(argument, "column", "")) if name not in (SINCE, RECENCY, LAST) else ""
        return "", ""

    def named(self, name: str, i: int) -> Named | None:
        """The rows behind a feature of seed `i`; None where it is none of a row."""
        if name in self._groups:
            return self._of_group(*self._groups[name], i)
        return self._of_target(name, i) if self._is_target(name) else None

    def _is_target(self, name: str) -> bool:
        own = {*lag_names(self.spec.lags), *_EVENTS, *_LAGS}
        return name in own or "since the last event" in name or "between events" in name

    def _of_target(self, name: str, i: int) -> Named | None:
        """Rows of the target's own facts: of a window before, or all of them."""
        if self._facts is None:
            if outcome_of(self.plan.query.target) is None:
                return None
            self._facts = facts_of(self.plan.query.target, self.graph)
        facts = self._facts
        if facts.source is None:
            return None
        row, seen = int(self.seeds.rows[i]), int(self.seeds.seen[i])
        low = int(facts.starts[row])
        end = low + int(np.searchsorted(facts.times[low : facts.starts[row + 1]], seen, side="right"))
        at = np.arange(low, end)
        window = 1 if name == WINDOW_BEFORE else int(found[1]) if (found := _WINDOW_AGO.match(name)) else 0
        if window:
            grid, width = grid_of(self.plan.query), width_of(self.plan)
            begin = grid.recent(seen, window) if grid else lag_anchors(seen, width, window)
            start = begin[window - 1] + int(facts.start * facts.horizon)
            times = facts.times[at]
            at = at[(times > start) & (times <= begin[window - 1] + facts.horizon)]
        if name == FIRST:
            at = at[:1]
        elif name in (RECENCY, SINCE, LAST) or name.startswith("since the last event"):
            at = at[-1:]
        if not len(at):
            return None
        newest = at[::-1][:MOST_ROWS]
        table = self.graph.index(aggregates(self.plan.query.target)[0].fact)
        return Named(table, facts.source[newest], facts.times[newest], len(at))

    def _of_group(self, group: Group, name: str, i: int) -> Named | None:
        if not group.down and not group.peers:
            row = int(self._owner(group)[i])
            if row < 0:
                return None
            return Named(group.table, np.array([row]), self.graph.nodes[group.table].time[[row]], 1)
        lines = self._read(group)
        rows, times, bounds = lines.rows[i], lines.times[i], lines.bounds[i]
        at, ends = self._chosen(group, name, rows, times, bounds)
        if not len(at):
            return None
        newest = at[::-1][:MOST_ROWS] if len(at) > 1 else at
        table = group.table if group.join else lines.fact
        return Named(table, (ends if group.join else rows)[newest], times[newest], len(at))

    def _chosen(self, group: Group, name: str, rows: Ints, times: Ints, bounds: Ints) -> tuple[Ints, Ints]:
        """The positions of a history, oldest first, that a feature is about; and the rows they point to by `join`."""
        ends = self._joined(group, rows, times)
        at = np.flatnonzero(ends >= 0)
        for j, width in enumerate(self.spec.widths):
            text = f"-{duration(width)}"
            if f" {text}, 0)" in name or f"({text}, 0)" in name:
                at = at[at >= bounds[1 + j] - bounds[0]]
                break
        if group.kind in ("clock", "pace", "distinct"):
            if name.startswith("days since first "):
                return at[:1], ends
            if found := _BACK.search(name):
                moments = np.unique(times[at])
                k = int(found[1])
                return at[times[at] == moments[-k]][:1] if len(moments) >= k else at[:0], ends
            latest = name.startswith(("days since latest ", "latest gap "))
            return at[-1:] if latest else at, ends
        if group.kind not in ("number", "stamp", "category"):
            return at, ends
        column = self.graph.nodes[group.table].column(group.column or "")
        data = column.data[ends[at]] if len(at) else column.data[:0]
        if group.kind == "number":
            known = np.isfinite(data)
            at, data = at[known], data[known]
            if name.startswith("latest "):
                return at[-1:], ends
            if name.startswith(("MAX(", "MIN(")) and len(at):
                best = np.flatnonzero(data == (data.max() if name.startswith("MAX(") else data.min()))
                return at[best[-1:]], ends
            if found := _LAST.match(name):
                return at[-int(found[1]) :], ends
            return at, ends
        if group.kind == "stamp":
            known = (data != ALWAYS) & (data != NEVER) & (data <= times[at])
            at, data = at[known], data[known]
            if name.startswith("days since latest ") or not len(at):
                return at[-1:], ends
            return at[[int(data.argmax() if name.startswith("days since newest ") else data.argmin())]], ends
        if name.startswith("latest "):
            return at[-1:], ends
        if (share := _SHARE.match(name)) and column.values is not None:
            wanted = np.asarray(pc.fill_null(pc.equal(as_text(column.values), share[1]), fill_value=False))
            at = at[np.append(wanted, False)[data]]
        return at, ends

    def _joined(self, group: Group, rows: Ints, times: Ints) -> Ints:
        for e in group.join:
            edge = self.graph.edges[e]
            if not len(edge.parent_of) or not len(self.graph.nodes[edge.parent]):
                return np.full(len(rows), -1, dtype=np.int64)
            above = np.where(rows >= 0, edge.parent_of[np.maximum(rows, 0)], -1).astype(np.int64)
            known = self.graph.nodes[edge.parent].time[np.maximum(above, 0)] <= times
            rows = np.where((above >= 0) & known, above, -1)
        return rows

    def _owner(self, group: Group) -> Ints:
        key = ("owner", group.base, group.via)
        if key not in self._lines:
            owners = owners_of(self.graph, self.seeds, group.base, group.via)
            self._lines[key] = _Lines((owners,), (), (), group.table)
        return self._lines[key].rows[0]

    def _read(self, group: Group) -> _Lines:
        """The histories of a group's path, of all seeds, read once."""
        if group.path not in self._lines:
            n = len(self.seeds)
            empty = np.zeros(0, dtype=np.int64)
            rows, times, bounds = [empty] * n, [empty] * n, [empty] * n
            fact = self.graph.entity if group.peers else self.graph.edges[group.down[-1]].child
            for history in self._histories(group):
                for place, seed in enumerate(history.order.tolist()):
                    begin, end = int(history.start[place]), int(history.end[place])
                    rows[seed], times[seed] = history.rows[begin:end], history.times[begin:end]
                    bounds[seed] = history.bounds[place]
            self._lines[group.path] = _Lines(tuple(rows), tuple(times), tuple(bounds), fact)
        return self._lines[group.path]

    def _histories(self, group: Group) -> Iterator[History]:
        seen, widths = self.seeds.seen, self.spec.widths
        if group.peers:
            edge = peer_edges(self.graph, group.peers)
            yield from histories(self.graph, (edge,), peer_groups(edge, self.seeds), seen, widths, recent=group.recent)
            return
        owners = owners_of(self.graph, self.seeds, group.base, group.via)
        chain = tuple(self.graph.edges[e] for e in group.down)
        yield from histories(self.graph, chain, owners, seen, widths, recent=group.recent)
