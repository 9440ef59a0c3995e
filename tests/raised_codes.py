"""The error codes that the sources raise, read from their syntax trees."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("pql", "engine", "backends")
_CODE = re.compile(r"[a-z]+(_[a-z]+)*")
# The callables that take a code, with its place among the arguments; functions with a parameter `code` are found.
_MAKERS = {"PqlError": 0, "Fault": 0, "Finding": 0}
_SAYERS = ("PqlError", "Fault", "fault")


def raised() -> dict[str, str]:
    """Every code that is raised, with one place (file:line) where it is."""
    found: dict[str, str] = {}
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in _sources()}
    makers = dict(_MAKERS)
    for tree in trees.values():
        makers.update(_takers(tree))
    for path, tree in trees.items():
        for code, line in _codes(tree, makers):
            found.setdefault(code, f"{path.relative_to(ROOT)}:{line}")
    words = tomllib.loads((ROOT / "grammars" / "mistakes.toml").read_text(encoding="utf-8"))["words"]
    for word in words.values():
        found.setdefault(word["code"], "grammars/mistakes.toml")
    return found


def _sources() -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((ROOT / room).rglob("*.py"))


def _takers(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Functions with a parameter called `code`, and its place among the arguments of a call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = [a.arg for a in node.args.args if a.arg != "self"]
            if "code" in names:
                yield node.name, names.index("code")
            elif any(a.arg == "code" for a in node.args.kwonlyargs):
                yield node.name, 99


def _codes(tree: ast.Module, makers: dict[str, int]) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name not in makers:
            continue
        place = makers[name]
        given = [k.value for k in node.keywords if k.arg == "code"]
        if len(node.args) > place:
            given.append(node.args[place])
        for value in given:
            for code in _constants(value):
                yield code, node.lineno


def _constants(value: ast.expr) -> Iterator[str]:
    """The codes that an expression may give: a constant, or either branch of a choice."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and _CODE.fullmatch(value.value):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from _constants(value.body)
        yield from _constants(value.orelse)


def hintless() -> list[str]:
    """The places (file:line) that raise a code without a hint; what only says that a repair failed is not shown."""
    found: list[str] = []
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                not isinstance(node, ast.Call)
                or getattr(node.func, "id", getattr(node.func, "attr", "")) not in _SAYERS
            ):
                continue
            has_hint = any(k.arg == "hint" for k in node.keywords) or len(node.args) > 3
            if not has_hint and "no repair was found" not in ast.unparse(node):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found
