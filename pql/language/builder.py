"""The tree's makers: one method per alternative of grammars/pql.lark, called by the parser at each reduction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pql.language import ast
from pql.language.ast import Identifier, Literal, Parameter, Span
from pql.language.build_frames import FrameBuilder, unaliased
from pql.language.errors import Fault, PqlError

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
    span: Span
    tasks: list[ast.TaskClause] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause: the field of `Predict` it fills, and its value."""

    name: str
    value: Any
    span: Span


class Builder(FrameBuilder):
    """Makes the clauses, queries and statements of one statement of `text`."""

    # ------------------------------------------------------------ PREDICT

    def opening(self, c: list[Any], span: Span) -> Draft:
        draft = Draft({"target": c[1]}, span)
        draft.tasks.extend(self._tasks_of_frames())
        return draft

    def with_part(self, c: list[Any], span: Span) -> Draft:
        draft, part = c
        draft.span = span
        if part is None:  # WINDOW, which only names what others use
            pass
        elif not isinstance(part, Clause):
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
        draft.span = span
        return draft  # type: ignore[no-any-return]

    def predict(self, c: list[Any], span: Span) -> ast.Predict:
        draft: Draft = c[0]
        if self.tasks_in_over:
            hint = "RANK TOP k and HORIZONS n belong to the target"
            place = self.tasks_in_over[0].span
            raise PqlError("misplaced_clause", "RANK or HORIZONS stands inside a condition", span=place, hint=hint)
        query = self.resolve_windows(ast.Predict(tasks=(), span=span, **self._unaliased(draft.fields)))
        for task in self._tasks_of_frames():
            self._add_task(draft.tasks, task)
        return replace(query, tasks=tuple(draft.tasks))

    def _tasks_of_frames(self) -> list[ast.TaskClause]:
        tasks = list(dict.fromkeys(self.tasks_in_over))
        self.tasks_in_over.clear()
        return tasks

    def _unaliased(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a query with FROM's table in the place of its other name (`FROM t a`, `FROM t AS a`)."""
        given: Identifier | None = fields.pop("table_alias", None)
        after_from: Span | None = fields.pop("from_table", None)
        name: Identifier | None = fields.get("alias")
        if given is None and (after_from is None or name is None or name.span.start < after_from.end):
            return fields
        alias = given or name
        assert alias is not None
        table = fields["entities"][0].table
        meant = {key: unaliased(value, alias, table) for key, value in fields.items()}
        if all(meant[key] is value for key, value in fields.items()):
            if given is None:
                return fields  # `AS name` names the output
            shown = self.text[given.span.start : given.span.end]
            hint = f"no column is written {shown}.…; leave it out, or write a clause such as WHERE"
            fix = self.text[: given.span.start].rstrip() + self.text[given.span.end :]
            raise PqlError("syntax", f"{shown!r} can't stand here", span=given.span, hint=hint, fix=fix)
        if given is None:
            del meant["alias"]
        return meant

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
        found = {"entities": (ast.EntityName(c[1], None, c[1].span),), "each": True, "from_table": span}
        return found if len(c) == 2 else {**found, "table_alias": c[2]}

    def entity_table(self, c: list[Any], span: Span) -> ast.EntityName:
        return ast.EntityName(c[0], None, span)

    def entity_column(self, c: list[Any], span: Span) -> ast.EntityName:
        return ast.EntityName(c[0], c[2], span)

    def ids_compare(self, c: list[Any], span: Span) -> ast.EntityIds:
        return ast.EntityIds(c[0].value, self.value(c[1]), span)

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

    def interval_in_percent(self, c: list[Any], span: Span) -> Clause:
        level = _level(c[2])
        level = level if isinstance(level, Parameter) else level / 100
        return Clause("returning", ast.Returning("interval", (level,), span), span)

    def return_words(self, c: list[Any], span: Span) -> Clause:
        return Clause("returning", ast.Returning(" ".join(word.type.lower() for word in c[1:]), (), span), span)

    def interval(self, c: list[Any], span: Span) -> Clause:
        return Clause("returning", ast.Returning("interval", (_level(c[2]),), span), span)

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
        words = [token.type for token in c[1:-1] if token is not None]
        part = next((word.lower() for word in words if word != "ANALYZE"), None)
        return ast.Explain(c[-1], part, "ANALYZE" in words, span)

    def explain_prediction(self, c: list[Any], span: Span) -> ast.ExplainPrediction:
        return ast.ExplainPrediction(c[2], span)

    def whole_plan(self, c: list[Any], span: Span) -> None:
        return None

    def last_word(self, c: list[Any], span: Span) -> Any:
        return c[-1]

    def evaluate(self, c: list[Any], span: Span) -> ast.Evaluate:
        return ast.Evaluate(c[1], (), span)

    def evaluate_at(self, c: list[Any], span: Span) -> ast.Evaluate:
        query = self.predict([c[1]], c[1].span)
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
        return c[2], self.resolve_windows(c[4]), self._tasks_of_frames()

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
