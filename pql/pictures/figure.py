"""A picture with its name, its head and what is to be seen in it; several of them beside each other."""

from __future__ import annotations

from dataclasses import dataclass

from pql.html import Html, element, fragment
from pql.pictures.svg import Picture, group, picture, text

MARGIN = 12.0  # px around a figure that stands alone


@dataclass(frozen=True, slots=True)
class Figure:
    """name: what it is asked for by. title: its head, empty where the picture has it.
    caption: what it says, and how many examples it rests on."""

    name: str
    title: str
    picture: Picture
    caption: str

    def alone(self) -> Picture:
        """The picture with its title drawn over it, and a margin around both."""
        if not self.title:
            return self.picture
        one, high = self.picture, 26.0
        head = text(MARGIN, MARGIN + 14, one.title, size=13, bold=True, most=one.width)
        moved = group(one.shapes, transform=f"translate({MARGIN:.0f} {MARGIN + high:.0f})")
        wide, tall = one.width + 2 * MARGIN, one.height + high + 2 * MARGIN
        return picture(wide, tall, one.title, one.description, head, moved)

    def inline(self) -> Html:
        """The figure for a notebook."""
        return element(
            "figure",
            element("p", self.title, class_="pql-line pql-head") if self.title else None,
            self.picture.inline(),
            element("figcaption", self.caption, class_="pql-soft") if self.caption else None,
            class_="pql-figure",
        )


class Figures(tuple[Figure, ...]):
    """Figures by place or by name; a notebook shows them beside each other."""

    __slots__ = ()

    def names(self) -> tuple[str, ...]:
        """What there is."""
        return tuple(one.name for one in self)

    def find(self, name: str) -> Figure | None:
        """The first one of that name."""
        return next((one for one in self if one.name == name), None)

    def _repr_html_(self) -> str:
        return fragment(element("div", *(one.inline() for one in self), class_="pql-figures"))


class Pictures(tuple[Picture, ...]):
    """Pictures that a notebook shows one beneath the other."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return fragment(*(one.inline() for one in self))
