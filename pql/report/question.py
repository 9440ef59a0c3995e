"""What was asked: the query as read, in words, when, and over which tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pql.bound_text import expression_text, item_text, rule_texts, syntax_text
from pql.language.bound import TaskKind
from pql.pictures.timeline import anchors_picture
from pql.report.markup import Markup, facts, figure, folded, moment, panned, para, plural, pre, section, table, tag

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
                panned(anchors_picture(plan)),
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
            panned(graph_picture(plan.query.catalog, plan)),
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
