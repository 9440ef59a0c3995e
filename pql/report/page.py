"""The page: all sections in order, with one style sheet, one script, and a policy that lets nothing else in."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pql.bound_text import expression_text
from pql.language.errors import PqlError
from pql.report import examples, inputs, parts, quality, question
from pql.report.markup import Markup, esc, joined, moment, para, section, tag
from pql.report.style import CSS, JS, policy

if TYPE_CHECKING:
    from pql.result import Predictions

TITLES = {
    "question": "Question",
    "quality": "Quality",
    "curves": "Curves",
    "parts": "Errors",
    "answers": "Answer",
    "importance": "Weights",
    "drift": "Drift",
    "time": "When",
    "graph": "Tables",
    "notes": "Notes",
    "made": "Making",
    "labels": "Labels",
}


def page(result: Predictions) -> str:
    """The whole page of a result. It reads the graph that answered, never the database."""
    plan = result.plan
    behind = result.background()
    sections = [
        question.question(plan),
        quality.quality(result),
        *([quality.curves(plan, behind), parts.parts(result, behind)] if behind is not None else []),
        examples.answers(result),
        examples.importance(result),
        *([inputs.drift(behind)] if behind is not None else []),
        question.timeline(plan, behind),
        question.tables_used(plan, behind),
        inputs.notes(result),
        inputs.made(result),
        *([question.label_sql(behind)] if behind is not None and behind.label_sql else []),
    ]
    if behind is None:
        words = "The model of these predictions isn't at hand: its curves, drift and labels are not told."
        sections.insert(2, section("curves", "A closer look", para(words)))
    names = [name for name in TITLES if any(f'id="{name}"' in one for one in sections)]
    links = tag("ul", *(tag("li", tag("a", TITLES[name], href=f"#{name}")) for name in names))
    title = f"Predictions for {plan.query.entity.table}"
    head = joined(
        (
            Markup('<meta charset="utf-8">'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup('<meta name="color-scheme" content="light dark">'),
            Markup('<meta name="referrer" content="no-referrer">'),
            tag("title", title),
            Markup(f"<style>{CSS}</style>"),
        )
    )
    body = joined(
        (
            tag("header", *_head(result, title)),
            tag("nav", links, aria_label="Sections"),
            tag("main", *sections),
            tag("footer", para("Made by pql, on the machine that has the data. The page loads nothing from anywhere.")),
            Markup(f"<script>{JS}</script>"),
        )
    )
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _head(result: Predictions, title: str) -> list[Markup]:
    plan = result.plan
    tiles = [quality.model_tile(result)]
    rival = quality.rival_tile(result)
    if rival is not None:
        tiles.append(rival)
    tiles.append((f"{len(result):,}", "row predicted" if len(result) == 1 else "rows predicted", ""))
    tiles.append((moment(plan.split.prediction), "the anchor", "nothing later was used"))
    asked = plan.query.reading or expression_text(plan.query.target)
    boxes = (tag("div", tag("b", one), tag("span", text), tag("small", sure)) for one, text, sure in tiles)
    return [
        para("Prediction report", cls="eyebrow"),
        tag("h1", title),
        para(tag("code", esc(asked, 400)), cls="asked"),
        quality.verdict(result),
        tag("div", *boxes, cls="tiles"),
    ]


def write(text: str, path: Path) -> None:
    """Write a page whole or not at all. Raises PqlError `file_not_writable`."""
    try:
        handle, work = tempfile.mkstemp(prefix=".writing-", suffix=".html", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(work, 0o644)
            os.replace(work, path)
        except BaseException:
            Path(work).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PqlError(
            "file_not_writable",
            f"The report can't be written to {path}: {error.strerror or error}.",
            hint="Give the path of a file in a folder you may write.",
        ) from error
