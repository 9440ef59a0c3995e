"""The statement of the rows behind each label, for people who want to see them."""

from __future__ import annotations

from pql.backends.sql import identifier
from pql.engine.labels.anchor_sql import anchors_sql
from pql.engine.labels.expressions import Statement
from pql.engine.labels.fact_sql import facts_sql, inside_sql
from pql.engine.labels.scope import LabelScope
from pql.engine.labels.window_sql import rules_of
from pql.engine.planning.plan import Plan
from pql.engine.planning.planned_graph import aggregates

EVENT = {"table": "VARCHAR", "key": "VARCHAR", "time": "TIMESTAMP", "value": "VARCHAR"}  # a row behind a label


def event_statement(plan: Plan, most: int) -> Statement:
    """The SQL of the rows behind each label: at most the first `most` by time, and how many there are.

    Columns: the key columns, `moment` (TIMESTAMP), of a forecast `step` (from 0), `events` (structs as of `EVENT`),
    `event_count`. A row counts that lies in a window of the target, passes its filter and is no NULL to the aggregate;
    once, however many aggregates of the target read it.
    """
    scope = LabelScope(plan, tuple(plan.split.times("train", "valid", "test")), plan.query.target)
    rules = rules_of(scope)
    moving = scope.grid is not None
    place = [*(identifier(key) for key in scope.keys), "moment", *(["step"] if moving else [])]
    parts = []
    for aggregate in dict.fromkeys(aggregates(scope.target)):
        key = scope.catalog.table(aggregate.fact).key
        ties = key.columns if key is not None else ()
        facts, guarded = facts_sql(scope, aggregate.fact, aggregate.route, aggregate.argument, aggregate.where, ties)
        row = {
            "time": "make_timestamp(f.time)",
            "table": scope.parameters.bind(aggregate.fact),
            "key": f"nullif(concat_ws(', ', {', '.join(f'f.tie_{i}' for i in range(len(ties)))}), '')"
            if ties
            else "NULL",
            "value": "CAST(f.value AS VARCHAR)" if aggregate.argument is not None else "NULL",
        }
        packed = ", ".join(f"{identifier(name)} := CAST({text} AS {EVENT[name]})" for name, text in row.items())
        own = [*(f"f.{identifier(key)}" for key in scope.keys), "a.moment", *(["a.step"] if moving else [])]
        ruled = rules is not None and aggregate == scope.target
        joins = "".join(f" {join}" for join in rules.joins) if rules is not None and ruled else ""
        kept = [inside_sql(scope, aggregate, moves=moving, guarded=guarded)]
        kept += ["f.value IS NOT NULL"] if aggregate.argument is not None else []
        kept += [rules.condition] if rules is not None and ruled and rules.condition else []
        parts.append(
            f"SELECT {', '.join(own)}, struct_pack({packed}) AS event FROM {scope.anchors_name} AS a "
            f"CROSS JOIN ({facts}) AS f{joins} WHERE {' AND '.join(kept)}"
        )
    shown = ", ".join(f"{identifier(name)} := x.{identifier(name)}" for name in EVENT)
    rows = (
        f"SELECT {', '.join(place)}, list_transform(min(event, {most}), lambda x: struct_pack({shown})) AS events, "
        f"count(*) AS event_count FROM ({' UNION '.join(parts) if len(parts) > 1 else parts[0]}) AS r "
        f"GROUP BY {', '.join(place)}"
    )
    before = [*scope.sources.expressions(), f"{scope.anchors_name} AS ({anchors_sql(scope)})"]
    before += [f"{name} AS ({text})" for _, name, text in (rules.expressions if rules is not None else ())]
    return Statement("WITH " + ",\n".join(before) + "\n" + rows, tuple(scope.parameters.values))
