"""The meaning of labels (LANGUAGE §3), slowly and plainly: loops over rows that are dicts.

It imports nothing of the product but the syntax tree, and shares no idea of how to compute with it. Names are exact.
Times are naive UTC datetimes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from oracle_reach import Reach, belongings, fact_of, facts_of, walk
from oracle_values import aggregate, evaluate, shift
from oracle_world import Row, World

from pql.language import ast

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

    def _known(self, fact: str, row: Row, by: dt.datetime, name: ast.ColumnName) -> Any:
        """A column that a fact is read by: NULL where a row on the way is known only later."""
        reach = Reach(self.world, fact, row)
        value = reach.column(name)
        return value if all(time <= by for time in reach.times) else None

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
            if min(max([time, *times]) for times in ways) > max(high, self.anchor):
                continue
            column = partial(self._known, fact, row, max(high, self.anchor))
            passes = node.where is None or evaluate(node.where, column, None) is True
            star = isinstance(node.argument, ast.Star)
            value = True if star else evaluate(node.argument, column, None)
            if passes:
                tie = [(row[c] is None, row[c]) for c in world.keys.get(fact, ())]
                rows.append((time, tie, value))
        return rows
