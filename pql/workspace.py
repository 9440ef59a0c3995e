"""What the statements of a session share: the data, the kept models, what the user has said about the graph.

A statement opens a snapshot here, infers the catalog as of a moment, and plans its query.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pql.language import ast
from pql.language.errors import PqlError

if TYPE_CHECKING:
    import datetime as dt
    from os import PathLike

    from pql.backends.base import Backend, Snapshot
    from pql.backends.overrides import Overrides
    from pql.engine.events import Events, Listener
    from pql.engine.planning.plan import Plan
    from pql.language.catalog import Catalog

Params = Mapping[str, Any] | Sequence[Any] | None


@dataclass(frozen=True, slots=True)
class Request:
    """What comes with a statement: the text it stands in, the values of its parameters, the anchor asked for."""

    text: str
    params: Params = None
    as_of: str | dt.date | None = None

    def __post_init__(self) -> None:
        """Raises PqlError `parameter_type` where `params` is neither a sequence nor a mapping."""
        if self.params is None or (isinstance(self.params, Mapping | Sequence) and not _is_one_text(self.params)):
            return
        raise PqlError(
            "parameter_type",
            f"params is one value of type {type(self.params).__name__}, not values.",
            hint="Give a list, params=[7], for ?, and a mapping, params={'name': 7}, for :name.",
        )


@dataclass(frozen=True, slots=True)
class Ready:
    """A planned query inside an open snapshot."""

    snapshot: Snapshot
    plan: Plan


class Workspace:
    """The data of one session and what is kept about it. `defaults`: options of WITH where a query says nothing."""

    def __init__(
        self,
        backend: Backend,
        listener: Listener | None = None,
        *,
        home: str | PathLike[str] | None = None,
        defaults: tuple[ast.Option, ...] = (),
    ) -> None:
        from pathlib import Path

        from pql.engine.answers.registry import Registry

        self.backend = backend
        self.home = None if home is None else Path(home).expanduser()
        self.registry = Registry(backend.identity, self.home)
        self.defaults = defaults
        self.events: Events | None = None
        self.turn = threading.RLock()  # of threads that ask one session: its connection serves one at a time
        self._listener = listener
        self._notes: dict[str, Any] = {}  # of data that isn't stored

    @property
    def is_stored(self) -> bool:
        """True for files, folders and databases: what is said of them is kept for the next session; frames have one."""
        return self.backend.identity.startswith(("duckdb:", "folder:", "sqlite:", "postgres:", "url:"))

    def notes(self, name: str) -> Any:
        """What is kept under `name`: what another session has said of the same data since counts here too."""
        return self.registry.notes(name) if self.is_stored else self._notes.get(name)

    def change_notes(self, name: str, change: Callable[[Any], Any]) -> None:
        """Keep `change(what is kept)` under `name`."""
        with self.turn:
            if self.is_stored:
                self.registry.change_notes(name, change)
            else:
                self._notes[name] = change(self._notes.get(name))

    @property
    def overrides(self) -> Overrides:
        """What the user has declared of keys, links and clocks. Raises PqlError `registry_corrupt`."""
        return _overrides(self.notes("overrides"))

    @property
    def targets(self) -> dict[str, ast.DefineTarget]:
        """The targets made by DEFINE, by name. Raises PqlError `registry_corrupt`."""
        kept = self.notes("targets")
        return _targets(kept) if kept is not None else {}

    def catalog(self, snapshot: Snapshot, until: int | None = None, overrides: Overrides | None = None) -> Catalog:
        """The tables, keys, links and clocks inferred from rows at or before `until` (µs; None: from all)."""
        from pql.backends.infer import infer_catalog
        from pql.backends.memory import recalled

        said = overrides or self.overrides
        made = lambda: infer_catalog(snapshot, overrides=said, as_of=until)  # noqa: E731
        return recalled(snapshot, "catalog", (until, said), made)

    def declare(self, change: Callable[[Overrides, Catalog], Overrides]) -> None:
        """Keep changed overrides. `change` gets those of now and the catalog they make, to find names in.

        Raises PqlError where a name is unknown, the types don't fit, or a column is no key.
        """
        with self.snapshot() as snapshot:
            known = self.catalog(snapshot)
            changed = change(self.overrides, known)
            catalog = self.catalog(snapshot, None, changed)
        _refuse_wrong_keys(catalog, changed)
        _refuse_empty_links(catalog, known)
        self.change_notes("overrides", lambda kept: change(_overrides(kept), known).to_json())

    @contextmanager
    def snapshot(self, *, write: bool = False) -> Iterator[Snapshot]:
        """A snapshot of the data, as `Backend.snapshot`; other threads wait until it is closed."""
        with self.turn, self.backend.snapshot(write=write) as snapshot:
            yield snapshot

    @contextmanager
    def listening(self) -> Iterator[Events]:
        """The events of one query; while inside, `stop` and Ctrl-C reach it."""
        from pql.engine.events import Events

        with self.turn:
            self.events = events = Events(self._listener)
            try:
                with _stopped_by_ctrl_c(events):
                    yield events
            finally:
                self.events = None

    @contextmanager
    def ready(self, query: ast.Predict, request: Request, at: tuple[ast.Expression, ...] = ()) -> Iterator[Ready]:
        """The query planned, in a snapshot that is open while inside. `at`: the test anchors of EVALUATE … AT."""
        with self.snapshot() as snapshot:
            plan = self.planned(snapshot, query, request, at)
            try:
                yield Ready(snapshot, plan)
            except PqlError as error:
                from pql.wanting import told_why

                raise told_why(error, snapshot, plan) from error.__cause__

    def with_defaults(self, query: ast.Predict) -> ast.Predict:
        """The query with the session's options where it sets none."""
        if not self.defaults:
            return query
        from pql.language.defaults import with_defaults

        return with_defaults(query, self.defaults)

    def planned(
        self, snapshot: Snapshot, query: ast.Predict, request: Request, at: tuple[ast.Expression, ...] = ()
    ) -> Plan:
        """The plan of a query in a snapshot that is open already."""
        from pql.pipeline import prepare

        query = self.with_defaults(query)
        infer = lambda until: self.catalog(snapshot, until)  # noqa: E731
        return prepare(snapshot, query, request.text, request.params, request.as_of, at, infer, targets=self.targets)


