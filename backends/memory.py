"""What was made of data that hasn't changed since: a session's next query need not make it again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pql.backends.base import Snapshot

Made = TypeVar("Made")

MOST = {"catalog": 4, "rows": 1, "graph": 1}  # of each kind, the latest
MOST_BYTES = 1 << 29  # of rows; larger ones are read again rather than held


class Memory:
    """The latest of each kind of thing made of one state of the data. A backend gives its snapshots one only where it
    is certain that they all show the same data."""

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[Any, Any]]] = {}
        self._lock = threading.Lock()  # of the lists alone: what is made takes long

    def recall(
        self, kind: str, key: Any, make: Callable[[], Made], *, keep: Callable[[Made], bool] | None = None
    ) -> Made:
        """What was made for an equal key, else `make()`, kept in place of the oldest of its kind (if `keep` agrees).

        What is replaced is let go before its successor is made, so that there are never two of them.
        """
        with self._lock:
            kept = self._kept.setdefault(kind, [])
            for place, (known, value) in enumerate(kept):
                if known == key:
                    kept.append(kept.pop(place))
                    return value
            del kept[: max(0, len(kept) - MOST[kind] + 1)]
        made = make()
        if keep is None or keep(made):
            with self._lock:
                kept.append((key, made))
        return made


def recalled(
    snapshot: Snapshot, kind: str, key: Any, make: Callable[[], Made], *, keep: Callable[[Made], bool] | None = None
) -> Made:
    """`Memory.recall` of a snapshot's memory; `make()` where it has none."""
    memory = snapshot.memory
    return make() if memory is None else memory.recall(kind, key, make, keep=keep)
