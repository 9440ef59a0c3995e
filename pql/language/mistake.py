"""A text that can't be read further, and what one can say of it: what was found, what stood before, what could come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pql.language.ast import Span
from pql.language.lexing import KEYWORDS, RESERVED, Token, shortened

CLAUSES = RESERVED - {"WHERE", "WITH", "AND", "OR", "NOT", "IN", "IS", "BETWEEN", "LIKE", "TRUE", "FALSE", "NULL"}
ARITHMETIC = frozenset({"PLUS", "MINUS", "STAR", "SLASH", "PERCENT"})
NAMES = frozenset({"IDENT", "DQ"})
_CONSTANTS = frozenset({"INT", "DECIMAL", "STRING", "DATE", "TRUE", "FALSE", "NULL"})
_PARTS = frozenset({"WHERE", "USING", "RETURN", "VIA"})
_SPOKEN = {
    "IDENT": "a name", "INT": "a whole number", "DECIMAL": "a number", "STRING": "a text in quotes", "DATE": "a date",
    "UNIT": "a unit such as days", "EQ": "a comparison", "LPAR": "'('", "RPAR": "')'", "LSQB": "'['", "RSQB": "']'",
    "COMMA": "a comma", "DOT": "a dot", "ARROW": "->", "$END": "the end",
}  # fmt: skip


class Mistake:
    """A text that can't be read further: `token` fits none of the `expected` terminals after `tokens`."""

    def __init__(self, text: str, tokens: Sequence[Token], token: Token, expected: frozenset[str]) -> None:
        self.text = text
        self.tokens = tokens
        self.token = token
        self.expected = expected
        self.found = "$END" if token.type == "SEMI" else token.type
        self.at_end = self.found == "$END"
        self.previous = tokens[-1] if tokens else None
        self.brackets = _open_brackets(tokens)

    @property
    def word(self) -> str:
        """The word found, in upper case."""
        return self.text[self.token.start : self.token.end].upper()

    @property
    def shown(self) -> str:
        """What was found, for a sentence."""
        if self.token.type == "$END":
            return "the end of the text"
        return f"{shortened(self.text[self.token.start : self.token.end])!r}"

    @property
    def wants_expression(self) -> bool:
        return {"IDENT", "LPAR", "INT", "STRING"} <= self.expected

    @property
    def wants_name(self) -> bool:
        return "IDENT" in self.expected and not self.expected & {"INT", "STRING"}

    @property
    def wants_count(self) -> bool:
        return "INT" in self.expected and "DECIMAL" not in self.expected

    def before(self, steps: int) -> str:
        """The type of the token `steps` before the one found; "" where there is none."""
        return self.tokens[-steps].type if len(self.tokens) >= steps else ""

    def callee(self) -> Token | None:
        """The name of the aggregate whose brackets are open innermost."""
        index = self.brackets[-1] if self.brackets else 0
        if index and self.tokens[index].type == "LPAR" and self.tokens[index - 1].type == "IDENT":
            return self.tokens[index - 1]
        return None

    def level(self) -> list[Token]:
        """The tokens since the innermost open bracket, without those in closed brackets between."""
        depth, kept = 0, []
        for token in reversed(self.tokens):
            if token.type in ("RPAR", "RSQB"):
                depth += 1
            elif token.type in ("LPAR", "LSQB"):
                if depth == 0:
                    break
                depth -= 1
            elif depth == 0:
                kept.append(token)
        return kept[::-1]

    def clause(self) -> str:
        """The keyword of the clause under way."""
        outer = self.tokens[: self.brackets[0]] if self.brackets else self.tokens
        clauses = (
            t.type for t in reversed(outer) if t.type in KEYWORDS and t.type in CLAUSES | {"WHERE", "WITH", "EACH"}
        )
        return next(clauses, "")

    def inserted(self, words: str) -> str:
        """The text with `words` before the token found."""
        place = self.previous.end if self.previous else self.token.start
        return self.text[:place] + words + self.text[place:]

    def replaced(self, words: str, start: int | None = None, end: int | None = None) -> str:
        """The text with `words` in place of the token found, or of the range given."""
        first = self.token.start if start is None else start
        return self.text[:first] + words + self.text[self.token.end if end is None else end :]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says: `fixes` are texts to try, `span` the place where it is not the token found."""

    code: str
    message: str
    hint: str = ""
    fixes: Sequence[str] = ()
    span: Span | None = None
    nearest: Sequence[str] = ()


def _open_brackets(tokens: Sequence[Token]) -> list[int]:
    opened: list[int] = []
    for index, token in enumerate(tokens):
        if token.type in ("LPAR", "LSQB"):
            opened.append(index)
        elif token.type in ("RPAR", "RSQB") and opened:
            opened.pop()
    return opened


def keywords(terminals: frozenset[str]) -> list[str]:
    """The keywords among `terminals`."""
    return sorted(name for name in terminals if name in KEYWORDS)


def expectation(expected: frozenset[str]) -> str:
    """What can come next, for a sentence."""
    if {"IDENT", "INT", "LSQB"} <= expected:
        return "a word, a constant or a list"
    spoken: list[str] = []
    rest = expected
    if {"IDENT", "LPAR", "INT", "STRING"} <= expected:
        spoken.append("a column, a constant or an aggregate")
        rest = rest - _CONSTANTS - ARITHMETIC - {"IDENT", "LPAR", "NOT"}
    if rest >= _CONSTANTS:
        spoken.append("a constant")
        rest = rest - _CONSTANTS
    if rest >= ARITHMETIC:
        spoken.append("an operator")
        rest = rest - ARITHMETIC
    clauses: list[str] = []
    if rest >= _PARTS:
        clauses = ["FOR EACH …"] * ("FOR" in rest) + ["a clause such as WHERE, USING or RETURN"]
        rest = rest & {"AND", "$END", "COMMA", "EQ"}
    spoken = [*clauses, *spoken]
    spoken += [phrase for name, phrase in _SPOKEN.items() if name in rest]
    spoken += keywords(rest)
    return ", ".join(spoken)
