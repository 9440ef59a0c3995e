"""As-of relational features: what a person would compute about an entity from its history, for any anchor.

`fit_features` chooses paths and vocabularies on rows at or before a cut; `FeatureSpec.compute` gives the numbers of n
seeds over the graph's time-sorted index. A seed's features depend on rows at or before its anchor alone, and are
the same bits whether later rows exist or not and whether it is computed alone or among many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.features.lags import LIMIT, compute_lags, lag_names
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.features.measures import (
    Measured,
    measure_category,
    measure_clock,
    measure_distinct,
    measure_number,
    measure_stamp,
    since,
)
from pql.engine.features.pace import measure_pace
from pql.engine.features.paths import TOP_SHARES, Group, as_text, enumerate_groups
from pql.engine.features.peers import peer_edges, peer_groups
from pql.engine.features.seasons import Seasons
from pql.engine.features.worth import measure_worth
from pql.engine.graph.seeds import Seeds
from pql.engine.graph.segments import History, histories
from pql.engine.graph.temporal import ALWAYS, NEVER, EdgeType, NodeColumn, TemporalGraph
from pql.engine.planning.plan import US_PER_DAY
from pql.language.catalog import Stype
from pql.language.errors import PqlError

MAX_FEATURES = 250
MAX_OFFERED = 1_000  # features that are looked at, to find those worth keeping
PROBES = 400  # examples on which a feature must vary
_FORMAT = 1
STALENESS = ("days that the history ends before the anchor",)


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """A fitted choice of features. `widths`: windows in µs, widest first. `lags`: how many lagged targets there are.
    `stale_days`: how stale the histories of examples are at most; with any, how stale a seed's is, is a feature.
    `seasons`: the features of the time of year, where there are any.

    `tables` and `edges` name what the groups' integers mean, so that another graph can be checked against them.
    `kept`: which of the groups' features are columns, ascending; None for all.
    """

    groups: tuple[Group, ...]
    widths: tuple[int, ...]
    lags: int
    tables: tuple[str, ...]
    edges: tuple[str, ...]
    stale_days: float = 0.0
    seasons: Seasons | None = None
    kept: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, unique, in the order of the matrix's columns."""
        names = _unique(tuple(n for g in self.groups for n in g.names))
        found = names if self.kept is None else tuple(names[i] for i in self.kept)
        extra = (*(self.seasons.names if self.seasons else ()), *(STALENESS if self.stale_days else ()))
        return _unique((*found, *lag_names(self.lags), *extra))

    def compute(self, graph: TemporalGraph, seeds: Seeds, lags: NDArray[np.float32] | None = None) -> FeatureMatrix:
        """The features of n seeds: float32[n, len(self.names)], NaN where undefined.

        `lags` float32[n, L] are the query's own earlier targets, nearest first. Raises PqlError
        `model_mismatch` if the graph isn't made like the one the spec was fitted on.
        """
        if tuple(n.name for n in graph.nodes) != self.tables or tuple(e.name for e in graph.edges) != self.edges:
            raise PqlError(
                "model_mismatch",
                "The database's tables and links are not those the model was fitted on.",
                hint="Train again, e.g. by CREATE OR REPLACE MODEL.",
            )
        names = self.names
        offered = [n for g in self.groups for n in g.names]
        values = np.empty((len(seeds), len(offered)), dtype=np.float32)
        column = 0
        for _, found in groupby(self.groups, key=lambda g: g.path):
            groups = list(found)
            width = sum(len(g.names) for g in groups)
            _compute_path(graph, seeds, groups, self.widths, values[:, column : column + width])
            column += width
        places = range(len(offered)) if self.kept is None else self.kept
        categorical = {n for g in self.groups for n in g.categorical}
        codes = tuple(name for name, place in zip(names, places, strict=False) if offered[place] in categorical)
        parts = [values if self.kept is None else values[:, list(self.kept)]]
        if self.lags:
            parts.append(np.empty((len(seeds), len(lag_names(self.lags))), dtype=np.float32))
            compute_lags(lags, self.lags, parts[-1])
        if self.seasons is not None:
            parts.append(self.seasons.compute(graph, seeds).astype(np.float32))
        if self.stale_days:
            days = np.minimum((seeds.anchors - seeds.seen) / US_PER_DAY, self.stale_days)
            parts.append(days.astype(np.float32)[:, None])
        made = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        made[np.isnan(made)] = np.nan  # of one bit pattern: what has no value may come with either sign
        return FeatureMatrix(names, made, codes)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "groups": [g.to_json() for g in self.groups],
            "widths": list(self.widths),
            "lags": self.lags,
            "tables": list(self.tables),
            "edges": list(self.edges),
            "stale_days": self.stale_days,
            "seasons": None if self.seasons is None else self.seasons.to_json(),
            "kept": None if self.kept is None else list(self.kept),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> FeatureSpec:
        return cls(
            tuple(Group.from_json(g) for g in value["groups"]),
            tuple(value["widths"]),
            value["lags"],
            tuple(value["tables"]),
            tuple(value["edges"]),
            float(value["stale_days"]),
            None if value["seasons"] is None else Seasons.from_json(value["seasons"]),
            None if value["kept"] is None else tuple(value["kept"]),
        )


