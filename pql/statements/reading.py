"""From text to statements, with the names of the data at hand where the text alone can't be read."""

from __future__ import annotations

from pql.language import ast
from pql.language.errors import PqlError
from pql.statements.unused import refuse_unused
from pql.workspace import Params, Workspace


def read(work: Workspace, text: str, params: Params = None) -> ast.Statement:
    """The one statement of `text`, whose parameters `params` are for. Raises PqlError."""
    from pql.language.parser import parse

    try:
        statement = parse(text)
    except PqlError as error:
        raise _explained(work, error, text) from None
    refuse_unused([statement], text, params)
    return statement


def read_script(work: Workspace, text: str, params: Params = None) -> ast.Script:
    """The statements of `text`, whose parameters `params` are for. Raises PqlError."""
    from pql.language.parser import parse_script

    try:
        script = parse_script(text)
    except PqlError as error:
        raise _explained(work, error, text) from None
    refuse_unused(script.statements, text, params)
    return script


def sql_explained(work: Workspace, error: PqlError, text: str) -> PqlError:
    """The error of a SQL statement or of a query in one, or the one that says which name lacks its quotes."""
    if error.code == "sql_error":
        from pql.language.unquoted import with_double_quotes

        return with_double_quotes(error, text, _names(work), lambda fixed: _still(work, fixed, error))
    return _explained(work, error, text)


def _explained(work: Workspace, error: PqlError, text: str) -> PqlError:
    from pql.language.unquoted import with_backticks

    return with_backticks(error, text, _names(work), _fault_of)


def _names(work: Workspace) -> list[str]:
    """The names of tables and columns, as far as known; none where the data can't be read, which is another matter."""
    try:
        with work.snapshot() as snapshot:
            return list(snapshot.names())
    except PqlError:
        return []


def _fault_of(text: str) -> PqlError | None:
    """What can't be read of a text, queries inside its SQL included."""
    from pql.embed import find
    from pql.language.parser import parse_script

    try:
        for statement in parse_script(text).statements:
            if isinstance(statement, ast.Sql):
                find(text, statement.span, statement.marks)
    except PqlError as error:
        return error
    return None


def _still(work: Workspace, text: str, error: PqlError) -> PqlError | None:
    """What is still wrong with one SQL statement. With queries in it that shows when it is run: until then, `error`."""
    from pql.embed import find
    from pql.language.parser import parse

    try:
        statement = parse(text)
        if not isinstance(statement, ast.Sql) or find(text, statement.span, statement.marks).inner:
            return error
        with work.snapshot() as snapshot:
            snapshot.check_sql(text.strip().rstrip(";"), {}, {})
    except PqlError as caught:
        return caught
    return None
