"""The options of WITH that hold where a query doesn't say: those of a session or of a file of configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pql.language import ast
from pql.language.bind_options import bind_options
from pql.language.catalog import Catalog
from pql.language.errors import PqlError
from pql.language.parser import parse
from pql.language.scope import Scope


def default_options(given: Mapping[str, Any]) -> tuple[ast.Option, ...]:
    """Options by name as a query would hold them. Raises PqlError `unknown_option`, `bad_option_value`."""
    if not isinstance(given, Mapping):
        raise PqlError(
            "bad_option_value",
            f"options are a mapping, and this is of type {type(given).__name__}",
            hint="write options={'budget': '10 s'}",
        )
    made = tuple(ast.Option(ast.Identifier(name), _literal(value)) for name, value in given.items())
    if made:
        scope = Scope(Catalog(()), "", _any_query())
        bind_options(scope, made)
        if scope.findings:
            raise PqlError.of([finding.fault for finding in scope.findings])
    return made


def with_defaults(query: ast.Predict, defaults: tuple[ast.Option, ...]) -> ast.Predict:
    """The query with the defaults of the options that it doesn't set itself."""
    said = {option.name.text.lower() for option in query.options}
    missing = tuple(option for option in defaults if option.name.text.lower() not in said)
    return replace(query, options=(*query.options, *missing)) if missing else query


def values_of(options: tuple[ast.Option, ...]) -> dict[str, Any]:
    """Options by name, as `default_options` takes them."""
    return {option.name.text: _plain(option.value) for option in options}


def _plain(node: ast.Expression) -> Any:
    if isinstance(node, ast.ListOf):
        return [_plain(one) for one in node.items]
    assert isinstance(node, ast.Literal)
    return node.value


def _literal(value: Any) -> ast.Expression:
    if isinstance(value, list | tuple):
        return ast.ListOf(tuple(_literal(one) for one in value))
    return ast.Literal(value)


def _any_query() -> ast.Predict:
    made = parse("PREDICT COUNT(t.*, 0, 1) FOR EACH e.k")
    assert isinstance(made, ast.Predict)
    return made
