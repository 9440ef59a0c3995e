"""Progress on stderr: one line that is rewritten on a terminal, one line per stage elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class StderrProgress:
    """A listener of `engine.events` for people at a terminal or reading a log."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._last = 0.0

    def stage(self, name: str, detail: str, fraction: float | None) -> None:
        if not self._live:
            return
        now = time.monotonic()
        if fraction is not None and now - self._last < 0.1:
            return
        self._last = now
        share = f" {fraction:4.0%}" if fraction is not None else ""
        self._stream.write(f"\r\x1b[2K{name}{share} {detail}"[:120])
        self._stream.flush()

    def done(self, name: str, seconds: float) -> None:
        clear = "\r\x1b[2K" if self._live else ""
        self._stream.write(f"{clear}{name} {seconds:.1f} s\n")
        self._stream.flush()
