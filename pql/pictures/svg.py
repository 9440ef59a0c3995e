"""What pictures are made of: a canvas with a title, texts of known width, shapes in the colours of `pql.html`.

Texts take the colour of what surrounds the picture (`currentColor`); a file of its own brings light and dark colours.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pql.html import Html, element, escape, fragment, join, style, visible

SIZE = 12.0  # px of a text
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
_ALONE = """
.pql-alone{--pql-paper:#fff;color:#1c2024}
@media (prefers-color-scheme:dark){.pql-alone{--pql-paper:#15181c;color:#e6e8ea}}
.pql-alone .pql-ground{fill:var(--pql-paper)}
"""
_COMMON = ".pql-halo{stroke:var(--pql-paper)}"
_NARROW, _WIDE = frozenset("iljtfrI.,:;!|'()[] -"), frozenset("mwMWQO@%&—")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of `width` x `height` px. `title` and `description` are read to those who can't see it."""

    width: float
    height: float
    title: str
    description: str
    shapes: Html

    def inline(self) -> Html:
        """The `<svg>` for a page or notebook, in the colours of what surrounds it."""
        return self._made("pql-picture", style(_COMMON))

    def plain(self) -> Html:
        """The `<svg>` for a page that has a style sheet of its own, `--pql-paper` in it, and allows no other."""
        return self._made("pql-picture", Html(""))

    def svg(self) -> str:
        """The text of an SVG file: light or dark as the reader's browser is."""
        ground = rect(0, 0, self.width, self.height, fill="#fff", class_="pql-ground")
        # A viewer without style sheets shows dark on white.
        made = self._made("pql-picture pql-alone", join([style(_COMMON + _ALONE), ground]), color="#1c2024")
        return f"{made}\n"

    def save(self, path: str | Path) -> None:
        """Write the SVG file."""
        Path(path).write_text(self.svg(), encoding="utf-8")

    def _made(self, class_: str, before: Html, **more: Any) -> Html:
        return element(
            "svg",
            element("title", clipped(self.title, 60 * SIZE)),
            element("desc", self.description),
            before,
            self.shapes,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {self.width:.0f} {self.height:.0f}",
            width=round(self.width),
            height=round(self.height),
            class_=class_,
            role="img",
            font_family=FONT,
            font_size=SIZE,
            fill="currentColor",
            **more,
        )

    def _repr_html_(self) -> str:
        return fragment(self.inline())


def picture(width: float, height: float, title: str, description: str, *shapes: Html) -> Picture:
    """A picture of some shapes."""
    return Picture(width, height, title, description, join(shapes))


def text(
    x: float,
    y: float,
    said: Any,
    *,
    size: float = SIZE,
    anchor: str | None = None,
    bold: bool = False,
    soft: bool = False,
    fill: str | None = None,
    halo: bool = False,
    most: float | None = None,
) -> Html:
    """A text with its baseline at `y`. `most`: px beyond which it is cut, its whole then shown as a title. `halo`: no
    line beneath runs through it."""
    whole = visible(said)
    shown = whole if most is None else clipped(whole, most + 0.5, size * (1.08 if bold else 1.0))
    title = element("title", clipped(whole, 60 * SIZE)) if shown != whole else None
    return element(
        "text",
        title,
        shown,
        x=float(x),
        y=float(y),
        font_size=size if size != SIZE else None,
        font_weight="600" if bold else None,
        text_anchor=anchor,
        fill=fill,
        opacity="0.8" if soft else None,
        class_="pql-halo" if halo else None,
        stroke_width="4" if halo else None,
        stroke_linejoin="round" if halo else None,
        paint_order="stroke" if halo else None,
    )


def rect(
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    fill: str = "none",
    title: str | None = None,
    rx: float | None = None,
    **more: Any,
) -> Html:
    """A rectangle; `title` is what a pointer on it shows."""
    inside = None if title is None else element("title", clipped(title, 60 * SIZE))
    return element(
        "rect", inside, x=float(x), y=float(y), width=float(max(width, 0)), height=float(max(height, 0)), rx=rx,
        fill=fill, **more,
    )  # fmt: skip


def line(x1: float, y1: float, x2: float, y2: float, colour: str = "currentColor", **more: Any) -> Html:
    """A straight line."""
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), stroke=colour, **more)


def dot(x: float, y: float, colour: str, radius: float = 4.5, title: str | None = None, **more: Any) -> Html:
    """A filled circle."""
    inside = None if title is None else element("title", clipped(title, 60 * SIZE))
    return element("circle", inside, cx=float(x), cy=float(y), r=float(radius), fill=colour, **more)


def path(commands: str, colour: str = "currentColor", **more: Any) -> Html:
    """A line or an area of path commands, which are the program's own."""
    return element("path", d=commands, stroke=colour, fill=more.pop("fill", "none"), **more)


def group(*shapes: Html, **more: Any) -> Html:
    """Shapes with something in common."""
    return element("g", *shapes, **more)


def width_of(said: str, size: float = SIZE) -> float:
    """About how many px a text takes; rather more than less."""
    return size * sum(map(_em, said))


def clipped(said: Any, most: float, size: float = SIZE) -> str:
    """A text that takes at most `most` px, cut with an ellipsis where it is longer."""
    whole = visible(said if not isinstance(said, str) else said[:2000])
    if len(whole) * 1.1 * size <= most or width_of(whole, size) <= most:
        return whole
    left, kept = most - size, ""
    for character in whole:
        left -= size * _em(character)
        if left < 0:
            break
        kept += character
    return kept.rstrip() + "…"


def _em(character: str) -> float:
    if character in _NARROW:
        return 0.38
    if character in _WIDE:
        return 0.95
    if character.isascii():
        return 0.68 if character.isupper() else 0.6
    if unicodedata.combining(character):
        return 0.0
    return 1.1 if unicodedata.east_asian_width(character) in ("W", "F") else 0.75


__all__ = [
    "FONT", "SIZE", "Picture", "clipped", "dot", "escape", "group", "line", "path", "picture", "rect", "text",
    "width_of",
]  # fmt: skip
