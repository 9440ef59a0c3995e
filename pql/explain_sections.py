"""The sections of EXPLAIN's report: what is decided about a query, in lines for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pql.bound_text import (
    expression_text,
    item_text,
    route_text,
    rule_texts,
    syntax_text,
)
from pql.language.bound import BoundAggregate, Call, Expression, TaskKind
from pql.table import text_table

if TYPE_CHECKING:
    from pql.engine.labels.counts import LabelCount
    from pql.engine.planning.plan import Plan

WIDTH = 110
SPLIT_KINDS = {
    "anchors": "by anchors in time",
    "row_time": "by the rows' own time",
    "hashed": "by a seeded hash of the key",
}


def sections_of(plan: Plan, label_counts: Sequence[LabelCount] | None = None) -> list[tuple[str, list[str]]]:
    """(title, lines) of every section that the plan has something for; the labels' where they have been counted."""
    sections = [
        ("Query", _query(plan)),
        ("Task", _task(plan)),
        ("Entities", _entities(plan)),
        ("Anchors" if plan.split.kind == "anchors" else "Split", _anchors(plan)),
        ("Graph", graph_lines(plan)),
        ("Model", _model(plan)),
        ("Result", _output(plan)),
    ]
    if label_counts is not None:
        sections.insert(4, ("Labels", _labels(plan, label_counts)))
    if plan.warnings:
        sections.append(("Warnings", _warnings(plan)))
    return sections


def when(time: int) -> str:
    """A moment in µs for people."""
    from pql.engine.planning.anchors import show_time

    return show_time(time)


def _wrapped(text: str, first: str = "", rest: str | None = None) -> list[str]:
    """A text in lines of the report's width; `first` stands before it, `rest` (or blanks) before further lines."""
    after = " " * len(first) if rest is None else rest
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=after, break_on_hyphens=False) or [first]


def _facts(pairs: Sequence[tuple[str, str | None]]) -> list[str]:
    """`name  text` lines, aligned and wrapped; those without text are left out."""
    shown = [(name, text) for name, text in pairs if text]
    width = max((len(name) for name, _ in shown), default=0)
    return [line for name, text in shown for line in _wrapped(text, f"{name:<{width}}  ")]


def _query(plan: Plan) -> list[str]:
    lines = syntax_text(plan.query).splitlines()
    if plan.query.reading is not None:
        lines += _wrapped(plan.query.reading, "read as: ")
    return lines


def _task(plan: Plan) -> list[str]:
    query, task = plan.query, plan.task
    kind = "binary for every pair" if query.asks_pairs else task.kind.value.replace("_", " ")
    routes = [
        f"{node.fact}: {route_text(node.route, query.catalog)}"
        for expression in (query.target, query.where, query.assuming)
        for node in _aggregates(expression)
        if node.route
    ]
    return _facts(
        [
            ("what", f"{kind}, because {task.reason}" if task.reason else kind),
            ("label", expression_text(query.target)),
            ("steps", _steps(plan)),
            ("times", _times(plan)),
            ("items", item_text(query)),
            *rule_texts(query),
            ("route", "; ".join(dict.fromkeys(routes))),
            ("assuming", None if query.assuming is None else expression_text(query.assuming)),
            ("learnt by", f"head {task.head}, loss {task.loss}; {_chosen_by(plan)} on validation"),
        ]
    )


def _chosen_by(plan: Plan) -> str:
    if plan.query.task is TaskKind.TIME_TO_EVENT:
        return "chosen by the likelihood of what was watched, measured by concordance"
    return f"chosen by {plan.task.metric}"


def _times(plan: Plan) -> str | None:
    """What a time to an event is learnt from, and what its columns mean."""
    query = plan.query
    if query.task is not TaskKind.TIME_TO_EVENT or not isinstance(query.target, BoundAggregate):
        return None
    return (
        "rows are watched until the event, the window's end, or where labels may look no further (training rows until "
        "the validation anchor, in the refit all until the data's end), and count as far as they go; one model gives "
        "the hazard of each of up to 8 intervals of the window. median: when the event is as likely past as not, NULL "
        "if not within the window; probability: of the event within the window; prediction: the expected time, at "
        f"most {query.target.window.end}, in {query.target.window.unit}"
    )


