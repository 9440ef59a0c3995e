"""Files behind a URL (s3://, https://, …), read by DuckDB's own extension where that is installed.

Nothing is ever installed by itself. Credentials are DuckDB's own (CREATE PERSISTENT SECRET). Each file is copied once.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import duckdb
import pyarrow as pa

from pql.backends.copied import CopiedBackend
from pql.backends.folder import SUFFIXES, reading_sql, stem
from pql.backends.frames import describe, own_settings
from pql.backends.origin import Field, Listed, Reading
from pql.backends.relations import first_line
from pql.backends.sql import identifier, string
from pql.language.errors import PqlError

EXTENSIONS = {
    **dict.fromkeys(("s3", "s3a", "s3n", "gs", "gcs", "r2", "http", "https", "hf"), "httpfs"),
    **dict.fromkeys(("az", "azure", "abfss"), "azure"),
    "file": "",
}
"""The extension of DuckDB's that reads a scheme; none for files of this machine."""
_ROWS = 100_000


def web_backend(address: str) -> CopiedBackend:
    """The backend for one file behind a URL, or for all files of a folder, whose URL ends in a slash.

    PqlError missing_extension, source_unreachable, empty_source.
    """
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    shown = urlunsplit((parts.scheme, host, parts.path, "", ""))  # a signed URL holds its key after the ?
    return CopiedBackend(_Files(address, shown), f"url:{shown}")


class _Files:
    """The `Origin` of files behind a URL."""

    def __init__(self, address: str, shown: str) -> None:
        self._shown = shown
        self._con = duckdb.connect(config=own_settings())
        scheme = address.partition("://")[0].lower()
        if extension := EXTENSIONS[scheme]:
            self._load(extension, scheme)
        path = urlsplit(address).path
        is_file = path.lower().endswith(SUFFIXES)
        self._files = (address,) if is_file else self._listed(address)
        if not self._files:
            raise PqlError(
                "empty_source", f"{shown} holds no files to read", hint=f"expected files {', '.join(SUFFIXES)}"
            )

    def _load(self, extension: str, scheme: str) -> None:
        try:
            self._con.execute(f"LOAD {extension}")
        except duckdb.Error as error:
            raise PqlError(
                "missing_extension",
                f"DuckDB reads {scheme}:// with its extension {extension}, which is not installed",
                hint=f"install it with duckdb.connect().install_extension('{extension}') where downloads work, "
                "or copy the files to this machine",
            ) from error

    def _listed(self, address: str) -> tuple[str, ...]:
        """The files of a folder."""
        pattern = f"{address.rstrip('/')}/*"
        rows = self._run(f"SELECT file FROM glob({string(pattern)}) ORDER BY file").to_pylist()
        return tuple(row["file"] for row in rows if row["file"].lower().endswith(SUFFIXES))

    def _run(self, statement: str) -> pa.Table:
        try:
            return self._con.sql(statement).to_arrow_table()
        except (duckdb.Error, RuntimeError) as error:
            raise self._fault(error) from None

    def _fault(self, error: Exception) -> PqlError:
        said = first_line(error)
        for file in getattr(self, "_files", ()):
            said = said.replace(file, self._shown)
        return PqlError(
            "source_unreachable",
            f"{self._shown} can't be read: {said}",
            hint="See that the address is right and that DuckDB has a secret for it.",
        )

    def begin(self) -> tuple[str, ...]:
        return self._files

    def rest(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        self._con.close()

    def tables(self) -> tuple[tuple[Listed, ...], tuple[tuple[str, str], ...]]:
        named: dict[str, Listed] = {}
        for file in self._files:
            name = stem(urlsplit(file).path.rpartition("/")[2])
            if name.lower() in named:
                raise PqlError("duplicate_table", f"two files are called {name}", hint="Rename one of them.")
            named[name.lower()] = Listed(name, "", name, kept=file)
        return tuple(named[key] for key in sorted(named)), ()

    def read(self, table: Listed, *, whole: bool) -> Reading:
        source = reading_sql((table.kept,), urlsplit(table.kept).path)
        try:
            columns = describe(self._con, source)
        except (duckdb.Error, RuntimeError) as error:
            raise self._fault(error) from None
        return Reading(tuple(Field(name, kind, identifier(name)) for name, kind in columns), self._batches(source))

    def _batches(self, source: str) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._con.sql(f"SELECT * FROM {source}").to_arrow_reader(_ROWS)
        except (duckdb.Error, pa.ArrowException, RuntimeError) as error:
            raise self._fault(error) from None
