"""Small random temporal graphs with planted signal, and problems over them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pql.engine.events import Events
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.graph.seeds import TRAIN, VALID, Examples, Ragged, Seeds
from pql.engine.graph.temporal import ALWAYS, NEVER, EdgeType, NodeColumn, NodeTable, TemporalGraph
from pql.engine.models.base import Inputs, Problem
from pql.engine.planning.plan import ModelPlan, Task
from pql.language.bound import TaskKind
from pql.language.catalog import Stype

DAY = 86_400_000_000


def make_edge(nodes, name: str, child: int, parent: int, parent_of) -> EdgeType:
    """An edge type from each child's parent row (-1: none): its time is the later of its ends'."""
    parent_of = np.asarray(parent_of, np.int32)
    child_time, parent_time = nodes[child].time, nodes[parent].time
    rows = np.flatnonzero(parent_of >= 0)
    times = np.maximum(child_time[rows], parent_time[parent_of[rows]])
    rows, times = rows[times != NEVER], times[times != NEVER]
    order = np.lexsort((rows, times, parent_of[rows]))
    rows, times = rows[order], times[order]
    indptr = np.zeros(len(parent_time) + 1, np.int64)
    np.cumsum(np.bincount(parent_of[rows], minlength=len(parent_time)), out=indptr[1:])
    return EdgeType(None, name, child, parent, parent_of, indptr, rows.astype(np.int32), times)


def number(name: str, data) -> NodeColumn:
    return NodeColumn(name, Stype.NUMBER, np.asarray(data, np.float64))


def stamp(name: str, data) -> NodeColumn:
    return NodeColumn(name, Stype.TIMESTAMP, np.asarray(data, np.int64))


def coded(name: str, stype: Stype, values, time) -> NodeColumn:
    """A category or text column: codes into the distinct values in order of first appearance by (time, row)."""
    seen: dict = {}
    for i in np.lexsort((np.arange(len(values)), time)):
        if values[i] is not None:
            seen.setdefault(values[i], len(seen))
    codes = np.array([-1 if v is None else seen[v] for v in values], np.int32)
    return NodeColumn(name, stype, codes, pa.array(list(seen), pa.string()))


def node(name: str, time, *columns: NodeColumn) -> NodeTable:
    time = np.asarray(time, np.int64)
    return NodeTable(name, time, columns, pa.table({"id": np.arange(len(time))}))


def shop(seed: int = 0, users: int = 200, items: int = 30, orders: int = 3000, days: int = 400) -> TemporalGraph:
    """users (clockless) ← orders → items → brands: amounts depend on the item, each user has a rate and a last day."""
    rng = np.random.default_rng(seed)
    always = np.full(users, ALWAYS)
    country = [f"c{i}" if i < 6 else None for i in rng.integers(0, 7, users)]
    born = rng.integers(-9000, 0, users) * DAY
    u = node("users", always, coded("country", Stype.CATEGORY, country, always), stamp("born", born))
    created = np.where(rng.random(items) < 0.3, ALWAYS, rng.integers(0, days // 2, items) * DAY)
    price = np.exp(rng.normal(2, 1, items))
    names = [f"{('red', 'blue')[k % 2]} {('cup', 'plate', 'bowl')[k % 3]}" for k in rng.integers(0, 6, items)]
    i = node("items", created, number("price", price), coded("title", Stype.TEXT, names, created))
    b = node("brands", np.full(4, ALWAYS), number("fame", [1.0, np.nan, 3.0, 4.0]))
    rate = rng.gamma(1.0, 1.0, users)
    last_day = rng.integers(days // 3, 2 * days, users)
    who = rng.choice(users, orders, p=rate / rate.sum())
    when = np.sort(rng.integers(0, days * DAY // 1000, orders)) * 1000
    what = np.where(rng.random(orders) < 0.05, -1, rng.integers(0, items, orders))
    gone = when > last_day[who] * DAY
    when = np.where(gone, NEVER, when)
    amount = np.where(what >= 0, price[what], np.nan) * rng.integers(1, 4, orders)
    channel = [("web", "shop", None)[k] for k in rng.integers(0, 3, orders)]
    o = node("orders", when, number("amount", amount), coded("channel", Stype.CATEGORY, channel, when))
    nodes = (u, o, i, b)
    edges = (
        make_edge(nodes, "orders.user", 1, 0, who),
        make_edge(nodes, "orders.item", 1, 2, what),
        make_edge(nodes, "items.brand", 2, 3, rng.integers(-1, 4, items)),
    )
    return TemporalGraph(nodes, edges, 0)


def without_later(graph: TemporalGraph, anchor: int, *, scramble: int | None = None) -> TemporalGraph:
    """The graph with every row later than `anchor` deleted, or with `scramble` (a seed) its values and links mixed."""
    rng = np.random.default_rng(scramble)
    kept = [np.flatnonzero((n.time <= anchor) | (scramble is not None)) for n in graph.nodes]
    place = []
    for n, rows in zip(graph.nodes, kept, strict=True):
        to = np.full(len(n) + 1, -1, np.int64)
        to[rows] = np.arange(len(rows))
        place.append(to)
    nodes = []
    for n, rows in zip(graph.nodes, kept, strict=True):
        late = n.time[rows] > anchor
        time = n.time[rows].copy()
        time[late] = anchor + 1 + rng.integers(0, 100 * DAY, late.sum())
        columns = []
        for c in n.columns:
            data = c.data[rows].copy()
            data[late] = rng.permutation(data[late])
            if c.stype == Stype.NUMBER:
                data[late] = 1e6
            columns.append(NodeColumn(c.name, c.stype, data, c.values))
        nodes.append(NodeTable(n.name, time, tuple(columns), n.keys.take(rows)))
    edges = []
    for e in graph.edges:
        parent_of = place[e.parent][e.parent_of[kept[e.child]]]
        late = graph.nodes[e.child].time[kept[e.child]] > anchor
        parent_of[late] = rng.permutation(parent_of[late])
        edges.append(make_edge(nodes, e.name, e.child, e.parent, parent_of))
    return TemporalGraph(tuple(nodes), tuple(edges), graph.entity)


def task(kind: TaskKind) -> Task:
    return Task(kind, head=str(kind), loss="", metric="", reason="")


def plan(**changes) -> ModelPlan:
    values = {
        "name": "gnn",
        "members": ("gnn",),
        "baselines": (),
        "epochs": 4,
        "hidden": 16,
        "layers": 2,
        "max_examples": 100_000,
        "refit": False,
        "seed": 0,
        "threads": 1,
        "budget_seconds": 60.0,
    }
    return ModelPlan(**{**values, **changes})


def window_values(graph: TemporalGraph, seeds: Seeds, width: int):
    """For each seed (row of table 0): how many children of edge 0 in (anchor, anchor + width], and their amounts."""
    edge, amount = graph.edges[0], graph.nodes[1].columns[0].data
    counts, sums = np.zeros(len(seeds)), np.zeros(len(seeds))
    for i, (row, anchor) in enumerate(zip(seeds.rows, seeds.anchors, strict=True)):
        own = slice(edge.indptr[row], edge.indptr[row + 1])
        inside = (edge.times[own] > anchor) & (edge.times[own] <= anchor + width)
        counts[i] = inside.sum()
        sums[i] = np.nansum(amount[edge.children[own][inside]])
    return counts, sums


def problem(
    graph: TemporalGraph, kind: TaskKind = TaskKind.BINARY, *, days: int = 400, width: int = 30, masked=(), **changes
) -> Problem:
    """Anchors every `width` days from day 120; the last one validates. Labels of all kinds from the next window."""
    anchors = np.arange(120, days - width + 1, width) * DAY
    users = np.arange(len(graph.nodes[0]))
    seeds = Seeds(np.tile(users, len(anchors)), np.repeat(anchors, len(users)))
    counts, sums = window_values(graph, seeds, width * DAY)
    earlier, _ = window_values(graph, Seeds(seeds.rows, seeds.anchors - width * DAY), width * DAY)
    labels = {
        TaskKind.BINARY: (counts == 0).astype(np.float64),
        TaskKind.REGRESSION: sums,
        TaskKind.MULTICLASS: np.minimum(counts, 2).astype(np.int64),
        TaskKind.MULTILABEL: Ragged(
            np.concatenate([[0], np.cumsum(counts > 0)]).astype(np.int64),
            np.minimum(counts[counts > 0], 3).astype(np.int64) - 1,
        ),
    }[kind]
    features = np.stack([earlier, np.where(earlier > 0, earlier, np.nan)], axis=1).astype(np.float32)
    split = np.where(seeds.anchors == anchors[-1], VALID, TRAIN).astype(np.int8)
    examples = Examples(seeds, labels, split, earlier[:, None].astype(np.float32))
    inputs = Inputs(graph, seeds, FeatureMatrix(("n", "m"), features), examples.lags)
    return Problem(
        task=task(kind),
        plan=plan(**changes),
        inputs=inputs,
        examples=examples,
        classes=3 if kind in (TaskKind.MULTICLASS, TaskKind.MULTILABEL) else 0,
        cut=int(anchors[-2]),
        masked=frozenset(masked),
        hops=2,
        neighbors=(8, 8),
        events=Events(),
    )
