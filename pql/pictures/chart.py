"""A chart under way: two axes with round ticks and names, and what is drawn between them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pql.html import BLUE, GREY, Html
from pql.pictures.axes import SMALL, share_text, short, ticks
from pql.pictures.svg import Picture, dot, group, line, path, picture, rect, text, width_of

WIDTH, HEIGHT = 400.0, 292.0
RIGHT = 22.0  # px beside the axes
_BOTTOM = 44.0

Points = Sequence[tuple[float, float]]


@dataclass(slots=True)
class Chart:
    """Values of x and y run over `across` and `up`. `log` takes both as sign · log(1 + |v|). `numbered`: x counts bars,
    the first of them from 0 to 1; `shares` names the axes ("x", "y") whose values are parts of 1. `names`: what colours
    mean, as (words, colour)."""

    title: str
    across: tuple[float, float]
    up: tuple[float, float]
    x_title: str = ""
    y_title: str = ""
    log: bool = False
    shares: str = ""
    numbered: bool = False
    names: Sequence[tuple[str, str]] = ()
    shapes: list[Html] = field(default_factory=list)
    left: float = 0.0
    top: float = 0.0

    def __post_init__(self) -> None:
        wide = max((width_of(words, SMALL) for _, words in self._upright()), default=0.0)
        self.left = wide + 12
        self.top = 28.0 + 17 * len(self._rows())

    def x(self, value: float) -> float:
        """The px of a value across."""
        return self._at(value, self.across, self.left, WIDTH - RIGHT)

    def y(self, value: float) -> float:
        """The px of a value upwards."""
        return self._at(value, self.up, HEIGHT - _BOTTOM, self.top)

    def _at(self, value: float, span: tuple[float, float], start: float, end: float) -> float:
        low, high = self._scaled(span[0]), self._scaled(span[1])
        share = (self._scaled(value) - low) / (high - low) if high > low else 0.5
        return round(start + min(1.02, max(-0.02, share)) * (end - start), 1)

    def _scaled(self, value: float) -> float:
        return math.copysign(math.log1p(abs(value)), value) if self.log else value

    def line(self, points: Points, colour: str = BLUE) -> None:
        """A line through points, left to right."""
        self.shapes.append(path(self._through(points), colour, stroke_width="2", stroke_linejoin="round"))

    def rule(self, points: Points) -> None:
        """A dashed line that others are held against."""
        self.shapes.append(path(self._through(points), stroke_width="1.2", stroke_dasharray="4 4", opacity="0.6"))

    def steps(self, points: Points, colour: str = BLUE) -> None:
        """A line that stays level until the next point."""
        turned = [points[0]]
        for (_, level), (x, y) in itertools.pairwise(points):
            turned += [(x, level), (x, y)]
        self.line(turned, colour)

    def area(self, points: Points, colour: str = BLUE) -> None:
        """What lies under a line."""
        base = max(self.up[0], 0.0)
        self.band([(x, base, y) for x, y in points], colour)

    def band(self, spans: Sequence[tuple[float, float, float]], colour: str = BLUE) -> None:
        """What lies between two lines: (x, low, high)."""
        there = [(x, high) for x, _, high in spans]
        back = [(x, low) for x, low, _ in reversed(spans)]
        self.shapes.append(path(f"{self._through([*there, *back])}z", "none", fill=colour, fill_opacity="0.14"))

    def dots(self, points: Points, colour: str = BLUE, radius: float = 4.0, told: Sequence[str] = ()) -> None:
        """A dot per point; `told`: what a pointer on each shows."""
        words: Sequence[str | None] = told or [None] * len(points)
        self.shapes += [
            dot(self.x(a), self.y(b), colour, radius, title=said)
            for (a, b), said in zip(points, words, strict=True)
            if math.isfinite(a) and math.isfinite(b)
        ]

    def cloud(self, points: Points, colour: str = BLUE) -> None:
        """Very many dots."""
        found = [dot(self.x(a), self.y(b), colour, 2.6) for a, b in points if math.isfinite(a) and math.isfinite(b)]
        self.shapes.append(group(*found, opacity="0.55"))

    def spans(self, spans: Sequence[tuple[float, float, float]], colour: str = BLUE) -> None:
        """Upright lines at x from low to high."""
        self.shapes += [
            line(self.x(a), self.y(low), self.x(a), self.y(high), colour, stroke_width="1.7", opacity="0.75")
            for a, low, high in spans
        ]

    def bars(self, bars: Sequence[tuple[float, float, float]], colour: str = BLUE, told: Sequence[str] = ()) -> None:
        """Bars from x to x, as high as y."""
        base = self.y(max(self.up[0], min(0.0, self.up[1])))
        pale = "0.45" if colour == GREY else None
        words: Sequence[str | None] = told or [None] * len(bars)
        for (low, high, value), said in zip(bars, words, strict=True):
            if math.isfinite(value):
                a, b, to = self.x(low), self.x(high), self.y(value)
                self.shapes.append(
                    rect(a + 0.7, min(to, base), max(0.8, b - a - 1.4), abs(base - to), fill=colour, rx=1.0,
                         fill_opacity=pale, title=said)
                )  # fmt: skip

    def picture(self, description: str) -> Picture:
        """The chart; `description` tells its values to those who can't see it."""
        return picture(WIDTH, HEIGHT, self.title, description, *self._axes(), *self.shapes, *self._named())

    def _through(self, points: Points) -> str:
        known = [(a, b) for a, b in points if math.isfinite(a) and math.isfinite(b)]
        return f"M{'L'.join(f'{self.x(a)} {self.y(b)}' for a, b in known)}" if known else "M0 0"

    def _axes(self) -> list[Html]:
        base, right = HEIGHT - _BOTTOM, WIDTH - RIGHT
        found = [text(0, 12, self.y_title, size=SMALL, soft=True, most=WIDTH)]
        for value, words in self._upright():
            y = self.y(value)
            found.append(line(self.left, y, right, y, opacity="0.18"))
            found.append(text(self.left - 6, y + 4, words, size=SMALL, anchor="end", soft=True))
        found.append(line(self.left, base, right, base, opacity="0.6"))
        for value, words in self._across():
            found.append(text(self.x(value), base + 16, words, size=SMALL, anchor="middle", soft=True))
        middle = (self.left + right) / 2
        found.append(text(middle, HEIGHT - 8, self.x_title, size=SMALL, anchor="middle", soft=True, most=WIDTH))
        return found

    def _upright(self) -> list[tuple[float, str]]:
        """The ticks of y with their words."""
        return [(v, share_text(v) if "y" in self.shares else short(v)) for v in self._ticks(self.up)]

    def _across(self) -> list[tuple[float, str]]:
        """The ticks of x with their words."""
        if self.numbered:
            count = round(self.across[1])
            return [(i + 0.5, str(i + 1)) for i in range(0, count, 1 + count // 16)]
        return [(v, share_text(v) if "x" in self.shares else short(v)) for v in self._ticks(self.across)]

    def _ticks(self, span: tuple[float, float]) -> list[float]:
        if not self.log:
            return ticks(*span)
        marks = [0.0, *(k * 10.0**e for e in range(13) for k in (1, 3))]
        marks = sorted({sign * mark for mark in marks for sign in (1, -1)})
        marks = [mark for mark in marks if span[0] <= mark <= span[1]]
        return marks if len(marks) <= 7 else [m for m in marks if m == 0 or math.log10(abs(m)).is_integer()]

    def _rows(self) -> list[list[tuple[str, str]]]:
        """The legend's lines: as many names on each as there is room for."""
        rows: list[list[tuple[str, str]]] = []
        room = 0.0
        for words, colour in self.names:
            wide = 20 + min(width_of(words, SMALL), WIDTH - 40) + 16
            if wide > room:
                rows.append([])
                room = WIDTH
            rows[-1].append((words, colour))
            room -= wide
        return rows

    def _named(self) -> list[Html]:
        found = []
        for i, row in enumerate(self._rows()):
            x, y = 0.0, 29.0 + 17 * i
            for words, colour in row:
                pale = "0.45" if colour == GREY else None
                found.append(rect(x, y - 7, 13, 6, fill=colour, rx=1.5, fill_opacity=pale))
                found.append(text(x + 19, y, words, size=SMALL, soft=True, most=WIDTH - 40))
                x += 20 + min(width_of(words, SMALL), WIDTH - 40) + 16
        return found
