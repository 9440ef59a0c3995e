"""PREDICT inside SQL: found by DuckDB's own tokens, taken out, and a private table's name put in its place.

Text in strings, comments, dollar quotes and quoted names is never taken for a query, and `predict` stays a name where
it is one. Parameters (`:x`, `$x`, `?`) outside the queries become parameters of DuckDB's.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pql.language import ast
from pql.language.ast import Span
from pql.language.errors import Fault, PqlError
from pql.language.inside import Searcher
from pql.language.parameters import bound
from pql.language.parser import parse_inside

_OPERANDS = frozenset({"identifier", "numeric_const", "string_const"})


@dataclass(frozen=True, slots=True)
class Inner:
    """A PREDICT in brackets. `span` holds it without its brackets, in the whole text."""

    query: ast.Predict
    span: Span


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter outside the queries: the name or the place (from 0) of its value."""

    key: str | int
    span: Span


@dataclass(frozen=True, slots=True)
class Embedded:
    """The SQL statement at `span` of `text`, the queries in it and its own parameters, in the order of the text."""

    text: str
    span: Span
    inner: tuple[Inner, ...]
    slots: tuple[Slot, ...]
    loose: tuple[Span, ...] = ()  # words PREDICT that stand without brackets


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A statement for DuckDB and the way back: `starts` are offsets in it, `spans` what stands there in the text.

    `words` are the private names in it, by what the text has in their place.
    """

    sql: str
    parameters: dict[str, Any]
    words: dict[str, str]
    starts: tuple[int, ...]
    spans: tuple[Span | int, ...]

    def place(self, span: Span) -> Span:
        """The place in the text of a place in the statement. Where a query was, all of the query."""
        return Span(self._character(span.start).start, self._character(max(span.start, span.end - 1)).end)

    def message(self, message: str) -> str:
        """A message about the statement in the words of the text."""
        return re.sub(r"\$?\bpql_(?:predictions_)?\d+\b", lambda name: self.words.get(name[0], "(PREDICT …)"), message)

    def _character(self, offset: int) -> Span:
        at = bisect.bisect_right(self.starts, offset) - 1
        there = self.spans[at]
        if isinstance(there, Span):
            return there
        start = there + offset - self.starts[at]
        return Span(start, start + 1)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A token of DuckDB's: `kind` is the name of its type."""

    kind: str
    start: int
    end: int
    text: str


def find(text: str, span: Span, marks: int = 0) -> Embedded:
    """The queries and parameters of the SQL statement at `span`; `marks` is how many `?` stand in those before it.

    Raises PqlError where a query can't be read.
    """
    searcher = Searcher(text)
    inner: list[Inner] = []
    slots: list[Slot] = []
    loose: list[Span] = []
    pieces = _pieces(text, span.start, span.end)
    i, created = 0, _after_as(pieces)
    while i < len(pieces):
        piece = pieces[i]
        follows = pieces[i + 1] if i + 1 < len(pieces) else None
        if _is_predict(piece):
            loose.append(Span(piece.start, piece.end))
        if piece.text == "(" and follows is not None and _is_predict(follows):
            inside = searcher.query(follows.start)
            if inside is not None:
                end = span.end if inside.end is None else inside.end - 1
                query = parse_inside(text, follows.start, end, marks)
                if inside.end is None:
                    raise _never_closed(text, piece, end)
                inner.append(Inner(query, Span(follows.start, end)))
                marks += inside.marks
                at = _piece_at(pieces, end)
                if at is None:  # quotes that SQL reads in another way: what comes after is cut into tokens again
                    pieces, at = _pieces(text, end, span.end), 0
                i = at
                continue
        elif _is_predict(piece) and i == created:
            end = span.end
            inner.append(Inner(parse_inside(text, piece.start, end, marks), Span(piece.start, end)))
            break
        elif (slot := _slot(pieces, i, marks)) is not None:
            slots.append(slot)
            marks += piece.text == "?"
            i += 1 if slot.span.end > piece.end else 0
        i += 1
    return Embedded(text, span, tuple(inner), tuple(slots), tuple(loose))


def rewritten(found: Embedded, tables: Sequence[str], params: Any) -> Rewritten:
    """The statement with `tables[i]`, SQL that yields a table, in place of the i-th query, and its parameters' values.

    Raises PqlError `unbound_parameter`.
    """
    values: dict[str | int, str] = {}
    words: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    faults: list[Fault] = []
    changes: list[tuple[Span, str]] = [(one.span, table) for one, table in zip(found.inner, tables, strict=True)]
    for slot in found.slots:
        if slot.key not in values:
            values[slot.key] = name = f"pql_{len(values) + 1}"
            value = _value(slot, params, found.text, faults)
            parameters[name] = value
            words[f"${name}"] = words[name] = found.text[slot.span.start : slot.span.end]
        changes.append((slot.span, f" ${values[slot.key]} "))
    if faults:
        raise PqlError.of(faults, found.text)
    sql, starts = "", [0]
    spans: list[Span | int] = [found.span.start]
    here = found.span.start
    for span, replacement in sorted(changes, key=lambda change: change[0].start):
        sql += found.text[here : span.start]
        starts += [len(sql), len(sql) + len(replacement)]
        spans += [span, span.end]
        sql += replacement
        here = span.end
    return Rewritten(sql + found.text[here : found.span.end], parameters, words, tuple(starts), tuple(spans))


