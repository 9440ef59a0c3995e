"""Bound expressions as SQL with bound parameters, in SQL's three-valued logic.

Everything here produces DuckDB text with numbered parameters (`$1`); the same statement with its values written out,
for people and for pasting, is `Statement.literal_text()`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pql.backends.sql import identifier, inline, parameter
from pql.engine.planning.relations import TIME, collapse_sql, is_unique, join_condition, relation_sql
from pql.language.bound import BoundAggregate, Call, ColumnRef, Constant, Expression, Route
from pql.language.catalog import Catalog, LogicalType
from pql.language.errors import PqlError

Resolve = Callable[[ColumnRef | BoundAggregate], str]

_COMPARE = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_MATCH = {"contains": "contains", "starts_with": "starts_with", "ends_with": "suffix"}
_ARITHMETIC = ("+", "-", "*", "/", "%")


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text with parameters `$1 … $n` and their values."""

    sql: str
    parameters: tuple[Any, ...] = ()

    def literal_text(self) -> str:
        """The same statement with the values written out; it runs as pasted into plain DuckDB."""
        return inline(self.sql, self.parameters)


class Parameters:
    """Collects the values of a statement while its text is made."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def bind(self, value: Any) -> str:
        """The placeholder of a value."""
        self.values.append(parameter(value))
        return f"${len(self.values)}"


def expression_sql(expression: Expression, resolve: Resolve, parameters: Parameters) -> str:
    """The text of a bound expression; `resolve` names columns and aggregates. Arithmetic is in doubles."""
    if isinstance(expression, Constant):
        return _constant(expression, parameters)
    if isinstance(expression, ColumnRef | BoundAggregate):
        return resolve(expression)
    op = expression.op
    if op in _ARITHMETIC or (op == "neg"):
        value = _arithmetic(expression, resolve, parameters)
        return f"(CASE WHEN isfinite({value}) THEN {value} END)"
    args = expression.args
    if op == "in":
        return _membership(expression, resolve, parameters)
    texts = [expression_sql(arg, resolve, parameters) for arg in args]
    if op in ("and", "or"):
        return f"({f' {op.upper()} '.join(texts)})"
    if op == "not":
        return f"(NOT {texts[0]})"
    if op in _COMPARE:
        return f"({texts[0]} {_COMPARE[op]} {texts[1]})"
    if op == "between":
        return f"({texts[0]} BETWEEN {texts[1]} AND {texts[2]})"
    if op == "is_null":
        return f"({texts[0]} IS NULL)"
    if op == "like":
        return f"({_text(args[0], texts[0])} LIKE {texts[1]})"
    if op in _MATCH:
        return f"{_MATCH[op]}({_text(args[0], texts[0])}, {texts[1]})"
    raise PqlError(
        "not_supported",
        f"the operator {op} can't be computed yet",
        span=expression.span,
        hint="Write the condition with = != < <= > >=, IN, LIKE, AND, OR and NOT",
    )


def _constant(constant: Constant, parameters: Parameters) -> str:
    if constant.value is None:
        return "NULL"
    if isinstance(constant.value, bool):
        return "TRUE" if constant.value else "FALSE"
    return parameters.bind(constant.value)


def _arithmetic(expression: Expression, resolve: Resolve, parameters: Parameters) -> str:
    """A sum, product, … in doubles; a division by zero is NULL. Whether the result is finite is not looked at."""
    if not isinstance(expression, Call) or expression.op not in (*_ARITHMETIC, "neg"):
        return f"CAST({expression_sql(expression, resolve, parameters)} AS DOUBLE)"
    args = [_arithmetic(arg, resolve, parameters) for arg in expression.args]
    if expression.op == "neg":
        return f"(-{args[0]})"
    if expression.op in ("/", "%"):
        args[1] = f"nullif({args[1]}, 0)"
    return f"({args[0]} {expression.op} {args[1]})"


def _membership(expression: Call, resolve: Resolve, parameters: Parameters) -> str:
    operand, listed = expression.args
    assert isinstance(listed, Constant)
    values = listed.value if isinstance(listed.value, tuple) else (listed.value,)
    if not values:
        return "FALSE"
    items = ", ".join(_constant(Constant(value, listed.type), parameters) for value in values)
    return f"({expression_sql(operand, resolve, parameters)} IN ({items}))"


def _text(expression: Expression, sql: str) -> str:
    if expression.type is LogicalType.STRING:
        return sql
    return f"CAST({sql} AS VARCHAR)"


class Sources:
    """The relations a statement reads, each one a common table expression with the columns asked for."""

    def __init__(self, catalog: Catalog, until: int | None) -> None:
        self.catalog = catalog
        self.until = until
        self._names = {table.name.lower() for table in catalog.tables}
        self._rows: dict[str, dict[str, None]] = {}
        self._keyed: dict[tuple[str, tuple[str, ...]], dict[str, None]] = {}

    def rows(self, table: str, columns: Sequence[str]) -> str:
        """The name of the relation of a table, which has at least `columns` and `__time`."""
        self._rows.setdefault(table, {}).update(dict.fromkeys(columns))
        return self._name("known", table)

    def keyed(self, table: str, key: Sequence[str], columns: Sequence[str]) -> str:
        """The name of the same relation with at most one row per key; rows without a key may be missing."""
        name = self.rows(table, [*key, *columns])
        if is_unique(self.catalog.table(table), key):
            return name
        self._keyed.setdefault((table, tuple(key)), {}).update(dict.fromkeys(c for c in columns if c not in key))
        return self._keyed_name(table, tuple(key))

    def expressions(self) -> list[str]:
        """`name AS (SELECT …)` for every relation named so far, in an order in which each may read the ones before."""
        parts = [
            f"{self._name('known', table)} AS ({relation_sql(self.catalog, table, self.until, tuple(columns))})"
            for table, columns in self._rows.items()
        ]
        for (table, key), columns in self._keyed.items():
            collapsed = collapse_sql(self._name("known", table), key, tuple(columns))
            parts.append(f"{self._keyed_name(table, key)} AS ({collapsed})")
        return parts

    def own_name(self, name: str) -> str:
        """A name, quoted if need be, that no table of the catalog has."""
        while name.lower() in self._names:
            name += "_"
        return name if re.fullmatch(r"[a-z][a-z0-9_]*", name) else identifier(name)

    def _name(self, prefix: str, table: str) -> str:
        name = self.own_name(f"{prefix}_{table}")
        return name if name.startswith('"') else identifier(name)

    def _keyed_name(self, table: str, key: tuple[str, ...]) -> str:
        return self._name("one_" + "_".join(key) if len(self._keys_of(table)) > 1 else "one", table)

    def _keys_of(self, table: str) -> set[tuple[str, ...]]:
        """The keys a table's rows can be told apart by: those that links point to, and its own."""
        found = {link.parent_columns for link in self.catalog.links_to(table)}
        own = self.catalog.table(table).key
        return found | ({own.columns} if own is not None else set())


