"""The tree's makers: one function per alternative of grammars/pql.lark, called at each reduction.

A maker gets the values of the alternative's symbols (tokens and nodes) and the span they cover. Lists grow in place,
so that a list of n values costs n steps. Faults that leave the rest of the text readable are collected in `faults`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pql.language import ast
from pql.language.ast import Identifier, Literal, Parameter, Span
from pql.language.errors import Fault, PqlError
from pql.language.lexing import MAX_VALUES, Token, unescape

_SECONDS = {
    "seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800, "months": 2_629_746,
    "years": 31_556_952,
}  # fmt: skip
_LONGEST = 10_000 * _SECONDS["years"]
_CLAUSES = {
    "alias": "AS name", "as_of": "AS OF", "using": "USING", "using_model": "USING MODEL", "where": "WHERE",
    "assuming": "ASSUMING", "candidates": "CANDIDATES", "excluding": "EXCLUDING", "at_most": "AT MOST",
    "returning": "RETURN", "via": "VIA", "ignoring": "IGNORING", "options": "WITH",
}  # fmt: skip
_TASKS = {
    ast.RankTop: "RANK TOP",
    ast.Classify: "CLASSIFY",
    ast.Forecast: "FORECAST",
    ast.AsKind: "AS CLASS / AS NUMBER",
}


@dataclass(slots=True)
class Draft:
    """A PREDICT under way: its fields so far, by name."""

    fields: dict[str, Any]
    tasks: list[ast.TaskClause] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause: the field of `Predict` it fills, and its value."""

    name: str
    value: Any
    span: Span


