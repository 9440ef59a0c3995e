"""One table from wherever the user has it: a frame, an Arrow table, a dict of columns, a file of rows."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa

from pql.backends.file_tables import SUFFIXES
from pql.backends.frames import to_arrow
from pql.language.errors import PqlError


def read_table(source: Any, name: str) -> pa.Table:
    """The rows of `source` in normal types: timestamps in µs (UTC, naive), plain numbers, decoded dictionaries.

    `name` is what errors call the table. Raises PqlError `source_not_found`, `source_unreadable`,
    `unsupported_source`, `duplicate_column`.
    """
    if isinstance(source, str | PathLike):
        return to_arrow(_read_file(Path(source).expanduser(), name), name)
    if isinstance(source, Mapping):
        try:
            source = pa.table({str(column): values for column, values in source.items()})
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise _unreadable(name, error) from error
    return to_arrow(source, name)


def _read_file(path: Path, name: str) -> pa.Table:
    if not path.is_file():
        raise PqlError(
            "source_not_found",
            f"there is no file {path} to read the table {name} from",
            hint="Give the path of a file.",
        )
    if not path.name.lower().endswith(SUFFIXES):
        raise PqlError(
            "unsupported_source",
            f"the table {name} can't be read from {path.name}",
            hint=f"expected a frame, an Arrow table, or a file that ends in {', '.join(SUFFIXES)}",
        )
    try:
        if path.name.lower().endswith((".parquet", ".pq")):
            import pyarrow.parquet as pq

            return pq.ParquetFile(path).read()
        if ".jsonl" in path.name.lower() or ".ndjson" in path.name.lower():
            import pyarrow.json as json

            with pa.input_stream(path) as lines:  # which unpacks .gz
                return json.read_json(lines)
        import pyarrow.csv as csv

        is_tabbed = ".tsv" in path.name.lower()
        return csv.read_csv(path, parse_options=csv.ParseOptions(delimiter="\t" if is_tabbed else ","))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> PqlError:
    reason = str(error).split("\n")[0]
    return PqlError(
        "source_unreadable",
        f"the table {name} can't be read: {reason}",
        hint="Give columns of one type each, and one length.",
    )
