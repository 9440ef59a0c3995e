"""The aggregations in SQL: each gives the same bits in whatever order the rows come.

Sums, means and deviations of doubles add in the order of the values; FIRST and LAST order by time, then primary key,
then value. Inside a group the columns are `time`, `value` and `tie_0 …` of the fact rows `f`.
"""

from __future__ import annotations

from pql.language.bound import BoundAggregate, ColumnRef
from pql.language.catalog import LogicalType
from pql.language.errors import PqlError

COUNTS = frozenset({"COUNT", "COUNT_DISTINCT", "SUM"})


def aggregate_sql(aggregate: BoundAggregate, ties: int, *, only: str = "") -> str:
    """The aggregate over the rows `f` of a group; `ties` is how many tie-breaking columns they have.

    `only`: a condition of a ranking's rules that a listed value must meet.
    """
    function = aggregate.function
    if function in ("COUNT", "EXISTS"):
        return "count(*)" if aggregate.argument is None else "count(f.value)"
    if aggregate.argument is None:
        raise PqlError(
            "not_supported",
            f"{function} needs a column",
            span=aggregate.span,
            hint="Name the column, as in table.column",
        )
    if function == "COUNT_DISTINCT":
        return "count(DISTINCT f.value)"
    if function in ("MIN", "MAX"):
        return f"{function.lower()}(f.value)"
    if function in ("SUM", "AVG", "STDDEV", "MEDIAN"):
        return _number(aggregate)
    order = ", ".join(["f.time", *(f"f.tie_{i} NULLS LAST" for i in range(ties)), "f.value"])
    present = f"FILTER (WHERE {' AND '.join(filter(None, ['f.value IS NOT NULL', only]))})"
    if function in ("FIRST", "LAST"):
        return f"{function.lower()}(f.value ORDER BY {order}) {present}"
    if function == "ARRAY_AGG":
        return f"list(f.value ORDER BY {order}) {present}"
    if function == "LIST_DISTINCT":
        return f"list_sort(list(DISTINCT f.value) {present})"
    raise PqlError(
        "not_supported",
        f"{function} can't be computed yet",
        span=aggregate.span,
        hint="Use COUNT, SUM, AVG, MIN, MAX, FIRST, LAST or LIST_DISTINCT.",
    )


def value_sql(aggregate: BoundAggregate, value: str) -> str:
    """What an aggregate is where `value` is NULL because no row is in the window: the table of LANGUAGE §3."""
    if aggregate.function in COUNTS:
        return f"coalesce({value}, 0)"
    if aggregate.function == "EXISTS":
        return f"(coalesce({value}, 0) > 0)"
    return value


def _number(aggregate: BoundAggregate) -> str:
    function, argument = aggregate.function.lower(), aggregate.argument
    if function == "median":
        return "median(CAST(f.value AS DOUBLE))"
    if function == "stddev":
        return "stddev_samp(CAST(f.value AS DOUBLE) ORDER BY f.value)"
    if isinstance(argument, ColumnRef) and argument.type is LogicalType.INTEGER:  # exact in any order
        return f"{function}(f.value)"
    if argument is not None and argument.type is LogicalType.BOOLEAN:
        return f"{function}(CAST(f.value AS INTEGER))"
    return f"list_{function}(list_sort(list(f.value)))"
