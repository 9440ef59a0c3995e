"""What was asked: the query as read, in words, when, and over which tables."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from pql.bound_text import expression_text, item_text, rule_texts, syntax_text
from pql.language.bound import TaskKind
from pql.report.charts import drawing
from pql.report.markup import Markup, esc, facts, figure, folded, moment, para, plural, pre, section, table, tag

if TYPE_CHECKING:
    from pql.engine.answers.background import Background
    from pql.engine.planning.plan import Plan

KINDS = {
    TaskKind.BINARY: "a probability of yes",
    TaskKind.REGRESSION: "a number",
    TaskKind.MULTICLASS: "one class of several",
    TaskKind.MULTILABEL: "a set of labels",
    TaskKind.RANKING: "a ranked list",
    TaskKind.FORECAST: "a number per step ahead",
    TaskKind.TIME_TO_EVENT: "the time until an event",
}
ROLES = ("lag", "train", "valid", "test", "predict")
NAMES = {
    "lag": "earlier targets, as features",
    "train": "training",
    "valid": "validation",
    "test": "test",
    "predict": "prediction",
}


def question(plan: Plan) -> Markup:
    """The section on the query."""
    query, task = plan.query, plan.task
    keys = ", ".join(f"{query.entity.table}.{key}" for key in query.entity.keys)
    each = "" if query.pair is None else f" with each {', '.join(f'{query.pair.table}.{k}' for k in query.pair.keys)}"
    kind = "a probability for every pair" if query.asks_pairs else KINDS[task.kind]
    rows = [
        ("What", f"{kind} ({task.reason})" if task.reason else kind),
        ("Target", tag("code", expression_text(query.target))),
        ("Read as", tag("code", query.reading) if query.reading else ""),
        ("Items", item_text(query) or ""),
        *((name.capitalize(), text) for name, text in rule_texts(query)),
        ("For each", tag("code", keys + each)),
        ("Who counts", plan.eligibility),
        ("Only where", "" if query.where is None else tag("code", expression_text(query.where))),
        ("Assuming", "" if query.assuming is None else tag("code", expression_text(query.assuming))),
        ("Asked for", "" if query.ids is None else f"{plural(len(query.ids), 'id')}; the others are not predicted"),
    ]
    return section(
        "question",
        "The question",
        tag("pre", tag("code", syntax_text(query)), cls="query", tabindex="0"),
        facts(rows),
        lead="As the parser read it, in its canonical form, and what that means.",
    )


def timeline(plan: Plan, behind: Background | None) -> Markup:
    """The section on when: anchors, windows, splits, with how many examples each has."""
    split = plan.split
    content: list[Markup] = []
    if split.kind in ("anchors", "own") and split.anchors:
        content.append(
            figure(
                tag("div", anchors_picture(plan), cls="pan", tabindex="0"),
                "Each mark is an anchor: what is known lies to its left, the window that is predicted to its right. "
                "Models learn on training windows, are chosen on validation, and measured once on test, which none of "
                "them has seen.",
            )
        )
    how = {
        "anchors": "by time: training windows end before validation windows begin, and these before the test's",
        "row_time": "by the rows' own time: earlier rows are learnt from, later ones measured on",
        "hashed": "by a seeded hash of the key: the table has no clock",
        "own": "as the label tables given say",
    }.get(split.kind, split.kind)
    rows = [
        ("Predicted at", moment(split.prediction)),
        ("Window", split.width_text),
        ("Split", how),
        ("Validation from", "" if split.valid_from is None else moment(split.valid_from)),
        ("Test from", "" if split.test_from is None else moment(split.test_from)),
        ("Regime", f"{plan.regime.kind}: {plan.regime.why}" if plan.regime.why else ""),
    ]
    content.append(facts(rows))
    if behind is not None:
        made = [
            (c.split, c.anchors or None, c.examples, c.undefined or None, c.filtered or None, c.summary)
            for c in behind.counts
        ]
        heads = ("split", "anchors", "examples", "without a label", "not WHERE", "labels")
        content.append(table(heads, made, right=(1, 2, 3, 4)))
    content += [para(note, cls="quiet") for note in split.notes]
    return section("time", "When", *content, lead="Nothing later than an anchor is used for it.")


def anchors_picture(plan: Plan) -> Markup:
    """Anchors and their windows on one line of time."""
    split = plan.split
    role_of = {anchor.time: anchor.role for anchor in split.anchors if anchor.role in ROLES}
    role_of.setdefault(split.prediction, "predict")
    times = sorted(role_of)
    steps = [b - a for a, b in itertools.pairwise(times)]
    window = split.width or _width(plan) or (min(steps) if steps else 86_400_000_000)
    low, high = times[0], max(times[-1], split.prediction) + window
    low -= round((high - low) * 0.02)
    width, left, right = 720, 8, 712
    lanes = [role for role in ROLES if role in role_of.values()]

    def x(time: int) -> float:
        return round(left + (time - low) / max(1, high - low) * (right - left), 1)

    inner = []
    height = 34 * len(lanes) + 44
    base = height - 30
    cut = x(split.prediction)
    inner.append(f'<line class="grid" x1="{cut}" x2="{cut}" y1="6" y2="{base}" stroke-dasharray="3 3"/>')
    for lane, role in enumerate(lanes):
        y = 26 + 34 * lane
        mine = [time for time in times if role_of[time] == role]
        count = "" if role == "predict" else f", {plural(len(mine), 'anchor')}"
        ends = mine[0] > low + (high - low) * 0.6
        place, anchor = (x(mine[0]), "end") if ends else (left, "start")
        inner.append(
            f'<text class="note" x="{place}" y="{y - 8}" text-anchor="{anchor}">{esc(NAMES[role] + count)}</text>'
        )
        bars = "".join(
            f'<rect class="window" x="{x(time)}" y="{y - 2}" width="{max(1.5, x(time + window) - x(time)):.1f}" '
            f'height="9" rx="2"/><rect x="{x(time) - 1}" y="{y - 3}" width="2.2" height="11" rx="1"/>'
            for time in _thinned(mine)
        )
        inner.append(f'<g class="{role}">{bars}</g>')
    inner.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{base}" y2="{base}"/>')
    marks = [(times[0], "start"), (split.prediction, "middle"), (high, "end")]
    if x(split.prediction) > right - 170:
        marks = [(times[0], "start"), (split.prediction, "end")]
    for time, anchor in marks:
        inner.append(
            f'<text class="tick" x="{x(time)}" y="{base + 16}" text-anchor="{anchor}">{esc(moment(time))}</text>'
        )
    words = f"{len(times)} anchors from {moment(times[0])} to {moment(split.prediction)}, where predictions are made"
    return drawing(width, height, words, "".join(inner), "chart wide")


def _thinned(times: list[int], most: int = 120) -> list[int]:
    return times if len(times) <= most else [times[round(i * (len(times) - 1) / (most - 1))] for i in range(most)]


def _width(plan: Plan) -> int | None:
    """The width of the target's window in µs; months and years at their mean length."""
    from pql.engine.graph.interactions import UNIT_DAYS
    from pql.engine.planning.plan import US_PER_DAY
    from pql.engine.planning.planned_graph import aggregates

    windows = [one.window for one in aggregates(plan.query.target) if one.window.is_future]
    days = [(window.end - (window.start or 0)) * UNIT_DAYS[window.unit] for window in windows]
    return max(1, round(max(days) * US_PER_DAY)) if days else None


