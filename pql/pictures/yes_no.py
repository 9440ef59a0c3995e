"""Probabilities against what happened: how sure, how well ordered, how far apart."""

from __future__ import annotations

import numpy as np

from pql.html import BLUE, ORANGE
from pql.pictures.axes import number, percent
from pql.pictures.bins import Floats, binned, ranked_truth, wilson
from pql.pictures.chart import Chart
from pql.pictures.figure import Figure


def calibration(
    truth: Floats, score: Floats, *, said: str = "probability", happened: str = "share that came true", ece: float
) -> Figure:
    """What was promised against what happened, in bins of equally many examples, with 95 % intervals."""
    bins = binned(score, most=10)
    found = [(float(score[at].mean()), float(truth[at].mean()), len(at)) for at in bins]
    spans = [(x, *wilson(y, n)) for x, y, n in found]
    top = max([float(score.max()), *(high for _, _, high in spans)], default=1.0)
    limit = min(1.0, max(0.02, 1.15 * top)) if top < 0.6 else 1.0
    title = "Calibration: predicted against what happened"
    chart = Chart(title, (0, limit), (0, limit), f"predicted {said}", happened, shares="xy")
    told = [f"predicted {percent(x)}, came true {percent(y)} of {n:,}" for x, y, n in found]
    chart.rule([(0, 0), (limit, limit)])
    chart.spans(spans)
    chart.line([(x, y) for x, y, _ in found])
    chart.dots([(x, y) for x, y, _ in found], told=told)
    words = f"ECE {number(ece)}: on average probabilities lie that far from what happens. " if ece == ece else ""
    parts = f"{len(bins)} bins" if len(bins) > 1 else "All have about the same: one bin"
    return Figure(
        "calibration",
        "Calibration",
        chart.picture("; ".join(told)),
        f"On the dashed line a predicted 30 % comes true 30 times in a hundred. {words}"
        f"{parts} of {len(score):,} tested examples; upright lines are 95 % intervals.",
    )


def gain(truth: Floats, score: Floats) -> tuple[Figure, Figure]:
    """Of all that came true, the share found among the highest scores; and how many times more than by chance."""
    hit = ranked_truth(truth, score)
    n, total = len(hit), float(hit.sum())
    found = np.append(0.0, np.cumsum(hit)) / max(total, 1.0)
    rate = total / n
    tenths = np.array_split(np.arange(n), 10) if n >= 10 else [np.arange(n)]
    lifts = [float(hit[part].mean()) / rate for part in tenths]
    return _gains(found, rate, n), _lifts(lifts, rate)


def _gains(found: Floats, rate: float, n: int) -> Figure:
    at = np.unique(np.linspace(0, n, 101).astype(np.int64))
    title = "Gain: positives found by share of examples"
    chart = Chart(title, (0, 1), (0, 1), "examples, highest scores first", "positives found", shares="xy")
    chart.rule([(0, 0), (rate, 1), (1, 1)])
    chart.rule([(0, 0), (1, 1)])
    curve = [(float(i) / n, float(found[i])) for i in at]
    chart.area(curve)
    chart.line(curve)
    tenths = [(share, float(np.interp(share * n, np.arange(n + 1), found))) for share in np.arange(1, 11) / 10]
    return Figure(
        "gain",
        "Gain",
        chart.picture("; ".join(f"first {percent(a, 0)} hold {percent(b)}" for a, b in tenths)),
        f"The first 20 % hold {percent(tenths[1][1], 0)} of all that came true; dashed: by chance, and the best there "
        f"can be. {n:,} tested examples, of which {percent(rate)} came true.",
    )


def _lifts(lifts: list[float], rate: float) -> Figure:
    top = (0, max(1.2, max(lifts) * 1.12))
    title = "Lift by tenths, highest scores first"
    chart = Chart(title, (0, len(lifts)), top, "tenths, highest scores first", "times the average rate", numbered=True)
    told = [f"tenth {i + 1}: {number(lift, 3)} times" for i, lift in enumerate(lifts)]
    chart.bars([(i + 0.06, i + 0.94, lift) for i, lift in enumerate(lifts)], told=told)
    chart.rule([(0, 1), (len(lifts), 1)])
    return Figure(
        "lift",
        "Lift",
        chart.picture("; ".join(told)),
        f"The first tenth comes true {number(lifts[0], 3)} times as often as all do ({percent(rate)}).",
    )


def spread_of_scores(truth: Floats, score: Floats) -> Figure:
    """How probabilities are distributed among those that came true and those that did not."""
    edges = np.linspace(0.0, 1.0, 21 if len(truth) >= 400 else 11)
    yes, no = (np.histogram(score[truth == value], edges)[0] for value in (1.0, 0.0))
    a, b = yes / max(1, yes.sum()), no / max(1, no.sum())
    names = [(f"came true ({int(yes.sum()):,})", BLUE), (f"did not ({int(no.sum()):,})", ORANGE)]
    top = (0, float(max(a.max(), b.max())) * 1.08)
    title = "Probabilities of those that came true and of the others"
    chart = Chart(title, (0, 1), top, "predicted probability", "share of each group", shares="xy", names=names)
    gap = (edges[1] - edges[0]) * 0.1
    half = (edges[:-1] + edges[1:]) / 2
    chart.bars([(float(e + gap), float(m), float(v)) for e, m, v in zip(edges[:-1], half, a, strict=True)])
    chart.bars([(float(m), float(e - gap), float(v)) for m, e, v in zip(half, edges[1:], b, strict=True)], ORANGE)
    told = [
        f"{percent(float(low), 0)} to {percent(float(high), 0)}: {percent(float(x))} and {percent(float(y))}"
        for low, high, x, y in zip(edges[:-1], edges[1:], a, b, strict=True)
    ]
    caption = "The further apart the two are, the better the model tells them apart."
    return Figure("scores", "Scores", chart.picture("; ".join(told)), caption)
