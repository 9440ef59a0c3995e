"""The meaning of labels (LANGUAGE §3), slowly and plainly: loops over rows that are dicts.

It imports nothing of the product but the syntax tree, and shares no idea of how to compute with it. Names are exact.
NULL is None; truth has three values; times are naive UTC datetimes.
"""

from __future__ import annotations

import calendar
import datetime as dt
import math
import re
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from pql.language import ast

Row = dict[str, Any]
LinkSpec = tuple[str, tuple[str, ...], str, tuple[str, ...]]  # child, its columns, parent, its columns
OF_VALUES = ("LIST_DISTINCT", "ARRAY_AGG", "COUNT_DISTINCT", "FIRST", "LAST")
FOREVER = dt.datetime(9999, 1, 1)


@dataclass
class World:
    """Tables as lists of dicts. clocks: table → its time column, or the parent whose time it inherits.

    virtual: table → (key, sources (table, column), enriching table or None).
    """

    tables: dict[str, list[Row]]
    keys: dict[str, tuple[str, ...]]
    links: list[LinkSpec]
    clocks: dict[str, str]
    virtual: dict[str, tuple[str, list[tuple[str, str]], str | None]] = field(default_factory=dict)
    first_seen: bool = True
    until: dt.datetime = FOREVER
    via: tuple[str, ...] = ()
    seen_before: dict[Any, Any] = field(default_factory=dict)  # answers already worked out

    def __post_init__(self) -> None:
        for name, (key, sources, enriched) in self.virtual.items():
            values = {row[column] for table, column in sources for row in self.tables[table]} - {None}
            described = {row[self.keys[enriched][0]]: row for row in self.tables[enriched]} if enriched else {}
            self.tables[name] = [{**described.get(value, {}), key: value} for value in sorted(values)]

    def time(self, table: str, row: Row) -> dt.datetime | None:
        """When a row became known; None where that isn't known, or where the table has no clock."""
        place = ("time", table, id(row))
        if place not in self.seen_before:
            self.seen_before[place] = self._time(table, row)
        return self.seen_before[place]

    def _time(self, table: str, row: Row) -> dt.datetime | None:
        if table in self.virtual:
            key, sources, _ = self.virtual[table]
            seen = [self.time(t, r) for t, c in sources for r in self.tables[t] if r[c] == row[key]]
            return min((time for time in seen if time is not None), default=None)
        clock = self.clocks.get(table)
        if clock is None:
            return None
        if clock in row:
            return clean(row[clock])
        link = next(link for link in self.links if link[0] == table and link[2] == clock)
        times = [self.time(clock, parent) for parent in self.parents(link, row)]
        return min((time for time in times if time is not None), default=None)

    def has_clock(self, table: str) -> bool:
        return table in self.clocks or table in self.virtual

    def visible(self, table: str) -> list[Row]:
        if table not in self.clocks:
            return self.tables[table]
        if ("visible", table) not in self.seen_before:
            times = [(row, self.time(table, row)) for row in self.tables[table]]
            self.seen_before["visible", table] = [row for row, time in times if time is not None and time <= self.until]
        return self.seen_before["visible", table]

    def parents(self, link: LinkSpec, row: Row) -> list[Row]:
        """All visible rows a row points to: none, one, or several with the same key."""
        wanted = [row[column] for column in link[1]]
        if None in wanted:
            return []
        return [p for p in self.visible(link[2]) if [p[column] for column in link[3]] == wanted]

    def parent(self, link: LinkSpec, row: Row) -> tuple[Row, dt.datetime | None] | None:
        """The row pointed to and its time; of several with the same key the one known first."""
        place = (link, *(row[column] for column in link[1]))
        if place not in self.seen_before:
            rows = self.parents(link, row)
            times = [time for time in (self.time(link[2], parent) for parent in rows) if time is not None]
            self.seen_before[place] = (self.collapse(link[2], rows), min(times, default=None)) if rows else None
        return self.seen_before[place]

    def collapse(self, table: str, rows: list[Row]) -> Row:
        """One row of several with the same key: those known first, and of these the least value of each column."""
        times = [self.time(table, row) for row in rows]
        first = min((time for time in times if time is not None), default=None)
        return collapse([row for row, time in zip(rows, times, strict=True) if time == first])

    def route(self, table: str, goal: str) -> list[LinkSpec]:
        """The shortest way up from a table to another; of several equally short, the one through `via`."""
        paths: list[tuple[str, list[LinkSpec]]] = [(table, [])]
        for here, path in paths:
            if here != goal and len(path) < 5:
                paths += [(link[2], [*path, link]) for link in self.links if link[0] == here]
        found = [path for here, path in paths if here == goal]
        if not found:
            raise KeyError(f"no way from {table} to {goal}")
        through = [path for path in found if set(self.via) & {link[2] for link in path[:-1]}]
        return (through or found)[0]


