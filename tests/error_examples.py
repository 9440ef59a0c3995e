"""The examples of every error code: what is said about each, kept in a golden file and on the page of errors.

`python tests/error_examples.py` says everything anew and writes grammars/said.toml and docs/errors.md; the difference
is what there is to review.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenes import scenes, shown
from shop_catalog import SHOP

from pql.language import ast
from pql.language.binder import bind
from pql.language.codes import CODES
from pql.language.errors import PqlError
from pql.language.parser import parse, parse_predict, parse_script

ROOT = Path(__file__).resolve().parents[1]
MISTAKES = ROOT / "grammars" / "mistakes.toml"
SAID = ROOT / "grammars" / "said.toml"
PAGE = ROOT / "docs" / "errors.md"
_INSIDE = re.compile(r"\((PREDICT[\s\S]*)\)(?: ORDER| LIMIT|$)")
RENEW = "python tests/error_examples.py"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A text with the code it must give; `fix`: the repair offered, `mended`: one made by hand where none is."""

    text: str
    code: str
    fix: str | None = None
    mended: str | None = None


def mistakes() -> list[Mistake]:
    """Every example of grammars/mistakes.toml."""
    return [Mistake(**entry) for entry in tomllib.loads(MISTAKES.read_text(encoding="utf-8"))["mistake"]]


def fault_of(text: str) -> PqlError | None:
    """What is said about one statement on the catalog of the shop; None if nothing is wrong."""
    try:
        _bind_all([parse(text)], text)
    except PqlError as error:
        return error.at(text)
    return None


def is_whole(text: str) -> bool:
    """Whether a script reads, and every query in it binds on the catalog of the shop."""
    try:
        _bind_all(parse_script(text).statements, text)
    except PqlError:
        return False
    return True


def _bind_all(statements: Any, text: str) -> None:
    for statement in statements:
        inside = _INSIDE.search(statement.text) if isinstance(statement, ast.Sql) else None
        if inside is not None:
            bind(parse_predict(inside[1]), SHOP, text=inside[1])
        query = statement if isinstance(statement, ast.Predict) else getattr(statement, "query", None)
        if isinstance(query, ast.Predict):
            bind(query, SHOP, text=text)


def said(scene: Callable[[str], str]) -> Iterator[tuple[str, str | None, str]]:
    """Code, text (None for the scenes of data and files) and what is said, in the order of the registry.

    scene: gives what is said in the scene of a code.
    """
    found: list[tuple[str, str | None, str]] = []
    for mistake in mistakes():
        error = fault_of(mistake.text)
        found.append((mistake.code, mistake.text, str(error)))
    found += [(code, None, scene(code)) for code in scenes()]
    order = {code: place for place, code in enumerate(CODES)}
    yield from sorted(found, key=lambda entry: order.get(entry[0], len(order)))


def golden(scene: Callable[[str], str] = shown) -> str:
    """The text of grammars/said.toml as it must be now."""
    lines = [f"# What is said about each example of an error. Written by `{RENEW}`; don't edit.\n"]
    for code, text, says in said(scene):
        lines.append(f'[[said]]\ncode = "{code}"\n')
        if text is not None:
            lines.append(f"text = {_literal(text)}\n")
        lines.append(f"says = {_literal(says)}\n")
    return "".join(lines)


def _literal(text: str) -> str:
    """`text` as TOML, on its own lines where it has several."""
    plain = "'''" not in text and not text.endswith("'") and all(c.isprintable() or c == "\n" for c in text)
    if plain and ("\n" in text or "'" in text):
        return f"'''\n{text}'''"
    if plain:
        return f"'{text}'"
    escaped = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return '"' + "".join(escaped) + '"'


def main() -> None:
    """Write both files."""
    SAID.write_text(golden(), encoding="utf-8")
    from pql.faces.help import markdown, said_of

    said_of.cache_clear()
    PAGE.write_text(markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
