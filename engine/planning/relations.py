"""As-of relations: the one place that says, in SQL, what rows a table has at a moment and when each became known.

Every SELECT made here reads the user's stored tables by their quoted names and runs as pasted into plain DuckDB. Beside
the table's columns it gives `__time`, the row's clock in microseconds since 1970 (UTC), NULL where it has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pql.backends.logical import normal_form
from pql.backends.sql import identifier, timestamp
from pql.language.catalog import Catalog, Column, Link, LogicalType, Table
from pql.language.errors import PqlError

TIME = "__time"
ROW = "__row"  # the stored order, added by `engine.graph.history` to what it registers
MAX_CLOCK_HOPS = 16

_TEXT = (LogicalType.STRING, LogicalType.UUID)


def relation_sql(
    catalog: Catalog, table_name: str, until: int | None = None, columns: Sequence[str] | None = None
) -> str:
    """A SELECT of `columns` (None: all) and `__time` of a table, stored or virtual.

    With `until` (µs), rows of clocked tables that became known later, or whose clock is NULL, are left out; rows of
    clockless tables stay. Values are in their normal form (`backends.logical`), non-finite numbers and moments are
    NULL. A virtual table keeps values that only clockless tables hold, with a NULL `__time`.
    """
    return _relation(catalog, table_name, until, columns, depth=0)


def _relation(catalog: Catalog, table_name: str, until: int | None, columns: Sequence[str] | None, depth: int) -> str:
    if depth > MAX_CLOCK_HOPS:
        raise PqlError("clock_cycle", f"the clock of {table_name} is inherited in a circle", hint="set TIME or NO TIME")
    table = catalog.table(table_name)
    if columns is None:
        columns = [column.name for column in table.columns if column.type is not LogicalType.OTHER]
    if table.virtual is not None:
        return _virtual(catalog, table, until, columns, depth)
    kind = table.clock.kind
    time = identifier(TIME)
    if kind == "inherited":
        link = table.clock.via
        assert link is not None
        inner = list(dict.fromkeys([*columns, *link.child_columns]))
        stored = f"SELECT {_selected(table, inner)} FROM {identifier(table.name)} AS t"
        parent = keyed_sql(catalog, link.parent, link.parent_columns, (), until, depth=depth + 1)
        shown = ", ".join([*(f"c.{identifier(name)}" for name in columns), f"p.{time}"])
        where = f" WHERE p.{time} IS NOT NULL" if until is not None else ""
        condition = join_condition(catalog, link, "c", "p")
        return f"SELECT {shown} FROM ({stored}) AS c LEFT JOIN ({parent}) AS p ON {condition}{where}"
    clock, where = "CAST(NULL AS BIGINT)", ""
    if kind == "own":
        clock = _own_clock(table)
        where = f" WHERE {clock} <= epoch_us({timestamp(until)})" if until is not None else ""
    shown = ", ".join(filter(None, [_selected(table, columns), f"{clock} AS {time}"]))
    return f"SELECT {shown} FROM {identifier(table.name)} AS t{where}"


def keyed_sql(
    catalog: Catalog,
    table_name: str,
    key: Sequence[str],
    columns: Sequence[str],
    until: int | None,
    *,
    depth: int = 0,
) -> str:
    """The relation with at most one row per `key`: duplicates collapse as `collapse_sql` says."""
    wanted = list(dict.fromkeys([*key, *columns]))
    rows = _relation(catalog, table_name, until, wanted, depth)
    if is_unique(catalog.table(table_name), key):
        return rows
    return collapse_sql(f"({rows})", key, [name for name in wanted if name not in key])


def collapse_sql(source: str, key: Sequence[str], columns: Sequence[str]) -> str:
    """One row per non-NULL `key` of `source`, as it was known first: its clock, and of every other column the value
    at that time (the least where several rows share it), so that a later row of the same key changes nothing."""
    keys = [identifier(name) for name in key]
    time = identifier(TIME)
    least = [
        f"first({name} ORDER BY {time} NULLS LAST, {name} NULLS LAST) AS {name}" for name in map(identifier, columns)
    ]
    least.append(f"min({time}) AS {time}")
    present = " AND ".join(f"{name} IS NOT NULL" for name in keys)
    return f"SELECT {', '.join([*keys, *least])} FROM {source} WHERE {present} GROUP BY {', '.join(keys)}"


def is_unique(table: Table, key: Sequence[str]) -> bool:
    """True if the catalog's counts prove that no two rows share a non-NULL `key`."""
    if table.virtual is not None:
        return table.key is not None and tuple(key) == table.key.columns
    if table.rows is None:
        return False
    for name in key:
        column = table.column(name)
        if column.distinct is not None and column.distinct + (column.nulls or 0) >= table.rows:
            return True
    return False


def column_sql(table: Table, name: str, alias: str) -> str:
    """A column of a stored table in its normal form (`backends.logical`), non-finite numbers as NULL."""
    reference = f"{alias}.{identifier(name)}"
    if name == ROW:
        return reference
    column = table.column(name)
    form = normal_form(name, column.sql_type)
    text = reference if form is None else form.replace(identifier(name), reference)
    return f"CASE WHEN isfinite({text}) THEN {text} END" if column.type is LogicalType.FLOAT else text


