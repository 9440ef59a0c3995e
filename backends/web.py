"""Files behind a URL (s3://, https://, …), read by DuckDB's own extension where that is installed.

Nothing is ever installed by itself. Credentials are DuckDB's own secrets or the environment's. Each file is
copied once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import duckdb
import pyarrow as pa

from pql.backends.copied import CopiedBackend
from pql.backends.extensions import load
from pql.backends.file_tables import SUFFIXES, FileTable, file_tables, reading_sql
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
_AMAZON = ("s3", "s3a", "s3n")
_NAMED = "See that the address names what is meant, and that the server answers."
_SECRET = "with DuckDB make a secret that lasts, which is found here: CREATE PERSISTENT SECRET one"
_GOOGLE = f"{_SECRET} (TYPE gcs, KEY_ID '…', SECRET '…'), with an HMAC key of Google's for the bucket."
_AZURE = f"{_SECRET} (TYPE azure, CONNECTION_STRING '…')."
_KEYS = {
    "s3": "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, "
    "or make a secret of DuckDB's (CREATE PERSISTENT SECRET).",
    **dict.fromkeys(("gs", "gcs"), _GOOGLE),
    **dict.fromkeys(("az", "azure", "abfss"), _AZURE),
    "r2": f"{_SECRET} (TYPE r2, KEY_ID '…', SECRET '…', ACCOUNT_ID '…').",
    "hf": f"{_SECRET} (TYPE huggingface, TOKEN '…'); public data sets need none.",
}
"""What opens a server that refuses, by the scheme of the address."""
_ROWS = 100_000
_TIMEOUT = 20  # s, for a server that doesn't answer
_RETRIES = 1
_WILD = re.compile(r"[*?\[]")
_HELD_BACK = re.compile(r"\b(401|403)\b|HTTP 0 |AccessDenied|Forbidden|Unauthorized|AuthenticationFailed")
_SIGNED = re.compile(r"(\w+://)(?:[^\s/'\"@]*@)?([^\s?'\"]*)(?:\?[^\s'\"]*)?")


def web_backend(address: str) -> CopiedBackend:
    """The backend for one file behind a URL, for a folder, or for the files that a pattern with * names.

    PqlError missing_extension, source_unreachable, source_refused, source_not_found, unsupported_source, empty_source.
    """
    try:
        parts = urlsplit(address)
        known = EXTENSIONS.get(parts.scheme) is not None and "\0" not in address and (parts.port or True)
    except ValueError:
        known = False
    if not known:
        raise PqlError(
            "unsupported_source",
            f"the {address.partition('://')[0]}:// address can't be read",
            hint="Write s3://bucket/folder/ or https://host/path/orders.parquet.",
        )
    shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return CopiedBackend(_Files(address, shown), f"url:{shown}")  # a signed URL holds its key after the ?


class _Files:
    """The `Origin` of files behind a URL."""

    followed = False

    def __init__(self, address: str, shown: str) -> None:
        self._shown = shown
        self._con = duckdb.connect(config=own_settings())
        self._scheme = address.partition("://")[0].lower()
        if extension := EXTENSIONS[self._scheme]:
            load(self._con, extension, f"{self._scheme}://")
            if extension == "httpfs":
                self._set(os.environ)
        path = urlsplit(address).path
        wild = _WILD.search(path)
        here = Path(path[: wild.start()]).parent if wild and not Path(path).exists() else Path(path)
        self.files: tuple[Path, ...] = (here.resolve(),) if self._scheme == "file" else ()
        is_file = path.lower().endswith(SUFFIXES) and not (self._lists and _WILD.search(path))
        self._tables = file_tables([(path.rpartition("/")[2], address)]) if is_file else self._listed(address)
        if not self._tables:
            raise PqlError(
                "empty_source", f"{shown} holds no files to read", hint=f"expected files {', '.join(SUFFIXES)}"
            )
        if is_file:
            self._run(f"DESCRIBE SELECT * FROM {self._source(self._tables[0])}")

    @property
    def _lists(self) -> bool:
        """Whether files can be listed; web servers don't."""
        return self._scheme not in ("http", "https")

    def _set(self, environment: Mapping[str, str]) -> None:
        """What of the environment httpfs doesn't read itself: another S3 than Amazon's, as its own tools name it."""
        self._con.execute(f"SET http_timeout = {_TIMEOUT}")
        self._con.execute(f"SET http_retries = {_RETRIES}")
        endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
        if endpoint and "://" in endpoint and "DUCKDB_S3_ENDPOINT" not in environment:
            scheme, _, host = endpoint.rstrip("/").partition("://")
            self._con.execute(f"SET s3_endpoint = {string(host)}")
            self._con.execute(f"SET s3_use_ssl = {str(scheme.lower() == 'https').lower()}")
            self._con.execute("SET s3_url_style = 'path'")

    def _listed(self, address: str) -> tuple[FileTable, ...]:
        """The tables of a folder or of a pattern."""
        if not self._lists:
            raise PqlError(
                "unsupported_source",
                f"{self._shown} names no file, and a web server doesn't list its files",
                hint=f"Name one file, which ends in {', '.join(SUFFIXES)}, or download the files into a folder.",
            )
        wild = _WILD.search(address)
        pattern = address if wild else f"{address.rstrip('/')}/**"
        folder = address[: wild.start()].rpartition("/")[0] if wild else address.rstrip("/")
        rows = self._run(f"SELECT file FROM glob({string(pattern)}) ORDER BY file").to_pylist()
        prefix = folder.removeprefix("file://") if self._scheme == "file" else folder
        files = [str(row["file"]) for row in rows]
        return file_tables((file.removeprefix("file://").removeprefix(prefix).lstrip("/"), file) for file in files)

    def _source(self, table: FileTable) -> str:
        return reading_sql(table.files, urlsplit(table.files[0]).path, is_partitioned=table.is_partitioned)

    def _run(self, statement: str) -> pa.Table:
        try:
            return self._con.sql(statement).to_arrow_table()
        except (duckdb.Error, RuntimeError) as error:
            raise self._fault(error) from None

    def _fault(self, error: Exception) -> PqlError:
        said, whole = _SIGNED.sub(r"\1\2", first_line(error)), str(error)
        if _HELD_BACK.search(whole):
            hint = "Ask for the right to read it, or give an address that is signed."
            if self._scheme not in ("http", "https"):
                hint = _KEYS.get(self._scheme, _KEYS["s3"])
            said = said.replace("HTTP 0 Internal Server Error", "HTTP 401 or 403")  # as DuckDB calls these
            return PqlError("source_refused", f"the server refuses to let {self._shown} be read: {said}", hint=hint)
        if re.search(r"\b404\b|NoSuchBucket|NoSuchKey|No files found", whole):
            return PqlError("source_not_found", f"there is no {self._shown}: {said}", hint="See that it is written so.")
        if re.search(r"\b(301|307|400)\b|PermanentRedirect|AuthorizationHeaderMalformed", whole):
            hint = "Set AWS_REGION to the region of the bucket." if self._scheme in _AMAZON else _NAMED
        elif re.search(r"HTTP (GET|HEAD|error|\d)|Could not (resolve|connect)|[Tt]ime(d )?out|curl", whole):
            hint = "See that the address is right and that the server answers."
        else:
            hint = "See that the file is whole: read it with DuckDB alone."
            return PqlError("source_unreadable", f"the files of {self._shown} can't be read: {said}", hint=hint)
        return PqlError("source_unreachable", f"the address {self._shown} can't be reached: {said}", hint=hint)

    def begin(self) -> tuple[str, ...]:
        return tuple(file for table in self._tables for file in table.files)

    def written(self) -> None:
        """Servers are not asked again."""

    def told(self) -> None:
        """Servers don't say whether a file is as it was."""

    def rest(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        self._con.close()

    def tables(self) -> tuple[tuple[Listed, ...], tuple[tuple[str, str], ...]]:
        return tuple(Listed(table.name, "", table.name, kept=table) for table in self._tables), ()

    def read(self, table: Listed, *, whole: bool) -> Reading:
        source = self._source(table.kept)
        try:
            columns = describe(self._con, source)
        except (duckdb.Error, RuntimeError) as error:
            raise self._fault(error) from None
        return Reading(tuple(Field(name, kind, identifier(name)) for name, kind in columns), self._batches(source))

    def _batches(self, source: str) -> Iterator[pa.RecordBatch]:
        try:
            rows = self._con.sql(f"SELECT * FROM {source}")
            # DuckDB before 1.5 has this under another name
            read = rows.to_arrow_reader if hasattr(rows, "to_arrow_reader") else rows.fetch_record_batch
            yield from read(_ROWS)
        except (duckdb.Error, pa.ArrowException, RuntimeError) as error:
            raise self._fault(error) from None
