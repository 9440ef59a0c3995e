"""What people type at the prompt, cut into commands (a line each) and statements (until `;`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pql.faces.commands import is_command

_REST = r"""/\*(?:[\s\S]*?\*/|[\s\S]*)|`[^`]*+`|['"`][\s\S]*|;|\w+|\s+|[\s\S]"""
_PQL = re.compile(rf"""--[^\n]*|\#[^\n]*|'(?:[^'\\]|\\[\s\S]|'')*+'|"(?:[^"\\]|\\[\s\S]|"")*+"|{_REST}""")
_SQL = re.compile(rf"""--[^\n]*|'(?:[^']|'')*+'|"(?:[^"]|"")*+"|(?<![\w$])\$(\w*)\$[\s\S]*?(?:\$\1\$|\Z)|{_REST}""")
_LINE = re.compile(r"[^\n]*")


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """Commands and runs of statements, in their order, each with the offset of its first character.

    A command begins where no statement is open.
    """
    for start, end in _spans(text):
        if _says_something(text[start:end]):
            yield start, text[start:end]


def finished(text: str) -> bool:
    """True where nothing is open: a command, an empty text, or one that ends with `;` outside quotes and comments.

    Strings and comments are those of PQL or of SQL, which differ in backslashes and `#`: one of both readings does.
    """
    spans = list(_spans(text))
    if not spans:
        return True
    last = text[spans[-1][0] : spans[-1][1]]
    return is_command(last) or not (_open(last, _PQL) and _open(last, _SQL))


def open_statement(text: str) -> int:
    """The offset at which the statement begins that is open at the end of `text`, after the last `;` or command."""
    spans = list(_spans(text))
    if not spans:
        return len(text)
    start = at = spans[-1][0]
    for piece in _PQL.finditer(text, at):
        if piece[0] == ";":
            start = piece.end()
    return start


def _spans(text: str) -> Iterator[tuple[int, int]]:
    start = at = 0
    is_open = False  # a statement that has begun and has no `;` yet
    while at < len(text):
        if not is_open and (line := _LINE.match(text, at)) and is_command(line[0]) and _at_line_start(text, at):
            if text[start:at].strip():
                yield start, at
            yield at, line.end()
            start = at = line.end()
            continue
        piece = _PQL.match(text, at)
        assert piece is not None
        word, at = piece[0], piece.end()
        if word == ";":
            is_open = False
        elif not _is_blank(word):
            is_open = True
    if text[start:].strip():
        yield start, len(text)


def _at_line_start(text: str, at: int) -> bool:
    return not text[text.rfind("\n", 0, at) + 1 : at].strip()


def _says_something(text: str) -> bool:
    """False where there are only blanks, comments and semicolons."""
    return any(not _is_blank(piece[0]) and piece[0] != ";" for piece in _PQL.finditer(text))


def _is_blank(word: str) -> bool:
    return word.isspace() or word.startswith(("--", "#", "/*"))


def _open(text: str, pattern: re.Pattern[str]) -> bool:
    """True where a statement or a comment of `text` has no end."""
    is_open = False
    for piece in pattern.finditer(text):
        word = piece[0]
        if word == ";":
            is_open = False
        elif word.startswith("/*"):
            is_open = is_open or not word.endswith("*/") or len(word) < 4
        elif not word.isspace() and not (word.startswith("--") or (pattern is _PQL and word.startswith("#"))):
            is_open = True
    return is_open