def fit_features(
    graph: TemporalGraph,
    *,
    cut: int,
    horizon: int,
    masked: frozenset[tuple[str, str]] = frozenset(),
    masked_own: frozenset[tuple[str, str]] = frozenset(),
    hops: int = 2,
    lags: int = 0,
    limit: int = MAX_FEATURES,
    shares: int = TOP_SHARES,
    stale_days: float = 0.0,
    seasons: Seasons | None = None,
    probe: Seeds | None = None,
) -> FeatureSpec:
    """Choose features on the rows at or before `cut` (µs).

    `horizon` (µs) is the width of the target's window: history is summed over 8, 4, 2, 1 and 1/2 of it, and whole.
    `masked` columns are not read; `masked_own` ones are read of earlier rows only, not of the seed's own.
    At most `limit` features are kept, cheap and near ones first. `shares`: for how
    many categories of a column their share of the history is a feature. `stale_days` and `seasons`: see FeatureSpec.
    `probe`: training examples; a feature that is the same for all of them, or the same as an earlier one, is left out.
    """
    horizon = max(int(horizon), 2)
    widths = (8 * horizon, 4 * horizon, 2 * horizon, horizon, horizon // 2)
    texts = tuple(f"-{duration(width)}" for width in widths)
    room = limit - len(lag_names(lags))
    most = MAX_OFFERED if probe is not None and len(probe) > 1 else room
    pace = 0 if masked_own else horizon
    offered: list[Group] = []
    for group in enumerate_groups(graph, cut, masked, masked_own, hops, texts, shares, pace):
        if len(group.names) <= most:
            offered.append(group)
            most -= len(group.names)
    spec = FeatureSpec(
        tuple(sorted(offered, key=lambda g: g.path)),
        widths,
        lags,
        tuple(n.name for n in graph.nodes),
        tuple(e.name for e in graph.edges),
        stale_days,
        seasons,
    )
    return spec if probe is None or len(probe) < 2 else _useful(spec, graph, probe, offered, room)


def _useful(spec: FeatureSpec, graph: TemporalGraph, probe: Seeds, offered: list[Group], room: int) -> FeatureSpec:
    """The spec with the first `room` features, in the order offered, that vary and repeat no other."""
    if len(probe) > PROBES:
        probe = probe.take(np.linspace(0, len(probe) - 1, PROBES).astype(np.int64))
    values = replace(spec, lags=0, stale_days=0.0, seasons=None).compute(graph, probe).values
    begins = np.cumsum([0, *(len(g.names) for g in spec.groups)])
    begin = {id(group): int(at) for group, at in zip(spec.groups, begins, strict=False)}
    seen: set[bytes] = set()
    kept: list[int] = []
    for group in offered:
        for place in range(begin[id(group)], begin[id(group)] + len(group.names)):
            column = np.ascontiguousarray(values[:, place])
            known = column[~np.isnan(column)]
            if len(kept) >= room or not len(known):
                continue
            if len(known) == len(column) and known.min() == known.max():
                continue
            content = column.tobytes()
            if content not in seen:
                seen.add(content)
                kept.append(place)
    groups, places, wanted = [], [], set(kept)
    total = 0
    for group, at in zip(spec.groups, begins, strict=False):
        inside = [i for i in range(len(group.names)) if at + i in wanted]
        if inside:
            groups.append(group)
            places += [total + i for i in inside]
            total += len(group.names)
    return replace(spec, groups=tuple(groups), kept=tuple(places))


def duration(width: int) -> str:
    """A width in µs for people, in days where that is a short number, else in smaller units: '30d', '12h', '90s'."""
    for unit, size in (("d", US_PER_DAY), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000)):
        if width >= size:
            return f"{width / size:.6g}{unit}"
    return f"{width}us"


