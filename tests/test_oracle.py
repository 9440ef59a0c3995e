"""The label SQL says what the oracle says, on random databases and random queries."""

from __future__ import annotations

import datetime as dt
import math
import random

import pytest
from databases import Database, day, plan_by_hand, us
from oracle import training_table
from oracle_reach import walk
from random_worlds import random_database, random_query, world_of

from pql.engine.graph.history import History, load, needed_tables
from pql.engine.labels.statement import label_statement
from pql.engine.labels.training_table import compute_eligible, compute_labels
from pql.engine.planning.anchors import to_datetime
from pql.engine.planning.plan import Plan
from pql.language import ast
from pql.language.binder import bind
from pql.language.functions import FUNCTIONS
from pql.language.parser import parse_predict

ANCHORS = tuple(us(d) for d in (0, 10, 20, 30))
UNTIL = us(60)
DATABASES, MANY, BLOCKS, QUERIES = 144, 1200, 8, 2


def close(one, other) -> bool:
    """The same value, but for the last bits of sums."""
    if isinstance(one, float) and isinstance(other, int | float) and not isinstance(other, bool):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return type(one) is type(other) and one == other


def by_oracle(text: str, plan: Plan, database) -> dict:
    world = world_of(database, to_datetime(UNTIL), first_seen=plan.query.options.first_seen)
    rows = training_table(parse_predict(text), world, [to_datetime(anchor) for anchor in ANCHORS])
    return {(row.key, row.anchor): (row.label, row.eligible, row.usable) for row in rows}


def by_sql(plan: Plan, history: History) -> dict:
    table = compute_labels(history, plan)
    keys = list(zip(*(table.keys.column(name).to_pylist() for name in table.keys.column_names), strict=True))
    anchors = [to_datetime(int(anchor)) for anchor in table.anchors]
    rows = zip(table.label.to_pylist(), table.eligible.tolist(), table.usable.tolist(), strict=True)
    return dict(zip(zip(keys, anchors, strict=True), rows, strict=True))


def number(value):
    """What the oracle counts in whole numbers the training table holds as doubles."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("block", range(BLOCKS))
def test_label_sql_means_what_the_oracle_means(block: int) -> None:
    agree(range(block, DATABASES, BLOCKS))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(BLOCKS))
def test_label_sql_means_what_the_oracle_means_in_many(block: int) -> None:
    agree(range(DATABASES + block, MANY, BLOCKS))


def agree(seeds: range) -> None:
    checked = 0
    for seed in seeds:
        rng = random.Random(seed)
        database = random_database(rng)
        catalog = database.catalog()
        with database.snapshot() as snapshot:
            every = {table.name: [column.name for column in table.columns] for table in catalog.tables}
            history = load(snapshot, catalog, every, UNTIL)
        for number_of_query in range(QUERIES):
            text = random_query(rng, database)
            query = bind(parse_predict(text), catalog, text=text)
            plan = plan_by_hand(query, ANCHORS, until=UNTIL)
            expected, found = by_oracle(text, plan, database), by_sql(plan, history)
            defined = {place: row for place, row in expected.items() if row[0] is not None}
            assert set(found) == set(defined), f"seed {seed}: {text}"
            for place, (label, *chosen) in found.items():
                wanted, *wanted_chosen = defined[place]
                wanted = number(wanted) if isinstance(label, float) else wanted
                assert close(label, wanted), f"seed {seed}: {text}\n{place}: {label!r}, not {wanted!r}"
                assert chosen == wanted_chosen, f"seed {seed}: {text}\n{place}"
            checked += len(found)
            if number_of_query == 0 and seed % 3 == 0:
                same_as_pasted(plan, history, database)
                eligibles = compute_eligible(history, plan, ANCHORS)
                assert len(eligibles) == len(expected), f"seed {seed}: {text}"
                assert int(eligibles.eligible.sum()) == sum(eligible for _, eligible, _ in expected.values())
        history.close()
    assert checked > 50


def same_as_pasted(plan: Plan, history: History, database: Database) -> None:
    """The statement with literals, in a plain DuckDB, gives the same rows as with parameters over the history."""
    statement = label_statement(plan)
    con = database.connect()
    pasted = con.sql(statement.literal_text()).to_arrow_table()
    con.close()
    assert pasted.equals(history.query(statement.sql, statement.parameters).cast(pasted.schema))


def test_the_random_queries_use_all_that_a_label_can_be_made_of() -> None:
    used: set[str] = set()
    for seed in range(900):
        rng = random.Random(seed)
        query = parse_predict(random_query(rng, random_database(rng)))
        for node in walk((query.target, query.where, query.assuming), object):
            if isinstance(node, ast.Aggregate):
                used.add(node.function)
                used.add("row filter" if node.where is not None else "no row filter")
            elif isinstance(node, ast.Comparison | ast.Arithmetic | ast.Match):
                used.add(f"{'NOT ' if getattr(node, 'negated', False) else ''}{node.op}")
            elif isinstance(node, ast.Expression):
                used.add(f"{'NOT ' if getattr(node, 'negated', False) else ''}{type(node).__name__}")
        used |= {type(task).__name__ for task in query.tasks}
        used |= {clause for clause in ("where", "assuming") if getattr(query, clause) is not None}
    assert {*FUNCTIONS, "BOOL"} - {"TIME_TO"} <= used
    assert {"=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "Negate", "And", "Or", "Not"} <= used
    assert {"LIKE", "NOT LIKE", "CONTAINS", "NOT CONTAINS", "STARTS WITH", "ENDS WITH", "NOT STARTS WITH"} <= used
    assert {"IsNull", "NOT IsNull", "InList", "NOT InList", "Between", "NOT Between"} <= used
    assert {"where", "assuming", "row filter", "RankTop", "Classify"} <= used


def test_history_holds_all_a_plan_reads() -> None:
    """What `needed_tables` names is enough for the label statement."""
    for seed in range(12):
        rng = random.Random(seed)
        database = random_database(rng)
        text = random_query(rng, database)
        query = bind(parse_predict(text), database.catalog(), text=text)
        plan = plan_by_hand(query, ANCHORS, until=UNTIL)
        with database.snapshot() as snapshot:
            history = load(snapshot, database.catalog(), needed_tables(plan), UNTIL)
        assert set(by_sql(plan, history)) <= set(by_oracle(text, plan, database))


def test_the_oracle_itself_on_a_case_worked_by_hand() -> None:
    rng = random.Random(0)
    database = random_database(rng)
    database.tables["customers"] = [{"customer_id": 1, "region": None, "age": None}]
    database.clocks.pop("customers", None)
    times = [day(0), day(10), day(10) + dt.timedelta(microseconds=1), day(20), None]
    database.tables["orders"] = [
        {**dict.fromkeys(database.types["orders"]), "order_id": n, "customer_id": 1, "ordered_at": time, "amount": 2.0}
        for n, time in enumerate(times)
    ]
    text = "PREDICT SUM(orders.amount, 0, 10, days) FOR EACH customers.customer_id WHERE COUNT(orders.*, -10, 0) > 1"
    world = world_of(database, day(60), first_seen=True)
    rows = training_table(parse_predict(text), world, [day(0) - dt.timedelta(days=1), day(0), day(10), day(20)])
    assert [(row.label, row.eligible) for row in rows] == [(2.0, False), (4.0, False), (0.0, True)]
