"""What the statements of a session share: the data, the kept models, what the user has said about the graph.

A statement opens a snapshot here, infers the catalog as of a moment, and plans its query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pql.language import ast
from pql.language.errors import PqlError

if TYPE_CHECKING:
    import datetime as dt

    from pql.backends.base import Backend, Snapshot
    from pql.backends.overrides import Overrides
    from pql.engine.events import Events, Listener
    from pql.engine.plan import Plan
    from pql.language.catalog import Catalog

Params = Mapping[str, Any] | Sequence[Any] | None


@dataclass(frozen=True, slots=True)
class Request:
    """What comes with a statement: the text it stands in, the values of its parameters, the anchor asked for."""

    text: str
    params: Params = None
    as_of: str | dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A planned query inside an open snapshot."""

    snapshot: Snapshot
    plan: Plan


class Workspace:
    """The data of one session and what is kept about it."""

    def __init__(self, backend: Backend, listener: Listener | None = None) -> None:
        from pql.backends.overrides import Overrides
        from pql.engine.registry import Registry

        self.backend = backend
        self.registry = Registry(backend.identity)
        kept = self.registry.notes("overrides") if self.is_stored else None
        self.overrides = Overrides() if kept is None else Overrides.from_json(kept)
        self.events: Events | None = None
        self._listener = listener

    @property
    def is_stored(self) -> bool:
        """True for files and folders: what is said of them is kept for the next session; frames live in this one."""
        return self.backend.identity.startswith(("duckdb:", "folder:"))

    def catalog(self, snapshot: Snapshot, until: int | None = None, overrides: Overrides | None = None) -> Catalog:
        """The tables, keys, links and clocks inferred from rows at or before `until` (µs; None: from all)."""
        from pql.backends.infer import infer_catalog

        return infer_catalog(snapshot, overrides=overrides or self.overrides, as_of=until)

    def declare(self, changed: Overrides) -> None:
        """Take overrides over and keep them. Raises PqlError where a name is unknown or the types don't fit."""
        with self.backend.snapshot() as snapshot:
            catalog = self.catalog(snapshot, None, changed)
        _refuse_wrong_keys(catalog, changed)
        self.overrides = changed
        if self.is_stored:
            self.registry.keep_notes("overrides", changed.to_json())

    @contextmanager
    def listening(self) -> Iterator[Events]:
        """The events of one query; while inside, `stop` and Ctrl-C reach it."""
        from pql.engine.events import Events

        self.events = events = Events(self._listener)
        try:
            with _stopped_by_ctrl_c(events):
                yield events
        finally:
            self.events = None

    @contextmanager
    def ready(self, query: ast.Predict, request: Request, at: tuple[ast.Expression, ...] = ()) -> Iterator[Ready]:
        """The query planned, in a snapshot that is open while inside. `at`: the test anchors of EVALUATE … AT."""
        from pql.pipeline import prepare

        with self.backend.snapshot() as snapshot:
            infer = lambda until: self.catalog(snapshot, until)  # noqa: E731
            plan = prepare(snapshot, query, request.text, request.params, request.as_of, at, infer)
            yield Ready(snapshot, plan)


@contextmanager
def _stopped_by_ctrl_c(events: Events) -> Iterator[None]:
    """While inside, Ctrl-C keeps the best model so far where one is being fitted; a second one breaks off.

    Only in the main thread, and only where nobody else handles Ctrl-C.
    """
    import signal
    import threading

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    broken_off = False

    def interrupted(number: int, frame: object) -> None:
        nonlocal broken_off
        if not events.interrupt():
            broken_off = True
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    except Exception as error:
        if broken_off:  # a library may answer an interrupt with an error of its own
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _refuse_wrong_keys(catalog: Catalog, overrides: Overrides) -> None:
    """A key may have a few duplicates; a column most of whose values repeat is none."""
    for name, columns in overrides.keys:
        table = next((t for t in catalog.tables if t.name.lower() == name.lower()), None)
        if table is None or len(columns) != 1 or not table.rows:
            continue
        column = next((c for c in table.columns if c.name.lower() == columns[0].lower()), None)
        if column is not None and column.distinct is not None and 2 * column.distinct < table.rows:
            raise PqlError(
                "not_a_key",
                f"{table.name}.{column.name} has {column.distinct:,} different values in {table.rows:,} rows: "
                "it doesn't tell rows apart.",
                hint="Name a column with one value per row; a table without a key needs none.",
            )
