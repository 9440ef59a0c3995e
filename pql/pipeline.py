"""The stages of one question, in order: plan, history, labels, graph, model, predictions.

`prepare` makes the plan; `explained`, `label_report`, `assess` and `answer` go as far as they need to. All of it reads
one snapshot, and nothing later than the plan's prediction anchor.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pql.answer_notes import assumed_notes, notes_of, what_if_notes
from pql.language import ast
from pql.language.catalog import Catalog
from pql.language.errors import PqlError

if TYPE_CHECKING:
    import pyarrow as pa

    from pql.backends.base import Snapshot
    from pql.engine.answers.background import Background
    from pql.engine.answers.kept import KeptModel
    from pql.engine.answers.output import Asked
    from pql.engine.answers.registry import Registry
    from pql.engine.events import Events
    from pql.engine.graph.history import History
    from pql.engine.graph.seeds import Seeds
    from pql.engine.graph.temporal import TemporalGraph
    from pql.engine.labels.training_table import LabelTable
    from pql.engine.pairs.rank_rules import Rules
    from pql.engine.planning.plan import Plan
    from pql.engine.reasons.asked import Reasoned
    from pql.explain import Explanation
    from pql.result import Evaluation, ModelInfo, Predictions


# ---------------------------------------------------------------- plan


def prepare(
    snapshot: Snapshot,
    query: ast.Predict,
    text: str,
    params: Any,
    as_of: str | dt.date | None,
    evaluate_at: tuple[ast.Expression, ...],
    infer: Callable[[int | None], Catalog],
    *,
    targets: Mapping[str, ast.DefineTarget] | None = None,
) -> Plan:
    """Bind and plan a query. The catalog is inferred from rows at or before the anchor only.

    Without AS OF the anchor is known after planning: then the catalog is inferred again as of it, and the query is
    planned again, so that it makes no difference whether any row is later.
    """
    from pql.engine.labels.unseen import unseen_values
    from pql.engine.planning.planner import anchored_by
    from pql.engine.planning.statistics import dated_ahead

    moment = _moment(query, params, as_of)
    try:
        plan = _plan(snapshot, query, text, params, moment, evaluate_at, infer(moment), moment, targets)
    except PqlError:
        if moment is not None:
            _refuse_before_the_data(snapshot, query, infer(None), moment)
        raise
    notes: tuple[str, ...] = ()
    if moment is None and any(table.clock.kind != "none" for table in plan.query.catalog.tables):
        anchor = plan.split.prediction
        notes = dated_ahead(snapshot, plan.query, anchored_by(plan.query), anchor)
        plan = _plan(snapshot, query, text, params, None, evaluate_at, infer(anchor), anchor, targets)
    if plan.query.evaluate_at:  # keys, links and clocks are those that were told by the first test anchor
        first, anchor = min(plan.split.times("test")), plan.split.prediction
        plan = _plan(snapshot, query, text, params, moment, evaluate_at, infer(first), anchor, targets)
    notes += tuple(str(one) for one in unseen_values(snapshot, plan.query, plan.split.prediction))
    return replace(plan, warnings=(*plan.warnings, *notes)) if notes else plan


def _plan(
    snapshot: Snapshot,
    query: ast.Predict,
    text: str,
    params: Any,
    as_of: int | None,
    evaluate_at: tuple[ast.Expression, ...],
    catalog: Catalog,
    until: int | None,
    targets: Mapping[str, ast.DefineTarget] | None,
) -> Plan:
    from pql.engine.planning.planner import plan as make_plan
    from pql.engine.planning.statistics import gather, median_gap_days
    from pql.engine.planning.unknown_columns import unknown_columns
    from pql.language.binder import bind, unsupported

    bound = bind(
        query,
        catalog,
        text=text,
        params=params,
        as_of=_datetime(as_of),
        targets=targets,
        evaluate_at=evaluate_at,
        median_gap_days=lambda fact, column: median_gap_days(snapshot, catalog, fact, column, until),
    )
    if faults := unsupported(query, bound):
        raise PqlError.of(faults, text)
    bound = replace(bound, unknown=unknown_columns(snapshot, bound, until))
    return make_plan(bound, gather(snapshot, bound, until))


def _refuse_before_the_data(snapshot: Snapshot, query: ast.Predict, catalog: Catalog, moment: int) -> None:
    """Where no table has a row yet, that is what is wrong, whatever else is said."""
    from pql.engine.planning.anchors import show_time
    from pql.engine.planning.statistics import measure

    clocked = [table.name for table in catalog.tables if table.clock.kind == "own"]
    oldest = [span.oldest for span in measure(snapshot, catalog, clocked).values() if span.oldest is not None]
    if oldest and min(oldest) > moment:
        raise PqlError(
            "no_data",
            f"No table has a row at or before {show_time(moment)}.",
            span=query.as_of.span if query.as_of is not None else None,
            hint=f"The data starts at {show_time(min(oldest))}; a later AS OF leaves some of it to learn from.",
        )


def _moment(query: ast.Predict, params: Any, as_of: str | dt.date | None) -> int | None:
    """AS OF in µs, from the argument or the text."""
    from pql.engine.planning.anchors import to_us
    from pql.language.moments import moment_of

    when = moment_of(query, params, as_of)
    return None if when is None else to_us(when)


def _datetime(moment: int | None) -> dt.datetime | None:
    from pql.engine.planning.anchors import to_datetime

    return None if moment is None else to_datetime(moment)


# ---------------------------------------------------------------- data


@dataclass(frozen=True, slots=True)
class _Data:
    """What a plan reads: its rows, and the training table."""

    history: History
    labels: LabelTable


def history_of(snapshot: Snapshot, plan: Plan) -> History:
    """The rows that a plan reads, none later than its anchor."""
    from pql.backends.memory import MOST_BYTES, recalled
    from pql.engine.graph.history import load, needed_tables

    tables, until = needed_tables(plan), plan.split.prediction
    return recalled(
        snapshot,
        "rows",
        (plan.query.catalog, tables, until),
        lambda: load(snapshot, plan.query.catalog, tables, until),
        keep=lambda made: made.nbytes <= MOST_BYTES,
    )


def _read(snapshot: Snapshot, plan: Plan) -> _Data:
    from pql.engine.labels.training_table import compute_labels

    history = history_of(snapshot, plan)
    return _Data(history, compute_labels(history, plan))


def _graph(snapshot: Snapshot, history: History, plan: Plan) -> TemporalGraph:
    from pql.backends.memory import MOST_BYTES, recalled
    from pql.engine.graph.build import build_graph

    if plan.graph.co_occurrence or history.nbytes > MOST_BYTES:  # shared items are linked as of the plan's anchors
        return build_graph(history, plan)
    key = (plan.query.catalog, history.until, plan.graph, plan.query.entity.table)
    return recalled(snapshot, "graph", key, lambda: build_graph(history, plan))


def explained(snapshot: Snapshot, plan: Plan, part: str | None) -> Explanation:
    """The plan as text, with the label SQL and the label counts of every split."""
    from pql.engine.labels.counts import count_labels
    from pql.engine.labels.statement import label_statement
    from pql.explain import Explanation

    data = _read(snapshot, plan)
    return Explanation(plan, label_statement(plan).literal_text(), count_labels(data.labels, plan), part)


def analyzed(snapshot: Snapshot, plan: Plan, registry: Registry, events: Events, part: str | None) -> Explanation:
    """The plan as text with what it took and gave: the model is trained now, whether one is kept or not."""
    from pql.engine.labels.counts import count_labels
    from pql.engine.labels.statement import label_statement
    from pql.explain import Explanation
    from pql.measured import Measured

    if plan.query.options.cache == "on":
        options = replace(plan.query.options, cache="refresh")
        plan = replace(plan, query=replace(plan.query, options=options))
    result = answer(snapshot, plan, registry, events, keep=False)
    data = _read(snapshot, plan)
    graph = _graph(snapshot, data.history, plan)
    measured = Measured(
        dict(events.seconds),
        data.history.sizes(),
        len(data.labels),
        sum(len(node) for node in graph.nodes),
        sum(len(edge.children) for edge in graph.edges),
        len(result),
        result.model,
        result.metrics,
        result.notes,
    )
    counts = count_labels(data.labels, plan)
    return Explanation(plan, label_statement(plan).literal_text(), counts, part, measured)


def label_report(snapshot: Snapshot, plan: Plan) -> pa.Table:
    """The training table: the entity's key, anchor, label, split, and the event rows behind each label."""
    from pql.engine.answers.label_report import label_rows

    data = _read(snapshot, plan)
    return label_rows(data.labels, plan, data.history)


