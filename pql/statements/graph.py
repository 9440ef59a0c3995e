"""The inferred graph: SHOW GRAPH, and LINK, UNLINK, KEY, TIME, NO TIME against or beyond what is inferred."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pql.language import ast
from pql.language.errors import PqlError
from pql.workspace import Request, Workspace

if TYPE_CHECKING:
    from pql.graphview import GraphView


def show_graph(work: Workspace) -> GraphView:
    """The tables, keys, links and clocks with their evidence."""
    from pql.graphview import GraphView

    with work.listening(), work.backend.snapshot() as snapshot:
        return GraphView(work.catalog(snapshot))


def link(work: Workspace, statement: ast.LinkOverride, request: Request) -> GraphView:
    """LINK or UNLINK child.column -> parent.column."""
    change = work.overrides.unlink if statement.remove else work.overrides.link
    work.declare(change(*_parts(statement.child), *_parts(statement.parent)))
    return show_graph(work)


def key(work: Workspace, statement: ast.KeyOverride, request: Request) -> GraphView:
    """KEY table.column."""
    work.declare(work.overrides.key(*_parts(statement.column)))
    return show_graph(work)


def time(work: Workspace, statement: ast.TimeOverride, request: Request) -> GraphView:
    """TIME table.column, or NO TIME table."""
    if statement.column is not None:
        work.declare(work.overrides.time(*_parts(statement.column)))
    elif statement.table is not None:
        work.declare(work.overrides.no_time(statement.table.text))
    return show_graph(work)


def dotted(name: str) -> tuple[str, str]:
    """`table.column`, either part in double quotes if it holds a dot, as two names."""
    from pql.language.parser import parse

    statement = parse(f"KEY {name}")
    assert isinstance(statement, ast.KeyOverride)
    return _parts(statement.column)


def _parts(name: ast.ColumnName) -> tuple[str, str]:
    if name.table is None:
        raise PqlError(
            "missing_table",
            f"The column {name.column.text} needs its table.",
            span=name.span,
            hint="Write table.column.",
        )
    return name.table.text, name.column.text
