"""The label statement: common table expressions for anchors, relations, entities and aggregates, then the rows.

A fact counts in a window once every row it is read through (its parents along routes and columns) is known: by the
anchor for windows of the past, by the window's end for those of the future.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pql.backends.sql import identifier
from pql.engine.aggregate_sql import aggregate_sql, value_sql
from pql.engine.anchors import to_datetime
from pql.engine.assuming import assumed_future
from pql.engine.expressions import Parameters, Resolve, RowScope, Sources, Statement, expression_sql
from pql.engine.plan import Plan
from pql.engine.planned_graph import aggregates, columns_read
from pql.engine.relations import TIME, collapse_sql, is_unique
from pql.engine.rule_sql import RuleSql, groups_sql, has_label_rules, pasts, rule_sql
from pql.engine.step_grid import grid_of
from pql.language.bound import BoundAggregate, BoundWindow, ColumnRef, Expression, Route, Step, TaskKind
from pql.language.catalog import LogicalType
from pql.language.errors import PqlError

WATCHED = ("horizon", "seen", "final_seen", "event", "final_event", "past", "first", "last")
RESERVED = frozenset({"anchor", "moment", "step", "label", "eligible", "assumed", "ruled_out", *WATCHED})
EVENT = {"table": "VARCHAR", "key": "VARCHAR", "time": "TIMESTAMP", "value": "VARCHAR"}  # a row behind a label


def label_statement(plan: Plan) -> Statement:
    """The SQL of the training table: one row per existing entity and labelled (or lag) anchor.

    Columns: the key columns (a name we use ourselves gets a `_`), `anchor` (TIMESTAMP), of a forecast `step` (from 0),
    `label`, `eligible`, and where the query assumes a future, `assumed`: whether it came about. A forecast has a row
    for each step; at an anchor that only serves as a lag, for the first. TIME_TO has the columns of `WATCHED` for
    `label`, and rows at the prediction anchor too, for what happened before it.
    """
    roles = ("late", "predict") if plan.query.task is TaskKind.TIME_TO_EVENT else ()
    times = tuple(sorted(set(plan.split.times("train", "valid", "test", "lag", *roles))))
    return _Builder(plan, times, plan.query.target).statement()


def eligible_statement(plan: Plan, anchors: Sequence[int]) -> Statement:
    """The same without labels, for any anchors up to the prediction anchor: who exists, and for whom WHERE holds."""
    return _Builder(plan, tuple(anchors), None).statement()


def event_statement(plan: Plan, most: int) -> Statement:
    """The SQL of the rows behind each label: at most the first `most` by time, and how many there are.

    Columns: the key columns, `moment` (TIMESTAMP), of a forecast `step` (from 0), `events` (structs as of `EVENT`),
    `event_count`. A row counts that lies in a window of the target, passes its filter and is no NULL to the aggregate;
    once, however many aggregates of the target read it.
    """
    return _Builder(plan, tuple(plan.split.times("train", "valid", "test")), plan.query.target).events(most)


@dataclass(frozen=True, slots=True)
class _Windowed:
    """An aggregate, and whether its window moves with the step of a forecast."""

    aggregate: BoundAggregate
    moves: bool


def rule_statements(plan: Plan, anchors: Sequence[int]) -> dict[str, Statement]:
    """What the rules of a ranking read, by name: `candidates` (value, known), `groups` (value, part, known) and
    `excluded_i` (the entity's key, value, and since or anchor), all up to the prediction anchor."""
    query = plan.query
    assert query.item is not None
    found: dict[str, Statement] = {}
    if has_label_rules(query):
        builder = _Builder(plan, tuple(anchors), query.target)
        found = builder.rule_statements()
    if query.at_most is not None:
        sources = Sources(query.catalog, plan.split.prediction)
        text = groups_sql(query.item, query.at_most[1], sources)
        found["groups"] = Statement(f"WITH {', '.join(sources.expressions())}\n{text}")
    return found


class _Builder:
    """Makes the statement: common table expressions for anchors, relations, entities and aggregates, then the rows."""

    def __init__(self, plan: Plan, anchors: tuple[int, ...], target: Expression | None) -> None:
        query = plan.query
        self.plan, self.query = plan, query
        self.catalog = query.catalog
        self.target = target
        self.assumed = assumed_future(query) if target is not None else None
        self.by_row = plan.split.kind == "row_time"
        self.times = anchors if plan.split.kind == "anchors" or target is None else (plan.split.prediction,)
        self.grid = grid_of(query) if target is not None else None
        self.parameters = Parameters()
        self.sources = Sources(self.catalog, plan.split.prediction)
        self.awaited = target if query.task is TaskKind.TIME_TO_EVENT and isinstance(target, BoundAggregate) else None
        inside = () if self.awaited is not None else aggregates(target)
        moving = [_Windowed(aggregate, self.grid is not None) for aggregate in inside]
        still = [_Windowed(aggregate, False) for aggregate in aggregates(query.where, self.assumed)]
        self.aggregates = tuple(dict.fromkeys((*moving, *still)))
        ruled = [(past.window, False) for past in pasts(query)] if target is not None else []
        self.windows = tuple(dict.fromkeys((*((one.aggregate.window, one.moves) for one in self.aggregates), *ruled)))
        self.static = tuple(dict.fromkeys(columns_of_entity(target, query.where)))
        self.keys = tuple(_free(key, RESERVED) for key in query.entity.keys)
        self.anchors_name = self.sources.own_name("anchors")
        self.entities_name = self.sources.own_name("entities")
        self.seen_name = self.sources.own_name("first_seen")
        self.rules = self._rules() if target is not None and has_label_rules(query) else None

    def statement(self) -> Statement:
        if self.target is not None and not self.by_row and not self.times:
            raise PqlError("no_anchors", "there is no anchor to make examples at")
        parts = []
        entities = self._entities()
        guard = self._guard()
        if not self.by_row:
            parts.append(f"{self.anchors_name} AS ({self._anchors()})")
        if guard is not None:
            parts.append(f"{self.seen_name} AS ({guard})")
        parts.append(f"{self.entities_name} AS ({entities})")
        if self.by_row:
            parts.append(f"{self.anchors_name} AS ({self._own_anchors()})")
        parts += [f"{name} AS ({text})" for _, name, text in (self.rules.expressions if self.rules is not None else ())]
        parts += [f"{self._name(i)} AS ({self._aggregate(a)})" for i, a in enumerate(self.aggregates)]
        if self.awaited is not None:
            parts.append(f"{self.sources.own_name('awaited')} AS ({self._awaited(self.awaited)})")
        rows = self._rows(guarded=guard is not None)
        text = ",\n".join([*self.sources.expressions(), *parts])
        return Statement(f"WITH {text}\n{rows}", tuple(self.parameters.values))

    def rule_statements(self) -> dict[str, Statement]:
        """One statement per expression of the rules."""
        assert self.rules is not None
        before = [*self.sources.expressions(), f"{self.anchors_name} AS ({self._anchors()})"]
        values, text = tuple(self.parameters.values), ",\n".join(before)
        whole = {which: Statement(f"WITH {text}\n{rows}", values) for which, _, rows in self.rules.expressions}
        return {which: Statement(one.literal_text()) for which, one in whole.items()}  # each has but some parameters

    def events(self, most: int) -> Statement:
        """The rows that the target's aggregates read, by entity and anchor (see `event_statement`)."""
        moving = self.grid is not None
        place = [*(identifier(key) for key in self.keys), "moment", *(["step"] if moving else [])]
        parts = []
        for aggregate in dict.fromkeys(aggregates(self.target)):
            key = self.catalog.table(aggregate.fact).key
            ties = key.columns if key is not None else ()
            facts, guarded = self._facts(aggregate.fact, aggregate.route, aggregate.argument, aggregate.where, ties)
            row = {
                "time": "make_timestamp(f.time)",
                "table": self.parameters.bind(aggregate.fact),
                "key": f"nullif(concat_ws(', ', {', '.join(f'f.tie_{i}' for i in range(len(ties)))}), '')"
                if ties
                else "NULL",
                "value": "CAST(f.value AS VARCHAR)" if aggregate.argument is not None else "NULL",
            }
            packed = ", ".join(f"{identifier(name)} := CAST({text} AS {EVENT[name]})" for name, text in row.items())
            own = [*(f"f.{identifier(key)}" for key in self.keys), "a.moment", *(["a.step"] if moving else [])]
            ruled = self.rules is not None and aggregate == self.target
            joins = "".join(f" {join}" for join in self.rules.joins) if self.rules is not None and ruled else ""
            kept = [self._inside(aggregate, moves=moving, guarded=guarded)]
            kept += ["f.value IS NOT NULL"] if aggregate.argument is not None else []
            kept += [self.rules.condition] if self.rules is not None and ruled and self.rules.condition else []
            parts.append(
                f"SELECT {', '.join(own)}, struct_pack({packed}) AS event FROM {self.anchors_name} AS a "
                f"CROSS JOIN ({facts}) AS f{joins} WHERE {' AND '.join(kept)}"
            )
        shown = ", ".join(f"{identifier(name)} := x.{identifier(name)}" for name in EVENT)
        rows = (
            f"SELECT {', '.join(place)}, list_transform(min(event, {most}), lambda x: struct_pack({shown})) AS events, "
            f"count(*) AS event_count FROM ({' UNION '.join(parts) if len(parts) > 1 else parts[0]}) AS r "
            f"GROUP BY {', '.join(place)}"
        )
        before = [*self.sources.expressions(), f"{self.anchors_name} AS ({self._anchors()})"]
        before += [
            f"{name} AS ({text})" for _, name, text in (self.rules.expressions if self.rules is not None else ())
        ]
        return Statement("WITH " + ",\n".join(before) + "\n" + rows, tuple(self.parameters.values))

    # ------------------------------------------------------------ rules of a ranking

    def _rules(self) -> RuleSql:
        def facts(past: BoundAggregate) -> tuple[str, bool]:
            return self._facts(past.fact, past.route, past.argument, past.where, ())

        def bounded(past: BoundAggregate) -> str:
            rows, guarded = facts(past)
            return f"FROM {self.anchors_name} AS a JOIN ({rows}) AS f ON {self._inside(past, guarded=guarded)}"

        return rule_sql(self.query, self.sources, self.parameters, self.keys, lambda past: facts(past)[0], bounded)

    # ------------------------------------------------------------ anchors

    def _anchors(self) -> str:
        moments = ", ".join(self.parameters.bind(to_datetime(time)) for time in self.times)
        bounds = ", ".join(["epoch_us(moment) AS anchor", *self._bounds("moment")])
        source = f"SELECT unnest(CAST([{moments}] AS TIMESTAMP[])) AS moment"
        if self.awaited is not None:
            borders = [self.parameters.bind(time) for time in watched_until(self.plan, self.times)]
            source += f", unnest(CAST([{', '.join(borders)}] AS BIGINT[])) AS border"
            window, end = self.awaited.window, self.parameters.bind(end_of_data(self.plan))
            ends = f"epoch_us(moment + INTERVAL ({window.end}) {_unit(window)})"
            more = f"{ends} AS ends, least({ends}, border) AS seen, least({ends}, {end}) AS until"
            return f"SELECT moment, {bounds}, {more} FROM ({source}) AS m"
        if self.grid is None:
            return f"SELECT moment, {bounds} FROM ({source}) AS m"
        whole = set(self.plan.split.times("train", "valid", "test"))
        counts = ", ".join(self.parameters.bind(self.grid.count if time in whole else 1) for time in self.times)
        source += f", unnest(CAST([{counts}] AS INTEGER[])) AS steps"
        each = f"SELECT moment, unnest(range(steps)) AS step FROM ({source}) AS m"
        return f"SELECT moment, step, {bounds} FROM ({each}) AS m"

    def _own_anchors(self) -> str:
        """The anchors of rows with their own time: just before it."""
        keys = ", ".join(identifier(key) for key in self.keys)
        moment = f"make_timestamp({identifier(TIME)} - 1)"
        bounds = ", ".join([f"{moment} AS moment", f"{identifier(TIME)} - 1 AS anchor", *self._bounds(moment)])
        return f"SELECT {keys}, {bounds} FROM {self.entities_name} WHERE {identifier(TIME)} IS NOT NULL"

    def _bounds(self, moment: str) -> list[str]:
        found = []
        for i, (window, moves) in enumerate(self.windows):
            moved = ""
            if self.grid is not None and moves:
                moved = f" + step * {self.grid.moved(BoundWindow(0, 0, window.unit), 1).end}"
            if window.start is not None:
                found.append(f"epoch_us({moment} + INTERVAL ({window.start}{moved}) {_unit(window)}) AS after_{i}")
            found.append(f"epoch_us({moment} + INTERVAL ({window.end}{moved}) {_unit(window)}) AS until_{i}")
        return found

    # ------------------------------------------------------------ entities

    def _entities(self) -> str:
        """Key, clock and static columns of every entity, one row per key; columns of other rows with their clocks."""
        table, keys = self.query.entity.table, self.query.entity.keys
        scope = RowScope(self.sources, table, "e")
        selected = [
            f"{scope.column(self._own(key))} AS {identifier(name)}" for key, name in zip(keys, self.keys, strict=True)
        ]
        extra = []
        for i, reference in enumerate(self.static):
            selected.append(f"{scope.column(reference)} AS column_{i}")
            extra.append(f"column_{i}")
            clocks = scope.clocks(reference.route)
            if clocks and (self.by_row or not self.query.is_static):
                selected.append(f"{_latest(clocks)} AS known_{i}")
                extra.append(f"known_{i}")
        present = " AND ".join(f"e.{identifier(key)} IS NOT NULL" for key in keys)
        rows = (
            f"SELECT {', '.join([*selected, f'e.{identifier(TIME)}'])} "
            f"FROM {self.sources.rows(table, keys)} AS e{_joined(scope)} WHERE {present}"
        )
        if is_unique(self.catalog.table(table), keys):
            return rows
        return collapse_sql(f"({rows}) AS r", self.keys, extra)

    def _own(self, column: str) -> ColumnRef:
        meta = self.catalog.table(self.query.entity.table).column(column)
        return ColumnRef(self.query.entity.table, column, meta.type, meta.stype)

    def _guard(self) -> str | None:
        """When each entity without a time of its own was first seen; None where rows need no such proof."""
        table = self.catalog.table(self.query.entity.table)
        if self.query.is_static or table.clock.kind != "none" or not self.query.options.first_seen:
            return None
        routes: list[tuple[str, Route]] = [
            (link.child, (Step(link),))
            for link in self.catalog.links_to(table.name)
            if self.catalog.table(link.child).clock.kind != "none"
        ]
        if not routes:
            routes = [
                (a.fact, a.route)
                for a in aggregates(self.query.target)
                if self.catalog.table(a.fact).clock.kind != "none"
            ]
        if not routes:
            return None
        parts = [self._facts(fact, route, None, None, ())[0] for fact, route in dict.fromkeys(routes)]
        keys = ", ".join(identifier(key) for key in self.keys)
        return (
            f"SELECT {keys}, min(known) AS {identifier(TIME)} FROM "
            f"({' UNION ALL '.join(f'SELECT {keys}, known FROM ({part})' for part in parts)}) AS s GROUP BY {keys}"
        )

    # ------------------------------------------------------------ aggregates

    def _name(self, index: int) -> str:
        return self.sources.own_name(f"aggregate_{index}")

    def _aggregate(self, windowed: _Windowed) -> str:
        aggregate = windowed.aggregate
        key = self.catalog.table(aggregate.fact).key
        ties = key.columns if key is not None and aggregate.function in ("FIRST", "LAST", "ARRAY_AGG") else ()
        facts, guarded = self._facts(aggregate.fact, aggregate.route, aggregate.argument, aggregate.where, ties)
        conditions = [f"f.{identifier(key)} = a.{identifier(key)}" for key in self.keys] if self.by_row else []
        conditions.append(self._inside(aggregate, moves=windowed.moves, guarded=guarded))
        if self.grid is not None and not windowed.moves:
            conditions.append("a.step = 0")
        value, joins, listed = aggregate_sql(aggregate, len(ties)), "", ""
        if self.rules is not None and aggregate == self.target:
            value = aggregate_sql(aggregate, len(ties), only=self.rules.condition)
            joins, listed = "".join(f" {join}" for join in self.rules.joins), ", count(f.value) AS listed"
        grouped = [*(f"f.{identifier(key)}" for key in self.keys), "a.anchor", *(["a.step"] if windowed.moves else [])]
        return (
            f"SELECT {', '.join(grouped)}, {value} AS value{listed} "
            f"FROM {self.anchors_name} AS a JOIN ({facts}) AS f ON {' AND '.join(conditions)}{joins} "
            f"GROUP BY {', '.join(grouped)}"
        )

    def _inside(self, aggregate: BoundAggregate, *, moves: bool = False, guarded: bool) -> str:
        """The condition that a fact row `f` lies in the window of an aggregate at an anchor `a`."""
        if aggregate == self.awaited:
            return "f.time > a.anchor AND f.time <= a.seen" + (" AND f.known <= a.seen" if guarded else "")
        window = self.windows.index((aggregate.window, moves))
        conditions = []
        if aggregate.window.start is not None:
            conditions.append(f"f.time > a.after_{window}")
        conditions.append(f"f.time <= a.until_{window}")
        if self.by_row:
            conditions.append("f.time <= a.anchor")
        if guarded:
            conditions.append(f"f.known <= greatest(a.until_{window}, a.anchor)")
        return " AND ".join(conditions)

    def _awaited(self, target: BoundAggregate) -> str:
        """When the event comes first after each anchor (up to `seen`, up to `until`), and when it came before."""
        facts, guarded = self._facts(target.fact, target.route, target.argument, target.where, ())

        def within(bound: str, lower: str = "") -> str:
            known = f" AND f.known <= a.{bound}" if guarded else ""
            return f"FILTER (WHERE {lower}f.time <= a.{bound}{known})"

        grouped = [*(f"f.{identifier(key)}" for key in self.keys), "a.anchor"]
        after = "f.time > a.anchor AND "
        selected = [
            *grouped,
            f"min(f.time) {within('seen', after)} - a.anchor AS event",
            f"min(f.time) {within('until', after)} - a.anchor AS final_event",
            f"count(*) {within('anchor')} AS past",
            f"a.anchor - min(f.time) {within('anchor')} AS first",
            f"a.anchor - max(f.time) {within('anchor')} AS last",
        ]
        present = "" if target.argument is None else " AND f.value IS NOT NULL"
        return (
            f"SELECT {', '.join(selected)} FROM {self.anchors_name} AS a JOIN ({facts}) AS f "
            f"ON f.time <= a.until{present} GROUP BY {', '.join(grouped)}"
        )

    def _facts(
        self, fact: str, route: Route, argument: Expression | None, where: Expression | None, ties: Sequence[str]
    ) -> tuple[str, bool]:
        """The rows of a fact table that belong to an entity, with its key: time, known, value, tie_0 …

        Second: whether a row may be known later than its own time.
        """
        scope = RowScope(self.sources, fact, "f")
        several = any(not step.up for step in route)
        keys = self._keys_reached(scope, route)

        def resolve(node: ColumnRef | BoundAggregate) -> str:
            assert isinstance(node, ColumnRef)
            return scope.column(node)

        value = expression_sql(argument, resolve, self.parameters) if argument is not None else "TRUE"
        condition = expression_sql(where, resolve, self.parameters) if where is not None else ""
        ties_text = [f"f.{identifier(column)} AS tie_{i}" for i, column in enumerate(ties)]
        name = self.sources.rows(fact, ties)
        if several:
            name = f"(SELECT *, row_number() OVER () AS __number FROM {name})"
        known = _latest([f"f.{identifier(TIME)}", *scope.known])
        selected = [
            *(f"{text} AS {identifier(key)}" for text, key in zip(keys, self.keys, strict=True)),
            f"f.{identifier(TIME)} AS time",
            f"{known} AS known",
            f"{value} AS value",
            *ties_text,
        ]
        conditions = [f"{text} IS NOT NULL" for text in keys] + ([condition] if condition else [])
        rows = (
            f"SELECT {', '.join([*selected, 'f.__number'] if several else selected)} FROM {name} AS f{_joined(scope)} "
            f"WHERE {' AND '.join(conditions)}"
        )
        if several:
            named = ", ".join(identifier(key) for key in self.keys)
            same = ["time", "value", *(f"tie_{i}" for i in range(len(ties)))]
            others = ", ".join(f"any_value({column}) AS {column}" for column in same)
            rows = f"SELECT {named}, {others}, min(known) AS known FROM ({rows}) AS r GROUP BY {named}, __number"
        return rows, bool(scope.known)

    def _keys_reached(self, scope: RowScope, route: Route) -> list[str]:
        """The entity's key columns as reached from a fact row; the last join is spared where the link holds the key."""
        keys = self.query.entity.keys
        if route and route[-1].up and set(keys) <= set(route[-1].link.parent_columns):
            link = route[-1].link
            alias = scope.follow(route[:-1], inner=True)
            columns = [link.child_columns[link.parent_columns.index(key)] for key in keys]
            for column in columns:
                scope.follow(route[:-1], column)
            return [f"{alias}.{identifier(column)}" for column in columns]
        alias = scope.follow(route, inner=True)
        for key in keys:
            scope.follow(route, key)
        return [f"{alias}.{identifier(key)}" for key in keys]

    # ------------------------------------------------------------ rows

    def _rows(self, *, guarded: bool) -> str:
        keys = [f"e.{identifier(key)}" for key in self.keys]

        def resolve(node: ColumnRef | BoundAggregate, *, moves: bool = self.grid is not None) -> str:
            if isinstance(node, BoundAggregate):
                index = self.aggregates.index(_Windowed(node, moves))
                return value_sql(node, f"g{index}.value")
            index = self.static.index(node)
            if node.route and not self.query.is_static and self._has_known(node):
                return f"(CASE WHEN e.known_{index} <= a.anchor THEN e.column_{index} END)"
            return f"e.column_{index}"

        def still(node: ColumnRef | BoundAggregate) -> str:
            return resolve(node, moves=False)

        def resolve_known(node: ColumnRef | BoundAggregate) -> str:
            """In WHERE, a row with its own time reads what is known at that time, even in its target's columns."""
            text = resolve(node, moves=False)
            if self.by_row and isinstance(node, ColumnRef) and node.route and self._has_known(node):
                return f"(CASE WHEN e.known_{self.static.index(node)} <= e.{identifier(TIME)} THEN {text} END)"
            return text

        selected = [*keys, "a.moment AS anchor", *(["a.step AS step"] if self.grid is not None else [])]
        if self.awaited is not None:
            selected += [
                "a.ends - a.anchor AS horizon",
                "a.seen - a.anchor AS seen",
                "a.until - a.anchor AS final_seen",
            ]
            selected += ["w.event", "w.final_event", "coalesce(w.past, 0) AS past", "w.first", "w.last"]
        elif self.target is not None:
            selected.append(f"{self._label(resolve)} AS label")
        if self.rules is not None:
            selected.append("(g0.value IS NULL AND coalesce(g0.listed, 0) > 0) AS ruled_out")  # the target is the first
        where = self.query.where
        eligible = (
            f"coalesce({expression_sql(where, resolve_known, self.parameters)}, FALSE)" if where is not None else "TRUE"
        )
        selected.append(f"{eligible} AS eligible")
        if self.assumed is not None:
            selected.append(f"coalesce({expression_sql(self.assumed, still, self.parameters)}, FALSE) AS assumed")
        joins = []
        if self.by_row:
            joins.append(f"LEFT JOIN {self.anchors_name} AS a ON {self._same_key('a', 'e')}")
        else:
            joins.append(f"CROSS JOIN {self.anchors_name} AS a")
        if guarded:
            joins.append(f"JOIN {self.seen_name} AS s ON {self._same_key('s', 'e')}")
        for i, windowed in enumerate(self.aggregates):
            same = f"{self._same_key(f'g{i}', 'e')} AND g{i}.anchor = a.anchor"
            same += f" AND g{i}.step = a.step" if windowed.moves else ""
            joins.append(f"LEFT JOIN {self._name(i)} AS g{i} ON {same}")
        if self.awaited is not None:
            name = self.sources.own_name("awaited")
            joins.append(f"LEFT JOIN {name} AS w ON {self._same_key('w', 'e')} AND w.anchor = a.anchor")
        exists = self._exists(guarded=guarded)
        return (
            f"SELECT {', '.join(selected)}\nFROM {self.entities_name} AS e\n"
            + "\n".join(joins)
            + exists
            + f"\nORDER BY a.moment, {', '.join([*keys, *(['a.step'] if self.grid is not None else [])])}"
        )

    def _has_known(self, node: ColumnRef) -> bool:
        scope = RowScope(Sources(self.catalog, None), self.query.entity.table, "e")
        scope.column(node)
        return bool(scope.clocks(node.route))

    def _label(self, resolve: Resolve) -> str:
        assert self.target is not None
        kind, target = self.query.task, self.target
        text = expression_sql(target, resolve, self.parameters)
        if kind is TaskKind.BINARY:
            return f"CAST({text} AS BOOLEAN)"
        if kind in (TaskKind.REGRESSION, TaskKind.FORECAST):
            if target.type is LogicalType.TIMESTAMP:
                raise PqlError("not_supported", "a date or time can't be predicted as a number yet", span=target.span)
            return f"CAST({text} AS DOUBLE)"
        if kind is TaskKind.MULTILABEL and not self.query.is_static:
            return f"coalesce({text}, [])"
        return text

    def _same_key(self, left: str, right: str) -> str:
        return " AND ".join(f"{left}.{identifier(key)} = {right}.{identifier(key)}" for key in self.keys)

    def _exists(self, *, guarded: bool) -> str:
        """Who exists at the anchor (LANGUAGE §3)."""
        if self.query.is_static:
            return ""
        if guarded:
            return f"\nWHERE s.{identifier(TIME)} <= a.anchor"
        kind = self.catalog.table(self.query.entity.table).clock.kind
        if kind == "none" or (kind == "seen" and not self.query.options.first_seen):
            return ""
        return f"\nWHERE e.{identifier(TIME)} <= a.anchor"


def end_of_data(plan: Plan) -> int:
    """The time up to which labels may look."""
    split = plan.split
    return split.prediction if split.complete_until is None else min(split.prediction, split.complete_until)


def watched_until(plan: Plan, anchors: Sequence[int]) -> list[int]:
    """Up to which time the label of each anchor may look while models are chosen: the oldest validation anchor for
    training, the oldest test anchor for validation, else the end of the data."""
    split, end = plan.split, end_of_data(plan)
    valid, test = split.times("valid"), split.times("test")
    found = []
    for anchor in anchors:
        borders = (valid[:1] if anchor in split.times("train") else test[:1] if anchor in valid else ()) or (end,)
        found.append(min(end, *borders))
    return found


def columns_of_entity(*expressions: Expression | None) -> tuple[ColumnRef, ...]:
    """The columns of the entity's row (or of rows it points to) that the expressions read outside of aggregates."""
    inside = {id(c) for a in aggregates(*expressions) for c in columns_read(a.argument, a.where)}
    return tuple(c for c in columns_read(*expressions) if id(c) not in inside)


def _unit(window: BoundWindow) -> str:
    return window.unit.removesuffix("s").upper()


def _latest(clocks: Sequence[str]) -> str:
    return clocks[0] if len(clocks) == 1 else f"greatest({', '.join(clocks)})"


def _joined(scope: RowScope) -> str:
    return "".join(f" {join}" for join in scope.joins)


def _free(name: str, taken: frozenset[str]) -> str:
    while name.lower() in taken:
        name += "_"
    return name
