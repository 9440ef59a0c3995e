"""Names with blanks, hyphens or words of the language, written without quotes: what is said, and a repair that runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pyarrow as pa
import pytest

import pql

START = dt.datetime(2024, 1, 1)
DAYS = pa.array([START + dt.timedelta(days=i) for i in range(40)], pa.timestamp("us"))
EACH = "FOR EACH customers"


@pytest.fixture(scope="module")
def session() -> Iterator[pql.Session]:
    tables = {
        "customers": pa.table({"customer id": range(10), "for": ["b2b", "b2c"] * 5, "full name": ["Ann", "Bob"] * 5}),
        "order-items": pa.table(
            {"id": range(40), "customer id": [i % 10 for i in range(40)], "sold at": DAYS, "unit-price": [1.5] * 40}
        ),
        "order": pa.table({"order_no": range(40), "customer id": [i % 10 for i in range(40)], "at": DAYS}),
        "web_visits": pa.table({"id": range(40), "customer id": [i % 10 for i in range(40)], "at": DAYS}),
    }
    with pql.connect(tables) as opened:
        yield opened


def said(session: pql.Session, text: str) -> pql.PqlError:
    with pytest.raises(pql.PqlError) as caught:
        session.run(text)
    return caught.value


MENDED = [
    (f"PREDICT COUNT(order-items.*, 0, 9) {EACH}", "order-items", f"PREDICT COUNT(`order-items`.*, 0, 9) {EACH}"),
    (f"PREDICT COUNT(order items.*, 0, 9) {EACH}", "order items", f"PREDICT COUNT(`order-items`.*, 0, 9) {EACH}"),
    (f"PREDICT COUNT(web visits.*, 0, 9) {EACH}", "web visits", f"PREDICT COUNT(web_visits.*, 0, 9) {EACH}"),
    (
        "PREDICT SUM(order-items.unit-price, 0, 9) FOR EACH customers.customer id",
        "customer id",
        "PREDICT SUM(`order-items`.`unit-price`, 0, 9) FOR EACH customers.`customer id`",
    ),
    (
        f"PREDICT SUM(`order-items`.unit-price, 0, 9) {EACH}",
        "unit-price",
        f"PREDICT SUM(`order-items`.`unit-price`, 0, 9) {EACH}",
    ),
    (
        f"PREDICT COUNT(order.*, 0, 9) {EACH} WHERE full name = 'Ann' -- full name",
        "full name",
        f"PREDICT COUNT(order.*, 0, 9) {EACH} WHERE `full name` = 'Ann' -- full name",
    ),
    (
        f"PREDICT COUNT(order.*, 0, 9) {EACH} WHERE for = 'b2b'",
        "for",
        f"PREDICT COUNT(order.*, 0, 9) {EACH} WHERE `for` = 'b2b'",
    ),
    ("DESCRIBE order-items", "order-items", "DESCRIBE `order-items`"),
    (
        f'SELECT * FROM (PREDICT COUNT(order items.*, 0, 9) {EACH}) JOIN "order-items" ON true',
        "order items",
        f'SELECT * FROM (PREDICT COUNT(`order-items`.*, 0, 9) {EACH}) JOIN "order-items" ON true',
    ),
    ("SELECT order-items.id FROM order-items", "order-items", 'SELECT "order-items".id FROM "order-items"'),
    ("SELECT unit-price FROM `order-items`", "unit-price", 'SELECT "unit-price" FROM `order-items`'),
    ("SELECT * FROM order", "order", 'SELECT * FROM "order"'),
]


@pytest.mark.parametrize(("text", "name", "fix"), MENDED)
def test_a_name_of_the_data_gets_its_quotes(session: pql.Session, text: str, name: str, fix: str) -> None:
    error = said(session, text)
    assert error.code == "missing_quotes"
    assert error.span is not None
    assert text[error.span.start : error.span.end] == name
    assert error.fix == fix
    session.validate(fix)


def test_each_name_is_told_once_with_its_place(session: pql.Session) -> None:
    text = f"PREDICT SUM(order-items.unit-price WHERE order-items.unit-price > 1, 0, 9) {EACH}"
    error = said(session, text)
    assert [fault.code for fault in error.faults] == ["missing_quotes", "missing_quotes"]
    places = [fault.span for fault in error.faults if fault.span is not None]
    assert [text[span.start : span.end] for span in places] == ["order-items", "unit-price"]


def test_other_faults_of_the_query_are_told_too(session: pql.Session) -> None:
    error = said(session, f"PREDICT COUNT(order-items.*, 0, 9) {EACH} WHERE customers.cty = 'Bern'")
    assert [fault.code for fault in error.faults] == ["missing_quotes", "unknown_column"]
    assert error.fix is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"PREDICT COUNT(web pages.*, 0, 9) {EACH}", "missing_comma"),  # no table is called so
        (f"PREDICT COUNT(orders.*, 0, 9 {EACH} WHERE `full name` = 'order items'", "unclosed_bracket"),
        (f"DESCRIBE order; PREDICT COUNT(order.*, 0, 9,, days) {EACH}; DESCRIBE `order-items`", "syntax"),
        ("SELECT nothing FROM web_visits", "sql_error"),
    ],
)
def test_what_has_nothing_to_do_with_quotes_is_said_as_before(session: pql.Session, text: str, code: str) -> None:
    assert said(session, text).code == code


def test_a_difference_of_columns_is_no_name(session: pql.Session) -> None:
    session.validate(f"PREDICT SUM(`order-items`.`unit-price` - `order-items`.id, 0, 9) {EACH}")
