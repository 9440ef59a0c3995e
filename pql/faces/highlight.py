"""The colours of what is typed: the language's own words, and those of SQL around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.styles import Style

from pql.faces.commands import is_command
from pql.faces.words import SQL_WORDS
from pql.language.functions import FUNCTIONS, OTHER_NAMES
from pql.language.lexing import KEYWORDS, UNITS

STYLE = Style.from_dict(
    {
        "pql.keyword": "ansiblue bold",
        "pql.function": "ansicyan",
        "pql.string": "ansigreen",
        "pql.number": "ansimagenta",
        "pql.comment": "ansibrightblack italic",
        "pql.command": "ansiyellow",
        "pql.parameter": "ansiyellow",
        "pql.prompt": "bold",
    }
)
_WORDS = KEYWORDS | SQL_WORDS
_PIECE = re.compile(
    r"""(?P<comment>--[^\n]*|\#[^\n]*|/\*(?:[\s\S]*?\*/|[\s\S]*))
    |(?P<string>'(?:[^'\\]|\\[\s\S]|'')*+(?:'|\Z)|"(?:[^"\\]|\\[\s\S]|"")*+(?:"|\Z)|`[^`]*+(?:`|\Z))
    |(?P<number>(?<!\w)\d[\w.]*(?:[-/:]\d+)*)
    |(?P<parameter>[:$?][^\W\d]\w*|\?)
    |(?P<word>[^\W\d]\w*)
    |(?P<other>\s+|[\s\S])""",
    re.VERBOSE,
)


def coloured(text: str) -> Iterator[tuple[str, str]]:
    """`text` in pieces, each with the class of its colour (empty for none)."""
    if is_command(text.split("\n", 1)[0]):
        yield "class:pql.command", text
        return
    for piece in _PIECE.finditer(text):
        kind = str(piece.lastgroup)
        if kind == "word":
            yield _class_of_word(text, piece.start(), piece.end()), piece[0]
        else:
            yield ("" if kind == "other" else f"class:pql.{kind}"), piece[0]


def _class_of_word(text: str, start: int, end: int) -> str:
    word = text[start:end].upper()
    if text[start - 1 : start] == "." or text[end : end + 1] == ".":
        return ""
    if word in FUNCTIONS or word in OTHER_NAMES:
        return "class:pql.function" if text[end:].lstrip()[:1] == "(" else ""
    if word in _WORDS:
        return "class:pql.keyword"
    return "class:pql.number" if word.lower() in UNITS else ""


class PqlLexer(Lexer):
    """Colours for prompt_toolkit."""

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        lines: list[StyleAndTextTuples] = [[]]
        for style, text in coloured(document.text):
            first, *rest = text.split("\n")
            lines[-1].append((style, first))
            lines += [[(style, one)] for one in rest]
        return lambda number: lines[number] if number < len(lines) else []
