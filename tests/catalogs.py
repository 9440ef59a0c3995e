"""Short ways to look at what is inferred: keys, links and clocks of a source, and moments in days after a start."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pql.backends.connect import open_backend
from pql.backends.infer import infer_catalog
from pql.language.catalog import Catalog

DAY = 86_400_000_000
START = pd.Timestamp("2024-01-01")


def days(*numbers: float | None) -> pd.Series:
    """Moments, in days after the start."""
    return pd.to_datetime(pd.Series([None if n is None else START + pd.Timedelta(days=n) for n in numbers]))


def us(day: float) -> int:
    return int(START.value // 1000 + day * DAY)


def infer(source: Any, **said: Any) -> Catalog:
    with open_backend(source).snapshot() as snapshot:
        return infer_catalog(snapshot, **said)


def keys(catalog: Catalog) -> dict[str, tuple[str, ...] | None]:
    return {table.name: table.key.columns if table.key else None for table in catalog.tables}


def links(catalog: Catalog) -> set[str]:
    return {str(link) for link in catalog.links}


def clock(catalog: Catalog, table: str) -> tuple[str, str | None]:
    found = catalog.table(table).clock
    return found.kind, found.column or (str(found.via) if found.via else None)
