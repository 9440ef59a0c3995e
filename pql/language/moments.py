"""Moments in time as people give them: AS OF in the text, as a parameter, or as an argument."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pql.language import ast
from pql.language.errors import PqlError
from pql.language.parameters import fill, naive_utc


def moment_of(query: ast.Predict, params: Any, argument: str | dt.date | None) -> dt.datetime | None:
    """The anchor asked for, as a naive UTC datetime: the text's AS OF, else the argument, else None.

    Raises PqlError `invalid_literal` for what is no moment, `clause_conflict` if both are given.
    """
    if query.as_of is None:
        return None if argument is None else as_datetime(argument, None)
    if argument is not None:
        raise PqlError(
            "clause_conflict",
            "The anchor is given twice: AS OF in the text and the argument as_of.",
            span=query.as_of.span,
            hint="Leave one of them out.",
        )
    filled, _ = fill(query, params)  # the binder reports the faults
    when = filled.as_of.when if filled.as_of is not None else None
    return as_datetime(when.value, when.span) if isinstance(when, ast.Literal) else None


def as_datetime(value: Any, span: ast.Span | None) -> dt.datetime:
    """A date, datetime or ISO text as a naive UTC datetime. Raises PqlError `invalid_literal`."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            value = None
    if isinstance(value, dt.datetime):
        return naive_utc(value)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day)
    raise PqlError(
        "invalid_literal",
        "AS OF takes a date or a timestamp.",
        span=span,
        hint="Write AS OF 2024-12-01 or AS OF '2024-12-01 18:00:00'.",
    )
