"""What a notebook shows of answers: tables, verdicts, plans and graphs as markup (`pql.html`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pql.html import Html, arrow_table, folded, fragment, heading, join, line, notes, page, table, text_block

if TYPE_CHECKING:
    from pql.arrow_rows import ArrowRows
    from pql.explain import Explanation
    from pql.graphview import GraphView
    from pql.result import Evaluation, Predictions
    from pql.shown_table import Why
    from pql.sql_result import SqlResult

ROWS = 20  # of a result that are shown
REASONS = 60
PICTURES = 5  # of predictions whose reasons are drawn


def predictions_html(result: Predictions, limit: int = ROWS) -> Html:
    """The first rows, how good they are, what to mind, and all metrics for who asks."""
    from pql.html_metrics import metrics_table

    read = [line("read as: ", result.reading, soft=True)] if result.reading else []
    quality = result.metrics.verdict()
    return fragment(
        *read,
        arrow_table(result.display, limit=limit, total=len(result)),
        line("quality: ", quality) if quality else None,
        notes(result.notes),
        folded("metrics and model", metrics_table(result.metrics), line("model: ", result.model)),
    )


def evaluation_html(result: Evaluation) -> Html:
    """The metrics as a picture and as a table, the model, the notes."""
    from pql.html_metrics import metrics_parts

    said = [note for note in result.notes if note not in result.metrics.notes]
    return fragment(metrics_parts(result.metrics), line("model: ", result.model), notes(said))


def table_html(result: ArrowRows, limit: int = ROWS) -> Html:
    """The first rows of a table, and how many there are."""
    return fragment(arrow_table(getattr(result, "display", result.to_arrow_table()), limit=limit, total=len(result)))


def told_html(text: str) -> Html:
    """An answer whose text says more than its table."""
    return fragment(text_block(text))


def why_html(result: Why, limit: int = REASONS) -> Html:
    """The reasons, and a sentence on each prediction."""
    drawn = [picture.inline() for picture in result.pictures()[:PICTURES]]
    return fragment(
        arrow_table(result.display, limit=limit, total=len(result)),
        *(line(said) for said in result.sentences),
        folded("as a picture" if len(drawn) == 1 else "as pictures", *drawn) if drawn else None,
    )


def sql_html(result: SqlResult, limit: int = ROWS) -> Html:
    """The rows, or DuckDB's plan as it draws it, and how good the predictions inside are."""
    if result.columns == ["explain_key", "explain_value"]:
        return fragment(*(text_block(str(row[1]).rstrip()) for row in result))
    verdicts = result.verdicts()
    return fragment(
        arrow_table(result.to_arrow_table(), limit=limit), *(line(said) for said in verdicts), notes(result.notes)
    )


def explanation_html(explanation: Explanation) -> Html:
    """All that is decided about a query, a part per section; of a part alone its text."""
    from pql.explain_sections import sections_of
    from pql.pictures.graph import graph_picture

    if explanation.part is not None:
        graph = graph_picture(explanation.plan.query.catalog, explanation.plan).inline()
        return fragment(graph if explanation.part == "graph" else None, text_block(str(explanation)))
    parts: list[Html] = []
    for title, lines in sections_of(explanation.plan, explanation.label_counts):
        body = text_block("\n".join(said.rstrip() for said in lines))
        if title == "Graph":
            body = join([graph_picture(explanation.plan.query.catalog, explanation.plan).inline(), body])
        parts.append(folded(title, body, open_=title in ("Query", "Task", "Labels", "Warnings")))
    if explanation.statement_text:
        parts.append(folded("Label SQL (runs as pasted into DuckDB)", text_block(explanation.statement_text)))
    if explanation.measured is not None:
        parts.append(folded("Measured", text_block("\n".join(explanation.measured.lines())), open_=True))
    return fragment(*parts)


def graph_html(view: GraphView) -> Html:
    """The picture of the graph; its tables and links as tables, what is declared and what to mind."""
    return fragment(_graph_parts(view))


def graph_page(view: GraphView) -> Html:
    """The same as a page of its own."""
    return page("The database as pql sees it", _graph_parts(view, open_=True))


def _graph_parts(view: GraphView, *, open_: bool = False) -> Html:
    from pql.graphview import describe_clock
    from pql.pictures.graph import graph_picture

    catalog = view.catalog
    tables = [
        (
            one.name,
            "virtual" if one.virtual is not None else one.role.value,
            one.rows,
            ", ".join(one.key.columns) if one.key is not None else "",
            describe_clock(one),
        )
        for one in catalog.tables
    ]
    links = [
        (str(link), link.evidence.ratio, link.evidence.orphans, _evidence(link.evidence)) for link in catalog.links
    ]
    columns = sum(len(one.columns) for one in catalog.tables)
    parts = [
        graph_picture(catalog).inline(),
        folded(
            f"{len(tables):,} tables, {len(links):,} links, {columns:,} columns",
            table(("table", "kind", "rows", "key", "clock"), tables, right=(False, False, True, False, False)),
            table(("link", "found", "orphans", "evidence"), links, right=(False, True, True, False)) if links else None,
            open_=open_,
        ),
        join([heading("declared by you"), *(line(said) for said in view.declared)]) if view.declared else Html(),
        notes(catalog.warnings),
    ]
    return join(parts)


def _evidence(evidence: Any) -> str:
    return ": ".join(filter(None, (evidence.source, evidence.note)))
