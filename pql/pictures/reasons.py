"""Why a prediction is what it is, as a picture: from what all begin with, each reason's step, to the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pql.html import BLUE, GREY, ORANGE
from pql.pictures.axes import bottom_axis, said, scale
from pql.pictures.svg import Picture, line, picture, rect, text, width_of

_WIDTH, _ROW, _TOP = 680.0, 26.0, 40.0


@dataclass(frozen=True, slots=True)
class Step:
    """One reason: its name, its value in words, and what it adds."""

    name: str
    value: str
    amount: float


def reasons_picture(about: str, steps: Sequence[Step], scale_name: str) -> Picture:
    """Steps one below the other, the first from 0 (what all begin with), each from where the one before ended.

    about: whom the prediction is about, and what it is. scale_name: what the amounts add up to.
    """
    labels = [f"{step.name} = {step.value}" if step.value else step.name for step in steps]
    names = min(max((width_of(label) for label in labels), default=0.0), 300.0)
    ends = [0.0]
    for step in steps:
        ends.append(ends[-1] + step.amount)
    left, right = 14 + names + 14, _WIDTH - 76
    x = scale(ends[1:] or [0.0], left, right)
    bottom = _TOP + (len(steps) + 1) * _ROW
    shapes = [text(14, 20, about, size=13, bold=True, most=_WIDTH - 28), *bottom_axis(x, _TOP, bottom, name=scale_name)]
    for i, (step, label) in enumerate(zip(steps, labels, strict=True)):
        y = _TOP + i * _ROW
        start = x.at(ends[i]) if i else x.at(max(x.low, 0.0) if x.low <= 0 <= x.high else x.low)
        stop = x.at(ends[i + 1])
        colour = GREY if not i else ORANGE if step.amount > 0 else BLUE
        shapes.append(text(14, y + 17, label, most=names))
        shapes.append(
            rect(min(start, stop), y + 5, max(abs(stop - start), 1.5), _ROW - 10, fill=colour, rx=2.0, title=label)
        )
        sign = "+" if i and step.amount > 0 else ""
        shapes.append(text(_WIDTH - 14, y + 17, f"{sign}{said(step.amount)}", anchor="end"))
        shapes.append(line(stop, y + 5, stop, y + _ROW + 21, opacity="0.45"))
    y = _TOP + len(steps) * _ROW
    shapes.append(text(14, y + 17, "together", bold=True))
    shapes.append(text(_WIDTH - 14, y + 17, said(ends[-1]), anchor="end", bold=True))
    told = "; ".join(f"{label}: {step.amount:+.4g}" for step, label in zip(steps, labels, strict=True))
    return picture(_WIDTH, bottom + 44, about, told, *shapes)