def _compute_path(
    graph: TemporalGraph,
    seeds: Seeds,
    groups: list[Group],
    widths: tuple[int, ...],
    out: NDArray[np.float32],
) -> None:
    """The features of groups with the same path, float32[n, their names], into `out`."""
    path = groups[0]
    if path.peers:
        edge = peer_edges(graph, path.peers)
        _compute_histories(graph, (edge,), peer_groups(edge, seeds), seeds.seen, groups, widths, out)
        return
    owners = owners_of(graph, seeds, path.base, path.via)
    if not path.down:
        for column, group in enumerate(groups):
            out[:, column] = _finite(_own(graph, group, owners, seeds))
        return
    chain = tuple(graph.edges[e] for e in path.down)
    if not path.base:
        _compute_histories(graph, chain, owners, seeds.seen, groups, widths, out)
        return
    seen = seeds.seen
    order = np.lexsort((seen, owners))
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = np.diff(owners[order]) != 0
    fresh[1:] |= np.diff(seen[order]) != 0
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.cumsum(fresh) - 1
    once = order[fresh]
    small = np.empty((len(once), out.shape[1]), dtype=np.float32)
    _compute_histories(graph, chain, owners[once], seen[once], groups, widths, small)
    out[:] = small[place]


def _compute_histories(
    graph: TemporalGraph,
    chain: tuple[EdgeType, ...],
    owners: NDArray[np.int64],
    anchors: NDArray[np.int64],
    groups: list[Group],
    widths: tuple[int, ...],
    out: NDArray[np.float32],
) -> None:
    for history in histories(graph, chain, owners, anchors, widths, recent=groups[0].recent):
        rows: dict[tuple[int, ...], NDArray[np.int64]] = {}
        column = 0
        for group in groups:
            if group.join not in rows:
                rows[group.join] = _joined(graph, history, group.join)
            measured = _measure(graph, history, group, rows[group.join], widths[3])
            for i, values in enumerate(measured):
                out[history.order, column + i] = _finite(values)
            column += len(group.names)


def _measure(graph: TemporalGraph, history: History, group: Group, rows: NDArray[np.int64], horizon: int) -> Measured:
    terse = bool(group.peers)
    if group.kind == "clock":
        return measure_clock(history, brief=group.brief, occasions=group.occasions, terse=terse)
    if group.kind == "pace":
        return measure_pace(history, horizon, group.rates)
    if group.kind == "distinct":
        return measure_distinct(history, _joined(graph, history, (int(group.column or 0),)), brief=group.brief)
    column = graph.nodes[group.table].column(group.column or "")
    if group.kind == "category":
        ranks = _ranks(column, group.vocabulary)
        codes = np.full(len(rows), -1, dtype=np.int64)
        there = np.flatnonzero(rows >= 0)
        codes[there] = ranks[column.data[rows[there]]]
        return measure_category(history, codes, group.shares, brief=group.brief)
    known = np.flatnonzero(rows >= 0)
    if group.kind == "stamp":
        stamps = np.full(len(rows), ALWAYS, dtype=np.int64)
        stamps[known] = column.data[rows[known]]
        return measure_stamp(history, stamps, brief=group.brief)
    values = np.full(len(rows) + 1, np.nan)
    values[known] = column.data[rows[known]]
    if group.kind == "worth":
        return measure_worth(history, values, horizon, group.rates)
    return measure_number(history, values, group.centre, brief=group.brief, gaps=group.gaps, terse=terse)


