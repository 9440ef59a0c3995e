"""Which tables, links and columns make the graph of a query, and why each is in or out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pql.engine.planning.plan import GraphPlan, PlannedColumn, PlannedTable
from pql.language.bound import BoundAggregate, BoundQuery, Call, ColumnRef, Expression
from pql.language.catalog import Catalog, Column, Link, LogicalType, Stype, Table
from pql.language.options import Options

MAX_TABLES = 16
MAX_ROWS = 20_000_000  # rows of tables that only came along; the tables of the query itself have no limit
MAX_HOPS = 4
CALENDAR = frozenset({"year", "week", "day", "weekno", "dayno", "yearno", "season", "yr"})  # absolute time, as a number
AMPLE_BUDGET = 120.0  # seconds; from there on the network is as wide as the literature's
READABLE = frozenset({Stype.NUMBER, Stype.CATEGORY, Stype.TIMESTAMP, Stype.TEXT})


def walk(expression: Expression | None) -> Iterator[Expression]:
    """The expression and everything inside it, outermost first."""
    if expression is None:
        return
    yield expression
    if isinstance(expression, Call):
        for argument in expression.args:
            yield from walk(argument)
    elif isinstance(expression, BoundAggregate):
        yield from walk(expression.argument)
        yield from walk(expression.where)


def aggregates(*expressions: Expression | None) -> tuple[BoundAggregate, ...]:
    """All aggregates of the expressions, in order of appearance."""
    return tuple(node for e in expressions for node in walk(e) if isinstance(node, BoundAggregate))


def columns_read(*expressions: Expression | None) -> tuple[ColumnRef, ...]:
    """All columns of the expressions, in order of appearance."""
    return tuple(node for e in expressions for node in walk(e) if isinstance(node, ColumnRef))


def masked_columns(query: BoundQuery) -> frozenset[tuple[str, str]]:
    """The columns that no encoder may read: those of a static target and those filled in together with it, and those
    of IGNORING."""
    own = {(ref.table, ref.column) for ref in columns_read(query.target)} if query.is_static else set()
    return frozenset(own) | query.unknown | ignored_columns(query)


def usable_links(query: BoundQuery) -> tuple[Link, ...]:
    """The links of the graph: all but those over a column that is predicted, which would tell its value, or ignored."""
    hidden = masked_columns(query)
    return tuple(
        link for link in query.catalog.links if not any((link.child, column) in hidden for column in link.child_columns)
    )


def ignored_columns(query: BoundQuery) -> frozenset[tuple[str, str]]:
    """The columns of IGNORING, in the table named and in the virtual one that carries its columns, or the reverse."""
    twins = {table.name: table.enriches for table in query.catalog.tables if table.enriches is not None}
    twins |= {virtual: name for name, virtual in twins.items()}
    return query.ignoring | {(twins[table], column) for table, column in query.ignoring if table in twins}


@dataclass(slots=True)
class _Choice:
    """The tables taken so far with their reasons, and what was left out."""

    taken: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def take(self, table: str, why: str) -> None:
        self.left_out.pop(table, None)
        self.taken.setdefault(table, why)

    def leave(self, table: str, reason: str) -> None:
        if table not in self.taken:
            self.left_out.setdefault(table, reason)


def plan_graph(query: BoundQuery, rows: Mapping[str, int | None]) -> tuple[GraphPlan, tuple[str, ...]]:
    """The graph of the query and the warnings of EXPLAIN about it. `rows`: the row count of each table, if known."""
    choice = _Choice()
    stand_ins = _stand_ins(query)
    for needed, why in _needed(query):
        name = stand_ins.get(needed, needed)
        if query.catalog.table(name).is_history or name == query.entity.table:
            choice.take(name, why)
    named = {stand_ins.get(name, name) for name in query.using or ()}
    reach = _distances(query, MAX_HOPS, stand_ins)
    asked = [reach[name] for name in named if name in reach and query.catalog.table(name).is_history]
    hops = min(MAX_HOPS, max(query.options.hops, _longest_route(query), *asked, 0))
    distances = {name: distance for name, distance in reach.items() if distance <= hops}
    spare_rows = MAX_ROWS
    for name in sorted(distances, key=lambda n: (distances[n], n not in named, rows.get(n) or 0, n)):
        if name in choice.taken:
            continue
        reason = _unusable(query, query.catalog.table(name), named, stand_ins, rows)
        count = rows.get(name) or 0
        if reason is None and name not in named and len(choice.taken) >= MAX_TABLES:
            reason = f"the {MAX_TABLES} nearest tables are taken already; name it in USING to have it"
        if reason is None and name not in named and count > spare_rows:
            reason = f"{count:,} rows are more than the graph takes along; name it in USING to have it"
        if reason is not None:
            choice.leave(name, reason)
            continue
        spare_rows -= 0 if name in named else count
        choice.take(name, _why(query, name, distances[name], named))
    for table in query.catalog.tables:
        if table.name in stand_ins and stand_ins[table.name] != table.name:
            choice.leave(table.name, f"{stand_ins[table.name]} carries its columns")
        elif not table.is_history:
            choice.leave(table.name, _clockless(table))
        elif table.name not in distances:
            choice.leave(table.name, f"not within {hops} hops of {query.entity.table} along links")
    links = tuple(link for link in usable_links(query) if link.child in choice.taken and link.parent in choice.taken)
    tables = []
    for name, why in choice.taken.items():
        columns, dropped = _columns(query, query.catalog.table(name))
        tables.append(PlannedTable(name, columns, why))
        for column, reason in dropped:
            choice.left_out[f"{name}.{column}"] = reason
    plan = GraphPlan(
        tables=tuple(tables),
        links=links,
        hops=hops,
        neighbors=_neighbors(query.options, hops),
        co_occurrence=query.options.co_occurrence,
        left_out=tuple(choice.left_out.items()),
    )
    return plan, _warnings(query, plan)


def _stand_ins(query: BoundQuery) -> dict[str, str]:
    """table → the table that stands in its place: a virtual one for what it is enriched by, or the other way round.

    A table that enriches a virtual one is carried by it, unless the table itself is the entity.
    """
    stand_ins: dict[str, str] = {}
    for table in query.catalog.tables:
        virtual = table.enriches
        if virtual is None or not query.catalog.has(virtual):
            continue
        if table.name == query.entity.table:
            stand_ins[virtual] = table.name
        else:
            stand_ins[table.name] = virtual
    return stand_ins


def _needed(query: BoundQuery) -> Iterator[tuple[str, str]]:
    """The tables the query can't do without, with why; the entity first."""
    yield query.entity.table, "the entity"
    targets = aggregates(query.target)
    for aggregate in targets:
        yield aggregate.fact, f"the target counts its rows ({aggregate.function})"
    for aggregate in targets:
        for step in aggregate.route:
            for name in (step.source, step.target):
                yield name, "on the route from the target's facts to the entity"
    if query.item is not None and query.item.table is not None:
        yield query.item.table, "its rows are the items"
    if query.item is not None:
        for step in query.item.column.route:
            yield step.target, "the items are values of its column"
    if query.pair is not None:
        yield query.pair.table, "the second entity of the pair"
    for aggregate in aggregates(query.where, query.assuming):
        yield aggregate.fact, "a condition of the query reads it"


