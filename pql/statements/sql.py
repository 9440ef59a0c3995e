"""SQL with predictions inside, and predictions written to a table or a file.

All of a statement runs in one snapshot: what the predictions are made from is what their rows are joined with. The
user's tables are not touched: predictions are shown to DuckDB as Arrow tables under private names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pql.language import ast
from pql.language.errors import Fault, PqlError, line_and_column
from pql.workspace import Request, Workspace

if TYPE_CHECKING:
    from pql.backends.base import Snapshot
    from pql.embed import Embedded, Inner, Rewritten
    from pql.engine.planning.plan import Plan
    from pql.result import Predictions
    from pql.sql_result import SqlResult
    from pql.statements.stored import Question

_ONE_COLUMN = "choose one of its columns: (SELECT customer_id FROM (PREDICT …))"
_IN_BRACKETS = "PREDICT stands in brackets inside SQL: SELECT * FROM (PREDICT … FOR EACH …)"


def sql(work: Workspace, statement: ast.Sql, request: Request) -> SqlResult:
    """The rows of a SQL statement in which `(PREDICT …)` may stand wherever a table may stand.

    Raises PqlError: of every query as of a PREDICT alone, and of the SQL `sql_error`, `statement_not_allowed`,
    `several_statements`, `read_only`, `unbound_parameter`.
    """
    from pql.backends.sql_kinds import SqlKind, sql_kind
    from pql.embed import find, names, rewritten
    from pql.engine.answers.output import no_rows
    from pql.sql_result import SqlResult

    text = request.text
    found = find(text, statement.span, statement.marks)
    keys = [_key(one.query, request.params) for one in found.inner]
    tables = dict(zip(dict.fromkeys(keys), names(len(set(keys)), text), strict=True))
    made = rewritten(found, [f"SELECT * FROM {tables[key]}" for key in keys], request.params)
    with _around(found, made):
        kind = sql_kind(made.sql)
    first = dict(reversed(list(zip(keys, found.inner, strict=True))))
    with work.snapshot(write=kind is SqlKind.CREATE_TABLE) as snapshot:
        todo: dict[str, _Asked] = {}
        answers: dict[str, Predictions] = {}
        for key in tables:
            with _inside(text, first[key]) as its_text:
                asked = _asked(work, snapshot, first[key].query, replace(request, text=its_text))
                if isinstance(asked, _Asked):
                    todo[key] = asked
                else:
                    answers[key] = asked
        if todo:  # names are looked up before anything is trained
            with _around(found, made):
                empty = {tables[key]: no_rows(asked.plan) for key, asked in todo.items()}
                empty |= {tables[key]: one.to_arrow_table().slice(0, 0) for key, one in answers.items()}
                snapshot.check_sql(made.sql, made.parameters, empty)
        for key, asked in todo.items():
            with _inside(text, first[key]):
                answers[key] = _answer(work, snapshot, asked)
                if kind is not SqlKind.READ:
                    _refuse_stopped(answers[key])
        made = rewritten(found, [_select(tables[key], answers[key]) for key in keys], request.params)
        frames = {tables[key]: one.to_arrow_table() for key, one in answers.items()}
        with _around(found, made):
            note = _note(one.query for one in found.inner)
            rows = snapshot.run_sql(made.sql, made.parameters, frames, note=note)
    rows = rows.rename_columns([made.message(name) for name in rows.column_names])
    lines = tuple(line_and_column(text, one.span.start)[0] for one in found.inner)
    return SqlResult(rows, tuple(answers[key] for key in keys), lines)


def check_sql(work: Workspace, statement: ast.Sql, request: Request) -> tuple[Plan, ...]:
    """The plans of the queries inside a statement, which is looked up but not run. Raises PqlError as `sql` does."""
    from pql.backends.sql_kinds import sql_kind
    from pql.embed import find, names, rewritten
    from pql.engine.answers.output import no_rows

    text = request.text
    found = find(text, statement.span, statement.marks)
    tables = tuple(names(len(found.inner), text))
    made = rewritten(found, [f"SELECT * FROM {name}" for name in tables], request.params)
    with _around(found, made):
        sql_kind(made.sql)
    plans: list[Plan] = []
    with work.snapshot() as snapshot:
        for one in found.inner:
            with _inside(text, one) as its_text:
                plans.append(work.planned(snapshot, one.query, replace(request, text=its_text)))
        with _around(found, made):
            empty = {name: no_rows(plan) for name, plan in zip(tables, plans, strict=True)}
            snapshot.check_sql(made.sql, made.parameters, empty)
    return tuple(plans)


def create_table(work: Workspace, statement: ast.CreateTable, request: Request) -> SqlResult:
    """Write predictions to a new table. Raises PqlError `read_only`, `table_exists`."""
    from pql.backends.sql import identifier

    return _written(work, statement, request, f"CREATE TABLE {identifier(statement.name.text)} AS", "", write=True)


def copy(work: Workspace, statement: ast.Copy, request: Request) -> SqlResult:
    """Write predictions to a file, over one that is there; its suffix says the format.

    Raises PqlError `file_not_writable`, `file_in_source`.
    """
    from pathlib import Path

    from pql.backends.sql import string

    path = statement.path
    if not path or "\0" in path or (not Path(path).expanduser().parent.is_dir() and "://" not in path):
        raise PqlError("file_not_writable", f"{path!r} is in no folder that exists", hint="make the folder first")
    return _written(work, statement, request, "COPY (", f") TO {string(path)}", write=False)


def _written(
    work: Workspace, statement: ast.CreateTable | ast.Copy, request: Request, before: str, after: str, *, write: bool
) -> SqlResult:
    from pql.embed import names
    from pql.engine.answers.output import no_rows
    from pql.sql_result import SqlResult

    (table,) = names(1, before + after)
    with work.snapshot(write=write) as snapshot:
        asked = _asked(work, snapshot, statement.query, request)
        empty = no_rows(asked.plan) if isinstance(asked, _Asked) else asked.to_arrow_table().slice(0, 0)
        snapshot.check_sql(f"{before} SELECT * FROM {table} {after}", {}, {table: empty})
        predictions = _answer(work, snapshot, asked) if isinstance(asked, _Asked) else asked
        _refuse_stopped(predictions)
        made = f"{before} {_select(table, predictions)} {after}"
        rows = snapshot.run_sql(made, {}, {table: predictions.to_arrow_table()}, note=_note([statement.query]))
    return SqlResult(rows, (predictions,), (1,))


def _note(queries: Iterable[ast.Predict]) -> str:
    """What a table is made of, for its comment."""
    from pql.language.format import format as canonical

    return "; ".join(dict.fromkeys(canonical(query) for query in queries))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A planned query whose answer isn't stored. `question`: what it will be stored as, if it can be."""

    plan: Plan
    question: Question | None


