"""What the planner knows of the data before any of it is loaded: the extent of every table's clock, and counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pql.backends.base import Snapshot
from pql.backends.sql import identifier
from pql.engine.planning.plan import US_PER_DAY
from pql.engine.planning.planned_graph import columns_read
from pql.engine.planning.regime import LEAST_GAP, natural_gap
from pql.engine.planning.relations import TIME, relation_sql
from pql.language.bound import BoundQuery
from pql.language.catalog import Catalog

_YEAR = 365 * US_PER_DAY
_FEW = 50  # one row in so many may be dated ahead


@dataclass(frozen=True, slots=True)
class Span:
    """The oldest and newest clock of a table (µs, None if it has none) and how many rows it has."""

    oldest: int | None = None
    newest: int | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of the data at or before a moment (of all data where none was given).

    tables: the Span of every table measured. entities: distinct keys of the entity table. items: distinct items.
    borders: of a static target, the times (µs) by which 70 % and 85 % of the rows with a target have come to be.
    gaps: how old the newest row of a table usually is (µs), of tables that end well before the moment asked for.
    """

    tables: dict[str, Span] = field(default_factory=dict)
    entities: int | None = None
    items: int | None = None
    borders: tuple[int, int] | None = None
    gaps: dict[str, int] = field(default_factory=dict)

    def table(self, name: str) -> Span:
        """The span of a table; an empty one if it wasn't measured."""
        return self.tables.get(name, Span())


def measure(snapshot: Snapshot, catalog: Catalog, tables: Iterable[str], until: int | None = None) -> dict[str, Span]:
    """The span of the clock of each table, over its rows at or before `until` (µs; None: over all but those dated far
    ahead of the others, see `_newest_of_most`)."""
    spans = {}
    for name in dict.fromkeys(tables):
        rows = relation_sql(catalog, name, until, ())
        counted = snapshot.query(
            f"SELECT min({identifier(TIME)}), max({identifier(TIME)}), count(*) FROM ({rows}) AS r"
        )
        oldest, newest, count = (counted.column(i)[0].as_py() for i in range(3))
        if until is None and newest is not None:
            newest = _newest_of_most(snapshot, rows, oldest, newest, count)
        spans[name] = Span(oldest, newest, count)
    return spans


def _newest_of_most(snapshot: Snapshot, rows: str, oldest: int, newest: int, count: int) -> int:
    """The newest time (µs) of a table, without the few rows that are dated far ahead of all others (9999-12-31).

    They are at most one in fifty, and lie further from the others than these from each other, and more than a year.
    """
    while newest - oldest > 2 * _YEAR:
        middle = oldest + (newest - oldest) // 2
        later = f"{identifier(TIME)} > {middle}"
        seen = snapshot.query(
            f"SELECT count(*) FILTER (WHERE {later}), min({identifier(TIME)}) FILTER (WHERE {later}), "
            f"max({identifier(TIME)}) FILTER (WHERE NOT {later}) FROM ({rows}) AS r"
        )
        ahead, first, last = (seen.column(i)[0].as_py() for i in range(3))
        if ahead * _FEW > count or first - last <= max(last - oldest, _YEAR):
            return newest
        newest = int(last)
    return newest


def dated_ahead(snapshot: Snapshot, query: BoundQuery, tables: Iterable[str], anchor: int) -> tuple[str, ...]:
    """What to say of rows of `tables` that are later than an anchor chosen without them (µs)."""
    found = []
    for name in dict.fromkeys(tables):
        rows = relation_sql(query.catalog, name, None, ())
        time = identifier(TIME)
        count = snapshot.query(f"SELECT count(*) FROM ({rows}) AS r WHERE {time} > {anchor}").column(0)[0].as_py()
        if count:
            found.append(
                f"{name}: {count:,} rows are dated far ahead of all others, so the anchor is the newest of the others; "
                "AS OF names another one"
            )
    return tuple(found)


