"""Where in a statement the cursor stands: which word is begun, and what the words before it ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pql.language.functions import FUNCTIONS, OTHER_NAMES

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*\n|\#[^\n]*\n|/\*[\s\S]*?\*/)
    |(?P<open>--[^\n]*\Z|\#[^\n]*\Z|/\*[\s\S]*)
    |(?P<string>'(?:[^'\\]|\\[\s\S]|'')*+')|(?P<name>"(?:[^"\\]|\\[\s\S]|"")*+"|`[^`]*+`)
    |(?P<unclosed>['"`][\s\S]*)
    |(?P<number>\d[\w.]*)|(?P<word>[^\W\d]\w*)|(?P<compare><=|>=|<>|!=|==|=|<|>)|(?P<mark>[\s\S])""",
    re.VERBOSE,
)
_CLAUSES = frozenset(
    re.findall(
        r"\w+",
        "PREDICT FOR FROM WHERE ASSUMING USING EXCLUDING IGNORING RETURN VIA WITH CANDIDATES RANK CLASSIFY FORECAST AS "
        "JOIN SELECT GROUP ORDER HAVING ON LIMIT DESCRIBE LINK UNLINK KEY TIME MODEL SET",
    )
)
_AGGREGATES = frozenset(FUNCTIONS) | frozenset(OTHER_NAMES)


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of the text: its kind (string, name, number, word, compare, mark), as written, and where it begins."""

    kind: str
    text: str
    start: int

    @property
    def upper(self) -> str:
        return self.text.upper()


@dataclass(frozen=True, slots=True)
class Place:
    """The cursor's place.

    begun: what is written of the word at the cursor, from `start`; quoted: in which quote it stands, if any.
    owner: the name before the dot it stands after, or None. clause: the nearest clause word at or around the cursor.
    call: the innermost function whose brackets are open, in capitals, or ''. In its brackets, `condition` is true
    after WHERE. before: the words before it, the statement's first at index 0.
    """

    begun: str
    start: int
    quoted: str
    owner: str | None
    clause: str
    call: str
    condition: bool
    before: tuple[Word, ...]

    def after(self, *words: str) -> bool:
        """True where the words right before the cursor's are these."""
        last = self.before[len(self.before) - len(words) :]
        return len(last) == len(words) and all(one.upper == word for one, word in zip(last, words, strict=True))

    def compared(self) -> tuple[str | None, str] | None:
        """The (table, column) whose value belongs at the cursor, after `=`, `!=` or `IN (`; the table may be None."""
        words = list(self.before)
        while words and (words[-1].text == "," or words[-1].kind == "string"):
            words.pop()
        if len(words) > 1 and words[-1].text in "([" and words[-2].upper == "IN":
            words = words[:-2]
            if words and words[-1].upper == "NOT":
                words.pop()
        elif self.before and words == list(self.before) and words[-1].text in ("=", "!=", "<>", "=="):
            words.pop()
        else:
            return None
        if not words or words[-1].kind not in ("word", "name"):
            return None
        column = plain(words[-1])
        if len(words) > 2 and words[-2].text == "." and words[-3].kind in ("word", "name"):
            return plain(words[-3]), column
        return None, column


def plain(word: Word) -> str:
    """A name without its quotes."""
    return word.text[1:-1] if word.kind == "name" else word.text


def words_of(text: str, start: int = 0) -> tuple[list[Word], int | None]:
    """The words of `text[start:]`, and where an unclosed quote or comment begins, if one does."""
    found: list[Word] = []
    for match in _TOKEN.finditer(text, start):
        kind = str(match.lastgroup)
        if kind in ("open", "unclosed"):
            return [*found, Word(kind, match[0], match.start())], match.start()
        if kind != "skip":
            found.append(Word(kind, match[0], match.start()))
    return found, None


def place(text: str, start: int = 0) -> Place | None:
    """The place at the end of `text`, of the statement that begins at `start`; None inside a comment or a number."""
    words, unclosed = words_of(text, start)
    begun, at, quoted = "", len(text), ""
    if unclosed is not None:
        last = words.pop()
        if last.kind == "open":
            return None
        begun, at, quoted = last.text[1:], last.start, last.text[0]
    elif words and words[-1].start + len(words[-1].text) == len(text):
        last = words[-1]
        if last.kind == "word":
            words.pop()
            begun, at = last.text, last.start
        elif last.kind in ("number", "string", "name"):
            return None
    owner = None
    if words and words[-1].text == "." and len(words) > 1 and words[-2].kind in ("word", "name"):
        owner = plain(words[-2])
    clause, call, condition = _around(words)
    return Place(begun, at, quoted, owner, clause, call, condition, tuple(words))


def _around(words: list[Word]) -> tuple[str, str, bool]:
    """The clause, the open call, and whether a WHERE stands in that call's brackets."""
    opened: list[tuple[str, int]] = []  # the function (or word) before each open bracket, and the bracket's index
    for i, word in enumerate(words):
        if word.text in "([" and word.kind == "mark":
            opened.append((words[i - 1].upper if i and words[i - 1].kind == "word" else "", i))
        elif word.text in ")]" and word.kind == "mark" and opened:
            opened.pop()
    call, inside = "", 0
    for name, index in reversed(opened):
        if name in _AGGREGATES or name == "WITH":
            call, inside = name, index
            break
    condition = bool(call) and any(word.upper == "WHERE" for word in words[inside:])
    depth, clause = 0, ""
    for i in range(len(words) - 1, -1, -1):
        word = words[i]
        if word.kind == "mark" and word.text in ")]":
            depth += 1
        elif word.kind == "mark" and word.text in "([":
            depth = max(0, depth - 1)
        elif depth == 0 and word.kind == "word" and word.upper in _CLAUSES and not _is_name(words, i):
            clause = word.upper
            break
    return clause, call, condition


def _is_name(words: list[Word], i: int) -> bool:
    """True of a word beside a dot."""
    return (i > 0 and words[i - 1].text == ".") or (i + 1 < len(words) and words[i + 1].text == ".")
