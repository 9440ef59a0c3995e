"""Figures drawn from tested examples: how sure, how far off, how well ordered. Every one says how many it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pql.report.charts import Chart
from pql.report.markup import Markup, figure, number, percent

if TYPE_CHECKING:
    from pql.engine.quality.checked import Checked

Floats = NDArray[np.float64]
CLOUD = 600  # dots of a scatter
TAIL = 20  # times the median, that a number's tail must reach for logarithmic axes


def calibration(
    truth: Floats, score: Floats, *, said: str = "probability", happened: str = "share that came true", ece: float
) -> Markup:
    """What was promised against what happened, in bins of equally many examples, with 95 % intervals."""
    bins = binned(score, most=10)
    chart = Chart((0, 1), (0, 1), "Calibration: predicted probability against what happened", f"predicted {said}",
                  happened, x_share=True, y_share=True)  # fmt: skip
    top = max((float(score.max()), float(max(truth[at].mean() for at in bins)))) if len(score) else 1.0
    if top < 0.45:
        limit = min(1.0, max(0.02, 1.25 * top))
        chart.across = chart.up = (0.0, limit)
    chart.line([(0, 0), (chart.across[1], chart.across[1])], "thin")
    points, spans = [], []
    for at in bins:
        x, y, n = float(score[at].mean()), float(truth[at].mean()), len(at)
        low, high = wilson(y, n)
        points.append((x, y))
        spans.append((x, low, high))
    chart.spans(spans)
    chart.line(points)
    chart.dots(points, radius=4)
    words = f"ECE {number(ece)}: on average probabilities lie that far from what happens." if ece == ece else ""
    return figure(
        chart.svg(),
        f"On the dotted line a predicted 30 % comes true 30 times in a hundred. {words} "
        f"{len(bins)} bins of {len(score):,} tested examples; upright lines are 95 % intervals.",
        "Calibration",
    )


def gain(truth: Floats, score: Floats) -> tuple[Markup, Markup]:
    """Of all that came true, the share found among the highest scores; and how many times more than by chance."""
    order = np.argsort(-score, kind="stable")
    hit = truth[order]
    n, total = len(hit), float(hit.sum())
    found = np.append(0.0, np.cumsum(hit)) / max(total, 1.0)
    at = np.unique(np.linspace(0, n, 101).astype(np.int64))
    chart = Chart((0, 1), (0, 1), "Gain: positives found by share of examples",
                  "examples, highest scores first", "positives found", x_share=True, y_share=True)  # fmt: skip
    rate = total / n
    chart.line([(0, 0), (rate, 1), (1, 1)], "third thin")
    chart.line([(0, 0), (1, 1)], "thin")
    curve = [(float(i) / n, float(found[i])) for i in at]
    chart.area(curve)
    chart.line(curve)
    fifth = float(found[round(n * 0.2)])
    tenths = np.array_split(np.arange(n), 10) if n >= 10 else [np.arange(n)]
    lifts = [float(hit[part].mean()) / rate for part in tenths]
    bars = Chart((0, len(tenths)), (0, max(lifts) * 1.12), "Lift by tenths, highest scores first",
                 "tenths, highest scores first", "times the average rate", numbered=True)  # fmt: skip
    bars.bars([(i, i + 1, lift) for i, lift in enumerate(lifts)])
    bars.line([(0, 1), (len(tenths), 1)], "thin")
    return (
        figure(
            chart.svg(),
            f"The first 20 % hold {percent(fifth, 0)} of all that came true; dotted: by chance, and the best there can "
            f"be. {n:,} tested examples, of which {percent(rate)} came true.",
            "Gain",
        ),
        figure(
            bars.svg(),
            f"The first tenth comes true {number(lifts[0], 3)} times as often as all do ({percent(rate)}).",
            "Lift",
        ),
    )


def spread_of_scores(truth: Floats, score: Floats) -> Markup:
    """How probabilities are distributed among those that came true and those that did not."""
    edges = np.linspace(0.0, 1.0, 21 if len(truth) >= 400 else 11)
    yes, no = (np.histogram(score[truth == value], edges)[0] for value in (1.0, 0.0))
    a, b = yes / max(1, yes.sum()), no / max(1, no.sum())
    chart = Chart((0, 1), (0, float(max(a.max(), b.max())) * 1.15), "Scores of those that came true and the others",
                  "predicted probability", "share of each group", x_share=True, y_share=True)  # fmt: skip
    half = (edges[:-1] + edges[1:]) / 2
    chart.bars([(float(e), float(m), float(v)) for e, m, v in zip(edges[:-1], half, a, strict=True)])
    chart.bars([(float(m), float(e), float(v)) for m, e, v in zip(half, edges[1:], b, strict=True)], "other")
    chart.legend([(f"came true ({int(yes.sum()):,})", "model"), (f"did not ({int(no.sum()):,})", "other")], "right")
    return figure(chart.svg(), "The further apart the two are, the better the model tells them apart.", "Scores")


def against_truth(truth: Floats, score: Floats, said: str = "predicted", real: str = "actual") -> Markup:
    """Predicted against actual, a dot each."""
    log = heavy(truth)
    at = np.linspace(0, len(truth) - 1, min(len(truth), CLOUD)).astype(np.int64)
    both = np.concatenate([truth, score])
    low, high = limits(both, log=log)
    chart = Chart((low, high), (low, high), "Predicted against actual values", said, real, log=log)
    chart.line([(low, low), (high, high)], "thin")
    chart.dots([(float(score[i]), float(truth[i])) for i in at], "cloud", 2.6)
    scale = " Both axes are logarithmic." if log else ""
    cut = "" if log or float(both.max()) <= high else " Values beyond the 99th per cent lie on the border."
    return figure(
        chart.svg(), f"On the dotted line a prediction is right. {len(at):,} of {len(truth):,} examples.{scale}{cut}",
        "Predicted and actual",
    )  # fmt: skip


def by_tenth(truth: Floats, score: Floats) -> Markup:
    """Mean predicted and actual value, by tenths of the prediction."""
    bins = binned(score, most=10)
    a = [float(score[at].mean()) for at in bins]
    b = [float(truth[at].mean()) for at in bins]
    errors = [1.96 * float(truth[at].std()) / np.sqrt(len(at)) for at in bins]
    values = [*a, *(m - e for m, e in zip(b, errors, strict=True)), *(m + e for m, e in zip(b, errors, strict=True))]
    low, high = min(0.0, *values), max(values)
    chart = Chart((0, len(bins)), (low, high * 1.08 if high > 0 else high), "Mean predicted and actual by level",
                  "equal parts, lowest predictions first", "mean", numbered=True)  # fmt: skip
    chart.bars([(i + 0.1, i + 0.9, value) for i, value in enumerate(a)], "faint")
    chart.spans([(i + 0.5, m - e, m + e) for i, (m, e) in enumerate(zip(b, errors, strict=True))])
    chart.dots([(i + 0.5, value) for i, value in enumerate(b)], radius=4)
    chart.legend([("predicted", "faint"), ("actual", "model")])
    share = float(score.sum() / truth.sum()) if truth.sum() else float("nan")
    total = f" In all, predictions add up to {percent(share, 0)} of the truth." if share == share else ""
    return figure(chart.svg(), f"Dots above their bars: predicted too low.{total}", "Level by level")


def errors(truth: Floats, score: Floats) -> Markup:
    """How predictions miss: a histogram of predicted less actual."""
    miss = score - truth
    low, high = (float(v) for v in np.quantile(miss, [0.01, 0.99]))
    reach = max(abs(low), abs(high)) or 1.0
    edges = np.linspace(-reach, reach, 26)
    counts = np.histogram(np.clip(miss, -reach, reach), edges)[0] / len(miss)
    chart = Chart((-reach, reach), (0, float(counts.max()) * 1.1), "Distribution of errors", "predicted less actual",
                  "share of examples", y_share=True)  # fmt: skip
    chart.bars([(float(a), float(b), float(v)) for a, b, v in zip(edges[:-1], edges[1:], counts, strict=True)])
    chart.line([(0.0, 0.0), (0.0, float(counts.max()) * 1.1)], "thin")
    return figure(
        chart.svg(),
        f"Half of all miss by at most {number(float(np.median(np.abs(miss))))}; on average predictions are "
        f"{number(abs(float(miss.mean())))} too {'high' if miss.mean() > 0 else 'low'}.",
        "Errors",
    )


def coverage(checked: Checked, wanted: float | None) -> Markup:
    """How often the truth lies within its interval, by tenths of the prediction."""
    low, high = checked.more["low"], checked.more["high"]
    inside = ((low <= checked.truth) & (checked.truth <= high)).astype(np.float64)
    bins = binned(checked.score, most=10)
    chart = Chart((0, len(bins)), (0, 1), "Coverage of the intervals by level of the prediction",
                  "equal parts, lowest predictions first", "truth within the interval", y_share=True,
                  numbered=True)  # fmt: skip
    if wanted is not None:
        chart.line([(0, wanted), (len(bins), wanted)], "thin")
    shares = [float(inside[at].mean()) for at in bins]
    chart.spans([(i + 0.5, *wilson(value, len(bins[i]))) for i, value in enumerate(shares)])
    chart.dots([(i + 0.5, value) for i, value in enumerate(shares)], radius=4)
    promised = f"Promised (dotted): {percent(wanted, 0)}. " if wanted is not None else ""
    return figure(
        chart.svg(),
        f"{promised}Within: {percent(float(inside.mean()))} of {len(inside):,} examples; mean width "
        f"{number(float((high - low).mean()))}.",
        "Coverage of the bounds",
    )


def by_step(checked: Checked) -> Markup:
    """The error of each step of a forecast, and its mean level."""
    step = checked.more["step"].astype(np.int64)
    numbers = np.unique(step)
    miss = np.abs(checked.score - checked.truth)
    values = [float(miss[step == i].mean()) for i in numbers]
    chart = Chart((0, len(numbers)), (0, max(values) * 1.15 or 1.0), "Mean absolute error by step", "step",
                  "mean absolute error", numbered=True)  # fmt: skip
    chart.bars([(i + 0.15, i + 0.85, value) for i, value in enumerate(values)])
    return figure(
        chart.svg(),
        f"Step {numbers[0]} misses by {number(values[0])} on average, step {numbers[-1]} by {number(values[-1])}.",
        "Error by step",
    )


def by_place(checked: Checked) -> tuple[Markup, Markup]:
    """Of ranked lists: what is found within the first k, and how often each place holds a true item."""
    hit, truth = checked.more["hits"], np.maximum(checked.truth, 1.0)
    new, new_truth = checked.more["new_hits"], checked.more["new_truth"]
    k = hit.shape[1]
    places = np.arange(1, k + 1)
    found = (np.cumsum(hit, axis=1) / truth[:, None]).mean(axis=0)
    counted = new_truth > 0
    counted_all, fresh = len(hit), None
    if counted.any():
        fresh = (np.cumsum(new[counted], axis=1) / new_truth[counted][:, None]).mean(axis=0)
    top = min(1.0, 1.1 * max(float(found.max()), 0.0 if fresh is None else float(fresh.max()), 0.02))
    chart = Chart((1, k), (0, top), "Recall by length of the list", "length of the list", "true items found",
                  y_share=True)  # fmt: skip
    curve = [(float(i), float(v)) for i, v in zip(places, found, strict=True)]
    chart.line(curve)
    names = [(f"all items ({counted_all:,} lists)", "model")]
    if fresh is not None:
        chart.line([(float(i), float(v)) for i, v in zip(places, fresh, strict=True)], "other")
        names.append((f"never met before ({int(counted.sum()):,})", "other"))
    chart.legend(names, "below")
    precision = hit.mean(axis=0)
    bars = Chart((0.5, k + 0.5), (0, float(precision.max()) * 1.15 or 1.0), "Share of true items by place",
                 "place in the list", "is a true item", y_share=True)  # fmt: skip
    bars.bars([(i - 0.4, i + 0.4, float(v)) for i, v in zip(places, precision, strict=True)])
    return (
        figure(chart.svg(), "How much of what came about stands within the first k of the list.", "Recall at k"),
        figure(
            bars.svg(),
            f"The first place is right {percent(float(precision[0]))} of the time; good lists fall from left to right.",
            "Place by place",
        ),
    )


def by_time(checked: Checked, unit: str, horizon: float) -> Markup:
    """Expected against actual times of those whose event came."""
    came = checked.truth > 0.5
    return against_truth(
        checked.more["time"][came] * horizon,
        checked.more["expected"][came] * horizon,
        f"expected time, {unit}",
        f"actual time, {unit}",
    )


# ---------------------------------------------------------------- numbers behind the figures


def binned(values: Floats, most: int) -> list[NDArray[np.int64]]:
    """Positions in bins of about equally many, ascending; equal values share a bin."""
    n = len(values)
    count = int(np.clip(n // 20, 1, most))
    borders = np.unique(np.quantile(values, np.arange(1, count) / count, method="inverted_cdf")) if n else np.zeros(0)
    place = np.searchsorted(borders, values, side="left")
    found = [np.flatnonzero(place == i) for i in range(len(borders) + 1)]
    return [at for at in found if len(at)]


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson)."""
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def heavy(values: Floats) -> bool:
    """Whether the largest values dwarf the middle, so that a plain axis would show nothing."""
    size = np.abs(values)
    some = size[size > 0]
    return bool(len(some) > 0 and np.quantile(size, 0.99) > TAIL * np.median(some))


def limits(values: Floats, *, log: bool) -> tuple[float, float]:
    """The span of an axis."""
    low, high = float(values.min()), float(values.max() if log else np.quantile(values, 0.99) * 1.05)
    low = min(low, 0.0) if low <= 0 or low < 0.3 * high else low
    return (low, high) if high > low else (low - 0.5, low + 0.5)
