"""Moments in time as people give them: in the text, as a parameter, or as an argument. Naive UTC throughout."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pql.language import ast
from pql.language.errors import PqlError
from pql.language.parameters import fill, naive_utc, unpacked
from pql.language.types_of import moment

HINT = "write 2024-12-31 or 2024-12-31 12:00:00"


def as_moment(value: object) -> dt.datetime | None:
    """A date (its midnight), a datetime or the text of one as a naive UTC datetime; None for anything else."""
    value = unpacked(value)
    if isinstance(value, dt.datetime):
        return naive_utc(value)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day)
    return moment(value) if isinstance(value, str) else None


def moment_of(query: ast.Predict, params: Any, argument: str | dt.date | None) -> dt.datetime | None:
    """The anchor asked for before anything is bound: the text's AS OF, else the argument, else None.

    A fault in the text is left to the binder, which reports it with all others. Raises PqlError `invalid_literal` if
    the argument is no moment, `clause_conflict` if it says another one than the text.
    """
    passed = None if argument is None else as_moment(argument)
    if argument is not None and passed is None:
        raise PqlError("invalid_literal", "as_of needs a date or a timestamp", hint=HINT)
    if query.as_of is None:
        return passed
    filled, _ = fill(query, params)
    when = filled.as_of.when if filled.as_of is not None else None
    written = as_moment(when.value) if isinstance(when, ast.Literal) else None
    if passed is not None and written is not None and passed != written:
        raise PqlError(
            "clause_conflict",
            f"the query says AS OF {written}, as_of says {passed}",
            span=query.as_of.span,
            hint="say it once",
        )
    return written or passed
