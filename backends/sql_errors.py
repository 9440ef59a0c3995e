"""DuckDB's errors about a statement of the user's, in our form: one sentence, its place, the nearest names.

Places are character offsets in the statement.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import duckdb

from pql.language.ast import Span
from pql.language.errors import PqlError

_OF_DUCKDB = ("pg_", "duckdb_", "sqlite_", "information_schema", "pragma_", "pql_")


def unreadable(statement: str) -> PqlError:
    """The error of a statement that DuckDB can't parse, from a connection that says where it is."""
    with duckdb.connect() as con:
        con.execute("SET errors_as_json = true")
        try:
            con.extract_statements(statement)
        except duckdb.Error as error:
            return said(error, statement)
    return PqlError(
        "sql_error", "DuckDB can't read the statement", hint="Run the SQL around the query with DuckDB alone."
    )


def said(error: duckdb.Error, statement: str) -> PqlError:
    """DuckDB's error in our form: its first sentence, its place where it has one, its nearest names."""
    whole = str(error).strip()
    kind, _, rest = whole.partition(": ") if not whole.startswith("{") else ("Error", "", whole)
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
    begin = min(len(text[:start].decode(errors="ignore")), max(0, len(statement) - 1))
    end = begin + max(1, len(text[start : start + length].decode(errors="ignore")))
    return Span(begin, min(end, len(statement)))


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