def _value(slot: Slot, params: Any, text: str, faults: list[Fault]) -> Any:
    key = slot.key
    if isinstance(key, str) and isinstance(params, Mapping) and key in params:
        return bound(params[key])
    is_list = isinstance(params, Sequence) and not isinstance(params, str | bytes)
    if isinstance(key, int) and is_list and key < len(params):
        return bound(params[key])
    shown = text[slot.span.start : slot.span.end]
    hint = f"pass params={{'{key}': …}}" if isinstance(key, str) else "pass params=[…], one value for each ?"
    faults.append(Fault("unbound_parameter", f"the parameter {shown} has no value", slot.span, hint))
    return None


def _pieces(text: str, start: int, end: int) -> list[_Piece]:
    """The tokens of `text[start:end]` without comments, each without the white space after it."""
    import duckdb

    part = text[start:end]
    try:
        found = [(offset, kind.name) for offset, kind in duckdb.tokenize(part)]
    except (TypeError, UnicodeError):
        at = next((i for i, c in enumerate(part) if "\ud800" <= c <= "\udfff"), 0)
        raise PqlError(
            "unexpected_character",
            "half of a character stands here",
            span=Span(start + at, start + at + 1),
            hint="the text is not proper Unicode",
        ) from None
    if not part.isascii():
        found = _in_characters(part, found)
    ends = [offset for offset, _ in found[1:]] + [len(part)]
    pieces = []
    for (offset, kind), stop in zip(found, ends, strict=True):
        if kind != "comment":
            token = part[offset:stop].rstrip()
            pieces.append(_Piece(kind, start + offset, start + offset + len(token), token))
    return pieces


def _in_characters(part: str, found: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Offsets in bytes as offsets in characters."""
    places: dict[int, int] = {}
    at = 0
    for i, c in enumerate(part):
        places[at] = i
        at += len(c.encode())
    return [(places.get(offset, len(part)), kind) for offset, kind in found]


def _after_as(pieces: list[_Piece]) -> int | None:
    """In CREATE TABLE … AS, the place of the token after AS."""
    texts = [piece.text.upper() for piece in pieces]
    return texts.index("AS") + 1 if texts[:1] == ["CREATE"] and "AS" in texts else None


def _is_predict(piece: _Piece) -> bool:
    return piece.kind in ("identifier", "keyword") and piece.text.lower() == "predict"


def _piece_at(pieces: list[_Piece], start: int) -> int | None:
    at = bisect.bisect_left(pieces, start, key=lambda piece: piece.start)
    return at if at < len(pieces) and pieces[at].start == start and pieces[at].text == ")" else None


def _slot(pieces: list[_Piece], i: int, marks: int) -> Slot | None:
    """The parameter that starts with the i-th token: `?`, `?2`, `$2`, `$name` or `:name`."""
    piece = pieces[i]
    if piece.kind != "operator" or piece.text not in ("?", "$", ":"):
        return None
    after = pieces[i + 1] if i + 1 < len(pieces) and pieces[i + 1].start == piece.end else None
    if after is not None and after.text.isdecimal() and piece.text != ":" and int(after.text) > 0:
        return Slot(int(after.text) - 1, Span(piece.start, after.end))
    if piece.text == "?":
        return Slot(marks, Span(piece.start, piece.end))
    if after is None or not after.text.isidentifier():
        return None
    if piece.text == ":" and i > 0 and _is_operand(pieces, i - 1):
        return None  # a slice `a[1:x]`, a field `{'a': x}`, an alias `a: x`
    return Slot(after.text, Span(piece.start, after.end))


def _is_operand(pieces: list[_Piece], i: int) -> bool:
    """True if a value or name ends with the i-th token, so that a colon after it is no parameter's."""
    before = pieces[i]
    if before.text == "[":  # `a[:x]` is a slice, `[:x, 1]` a list
        return i > 0 and _is_operand(pieces, i - 1)
    return before.kind in _OPERANDS or before.text in (")", "]", "}", "?", ":")


def _never_closed(text: str, bracket: _Piece, end: int) -> PqlError:
    return PqlError(
        "unclosed_bracket",
        "the bracket that opens here is never closed",
        span=Span(bracket.start, bracket.end),
        hint="close it with )",
        fix=text[:end].rstrip() + ")" + text[end:],
        text=text,
    )


def names(count: int, taken: str) -> Iterator[str]:
    """`count` names of private tables that don't occur in the text `taken`."""
    lowered, number = taken.lower(), 0
    while count:
        number += 1
        name = f"pql_predictions_{number}"
        if name not in lowered:
            yield name
            count -= 1
