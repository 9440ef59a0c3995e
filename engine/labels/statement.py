"""The label statement: common table expressions for anchors, relations, entities and aggregates, then the rows."""

from __future__ import annotations

from collections.abc import Sequence

from pql.backends.sql import identifier
from pql.engine.labels.aggregate_sql import value_sql
from pql.engine.labels.anchor_sql import anchors_sql, own_anchors_sql
from pql.engine.labels.entity_sql import entities_sql, exists_sql, guard_sql
from pql.engine.labels.expressions import Resolve, RowScope, Sources, Statement, expression_sql
from pql.engine.labels.rule_sql import RuleSql, groups_sql, has_label_rules
from pql.engine.labels.scope import LabelScope, Windowed
from pql.engine.labels.window_sql import awaited_sql, rules_of, windowed_sql
from pql.engine.planning.plan import Plan
from pql.engine.planning.relations import TIME
from pql.language.bound import BoundAggregate, ColumnRef, TaskKind
from pql.language.catalog import LogicalType
from pql.language.errors import PqlError


def label_statement(plan: Plan) -> Statement:
    """The SQL of the training table: one row per existing entity and labelled (or lag) anchor.

    Columns: the key columns (a name we use ourselves gets a `_`), `anchor` (TIMESTAMP), of a forecast `step` (from 0),
    `label`, `eligible`, and where the query assumes a future, `assumed`: whether it came about. A forecast has a row
    for each step; at an anchor that only serves as a lag, for the first. TIME_TO has the columns of `WATCHED` for
    `label`, and rows at the prediction anchor too, for what happened before it.
    """
    roles = ("late", "predict") if plan.query.task is TaskKind.TIME_TO_EVENT else ()
    times = tuple(sorted(set(plan.split.times("train", "valid", "test", "lag", *roles))))
    return _statement(LabelScope(plan, times, plan.query.target))


def eligible_statement(plan: Plan, anchors: Sequence[int]) -> Statement:
    """The same without labels, for any anchors up to the prediction anchor: who exists, and for whom WHERE holds."""
    return _statement(LabelScope(plan, tuple(anchors), None))


def rule_statements(plan: Plan, anchors: Sequence[int]) -> dict[str, Statement]:
    """What the rules of a ranking read, by name: `candidates` (value, known), `groups` (value, part, known) and
    `excluded_i` (the entity's key, value, and since or anchor), all up to the prediction anchor."""
    query = plan.query
    assert query.item is not None
    found: dict[str, Statement] = {}
    if has_label_rules(query):
        found = _label_rules(LabelScope(plan, tuple(anchors), query.target))
    if query.at_most is not None:
        sources = Sources(query.catalog, plan.split.prediction)
        text = groups_sql(query.item, query.at_most[1], sources)
        found["groups"] = Statement(f"WITH {', '.join(sources.expressions())}\n{text}")
    return found


def _statement(scope: LabelScope) -> Statement:
    rules = rules_of(scope)
    if scope.target is not None and not scope.by_row and not scope.times:
        raise PqlError(
            "no_anchors",
            "there is no anchor to make examples at",
            hint="A shorter window, or an earlier start of the history, leaves room for anchors.",
        )
    parts = []
    entities = entities_sql(scope)
    guard = guard_sql(scope)
    if not scope.by_row:
        parts.append(f"{scope.anchors_name} AS ({anchors_sql(scope)})")
    if guard is not None:
        parts.append(f"{scope.seen_name} AS ({guard})")
    parts.append(f"{scope.entities_name} AS ({entities})")
    if scope.by_row:
        parts.append(f"{scope.anchors_name} AS ({own_anchors_sql(scope)})")
    parts += [f"{name} AS ({text})" for _, name, text in (rules.expressions if rules is not None else ())]
    parts += [f"{scope.aggregate_name(i)} AS ({windowed_sql(scope, a, rules)})" for i, a in enumerate(scope.aggregates)]
    if scope.awaited is not None:
        parts.append(f"{scope.sources.own_name('awaited')} AS ({awaited_sql(scope, scope.awaited)})")
    rows = _rows_sql(scope, rules, guarded=guard is not None)
    text = ",\n".join([*scope.sources.expressions(), *parts])
    return Statement(f"WITH {text}\n{rows}", tuple(scope.parameters.values))


def _label_rules(scope: LabelScope) -> dict[str, Statement]:
    """One statement per expression of the rules."""
    rules = rules_of(scope)
    assert rules is not None
    before = [*scope.sources.expressions(), f"{scope.anchors_name} AS ({anchors_sql(scope)})"]
    values, text = tuple(scope.parameters.values), ",\n".join(before)
    whole = {which: Statement(f"WITH {text}\n{rows}", values) for which, _, rows in rules.expressions}
    return {which: Statement(one.literal_text()) for which, one in whole.items()}  # each has but some parameters


