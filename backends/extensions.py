"""DuckDB's extensions: loaded from where they are installed, by DuckDB itself or as a Python package, never downloaded.

DuckDB loads only what its makers signed for its own version and this machine.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import duckdb

from pql.backends.sql import string
from pql.language.errors import PqlError

_EXTRAS = {"httpfs": "s3"}
"""The extras of pql that bring the package of an extension."""


def load(con: duckdb.DuckDBPyConnection, extension: str, reads: str) -> None:
    """Load an extension, which `reads` names the use of. PqlError missing_extension."""
    try:
        con.execute(f"LOAD {extension}")
        return
    except duckdb.Error:
        pass
    others: list[Path] = []
    for file in packaged(extension):
        if file.parent.name != f"v{duckdb.__version__}":
            others.append(file)
            continue
        try:
            con.execute(f"LOAD {string(str(file))}")
            return
        except duckdb.Error as error:
            raise PqlError(
                "missing_extension",
                f"DuckDB reads {reads} with its extension {extension}, and can't load the one of its package",
                hint=f"reinstall the package: pip install --force-reinstall {_package(extension)}",
            ) from error
    if others:
        theirs = others[-1].parent.name.removeprefix("v")
        raise PqlError(
            "missing_extension",
            f"DuckDB reads {reads} with its extension {extension}, whose package is for DuckDB {theirs}; "
            f"installed is {duckdb.__version__}",
            hint=f"install the version that it is for: pip install duckdb=={theirs}",
        )
    package = f'"pql-engine[{_EXTRAS[extension]}]"' if extension in _EXTRAS else _package(extension)
    raise PqlError(
        "missing_extension",
        f"DuckDB reads {reads} with its extension {extension}, which is not installed",
        hint=f"install it with: pip install {package}, or duckdb.connect().install_extension('{extension}') where "
        "downloads work, or copy the files to this machine",
    )


def packaged(extension: str) -> list[Path]:
    """The files of an extension in its Python package, each in a folder named for its version of DuckDB."""
    try:
        found = find_spec(f"duckdb_extension_{extension}")
    except (ImportError, ValueError):
        return []
    places = found.submodule_search_locations if found is not None else None
    return sorted(file for place in places or () for file in Path(place).glob(f"**/{extension}.duckdb_extension"))


def _package(extension: str) -> str:
    return f"duckdb-extension-{extension}"
