"""A session that opens while the prompt is shown already: importing DuckDB and reading a folder takes a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pql.session import Session


class Opening:
    """Opens `source` with `connect` in a thread of its own once `begin` is called; `session()` waits for it."""

    def __init__(self, source: str, connect: Callable[[], Session]) -> None:
        self._connect = connect
        self._session: Session | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self.failed: Callable[[BaseException], None] = lambda error: None  # called where it can't be opened
        if not _is_there(source):
            self._open()
            self.session()

    def begin(self) -> None:
        """Start to open, once."""
        if self._thread is None and not self._ready.is_set():
            self._thread = threading.Thread(target=self._open, name="open", daemon=True)
            self._thread.start()

    def session(self) -> Session:
        """The open session. Raises PqlError where the source can't be opened."""
        self.begin()
        self._ready.wait()
        if self._error is not None:
            raise self._error
        assert self._session is not None
        return self._session

    @property
    def is_busy(self) -> bool:
        """True while the source is being opened."""
        return self._thread is not None and not self._ready.is_set()

    def close(self) -> None:
        """Let go of the data; nothing is raised."""
        if self._session is not None:
            self._session.close()

    def _open(self) -> None:
        try:
            self._session = self._connect()
        except BaseException as error:
            self._error = error
            self.failed(error)
        finally:
            self._ready.set()


def _is_there(source: str) -> bool:
    """True where there is something of that name; all else is told before the prompt is shown."""
    try:
        return Path(source).expanduser().exists()
    except (OSError, ValueError):
        return False
