"""What a query answers with: one table of predictions, and how good they are.

A result is a value: it holds its Arrow table and never goes back to the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pql.language.errors import PqlError
from pql.shown_table import Report, ShownTable, Why

if TYPE_CHECKING:
    import pyarrow as pa

    from pql.engine.answers.background import Background
    from pql.engine.planning.plan import Plan
    from pql.engine.quality.metrics import MetricsTable
    from pql.engine.reasons.asked import Reasoned
    from pql.pictures.figure import Figures
    from pql.pictures.svg import Picture


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model answered. `weights` are the blend's, by member; `key` names it in the registry.

    `stopped`: the user ended the training early, and the model isn't kept.
    """

    name: str
    weights: dict[str, float]
    key: str
    cached: bool
    seconds: dict[str, float] = field(default_factory=dict)
    stopped: bool = False

    def __str__(self) -> str:
        used = {name: weight for name, weight in self.weights.items() if weight > 0}
        nought = [name for name in self.weights if name not in used]
        parts = " + ".join(f"{weight:.2f} {name}" for name, weight in used.items())
        text = f"{self.name}: {parts}" if set(used) - {self.name} else self.name
        if nought:
            text += f" (weight nought on validation: {', '.join(nought)})"
        return text + (", loaded" if self.cached else "")


_AS_TEXT = ("UUID", "UBIGINT", "HUGEINT", "UHUGEINT")
IMPORTANCES = ("table", "column", "feature")


