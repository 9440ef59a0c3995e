"""Predictions that were made before of the same question and the same data: read back instead of made again.

An answer is known by all that made it: the query, its parameters and options, the content of the files, what was
declared and defined, the named model's version, and the code. Files, SQLite's too, and folders alone have answers; a
database with views has none, since a view may read what lies elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pql.language import ast
from pql.language.errors import PqlError
from pql.workspace import Request, Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from pql.backends.base import Backend, Snapshot
    from pql.engine.events import Events
    from pql.engine.planning.plan import Plan
    from pql.result import Predictions


@dataclass(frozen=True, slots=True)
class Question:
    """A query as it is asked of one state of the data. `key` names its answer; `fresh`: it is to be made anew."""

    work: Workspace
    query: ast.Predict
    request: Request
    data: str
    key: str
    fresh: bool

    def recalled(self, events: Events) -> Predictions | None:
        """The stored answer, if there is one."""
        if self.fresh:
            return None
        found = self.work.registry.answers.get(self.key)
        if found is None:
            return None
        try:
            with events.stage("stored"):
                return self._restored(found[0], events)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def keep(self, made: Predictions, snapshot: Snapshot) -> None:
        """Store an answer, if the data is still as it was and all of it lies in its own files."""
        from pql.engine.answers.stored import LARGEST

        table, display = made.to_arrow_table(), made.display
        if made.model.stopped or table.nbytes + display.nbytes > LARGEST:
            return
        if not _is_whole(snapshot) or data_of(self.work.backend) != self.data:
            return
        model = made.model
        state = {
            "table": _bytes(table),
            "display": _bytes(display),
            "metrics": made.metrics.to_json(),
            "model": {"name": model.name, "weights": model.weights, "key": model.key},
            "notes": list(made.notes),
            "reading": made.reading,
            "key_types": dict(made.key_types),
        }
        self.work.registry.answers.put(self.key, model.key, state, {"query": self.request.text, "model": model.key})

    def _restored(self, state: Mapping[str, Any], events: Events) -> Predictions:
        from pql.engine.quality.metrics import MetricsTable
        from pql.result import ModelInfo, Predictions

        model = state["model"]
        again = _once(self._again)
        return Predictions(
            _table(state["table"]),
            display=_table(state["display"]),
            metrics=MetricsTable.from_json(state["metrics"]),
            plan=self._plan,
            model=ModelInfo(model["name"], dict(model["weights"]), model["key"], True, events.seconds),
            notes=tuple(state["notes"]),
            reading=state["reading"],
            reasons=lambda rows: again().reasons_of(rows),
            background=lambda: again().background(),
            key_types=state["key_types"],
        )

    def _plan(self) -> Plan:
        with self._data() as work, work.ready(self.query, self.request) as ready:
            return ready.plan

    def _again(self) -> Predictions:
        """The same answer with its model at hand."""
        from pql.pipeline import answer

        with self._data() as work, work.listening() as events, work.ready(self.query, self.request) as ready:
            return answer(ready.snapshot, ready.plan, work.registry, events, keep=False)

    @contextmanager
    def _data(self) -> Iterator[Workspace]:
        """The session's data, opened again if it was closed. Raises PqlError `source_changed`."""
        from pql.backends.closed import ClosedBackend
        from pql.backends.connect import open_backend

        work = self.work
        closed = isinstance(work.backend, ClosedBackend)
        if closed:
            backend = open_backend(work.backend.identity.partition(":")[2])
            work = Workspace(backend, home=work.home, defaults=work.defaults)
        try:
            if data_of(work.backend) != self.data:
                raise PqlError(
                    "source_changed",
                    "The data has changed since these predictions were made.",
                    hint="Ask the query again, and take what you want to know of its result.",
                )
            yield work
        finally:
            if closed:
                work.backend.close()


def question(work: Workspace, query: ast.Predict, request: Request) -> Question | None:
    """What an answer of this query is stored as; None where it isn't to be stored, or the data can't be known."""
    from pql.engine.answers.registry import content_key
    from pql.language.format import format as canonical
    from pql.language.parameters import fill

    cache_option = _cache_of(query)
    if cache_option not in ("on", "refresh"):
        return None
    filled, faults = fill(query, request.params)
    if faults:
        return None
    data = data_of(work.backend)
    if data is None:
        return None
    asked = replace(filled, options=tuple(o for o in filled.options if o.name.text.lower() != "cache"))
    parts = {
        "query": canonical(asked),
        "kinds": repr(_kinds(request.params)),
        "as_of": repr(request.as_of),
        "data": data,
        "overrides": repr(work.notes("overrides")),
        "targets": repr(work.notes("targets")),
        "code": _code(),
    }
    if query.using_model is not None:
        try:
            parts["model"] = work.registry.find(query.using_model.text).key
        except PqlError:
            return None
    return Question(work, query, request, data, content_key(parts), cache_option == "refresh")


def data_of(backend: Backend) -> str | None:
    """What tells this state of the data from any other, for files that are only read; else None."""
    told: Callable[[], str | None] | None = getattr(backend, "state", None)
    return None if told is None else told()


def _cache_of(query: ast.Predict) -> str:
    """The option `cache` as written: on where it isn't."""
    said = [option.value for option in query.options if option.name.text.lower() == "cache"]
    if not said:
        return "on"
    value = said[-1]
    word = value.value if isinstance(value, ast.Literal) else getattr(getattr(value, "column", None), "text", "")
    return "on" if word is True else str(word).lower()


def _kinds(params: Any) -> list[Any]:
    """The types of those parameters whose text doesn't tell them: a date reads like a string."""
    if isinstance(params, str | int | float | None):
        return []
    if isinstance(params, Mapping | list | tuple | set | frozenset):
        values = params.values() if isinstance(params, Mapping) else params
        return [kind for value in values for kind in _kinds(value)]
    return [type(params).__name__]


def _is_whole(snapshot: Snapshot) -> bool:
    """True if all that could be read lies in the source's own files."""
    from pql.backends.base import HOLDS_PREDICTIONS

    views = any(table.is_view for table in snapshot.tables())
    return not views and all(reason == HOLDS_PREDICTIONS for _, reason in snapshot.skipped())


@cache
def _code() -> str:
    """A hash of all of pql's sources, and of the grammar."""
    import pql.backends
    import pql.engine
    import pql.grammars

    digest = hashlib.sha256()
    packages = [Path(str(package.__path__[0])) for package in (pql.engine, pql.backends, pql.grammars)]
    for root in [Path(__file__).parents[1], *packages]:
        for path in sorted([*root.rglob("*.py"), *root.rglob("*.lark"), *root.rglob("*.json")]):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _bytes(table: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _table(blob: bytes) -> pa.Table:
    import pyarrow as pa

    with pa.ipc.open_stream(blob) as reader:
        return reader.read_all()


def _once(make: Callable[[], Predictions]) -> Callable[[], Predictions]:
    made: list[Predictions] = []

    def get() -> Predictions:
        if not made:
            made.append(make())
        return made[0]

    return get
