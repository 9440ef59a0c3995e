"""From findings to one error: faults once each, in order, with a corrected query that was bound again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pql.language.errors import Fault, PqlError
from pql.language.scope import Edit, Finding

Check = Callable[[str], PqlError | None]


def as_error(findings: Sequence[Finding], text: str, check: Check) -> PqlError:
    """The error of these findings. `check` binds a text again and gives its error, or None if all is well.

    A fix is offered where it makes the query whole: for a single fault its own, for several the one that cures all
    of them, on the first.
    """
    unique: dict[tuple, Finding] = {}
    for finding in findings:
        key = (finding.fault.code, finding.fault.message)
        known = unique.get(key)
        edits = finding.edits if known is None else tuple(dict.fromkeys((*known.edits, *finding.edits)))
        unique[key] = Finding(finding.fault if known is None else known.fault, edits, finding.around)
    faults = [finding.fault for finding in unique.values()]
    fix = None
    if all(finding.edits for finding in unique.values()):
        fix = _checked(_edited(text, [edit for finding in unique.values() for edit in finding.edits]), check)
    around = next((finding.around for finding in unique.values() if finding.around), "")
    if fix is not None and around and fix.lstrip()[:7].upper() == "PREDICT":
        fix = around.replace("{}", fix.strip().rstrip(";").rstrip(), 1)
    faults[0] = replace(faults[0], fix=fix)
    return PqlError.of(_ordered(faults), text)


def _ordered(faults: list[Fault]) -> list[Fault]:
    return faults


def _checked(fixed: str | None, check: Check) -> str | None:
    """The corrected text, corrected further where its own error offers that; None if it does not become whole."""
    if fixed is None:
        return None
    error = check(fixed)
    return fixed if error is None else error.fix


def _edited(text: str, edits: Sequence[Edit]) -> str | None:
    """The text with all edits made; None if they overlap."""
    result = text
    last = len(text) + 1
    for edit in sorted(dict.fromkeys(edits), key=lambda e: (e.start, e.end), reverse=True):
        if edit.end > last or edit.start > edit.end:
            return None
        result = result[: edit.start] + edit.text + result[edit.end :]
        last = edit.start
    return result