def _joined(graph: TemporalGraph, history: History, join: tuple[int, ...]) -> NDArray[np.int64]:
    """The row each fact points to, -1 where there is none or it became known only after the fact."""
    rows = history.rows
    for e in join:
        edge = graph.edges[e]
        if not len(edge.parent_of) or not len(graph.nodes[edge.parent]):
            return np.full(len(rows), -1, dtype=np.int64)
        above = np.where(rows >= 0, edge.parent_of[np.maximum(rows, 0)], -1).astype(np.int64)
        known = graph.nodes[edge.parent].time[np.maximum(above, 0)] <= history.times
        rows = np.where((above >= 0) & known, above, -1)
    return rows


def owners_of(graph: TemporalGraph, seeds: Seeds, base: tuple[int, ...], via: int | None) -> NDArray[np.int64]:
    """The row that owns the history of each seed, -1 where there is none as of the anchor."""
    rows = seeds.rows
    until = seeds.seen
    if via is None:  # a row that is known at its own time knows what it points to
        own = graph.nodes[graph.entity].time[rows]
        until = np.maximum(until, np.where(own == NEVER, ALWAYS, own))
    else:
        latest = np.full(len(seeds), -1, dtype=np.int64)
        for history in histories(graph, (graph.edges[via],), seeds.rows, seeds.seen, ()):
            has = history.end > history.start
            latest[history.order[has]] = history.rows[history.end[has] - 1]
        rows = latest
    for e in base:
        edge = graph.edges[e]
        if not len(edge.parent_of) or not len(graph.nodes[edge.parent]):
            return np.full(len(seeds), -1, dtype=np.int64)
        above = np.where(rows >= 0, edge.parent_of[np.maximum(rows, 0)], -1).astype(np.int64)
        rows = np.where((above >= 0) & (graph.nodes[edge.parent].time[np.maximum(above, 0)] <= until), above, -1)
    return rows


def _own(graph: TemporalGraph, group: Group, rows: NDArray[np.int64], seeds: Seeds) -> NDArray[np.float64]:
    """A column of the base row itself. Timestamps later than what may be seen count as unknown."""
    node = graph.nodes[group.table]
    result = np.full(len(rows), np.nan)
    known = np.flatnonzero(rows >= 0)
    at = rows[known]
    if group.stype == "age":
        result[known] = _age(node.time[at], seeds.take(known))
        return result
    column = node.column(group.column or "")
    if column.stype is Stype.TIMESTAMP:
        result[known] = _age(column.data[at], seeds.take(known))
    elif column.stype is Stype.CATEGORY:
        result[:] = -1
        result[known] = _ranks(column, group.vocabulary)[column.data[at]]
    elif column.stype is Stype.TEXT:
        result[known] = column.data[at] < 0
    else:
        result[known] = column.data[at]
    return result


def _age(times: NDArray[np.int64], seeds: Seeds) -> NDArray[np.float64]:
    """Days from each time to the seed's anchor, NaN where it is later than what may be seen."""
    return np.where(times <= seeds.seen, since(times, seeds.anchors), np.nan)


def _ranks(column: NodeColumn, vocabulary: tuple[str, ...]) -> NDArray[np.int64]:
    """Graph code → place in the vocabulary, -1 for others; the last element answers for code -1 (NULL)."""
    ranks = np.full((len(column.values) if column.values is not None else 0) + 1, -1, dtype=np.int64)
    if column.values is not None and len(column.values):
        found = pc.index_in(as_text(column.values), value_set=pa.array(vocabulary, pa.string()))
        ranks[:-1] = pc.fill_null(found, -1).to_numpy(zero_copy_only=False)
    return ranks


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(values, -LIMIT, LIMIT)


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return tuple(result)
