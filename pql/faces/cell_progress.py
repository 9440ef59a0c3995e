"""Progress beneath a notebook's cell: one line that appears when work takes a while and is gone when it is done."""

from __future__ import annotations

import sys
import time
from typing import Any

from pql.html import element, fragment

PATIENCE = 0.4  # seconds before anything is shown
PAUSE = 0.2  # seconds between two changes


class CellProgress:
    """A listener of `engine.events` for notebooks; on a terminal it is a line that is written over."""

    def __init__(self, shell: Any) -> None:
        self._on_terminal = type(shell).__name__ == "TerminalInteractiveShell"
        self._handle: Any = None
        self._shown = False
        self._begun = self._last = 0.0

    def begin(self) -> None:
        """A cell has begun."""
        self._handle, self._shown = None, False
        self._begun, self._last = time.monotonic(), 0.0

    def stage(self, name: str, detail: str, fraction: float | None) -> None:
        now = time.monotonic()
        if now - self._begun < PATIENCE or now - self._last < PAUSE:
            return
        self._last = now
        share = f" {fraction:.0%}" if fraction is not None else ""
        self._show(f"{name}{share} {detail}".strip()[:120], fraction)

    def done(self, name: str, seconds: float) -> None:
        return None

    def clear(self) -> None:
        """Nothing is shown any more."""
        if not self._shown:
            return
        self._shown = False
        if self._on_terminal:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
        else:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)

    def _show(self, said: str, fraction: float | None) -> None:
        self._shown = True
        if self._on_terminal:
            sys.stderr.write(f"\r\x1b[2K{said}")
            sys.stderr.flush()
            return
        bar = element("progress", max=1, value=fraction)
        shown = {"text/plain": said, "text/html": fragment(bar, " ", element("span", said, class_="pql-soft"))}
        if self._handle is None:
            from IPython.display import display

            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)