# ---------------------------------------------------------------- model


def assess(snapshot: Snapshot, plan: Plan, registry: Registry, events: Events) -> Evaluation:
    """Train (or load) the model of a plan and give its metrics beside every baseline."""
    from pql.engine.answers.kept import model_for
    from pql.result import Evaluation, metrics_table

    with events.stage("read"):
        data = _read(snapshot, plan)
    with events.stage("graph"):
        graph = _graph(snapshot, data.history, plan)
    model = model_for(plan, data.history, data.labels, graph, registry, events, keep=False)
    table = metrics_table(model.trained.metrics)
    info = _info(model, events)
    notes = (*assumed_notes(plan, data.labels), *notes_of(plan, model, info))
    return Evaluation(table, metrics=model.trained.metrics, plan=plan, model=info, notes=notes)


# ---------------------------------------------------------------- predictions


def answer(snapshot: Snapshot, plan: Plan, registry: Registry, events: Events, *, keep: bool) -> Predictions:
    """Train (or load) the model of a plan and predict for everyone it asks about."""
    from pql.engine.answers.kept import model_for
    from pql.engine.answers.output import result_table
    from pql.engine.answers.quiet import quiet_already
    from pql.engine.answers.scoring import check_pairs, given_nothing, score, who, without_a_past
    from pql.engine.answers.what_if import moved, what_if
    from pql.engine.pairs.rule_rows import rules_of
    from pql.engine.planning.assuming import assignments
    from pql.result import Predictions

    with events.stage("read"):
        data = _read(snapshot, plan)
    with events.stage("graph"):
        graph = _graph(snapshot, data.history, plan)
        asked, seeds = who(data.history, data.labels, plan, graph)
        rules = rules_of(data.history, plan, graph, [plan.split.prediction])
        check_pairs(plan, graph, seeds, rules)
    model = model_for(plan, data.history, data.labels, graph, registry, events, keep=keep)
    info = _info(model, events)
    notes: tuple[str, ...] = ()
    with events.stage("predict"):
        scores, read = score(model, plan, graph, data.labels, seeds, rules), graph
        if assignments(plan.query):
            changed = what_if(graph, plan, seeds)
            read = changed.graph
            before, scores = scores, score(model, plan, changed.graph, data.labels, seeds, rules)
            notes = what_if_notes(plan, changed, moved(before, scores, seeds))
        else:
            notes = assumed_notes(plan, data.labels)
        notes += (*given_nothing(plan, scores), *quiet_already(plan, data.labels, graph, seeds))
        table = result_table(plan, asked, scores, classes=model.classes, threshold=model.threshold)
    return Predictions(
        table,
        display=_with_names(snapshot, plan, table),
        metrics=model.trained.metrics,
        plan=plan,
        model=info,
        notes=(*notes, *notes_of(plan, model, info, early=without_a_past(data.labels, plan))),
        reasons=_reasons(model, plan, read, data.labels, asked, seeds, rules),
        background=_background(model, plan, graph, data.labels, seeds),
    )


