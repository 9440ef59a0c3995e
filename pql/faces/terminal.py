"""The prompt on a terminal: keys, colours, completion and history, by prompt_toolkit."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import completion_is_selected, is_searching
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth

from pql.faces.commands import is_command
from pql.faces.highlight import STYLE, PqlLexer
from pql.faces.statements import finished, open_statement
from pql.language.error_text import visible

if TYPE_CHECKING:
    from pql.faces.desk import Desk
    from pql.faces.known import Known
    from pql.faces.opening import Opening

HISTORY = "history"
OPEN = "(; ends it, Ctrl-C drops it) ..."  # to who waits for an answer to a statement that is still open
LONGEST = 20_000  # characters before the cursor for which there is completion


class Terminal:
    """Reads what is typed until a command, or statements up to their `;`, are whole."""

    def __init__(self, desk: Desk, opening: Opening, known: Known, *, input: Any = None, output: Any = None) -> None:
        self._opening, self._known = opening, known
        opening.failed, known.learnt = self._leave, self._offer
        name = visible(Path(desk.source).stem or "pql")
        self._name = name if len(name) <= 20 else name[:19] + "…"
        self._session: PromptSession[str] = PromptSession(
            message=[("class:pql.prompt", f"{self._name}> ")],
            prompt_continuation=self._continued,
            multiline=True,
            lexer=PqlLexer(),
            style=STYLE,
            completer=_Completer(known),
            complete_while_typing=True,
            history=history(),
            auto_suggest=AutoSuggestFromHistory(),
            key_bindings=_keys(),
            color_depth=ColorDepth.DEPTH_1_BIT if "NO_COLOR" in os.environ else None,
            input=input,
            output=output,
        )

    def read(self) -> str:
        """What the user typed next. Raises EOFError at Ctrl-D, KeyboardInterrupt at Ctrl-C, and PqlError where the
        source turns out not to open."""
        return self._session.prompt(pre_run=self._begin)

    def _leave(self, error: BaseException) -> None:
        """End the prompt with `error`, from another thread."""
        app = self._session.app
        if app.loop is not None:
            app.loop.call_soon_threadsafe(lambda: app.exit(exception=error) if app.is_running else None)

    def _offer(self) -> None:
        """Offer what has just become known, from another thread: who waits for it needn't press a key."""
        app = self._session.app
        if app.loop is not None and app.is_running:
            app.loop.call_soon_threadsafe(self._offer_now)

    def _offer_now(self) -> None:
        buffer = self._session.default_buffer
        is_chosen = buffer.complete_state is not None and buffer.complete_state.complete_index is not None
        if self._session.app.is_running and buffer.text and not is_chosen:
            buffer.complete_state = None
            buffer.start_completion()

    def _begin(self) -> None:
        """Read the data once the prompt stands there: what is imported for it would hold the drawing up."""
        asyncio.get_running_loop().call_soon(self._begin_to_read)

    def _begin_to_read(self) -> None:
        self._opening.begin()
        self._known.begin()

    def _continued(self, width: int, line: int, is_folded: int) -> str:
        if is_folded:
            return "".rjust(width)
        before = self._session.default_buffer.document.lines[line - 1 : line]
        is_lost = bool(before) and (not before[0].strip() or is_command(before[0]))
        return f"{OPEN if is_lost else '...'} ".rjust(width)


class _Completer(Completer):
    """Completion for prompt_toolkit; whatever goes wrong in it, typing goes on."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        from pql.faces.complete import suggestions

        text = document.text_before_cursor
        if len(text) > LONGEST or (
            not complete_event.completion_requested and not text[open_statement(text) :].strip()
        ):
            return
        for one in suggestions(text, self._known.names, self._known.values):
            yield Completion(one.text, start_position=one.at - len(text), display_meta=visible(one.says))


def history() -> History:
    """What was typed before, kept beside the models; only in memory where no file can be written."""
    from pql.engine.answers.home import home

    path = home() / HISTORY
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600))
    except (OSError, ValueError):
        return InMemoryHistory()
    return _Kept(str(path))


class _Kept(FileHistory):
    """A history whose file may vanish, fill up or hold anything while the prompt is open."""

    def load_history_strings(self) -> Iterable[str]:
        try:
            yield from super().load_history_strings()
        except OSError:
            return

    def store_string(self, string: str) -> None:
        try:
            super().store_string(string.encode("utf-8", "replace").decode("utf-8"))
        except OSError:
            return


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter", filter=~is_searching & ~completion_is_selected)
    def _(event: KeyPressEvent) -> None:
        """The end of a statement sends it; elsewhere a new line begins."""
        buffer = event.current_buffer
        if finished(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    @keys.add("enter", filter=completion_is_selected)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None

    return keys
