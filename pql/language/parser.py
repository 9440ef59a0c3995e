"""Text to tree: the LALR(1) driver over the prebuilt table, and the three ways to read a text.

Nothing but PqlError leaves these functions, whatever the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pql.language import ast, table
from pql.language.ast import Span
from pql.language.builder import Builder
from pql.language.errors import PqlError
from pql.language.lexing import MAX_BYTES, Lexer, Token

_SPACE = re.compile(r"(?:[\s\ufeff]+|--[^\n]*|\#[^\n]*|/\*[\s\S]*?\*/)*")
_SQL_START = re.compile(r"(?:select|with)\b", re.IGNORECASE)
_SQL_PIECE = re.compile(r"--[^\n]*|/\*[\s\S]*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|;|[^-/'\";]+|[\s\S]")


@dataclass(slots=True)
class Position:
    """Where a reading stopped at a fault: the states on the stack, the tokens before, and the one that doesn't fit."""

    stack: list[int]
    tokens: list[Token] = field(default_factory=list)


class Unreadable(Exception):
    """The token at hand fits nowhere. Never leaves this package."""

    def __init__(self, token: Token, position: Position) -> None:
        super().__init__(token.type)
        self.token = token
        self.position = position


def parse(text: str) -> ast.Statement:
    """The one statement `text` holds. Raises PqlError."""
    script = parse_script(text)
    if len(script.statements) > 1:
        second = script.statements[1]
        hint = "run them as a script, or one at a time"
        raise PqlError("several_statements", "one statement is expected", span=second.span, hint=hint, text=text)
    return script.statements[0]


def parse_predict(text: str) -> ast.Predict:
    """The one PREDICT `text` holds. Raises PqlError."""
    statement = parse(text)
    if not isinstance(statement, ast.Predict):
        hint = "only the query itself belongs here: PREDICT … FOR EACH …"
        raise PqlError("not_a_prediction", "this is not a PREDICT", span=statement.span, hint=hint, text=text)
    return statement


def parse_script(text: str) -> ast.Script:
    """The statements of `text`, separated by `;` (at least one). Raises PqlError."""
    try:
        return _script(text)
    except PqlError as error:
        raise error.at(text) from None


def accepts(prefix: str) -> frozenset[str]:
    """The terminals that can follow `prefix`, an unfinished text; empty where it is broken before its end or in SQL."""
    try:
        start = 0
        while True:
            start = _after_space(prefix, start)
            if _SQL_START.match(prefix, start):
                end = _sql_end(prefix, start)
                if end >= len(prefix):
                    return frozenset()
                start = end + 1
                continue
            position = Position([0])
            _, end = _statement(prefix, start, position)
            if end >= len(prefix):
                return frozenset()
            start = end + 1
    except Unreadable as stop:
        if stop.token.type != "$END" or stop.token.start < len(prefix):
            return frozenset()
        return table.load().accepts(stop.position.stack)
    except PqlError:
        return frozenset()


def _script(text: str) -> ast.Script:
    _check_size(text)
    statements: list[ast.Statement] = []
    start, length = 0, len(text)
    while (start := _after_space(text, start)) < length:
        if text[start] == ";":
            start += 1
            continue
        if _SQL_START.match(text, start):
            end = _sql_end(text, start)
            body = text[start:end].rstrip()
            statements.append(ast.Sql(body, Span(start, start + len(body))))
        else:
            statement, end = _read(text, start)
            statements.append(statement)
        start = end + 1
    if not statements:
        hint = "a query looks like: PREDICT COUNT(orders.*, 0, 30, days) FOR EACH customers.customer_id"
        raise PqlError("empty_text", "there is no query here", hint=hint)
    return ast.Script(tuple(statements), Span(statements[0].span.start, statements[-1].span.end))


def _check_size(text: str) -> None:
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        hint = "put long lists in a table of the database"
        raise PqlError("text_too_long", f"a text has at most {MAX_BYTES:,} bytes", hint=hint)


def _after_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _sql_end(text: str, start: int) -> int:
    """The offset of the `;` that ends the SQL statement at `start`, or the length of the text."""
    for piece in _SQL_PIECE.finditer(text, start):
        if piece[0] == ";":
            return piece.start()
    return len(text)


def _read(text: str, start: int) -> tuple[ast.Statement, int]:
    """The statement at `start` and the offset of the `;` or end after it. Raises PqlError."""
    position = Position([0])
    try:
        return _statement(text, start, position)
    except Unreadable as stop:
        raise PqlError("syntax", f"unexpected {stop.token.value!r}", span=stop.token.span) from None


def _statement(text: str, start: int, position: Position) -> tuple[ast.Statement, int]:
    """Drive the table over the statement at `start`. Raises PqlError and Unreadable."""
    rules_table = table.load()
    actions, gotos, rules = rules_table.actions, rules_table.gotos, rules_table.rules
    end = rules_table.end
    lexer, builder = Lexer(text, start), Builder(text)
    stack, tokens = position.stack, position.tokens
    values: list[Any] = []
    spans: list[Span] = []
    while True:
        row = actions[stack[-1]]
        token = lexer.next(row)
        terminal = "$END" if token.type == "SEMI" else token.type
        while True:
            action = actions[stack[-1]].get(terminal)
            if action is None:
                raise Unreadable(token, position)
            if action >= 0:
                break
            rule = rules[-1 - action]
            size = rule.length
            span = Span(spans[-size].start, spans[-1].end)
            children = values[-size:]
            value = getattr(builder, rule.action)(children, span) if rule.action else children[0]
            del stack[-size:], values[-size:], spans[-size:]
            stack.append(gotos[stack[-1]][rule.origin])
            values.append(value)
            spans.append(span)
            if stack[-1] == end:
                if builder.faults:
                    raise PqlError.of(builder.faults)
                return value, token.start
        stack.append(action)
        values.append(token)
        spans.append(token.span)
        tokens.append(token)
