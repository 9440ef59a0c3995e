"""Scales of values: from values to px, with round ticks; and numbers in the words of a label."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pql.html import Html
from pql.pictures.svg import line, text

SMALL = 11.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` on px from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """The px of a value; beyond an end that end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def labels(self) -> list[str]:
        """The ticks in words, with as many places as their distance needs."""
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else 1.0
        return [said(tick, step) for tick in self.ticks]


def scale(values: Iterable[float], start: float, end: float, *, wanted: int = 5, zero: bool = False) -> Scale:
    """A scale that holds all finite values, and 0 where `zero`, between round ends."""
    known = [value for value in values if math.isfinite(value)] + [0.0] * zero
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = abs(high) * 0.1 or 0.5
        low, high = low - pad * (not zero or low < 0), high + pad
    step = _round_step((high - low) / max(1, wanted))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(i * step for i in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], start, end, ticks)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)


def said(value: float, step: float | None = None) -> str:
    """A number for a label: short, thousands apart, with as many places as `step` needs."""
    size = abs(value)
    if size and (size >= 1e9 or size < 1e-4) and (step is None or step < 1e-4 or step >= 1e8):
        return f"{value:.3g}"
    places = 0
    if step is None:
        places = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3
        return f"{value:,.{places}f}"
    while places < 6 and abs(round(step, places) - step) > step * 1e-6:
        places += 1
    return f"{value + 0.0:,.{places}f}"


def bottom_axis(x: Scale, top: float, bottom: float, *, name: str = "", of: Sequence[str] | None = None) -> list[Html]:
    """Lines at the ticks of a horizontal scale, with their values beneath."""
    shapes = []
    for tick, label in zip(x.ticks, of or x.labels(), strict=True):
        at = x.at(tick)
        shapes.append(line(at, top, at, bottom, opacity="0.18"))
        shapes.append(text(at, bottom + 15, label, size=SMALL, anchor="middle", soft=True))
    if name:
        shapes.append(text((x.start + x.end) / 2, bottom + 32, name, size=SMALL, anchor="middle", soft=True))
    return shapes


def left_axis(y: Scale, left: float, right: float, *, of: Sequence[str] | None = None) -> list[Html]:
    """Lines at the ticks of a vertical scale, with their values to the left."""
    shapes = []
    for tick, label in zip(y.ticks, of or y.labels(), strict=True):
        at = y.at(tick)
        shapes.append(line(left, at, right, at, opacity="0.18"))
        shapes.append(text(left - 7, at + 4, label, size=SMALL, anchor="end", soft=True))
    return shapes


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between two, at most so many and a few."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    step = _round_step(span / most)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A tick's number: 12k, 3M, 0.25."""
    size = abs(value)
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= limit * 10 or (size >= limit and suffix != "k"):
            return f"{value / limit:g}{suffix}".replace("-", "−")
    return f"{value:g}".replace("-", "−")


def share_text(value: float) -> str:
    """A tick's share: 25 %."""
    return f"{100 * value:g} %".replace("-", "−")


def number(value: float, digits: int = 4) -> str:
    """A number with some significant digits, thousands apart; a dash where there is none."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 1000:
        written = f"{value:,.0f}"
    elif size < 1e-4:
        written = f"{value:.2g}"
    else:
        places = max(0, digits - (0 if size < 1 else 1 + int(math.log10(size))))
        written = f"{value:.{places}f}"
    return written.replace("-", "−") if written.startswith("-") else written


def percent(share: float, places: int = 1) -> str:
    """A share of one as per cent."""
    return "–" if math.isnan(share) else f"{100 * share:.{places}f} %"
