"""Columns that are empty wherever the value asked for is: the goals of a match that hasn't been played.

A model that learnt from them would find none of them where it is asked. They aren't read of the row itself.
"""

from __future__ import annotations

from pql.backends.base import Snapshot
from pql.backends.sql import alias, identifier
from pql.engine.planning.planned_graph import READABLE, columns_read, usable_links
from pql.engine.planning.relations import relation_sql
from pql.language.bound import BoundQuery
from pql.language.catalog import Stype

LEAST_ROWS = 3  # without the value asked for, from which they tell
FILLED = 0.5  # the least share of a column's rows that have a value where the one asked for is known
STRAY = 0.02  # the most that have one where it isn't


def unknown_columns(snapshot: Snapshot, query: BoundQuery, until: int | None = None) -> frozenset[tuple[str, str]]:
    """The (table, column) of the entity's own row that are filled in together with a static target, over the rows at
    or before `until` (µs); none of other targets."""
    table = query.catalog.table(query.entity.table)
    read = columns_read(query.target)
    asked = tuple(dict.fromkeys(ref.column for ref in read if not ref.route and ref.table == table.name))
    if not query.is_static or not asked:
        return frozenset()
    apart = {*asked, *query.entity.keys, table.clock.column, *(ref.column for ref in columns_read(query.assuming))}
    apart |= {column for link in usable_links(query) if link.child == table.name for column in link.child_columns}
    columns = [
        column.name
        for column in table.columns
        if column.name not in apart and column.stype in READABLE - {Stype.ID} and column.nulls != 0
    ]
    if not columns:
        return frozenset()
    rows = relation_sql(query.catalog, table.name, until, (*asked, *columns))
    known = " AND ".join(f"{identifier(column)} IS NOT NULL" for column in asked)
    wanted = [f"count(*) FILTER (WHERE {known})", f"count(*) FILTER (WHERE NOT ({known}))"]
    for column in columns:
        wanted += [f"count({identifier(column)}) FILTER (WHERE {c})" for c in (known, f"NOT ({known})")]
    listed = ", ".join(alias(text, f"c{i}") for i, text in enumerate(wanted))
    counted = list(snapshot.query(f"SELECT {listed} FROM ({rows}) AS r").to_pylist()[0].values())
    taught, left = counted[0], counted[1]
    if left < LEAST_ROWS:
        return frozenset()
    return frozenset(
        (table.name, column)
        for column, there, stray in zip(columns, counted[2::2], counted[3::2], strict=True)
        if there >= FILLED * taught and stray <= STRAY * left
    )
