"""The verbs that ask a database something: run, explain, evaluate, report, labels, check, graph, models."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pql.faces.arguments import (
    CommandOption,
    Database,
    Format,
    FormatOption,
    LimitOption,
    OutputOption,
    Query,
    QuietOption,
    SetOption,
    form_of,
    naming,
    one_text,
    opened,
    read_file,
    say,
    settings_of,
)
from pql.faces.screen import encodable
from pql.language.error_text import visible
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.faces.settings import Settings
    from pql.session import Session

WHOLE = 1000  # rows shown of tables that are read to their end


def run(
    database: Annotated[
        str, typer.Argument(metavar="DB", help="A DuckDB or SQLite file, postgresql://…, a folder of files.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of statements, or - for stdin.")],
    output: OutputOption = None,
    format_: FormatOption = None,
    limit: LimitOption = None,
    quiet: QuietOption = False,
    write: Annotated[bool, typer.Option("--write", help="Let CREATE TABLE write to the database.")] = False,
    set_: SetOption = None,
) -> None:
    """Run the statements of a file, one after the other; the first fault ends the run."""
    settings = settings_of(set_, quiet=quiet, format_=format_, limit=limit)
    with naming(file):
        answers(database, read_file(file), settings, output, write=write)


def answers(database: str | None, text: str, settings: Settings, output: Path | None, *, write: bool) -> None:
    """Run statements and write each answer when it is there."""
    from pql.faces.render import check as check_place
    from pql.faces.render import write_all

    form = form_of(settings, output)
    check_place(form, output)
    with opened(database, settings, write=write) as db:
        results = db.each(text)
        beside = results if form == "box" or settings.quiet else _remarked(results)
        write_all(beside, form, output, settings.limit or 20)


def _remarked(results: Iterable[Any]) -> Iterator[Any]:
    """Results whose form has no room for how good they are: it is told on stderr."""
    for result in results:
        if hasattr(result, "remarks"):
            for line in result.remarks():
                sys.stderr.write(encodable(visible(line), sys.stderr) + "\n")
        yield result


def explain(
    database: Database = None,
    text: Query = None,
    command: CommandOption = None,
    output: OutputOption = None,
    format_: FormatOption = None,
    quiet: QuietOption = False,
    set_: SetOption = None,
) -> None:
    """Show all that is decided about a query, before anything is trained (`--format json` as data)."""
    settings = settings_of(set_, quiet=quiet, format_=format_)
    _answer(database, one_text(text, command), lambda db, asked: db.explain(asked), settings, output, WHOLE)


def evaluate(
    database: Database = None,
    text: Query = None,
    command: CommandOption = None,
    output: OutputOption = None,
    format_: FormatOption = None,
    quiet: QuietOption = False,
    set_: SetOption = None,
) -> None:
    """Show how good the predictions of a query are, beside every baseline."""
    settings = settings_of(set_, quiet=quiet, format_=format_)
    _answer(database, one_text(text, command), lambda db, asked: db.evaluate(asked), settings, output, WHOLE)


def report(
    database: Database = None,
    text: Query = None,
    command: CommandOption = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write; - for stdout.")] = Path(
        "report.html"
    ),
    quiet: QuietOption = False,
    set_: SetOption = None,
) -> None:
    """Write one HTML page on a prediction: the question, the answer, how good it is, and why."""
    settings = settings_of(set_, quiet=quiet)
    asked = one_text(text, command)
    with opened(database, settings) as db:
        page = db.predict(asked).report(None if str(output) == "-" else output)
    if str(output) == "-":
        typer.echo(page, nl=False)
    elif not settings.quiet:
        typer.echo(f"{output}: {len(page.encode()) / 1000:,.0f} kB", err=True)


def labels(
    database: Database = None,
    text: Query = None,
    command: CommandOption = None,
    output: OutputOption = None,
    format_: FormatOption = None,
    limit: LimitOption = None,
    quiet: QuietOption = False,
    set_: SetOption = None,
) -> None:
    """Show the training table of a query."""
    settings = settings_of(set_, quiet=quiet, format_=format_, limit=limit)
    shown = settings.limit or 20
    _answer(database, one_text(text, command), lambda db, asked: db.labels(asked), settings, output, shown)


def check(
    database: Database = None,
    text: Query = None,
    command: CommandOption = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="A file of statements to check.")] = None,
    leakage: Annotated[
        bool,
        typer.Option(
            "--leakage",
            help="Prove on your own data that nothing after the anchor reaches the predictions (CHECK LEAKAGE).",
        ),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="The outcome and every fault as data, on stdout.")] = False,
    output: OutputOption = None,
    format_: FormatOption = None,
    quiet: QuietOption = False,
    set_: SetOption = None,
) -> None:
    """Say whether statements would run: they are read, bound and planned, and nothing is trained.

    With --leakage a query is also proved, on your own data, to use nothing after its anchor (CHECK LEAKAGE). Exit code
    0 where all is well, 1 where something is wrong.
    """
    from pql.faces.faults import Outcome

    if file is not None and (text is not None or command is not None):
        raise typer.BadParameter("give the query once: as QUERY, with -c or with -f")
    settings = settings_of(set_, quiet=quiet, format_=Format.JSON if json_ and format_ is None else format_)
    read = (lambda: read_file(file)) if file is not None else (lambda: one_text(text, command))
    ask = (lambda db, text: db.check_leakage(text)) if leakage else (lambda db, text: db.validate(text))
    if not json_:
        with naming(file):
            return _answer(database, read(), ask, settings, output, WHOLE)
    from pql.faces.render import write

    try:
        with naming(file):
            asked = read()
            with opened(database, settings) as db:
                found = Outcome(ask(db, asked))
    except PqlError as error:
        write(Outcome(error), "json", output, WHOLE)
        raise typer.Exit(1) from error
    write(found, "json", output, WHOLE)


def graph(
    database: Database = None,
    quiet: QuietOption = False,
    format_: FormatOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Draw it: an .svg picture or an .html page; or text, or .json."),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Forget every link, key and clock that was declared.")] = False,
    set_: SetOption = None,
) -> None:
    """Show the tables, keys, links and clocks, as inferred and as declared, with the evidence for each."""
    from pql.faces.drawing import draw, is_drawn
    from pql.faces.render import write

    settings = settings_of(set_, quiet=quiet, format_=format_)
    form = "box" if is_drawn(output) else form_of(settings, output)
    with opened(database, settings) as db:
        if reset:
            db.forget_overrides()
        if is_drawn(output):
            return draw(db.graph(), output)
        view = db.graph()
        write(view, form, output, WHOLE)
        if form == "box" and output is None and not settings.quiet:
            from pql.first_questions import in_a_shell

            sys.stderr.write(in_a_shell(database, view.catalog))


def models(
    database: Database = None,
    format_: FormatOption = None,
    output: OutputOption = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Forget the stored predictions, and the models without a name.")
    ] = False,
    set_: SetOption = None,
) -> None:
    """List the kept models of a database."""
    settings = settings_of(set_, quiet=True, format_=format_)
    if clear:
        with opened(database, settings) as db:
            freed = db.clear()
        return say(str(freed))
    _answer(database, "", lambda db, text: db.run("SHOW MODELS")[0], settings, output, WHOLE)


def _answer(
    database: str | None,
    asked: str,
    ask: Callable[[Session, str], Any],
    settings: Settings,
    output: Path | None,
    limit: int,
) -> None:
    """Ask one thing of a database and write what it answers."""
    from pql.faces.render import write

    form = form_of(settings, output)
    with opened(database, settings) as db:
        write(ask(db, asked), form, output, limit)
