"""What kind of statement SQL of the user's is, as DuckDB itself reads it.

Places in errors are character offsets in the statement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import duckdb

from pql.backends.sql_errors import unreadable
from pql.language.ast import Span
from pql.language.errors import PqlError

_READING_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_MAY_WRITE = re.compile(r"insert|update|delete|merge|truncate|copy|replace", re.IGNORECASE)
_NODE = re.compile(r'"type":"([A-Z_]+_NODE)"')
_HINT = "SELECT, WITH … SELECT, FROM, VALUES, COPY (…) TO 'file' and CREATE TABLE … AS are; DuckDB itself does the rest"


class SqlKind(StrEnum):
    """What a statement does: read rows, write them to a file, or make a table of them."""

    READ = "SELECT"
    COPY = "COPY"
    CREATE_TABLE = "CREATE TABLE"


def sql_kind(statement: str) -> SqlKind:
    """The kind of a statement that may run. Raises PqlError.

    `sql_error` where DuckDB can't read it, `several_statements`, `statement_not_allowed` for what changes or
    administers a database, inside a WITH too.
    """
    try:
        found = duckdb.extract_statements(statement)
    except duckdb.Error:
        raise unreadable(statement) from None
    if len(found) != 1:
        raise PqlError("several_statements", "one statement of SQL is expected", hint="run them as a script")
    kind = found[0].type.name
    words = [token for token in _tokens(statement) if token[0] != "comment"]
    if kind in ("SELECT", "MULTI"):  # MULTI is a PIVOT whose columns are read first
        _refuse_writes(statement)
        return SqlKind.READ
    if kind == "EXPLAIN":
        skip = 2 if len(words) > 1 and words[1][1].upper() == "ANALYZE" else 1
        _refuse_writes(statement[words[skip][2] :])
        return SqlKind.READ
    if kind == "COPY" and len(words) > 1 and words[1][1] == "(":
        _refuse_writes(statement[words[1][2] : _closing(words, 1)])
        return SqlKind.COPY
    if kind == "CREATE":
        body = _made_as(words)
        if body is not None:
            _refuse_writes(statement[body:])
            return SqlKind.CREATE_TABLE
    first = words[0][1].upper() if words else kind
    shown = " ".join(word[1].upper() for word in words[:2]) if kind in ("CREATE", "DROP", "ALTER", "COPY") else first
    raise PqlError("statement_not_allowed", f"{shown} is not run here", span=Span(0, len(first)), hint=_HINT)


@dataclass(frozen=True, slots=True)
class NewTable:
    """What CREATE TABLE makes: `name` as SQL, its dotted `parts`, and what is done where it is there already."""

    name: str
    parts: tuple[str, ...]
    replaces: bool
    keeps: bool


def new_table(statement: str) -> NewTable:
    """The table that a statement of kind CREATE_TABLE makes."""
    words = [word for word in _tokens(statement) if word[0] != "comment"]
    texts = [word[1].upper() for word in words]
    first, last = texts.index("TABLE") + 1, texts.index("AS")
    keeps = texts[first : first + 3] == ["IF", "NOT", "EXISTS"]
    first += 3 * keeps
    names = [text for _, text, _ in words[first:last] if text != "."]
    parts = tuple(text[1:-1].replace('""', '"') if text.startswith('"') else text for text in names)
    return NewTable(statement[words[first][2] : words[last][2]].strip(), parts, "REPLACE" in texts[:first], keeps)


def file_written(statement: str) -> str | None:
    """The file or folder that a statement of kind COPY writes, None where it isn't spelt out in plain quotes."""
    words = [word for word in _tokens(statement) if word[0] != "comment"]
    end = _closing(words, 1)
    path = next((text for kind, text, start in words if start >= end and kind == "string_const"), "")
    return path[1:-1].replace("''", "'") if len(path) > 1 and path[0] == path[-1] == "'" else None


def _refuse_writes(query: str) -> None:
    """Raise where an INSERT, UPDATE, DELETE or COPY stands in the WITH of a query, as DuckDB parses it."""
    if not _MAY_WRITE.search(query):
        return
    with duckdb.connect() as con:
        ((tree,),) = con.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    writes = set(_NODE.findall(tree)) - _READING_NODES
    if writes:
        word = min(writes).split("_")[0]
        raise PqlError("statement_not_allowed", f"{word} inside a query is not run here", hint=_HINT)


def _tokens(statement: str) -> list[tuple[str, str, int]]:
    """DuckDB's tokens as (kind, text, character offset)."""
    found = duckdb.tokenize(statement)
    data = statement.encode()
    ends = [offset for offset, _ in found[1:]] + [len(data)]
    tokens, at, offset = [], 0, 0
    for (start, kind), end in zip(found, ends, strict=True):
        at += len(data[offset:start].decode(errors="ignore"))
        offset = start
        tokens.append((kind.name, data[start:end].decode(errors="ignore").strip(), at))
    return tokens


def _closing(words: list[tuple[str, str, int]], opening: int) -> int:
    """The offset after the bracket that closes the one at `opening`."""
    depth = 0
    for _, word, start in words[opening:]:
        depth += (word == "(") - (word == ")")
        if depth == 0:
            return start + 1
    return words[-1][2]


def _made_as(words: list[tuple[str, str, int]]) -> int | None:
    """The offset of the query in `CREATE [OR REPLACE] TABLE … AS query`, None for another CREATE."""
    texts = [word.upper() if kind != "string_const" else "" for kind, word, _ in words]
    kept = texts[3:] if texts[1:3] == ["OR", "REPLACE"] else texts[1:]
    if not kept or kept[0] != "TABLE" or "AS" not in texts:
        return None
    place = texts.index("AS")
    return words[place + 1][2] if place + 1 < len(words) and "(" not in texts[:place] else None
