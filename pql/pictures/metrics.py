"""How good a model is beside its baselines: a dot per model on one scale, with its 95 % interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pql.html import BLUE, GREY, VIOLET
from pql.pictures.axes import bottom_axis, scale
from pql.pictures.svg import Picture, dot, line, picture, rect, text, width_of

if TYPE_CHECKING:
    from pql.engine.quality.metrics import MetricRow, MetricsTable

COLOURS = {"model": BLUE, "member": VIOLET, "baseline": GREY}
WORDS = {"model": "what answers", "member": "a part of it", "baseline": "baseline"}
_WIDTH, _ROW, _TOP = 640.0, 26.0, 40.0


def metrics_picture(
    metrics: MetricsTable, metric: str | None = None, split: str | None = None, *, width: float = _WIDTH
) -> Picture | None:
    """One metric (that which chooses) of all models on one split (test), the best at the top; None if it wasn't
    measured."""
    metric = metric or metrics.metric
    split = split or ("test" if "test" in metrics.splits() else "valid")
    found = {row.model: row for row in metrics.rows if row.split == split and row.metric == metric}
    rows = [row for row in found.values() if math.isfinite(row.value)]
    if not rows:
        return None
    lower = _lower_is_better(metric)
    rows.sort(key=lambda row: row.value if lower else -row.value)
    names = min(max(width_of(row.model, 13) for row in rows), 200.0)
    values = max(width_of(_figure(row.value), 13) for row in rows)
    left, right = 16 + names + 14, width - 26 - values
    ends = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    x = scale(ends, left, right)
    bottom = _TOP + len(rows) * _ROW
    shapes = [text(14, 20, f"{metric} on {split}", size=13, bold=True)]
    better = "lower is better" if lower else "higher is better"
    shapes.append(text(24 + width_of(f"{metric} on {split}", 14), 20, better, size=11, soft=True))
    shapes += bottom_axis(x, _TOP, bottom)
    for i, row in enumerate(rows):
        y = _TOP + (i + 0.5) * _ROW
        if row.role == "model":
            shapes.append(rect(8, y - _ROW / 2, width - 16, _ROW, fill=BLUE, rx=3.0, fill_opacity="0.1"))
        shapes.append(text(14, y + 4, row.model, bold=row.role == "model", most=names))
        colour = COLOURS.get(row.role, GREY)
        if row.low is not None and row.high is not None:
            shapes.append(line(x.at(row.low), y, x.at(row.high), y, colour, stroke_width="2", opacity="0.75"))
        shapes.append(dot(x.at(row.value), y, colour, 5, title=_told(row)))
        shapes.append(text(width - 14, y + 4, _figure(row.value), anchor="end", bold=row.role == "model"))
    at = 14.0
    for role in dict.fromkeys(row.role for row in rows):
        shapes.append(dot(at + 5, bottom + 36, COLOURS.get(role, GREY), 5))
        word = WORDS.get(role, role)
        shapes.append(text(at + 15, bottom + 40, word, size=11, soft=True))
        at += 15 + width_of(word, 11) + 16
    if any(row.low is not None for row in rows):
        shapes.append(line(at, bottom + 36, at + 16, bottom + 36, stroke_width="2", opacity="0.75"))
        shapes.append(text(at + 21, bottom + 40, "95 % interval", size=11, soft=True))
    title = f"{metric} on {split}, {better}"
    return picture(width, bottom + 52, title, "; ".join(map(_told, rows)), *shapes)


def _lower_is_better(metric: str) -> bool:
    from pql.engine.quality.metrics import LOWER_IS_BETTER

    return metric in LOWER_IS_BETTER


def _told(row: MetricRow) -> str:
    between = "" if row.low is None or row.high is None else f" ({_figure(row.low)} to {_figure(row.high)})"
    return f"{row.model} {_figure(row.value)}{between}, {row.n:,} examples"


def _figure(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"
