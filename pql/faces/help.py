"""Help on errors: a page per code, the list of all, and both as a page of the documentation."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pql.language.codes import CODES, GROUPS
from pql.language.errors import PqlError
from pql.language.names import nearest

WIDTH = 100
_PAGE = """# Errors

Every error has a code, says where in the text it lies, what was found and what would do, and shows the mended query
where one could be made; the mended query was read and bound before it was shown. All independent faults of a query are
reported at once. `pql help CODE` prints one of these pages in the terminal, `pql help` the list.

In Python every fault is a `pql.PqlError` with `code`, `message`, `span` (the characters of the text), `hint`, `fix`
(the mended query, or None) and `nearest`; `faults` holds all of them.

This page is made from `grammars/help.toml` and from what is said about the examples of `grammars/mistakes.toml`.
"""


@dataclass(frozen=True, slots=True)
class Page:
    """What is said about a code: its meaning, why it happens, what to do, near codes."""

    code: str
    meaning: str
    why: str
    mend: str
    related: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A query with the fault (None for one of data or files), what is said about it, and the mended query, if any."""

    text: str | None
    says: str
    mended: str | None


def page_of(code: str) -> Page:
    """The page of a code. Raises PqlError `unknown_code` with the nearest ones."""
    if code not in CODES:
        near = nearest(code, CODES) or tuple(c for c in CODES if code in c)[:5]
        hint = f"did you mean {near[0]}?" if near else "pql help lists all codes"
        raise PqlError("unknown_code", f"there is no error code {code}", hint=hint, nearest=near)
    entry = _data("help.toml").get(code, {})
    return Page(code, CODES[code], entry.get("why", ""), entry.get("mend", ""), tuple(entry.get("related", ())))


@cache
def said_of() -> dict[str, list[Example]]:
    """The examples of every code, in the order in which they are written."""
    mended = {
        mistake["text"]: mistake.get("fix") or mistake.get("mended") for mistake in _data("mistakes.toml")["mistake"]
    }
    found: dict[str, list[Example]] = {}
    for entry in _data("said.toml").get("said", ()):
        text = entry.get("text")
        found.setdefault(entry["code"], []).append(Example(text, entry["says"], mended.get(text)))
    return found


def text(codes: Sequence[str]) -> str:
    """The pages of `codes` for a terminal; the list of all where none are named. Raises PqlError `unknown_code`."""
    if not codes:
        return "\n".join(_index())
    return "\n\n".join("\n".join(_page(page_of(code.strip().lower()))) for code in codes)


def markdown() -> str:
    """The page of the documentation."""
    lines = [_PAGE]
    for group, codes in GROUPS.items():
        lines += [f"## {group}", "", "| code | meaning |", "|---|---|"]
        lines += [f"| [`{code}`](#{code}) | {meaning} |" for code, meaning in codes.items()]
        lines.append("")
        for code in codes:
            lines += _section(page_of(code))
    return "\n".join(lines).rstrip() + "\n"


def _index() -> Iterator[str]:
    width = max(map(len, CODES))
    yield "The errors of pql. `pql help CODE` explains one, with an example."
    for group, codes in GROUPS.items():
        yield f"\n{group}"
        yield from (f"  {code.ljust(width)}  {meaning}" for code, meaning in codes.items())


def _page(page: Page) -> Iterator[str]:
    yield f"{page.code}: {page.meaning}"
    yield ""
    yield from _wrapped("Why", page.why)
    yield ""
    yield from _wrapped("What to do", page.mend)
    example = best_example(page.code)
    if example is not None:
        yield ""
        if example.text is not None:
            yield "Example"
            yield textwrap.indent(example.text, "  ")
            yield ""
        yield "What is said"
        yield textwrap.indent(_without_more(example.says), "  ")
        if example.mended is not None:
            yield ""
            yield "Mended"
            yield textwrap.indent(example.mended, "  ")
    if page.related:
        yield ""
        yield from _wrapped("See also", ", ".join(page.related))


def best_example(code: str) -> Example | None:
    """The example of a page: the first that has a mended query, else the first."""
    examples = [example for example in said_of().get(code, ()) if example.text is None or len(example.text) < 200]
    return next((example for example in examples if example.mended is not None), examples[0] if examples else None)


def _section(page: Page) -> Iterator[str]:
    yield f"### {page.code}"
    yield ""
    yield f"{page.meaning} {page.why}".rstrip()
    yield ""
    yield f"**What to do.** {page.mend}"
    yield ""
    example = best_example(page.code)
    if example is not None:
        yield from ["```text", _without_more(example.says), "```", ""]
        if example.mended is not None and f"fix: {example.mended}" not in example.says:
            yield from ["Mended:", "", "```sql", example.mended, "```", ""]
    if page.related:
        yield "See also " + ", ".join(f"[`{code}`](#{code})" for code in page.related) + "."
        yield ""


def _without_more(says: str) -> str:
    """What is said, without its last line, which points to the very page."""
    return "\n".join(line for line in says.split("\n") if not line.startswith("  more: "))


def _wrapped(title: str, words: str) -> Iterator[str]:
    yield title
    yield textwrap.fill(words, WIDTH, initial_indent="  ", subsequent_indent="  ")


@cache
def _data(name: str) -> dict[str, Any]:
    return tomllib.loads(files("pql.grammars").joinpath(name).read_text("utf-8"))
