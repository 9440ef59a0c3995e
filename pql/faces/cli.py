"""The command line: `pql [VERB] DB`. Data goes to stdout, talk and progress to stderr.

Exit codes: 0 done, 1 a fault of the query or the data, 2 a fault of the command line, 130 stopped by the user.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.session import Session


class _Verbs(TyperGroup):
    """`pql DB …` is short for `pql query DB …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            near = difflib.get_close_matches(args[0].lower(), self.commands, n=1)
            if near and not Path(args[0]).exists():
                raise typer.BadParameter(f"{args[0]} is neither a verb nor a database; the nearest verb is {near[0]}")
            args = ["query", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Verbs,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Ask a relational database what will happen. `pql DB -c QUERY` answers a query.",
)


class Format(StrEnum):
    """How a table is written."""

    BOX = "box"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    LINE = "line"
    MD = "md"
    PARQUET = "parquet"


Database = Annotated[str, typer.Argument(metavar="DB", help="A DuckDB file or a folder of Parquet/CSV files.")]
Query = Annotated[str | None, typer.Argument(metavar="[QUERY]", help="The text of a query, or - for stdin.")]
CommandOption = Annotated[str | None, typer.Option("-c", "--command", help="The same as QUERY.")]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="How tables are written; without it the ending of -o says, else box.")
]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file instead of stdout.")]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="No progress on stderr.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Rows shown by the box format.")]


def _form(chosen: Format | None, output: Path | None) -> str:
    """The format asked for, else that of the file's ending, else box."""
    if chosen is not None:
        return chosen.value
    ending = output.suffix.lower().removeprefix(".") if output is not None else ""
    if ending in ("", "txt"):
        return Format.BOX.value
    if ending not in list(Format):
        known = ", ".join(f".{form}" for form in Format if form is not Format.BOX)
        raise typer.BadParameter(f"{output} ends in none of {known}; --format says how to write it")
    return Format(ending).value


@app.command()
def query(
    database: Database,
    statement: Annotated[str | None, typer.Argument(metavar="[STATEMENT]", help="The same as -c STATEMENT.")] = None,
    command: Annotated[str | None, typer.Option("-c", "--command", help="The statement to run.")] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="A file of statements to run.")] = None,
    output: OutputOption = None,
    format_: FormatOption = None,
    limit: LimitOption = 20,
    quiet: QuietOption = False,
    write: Annotated[bool, typer.Option("--write", help="Let CREATE TABLE write to the database.")] = False,
) -> None:
    """Run statements: predictions, EXPLAIN, EVALUATE, CREATE MODEL, SHOW, SQL … (the verb `query` may be left out).

    With -o the file gets the last statement's answer; those before go to stdout. Without a statement, on a terminal,
    there is a prompt.
    """
    command = command if command is not None else statement
    if command is not None and file is not None:
        raise typer.BadParameter("give either -c or -f")
    if file is None and command is None and sys.stdin.isatty():
        if output is not None or not sys.stdout.isatty():
            raise typer.BadParameter("give a statement with -c, a file with -f, or pipe one in")
        from pql.faces.repl import start

        mode = format_.value if format_ is not None else Format.BOX.value
        raise typer.Exit(start(database, quiet=quiet, write=write, mode=mode, limit=limit))
    text = _read(file) if file is not None else _text("-" if command is None else command)
    from pql.faces.render import check, write_all

    form = _form(format_, output)
    check(form, output)
    with _open(database, quiet, write=write) as db:
        write_all(db.each(text), form, output, limit)


@app.command()
def graph(
    database: Database,
    quiet: QuietOption = False,
    reset: Annotated[bool, typer.Option("--reset", help="Forget every link, key and clock that was declared.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Draw it: an .svg picture or an .html page; or text.")
    ] = None,
) -> None:
    """Show the tables, keys, links and clocks, as inferred and as declared, with the evidence for each."""
    from pql.faces.drawing import draw

    with _open(database, quiet) as db:
        if reset:
            db.forget_overrides()
        draw(db.graph(), output)


def _answer(
    database: str,
    asked: str,
    ask: Callable[[Session, str], Any],
    format_: Format | None,
    output: Path | None,
    limit: int,
    *,
    quiet: bool,
) -> None:
    """Ask one thing of a database and write what it answers."""
    from pql.faces.render import write

    form = _form(format_, output)
    with _open(database, quiet) as db:
        write(ask(db, asked), form, output, limit)


@app.command()
def explain(
    database: Database,
    text: Query = None,
    command: CommandOption = None,
    output: OutputOption = None,
    format_: FormatOption = None,
    quiet: QuietOption = False,
) -> None:
    """Show all that is decided about a query, before anything is trained (`--format json` as data)."""
    _answer(database, _one(text, command), lambda db, asked: db.explain(asked), format_, output, 1000, quiet=quiet)


@app.command()
def evaluate(
    database: Database,
    text: Query = None,
    command: CommandOption = None,
    output: OutputOption = None,
    format_: FormatOption = None,
    quiet: QuietOption = False,
) -> None:
    """Show how good the predictions of a query are, beside every baseline."""
    _answer(database, _one(text, command), lambda db, asked: db.evaluate(asked), format_, output, 1000, quiet=quiet)


@app.command()
def report(
    database: Database,
    text: Query = None,
    command: CommandOption = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")] = Path("report.html"),
    quiet: QuietOption = False,
) -> None:
    """Write one HTML page on a prediction: the question, the answer, how good it is, and why."""
    asked = _one(text, command)
    with _open(database, quiet) as db:
        db.predict(asked).report(output)
    if not quiet:
        sys.stderr.write(f"{output}: {output.stat().st_size / 1000:,.0f} kB\n")


@app.command()
def labels(
    database: Database,
    text: Query = None,
    command: CommandOption = None,
    output: OutputOption = None,
    format_: FormatOption = None,
    limit: LimitOption = 20,
    quiet: QuietOption = False,
) -> None:
    """Show the training table of a query."""
    _answer(database, _one(text, command), lambda db, asked: db.labels(asked), format_, output, limit, quiet=quiet)


@app.command()
def check(
    database: Database,
    text: Query = None,
    command: CommandOption = None,
    output: OutputOption = None,
    format_: FormatOption = None,
    quiet: QuietOption = False,
) -> None:
    """Prove on your own data that nothing after the anchor reaches a query's predictions (CHECK LEAKAGE)."""
    _answer(
        database, _one(text, command), lambda db, asked: db.check_leakage(asked), format_, output, 1000, quiet=quiet
    )


@app.command()
def models(database: Database) -> None:
    """List the kept models of a database."""
    from pql.faces.render import write

    with _open(database, True) as db:
        for result in db.run("SHOW MODELS"):
            write(result, "box", None, 1000)


@app.command()
def fmt(file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of statements, or - for stdin.")]) -> None:
    """Print statements in their canonical form."""
    from pql.language.format import format as canonical
    from pql.language.parser import parse_script

    script = parse_script(sys.stdin.read() if str(file) == "-" else _read(file))
    for statement in script.statements:
        _say(canonical(statement) + ";")


@app.command()
def bench(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder in RelBench's format.")],
    tasks: Annotated[list[str] | None, typer.Argument(metavar="[TASK]…", help="Some of its tasks; else all.")] = None,
    regime: Annotated[
        str | None, typer.Option(help="frozen: the data ends at the split's timestamp (the default); or as-of.")
    ] = None,
    model: Annotated[str, typer.Option(help="The option model of WITH.")] = "auto",
    budget: Annotated[str | None, typer.Option(help="The option budget of WITH.")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="How many seeds to average over.")] = 1,
    split: Annotated[str | None, typer.Option(help="val or test alone; else both.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write predictions and metrics.json to this folder.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Learn and measure the tasks of a RelBench folder; predictions are written in RelBench's format."""
    from pql.bench import Wanted, write_outcomes
    from pql.bench import bench as outcomes_of
    from pql.faces.progress import StderrProgress

    if split not in (None, "val", "test"):
        raise typer.BadParameter("--split is val or test")
    options: dict[str, Any] = {"model": model} | ({} if budget is None else {"budget": budget})
    splits = ("val", "test") if split is None else (split,)
    wanted = Wanted(tuple(tasks or ()), regime, seeds, splits, options)
    found: list[Any] = []
    for outcome in outcomes_of(folder, wanted, None if quiet else StderrProgress()):
        _say(("\n" if found else "") + outcome.shown())
        found.append(outcome)
        if output is not None:
            write_outcomes(found, output)


@app.command(name="help")
def help_(
    codes: Annotated[list[str] | None, typer.Argument(metavar="[CODE]…", help="The codes of errors.")] = None,
) -> None:
    """Explain an error by its code, with an example; without a code, list them all."""
    from pql.faces.help import text

    _say(text(codes or []))


@app.command(name="version")
def version() -> None:
    """Print the version."""
    import pql

    _say(pql.__version__)


def main(args: list[str] | None = None) -> None:
    """The entry point of the `pql` command; exits the process."""
    code: int | str | None
    try:
        code = app(args=args, standalone_mode=False) or 0
        sys.stdout.flush()
    except PqlError as error:
        from pql.faces.paint import shown

        sys.stderr.write(f"{shown(error, sys.stderr)}\n")
        code = 130 if error.code == "stopped" else 1
    except (typer.Abort, KeyboardInterrupt):
        sys.stderr.write("stopped\n")
        code = 130
    except BrokenPipeError:
        code = _reader_is_gone()
    except SystemExit as done:
        code = _reader_is_gone() if isinstance(done.__context__, BrokenPipeError) else done.code
    except Exception as error:
        show = getattr(error, "show", None)  # faults of the command line know how to show themselves
        if show is None:
            raise
        show(file=sys.stderr)
        code = 2
    sys.exit(code)


def _reader_is_gone() -> int:
    """Whoever read the output has seen enough: write the rest to nowhere."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _open(database: str, quiet: bool, *, write: bool = False) -> Session:
    from pql.faces.progress import StderrProgress
    from pql.session import connect

    return connect(database, read_only=not write, listener=None if quiet else StderrProgress())


def _one(text: str | None, command: str | None) -> str:
    """The text of a query: the argument or that of -c; `-` stands for stdin."""
    if (text is None) == (command is None):
        raise typer.BadParameter("give the query once: as QUERY or with -c")
    return _text(command if text is None else text)


def _text(text: str | None) -> str:
    return sys.stdin.read() if text == "-" else (text or "")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise PqlError(
            "file_unreadable",
            f"The file {path} can't be read: {reason}.",
            hint="Give the path of a text file in UTF-8, or - to read from stdin.",
        ) from error


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
