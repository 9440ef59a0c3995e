"""Texts that would be more than text if they weren't escaped, and a reader that finds what they'd become."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    '" onload="alert(1)',
    "<svg onload=alert(1)>",
    "</svg></div></td></table><iframe src=//x>",
    "</title></text></desc><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<!-- --><script>alert(1)</script><!--",
    "]]><script>alert(1)</script><![CDATA[",
    "<a href=javascript:alert(1)>x</a>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;b&#62; &amp",
    "a\x00b\x07c\x1b[31mred\x1b[0m\x7f\x9b31m",
    "invoice\u202egpj.exe\u2066\u200f",
    "line\nbreak\r\nand\ttab\u2028paragraph\u2029",
    "lone \udc80 surrogate and \ufffe noncharacter",
    "{{7*7}} ${7*7} <%= 7*7 %> {% raw %}",
    "<" * 60_000 + "b>",
    "a\u0301" * 3_000 + "🙂" * 500 + "漢字" * 500,
)  # fmt: skip
_ELEMENTS = (
    "div table caption thead tbody tr th td p h1 h2 h3 dl dt dd pre details summary style svg g rect line path circle "
    "polyline polygon text tspan title desc defs marker html head meta body main figure figcaption span b"
)
_ATTRIBUTES = (
    "class title open id lang charset content name http-equiv xmlns viewbox width height x y x1 y1 x2 y2 cx cy r rx d "
    "points fill stroke stroke-width stroke-dasharray stroke-linejoin stroke-linecap text-anchor dominant-baseline "
    "font-size font-weight font-family role aria-labelledby aria-label marker-end transform opacity fill-opacity "
    "refx refy markerwidth markerheight orient paint-order color colspan scope"
)
OUR_ELEMENTS, OUR_ATTRIBUTES = frozenset(_ELEMENTS.split()), frozenset(_ATTRIBUTES.split())


class Elements(HTMLParser):
    """The elements and attributes that a browser would see; `text` is what it would show."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> inside {self.open}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data[:40]}")


def assert_only_ours(markup: str) -> Elements:
    """Every element, attribute and closing tag is one of ours, and no character is more than a character."""
    found = Elements(markup)
    assert not found.open
    assert found.elements <= OUR_ELEMENTS, found.elements - OUR_ELEMENTS
    assert found.attributes <= OUR_ATTRIBUTES, found.attributes - OUR_ATTRIBUTES
    assert all(c.isprintable() or c == "\n" for c in markup)
    return found


def assert_svg(markup: str) -> ElementTree.Element:
    """Well-formed XML with our elements alone; the root."""
    assert_only_ours(markup)
    root = ElementTree.fromstring(markup)
    names = {element.tag.split("}")[-1] for element in root.iter()}
    assert names <= OUR_ELEMENTS, names - OUR_ELEMENTS
    return root
