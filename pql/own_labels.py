"""Learn from a label table of one's own: `db.fit(train, val, …).predict(test)`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pql.language.errors import PqlError
from pql.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from pql.backends.base import Snapshot
    from pql.engine.answers.background import Background
    from pql.engine.events import Events
    from pql.engine.own.fit import OwnModel, Scored
    from pql.engine.own.labels import Columns, OwnLabels
    from pql.engine.own.measured import Measured
    from pql.engine.own.plan import Question
    from pql.engine.planning.plan import Plan, Regime
    from pql.engine.quality.metrics import MetricsTable
    from pql.engine.reasons.asked import Reasoned
    from pql.language.catalog import Catalog
    from pql.result import ModelInfo, Predictions


@dataclass(frozen=True, slots=True)
class Given:
    """What the user has given: label tables, read and checked, and what is asked of them. `until`: µs."""

    question: Question
    catalog: Catalog
    parts: tuple[OwnLabels, ...]
    columns: Columns
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The rows of a table that is predicted, the model that answers for them, and their scores."""

    rows: OwnLabels
    model: OwnModel
    scored: Scored
    events: Events
    notes: tuple[str, ...]


ARGUMENTS = ("entity", "target", "time", "val", "entity_column", "items", "horizon", "task", "k", "ignoring", "until")


class FittedLabels:
    """A model fitted on a label table. `predict` answers for the rows of another.

    metrics: the model's and every baseline's on validation. plan: all that was decided. notes: what to mind.
    """

    def __init__(self, work: Workspace, given: Given) -> None:
        self._work = work
        self._given = given
        self._models: dict[tuple[int, Regime | None], OwnModel] = {}

    @property
    def metrics(self) -> MetricsTable:
        return self._first().trained.metrics

    @property
    def plan(self) -> Plan:
        return self._first().plan

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._first().notes, *self._first().trained.notes)))

    @property
    def model(self) -> ModelInfo:
        """Which model answers, with the blend's weights."""
        return _info(self._first())

    def predict(self, test: Any, *, until: str | dt.date | None = None) -> Predictions:
        """Predict for every row of a table with the columns of the training table (the target is not needed).

        The rows of the result are those of the table, in its order; of a ranking k of each. until: nothing later is
        read, also where anchors are later. Labels that aren't known by the first anchor are not learnt from. Where the
        table has the target, the metrics on it are those of the split `test`. Raises PqlError.
        """
        return self.answered(test, until=until)[0]

    def answered(self, test: Any, *, until: str | dt.date | None = None) -> tuple[Predictions, Measured | None]:
        """As `predict`; and what the model and every baseline say of the rows, beside the truth, where it is known."""
        from pql.engine.own.answer import answer_table
        from pql.result import Predictions

        asked = self._asked(test, until)
        model, scored = asked.model, asked.scored
        table = answer_table(
            model.plan,
            asked.rows,
            scored.anchors,
            scored.known,
            scored.scores,
            classes=model.classes.values,
            threshold=getattr(model.trained, "threshold", 0.5),
        )
        predictions = Predictions(
            table,
            metrics=model.trained.metrics if scored.measured is None else scored.measured.table,
            plan=model.plan,
            model=_info(model, asked.events),
            notes=tuple(dict.fromkeys((*asked.notes, *model.notes, *model.trained.notes))),
            reasons=_reasons(asked),
            background=_background(asked, table),
        )
        return predictions, scored.measured

    def probabilities(self, test: Any, *, until: str | dt.date | None = None) -> tuple[list[Any], NDArray[np.float64]]:
        """The classes, and of every row of a table their probabilities: float64[rows, classes], nan where the key is
        unknown. Of yes and no the classes are False and True.

        Raises PqlError as `predict`, and `bad_fit_argument` where the labels are numbers or lists.
        """
        import numpy as np

        from pql.language.bound import TaskKind

        kind = self._given.question.kind
        if kind not in (TaskKind.BINARY, TaskKind.MULTICLASS):
            message = f"a {kind.value} has no classes, so there are no probabilities of them"
            raise PqlError("bad_fit_argument", message, hint="predict() gives its numbers.")
        asked = self._asked(test, until)
        scores = np.asarray(asked.scored.scores)
        if kind is TaskKind.BINARY:
            classes, scores = [False, True], np.stack([1 - scores, scores], axis=1)
        else:
            assert asked.model.classes.values is not None
            classes = asked.model.classes.values.to_pylist()
        of_all = np.full((len(asked.rows), len(classes)), np.nan)
        of_all[asked.scored.known] = scores
        return classes, of_all

    def _asked(self, test: Any, until: str | dt.date | None) -> Asked:
        """The rows of a table, scored by the model that fits their moments."""
        from pql.backends.table_source import read_table
        from pql.engine.own.labels import own_labels

        given = self._given
        rows = own_labels(read_table(test, "test"), given.columns, "test", labelled=False)
        cut = _moment(until) if until is not None else given.until
        with self._work.listening() as events, self._work.snapshot() as snapshot:
            rows = _with_own_times(snapshot, given.catalog, given.question, rows)
            model, notes = self._as_of(snapshot, rows, events, cut)
            return Asked(rows, model, self._scored(snapshot, model, rows, events, cut), events, notes)

    def _first(self) -> OwnModel:
        """The model of all labels, for moments that the data reaches; trained when it is first asked for."""
        if (0, None) not in self._models:
            with self._work.listening() as events, self._work.snapshot() as snapshot:
                return self._trained(snapshot, self._given.parts, 0, None, events)
        return self._models[(0, None)]

    def _trained(
        self, snapshot: Snapshot, parts: Sequence[OwnLabels], late: int, regime: Regime | None, events: Events
    ) -> OwnModel:
        """The model of some of the labels in a regime (None: as-of), `late` of them left out."""
        from pql.engine.own.fit import train_own

        if (late, regime) not in self._models:
            model = train_own(snapshot, self._given.catalog, self._given.question, parts, events, regime)
            self._models[(late, regime)] = model
        return self._models[(late, regime)]

    def _as_of(
        self, snapshot: Snapshot, rows: OwnLabels, events: Events, cut: int | None
    ) -> tuple[OwnModel, tuple[str, ...]]:
        """The model for these rows: without the labels that nobody knew at the first moment asked about, and learnt
        from histories as stale as theirs."""
        from pql.engine.own.fit import complete, regime_asked
        from pql.engine.planning.anchors import show_time

        given = self._given
        if rows.anchors is None or not len(rows):
            return self._trained(snapshot, given.parts, 0, None, events), ()
        first = int(rows.anchors.min())
        first = first if cut is None else min(first, cut)
        parts, late = complete(given.parts, given.question, first)
        regime = regime_asked(snapshot, given.catalog, given.question, rows, cut)
        notes = [f"{late:,} labels were not known at {show_time(first)}, so they are not learnt from."] if late else []
        if regime.kind == "frozen":
            notes.append(f"The regime is frozen: {regime.why}. Training and validation read histories as stale.")
        return self._trained(snapshot, parts, late, regime if regime.kind == "frozen" else None, events), tuple(notes)

    def _scored(self, snapshot: Snapshot, model: OwnModel, rows: OwnLabels, events: Events, cut: int | None) -> Scored:
        from pql.engine.own.fit import score_own

        return score_own(snapshot, model, rows, events, cut)

    def __reduce__(self) -> Any:
        """Raises PqlError `not_supported`: the model reads the open database."""
        raise PqlError(
            "not_supported",
            "A fitted model reads its open database, so that it can't be pickled or copied.",
            hint="Fit it where it is used: the same labels, data and seed give the same model. "
            "CREATE MODEL keeps models of queries.",
        )

    def __repr__(self) -> str:
        known = f"; {self.model}" if (0, None) in self._models else ""
        return f"<pql.FittedLabels: {self._given.question.text}{known}>"


