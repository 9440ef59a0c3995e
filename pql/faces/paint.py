"""An error in colours, for a terminal that shows them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import TextIO

from pql.faces.screen import folded
from pql.language.error_text import WIDTH, Part, lines_of, more_about
from pql.language.errors import PqlError

_LEAST = 30  # columns of the query that are shown on the narrowest terminal
_BESIDE = 6  # columns that stand beside them
_OFF = "\x1b[0m"
_COLOURS = {
    Part.HEAD: "\x1b[1;31m", Part.PLACE: "\x1b[2m", Part.CARET: "\x1b[1;31m", Part.NEAREST: "\x1b[36m",
    Part.HINT: "\x1b[36m", Part.FIX: "\x1b[32m", Part.MORE: "\x1b[2m",
}  # fmt: skip


def shown(error: PqlError, stream: TextIO, color: str = "auto") -> str:
    """The text of an error as `stream` shows it best: in colours on a terminal, unless NO_COLOR asks for none, and no
    wider than that.

    color: `always` and `never` are sure of it.
    """
    plain = not stream.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    plain = color == "never" or (plain and color != "always")
    columns = shutil.get_terminal_size().columns if stream.isatty() else None
    return _drawn(error, columns, (lambda part, line: line) if plain else _line)


def painted(error: PqlError) -> str:
    """The text of an error in colours; without them it is `str(error)`."""
    return _drawn(error, None, _line)


def _drawn(error: PqlError, columns: int | None, line: Callable[[Part, str], str]) -> str:
    width = WIDTH if columns is None else max(_LEAST, min(WIDTH, columns - _BESIDE))
    faults = []
    for fault in error.faults:
        lines = []
        for part, text in lines_of(fault, error.text, width, error.file):
            fits = columns is None or part not in (Part.HEAD, Part.NEAREST, Part.HINT)
            lines.append(line(part, text if fits else folded(text, columns or 0)))
        faults.append("\n".join(lines))
    return "\n\n".join(faults) + "\n" + line(Part.MORE, more_about([fault.code for fault in error.faults]))


def _line(part: Part, line: str) -> str:
    """A line with its colour; of the head only the code, of the rest all but the indent."""
    colour = _COLOURS.get(part)
    if colour is None:
        return line
    if part is Part.HEAD:
        code, rest = line.split(": ", 1)
        return f"{colour}{code}{_OFF}: {rest}"
    words = line.lstrip(" ")
    return line[: len(line) - len(words)] + colour + words + _OFF
