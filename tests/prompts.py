"""A prompt without a terminal: a desk over a tiny shop, what it shows and says, and keys typed into it."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

import pql
from pql.faces.desk import Desk
from pql.faces.known import Known
from pql.faces.screen import Screen

WITH = "WITH (model = entity_mean, cache = off)"
QUERY = f"PREDICT COUNT(orders.*, 0, 7, days) FOR EACH users.user_id {WITH}"


def tiny() -> dict[str, pa.Table]:
    """Users in cities, and 300 orders of theirs over 100 days."""
    start = dt.datetime(2024, 1, 1)
    n, users = 300, 12
    return {
        "users": pa.table(
            {
                "user_id": list(range(users)),
                "name": [f"User {i}" for i in range(users)],
                "city": [("Bern", "Genf", "Züri ch's")[i % 3] for i in range(users)],
            }
        ),
        "orders": pa.table(
            {
                "order_id": list(range(n)),
                "user_id": [(i * 7 + i // 5) % users for i in range(n)],
                "at": pa.array([start + dt.timedelta(hours=8 * i) for i in range(n)], pa.timestamp("us")),
                "status": [("paid", "open")[i % 2] for i in range(n)],
                "amount": [float(i % 17) for i in range(n)],
            }
        ),
    }


class Terminalike(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def desk_over(session: pql.Session, *, terminal: bool = False) -> Desk:
    """A desk whose screen keeps what it is shown."""
    return Desk(lambda: session, "shop", screen=Screen(Terminalike() if terminal else io.StringIO()))


def shown(desk: Desk) -> str:
    """What the screen was shown since it was last asked."""
    stream = desk.screen.stream
    assert isinstance(stream, io.StringIO)
    text = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    return text


class Ready:
    """An opening that is open already."""

    failed: Any = None

    def begin(self) -> None:
        return None


@contextmanager
def keyboard(desk: Desk, keys: str) -> Iterator[Any]:
    """The terminal's `read`, with `keys` typed into it."""
    from pql.faces.terminal import Terminal

    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        known = Known(lambda: desk.session)
        known.begin = lambda: None  # type: ignore[method-assign]
        yield Terminal(desk, Ready(), known).read  # type: ignore[arg-type]
