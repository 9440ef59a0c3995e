"""Which as-of features a graph offers: paths from the entity along its links, and what is measured at their ends.

A path has three parts. `base` leads from the seed to the row that owns the history: nothing (the entity itself), steps
up (its parents), or the parent of its latest fact. `down` leads to facts, over one link or two. `join` leads up from
each fact to a row it points to. Everything here is fitted on rows at or before a cut, and is plain JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.features.names import category_names, clock_names, distinct_names, number_names, stamp_names
from pql.engine.features.pace import HALF_LIVES, fit_pace, pace_names
from pql.engine.features.peers import EVERYONE, Peers, peer_ways
from pql.engine.features.worth import worth_names
from pql.engine.graph.temporal import ALWAYS, NEVER, EdgeType, NodeColumn, NodeTable, TemporalGraph
from pql.language.catalog import Stype

TOP_SHARES = 8  # categories whose shares are features, unless asked otherwise
BRIEF_SHARES = 4
TOP_CODES = 48  # categories that get a code of their own
HEAVY_OWNER = 5_000  # rows of a typical owner; of more, reached over a parent, only the latest count
RECENT = 200  # how many that are
FEWEST_HALF = 50  # rows of each half of a table, for whether a text is missing to be read
DRIFT = 2.0  # standard errors by which the older rows may differ from all
FEW_FACTS = 6  # direct facts; of the columns of more, only the cheapest features


@dataclass(frozen=True, slots=True)
class Group:
    """Features that are computed together.

    kind: own (a column or the age of the base row), clock (how many, how long ago), pace (see `engine.features.pace`),
    number, worth (see `engine.features.worth`), stamp, category, distinct.
    `base`, `down`, `join`: edge indexes; with `via`, `base` starts at the entity's latest fact along that edge type.
    With `peers` (see `engine.features.peers`), the history is that of the rows that share these ways up instead.
    `recent`: only so many latest rows of the history count, 0 for all. `gaps`: the column has unknown values, so how
    many are known is a feature. `rates`: the parameters of the pace.
    `column` is read at the end of the path (for distinct: the edge index); `centre` is about its mean, for exact
    spreads; `vocabulary` its categories. `brief`: the cheapest features only. `occasions`: rows share moments.
    `shares`: of how many categories the share is a feature.
    `names`: one per feature, in order.
    """

    kind: str
    table: int
    column: str | None = None
    stype: str | None = None
    base: tuple[int, ...] = ()
    via: int | None = None
    down: tuple[int, ...] = ()
    join: tuple[int, ...] = ()
    brief: bool = False
    centre: float = 0.0
    vocabulary: tuple[str, ...] = ()
    occasions: bool = False
    shares: int = 0
    peers: Peers = ()
    recent: int = 0
    gaps: bool = False
    rates: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Group:
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
        return cls(**{**fields, "peers": tuple(tuple(way) for way in value["peers"])})

    @property
    def path(self) -> tuple[Any, ...]:
        """What leads to the history: groups with the same are computed from one reading of it."""
        return self.base, -1 if self.via is None else self.via, self.down, self.peers, self.recent


@dataclass(frozen=True, slots=True)
class Path:
    """A way to a history: see Group. `label` is how people read it; `brief` asks for the cheapest features, `is_lean`
    for those of the columns alone."""

    base: tuple[int, ...]
    via: int | None
    down: tuple[int, ...]
    label: str
    table: int
    brief: bool
    peers: Peers = ()
    recent: int = 0
    is_lean: bool = False


def enumerate_groups(
    graph: TemporalGraph,
    cut: int,
    masked: frozenset[tuple[str, str]],
    masked_own: frozenset[tuple[str, str]],
    hops: int,
    windows: tuple[str, ...],
    shares: int = TOP_SHARES,
    horizon: int = 0,
) -> Iterator[Group]:
    """All groups a graph offers within `hops`, the cheapest and most telling first.

    `windows` are the spec's windows as text, widest first; `horizon`: the target's (µs), 0 where rows predict
    themselves. Rows later than `cut` are not looked at. `masked` columns are read nowhere, `masked_own` ones not of the
    seed's row and of what it points to, but of earlier rows.
    """
    by_child = _edges_by(graph, child=True)
    by_parent = _edges_by(graph, child=False)
    yield from _own_groups(graph, cut, masked | masked_own, (), graph.entity)
    facts = by_parent[graph.entity]
    direct = [
        Path((), None, (e,), _label(graph, e, down=True), graph.edges[e].child, False, is_lean=len(facts) > FEW_FACTS)
        for e in facts
    ]
    yield from _in_turn(_history_groups(graph, cut, masked, path, (), windows, shares, horizon) for path in direct)
    for e in by_child[graph.entity]:
        yield from _own_groups(graph, cut, masked | masked_own, (e,), graph.edges[e].parent)
    if hops < 2:
        return
    if masked_own:
        yield from _peer_groups(graph, cut, masked, windows, shares)
    yield from _in_turn(
        _history_groups(graph, cut, masked, path, (e,), windows, shares)
        for path in direct
        for e in by_child[path.table]
        if e not in path.down
    )
    far: list[Path] = []
    for path in direct:
        for e in by_parent[path.table]:
            grandchild = graph.edges[e].child
            if graph.edges[e].link is not None and grandchild != path.table:
                label = f"{path.label}.{_label(graph, e, down=True)}"
                far.append(Path((), None, (path.down[0], e), label, grandchild, True))
    for e in by_child[graph.entity]:
        parent = graph.edges[e].parent
        for d in by_parent[parent]:
            if graph.edges[d].link is not None:
                label = f"{_label(graph, e, down=False)}.{_label(graph, d, down=True)}"
                far.append(_limited(graph, Path((e,), None, (d,), label, graph.edges[d].child, True), cut))
    for path in direct:
        for e in by_child[path.table]:
            if e in path.down:
                continue
            parent = graph.edges[e].parent
            for d in by_parent[parent]:
                if graph.edges[d].link is not None:
                    own = _label(graph, e, down=False)
                    label = f"latest {path.label}.{own}.{_label(graph, d, down=True)}"
                    latest = Path((e,), path.down[0], (d,), label, graph.edges[d].child, True)
                    far.append(_limited(graph, latest, cut))
    yield from _in_turn(_history_groups(graph, cut, masked, path, (), windows, shares) for path in far)
    for e in by_child[graph.entity]:
        for f in by_child[graph.edges[e].parent]:
            yield from _own_groups(graph, cut, masked | masked_own, (e, f), graph.edges[f].parent)
    for path in direct:
        for e in by_child[path.table]:
            for f in by_child[graph.edges[e].parent]:
                if e not in path.down:
                    yield from _history_groups(graph, cut, masked, path, (e, f), windows, shares)


def _in_turn(parts: Iterable[Iterator[Group]]) -> Iterator[Group]:
    """One group of each part after the other, until all are used up: no part alone takes all the room."""
    waiting = list(parts)
    while waiting:
        left = []
        for part in waiting:
            group = next(part, None)
            if group is not None:
                yield group
                left.append(part)
        waiting = left


def known_rows(node: NodeTable, cut: int) -> NDArray[np.int64]:
    """The rows of a table that are known at `cut`, ascending."""
    return np.flatnonzero(node.time <= cut)


def _edges_by(graph: TemporalGraph, *, child: bool) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in graph.nodes]
    for i, edge in enumerate(graph.edges):
        if edge.link is not None:
            found[edge.child if child else edge.parent].append(i)
    return found


def _label(graph: TemporalGraph, e: int, *, down: bool) -> str:
    """The name of the table at the other end, with the link's column where several links lead there."""
    edge = graph.edges[e]
    name = graph.nodes[edge.child if down else edge.parent].name
    same = [o for o in graph.edges if o.link is not None and (o.child, o.parent) == (edge.child, edge.parent)]
    if len(same) > 1 and edge.link is not None:
        return f"{name}[{', '.join(edge.link.child_columns)}]"
    return name


