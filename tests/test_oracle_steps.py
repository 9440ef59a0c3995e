"""The labels of FORECAST and TIME_TO say what the oracle says: on random databases, at boundaries and over months."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from databases import plan_by_hand, us
from oracle import training_table, watch
from random_worlds import random_database, random_forecast, random_time_to, world_of
from test_oracle import close, number

from pql.engine.graph.history import load
from pql.engine.labels.training_table import compute_labels
from pql.engine.planning.anchors import to_datetime
from pql.language.binder import bind
from pql.language.parser import parse_predict

ANCHORS = tuple(us(d) for d in (0, 10, 20, 30))
UNTIL = us(60)


@pytest.mark.parametrize("block", range(4))
def test_every_step_means_what_the_oracle_means(block: int) -> None:
    checked = 0
    for seed in range(block, 100, 4):
        rng = random.Random(seed)
        database = random_database(rng)
        catalog = database.catalog()
        text = random_forecast(rng, database)
        query = bind(parse_predict(text), catalog, text=text)
        plan = plan_by_hand(query, ANCHORS, until=UNTIL)
        with database.snapshot() as snapshot:
            every = {table.name: [column.name for column in table.columns] for table in catalog.tables}
            history = load(snapshot, catalog, every, UNTIL)
        world = world_of(database, to_datetime(UNTIL), first_seen=query.options.first_seen)
        rows = training_table(parse_predict(text), world, [to_datetime(anchor) for anchor in ANCHORS])
        table = compute_labels(history, plan)
        history.close()
        assert table.steps is not None
        keys = zip(*(table.keys.column(name).to_pylist() for name in table.keys.column_names), strict=True)
        anchors = [to_datetime(int(anchor)) for anchor in table.anchors]
        places = zip(keys, anchors, table.steps.tolist(), strict=True)
        found = dict(zip(places, zip(table.label.to_pylist(), table.eligible.tolist(), strict=True), strict=True))
        wanted = {(r.key, r.anchor, r.step): (number(r.label), r.eligible) for r in rows if r.label is not None}
        assert set(found) == set(wanted), f"seed {seed}: {text}"
        for place, (label, eligible) in found.items():
            assert close(label, wanted[place][0]), f"seed {seed}: {text}\n{place}: {label!r}, not {wanted[place]!r}"
            assert eligible == wanted[place][1], f"seed {seed}: {text}\n{place}"
        undefined = sum(r.label is None and r.eligible for r in rows)
        assert sum(table.no_label.values()) == undefined
        checked += len(found)
    assert checked > 60


@pytest.mark.parametrize("block", range(4))
def test_what_is_watched_is_what_the_oracle_watches(block: int) -> None:
    """Training rows are watched until the validation anchor, validation rows until the test anchor, in the end all
    until the end of the data."""
    borders = dict(zip(ANCHORS, (us(20), us(20), us(30), UNTIL), strict=True))
    events = cut = 0
    for seed in range(block, 100, 4):
        rng = random.Random(seed)
        database = random_database(rng)
        catalog = database.catalog()
        text = random_time_to(rng, database)
        query = bind(parse_predict(text), catalog, text=text)
        plan = plan_by_hand(query, ANCHORS, until=UNTIL)
        with database.snapshot() as snapshot:
            every = {table.name: [column.name for column in table.columns] for table in catalog.tables}
            history = load(snapshot, catalog, every, UNTIL)
        world = world_of(database, to_datetime(UNTIL), first_seen=query.options.first_seen)
        rows = training_table(parse_predict(text), world, [to_datetime(anchor) for anchor in ANCHORS])
        table = compute_labels(history, plan)
        history.close()
        watched = table.watched
        assert watched is not None
        keys = zip(*(table.keys.column(name).to_pylist() for name in table.keys.column_names), strict=True)
        found = {
            (key, to_datetime(int(time))): i for i, (key, time) in enumerate(zip(keys, table.anchors, strict=True))
        }
        assert set(found) == {(row.key, row.anchor) for row in rows}, f"seed {seed}: {text}"
        for row in rows:
            i = found[row.key, row.anchor]
            assert table.eligible[i] == row.eligible
            sides = (
                (borders[int(table.anchors[i])], watched.seen[i], watched.event[i]),
                (UNTIL, watched.final_seen[i], watched.final_event[i]),
            )
            for border, seen, event in sides:
                truth = watch(parse_predict(text), world, row, to_datetime(border))
                place = f"seed {seed}: {text}\n{row.key} at {row.anchor} until {truth.until}"
                assert row.anchor + dt.timedelta(microseconds=int(seen)) == truth.until, place
                wanted = -1 if truth.event is None else (truth.event - row.anchor) // dt.timedelta(microseconds=1)
                assert event == wanted, place
                ages = [(row.anchor - time) // dt.timedelta(microseconds=1) for time in truth.past]
                ends = [ages[0], ages[-1]] if ages else [-1, -1]
                assert [watched.past[i], watched.first[i], watched.last[i]] == [len(ages), *ends], place
            events += int(watched.event[i] >= 0)
            cut += int(watched.event[i] < 0 and watched.seen[i] < watched.horizon[i])
    assert events > 4  # enough of both kinds for the comparison to mean something
    assert cut > 10
