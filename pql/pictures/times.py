"""Survival curves: how many the event hasn't come to yet, as predicted and as it was."""

from __future__ import annotations

import numpy as np

from pql.html import BLUE, ORANGE
from pql.pictures.axes import number, percent
from pql.pictures.bins import Floats, wilson
from pql.pictures.chart import Chart
from pql.pictures.figure import Figure


def observed(moments: Floats, time: Floats, came: Floats) -> Floats:
    """float64[m]: the share that the event hasn't come to by each moment; windows are complete, so nobody is cut short
    before the end."""
    return np.array([1.0 - float(((came > 0.5) & (time <= moment)).mean()) for moment in moments])


def survival(curves: Floats, time: Floats, came: Floats, horizon: float, unit: str) -> Figure:
    """The mean predicted curve beside the observed one. `curves` [n, m]: the probability of no event yet at m moments,
    evenly from 0 to the horizon; `time` [n] in shares of it."""
    moments = np.linspace(0.0, 1.0, curves.shape[1])
    said, seen = curves.mean(axis=0), observed(moments, time, came)
    bounds = [wilson(float(value), len(time)) for value in seen]
    low = 0.0 if min(said.min(), *(low for low, _ in bounds)) < 0.5 else 0.5
    names = [("predicted", BLUE), ("as it was, with its 95 % interval", ORANGE)]
    title = "Survival: share that the event hasn't come to yet"
    chart = Chart(title, (0.0, horizon), (low, 1.0), f"{unit} from the anchor", "event hasn't come yet", shares="y",
                  names=names)  # fmt: skip
    chart.band([(float(m) * horizon, *span) for m, span in zip(moments, bounds, strict=True)], ORANGE)
    chart.steps([(float(m) * horizon, float(v)) for m, v in zip(moments, seen, strict=True)], ORANGE)
    chart.line([(float(m) * horizon, float(v)) for m, v in zip(moments, said, strict=True)])
    told = [
        f"{number(float(m) * horizon, 3)} {unit}: {percent(float(a))} predicted, {percent(float(b))} seen"
        for m, a, b in list(zip(moments, said, seen, strict=True))[::4]
    ]
    return Figure(
        "survival",
        "Survival",
        chart.picture("; ".join(told)),
        f"At the window's end the event hasn't come to {percent(float(seen[-1]))}; {percent(float(said[-1]))} were "
        f"predicted. The mean of {len(time):,} tested examples.",
    )
