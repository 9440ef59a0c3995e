"""PREDICT and the verbs that stand before one: EXPLAIN, EXPLAIN PREDICTION, EVALUATE, LABELS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pql.language import ast
from pql.language.errors import PqlError
from pql.workspace import Request, Workspace

if TYPE_CHECKING:
    from pql.engine.planning.plan import Plan
    from pql.explain import Explanation
    from pql.result import Evaluation, Predictions
    from pql.shown_table import Report, Why

FIRST = 5  # predictions are explained where no id is asked for


def predict(work: Workspace, query: ast.Predict, request: Request, *, keep: bool = False) -> Predictions:
    """Train (or load) the query's model and predict, or read back what it predicted of the same data before.

    `keep` keeps the model even with `cache = off`.
    """
    from pql.pipeline import answer
    from pql.statements.stored import question

    query = work.with_defaults(query)
    with work.listening() as events:
        asked = None if keep else question(work, query, request)
        if asked is not None and (found := asked.recalled(events)) is not None:
            return found
        with work.ready(query, request) as ready:
            made = answer(ready.snapshot, ready.plan, work.registry, events, keep=keep)
            if asked is not None:
                asked.keep(made, ready.snapshot)
            return made


def planned(work: Workspace, query: ast.Predict, request: Request, at: tuple[ast.Expression, ...] = ()) -> Plan:
    """All that is decided about a query, as a value. A PqlError leaves with its place in the text."""
    try:
        with work.ready(query, request, at) as ready:
            return ready.plan
    except PqlError as error:
        raise error.at(request.text) from error.__cause__


def explain(work: Workspace, statement: ast.Explain, request: Request) -> Explanation:
    """All that is decided about a query, before anything is trained; with ANALYZE, also what a run took and gave."""
    from pql.pipeline import analyzed, explained

    with work.listening() as events, work.ready(statement.query, request) as ready:
        if statement.analyze:
            return analyzed(ready.snapshot, ready.plan, work.registry, events, statement.part)
        return explained(ready.snapshot, ready.plan, statement.part)


def explain_prediction(work: Workspace, statement: ast.ExplainPrediction, request: Request) -> Why:
    """The reasons of the predictions for the ids of a query; without ids, of the first FIRST."""
    predictions = predict(work, statement.query, request)
    return predictions.why(FIRST if statement.query.ids is None else max(1, len(predictions)))


def evaluate(work: Workspace, statement: ast.Evaluate, request: Request) -> Evaluation:
    """The metrics of a query's model beside every baseline; with AT, at each of those anchors and together.

    Raises PqlError `clause_conflict` for AT beside USING MODEL (a kept model has its own test anchors), `no_effect`
    for ids, which measures don't go by.
    """
    from pql.pipeline import assess

    if (ids := statement.query.ids) is not None:
        raise PqlError(
            "no_effect",
            "A model is measured on everybody who could be asked about, so that the ids would change nothing.",
            span=ids.span,
            hint="leave them out; with WHERE fewer are learnt from and measured",
            fix=_without(request.text, ids.span),
        )
    if statement.at and statement.query.using_model is not None:
        raise PqlError(
            "clause_conflict",
            "A kept model was measured at its own test anchors, and may have learnt from those that AT names.",
            span=statement.query.using_model.span,
            hint="SHOW METRICS FOR MODEL shows its own; without USING MODEL one is trained before the anchors of AT.",
        )

    with work.listening() as events, work.ready(statement.query, request, statement.at) as ready:
        return assess(ready.snapshot, ready.plan, work.registry, events)


def labels(work: Workspace, statement: ast.Labels, request: Request) -> Report:
    """The training table of a query: entity, anchor, label, split."""
    from pql.pipeline import label_report
    from pql.shown_table import Report

    with work.listening(), work.ready(statement.query, request) as ready:
        return Report(label_report(ready.snapshot, ready.plan))


def _without(text: str, span: ast.Span) -> str | None:
    """The text without the words of a span and the space before them."""
    return None if span == ast.NOWHERE else text[: span.start].rstrip() + text[span.end :]
