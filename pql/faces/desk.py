"""What the prompt keeps between two statements: the session, how answers are written, and the last of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pql.faces.screen import Screen, encodable
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.result import Predictions
    from pql.session import Session

MODES = ("box", "csv", "json", "jsonl", "md", "line", "parquet")
ROWS = 20
_FEWEST = 5
_AROUND = 9  # lines of the screen that stand around the rows: head, notes, the prompt


class Misused(Exception):
    """A command that can't be followed as it is written; the text says what would do."""


@dataclass(slots=True)
class Desk:
    """The state of one prompt. `open` gives the session, which may still be opening while the prompt is shown.

    mode: how tables are written. output: the file they go to, None for the screen. limit: rows that a box shows,
    None for as many as the screen has room for, ROWS at most.
    last: the predictions that `.why` speaks of. asked: the text of the latest statement.
    """

    open: Callable[[], Session]
    source: str
    screen: Screen = field(default_factory=Screen)
    mode: str = "box"
    output: Path | None = None
    limit: int | None = None
    timer: bool = False
    last: Predictions | None = None
    asked: str = ""
    left: bool = False
    reading: tuple[Path, ...] = ()

    @property
    def session(self) -> Session:
        return self.open()

    def say(self, text: str) -> None:
        """Talk, on stderr: it is no part of an answer."""
        stream = sys.stderr
        stream.write(encodable(text, stream) + "\n")
        stream.flush()

    def complain(self, error: PqlError) -> None:
        from pql.faces.paint import shown

        self.say(shown(error, sys.stderr))

    def answers(self, text: str) -> None:
        """Run statements and show what each answers. Raises PqlError."""
        self.asked = text.strip()
        self.show_all(self.session.each(text))

    def show_all(self, results: Iterable[Any]) -> None:
        """Show answers one by one, with the seconds each took where the timer is on."""
        self.check()
        start = time.perf_counter()
        for result in results:
            took = time.perf_counter() - start
            self._remember(result)
            self.show(result)
            if self.timer:
                self.say(f"{took:.3f} s")
            start = time.perf_counter()

    def show(self, result: Any) -> None:
        """Write one answer in the mode of now, to the screen or to the file of `.output`."""
        from pql.faces.render import appended, rendered, write

        mode = self.form
        if mode == "parquet" and hasattr(result, "to_arrow_table"):
            self.check()
            return write(result, "parquet", self.output, self.rows)
        mode = "box" if mode == "parquet" else mode
        if self.output is not None:
            return appended(rendered(result, mode, self.rows), self.output)
        self.screen.show(rendered(result, mode, self.rows, width=self.screen.width, on_screen=self.screen.is_terminal))

    @property
    def rows(self) -> int:
        """How many rows a box shows now."""
        height = self.screen.height if self.output is None else None
        return self.limit or (ROWS if height is None else max(_FEWEST, min(ROWS, height - _AROUND)))

    @property
    def form(self) -> str:
        """How tables are written now: as `.mode` says, else in a file as its ending does."""
        ending = "" if self.output is None else self.output.suffix.lower().removeprefix(".")
        return ending if self.mode == "box" and ending in MODES else self.mode

    def check(self) -> None:
        """Raise PqlError `binary_output` where Parquet would go to the screen."""
        if self.mode == "parquet" and self.output is None:
            raise PqlError(
                "binary_output",
                "Parquet can't be written to the screen.",
                hint="Name a file with .output FILE, or choose another mode with .mode box.",
            )

    def _remember(self, result: Any) -> None:
        if hasattr(result, "why"):
            self.last = result
        elif getattr(result, "predictions", ()):
            self.last = result.predictions[-1]
