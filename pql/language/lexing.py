"""Tokens: the words of a query, with the rule that says when a word is a keyword and when it is a name.

Reserved words are keywords wherever they stand bare. Every other keyword is one only where the grammar asks for it
(the parser passes the terminals its state knows), and a name elsewhere: so columns may be called `week`, `rank` or
`type`. Beside a dot every word is a name.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Container
from dataclasses import dataclass

from pql.language.errors import PqlError
from pql.language.span import Span

MAX_BYTES = 64 * 1024
MAX_DEPTH = 200
MAX_VALUES = 10_000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RESERVED = _words(
    "PREDICT FOR FROM WHERE ASSUMING USING EXCLUDING IGNORING RETURN VIA WITH CLASSIFY "
    "AND OR NOT IN IS BETWEEN LIKE AS TRUE FALSE NULL"
)
KEYWORDS = RESERVED | _words(
    "EXPLAIN PREDICTION ANALYZE AST BOUND SQL GRAPH JSON EVALUATE AT LABELS CHECK LEAKAGE CREATE REPLACE MODEL TABLE "
    "COPY TO SHOW TABLES MODELS TARGETS METRICS RULES DESCRIBE DROP TARGET ALTER USE VERSION DEFINE LINK UNLINK KEY "
    "TIME NO EACH OF RANK TOP FORECAST TIMEFRAMES CLASS NUMBER CANDIDATES MOST PER "
    "QUANTILES INTERVAL PROBABILITY DISTRIBUTION CONTAINS STARTS ENDS DISTINCT "
    "OVER FOLLOWING PRECEDING UNBOUNDED INF RANGE NOW CURRENT ROW HORIZONS WINDOW EXPECTED VALUE PLAN FORMAT TEXT"
)
UNITS = {name: unit + "s" for unit in ("second", "minute", "hour", "day", "week", "month", "year")
         for name in (unit, unit + "s")}  # fmt: skip
_SYNONYMS = {"INFINITY": "INF", "TIMEFRAME": "TIMEFRAMES"}


@dataclass(frozen=True, slots=True)
class Token:
    """One word: `type` is the grammar's terminal, `value` what it stands for, `start`/`end` its place in the text."""

    type: str
    value: object
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


