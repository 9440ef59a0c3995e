"""The commands of the prompt: one registry, from which they are run, completed and explained."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pql.faces.desk import MODES, Desk, Misused
from pql.faces.screen import folded
from pql.language.names import nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from pql.language.catalog import Catalog


_BESIDE = 75  # columns in which a command and what it does stand beside each other


@dataclass(frozen=True, slots=True)
class Command:
    """`takes` says what stands after it, for completion: file, folder, model, mode, query, switch, table, command."""

    name: str
    takes: str
    usage: str
    says: str
    do: Callable[[Desk, str], None]


def run(desk: Desk, line: str) -> None:
    """Follow one line that `is_command`. Raises Misused and PqlError."""
    name, _, rest = line.strip().rstrip(";").strip().partition(" ")
    command_of(name).do(desk, rest.strip())


def is_command(line: str) -> bool:
    """True for a line that begins with a dot or a backslash, or is one of the words people try first."""
    line = line.strip()
    return line.startswith((".", "\\")) or line.rstrip("; ").lower() in WORDS


def command_of(name: str) -> Command:
    """The command called so, or with this alias. Raises Misused with the nearest ones."""
    wanted = ALIASES.get(name, WORDS.get(name.lower(), name.lower()))
    if wanted in COMMANDS:
        return COMMANDS[wanted]
    beginning = [known for known in COMMANDS if len(wanted) > 1 and known.startswith(wanted)]
    near = nearest(wanted, COMMANDS, n=1) or tuple(beginning[:1])
    if name.startswith("\\") and not near:
        near = nearest("." + name[1:], COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else ".help lists the commands"
    raise Misused(f"there is no command {name}; {hint}")


# ---------------------------------------------------------------- what there is


def _tables(desk: Desk, rest: str) -> None:
    _none(rest, ".tables")
    desk.show_all(desk.session.each("SHOW TABLES"))


def _schema(desk: Desk, rest: str) -> None:
    if rest:
        return desk.show_all(desk.session.each(f"DESCRIBE {_name(rest)}"))
    from pql.shown_table import Report

    return desk.show(Report(_columns(desk.session.catalog())))


def _described(desk: Desk, rest: str) -> None:
    return _schema(desk, rest) if rest else _tables(desk, rest)


def _columns(catalog: Catalog) -> pa.Table:
    """All columns of all tables."""
    import pyarrow as pa

    from pql.graphview import column_role

    rows = [
        (table.name, column.name, column.type.value, column.stype.value, column_role(catalog, table, column.name))
        for table in catalog.tables
        for column in table.columns
    ]
    names = ("table", "column", "type", "read_as", "role")
    return pa.table({name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(names)})


def _graph(desk: Desk, rest: str) -> None:
    _none(rest, ".graph")
    desk.show_all(desk.session.each("SHOW GRAPH"))


def _models(desk: Desk, rest: str) -> None:
    _none(rest, ".models")
    desk.show_all(desk.session.each("SHOW MODELS"))


def _model(desk: Desk, rest: str) -> None:
    if not rest:
        raise Misused(".model NAME describes a kept model; .models lists them")
    desk.show_all(desk.session.each(f"DESCRIBE MODEL {_name(rest)}"))


# ---------------------------------------------------------------- how answers are written


def _mode(desk: Desk, rest: str) -> None:
    if not rest:
        return desk.say(desk.mode)
    mode = {"markdown": "md", "table": "box", "lines": "line"}.get(rest.lower(), rest.lower())
    if mode not in MODES:
        near = nearest(mode, MODES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the modes are {', '.join(MODES)}"
        raise Misused(f"there is no mode {rest}; {hint}")
    desk.mode = mode
    if mode == "parquet" and desk.output is None:
        desk.say("the next answer needs a file: .output FILE")
    return None


def _rows(desk: Desk, rest: str) -> None:
    if not rest:
        return desk.say(str(desk.rows))
    if not rest.isascii() or not rest.isdigit() or int(rest) < 1:
        raise Misused(f".rows takes a number from 1 on, not {rest}")
    desk.limit = int(rest)
    return None


def _timer(desk: Desk, rest: str) -> None:
    if rest.lower() not in ("on", "off", ""):
        raise Misused(f".timer is on or off, not {rest}")
    desk.timer = rest.lower() == "on" if rest else not desk.timer
    desk.say(f"timer {'on' if desk.timer else 'off'}")


def _output(desk: Desk, rest: str) -> None:
    from pql.faces.render import begun

    if not rest:
        desk.output = None
        return
    path = _path(rest)
    _refuse_the_data(desk, path)
    begun(path)
    desk.output = path


def _refuse_the_data(desk: Desk, path: Path) -> None:
    """Raise PqlError `file_in_source` where the file is the database, or would be a table of its folder."""
    from pql.backends.sql_targets import refuse_file

    own = Path(desk.source).expanduser()
    if own.exists():
        refuse_file(str(path), [own.resolve()])


# ---------------------------------------------------------------- questions


def _read(desk: Desk, rest: str) -> None:
    from pql.faces.repl import take_all

    if not rest:
        raise Misused(".read FILE runs the statements and commands of a file")
    path = _path(rest)
    if path.resolve() in desk.reading:
        raise Misused(f"{path} reads itself")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise Misused(f"the file {path} can't be read: {reason}") from error
    before = desk.reading
    desk.reading = (*before, path.resolve())
    try:
        take_all(desk, text, str(path))
    finally:
        desk.reading = before


def _explain(desk: Desk, rest: str) -> None:
    text = rest or desk.asked
    if not text:
        raise Misused(".explain QUERY, or .explain after a query")
    desk.show_all(iter([desk.session.explain(text)]))


def _why(desk: Desk, rest: str) -> None:
    if desk.last is None:
        raise Misused("there is no prediction to give reasons for; run a PREDICT first")
    word, _, key = rest.partition(" ")
    if word.lower() == "for" and key.strip():
        result = desk.last.why(entity=_key(desk, key.strip()))
    elif not rest:
        result = desk.last.why()
    elif rest.isascii() and rest.isdigit() and int(rest) > 0:
        result = desk.last.why(int(rest))
    else:
        raise Misused(f".why takes a number of rows, or the key of one: .why 3, .why for 17; not {rest}")
    desk.show(result)


def _key(desk: Desk, text: str) -> object:
    """A key as written, as the result's first column holds it: a number where that holds numbers."""
    assert desk.last is not None
    text = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
    first = desk.last.to_arrow_table().column(0).slice(0, 1).to_pylist()
    if not first or not isinstance(first[0], int):
        return text
    try:
        return int(text)
    except ValueError:
        raise Misused(f"{desk.last.columns[0]} is a number, and {text} is none") from None


