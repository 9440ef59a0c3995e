"""The inferred graph: SHOW GRAPH, and LINK, UNLINK, KEY, TIME, NO TIME against or beyond what is inferred."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pql.language import ast
from pql.language.errors import PqlError
from pql.workspace import Request, Workspace

if TYPE_CHECKING:
    from pql.backends.overrides import Overrides
    from pql.graphview import GraphView
    from pql.language.catalog import Catalog

Dotted = tuple[str, str]  # table, column


def show_graph(work: Workspace) -> GraphView:
    """The tables, keys, links and clocks with their evidence, and what is declared."""
    from pql.graphview import GraphView

    with work.listening(), work.snapshot() as snapshot:
        return GraphView(work.catalog(snapshot), work.overrides.statements())


def link(work: Workspace, statement: ast.LinkOverride, request: Request) -> GraphView:
    """LINK or UNLINK child.column -> parent.column."""
    declare_link(work, _parts(statement.child), _parts(statement.parent), remove=statement.remove)
    return show_graph(work)


def key(work: Workspace, statement: ast.KeyOverride, request: Request) -> GraphView:
    """KEY table.column."""
    declare_key(work, _parts(statement.column))
    return show_graph(work)


def time(work: Workspace, statement: ast.TimeOverride, request: Request) -> GraphView:
    """TIME table.column, or NO TIME table."""
    if statement.column is not None:
        declare_time(work, _parts(statement.column))
    elif statement.table is not None:
        declare_no_time(work, statement.table.text)
    return show_graph(work)


def declare_link(work: Workspace, child: Dotted, parent: Dotted, *, remove: bool = False) -> None:
    """Keep that `child` points to `parent`, or with `remove` that it doesn't.

    Where taking back an earlier LINK or UNLINK of the same pair is enough, nothing else is kept.
    """

    def named(catalog: Catalog) -> tuple[str, str, str, str]:
        return *_found(catalog, child), *_found(catalog, parent)

    def change(known: Overrides, catalog: Catalog) -> Overrides:
        names = named(catalog)
        if remove and not known.says_link(*names) and not known.says_unlink(*names):
            _require_link(catalog, names[0], names[1])
        return known.unlink(*names) if remove else known.link(*names)

    def take_back(known: Overrides, catalog: Catalog) -> Overrides:
        return known.without_link(*named(catalog))

    with work.snapshot() as snapshot:
        known, catalog = work.overrides, work.catalog(snapshot)
        names = named(catalog)
        opposite = known.says_link(*names) if remove else known.says_unlink(*names)
        if opposite:
            bare = work.catalog(snapshot, None, known.without_link(*names))
            is_there = any(
                (link.child, link.child_columns, link.parent) == (names[0], (names[1],), names[2])
                for link in bare.links_from(names[0])
            )
            opposite = is_there != remove
    work.declare(take_back if opposite else change)


def declare_key(work: Workspace, column: Dotted) -> None:
    """Keep that a column is its table's primary key."""
    work.declare(lambda known, catalog: known.key(*_found(catalog, column)))


def declare_time(work: Workspace, column: Dotted) -> None:
    """Keep that a column is its table's clock."""
    work.declare(lambda known, catalog: known.time(*_found(catalog, column)))


def declare_no_time(work: Workspace, table: str) -> None:
    """Keep that a table's rows are known at all times."""
    work.declare(lambda known, catalog: known.no_time(_found_table(catalog, table)))


def forget(work: Workspace) -> None:
    """Forget all that is declared: the graph is again as inferred."""
    from pql.backends.overrides import Overrides

    work.change_notes("overrides", lambda kept: Overrides().to_json())


def dotted(name: str) -> Dotted:
    """`table.column`, either part in double quotes if it holds a dot, as two names."""
    from pql.language.parser import parse

    statement = parse(f"KEY {name}")
    assert isinstance(statement, ast.KeyOverride)
    return _parts(statement.column)


def _parts(name: ast.ColumnName) -> Dotted:
    if name.table is None:
        raise PqlError(
            "missing_table",
            f"The column {name.column.text} needs its table.",
            span=name.span,
            hint="Write table.column.",
        )
    return name.table.text, name.column.text


def _require_link(catalog: Catalog, table: str, column: str) -> None:
    links = catalog.links_from(table)
    if not any(column in link.child_columns for link in links):
        known = ", ".join(str(link) for link in links)
        raise PqlError(
            "unknown_link",
            f"{table}.{column} points to no table.",
            hint=f"The links of {table}: {known}." if known else f"{table} has no links; SHOW GRAPH lists all.",
        )


def _found_table(catalog: Catalog, name: str) -> str:
    """The table's own name, so that what is said twice is kept once. Raises `unknown_table`."""
    from pql.backends.overrides import find_name

    return find_name(name, [table.name for table in catalog.tables], code="unknown_table", what="table")


def _found(catalog: Catalog, name: Dotted) -> Dotted:
    from pql.backends.overrides import find_name

    table = _found_table(catalog, name[0])
    columns = [column.name for column in catalog.table(table).columns]
    return table, find_name(name[1], columns, code="unknown_column", what="column", where=f" in {table}")
