"""What happened in the windows of an entity at an anchor: aggregates, and when an event is awaited."""

from __future__ import annotations

from pql.backends.sql import identifier
from pql.engine.labels.aggregate_sql import aggregate_sql
from pql.engine.labels.fact_sql import facts_sql, inside_sql, known_by_sql
from pql.engine.labels.rule_sql import RuleSql, has_label_rules, rule_sql
from pql.engine.labels.scope import LabelScope, Windowed
from pql.language.bound import BoundAggregate


def windowed_sql(scope: LabelScope, windowed: Windowed, rules: RuleSql | None) -> str:
    """An aggregate of the facts in its window, per entity and anchor; the rules of a ranking bound the target."""
    aggregate = windowed.aggregate
    key = scope.catalog.table(aggregate.fact).key
    ties = key.columns if key is not None and aggregate.function in ("FIRST", "LAST", "ARRAY_AGG") else ()
    facts, guarded = facts_sql(scope, aggregate.fact, aggregate.route, aggregate.argument, aggregate.where, ties)
    conditions = [f"f.{identifier(key)} = a.{identifier(key)}" for key in scope.keys] if scope.by_row else []
    conditions.append(inside_sql(scope, aggregate, moves=windowed.moves, guarded=guarded))
    if scope.grid is not None and not windowed.moves:
        conditions.append("a.step = 0")
    value, joins, listed = aggregate_sql(aggregate, len(ties)), "", ""
    if rules is not None and aggregate == scope.target:
        value = aggregate_sql(aggregate, len(ties), only=rules.condition)
        joins, listed = "".join(f" {join}" for join in rules.joins), ", count(f.value) AS listed"
    grouped = [*(f"f.{identifier(key)}" for key in scope.keys), "a.anchor", *(["a.step"] if windowed.moves else [])]
    return (
        f"SELECT {', '.join(grouped)}, {value} AS value{listed} "
        f"FROM {scope.anchors_name} AS a JOIN ({facts}) AS f ON {' AND '.join(conditions)}{joins} "
        f"GROUP BY {', '.join(grouped)}"
    )


def awaited_sql(scope: LabelScope, target: BoundAggregate) -> str:
    """When the event comes first after each anchor (up to `seen`, up to `until`), and when it came before."""
    facts, guarded = facts_sql(scope, target.fact, target.route, target.argument, target.where, ())

    def within(bound: str, lower: str = "") -> str:
        known = f" AND {known_by_sql(f'a.{bound}')}" if guarded else ""
        return f"FILTER (WHERE {lower}f.time <= a.{bound}{known})"

    grouped = [*(f"f.{identifier(key)}" for key in scope.keys), "a.anchor"]
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
        f"SELECT {', '.join(selected)} FROM {scope.anchors_name} AS a JOIN ({facts}) AS f "
        f"ON f.time <= a.until{present} GROUP BY {', '.join(grouped)}"
    )


def rules_of(scope: LabelScope) -> RuleSql | None:
    """The rules that bound the label of a ranking; None where there are none."""
    if scope.target is None or not has_label_rules(scope.query):
        return None

    def facts(past: BoundAggregate) -> tuple[str, bool]:
        return facts_sql(scope, past.fact, past.route, past.argument, past.where, ())

    def bounded(past: BoundAggregate) -> str:
        rows, guarded = facts(past)
        return f"FROM {scope.anchors_name} AS a JOIN ({rows}) AS f ON {inside_sql(scope, past, guarded=guarded)}"

    return rule_sql(scope.query, scope.sources, scope.parameters, scope.keys, lambda past: facts(past)[0], bounded)
