"""Text to tree: the LALR(1) driver over the prebuilt table, and the three ways to read a text.

Nothing but PqlError leaves these functions, whatever the text.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from pql.language import ast, table
from pql.language.ast import Span
from pql.language.builder import Builder
from pql.language.errors import PqlError
from pql.language.format import format
from pql.language.inside import Searcher
from pql.language.lexing import MAX_BYTES, Lexer, Token
from pql.language.mistake import Mistake
from pql.language.mistakes import around, explain

_SPACE = re.compile(r"(?:[\s\ufeff]+|--[^\n]*|\#[^\n]*|/\*[\s\S]*?\*/)*")
_GAP = r"(?>\s+|--[^\n]*\n|/\*[\s\S]*?\*/)"
_READS = rf"(?:select|with|from|values|pivot|unpivot|\({_GAP}*+(?:\({_GAP}*+)*+(?:select|with|from|values|predict))\b"
_NAME = r"(?:\w+|`[^`]*+`|\"(?:[^\"]|\"\")*+\")"
_CREATE = (
    rf"create{_GAP}++(?:or{_GAP}++replace{_GAP}++)?(?:temp(?:orary)?{_GAP}++)?table{_GAP}++"
    rf"(?:{_GAP}|[\w.$]|\"(?:[^\"]|\"\")*+\")+?(?<![\w$])as{_GAP}*+"
)
_CREATE_PREDICT = re.compile(rf"{_CREATE}(?=predict\b)", re.IGNORECASE)
_SQL_START = re.compile(
    rf"""{_READS}|summarize\b|describe{_GAP}++{_READS}|explain{_GAP}++(?:analyze{_GAP}++)?{_READS}
    |copy{_GAP}*+\({_GAP}*+(?!predict\b)
    |(?!create{_GAP}++table{_GAP}++{_NAME}{_GAP}++as{_GAP}++predict\b)
     {_CREATE}(?:{_READS}|predict\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_COPY = re.compile(rf"copy{_GAP}*+\({_GAP}*+(?=predict\b)", re.IGNORECASE)
_COPY_OPTIONS = re.compile(rf"{_GAP}*+to{_GAP}*+'(?:[^']|'')*+'{_GAP}*+(?:\(|with\b)", re.IGNORECASE)
_SQL_PIECE = re.compile(
    rf"""--[^\n]*|/\*(?:[\s\S]*?\*/|[\s\S]*)|\be'(?:[^'\\]|\\[\s\S]|'')*+'|'(?:[^']|'')*+'|"(?:[^"]|"")*+"
    |(?<![\w$])\$(\w*)\$[\s\S]*?\$\1\$|\({_GAP}*+(?=predict\b)|\w+|;|[\s\S]""",
    re.IGNORECASE | re.VERBOSE,
)


class Unreadable(Exception):
    """`token` doesn't fit after `tokens`, which left these states on the stack. Never leaves this file."""

    def __init__(self, token: Token, tokens: list[Token], stack: list[int]) -> None:
        super().__init__(token.type)
        self.token = token
        self.tokens = tokens
        self.stack = stack


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


def parse_inside(text: str, start: int, end: int, marks: int = 0) -> ast.Predict:
    """The PREDICT that fills `text[start:end]`; places are counted from the start of `text`.

    marks: how many `?` stand before it. Raises PqlError; its fixes are corrections of the whole text.
    """
    try:
        statement, stop, _ = _statement(text[:end], start, marks)
        if isinstance(statement, ast.Predict) and stop == end:
            return statement
    except (Unreadable, PqlError):
        pass  # said below, of a text in which nothing else stands
    try:
        return parse_predict(alone(text, start, end))
    except PqlError as error:
        raise put_back(error, text, start, end) from None


def alone(text: str, start: int, end: int) -> str:
    """`text` with blanks for all but `text[start:end]`: places stay as they are."""
    return re.sub(r"[^\n]", " ", text[:start]) + text[start:end]


def put_back(error: PqlError, text: str, start: int, end: int) -> PqlError:
    """The error of a query that was read `alone`, with its fixes put back into the whole text."""
    fixes = [None if fault.fix is None else text[:start] + fault.fix.strip() + text[end:] for fault in error.faults]
    return PqlError.of([replace(fault, fix=fix) for fault, fix in zip(error.faults, fixes, strict=True)], text)


def parse_script(text: str) -> ast.Script:
    """The statements of `text`, separated by `;` (at least one). Raises PqlError."""
    if not isinstance(text, str):
        hint = "give a str such as 'PREDICT COUNT(orders.*, 0, 30, days) FOR EACH customers.customer_id'"
        raise PqlError("not_a_text", f"a query is a text, and this is of type {type(text).__name__}", hint=hint)
    try:
        return _script(text)
    except Unreadable as stop:
        mistake = Mistake(text, stop.tokens, stop.token, table.load().accepts(stop.stack))
        error = explain(mistake, _readable)
    except PqlError as caught:
        error = PqlError.of([f if f.fix is None or _readable(f.fix) else replace(f, fix=None) for f in caught.faults])
    raise around(text, error, _readable).at(text)


def accepts(prefix: str) -> frozenset[str]:
    """The terminals that can follow `prefix`, an unfinished text; empty where it is broken before its end or in SQL.

    Keywords are named by their word; names are IDENT, and `TOP` without `RANK` is BARE_TOP.
    """
    start = 0
    while True:
        start = _after_space(prefix, start)
        if _is_sql(prefix, start):
            end, _ = _sql_end(prefix, start)
        else:
            try:
                _, end, _ = _statement(prefix, start, stop_at_end=True)
            except Unreadable as stop:
                if stop.token.type != "$END":
                    return frozenset()
                return table.load().accepts(stop.stack)
            except PqlError:
                return frozenset()
        if end >= len(prefix):
            return frozenset()
        start = end + 1


def _script(text: str) -> ast.Script:
    _check_size(text)
    statements: list[ast.Statement] = []
    start, length, marks = 0, len(text), 0
    while (start := _after_space(text, start)) < length:
        if text[start] == ";":
            start += 1
            continue
        if _is_sql(text, start):
            end, inside = _sql_end(text, start)
            body = text[start:end].rstrip()
            statements.append(ast.Sql(body, Span(start, start + len(body)), marks))
            marks += inside
        else:
            statement, end, marks = _statement(text, start, marks)
            statements.append(statement)
        start = end + 1
    if not statements:
        hint = "a query looks like: PREDICT COUNT(orders.*, 0, 30, days) FOR EACH customers.customer_id"
        raise PqlError("empty_text", "there is no query here", hint=hint)
    return ast.Script(tuple(statements), Span(statements[0].span.start, statements[-1].span.end))


def _readable(text: str) -> bool:
    try:
        _script(text)
    except (PqlError, Unreadable):
        return False
    return True


def _check_size(text: str) -> None:
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        hint = "put long lists in a table of the database"
        raise PqlError("text_too_long", f"a text has at most {MAX_BYTES:,} bytes", hint=hint)


def _after_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _is_sql(text: str, start: int) -> bool:
    """True where a statement of SQL starts; COPY (PREDICT …) is one where options of DuckDB's follow the file."""
    if _SQL_START.match(text, start):
        return True
    copy = _COPY.match(text, start)
    inside = Searcher(text).query(copy.end()) if copy else None
    return inside is not None and inside.end is not None and _COPY_OPTIONS.match(text, inside.end) is not None


def _sql_end(text: str, start: int) -> tuple[int, int]:
    """The offset of the `;` that ends the SQL statement at `start`, or of the end, and how many `?` stand before it."""
    searcher, marks = Searcher(text), 0
    created = _CREATE_PREDICT.match(text, start)
    if created and (rest := searcher.rest(created.end())).end is not None:
        return rest.end, rest.marks
    while (piece := _SQL_PIECE.match(text, start)) is not None:
        if piece[0] == ";":
            break
        start = piece.end()
        marks += piece[0] == "?"
        if piece[0][0] == "(" and text[start : start + 1] in ("p", "P"):
            inside = searcher.query(start)
            if inside is not None and inside.end is not None:
                start, marks = inside.end, marks + inside.marks
    return start, marks


def _statement(text: str, start: int, marks: int = 0, *, stop_at_end: bool = False) -> tuple[ast.Statement, int, int]:
    """The statement at `start`, the offset of the `;` or end after it, and how many `?` stand before that.

    With `stop_at_end` the end of the text counts as a token that doesn't fit. Raises PqlError and Unreadable.
    """
    parse_table = table.load()
    actions, gotos, rules, final = parse_table.actions, parse_table.gotos, parse_table.rules, parse_table.end
    lexer, builder = Lexer(text, start, marks), Builder(text)
    stack: list[int] = [0]
    tokens: list[Token] = []
    values: list[Any] = []
    spans: list[Span] = []
    while True:
        token = lexer.next(actions[stack[-1]])
        terminal = "$END" if token.type == "SEMI" else token.type
        before = stack[:]
        if stop_at_end and token.type == "$END":
            raise Unreadable(token, tokens, before)
        while True:
            action = actions[stack[-1]].get(terminal)
            if action is None:
                raise Unreadable(token, tokens, before)
            if action >= 0:
                break
            rule = rules[-1 - action]
            size = rule.length
            span = Span(spans[-size].start, spans[-1].end)
            children = values[-size:]
            value = getattr(builder, rule.action)(children, span) if rule.action else children[0]
            del stack[-size:], values[-size:], spans[-size:]
            stack.append(gotos[stack[-1]][rule.origin])
            if stack[-1] == final:
                if builder.faults:
                    fixed = text[:start] + format(value) + text[token.start :]
                    raise PqlError.of([replace(fault, fix=fixed) for fault in builder.faults])
                return value, token.start, lexer.marks
            values.append(value)
            spans.append(span)
        stack.append(action)
        values.append(token)
        spans.append(token.span)
        tokens.append(token)
