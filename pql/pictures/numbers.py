"""Predicted numbers against actual ones: how far off, at which level, within which bounds."""

from __future__ import annotations

import numpy as np

from pql.html import BLUE, GREY
from pql.pictures.axes import number, percent
from pql.pictures.bins import Floats, binned, heavy, limits, wilson
from pql.pictures.chart import Chart
from pql.pictures.figure import Figure

CLOUD = 600  # dots of a scatter


def against_truth(truth: Floats, score: Floats, said: str = "predicted", real: str = "actual") -> Figure:
    """Predicted against actual, a dot each."""
    log = heavy(truth)
    at = np.linspace(0, len(truth) - 1, min(len(truth), CLOUD)).astype(np.int64)
    both = np.concatenate([truth, score])
    low, high = limits(both, log=log)
    chart = Chart("Predicted against actual values", (low, high), (low, high), said, real, log=log)
    chart.rule([(low, low), (high, high)])
    chart.cloud([(float(score[i]), float(truth[i])) for i in at])
    scale = " Both axes are logarithmic." if log else ""
    cut = "" if log or float(both.max()) <= high else " Values beyond the 99th per cent lie on the border."
    told = f"{len(truth):,} examples; median {number(float(np.median(score)))} predicted, "
    told += f"{number(float(np.median(truth)))} actual"
    return Figure(
        "predicted",
        "Predicted and actual",
        chart.picture(told),
        f"On the dashed line a prediction is right. {len(at):,} of {len(truth):,} examples.{scale}{cut}",
    )


def by_tenth(truth: Floats, score: Floats) -> Figure:
    """Mean predicted and actual value, by tenths of the prediction."""
    bins = binned(score, most=10)
    a = [float(score[at].mean()) for at in bins]
    b = [float(truth[at].mean()) for at in bins]
    errors = [1.96 * float(truth[at].std()) / np.sqrt(len(at)) for at in bins]
    values = [*a, *(m - e for m, e in zip(b, errors, strict=True)), *(m + e for m, e in zip(b, errors, strict=True))]
    low, high = min(0.0, *values), max(0.0, *values)
    pad = (high - low) * 0.06 or 0.5
    chart = Chart("Mean predicted and actual value by level", (0, len(bins)), (low - pad * (low < 0), high + pad),
                  "equal parts, lowest predictions first", "mean", numbered=True,
                  names=[("predicted", GREY), ("actual, with its 95 % interval", BLUE)])  # fmt: skip
    chart.bars([(i + 0.1, i + 0.9, value) for i, value in enumerate(a)], GREY)
    chart.spans([(i + 0.5, m - e, m + e) for i, (m, e) in enumerate(zip(b, errors, strict=True))])
    told = [
        f"part {i + 1}: {number(x)} predicted, {number(y)} actual" for i, (x, y) in enumerate(zip(a, b, strict=True))
    ]
    chart.dots([(i + 0.5, value) for i, value in enumerate(b)], told=told)
    share = float(score.sum() / truth.sum()) if truth.sum() else float("nan")
    total = f" In all, predictions add up to {percent(share, 0)} of the truth." if share == share else ""
    caption = f"Dots above their bars: predicted too low.{total}"
    return Figure("levels", "Level by level", chart.picture("; ".join(told)), caption)


def errors(truth: Floats, score: Floats) -> Figure:
    """How predictions miss: a histogram of predicted less actual."""
    miss = score - truth
    low, high = (float(v) for v in np.quantile(miss, [0.01, 0.99]))
    reach = max(abs(low), abs(high)) or 1.0
    edges = np.linspace(-reach, reach, 26)
    counts = np.histogram(np.clip(miss, -reach, reach), edges)[0] / len(miss)
    top = float(counts.max()) * 1.1
    title = "Distribution of the errors"
    chart = Chart(title, (-reach, reach), (0, top), "predicted less actual", "share of examples", shares="y")
    chart.bars([(float(a), float(b), float(v)) for a, b, v in zip(edges[:-1], edges[1:], counts, strict=True)])
    chart.rule([(0.0, 0.0), (0.0, top)])
    mean = float(miss.mean())
    side = f"{number(abs(mean))} too {'high' if mean > 0 else 'low'}" if mean else "neither too high nor too low"
    words = f"Half of all miss by at most {number(float(np.median(np.abs(miss))))}; on average predictions are {side}."
    return Figure("errors", "Errors", chart.picture(words), words)


def coverage(truth: Floats, score: Floats, low: Floats, high: Floats, wanted: float | None) -> Figure:
    """How often the truth lies within its interval, by tenths of the prediction."""
    inside = ((low <= truth) & (truth <= high)).astype(np.float64)
    bins = binned(score, most=10)
    title = "Coverage of the intervals by level of the prediction"
    chart = Chart(title, (0, len(bins)), (0, 1), "equal parts, lowest predictions first", "truth within the interval",
                  shares="y", numbered=True)  # fmt: skip
    if wanted is not None:
        chart.rule([(0, wanted), (len(bins), wanted)])
    shares = [float(inside[at].mean()) for at in bins]
    told = [f"part {i + 1}: {percent(value)} of {len(bins[i]):,}" for i, value in enumerate(shares)]
    chart.spans([(i + 0.5, *wilson(value, len(bins[i]))) for i, value in enumerate(shares)])
    chart.dots([(i + 0.5, value) for i, value in enumerate(shares)], told=told)
    promised = f"Promised (dashed): {percent(wanted, 0)}. " if wanted is not None else ""
    return Figure(
        "coverage",
        "Coverage of the bounds",
        chart.picture("; ".join(told)),
        f"{promised}Within: {percent(float(inside.mean()))} of {len(inside):,} examples; mean width "
        f"{number(float((high - low).mean()))}.",
    )
