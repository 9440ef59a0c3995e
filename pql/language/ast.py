"""The syntax tree: what a text says, before any database has been asked.

Clauses and statements are defined here; expressions in `pql.language.tree`, whose names stand here too, so that a tree
is spelt with one module. Nothing here knows a catalog.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pql.language.span import NOWHERE, Span, no_span
from pql.language.tree import (
    Aggregate,
    And,
    Arithmetic,
    Between,
    ColumnName,
    Comparison,
    Expression,
    Identifier,
    InList,
    IsNull,
    ListOf,
    Literal,
    Match,
    Negate,
    Not,
    Or,
    Parameter,
    Star,
    Window,
)

# ---------------------------------------------------------------- the clauses of PREDICT


@dataclass(frozen=True, slots=True)
class RankTop:
    """`RANK TOP k`. `k` is None where `RANK` stands without `TOP` (the binder says what is missing)."""

    k: int | Parameter | None
    has_rank: bool = True
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Classify:
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Forecast:
    steps: int | Parameter
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class AsKind:
    """`AS CLASS` or `AS NUMBER`; `kind` is `class` or `number`."""

    kind: str
    span: Span = no_span()


TaskClause = RankTop | Classify | Forecast | AsKind


@dataclass(frozen=True, slots=True)
class EntityName:
    """One name after FOR [EACH]: `table.column`, or a table alone (its key is meant)."""

    table: Identifier | None
    column: Identifier | None
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class EntityIds:
    """`= id` or `IN (ids)` after the entity. `op` is the operator as written (`=`, `IN`, or a wrong one)."""

    op: str
    items: Expression
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class AtMost:
    n: int | Parameter
    column: ColumnName
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Excluding:
    """`EXCLUDING what`: an `Aggregate` without function (function `""`) or a bare `PURCHASED` / `SEEN` name."""

    what: Expression
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Returning:
    """`RETURN form [(levels)]`: `quantiles`, `interval`, `probability`, `distribution` or `expected value`."""

    form: str
    levels: tuple[float | Parameter, ...] = ()
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Option:
    """`name = value` inside WITH; a value is a Literal, a bare word (as a str Literal), a ListOf or a Parameter."""

    name: Identifier
    value: Expression
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class AsOf:
    when: Expression
    span: Span = no_span()


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
    via: tuple[Identifier | ColumnName, ...] | None = None
    using_model: Identifier | None = None
    ignoring: tuple[ColumnName, ...] = ()
    options: tuple[Option, ...] = ()
    span: Span = no_span()


# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Explain:
    """`EXPLAIN [ANALYZE] [AST|BOUND|SQL|GRAPH|JSON] predict`; `part` is lower case or None for all of it."""

    query: Predict
    part: str | None = None
    analyze: bool = False
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class ExplainPrediction:
    """`EXPLAIN PREDICTION predict`: the reasons of each prediction asked for."""

    query: Predict
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Evaluate:
    """`EVALUATE predict [AT date, …]`: the metrics beside the baselines, at named test anchors if given."""

    query: Predict
    at: tuple[Expression, ...] = ()
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Labels:
    query: Predict
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class CheckLeakage:
    query: Predict
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class CreateModel:
    name: Identifier
    query: Predict
    replace: bool = False
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Show:
    """`SHOW TABLES|GRAPH|MODELS|TARGETS` or `SHOW METRICS|RULES FOR MODEL name`; `what` is lower case."""

    what: str
    model: Identifier | None = None
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Describe:
    name: Identifier
    is_model: bool = False
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class DropModel:
    name: Identifier
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class AlterModel:
    name: Identifier
    version: int
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class DefineTarget:
    name: Identifier
    target: Expression
    tasks: tuple[TaskClause, ...] = ()
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class DropTarget:
    name: Identifier
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class LinkOverride:
    """`LINK a.x -> b.y`, or `UNLINK` where `remove` is true."""

    child: ColumnName
    parent: ColumnName
    remove: bool = False
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class KeyOverride:
    column: ColumnName
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class TimeOverride:
    """`TIME t.x`; with `column` None and `table` given, `NO TIME t`."""

    column: ColumnName | None
    table: Identifier | None = None
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class CreateTable:
    name: Identifier
    query: Predict
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Copy:
    query: Predict
    path: str
    span: Span = no_span()


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement in SQL, kept as text; `(PREDICT …)` inside it is found by `pql.embed`, not by this grammar.

    `marks` is how many `?` stand in the statements before it.
    """

    text: str
    span: Span = no_span()
    marks: int = field(default=0, compare=False)


Statement = (
    Predict
    | Explain
    | ExplainPrediction
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
    span: Span = no_span()


__all__ = [
    "NOWHERE",
    "Aggregate",
    "AlterModel",
    "And",
    "Arithmetic",
    "AsKind",
    "AsOf",
    "AtMost",
    "Between",
    "CheckLeakage",
    "Classify",
    "ColumnName",
    "Comparison",
    "Copy",
    "CreateModel",
    "CreateTable",
    "DefineTarget",
    "Describe",
    "DropModel",
    "DropTarget",
    "EntityIds",
    "EntityName",
    "Evaluate",
    "Excluding",
    "Explain",
    "ExplainPrediction",
    "Expression",
    "Forecast",
    "Identifier",
    "InList",
    "IsNull",
    "KeyOverride",
    "Labels",
    "LinkOverride",
    "ListOf",
    "Literal",
    "Match",
    "Negate",
    "Not",
    "Option",
    "Or",
    "Parameter",
    "Predict",
    "RankTop",
    "Returning",
    "Script",
    "Show",
    "Span",
    "Sql",
    "Star",
    "Statement",
    "TaskClause",
    "TimeOverride",
    "Window",
]
