"""Named models: CREATE MODEL, ALTER MODEL, DROP MODEL, SHOW MODELS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pql.language import ast
from pql.language.errors import PqlError
from pql.statements.queries import predict
from pql.workspace import Request, Workspace

if TYPE_CHECKING:
    from pql.engine.answers.registry import Version
    from pql.shown_table import Report


def create_model(work: Workspace, statement: ast.CreateModel, request: Request) -> Report:
    """Train a model and keep it under a name. Raises PqlError `model_exists`, `stopped`."""
    from pql.language.format import format as canonical

    name = statement.name.text
    if not statement.replace and any(version.name == name for version in work.registry.versions()):
        raise PqlError(
            "model_exists",
            f"A model called {name!r} exists already.",
            span=statement.name.span,
            hint="CREATE OR REPLACE MODEL makes a new version of it; DROP MODEL removes it.",
        )
    result = predict(work, statement.query, request, keep=True)
    if result.model.stopped:
        raise PqlError(
            "stopped",
            f"The training was stopped, so there is no model {name!r}.",
            span=statement.name.span,
            hint="Run it again; WITH (budget = '10 s') makes it shorter.",
        )
    asked = result.plan.query.reading or canonical(statement.query)
    work.registry.name(name, result.model.key, asked, replace=statement.replace)
    return show_models(work)


def drop_model(work: Workspace, statement: ast.DropModel, request: Request) -> Report:
    """Forget a named model and its versions."""
    work.registry.drop(statement.name.text)
    return show_models(work)


def alter_model(work: Workspace, statement: ast.AlterModel, request: Request) -> Report:
    """Let a name answer with another of its versions. Raises PqlError `unknown_model`, `unknown_version`."""
    work.registry.use(statement.name.text, statement.version)
    return show_models(work)


def show_models(work: Workspace) -> Report:
    """All named versions of this database's models."""
    import pyarrow as pa

    from pql.shown_table import Report

    versions = work.registry.versions()
    abouts = [about_version(work, version) for version in versions]
    table = pa.table(
        {
            "model": pa.array([v.name for v in versions], pa.string()),
            "version": pa.array([v.number for v in versions], pa.int64()),
            "current": pa.array([v.current for v in versions], pa.bool_()),
            "task": pa.array([about.get("task") for about in abouts], pa.string()),
            "trained_as_of": pa.array([about.get("until") for about in abouts], pa.int64()).cast(pa.timestamp("us")),
            "made": pa.array([int(v.made * 1e6) for v in versions], pa.int64()).cast(pa.timestamp("us")),
            "query": pa.array([v.query for v in versions], pa.string()),
        }
    )
    return Report(table)


def about_version(work: Workspace, version: Version) -> dict[str, Any]:
    """What is known of a version without loading it; nothing where its files are gone or unreadable."""
    try:
        return work.registry.about(version.key) or {}
    except PqlError:
        return {}
