"""The makers of names, constants, expressions and aggregates: the half of the builder that holds no clauses.

A maker gets the values of an alternative's symbols (tokens and nodes) and the span they cover. Lists grow in place, so
that a list of n values costs n steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pql.language import ast
from pql.language.ast import Identifier, Literal, Parameter, Span
from pql.language.errors import Fault, PqlError
from pql.language.lexing import MAX_VALUES, Token, empty_name, unescape

SECONDS = {
    "seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800, "months": 2_629_746,
    "years": 31_556_952,
}  # fmt: skip
_LONGEST = 10_000 * SECONDS["years"]


class ExpressionBuilder:
    """Makes the expressions of one statement of `text`. `faults` are those that leave the rest of it readable."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.faults: list[Fault] = []

    # ------------------------------------------------------------ lists

    def first(self, c: list[Any], span: Span) -> list[Any]:
        return [c[0]]

    def more(self, c: list[Any], span: Span) -> list[Any]:
        items: list[Any] = c[0]
        if len(items) >= MAX_VALUES:
            hint = "put them in a table of the database, or split the query"
            raise PqlError("too_many_values", f"a list has at most {MAX_VALUES:,} values", span=span, hint=hint)
        items.append(c[2])
        return items

    def pair(self, c: list[Any], span: Span) -> list[Any]:
        return [c[0], c[2]]

    def chain(self, c: list[Any], span: Span) -> list[Any]:
        return [c[0], c[2]]

    def chain_more(self, c: list[Any], span: Span) -> list[Any]:
        c[0].append(c[2])
        return c[0]

    # ------------------------------------------------------------ names and constants

    def name(self, c: list[Any], span: Span) -> Identifier:
        if not c[0].value:
            raise empty_name(span)
        return Identifier(c[0].value, span, self.text[span.start] in '`"')

    def literal(self, c: list[Any], span: Span) -> Literal:
        token: Token = c[0]
        named = {"TRUE": True, "FALSE": False, "NULL": None}
        return Literal(named.get(token.type, token.value), span)  # type: ignore[arg-type]

    def quoted_string(self, c: list[Any], span: Span) -> Literal:
        return Literal(unescape(self.text[span.start : span.end]), span)

    def word(self, c: list[Any], span: Span) -> Literal:
        return Literal(c[0].value, span)

    def negative(self, c: list[Any], span: Span) -> Literal:
        return Literal(-c[1].value, span)

    def parameter(self, c: list[Any], span: Span) -> Parameter:
        value = c[0].value
        return Parameter(None, value, span) if isinstance(value, int) else Parameter(value, None, span)

    def count(self, c: list[Any], span: Span) -> int:
        return int(c[0].value)

    def negated_count(self, c: list[Any], span: Span) -> Parameter:
        return replace(c[1], is_negated=True)

    def negative_count(self, c: list[Any], span: Span) -> int:
        return -int(c[1].value)

    def bare_column(self, c: list[Any], span: Span) -> ast.ColumnName:
        return ast.ColumnName(None, c[0], span)

    def qualified(self, c: list[Any], span: Span) -> ast.ColumnName:
        return ast.ColumnName(c[0], c[2], span)

    def star(self, c: list[Any], span: Span) -> ast.Star:
        return ast.Star(c[0], span)

    def bare_star(self, c: list[Any], span: Span) -> ast.Star:
        return ast.Star(None, span)

    # ------------------------------------------------------------ expressions

    def or_(self, c: list[Any], span: Span) -> ast.Or:
        return ast.Or(tuple(part for item in c[0] for part in (item.items if type(item) is ast.Or else (item,))), span)

    def and_(self, c: list[Any], span: Span) -> ast.And:
        return ast.And(
            tuple(part for item in c[0] for part in (item.items if type(item) is ast.And else (item,))), span
        )

    def not_(self, c: list[Any], span: Span) -> ast.Not:
        return ast.Not(c[1], span)

    def comparison(self, c: list[Any], span: Span) -> ast.Comparison:
        return ast.Comparison(c[1].value, c[0], self.value(c[2]), span)

    def in_list(self, c: list[Any], span: Span) -> ast.InList:
        return ast.InList(c[0], c[-1], negated=len(c) == 4, span=span)

    not_in_list = in_list

    def between(self, c: list[Any], span: Span) -> ast.Between:
        return ast.Between(c[0], self.value(c[-3]), self.value(c[-1]), negated=len(c) == 6, span=span)

    not_between = between

    def is_null(self, c: list[Any], span: Span) -> ast.IsNull:
        return ast.IsNull(c[0], negated=len(c) == 4, span=span)

    is_not_null = is_null

    def match_word(self, c: list[Any], span: Span) -> str:
        return " ".join(token.type for token in c)

    def match(self, c: list[Any], span: Span) -> ast.Match:
        return ast.Match(c[-2], c[0], self.value(c[-1]), negated=len(c) == 4, span=span)

    not_match = match

    def list_of(self, c: list[Any], span: Span) -> ast.ListOf:
        return ast.ListOf(tuple(self.value(item) for item in c[1]), span)

    def arithmetic(self, c: list[Any], span: Span) -> ast.Arithmetic:
        return ast.Arithmetic(c[1].value, c[0], c[2], span)

    def negate(self, c: list[Any], span: Span) -> ast.Expression:
        minus, operand = c
        if type(operand) is Literal and type(operand.value) in (int, float):
            between = self.text[minus.end : operand.span.start + 1]
            if "(" not in between and not between.endswith("-"):
                return Literal(-operand.value, span)  # type: ignore[operator]
        return ast.Negate(operand, span)

    def positive(self, c: list[Any], span: Span) -> ast.Expression:
        return c[1]  # type: ignore[no-any-return]

    def parenthesised(self, c: list[Any], span: Span) -> ast.Expression:
        return c[1]  # type: ignore[no-any-return]

    def value(self, node: ast.Expression) -> ast.Expression:
        """`node` where a value stands: a bare double-quoted word is a string there."""
        if type(node) is ast.ColumnName and node.table is None and self.text[node.span.start] == '"':
            return Literal(unescape(self.text[node.span.start : node.span.end]), node.span)
        return node

    # ------------------------------------------------------------ aggregates

    def call_body(self, c: list[Any], span: Span) -> ast.Aggregate:
        where = c[2] if len(c) >= 3 else None
        window = c[-1] if len(c) in (2, 4) else None
        return ast.Aggregate("", c[0], where, window, span)

    def call_body_via(self, c: list[Any], span: Span) -> ast.Aggregate:
        return replace(self.call_body([c[0], *c[3:]], span), via=tuple(c[2]))

    def call(self, c: list[Any], span: Span) -> ast.Aggregate:
        name: Token = c[0]
        written = str(name.value)
        function = written.upper() if written.isascii() else written
        return replace(c[2], function=function, span=span, name_span=name.span)

    def call_distinct(self, c: list[Any], span: Span) -> ast.Aggregate:
        made = self.call([c[0], c[1], c[3], c[4]], span)
        if made.function not in ("COUNT", "LIST", "ARRAY_AGG"):
            hint = "DISTINCT goes with COUNT and LIST"
            fix = self.text[: c[2].start] + self.text[c[3].span.start :]
            message = f"{made.function} has no DISTINCT"
            raise PqlError("misplaced_distinct", message, span=c[2].span, hint=hint, fix=fix)
        return replace(made, function="COUNT_DISTINCT" if made.function == "COUNT" else "LIST_DISTINCT")

    def window(self, c: list[Any], span: Span) -> ast.Window:
        unit = c[5].value if len(c) == 6 else None
        covered = Span(self._after_comma(span), span.end)
        self.check_length(c[1], unit, covered)
        self.check_length(c[3], unit, covered)
        return ast.Window(c[1], c[3], unit, covered)

    def minus_infinity(self, c: list[Any], span: Span) -> None:
        return None

    def _after_comma(self, span: Span) -> int:
        start = span.start + 1
        while start < span.end and self.text[start].isspace():
            start += 1
        return start

    def check_length(self, number: object, unit: str | None, span: Span) -> None:
        if isinstance(number, int) and abs(number) * SECONDS[unit or "days"] > _LONGEST:
            hint = "windows reach at most 10,000 years"
            raise PqlError(
                "invalid_literal", f"a window of {number} {unit or 'days'} is too long", span=span, hint=hint
            )
