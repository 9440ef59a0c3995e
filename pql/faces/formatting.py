"""Files of statements in their canonical form."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pql.language.errors import PqlError


def in_form(text: str) -> str:
    """The statements of a text in their canonical form, each ended by a semicolon. Raises PqlError."""
    from pql.language.format import format as canonical
    from pql.language.parser import parse_script

    return "".join(canonical(statement) + ";\n" for statement in parse_script(text).statements)


def has_comments(text: str) -> bool:
    """True if the text holds a comment outside of quotes."""
    quote = ""
    for at, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote and text[at - 1] != "\\" else quote
        elif sign in "'\"`":
            quote = sign
        elif sign == "#" or text[at : at + 2] in ("--", "/*"):
            return True
    return False


def put(path: Path, text: str) -> None:
    """Write a file whole or not at all, with the rights it had. Raises PqlError `file_not_writable`."""
    place = path.resolve()
    try:
        rights = place.stat().st_mode & 0o7777
        handle, made = tempfile.mkstemp(prefix=".writing-", dir=place.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            os.chmod(made, rights)
            os.replace(made, place)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PqlError(
            "file_not_writable",
            f"The file {path} can't be written: {error.strerror or error}.",
            hint="Name a file in a folder that exists and that you may write.",
        ) from error
