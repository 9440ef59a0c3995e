"""The network's two towers in a ranking, trained on older anchors than the ranker, which so meets honest scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.events import Events
from pql.engine.features.as_of import FeatureSpec, fit_features
from pql.engine.graph.interactions import ItemTable
from pql.engine.graph.seeds import TRAIN, Examples, Ragged, Seeds
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.models.base import Inputs, Problem, State
from pql.engine.planning.plan import Plan
from pql.engine.planning.planned_graph import masked_columns
from pql.engine.ranking.work import rank_work
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.engine.models.towers import FittedTowers
    from pql.engine.nn.items import Items

FEWEST_ANCHORS = 2  # of training, for the towers beside those the ranker learns from
MAX_EPOCHS = 8


@dataclass(frozen=True, slots=True)
class NetworkTowers:
    """Fitted towers and the features their entity tower reads."""

    fitted: FittedTowers
    spec: FeatureSpec

    def bind(self, plan: Plan, graph: TemporalGraph, items: ItemTable) -> BoundTowers:
        """The towers over the rows of `graph`."""
        return BoundTowers(self, graph, tower_items(plan, graph, items))

    def state(self) -> State:
        """Arrays and JSON values only."""
        return {"fitted": self.fitted.state(), "spec": self.spec.to_json()}

    @classmethod
    def restore(cls, state: State) -> NetworkTowers:
        from pql.engine.models.towers import restore_towers

        return cls(restore_towers(state["fitted"]), FeatureSpec.from_json(state["spec"]))


@dataclass(frozen=True, slots=True)
class BoundTowers:
    """Towers over one graph: the nearer an item to an entity (inner product), the likelier."""

    towers: NetworkTowers
    graph: TemporalGraph
    items: Items

    def embed_entities(self, seeds: Seeds) -> NDArray[np.float32]:
        """float32[n, d]: the vectors of the seeds."""
        lags = np.zeros((len(seeds), 0), dtype=np.float32)
        inputs = Inputs(self.graph, seeds, self.towers.spec.compute(self.graph, seeds, lags), lags)
        return self.towers.fitted.embed_entities(inputs, self.items)

    def embed_items(self, anchor: int) -> NDArray[np.float32]:
        """float32[I, d]: the vectors of all items; nought for those unknown at the anchor."""
        known = np.flatnonzero(self.items.birth <= anchor)
        vectors = self.towers.fitted.embed_items(self.graph, self.items, known, anchor)
        out = np.zeros((len(self.items), vectors.shape[1]), dtype=np.float32)
        out[known] = vectors
        return out


def tower_items(plan: Plan, graph: TemporalGraph, items: ItemTable) -> Items:
    """The plan's items as the towers tell them apart: by key, or by value."""
    from pql.engine.nn.items import Items, item_names

    item = plan.task.item
    if item is None:
        raise PqlError(
            "not_supported",
            "this target has no items to rank",
            hint="Write LIST_DISTINCT(table.column, 0, 30, days) RANK TOP k",
        )
    if item.table is not None:
        table = graph.index(item.table)
        return Items(item_names(graph.nodes[table].keys), items.birth, table)
    holder = graph.index(item.column.table)
    column = graph.nodes[holder].column(item.column.column)
    names = pa.array([], pa.string()) if column.values is None else column.values
    return Items(names, items.birth, None, (holder, column.data.astype(np.int64)))


def fit_towers(
    plan: Plan,
    graph: TemporalGraph,
    items: ItemTable,
    examples: Examples,
    horizon: int,
    events: Events,
    *,
    held: int,
) -> NetworkTowers | None:
    """Train the towers on all training anchors but the `held` newest ones, stopping on the first of those.

    None where too few anchors are left, or none of their examples has an item to learn from.
    """
    from pql.engine.models.towers import fit_two_tower

    train = examples.where(TRAIN)
    anchors = np.unique(examples.seeds.anchors[train])
    older = anchors[: len(anchors) - held]
    if len(older) < (FEWEST_ANCHORS if held > 1 else 1) or not isinstance(examples.labels, Ragged):
        return None
    at = train[np.isin(examples.seeds.anchors[train], older)]
    at = at[-rank_work(plan.model).towers :]
    check = train[examples.seeds.anchors[train] == anchors[len(older)]] if held else at[:0]
    some = examples.take(np.concatenate([at, check]))
    cut = int(older[-1])
    masked = masked_columns(plan.query)
    spec = fit_features(graph, cut=cut, horizon=horizon, masked=masked, hops=plan.graph.hops)
    lags = np.zeros((len(some), 0), dtype=np.float32)
    problem = Problem(
        task=plan.task,
        plan=replace(plan.model, epochs=min(plan.model.epochs, MAX_EPOCHS)),
        inputs=Inputs(graph, some.seeds, spec.compute(graph, some.seeds, lags), lags),
        examples=some,
        classes=0,
        cut=cut,
        masked=masked,
        hops=plan.graph.hops,
        neighbors=plan.graph.neighbors,
        events=events,
    )
    assert isinstance(some.labels, Ragged)
    first, rest = np.arange(len(at)), np.arange(len(at), len(some))
    try:
        fitted = fit_two_tower(problem, tower_items(plan, graph, items), some.labels, first, rest, horizon=horizon)
    except PqlError as error:
        if error.code == "no_examples":
            return None
        raise
    return NetworkTowers(fitted, spec)
