"""Forecasts against what came: the error of each step, the mean series, and the series of some entities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pql.html import BLUE, ORANGE
from pql.pictures.axes import number
from pql.pictures.bins import Floats
from pql.pictures.chart import Chart
from pql.pictures.figure import Figure


def by_step(truth: Floats, score: Floats, step: Floats) -> Figure:
    """The mean absolute error of each step."""
    numbers = np.unique(step.astype(np.int64))
    miss = np.abs(score - truth)
    values = [float(miss[step == i].mean()) for i in numbers]
    chart = Chart("Mean absolute error by step", (0, len(numbers)), (0, max(values) * 1.12 or 1.0), "step",
                  "mean absolute error", numbered=True)  # fmt: skip
    told = [f"step {i}: {number(value)}" for i, value in zip(numbers, values, strict=True)]
    chart.bars([(i + 0.15, i + 0.85, value) for i, value in enumerate(values)], told=told)
    words = f"Step {numbers[0]} misses by {number(values[0])} on average"
    words += f", step {numbers[-1]} by {number(values[-1])}." if len(numbers) > 1 else "."
    return Figure("steps", "Error by step", chart.picture("; ".join(told)), words)


def mean_series(truth: Floats, score: Floats, step: Floats, bounds: tuple[Floats, Floats] | None) -> Figure:
    """The mean predicted and actual value of each step."""
    numbers = np.unique(step.astype(np.int64))
    a, b = ([float(values[step == i].mean()) for i in numbers] for values in (score, truth))
    ends = None
    if bounds is not None:
        ends = [(float(bounds[0][step == i].mean()), float(bounds[1][step == i].mean())) for i in numbers]
    chart = _series("Mean predicted and actual value by step", numbers.tolist(), a, b, ends)
    told = [f"step {i}: {number(x)} predicted, {number(y)} actual" for i, x, y in zip(numbers, a, b, strict=True)]
    beyond = " The band is the mean of the bounds." if ends else ""
    return Figure(
        "series",
        "The mean of all series",
        chart.picture("; ".join(told)),
        f"Over {int((step == numbers[0]).sum()):,} tested series.{beyond}",
    )


def one_series(
    about: str, steps: Sequence[int], score: Sequence[float], truth: Sequence[float],
    bounds: Sequence[tuple[float, float]] | None, caption: str,
) -> Figure:  # fmt: skip
    """One tested series: predicted, actual, and the bounds."""
    chart = _series(f"{about}: predicted and actual", steps, score, truth, bounds)
    told = [f"step {i}: {number(x)} predicted, {number(y)} actual" for i, x, y in zip(steps, score, truth, strict=True)]
    return Figure("one series", about, chart.picture("; ".join(told)), caption)


def _series(
    title: str,
    steps: Sequence[int],
    score: Sequence[float],
    truth: Sequence[float],
    bounds: Sequence[tuple[float, float]] | None,
) -> Chart:
    values = [*score, *truth, *(end for pair in bounds or () for end in pair)]
    low, high = min(0.0, *values), max(0.0, *values)
    pad = (high - low) * 0.08 or 0.5
    names = [("predicted, and its bounds" if bounds else "predicted", BLUE), ("actual", ORANGE)]
    chart = Chart(
        title, (0, len(steps)), (low - pad * (low < 0), high + pad), "step", "value", numbered=True, names=names
    )
    at = [i + 0.5 for i in range(len(steps))]
    if bounds:
        pairs = list(zip(at, bounds, strict=True))
        if len(at) > 1:
            chart.band([(x, a, b) for x, (a, b) in pairs])
        else:
            chart.spans([(x, a, b) for x, (a, b) in pairs])
    for series, colour in ((truth, ORANGE), (score, BLUE)):
        points = list(zip(at, series, strict=True))
        chart.line(points, colour)
        chart.dots(points, colour, 3.4)
    return chart
