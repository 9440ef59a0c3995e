"""The corpus of queries and its typed schemas, read from ../shared where it is there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pql.language.catalog import (
    NO_CLOCK,
    Catalog,
    Clock,
    Column,
    Key,
    Link,
    LogicalType,
    Role,
    Stype,
    Table,
    Virtual,
)

FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"
_TYPES = {
    "int": LogicalType.INTEGER,
    "float": LogicalType.FLOAT,
    "string": LogicalType.STRING,
    "time": LogicalType.TIMESTAMP,
}
_STYPES = {
    "ID": Stype.ID,
    "numerical": Stype.NUMBER,
    "categorical": Stype.CATEGORY,
    "text": Stype.TEXT,
    "timestamp": Stype.TIMESTAMP,
}


@dataclass(frozen=True, slots=True)
class Case:
    """One query of the corpus. `expect` is a task, explain, evaluate, sql, or `error:<meaning>`."""

    query: str
    schema: str
    level: str
    feature: str
    expect: str
    note: str = ""
    params: Any = None


def cases() -> list[Case]:
    """All queries, or none where the corpus is absent."""
    path = FOLDER / "queries.jsonl"
    if not path.exists():
        return []
    return [Case(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def catalogs() -> dict[str, Catalog]:
    """The typed schemas as catalogs, by name."""
    path = FOLDER / "schemas.json"
    if not path.exists():
        return {}
    schemas = json.loads(path.read_text(encoding="utf-8"))
    return {name: catalog_of(schema) for name, schema in schemas.items()}


def catalog_of(schema: dict[str, Any]) -> Catalog:
    """A catalog of a typed schema; id columns without a table of their own become virtual tables."""
    tables = {name: _table(name, spec) for name, spec in schema["tables"].items()}
    links: list[Link] = []
    grouped: set[tuple[str, str]] = set()
    for group in schema["key_groups"]:
        members = [tuple(member.split(".")) for member in group]
        parent = next((t, c) for t, c in members if schema["tables"][t]["primary_key"] == c)
        links += [Link(t, (c,), parent[0], (parent[1],)) for t, c in members if (t, c) != parent]
        grouped.update((t, c) for t, c in members)
    orphans: dict[str, list[tuple[str, str]]] = {}
    for name, spec in schema["tables"].items():
        for column, (_, stype) in spec["columns"].items():
            if stype == "ID" and (name, column) not in grouped and column != spec["primary_key"]:
                orphans.setdefault(column, []).append((name, column))
    for column, sources in orphans.items():
        name = column.removesuffix("_id")
        key = Column(column, LogicalType.INTEGER, Stype.ID)
        tables[name] = Table(name, (key,), Key((column,)), role=Role.ENTITY, virtual=Virtual(tuple(sources)))
        links += [Link(table, (c,), name, (column,)) for table, c in sources]
    return Catalog(tuple(tables.values()), tuple(links))


def _table(name: str, spec: dict[str, Any]) -> Table:
    columns = tuple(Column(c, _TYPES[kind], _STYPES[stype]) for c, (kind, stype) in spec["columns"].items())
    key = Key((spec["primary_key"],)) if spec["primary_key"] else None
    clock = Clock("own", spec["time_column"]) if spec["time_column"] else NO_CLOCK
    role = Role.ENTITY if key and not spec["time_column"] else Role.FACT
    return Table(name, columns, key, clock, role)
