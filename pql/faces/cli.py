"""The command line: `pql [VERB] DB`. Data goes to stdout, talk and progress to stderr.

Exit codes: 0 done, 1 a fault of the query or the data, 2 a fault of the command line, 130 stopped by the user.
"""

from __future__ import annotations

import difflib
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pql.faces import verb_mcp, verbs_about, verbs_asking
from pql.faces.arguments import (
    Database,
    Format,
    FormatOption,
    LimitOption,
    OutputOption,
    QuietOption,
    SetOption,
    naming,
    opened,
    read_file,
    settings_of,
    source_of,
    text_of,
)
from pql.faces.verb_examples import EXAMPLES, IN_A_LINE
from pql.language.errors import PqlError

_OF_THE_GROUP = ("--help", "--version")
_MEANT = {  # words that people try, and the verb they mean
    **dict.fromkeys(("predict", "ask", "sql", "shell", "repl", "select", "exec"), "query"),
    **dict.fromkeys(("validate", "lint", "test", "verify"), "check"),
    **dict.fromkeys(("schema", "tables", "describe", "show", "inspect", "info"), "graph"),
    **dict.fromkeys(("metrics", "score", "backtest", "eval"), "evaluate"),
    **dict.fromkeys(("settings", "env"), "config"),
    "format": "fmt",
    "plan": "explain",
    "serve": "mcp",
    "execute": "run",
    "html": "report",
}


class _Verbs(TyperGroup):
    """`pql DB …` is short for `pql query DB …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in _OF_THE_GROUP:
            word = args[0].lower()
            near = [_MEANT[word]] if word in _MEANT else difflib.get_close_matches(word, self.commands, n=1)
            if near and not args[0].startswith("-") and not Path(args[0]).exists():
                verb = 'a query is asked with pql DB -c "PREDICT …"' if near[0] == "query" else f"try pql {near[0]}"
                nearest = f"the nearest verb is {near[0]}" if word not in _MEANT else verb
                raise typer.BadParameter(f"{args[0]} is neither a verb nor a database; {nearest}")
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


def _version(wanted: bool) -> None:
    if wanted:
        verbs_about.version()
        raise typer.Exit


@app.callback()
def _group(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
) -> None:
    """What stands before a verb."""


@app.command(epilog=EXAMPLES["query"], short_help=IN_A_LINE["query"])
def query(
    database: Database = None,
    statement: Annotated[str | None, typer.Argument(metavar="STATEMENT", help="The same as -c STATEMENT.")] = None,
    command: Annotated[str | None, typer.Option("-c", "--command", help="The statement to run.")] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="A file of statements to run.")] = None,
    output: OutputOption = None,
    format_: FormatOption = None,
    limit: LimitOption = None,
    quiet: QuietOption = False,
    write: Annotated[bool, typer.Option("--write", help="Let CREATE TABLE write to the database.")] = False,
    set_: SetOption = None,
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

        settings = settings_of(set_, quiet=quiet, format_=format_, limit=limit)
        connect = partial(opened, database, settings, write=write)
        mode = settings.format or Format.BOX.value
        raise typer.Exit(start(source_of(database, settings), connect, mode=mode, limit=settings.limit))
    settings = settings_of(set_, quiet=quiet, format_=format_, limit=limit)
    with naming(file):
        text = read_file(file) if file is not None else text_of("-" if command is None else command)
        verbs_asking.answers(database, text, settings, output, write=write)


for _verb in (
    verbs_asking.run,
    verbs_asking.explain,
    verbs_asking.evaluate,
    verbs_asking.report,
    verbs_asking.labels,
    verbs_asking.check,
    verbs_asking.graph,
    verbs_asking.models,
    verb_mcp.mcp,
    verbs_about.fmt,
    verbs_about.bench,
    verbs_about.config,
    verbs_about.doctor,
    verbs_about.completion,
    verbs_about.version,
):
    app.command(epilog=EXAMPLES[_verb.__name__], short_help=IN_A_LINE[_verb.__name__])(_verb)
app.command(name="help", epilog=EXAMPLES["help"], short_help=IN_A_LINE["help"])(verbs_about.help_)


def main(args: list[str] | None = None) -> None:
    """The entry point of the `pql` command; exits the process."""
    code: int | str | None
    if args is None:  # the process is our own
        from pql.faces.spared import spare_imports

        spare_imports()
    try:
        code = app(args=args, standalone_mode=False) or 0
        sys.stdout.flush()
    except PqlError as error:
        from pql.faces.paint import shown

        sys.stderr.write(f"{shown(error, sys.stderr, _color(args))}\n")
        code = 130 if error.code == "stopped" else 1
    except (typer.Abort, KeyboardInterrupt):
        sys.stderr.write("stopped\n")
        code = 130
    except BrokenPipeError:
        code = _reader_is_gone()
    except OSError as error:
        if error.filename is not None:  # of something else than the output
            raise
        sys.stderr.write(f"the output can't be written: {error.strerror or error}\n")
        _forget_stdout()
        code = 1
    except SystemExit as done:
        code = _reader_is_gone() if isinstance(done.__context__, BrokenPipeError) else done.code
    except Exception as error:
        show = getattr(error, "show", None)  # faults of the command line know how to show themselves
        if show is None:
            raise
        show(file=sys.stderr)
        code = 2
    sys.exit(code)


def _color(args: list[str] | None) -> str:
    """Whether errors are coloured, by flag, environment or file; as the terminal likes where those are at fault."""
    from pql.faces.settings import load

    said = [arg for arg in (sys.argv[1:] if args is None else args) if arg.startswith("color=")]
    try:
        return load({"color": said[-1].removeprefix("color=")} if said else None).color
    except PqlError:
        return "auto"


def _reader_is_gone() -> int:
    """Whoever read the output has seen enough."""
    _forget_stdout()
    return 0


def _forget_stdout() -> None:
    """Write the rest of the output to nowhere, so that nothing complains at the end."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