def _reasons(asked: Asked) -> Callable[[pa.Table], Reasoned]:
    """What tells the reasons of some rows of the answer to a table."""

    def told(rows: pa.Table) -> Reasoned:
        import numpy as np
        import pyarrow as pa

        from pql.engine.reasons.asked import why_of

        model, scored = asked.model, asked.scored
        known = np.flatnonzero(scored.known)
        key, anchor = rows.column_names[:2]
        moments = pa.array(scored.anchors[known]).cast(pa.timestamp("us"))
        about = pa.table([asked.rows.keys.take(pa.array(known)), moments], names=[key, anchor])
        return why_of(
            model.trained, model.classes.values, model.plan, scored.graph, about, scored.seeds, scored.lags, rows
        )

    return told


def _background(asked: Asked, table: pa.Table) -> Callable[[], Background]:
    """What tells what stands behind the answer to a table."""

    def told() -> Background:
        from pql.engine.own.background import own_background

        return own_background(asked.model, asked.rows, asked.scored, table, of_rows)

    def of_rows(rows: pa.Table) -> tuple[str, ...]:
        found = reasons(rows).table(3)
        return () if found is None else found.sentences

    reasons = _reasons(asked)
    return told


def fit(work: Workspace, train: Any, val: Any = None, **arguments: Any) -> FittedLabels:
    """See `Session.fit`."""
    model = prepared(work, train, val, **arguments)
    model._first()
    return model


