"""Names that stand without the backticks they need: `order-items.amount`, `web visits.*`, a column called `for`.

Such a name is read as several words, or as a word of the language; only the names of the data tell what is meant. So
it is of `order items` where the table is order_items.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from pql.language.errors import Fault, PqlError
from pql.language.lexing import RESERVED
from pql.language.span import Span

_WORD = re.compile(r"[^\W\d]\w*")
_PARTS = re.compile(r"[^\W_]+")
_OTHER = r"""(?P<quoted>--[^\n]*|\#[^\n]*|/\*[\s\S]*?\*/|'(?:[^'\\]|\\[\s\S]|'')*+'|"(?:[^"\\]|\\[\s\S]|"")*+"|`[^`]*+`)
    |(?P<word>\w+)|(?P<mark>[\s\S])"""
BACKTICK, DOUBLE = "`", '"'
Check = Callable[[str], PqlError | None]
_LEAST = 2  # characters of a name that is looked for


@dataclass(frozen=True, slots=True)
class _Spot:
    """A name of the data at `text[start:end]`, as the data spells it."""

    start: int
    end: int
    name: str

    def touches(self, span: Span) -> bool:
        return span.start <= self.end and self.start <= max(span.end - 1, span.start)


def with_backticks(error: PqlError, text: str, names: Iterable[str], check: Check) -> PqlError:
    """`error` of `text`, or `missing_quotes` where the names of the data show that one needs backticks.

    names: of tables and columns. check: the error of a corrected text, None where it is whole.
    """
    return _explained(error, text, names, check, BACKTICK)


def with_double_quotes(error: PqlError, text: str, names: Iterable[str], check: Check) -> PqlError:
    """As `with_backticks`, for an error of SQL."""
    return _explained(error, text, names, check, DOUBLE)


def _explained(error: PqlError, text: str, names: Iterable[str], check: Check, mark: str) -> PqlError:
    spans = [fault.span for fault in error.faults if fault.span is not None]
    spots = _spots(text, spans[0], set(names), is_sql=mark == DOUBLE) if spans else []
    if not spots:
        return error
    fixed = _quoted(text, spots, mark)
    left = check(fixed)
    touched = [spot for spot in spots if any(spot.touches(span) for span in spans)]
    if not touched and left is not None:
        return error
    first: dict[str, _Spot] = {}
    for spot in touched or spots:
        first.setdefault(spot.name, spot)
    faults = [_fault(text, spot, mark) for spot in first.values()]
    faults[0] = replace(faults[0], fix=fixed if left is None else left.fix)
    if left is not None:
        untouched = (f for f in error.faults if f.span is not None and not any(spot.touches(f.span) for spot in spots))
        faults += [replace(fault, fix=None) for fault in untouched]
    return PqlError.of(faults, text)


def _fault(text: str, spot: _Spot, mark: str) -> Fault:
    said, written = text[spot.start : spot.end], _written(spot.name, mark)
    what = "a word of the language" if _WORD.fullmatch(said) else "read as several words"
    goes = "goes in backticks" if mark == BACKTICK else "goes in double quotes"
    hint = f"a name with blanks or signs in it {goes}: {written}"
    if _WORD.fullmatch(said):
        hint = f"a name that is one too {goes}: {written}"
    elif written == spot.name:
        hint = f"the name is {written}"
    return Fault("missing_quotes", f"the name {said} is {what}", Span(spot.start, spot.end), hint)


def _spots(text: str, at: Span, names: set[str], *, is_sql: bool) -> list[_Spot]:
    """Where names that need quotes stand without them, in the query or the SQL that `at` belongs to."""
    known = _Known(names)
    found_there = re.compile(r"\w*").match(text, at.start)
    at_word = "" if found_there is None else found_there[0].upper()
    is_word = at_word in RESERVED or is_sql  # SQL has its own words: one of them is what it stumbles over
    reserved = next((name for name in names if is_word and name.upper() == at_word), None)
    if not known.patterns and reserved is None:
        return []
    alternatives = "|".join(known.patterns) or r"(?!)"
    piece = re.compile(rf"(?P<name>(?<!\w)(?:{alternatives})(?!\w))|{_OTHER}", re.IGNORECASE | re.VERBOSE)
    found: list[_Spot] = []
    depth = 0
    for match in piece.finditer(text):
        kind, word = match.lastgroup, match[0].upper()
        name = known.name(match[0]) if kind == "name" else None
        if name is not None:
            found.append(_Spot(match.start(), match.end(), name))
        elif kind == "word" and match.start() == at.start and reserved is not None:
            found.append(_Spot(match.start(), match.end(), reserved))
        depth += (word == "(") - (word == ")")
        if word == ";" or (
            not is_sql and (depth < 0 or word == "PREDICT")
        ):  # another statement, or a query in SQL: begins, or has ended
            if match.start() > at.start:
                break
            found, depth = [], 0
    return found


class _Known:
    """The names that may be written as several words: as they are, or with other blanks and signs between."""

    def __init__(self, names: Iterable[str]) -> None:
        self._exact: dict[str, str] = {}
        self._loose: dict[str, set[str]] = {}
        for name in names:
            if re.match(r"\w", name) is None or "`" in name:
                continue
            if len(name) >= _LEAST and not _WORD.fullmatch(name):
                self._exact[_spaced(name)] = name
            if len(words := _PARTS.findall(name.lower())) > 1:
                self._loose.setdefault(" ".join(words), set()).add(name)
        exact = [r"\s+".join(map(re.escape, name.split(" "))) for name in self._exact]
        loose = [r"(?:\s+|[-_])".join(map(re.escape, words.split(" "))) for words in self._loose]
        self.patterns = sorted([*exact, *loose], key=len, reverse=True)

    def name(self, said: str) -> str | None:
        """The name that is meant by several words; None where `said` is one word, or fits several names."""
        if (name := self._exact.get(_spaced(said))) is not None:
            return name
        fitting = self._loose.get(" ".join(_PARTS.findall(said.lower())), set())
        return next(iter(fitting)) if len(fitting) == 1 and not _WORD.fullmatch(said) else None


def _spaced(name: str) -> str:
    return " ".join(name.lower().split())


def _quoted(text: str, spots: list[_Spot], mark: str) -> str:
    for spot in reversed(spots):
        text = text[: spot.start] + _written(spot.name, mark) + text[spot.end :]
    return text


def _written(name: str, mark: str) -> str:
    if mark == DOUBLE:
        return '"' + name.replace('"', '""') + '"'
    return name if _WORD.fullmatch(name) and name.upper() not in RESERVED else f"`{name}`"
