"""Anchors and their windows on one line of time: what is learnt from, chosen on, measured on and predicted."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from pql.html import BLUE, GREEN, GREY, ORANGE
from pql.pictures.axes import SMALL
from pql.pictures.svg import Picture, line, picture, rect, text

if TYPE_CHECKING:
    from pql.engine.planning.plan import Plan

ROLES = {
    "lag": ("earlier targets, as features", GREY),
    "train": ("training", BLUE),
    "valid": ("validation", ORANGE),
    "test": ("test", GREEN),
    "predict": ("prediction", BLUE),
}
_WIDTH, _LEFT, _RIGHT = 720.0, 8.0, 712.0
_LANE = 36.0
_MOST = 120  # marks of one role that are drawn


def anchors_picture(plan: Plan) -> Picture:
    """A lane per role, a mark per anchor, and the window to its right."""
    from pql.engine.planning.anchors import show_time

    split = plan.split
    role_of = {anchor.time: anchor.role for anchor in split.anchors if anchor.role in ROLES}
    role_of.setdefault(split.prediction, "predict")
    times = sorted(role_of)
    steps = [b - a for a, b in itertools.pairwise(times)]
    window = split.width or _width(plan) or (min(steps) if steps else 86_400_000_000)
    low, high = times[0], max(times[-1], split.prediction) + window
    low -= round((high - low) * 0.02)

    def x(time: int) -> float:
        return _LEFT + (time - low) / max(1, high - low) * (_RIGHT - _LEFT)

    lanes = [role for role in ROLES if role in role_of.values()]
    height = _LANE * len(lanes) + 46
    base = height - 30
    cut = x(split.prediction)
    shapes = [line(cut, 6, cut, base, stroke_dasharray="3 3", opacity="0.5")]
    told = []
    for lane, role in enumerate(lanes):
        y = 28 + _LANE * lane
        words, colour = ROLES[role]
        mine = [time for time in times if role_of[time] == role]
        count = "" if role == "predict" else f", {len(mine):,} anchor{'s' * (len(mine) != 1)}"
        told.append(f"{words}{count}: {show_time(mine[0])} to {show_time(mine[-1])}")
        late = mine[0] > low + (high - low) * 0.6
        place, anchor = (x(mine[0]), "end") if late else (max(_LEFT, x(mine[0])), "start")
        shapes.append(text(place, y - 8, words + count, size=SMALL, anchor=anchor, halo=True))
        for time in _thinned(mine):
            wide = max(1.5, x(time + window) - x(time))
            shapes.append(rect(x(time), y - 2, wide, 9, fill=colour, rx=2.0, fill_opacity="0.22"))
            shapes.append(rect(x(time) - 1, y - 3, 2.2, 11, fill=colour, rx=1.0))
    shapes.append(line(_LEFT, base, _RIGHT, base, opacity="0.6"))
    marks = [(times[0], "start"), (split.prediction, "middle"), (high, "end")]
    if cut > _RIGHT - 170:
        marks = [(times[0], "start"), (split.prediction, "end")]
    if cut < _LEFT + 170:
        marks = [(split.prediction, "start"), (high, "end")]
    shapes += [text(x(time), base + 16, show_time(time), size=SMALL, anchor=side, soft=True) for time, side in marks]
    title = f"{len(times)} anchors from {show_time(times[0])} to {show_time(split.prediction)}"
    return picture(_WIDTH, height, title, "; ".join(told), *shapes)


def _thinned(times: list[int]) -> list[int]:
    if len(times) <= _MOST:
        return times
    return [times[round(i * (len(times) - 1) / (_MOST - 1))] for i in range(_MOST)]


def _width(plan: Plan) -> int | None:
    """The width of the target's window in µs; months and years at their mean length."""
    from pql.engine.graph.interactions import UNIT_DAYS
    from pql.engine.planning.plan import US_PER_DAY
    from pql.engine.planning.planned_graph import aggregates

    windows = [one.window for one in aggregates(plan.query.target) if one.window.is_future]
    days = [(window.end - (window.start or 0)) * UNIT_DAYS[window.unit] for window in windows]
    return max(1, round(max(days) * US_PER_DAY)) if days else None
