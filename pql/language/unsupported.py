"""What the language says but no stage executes yet: one coded fault each, with what to do instead."""

from __future__ import annotations

from pql.language import ast
from pql.language.bound import BoundQuery, TaskKind
from pql.language.errors import Fault


def unsupported(query: ast.Predict, bound: BoundQuery) -> list[Fault]:
    """The clauses of a query that bind and are not executed yet (code `not_supported`), in the order of the text."""
    syntax = bound.syntax
    faults: list[Fault] = []

    def note(what: str, span: ast.Span, hint: str) -> None:
        place = None if span == ast.NOWHERE else span
        faults.append(Fault("not_supported", f"{what} is not supported yet", place, hint))

    if bound.is_static and bound.task in (TaskKind.RANKING, TaskKind.MULTILABEL):
        hint = "a list needs a clock: name one with TIME table.column, then list over a window, as in (…, 0, 30, days)"
        note("a list without a window", syntax.target.span, hint)
    return sorted(faults, key=lambda fault: fault.span.start if fault.span else 0)