def join_condition(catalog: Catalog, link: Link, child_alias: str, parent_alias: str) -> str:
    """`child.x = parent.y AND …`; both sides are read as text where one is text and the other isn't."""
    child, parent = catalog.table(link.child), catalog.table(link.parent)
    parts = []
    for left, right in zip(link.child_columns, link.parent_columns, strict=True):
        a, b = f"{child_alias}.{identifier(left)}", f"{parent_alias}.{identifier(right)}"
        if _is_text(child.column(left)) != _is_text(parent.column(right)):
            a, b = f"CAST({a} AS VARCHAR)", f"CAST({b} AS VARCHAR)"
        parts.append(f"{a} = {b}")
    return " AND ".join(parts)


def stored_columns(catalog: Catalog, tables: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """The columns of stored tables that the relations of `tables` (name → columns) read, clocks and joins included."""
    found: dict[str, dict[str, None]] = {}

    def need(name: str, columns: Iterable[str], depth: int = 0) -> None:
        if depth > MAX_CLOCK_HOPS:
            return
        table = catalog.table(name)
        if table.virtual is not None:
            for source, column in table.virtual.sources:
                need(source, (column,), depth + 1)
            if table.virtual.enriched_by is not None:
                enriching = catalog.table(table.virtual.enriched_by)
                own = table.key.columns if table.key else ()
                carried = [c for c in columns if c not in own and enriching.has(c)]
                need(enriching.name, [*(enriching.key.columns if enriching.key else ()), *carried], depth + 1)
            return
        chosen = found.setdefault(name, {})
        chosen.update(dict.fromkeys(columns))
        if table.clock.kind == "own" and table.clock.column is not None:
            chosen[table.clock.column] = None
        elif table.clock.kind == "inherited" and table.clock.via is not None:
            chosen.update(dict.fromkeys(table.clock.via.child_columns))
            need(table.clock.via.parent, table.clock.via.parent_columns, depth + 1)

    for name, columns in tables.items():
        need(name, columns)
    order = {table.name: {column.name: i for i, column in enumerate(table.columns)} for table in catalog.tables}
    return {name: tuple(sorted(chosen, key=order[name].__getitem__)) for name, chosen in found.items()}


def _own_clock(table: Table) -> str:
    assert table.clock.column is not None
    column = table.column(table.clock.column)
    reference = f"t.{identifier(column.name)}"
    if column.type is LogicalType.STRING or column.sql_type.upper().startswith("VARCHAR"):
        return f"epoch_us(TRY_CAST({reference} AS TIMESTAMP))"
    if column.type is not LogicalType.TIMESTAMP:
        raise PqlError(
            "clock_type",
            f"{table.name}.{column.name} is no date or time ({column.sql_type or column.type})",
            hint=f"name another column with TIME {table.name}.column, or say NO TIME {table.name}",
        )
    return f"epoch_us({reference})"


def _virtual(catalog: Catalog, table: Table, until: int | None, columns: Sequence[str], depth: int) -> str:
    assert table.virtual is not None
    assert table.key is not None
    name = table.key.columns[0]
    key = identifier(name)
    as_text = len({_is_text(catalog.table(t).column(c)) for t, c in table.virtual.sources}) > 1
    parts = []
    for source, column in table.virtual.sources:
        value = f"CAST(s.{identifier(column)} AS VARCHAR)" if as_text else f"s.{identifier(column)}"
        rows = _relation(catalog, source, until, (column,), depth + 1)
        parts.append(
            f"SELECT {value} AS {key}, s.{identifier(TIME)} FROM ({rows}) AS s WHERE s.{identifier(column)} IS NOT NULL"
        )
    time = identifier(TIME)
    seen = f"SELECT {key}, min({time}) AS {time} FROM ({' UNION ALL '.join(parts)}) AS s GROUP BY {key}"
    carried = [c for c in columns if c != name]
    if not carried:
        return seen if columns else f"SELECT {identifier(TIME)} FROM ({seen}) AS v"
    assert table.virtual.enriched_by is not None
    enriching = catalog.table(table.virtual.enriched_by)
    assert enriching.key is not None
    rows = keyed_sql(catalog, enriching.name, enriching.key.columns, carried, until, depth=depth + 1)
    left, right = f"v.{key}", f"d.{identifier(enriching.key.columns[0])}"
    if as_text or _is_text(table.column(name)) != _is_text(enriching.column(enriching.key.columns[0])):
        left, right = f"CAST({left} AS VARCHAR)", f"CAST({right} AS VARCHAR)"
    selected = [f"v.{key}" if c == name else f"d.{identifier(c)}" for c in columns]
    return (
        f"SELECT {', '.join([*selected, f'v.{identifier(TIME)}'])} FROM ({seen}) AS v "
        f"LEFT JOIN ({rows}) AS d ON {left} = {right}"
    )


def _is_text(column: Column) -> bool:
    return column.type in _TEXT


def _selected(table: Table, columns: Iterable[str]) -> str:
    return ", ".join(f"{column_sql(table, name, 't')} AS {identifier(name)}" for name in columns)
