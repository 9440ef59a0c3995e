"""The tables of a PostgreSQL database, from its system catalogs, with what the user may read of them.

Partitions are part of their table, what extensions own is theirs, and comments are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pql.backends.base import DeclaredLink
from pql.backends.origin import Listed
from pql.backends.postgres_types import Attribute, way

Ask = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""Gives the rows of a statement with its parameters."""

_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relispopulated,
  has_schema_privilege(n.oid, 'USAGE'), has_any_column_privilege(c.oid, 'SELECT')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND (cardinality(%s::text[]) = 0 OR n.nspname = ANY (%s::text[]))
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname = current_schema() DESC, n.nspname COLLATE "C", lower(c.relname) COLLATE "C", c.relname COLLATE "C"
"""
_COLUMNS = """
WITH RECURSIVE bare(oid, base, modifier) AS (
  SELECT oid, oid, -1 FROM pg_catalog.pg_type WHERE typtype <> 'd'
  UNION ALL
  SELECT t.oid, b.base, CASE WHEN t.typtypmod = -1 THEN b.modifier ELSE t.typtypmod END
  FROM pg_catalog.pg_type t JOIN bare b ON t.typbasetype = b.oid WHERE t.typtype = 'd')
SELECT a.attrelid, a.attnum::int, a.attname, t.typname, t.typtype::text, t.typcategory::text,
  CASE WHEN a.atttypmod = -1 THEN b.modifier ELSE a.atttypmod END, has_column_privilege(a.attrelid, a.attnum, 'SELECT')
FROM pg_catalog.pg_attribute a JOIN bare b ON b.oid = a.atttypid JOIN pg_catalog.pg_type t ON t.oid = b.base
WHERE a.attrelid = ANY (%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""
_CONSTRAINTS = """
SELECT conrelid, contype::text, conkey::int[], confrelid, confkey::int[] FROM pg_catalog.pg_constraint
WHERE contype IN ('p', 'f') AND conrelid = ANY (%s::oid[]) ORDER BY conrelid, conkey, confrelid, oid
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a listed table: its kind (pg_class.relkind), its columns, and those that aren't read."""

    kind: str
    columns: tuple[Attribute, ...]
    unread: tuple[str, ...]


def tables_of(
    ask: Ask, schemas: Sequence[str], tables: Sequence[str]
) -> tuple[tuple[Listed, ...], tuple[tuple[str, str], ...]]:
    """The tables and views of all schemas, or of those named, and those that can't be read, as (name, reason).

    tables: bare names, or schema.table; none for all.
    """
    rows = ask(_TABLES, (list(schemas), list(schemas)))
    wanted = {name.lower() for name in tables}
    rows = [row for row in rows if not wanted or {row[2].lower(), f"{row[1]}.{row[2]}".lower()} & wanted]
    names = _names([(row[0], row[1], row[2]) for row in rows])
    skipped: list[tuple[str, str]] = []
    readable = []
    for oid, schema, table, kind, is_filled, may_enter, may_read in rows:
        if oid not in names:
            skipped.append((f"{schema}.{table}", "another table has the same name in other case"))
        elif not (may_enter and may_read):
            skipped.append((names[oid], "permission denied"))
        elif kind == "m" and not is_filled:
            skipped.append((names[oid], "the materialised view is empty until REFRESH MATERIALIZED VIEW"))
        else:
            readable.append((oid, schema, table, kind))
    attributes: dict[int, dict[int, tuple[Attribute, bool]]] = {row[0]: {} for row in readable}
    taken: dict[int, set[str]] = {row[0]: set() for row in readable}
    oids = list(attributes)
    for oid, number, name, base, typtype, category, modifier, may_read in ask(_COLUMNS, (oids,)):
        called = _free(name, taken[oid])
        attributes[oid][number] = Attribute(name, called, base, typtype, category, modifier), may_read
    keys, links = _constraints(ask(_CONSTRAINTS, (oids,)), attributes, names)
    listed = []
    for oid, schema, table, kind in readable:
        columns = tuple(column for column, may in attributes[oid].values() if may and way(column, whole=True))
        unread = tuple(
            f"{column.called} ({'permission denied' if not may else column.kind})"
            for column, may in attributes[oid].values()
            if not may or way(column, whole=True) is None
        )
        found = Found(kind, columns, unread)
        is_view = kind in ("v", "m")
        declared = keys.get(oid), tuple(links.get(oid, ()))
        listed.append(Listed(names[oid], schema, table, *declared, is_view=is_view, kept=found))
    return tuple(listed), tuple(skipped)


def _names(places: list[tuple[int, str, str]]) -> dict[int, str]:
    """What each (oid, schema, table) is called: the bare name where that is free, else schema.table."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for oid, schema, table in places:
        for name in (table, f"{schema}.{table}"):
            if name.lower() not in taken:
                names[oid] = name
                taken.add(name.lower())
                break
    return names


def _free(name: str, taken: set[str]) -> str:
    """The column's name, with a number where another column has it in other case."""
    called, number = name, 0
    while called.lower() in taken:
        number += 1
        called = f"{name}_{number}"
    taken.add(called.lower())
    return called


def _constraints(
    rows: list[tuple[Any, ...]], attributes: dict[int, dict[int, tuple[Attribute, bool]]], names: dict[int, str]
) -> tuple[dict[int, tuple[str, ...]], dict[int, list[DeclaredLink]]]:
    """Declared keys and links by table, as far as all their columns can be read."""

    def named(oid: int, numbers: list[int]) -> tuple[str, ...] | None:
        columns = [attributes.get(oid, {}).get(number) for number in numbers]
        found = [column[0].called for column in columns if column is not None and column[1]]
        return tuple(found) if len(found) == len(numbers) else None

    keys: dict[int, tuple[str, ...]] = {}
    links: dict[int, list[DeclaredLink]] = {}
    for oid, kind, columns, parent, parent_columns in rows:
        mine = named(oid, columns)
        if mine is None:
            continue
        if kind == "p":
            keys[oid] = mine
            continue
        theirs = named(parent, parent_columns) if parent in attributes else None
        if theirs is not None:
            links.setdefault(oid, []).append(DeclaredLink(mine, names[parent], theirs))
    return keys, links
