"""Targets with a name: DEFINE TARGET, DROP TARGET, SHOW TARGETS. Kept per database, as the overrides are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pql.language import ast
from pql.language.errors import PqlError
from pql.workspace import Request, Workspace

if TYPE_CHECKING:
    from pql.shown_table import Report


def define_target(work: Workspace, statement: ast.DefineTarget, request: Request) -> Report:
    """Keep a target under a name, checked against the tables of now.

    Saying the same again changes nothing. Raises PqlError `target_exists` where the name stands for another target,
    `cyclic_target`, `unknown_target`, or what is wrong with a name in it.
    """
    from pql.language.format import format as canonical
    from pql.language.named import check_definition

    made = _filled(statement, request)
    name, text = made.name.text, canonical(made)
    with work.snapshot() as snapshot:
        check_definition(made, work.catalog(snapshot), work.targets, request.text)

    def change(kept: Any) -> dict[str, str]:
        known: dict[str, str] = dict(kept or {})
        other = next((old for old in known if old.lower() == name.lower()), None)
        if other is not None and known[other] != text:
            raise PqlError(
                "target_exists",
                f"The target {other} is defined already: {known[other]}",
                span=statement.name.span,
                hint=f"DROP TARGET {other} takes it back.",
            )
        return {**known, name: text}

    work.change_notes("targets", change)
    return show_targets(work)


def drop_target(work: Workspace, statement: ast.DropTarget, request: Request) -> Report:
    """Forget a target. Raises PqlError `unknown_target` with the nearest names."""
    from pql.language.names import look_up, nearest

    def change(kept: Any) -> dict[str, str]:
        known: dict[str, str] = dict(kept or {})
        found = look_up(statement.name.text, known).name
        if found is None:
            names = ", ".join(sorted(known)) or "none"
            raise PqlError(
                "unknown_target",
                f"There is no target called {statement.name.text}.",
                span=statement.name.span,
                hint=f"Targets made by DEFINE: {names}.",
                nearest=nearest(statement.name.text, known),
            )
        del known[found]
        return known

    work.change_notes("targets", change)
    return show_targets(work)


def show_targets(work: Workspace) -> Report:
    """One row per defined target: its name, what it stands for, its task where one was said."""
    import pyarrow as pa

    from pql.language.format import format as canonical
    from pql.shown_table import Report

    targets = sorted(work.targets.items())
    tasks = [", ".join(canonical(task) for task in made.tasks) or None for _, made in targets]
    table = pa.table(
        {
            "target": pa.array([name for name, _ in targets], pa.string()),
            "stands_for": pa.array([canonical(made.target) for _, made in targets], pa.string()),
            "task": pa.array(tasks, pa.string()),
        }
    )
    return Report(table)


def _filled(statement: ast.DefineTarget, request: Request) -> ast.DefineTarget:
    """The definition with the values of its parameters: a kept target has none."""
    from pql.language.parameters import fill

    filled, faults = fill(ast.Predict(statement.target, (), tasks=statement.tasks), request.params)
    if faults:
        raise PqlError.of(faults)
    return replace(statement, target=filled.target, tasks=filled.tasks)
