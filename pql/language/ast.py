"""The syntax tree: what a text says, before any database has been asked.

Every node is a frozen value with a `Span`. Spans never take part in comparison, so that
`parse(format(query)) == query` compares meaning and not layout. Nothing here knows a catalog.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of character offsets `[start, end)` into the text of the query."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The range from the start of this span to the end of `other`."""
        return Span(min(self.start, other.start), max(self.end, other.end))


NOWHERE = Span(0, 0)


def _span() -> Span:
    return field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Identifier:
    """One name as written. `quoted` names are matched exactly first, like any other name."""

    text: str
    span: Span = _span()
    quoted: bool = field(default=False, compare=False)


# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: None, bool, int, float, str, `datetime.date` or `datetime.datetime` (naive, UTC)."""

    value: None | bool | int | float | str | dt.date | dt.datetime
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Parameter:
    """`:name` (name given) or the n-th `?` (index given, from 0)."""

    name: str | None
    index: int | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ColumnName:
    """`table.column` or a bare `column` (table is None)."""

    table: Identifier | None
    column: Identifier
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Star:
    """`table.*`; `table` is None for the bare `*` of `COUNT(*)`."""

    table: Identifier | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ListOf:
    """`(a, b, c)` as the right side of IN, and list values of options."""

    items: tuple[Expression, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left op right` with op in `+ - * / %`; unary minus is `Negate`."""

    op: str
    left: Expression
    right: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Negate:
    operand: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left op right` with op in `= != < <= > >=` (`==` reads as `=`, `<>` as `!=`)."""

    op: str
    left: Expression
    right: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Between:
    operand: Expression
    low: Expression
    high: Expression
    negated: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class InList:
    """`operand [NOT] IN (…)`; `items` is a `ListOf` or one `Parameter` bound to a list."""

    operand: Expression
    items: Expression
    negated: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class IsNull:
    operand: Expression
    negated: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Match:
    """`operand [NOT] op pattern` with op in `LIKE`, `CONTAINS`, `STARTS WITH`, `ENDS WITH`."""

    op: str
    operand: Expression
    pattern: Expression
    negated: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class And:
    items: tuple[Expression, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Or:
    items: tuple[Expression, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Window:
    """`start, end [, unit]` relative to the anchor: the rows with `anchor+start < time <= anchor+end`.

    `start` is None for `-INF`. `unit` is canonical, plural and lower case (`days`), or None when not
    written (it then means days).
    """

    start: int | Parameter | None
    end: int | Parameter
    unit: str | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`FUNCTION(argument [WHERE condition] [, start, end [, unit]])`. `function` is upper case as written."""

    function: str
    argument: Expression
    where: Expression | None = None
    window: Window | None = None
    span: Span = _span()
    name_span: Span = _span()


Expression = (
    Literal
    | Parameter
    | ColumnName
    | Star
    | ListOf
    | Arithmetic
    | Negate
    | Comparison
    | Between
    | InList
    | IsNull
    | Match
    | Not
    | And
    | Or
    | Aggregate
)

# ---------------------------------------------------------------- the clauses of PREDICT


@dataclass(frozen=True, slots=True)
class RankTop:
    """`RANK TOP k`. `k` is None where `RANK` stands without `TOP` (the binder says what is missing)."""

    k: int | Parameter | None
    has_rank: bool = True
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Classify:
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Forecast:
    steps: int | Parameter
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class AsKind:
    """`AS CLASS` or `AS NUMBER`; `kind` is `class` or `number`."""

    kind: str
    span: Span = _span()


TaskClause = RankTop | Classify | Forecast | AsKind


@dataclass(frozen=True, slots=True)
class EntityName:
    """One name after FOR [EACH]: `table.column`, or a table alone (its key is meant)."""

    table: Identifier | None
    column: Identifier | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class EntityIds:
    """`= id` or `IN (ids)` after the entity. `op` is the operator as written (`=`, `IN`, or a wrong one)."""

    op: str
    items: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class AtMost:
    n: int | Parameter
    column: ColumnName
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Excluding:
    """`EXCLUDING what`: an `Aggregate` without function (function `""`) or a bare `PURCHASED` / `SEEN` name."""

    what: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Returning:
    """`RETURN form [(levels)]`; form is `quantiles`, `interval`, `probability` or `distribution`."""

    form: str
    levels: tuple[float | Parameter, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Option:
    """`name = value` inside WITH; a value is a Literal, a bare word (as a str Literal), a ListOf or a Parameter."""

    name: Identifier
    value: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class AsOf:
    when: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Predict:
    """`PREDICT target … FOR [EACH] entity …`: one question about the future (or a missing value).

    `target` is an expression; a named target (`next_product`) is a `ColumnName` without a table.
    Where two clauses of a kind are written the parser raises; absent ones are None or empty.
    """

    target: Expression
    entities: tuple[EntityName, ...]
    each: bool = field(default=True, compare=False)
    alias: Identifier | None = None
    tasks: tuple[TaskClause, ...] = ()
    ids: EntityIds | None = None
    using: tuple[Identifier, ...] | None = None
    where: Expression | None = None
    assuming: Expression | None = None
    as_of: AsOf | None = None
    candidates: Expression | None = None
    excluding: Excluding | None = None
    at_most: AtMost | None = None
    returning: Returning | None = None
    via: tuple[Identifier, ...] | None = None
    using_model: Identifier | None = None
    ignoring: tuple[ColumnName, ...] = ()
    options: tuple[Option, ...] = ()
    span: Span = _span()


# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Explain:
    """`EXPLAIN [ANALYZE] [AST|BOUND|SQL|GRAPH|JSON] predict`; `part` is lower case or None for all of it."""

    query: Predict
    part: str | None = None
    analyze: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Evaluate:
    """`EVALUATE predict [AT date, …]`: the metrics beside the baselines, at named test anchors if given."""

    query: Predict
    at: tuple[Expression, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Labels:
    query: Predict
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class CheckLeakage:
    query: Predict
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class CreateModel:
    name: Identifier
    query: Predict
    replace: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Show:
    """`SHOW TABLES|GRAPH|MODELS|TARGETS` or `SHOW METRICS|RULES FOR MODEL name`; `what` is lower case."""

    what: str
    model: Identifier | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Describe:
    name: Identifier
    is_model: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class DropModel:
    name: Identifier
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class AlterModel:
    name: Identifier
    version: int
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class DefineTarget:
    name: Identifier
    target: Expression
    tasks: tuple[TaskClause, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class DropTarget:
    name: Identifier
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LinkOverride:
    """`LINK a.x -> b.y`, or `UNLINK` where `remove` is true."""

    child: ColumnName
    parent: ColumnName
    remove: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class KeyOverride:
    column: ColumnName
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class TimeOverride:
    """`TIME t.x`; with `column` None and `table` given, `NO TIME t`."""

    column: ColumnName | None
    table: Identifier | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class CreateTable:
    name: Identifier
    query: Predict
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Copy:
    query: Predict
    path: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement in SQL, kept as text; `(PREDICT …)` inside it is found by `pql.embed`, not by this grammar."""

    text: str
    span: Span = _span()


Statement = (
    Predict
    | Explain
    | Evaluate
    | Labels
    | CheckLeakage
    | CreateModel
    | Show
    | Describe
    | DropModel
    | AlterModel
    | DefineTarget
    | DropTarget
    | LinkOverride
    | KeyOverride
    | TimeOverride
    | CreateTable
    | Copy
    | Sql
)


@dataclass(frozen=True, slots=True)
class Script:
    """Statements separated by `;`."""

    statements: tuple[Statement, ...]
    span: Span = _span()
