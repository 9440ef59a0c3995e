"""Values given for parameters that a text doesn't have: they are refused, since whoever gave them meant something."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from pql.language import ast
from pql.language.errors import PqlError
from pql.language.span import Span


def refuse_unused(statements: Sequence[ast.Statement], text: str, params: Any) -> None:
    """Raise PqlError `unused_parameter` for values beyond the `?` of all `statements`, or under names they don't have.

    A mapping that is no dict, such as the variables of a notebook, holds other things than parameters and may. Where
    a parameter lacks its value, that is what there is to say, and it is said later.
    """
    is_named = isinstance(params, dict)
    if not params or not (is_named or (isinstance(params, Sequence) and not isinstance(params, str | bytes))):
        return
    places: dict[str | int, Span] = {}
    for statement in statements:
        try:
            for key, span in _parameters(statement, text):
                places.setdefault(key, span)
        except PqlError:  # a query inside SQL that can't be read, which is said later
            return
    given: list[str | int] = list(params) if is_named else list(range(len(params)))
    unused = [key for key in given if key not in places]
    if not unused or any(key not in given for key in places):
        return
    raise _unused(unused, given, places).at(text)


def _unused(unused: list[str | int], given: list[str | int], places: dict[str | int, Span]) -> PqlError:
    last = max(places.values(), key=lambda span: span.start, default=None)
    if isinstance(given[0], int):
        count = len(places)
        values = "1 value was" if len(given) == 1 else f"{len(given)} values were"
        has = "no parameter ?" if count == 0 else "one parameter ?" if count == 1 else f"{count} parameters ?"
        hint = "Give one value for each ?, in their order; a list for IN ? is one value: params=[[1, 2]]."
        return PqlError("unused_parameter", f"{values} given, and the text has {has}", span=last, hint=hint)
    names = ", ".join(f":{name}" for name in unused)
    has = "it has none" if not places else f"it has {', '.join(f':{name}' for name in places)}"
    message = f"the text has no parameter {names}"
    return PqlError("unused_parameter", message, span=last, hint=f"{has}; leave the value out, or write its name there")


def _parameters(statement: ast.Statement, text: str) -> Iterator[tuple[str | int, Span]]:
    if not isinstance(statement, ast.Sql):
        yield from _inside(statement)
        return
    from pql.embed import find

    found = find(text, statement.span, statement.marks)
    for slot in found.slots:
        yield slot.key, slot.span
    for inner in found.inner:
        yield from _inside(inner.query)


def _inside(node: Any) -> Iterator[tuple[str | int, Span]]:
    if isinstance(node, ast.Parameter):
        key = node.index if node.name is None else node.name
        if key is not None:
            yield key, node.span
    elif isinstance(node, tuple):
        for item in node:
            yield from _inside(item)
    elif dataclasses.is_dataclass(node) and not isinstance(node, ast.Span | ast.Literal | ast.Identifier):
        for field in dataclasses.fields(node):
            yield from _inside(getattr(node, field.name))
