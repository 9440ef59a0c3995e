"""Metrics beside their baselines as markup: the picture of the one that chooses, and all of them as a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pql.html import Html, element, fragment, join, line, notes, table

if TYPE_CHECKING:
    from pql.engine.quality.metrics import MetricsTable


def metrics_table(metrics: MetricsTable) -> Html:
    """One line per split and model, one column per metric; the choosing metric with its 95 % interval. Of each split
    the best stands out."""
    names = metrics.metrics()
    sure = any(row.low is not None for row in metrics.rows)
    heads = ["model", "role", "split", "n"]
    for name in names:
        heads += [name, "95 %"] if sure and name == metrics.metric else [name]
    rows: list[list[object]] = []
    foremost = metrics.foremost()
    for split in metrics.splits():
        for model in metrics.models() if split in ("valid", "test") else foremost:
            found = [row for row in metrics.rows if row.model == model and row.split == split]
            if not found:
                continue
            values = {row.metric: row for row in found}
            head = found[0]
            label = model if head.weight is None else f"{model} ({head.weight:.2f})"
            best = metrics.value(head.model, split) == metrics.best_value(split)
            cells: list[object] = [label, head.role, split, head.n]
            for name in names:
                row = values.get(name)
                said = figure(None if row is None else row.value)
                cells.append(element("b", said) if best and name == metrics.metric else said)
                if sure and name == metrics.metric:
                    known = row is not None and row.low is not None and row.high is not None
                    cells.append(f"{figure(row.low)} to {figure(row.high)}" if row is not None and known else "")
            rows.append(cells)
    right = [False, False, False, *[True] * (len(heads) - 3)]
    return table(heads, rows, right=right)


def metrics_parts(metrics: MetricsTable) -> Html:
    """The picture, the table, the verdict and the notes."""
    from pql.pictures.metrics import metrics_picture

    picture = metrics_picture(metrics)
    verdict = metrics.verdict()
    return join(
        [
            picture.inline() if picture is not None else Html(),
            metrics_table(metrics),
            line(verdict) if verdict else Html(),
            notes(metrics.notes),
        ]
    )


def metrics_html(metrics: MetricsTable) -> Html:
    """The whole for a notebook."""
    return fragment(metrics_parts(metrics))


def figure(value: float | None) -> str:
    """A metric's value with four significant places; nothing where it isn't defined."""
    if value is None or math.isnan(value):
        return ""
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"
