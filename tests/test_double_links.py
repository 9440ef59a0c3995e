"""A table that points to another twice: by which link rows count, and what stays known of the other."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pyarrow as pa
import pytest

import pql

START, DAYS, PEOPLE = dt.datetime(2024, 1, 1), 120, 20
CALLS = "FOR EACH subscribers.msisdn"
AT = START + dt.timedelta(days=100)


def telco(*, calls: int = 1500, scrambled_after: dt.datetime | None = None) -> dict[str, pa.Table]:
    """Calls between subscribers; those after a moment by and to others, and longer, where that is asked for."""
    draw = np.random.default_rng(4)
    caller = draw.integers(0, PEOPLE, calls) * draw.integers(0, 2, calls)
    callee = (caller + draw.choice([1, 2, 5], calls)) % PEOPLE
    at = np.sort(draw.integers(0, DAYS * 86400, calls))
    seconds = draw.integers(5, 600, calls)
    if scrambled_after is not None:
        later = at > (scrambled_after - START).total_seconds()
        caller, callee, seconds = (np.where(later, made[::-1], made) for made in (caller, callee, seconds))
    return {
        "subscribers": pa.table({"msisdn": [f"s{i:02}" for i in range(PEOPLE)], "age": list(range(20, 20 + PEOPLE))}),
        "calls": pa.table(
            {
                "call_id": list(range(calls)),
                "caller": [f"s{i:02}" for i in caller],
                "callee": [f"s{i:02}" for i in callee],
                "started": pa.array([START + dt.timedelta(seconds=int(s)) for s in at], pa.timestamp("us")),
                "seconds": seconds,
            }
        ),
    }


def asked(query: str, tables: dict[str, pa.Table]) -> pa.Table:
    with pql.connect(tables) as db:
        for column in ("caller", "callee"):
            if f"calls.{column} -> subscribers.msisdn" not in map(str, db.catalog().links):
                db.link(f"calls.{column}", "subscribers.msisdn")
        return db.predict(query).to_arrow_table()


@pytest.mark.parametrize("link", ["caller", "callee"])
def test_rows_count_by_the_link_that_via_names(link: str) -> None:
    tables = telco()
    with pql.connect(tables) as db:
        query = f"PREDICT COUNT(calls.* WHERE seconds > 60, 0, 14, days) {CALLS} VIA calls.{link}"
        labels = db.labels(f"{query} WITH (model = entity_mean)").to_arrow_table().to_pylist()
    rows = tables["calls"].to_pylist()
    assert len(labels) > 100
    for label in labels:
        until = label["anchor"] + dt.timedelta(days=14)
        own = [row for row in rows if row[link] == label["msisdn"] and label["anchor"] < row["started"] <= until]
        assert label["label"] == sum(row["seconds"] > 60 for row in own)


def test_reasons_read_both_links_and_name_rows_of_the_one_they_speak_of() -> None:
    tables = telco()
    calls = {row["call_id"]: row for row in tables["calls"].to_pylist()}
    with pql.connect(tables) as db:
        result = db.predict(f"PREDICT COUNT(calls.*, 0, 14, days) {CALLS} VIA calls.callee WITH (model = instant)")
        reasons = result.why(PEOPLE).to_arrow_table().to_pylist()
    spoken = 0
    for reason in reasons:
        link = re.search(r"calls\[(\w+)\]", reason["feature"])
        if link and reason["table"] == "calls" and reason["key"]:
            for key in reason["key"].split(" | "):
                assert calls[int(key)][link[1]] == reason["msisdn"]
            spoken += 1
    assert spoken > 10
    assert any("[caller]" in reason["feature"] for reason in reasons)


@pytest.mark.parametrize(
    "query",
    [
        f"PREDICT COUNT(calls.*, 0, 14, days) {CALLS} VIA calls.caller WITH (model = instant, cache = off)",
        f"PREDICT LIST_DISTINCT(calls.callee, 0, 14, days) RANK TOP 3 {CALLS} WITH (model = repeat, cache = off)",
    ],
)
def test_rows_after_the_moment_change_nothing(query: str) -> None:
    query = query.replace(" WITH", f" AS OF {AT:%Y-%m-%d} WITH")
    whole = asked(query, telco())
    assert whole.num_rows >= PEOPLE
    assert whole.equals(asked(query, telco(scrambled_after=AT)))
    kept = telco()
    upto = [row <= AT for row in kept["calls"]["started"].to_pylist()]
    assert whole.equals(asked(query, {**kept, "calls": kept["calls"].filter(pa.array(upto))}))


def test_who_is_called_is_ranked_by_own_calls() -> None:
    made = asked(f"PREDICT LIST_DISTINCT(calls.callee, 0, 14, days) RANK TOP 3 {CALLS} WITH (model = repeat)", telco())
    pairs = {(row["caller"], row["callee"]) for row in telco()["calls"].to_pylist()}
    person, other = made.column_names[0], made.column_names[2]
    busy = [row for row in made.to_pylist() if row[person] == "s00"]
    assert len(busy) == 3
    assert all((row[person], row[other]) in pairs for row in busy)


def test_an_aggregate_may_choose_a_link_of_its_own() -> None:
    tables = telco()
    made, got = (f"COUNT(calls.* VIA calls.{link}, 0, 14, days)" for link in ("caller", "callee"))
    past = "COUNT(calls.* VIA calls.callee WHERE seconds > 300, -7, 0, days) > 1"
    with pql.connect(tables) as db:
        both = db.labels(f"PREDICT {made} > {got} {CALLS} WITH (model = entity_mean)").to_arrow_table().to_pylist()
        query = f"PREDICT COUNT(calls.*, 0, 14, days) {CALLS} WHERE {past} VIA calls.caller WITH (model = entity_mean)"
        some = db.labels(query).to_arrow_table().to_pylist()
        assert "VIA calls.callee WHERE seconds > 300" in str(db.explain(query))
    rows = tables["calls"].to_pylist()

    def count(link: str, label: dict[str, object], start: int, end: int, seconds: int = 0) -> int:
        first, last = (label["anchor"] + dt.timedelta(days=day) for day in (start, end))
        own = [row for row in rows if row[link] == label["msisdn"] and first < row["started"] <= last]
        return sum(row["seconds"] > seconds for row in own)

    assert {label["label"] for label in both} == {False, True}
    assert all(label["label"] == (count("caller", label, 0, 14) > count("callee", label, 0, 14)) for label in both)
    assert 0 < len(some) < len(both)
    assert all(count("callee", label, -7, 0, 300) > 1 for label in some)
    assert all(label["label"] == count("caller", label, 0, 14) for label in some)