def _limited(graph: TemporalGraph, path: Path, cut: int) -> Path:
    """The path, of its latest rows only where owners have too many (at or before `cut`) to be read for every seed."""
    sizes = known_sizes(graph.edges[path.down[0]], cut).astype(np.float64)
    total = sizes.sum()
    if total == 0 or float((sizes * sizes).sum() / total) <= HEAVY_OWNER:
        return path
    return replace(path, recent=RECENT, label=f"{path.label} (latest {RECENT})")


def _peer_groups(
    graph: TemporalGraph, cut: int, masked: frozenset[tuple[str, str]], windows: tuple[str, ...], shares: int
) -> Iterator[Group]:
    """Histories of the seeds' own table that no row owns; of everyone only the latest rows."""
    name = graph.nodes[graph.entity].name
    for peers in peer_ways(graph):
        ways = " and ".join(".".join(_label(graph, e, down=False) for e in way) for way in peers)
        label = f"{name} of the same {ways}" if peers != EVERYONE else f"all {name} (latest {RECENT})"
        path = Path((), None, (), label, graph.entity, True, peers, RECENT)
        yield from _history_groups(graph, cut, masked, path, (), windows, shares)


def known_sizes(edge: EdgeType, cut: int) -> NDArray[np.int64]:
    """How many children every parent has at `cut`."""
    running = np.concatenate([[0], np.cumsum(edge.times <= cut)])
    at = running[edge.indptr]
    return at[1:] - at[:-1]


