"""A number over time as a picture: the steps of a forecast, between the bounds it is expected in."""

from __future__ import annotations

from collections.abc import Sequence

from pql.html import BLUE
from pql.pictures.axes import left_axis, scale
from pql.pictures.svg import Picture, dot, path, picture, text

_WIDTH, _HEIGHT = 640.0, 280.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 74.0, 620.0, 38.0, 240.0


def forecast_picture(
    title: str,
    moments: Sequence[str],
    values: Sequence[float],
    bounds: Sequence[tuple[float, float]] | None = None,
) -> Picture:
    """One dot per step at its value, and a band between the `bounds` where there are some; `moments` name the steps."""
    ends = [end for pair in bounds or () for end in pair]
    y = scale([*values, *ends], _BOTTOM, _TOP, zero=True)
    n = len(values)
    xs = [(_LEFT + _RIGHT) / 2 if n == 1 else _LEFT + 16 + i * (_RIGHT - _LEFT - 32) / (n - 1) for i in range(n)]
    shapes = [text(14, 20, title, size=13, bold=True, most=_WIDTH - 28), *left_axis(y, _LEFT, _RIGHT)]
    if bounds and n > 1:
        upper = [f"{x:.1f} {y.at(high):.1f}" for x, (_, high) in zip(xs, bounds, strict=True)]
        lower = [f"{x:.1f} {y.at(low):.1f}" for x, (low, _) in zip(xs, bounds, strict=True)]
        shapes.append(path(f"M{'L'.join([*upper, *reversed(lower)])}z", "none", fill=BLUE, fill_opacity="0.2"))
    if n > 1:
        points = [f"{x:.1f} {y.at(value):.1f}" for x, value in zip(xs, values, strict=True)]
        shapes.append(path(f"M{'L'.join(points)}", BLUE, stroke_width="2"))
    every = max(1, -(-n // 8))
    told = []
    for i, (x, moment, value) in enumerate(zip(xs, moments, values, strict=True)):
        between = f" ({bounds[i][0]:.4g} to {bounds[i][1]:.4g})" if bounds else ""
        told.append(f"{moment}: {value:.4g}{between}")
        shapes.append(dot(x, y.at(value), BLUE, 3.5, title=told[-1]))
        if i % every == 0:
            shapes.append(text(x, _BOTTOM + 20, moment, size=11, anchor="middle", soft=True, most=90))
    return picture(_WIDTH, _HEIGHT, title, "; ".join(told), *shapes)
