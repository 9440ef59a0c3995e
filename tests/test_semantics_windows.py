"""Which rows lie in a window: (anchor + start, anchor + end], on the calendar, in UTC (LANGUAGE §3)."""

from __future__ import annotations

import datetime as dt

import pytest
from databases import Database, day
from meaning import Meaning, events

from pql.language.errors import PqlError

TICK = dt.timedelta(microseconds=1)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


TIMES = {
    "before": day(10) - TICK,
    "anchor": day(10),
    "after": day(10) + TICK,
    "hour": day(10) + dt.timedelta(hours=1),
    "five": day(15),
    "five+": day(15) + TICK,
    "end": day(20),
    "late": day(20) + TICK,
    "old": day(-300),
    "never": None,
}


@pytest.fixture(scope="module")
def meaning() -> Meaning:
    return Meaning(events([{"name": name, "at": time} for name, time in TIMES.items()]))


WINDOWS = [
    ("0, 10", ["after", "end", "five", "five+", "hour"]),
    ("0, 10, days", ["after", "end", "five", "five+", "hour"]),
    ("5, 10, days", ["end", "five+"]),
    ("5, 10, day", ["end", "five+"]),
    ("10, 20, days", ["late"]),
    ("0, 5, days", ["after", "five", "hour"]),
    ("0, 1, hours", ["after", "hour"]),
    ("0, 60, minutes", ["after", "hour"]),
    ("0, 3599, seconds", ["after"]),
    ("1, 2, hours", []),
    ("0, 240, hours", ["after", "end", "five", "five+", "hour"]),
    ("0, 2, weeks", ["after", "end", "five", "five+", "hour", "late"]),
    ("0, 1, months", ["after", "end", "five", "five+", "hour", "late"]),
    ("0, 1, year", ["after", "end", "five", "five+", "hour", "late"]),
]


@pytest.mark.parametrize(("window", "inside"), WINDOWS)
def test_windows_of_the_future(meaning: Meaning, window: str, inside: list[str]) -> None:
    assert meaning.label(f"LIST_DISTINCT(events.name, {window}) CLASSIFY", day(10)) == inside


PAST = [
    ("-10, 0", 2),  # before, anchor
    ("-1, 0, hours", 2),
    ("-INF, 0", 3),  # and old; a row without a time is in no window
    ("-INF, -1", 1),
    ("-1, -0, seconds", 2),
    ("-310, -300, days", 0),
    ("-311, -309, days", 1),
    ("-10, -1, months", 0),
    ("-11, -1, months", 1),
]


@pytest.mark.parametrize(("window", "count"), PAST)
def test_windows_of_the_past_end_with_the_anchor(meaning: Meaning, window: str, count: int) -> None:
    named = f"COUNT(events.* WHERE events.name IS NOT NULL, {window})"
    assert meaning.labels("COUNT(events.*, 0, 10)", day(10), tail=f"WHERE {named} = {count}") == {(1, day(10)): 5}
    assert meaning.labels("COUNT(events.*, 0, 10)", day(10), tail=f"WHERE {named} != {count}") == {}


CALENDAR = [
    # anchor, window, the last moment inside, the first after it
    ("2024-01-31", "0, 1, months", "2024-02-29"),
    ("2023-01-31", "0, 1, months", "2023-02-28"),
    ("2024-01-30", "0, 1, months", "2024-02-29"),
    ("2024-02-29", "0, 1, months", "2024-03-29"),
    ("2024-01-31", "0, 2, months", "2024-03-31"),
    ("2024-02-29", "0, 1, years", "2025-02-28"),
    ("2023-02-28", "0, 1, years", "2024-02-28"),
    ("2024-02-28", "0, 1, days", "2024-02-29"),
    ("2024-12-31", "0, 2, months", "2025-02-28"),
    ("2024-02-28", "0, 1, weeks", "2024-03-06"),
    ("2024-01-31T12:30", "0, 1, months", "2024-02-29T12:30"),
    ("2024-03-30T02:30", "0, 1, days", "2024-03-31T02:30"),  # clocks change in Europe: not here
    ("2024-11-03T01:30", "0, 1, hours", "2024-11-03T02:30"),
    ("1969-12-31", "0, 1, days", "1970-01-01"),
]


@pytest.mark.parametrize(("anchor", "window", "end"), CALENDAR)
def test_ends_of_windows_on_the_calendar(anchor: str, window: str, end: str) -> None:
    times = [at(anchor), at(anchor) + TICK, at(end), at(end) + TICK]
    database = events([{"name": name, "at": time} for name, time in zip("abcd", times, strict=True)])
    for row in database.tables["events"][4:]:  # seen long before
        row["at"] = dt.datetime(1900, 1, 1)
    assert Meaning(database).label(f"LIST_DISTINCT(events.name, {window}) CLASSIFY", at(anchor)) == ["b", "c"]


