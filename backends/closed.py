"""What a session stands on once it is closed: nothing can be asked of it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from pql.backends.base import Snapshot
from pql.language.errors import PqlError


class ClosedBackend:
    """Keeps the identity of the data that was let go; every snapshot raises `source_closed`."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.read_only = True

    def snapshot(self, *, write: bool = False) -> AbstractContextManager[Snapshot]:
        raise PqlError("source_closed", "the session is closed", hint="Connect again: db = pql.connect(…).")

    def close(self) -> None:
        """Closing twice is no fault."""
