"""What must not change an answer: the order of rows, names, other tables, the date; and what must divide it."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from databases import Database, day, plan_by_hand, us
from random_worlds import random_database, random_query
from test_assuming import club

import pql
from pql.engine.graph.history import load
from pql.engine.labels.training_table import compute_labels
from pql.engine.planning.anchors import to_datetime
from pql.language.binder import bind
from pql.language.parser import parse_predict

ANCHORS = (0, 10, 20, 30)
DAY = dt.timedelta(days=1)
Labels = dict[tuple[Any, dt.datetime], tuple[Any, bool]]


@contextmanager
def reading(database: Database, later: int = 0) -> Iterator[Callable[[str], Labels]]:
    """What gives the labels of a query: (key, anchor) → label and whether it is used; the database is read once.

    Anchors and the end of the data lie `later` days later.
    """
    catalog = database.catalog()
    with database.snapshot() as snapshot:
        every = {table.name: [column.name for column in table.columns] for table in catalog.tables}
        history = load(snapshot, catalog, every, us(60 + later))

    def labels(text: str) -> Labels:
        query = bind(parse_predict(text), catalog, text=text)
        plan = plan_by_hand(query, [us(anchor + later) for anchor in ANCHORS], until=us(60 + later))
        table = compute_labels(history, plan)
        keys = zip(*(table.keys.column(name).to_pylist() for name in table.keys.column_names), strict=True)
        places = zip(keys, [to_datetime(int(anchor)) for anchor in table.anchors], strict=True)
        return dict(zip(places, zip(table.label.to_pylist(), table.usable.tolist(), strict=True), strict=True))

    yield labels
    history.close()


def labels_of(database: Database, text: str, later: int = 0) -> Labels:
    with reading(database, later) as labels:
        return labels(text)


def world(seed: int, *, fits: Callable[[str], bool] = lambda text: True) -> tuple[random.Random, Database, str]:
    rng = random.Random(seed)
    database = random_database(rng)
    texts = [random_query(rng, database) for _ in range(60)]
    return rng, database, next(filter(fits, texts))


def few(first: int, fast: int, many: int) -> pytest.MarkDecorator:
    """Seeds, of which the first ones always run."""
    seeds = range(first, first + many)
    return pytest.mark.parametrize(
        "seed", [*seeds[:fast], *(pytest.param(s, marks=pytest.mark.slow) for s in seeds[fast:])]
    )


# ---------------------------------------------------------------- what changes nothing


@few(5000, 8, 60)
def test_the_order_of_rows(seed: int) -> None:
    rng, database, text = world(seed)
    tables = {name: rng.sample(rows, len(rows)) for name, rows in database.tables.items()}
    assert labels_of(replace(database, tables=tables), text) == labels_of(database, text), text


@few(5060, 6, 40)
def test_the_names_of_tables_and_columns(seed: int) -> None:
    _, database, text = world(seed)
    tables = {name: f"{name[::-1]} of" for name in database.tables}
    columns = {name: {column: f"{column[::-1]}-x" for column in types} for name, types in database.types.items()}

    def renamed(match: re.Match[str]) -> str:
        table, column = match.groups()
        return f'"{tables[table]}".' + ("*" if column == "*" else f'"{columns[table][column]}"')

    def link(spec: Any) -> Any:
        child, names, parent, wanted = spec
        ours, theirs = (columns[child][n] for n in names), (columns[parent][n] for n in wanted)
        return tables[child], tuple(ours), tables[parent], tuple(theirs)

    other = Database(
        {
            tables[t]: [{columns[t][c]: v for c, v in row.items()} for row in rows]
            for t, rows in database.tables.items()
        },
        {tables[t]: {columns[t][c]: kind for c, kind in types.items()} for t, types in database.types.items()},
        {tables[t]: tuple(columns[t][c] for c in key) for t, key in database.keys.items()},
        [link(spec) for spec in database.links],
        {tables[t]: columns[t].get(clock, tables.get(clock, "")) for t, clock in database.clocks.items()},
    )
    words = re.sub(rf"\b({'|'.join(tables)})\.(\w+|\*)", renamed, text)
    assert words != text
    assert labels_of(other, words) == labels_of(database, text), text


@few(5100, 4, 20)
def test_a_table_that_has_nothing_to_do_with_it(seed: int) -> None:
    _, database, text = world(seed)
    weather = [{"station": n, "seen_at": day(n), "amount": float(n)} for n in range(9)]
    other = replace(
        database,
        tables={"weather": weather, **database.tables},
        types={"weather": {"station": "INTEGER", "seen_at": "TIMESTAMP", "amount": "DOUBLE"}, **database.types},
        clocks={"weather": "seen_at", **database.clocks},
    )
    assert labels_of(other, text) == labels_of(database, text), text


def moved(value: Any, days: int) -> Any:
    return value + days * DAY if isinstance(value, dt.date) else value


@pytest.mark.parametrize("days", [1, 59, -400])
@few(5120, 3, 20)
def test_the_date(days: int, seed: int) -> None:
    _, database, text = world(seed, fits=lambda text: not re.search(r"month|year|2024", text))
    tables = {
        name: [{column: moved(value, days) for column, value in row.items()} for row in rows]
        for name, rows in database.tables.items()
    }
    found = labels_of(replace(database, tables=tables), text, days)
    before = labels_of(database, text)
    assert {(key, time - days * DAY): label for (key, time), label in found.items()} == before, text


# ---------------------------------------------------------------- what divides an answer in three

PREDICATES = [
    "orders.amount > 0.15", "orders.channel LIKE 'we%'", "orders.paid", "orders.qty IN (1, 2)",
    "orders.amount / orders.qty > 1", "orders.qty BETWEEN 1 AND orders.amount", "orders.channel CONTAINS 'b'",
    "orders.shipped_at > orders.ordered_at", "orders.paid OR orders.qty > 1", "orders.paid AND orders.qty > 1",
]  # fmt: skip


def thirds(predicate: str) -> list[str]:
    return [predicate, f"NOT ({predicate})", f"({predicate}) IS NULL"]


@few(5140, 2, 20)
def test_a_predicate_divides_the_rows_of_a_window(seed: int) -> None:
    each = "FOR EACH customers.customer_id"
    with reading(world(seed)[1]) as labels:
        for function in ("COUNT(orders.*", "SUM(orders.qty"):
            whole = {place: label for place, (label, _) in labels(f"PREDICT {function}, 0, 10) {each}").items()}
            for predicate in PREDICATES:
                parts = [labels(f"PREDICT {function} WHERE {part}, 0, 10) {each}") for part in thirds(predicate)]
                assert {place: sum(part[place][0] for part in parts) for place in whole} == whole, predicate


CONDITIONS = {
    "WHERE": ("customers.region = 'north'", "customers.age > 30 OR AVG(orders.amount, -20, 0) > 1"),
    "ASSUMING": ("AVG(orders.amount, 0, 10) > 0.5", "COUNT(orders.*, 0, 10) > 0 AND LAST(orders.paid, 0, 10)"),
}


@few(5160, 3, 20)
def test_a_condition_divides_the_examples(seed: int) -> None:
    target = "PREDICT SUM(orders.qty, 0, 10) FOR EACH customers.customer_id"
    with reading(world(seed)[1]) as labels:
        whole = labels(target)
        for clause, condition in ((clause, c) for clause, conditions in CONDITIONS.items() for c in conditions):
            parts = [labels(f"{target} {clause} {part}") for part in thirds(condition)]
            for place, (label, used) in whole.items():
                assert used
                assert [part[place][0] for part in parts] == [label] * 3
                assert sum(part[place][1] for part in parts) == 1, (condition, place)


# ---------------------------------------------------------------- predictions

QUERIES = [
    "PREDICT SUM(visits.price, 0, 10, days) FOR EACH members.member_id WITH (model = entity_mean)",
    "PREDICT COUNT(visits.*, 0, 10, days) > 2 FOR EACH members.member_id WITH (model = boosted, threads = 1)",
    "PREDICT LIST_DISTINCT(visits.kind, 0, 10, days) RANK TOP 2 FOR EACH members.member_id WITH (model = repeat)",
]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path))


def answer(tables: dict[str, pa.Table], query: str) -> list[tuple[Any, ...]]:
    """The rows of an answer; of its numbers twelve digits, since sums over items follow the order of the rows."""
    with pql.connect(tables) as session:
        rows = session.predict(query).fetchall()
    return sorted(tuple(float(f"{cell:.12g}") if isinstance(cell, float) else cell for cell in row) for row in rows)


@pytest.mark.parametrize("query", QUERIES)
def test_predictions(query: str) -> None:
    tables = {name: table for name, table in club().items() if name != "clubs"}
    tables["members"] = tables["members"].drop_columns(["home_club_id", "note"])
    expected = answer(tables, query)
    rng = np.random.default_rng(1)
    shuffled = {name: table.take(pa.array(rng.permutation(len(table)))) for name, table in tables.items()}
    assert answer(shuffled, query) == expected
    weather = pa.table({"hour": [dt.datetime(2024, 1, 1 + n) for n in range(9)], "rain": np.arange(9.0)})
    assert answer({"weather": weather, **tables}, query) == expected
    renamed = {
        "members": tables["members"].rename_columns({"level": "rank of", "age": "years"}),
        "stays": tables["visits"].rename_columns({"visit_id": "stay_id", "price": "cost", "kind": "sort"}),
    }
    words = query.replace("visits", "stays").replace("price", "cost").replace("kind", "sort")
    assert answer(renamed, words) == expected
    later = {
        name: pa.table(
            {
                c: pa.array([moved(v, 91) for v in table.column(c).to_pylist()], table.column(c).type)
                for c in table.column_names
            }
        )
        for name, table in tables.items()
    }
    found = answer(later, query)
    assert [(row[0], row[1] - 91 * DAY, *row[2:]) for row in found] == expected
