"""Names beside ids: which column of a table is its rows' name, and the names of the ids in a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from pql.backends.sql import identifier as quote
from pql.engine.planning.relations import collapse_sql, relation_sql
from pql.language.catalog import Catalog, LogicalType, Table

if TYPE_CHECKING:
    from pql.backends.base import Snapshot
    from pql.engine.planning.plan import Plan

NAMES = ("name", "title", "label", "full_name", "display_name", "description", "product_type", "product_category")


def name_column(table: Table) -> str | None:
    """The text column that names the rows of a table (`name`, `product_name`, `title`, …), None if there is none."""
    key = table.key.columns if table.key is not None else ()
    texts = [c.name for c in table.columns if c.type is LogicalType.STRING and c.name not in key]
    by_lower = {name.lower(): name for name in texts}
    for wanted in NAMES:
        if wanted in by_lower:
            return by_lower[wanted]
    endings = [name for lower, name in by_lower.items() if lower.endswith(("_name", "name", "_title"))]
    return endings[0] if endings else None


def name_lookups(snapshot: Snapshot, plan: Plan, table: pa.Table) -> dict[str, tuple[pa.Array, pa.Array, str]]:
    """Column of the result → (ids, names, the name column's own name), for the entity's key and the item's.

    Only stored tables with a single key have names. The ids looked up are those in `table`; names are as known at the
    prediction anchor.
    """
    catalog = plan.query.catalog
    wanted = []
    if len(plan.query.entity.keys) == 1:
        wanted.append((table.column_names[0], plan.query.entity.table, plan.query.entity.keys[0]))
    item = plan.task.item
    if item is not None and item.table is not None and item.key is not None and plan.output.item_column is not None:
        wanted.append((plan.output.item_column, item.table, item.key))
    found = {}
    for column, name, key in wanted:
        if column in table.column_names:
            lookup = lookup_names(snapshot, catalog, name, key, table.column(column).type, plan.split.prediction)
            if lookup is not None:
                found[column] = lookup
    return found


def lookup_names(
    snapshot: Snapshot, catalog: Catalog, name: str, key: str, kind: pa.DataType, until: int
) -> tuple[pa.Array, pa.Array, str] | None:
    """(ids as `kind`, names, the name column's own name) of a table as known at `until`; None where it has no names."""
    table = catalog.table(name)
    title = name_column(table)
    if title is None or table.virtual is not None:
        return None
    rows = collapse_sql(f"({relation_sql(catalog, name, until, (key, title))}) AS r", (key,), (title,))
    found = snapshot.query(
        f"SELECT {quote(key)} AS id, {quote(title)} AS title FROM ({rows}) AS r WHERE {quote(key)} IS NOT NULL"
    )
    known = found.column("id").combine_chunks()
    if known.type != kind:
        known = known.cast(kind)
    return known, found.column("title").combine_chunks().cast(pa.string()), title