def _rows_sql(scope: LabelScope, rules: RuleSql | None, *, guarded: bool) -> str:
    keys = [f"e.{identifier(key)}" for key in scope.keys]

    def resolve(node: ColumnRef | BoundAggregate, *, moves: bool = scope.grid is not None) -> str:
        if isinstance(node, BoundAggregate):
            index = scope.aggregates.index(Windowed(node, moves))
            return value_sql(node, f"g{index}.value")
        index = scope.static.index(node)
        if node.route and not scope.query.is_static and _has_known(scope, node):
            return f"(CASE WHEN e.known_{index} <= a.anchor THEN e.column_{index} END)"
        return f"e.column_{index}"

    def still(node: ColumnRef | BoundAggregate) -> str:
        return resolve(node, moves=False)

    def resolve_known(node: ColumnRef | BoundAggregate) -> str:
        """In WHERE, a row with its own time reads what is known at that time, even in its target's columns."""
        text = resolve(node, moves=False)
        if scope.by_row and isinstance(node, ColumnRef) and node.route and _has_known(scope, node):
            return f"(CASE WHEN e.known_{scope.static.index(node)} <= e.{identifier(TIME)} THEN {text} END)"
        return text

    selected = [*keys, "a.moment AS anchor", *(["a.step AS step"] if scope.grid is not None else [])]
    if scope.awaited is not None:
        selected += [
            "a.ends - a.anchor AS horizon",
            "a.seen - a.anchor AS seen",
            "a.until - a.anchor AS final_seen",
        ]
        selected += ["w.event", "w.final_event", "coalesce(w.past, 0) AS past", "w.first", "w.last"]
    elif scope.target is not None:
        selected.append(f"{_label(scope, resolve)} AS label")
    if rules is not None:
        selected.append("(g0.value IS NULL AND coalesce(g0.listed, 0) > 0) AS ruled_out")  # the target is the first
    where = scope.query.where
    eligible = (
        f"coalesce({expression_sql(where, resolve_known, scope.parameters)}, FALSE)" if where is not None else "TRUE"
    )
    selected.append(f"{eligible} AS eligible")
    if scope.assumed is not None:
        selected.append(f"coalesce({expression_sql(scope.assumed, still, scope.parameters)}, FALSE) AS assumed")
    joins = []
    if scope.by_row:
        joins.append(f"LEFT JOIN {scope.anchors_name} AS a ON {scope.same_key('a', 'e')}")
    else:
        joins.append(f"CROSS JOIN {scope.anchors_name} AS a")
    if guarded:
        joins.append(f"JOIN {scope.seen_name} AS s ON {scope.same_key('s', 'e')}")
    for i, windowed in enumerate(scope.aggregates):
        same = f"{scope.same_key(f'g{i}', 'e')} AND g{i}.anchor = a.anchor"
        same += f" AND g{i}.step = a.step" if windowed.moves else ""
        joins.append(f"LEFT JOIN {scope.aggregate_name(i)} AS g{i} ON {same}")
    if scope.awaited is not None:
        name = scope.sources.own_name("awaited")
        joins.append(f"LEFT JOIN {name} AS w ON {scope.same_key('w', 'e')} AND w.anchor = a.anchor")
    exists = exists_sql(scope, guarded=guarded)
    return (
        f"SELECT {', '.join(selected)}\nFROM {scope.entities_name} AS e\n"
        + "\n".join(joins)
        + exists
        + f"\nORDER BY a.moment, {', '.join([*keys, *(['a.step'] if scope.grid is not None else [])])}"
    )


def _label(scope: LabelScope, resolve: Resolve) -> str:
    assert scope.target is not None
    kind, target = scope.query.task, scope.target
    text = expression_sql(target, resolve, scope.parameters)
    if kind is TaskKind.BINARY:
        return f"CAST({text} AS BOOLEAN)"
    if kind in (TaskKind.REGRESSION, TaskKind.FORECAST):
        if target.type is LogicalType.TIMESTAMP:
            raise PqlError(
                "not_supported",
                "a date or time can't be predicted as a number yet",
                span=target.span,
                hint="Compare it with a date, or ask TIME_TO(table.*, 0, 30, days)",
            )
        return f"CAST({text} AS DOUBLE)"
    if kind is TaskKind.MULTILABEL and not scope.query.is_static:
        return f"coalesce({text}, [])"
    return text


def _has_known(scope: LabelScope, node: ColumnRef) -> bool:
    reach = RowScope(Sources(scope.catalog, None), scope.query.entity.table, "e")
    reach.column(node)
    return bool(reach.clocks(node.route))
