"""The aggregations: what they may be applied to and what type they give (LANGUAGE §2)."""

from __future__ import annotations

from dataclasses import dataclass

from pql.language.catalog import LogicalType

NUMBERS = frozenset({LogicalType.INTEGER, LogicalType.FLOAT})
ORDERED = NUMBERS | {LogicalType.TIMESTAMP}
READABLE = frozenset(set(LogicalType) - {LogicalType.OTHER})


@dataclass(frozen=True, slots=True)
class Function:
    """One aggregation.

    accepts: the types its argument may have. star: whether `t.*` may stand as its argument. result: its type, None
    for the argument's own. lists: gives a set of values. picks: gives one of the values, as it is.
    """

    name: str
    accepts: frozenset[LogicalType]
    result: LogicalType | None
    star: bool = False
    lists: bool = False
    picks: bool = False


FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Function("COUNT", READABLE, LogicalType.INTEGER, star=True),
        Function("SUM", NUMBERS, None),
        Function("AVG", NUMBERS, LogicalType.FLOAT),
        Function("MIN", ORDERED, None),
        Function("MAX", ORDERED, None),
        Function("COUNT_DISTINCT", READABLE, LogicalType.INTEGER),
        Function("FIRST", READABLE, None, picks=True),
        Function("LAST", READABLE, None, picks=True),
        Function("LIST_DISTINCT", READABLE, None, lists=True),
        Function("ARRAY_AGG", READABLE, None, star=True, lists=True),
        Function("EXISTS", READABLE, LogicalType.BOOLEAN, star=True),
        Function("BOOL", READABLE, LogicalType.BOOLEAN, star=True),
        Function("MEDIAN", NUMBERS, LogicalType.FLOAT),
        Function("STDDEV", NUMBERS, LogicalType.FLOAT),
        Function("TIME_TO", READABLE, LogicalType.FLOAT, star=True),
    )
}

# What other dialects call them.
OTHER_NAMES: dict[str, str] = {
    "MEAN": "AVG",
    "AVERAGE": "AVG",
    "TOTAL": "SUM",
    "STD": "STDDEV",
    "STDEV": "STDDEV",
    "STDDEV_SAMP": "STDDEV",
    "NUNIQUE": "COUNT_DISTINCT",
    "UNIQUE": "LIST_DISTINCT",
    "COUNTDISTINCT": "COUNT_DISTINCT",
    "LISTDISTINCT": "LIST_DISTINCT",
    "SET": "LIST_DISTINCT",
    "LIST": "LIST_DISTINCT",
    "ANY": "EXISTS",
    "MAXIMUM": "MAX",
    "MINIMUM": "MIN",
    "NEXT": "FIRST",
    "MOST_RECENT": "LAST",
}


def result_type(function: Function, argument: LogicalType | None) -> LogicalType:
    """The type of `function` over an argument of this type (None for `t.*`); of the elements, for lists."""
    return function.result or argument or LogicalType.INTEGER
