"""A place in the text of a query: what the syntax tree and faults say where they stand."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of character offsets `[start, end)` into the text of the query."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The range from the start of this span to the end of `other`."""
        return Span(min(self.start, other.start), max(self.end, other.end))


NOWHERE = Span(0, 0)


def no_span() -> Span:
    """The default of a field that holds a place, which takes no part in comparison."""
    return field(default=NOWHERE, compare=False, repr=False)
