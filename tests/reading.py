"""Short ways to read one piece of the language: an expression, a condition, a constant."""

from __future__ import annotations

from pql.language import ast
from pql.language.ast import ColumnName, Identifier, Literal
from pql.language.errors import PqlError
from pql.language.parser import parse_predict, parse_script


def column(name: str) -> ColumnName:
    table, _, column_ = name.rpartition(".")
    return ColumnName(Identifier(table) if table else None, Identifier(column_))


def target(text: str) -> ast.Expression:
    return parse_predict(f"PREDICT {text} FOR EACH t.id").target


def where(text: str) -> ast.Expression | None:
    return parse_predict(f"PREDICT t.x FOR EACH t.id WHERE {text}").where


def literal(text: str) -> object:
    comparison = where(f"t.y = {text}")
    assert isinstance(comparison, ast.Comparison)
    assert isinstance(comparison.right, Literal)
    return comparison.right.value


def read(text: str) -> ast.Script | PqlError:
    try:
        return parse_script(text)
    except PqlError as error:
        return error