def _importance(desk: Desk, rest: str) -> None:
    if desk.last is None:
        raise Misused("there is no prediction to look into; run a PREDICT first")
    desk.show(desk.last.importance(rest.lower() or "column"))


# ---------------------------------------------------------------- the prompt itself


def _help(desk: Desk, rest: str) -> None:
    if not rest:
        return desk.screen.show(_all_help(desk.screen.width))
    if rest.startswith((".", "\\")) or f".{rest.lower()}" in COMMANDS:
        one = command_of(rest if rest.startswith((".", "\\")) else f".{rest}")
        return desk.screen.show(f"{one.usage}\n  {one.says}\n")
    from pql.faces.help import text

    return desk.screen.show(text([rest]) + "\n")


def _all_help(columns: int | None) -> str:
    width = max(len(one.usage) for one in COMMANDS.values())
    is_narrow = columns is not None and columns < _BESIDE
    lines = [
        f"{one.usage}\n    {one.says}" if is_narrow else f"{one.usage:<{width}}  {one.says}"
        for one in COMMANDS.values()
    ]
    short = ", ".join(f"{alias} = {name}" for alias, name in ALIASES.items())
    text = "\n".join(
        [
            "A statement of PQL or SQL ends with ; and may take several lines. A command is one line.",
            "",
            *lines,
            "",
            f"Also {short}.",
            "Ctrl-C drops a line or stops a query (twice: at once), Ctrl-R finds an earlier one, Ctrl-D leaves.",
            "",
        ]
    )
    return text if columns is None else folded(text, columns)


def _quit(desk: Desk, rest: str) -> None:
    desk.left = True


# ---------------------------------------------------------------- words


def _none(rest: str, name: str) -> None:
    if rest:
        raise Misused(f"{name} takes nothing after it")


def _name(text: str) -> str:
    """A name as the language takes it, whatever is in it."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in '"`':
        return text
    return "`" + text.replace("`", "``") + "`"


def _path(text: str) -> Path:
    """The file a command names, with or without quotes."""
    try:
        words = shlex.split(text) if text[0] in "'\"" else [text]
    except ValueError:
        words = []
    if len(words) != 1 or not words[0] or "\0" in words[0]:
        raise Misused(f"one file is expected, not {text}")
    return Path(words[0]).expanduser()


def _registry(*commands: Command) -> dict[str, Command]:
    return {one.name: one for one in commands}


COMMANDS: dict[str, Command] = _registry(
    Command(".tables", "", ".tables", "The tables: rows, key, clock, links.", _tables),
    Command(".schema", "table", ".schema [TABLE]", "The columns of a table, or of all.", _schema),
    Command(".graph", "", ".graph", "How the tables hang together, with the evidence.", _graph),
    Command(".models", "", ".models", "The kept models.", _models),
    Command(".model", "model", ".model NAME", "A kept model: its query and how good it is.", _model),
    Command(".explain", "query", ".explain [QUERY]", "What is decided about a query, else about the last.", _explain),
    Command(".why", "", ".why [N | for KEY]", "Reasons of the last predictions: of N rows, or of one.", _why),
    Command(".importance", "by", ".importance [BY]", "What weighs most: table, column or feature.", _importance),
    Command(".mode", "mode", ".mode [MODE]", f"How answers are written: {' '.join(MODES)}.", _mode),
    Command(".rows", "", ".rows [N]", "How many rows a box shows.", _rows),
    Command(".output", "file", ".output [FILE]", "Write answers to a file; without one, to the screen again.", _output),
    Command(".timer", "switch", ".timer [on|off]", "Tell how long each statement takes.", _timer),
    Command(".read", "file", ".read FILE", "Run the statements and commands of a file.", _read),
    Command(".help", "command", ".help [COMMAND|CODE]", "This list, one command, or an error's code.", _help),
    Command(".quit", "", ".quit", "Leave.", _quit),
    Command("\\d", "table", "\\d [TABLE]", "As .tables, or .schema TABLE.", _described),
)
ALIASES = {"\\dt": ".tables", "\\q": ".quit", "\\?": ".help", ".exit": ".quit", "\\i": ".read", "\\o": ".output"}
WORDS: dict[str, Any] = {"quit": ".quit", "exit": ".quit", "help": ".help", "?": ".help"}
