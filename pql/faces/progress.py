"""Progress on stderr: a bar that is drawn anew on a terminal, one line per stage elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, TextIO

from pql.faces.screen import encodable
from pql.language.error_text import visible

if TYPE_CHECKING:
    from rich.console import Console

BAR = 24  # columns
_EVERY = 0.1  # seconds between two drawings of one stage


class StderrProgress:
    """A listener of `engine.events` for people at a terminal or reading a log.

    On a terminal a stage is one line: its name, a bar, its share and what it does. Nothing runs beside the query to
    draw it, so that nothing is left on the screen whatever ends the query.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._console: Console | None = None
        self._last = 0.0
        self._stage = ""

    def stage(self, name: str, detail: str, fraction: float | None) -> None:
        if not self._live:
            return
        now = time.monotonic()
        if name == self._stage and now - self._last < _EVERY:
            return
        self._last, self._stage = now, name
        self._write("\r\x1b[2K" + self._drawn(name, detail, fraction))

    def done(self, name: str, seconds: float) -> None:
        self._stage = ""
        clear = "\r\x1b[2K" if self._live else ""
        self._write(f"{clear}{visible(name)} {seconds:.1f} s\n")

    def _drawn(self, name: str, detail: str, fraction: float | None) -> str:
        """A line that fits the terminal, so that the next one can be drawn over it."""
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        width = max(1, shutil.get_terminal_size().columns - 1)
        console = self._console or self._made()
        line = Text(visible(name), style="bold")
        if fraction is not None and width > len(name) + BAR + 8:
            with console.capture() as drawn:
                console.print(ProgressBar(100, 100 * min(1.0, max(0.0, fraction)), width=BAR), end="")
            line += Text(" ") + Text.from_ansi(drawn.get().rstrip("\n"))
        if fraction is not None:
            line += Text(f" {min(1.0, max(0.0, fraction)):4.0%}")
        line += Text(f" {visible(detail)}", style="dim")
        line.truncate(width, overflow="ellipsis")
        with console.capture() as drawn:
            console.print(line, end="", soft_wrap=True)
        return drawn.get()

    def _made(self) -> Console:
        from rich.console import Console

        self._console = Console(file=self._stream, force_terminal=True, highlight=False, markup=False, emoji=False)
        return self._console

    def _write(self, text: str) -> None:
        try:
            self._stream.write(encodable(text, self._stream))
            self._stream.flush()
        except BrokenPipeError:  # nobody reads the log: the answer matters
            self._live = False