def _longest_route(query: BoundQuery) -> int:
    return max((len(aggregate.route) for aggregate in aggregates(query.target)), default=0)


def _distances(query: BoundQuery, hops: int, stand_ins: Mapping[str, str]) -> dict[str, int]:
    """How many links lie between the entity and each table that is within `hops`, along links either way.

    Only tables that may be passed through are passed through: stand-ins replace what they stand for, and a table
    without history ends a path.
    """
    catalog, links = query.catalog, usable_links(query)
    found = {query.entity.table: 0}
    frontier = [query.entity.table]
    for distance in range(1, hops + 1):
        reached: list[str] = []
        for name in frontier:
            for link in links:
                if name in (link.child, link.parent):
                    reached.append(link.parent if name == link.child else link.child)
        frontier = []
        for name in reached:
            if name in found or not catalog.has(name):
                continue
            found[name] = distance
            if name not in stand_ins and catalog.table(name).is_history:
                frontier.append(name)
    return found


def _unusable(
    query: BoundQuery,
    table: Table,
    named: set[str],
    stand_ins: Mapping[str, str],
    rows: Mapping[str, int | None],
) -> str | None:
    """Why a table that is near enough is left out all the same, or None."""
    if table.name in stand_ins:
        return f"{stand_ins[table.name]} carries its columns"
    if not table.is_history:
        return _clockless(table)
    if query.using is not None and table.name not in named:
        return "not among the tables of USING"
    if table.virtual is not None and table.virtual.enriched_by is None and table.name not in named:
        return "only the distinct values of an id column; name it in USING to have it"
    if rows.get(table.name) == 0:
        return "it has no rows"
    return None


def _clockless(table: Table) -> str:
    return (
        "facts without a clock: when they became known can't be told; "
        f"NO TIME {table.name} asserts that they may be read at any time"
    )


def _why(query: BoundQuery, name: str, distance: int, named: set[str]) -> str:
    if name in named:
        return "named in USING"
    direct = [
        link
        for link in usable_links(query)
        if {link.child, link.parent} == {name, query.entity.table} or (link.child == link.parent == name)
    ]
    if distance == 1 and direct:
        return f"linked to the entity by {direct[0]}"
    return f"{distance} hops from the entity"


