"""The bound query: every name resolved against a catalog, every aggregate given its fact table and route.

This is what the planner reads. Expressions are small: a constant, a column reached along links, an operator
call, an aggregate over a window. All values are constants by now (parameters are bound).
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from enum import StrEnum

from pql.language.ast import NOWHERE, Predict, Span
from pql.language.catalog import Catalog, Link, LogicalType, Stype
from pql.language.options import Options

Scalar = None | bool | int | float | str | dt.datetime | uuid.UUID


class TaskKind(StrEnum):
    """What is predicted (LANGUAGE §5)."""

    BINARY = "binary"
    REGRESSION = "regression"
    MULTICLASS = "multiclass"
    MULTILABEL = "multilabel"
    RANKING = "ranking"
    FORECAST = "forecast"
    TIME_TO_EVENT = "time_to_event"


@dataclass(frozen=True, slots=True)
class Step:
    """One hop along a link. `up` goes from the child (foreign key) to its parent, else from parent to children."""

    link: Link
    up: bool = True

    @property
    def source(self) -> str:
        return self.link.child if self.up else self.link.parent

    @property
    def target(self) -> str:
        return self.link.parent if self.up else self.link.child


Route = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """What VIA names: a table that a route passes, or a column (a foreign key) whose link it takes."""

    table: str
    column: str | None = None

    def __str__(self) -> str:
        return self.table if self.column is None else f"{self.table}.{self.column}"

    def lies_on(self, start: str, route: Route) -> bool:
        """Whether a route from `start` takes the column's link; of a table, whether it starts at or passes it."""
        if self.column is None:
            return self.table == start or any(step.target == self.table for step in route)
        return any(step.link.child == self.table and self.column in step.link.child_columns for step in route)


@dataclass(frozen=True, slots=True)
class Constant:
    """A value. Timestamps are naive UTC `datetime`; lists stand only as the second argument of `in`."""

    value: Scalar | tuple[Scalar, ...]
    type: LogicalType | None
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """A column of the row at hand (`route` empty) or of the row it points to (every step up)."""

    table: str
    column: str
    type: LogicalType
    stype: Stype
    route: Route = ()
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """An operator over arguments, with SQL's three-valued logic.

    op: and or not | = != < <= > >= | between in is_null | like contains starts_with ends_with | + - * / % neg.
    Negated forms are `not` around them. `between` has three arguments, `in` a Constant with a tuple as its second.
    `/` and `%` by zero give NULL.
    """

    op: str
    args: tuple[Expression, ...]
    type: LogicalType
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class BoundWindow:
    """`(anchor + start, anchor + end]` in whole `unit`s (plural, lower case); start None means from the beginning."""

    start: int | None
    end: int
    unit: str = "days"

    @property
    def is_future(self) -> bool:
        return self.start is not None and self.start >= 0


@dataclass(frozen=True, slots=True)
class BoundAggregate:
    """`function` over the rows of table `fact` that lie in `window`, pass `where` and belong to the entity.

    function: COUNT SUM AVG MIN MAX COUNT_DISTINCT FIRST LAST LIST_DISTINCT ARRAY_AGG EXISTS MEDIAN STDDEV (BOOL and
    EXISTS both arrive as EXISTS). `argument` is None for `t.*`; its columns are reached from a fact row. `route`
    leads from `fact` to the entity table. `type` is the result's (of the elements, for lists).
    """

    function: str
    fact: str
    argument: Expression | None
    where: Expression | None
    window: BoundWindow
    route: Route
    type: LogicalType
    span: Span = field(default=NOWHERE, compare=False, repr=False)


Expression = Constant | ColumnRef | Call | BoundAggregate


@dataclass(frozen=True, slots=True)
class Item:
    """What is ranked, listed or chosen as a class: the values of `column` (of the target's aggregate).

    `table` is the table whose key the values are (the link's parent), or None for plain values
    (`products.department`), which are items themselves.
    """

    column: ColumnRef
    table: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Excluding:
    """Items an entity is not to be given: the values of lists over its past. `what`: purchased, seen or past."""

    what: str
    pasts: tuple[BoundAggregate, ...]


@dataclass(frozen=True, slots=True)
class BoundEntity:
    """Who is predicted for: a table and its key columns (several for a composite key)."""

    table: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A query resolved against `catalog`.

    `target` holds BoundAggregates (is_static false) or only ColumnRefs of the entity's row (is_static true).
    `where` may mix static columns and past aggregates; `missing_only`: it also said that the column asked for IS NULL.
    `ids` are the keys asked for (tuples for composite keys).
    `forecast_steps` 1 unless FORECAST. `reading` is the full text a named target was read as.
    """

    syntax: Predict
    text: str
    catalog: Catalog
    entity: BoundEntity
    target: Expression
    is_static: bool
    task: TaskKind
    reason: str
    item: Item | None = None
    pair: BoundEntity | None = None
    top_k: int | None = None
    where: Expression | None = None
    missing_only: bool = False
    assuming: Expression | None = None
    ids: tuple[Scalar | tuple[Scalar, ...], ...] | None = None
    using: tuple[str, ...] | None = None
    as_of: dt.datetime | None = None
    evaluate_at: tuple[dt.datetime, ...] = ()
    forecast_steps: int = 1
    ignoring: frozenset[tuple[str, str]] = frozenset()
    unknown: frozenset[tuple[str, str]] = frozenset()  # of the entity's own row, as long as the target isn't known
    via: tuple[Passage, ...] = ()
    candidates: Expression | None = None  # of a row of the item's table
    excluding: Excluding | None = None
    at_most: tuple[int, ColumnRef] | None = None  # how many items per value of a column of the item's table
    quantiles: tuple[float, ...] = ()
    interval: float | None = None
    alias: str | None = None
    using_model: str | None = None
    distribution: bool = False
    options: Options = field(default_factory=Options)
    reading: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def asks_pairs(self) -> bool:
        """Whether the probability of every pair of two entities is asked for, not a list for each of the first."""
        return self.pair is not None and self.top_k is None

    @property
    def has_rules(self) -> bool:
        """Whether the query bounds what a ranking may give: CANDIDATES, EXCLUDING or AT MOST."""
        return self.candidates is not None or self.excluding is not None or self.at_most is not None