def _own_groups(
    graph: TemporalGraph, cut: int, masked: frozenset[tuple[str, str]], base: tuple[int, ...], table: int
) -> Iterator[Group]:
    node = graph.nodes[table]
    rows = known_rows(node, cut)
    places = ".".join(_label(graph, e, down=False) for e in base) or node.name
    times = node.time[rows]
    times = times[times != ALWAYS]
    if len(times) and times.min() < times.max():
        yield Group("own", table, None, "age", base, names=(f"days since {places} row",))
    for column in node.columns:
        if (node.name, column.name) in masked or not len(rows):
            continue
        label = f"{places}.{column.name}"
        if column.stype is Stype.NUMBER and _varies(column.data[rows]):
            yield Group("own", table, column.name, "number", base, names=(label,))
        elif column.stype is Stype.TIMESTAMP and bool((column.data[rows] != ALWAYS).any()):
            yield Group("own", table, column.name, "timestamp", base, names=(f"days since {label}",))
        elif column.stype is Stype.TEXT and _is_missing_from_the_start(column.data[rows] < 0, node.time[rows]):
            yield Group("own", table, column.name, "missing", base, names=(f"{label} is missing",))
        elif column.stype is Stype.CATEGORY:
            vocabulary = _vocabulary(column, column.data[rows], TOP_CODES)
            if len(vocabulary) > 1:
                yield Group(
                    "own",
                    table,
                    column.name,
                    "category",
                    base,
                    vocabulary=vocabulary,
                    names=(label,),
                    categorical=(label,),
                )


def _history_groups(
    graph: TemporalGraph,
    cut: int,
    masked: frozenset[tuple[str, str]],
    path: Path,
    join: tuple[int, ...],
    windows: tuple[str, ...],
    shares: int,
    horizon: int = 0,
) -> Iterator[Group]:
    """The groups of one history, or of the rows that its facts point to over `join`; with `horizon`, its pace too."""
    brief, terse = path.brief or len(join) > 1, bool(path.peers)
    facts = _facts(graph, path.down, cut) if path.down else known_rows(graph.nodes[path.table], cut)
    if not len(facts):
        return
    label, table, at = path.label, path.table, facts
    for e in join:
        edge = graph.edges[e]
        label = f"{label}.{_label(graph, e, down=False)}"
        table = edge.parent
        at = edge.parent_of[at].astype(np.int64)
        at = at[at >= 0]
        at = at[graph.nodes[table].time[at] <= cut]
    if not len(at):
        return
    blank = Group("", table, base=path.base, via=path.via, down=path.down, join=join, brief=brief)
    blank = replace(blank, peers=path.peers, recent=path.recent)
    node = graph.nodes[table]
    if not join:
        repeats = bool(path.down) and _has_occasions(graph, path.down, cut)
        names = clock_names(label, windows, brief=brief, occasions=repeats, terse=terse)
        yield replace(blank, kind="clock", occasions=repeats, names=names)
    widths, is_paced = tuple(window.lstrip("-") for window in windows), False
    rates: tuple[float, ...] = ()
    if not join and horizon and not brief and len(path.down) == 1:
        is_paced = True
        rates = fit_pace(graph, graph.edges[path.down[0]], horizon, cut)
        lives = tuple(widths[len(HALF_LIVES) - i] for i in range(len(HALF_LIVES)))
        yield replace(blank, kind="pace", rates=rates, names=pace_names(label, lives, widths[3], rates))
    if path.is_lean:
        brief, blank = True, replace(blank, brief=True)
    for column in node.columns:
        if (node.name, column.name) in masked:
            continue
        text = f"{label}.{column.name}"
        if column.stype is Stype.NUMBER:
            values = column.data[at]
            values = values[np.isfinite(values)]
            if len(values) and values.min() < values.max():
                centre = float(np.clip(np.median(values), -1e150, 1e150))
                gaps = len(values) < len(at)
                names = number_names(text, windows, brief=brief, gaps=gaps, terse=terse)
                yield replace(blank, kind="number", column=column.name, centre=centre, gaps=gaps, names=names)
                if is_paced and not brief:
                    names = worth_names(text, (widths[3], widths[1], widths[0]), widths[3], rates)
                    yield replace(blank, kind="worth", column=column.name, rates=rates, names=names)
        elif column.stype is Stype.TIMESTAMP:
            if bool((column.data[at] != ALWAYS).any()):
                yield replace(blank, kind="stamp", column=column.name, names=stamp_names(text, brief=brief))
        elif column.stype is Stype.CATEGORY:
            vocabulary = _vocabulary(column, column.data[at], TOP_CODES)
            if len(vocabulary) > 1:
                top = min(len(vocabulary), BRIEF_SHARES if brief else shares)
                names = category_names(text, windows, vocabulary[:top], brief=brief)
                yield replace(
                    blank,
                    kind="category",
                    column=column.name,
                    vocabulary=vocabulary,
                    shares=top,
                    names=names,
                    categorical=names[:1] if brief else names[:2],
                )
    if not join and not terse:
        for e, edge in enumerate(graph.edges):
            if edge.child == table and edge.link is not None and e not in path.down:
                target = _label(graph, e, down=False)
                names = distinct_names(f"{label}.{target}", windows, brief=brief)
                yield replace(blank, kind="distinct", column=f"{e}", names=names)


