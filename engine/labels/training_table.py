"""The training table: entity, anchor, label and eligibility for all anchors, from one SQL statement (LANGUAGE §3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.labels.expressions import Statement
from pql.engine.labels.scope import WATCHED
from pql.engine.labels.statement import eligible_statement, label_statement
from pql.engine.planning.plan import Plan
from pql.language.bound import BoundAggregate, TaskKind

if TYPE_CHECKING:
    from pql.engine.graph.history import History


@dataclass(frozen=True, slots=True)
class Watched:
    """How long n rows (entity, anchor) were watched for an event, int64[n] each, in µs from the anchor.

    horizon: the window's end. seen: until when it was watched while models are chosen, final_seen in the refit; event
    and final_event: when it first happened by then, -1 if it didn't. past: how many there were up to the anchor; first,
    last: how long before it (-1 if none).
    """

    horizon: NDArray[np.int64]
    seen: NDArray[np.int64]
    final_seen: NDArray[np.int64]
    event: NDArray[np.int64]
    final_event: NDArray[np.int64]
    past: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Watched:
        return Watched(*(getattr(self, name)[index] for name in WATCHED))

    def shares(self, *, final: bool = False) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """float64[n], the time of the event or the end of watching as a share of the horizon; bool[n], which it is."""
        seen, event = (self.final_seen, self.final_event) if final else (self.seen, self.event)
        happened = event >= 0
        return np.where(happened, event, np.maximum(seen, 0)) / self.horizon, happened


@dataclass(frozen=True, slots=True)
class LabelTable:
    """n rows (entity, anchor, label), by anchor, then key; only entities that exist at the anchor.

    keys: the entity's key columns. anchors int64[n] µs; of a static query whose rows have their own time it is one
    microsecond before that time, so that `time <= anchor` reads strictly earlier rows. label: bool, double, a class's
    own type, or a list of items; never NULL, but in static queries, where NULL marks the rows to be scored.
    eligible bool[n]: WHERE holds. assumed bool[n]: what ASSUMING states of the future came about; None where nothing is
    assumed of it. Per anchor (static queries: under the anchor None), each row under the first that is true of it:
    not_eligible: rows for which WHERE does not hold; not_assumed: rows for which ASSUMING does not; no_label: rows
    dropped for an undefined label. ruled_out: of those without a label, the ones whose every item a ranking's rules
    forbid. steps: of a forecast, whose rows are (entity, anchor, step), int64[n] from 0, steps ascending. watched: of
    TIME_TO, whose `label` is the time to the event, or until it was watched for, in the target's unit; its rows at the
    prediction anchor only tell what happened before.
    """

    keys: pa.Table
    anchors: NDArray[np.int64]
    label: pa.Array
    eligible: NDArray[np.bool_]
    no_label: dict[int | None, int] = field(default_factory=dict)
    not_eligible: dict[int | None, int] = field(default_factory=dict)
    assumed: NDArray[np.bool_] | None = None
    not_assumed: dict[int | None, int] = field(default_factory=dict)
    steps: NDArray[np.int64] | None = None
    ruled_out: dict[int | None, int] = field(default_factory=dict)
    watched: Watched | None = None

    @property
    def usable(self) -> NDArray[np.bool_]:
        """bool[n]: the rows that may be examples: WHERE holds, and what ASSUMING states came about."""
        return self.eligible if self.assumed is None else self.eligible & self.assumed

    def __len__(self) -> int:
        return len(self.anchors)


def compute_labels(history: History, plan: Plan) -> LabelTable:
    """Run the label statement. Rows without a label are dropped and counted (static queries keep them)."""
    rows = _run(history, label_statement(plan))
    keys, anchors, eligible = _keys(rows, plan), _anchors(rows), _bools(rows, "eligible")
    watched = _watched(rows) if plan.task.kind is TaskKind.TIME_TO_EVENT else None
    label = _defined(_times(watched, plan) if watched is not None else rows.column("label").combine_chunks())
    if isinstance(label, pa.ChunkedArray):
        label = pa.concat_arrays(label.chunks) if label.num_chunks else pa.array([], label.type)
    missing = label.is_null().to_numpy(zero_copy_only=False)
    static = plan.query.is_static
    assumed = _bools(rows, "assumed") if "assumed" in rows.column_names[keys.num_columns :] else None
    holds = eligible if assumed is None else eligible & assumed
    steps = np.array(rows.column("step").to_numpy(), np.int64) if plan.task.kind is TaskKind.FORECAST else None
    no_label = _count(anchors[missing & holds], together=static)
    not_assumed = _count(anchors[eligible & ~holds], together=static)
    not_eligible = _count(anchors[~eligible], together=static)
    ruled_out: dict[int | None, int] = {}
    if "ruled_out" in rows.column_names:
        ruled_out = _count(anchors[_bools(rows, "ruled_out") & holds], together=static)
    if not static and missing.any():
        kept = pa.array(np.flatnonzero(~missing))
        keys, label = keys.take(kept).combine_chunks(), label.take(kept)
        anchors, eligible = anchors[~missing], eligible[~missing]
        assumed = None if assumed is None else assumed[~missing]
        steps = None if steps is None else steps[~missing]
    return LabelTable(
        keys, anchors, label, eligible, no_label, not_eligible, assumed, not_assumed, steps, ruled_out, watched
    )


def _watched(rows: pa.Table) -> Watched:
    columns = (rows.column(name).cast(pa.int64()).fill_null(-1).to_numpy() for name in WATCHED)
    return Watched(*(np.array(column, dtype=np.int64) for column in columns))


def _times(watched: Watched, plan: Plan) -> pa.Array:
    """The time to the event, or until it was watched for, in the target's unit."""
    assert isinstance(plan.query.target, BoundAggregate)
    return pa.array(watched.shares()[0] * plan.query.target.window.end)


@dataclass(frozen=True, slots=True)
class EligibleTable:
    """The entities that exist at each anchor asked for, and whether WHERE holds for them. Rows by anchor, then key."""

    keys: pa.Table
    anchors: NDArray[np.int64]
    eligible: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.anchors)


def compute_eligible(history: History, plan: Plan, anchors: Sequence[int]) -> EligibleTable:
    """Who may be predicted for at each anchor (of a static query: every row at its own anchor)."""
    rows = _run(history, eligible_statement(plan, anchors))
    return EligibleTable(_keys(rows, plan), _anchors(rows), _bools(rows, "eligible"))


def _run(history: History, statement: Statement) -> pa.Table:
    return history.query(statement.sql, statement.parameters)


def _keys(rows: pa.Table, plan: Plan) -> pa.Table:
    names = list(plan.query.entity.keys)
    return rows.select(list(range(len(names)))).rename_columns(names).combine_chunks()


def _anchors(rows: pa.Table) -> NDArray[np.int64]:
    moments = rows.column("anchor").cast(pa.timestamp("us")).cast(pa.int64())
    return np.array(moments.to_numpy(), dtype=np.int64)


def _bools(rows: pa.Table, name: str) -> NDArray[np.bool_]:
    return np.array(rows.column(name).to_numpy(), dtype=bool)


def _defined(label: pa.Array) -> pa.Array:
    """Labels with non-finite numbers as NULL."""
    if not pa.types.is_floating(label.type):
        return label
    return pc.if_else(pc.is_finite(label), label, pa.scalar(None, label.type))


def _count(anchors: NDArray[np.int64], *, together: bool) -> dict[int | None, int]:
    if together:
        return {None: len(anchors)} if len(anchors) else {}
    return dict(sorted(Counter(int(anchor) for anchor in anchors).items()))
