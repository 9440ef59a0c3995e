"""What the parts of one label statement share: the plan, its windows and aggregates, names and parameters."""

from __future__ import annotations

from dataclasses import dataclass

from pql.backends.sql import identifier
from pql.engine.labels.expressions import Parameters, Sources
from pql.engine.labels.rule_sql import pasts
from pql.engine.planning.assuming import assumed_future
from pql.engine.planning.plan import Plan
from pql.engine.planning.planned_graph import aggregates, columns_read
from pql.engine.planning.step_grid import grid_of
from pql.language.bound import BoundAggregate, BoundWindow, ColumnRef, Expression, TaskKind

WATCHED = ("horizon", "seen", "final_seen", "event", "final_event", "past", "first", "last")
RESERVED = frozenset({"anchor", "moment", "step", "label", "eligible", "assumed", "ruled_out", *WATCHED})


@dataclass(frozen=True, slots=True)
class Windowed:
    """An aggregate, and whether its window moves with the step of a forecast."""

    aggregate: BoundAggregate
    moves: bool


class LabelScope:
    """One label statement while its text is made.

    `target` is None where only eligibility is asked. `times`: its anchors (µs). `by_row`: every row has its own.
    `keys`: the entity's key columns as the statement names them. `static`: the columns of the entity it reads.
    """

    def __init__(self, plan: Plan, anchors: tuple[int, ...], target: Expression | None) -> None:
        query = plan.query
        self.plan, self.query = plan, query
        self.catalog = query.catalog
        self.target = target
        self.assumed = assumed_future(query) if target is not None else None
        self.by_row = plan.split.kind == "row_time"
        self.times = anchors if plan.split.kind == "anchors" or target is None else (plan.split.prediction,)
        self.grid = grid_of(query) if target is not None else None
        self.parameters = Parameters()
        self.sources = Sources(self.catalog, plan.split.prediction)
        self.awaited = target if query.task is TaskKind.TIME_TO_EVENT and isinstance(target, BoundAggregate) else None
        inside = () if self.awaited is not None else aggregates(target)
        moving = [Windowed(aggregate, self.grid is not None) for aggregate in inside]
        still = [Windowed(aggregate, False) for aggregate in aggregates(query.where, self.assumed)]
        self.aggregates = tuple(dict.fromkeys((*moving, *still)))
        ruled = [(past.window, False) for past in pasts(query)] if target is not None else []
        self.windows = tuple(dict.fromkeys((*((one.aggregate.window, one.moves) for one in self.aggregates), *ruled)))
        self.static = tuple(dict.fromkeys(columns_of_entity(target, query.where)))
        self.keys = tuple(_free_name(key, RESERVED) for key in query.entity.keys)
        self.anchors_name = self.sources.own_name("anchors")
        self.entities_name = self.sources.own_name("entities")
        self.seen_name = self.sources.own_name("first_seen")

    def aggregate_name(self, index: int) -> str:
        """The name of the common table expression of `aggregates[index]`."""
        return self.sources.own_name(f"aggregate_{index}")

    def same_key(self, left: str, right: str) -> str:
        """The condition that two aliases hold the same entity."""
        return " AND ".join(f"{left}.{identifier(key)} = {right}.{identifier(key)}" for key in self.keys)


def columns_of_entity(*expressions: Expression | None) -> tuple[ColumnRef, ...]:
    """The columns of the entity's row (or of rows it points to) that the expressions read outside of aggregates."""
    inside = {id(c) for a in aggregates(*expressions) for c in columns_read(a.argument, a.where)}
    return tuple(c for c in columns_read(*expressions) if id(c) not in inside)


def unit_of(window: BoundWindow) -> str:
    """A window's unit as INTERVAL wants it."""
    return window.unit.removesuffix("s").upper()


def _free_name(name: str, taken: frozenset[str]) -> str:
    while name.lower() in taken:
        name += "_"
    return name
