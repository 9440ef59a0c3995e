"""`%pql` and `%%pql`: statements in a notebook's cells. `%load_ext pql` makes them known.

Python's variables reach a statement as parameters (`:name`), never as text. A fault is shown as pql shows it, without a
traceback; interrupting the kernel stops the query.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display

from pql.faces.cell_progress import CellProgress
from pql.language.errors import PqlError
from pql.language.names import nearest

if TYPE_CHECKING:
    from pql.session import Session

FORMS = ("html", "text", "df", "pl", "none")
USAGE = """\
%pql connect PATH            open a DuckDB file, a folder of Parquet/CSV files, or @name, a dict of frames
%pql tables | graph | models what there is
%pql close                   let go of the database
%pql report [FILE]           the last predictions in pictures; FILE.html: all of it as a page
%pql STATEMENT;              PREDICT …, EXPLAIN …, SELECT …
%%pql [options]              several statements, separated by ;
options, before the statement:
  --db PATH or @name         the database, if not the one opened last
  --out NAME                 keep the last answer in a variable
  --as-of MOMENT             the anchor, as AS OF in the text
  --format FORM              html (as it is), text, df (pandas), pl (polars), none (show nothing)
  --rows N                   rows of a table that are shown (20)
A variable of yours is a parameter: … WHERE customers.age > :least"""
_OPTION = re.compile(r"""\s*--([A-Za-z][\w-]*)(?:[= ]\s*(?:"([^"]*)"|'([^']*)'|(\S+)))?""")
_VERBS = {"tables": "SHOW TABLES", "graph": "SHOW GRAPH", "models": "SHOW MODELS"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands on the line of a magic: its options, and what is left of it."""

    rest: str
    db: str | None = None
    out: str | None = None
    as_of: str | None = None
    form: str = "html"
    rows: int = 20


@dataclass(slots=True)
class _Open:
    """A session and what it was opened on; of frames every one, so that others in their place are noticed."""

    session: Session
    source: Any
    frames: tuple[tuple[Any, Any], ...] = ()

    def is_of(self, source: Any) -> bool:
        if not isinstance(source, Mapping):
            return self.source is source or (isinstance(source, str) and self.source == source)
        now = tuple(source.items())
        return len(now) == len(self.frames) and all(
            a == c and b is d for (a, b), (c, d) in zip(now, self.frames, strict=True)
        )


class Variables(Mapping[str, Any]):
    """The user's variables as a statement's parameters."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace

    def __getitem__(self, name: str) -> Any:
        return self._namespace[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._namespace if not name.startswith("_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self._namespace


@magics_class
class PqlMagics(Magics):
    """`%pql` and `%%pql`. One session is kept per database; the one used last is that of a line without `--db`."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell=shell)
        self._sessions: dict[str, _Open] = {}
        self._current: str | None = None
        self._predicted: Any = None
        self.matcher: Any = None
        self._progress = CellProgress(shell)
        self._shell: Any = shell

    @no_var_expand
    @line_cell_magic
    def pql(self, line: str, cell: str | None = None) -> Any:
        """Ask a database what is and what will be."""
        try:
            return self._done(line, cell)
        except PqlError as error:
            _show_plainly(error, _error_lines(error, self.shell))
            raise
        except KeyboardInterrupt as error:
            _show_plainly(error, ["stopped"])
            raise

    def session_in_use(self) -> Session | None:
        """The session of a line without `--db`."""
        one = None if self._current is None else self._sessions.get(self._current)
        return None if one is None else one.session

    def close_all(self) -> None:
        """Let go of every database."""
        for one in self._sessions.values():
            one.session.close()
        self._sessions.clear()
        self._current = None

    # ------------------------------------------------------------ what stands there

    def _done(self, line: str, cell: str | None) -> Any:
        asked = options(line)
        if cell is not None and asked.rest:
            raise UsageError(f"the line of %%pql takes options alone, not {asked.rest[:40]!r}\n{USAGE}")
        text = asked.rest if cell is None else cell
        word, _, rest = text.strip().partition(" ")
        verb = word.rstrip(";").lower()
        if cell is None:
            if verb == "connect":
                return self._connect(rest.strip() or asked.db)
            if verb == "report":
                return self._report(asked, _unquoted(rest.strip().rstrip(";")))
            if not rest.strip() and verb in ("", "help", "close"):
                if verb == "close":
                    return self._close(asked.db)
                if asked.db is not None:
                    return self._connect(asked.db)
                return _say(USAGE)
            if not rest.strip() and verb in _VERBS:
                text = _VERBS[verb]
        return self._answer(asked, text)

    def _connect(self, name: str | None) -> None:
        if not name:
            raise UsageError("%pql connect takes the path of a database, or @name of a dict of frames")
        name = _unquoted(name.rstrip(";"))
        self._let_go(self._key(name))
        tables = len(self._session(name).graph().catalog.tables)
        _say(f"{name}: {tables:,} table{'s' * (tables != 1)}")

    def _close(self, name: str | None) -> None:
        key = self._key(name) if name else self._current
        if key is None:
            raise UsageError("no database is open")
        self._let_go(key)

    def _let_go(self, key: str) -> None:
        one = self._sessions.pop(key, None)
        if one is not None and not _is_session(one.source):
            one.session.close()
        if self._current == key:
            self._current = next(reversed(self._sessions), None)

    def _report(self, asked: Asked, path: str) -> Any:
        """The last predictions in pictures, or as a page in a file."""
        if self._predicted is None:
            raise UsageError("nothing has been predicted yet: %pql PREDICT …, then %pql report")
        if not path:
            figures = self._predicted.pictures()
            if asked.out is not None:
                self._shell.user_ns[asked.out] = figures
            return None if asked.form == "none" else figures
        file = Path(os.path.expanduser(path))
        self._predicted.report(file)
        return _say(f"{file}: {file.stat().st_size / 1024:,.0f} kB")

    # ------------------------------------------------------------ sessions

    def _session(self, name: str | None) -> Session:
        from pql.session import connect

        if name is None:
            if self._current is None:
                raise UsageError("no database yet: %pql connect PATH, or --db PATH before the statement")
            name = self._current
        key = self._key(name)
        source = self._source(key)
        one = self._sessions.get(key)
        if one is None or not one.is_of(source):
            self._let_go(key)
            session = source if _is_session(source) else connect(source, listener=self._progress)
            frames = tuple(source.items()) if isinstance(source, Mapping) else ()
            one = self._sessions[key] = _Open(session, source, frames)
        self._current = key
        return one.session

    def _key(self, name: str) -> str:
        return name if name.startswith("@") or "://" in name else os.path.abspath(os.path.expanduser(name))

    def _source(self, key: str) -> Any:
        if not key.startswith("@"):
            return key
        namespace = self._shell.user_ns
        if key[1:] not in namespace:
            near = nearest(key[1:], [n for n in namespace if not n.startswith("_")], n=1)
            raise UsageError(f"there is no variable {key[1:]}" + (f"; did you mean @{near[0]}?" if near else ""))
        return namespace[key[1:]]

    # ------------------------------------------------------------ answers

    def _answer(self, asked: Asked, text: str) -> Any:
        if asked.out is not None and not asked.out.isidentifier():
            raise UsageError(f"--out takes a variable's name, not {asked.out!r}")
        if not text.strip():
            raise UsageError(f"there is no statement\n{USAGE}")
        answer = self._last_of(self._session(asked.db), asked, text)
        shown = _in_form(answer, asked)
        if asked.out is not None:
            self._shell.user_ns[asked.out] = answer if asked.form in ("html", "text", "none") else shown
        return None if asked.form == "none" else shown

    def _last_of(self, session: Session, asked: Asked, text: str) -> Any:
        """The last answer of some statements; those before it are shown."""
        shown: list[Any] = []
        self._progress.begin()
        try:
            for answer in session.each(text, Variables(self._shell.user_ns), asked.as_of):
                self._progress.clear()
                self._display(shown, asked)
                shown = [answer]
                self._predicted = (
                    answer if hasattr(answer, "pictures") and hasattr(answer, "report") else self._predicted
                )
                self._progress.begin()
        except PqlError as error:
            self._progress.clear()
            self._display(shown, asked)
            raise _of_variables(error) from None
        finally:
            self._progress.clear()
        return shown[0]

    def _display(self, answers: list[Any], asked: Asked) -> None:
        for answer in answers if asked.form != "none" else ():
            display(_in_form(answer, asked))


def options(line: str) -> Asked:
    """The options at the beginning of a line, and the statement behind them. Raises UsageError."""
    asked, at = Asked(line.strip()), 0
    while (found := _OPTION.match(line, at)) is not None:
        name = found[1].lower().replace("_", "-")
        value = next((part for part in found.groups()[1:] if part is not None), None)
        known = {"db": "db", "out": "out", "as-of": "as_of", "format": "form", "rows": "rows", "limit": "rows"}
        if name not in known:
            near = nearest(name, list(known), n=1)
            hint = f"did you mean --{near[0]}?" if near else f"there are {', '.join(f'--{one}' for one in known)}"
            raise UsageError(f"there is no option --{found[1]}; {hint}")
        if value is None:
            raise UsageError(f"--{name} takes a value")
        if known[name] == "form" and value not in FORMS:
            raise UsageError(f"--format is one of {', '.join(FORMS)}, not {value!r}")
        if known[name] == "rows" and not (value.isdecimal() and int(value) > 0):
            raise UsageError(f"--{name} takes a number of rows from 1 on, not {value!r}")
        changed: dict[str, Any] = {known[name]: int(value) if known[name] == "rows" else value}
        asked = replace(asked, **changed)
        at = found.end()
    return replace(asked, rest=line[at:].strip())


class _Shown:
    """An answer with another number of rows, or as text alone."""

    def __init__(self, text: str, html: str | None = None) -> None:
        self._text, self._html = text, html

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str | None:
        return self._html


def _in_form(answer: Any, asked: Asked) -> Any:
    """What is shown of an answer."""
    is_table = hasattr(answer, "to_arrow_table")
    if asked.form == "df" and is_table:
        return answer.df()
    if asked.form == "pl" and is_table:
        return answer.pl()
    if asked.form == "text":
        return _Shown(answer.shown(asked.rows) if is_table else str(answer))
    if is_table and asked.rows != 20:
        return _Shown(answer.shown(asked.rows), answer.html(asked.rows))
    return answer


def _of_variables(error: PqlError) -> PqlError:
    """The same error; of a parameter without a value the hint speaks of variables."""
    if all(fault.code != "unbound_parameter" for fault in error.faults):
        return error
    hint = "assign it in a cell before: a parameter of %pql is a variable of the notebook"
    faults = [replace(f, hint=hint) if f.code == "unbound_parameter" else f for f in error.faults]
    return PqlError.of(faults, error.text, error.file)


def _error_lines(error: PqlError, shell: Any) -> list[str]:
    from pql.faces.cell_faults import marked
    from pql.faces.paint import painted

    plain = "NO_COLOR" in os.environ or str(getattr(shell, "colors", "")).lower() == "nocolor"
    if not plain and type(shell).__name__ != "TerminalInteractiveShell":
        return marked(error)
    return (str(error) if plain else painted(error)).split("\n")


def _show_plainly(error: BaseException, lines: list[str]) -> None:
    """Let IPython show these lines instead of a traceback."""
    error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]


def _is_session(source: Any) -> bool:
    from pql.session import Session

    return isinstance(source, Session)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
