"""An error as a notebook shows it: the words at fault underlined, no colour that a light or dark page would swallow.

A notebook turns the marks of a terminal into markup and keeps everything else as text.
"""

from __future__ import annotations

from collections.abc import Iterator

from pql.language.error_text import Part, lines_of, more_about
from pql.language.errors import PqlError

_OFF, _BOLD, _UNDER = "\x1b[0m", "\x1b[1m", "\x1b[1;4m"


def marked(error: PqlError) -> list[str]:
    """The lines of an error; without their marks they are those of `str(error)`."""
    found: list[str] = []
    for i, fault in enumerate(error.faults):
        found += ([""] if i else []) + list(_underlined(list(lines_of(fault, error.text, file=error.file))))
    return [*found, more_about([fault.code for fault in error.faults])]


def _underlined(lines: list[tuple[Part, str]]) -> Iterator[str]:
    for i, (part, line) in enumerate(lines):
        below = lines[i + 1] if i + 1 < len(lines) else (Part.MORE, "")
        if part is Part.HEAD:
            code, rest = line.split(": ", 1)
            yield f"{_BOLD}{code}{_OFF}: {rest}"
        elif part is Part.SOURCE and below[0] is Part.CARET and line.isascii():
            start, end = below[1].index("^"), below[1].rindex("^") + 1
            yield f"{line[:start]}{_UNDER}{line[start:end]}{_OFF}{line[end:]}"
        elif part in (Part.HINT, Part.FIX, Part.NEAREST):
            word, rest = line.split(":", 1)
            indent = len(word) - len(word.lstrip())
            yield from f"{word[:indent]}{_BOLD}{word[indent:]}:{_OFF}{rest}".split("\n")
        else:
            yield line
