"""What the verbs of the command line have in common: their arguments, the text they are given, the data they open."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.faces.settings import Settings
    from pql.session import Session


class Format(StrEnum):
    """How a table is written."""

    BOX = "box"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    LINE = "line"
    MD = "md"
    PARQUET = "parquet"


Database = Annotated[
    str | None,
    typer.Argument(
        metavar="DB", help="A DuckDB or SQLite file, postgresql://…, a folder of files; else as configured."
    ),
]
Query = Annotated[str | None, typer.Argument(metavar="QUERY", help="The text of a query, or - for stdin.")]
CommandOption = Annotated[str | None, typer.Option("-c", "--command", help="The same as QUERY.")]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="How tables are written; without it the ending of -o says, else box.")
]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file instead of stdout.")]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="No progress on stderr.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Rows shown by the box format (20).")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A key of `pql config`, for this run: --set budget=10s."),
]


def settings_of(
    set_: list[str] | None, *, quiet: bool = False, format_: Format | None = None, limit: int | None = None
) -> Settings:
    """The settings of files and environment, with the flags of this run over them."""
    from pql.faces.settings import load

    flags: dict[str, str] = {}
    for pair in set_ or ():
        key, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set takes KEY=VALUE, not {pair!r}")
        flags[key.strip()] = value.strip()
    if quiet:
        flags["quiet"] = "true"
    if format_ is not None:
        flags["format"] = format_.value
    if limit is not None:
        flags["limit"] = str(limit)
    return load(flags)


def form_of(settings: Settings, output: Path | None) -> str:
    """The format of the flag, else that of the file's ending, else the configured one, else box."""
    ending = output.suffix.lower().removeprefix(".") if output is not None else ""
    if ending == "" or settings.origin("format") == "flag":
        return settings.format or Format.BOX.value
    if ending == "txt":
        return Format.BOX.value
    if ending not in list(Format):
        known = ", ".join(f".{form}" for form in Format if form is not Format.BOX)
        raise typer.BadParameter(f"{output} ends in none of {known}; --format says how to write it")
    return Format(ending).value


def source_of(database: str | None, settings: Settings) -> str:
    """The database named, else the configured one."""
    source = database or settings.database
    if source is None:
        raise typer.BadParameter("name a database: a DuckDB or SQLite file, postgresql://…, or a folder of files")
    return source


def opened(database: str | None, settings: Settings, *, write: bool = False) -> Session:
    """A session on the database named, else on the configured one, with the configured options of WITH."""
    from pql.faces.progress import StderrProgress
    from pql.session import connect

    source = source_of(database, settings)
    listener = None if settings.quiet else StderrProgress()
    return connect(
        source, read_only=not write, listener=listener, home=settings.home, options=settings.options_of_with()
    )


def one_text(text: str | None, command: str | None) -> str:
    """The text of a query: the argument or that of -c; `-` stands for stdin."""
    if (text is None) == (command is None):
        raise typer.BadParameter("give the query once: as QUERY or with -c")
    return text_of(command if text is None else text)


def text_of(text: str | None) -> str:
    """The text given; `-` stands for stdin."""
    return sys.stdin.read() if text == "-" else (text or "")


def read_file(path: Path) -> str:
    """The text of a file; `-` stands for stdin. Raises PqlError `file_unreadable`."""
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise PqlError(
            "file_unreadable",
            f"The file {path} can't be read: {reason}.",
            hint="Give the path of a text file in UTF-8, or - to read from stdin.",
        ) from error


@contextmanager
def naming(path: Path | None) -> Iterator[None]:
    """Errors leave with the name of the file that what is run comes from; None and `-` have none."""
    try:
        yield
    except PqlError as error:
        if path is not None and str(path) != "-":
            error.in_file(str(path))
        raise


def say(text: str) -> None:
    """A line on stdout, in signs that its encoding has."""
    from pql.faces.screen import encodable

    sys.stdout.write(encodable(text, sys.stdout) + "\n")
