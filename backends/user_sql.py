"""SQL that the user wrote: what kind of statement it is, as DuckDB itself reads it, and running it.

Places in errors are character offsets in the statement.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

import duckdb
import pyarrow as pa

from pql.backends.sql import parameter
from pql.language.ast import Span
from pql.language.errors import PqlError

_READING_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_MAY_WRITE = re.compile(r"insert|update|delete|merge|truncate|copy|replace", re.IGNORECASE)
_NODE = re.compile(r'"type":"([A-Z_]+_NODE)"')
_ABOUT_NAMES = re.compile(
    r"not found|does not exist|does not have a column|must appear in the GROUP BY|Subquery returns|result columns",
    re.IGNORECASE,
)
_OF_DUCKDB = ("pg_", "duckdb_", "sqlite_", "information_schema", "pragma_", "pql_")
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
    except duckdb.Error as error:
        raise said(error, statement) from error
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


def run(
    con: duckdb.DuckDBPyConnection, statement: str, parameters: Mapping[str, Any], *, kind: SqlKind, is_ours: bool
) -> pa.Table:
    """All rows of a statement as Arrow; of COPY and CREATE TABLE one row with how many were written (`rows`).

    is_ours: the connection is our own, so that it may be told to say where an error is.
    """
    values = {name: _bindable(value) for name, value in parameters.items()}
    try:
        if is_ours:
            con.execute("SET errors_as_json = true")
        result = con.execute(statement, values or None)
        if kind is SqlKind.READ:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Arrow output", UserWarning)
                fetch = getattr(result, "to_arrow_table", None) or getattr(result, "fetch_arrow_table", None)
                assert fetch is not None
                table = _distinct_names(fetch())
        else:
            row = result.fetchone()
            table = pa.table({"rows": pa.array([0 if row is None else row[0]], pa.int64())})
        if is_ours:
            con.execute("SET errors_as_json = false")
        return table
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except duckdb.Error as error:
        raise said(error, statement) from error
    except (pa.ArrowException, OverflowError, TypeError, ValueError, UnicodeError) as error:
        raise PqlError("sql_error", f"the rows can't be read: {str(error).splitlines()[0]}") from error


def check(con: duckdb.DuckDBPyConnection, statement: str, parameters: Mapping[str, Any]) -> None:
    """Raise `sql_error` where a statement names what isn't there. `con` is our own and in no transaction."""
    values = {name: _bindable(value) for name, value in parameters.items()}
    explain = f"EXPLAIN {statement}"
    try:
        if [one.type.name for one in duckdb.extract_statements(explain)] != ["EXPLAIN"]:
            return
        con.execute("SET errors_as_json = true")
        con.execute(explain, values or None).fetchall()
    except duckdb.Error as error:
        fault = said(error, explain).faults[0]
        if _ABOUT_NAMES.search(fault.message):
            shift = len(explain) - len(statement)
            span = None if fault.span is None else Span(fault.span.start - shift, fault.span.end - shift)
            raise PqlError.of([replace(fault, span=span)]) from error
    except (OverflowError, TypeError, ValueError, UnicodeError):
        return
    finally:
        con.execute("SET errors_as_json = false")


def said(error: duckdb.Error, statement: str) -> PqlError:
    """DuckDB's error in our form: its first sentence, its place where it has one, its nearest names."""
    kind, _, rest = str(error).strip().partition(": ")
    detail: dict[str, Any] = {}
    if rest.startswith("{"):
        try:
            detail = json.loads(rest)
            rest = str(detail.get("exception_message", rest))
        except ValueError:
            detail = {}
    message = rest if kind.endswith(("Error", "Exception")) else str(error)
    first = message.strip().split("\n")[0].strip()
    near = [name for name in _names(detail.get("candidates", ""), message) if not name.startswith(_OF_DUCKDB)]
    hint = f"did you mean {near[0]}?" if near else ""
    return PqlError(_code(error, first), first, span=_place(detail, message, statement), hint=hint, nearest=near[:3])


def _code(error: duckdb.Error, message: str) -> str:
    if isinstance(error, duckdb.IOException):
        return "file_not_writable" if message.startswith("Cannot open file") else "sql_error"
    if "read-only" in message:
        return "read_only"
    return "sql_error"


def _names(candidates: Any, message: str) -> list[str]:
    if isinstance(candidates, str) and candidates:
        return [name.strip().strip('"') for name in candidates.split(",")]
    line = next((line for line in message.split("\n") if line.startswith(("Did you mean", "Candidate"))), "")
    return re.findall(r'"([^"]+)"', line)


def _place(detail: Mapping[str, Any], message: str, statement: str) -> Span | None:
    """Where the error is: from the offsets in bytes that DuckDB gives, else from the line it quotes."""
    located = re.fullmatch(r"\[(\d+),\s*(\d+)\]", str(detail.get("location", "")))
    if located:
        start, length = int(located[1]), int(located[2])
    elif str(detail.get("position", "")).isdigit():
        start, length = int(detail["position"]), 1
    else:
        return _quoted_place(message, statement)
    text = statement.encode()
    begin = len(text[:start].decode(errors="ignore"))
    return Span(begin, begin + max(1, len(text[start : start + length].decode(errors="ignore"))))


def _quoted_place(message: str, statement: str) -> Span | None:
    quoted = re.search(r"^LINE (\d+): (.*)\n( *)(\^+)", message, re.MULTILINE)
    if quoted is None:
        return None
    lines = statement.split("\n")
    number, shown = int(quoted[1]), quoted[2]
    if not 1 <= number <= len(lines) or not shown:
        return None
    column = len(quoted[3]) - len(f"LINE {number}: ")
    if shown.startswith("..."):
        at = lines[number - 1].find(shown[3:].removesuffix("..."))
        column = at + column - 3 if at >= 0 else -1
    if column < 0:
        return None
    start = sum(len(line) + 1 for line in lines[: number - 1]) + column
    return Span(start, start + len(quoted[4]))


def _refuse_writes(query: str) -> None:
    """Raise where an INSERT, UPDATE, DELETE or COPY stands in the WITH of a query, as DuckDB parses it."""
    if not _MAY_WRITE.search(query):
        return
    with duckdb.connect() as con:
        row = con.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    writes = set(_NODE.findall(row[0])) - _READING_NODES if row else set()
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


def _bindable(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return [parameter(item) for item in value]
    return parameter(value)


def _distinct_names(table: pa.Table) -> pa.Table:
    """The table with column names that differ: a second `id` is `id_1`, as in DuckDB's data frames."""
    taken: set[str] = set()
    names = []
    for name in table.column_names:
        free, number = name, 0
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free)
        names.append(free)
    return table if names == table.column_names else table.rename_columns(names)
