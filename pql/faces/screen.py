"""The terminal that people look at: its size, what it can show, and a pager for what is taller than it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from typing import TextIO

_LEAST = 20  # columns of a folded line
_PLAIN = str.maketrans({"─": "-", "━": "-", "…": "...", "·": ".", "’": "'", "→": "->", "≥": ">=", "≤": "<="})


class Screen:
    """Where answers are shown. `width` and `height` are columns and lines; a pipe has neither end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    @property
    def stream(self) -> TextIO:
        return self._stream or sys.stdout

    @property
    def is_terminal(self) -> bool:
        return self.stream.isatty()

    @property
    def width(self) -> int | None:
        return shutil.get_terminal_size().columns if self.is_terminal else None

    @property
    def height(self) -> int | None:
        return shutil.get_terminal_size().lines if self.is_terminal else None

    def show(self, text: str) -> None:
        """Write `text`, through a pager where it is taller than the terminal."""
        height = self.height
        if height is not None and _lines(text, self.width or 80) >= height and _paged(text):
            return
        self.write(text)

    def write(self, text: str) -> None:
        """Write `text` as it is, in signs that the stream's encoding has."""
        self.stream.write(encodable(text, self.stream))
        self.stream.flush()


def encodable(text: str, stream: TextIO) -> str:
    """`text` with plain signs, or escapes, for those that the stream's encoding lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:
        pass
    return text


def folded(text: str, width: int) -> str:
    """`text` with lines of at most `width` columns where blanks allow; what goes on stands further in."""
    import textwrap

    from rich.cells import cell_len

    made = []
    for line in text.split("\n"):
        if len(line) <= width or (not line.isascii() and cell_len(line) <= width):
            made.append(line)
            continue
        lead = line[: len(line) - len(line.lstrip())]
        wrap = textwrap.TextWrapper(
            max(width, len(lead) + _LEAST),
            subsequent_indent=lead + "  ",
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        )
        made += wrap.wrap(line)
    return "\n".join(made)


def _lines(text: str, width: int) -> int:
    """How many lines of a terminal a text takes, long ones folded."""
    return sum(1 + max(0, len(line) - 1) // max(1, width) for line in text.splitlines())


def _paged(text: str) -> bool:
    """Show `text` in the user's pager; False if there is none. A pager that is left early has shown enough."""
    asked = os.environ.get("PQL_PAGER", os.environ.get("PAGER", ""))
    try:
        words = shlex.split(asked)
    except ValueError:
        words = []
    command = words or [name for name in ("less", "more") if shutil.which(name)][:1]
    if not command or command == ["cat"] or shutil.which(command[0]) is None:
        return False
    environment = {"LESS": "-SFX", "LESSSECURE": "1"} | dict(os.environ)
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    except OSError:
        return False
    assert process.stdin is not None
    try:
        process.stdin.write(text.encode("utf-8", "backslashreplace"))
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    finally:
        while True:
            try:
                process.stdin.close()
            except (BrokenPipeError, OSError):
                pass
            except KeyboardInterrupt:
                continue
            break
    while True:
        try:
            process.wait()
            return True
        except KeyboardInterrupt:  # the pager's own
            continue
