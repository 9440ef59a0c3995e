"""Semantic types: how an encoder is to read a column, from its type, its name and counts over the known rows."""

from __future__ import annotations

from typing import Any

from pql.backends.names import is_id_name, words
from pql.backends.profile import EXACT_ROWS, Draft, Profile
from pql.backends.sql import identifier
from pql.language.catalog import Column, LogicalType, Stype

_CLASSES = {"code", "type", "status", "flag", "category", "class", "kind", "gender", "sex", "zip", "postal", "postcode",
            "segment", "group", "cluster", "state", "mode", "method", "channel", "tier", "bucket", "label"}  # fmt: skip
_LONG = 48  # characters on average: text
_MANY = 20_000  # more distinct strings than this are text
_FEW = 100  # so few distinct strings are always a category
_CONSTANT_ROWS = 10
AT_ONCE = 40  # columns counted in one statement: of hundreds, each distinct count costs more


def columns_of(profile: Profile, draft: Draft, ids: set[str]) -> tuple[Column, ...]:
    """All columns of a stored table. `ids` are its key and foreign key columns."""
    measured = _measured(profile, draft)
    made = []
    for name, sql_type in draft.stored.columns:
        kind = draft.types[name]
        distinct, nulls, length, rows = measured.get(name, (None, None, 0.0, 0))
        stype = stype_of(name, kind, rows=rows, distinct=distinct, nulls=nulls, length=length, is_id=name in ids)
        made.append(Column(name, kind, stype, sql_type, distinct, nulls))
    return tuple(made)


def stype_of(
    name: str, kind: LogicalType, *, rows: int, distinct: int | None, nulls: int | None, length: float, is_id: bool
) -> Stype:
    """The semantic type of one column; `length` is the average of its strings."""
    if kind is LogicalType.OTHER:
        return Stype.IGNORED
    if is_id or kind is LogicalType.UUID or (is_id_name(name) and kind in (LogicalType.INTEGER, LogicalType.STRING)):
        return Stype.ID
    if rows and nulls == rows:
        return Stype.IGNORED
    if kind is LogicalType.TIMESTAMP:
        return Stype.TIMESTAMP
    if distinct is not None and distinct <= 1 and nulls == 0 and rows >= _CONSTANT_ROWS:
        return Stype.IGNORED
    if kind is LogicalType.BOOLEAN:
        return Stype.CATEGORY
    if kind is LogicalType.FLOAT:
        return Stype.NUMBER
    few = distinct or 0
    if kind is LogicalType.INTEGER:
        parts = words(name)
        named = bool(parts) and (parts[-1] in _CLASSES or (parts[0] in ("is", "has") and few <= 2))
        return Stype.CATEGORY if named and few <= 1000 else Stype.NUMBER
    present = rows - (nulls or 0)
    if length > _LONG or few > _MANY:
        return Stype.TEXT
    if few <= _FEW:
        return Stype.TEXT if few >= 20 and few == present else Stype.CATEGORY
    return Stype.CATEGORY if few <= present / 5 else Stype.TEXT


def _measured(profile: Profile, draft: Draft) -> dict[str, tuple[int, int, float, int]]:
    """Of every readable column: distinct values (above EXACT_ROWS rows an estimate), NULLs, length, rows."""
    readable = {name: kind for name, kind in draft.types.items() if kind is not LogicalType.OTHER}
    if not readable:
        return {}
    rows = profile.rows(draft.name)
    counter = "count(DISTINCT {})" if rows <= EXACT_ROWS else "approx_count_distinct({})"
    wanted = []
    for i, (name, kind) in enumerate(readable.items()):
        quoted = identifier(name)
        wanted.append([f"{counter.format(quoted)} AS d{i}", f"count({quoted}) AS k{i}"])
        if kind is LogicalType.STRING:
            wanted[-1].append(f"CAST(sum(length({quoted})) AS BIGINT) AS l{i}")
    row: dict[str, Any] = {}
    for start in range(0, len(wanted), AT_ONCE):
        listed = ", ".join(["count(*) AS n", *(text for column in wanted[start : start + AT_ONCE] for text in column)])
        row |= profile.snapshot.query(f"SELECT {listed} FROM {profile.known(draft.name)}").to_pylist()[0]
    result = {}
    for i, name in enumerate(readable):
        known = row[f"k{i}"]
        length = (row.get(f"l{i}") or 0) / known if known else 0.0
        result[name] = (min(row[f"d{i}"], known), row["n"] - known, length, row["n"])
    return result
