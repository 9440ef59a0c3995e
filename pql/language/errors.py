"""One error class, with a stable code, a place in the text, a hint, and where possible a repaired query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pql.language.error_text import advice, line_and_column, more_about, render_fault, sentence
from pql.language.span import NOWHERE, Span

__all__ = ["Fault", "PqlError", "line_and_column", "render_fault"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a query. `span` is None for faults of data, models or files, which have no place in the text.

    `message` and `hint` may be given as phrases: they are kept as sentences.
    """

    code: str
    message: str
    span: Span | None = None
    hint: str = ""
    fix: str | None = None
    nearest: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", sentence(self.message))
        object.__setattr__(self, "hint", advice(self.hint))


class PqlError(Exception):
    """What pql raises for every fault a user can meet.

    code, message, span, hint, fix: those of the first fault. `faults` holds all independent faults of the query.
    text: what the places are in; file: the name of the file that holds it, if one does.
    `str(error)` shows each with its line, a caret under the words, the hint and the fix.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        span: Span | None = None,
        hint: str = "",
        fix: str | None = None,
        nearest: Sequence[str] = (),
        text: str | None = None,
        others: Sequence[Fault] = (),
        file: str | None = None,
    ) -> None:
        first = Fault(code, message, span, hint, fix, tuple(nearest))
        super().__init__(first.message)
        self.faults: tuple[Fault, ...] = (first, *others)
        self.text = text
        self.file = file

    @classmethod
    def of(cls, faults: Sequence[Fault], text: str | None = None, file: str | None = None) -> PqlError:
        """One error that reports all `faults` (at least one)."""
        first, *rest = faults
        return cls(
            first.code,
            first.message,
            span=first.span,
            hint=first.hint,
            fix=first.fix,
            nearest=first.nearest,
            text=text,
            others=rest,
            file=file,
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Copies between processes keep every fault."""
        return type(self).of, (self.faults, self.text, self.file)

    @property
    def code(self) -> str:
        return self.faults[0].code

    @property
    def message(self) -> str:
        return self.faults[0].message

    @property
    def span(self) -> Span | None:
        return self.faults[0].span

    @property
    def hint(self) -> str:
        return self.faults[0].hint

    @property
    def fix(self) -> str | None:
        return self.faults[0].fix

    @property
    def nearest(self) -> tuple[str, ...]:
        return self.faults[0].nearest

    def at(self, text: str) -> PqlError:
        """The same error with the text of the query attached, so that places can be shown."""
        if self.text is None:
            self.text = text
        return self

    def in_file(self, file: str, text: str | None = None, start: int = 0) -> PqlError:
        """The same error with the name of the file its text comes from, unless it has one.

        text, start: all that the file holds, and where in it the text begins that was run; places are then counted
        from the beginning of the file.
        """
        if self.file is not None:
            return self
        self.file = file
        if text is not None and self.text is not None and text.startswith(self.text, start):
            self.text = text
            self.faults = tuple(_moved(fault, start) for fault in self.faults)
        return self

    def __str__(self) -> str:
        shown = "\n\n".join(render_fault(fault, self.text, self.file) for fault in self.faults)
        return shown + "\n" + more_about([fault.code for fault in self.faults])


def _moved(fault: Fault, by: int) -> Fault:
    if fault.span is None or fault.span == NOWHERE:
        return fault
    return replace(fault, span=Span(fault.span.start + by, fault.span.end + by))
