"""Numbers written as text with one unit or currency beside them: 1,234.50 EUR, € 12,90, 3.5 kg, 45 %.

Told by the first values, and shown as DOUBLE from then on; what is written otherwise is NULL. Amounts of several
currencies are left as text, and so are those of which a comma or a point could mean either thing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pql.backends.base import StoredTable
from pql.backends.logical import logical_type
from pql.backends.names import is_id_name
from pql.backends.sql import alias, identifier, literal
from pql.language.catalog import LogicalType

SOME = 1_000  # first values that are looked at
LEAST = 0.95  # of them must be amounts
LEAST_DISTINCT = 5  # fewer are classes: 12 months, 24 months
_SIGN = "[$€£¥₹]"
_WRITTEN = (
    rf"[-+]?\s*({_SIGN}|[A-Z]{{3}}\s)?\s*[-+]?\d[\d.,]*(\s*({_SIGN}|%)|\s[A-Za-zµ°]{{1,5}}(/[A-Za-z0-9]{{1,4}})?)?"
)
_NUMBER = r"\d[\d.,]*"
_POINT = r"\d+(\.\d+)?|\d{1,3}(,\d{3})+(\.\d+)?"
_COMMA = r"\d+(,\d+)?|\d{1,3}(\.\d{3})+(,\d+)?"


def written_amounts(
    source: str, table: StoredTable, run: Callable[[str], list[dict[str, Any]]]
) -> tuple[str, StoredTable]:
    """`source` and its table with written amounts as DOUBLE. `run` gives the rows of a SELECT."""
    names = [
        name for name, kind in table.columns if logical_type(kind, name) is LogicalType.STRING and not is_id_name(name)
    ]
    if not names:
        return source, table
    wanted = []
    for i, name in enumerate(names):
        value = identifier(name)
        unit, number = _unit(value), _number(value)
        amount = f"{_fits(f'trim({value})', _WRITTEN)} AND {unit} <> ''"
        wanted += [
            alias(f"count({value})", f"n{i}"),
            alias(f"count(DISTINCT {unit}) FILTER ({amount})", f"u{i}"),
            alias(f"count(DISTINCT {number}) FILTER ({amount})", f"d{i}"),
            alias(f"count(*) FILTER ({amount} AND {_fits(number, _POINT)})", f"p{i}"),
            alias(f"count(*) FILTER ({amount} AND {_fits(number, _COMMA)})", f"c{i}"),
            alias(f"count(*) FILTER ({amount} AND {_fits(number, '[0-9]+')})", f"w{i}"),
        ]
    columns = ", ".join(identifier(name) for name in names)
    row = run(f"SELECT {', '.join(wanted)} FROM (SELECT {columns} FROM {source} LIMIT {SOME}) AS few")[0]
    chosen: dict[str, str] = {}
    for i, name in enumerate(names):
        counted, units, distinct, point, comma, whole = (row[f"{letter}{i}"] for letter in "nudpcw")
        if not counted or units != 1 or distinct < LEAST_DISTINCT or max(point, comma) < LEAST * counted:
            continue
        if point == comma and whole < point:
            continue
        chosen[name] = _read(identifier(name), has_point=point >= comma)
    if not chosen:
        return source, table
    shown = ", ".join(alias(form, name) for name, form in chosen.items())
    typed = tuple((name, "DOUBLE" if name in chosen else kind) for name, kind in table.columns)
    return f"(SELECT * REPLACE ({shown}) FROM {source})", replace(table, columns=typed)


def _fits(value: str, pattern: str) -> str:
    return f"coalesce(regexp_full_match({value}, {literal(pattern)}), false)"


def _number(value: str) -> str:
    """The digits with their separators."""
    return f"regexp_extract({value}, {literal(_NUMBER)})"


def _unit(value: str) -> str:
    """What is written besides the number and its sign."""
    return f"trim(regexp_replace({value}, {literal('[-+]|' + _NUMBER)}, '', 'g'))"


def _read(value: str, *, has_point: bool) -> str:
    """The expression of the amounts of a column as DOUBLE."""
    number = _number(value)
    plain = f"replace({number}, ',', '')" if has_point else f"replace(replace({number}, '.', ''), ',', '.')"
    fits = f"{_fits(f'trim({value})', _WRITTEN)} AND {_fits(number, _POINT if has_point else _COMMA)}"
    sign = f"CASE WHEN contains({value}, '-') THEN -1 ELSE 1 END"
    return f"CASE WHEN {fits} THEN {sign} * CAST({plain} AS DOUBLE) END"
