"""From a statement's class to the function that does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pql.language import ast
from pql.language.errors import Fault, PqlError
from pql.statements import graph, leakage, model_view, models, queries, sql, tables, targets
from pql.statements.reading import sql_explained
from pql.workspace import Request, Workspace

Answer = Any  # Predictions | Evaluation | Report | Explanation | GraphView
Do = Callable[[Workspace, Any, Request], Answer]


def execute(work: Workspace, statement: ast.Statement, request: Request) -> Answer:
    """The answer of a statement. A PqlError of any stage leaves with its place in the request's text."""
    do = STATEMENTS.get(type(statement))
    try:
        if do is None:
            raise _not_supported(statement)
        return do(work, statement, request)
    except PqlError as error:
        if all(fault.span is None for fault in error.faults) and not isinstance(statement, _WITH_A_QUERY):
            raise PqlError.of([_placed(fault, statement) for fault in error.faults], request.text) from error
        if isinstance(statement, ast.Sql):
            raise sql_explained(work, error.at(request.text), request.text) from error
        error.at(request.text)
        raise


def _show(work: Workspace, statement: ast.Show, request: Request) -> Answer:
    if statement.model is not None:
        return SHOWN_OF_MODEL[statement.what](work, statement.model)
    return SHOWN[statement.what](work)


STATEMENTS: dict[type, Do] = {
    ast.Predict: queries.predict,
    ast.Explain: queries.explain,
    ast.ExplainPrediction: queries.explain_prediction,
    ast.Evaluate: queries.evaluate,
    ast.Labels: queries.labels,
    ast.CheckLeakage: leakage.check_leakage,
    ast.CreateModel: models.create_model,
    ast.DropModel: models.drop_model,
    ast.AlterModel: models.alter_model,
    ast.Describe: tables.describe,
    ast.DefineTarget: targets.define_target,
    ast.DropTarget: targets.drop_target,
    ast.LinkOverride: graph.link,
    ast.KeyOverride: graph.key,
    ast.TimeOverride: graph.time,
    ast.Show: _show,
    ast.Sql: sql.sql,
    ast.CreateTable: sql.create_table,
    ast.Copy: sql.copy,
}
SHOWN: dict[str, Callable[[Workspace], Answer]] = {
    "models": models.show_models,
    "tables": tables.show_tables,
    "graph": graph.show_graph,
    "targets": targets.show_targets,
}
SHOWN_OF_MODEL: dict[str, Callable[[Workspace, ast.Identifier], Answer]] = {
    "metrics": model_view.show_metrics,
    "rules": model_view.show_rules,
}
_WITH_A_QUERY = (
    ast.Predict, ast.Explain, ast.ExplainPrediction, ast.Evaluate, ast.Labels, ast.CheckLeakage, ast.CreateModel,
)  # fmt: skip


def kind(statement: ast.Statement) -> str:
    """A statement's kind in the words of the language."""
    name = type(statement).__name__
    if name == "Sql":
        return "SQL"
    return "".join(" " + c if c.isupper() else c.upper() for c in name).strip().upper()


def _placed(fault: Fault, statement: ast.Statement) -> Fault:
    return replace(fault, span=statement.span)


def _not_supported(statement: ast.Statement) -> PqlError:
    known = (
        "PREDICT, EXPLAIN, EVALUATE, LABELS, CHECK LEAKAGE, CREATE MODEL, SHOW, DESCRIBE, DEFINE TARGET, LINK, … are."
    )
    return PqlError(
        "not_supported", f"{kind(statement)} is read, but not supported yet.", span=statement.span, hint=known
    )