def _facts(graph: TemporalGraph, down: tuple[int, ...], cut: int) -> NDArray[np.int64]:
    """The fact rows at the end of `down` that belong to some owner and are known at `cut`."""
    edge = graph.edges[down[-1]]
    rows = edge.children[edge.times <= cut].astype(np.int64)
    for e in reversed(down[:-1]):
        upper = graph.edges[e]
        middle = graph.edges[down[-1]].parent_of[rows]
        known = upper.parent_of[middle] >= 0
        known &= graph.nodes[upper.child].time[middle] != NEVER
        rows, middle = rows[known], middle[known]
        rows = rows[graph.nodes[upper.parent].time[upper.parent_of[middle]] <= cut]
    return np.sort(rows)


def _has_occasions(graph: TemporalGraph, down: tuple[int, ...], cut: int) -> bool:
    """True if owners often have several rows at the same time (the items of a basket)."""
    edge = graph.edges[down[-1]]
    known = edge.times <= cut
    if len(edge.times) < 2:
        return False
    owner = np.repeat(np.arange(len(edge.indptr) - 1), np.diff(edge.indptr))
    same = (edge.times[1:] == edge.times[:-1]) & (owner[1:] == owner[:-1]) & (edge.times[1:] != ALWAYS) & known[1:]
    return len(down) > 1 or int(same.sum()) * 50 > int(known.sum())


def _is_missing_from_the_start(missing: NDArray[np.bool_], times: NDArray[np.int64]) -> bool:
    """Whether some values are missing, and of the older half of the rows as many as of the newer one, within the noise.

    A text that is filled in later (why a customer left) is missing more often in young rows; whether it is missing says
    then what was yet to come. Of rows without a time that can't be told.
    """
    n, half = len(missing), len(missing) // 2
    if half < FEWEST_HALF or not missing.any() or missing.all() or bool((times == ALWAYS).any()):
        return False
    old = missing[np.argsort(times, kind="stable")[:half]]
    share = float(missing.mean())
    return abs(float(old.mean()) - share) < DRIFT * float(np.sqrt(share * (1 - share) / n))


def _varies(values: NDArray[np.float64]) -> bool:
    values = values[np.isfinite(values)]
    return len(values) > 0 and bool(values.min() < values.max())


def _vocabulary(column: NodeColumn, codes: NDArray[np.int32], limit: int) -> tuple[str, ...]:
    """The most frequent categories as text, ties by first appearance."""
    codes = codes[codes >= 0]
    if not len(codes) or column.values is None:
        return ()
    counts = np.bincount(codes)
    top = np.argsort(-counts, kind="stable")[:limit]
    top = top[counts[top] > 0]
    return tuple(as_text(column.values.take(pa.array(top))).to_pylist())


def as_text(values: pa.Array) -> pa.Array:
    """The values as strings: how categories are kept in a spec."""
    return values if pa.types.is_string(values.type) else pc.cast(values, pa.string())
