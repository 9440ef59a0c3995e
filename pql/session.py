"""The front door: `connect` to data, ask, get tables. The only file that knows every layer.

A question runs through one snapshot: parse → bind → plan → history → labels → graph → model → predictions.
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
    from types import TracebackType

    from pql.backends.base import Backend, Snapshot
    from pql.backends.overrides import Overrides
    from pql.engine.events import Events, Listener
    from pql.engine.plan import Plan
    from pql.explain import Explanation
    from pql.graphview import GraphView
    from pql.language.catalog import Catalog
    from pql.result import Evaluation, Predictions, Report

Params = Mapping[str, Any] | Sequence[Any] | None
Answer = Any  # Predictions | Evaluation | Report | Explanation | GraphView


def connect(source: Any, *, listener: Listener | None = None) -> Session:
    """Open a session on a DuckDB file, a DuckDB connection, a folder of Parquet/CSV files, or a dict of tables.

    The data is only ever read. Raises PqlError `source_not_found`, `source_unreadable` or `unsupported_source`.
    """
    from pql.backends.connect import open_backend

    return Session(open_backend(source), listener=listener)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A query with its plan, inside an open snapshot."""

    text: str
    snapshot: Snapshot
    catalog: Catalog
    plan: Plan


class Session:
    """One database and its kept models. Use it as a context manager, or `close()` it."""

    def __init__(self, backend: Backend, *, listener: Listener | None = None) -> None:
        from pql.backends.overrides import Overrides
        from pql.engine.registry import Registry

        self._backend = backend
        self._listener = listener
        self._registry = Registry(backend.identity)
        kept = self._registry.notes("overrides") if self._is_stored else None
        self._overrides = Overrides() if kept is None else Overrides.from_json(kept)
        self._events: Events | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the data."""
        self._backend.close()

    def stop(self) -> None:
        """End the query that is running in another thread; it keeps the best model so far."""
        if self._events is not None:
            self._events.stop()

    # ------------------------------------------------------------ questions

    def predict(self, text: str, params: Params = None, as_of: str | dt.datetime | None = None) -> Predictions:
        """Answer a PREDICT query.

        params: values of `:name` (a mapping) or `?` (a sequence). as_of: the anchor, as AS OF in the text.
        Raises PqlError for every fault of the query, the data or the model.
        """
        from pql.language.parser import parse

        statement = parse(text)
        if not isinstance(statement, ast.Predict):
            raise PqlError(
                "not_a_prediction",
                f"predict() takes a PREDICT query; this is {_kind(statement)}.",
                span=statement.span,
                hint="explain(), evaluate() and labels() take a PREDICT without a verb; run() takes any statement.",
            ).at(text)
        return self._predict(statement, text, params, as_of)

    def explain(self, text: str, params: Params = None, as_of: str | dt.datetime | None = None) -> Explanation:
        """All that is decided about a query, before anything is trained. Takes a PREDICT with or without EXPLAIN."""
        statement = self._inner(text, ast.Explain)
        part = statement.part if isinstance(statement, ast.Explain) else None
        return self._explain(_query_of(statement), text, params, as_of, part)

    def evaluate(self, text: str, params: Params = None, as_of: str | dt.datetime | None = None) -> Evaluation:
        """The metrics of a query's model beside every baseline. Takes a PREDICT with or without EVALUATE … AT."""
        statement = self._inner(text, ast.Evaluate)
        at = statement.at if isinstance(statement, ast.Evaluate) else ()
        return self._evaluate(_query_of(statement), text, params, as_of, at)

    def labels(self, text: str, params: Params = None, as_of: str | dt.datetime | None = None) -> Report:
        """The training table of a query: entity, anchor, label, split. Takes a PREDICT with or without LABELS."""
        statement = self._inner(text, ast.Labels)
        return self._labels(_query_of(statement), text, params, as_of)

    def sql(self, text: str) -> Report:
        """SQL over the tables with `(PREDICT …)` inside. Raises PqlError `not_supported`: it is not executed yet."""
        raise PqlError(
            "not_supported",
            "PREDICT inside SQL is not supported yet.",
            hint="predict() gives an Arrow table that DuckDB reads: duckdb.sql('SELECT … FROM result').",
        )

    def check_leakage(self, text: str) -> Report:
        """Raises PqlError `not_supported`: the proof on the user's own data is not a statement yet."""
        raise PqlError(
            "not_supported", "CHECK LEAKAGE is not supported yet.", hint="EXPLAIN shows the anchors and rules."
        )

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Raises PqlError `not_supported`: own label tables are not read yet."""
        raise PqlError("not_supported", "Own label tables are not supported yet.", hint="Ask with a PREDICT query.")

    def run(self, text: str, params: Params = None) -> Iterator[Answer]:
        """Run a script of statements and give the answer of each."""
        from pql.language.parser import parse_script

        for statement in parse_script(text).statements:
            yield self._statement(statement, text, params)

    # ------------------------------------------------------------ the graph and its overrides

    def graph(self) -> GraphView:
        """The tables, keys, links and clocks as inferred, with their evidence."""
        from pql.graphview import GraphView

        with self._listening(), self._backend.snapshot() as snapshot:
            return GraphView(self._catalog(snapshot, None))

    def link(self, child: str, parent: str) -> None:
        """Declare that `child` (a `table.column`) points to `parent`."""
        self._override(self._overrides.link(*_dotted(child), *_dotted(parent)))

    def unlink(self, child: str, parent: str) -> None:
        """Declare that `child` does not point to `parent`."""
        self._override(self._overrides.unlink(*_dotted(child), *_dotted(parent)))

    def key(self, column: str) -> None:
        """Declare the primary key of a table."""
        self._override(self._overrides.key(*_dotted(column)))

    def time(self, column: str) -> None:
        """Declare the time column of a table."""
        self._override(self._overrides.time(*_dotted(column)))

    def no_time(self, table: str) -> None:
        """Declare that the rows of a table are known at all times."""
        self._override(self._overrides.no_time(table))

    def _override(self, changed: Overrides) -> None:
        with self._backend.snapshot() as snapshot:
            catalog = self._catalog(snapshot, None, changed)  # raises where a name is unknown or the types don't fit
        _refuse_wrong_keys(catalog, changed)
        self._overrides = changed
        if self._is_stored:
            self._registry.keep_notes("overrides", changed.to_json())

    @property
    def _is_stored(self) -> bool:
        """True for files and folders, whose overrides are kept for the next session; frames live in this one only."""
        return self._backend.identity.startswith(("duckdb:", "folder:"))

    # ------------------------------------------------------------ statements

    def _statement(self, statement: ast.Statement, text: str, params: Params) -> Answer:
        if isinstance(statement, ast.Predict):
            return self._predict(statement, text, params, None)
        if isinstance(statement, ast.Explain):
            return self._explain(statement.query, text, params, None, statement.part)
        if isinstance(statement, ast.Evaluate):
            return self._evaluate(statement.query, text, params, None, statement.at)
        if isinstance(statement, ast.Labels):
            return self._labels(statement.query, text, params, None)
        if isinstance(statement, ast.CreateModel):
            return self._create_model(statement, text, params)
        if isinstance(statement, ast.DropModel):
            self._registry.drop(statement.name.text)
            return self._models()
        if isinstance(statement, ast.Show) and statement.what in ("models", "tables", "graph"):
            return self._models() if statement.what == "models" else self.graph()
        if isinstance(statement, (ast.LinkOverride, ast.KeyOverride, ast.TimeOverride)):
            try:
                return self._override_statement(statement)
            except PqlError as error:
                raise PqlError(error.code, error.message, span=statement.span, hint=error.hint).at(text) from error
        raise PqlError(
            "not_supported",
            f"{_kind(statement)} is read, but not supported yet.",
            span=statement.span,
            hint="PREDICT, EXPLAIN, EVALUATE, LABELS, CREATE MODEL, SHOW MODELS, SHOW GRAPH, LINK, KEY, TIME are.",
        ).at(text)

    def _override_statement(self, statement: ast.LinkOverride | ast.KeyOverride | ast.TimeOverride) -> GraphView:
        known = self._overrides
        if isinstance(statement, ast.LinkOverride):
            change = known.unlink if statement.remove else known.link
            self._override(change(*_parts(statement.child), *_parts(statement.parent)))
        elif isinstance(statement, ast.KeyOverride):
            self._override(known.key(*_parts(statement.column)))
        elif statement.column is not None:
            self._override(known.time(*_parts(statement.column)))
        else:
            assert statement.table is not None
            self._override(known.no_time(statement.table.text))
        return self.graph()

    def _create_model(self, statement: ast.CreateModel, text: str, params: Params) -> Report:
        from pql.language.format import format as canonical

        name = statement.name.text
        if not statement.replace and any(version.name == name for version in self._registry.versions()):
            raise PqlError(
                "model_exists",
                f"A model called {name!r} exists already.",
                span=statement.name.span,
                hint="CREATE OR REPLACE MODEL makes a new version of it; DROP MODEL removes it.",
            ).at(text)
        result = self._predict(statement.query, text, params, None, keep=True)
        if result.model.stopped:
            raise PqlError(
                "stopped",
                f"The training was stopped, so there is no model {name!r}.",
                span=statement.name.span,
                hint="Run it again; WITH (budget = '10 s') makes it shorter.",
            ).at(text)
        self._registry.name(name, result.model.key, canonical(statement.query), replace=statement.replace)
        return self._models()

    def _models(self) -> Report:
        import pyarrow as pa

        from pql.result import Report

        versions = self._registry.versions()
        table = pa.table(
            {
                "model": pa.array([v.name for v in versions], pa.string()),
                "version": pa.array([v.number for v in versions], pa.int64()),
                "current": pa.array([v.current for v in versions], pa.bool_()),
                "made": pa.array([int(v.made * 1e6) for v in versions], pa.int64()).cast(pa.timestamp("us")),
                "query": pa.array([v.query for v in versions], pa.string()),
            }
        )
        return Report(table)

    # ------------------------------------------------------------ the stages

    def _predict(
        self,
        query: ast.Predict,
        text: str,
        params: Params,
        as_of: str | dt.datetime | None,
        *,
        keep: bool = False,
    ) -> Predictions:
        from pql.pipeline import answer

        with self._listening() as events, self._prepare(query, text, params, as_of) as ready:
            return answer(ready.snapshot, ready.plan, self._registry, events, keep=keep)

    def _evaluate(
        self,
        query: ast.Predict,
        text: str,
        params: Params,
        as_of: str | dt.datetime | None,
        at: tuple[ast.Expression, ...],
    ) -> Evaluation:
        from pql.pipeline import assess

        with self._listening() as events, self._prepare(query, text, params, as_of, at) as ready:
            return assess(ready.snapshot, ready.plan, self._registry, events)

    def _explain(
        self, query: ast.Predict, text: str, params: Params, as_of: str | dt.datetime | None, part: str | None
    ) -> Explanation:
        from pql.pipeline import explained

        with self._listening(), self._prepare(query, text, params, as_of) as ready:
            return explained(ready.snapshot, ready.plan, part)

    def _labels(self, query: ast.Predict, text: str, params: Params, as_of: str | dt.datetime | None) -> Report:
        from pql.pipeline import label_report
        from pql.result import Report

        with self._listening(), self._prepare(query, text, params, as_of) as ready:
            return Report(label_report(ready.snapshot, ready.plan))

    @contextmanager
    def _prepare(
        self,
        query: ast.Predict,
        text: str,
        params: Params,
        as_of: str | dt.datetime | None,
        evaluate_at: tuple[ast.Expression, ...] = (),
    ) -> Iterator[_Prepared]:
        from pql.pipeline import prepare

        try:
            with self._backend.snapshot() as snapshot:
                infer = lambda until: self._catalog(snapshot, until)  # noqa: E731
                plan = prepare(snapshot, query, text, params, as_of, evaluate_at, infer)
                yield _Prepared(text, snapshot, plan.query.catalog, plan)
        except PqlError as error:
            error.at(text)
            raise

    def _catalog(self, snapshot: Snapshot, until: int | None, overrides: Overrides | None = None) -> Catalog:
        from pql.backends.infer import infer_catalog

        return infer_catalog(snapshot, overrides=overrides or self._overrides, as_of=until)

    @contextmanager
    def _listening(self) -> Iterator[Events]:
        from pql.engine.events import Events

        self._events = events = Events(self._listener)
        try:
            with _stopped_by_ctrl_c(events):
                yield events
        finally:
            self._events = None

    def _inner(self, text: str, verb: type) -> ast.Statement:
        from pql.language.parser import parse

        statement = parse(text)
        if isinstance(statement, (ast.Predict, verb)):
            return statement
        raise PqlError(
            "not_a_prediction",
            f"A PREDICT query is expected here; this is {_kind(statement)}.",
            span=statement.span,
        ).at(text)


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


def _query_of(statement: Any) -> ast.Predict:
    return statement if isinstance(statement, ast.Predict) else statement.query


def _dotted(name: str) -> tuple[str, str]:
    """`table.column`, either part in double quotes if it holds a dot, as two names."""
    from pql.language.parser import parse

    statement = parse(f"KEY {name}")
    assert isinstance(statement, ast.KeyOverride)
    return _parts(statement.column)


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


def _parts(name: ast.ColumnName) -> tuple[str, str]:
    if name.table is None:
        raise PqlError(
            "missing_table", f"{name.column.text} needs its table.", span=name.span, hint="Write table.column."
        )
    return name.table.text, name.column.text


def _kind(statement: ast.Statement) -> str:
    words = {"Sql": "SQL", "CheckLeakage": "CHECK LEAKAGE", "Explain": "EXPLAIN", "Evaluate": "EVALUATE"}
    name = type(statement).__name__
    return words.get(name) or "".join(" " + c if c.isupper() else c.upper() for c in name).strip().upper()
