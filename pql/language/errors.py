"""One error class, with a stable code, a place in the text, a hint, and where possible a repaired query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pql.language.ast import NOWHERE, Span


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a query. `span` is None for faults of data, models or files, which have no place in the text."""

    code: str
    message: str
    span: Span | None = None
    hint: str = ""
    fix: str | None = None
    nearest: tuple[str, ...] = field(default=())


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """The 1-based line and column of a character offset."""
    offset = max(0, min(offset, len(text)))
    line_start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - line_start + 1


class PqlError(Exception):
    """What pql raises for every fault a user can meet.

    code, message, span, hint, fix: those of the first fault. `faults` holds all independent faults of the query.
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
    ) -> None:
        super().__init__(message)
        first = Fault(code, message, span, hint, fix, tuple(nearest))
        self.faults: tuple[Fault, ...] = (first, *others)
        self.text = text

    @classmethod
    def of(cls, faults: Sequence[Fault], text: str | None = None) -> PqlError:
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
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Copies between processes keep every fault."""
        return type(self).of, (self.faults, self.text)

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

    def at(self, text: str) -> PqlError:
        """The same error with the text of the query attached, so that places can be shown."""
        if self.text is None:
            self.text = text
        return self

    def __str__(self) -> str:
        return "\n\n".join(render_fault(fault, self.text) for fault in self.faults)


def render_fault(fault: Fault, text: str | None) -> str:
    """A fault for a person: code and message, the line with a caret, hint, nearest names, fix."""
    lines = [f"{fault.code}: {fault.message}"]
    if text is not None and fault.span is not None and fault.span != NOWHERE:
        row, column = line_and_column(text, fault.span.start)
        source = text.split("\n")[row - 1].replace("\t", " ").rstrip("\r")
        width = max(1, min(fault.span.end - fault.span.start, len(source) - column + 1))
        shift = 0
        if len(source) > 160:  # a window of the line around the fault
            shift = max(0, column - 61)
            source = source[shift : shift + 160]
            width = min(width, 160 - (column - 1 - shift))
        lines.append(f"  line {row}, column {column}")
        lines.append(f"  | {source}")
        lines.append(f"  | {' ' * (column - 1 - shift)}{'^' * max(1, width)}")
    if fault.nearest:
        lines.append(f"  nearest: {', '.join(fault.nearest)}")
    if fault.hint:
        lines.append(f"  hint: {fault.hint}")
    if fault.fix:
        lines.append(f"  fix: {fault.fix}")
    return "\n".join(lines)
