"""Faults as text for people: whole sentences, the line with a caret under the words, hint and repair.

What is shown is safe to print anywhere: control characters, marks that turn the direction of writing and lone
surrogates are replaced by visible signs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

from pql.language.span import NOWHERE, Span

if TYPE_CHECKING:
    from pql.language.errors import Fault

WIDTH = 120  # columns of the line that is shown around a fault
_FIRST_WORD = re.compile(r"[a-z]+(?=[ ,:;'’]|$)")
_LAST_WORD = re.compile(r"(?:^|(?<!,)[\s(])[a-z]+(?:['’-][a-z]+)*$")


class Part(Enum):
    """What a line of a rendered fault is; faces colour by it."""

    HEAD = "head"
    PLACE = "place"
    SOURCE = "source"
    CARET = "caret"
    NEAREST = "nearest"
    HINT = "hint"
    FIX = "fix"
    MORE = "more"


def sentence(message: str) -> str:
    """A message as a sentence: a capital where it begins with a plain word, a full stop at its end."""
    text = _capital(message.strip())
    return text if not text or text[-1] in ".?!…" else text + "."


def advice(hint: str) -> str:
    """A hint as a sentence; one that ends in a piece of a query gets no full stop, which would look like part of it."""
    text = _capital(hint.strip())
    return text + "." if _LAST_WORD.search(text) else text


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """The 1-based line and column of a character offset."""
    offset = max(0, min(offset, len(text)))
    line_start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - line_start + 1


def visible(text: str) -> str:
    """`text` with a visible sign for every character that would not show as one."""
    return text if text.isascii() and text.isprintable() else "".join(map(_sign, text))


def lines_of(fault: Fault, text: str | None, width: int = WIDTH, file: str | None = None) -> Iterator[tuple[Part, str]]:
    """The lines that show a fault, and what each is. `text`: the query it lies in, if any; `width`: how many columns of
    it are shown; `file`: the name of the file it stands in, if it does."""
    yield Part.HEAD, f"{fault.code}: {_on_one_line(fault.message)}"
    if text is not None and fault.span is not None and fault.span != NOWHERE:
        yield from _place(fault.span, text, width, file)
    if fault.nearest and not all(name in fault.hint for name in fault.nearest):
        yield Part.NEAREST, f"  nearest: {_on_one_line(', '.join(fault.nearest))}"
    if fault.hint:
        yield Part.HINT, f"  hint: {_on_one_line(fault.hint)}"
    if fault.fix:
        shown = [visible(line.rstrip("\r")) for line in fault.fix.rstrip("\n").split("\n")]
        yield Part.FIX, "  fix: " + "\n       ".join(shown)


def render_fault(fault: Fault, text: str | None, file: str | None = None) -> str:
    """A fault for a person: code and message, the line with a caret, nearest names, hint, fix."""
    return "\n".join(line for _, line in lines_of(fault, text, file=file))


def more_about(codes: list[str]) -> str:
    """The line that says where more is said about these codes."""
    return f"  more: pql help {' '.join(dict.fromkeys(codes))}"


def _place(span: Span, text: str, width: int, file: str | None) -> Iterator[tuple[Part, str]]:
    row, column = line_and_column(text, span.start)
    source = text.split("\n")[row - 1].rstrip("\r")
    start = min(column - 1, len(source))
    end = max(start, min(start + span.end - span.start, len(source)))
    named = "" if file is None else f"{_on_one_line(file)}, "
    where = f"  {named}line {row}, column {column}"
    last_row, last_column = line_and_column(text, max(span.start, min(span.end, len(text)) - 1))
    if last_row > row:
        where += f" to line {last_row}, column {last_column}"
    first, last = _around(source, start, end, width)
    before, at, after = source[first:start], source[start : min(end, last)], source[min(end, last) : last]
    left, right = "…" * (first > 0), "…" * (last < len(source))
    yield Part.PLACE, where
    yield Part.SOURCE, f"  | {left}{visible(before)}{visible(at)}{visible(after)}{right}"
    yield Part.CARET, f"  | {' ' * (len(left) + _columns(visible(before)))}{'^' * max(1, _columns(visible(at)))}"


def _around(source: str, start: int, end: int, width: int) -> tuple[int, int]:
    """The part of a long line that is shown around a fault: whole where it is short enough."""
    if len(source) <= width:
        return 0, len(source)
    first = max(0, min(start - width // 2, len(source) - width))
    return first, min(len(source), max(first + width, min(end, start + width)))


def _on_one_line(text: str) -> str:
    return visible(" ".join(text.split("\n")))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if _FIRST_WORD.match(text) else text


def _sign(character: str) -> str:
    code = ord(character)
    if character == "\t":
        return " "
    if code < 32:
        return chr(0x2400 + code)
    if code == 127:
        return "␡"
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return "\ufffd"
    return character


def _columns(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