class RowScope:
    """One row of a table and the rows it leads to: makes the joins that columns and routes need.

    `known` names the clocks of the rows joined whose time is not the row's own anyway: what is read through them is
    known once they all are.
    """

    def __init__(self, sources: Sources, table: str, alias: str) -> None:
        self.sources = sources
        self.table = table
        self.alias = alias
        self.joins: list[str] = []
        self.known: list[str] = []
        self._aliases: dict[Route, str] = {(): alias}
        self._inner: set[Route] = set()

    def column(self, reference: ColumnRef) -> str:
        """The text of a column of the row (or of one it points to); missing rows give NULL."""
        alias = self.follow(reference.route, reference.column)
        return f"{alias}.{identifier(reference.column)}"

    def clocks(self, route: Route) -> list[str]:
        """The clocks along a route that are not the row's own."""
        return [
            f"{self._aliases[route[: i + 1]]}.{identifier(TIME)}"
            for i in range(len(route))
            if self._has_other_clock(route[: i + 1])
        ]

    def follow(self, route: Route, column: str | None = None, *, inner: bool = False) -> str:
        """The alias of the row at the end of a route, joined if it isn't yet (rows without one are lost if `inner`)."""
        for i in range(len(route)):
            self._join(route[: i + 1], inner=inner)
        if column is not None:
            table = route[-1].target if route else self.table
            self.sources.rows(table, (column,))
            if route and route[-1].up:
                self.sources.keyed(table, route[-1].link.parent_columns, (column,))
        return self._aliases[route]

    def _join(self, route: Route, *, inner: bool) -> None:
        if route in self._aliases:
            return
        catalog = self.sources.catalog
        step = route[-1]
        source, link = self._aliases[route[:-1]], step.link
        alias = f"{self.alias}{len(self._aliases)}"
        self._aliases[route] = alias
        if step.up:
            self._need(route[:-1], link.child_columns)
            name = self.sources.keyed(link.parent, link.parent_columns, ())
            condition = join_condition(catalog, link, source, alias)
        else:
            self._need(route[:-1], link.parent_columns)
            name = self.sources.rows(link.child, link.child_columns)
            condition = join_condition(catalog, link, alias, source)
        self.joins.append(f"{'JOIN' if inner else 'LEFT JOIN'} {name} AS {alias} ON {condition}")
        if self._has_other_clock(route):
            self.known.append(f"{alias}.{identifier(TIME)}")

    def _need(self, route: Route, columns: Sequence[str]) -> None:
        for column in columns:
            self.follow(route, column)

    def _has_other_clock(self, route: Route) -> bool:
        catalog, step = self.sources.catalog, route[-1]
        if catalog.table(step.target).clock.kind == "none":
            return False
        source = catalog.table(step.source)
        if step.up and source.clock.kind == "inherited" and source.clock.via == step.link:
            return False
        virtual = catalog.table(step.target).virtual
        return not (step.up and virtual is not None and (step.source, step.link.child_columns[0]) in virtual.sources)