def _asked(work: Workspace, snapshot: Snapshot, query: ast.Predict, request: Request) -> _Asked | Predictions:
    """The stored answer of a query, else its plan."""
    from pql.statements.stored import question

    query = work.with_defaults(query)
    asked = question(work, query, request)
    if asked is not None:
        with work.listening() as events:
            found = asked.recalled(events)
        if found is not None:
            return found
    return _Asked(work.planned(snapshot, query, request), asked)


def _answer(work: Workspace, snapshot: Snapshot, asked: _Asked) -> Predictions:
    from pql.pipeline import answer
    from pql.wanting import told_why

    with work.listening() as events:
        try:
            made = answer(snapshot, asked.plan, work.registry, events, keep=False)
        except PqlError as error:
            raise told_why(error, snapshot, asked.plan) from error.__cause__
    if asked.question is not None:
        asked.question.keep(made, snapshot)
    return made


@contextmanager
def _inside(text: str, one: Inner) -> Iterator[str]:
    """The text a query is bound with; its errors leave with their places and fixes in the whole text."""
    from pql.language.parser import alone, put_back

    start, end = one.span.start, one.span.end
    try:
        yield alone(text, start, end)
    except PqlError as error:
        faults = [replace(fault, span=fault.span or one.span) for fault in error.faults]
        raise put_back(PqlError.of(faults), text, start, end) from error


@contextmanager
def _around(found: Embedded, made: Rewritten) -> Iterator[None]:
    """DuckDB's errors leave with their places in the user's text."""
    try:
        yield
    except PqlError as error:
        raise _placed(error, found, made) from error


def _key(query: ast.Predict, params: Any) -> str:
    """The same for queries that ask the same."""
    from pql.language.format import format as canonical
    from pql.language.parameters import fill

    return canonical(fill(query, params)[0])


def _select(table: str, predictions: Predictions) -> str:
    """SQL for all rows of a registered result, its keys in the types in which the database stores them."""
    from pql.backends.sql import alias, identifier

    casts = [alias(f"CAST({identifier(name)} AS {kind})", name) for name, kind in predictions.key_types.items()]
    replaced = f" REPLACE ({', '.join(casts)})" if casts else ""
    return f"SELECT *{replaced} FROM {identifier(table)}"


def _refuse_stopped(predictions: Predictions) -> None:
    if predictions.model.stopped:
        raise PqlError("stopped", "the training was stopped, so nothing is written", hint="run it again")


def _placed(error: PqlError, found: Embedded, made: Rewritten) -> PqlError:
    """The error of a statement for DuckDB, with its place in the user's text and what it has to do with PREDICT."""
    faults = []
    for fault in error.faults:
        span = found.span if fault.span is None else made.place(fault.span)
        queries = [one.span for one in found.inner]
        hint = fault.hint
        if (
            fault.code == "sql_error"
            and "subquery returns" in fault.message.lower()
            and any(_within(query, span) for query in queries)
        ):
            hint = _ONE_COLUMN
        bare = [word for word in found.loose if not any(_within(word, query) for query in queries)]
        if fault.code == "sql_error" and fault.message.lower().startswith("syntax error") and bare:
            hint = _IN_BRACKETS
        faults.append(Fault(fault.code, made.message(fault.message), span, hint, None, fault.nearest))
    return PqlError.of(faults, found.text)


def _within(inner: ast.Span, outer: ast.Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end
