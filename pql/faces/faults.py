"""What `check` has found, as JSON values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pql.language.errors import Fault, PqlError, line_and_column


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check has found: a table of what would run or was compared, or an error."""

    found: Any

    def to_json(self) -> dict[str, Any]:
        """`{"ok", "statements" or "checks", "errors"}`, dates as texts."""
        return _as_data(self.found)


def _as_data(outcome: Any) -> dict[str, Any]:
    if isinstance(outcome, PqlError):
        return {"ok": False, "statements": [], "errors": [_fault(fault, outcome) for fault in outcome.faults]}
    rows = [{name: _plain(value) for name, value in row.items()} for row in outcome.to_arrow_table().to_pylist()]
    if "identical" in outcome.columns:
        leaks = any(row["identical"] is False for row in rows)
        return {"ok": not leaks, "checks": rows, "errors": []}
    return {"ok": True, "statements": rows, "errors": []}


def _fault(fault: Fault, error: PqlError) -> dict[str, Any]:
    """A fault with its place: characters from 0 (`start`, `end`), line and column from 1; null where it has none.

    `file` is the name of the file it stands in, null where the text was given otherwise.
    """
    place, text = None, error.text
    if fault.span is not None and text is not None:
        line, column = line_and_column(text, fault.span.start)
        end_line, end_column = line_and_column(text, fault.span.end)
        place = {
            "start": fault.span.start,
            "end": fault.span.end,
            "line": line,
            "column": column,
            "end_line": end_line,
            "end_column": end_column,
        }
    return {
        "code": fault.code,
        "message": fault.message,
        "file": error.file,
        "span": place,
        "hint": fault.hint or None,
        "fix": fault.fix,
        "nearest": list(fault.nearest),
    }


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str | list) else str(value)