STARTS = [
    ("2024-01-31", "1, 2, months", "2024-02-29", "2024-03-31"),
    ("2024-05-31", "1, 2, months", "2024-06-30", "2024-07-31"),
    ("2024-02-29", "1, 2, years", "2025-02-28", "2026-02-28"),
]


@pytest.mark.parametrize(("anchor", "window", "start", "end"), STARTS)
def test_delayed_windows_on_the_calendar(anchor: str, window: str, start: str, end: str) -> None:
    times = [at(start), at(start) + TICK, at(end), at(end) + TICK]
    database = events([{"name": name, "at": time} for name, time in zip("abcd", times, strict=True)])
    assert Meaning(database).label(f"LIST_DISTINCT(events.name, {window}) CLASSIFY", at(anchor)) == ["b", "c"]


def test_past_months_clamp_as_well() -> None:
    times = [at("2024-02-29"), at("2024-02-29") + TICK, at("2024-03-31"), at("2024-03-31") + TICK]
    meaning = Meaning(events([{"name": name, "at": time} for name, time in zip("abcd", times, strict=True)]))
    tail = "WHERE COUNT(events.* WHERE events.name IS NOT NULL, -1, 0, months) = 2"
    assert meaning.labels("COUNT(events.*, 0, 10)", at("2024-03-31"), tail=tail) == {(1, at("2024-03-31")): 1}


def test_a_date_as_the_clock_is_its_midnight() -> None:
    database = events(
        [{"name": name, "day": dt.date(2024, 1, n)} for n, name in ((10, "a"), (11, "b"), (20, "c"), (21, "d"))]
    )
    for row in database.tables["events"][4:]:
        row["day"] = dt.date(2023, 1, 1)
    database.clocks["events"] = "day"
    meaning = Meaning(database)
    assert meaning.label("LIST_DISTINCT(events.name, 0, 10) CLASSIFY", at("2024-01-10")) == ["b", "c"]
    assert meaning.label("LIST_DISTINCT(events.name, 0, 10) CLASSIFY", at("2024-01-10T12:00")) == ["b", "c"]


def test_several_anchors_and_windows_at_once(meaning: Meaning) -> None:
    target = "COUNT(events.*, 0, 10) - COUNT(events.*, 5, 10) > COUNT(events.*, 0, 1, hours)"
    assert meaning.labels(target, day(0), day(10)) == {(1, day(0)): False, (1, day(10)): True}


def test_an_entity_is_there_from_its_own_time_on() -> None:
    database = events([{"customer_id": 1, "at": day(5)}, {"customer_id": 2, "at": day(5)}], CUSTOMERS)
    database.types["customers"] = {"customer_id": "INTEGER", "level": "VARCHAR", "joined": "TIMESTAMP"}
    database.clocks["customers"] = "joined"
    meaning = Meaning(database)
    assert meaning.labels("COUNT(events.*, 0, 10)", day(0)) == {(1, day(0)): 1}
    assert meaning.labels("COUNT(events.*, 0, 10)", day(1)) == {(1, day(1)): 1, (2, day(1)): 1}
    assert (3, day(20)) not in meaning.labels("COUNT(events.*, 0, 10)", day(20))


CUSTOMERS = [
    {"customer_id": 1, "level": None, "joined": day(0)},
    {"customer_id": 2, "level": None, "joined": day(0) + TICK},
    {"customer_id": 3, "level": None, "joined": None},
]


def test_without_a_time_an_entity_is_there_once_it_was_seen() -> None:
    database = events(
        [{"customer_id": 2, "at": day(3)}, {"customer_id": 3, "at": None}], [{"customer_id": 1, "level": ""}]
    )
    database.tables["customers"] += [{"customer_id": n, "level": None} for n in (2, 3, 4)]
    meaning = Meaning(database)
    assert set(meaning.labels("COUNT(events.*, 0, 10)", day(3) - TICK)) == {(1, day(3) - TICK)}
    assert set(meaning.labels("COUNT(events.*, 0, 10)", day(3))) == {(1, day(3)), (2, day(3))}
    off = meaning.labels("COUNT(events.*, 0, 10)", day(3), tail="WITH (first_seen = off)")
    assert [key for key, _ in off] == [1, 2, 3, 4]


def test_nothing_later_than_the_end_of_what_is_read() -> None:
    database: Database = events([{"at": day(5)}, {"at": day(8)}])
    assert Meaning(database, until=day(6)).label("COUNT(events.*, 0, 10)") == 1


def test_minus_infinity_starts_no_window_of_the_future(meaning: Meaning) -> None:
    with pytest.raises(PqlError):
        meaning.labels("COUNT(events.*, -INF, 10)", day(10))