def prepared(
    work: Workspace,
    train: Any,
    val: Any = None,
    *,
    entity: str,
    target: str,
    time: str | None = None,
    entity_column: str | None = None,
    items: str | None = None,
    horizon: dt.timedelta | str | int | None = None,
    task: str | None = None,
    k: int | None = None,
    ignoring: Sequence[str] = (),
    until: str | dt.date | None = None,
    **options: Any,
) -> FittedLabels:
    """As `fit`, but nothing is trained before it is needed."""
    from pql.backends.table_source import read_table
    from pql.engine.own.fit import complete
    from pql.engine.own.labels import Columns, duration, own_labels, task_of
    from pql.engine.own.plan import Question, entity_of, known_options
    from pql.language.defaults import values_of

    ignored = (ignoring,) if isinstance(ignoring, str) else tuple(ignoring)
    given = known_options(values_of(work.defaults) | options, ARGUMENTS)
    _check(entity, target, k)
    cut = _moment(until) if until is not None else None
    with work.snapshot() as snapshot:
        catalog = work.catalog(snapshot, cut)
        key = entity_of(entity, catalog)[1]
        columns = Columns(entity_column or key, time, target)
        parts = [own_labels(read_table(train, "train"), columns, "train")]
        if val is not None:
            parts.append(own_labels(read_table(val, "val"), columns, "val"))
        assert parts[0].label is not None
        kind = task_of(parts[0].label, task)
        question = Question(
            entity, target, kind, None if horizon is None else duration(horizon), items, k, ignored, given
        )
        question = _placed(snapshot, catalog, question, parts)
        parts = [_with_own_times(snapshot, catalog, question, part) for part in parts]
        if cut is not None:
            parts = list(complete(parts, question, cut)[0])
        last = _last(parts)
        if last is not None:
            catalog = work.catalog(snapshot, last)
    return FittedLabels(work, Given(question, catalog, tuple(parts), columns, cut))


def _placed(snapshot: Snapshot, catalog: Catalog, question: Question, parts: Sequence[OwnLabels]) -> Question:
    """The question with its kind of split: rows of an entity that has a clock may be their own moments."""
    from dataclasses import replace

    import numpy as np

    from pql.engine.own.fit import row_times

    own = row_times(snapshot, catalog, question.entity, parts[0].keys)
    given = parts[0].anchors
    if given is None:
        return replace(question, split="hashed" if own is None else "row_time")
    if own is not None and question.horizon is None and np.array_equal(own, given):
        return replace(question, split="row_time")
    return question


def _with_own_times(snapshot: Snapshot, catalog: Catalog, question: Question, rows: OwnLabels) -> OwnLabels:
    """The rows of a static question with the time of the entity's own row as their anchor."""
    from dataclasses import replace

    import numpy as np

    from pql.engine.graph.temporal import ALWAYS
    from pql.engine.own.fit import row_times

    if question.split != "row_time":
        return rows
    own = row_times(snapshot, catalog, question.entity, rows.keys)
    assert own is not None
    given: NDArray[np.int64] = own if rows.anchors is None else rows.anchors
    return replace(rows, anchors=np.where(own == ALWAYS, given, own))


def _last(parts: Sequence[OwnLabels]) -> int | None:
    known = [int(part.anchors.max()) for part in parts if part.anchors is not None and len(part)]
    return max(known, default=None)


def _moment(when: str | dt.date) -> int:
    """A date or datetime, or its text, as µs (UTC)."""
    from pql.engine.planning.anchors import to_us

    try:
        moment = dt.datetime.fromisoformat(when) if isinstance(when, str) else when
    except ValueError as error:
        raise PqlError("bad_fit_argument", f"{when!r} is no moment", hint="Write 2024-12-31.") from error
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day)
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
    return to_us(moment)


def _check(entity: object, target: object, k: object) -> None:
    for name, value in (("entity", entity), ("target", target)):
        if not isinstance(value, str) or not value.strip():
            raise PqlError("bad_fit_argument", f"{name} is {value!r}, not a name", hint=f"{name}='…' names it.")
    if k is not None and (not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= 10_000):
        raise PqlError("bad_fit_argument", f"k is {k!r}, not a number of items", hint="Give a number from 1 to 10,000.")


def _info(model: OwnModel, events: Events | None = None) -> ModelInfo:
    from pql.engine.ranking.trained import TrainedRanker
    from pql.result import ModelInfo

    trained = model.trained
    weights = dict(trained.weights if isinstance(trained, TrainedRanker) else trained.blend)
    return ModelInfo(trained.name, weights, "", False, {} if events is None else events.seconds)
