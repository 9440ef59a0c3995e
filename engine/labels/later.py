"""Which stored rows become known after a moment: what a proof that time is respected deletes and scrambles."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from pql.backends.altered import LaterRows
from pql.backends.base import Snapshot
from pql.engine.graph.history import History
from pql.engine.planning.anchors import to_us
from pql.engine.planning.relations import ROW, TIME, relation_sql, stored_columns
from pql.language.catalog import Catalog, Stype, Table

END = to_us(dt.datetime(9999, 12, 31))


def later_rows(snapshot: Snapshot, catalog: Catalog, moment: int) -> dict[str, LaterRows]:
    """The rows whose clock, own or inherited, is later than `moment` (µs), of every stored table that has a clock.

    Rows whose clock is unknown are no history at any moment; they are none of these.
    """
    clocked = [t for t in catalog.tables if t.virtual is None and t.clock.kind in ("own", "inherited")]
    columns = stored_columns(catalog, {table.name: () for table in clocked})
    rows = {}
    for name, wanted in columns.items():
        read = snapshot.scan(name, wanted or (catalog.table(name).columns[0].name,))
        rows[name] = read.append_column(ROW, pa.array(np.arange(len(read), dtype=np.int64)))
    sizes = {name: len(read) for name, read in rows.items()}
    history = History(catalog, END, rows, {})
    try:
        found = {}
        for table in clocked:
            known = history.query(relation_sql(catalog, table.name, END, (ROW,)))
            times = known.column(TIME).cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy()
            later = np.zeros(sizes[table.name], dtype=bool)
            later[known.column(ROW).to_numpy()[times > moment]] = True
            clock = table.clock.column if table.clock.kind == "own" else None
            found[table.name] = LaterRows(later, _moved(catalog, table), clock)
        return found
    finally:
        history.close()


def _moved(catalog: Catalog, table: Table) -> frozenset[str]:
    """Keys, both ends of links, and other ids."""
    names = set(table.key.columns) if table.key is not None else set()
    names |= {column.name for column in table.columns if column.stype is Stype.ID}
    for link in catalog.links_from(table.name):
        names |= set(link.child_columns)
    for link in catalog.links_to(table.name):
        names |= set(link.parent_columns)
    return frozenset(names)