def gather(snapshot: Snapshot, query: BoundQuery, until: int | None = None) -> Statistics:
    """The statistics of a query: the spans of all its tables that may be history, and distinct entities and items."""
    catalog = query.catalog
    spans = measure(snapshot, catalog, (table.name for table in catalog.tables), until)
    entities = _distinct(snapshot, catalog, query.entity.table, query.entity.keys, until)
    items = None
    if query.item is not None:
        if query.item.table is not None and query.item.key is not None:
            items = _distinct(snapshot, catalog, query.item.table, (query.item.key,), until)
        else:
            items = _distinct(snapshot, catalog, query.item.column.table, (query.item.column.column,), until)
    borders = _borders(snapshot, query, until) if query.is_static else None
    gaps = {} if until is None else usual_gaps(snapshot, catalog, spans, until)
    return Statistics(spans, entities, items, borders, gaps)


def usual_gaps(snapshot: Snapshot, catalog: Catalog, spans: Mapping[str, Span], until: int) -> dict[str, int]:
    """How old the newest row usually is (µs), of the tables whose newest row is older than a day at `until` (µs).

    Measured on the days that have rows, so that the cost doesn't grow with the rows of a day.
    """
    found = {}
    for name, span in spans.items():
        if span.newest is None or until - span.newest <= LEAST_GAP or catalog.table(name).clock.kind == "none":
            continue
        rows = relation_sql(catalog, name, until, ())
        days = snapshot.query(
            f"SELECT DISTINCT {identifier(TIME)} // {US_PER_DAY} AS day FROM ({rows}) AS r "
            f"WHERE {identifier(TIME)} IS NOT NULL ORDER BY day"
        )
        found[name] = natural_gap(days.column(0).cast("int64").to_numpy() * US_PER_DAY)
    return found


def _borders(snapshot: Snapshot, query: BoundQuery, until: int | None) -> tuple[int, int] | None:
    """The 70 % and 85 % quantiles of the clock of the entity's rows whose own target columns are not NULL."""
    table = query.entity.table
    read = [node for node in columns_read(query.target) if not node.route and node.table == table]
    columns = tuple(dict.fromkeys(node.column for node in read))
    rows = relation_sql(query.catalog, table, until, columns)
    present = " AND ".join(f"{identifier(column)} IS NOT NULL" for column in (TIME, *columns))
    counted = snapshot.query(
        f"SELECT quantile_disc({identifier(TIME)}, [0.7, 0.85]) FROM ({rows}) AS r WHERE {present}"
    )
    found = counted.column(0)[0].as_py()
    return None if found is None else (int(found[0]), int(found[1]))


def _distinct(snapshot: Snapshot, catalog: Catalog, table: str, columns: tuple[str, ...], until: int | None) -> int:
    rows = relation_sql(catalog, table, until, columns)
    names = ", ".join(identifier(column) for column in columns)
    present = " AND ".join(f"{identifier(column)} IS NOT NULL" for column in columns)
    counted = snapshot.query(f"SELECT count(*) FROM (SELECT DISTINCT {names} FROM ({rows}) AS r WHERE {present}) AS d")
    return int(counted.column(0)[0].as_py())


def median_gap_days(snapshot: Snapshot, catalog: Catalog, fact: str, column: str, until: int | None = None) -> int:
    """The median time between an entity's consecutive moments in `fact`, in days rounded up; 14 where there is none.

    `column` holds the entity's key; facts of one moment count once.
    """
    rows = relation_sql(catalog, fact, until, (column,))
    key, time = identifier(column), identifier(TIME)
    counted = snapshot.query(
        f"SELECT median(gap) FROM (SELECT {time} - lag({time}) OVER (PARTITION BY {key} ORDER BY {time}) AS gap "
        f"FROM (SELECT DISTINCT {key}, {time} FROM ({rows}) AS r WHERE {key} IS NOT NULL AND {time} IS NOT NULL) AS d) "
        "AS g WHERE gap IS NOT NULL"
    )
    gap = counted.column(0)[0].as_py()
    return 14 if gap is None else max(1, -(-int(gap) // 86_400_000_000))
