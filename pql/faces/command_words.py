"""What can be typed after a command of the prompt: commands themselves, names, modes, files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pql.faces.commands import ALIASES, COMMANDS
from pql.faces.desk import MODES
from pql.faces.known import Names

ENTRIES = 1000  # of a folder that are looked at


def after_command(line: str, offset: int, names: Names) -> list[tuple[str, int, str]]:
    """What can stand at the end of a command's line, which begins at `offset`: text, from where on, what it is."""
    name, space, rest = line.partition(" ")
    if not space:
        known = [(one.name, one.says) for one in COMMANDS.values()] + [(a, f"as {b}") for a, b in ALIASES.items()]
        return [(word, offset, says) for word, says in known if word.startswith(name.lower()) and word != name]
    command = COMMANDS.get(ALIASES.get(name, name.lower()))
    if command is None:
        return []
    at = offset + len(line) - len(rest.lstrip())
    begun = rest.lstrip()
    if command.takes == "file":
        return [(word, at, says) for word, says in _files(begun)]
    return [
        (word, at, says)
        for word, says in _words(command.takes, names)
        if word.lower().startswith(begun.lower()) and word != begun and word.isprintable()
    ]


def _words(takes: str, names: Names) -> Iterator[tuple[str, str]]:
    match takes:
        case "table":
            yield from ((table.name, "table") for table in names.tables)
        case "model":
            yield from ((name, "model") for name in names.models)
        case "mode":
            yield from ((mode, "mode") for mode in MODES)
        case "switch":
            yield from (("on", ""), ("off", ""))
        case "by":
            yield from ((word, "") for word in ("table", "column", "feature"))
        case "command":
            yield from ((one.name, one.says) for one in COMMANDS.values())
        case "query":
            yield "PREDICT ", "query"


def _files(begun: str) -> Iterator[tuple[str, str]]:
    """Files and folders whose path goes on from what is begun; hidden ones only where a dot is."""
    folder, _, start = begun.rpartition("/")
    shown = f"{folder}/" if "/" in begun else ""
    found: list[tuple[str, str]] = []
    try:
        with os.scandir(Path(shown or ".").expanduser()) as entries:
            for _, entry in zip(range(ENTRIES), entries, strict=False):
                if entry.name.startswith(start) and (start or not entry.name.startswith(".")):
                    folder_ = entry.is_dir()
                    found.append((shown + entry.name + ("/" if folder_ else ""), "folder" if folder_ else "file"))
    except (OSError, ValueError, RuntimeError):
        return
    yield from (one for one in sorted(found) if one[0].isprintable())