class Predictions(ShownTable):
    """A ranked table of predictions.

    metrics: the model's and every baseline's, on validation and test. plan: all that was decided. model: which model
    answered, with the blend's weights. notes: what the user should know (a baseline that wins, work cut short, …).
    """

    def __init__(
        self,
        table: pa.Table,
        *,
        display: pa.Table | None = None,
        metrics: MetricsTable,
        plan: Plan | Callable[[], Plan],
        model: ModelInfo,
        notes: tuple[str, ...] = (),
        reading: str | None = None,
        reasons: Callable[[pa.Table], Reasoned] | None = None,
        background: Callable[[], Background | None] | None = None,
        key_types: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(table, display)
        self.metrics = metrics
        self.model = model
        self.notes = notes
        self._plan = plan
        self._key_types = key_types
        self._reading = reading
        self._reasons = reasons
        self._background = background

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled, for another process: all but the model behind the reasons."""
        return {**self.__dict__, "_plan": self.plan, "_reasons": None, "_background": None}

    @property
    def plan(self) -> Plan:
        """All that was decided; of a stored result the query is planned again for it."""
        if callable(self._plan):
            self._plan = self._plan()
        return self._plan

    @property
    def reading(self) -> str | None:
        """What a named target was read as."""
        return self._reading if callable(self._plan) else self._plan.query.reading

    @property
    def key_types(self) -> Mapping[str, str]:
        """The database's types of those key columns that are carried here as text, by column."""
        if self._key_types is None:
            query = self.plan.query
            found = {key: (query.entity.table, key) for key in query.entity.keys}
            if query.item is not None and query.item.table is not None and query.item.key is not None:
                found.setdefault(query.item.key, (query.item.table, query.item.key))
            types = {
                column: query.catalog.table(where).column(name).sql_type.upper()
                for column, (where, name) in found.items()
                if query.ids is None and column in self.columns
            }
            self._key_types = {column: kind for column, kind in types.items() if kind in _AS_TEXT}
        return self._key_types

    def why(self, k: int = 5, *, entity: object = None, most: int = 5) -> Why:
        """Why the first `k` rows, or those of one `entity` (its key; a tuple where it has several columns; of pairs
        the first key, or both), are what they are: the `most` weightiest reasons of each, with what all begin with and
        what is left, so that the contributions add up: to the log-odds of a probability, to the value of a number (see
        `scale`).

        Raises PqlError `not_supported` where the model isn't at hand, `unknown_entity` for an unknown key,
        `bad_reason_argument` for numbers that are none.
        """
        _refuse_no_count(k=k, most=most)
        return self._why_of(self._table.slice(0, k) if entity is None else self._rows_of(entity), most)

    def why_rows(self, rows: Sequence[int], *, most: int = 5) -> Why:
        """As `why`, of the rows of the result at these positions, from 0."""
        import pyarrow as pa

        _refuse_no_count(most=most)
        wrong = [at for at in rows if not isinstance(at, Integral) or not 0 <= at < len(self)]
        if wrong:
            raise PqlError(
                "bad_reason_argument",
                f"The result has no row {wrong[0]!r}.",
                hint=f"Its {len(self):,} rows are numbered from 0.",
            )
        return self._why_of(self._table.take(pa.array(rows, pa.int64())), most)

    def _why_of(self, table: pa.Table, most: int) -> Why:
        found = self.reasons_of(table)
        told = found.table(most)
        if told is None:
            return Why(table.slice(0, 0), table.slice(0, 0), found.scale, ())
        return Why(told.table, told.display, found.scale, told.sentences)

    def importance(self, by: str = "column", *, rows: int = 200) -> Report:
        """What weighs most over the whole result: the mean absolute contribution to `rows` of its rows, evenly spread,
        by `table`, `column` or `feature`.

        Raises PqlError `not_supported` where the model isn't at hand, `bad_reason_argument` for another `by`.
        """
        import pyarrow as pa

        if by not in IMPORTANCES:
            raise PqlError(
                "bad_reason_argument",
                f"Contributions aren't told by {by!r}.",
                hint=f"It is one of {', '.join(IMPORTANCES)}.",
            )
        _refuse_no_count(rows=rows)
        n = min(rows, len(self))
        at = [i * len(self) // n for i in range(n)] if n else []
        found = self.reasons_of(self._table.take(pa.array(at, pa.int64()))).importance(by)
        return Report(pa.table({"contribution": pa.array([], pa.float64())}) if found is None else found)

    def background(self) -> Background | None:
        """The labels' SQL, what the model said of tested examples, and the drift of its inputs; None where the model
        isn't at hand."""
        return None if self._background is None else self._background()

    def report(self, path: str | Path | None = None) -> str:
        """One self-contained HTML page on the question, the answer and how good it is; written to `path`, if given.

        Raises PqlError `file_not_writable` where the file can't be written.
        """
        from pql.report.page import page, write

        text = page(self)
        if path is not None:
            write(text, Path(path))
        return text

    def pictures(self) -> Figures:
        """Pictures of how far to trust the result, as its report has them: by kind of target calibration, gain and
        lift; predicted against actual, errors, coverage; the forecast and its error by step; who is taken for whom;
        recall by length of a list; survival curves; and the model beside its baselines. A notebook shows them beside
        each other; `.names()` tells what there is. Where the model isn't at hand there are its metrics alone.
        """
        from pql.pictures.result import result_figures

        return result_figures(self)

    def picture(self, name: str | None = None) -> Picture:
        """One picture by its name, such as `calibration`, `lift`, `metrics` or `importance`; without a name that which
        says most of this kind of target.

        Raises PqlError `bad_reason_argument` for a name that this result has no picture of.
        """
        from pql.pictures.result import what_weighs

        if name == "importance":
            return what_weighs(self).alone()
        figures = self.pictures()
        found = figures.find(name) if name is not None else next(iter(figures), None)
        if found is None:
            names = ", ".join(dict.fromkeys((*figures.names(), "importance")))
            said = "Nothing was measured" if name is None else f"There is no picture {name!r} of this result"
            raise PqlError("bad_reason_argument", f"{said}.", hint=f"There are {names}.")
        return found.alone()

    def reasons_of(self, rows: pa.Table) -> Reasoned:
        """What tells the reasons of some of the rows. Raises PqlError `not_supported` where the model isn't at hand."""
        if self._reasons is None:
            raise PqlError(
                "not_supported",
                "The model of these predictions isn't at hand: they have no reasons.",
                hint="Ask the query again, with USING MODEL where its model is kept, and take `why` of its result.",
            )
        return self._reasons(rows)

    def _rows_of(self, entity: object) -> pa.Table:
        import pyarrow as pa

        keys = self._table.column_names[: len(self.plan.output.keys)]
        wanted = entity if isinstance(entity, tuple) else (entity,)
        rows = self._table.select(keys).to_pylist()
        at = [i for i, row in enumerate(rows) if tuple(row.values())[: len(wanted)] == wanted]
        if not at:
            raise PqlError(
                "unknown_entity",
                f"No row of the result is about {entity!r}.",
                hint=f"The rows are those of {', '.join(keys)}: give a value of it, in its own type. "
                "Of ids asked for, the column status says why one has no prediction.",
            )
        return self._table.take(pa.array(at))

    def shown(self, limit: int = 20) -> str:
        """What a named target was read as, the first rows, one sentence on how good they are, and the notes."""
        read = [f"read as: {self.reading}"] if self.reading else []
        return "\n".join([*read, self.text(limit), *self.remarks()])

    def remarks(self) -> list[str]:
        """One sentence on how good the predictions are, and the notes: what people are told beside the rows."""
        quality = self.metrics.verdict()
        return [*([f"quality: {quality}"] if quality else []), *(f"note: {note}" for note in self.notes)]

    def html(self, limit: int = 20) -> str:
        from pql.html_views import predictions_html

        return predictions_html(self, limit)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.shown())

    def __repr__(self) -> str:
        return f"<pql.Predictions: {len(self):,} rows of {', '.join(self.columns)}; {self.model}>"


class Evaluation(ShownTable):
    """Metrics beside their baselines: one row per model, split and metric."""

    def __init__(
        self, table: pa.Table, *, metrics: MetricsTable, plan: Plan, model: ModelInfo, notes: tuple[str, ...] = ()
    ) -> None:
        super().__init__(table)
        self.metrics = metrics
        self.plan = plan
        self.model = model
        self.notes = notes

    def __repr__(self) -> str:
        return f"<pql.Evaluation: {self.model}>"

    def shown(self, limit: int = 20) -> str:
        """All metrics side by side, the model and its weights, and the notes."""
        notes = [f"note: {note}" for note in self.notes if note not in self.metrics.notes]
        return "\n".join([str(self.metrics), f"model: {self.model}", *notes])

    def picture(self) -> Picture:
        """The model beside its baselines. Raises PqlError `no_labels` where nothing was measured."""
        from pql.pictures.metrics import metrics_picture

        drawn = metrics_picture(self.metrics)
        if drawn is None:
            raise PqlError(
                "no_labels",
                "Nothing was measured: there is nothing to draw.",
                hint="Ask of a longer past, or with a shorter window, so that some windows can be measured.",
            )
        return drawn

    def html(self, limit: int = 20) -> str:
        from pql.html_views import evaluation_html

        return evaluation_html(self)


def _refuse_no_count(**given: object) -> None:
    """Raises PqlError `bad_reason_argument` for what is no whole number from 1 on."""
    for name, value in given.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise PqlError(
                "bad_reason_argument",
                f"The argument {name} is {value!r}, not a whole number from 1 on.",
                hint="why(5) tells of five rows, importance(rows=500) reads five hundred.",
            )


def metrics_table(metrics: MetricsTable) -> pa.Table:
    """Metrics as a table: one row per model, split and metric; `low` and `high` are the 95 % interval, where known."""
    import pyarrow as pa

    rows = metrics.rows
    return pa.table(
        {
            "model": pa.array([row.model for row in rows], pa.string()),
            "role": pa.array([row.role for row in rows], pa.string()),
            "split": pa.array([row.split for row in rows], pa.string()),
            "metric": pa.array([row.metric for row in rows], pa.string()),
            "value": pa.array([row.value for row in rows], pa.float64()),
            "low": pa.array([row.low for row in rows], pa.float64()),
            "high": pa.array([row.high for row in rows], pa.float64()),
            "n": pa.array([row.n for row in rows], pa.int64()),
        }
    )
