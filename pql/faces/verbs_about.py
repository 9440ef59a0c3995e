"""The verbs about texts and the place: fmt, bench, config, doctor, completion, help, version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pql.faces.arguments import (
    FormatOption,
    OutputOption,
    QuietOption,
    SetOption,
    form_of,
    naming,
    read_file,
    say,
    settings_of,
)
from pql.language.errors import PqlError


def fmt(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Files of statements, or - for stdin.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; name the files that would change, with exit code 1.")
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the canonical form back to the files.")] = False,
) -> None:
    """Print statements in their canonical form. Comments are not kept; --write refuses files that have some.

    A file that can't be read doesn't keep the others from their turn; the exit code is then 1.
    """
    from pql.faces.formatting import has_comments, in_form, put

    if check and write:
        raise typer.BadParameter("--check only looks, --write changes: give one of them")
    if write and any(str(file) == "-" for file in files):
        raise typer.BadParameter("--write needs files: stdin can't be written back")
    changed = False
    for file in files:
        try:
            with naming(file if len(files) == 1 else None):
                text = read_file(file)
                formed = in_form(text)
        except PqlError as error:
            if len(files) == 1:
                raise
            typer.echo(error if error.code == "file_unreadable" else f"{file}: {error}", err=True)
            changed = True
            continue
        if not check and not write:
            say(formed.removesuffix("\n"))
        elif formed != text and check:
            changed = True
            say(f"{file} would change")
        elif formed != text:
            if has_comments(text):
                typer.echo(f"{file} holds comments, which the canonical form has no place for: it stays", err=True)
                changed = True
                continue
            put(file, formed)
            typer.echo(f"{file} written", err=True)
    if changed:
        raise typer.Exit(1)


def bench(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder in RelBench's format.")],
    tasks: Annotated[list[str] | None, typer.Argument(metavar="TASK", help="Some of its tasks; else all.")] = None,
    regime: Annotated[
        str | None, typer.Option(help="frozen: the data ends at the split's timestamp (the default); or as-of.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The option model of WITH; else as configured, else auto.")] = None,
    budget: Annotated[str | None, typer.Option(help="The option budget of WITH; else as configured.")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="How many seeds to average over.")] = 1,
    split: Annotated[str | None, typer.Option(help="val or test alone; else both.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write predictions and metrics.json to this folder.")
    ] = None,
    quiet: QuietOption = False,
    set_: SetOption = None,
) -> None:
    """Learn and measure the tasks of a RelBench folder; predictions are written in RelBench's format."""
    from pql.bench import Wanted, write_outcomes
    from pql.bench import bench as outcomes_of
    from pql.faces.progress import StderrProgress

    if split not in (None, "val", "test"):
        raise typer.BadParameter("--split is val or test")
    settings = settings_of(set_, quiet=quiet)
    flags = {name: value for name, value in (("model", model), ("budget", budget)) if value is not None}
    options: dict[str, Any] = settings.options_of_with() | flags
    splits = ("val", "test") if split is None else (split,)
    wanted = Wanted(tuple(tasks or ()), regime, seeds, splits, options)
    found: list[Any] = []
    for outcome in outcomes_of(folder, wanted, None if settings.quiet else StderrProgress()):
        say(("\n" if found else "") + outcome.shown())
        found.append(outcome)
        if output is not None:
            write_outcomes(found, output)


def config(format_: FormatOption = None, output: OutputOption = None, set_: SetOption = None) -> None:
    """Show the effective value of every key, and where it was set: pql.toml, the environment or a flag."""
    from pql.faces.doctor import config_report
    from pql.faces.render import write

    settings = settings_of(set_, format_=format_)
    write(config_report(settings), form_of(settings, output), output, 100)


def doctor(
    database: Annotated[
        str | None, typer.Argument(metavar="DB", help="A database to look at; else the configured one, if any.")
    ] = None,
    format_: FormatOption = None,
    output: OutputOption = None,
    set_: SetOption = None,
) -> None:
    """Look at the installation, the machine, the kept models and a database. Exit code 1: something is broken."""
    from pql.faces.doctor import BROKEN, doctor_report
    from pql.faces.render import write

    settings = settings_of(set_, format_=format_)
    report = doctor_report(settings, database or settings.database)
    write(report, form_of(settings, output), output, 100)
    if BROKEN in report.to_arrow_table().column("state").to_pylist():
        raise typer.Exit(1)


def completion(
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="The shell to complete in.")],
) -> None:
    """Print a script that completes verbs, options and codes: eval "$(pql completion bash)"."""
    from pql.faces.cli import app
    from pql.faces.completion import SHELLS, script

    if shell not in SHELLS:
        raise typer.BadParameter(f"the shells are {', '.join(SHELLS)}")
    say(script(shell, app).removesuffix("\n"))


def help_(
    codes: Annotated[list[str] | None, typer.Argument(metavar="CODE", help="The codes of errors.")] = None,
) -> None:
    """Explain an error by its code, with an example; without a code, list them all."""
    from pql.faces.help import text

    say(text(codes or []))


def version() -> None:
    """Print the version."""
    import pql

    say(pql.__version__)
