"""Times written as text or counted as numbers: ISO and other dates, 20240131, seconds or milliseconds since 1970,
Julian days.

Told by a column's name and by its first values together, or by values that can be nothing else (2024-01-31,
2024/01/31, 31.01.2024, milliseconds in a column of milliseconds), and shown as TIMESTAMP (UTC) from then on; what
doesn't parse is NULL. A day and a month that all values leave open are left as text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from pql.backends.base import StoredTable
from pql.backends.logical import logical_type
from pql.backends.names import is_id_name, words
from pql.backends.sql import alias, identifier, literal
from pql.language.catalog import LogicalType

SOME = 1_000  # first values that are looked at
LEAST = 0.95  # of them must parse
_COUNTED = {"date", "time", "datetime", "timestamp", "ts", "epoch", "at", "dt", "utc", "unix", "created", "day", "on"}
_DAYS = ("%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d", "%d-%b-%Y", "%d %b %Y",
         "%b %d, %Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y")  # fmt: skip
_ISO = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d[^+Z-]*)?$"
_ISO_ZONED = r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d[:.\d]* ?(Z|[+-]\d\d(:?\d\d)?)$"
_HOURS = ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")
_EXCHANGED = {"%d/%m/%Y": "%m/%d/%Y", "%d-%m-%Y": "%m-%d-%Y", "%d/%m/%y": "%m/%d/%y"}
_SCALES = (1_000_000, 1_000)  # µs per unit: seconds, milliseconds; then microseconds and nanoseconds
_UNITS = {"ms", "msec", "millis", "milliseconds", "us", "usec", "micros", "microseconds", "ns", "nanos", "nanoseconds"}
_LONG_YEAR = r"\d{4}"
_PLAIN_DAYS = {
    "%Y/%m/%d": r"^\d{4}/\d\d/\d\d",
    "%d.%m.%Y": r"^\d\d?\.\d\d?\.\d{4}",
    "%d/%m/%Y": r"^\d\d?/\d\d?/\d{4}",
    "%m/%d/%Y": r"^\d\d?/\d\d?/\d{4}",
}  # dates whatever the column's name
_JULIAN = {"julian", "julianday", "jd"}
_EPOCH_DAY, _DAYS_FROM, _DAYS_UNTIL = 2440587.5, 2415020, 2488070  # 1970, 1900 and 2100 in Julian days
_FROM, _UNTIL = 400_000_000, 2_500_000_000  # s: 1982 to 2049


def written_times(
    source: str,
    table: StoredTable,
    run: Callable[[str], list[dict[str, Any]]],
    *,
    declared: Collection[str] | None = None,
) -> tuple[str, StoredTable]:
    """`source` and its table with written times as TIMESTAMP. `run` gives the rows of a SELECT.

    declared: look at these columns only, which are times by their declared type, whatever their names.
    """
    kinds = {name: logical_type(kind, name) for name, kind in table.columns if declared is None or name in declared}
    forms = {name: _forms(name, kind, is_declared=declared is not None) for name, kind in kinds.items()}
    forms = {name: tried for name, tried in forms.items() if tried}
    if not forms:
        return source, table
    counts, places = [], []
    for name, tried in forms.items():
        counts.append(f"count({identifier(name)})")
        places.append((name, ""))
        for form in tried:
            counts.append(f"count({form})")
            places.append((name, form))
    listed = ", ".join(alias(text, f"c{i}") for i, text in enumerate(counts))
    columns = ", ".join(identifier(name) for name in forms)
    row = run(f"SELECT {listed} FROM (SELECT {columns} FROM {source} LIMIT {SOME}) AS few")[0]
    seen = dict(zip(places, row.values(), strict=True))
    chosen: dict[str, str] = {}
    for name, tried in forms.items():
        fit = _fit({form: seen[name, form] for form in tried}, seen[name, ""])
        if len(fit) > 1:  # the first values are early days of a month: do all tell?
            whole = ", ".join(alias(f"count({text})", f"c{i}") for i, text in enumerate((identifier(name), *fit)))
            of_all = list(run(f"SELECT {whole} FROM {source}")[0].values())
            fit = _fit(dict(zip(fit, of_all[1:], strict=True)), of_all[0])
        if len(fit) == 1:
            chosen[name] = fit[0]
    if not chosen:
        return source, table
    shown = ", ".join(alias(form, name) for name, form in chosen.items())
    typed = tuple((name, "TIMESTAMP" if name in chosen else kind) for name, kind in table.columns)
    return f"(SELECT * REPLACE ({shown}) FROM {source})", replace(table, columns=typed)


def _fit(parsed: dict[str, int], values: int) -> list[str]:
    """The first form that reads nearly all values; two if another reads as many with the day as the month."""
    fit = [form for form, known in parsed.items() if values and known >= LEAST * values]
    for one, other in _EXCHANGED.items():
        exchanged = fit[0].replace(one, other) if fit else ""
        if exchanged in fit[1:]:
            more = max(parsed[fit[0]], parsed[exchanged])
            return [form for form in (fit[0], exchanged) if parsed[form] == more]
    return fit[:1]


def _forms(name: str, kind: LogicalType, *, is_declared: bool) -> list[str]:
    """The expressions that may read a column as moments; of numbers none unless their name or type speaks of time."""
    from pql.backends.infer_clocks import TIME_WORDS

    parts = set(words(name))
    quoted = identifier(name)
    if is_id_name(name) and not is_declared:
        return []
    if kind is LogicalType.STRING:
        zoned = f"make_timestamp(epoch_us(TRY_CAST({quoted} AS TIMESTAMPTZ)))"
        iso = (
            f"CASE WHEN regexp_matches({quoted}, {literal(_ISO_ZONED)}) THEN {zoned} "
            f"WHEN regexp_matches({quoted}, {literal(_ISO)}) THEN TRY_CAST({quoted} AS TIMESTAMP) END"
        )
        if is_declared or parts & TIME_WORDS:
            return [iso, *(_parsed(quoted, day + hour, _LONG_YEAR) for day in _DAYS for hour in _HOURS)]
        plain = (_parsed(quoted, day + hour, looks) for day, looks in _PLAIN_DAYS.items() for hour in _HOURS)
        return [iso, *plain]
    spoken = is_declared or bool(parts & (_COUNTED | _JULIAN))
    if kind is LogicalType.INTEGER and parts & (TIME_WORDS | _UNITS) and not spoken:
        return [_since_1970(quoted, 1_000, 1), _since_1970(quoted, 1, 1), _since_1970(quoted, 1, 1_000)]
    if kind in (LogicalType.INTEGER, LogicalType.FLOAT) and spoken:
        forms = [_since_1970(quoted, micros, 1) for micros in _SCALES]
        if kind is LogicalType.INTEGER:
            forms += [_since_1970(quoted, 1, 1), _since_1970(quoted, 1, 1_000)]
            whole = f"CAST({quoted} AS VARCHAR)"
            forms.append(f"CASE WHEN {quoted} BETWEEN 19000101 AND 21001231 THEN TRY_STRPTIME({whole}, '%Y%m%d') END")
        else:
            since = f"CAST(round(({quoted} - {_EPOCH_DAY}) * 86400000) AS BIGINT) * 1000"
            forms.append(f"CASE WHEN {quoted} BETWEEN {_DAYS_FROM} AND {_DAYS_UNTIL} THEN make_timestamp({since}) END")
        return forms
    return []


def _parsed(quoted: str, form: str, looks: str) -> str:
    """A text as a moment, NULL where it has another form; where years have four digits it must look like that."""
    value = f"TRY_STRPTIME({quoted}, {literal(form)})"
    return f"CASE WHEN regexp_matches({quoted}, {literal(looks)}) THEN {value} END" if "%Y" in form else value


def _since_1970(quoted: str, micros: int, divisor: int) -> str:
    """The moment that a count of units since 1970 means, NULL outside of 1982 to 2049; a unit is micros/divisor µs."""
    low, high = (bound * 1_000_000 * divisor // micros for bound in (_FROM, _UNTIL))
    whole = f"{quoted} * {micros}" if divisor == 1 else f"{quoted} // {divisor}"
    return f"CASE WHEN {quoted} BETWEEN {low} AND {high} THEN make_timestamp(CAST({whole} AS BIGINT)) END"
