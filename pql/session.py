"""The front door: `connect` to data, ask, get tables.

A question runs through one snapshot: parse → bind → plan → history → labels → graph → model → predictions. What each
statement does is in `pql.statements`, what they share in `pql.workspace`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pql.language import ast
from pql.language.errors import PqlError
from pql.statements.dispatch import Answer, execute, kind
from pql.statements.graph import (
    declare_key,
    declare_link,
    declare_no_time,
    declare_time,
    dotted,
    forget,
    show_graph,
)
from pql.statements.reading import read, read_script
from pql.statements.tables import common_values
from pql.workspace import Params, Request, Workspace

if TYPE_CHECKING:
    import datetime as dt
    from os import PathLike
    from types import TracebackType

    from pql.backends.base import Backend
    from pql.engine.answers.registry import Freed
    from pql.engine.events import Listener
    from pql.engine.planning.plan import Plan
    from pql.explain import Explanation
    from pql.graphview import GraphView
    from pql.language.catalog import Catalog
    from pql.own_labels import FittedLabels
    from pql.result import Evaluation, Predictions
    from pql.shown_table import Report
    from pql.sql_result import SqlResult


def connect(
    source: Any,
    *,
    read_only: bool = True,
    listener: Listener | None = None,
    home: str | PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Session:
    """Open a session on a DuckDB or SQLite file, `postgresql://user@host/database`, a DuckDB connection, a folder of
    Parquet, CSV or JSON lines files, the URL of such files, or a dict of tables.

    The data is only read; `read_only=False` lets CREATE TABLE write to a DuckDB file or connection, and nothing else.
    home: the folder that models are kept in; without it `$PQL_HOME`, else the user's. options: options of WITH that
    hold for queries that don't set them.
    Raises PqlError `source_not_found`, `source_unreadable`, `source_locked`, `source_unreachable`, `source_refused`,
    `unsupported_source`, `missing_extra`, `missing_extension`, `read_only`, `unknown_option`,
    `bad_option_value`.
    """
    from pql.backends.connect import open_backend
    from pql.language.defaults import default_options

    defaults = default_options(options) if options else ()
    return Session(open_backend(source, read_only=read_only), listener=listener, home=home, defaults=defaults)


class Session:
    """One database and its kept models. Use it as a context manager, or `close()` it.

    Threads may share it: their questions take turns. For questions at once each thread has a session of its own.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        listener: Listener | None = None,
        home: str | PathLike[str] | None = None,
        defaults: tuple[ast.Option, ...] = (),
    ) -> None:
        self._work = Workspace(backend, listener, home=home, defaults=defaults)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<pql.Session: {self._work.backend.identity}>"

    def __reduce__(self) -> Any:
        """Raises PqlError `not_supported`: an open database isn't pickled."""
        raise PqlError(
            "not_supported",
            "A session holds an open database, so that it can't be pickled or copied.",
            hint="Let every process open its own: give it the path, and pql.connect(path) there.",
        )

    def close(self) -> None:
        """Let go of the data; what is asked afterwards raises PqlError `source_closed`."""
        from pql.backends.closed import ClosedBackend

        with self._work.turn:
            self._work.backend.close()
            self._work.backend = ClosedBackend(self._work.backend.identity)

    def stop(self) -> None:
        """End the query that is running in another thread; it keeps the best model so far.

        A session answers one query at a time: where several threads share it, the one that runs at this moment ends,
        whoever asked it, and those that wait their turn go on. Does nothing where none runs. A thread whose queries
        are to be ended apart needs a session of its own.
        """
        events = self._work.events
        if events is not None:
            events.stop()

    # ------------------------------------------------------------ questions

    def predict(self, text: str, params: Params = None, as_of: str | dt.date | None = None) -> Predictions:
        """Answer a PREDICT query.

        params: values of `:name` (a mapping) or `?` (a sequence). as_of: the anchor, as AS OF in the text.
        Raises PqlError for every fault of the query, the data or the model.
        """
        statement = read(self._work, text, params)
        if not isinstance(statement, ast.Predict):
            raise PqlError(
                "not_a_prediction",
                f"predict() takes a PREDICT query; this is {kind(statement)}.",
                span=statement.span,
                hint="explain(), evaluate() and labels() take a PREDICT without a verb; run() takes any statement.",
            ).at(text)
        return execute(self._work, statement, Request(text, params, as_of))

    def explain(self, text: str, params: Params = None, as_of: str | dt.date | None = None) -> Explanation:
        """All that is decided about a query, before anything is trained. Takes a PREDICT with or without EXPLAIN."""
        return execute(self._work, _with_verb(self._work, text, params, ast.Explain), Request(text, params, as_of))

    def plan(self, text: str, params: Params = None, as_of: str | dt.date | None = None) -> Plan:
        """What is decided about a query, as a value; quick, since no label is made. Takes a PREDICT, also after EXPLAIN
        or EVALUATE. Raises PqlError for every fault of the query."""
        from pql.statements.queries import planned

        statement = read(self._work, text)
        request = Request(text, params, as_of)
        if isinstance(statement, ast.Evaluate):
            return planned(self._work, statement.query, request, statement.at)
        query = (
            statement if isinstance(statement, ast.Predict) else _with_verb(self._work, text, params, ast.Explain).query
        )
        return planned(self._work, query, request)

    def evaluate(self, text: str, params: Params = None, as_of: str | dt.date | None = None) -> Evaluation:
        """The metrics of a query's model beside every baseline. Takes a PREDICT with or without EVALUATE … AT."""
        return execute(self._work, _with_verb(self._work, text, params, ast.Evaluate), Request(text, params, as_of))

    def labels(self, text: str, params: Params = None, as_of: str | dt.date | None = None) -> Report:
        """The training table of a query: entity, anchor, label, split. Takes a PREDICT with or without LABELS.

        Of targets with windows also `events`, the rows behind each label (table, key, time, value; the first ten by
        time), and `event_count`, how many there are.
        """
        return execute(self._work, _with_verb(self._work, text, params, ast.Labels), Request(text, params, as_of))

    def sql(self, text: str, params: Params = None) -> SqlResult:
        """Run one SQL statement over the tables, in which `(PREDICT …)` may stand wherever a table may stand.

        params: values of `:name` or `$name` (a mapping), or of `?` and `$1` (a sequence), inside the queries and
        around them. `result.predictions` holds each query's predictions with their metrics. Raises PqlError.
        """
        from pql.sql_result import SqlResult

        statement = read(self._work, text, params)
        if isinstance(statement, ast.Predict):  # a query alone is all of its rows
            answer = execute(self._work, statement, Request(text, params))
            return SqlResult(answer.to_arrow_table(), (answer,), (1,))
        if not isinstance(statement, ast.Sql | ast.CreateTable | ast.Copy):
            hint = "run() takes any statement"
            message = f"sql() takes SQL; this is {kind(statement)}"
            raise PqlError("statement_not_allowed", message, span=statement.span, hint=hint).at(text)
        return execute(self._work, statement, Request(text, params))

    def check_leakage(self, text: str, params: Params = None, as_of: str | dt.date | None = None) -> Report:
        """Prove on this data that nothing after the anchor reaches a query's predictions.

        The query, a PREDICT with or without CHECK LEAKAGE, is answered over the data as it is, without the later rows,
        and with others in their place, and compared bit for bit; a table of checks, and of what to know about time in
        the data.
        """
        return execute(self._work, _with_verb(self._work, text, params, ast.CheckLeakage), Request(text, params, as_of))

    def validate(self, text: str, params: Params = None) -> Report:
        """Read, bind and plan every statement of a script; nothing is trained, kept or written.

        What a statement declares or defines holds for those after it. A table of what each is: statement, line, kind,
        task, anchor, warnings. Raises PqlError with the faults of all statements.
        """
        from pql.statements.validate import validate

        return validate(self._work, text, params)

    def fit(self, train: Any, val: Any = None, **arguments: Any) -> FittedLabels:
        """Learn from a label table of one's own: who, when, and what came true, one row each.

        train, val: a pandas, polars or Arrow table, a dict of columns, or the path of a Parquet or CSV file; without
        val the latest rows of train validate. The arguments:
        entity: the table and key that the rows are about (`drivers.driverId`). target: the label's column.
        time: the column of anchors; without it each row of the entity's table is its own moment.
        entity_column: the column that holds the keys, if it isn't called like the key.
        horizon: how long the label's window is, from the anchor (a timedelta, '30 days').
        task: binary, regression, multiclass or ranking; without it the values say. items: the table and key that
        lists are made of (`circuits.circuitId`); k: how many are ranked. ignoring: columns not to be read.
        until: no row later than this is read, and no label that wasn't known by then is learnt from.
        The options of WITH (model, budget, seed, …) are keywords too. Raises PqlError.
        """
        from pql.own_labels import fit

        return fit(self._work, train, val, **arguments)

    def execute(self, text: str, params: Params = None, as_of: str | dt.date | None = None) -> Answer:
        """The answer of one statement of any kind. Raises PqlError, `several_statements` too."""
        return execute(self._work, read(self._work, text, params), Request(text, params, as_of))

    def run(self, text: str, params: Params = None) -> list[Answer]:
        """Run the statements of a script, separated by `;`, and give all their answers; see `each`."""
        return list(self.each(text, params))

    def each(self, text: str, params: Params = None, as_of: str | dt.date | None = None) -> Iterator[Answer]:
        """The answers of a script's statements, each run when its turn comes: a loop shows one before the next begins.

        params: values of `:name`, or of the `?` of all statements together, in order. as_of: the
        anchor of every query. A script that can't be read runs not at all; a fault of a later kind names its statement,
        and those before have run.
        """
        statements = read_script(self._work, text, params).statements
        for number, statement in enumerate(statements, 1):
            try:
                yield execute(self._work, statement, Request(text, params, as_of))
            except PqlError as error:
                if len(statements) == 1:
                    raise
                where = f"Statement {number} of {len(statements)}: "
                raise PqlError.of([replace(f, message=where + f.message) for f in error.faults], text) from error

    def clear(self) -> Freed:
        """Remove this database's stored predictions and the kept models that no name points at."""
        return self._work.registry.clear()

    # ------------------------------------------------------------ what there is

    def catalog(self) -> Catalog:
        """The tables, keys, links and clocks, as inferred and as declared, as plain data."""
        with self._work.snapshot() as snapshot:
            return self._work.catalog(snapshot)

    def values(self, table: str, column: str, *, most: int = 50) -> list[str]:
        """The commonest values of a text column among its table's first million rows, at most `most` of them."""
        return common_values(self._work, table, column, most)

    def models(self) -> list[str]:
        """The names of the kept models."""
        return sorted({version.name for version in self._work.registry.versions()})

    # ------------------------------------------------------------ the graph and its overrides

    def graph(self) -> GraphView:
        """The tables, keys, links and clocks as inferred, with their evidence."""
        return show_graph(self._work)

    def link(self, child: str, parent: str) -> None:
        """Declare that `child` (a `table.column`) points to `parent`."""
        declare_link(self._work, dotted(child), dotted(parent))

    def unlink(self, child: str, parent: str) -> None:
        """Declare that `child` does not point to `parent`."""
        declare_link(self._work, dotted(child), dotted(parent), remove=True)

    def key(self, column: str) -> None:
        """Declare the primary key of a table."""
        declare_key(self._work, dotted(column))

    def time(self, column: str) -> None:
        """Declare the time column of a table."""
        declare_time(self._work, dotted(column))

    def no_time(self, table: str) -> None:
        """Declare that the rows of a table are known at all times."""
        declare_no_time(self._work, table)

    def forget_overrides(self) -> None:
        """Take back every link, key and clock that was declared: the graph is again as inferred."""
        forget(self._work)


def _with_verb(work: Workspace, text: str, params: Params, verb: type) -> Any:
    """The one statement of a text, a PREDICT or `verb` before one, with the verb."""
    statement = read(work, text, params)
    if isinstance(statement, ast.Predict):
        return verb(statement, span=statement.span)
    if isinstance(statement, verb):
        return statement
    raise PqlError(
        "not_a_prediction",
        f"A PREDICT query is expected here; this is {kind(statement)}.",
        span=statement.span,
        hint="Only the query itself belongs here: PREDICT … FOR EACH …",
    ).at(text)
