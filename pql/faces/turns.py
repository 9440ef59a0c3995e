"""Questions take turns: each has its time, says what is done for it, and can be given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from contextvars import ContextVar
from typing import TypeVar

from pql.language.errors import PqlError

T = TypeVar("T")

GENTLY = 0.75  # of the time a question has: training is told to end with what it has; the rest is for the answer
_LOOK = 0.05  # seconds between two looks at whether a question that waits was given up


class Call:
    """One question. `doing`: what is done for it now, in a few words."""

    def __init__(self) -> None:
        self.doing = "waiting for the question before this one"
        self._given_up = threading.Event()

    @property
    def given_up(self) -> bool:
        return self._given_up.is_set()

    def give_up(self) -> None:
        """Nobody waits for the answer any more."""
        self._given_up.set()


CALL: ContextVar[Call | None] = ContextVar("CALL", default=None)
"""The call that what runs here is done for; set by whoever wants to follow it or give it up."""


class Turns:
    """One worker for all questions, and a listener that breaks off what took too long or was given up.

    `stop`: what tells a training to end with the best so far.
    """

    def __init__(self) -> None:
        self.stop: Callable[[], None] = lambda: None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pql-agent")
        self._turn = threading.Lock()
        self._call = Call()
        self._until = float("inf")

    def stage(self, name: str, detail: str, fraction: float | None) -> None:
        self._call.doing = " ".join([name, *([f"{fraction:.0%}"] if fraction is not None else []), detail]).rstrip()
        if self._call.given_up:
            raise _too_long("The question was given up and broken off")
        if time.monotonic() > self._until:
            raise _too_long("The question took too long and was broken off")

    def done(self, name: str, seconds: float) -> None:
        return None

    def first(self, work: Callable[[], T]) -> T:
        """What `work` gives, done before there are questions. Ends the worker where it raises."""
        try:
            return self._worker.submit(work).result()
        except BaseException:
            self._worker.shutdown(wait=False)
            raise

    def within(self, work: Callable[[], T], seconds: float) -> T:
        """What `work` gives, if it does in time from the beginning of its turn. Raises PqlError `stopped`."""
        call = CALL.get() or Call()
        self._take_turn(call, seconds)
        self._call, self._until = call, time.monotonic() + seconds
        call.doing = "reading the question"
        try:
            running: Future[T] = self._worker.submit(work)
        except RuntimeError:  # no work is taken after `close`
            self._turn.release()
            raise _too_long("The question came after the end") from None
        running.add_done_callback(lambda _: self._turn.release())
        try:
            return running.result(seconds * GENTLY)
        except TimeoutError:
            self.stop()
        try:
            return running.result(seconds * (1 - GENTLY))
        except TimeoutError:
            raise _too_long(f"The question took more than {seconds:g} seconds and was broken off") from None

    def give_up(self, call: Call) -> None:
        """Break a question off: at once where it waits, at its next stage where it runs."""
        call.give_up()
        if self._call is call:
            self.stop()

    def close(self, last: Callable[[], object]) -> None:
        """End what runs, and do the `last` work."""
        self._until = 0.0
        self.stop()
        self._worker.submit(last)
        self._worker.shutdown(wait=True)

    def _take_turn(self, call: Call, seconds: float) -> None:
        latest = time.monotonic() + seconds
        while not self._turn.acquire(timeout=_LOOK):
            if call.given_up:
                raise _too_long("The question was given up before its turn")
            if time.monotonic() > latest:
                raise _too_long(f"The questions before this one took more than {seconds:g} seconds")


def _too_long(message: str) -> PqlError:
    return PqlError(
        "stopped",
        message + ".",
        hint="Ask again for less: WITH (model = instant), a smaller budget, fewer entities with FOR … WHERE.",
    )
