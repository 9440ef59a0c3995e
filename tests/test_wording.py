"""Features in plain words: every name that a feature can have, its value in its own unit, and hostile names."""

from __future__ import annotations

import re

import pytest
from shops import hostile_shop
from test_why import CHANNEL, ITEMS, MONTHS, WAIT, shop

import pql
from pql.engine.reasons.wording import (
    DAYS,
    HORIZONS,
    MUTE,
    OUTCOME,
    SHARE,
    TIMES,
    Reading,
    chance_in_words,
    saying,
    time_in_words,
    value_in_words,
)

FORTNIGHT = 14 * 86_400_000_000
SAID = [
    ("COUNT(tickets.*, -14d, 0)", "", "the number of tickets in the last 14 days", ""),
    ("COUNT(tickets.*, -INF, 0)", "", "the number of tickets", ""),
    ("moments of tickets (-14d, 0)", "", "the number of moments with tickets in the last 14 days", ""),
    ("days since latest tickets", "", "the time since the latest of tickets", DAYS),
    ("days since latest tickets.due", "due", "the time since the latest due of tickets", DAYS),
    ("days since tickets 3 back", "", "the time since the 3rd latest of tickets", DAYS),
    (
        "trend of tickets (-14d in -56d)",
        "",
        "the share of tickets of the last 56 days that came in the last 14 days",
        SHARE,
    ),
    ("trend of tickets (-56d in -INF)", "", "the share of tickets so far that came in the last 56 days", SHARE),
    ("latest gap of tickets against its mean", "", "the time since the latest of tickets against the usual one", TIMES),
    (
        "fading count of tickets (half-life 36h)",
        "",
        "the number of tickets, each counting half as much every 36 hours",
        "",
    ),
    ("chance of no tickets in 14d (BG/NBD)", "", "the chance of no tickets in 14 days, by the rhythm so far", SHARE),
    (
        "expected SUM(orders.amount) in 30d (BG/NBD)",
        "amount",
        "the total amount of orders to expect in 30 days, by the rhythm so far",
        "",
    ),
    ("SUM(orders.amount, -30d, 0)", "amount", "the total amount of orders in the last 30 days", ""),
    ("AVG(orders.amount, -6.72837d, 0)", "amount", "the average amount of orders in the last 6.7 days", ""),
    ("latest orders.products.price", "price", "the latest price of products of its orders", ""),
    ("mean of last 5 orders.amount", "amount", "the average amount of the last 5 orders", ""),
    (
        "share of tickets.kind = broken (-56d, 0)",
        "kind",
        "how often kind of tickets is broken in the last 56 days",
        SHARE,
    ),
    ("share of known orders.amount (-INF, 0)", "amount", "how often amount of orders is known", SHARE),
    (
        "COUNT_DISTINCT(orders.products, -30d, 0)",
        "product_id",
        "the number of different products in orders in the last 30 days",
        "",
    ),
    ("AVG(all people (latest 200).age, -INF, 0)", "age", "the average age of all people (the latest 200)", ""),
    ("customers.plan", "plan", "its plan", ""),
    ("days since customers.signed", "signed", "the time since its signed", DAYS),
    ("categories.colour", "colour", "the colour of its categories", ""),
    ("days since customers row", "", "the time since it came", DAYS),
    ("target 1 windows ago", "", "the outcome in the window before", OUTCOME),
    ("target 3 windows ago", "", "the outcome 3 windows ago", OUTCOME),
    ("trend of earlier targets", "", "whether the outcome went up or down", ""),
    ("times in 4h", "product_id", "how often it was met in the last 56 days", ""),
    ("item: popularity in 1h", "product_id", "how many of all met it in the last 14 days", SHARE),
    ("recency", "product_id", "the time since it was met", HORIZONS),
    (
        "colour: share of mine in 2h",
        "colour",
        "the share of this colour in all that was met in the last 28 days",
        SHARE,
    ),
    ("together_rank", "product_id", "how well it goes with what was met before", MUTE),
]


@pytest.mark.parametrize(("name", "column", "words", "unit"), SAID)
def test_a_feature_is_told_in_plain_words(name: str, column: str, words: str, unit: str) -> None:
    said = saying(name, Reading(column, "customers", FORTNIGHT))
    assert (said.what, said.unit) == (words, unit)


def test_values_have_the_unit_of_what_they_measure() -> None:
    assert value_in_words("6.956", DAYS) == "7 days"
    assert value_in_words("0.25", DAYS) == "6 hours"
    assert value_in_words("0.75", SHARE) == "75%"
    assert value_in_words("0.9996", SHARE) == "99.96%"
    assert value_in_words("1,204", "") == "1,204"
    assert value_in_words("2.5", TIMES) == "2.5 times"
    assert value_in_words("0.5", HORIZONS, FORTNIGHT) == "7 days"
    rule = value_in_words("0 and 6 -> 1, confidence 0.60, lift 4.4", "")
    assert rule == "after 0 and 6 comes 1: 60% of the time, 4.4 times the usual"
    assert value_in_words("0.0000000026", "") == "almost 0"
    assert value_in_words("1.342", MUTE) == ""
    assert value_in_words("unknown", DAYS) == "unknown"
    assert value_in_words("red", SHARE) == "red"
    chances = [chance_in_words(p) for p in (0.5, 0.0004, 1e-9, 0.9996, 1.0)]
    assert chances == ["50.0%", "0.04%", "under 0.01%", "99.96%", "over 99.99%"]
    assert [time_in_words(d) for d in (0.0, 1e-9, 1 / 1440, 1.0, 1.46, 40.2)] == [
        "no time", "less than a minute", "1 minute", "1 day", "1.5 days", "40 days",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "model"), [(CHANNEL, "instant"), (MONTHS, "instant"), (WAIT, "boosted"), (ITEMS, "boosted")]
)
def test_no_sentence_has_the_jargon_of_features(query: str, model: str) -> None:
    jargon = re.compile(r"-INF|, 0\)|\b\d+d\b|BG/NBD|half-life|target \d|_rank\b|h back|item: |entity: |\.\*|-\d+d")
    with pql.connect(shop()) as session:
        result = session.predict(f"{query} WITH (model = {model}, budget = '2 s', anchors = 3)")
        said = result.why(40).sentences
    assert len(said) == 40
    assert [one for one in said if jargon.search(one)] == []


@pytest.mark.parametrize(
    "name", ['x"; DROP TABLE', "(((", "a.b.c, -14d, 0)", "{X} {W} %s \\1", "line\nbreak", "日本", " = "]
)
def test_names_may_hold_anything(name: str) -> None:
    for feature in (f"COUNT({name}.*, -14d, 0)", f"AVG({name}.{name}, -INF, 0)", f"latest {name}.{name}", name):
        assert saying(feature, Reading(name, name)).what
    assert name in saying(f"latest t.{name}", Reading(name, "e")).what


def test_hostile_tables_are_told_of() -> None:
    with pql.connect(hostile_shop("string")) as session:
        query = """PREDICT COUNT("a""b".*, 0, 30, days) = 0 FOR EACH "type".type_id WITH (model = instant)"""
        assert all(said.endswith(".") for said in session.predict(query).why(5).sentences)