def _columns(query: BoundQuery, table: Table) -> tuple[tuple[PlannedColumn, ...], tuple[tuple[str, str], ...]]:
    """The columns an encoder will read, and those left out for a reason worth telling (keys and links are edges)."""
    masked = masked_columns(query)
    foreign = {name for link in usable_links(query) if link.child == table.name for name in link.child_columns}
    key = set(table.key.columns) if table.key is not None else set()
    clock = table.clock.column if table.clock.kind == "own" else None
    kept: list[PlannedColumn] = []
    dropped: list[tuple[str, str]] = []
    for column in table.columns:
        if column.name == clock or column.name in foreign:
            continue
        if column.stype is Stype.ID:
            if (table.name, column.name) in masked and column.name not in key and _has_earlier_rows(query, table):
                kept.append(PlannedColumn(column.name, Stype.CATEGORY))
            continue
        if column.name in key and len(key) == 1:
            continue
        where = (table.name, column.name)
        if where in ignored_columns(query):
            dropped.append((column.name, "named in IGNORING"))
        elif where in masked and not (_has_earlier_rows(query, table) and column.stype in READABLE):
            told = "empty wherever what is predicted is" if where in query.unknown else "it is what is predicted"
            dropped.append((column.name, told))
        elif column.stype not in READABLE or column.type is LogicalType.OTHER:
            dropped.append((column.name, f"a {column.sql_type or column.type.value} column that no encoder reads"))
        elif table.rows and column.nulls is not None and column.nulls >= table.rows:
            dropped.append((column.name, "all values are NULL"))
        elif _restates_the_clock(table, column):
            dropped.append((column.name, "a number that restates the clock; time enters relative to the anchor only"))
        elif column.distinct == 1 and not column.nulls and table.rows and table.rows > 1:
            dropped.append((column.name, "the same value in every row"))
        else:
            kept.append(PlannedColumn(column.name, column.stype))
    return tuple(kept), tuple(dropped)


def _has_earlier_rows(query: BoundQuery, table: Table) -> bool:
    """True if rows of the entity's table have a time and share parents: then earlier rows' targets are history."""
    if not query.is_static or table.name != query.entity.table or table.clock.kind not in ("own", "inherited"):
        return False
    return any(link.child == table.name for link in usable_links(query))


def _restates_the_clock(table: Table, column: Column) -> bool:
    """True for the week or year number of a row that has a clock: as an input it would only name the era."""
    name = column.name.lower().replace("_", "")
    return table.clock.kind in ("own", "inherited") and column.stype is Stype.NUMBER and name in CALENDAR


def _neighbors(options: Options, hops: int) -> tuple[int, ...]:
    """One number per hop: the given ones, the last repeated where hops are more; else what the budget pays for."""
    neighbors = options.neighbors or ((8,) if options.budget_seconds < AMPLE_BUDGET else (16,))
    return (neighbors + neighbors[-1:] * hops)[:hops]


def _inherits_from(catalog: Catalog, table: str, ancestor: str) -> bool:
    """True if `table` takes its time from `ancestor`, directly or over others."""
    seen: set[str] = set()
    while table not in seen:
        seen.add(table)
        clock = catalog.table(table).clock
        if clock.kind != "inherited" or clock.via is None:
            return False
        table = clock.via.parent
        if table == ancestor:
            return True
    return False


def _warnings(query: BoundQuery, plan: GraphPlan) -> tuple[str, ...]:
    """What EXPLAIN warns about: facts without a clock, and targets born together with their entity."""
    found: list[str] = []
    if query.unknown:
        names = ", ".join(sorted(f"{table}.{column}" for table, column in query.unknown))
        found.append(f"{names}: empty wherever the value asked for is, so not read of the row itself")
    for table in query.catalog.tables:
        if not table.is_history and table.name in dict(plan.left_out):
            found.append(
                f"{table.name}: facts without a clock; they are no history and give neither edges nor features"
            )
    entity = query.catalog.table(query.entity.table)
    for fact in dict.fromkeys(aggregate.fact for aggregate in aggregates(query.target)):
        if _inherits_from(query.catalog, fact, entity.name):
            found.append(
                f"{fact} takes its time from {entity.name}: its rows share the entity's own time, so no window after "
                "that time ever holds them"
            )
    if query.item is not None and query.item.table is not None:
        items = query.catalog.table(query.item.table)
        if items.clock.kind == "own":
            found.append(
                f"{items.name} has its own clock ({items.clock.column}): items born after the anchor can't be "
                "candidates at it"
            )
    return tuple(found)
