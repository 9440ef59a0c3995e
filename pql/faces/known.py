"""What the prompt knows of a database without asking it again: names and values, read in the background.

Nothing here waits and nothing raises: what isn't known yet is empty.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pql.language.catalog import LogicalType

if TYPE_CHECKING:
    from pql.language.catalog import Catalog, Column, Table
    from pql.session import Session

FEW = 50  # different values that a column of text may have for them to be offered


@dataclass(frozen=True, slots=True)
class Names:
    """The tables with their columns, keys and clocks, and the names of kept models and targets."""

    tables: tuple[Table, ...] = ()
    models: tuple[str, ...] = ()
    links: frozenset[str] = frozenset()  # tables that others point to
    keys: tuple[tuple[str, str, str], ...] = ()  # foreign keys: table, column, the table they point to

    def table(self, name: str) -> Table | None:
        """The table that `name` means."""
        from pql.language.names import look_up

        found = look_up(name, [table.name for table in self.tables], plurals=True).name
        return next((table for table in self.tables if table.name == found), None)


class Known:
    """Reads names once the session is open, and a column's values when they are first asked for."""

    def __init__(self, session: Callable[[], Session]) -> None:
        self.learnt: Callable[[], None] = lambda: None  # called, in the thread that reads, when there is more to offer
        self._session = session
        self._names = Names()
        self._values: dict[tuple[str, str], tuple[str, ...]] = {}
        self._asked: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._busy = False

    @property
    def names(self) -> Names:
        return self._names

    @property
    def is_busy(self) -> bool:
        """True while something is read."""
        return self._busy

    def begin(self) -> None:
        """Start to read in a thread of its own, or read the names again where that thread is there already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="names", daemon=True)
            self._thread.start()
        else:
            self._asked.put(None)

    def values(self, table: Table, column: Column) -> tuple[str, ...]:
        """The values of a column of text that has few; the first call asks for them, a later one has them."""
        if column.type is not LogicalType.STRING or column.distinct is None or column.distinct > FEW:
            return ()
        key = (table.name, column.name)
        if key not in self._values:
            self._values[key] = ()
            self._asked.put(key)
        return self._values[key]

    def _work(self) -> None:
        import pql.faces.complete  # noqa: F401  so that the first key needn't wait for it

        self._read_names()
        while True:
            key = self._asked.get()
            if key is None:
                self._read_models()
                continue
            self._values[key] = tuple(self._tried(partial(self._values_of, key)))
            if self._values[key]:
                self.learnt()

    def _values_of(self, key: tuple[str, str]) -> list[str]:
        return self._session().values(*key, most=FEW)

    def _read_names(self) -> None:
        catalog: Catalog | None = self._tried(lambda: self._session().catalog()) or None
        if catalog is not None:
            self._names = names_of(catalog, self._names.models)
        self._read_models()
        self.learnt()

    def _read_models(self) -> None:
        names = self._names
        self._names = replace(names, models=tuple(self._tried(lambda: self._session().models())))

    def _tried(self, read: Callable[[], Any]) -> Any:
        self._busy = True
        try:
            return read()
        except Exception:  # whatever is wrong with the data, a statement that reads it says so better
            return ()
        finally:
            self._busy = False


def names_of(catalog: Catalog, models: Sequence[str] = ()) -> Names:
    """The names of a catalog."""
    keys = tuple((link.child, column, link.parent) for link in catalog.links for column in link.child_columns)
    return Names(catalog.tables, tuple(models), frozenset(link.parent for link in catalog.links), keys)
