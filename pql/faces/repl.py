"""The prompt: reads statements and commands, answers them, and stays until it is left."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pql.faces import commands
from pql.faces.desk import Desk, Misused
from pql.faces.statements import finished, pieces
from pql.language.error_text import visible
from pql.language.errors import PqlError, line_and_column

if TYPE_CHECKING:
    from pql.session import Session

__all__ = ["finished", "loop", "take", "take_all"]


def loop(desk: Desk, read: Callable[[], str]) -> int:
    """Take what `read` gives until it raises EOFError or the user leaves; the exit code. Ctrl-C drops a line."""
    while not desk.left:
        try:
            text = read()
        except KeyboardInterrupt:
            continue
        except EOFError:
            break
        take(desk, text)
    return 0


def take(desk: Desk, text: str) -> None:
    """Follow commands and answer statements; a fault is told, and what stands after it isn't run."""
    try:
        take_all(desk, text)
    except PqlError as error:
        desk.complain(error)
    except Misused as error:
        desk.say(visible(str(error)))
    except KeyboardInterrupt:
        desk.say("stopped")
    except BrokenPipeError:
        raise
    except Exception:  # a fault of pql's own: the session and what it knows are kept
        desk.say(visible_lines(traceback.format_exc()))


def take_all(desk: Desk, text: str, file: str | None = None) -> None:
    """As `take`, with faults raised: PqlError, Misused, KeyboardInterrupt. file: the name of the file `text` is of."""
    for start, piece in pieces(text):
        if desk.left:
            return
        try:
            commands.run(desk, piece) if commands.is_command(piece) else desk.answers(piece)
        except PqlError as error:
            if file is not None:
                error.in_file(file, text, start)
            raise
        except Misused as error:
            line, _ = line_and_column(text, start)
            raise error if file is None else Misused(f"{file}, line {line}: {error}") from error


def visible_lines(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def lines(stream: Iterator[str]) -> Callable[[], str]:
    """A `read` for `loop` that takes lines of a stream until what they hold is finished."""

    def read() -> str:
        held = ""
        for line in stream:
            held += line
            if held.strip() and finished(held):
                return held
            if not held.strip():
                held = ""
        if held.strip():
            return held
        raise EOFError

    return read


def start(source: str, connect: Callable[[], Session], *, mode: str, limit: int | None) -> int:
    """The prompt on a terminal, until it is left; the exit code. connect: opens `source`, in a thread of its own.

    Raises PqlError if the source can't be opened.
    """
    from pql.faces.known import Known
    from pql.faces.opening import Opening
    from pql.faces.terminal import Terminal

    opening = Opening(source, connect)
    desk = Desk(opening.session, source, mode=mode, limit=limit)
    known = Known(opening.session)
    terminal = Terminal(desk, opening, known)
    try:
        code = loop(desk, terminal.read)
    finally:
        opening.close()
    if known.is_busy or opening.is_busy:  # nobody waits for what is read for completion alone
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