def collapse(rows: list[Row]) -> Row:
    """One row of several: the least non-NULL value of each column."""
    found = {}
    for column in rows[0]:
        values = [clean(row[column]) for row in rows]
        found[column] = min((value for value in values if value is not None), default=None)
    return found


def clean(value: Any) -> Any:
    """Non-finite numbers are NULL; a date is its midnight."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shift(moment: dt.datetime, n: int, unit: str) -> dt.datetime:
    """A moment moved by whole units; months and years keep the day, or take the month's last."""
    if unit in ("months", "years"):
        month = moment.month - 1 + n * (12 if unit == "years" else 1)
        year, month = moment.year + month // 12, month % 12 + 1
        return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))
    return moment + dt.timedelta(**{unit: n})


# ---------------------------------------------------------------- the training table


@dataclass(frozen=True)
class Example:
    key: tuple[Any, ...]
    anchor: dt.datetime
    label: Any
    eligible: bool
    assumed: bool = True
    step: int = 0

    @property
    def usable(self) -> bool:
        return self.eligible and self.assumed


def training_table(query: ast.Predict, world: World, anchors: Iterable[dt.datetime]) -> list[Example]:
    """A row per anchor and entity that exists then (of a forecast, per step); label None where it is undefined."""
    name = query.entities[0]
    assert name.table is not None
    table = name.table.text
    if query.via or query.ignoring:
        ignored = {(column.table.text, column.column.text) for column in query.ignoring if column.table is not None}
        links = [link for link in world.links if not ignored & {(link[0], column) for column in link[1]}]
        world = replace(world, links=links, via=tuple(one.text for one in query.via or ()), seen_before={})
    key = world.keys[table]
    grouped: dict[tuple[Any, ...], list[Row]] = {}
    for row in world.visible(table):
        values = tuple(row[column] for column in key)
        if None not in values:
            grouped.setdefault(values, []).append(row)
    examples = []
    collapsed = {values: world.collapse(table, rows) for values, rows in grouped.items()}
    for anchor in anchors:
        for values, rows in grouped.items():
            entity = collapsed[values]
            if not exists(world, query, table, values, rows, anchor):
                continue
            asked = Question(world, table, values, entity, anchor)
            eligible = query.where is None or asked.value(query.where) is True
            future = query.assuming is None or not walk(query.assuming, ast.Aggregate)
            assumed = future or asked.value(query.assuming) is True
            for step in range(steps_of(query)):
                asked.later = step * width_of(query)
                label = None if is_time_to(query) else asked.value(query.target)
                if isinstance(label, list) and not label and any(isinstance(t, ast.RankTop) for t in query.tasks):
                    label = None
                examples.append(Example(values, anchor, label, eligible, assumed, step))
    return examples


def is_time_to(query: ast.Predict) -> bool:
    return isinstance(query.target, ast.Aggregate) and query.target.function == "TIME_TO"


@dataclass(frozen=True)
class Watch:
    """TIME_TO for one entity at one anchor: watched until when, the first event by then, and the events before."""

    until: dt.datetime
    event: dt.datetime | None
    past: tuple[dt.datetime, ...]


