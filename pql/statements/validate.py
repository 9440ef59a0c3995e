"""Whether the statements of a script would run: each is read, bound and planned, and nothing is trained or kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pql.language import ast
from pql.language.errors import Fault, PqlError, line_and_column
from pql.statements.dispatch import execute, kind
from pql.workspace import Params, Request, Workspace

if TYPE_CHECKING:
    from pql.engine.planning.plan import Plan
    from pql.shown_table import Report

_PLANNED = (
    ast.Predict, ast.Explain, ast.ExplainPrediction, ast.Evaluate, ast.Labels, ast.CheckLeakage, ast.CreateModel,
    ast.CreateTable, ast.Copy,
)  # fmt: skip
_SAID = (ast.DefineTarget, ast.DropTarget, ast.LinkOverride, ast.KeyOverride, ast.TimeOverride)
_LOOKED_UP = (ast.Show, ast.Describe)


class Rehearsal(Workspace):
    """The data of a session, of which things may be said that nobody keeps."""

    def __init__(self, work: Workspace) -> None:
        super().__init__(work.backend, home=work.home, defaults=work.defaults)
        self.turn = work.turn
        self._notes = {name: work.notes(name) for name in ("overrides", "targets")}
        self.made: set[str] = set()  # models that statements before would make

    @property
    def is_stored(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Checked:
    """A statement that would run: its line (from 1), and of a query the task, anchor and warnings."""

    line: int
    kind: str
    task: str | None = None
    anchor: int | None = None
    warnings: tuple[str, ...] = ()


def validate(work: Workspace, text: str, params: Params = None) -> Report:
    """A table of what each statement is. Raises PqlError with the faults of all statements that would not run."""
    from pql.statements.reading import read_script

    rehearsal = Rehearsal(work)
    request = Request(text, params)
    faults: list[Fault] = []
    checked: list[Checked] = []
    for statement in read_script(work, text, params).statements:
        try:
            checked.append(_checked(rehearsal, statement, request))
        except PqlError as error:
            faults += error.faults
    if faults:
        raise PqlError.of(faults, text)
    return _report(checked)


def _checked(work: Rehearsal, statement: ast.Statement, request: Request) -> Checked:
    line = line_and_column(request.text, statement.span.start)[0]
    what = kind(statement)
    if isinstance(statement, ast.Sql):
        return _checked_sql(work, statement, request, line)
    if isinstance(statement, _PLANNED):
        query = statement if isinstance(statement, ast.Predict) else statement.query
        at = statement.at if isinstance(statement, ast.Evaluate) else ()
        with work.snapshot() as snapshot, _placed(request.text):
            plan = work.planned(snapshot, query, request, at)
        if (model := plan.query.using_model) is not None and model not in work.made:
            with _placed(request.text, query.using_model.span if query.using_model else None):
                work.registry.find(model)
        if isinstance(statement, ast.CreateModel):
            work.made.add(statement.name.text)
        return _of_plan(line, what, plan)
    if isinstance(statement, ast.DropModel | ast.AlterModel):
        with _placed(request.text, statement.span):
            work.registry.find(statement.name.text)
    elif isinstance(statement, _SAID + _LOOKED_UP):
        execute(work, statement, request)
    return Checked(line, what)


def _checked_sql(work: Rehearsal, statement: ast.Sql, request: Request, line: int) -> Checked:
    from pql.statements.sql import check_sql

    plans = check_sql(work, statement, request)
    warnings = tuple(warning for plan in plans for warning in plan.warnings)
    return Checked(line, kind(statement), warnings=warnings)


def _of_plan(line: int, what: str, plan: Plan) -> Checked:
    return Checked(line, what, plan.task.kind.value, plan.split.prediction, tuple(map(str, plan.warnings)))


@contextmanager
def _placed(text: str, span: ast.Span | None = None) -> Iterator[None]:
    """Errors leave with the text they are about, and with `span` where they have no place of their own."""
    try:
        yield
    except PqlError as error:
        if span is not None and error.span is None:
            raise PqlError(error.code, error.message, span=span, hint=error.hint, text=text) from error
        raise error.at(text) from None


def _report(checked: list[Checked]) -> Report:
    import pyarrow as pa

    from pql.shown_table import Report

    column: Callable[[str, Any], Any] = lambda name, kind: pa.array([getattr(one, name) for one in checked], kind)  # noqa: E731
    table = pa.table(
        {
            "statement": pa.array(range(1, len(checked) + 1), pa.int64()),
            "line": column("line", pa.int64()),
            "kind": column("kind", pa.string()),
            "task": column("task", pa.string()),
            "anchor": column("anchor", pa.int64()).cast(pa.timestamp("us")),
            "warnings": column("warnings", pa.list_(pa.string())),
        }
    )
    lines = [f"{len(checked)} statement{'s' * (len(checked) != 1)} would run"]
    for one in checked:
        task = f", {one.task}" if one.task else ""
        lines += [f"line {one.line}: {one.kind}{task}", *(f"  note: {warning}" for warning in one.warnings)]
    return Report(table, "\n".join(lines))
