"""An Arrow table that hands itself on under the names DuckDB's users know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pql.language.errors import PqlError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa

Description = tuple[str, str, None, None, None, None, None]
"""A column as DB-API 2.0 describes it: its name, its SQL type, and five values that aren't known."""


class ArrowRows:
    """Rows that other tools read: DataFrames, Arrow, numpy, tuples, files.

    DuckDB, polars and pandas take it as a table itself: `duckdb.sql("SELECT * FROM result")`,
    `polars.DataFrame(result)`, `pandas.DataFrame.from_arrow(result)`.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._next = 0

    @property
    def columns(self) -> list[str]:
        return list(self._table.column_names)

    @property
    def types(self) -> list[str]:
        """The columns' types as SQL names them: BIGINT, DOUBLE, TIMESTAMP …"""
        return [sql_type(field.type) for field in self._table.schema]

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns there are."""
        return len(self), int(self._table.num_columns)

    @property
    def description(self) -> list[Description]:
        """The columns as DB-API 2.0 describes them: name, type, and five times None."""
        names = zip(self.columns, self.types, strict=True)
        return [(name, kind, None, None, None, None, None) for name, kind in names]

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """All rows as tuples, whatever was fetched before."""
        return iter(_tuples(self._table))

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, None after the last."""
        return next(iter(self.fetchmany(1)), None)

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """The next `size` rows, fewer at the end."""
        rows = _tuples(self._table.slice(self._next, max(0, size)))
        self._next += len(rows)
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows that `fetchone` and `fetchmany` have left, without them all rows; the next fetch begins anew."""
        rows = _tuples(self._table.slice(self._next))
        self._next = 0
        return rows

    def fetchnumpy(self) -> dict[str, Any]:
        """One numpy array per column; masked where a value is NULL."""
        return {name: _numpy(self._table.column(name)) for name in self.columns}

    def to_arrow_table(self) -> pa.Table:
        return self._table

    def arrow(self) -> pa.RecordBatchReader:
        """The rows as a reader of Arrow batches, as DuckDB's `arrow()`; `to_arrow_table()` is the table."""
        return self._table.to_reader()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The Arrow PyCapsule interface: DuckDB, polars and pandas read a result as a table."""
        return self._table.__arrow_c_stream__(requested_schema)

    def df(self) -> pandas.DataFrame:
        """The table as a pandas DataFrame."""
        _needs("pandas")
        return self._table.to_pandas()

    def fetchdf(self) -> pandas.DataFrame:
        """The same as `df()`."""
        return self.df()

    def pl(self) -> polars.DataFrame:
        """The table as a polars DataFrame."""
        _needs("polars")
        import polars

        frame = polars.from_arrow(self._table)
        assert isinstance(frame, polars.DataFrame)
        return frame

    def to_parquet(self, path: str | Path) -> None:
        """Write a Parquet file. Raises PqlError `file_not_writable`."""
        import pyarrow.parquet as pq

        _write(path, lambda file: pq.write_table(self._table, file))

    def to_csv(self, path: str | Path) -> None:
        """Write a CSV file, lists as JSON text. Raises PqlError `file_not_writable`."""
        import pyarrow.csv as csv

        from pql.json_rows import without_nests

        _write(path, lambda file: csv.write_csv(without_nests(self._table), file))

    def to_json(self, path: str | Path | None = None) -> str | None:
        """The rows as a JSON list of objects: as text, or to a file; one object a line where it ends in .jsonl or
        .ndjson. Raises PqlError `file_not_writable`."""
        from pql.json_rows import json_lines, json_text

        if path is None:
            return json_text(self._table)
        made = json_lines if Path(path).suffix.lower() in (".jsonl", ".ndjson") else json_text
        _write(path, lambda file: Path(file).write_text(made(self._table), encoding="utf-8"))
        return None


def sql_type(kind: pa.DataType) -> str:
    """The SQL name of an Arrow type."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_list(kind) or is_.is_large_list(kind):
        return sql_type(kind.value_type) + "[]"
    if is_.is_dictionary(kind):
        return sql_type(kind.value_type)
    if is_.is_struct(kind):
        return "STRUCT(" + ", ".join(f"{field.name} {sql_type(field.type)}" for field in kind) + ")"
    if is_.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz is None else "TIMESTAMP WITH TIME ZONE"
    if is_.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return _SQL_TYPES.get(str(kind), str(kind).upper())


_SQL_TYPES = {
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "large_string": "VARCHAR",
    "string_view": "VARCHAR",
    "date32[day]": "DATE",
    "time64[us]": "TIME",
    "binary": "BLOB",
    "large_binary": "BLOB",
    "month_day_nano_interval": "INTERVAL",
    "null": '"NULL"',
}


def _tuples(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _numpy(column: pa.ChunkedArray) -> Any:
    import numpy as np
    import pyarrow as pa

    if not column.null_count:
        return column.to_numpy()
    kind = column.type
    whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)  # numpy's have no value for NULL
    filled = column.fill_null(pa.scalar(0).cast(kind)) if whole else column
    return np.ma.masked_array(filled.to_numpy(), column.is_null().to_numpy())


def _write(path: str | Path, write: Callable[[str], object]) -> None:
    try:
        write(str(path))
    except OSError as error:
        raise PqlError(
            "file_not_writable",
            f"The file {path} can't be written: {error.strerror or error}.",
            hint="Name a file in a folder that exists and that you may write.",
        ) from error


def _needs(package: str) -> None:
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise PqlError(
            "missing_package",
            f"This needs {package}, which is not installed.",
            hint=f'pip install "pql-engine[{package}]", or take `to_arrow_table()`.',
        )
