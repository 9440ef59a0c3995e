"""Where a PREDICT stands in brackets inside SQL: whether `(predict` begins one, and where it ends.

`predict` is no reserved word of SQL: a table, a column or a function may be called so. What follows it tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pql.language.errors import PqlError
from pql.language.lexing import MAX_BYTES, Lexer, Token

# After `(predict` these go on with the column, table or function of that name.
_GO_ON = frozenset(
    re.findall(
        r"\w+",
        "ANTI ASC ASOF AT COLLATE CROSS DESC EXCEPT FILTER FULL GLOB GROUP HAVING IGNORE ILIKE INNER INTERSECT ISNULL "
        "JOIN LEFT LIMIT NATURAL NOTNULL NULLS OFFSET ON ORDER OVER PIVOT POSITIONAL QUALIFY RANGE RESPECT RIGHT ROWS "
        "SEMI SIMILAR TABLESAMPLE UNION UNPIVOT WINDOW WITHIN",
    )
)
_AFTER_NOT = frozenset({"ILIKE", "GLOB", "SIMILAR"})


@dataclass(frozen=True, slots=True)
class Inside:
    """A PREDICT in brackets: `end` is the offset after the closing bracket, None where it never closes.

    `marks` is how many `?` it holds.
    """

    end: int | None
    marks: int


class Searcher:
    """Decides for every `(predict` of a text. What was read in vain is counted, so that no text takes long."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._patience = MAX_BYTES

    def query(self, start: int) -> Inside | None:
        """The PREDICT whose first word stands at `start`, right after a bracket, or None where that word is a name."""
        if self._patience < 0 or not self._is_query(start):
            return None
        text, lexer, depth, marks = self._text, Lexer(self._text, start), 0, 0
        try:
            while (token := lexer.next(())).type not in ("$END", "SEMI"):
                if token.type == "LPAR":
                    depth += 1
                elif token.type == "RPAR":
                    depth -= 1
                    if depth < 0:
                        return Inside(token.end, marks)
                elif token.type == "PARAMETER":
                    marks += text[token.start] == "?"
        except PqlError:
            pass
        self._patience -= lexer.at - start
        return Inside(None, marks)

    def rest(self, start: int) -> Inside:
        """The PREDICT at `start` that goes on to the `;` or the end, which is its `end`."""
        lexer, marks = Lexer(self._text, start), 0
        try:
            while (token := lexer.next(())).type not in ("$END", "SEMI"):
                marks += token.type == "PARAMETER" and self._text[token.start] == "?"
        except PqlError:
            return Inside(None, marks)
        return Inside(token.start, marks)

    def _is_query(self, start: int) -> bool:
        text, lexer = self._text, Lexer(self._text, start)
        try:
            lexer.next(())
            first = lexer.next(())
            second = lexer.next(()) if first.type not in ("RPAR", "$END") else first
        except PqlError:
            return False
        match first.type:
            case "IDENT" | "DQ":
                if first.type == "IDENT" and _word(text, first) in _GO_ON:
                    return False
                called = first.type == "IDENT" and second.type == "LPAR"
                return called or second.type == "DOT" or self._has_for(start)
            case "NOT":
                return second.type not in ("IN", "LIKE", "BETWEEN", "NULL") and _word(text, second) not in _AFTER_NOT
            case "FOR":
                return _word(text, second) == "EACH"
            case "LPAR" | "LSQB" | "MINUS" | "INT" | "DECIMAL" | "STRING" | "DATE" | "TRUE" | "FALSE" | "NULL":
                return self._has_for(start)
        return False

    def _has_for(self, start: int) -> bool:
        """True if FOR stands in the brackets themselves, not in brackets within."""
        lexer, depth = Lexer(self._text, start), 0
        try:
            while (token := lexer.next(())).type not in ("$END", "SEMI") and depth >= 0:
                depth += (token.type == "LPAR") - (token.type == "RPAR")
                if depth == 0 and token.type == "FOR":
                    return True
        except PqlError:
            pass
        self._patience -= lexer.at - start
        return False


def _word(text: str, token: Token) -> str:
    return text[token.start : token.end].upper()
