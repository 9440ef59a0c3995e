"""The exceptions of DB-API 2.0, and which of them stands for which code."""

from __future__ import annotations

from pql.language.ast import Span
from pql.language.codes import ARGUMENTS, DATA, ENTITIES, GRAPH, MEANINGS, NAMES, SYNTAX, TEXT, WINDOWS
from pql.language.errors import Fault, PqlError


class Warning(Exception):
    """An important warning; pql raises none."""


class Error(Exception):
    """What every error of this module is. `pql_error` is the error as pql has raised it, None for a misused object.

    code, hint, fix, span and faults are its own; `str(error)` shows the place in the text.
    """

    def __init__(self, message: str, pql_error: PqlError | None = None) -> None:
        super().__init__(message)
        self.pql_error = pql_error

    @property
    def code(self) -> str | None:
        return None if self.pql_error is None else self.pql_error.code

    @property
    def hint(self) -> str:
        return "" if self.pql_error is None else self.pql_error.hint

    @property
    def fix(self) -> str | None:
        return None if self.pql_error is None else self.pql_error.fix

    @property
    def span(self) -> Span | None:
        return None if self.pql_error is None else self.pql_error.span

    @property
    def faults(self) -> tuple[Fault, ...]:
        return () if self.pql_error is None else self.pql_error.faults


class InterfaceError(Error):
    """Something is wrong with how the module is used."""


class DatabaseError(Error):
    """Something is wrong with the database, the statement or the model."""


class DataError(DatabaseError):
    """The data can't answer the question: too little history, no labels, unknown ids."""


class OperationalError(DatabaseError):
    """The source, a kept model or a file can't be used, or the work was stopped."""


class IntegrityError(DatabaseError):
    """Relations in the database are broken; pql raises none, since it only reads."""


class InternalError(DatabaseError):
    """A fault of pql itself."""


class ProgrammingError(DatabaseError):
    """The statement is wrong, or asks for something that doesn't exist; also a closed cursor or connection."""


class NotSupportedError(DatabaseError):
    """Something that the language knows and pql, or a model, doesn't do."""


for _one in (Warning, Error, *Error.__subclasses__(), *DatabaseError.__subclasses__()):
    _one.__module__ = "pql.dbapi"  # where users import them from

_WRONG_STATEMENTS = (TEXT, SYNTAX, ARGUMENTS, NAMES, ENTITIES, WINDOWS, MEANINGS, GRAPH)
_KINDS: dict[str, type[DatabaseError]] = {
    **{code: ProgrammingError for group in _WRONG_STATEMENTS for code in group},
    **dict.fromkeys(DATA, DataError),
    "sql_error": ProgrammingError,
    "sql_failed": ProgrammingError,
    "statement_not_allowed": ProgrammingError,
    "table_exists": ProgrammingError,
    "unknown_model": ProgrammingError,
    "unknown_version": ProgrammingError,
    "model_exists": ProgrammingError,
    "model_mismatch": ProgrammingError,
    "model_from_the_future": ProgrammingError,
    "not_supported": NotSupportedError,
    "no_rules": NotSupportedError,
    "model_not_for_task": NotSupportedError,
}


def translated(error: PqlError) -> DatabaseError:
    """The error as DB-API knows it; sources, kept models and files are `OperationalError`s."""
    return _KINDS.get(error.code, OperationalError)(str(error), error)
