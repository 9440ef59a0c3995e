"""From what the user has at hand to a backend."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.backends.base import Backend

_NAMED = "a DuckDB or SQLite file, postgresql://…, or a folder of Parquet, CSV or JSON lines files"
_EXPECTED = f"{_NAMED.replace(' or a folder', ' a folder')}, an open DuckDB connection, or a dict of frames"


def open_backend(source: Any, *, read_only: bool = True) -> Backend:
    """The backend for a path, a dict of pandas / polars / Arrow tables, or an open DuckDB connection.

    read_only: False lets CREATE TABLE write to a DuckDB file or connection; nothing else can be opened so.
    PqlError: source_not_found, source_unreadable, source_locked, empty_source, unsupported_source, not_supported,
    read_only.
    """
    backend = _open(source, read_only=read_only)
    if backend.read_only and not read_only:
        backend.close()
        raise PqlError(
            "read_only",
            "only a DuckDB file or connection can be opened for writing",
            hint="COPY (PREDICT …) TO 'file.parquet' writes predictions from any source",
        )
    return backend


def _open(source: Any, *, read_only: bool) -> Backend:
    if isinstance(source, str | PathLike):
        return _open_path(source, read_only=read_only)
    if isinstance(source, Mapping):
        from pql.backends.frames import FrameBackend

        return FrameBackend(source)
    if type(source).__name__ == "DuckDBPyConnection":
        from pql.backends.duckdb import DuckDBConnection

        return DuckDBConnection(source, read_only=read_only)
    raise PqlError("unsupported_source", f"can't connect to {type(source).__name__}", hint=f"expected {_EXPECTED}")


def _open_path(source: str | PathLike[str], *, read_only: bool) -> Backend:
    text = str(source)
    if text.startswith("sqlite:///"):
        from pql.backends.sqlite import sqlite_backend

        return sqlite_backend(Path(unquote(text.removeprefix("sqlite:///").partition("?")[0])).expanduser())
    if text.startswith(("postgresql://", "postgres://")):
        from pql.backends.postgres import postgres_backend

        return postgres_backend(text)
    if "://" in text:
        scheme = text.split("://", 1)[0]
        from pql.backends.web import EXTENSIONS, web_backend

        if scheme.lower() in EXTENSIONS:
            return web_backend(text)
        raise PqlError("unsupported_source", f"can't connect to {scheme}://", hint=f"expected {_NAMED}")
    if not text.strip() or text == ":memory:" or "\0" in text:
        raise PqlError("empty_source", f"{text!r} names no data", hint=f"expected {_NAMED}")
    path = Path(text).expanduser()
    try:
        is_folder, is_file = path.is_dir(), path.exists()
    except OSError as error:
        raise PqlError(
            "source_unreadable",
            f"the path {text} can't be read: {error.strerror}",
            hint="See that the path is right and that you may read it.",
        ) from error
    if not is_file:
        raise PqlError("source_not_found", f"there is no file or folder {text}", hint=_nearest(path))
    from pql.backends.file_tables import SUFFIXES, not_read

    if is_folder or path.name.lower().endswith(SUFFIXES):
        from pql.backends.folder import FolderBackend

        return FolderBackend(path)
    if (why := not_read(path.name)) is not None:
        raise PqlError("unsupported_source", f"the file {path} can't be opened", hint=why)
    from pql.backends.file_state import beginning

    if beginning(path, 16) == b"SQLite format 3\0" or path.name.lower().endswith((".sqlite", ".sqlite3")):
        from pql.backends.sqlite import sqlite_backend

        return sqlite_backend(path)
    from pql.backends.duckdb import DuckDBFile

    return DuckDBFile(path, read_only=read_only)


def _nearest(path: Path) -> str:
    """A hint: the file beside a missing one whose name is nearest to its, else what can be opened."""
    from difflib import get_close_matches

    try:
        beside = sorted(entry.name for entry in path.absolute().parent.iterdir())
    except OSError:
        return f"there is no folder {path.parent} either"
    near = get_close_matches(path.name, beside, n=1)
    return f"did you mean {path.with_name(near[0])}?" if near else f"name {_NAMED}"