def watch(query: ast.Predict, world: World, example: Example, border: dt.datetime) -> Watch:
    """What is seen of an entity from an anchor on, by someone who stops looking at `border`."""
    node = query.target
    assert isinstance(node, ast.Aggregate)
    assert node.window is not None
    table = query.entities[0].table
    assert table is not None
    asked = Question(world, table.text, example.key, {}, example.anchor)
    end = shift(example.anchor, node.window.end, node.window.unit or "days")  # type: ignore[arg-type]
    until = min(end, border)
    after = [time for time, _, value in asked.facts(node, example.anchor, until) if value is not None]
    past = [time for time, _, value in asked.facts(node, None, example.anchor) if value is not None]
    return Watch(until, min(after, default=None), tuple(sorted(past)))


def steps_of(query: ast.Predict) -> int:
    return next((task.steps for task in query.tasks if isinstance(task, ast.Forecast)), 1)  # type: ignore[misc]


def width_of(query: ast.Predict) -> int:
    """How far a forecast moves from step to step, in the unit of the target's window that ends last."""
    windows = [aggregate.window for aggregate in walk(query.target, ast.Aggregate)]
    last = max((w for w in windows if w is not None), key=lambda w: w.end, default=None)  # type: ignore[arg-type, return-value]
    return 0 if last is None else last.end - (last.start or 0)  # type: ignore[operator, return-value]


def exists(
    world: World, query: ast.Predict, table: str, key: tuple[Any, ...], rows: list[Row], anchor: dt.datetime
) -> bool:
    """The entity's row is known at the anchor; without a clock, it was seen in a linked table by then."""
    if table in world.clocks or (table in world.virtual and world.first_seen):
        times = [world.time(table, row) for row in rows]
        return any(time is not None and time <= anchor for time in times)
    if not world.first_seen or table in world.virtual:
        return True
    links = [link for link in world.links if link[2] == table and world.has_clock(link[0])]
    if not links:
        facts = facts_of(world, query.target, table)
    else:
        facts = {link[0] for link in links}
    if not facts:
        return True
    for fact in facts:
        for row in world.visible(fact):
            time = world.time(fact, row)
            if time is None:
                continue
            for reached, times in belongings(world, fact, row, table):
                if reached == key and max([time, *times]) <= anchor:
                    return True
    return False


def facts_of(world: World, node: Any, entity: str) -> set[str]:
    return {fact_of(world, aggregate, entity) for aggregate in walk(node, ast.Aggregate)}


def walk(node: Any, kind: Any) -> list[Any]:
    """All nodes of a kind at or below a node."""
    if isinstance(node, tuple):
        return [found for part in node for found in walk(part, kind)]
    found = [node] if isinstance(node, kind) else []
    for name in getattr(node, "__dataclass_fields__", {}):
        child = getattr(node, name)
        for part in child if isinstance(child, tuple) else (child,):
            found += walk(part, kind)
    return found


def fact_of(world: World, aggregate: ast.Aggregate, entity: str) -> str:
    """The table whose rows are counted: the clocked one named that leads up to the entity.

    Where none does, functions of values read the rows that point both to the named row and to the entity; counts
    and sums stay with the rows named, if these have a clock.
    """
    named = [node.table.text for node in walk(aggregate.argument, (ast.ColumnName, ast.Star))]
    for table in named:
        if table in world.clocks and leads(world, table, entity):
            return table
    if named[0] in world.clocks and aggregate.function not in OF_VALUES:
        return named[0]
    facts = [t for t in world.clocks if leads(world, t, entity) and any(leads(world, t, n) for n in named)]
    assert len(facts) == 1, f"which rows are meant by {named}?"
    return facts[0]


def leads(world: World, table: str, goal: str) -> bool:
    try:
        world.route(table, goal)
    except KeyError:
        return False
    return True


