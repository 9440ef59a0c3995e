"""A SQLAlchemy dialect that reads: `create_engine("pql:///shop.duckdb")`, for tools that speak nothing else.

The URL's path is whatever `pql.connect` takes as text; other sources come as
`create_engine("pql://", connect_args={"database": session_or_tables})`. Statements go to `pql.dbapi` as they are.
Importing this needs the package `sqlalchemy` (the extra `sqlalchemy`).
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from sqlalchemy import types
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import ArgumentError, NoSuchTableError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from pql.language.catalog import Catalog, Table

_TYPES: dict[str, type[types.TypeEngine[Any]]] = {
    "BOOLEAN": types.Boolean,
    "TINYINT": types.SmallInteger,
    "UTINYINT": types.SmallInteger,
    "SMALLINT": types.SmallInteger,
    "USMALLINT": types.Integer,
    "INTEGER": types.Integer,
    "UINTEGER": types.BigInteger,
    "BIGINT": types.BigInteger,
    "UBIGINT": types.BigInteger,
    "HUGEINT": types.BigInteger,
    "FLOAT": types.Float,
    "DOUBLE": types.Double,
    "VARCHAR": types.String,
    "DATE": types.Date,
    "TIME": types.Time,
    "TIMESTAMP": types.DateTime,
    "UUID": types.String,  # as the statements' rows have it
    "BLOB": types.LargeBinary,
    "INTERVAL": types.Interval,
}


class PqlDialect(DefaultDialect):
    """Engines over `pql.dbapi`. Keys and links are those of the graph, as inferred and as declared.

    There is one schema, which has no name, and there are no transactions: every statement has taken effect at once.
    """

    name = "pql"
    driver = "dbapi"
    default_paramstyle = "qmark"
    supports_statement_cache = True
    supports_native_boolean = True
    supports_native_decimal = True
    supports_alter = False
    supports_sequences = False
    supports_sane_rowcount = False
    postfetch_lastrowid = False
    insert_returning = update_returning = delete_returning = False

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        import pql.dbapi

        return pql.dbapi

    def create_connect_args(self, url: URL) -> tuple[list[Any], dict[str, Any]]:
        """The database of the URL, if it names one. Raises SQLAlchemy's ArgumentError for hosts, users and options."""
        if url.host or url.username or url.query:
            raise ArgumentError(
                "A URL of pql is pql:/// and a path, as pql:///shop.duckdb or pql:////data/shop.duckdb; options stand "
                "in the query, WITH (…)."
            )
        return [], {"database": url.database} if url.database else {}

    # ------------------------------------------------------------ what there is

    def get_schema_names(self, connection: Any, **kw: Any) -> list[str]:
        return []

    def get_table_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        """The tables that statements can read."""
        return [] if schema else [table.name for table in _catalog(connection, kw).tables if table.virtual is None]

    def get_view_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        return []

    def get_temp_table_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        return []

    def get_temp_view_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        return []

    def has_table(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> bool:
        return table_name in self.get_table_names(connection, schema, **kw)

    def get_columns(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> list[Any]:
        table = _table(connection, table_name, schema, kw)
        key = table.key.columns if table.key is not None else ()
        return [
            {"name": one.name, "type": _type(one.sql_type), "nullable": one.name not in key, "default": None}
            for one in table.columns
        ]

    def get_pk_constraint(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        key = _table(connection, table_name, schema, kw).key
        return {"name": None, "constrained_columns": [] if key is None else list(key.columns)}

    def get_foreign_keys(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> list[Any]:
        _table(connection, table_name, schema, kw)
        catalog = _catalog(connection, kw)
        return [
            {
                "name": None,
                "constrained_columns": list(link.child_columns),
                "referred_schema": None,
                "referred_table": link.parent,
                "referred_columns": list(link.parent_columns),
                "options": {},
            }
            for link in catalog.links_from(table_name)
            if catalog.table(link.parent).virtual is None
        ]

    def get_indexes(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> list[Any]:
        return []

    def get_unique_constraints(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        return []

    def get_check_constraints(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        return []

    def get_table_comment(self, connection: Any, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        return {"text": None}


def _catalog(connection: Any, kw: dict[str, Any]) -> Catalog:
    """The catalog of a SQLAlchemy connection's session; one inspector asks for it once."""
    cache = kw.get("info_cache")
    if cache is not None and "pql" in cache:
        return cache["pql"]
    found = connection.connection.dbapi_connection.session.catalog()
    if cache is not None:
        cache["pql"] = found
    return found


def _table(connection: Any, name: str, schema: str | None, kw: dict[str, Any]) -> Table:
    catalog = _catalog(connection, kw)
    if schema or not catalog.has(name) or catalog.table(name).virtual is not None:
        raise NoSuchTableError(name)
    return catalog.table(name)


def _type(sql_type: str) -> types.TypeEngine[Any]:
    """SQLAlchemy's type of a column as the database calls it; NullType for lists, structs and whatever else."""
    if sql_type.endswith("]"):
        return types.NullType()
    if sql_type.startswith("TIMESTAMP"):
        return types.DateTime(timezone="TIME ZONE" in sql_type)
    if sql_type.startswith("DECIMAL("):
        precision, _, scale = sql_type[8:-1].partition(",")
        return types.Numeric(int(precision), int(scale or 0))
    return _TYPES.get(sql_type.partition("(")[0], types.NullType)()
