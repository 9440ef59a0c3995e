"""Pieces of HTML: escaped text, tables, sections, and numbers as people read them. Nothing here trusts a value.

No element has a style of its own: the page's security policy allows the one style sheet and the one script by their
hashes alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from pql.html import Html, element, escape
from pql.pictures.axes import number
from pql.pictures.figure import Figure
from pql.pictures.svg import Picture

LONGEST = 120
SHORT = 18  # characters of a cell that stays on one line


Markup = Html  # text that is HTML already; everything else is escaped when it is put into a page


def esc(value: object, longest: int = LONGEST) -> Markup:
    """Any value as text in HTML: escaped, control and direction characters spelled out, long ones cut."""
    if isinstance(value, Markup):
        return value
    text = shown(value)
    return escape(text if len(text) <= longest else text[: longest - 1] + "…")


def shown(value: object) -> str:
    """A value as people write it: numbers with four digits, midnight as a date, NULL as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**6 else str(value)
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d") if value.time() == dt.time() else value.strftime("%Y-%m-%d %H:%M")
    return str(value)


def key(value: object) -> str:
    """An id: never with thousands apart, and never rounded."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else shown(value)


def tag(name: str, *content: object, cls: str = "", **attributes: object) -> Markup:
    """An element; its content and attributes are escaped. `cls` is its class."""
    return element(name, joined(content), class_=cls or None, **attributes)


def joined(content: Iterable[object]) -> Markup:
    """Pieces one after the other, escaped where they are not HTML."""
    return Markup("".join(esc(piece, 100_000) for piece in content))


def para(*content: object, cls: str = "") -> Markup:
    return tag("p", *content, cls=cls)


def pre(text: str) -> Markup:
    """Code, its lines kept."""
    return tag("pre", tag("code", text), tabindex="0")


def table(
    heads: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[int] = (),
    cls: str = "",
    marked: Sequence[int] = (),
    sortable: str = "",
) -> Markup:
    """A table that scrolls by itself where it is wide. `right`: columns of numbers; `marked`: rows set apart;
    `sortable` = "yes": a click on a head sorts."""
    head = tag("tr", *(tag("th", h, cls="n" if i in right else "", scope="col") for i, h in enumerate(heads)))
    body = [
        tag(
            "tr",
            *(tag("td", cell, cls="n" if i in right else _width(cell)) for i, cell in enumerate(row)),
            cls="on" if at in marked else "",
        )
        for at, row in enumerate(rows)
    ]
    made = tag("table", tag("thead", head), tag("tbody", *body), cls=f"{cls} sort".strip() if sortable else cls)
    return tag("div", made, cls="scroll", tabindex="0", role="region", aria_label="table")


def _width(cell: object) -> str:
    """The class of a cell: one that stays on one line, or one that needs room in a narrow window."""
    if isinstance(cell, Markup):
        return "w" if len(cell) <= SHORT else ""
    size = len(shown(cell))
    return "w" if size <= SHORT else "l" if size > 2 * SHORT else ""


def facts(pairs: Iterable[tuple[object, object]]) -> Markup:
    """Names with what they are, one under the other; empty ones are left out."""
    inner = [joined((tag("dt", name), tag("dd", text))) for name, text in pairs if text not in (None, "")]
    return tag("dl", *inner, cls="facts")


def section(name: str, title: str, *content: object, lead: object = "") -> Markup:
    """A section of the page with an id for its table of contents."""
    intro = [para(lead, cls="lead")] if lead else []
    return tag("section", tag("h2", title), *intro, *content, id=name)


def figure(picture: Picture | Markup, caption: object, title: object = "") -> Markup:
    """A picture with what it says."""
    head = [tag("h3", title)] if title else []
    drawn = picture.plain() if isinstance(picture, Picture) else picture
    return tag("figure", *head, drawn, *([tag("figcaption", caption)] if caption else []))


def drawn_figure(one: Figure) -> Markup:
    """A figure with its head and caption."""
    return figure(one.picture, one.caption, one.title)


def panned(picture: Picture) -> Markup:
    """A wide picture, which scrolls by itself where there is no room for it."""
    return tag("div", picture.plain(), cls="pan", tabindex="0", role="region", aria_label=picture.title)


def figures(*pictures: Markup) -> Markup:
    """Pictures side by side where there is room."""
    return tag("div", *pictures, cls="figures")


def folded(title: object, *content: object) -> Markup:
    """Content behind a line that opens it."""
    return tag("details", tag("summary", title), *content)


def moment(us: int) -> str:
    """A moment in µs."""
    from pql.engine.planning.anchors import show_time

    return show_time(us)


def plural(count: int, one: str, many: str = "") -> str:
    """`1 row`, `1,200 rows`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def cells(values: Iterable[Any]) -> tuple[Markup, ...]:
    return tuple(esc(value) for value in values)
