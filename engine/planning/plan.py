"""The plan: task, split, graph, model and output of one query, decided before anything is trained.

Every part is a frozen value; `pql.explain` prints all of them. Times are microseconds since 1970 (UTC).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pql.language.bound import BoundQuery, Item, TaskKind
from pql.language.catalog import Link, Stype

US_PER_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """What is learnt. `head` and `loss` name the network's output; `metric` is what validation chooses by.

    metric: auroc (binary), mae (regression), accuracy or logloss (multiclass), map (multilabel, ranking).
    `heavy_tailed` is decided from the training labels when fitting, not here.
    """

    kind: TaskKind
    head: str
    loss: str
    metric: str
    reason: str
    item: Item | None = None
    top_k: int | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A moment at which examples are made.

    role: train, valid, test, lag (labels only, to be features), late (TIME_TO: for the refit alone, as its window
    crosses a border of the split or isn't complete), predict.
    """

    time: int
    role: str


@dataclass(frozen=True, slots=True)
class Split:
    """The anchors of a temporal task, or the hashed split of a static one.

    kind: anchors (temporal), row_time (static, entity has its own clock), hashed (static, no clock), own (a label table
    of the user's says it all, `width` (µs) being the length of its labels' window, None where that is unknown).
    `lags`: how many earlier windows' targets become features; every train, valid, test and predict anchor `a`
    has its lag anchors `a - i*width` among `anchors` (any role), save those whose windows the target's
    data doesn't fill. `width_text` is the window's width as written.
    `encoder_cut`: the latest time whose rows encoders and statistics may see while choosing (last train anchor).
    `stale_days`: from the end of the target's data, `complete_until`, to the prediction anchor.
    """

    kind: str
    anchors: tuple[Anchor, ...]
    prediction: int
    width_text: str = ""
    step_text: str = ""
    lags: int = 0
    encoder_cut: int = 0
    valid_from: int | None = None  # row_time: examples at or after are validation
    test_from: int | None = None
    notes: tuple[str, ...] = ()
    stale_days: float = 0.0
    complete_until: int | None = None
    width: int | None = None

    def times(self, *roles: str) -> tuple[int, ...]:
        """The anchors of the given roles, ascending."""
        return tuple(sorted(a.time for a in self.anchors if a.role in roles))


@dataclass(frozen=True, slots=True)
class Staleness:
    """How far a table's newest row (`newest`, µs) lies before the latest anchor predicted for, and what is usual."""

    table: str
    newest: int
    days: float
    usual_days: float


@dataclass(frozen=True, slots=True)
class Regime:
    """Whether the data reaches the anchors that are predicted for (see `engine.planning.regime`).

    kind: as-of or frozen. Of the frozen one, `known` is where the data ends (µs), `low` and `high` how long before the
    earliest and the latest anchor asked for that is (µs).
    """

    kind: str = "as-of"
    known: int | None = None
    low: int = 0
    high: int = 0
    tables: tuple[Staleness, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """A column an encoder will read."""

    name: str
    stype: Stype


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """A node type. `columns` leaves out keys, clocks, ignored and unusable columns; `why` says why it is here."""

    name: str
    columns: tuple[PlannedColumn, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class GraphPlan:
    """Which tables and links make the heterogeneous temporal graph, and what is left out and why."""

    tables: tuple[PlannedTable, ...]
    links: tuple[Link, ...]
    hops: int
    neighbors: tuple[int, ...]
    co_occurrence: bool = False
    left_out: tuple[tuple[str, str], ...] = ()  # (table or table.column, reason)


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Which models are fitted and how much work they get. `members` are what `auto` blends."""

    name: str
    members: tuple[str, ...]
    baselines: tuple[str, ...]
    epochs: int
    hidden: int
    layers: int
    max_examples: int
    refit: bool
    seed: int
    threads: int
    budget_seconds: float
    estimate: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """The shape of the result table."""

    keys: tuple[str, ...]
    columns: tuple[str, ...]
    order: str
    top_k: int | None = None
    item_column: str | None = None
    has_status: bool = False
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is decided about a query."""

    query: BoundQuery
    task: Task
    split: Split
    graph: GraphPlan
    model: ModelPlan
    output: Output
    eligibility: str = ""
    regime: Regime = Regime()
    warnings: tuple[str, ...] = field(default=())
