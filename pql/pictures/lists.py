"""Ranked lists against what came: what is found within the first k, and what stands at each place."""

from __future__ import annotations

import numpy as np

from pql.html import BLUE, GREEN, ORANGE
from pql.pictures.axes import percent
from pql.pictures.bins import Floats
from pql.pictures.chart import Chart
from pql.pictures.figure import Figure


def by_length(hit: Floats, truth: Floats, new: Floats, new_truth: Floats) -> Figure:
    """Recall and hit rate within the first k. `hit`, `new` [n, k]: 1 where the item at that place is true, and true
    without having been met; `truth`, `new_truth` [n]: how many there are."""
    k = hit.shape[1]
    sums = np.cumsum(hit, axis=1)
    found = (sums / np.maximum(truth, 1.0)[:, None]).mean(axis=0)
    lines = [
        (f"true items found ({len(hit):,} lists)", BLUE, found),
        ("lists with one at least", GREEN, (sums > 0).mean(axis=0)),
    ]
    some = new_truth > 0
    if some.any():
        fresh = (np.cumsum(new[some], axis=1) / new_truth[some][:, None]).mean(axis=0)
        lines.append((f"items never met before ({int(some.sum()):,} lists)", ORANGE, fresh))
    top = min(1.0, 1.1 * max(0.02, *(float(values.max()) for _, _, values in lines)))
    names = [(words, colour) for words, colour, _ in lines]
    across = (1.0, float(k)) if k > 1 else (0.5, 1.5)
    title = "Recall and hit rate by length of the list"
    chart = Chart(title, across, (0, top), "length of the list", "share", shares="y", names=names)
    for _, colour, values in reversed(lines):
        points = [(float(i + 1), float(v)) for i, v in enumerate(values)]
        chart.line(points, colour)
        chart.dots(points, colour, 2.4)
    told = [f"first {i + 1}: {percent(float(v))} of true items" for i, v in enumerate(found)]
    caption = "How much of what came about stands within the first k of the list, and how many lists hold any of it."
    return Figure("recall", "Recall at k", chart.picture("; ".join(told)), caption)


def by_place(hit: Floats) -> Figure:
    """How often each place of the list holds a true item."""
    precision = hit.mean(axis=0)
    top = (0, float(precision.max()) * 1.12 or 1.0)
    title = "Share of true items by place"
    chart = Chart(title, (0, len(precision)), top, "place in the list", "is a true item", shares="y", numbered=True)
    told = [f"place {i + 1}: {percent(float(v))}" for i, v in enumerate(precision)]
    chart.bars([(i + 0.1, i + 0.9, float(v)) for i, v in enumerate(precision)], told=told)
    first = percent(float(precision[0]))
    caption = f"The first place is right {first} of the time; good lists fall from left to right."
    return Figure("places", "Place by place", chart.picture("; ".join(told)), caption)
