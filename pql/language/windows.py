"""Windows of aggregates: their sense by where they stand, and the repairs of those that make none (LANGUAGE §3)."""

from __future__ import annotations

from pql.language import ast
from pql.language.bound import BoundWindow
from pql.language.scope import Scope

UNITS_IN_DAYS = {
    "seconds": 1 / 86400,
    "minutes": 1 / 1440,
    "hours": 1 / 24,
    "days": 1.0,
    "weeks": 7.0,
    "months": 30.44,
    "years": 365.25,
}
LONGEST_DAYS = 365.25 * 200
_FRAME_ENDS = frozenset({"FOLLOWING", "PRECEDING", "NOW", "ROW"})


def bind_window(scope: Scope, node: ast.Aggregate, purpose: str) -> BoundWindow | None:
    """The window of an aggregate standing in the target, a filter or ASSUMING; a fault and None if it has no sense."""
    if node.window is None:
        missing = "-30, 0, days" if purpose == "filter" else "0, 30, days"
        end = node.span.end - 1
        edits = scope.replaced(ast.Span(end, end), f", {missing}") if node.span != ast.NOWHERE else ()
        message = f"{node.function} needs a window: over which days?"
        hint = f"add start and end, as in {node.function}(…, {missing})"
        scope.fault("missing_window", message, node.span, hint=hint, edits=edits)
        return None
    unit = node.window.unit or "days"
    if isinstance(node.window.start, ast.Parameter) or isinstance(node.window.end, ast.Parameter):
        return None
    start, end = node.window.start, node.window.end
    if unit not in UNITS_IN_DAYS:
        scope.fault(
            "unknown_unit", f"there is no unit {unit}", node.window.span, hint="use " + ", ".join(UNITS_IN_DAYS)
        )
        return None
    if max(abs(start or 0), abs(end)) * UNITS_IN_DAYS[unit] > LONGEST_DAYS:
        message = f"a window of {max(abs(start or 0), abs(end))} {unit} is longer than 200 years"
        scope.fault("invalid_literal", message, node.window.span, hint="-INF, 0 means the whole past")
        return None
    if start is not None and start == end:
        message = f"the window from {start} to {end} is empty"
        _refuse(scope, node, "window_empty", message, _widened(start, purpose), unit)
        return None
    if start is not None and start > end:
        message = f"the window ends ({end}) before it starts ({start})"
        _refuse(scope, node, "window_inverted", message, (end, start), unit)
        return None
    return BoundWindow(start, end, unit)


def check_past(scope: Scope, node: ast.Aggregate, window: BoundWindow) -> bool:
    """Whether the window lies at or before the anchor, as filters need; else a fault."""
    if window.end <= 0:
        return True
    start = window.start if window.start is None or window.start < 0 else -window.end
    message = f"a filter must not look into the future: the window ends at {window.end} {window.unit}"
    _refuse(
        scope, node, "future_filter", message, (start, 0), window.unit, hint="let it end at 0; ASSUMING states a future"
    )
    return False


def check_not_straddling(scope: Scope, node: ast.Aggregate, window: BoundWindow) -> bool:
    """Whether the window lies wholly on one side of the anchor; else a fault."""
    if window.is_future or window.end <= 0:
        return True
    start = "-INF" if window.start is None else str(window.start)
    message = f"the window from {start} to {window.end} {window.unit} is partly known already"
    _refuse(scope, node, "past_target", message, (0, window.end), window.unit, hint="let it start at 0")
    return False


def refuse_past(scope: Scope, node: ast.Aggregate, window: BoundWindow) -> None:
    """Note that a target, or an assumption, lies in the past; the repair mirrors the window."""
    width = 30 if window.start is None else window.end - window.start
    message = "the target lies in the past: there is nothing to predict"
    hint = "a past window may stand beside a future one, or in WHERE"
    _refuse(scope, node, "past_target", message, (0, width), window.unit, hint=hint)


def _widened(at: int, purpose: str) -> tuple[int | None, int]:
    if purpose == "filter":
        return (at - 30, at) if at <= 0 else (-30, 0)
    return (at, at + 30) if at >= 0 else (0, 30)


def _refuse(
    scope: Scope,
    node: ast.Aggregate,
    code: str,
    message: str,
    better: tuple[int | None, int],
    unit: str,
    *,
    hint: str = "",
) -> None:
    assert node.window is not None
    written = scope.source(node.window.span).split()
    text = _frame(better, unit) if len(written) > 1 and written[-1].upper() in _FRAME_ENDS else _offsets(better, unit)
    edits = () if len(written) == 1 and written[0].isidentifier() else scope.replaced(node.window.span, text)
    scope.fault(code, message, node.window.span, hint=hint or f"write {text}", edits=edits)


def _offsets(window: tuple[int | None, int], unit: str) -> str:
    return f"{'-INF' if window[0] is None else window[0]}, {window[1]}, {unit}"


def _frame(window: tuple[int | None, int], unit: str) -> str:
    """The window as it is written after OVER."""
    start, end = window
    if start == 0 and end > 0:
        return f"{end} {unit.upper()} FOLLOWING"
    if start is None and end == 0:
        return "UNBOUNDED PRECEDING"
    if end == 0:
        return f"{-(start or 0)} {unit.upper()} PRECEDING"
    return f"RANGE BETWEEN {_bound(start, unit)} AND {_bound(end, unit)}"


def _bound(at: int | None, unit: str) -> str:
    if at is None:
        return "UNBOUNDED PRECEDING"
    return "NOW" if at == 0 else f"{abs(at)} {unit.upper()} {'PRECEDING' if at < 0 else 'FOLLOWING'}"