class Reach:
    """A row and the rows it points to; remembers the times of all rows it has looked at."""

    def __init__(self, world: World, table: str, row: Row) -> None:
        self.world, self.table, self.row = world, table, row
        self.times: list[dt.datetime] = []

    def follow(self, route: list[LinkSpec]) -> Row | None:
        row: Row | None = self.row
        for link in route:
            found = self.world.parent(link, row) if row is not None else None
            row = found[0] if found else None
            if found and found[1] is not None:
                self.times.append(found[1])
        return row

    def column(self, name: ast.ColumnName) -> Any:
        assert name.table is not None
        row = self.follow(self.world.route(self.table, name.table.text))
        return None if row is None else clean(row[name.column.text])


def belongings(world: World, table: str, row: Row, goal: str) -> list[tuple[tuple[Any, ...], list[dt.datetime]]]:
    """The keys of `goal` that a row belongs to, each with the times of the rows on the way there.

    The way is the shortest one up; if there is none, down to the rows that point here and up from those.
    """
    key = world.keys[goal]
    try:
        route = world.route(table, goal)
    except KeyError:
        found = []
        for link in world.links:
            if link[2] != table:
                continue
            try:
                world.route(link[0], goal)
            except KeyError:
                continue
            for child in world.visible(link[0]):
                if [child[column] for column in link[1]] == [row[column] for column in link[3]]:
                    time = world.time(link[0], child)
                    for reached, times in belongings(world, link[0], child, goal):
                        found.append((reached, times if time is None else [time, *times]))
        return found
    if not route:
        return [(tuple(row[column] for column in key), [])]
    reach = Reach(world, table, row)
    before = reach.follow(route[:-1])
    if before is None:
        return []
    last = route[-1]
    return [(tuple(before[last[1][last[3].index(column)]] for column in key), reach.times)]


@dataclass
class Question:
    """One entity at one anchor."""

    world: World
    table: str
    key: tuple[Any, ...]
    row: Row
    anchor: dt.datetime
    later: int = 0  # by how many units the windows lie later: those of a forecast's later steps

    def value(self, node: ast.Expression) -> Any:
        return evaluate(node, self._column, self._aggregate)

    def _column(self, name: ast.ColumnName) -> Any:
        reach = Reach(self.world, self.table, self.row)
        value = reach.column(name)
        return value if all(time <= self.anchor for time in reach.times) else None

    def _aggregate(self, node: ast.Aggregate) -> Any:
        window = node.window
        assert window is not None
        unit = window.unit or "days"
        low = None if window.start is None else shift(self.anchor, window.start + self.later, unit)  # type: ignore[operator]
        high = shift(self.anchor, window.end + self.later, unit)  # type: ignore[operator]
        return aggregate(node.function, self.facts(node, low, high))

    def facts(
        self, node: ast.Aggregate, low: dt.datetime | None, high: dt.datetime
    ) -> list[tuple[dt.datetime, list[Any], Any]]:
        """(time, primary key, value) of the rows later than `low`, up to `high`, and known by then."""
        world = self.world
        fact = fact_of(world, node, self.table)
        rows = []
        for row in world.visible(fact):
            time = world.time(fact, row)
            if time is None or time > high or (low is not None and time <= low):
                continue
            ways = [times for key, times in belongings(world, fact, row, self.table) if key == self.key]
            if not ways:
                continue
            reach = Reach(world, fact, row)
            passes = node.where is None or evaluate(node.where, reach.column, None) is True
            star = isinstance(node.argument, ast.Star)
            value = True if star else evaluate(node.argument, reach.column, None)
            for name in walk(node.where, ast.ColumnName):
                reach.column(name)
            known = min(max([time, *reach.times, *times]) for times in ways)
            if passes and known <= max(high, self.anchor):
                tie = [(row[c] is None, row[c]) for c in world.keys.get(fact, ())]
                rows.append((time, tie, value))
        return rows


