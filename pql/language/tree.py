"""The expressions of the syntax tree: names, constants, operators, aggregates over windows.

Every node is a frozen value with a `Span`. Spans never take part in comparison, so that
`parse(format(query)) == query` compares meaning and not layout. Nothing here knows a catalog.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from pql.language.span import Span, no_span


@dataclass(frozen=True, slots=True)
class Identifier:
    """One name as written. `quoted` names are matched exactly first, like any other name."""

    text: str
    span: Span = no_span()
    quoted: bool = field(default=False, compare=False)


# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: None, bool, int, float, str, `datetime.date` or `datetime.datetime` (naive, UTC)."""

    value: None | bool | int | float | str | dt.date | dt.datetime
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Parameter:
    """`:name` (name given) or the n-th `?` (index given, from 0); `is_negated` where a window counts it backwards."""

    name: str | None
    index: int | None
    span: Span = no_span()
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class ColumnName:
    """`table.column` or a bare `column` (table is None)."""

    table: Identifier | None
    column: Identifier
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Star:
    """`table.*`; `table` is None for the bare `*` of `COUNT(*)`."""

    table: Identifier | None
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class ListOf:
    """`(a, b, c)` as the right side of IN, and list values of options."""

    items: tuple[Expression, ...]
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left op right` with op in `+ - * / %`; unary minus is `Negate`."""

    op: str
    left: Expression
    right: Expression
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Negate:
    operand: Expression
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left op right` with op in `= != < <= > >=` (`==` reads as `=`, `<>` as `!=`)."""

    op: str
    left: Expression
    right: Expression
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Between:
    operand: Expression
    low: Expression
    high: Expression
    negated: bool = False
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class InList:
    """`operand [NOT] IN (…)`; `items` is a `ListOf` or one `Parameter` bound to a list."""

    operand: Expression
    items: Expression
    negated: bool = False
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class IsNull:
    operand: Expression
    negated: bool = False
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Match:
    """`operand [NOT] op pattern` with op in `LIKE`, `CONTAINS`, `STARTS WITH`, `ENDS WITH`."""

    op: str
    operand: Expression
    pattern: Expression
    negated: bool = False
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class And:
    items: tuple[Expression, ...]
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Or:
    items: tuple[Expression, ...]
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Window:
    """`start, end [, unit]` relative to the anchor: the rows with `anchor+start < time <= anchor+end`.

    `start` is None for `-INF`. `unit` is canonical, plural and lower case (`days`), or None when not
    written (it then means days).
    """

    start: int | Parameter | None
    end: int | Parameter
    unit: str | None = None
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`FUNCTION(argument [VIA table | column, …] [WHERE condition] [, start, end [, unit]])`.

    `function` is upper case as written.
    """

    function: str
    argument: Expression
    where: Expression | None = None
    window: Window | None = None
    span: Span = no_span()
    name_span: Span = no_span()
    via: tuple[Identifier | ColumnName, ...] = ()


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
