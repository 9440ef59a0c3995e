"""Completion in a notebook's cells: what fits a statement behind `%pql` or in a cell of `%%pql`, as at the prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

if TYPE_CHECKING:
    from pql.faces.known import Names
    from pql.language.catalog import Column, Table
    from pql.session import Session

WORDS = ("connect", "tables", "graph", "models", "report", "close")
OPTIONS = ("--db", "--out", "--as-of", "--format", "--rows")
LONGEST = 20_000  # characters before the cursor
_OPTIONS = re.compile(r"""(?:\s*--[A-Za-z][\w-]*(?:=|\s+)(?:"[^"]*"|'[^']*'|\S+)(?=\s))*\s*""")

Sessions = Callable[[], "Session | None"]
Values = MutableMapping["Session", dict[tuple[str, str], tuple[str, ...]]]
"""The values of columns that have been read, by session and (table, column)."""


def matcher(session: Sessions) -> Any:
    """What IPython asks; whatever goes wrong in it, typing goes on."""
    values: Values = WeakKeyDictionary()

    @context_matcher(identifier="pql")
    def of_pql(context: CompletionContext) -> dict[str, Any]:
        text = before_cursor(context.full_text, context.cursor_line, context.cursor_position)
        if text is None or len(text) > LONGEST:
            return {"completions": []}
        try:
            at, found = offers(text, session(), values)
        except Exception:  # a name that can't be read is told by the statement that reads it
            return {"completions": []}
        made = [SimpleCompletion(one) for one in found]
        return {"completions": made, "matched_fragment": text[at:], "suppress": bool(made)}

    return of_pql


def before_cursor(cell: str, line: int, column: int) -> str | None:
    """What stands before the cursor of a statement; None where the cursor is in no statement."""
    lines = cell.split("\n")
    here = lines[line][:column]
    if lines[0].startswith("%%pql"):
        return here[len("%%pql ") :] if line == 0 else "\n".join([*lines[1:line], here])
    found = re.match(r"\s*(?:[A-Za-z_]\w*\s*=\s*)?%pql\s", here)
    return None if found is None else here[found.end() :]


def offers(text: str, session: Session | None, values: Values) -> tuple[int, list[str]]:
    """From which offset on something may stand, and what."""
    from pql.faces.complete import suggestions
    from pql.faces.known import FEW, Names, names_of

    begin = len(found[0]) if (found := _OPTIONS.match(text)) else 0
    rest = text[begin:]
    if rest.startswith("-"):
        return begin, [one for one in OPTIONS if one.startswith(rest)]
    words = [word for word in WORDS if word.startswith(rest.lower())] if re.fullmatch(r"\w*", rest) else []
    names: Names = Names() if session is None else names_of(session.catalog(), tuple(session.models()))

    def of_column(table: Table, column: Column) -> tuple[str, ...]:
        few = column.distinct is not None and column.distinct <= FEW
        if session is None or not few:
            return ()
        known, place = values.setdefault(session, {}), (table.name, column.name)
        if place not in known:
            known[place] = tuple(session.values(table.name, column.name, most=FEW))
        return known[place]

    listed = suggestions(rest, names, of_column)
    at = listed[0].at if listed else 0
    return begin + at, [*[one.text for one in listed if one.at == at], *words]
