"""The type rules of expressions: what may be compared, what a constant becomes beside a column."""

from __future__ import annotations

import datetime as dt
import uuid

from pql.language import ast
from pql.language.bound import Constant, Expression, Scalar
from pql.language.catalog import LogicalType

FLIPPED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
TYPE_WORDS = {
    LogicalType.INTEGER: "an integer",
    LogicalType.FLOAT: "a number",
    LogicalType.BOOLEAN: "true or false",
    LogicalType.STRING: "a string",
    LogicalType.TIMESTAMP: "a timestamp",
    LogicalType.UUID: "a UUID",
    LogicalType.OTHER: "a value the language cannot read",
}


def constant(literal: ast.Literal) -> Constant:
    """The literal as a typed constant; dates become timestamps at midnight."""
    value = literal.value
    if value is None:
        return Constant(None, None, literal.span)
    if isinstance(value, bool):
        return Constant(value, LogicalType.BOOLEAN, literal.span)
    if isinstance(value, int):
        return Constant(value, LogicalType.INTEGER, literal.span)
    if isinstance(value, float):
        return Constant(value, LogicalType.FLOAT, literal.span)
    if isinstance(value, dt.datetime):
        return Constant(value, LogicalType.TIMESTAMP, literal.span)
    if isinstance(value, dt.date):
        return Constant(dt.datetime(value.year, value.month, value.day), LogicalType.TIMESTAMP, literal.span)
    return Constant(value, LogicalType.STRING, literal.span)


def moment(text: str) -> dt.datetime | None:
    """A timestamp written as a string, naive UTC; None if it is none."""
    cleaned = text.strip().replace("/", "-")
    try:
        found = dt.datetime.fromisoformat(cleaned)
    except ValueError:
        return None
    return found if found.tzinfo is None else found.astimezone(dt.UTC).replace(tzinfo=None)


def converted(value: Scalar, to: LogicalType) -> tuple[bool, Scalar]:
    """Whether a constant may stand for a value of type `to`, and as what."""
    if value is None:
        return True, None
    if isinstance(value, bool):
        return to is LogicalType.BOOLEAN, value
    if isinstance(value, int | float):
        if to is LogicalType.BOOLEAN and value in (0, 1):
            return True, bool(value)
        return to.is_number, value
    if isinstance(value, dt.datetime):
        return to is LogicalType.TIMESTAMP, value
    if isinstance(value, uuid.UUID):
        return to is LogicalType.UUID, value
    if to is LogicalType.TIMESTAMP:
        found = moment(value)
        return found is not None, found
    if to is LogicalType.UUID:
        try:
            return True, uuid.UUID(value)
        except ValueError:
            return False, value
    return to is LogicalType.STRING, value


def comparable(left: LogicalType, right: LogicalType) -> bool:
    """Whether two columns or results may be compared with each other."""
    return left is right or (left.is_number and right.is_number)


def as_text(value: Scalar, source: str, to: LogicalType) -> str | None:
    """How a constant of the wrong type would have to be written to be of type `to`; None if it can't be."""
    if to is LogicalType.STRING and not isinstance(value, str | bool):
        return "'" + source.strip("'\"").replace("'", "''") + "'"
    if to.is_number and isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return None
        return value.strip() if value.strip().lower() not in ("nan", "inf", "-inf", "infinity", "-infinity") else None
    return None


def type_of(expression: Expression) -> LogicalType | None:
    """The type of a bound expression; None for NULL."""
    return expression.type


def in_words(kind: LogicalType | None) -> str:
    return "NULL" if kind is None else TYPE_WORDS[kind]
