"""Charts as SVG text: axes, lines, bars, dots. Colours are classes, so that light, dark and print have their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pql.report.markup import Markup, esc, number, percent

RIGHT = 20  # px beside the axes
Points = Sequence[tuple[float, float]]


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between two, at most so many and a few."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    raw = span / most
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * k for k in (1, 2, 2.5, 5, 10) if unit * k >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A tick's number: 1.2k, 3M, 0.25."""
    size = abs(value)
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= limit * 10 or (size >= limit and suffix != "k"):
            return f"{value / limit:g}{suffix}"
    return f"{value:g}".replace("-", "−")


def share_text(value: float) -> str:
    """A tick's share: 25 %."""
    return f"{100 * value:g} %"


@dataclass(slots=True)
class Chart:
    """One chart under way. x and y run over `across` and `up`; `log` takes both as sign·log(1 + |v|).
    `numbered`: x counts bars, the first from 0 to 1."""

    across: tuple[float, float]
    up: tuple[float, float]
    label: str
    x_title: str = ""
    y_title: str = ""
    width: int = 380
    height: int = 270
    left: int = 50
    bottom: int = 42
    top: int = 12
    log: bool = False
    x_share: bool = False
    y_share: bool = False
    numbered: bool = False
    parts: list[str] = field(default_factory=list)

    def x(self, value: float) -> float:
        return self._at(value, self.across, self.left, self.width - RIGHT)

    def y(self, value: float) -> float:
        return self._at(value, self.up, self.height - self.bottom, self.top)

    def _at(self, value: float, span: tuple[float, float], start: float, end: float) -> float:
        low, high = self._scaled(span[0]), self._scaled(span[1])
        share = (self._scaled(value) - low) / (high - low) if high > low else 0.5
        return round(start + min(1.02, max(-0.02, share)) * (end - start), 1)

    def _scaled(self, value: float) -> float:
        return math.copysign(math.log1p(abs(value)), value) if self.log else value

    def line(self, points: Points, cls: str = "model") -> None:
        """A line through points, left to right."""
        at = " ".join(f"{self.x(a)},{self.y(b)}" for a, b in points if math.isfinite(a) and math.isfinite(b))
        self.parts.append(f'<polyline class="line {cls}" points="{at}"/>')

    def area(self, points: Points, cls: str = "model") -> None:
        """What lies under a line."""
        if not points:
            return
        base = self.y(max(self.up[0], 0.0))
        at = " ".join(f"{self.x(a)},{self.y(b)}" for a, b in points)
        self.parts.append(
            f'<polygon class="area {cls}" points="{self.x(points[0][0])},{base} {at} {self.x(points[-1][0])},{base}"/>'
        )

    def dots(self, points: Points, cls: str = "model", radius: float = 3.2) -> None:
        found = "".join(
            f'<circle cx="{self.x(a)}" cy="{self.y(b)}" r="{radius:g}"/>'
            for a, b in points
            if math.isfinite(a) and math.isfinite(b)
        )
        self.parts.append(f'<g class="dot {cls}">{found}</g>')

    def spans(self, spans: Sequence[tuple[float, float, float]], cls: str = "model") -> None:
        """Upright lines at x from low to high."""
        found = "".join(
            f'<line x1="{self.x(a)}" x2="{self.x(a)}" y1="{self.y(low)}" y2="{self.y(high)}"/>'
            for a, low, high in spans
        )
        self.parts.append(f'<g class="span {cls}">{found}</g>')

    def bars(self, bars: Sequence[tuple[float, float, float]], cls: str = "model") -> None:
        """Bars from x to x, as high as y."""
        base = self.y(max(self.up[0], min(0.0, self.up[1])))
        found = []
        for low, high, value in bars:
            if not math.isfinite(value):
                continue
            a, b, to = self.x(low), self.x(high), self.y(value)
            found.append(
                f'<rect x="{a + 0.7:.1f}" y="{min(to, base):.1f}" width="{max(0.8, b - a - 1.4):.1f}" '
                f'height="{abs(base - to):.1f}" rx="1"/>'
            )
        self.parts.append(f'<g class="bar {cls}">{"".join(found)}</g>')

    def text(self, x: float, y: float, words: object, anchor: str = "start", cls: str = "note") -> None:
        """Words at a place of the chart's own axes."""
        self.parts.append(
            f'<text class="{cls}" x="{self.x(x)}" y="{self.y(y)}" text-anchor="{anchor}">{esc(words, 40)}</text>'
        )

    def legend(self, names: Sequence[tuple[str, str]], side: str = "left") -> None:
        """(words, class) in the corner at the `left`, the `right`, or `below` at the right."""
        x = self.left + 10 if side == "left" else self.width - 160
        top = self.height - self.bottom - 16 * len(names) if side == "below" else self.top + 10
        for i, (words, cls) in enumerate(names):
            y = top + 15 * i
            self.parts.append(
                f'<g class="key {esc(cls)}"><rect x="{x}" y="{y - 6}" width="14" height="4" rx="1"/>'
                f'<text class="note" x="{x + 20}" y="{y}">{esc(words, 40)}</text></g>'
            )

    def svg(self) -> Markup:
        """The chart."""
        axes = [self._axis_x(), self._axis_y()]
        return drawing(self.width, self.height, self.label, "".join([*axes, *self.parts]))

    def _axis_x(self) -> str:
        base = self.height - self.bottom
        found = [f'<line class="axis" x1="{self.left}" x2="{self.width - RIGHT}" y1="{base}" y2="{base}"/>']
        for value, words in self._named():
            found.append(
                f'<text class="tick" x="{self.x(value)}" y="{base + 15}" text-anchor="middle">{esc(words)}</text>'
            )
        middle = (self.left + self.width - RIGHT) / 2
        found.append(
            f'<text class="title" x="{middle}" y="{self.height - 8}" text-anchor="middle">{esc(self.x_title)}</text>'
        )
        return "".join(found)

    def _named(self) -> list[tuple[float, str]]:
        """The ticks of x with their words."""
        if self.numbered:
            count = round(self.across[1])
            return [(i + 0.5, str(i + 1)) for i in range(0, count, 1 + count // 16)]
        return [(v, share_text(v) if self.x_share else short(v)) for v in self._ticks(self.across)]

    def _axis_y(self) -> str:
        found = []
        for value in self._ticks(self.up):
            y = self.y(value)
            found.append(f'<line class="grid" x1="{self.left}" x2="{self.width - RIGHT}" y1="{y}" y2="{y}"/>')
            found.append(
                f'<text class="tick" x="{self.left - 6}" y="{y + 3.5:.1f}" text-anchor="end">'
                f"{share_text(value) if self.y_share else short(value)}</text>"
            )
        middle = (self.top + self.height - self.bottom) / 2
        found.append(
            f'<text class="title" x="12" y="{middle}" text-anchor="middle" '
            f'transform="rotate(-90 12 {middle})">{esc(self.y_title)}</text>'
        )
        return "".join(found)

    def _ticks(self, span: tuple[float, float]) -> list[float]:
        if not self.log:
            return ticks(*span)
        marks = [0.0, *(k * 10.0**e for e in range(13) for k in (1, 3))]
        marks = sorted({sign * mark for mark in marks for sign in (1, -1)})
        marks = [mark for mark in marks if span[0] <= mark <= span[1]]
        return marks if len(marks) <= 7 else [m for m in marks if m == 0 or math.log10(abs(m)).is_integer()]


def drawing(width: float, height: float, label: str, inner: str, cls: str = "chart") -> Markup:
    """An SVG picture with words for those who can't see it."""
    return Markup(
        f'<svg class="{esc(cls)}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{esc(label, 300)}">'
        f"<title>{esc(label, 300)}</title>{inner}</svg>"
    )


def shares_bar(rows: Sequence[tuple[str, float]], label: str, width: int = 380, most: float | None = None) -> Markup:
    """Names with bars of their shares, in the order given."""
    top = most if most is not None else max((value for _, value in rows), default=1.0) or 1.0
    inner = []
    for i, (name, value) in enumerate(rows):
        y = 30 * i
        inner.append(
            f'<text class="name" x="0" y="{y + 11}">{esc(name, 52)}</text>'
            f'<text class="tick" x="{width}" y="{y + 11}" text-anchor="end">{esc(percent(value))}</text>'
            f'<rect class="track" x="0" y="{y + 16}" width="{width}" height="5" rx="2.5"/>'
            f'<g class="bar model"><rect x="0" y="{y + 16}" width="{max(1.0, width * min(1.0, value / top)):.1f}" '
            f'height="5" rx="2.5"/></g>'
        )
    return drawing(width, max(30, 30 * len(rows)), label, "".join(inner), "chart list")


def forest(
    rows: Sequence[tuple[str, str, float, float | None, float | None]], label: str, title: str, width: int = 480
) -> Markup:
    """Values with their intervals, one under the other: (name, class, value, low, high)."""
    known = [v for _, _, value, low, high in rows for v in (value, low, high) if v is not None and math.isfinite(v)]
    if not known:
        return Markup("")
    low, high = min(known), max(known)
    pad = (high - low) * 0.08 or abs(high) * 0.05 or 0.5
    low, high = low - pad, high + pad
    left, right, step = 124, width - 56, 25

    def x(value: float) -> float:
        return round(left + (value - low) / (high - low) * (right - left), 1)

    height = step * len(rows) + 40
    inner = []
    for mark in ticks(low, high, 6):
        inner.append(f'<line class="grid" x1="{x(mark)}" x2="{x(mark)}" y1="4" y2="{height - 34}"/>')
        inner.append(
            f'<text class="tick" x="{x(mark)}" y="{height - 20}" text-anchor="middle">{esc(short(mark))}</text>'
        )
    for i, (name, cls, value, start, end) in enumerate(rows):
        y = 18 + step * i
        inner.append(
            f'<text class="name {esc(cls)}" x="{left - 10}" y="{y + 4}" text-anchor="end">{esc(name, 22)}</text>'
        )
        if not math.isfinite(value):
            inner.append(f'<text class="tick" x="{left}" y="{y + 4}">not measurable</text>')
            continue
        if start is not None and end is not None:
            inner.append(f'<g class="span {esc(cls)}"><line x1="{x(start)}" x2="{x(end)}" y1="{y}" y2="{y}"/></g>')
        inner.append(f'<g class="dot {esc(cls)}"><circle cx="{x(value)}" cy="{y}" r="4.5"/></g>')
        inner.append(f'<text class="tick" x="{width}" y="{y + 4}" text-anchor="end">{esc(number(value))}</text>')
    inner.append(
        f'<text class="title" x="{(left + right) / 2}" y="{height - 4}" text-anchor="middle">{esc(title)}</text>'
    )
    return drawing(width, height, label, "".join(inner), "chart middling")