def _reasons(
    model: KeptModel,
    plan: Plan,
    graph: TemporalGraph,
    labels: LabelTable,
    asked: Asked,
    seeds: Seeds,
    rules: Rules | None,
) -> Callable[[pa.Table], Reasoned]:
    """What tells the reasons of some rows of the result."""

    def told(rows: pa.Table) -> Reasoned:
        from pql.engine.reasons.asked import reasoned

        return reasoned(model, plan, graph, labels, asked, seeds, rules, rows)

    return told


def _background(
    model: KeptModel, plan: Plan, graph: TemporalGraph, labels: LabelTable, seeds: Seeds
) -> Callable[[], Background]:
    """What tells what stands behind the result."""

    def told() -> Background:
        from pql.engine.answers.background import background
        from pql.engine.reasons.checked import told_of

        found = background(model, plan, graph, labels, seeds)
        checked = found.checked
        if checked is None:
            return found
        return replace(found, told=lambda at: told_of(model, plan, graph, labels, checked, at))

    return told


def _with_names(snapshot: Snapshot, plan: Plan, table: pa.Table) -> pa.Table:
    """The first rows of a result with the name columns of entity and items beside their ids, for people to read."""
    from pql.engine.answers.output import with_names
    from pql.engine.graph.names import name_lookups

    head = table.slice(0, 1000)
    return with_names(head, name_lookups(snapshot, plan, head))


def _info(model: KeptModel, events: Events) -> ModelInfo:
    from pql.result import ModelInfo

    return ModelInfo(
        model.trained.name, model.weights, model.key, model.cached, events.seconds, events.stopped and not model.cached
    )