_PATTERN = re.compile(
    r"""
    (?P<space>[\s\ufeff]+ | --[^\n]* | \#[^\n]* | /\*[\s\S]*?\*/)
  | (?P<typed_date>(?:date|timestamp)\s+'(?P<typed_text>[^'\n]*)')
  | (?P<date>
        (?: (?P<y>\d{4}) (?P<sep>[-/.]) (?P<m>\d{1,2}) (?P=sep) (?P<d>\d{1,2})
          | (?P<d2>\d{1,2}) \. (?P<m2>\d{1,2}) \. (?P<y2>\d{4})
          | (?P<dubious>\d{1,2}[-/]\d{1,2}[-/]\d{4} | \d{4}(?P<sep2>[-/.])\d+(?P=sep2)\d+) )
        (?:(?:T|[ ]+)(?P<time>\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?P<zone>Z|[+-]\d{2}:?\d{2})?)?
        (?![\w:])
    )
  | (?P<decimal>(?:\d+\.\d*(?:e[+-]?\d+)? | \.\d+(?:e[+-]?\d+)? | \d+e[+-]?\d+)(?!\w))
  | (?P<int>\d+(?![\w]))
  | (?P<bad_number>\d[\w.]*)
  | (?P<word>[^\W\d]\w*)
  | (?P<string>'(?:[^'\\]|\\[\s\S]|'')*+')
  | (?P<dq>"(?:[^"\\]|\\[\s\S]|"")*+")
  | (?P<backtick>`(?:[^`]|``)*+`)
  | (?P<unclosed>/\*|['"`])
  | (?P<parameter>[:$][^\W\d]\w*|\?\d{0,4}|\$\d{1,4})
  | (?P<arrow>->)
  | (?P<compare><=|>=|<>|!=|==|=|<|>)
  | (?P<mark>[,.*/%+\-()\[\];])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MARKS = {
    ",": "COMMA", ".": "DOT", "*": "STAR", "/": "SLASH", "%": "PERCENT", "+": "PLUS", "-": "MINUS",
    "(": "LPAR", ")": "RPAR", "[": "LSQB", "]": "RSQB", ";": "SEMI",
}  # fmt: skip
_OPENED = {"/*": "comment", "'": "string", '"': "string", "`": "name"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "\n": ""}
_INSTEAD = {
    "!": "NOT", "&": "AND", "|": "OR", "{": "(", "}": ")", "‘": "'", "’": "'", "“": '"', "”": '"', "´": "'",
    "≤": "<=", "≥": ">=", "≠": "!=", "−": "-", "–": "-", "—": "-", "，": ",", "×": "*", "≈": "=", ":": " =",
    "«": "'", "»": "'", "„": '"', "‚": "'",
    "（": "(", "）": ")", "；": ";", "＝": "=",
}  # fmt: skip


_QUOTES = ("'", '"')
_STRAIGHT = {ord(curly): straight for curly, straight in _INSTEAD.items() if straight in _QUOTES}


_CAST = re.compile(r"::\s*[^\W\d]\w*(?:\(\d+(?:,\s*\d+)?\))?")
_PARAMETER = re.compile(r"[$@](\w+)|\$\{(\w+)\}|\{\{?\s*(\w+)\s*\}\}?")


class Lexer:
    """Makes the tokens of one statement, one at a time, from `text[start:]`.

    `marks`: how many `?` stand before `start`, so that those of a script are numbered throughout.
    Counts nesting (brackets, and chains of arithmetic, NOT and minus, which nest as well) before any tree exists.
    """

    def __init__(self, text: str, start: int = 0, marks: int = 0) -> None:
        self.text = text
        self.at = start
        self.previous: Token | None = None
        self.marks = marks
        self._depth = 0
        self._chains = [0]

    def next(self, known: Container[str]) -> Token:
        """The next token; its type is `$END` at the end of the text and `SEMI` at a semicolon.

        `known` are the terminals the parser's state has an action for.
        Raises PqlError: unclosed_string, unclosed_comment, unclosed_name, unexpected_character, invalid_literal,
        empty_name, too_deep.
        """
        text, match = self.text, None
        while True:
            match = _PATTERN.match(text, self.at)
            if match is None or match.lastgroup != "space":
                break
            self.at = match.end()
        if match is None:
            if self.at >= len(text):
                return self._made("$END", None, len(text), len(text))
            raise self._unexpected()
        kind, start, end = match.lastgroup, self.at, match.end()
        token = self._token(str(kind), match, start, end, known)
        self.at = end
        self._count(token)
        return token

    def _made(self, type_: str, value: object, start: int, end: int) -> Token:
        self.previous = Token(type_, value, start, end)
        return self.previous

    def _token(self, kind: str, match: re.Match[str], start: int, end: int, known: Container[str]) -> Token:
        text = match[0]
        if kind == "word":
            return self._word(text, start, end, known)
        if kind == "mark":
            return self._made(_MARKS[text], text, start, end)
        if kind == "compare":
            op = {"==": "=", "<>": "!="}.get(text, text)
            return self._made("EQ" if op == "=" else "COMPARE", op, start, end)
        if kind == "int":
            return self._made("INT", whole_number(text, Span(start, end)), start, end)
        if kind == "decimal":
            value = float(text)
            if value in (float("inf"), float("-inf")):
                raise _invalid(
                    Span(start, end), f"{shortened(text)} is too large for a decimal number", "decimals go to 1.8e308"
                )
            return self._made("DECIMAL", value, start, end)
        if kind == "date":
            return self._made("DATE", _date(match, Span(start, end)), start, end)
        if kind == "typed_date":
            return self._made("DATE", date_from_text(match["typed_text"], Span(start, end)), start, end)
        if kind == "string":
            return self._made("STRING", unescape(text), start, end)
        if kind in ("dq", "backtick"):
            name = text[1:-1].replace(text[0] * 2, text[0])
            if kind == "backtick" and not name:
                raise empty_name(Span(start, end))
            return self._made("DQ" if kind == "dq" else "IDENT", name, start, end)
        if kind == "parameter":
            if text[0] == "?" or text[1:].isdigit():  # ?3 and $3 are the third value, whatever their place
                self.marks += text[0] == "?"
                index = int(text[1:]) if len(text) > 1 else self.marks
                if index < 1:
                    raise PqlError(
                        "invalid_literal",
                        "parameters are counted from ?1",
                        span=Span(start, end),
                        hint="write ?1 for the first value",
                    )
                return self._made("PARAMETER", index - 1, start, end)
            return self._made("PARAMETER", text[1:], start, end)
        if kind == "arrow":
            return self._made("ARROW", text, start, end)
        if kind == "bad_number":
            raise self._bad_number(text, start, end)
        opened = _OPENED[text]
        mark = "*/" if opened == "comment" else text
        raise PqlError(
            f"unclosed_{opened}",
            f"the {opened} that opens here is never closed",
            span=Span(start, min(len(self.text), start + len(text))),
            hint=f"close it with {mark}",
        )

    def _word(self, text: str, start: int, end: int, known: Container[str]) -> Token:
        upper = text.upper() if text.isascii() else ""
        upper = _SYNONYMS.get(upper, upper)
        if self._beside_dot(start, end):
            return self._made("IDENT", text, start, end)
        if upper in RESERVED:
            return self._made(upper, text, start, end)
        if upper in KEYWORDS:
            if upper in known:
                return self._made(upper, text, start, end)
            if upper == "TOP" and "BARE_TOP" in known:
                return self._made("BARE_TOP", text, start, end)
        elif "UNIT" in known and text.lower() in UNITS:
            return self._made("UNIT", UNITS[text.lower()], start, end)
        return self._made("IDENT", text, start, end)

    def _beside_dot(self, start: int, end: int) -> bool:
        previous = self.previous
        if previous is not None and previous.type == "DOT" and previous.end == start:
            return True
        after = self.text[end : end + 2]
        return len(after) == 2 and after[0] == "." and (after[1] in '"`*_' or after[1].isalpha())

    def _count(self, token: Token) -> None:
        """Keep the depth the tree would have at this token; raise `too_deep` beyond MAX_DEPTH."""
        chains, kind = self._chains, token.type
        if kind in ("LPAR", "LSQB"):
            chains.append(0)
            self._depth += 1
        elif kind in ("RPAR", "RSQB"):
            if len(chains) > 1:
                self._depth -= chains.pop() + 1
        elif kind in ("NOT", "PLUS", "MINUS", "STAR", "SLASH", "PERCENT"):
            chains[-1] += 1
            self._depth += 1
        elif kind in ("COMMA", "AND", "OR", "WHERE", "FOR", "SEMI"):
            self._depth -= chains[-1]
            chains[-1] = 0
        if self._depth > MAX_DEPTH:
            raise PqlError(
                "too_deep",
                f"this is nested deeper than {MAX_DEPTH} levels",
                span=token.span,
                hint="take brackets away, or name a part of it with DEFINE TARGET",
            )

    def _foreign(self) -> PqlError | None:
        """The error for a cast (`::int`) or a parameter of another language (`$1`, `@id`, `{id}`); None for others."""
        text, at = self.text, self.at
        if cast := _CAST.match(text, at):
            fix = _CAST.sub("", text)
            hint = "columns keep their types: leave it out"
            return PqlError("foreign_operator", "there are no casts", span=Span(at, cast.end()), hint=hint, fix=fix)
        before = "" if self.previous is None else self.previous.type
        found = _PARAMETER.match(text, at)
        if found and before not in ("PREDICT", "FOR", "EACH", "FROM", "USING", "DOT", ""):
            name = next(group for group in found.groups() if group)
            better = f"?{name}" if name.isdigit() else f":{name}"
            fix = text[:at] + better + text[found.end() :]
            return PqlError(
                "unexpected_character",
                f"{found[0]} is no parameter here",
                span=Span(at, found.end()),
                hint=f"write {better}; params gives its value",
                fix=fix,
            )
        return None

    def _unexpected(self) -> PqlError:
        foreign = self._foreign()
        if foreign is not None:
            return foreign
        character = self.text[self.at]
        shown = repr(character) if character.isprintable() else f"U+{ord(character):04X}"
        instead = _INSTEAD.get(character)
        start, end = self.at, self.at + (2 if self.text[self.at : self.at + 2] in ("&&", "||") else 1)
        if character == "!" and self.text[start - 1 : start] == "=":
            start, instead = start - 1, "!="
        fix = None
        if instead in _QUOTES:
            fix = self.text.translate(_STRAIGHT)
        elif instead is not None:
            spaced = f" {instead} " if instead.isalpha() else instead
            fix = _everywhere(self.text, self.text[start:end], spaced, start)
        return PqlError(
            "unexpected_character",
            f"{shown} has no meaning here",
            span=Span(start, end),
            hint=f"write {instead.strip()}" if instead else "put it in quotes if it belongs to a text or a name",
            fix=fix,
        )

    def _bad_number(self, text: str, start: int, end: int) -> PqlError:
        span = Span(start, end)
        glued = re.fullmatch(r"(\d+)([^\W\d]+)", text)
        if glued and glued[2].lower() in UNITS:
            unit = glued[2]
        else:
            letters = {"s": "seconds", "h": "hours", "d": "days", "w": "weeks", "m": "months", "y": "years"}
            unit = letters.get(glued[2].lower(), "") if glued else ""
        if glued and unit:
            fix = f"{self.text[:start]}{glued[1]}, {unit}{self.text[end:]}"
            hint = f"a window is two numbers and a unit: 0, {glued[1]}, {unit}"
            return PqlError("invalid_literal", f"{shortened(text)} is not a number", span=span, hint=hint, fix=fix)
        hint = "numbers look like 12, 0.5 or 1e3, dates like 2017-10-31; names that start with a digit go in backticks"
        return _invalid(span, f"{shortened(text)} is not a number", hint)


def _everywhere(text: str, sign: str, instead: str, start: int) -> str:
    """`text` with `sign` replaced from `start` on, save in quotes."""
    pieces = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|" + re.escape(sign))
    return text[:start] + pieces.sub(lambda m: instead if m[0] == sign else m[0], text[start:])


def shortened(text: str, width: int = 40) -> str:
    """`text` on one line, cut to `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def unescape(quoted: str) -> str:
    """The value of a quoted string: doubled quotes, and backslash before n t r, a quote, a backslash or a line end."""
    mark, body = quoted[0], quoted[1:-1]
    if "\\" not in body:
        return body.replace(mark * 2, mark)
    pattern = re.compile(r"\\([\s\S])|" + mark * 2)
    return pattern.sub(lambda m: mark if m[1] is None else _ESCAPES.get(m[1], m[0]), body)


def whole_number(digits: str, span: Span) -> int:
    """The integer `digits` (0 to 2^64-1). Raises PqlError: invalid_literal."""
    if len(digits) <= 40:
        value = int(digits)
        if value < 1 << 64:
            return value
    raise _invalid(span, f"{shortened(digits)} is too large for an integer", "integers have at most 64 bits")


def date_from_text(text: str, span: Span) -> dt.date | dt.datetime:
    """The date or moment `text` spells. Raises PqlError: invalid_literal."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None or match["date"] is None:
        raise _invalid(span, f"{shortened(text)!r} is not a date", "write 2017-10-31 or 2017-10-31 18:30:00")
    return _date(match, span)


def empty_name(span: Span) -> PqlError:
    """The error for a quoted name without characters."""
    return PqlError("empty_name", "a name has at least one character", span=span, hint="a text is quoted with '…'")


def _invalid(span: Span, message: str, hint: str) -> PqlError:
    return PqlError("invalid_literal", message, span=span, hint=hint)


def _date(match: re.Match[str], span: Span) -> dt.date | dt.datetime:
    written = match["date"]
    if match["dubious"]:
        raise _invalid(span, f"{written} can be read in two ways", "write the year first: 2017-10-31")
    year, month, day = (int(match[g] or match[g + "2"]) for g in ("y", "m", "d"))
    try:
        date = dt.date(year, month, day)
    except ValueError:
        raise _invalid(span, f"there is no date {written}", _nearby(year, month)) from None
    if match["time"] is None:
        return date
    hours, minutes, *rest = match["time"].split(":")
    seconds, _, fraction = (rest[0] if rest else "0").partition(".")
    try:
        clock = dt.time(int(hours), int(minutes), int(seconds), int((fraction + "000000")[:6]))
        moment = dt.datetime.combine(date, clock)
        zone = match["zone"]
        if zone and zone not in "Zz":
            offset = dt.timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
            moment = moment - offset if zone[0] == "+" else moment + offset
    except (ValueError, OverflowError):
        raise _invalid(span, f"there is no moment {written}", "hours go to 23, minutes and seconds to 59") from None
    return moment


def _nearby(year: int, month: int) -> str:
    if 1 <= year <= 9998 and 1 <= month <= 12:
        last = dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)
        return f"the month ends on {last.isoformat()}"
    return "dates are year, month, day: 2017-10-31"