def _is_one_text(params: object) -> bool:
    return isinstance(params, str | bytes | bytearray)


@contextmanager
def _stopped_by_ctrl_c(events: Events) -> Iterator[None]:
    """While inside, Ctrl-C keeps the best model so far where one is being fitted; a second one breaks off.

    Only in the main thread, and only where nobody else handles Ctrl-C.
    """
    import signal

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


def _overrides(kept: Any) -> Overrides:
    from pql.backends.overrides import Overrides

    return Overrides() if kept is None else Overrides.from_json(kept)


def _targets(kept: Any) -> dict[str, ast.DefineTarget]:
    """The definitions kept as {name: text of DEFINE TARGET}."""
    from pql.language.parser import parse

    try:
        made = {name: parse(text) for name, text in kept.items()}
    except (PqlError, AttributeError, TypeError) as error:
        raise _targets_corrupt() from error
    found = {name: one for name, one in made.items() if isinstance(one, ast.DefineTarget)}
    if len(found) != len(made):
        raise _targets_corrupt()
    return found


def _targets_corrupt() -> PqlError:
    return PqlError(
        "registry_corrupt",
        "The kept targets of this database can't be read.",
        hint="Delete targets.json in its folder under PQL_HOME and define them again.",
    )


def _refuse_empty_links(catalog: Catalog, known: Catalog) -> None:
    """Links that are new and of whose values not one is found say nothing, and are hardly meant."""
    for link in catalog.links:
        if link.evidence.source == "override" and link.evidence.ratio == 0 and link not in known.links:
            raise PqlError(
                "link_matches_nothing",
                f"Not one value of {link.child}.{', '.join(link.child_columns)} is found in "
                f"{link.parent}.{', '.join(link.parent_columns)}.",
                hint="Name the column that holds the ids of that table, or mend the values (blanks, prefixes, case).",
            )


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
