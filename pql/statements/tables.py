"""SHOW TABLES and DESCRIBE: what is known of the tables, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pql.language import ast
from pql.language.errors import PqlError
from pql.language.names import look_up, nearest
from pql.workspace import Request, Workspace

if TYPE_CHECKING:
    from pql.language.catalog import Catalog, Table
    from pql.shown_table import Report


def show_tables(work: Workspace) -> Report:
    """One row per table: what it is, its rows, columns, key, clock and links; tables that can't be read too."""
    import pyarrow as pa

    from pql.shown_table import Report

    with work.listening(), work.snapshot() as snapshot:
        catalog, skipped = work.catalog(snapshot), snapshot.skipped()
    tables = catalog.tables
    rows = {
        "table": pa.array([*(t.name for t in tables), *(name for name, _ in skipped)], pa.string()),
        "kind": pa.array([*(_kind(t) for t in tables), *(_left_out(why) for _, why in skipped)], pa.string()),
        "rows": pa.array([*(t.rows for t in tables), *(None for _ in skipped)], pa.int64()),
        "columns": pa.array([*(len(t.columns) for t in tables), *(None for _ in skipped)], pa.int64()),
        "key": pa.array([*(_key(t) for t in tables), *(None for _ in skipped)], pa.string()),
        "clock": pa.array([*(_clock(t) for t in tables), *(why for _, why in skipped)], pa.string()),
        "points_to": pa.array([*(_parents(catalog, t) for t in tables), *("" for _ in skipped)], pa.string()),
    }
    return Report(pa.table(rows))


def _left_out(why: str) -> str:
    from pql.backends.base import HOLDS_PREDICTIONS

    return "predictions" if why == HOLDS_PREDICTIONS else "unreadable"


def describe_table(work: Workspace, name: ast.Identifier) -> Report:
    """One row per column: type, semantic type, role, distinct values, share of NULL. Raises `unknown_table`."""
    import pyarrow as pa

    from pql.graphview import column_role, render_table
    from pql.shown_table import Report

    with work.listening(), work.snapshot() as snapshot:
        catalog = work.catalog(snapshot)
    table = _table(catalog, name)
    columns = table.columns
    rows = {
        "column": pa.array([c.name for c in columns], pa.string()),
        "type": pa.array([c.type.value for c in columns], pa.string()),
        "stored_as": pa.array([c.sql_type or None for c in columns], pa.string()),
        "read_as": pa.array([c.stype.value for c in columns], pa.string()),
        "role": pa.array([column_role(catalog, table, c.name) for c in columns], pa.string()),
        "distinct": pa.array([c.distinct for c in columns], pa.int64()),
        "null_share": pa.array(
            [c.nulls / table.rows if c.nulls is not None and table.rows else None for c in columns], pa.float64()
        ),
    }
    return Report(pa.table(rows), render_table(catalog, table.name))


def _table(catalog: Catalog, name: ast.Identifier) -> Table:
    names = [table.name for table in catalog.tables]
    found = look_up(name.text, names, plurals=True)
    if found.name is not None:
        return catalog.table(found.name)
    if found.several:
        message = f"{name.text} may mean {' or '.join(found.several)}"
        raise PqlError("ambiguous_table", message, span=name.span, hint="write it as the table is called")
    near = nearest(name.text, names)
    hint = f"the tables are {', '.join(names[:12])}{', …' if len(names) > 12 else ''}"
    raise PqlError("unknown_table", f"there is no table {name.text}", span=name.span, hint=hint, nearest=near)


def _kind(table: Table) -> str:
    return "virtual" if table.virtual is not None else table.role.value


def _key(table: Table) -> str | None:
    return ", ".join(table.key.columns) if table.key is not None else None


def _clock(table: Table) -> str:
    """The clock in a few words; SHOW GRAPH says why."""
    clock = table.clock
    match clock.kind:
        case "own":
            return str(clock.column)
        case "inherited" if clock.via is not None:
            return f"of {clock.via.parent}"
        case "seen":
            return "first seen"
    return "none, always known" if table.is_history else "none, no history"


def _parents(catalog: Catalog, table: Table) -> str:
    return ", ".join(dict.fromkeys(link.parent for link in catalog.links_from(table.name)))


def describe(work: Workspace, statement: ast.Describe, request: Request) -> Report:
    """DESCRIBE of a table or, after MODEL, of a model."""
    if statement.is_model:
        from pql.statements.model_view import describe_model

        return describe_model(work, statement.name)
    return describe_table(work, statement.name)


def common_values(work: Workspace, table: str, column: str, most: int) -> list[str]:
    """The commonest values of a column of text among its table's first million rows."""
    from pql.backends.sql import identifier

    name = identifier(column)
    rows = f"SELECT {name} AS value FROM {identifier(table)} WHERE {name} IS NOT NULL LIMIT 1000000"
    with work.snapshot() as snapshot:
        found = snapshot.query(
            f"SELECT value FROM ({rows}) GROUP BY value ORDER BY count(*) DESC, value LIMIT {int(most)}"
        )
    return [str(value) for value in found.column(0).to_pylist()]