def _steps(plan: Plan) -> str | None:
    """What a forecast repeats."""
    from pql.engine.planning.step_grid import grid_of

    grid = grid_of(plan.query)
    if grid is None:
        return None
    season = "" if grid.season is None else f" and the target of the same season ({grid.season} {grid.unit} back)"
    return (
        f"{grid.count} windows of {grid.step} each, one after the other; one model answers all, from the features of "
        f"the entity beside the number of the step, where in the calendar its window begins{season}. "
        "The error is that of all steps together"
    )


def _aggregates(expression: Expression | None) -> Iterator[BoundAggregate]:
    if isinstance(expression, BoundAggregate):
        yield expression
    elif isinstance(expression, Call):
        for argument in expression.args:
            yield from _aggregates(argument)


def _entities(plan: Plan) -> list[str]:
    query = plan.query
    keys = ", ".join(f"{query.entity.table}.{key}" for key in query.entity.keys)
    rows = query.catalog.table(query.entity.table).rows if query.catalog.has(query.entity.table) else None
    return _facts(
        [
            ("who", keys if rows is None else f"{keys} ({rows:,} rows)"),
            (
                "each with",
                None if query.pair is None else ", ".join(f"{query.pair.table}.{k}" for k in query.pair.keys),
            ),
            ("eligible", plan.eligibility),
            ("where", None if query.where is None else expression_text(query.where)),
            ("asked for", None if query.ids is None else f"{len(query.ids):,} by id; those not eligible are flagged"),
        ]
    )


def _regime(plan: Plan) -> list[tuple[str, str | None]]:
    """Whether the data reaches what is predicted, and what is done where it doesn't."""
    regime = plan.regime
    if not regime.why:
        return []
    done = None
    if regime.known is not None:
        done = (
            "training examples are copied with histories cut up to as much earlier than their anchors; validation and "
            "test see histories as stale as the prediction's; how stale one is, is a feature"
        )
    tables = ", ".join(f"{t.table} {t.days:,.0f} ({t.usual_days:,.0f})" for t in regime.tables)
    stale = f"days since the newest row at the anchor (usual ones in brackets): {tables}"
    return [
        ("regime", f"{regime.kind}: {regime.why}"),
        ("so that", done),
        ("staleness", stale if regime.kind == "frozen" else None),
    ]


def _anchors(plan: Plan) -> list[str]:
    split = plan.split
    lines = _facts(
        [
            ("split", SPLIT_KINDS.get(split.kind, split.kind)),
            ("predicted at", when(split.prediction)),
            *_regime(plan),
            ("width, step", f"{split.width_text}, {split.step_text}" if split.width_text else None),
            (
                "lags",
                f"the targets of the {split.lags} windows before each anchor are features" if split.lags else None,
            ),
            ("encoders see", f"rows at or before {when(split.encoder_cut)} while models are chosen"),
            ("validation", None if split.valid_from is None else f"rows from {when(split.valid_from)}"),
            ("test", None if split.test_from is None else f"rows from {when(split.test_from)}"),
        ]
    )
    if split.kind == "anchors":
        rows = []
        for role in ("train", "valid", "test", "late", "predict", "lag"):
            times = split.times(role)
            if times:
                rows.append((role, len(times), when(times[0]), when(times[-1])))
        table = text_table(("role", "anchors", "first", "last"), rows, right=(False, True, False, False))
        lines += ["", *table.splitlines()]
        lines += ["", *_wrapped(", ".join(when(time) for time in split.times("train")), "train: ")]
    return lines + [line for note in split.notes for line in _wrapped(note, "note: ")]