def tables_used(plan: Plan, behind: Background | None) -> Markup:
    """The section on the graph: which tables are read, how they hang together, and what was left out."""
    from pql.pictures.graph import graph_picture

    sizes = {} if behind is None else behind.sizes
    rows = [
        (one.name, sizes.get(one.name), ", ".join(c.name for c in one.columns) or "none", one.why)
        for one in plan.graph.tables
    ]
    links = [
        (
            str(link),
            link.evidence.source,
            "" if link.evidence.ratio is None else f"{100 * link.evidence.ratio:.4g} %",
            link.evidence.orphans or None,
        )
        for link in plan.graph.links
    ]
    left = list(plan.graph.left_out)
    out = [folded(f"Left out ({len(left)})", table(("what", "why"), left))] if left else []
    return section(
        "graph",
        "The tables it reads",
        figure(
            tag("div", graph_picture(plan.query.catalog, plan).plain(), cls="pan", tabindex="0"),
            f"Rows are nodes and keys are edges; {plan.graph.hops} steps from {plan.query.entity.table} are looked at, "
            "each as it stood at the anchor.",
        ),
        table(("table", "rows", "columns read", "why it is read"), rows, right=(1,)),
        table(("link", "known from", "keys found", "orphans"), links, right=(2, 3)) if links else Markup(""),
        *out,
    )


def label_sql(behind: Background) -> Markup:
    """The section with the labels' SQL."""
    return section(
        "labels",
        "The labels, as SQL",
        folded("Show the statement", pre(behind.label_sql)),
        lead="The truth the model learns from. The statement runs as it is on your database (DuckDB's dialect).",
    )