def aggregate(function: str, rows: list[tuple[dt.datetime, list[Any], Any]]) -> Any:
    """One aggregation over (time, primary key, value)."""
    rows = [row for row in rows if row[2] is not None]
    values = [row[2] for row in rows]
    if function in ("COUNT", "EXISTS", "BOOL"):
        return len(values) if function == "COUNT" else bool(values)
    if function == "COUNT_DISTINCT":
        return len(set(values))
    if function == "SUM":
        return math.fsum(values)
    if function == "LIST_DISTINCT":
        return sorted(set(values))
    if function == "ARRAY_AGG":
        return [row[2] for row in sorted(rows)]
    if not values or (function == "STDDEV" and len(values) < 2):
        return None
    if function in ("FIRST", "LAST"):
        return sorted(rows)[0 if function == "FIRST" else -1][2]
    return {
        "AVG": statistics.fmean,
        "MIN": min,
        "MAX": max,
        "MEDIAN": statistics.median,
        "STDDEV": statistics.stdev,
    }[function](values)


# ---------------------------------------------------------------- expressions

Column = Callable[[ast.ColumnName], Any]


def evaluate(node: Any, column: Column, aggregates: Callable[[ast.Aggregate], Any] | None) -> Any:
    """The value of an expression; NULL in gives NULL out, but in AND, OR, IS NULL and IN."""

    def of(child: Any) -> Any:
        return evaluate(child, column, aggregates)

    match node:
        case ast.Literal(value=value):
            return clean(value)
        case ast.ColumnName():
            return column(node)
        case ast.Aggregate():
            assert aggregates is not None
            return aggregates(node)
        case ast.Not(operand=operand):
            return negate(of(operand))
        case ast.And(items=items):
            truths = [of(item) for item in items]
            return False if False in truths else (None if None in truths else True)
        case ast.Or(items=items):
            truths = [of(item) for item in items]
            return True if True in truths else (None if None in truths else False)
        case ast.IsNull(operand=operand, negated=negated):
            return (of(operand) is None) != negated
        case ast.Between(operand=operand, low=low, high=high, negated=negated):
            value, least, most = of(operand), of(low), of(high)
            above = None if value is None or least is None else value >= least
            below = None if value is None or most is None else value <= most
            inside = False if False in (above, below) else (None if None in (above, below) else True)
            return negate(inside) if negated else inside
        case ast.InList(operand=operand, items=items, negated=negated):
            value, listed = of(operand), [of(item) for item in items.items]
            if value is None:
                return None
            found = (
                True if value in [item for item in listed if item is not None] else (None if None in listed else False)
            )
            return negate(found) if negated else found
    parts = [of(getattr(node, name)) for name in ("left", "right", "operand", "pattern") if hasattr(node, name)]
    if None in parts:
        return None
    match node:
        case ast.Negate():
            return -parts[0]
        case ast.Comparison(op=op):
            return compare(op, *parts)
        case ast.Arithmetic(op=op):
            return clean(calculate(op, float(parts[0]), float(parts[1])))
        case ast.Match(op=op, negated=negated):
            return matches(op, *parts) != negated
    raise TypeError(f"no meaning for {node}")


def negate(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def compare(op: str, left: Any, right: Any) -> bool:
    if isinstance(left, dt.datetime) and isinstance(right, str):
        right = dt.datetime.fromisoformat(right)
    return {
        "=": left == right,
        "!=": left != right,
        "<": op == "<" and left < right,
        "<=": op == "<=" and left <= right,
        ">": op == ">" and left > right,
        ">=": op == ">=" and left >= right,
    }[op]


def calculate(op: str, left: float, right: float) -> float | None:
    if op in "/%" and right == 0:
        return None
    if op == "%":
        return math.fmod(left, right)
    return {"+": left + right, "-": left - right, "*": left * right, "/": left / (right or 1)}[op]


def matches(op: str, text: str, pattern: str) -> bool:
    if op == "LIKE":
        wild = {"%": ".*", "_": "."}
        return re.fullmatch("".join(wild.get(c, re.escape(c)) for c in pattern), text, re.DOTALL) is not None
    return {"CONTAINS": pattern in text, "STARTS WITH": text.startswith(pattern), "ENDS WITH": text.endswith(pattern)}[
        op
    ]
