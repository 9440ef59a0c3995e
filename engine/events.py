"""How long work tells what it does and asks whether to stop: one small protocol, no printing here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Listener(Protocol):
    """What a face implements to show progress. `fraction` is None while unknown."""

    def stage(self, name: str, detail: str, fraction: float | None) -> None: ...

    def done(self, name: str, seconds: float) -> None: ...


class Silent:
    """A listener that shows nothing."""

    def stage(self, name: str, detail: str, fraction: float | None) -> None:
        return None

    def done(self, name: str, seconds: float) -> None:
        return None


class Events:
    """Progress and interruption of one query. `stop()` may be called from a signal handler or another thread."""

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener: Listener = listener or Silent()
        self._stopped = threading.Event()
        self._patient = 0
        self._interrupts = 0
        self.seconds: dict[str, float] = {}

    def stop(self) -> None:
        self._stopped.set()

    def interrupt(self) -> bool:
        """Stop, as Ctrl-C does. False if what runs doesn't look at `stopped`, or was told before: break it off then."""
        gently = self._patient > 0 and not self.stopped
        self._interrupts += 1
        self.stop()
        return gently

    @property
    def insisted(self) -> bool:
        """True once the user has pressed Ctrl-C again: nothing that is fitted so far is wanted any more."""
        return self._interrupts > 1

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Work in here looks at `stopped` every few milliseconds and keeps what it has."""
        self._patient += 1
        try:
            yield
        finally:
            self._patient -= 1

    @property
    def stopped(self) -> bool:
        """True once the user wants the work to end; training loops look at it after every batch."""
        return self._stopped.is_set()

    def progress(self, name: str, detail: str = "", fraction: float | None = None) -> None:
        self._listener.stage(name, detail, fraction)

    @contextmanager
    def stage(self, name: str, detail: str = "") -> Iterator[None]:
        """Time a stage and tell the listener of its beginning and end."""
        self._listener.stage(name, detail, None)
        start = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + took
            self._listener.done(name, took)
