"""The verb `mcp`: a database served to agents."""

from __future__ import annotations

from typing import Annotated

import typer

from pql.faces.arguments import Database, SetOption, settings_of, source_of
from pql.language.errors import PqlError


def mcp(
    database: Database = None,
    rows: Annotated[int, typer.Option("--rows", min=1, max=10_000, help="The most rows of an answer.")] = 100,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=86_400, help="The most time of a question.")] = 120,
    set_: SetOption = None,
) -> None:
    """Serve a database to agents over stdin and stdout (Model Context Protocol): read-only, no SQL, within caps."""
    import importlib.util

    if importlib.util.find_spec("mcp") is None:
        raise PqlError(
            "missing_extra",
            "This needs the package mcp, which is not installed.",
            hint='Install it with: pip install "pql-engine[mcp]"',
        )
    from pql.faces.agent import Caps
    from pql.faces.mcp import serve

    settings = settings_of(set_)
    caps = Caps(rows=rows, seconds=seconds)
    serve(source_of(database, settings), caps, home=settings.home, options=settings.options_of_with())