def _labels(plan: Plan, counts: Sequence[LabelCount]) -> list[str]:
    assumed = any(count.unassumed for count in counts)
    rows = [
        (c.split, c.anchors or None, c.examples, c.undefined, c.filtered, *((c.unassumed,) * assumed), c.summary)
        for c in counts
    ]
    heads = ("split", "anchors", "examples", "undefined", "not WHERE", *(("not ASSUMING",) * assumed), "labels")
    table = text_table(heads, rows, right=(False, *((True,) * (len(heads) - 2)), False))
    notes = []
    if any(count.undefined for count in counts):
        notes.append(
            "undefined: NULL targets, which are what is scored"
            if plan.query.is_static
            else "undefined: nothing in the window to compute the label from; dropped"
        )
    if any(count.ruled_out for count in counts):
        each = ", ".join(f"{count.ruled_out:,} of {count.split}" for count in counts)
        notes.append(f"undefined as the rules forbid every item of the window: {each}")
    if any(count.filtered for count in counts):
        notes.append("not WHERE: the entity exists, but WHERE does not hold at the anchor; dropped")
    if any(count.unassumed for count in counts):
        notes.append(
            "not ASSUMING: what is assumed did not come about in the window; dropped. At the prediction everybody "
            "eligible is scored as if it did: a conditional distribution, not the effect of a cause"
        )
    if plan.query.task is TaskKind.TIME_TO_EVENT:
        notes.append("cut short: watched up to the border of the split without the event; what was seen is learnt from")
    elif plan.split.kind == "anchors":
        notes.append(
            "censored: windows that the data does not fill yet, the prediction anchor's among them, are never labelled"
        )
    return [*table.splitlines(), *(line for note in notes for line in _wrapped(note))]


def graph_lines(plan: Plan) -> list[str]:
    graph = plan.graph
    lines = _facts(
        [
            ("hops", f"{graph.hops}, with the last {', '.join(str(n) for n in graph.neighbors)} rows of each link"),
            (
                "shared items",
                "edges between entities whose items overlap (Jaccard > 0.1)" if graph.co_occurrence else None,
            ),
        ]
    )
    lines.append("")
    for table in graph.tables:
        lines += _wrapped(table.why, f"{table.name}: ")
        columns = ", ".join(f"{column.name} ({column.stype.value})" for column in table.columns)
        lines += _wrapped(columns or "no columns, only its links and times", "    ")
    if graph.links:
        lines += ["", "edges, both ways:", *(f"  {link}" for link in graph.links)]
    if graph.left_out:
        lines += ["", "left out:"]
        for name, reason in graph.left_out:
            lines += _wrapped(f"{name}: {reason}", "  ", "    ")
    return lines


WHAT_IT_IS = {"instant": "a small model fitted at query time, on at most 1,000 labelled examples"}


def _model(plan: Plan) -> list[str]:
    from pql.engine.planning.model_tasks import answering

    model = plan.model
    work = f"up to {model.max_examples:,} examples, {model.epochs} epochs, {model.threads} threads"
    sizes = f"hidden {model.hidden}, layers {model.layers}, seed {model.seed}"
    refit = "the final model is fitted again on all labelled anchors" if model.refit else "off"
    return _facts(
        [
            ("model", model.name if (model.name,) == model.members else f"{model.name}: {', '.join(model.members)}"),
            ("which is", WHAT_IT_IS.get(model.name)),
            ("baselines", ", ".join(model.baselines) or "none"),
            ("by name", f"WITH (model = …) takes {', '.join(answering(plan.query))}"),
            ("bounds", _bounds(plan)),
            ("budget", f"{model.budget_seconds:g} s, which is {work}"),
            ("sizes", sizes),
            ("refit", refit),
            ("estimate", model.estimate),
        ]
    )


def _bounds(plan: Plan) -> str | None:
    """Where intervals and quantiles come from, if the query asks for any."""
    from pql.engine.planning.bounds import bounds_of, rows_for
    from pql.engine.quality.distribution import LEVELS

    asked = bounds_of(plan.query)
    if not asked:
        return None
    return (
        f"{', '.join(asked.names)} of a distribution for each row: boosted trees of {len(LEVELS)} quantiles and of the "
        f"most frequent value on up to {rows_for(plan.model.budget_seconds):,} training examples, whichever model "
        "gives the prediction; corrected conformally on the two thirds of validation (by a hash of the entity) that "
        "didn't stop them early, newest anchors first, and measured on test; the final model's correction takes the "
        "test rows in"
    )


def _output(plan: Plan) -> list[str]:
    output = plan.output
    order = output.order if output.top_k is None else f"{output.order}, at most {output.top_k} each"
    score = None
    if "score" in output.columns and plan.query.task is TaskKind.RANKING:
        score = "the probability that the item is among those of the window, calibrated on validation"
    return _facts([("columns", ", ".join(output.columns)), ("score", score), ("order", order)])


def _warnings(plan: Plan) -> list[str]:
    return [line for warning in plan.warnings for line in _wrapped(warning, "- ")]