class Builder:
    """Makes the nodes of one statement of `text`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.faults: list[Fault] = []
        self._ranks_in_over: list[ast.RankTop] = []

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
            raise PqlError("empty_name", "a name has at least one character", span=span)
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
        return ast.Comparison(c[1].value, c[0], self._value(c[2]), span)

    def in_list(self, c: list[Any], span: Span) -> ast.InList:
        return ast.InList(c[0], c[-1], negated=len(c) == 4, span=span)

    not_in_list = in_list

    def between(self, c: list[Any], span: Span) -> ast.Between:
        return ast.Between(c[0], self._value(c[-3]), self._value(c[-1]), negated=len(c) == 6, span=span)

    not_between = between

    def is_null(self, c: list[Any], span: Span) -> ast.IsNull:
        return ast.IsNull(c[0], negated=len(c) == 4, span=span)

    is_not_null = is_null

    def match_word(self, c: list[Any], span: Span) -> str:
        return " ".join(token.type for token in c)

    def match(self, c: list[Any], span: Span) -> ast.Match:
        return ast.Match(c[-2], c[0], self._value(c[-1]), negated=len(c) == 4, span=span)

    not_match = match

    def list_of(self, c: list[Any], span: Span) -> ast.ListOf:
        return ast.ListOf(tuple(self._value(item) for item in c[1]), span)

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

    def _value(self, node: ast.Expression) -> ast.Expression:
        """`node` where a value stands: a bare double-quoted word is a string there."""
        if type(node) is ast.ColumnName and node.table is None and self.text[node.span.start] == '"':
            return Literal(unescape(self.text[node.span.start : node.span.end]), node.span)
        return node

    # ------------------------------------------------------------ aggregates

    def call_body(self, c: list[Any], span: Span) -> ast.Aggregate:
        where = c[2] if len(c) >= 3 else None
        window = c[-1] if len(c) in (2, 4) else None
        return ast.Aggregate("", c[0], where, window, span)

    def call(self, c: list[Any], span: Span) -> ast.Aggregate:
        name: Token = c[0]
        written = str(name.value)
        function = written.upper() if written.isascii() else written
        return replace(c[2], function=function, span=span, name_span=name.span)

    def call_distinct(self, c: list[Any], span: Span) -> ast.Aggregate:
        made = self.call([c[0], c[1], c[3], c[4]], span)
        if made.function not in ("COUNT", "LIST", "ARRAY_AGG"):
            hint = "DISTINCT goes with COUNT and LIST"
            raise PqlError("misplaced_distinct", f"{made.function} has no DISTINCT", span=c[2].span, hint=hint)
        return replace(made, function="COUNT_DISTINCT" if made.function == "COUNT" else "LIST_DISTINCT")

    def call_over(self, c: list[Any], span: Span) -> ast.Aggregate:
        made = self.call(c[:4], span)
        window: ast.Window = c[6]
        if made.window is not None:
            hint = "take one of the two away"
            raise PqlError(
                "two_windows", "this has a window in its brackets and another after OVER", span=span, hint=hint
            )
        return replace(made, window=window)

    def window(self, c: list[Any], span: Span) -> ast.Window:
        unit = c[5].value if len(c) == 6 else None
        covered = Span(self._after_comma(span), span.end)
        self._check_length(c[1], unit, covered)
        self._check_length(c[3], unit, covered)
        return ast.Window(c[1], c[3], unit, covered)

    def minus_infinity(self, c: list[Any], span: Span) -> None:
        return None

    def following(self, c: list[Any], span: Span) -> ast.Window:
        self._check_length(c[0], c[1].value, span)
        if len(c) == 6:
            self._ranks_in_over.append(ast.RankTop(c[5], span=Span(c[3].start, span.end)))
        return ast.Window(0, c[0], c[1].value, span)

    def preceding(self, c: list[Any], span: Span) -> ast.Window:
        if len(c) == 2:
            return ast.Window(None, 0, None, span)
        if not isinstance(c[0], int):
            hint = "write the window inside the brackets: (t.x, -90, 0, days)"
            raise PqlError("misplaced_parameter", "a parameter can't stand before PRECEDING", span=span, hint=hint)
        self._check_length(c[0], c[1].value, span)
        return ast.Window(-c[0], 0, c[1].value, span)

    def _after_comma(self, span: Span) -> int:
        start = span.start + 1
        while start < span.end and self.text[start].isspace():
            start += 1
        return start

    def _check_length(self, number: object, unit: str | None, span: Span) -> None:
        if isinstance(number, int) and abs(number) * _SECONDS[unit or "days"] > _LONGEST:
            hint = "windows reach at most 10,000 years"
            raise PqlError(
                "invalid_literal", f"a window of {number} {unit or 'days'} is too long", span=span, hint=hint
            )

    # ------------------------------------------------------------ PREDICT

    def opening(self, c: list[Any], span: Span) -> Draft:
        draft = Draft({"target": c[1]})
        draft.tasks.extend(self._ranks_in_over)
        self._ranks_in_over.clear()
        return draft

    def with_part(self, c: list[Any], span: Span) -> Draft:
        draft, part = c
        if not isinstance(part, Clause):
            self._add_task(draft.tasks, part)
        elif part.name not in draft.fields:
            draft.fields[part.name] = part.value
        else:
            self._duplicate(_CLAUSES[part.name], part.span)
            if part.name in ("where", "assuming"):
                both = ast.And((draft.fields[part.name], part.value))
                draft.fields[part.name] = self.and_([list(both.items)], part.span)
        return draft  # type: ignore[no-any-return]

    def asked_for(self, c: list[Any], span: Span) -> Draft:
        draft, entities = c
        draft.fields.update(entities)
        return draft  # type: ignore[no-any-return]

    def predict(self, c: list[Any], span: Span) -> ast.Predict:
        draft: Draft = c[0]
        if self._ranks_in_over:
            hint = "RANK TOP k belongs to the target"
            place = self._ranks_in_over[0].span
            raise PqlError("misplaced_clause", "RANK stands inside a condition", span=place, hint=hint)
        return ast.Predict(tasks=tuple(draft.tasks), span=span, **draft.fields)

    def _duplicate(self, clause: str, span: Span) -> None:
        hint = "join the two with AND" if clause in ("WHERE", "ASSUMING") else "keep one of the two"
        self.faults.append(Fault("duplicate_clause", f"{clause} stands twice", span, hint))

    def _add_task(self, tasks: list[ast.TaskClause], task: ast.TaskClause) -> None:
        if any(type(task) is type(other) for other in tasks):
            self._duplicate(_TASKS[type(task)], task.span)
        else:
            tasks.append(task)

    def for_entities(self, c: list[Any], span: Span) -> dict[str, Any]:
        return {"entities": tuple(c[-1]), "each": len(c) == 3}

    def for_ids(self, c: list[Any], span: Span) -> dict[str, Any]:
        return {"entities": tuple(c[-2]), "each": len(c) == 4, "ids": c[-1]}

    def from_table(self, c: list[Any], span: Span) -> dict[str, Any]:
        return {"entities": (ast.EntityName(c[1], None, c[1].span),), "each": True}

    def entity_table(self, c: list[Any], span: Span) -> ast.EntityName:
        return ast.EntityName(c[0], None, span)

    def entity_column(self, c: list[Any], span: Span) -> ast.EntityName:
        return ast.EntityName(c[0], c[2], span)

    def ids_compare(self, c: list[Any], span: Span) -> ast.EntityIds:
        return ast.EntityIds(c[0].value, self._value(c[1]), span)

    def ids_in(self, c: list[Any], span: Span) -> ast.EntityIds:
        return ast.EntityIds("IN", c[1], span)

    def ids_not_in(self, c: list[Any], span: Span) -> ast.EntityIds:
        return ast.EntityIds("NOT IN", c[2], span)

    # ------------------------------------------------------------ tasks and clauses

    def rank_top(self, c: list[Any], span: Span) -> ast.RankTop:
        return ast.RankTop(c[2], span=span)

    def rank_alone(self, c: list[Any], span: Span) -> ast.RankTop:
        return ast.RankTop(None, span=span)

    def top_alone(self, c: list[Any], span: Span) -> ast.RankTop:
        return ast.RankTop(c[1], has_rank=False, span=span)

    def classify(self, c: list[Any], span: Span) -> ast.Classify:
        return ast.Classify(span)

    def forecast(self, c: list[Any], span: Span) -> ast.Forecast:
        return ast.Forecast(c[1], span)

    def as_kind(self, c: list[Any], span: Span) -> ast.AsKind:
        return ast.AsKind(c[1].type.lower(), span)

    def alias(self, c: list[Any], span: Span) -> Clause:
        return Clause("alias", c[1], span)

    def as_of(self, c: list[Any], span: Span) -> Clause:
        return Clause("as_of", ast.AsOf(c[2], span), span)

    def using(self, c: list[Any], span: Span) -> Clause:
        return Clause("using", tuple(c[1]), span)

    def using_table_model(self, c: list[Any], span: Span) -> Clause:
        table = Identifier(str(c[1].value), c[1].span)
        return Clause("using", (table, *(c[3] if len(c) == 4 else ())), span)

    def using_model(self, c: list[Any], span: Span) -> Clause:
        return Clause("using_model", c[2], span)

    def where(self, c: list[Any], span: Span) -> Clause:
        return Clause("where", c[1], span)

    def assuming(self, c: list[Any], span: Span) -> Clause:
        return Clause("assuming", c[1], span)

    def candidates(self, c: list[Any], span: Span) -> Clause:
        return Clause("candidates", c[2], span)

    def excluding(self, c: list[Any], span: Span) -> Clause:
        return Clause("excluding", ast.Excluding(c[1], span), span)

    def excluded_body(self, c: list[Any], span: Span) -> ast.Expression:
        body: ast.Aggregate = c[1]
        if body.where is None and body.window is None and type(body.argument) is ast.ColumnName:
            return body.argument
        return replace(body, span=span)

    def at_most(self, c: list[Any], span: Span) -> Clause:
        return Clause("at_most", ast.AtMost(c[2], c[4], span), span)

    def quantiles(self, c: list[Any], span: Span) -> Clause:
        return Clause("returning", ast.Returning("quantiles", tuple(map(_level, c[3])), span), span)

    def interval(self, c: list[Any], span: Span) -> Clause:
        return Clause("returning", ast.Returning("interval", (_level(c[2]),), span), span)

    def return_word(self, c: list[Any], span: Span) -> Clause:
        return Clause("returning", ast.Returning(c[1].type.lower(), (), span), span)

    def via(self, c: list[Any], span: Span) -> Clause:
        return Clause("via", tuple(c[1]), span)

    def ignoring(self, c: list[Any], span: Span) -> Clause:
        return Clause("ignoring", tuple(c[1]), span)

    def with_options(self, c: list[Any], span: Span) -> Clause:
        return Clause("options", tuple(c[2]), span)

    def option(self, c: list[Any], span: Span) -> ast.Option:
        return ast.Option(c[0], c[2], span)

    def duration(self, c: list[Any], span: Span) -> ast.ListOf:
        return ast.ListOf((Literal(c[0].value, c[0].span), Literal(c[1].value, c[1].span)), span)

    # ------------------------------------------------------------ statements

    def explain(self, c: list[Any], span: Span) -> ast.Explain:
        words = [token.type for token in c[1:-1]]
        part = next((word.lower() for word in words if word != "ANALYZE"), None)
        return ast.Explain(c[-1], part, "ANALYZE" in words, span)

    def evaluate(self, c: list[Any], span: Span) -> ast.Evaluate:
        return ast.Evaluate(c[1], (), span)

    def evaluate_at(self, c: list[Any], span: Span) -> ast.Evaluate:
        query = self.predict([c[1]], Span(c[0].end + 1, c[2].start))
        return ast.Evaluate(query, tuple(c[3]), span)

    def labels(self, c: list[Any], span: Span) -> ast.Labels:
        return ast.Labels(c[1], span)

    def check_leakage(self, c: list[Any], span: Span) -> ast.CheckLeakage:
        return ast.CheckLeakage(c[2], span)

    def create_model(self, c: list[Any], span: Span) -> ast.CreateModel:
        return ast.CreateModel(c[-3], c[-1], replace=len(c) == 7, span=span)

    replace_model = create_model

    def create_table(self, c: list[Any], span: Span) -> ast.CreateTable:
        return ast.CreateTable(c[2], c[4], span)

    def copy(self, c: list[Any], span: Span) -> ast.Copy:
        return ast.Copy(c[2], c[5].value, span)

    def show(self, c: list[Any], span: Span) -> ast.Show:
        return ast.Show(c[1].type.lower(), None, span)

    def show_of_model(self, c: list[Any], span: Span) -> ast.Show:
        return ast.Show(c[1].type.lower(), c[4], span)

    def describe(self, c: list[Any], span: Span) -> ast.Describe:
        return ast.Describe(c[1], span=span)

    def describe_table_model(self, c: list[Any], span: Span) -> ast.Describe:
        return ast.Describe(Identifier(str(c[1].value), c[1].span), span=span)

    def describe_model(self, c: list[Any], span: Span) -> ast.Describe:
        return ast.Describe(c[2], is_model=True, span=span)

    def drop_model(self, c: list[Any], span: Span) -> ast.DropModel:
        return ast.DropModel(c[2], span)

    def drop_target(self, c: list[Any], span: Span) -> ast.DropTarget:
        return ast.DropTarget(c[2], span)

    def alter_model(self, c: list[Any], span: Span) -> ast.AlterModel:
        return ast.AlterModel(c[2], c[5].value, span)

    def define_open(self, c: list[Any], span: Span) -> tuple[Identifier, ast.Expression, list[ast.TaskClause]]:
        tasks: list[ast.TaskClause] = list(self._ranks_in_over)
        self._ranks_in_over.clear()
        return c[2], c[4], tasks

    def define_task(self, c: list[Any], span: Span) -> tuple[Identifier, ast.Expression, list[ast.TaskClause]]:
        self._add_task(c[0][2], c[1])
        return c[0]  # type: ignore[no-any-return]

    def define_target(self, c: list[Any], span: Span) -> ast.DefineTarget:
        name, target, tasks = c[0]
        return ast.DefineTarget(name, target, tuple(tasks), span)

    def link(self, c: list[Any], span: Span) -> ast.LinkOverride:
        return ast.LinkOverride(c[1], c[3], remove=c[0].type == "UNLINK", span=span)

    unlink = link

    def key(self, c: list[Any], span: Span) -> ast.KeyOverride:
        return ast.KeyOverride(c[1], span)

    def time(self, c: list[Any], span: Span) -> ast.TimeOverride:
        return ast.TimeOverride(c[1], span=span)

    def no_time(self, c: list[Any], span: Span) -> ast.TimeOverride:
        return ast.TimeOverride(None, c[2], span)


def _level(value: Literal | Parameter) -> float | Parameter:
    return value if isinstance(value, Parameter) else float(value.value)  # type: ignore[arg-type]
