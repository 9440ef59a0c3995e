"""The makers of RelQL's forms: windows as frames after OVER, windows with names, another name for FROM's table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pql.language import ast
from pql.language.ast import Identifier, Parameter, Span
from pql.language.build_expressions import SECONDS, ExpressionBuilder
from pql.language.errors import PqlError
from pql.language.rewrite import rewrite

_FIXED = ("seconds", "minutes", "hours", "days", "weeks")


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands in the brackets after OVER: the window, and the task its HORIZONS or RANK TOP ask for."""

    window: ast.Window
    task: ast.TaskClause | None
    span: Span


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a frame: `at` counts from the anchor, None for all of the past; NOW has no unit."""

    at: int | Parameter | None
    unit: str | None
    is_past: bool
    span: Span


class FrameBuilder(ExpressionBuilder):
    """Makes aggregates with frames. `tasks_in_over` are the tasks asked for inside frames of the target so far."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.tasks_in_over: list[ast.TaskClause] = []
        self._asked: dict[Span, Identifier] = {}
        self._declared: dict[str, tuple[Identifier, Frame]] = {}

    # ------------------------------------------------------------ aggregates

    def call_over(self, c: list[Any], span: Span) -> ast.Aggregate:
        frame: Frame = c[6]
        if frame.task is not None:
            self.tasks_in_over.append(frame.task)
        return replace(self._windowless(c, span), window=frame.window)

    def call_over_name(self, c: list[Any], span: Span) -> ast.Aggregate:
        name: Identifier = c[5]
        self._asked[name.span] = name
        return replace(self._windowless(c, span), window=ast.Window(0, 0, None, name.span))

    def _windowless(self, c: list[Any], span: Span) -> ast.Aggregate:
        made = self.call(c[:4], span)
        if made.window is not None:
            message = "this has a window in its brackets and another after OVER"
            fix = self.text[: c[3].end] + self.text[span.end :]
            raise PqlError("two_windows", message, span=span, hint="take one of the two away", fix=fix)
        return made

    # ------------------------------------------------------------ frames

    def over(self, c: list[Any], span: Span) -> Frame:
        return Frame(c[0], None, span)

    def over_ranked(self, c: list[Any], span: Span) -> Frame:
        return Frame(c[0], ast.RankTop(c[3], span=Span(c[1].start, span.end)), span)

    def over_horizons(self, c: list[Any], span: Span) -> Frame:
        return Frame(c[0], ast.Forecast(c[2], Span(c[1].start, span.end)), span)

    def one_sided(self, c: list[Any], span: Span) -> ast.Window:
        now = Bound(0, None, False, span)
        return self._between(c[0], now, span) if c[0].is_past else self._between(now, c[0], span)

    def range_between(self, c: list[Any], span: Span) -> ast.Window:
        return self._between(c[2], c[4], span)

    def following(self, c: list[Any], span: Span) -> Bound:
        return Bound(c[0], c[1].value, False, span)

    def preceding(self, c: list[Any], span: Span) -> Bound:
        at = c[0]
        at = replace(at, is_negated=not at.is_negated) if isinstance(at, Parameter) else -at
        return Bound(at, c[1].value, True, span)

    def all_past(self, c: list[Any], span: Span) -> Bound:
        return Bound(None, None, True, span)

    def now(self, c: list[Any], span: Span) -> Bound:
        return Bound(0, None, False, span)

    def _between(self, start: Bound, end: Bound, span: Span) -> ast.Window:
        if end.at is None:
            hint = "UNBOUNDED PRECEDING comes first: RANGE BETWEEN UNBOUNDED PRECEDING AND NOW"
            raise PqlError("unbounded_end", "a window can't end before all of the past", span=end.span, hint=hint)
        first, last, unit = start.at, end.at, start.unit or end.unit
        if start.unit and end.unit and start.unit != end.unit:
            first, last, unit = self._in_one_unit(start, end, span)
        for number in (first, last):
            self.check_length(number, unit, span)
        return ast.Window(first, last, unit, span)

    def _in_one_unit(self, start: Bound, end: Bound, span: Span) -> tuple[int, int, str]:
        """Both ends in the smaller of their units; months and years have no fixed length in days."""
        units = (str(start.unit), str(end.unit))
        months = {"months": 1, "years": 12}
        sizes = [SECONDS[unit] if all(u in _FIXED for u in units) else months.get(unit, 0) for unit in units]
        if not all(sizes) or not isinstance(start.at, int) or not isinstance(end.at, int):
            message = f"{units[0]} and {units[1]} don't make one window"
            raise PqlError("syntax", message, span=span, hint="write both ends in the same unit")
        least = min(sizes)
        return start.at * sizes[0] // least, end.at * sizes[1] // least, units[sizes.index(least)]

    # ------------------------------------------------------------ names

    def named_window(self, c: list[Any], span: Span) -> None:
        name: Identifier = c[1]
        if name.text.lower() in self._declared:
            raise PqlError(
                "duplicate_clause", f"WINDOW {name.text} stands twice", span=span, hint="keep one of the two"
            )
        self._declared[name.text.lower()] = name, c[4]

    def resolve_windows(self, node: Any) -> Any:
        """The tree with the windows that WINDOW names in the place of their names. Raises PqlError unknown_window."""
        unused = dict(self._declared)
        found: dict[Span, ast.Window] = {}
        for name in self._asked.values():
            unused.pop(name.text.lower(), None)
            declared = self._declared.get(name.text.lower())
            if declared is None:
                hint = (
                    f"declare it at the end, WINDOW {name.text} AS (30 DAYS FOLLOWING), or write the frame in brackets"
                )
                raise PqlError("unknown_window", f"no window is called {name.text}", span=name.span, hint=hint)
            frame = declared[1]
            if frame.task is not None and frame.task not in self.tasks_in_over:
                self.tasks_in_over.append(frame.task)
            found[name.span] = replace(frame.window, span=name.span)
        for name, frame in unused.values():
            message = f"no aggregate stands OVER {name.text}: the window would change nothing"
            raise PqlError("misplaced_clause", message, span=name.span.to(frame.span), hint="leave WINDOW out")
        self._asked.clear()
        self._declared.clear()
        if not found:
            return node
        return rewrite(node, lambda part: found.get(part.span, part) if type(part) is ast.Window else part)


def unaliased(node: Any, alias: Identifier, table: Identifier) -> Any:
    """The tree with the table's own name wherever `alias` stands for it."""

    def change(part: Any) -> Any:
        named = getattr(part, "table", None)
        if type(part) in (ast.ColumnName, ast.Star) and named is not None and named.text.lower() == alias.text.lower():
            return replace(part, table=Identifier(table.text, named.span, table.quoted))
        return part

    return rewrite(node, change)
