"""Scenes of the language that need more than one query and the shop: limits, parameters, defined targets."""

from __future__ import annotations

from pathlib import Path

from clinic import clinic
from shop_catalog import SHOP, columns

import pql
from pql.language.binder import bind
from pql.language.catalog import Catalog, Table
from pql.language.parser import parse, parse_predict

COUNT = "PREDICT COUNT(orders.*, 0, 30, days) FOR EACH customers.customer_id"


def text_too_long(place: Path) -> None:
    parse("PREDICT customers.age FOR customers.customer_id IN (" + ", ".join(map(str, range(20_000))) + ")")


def not_a_text(place: Path) -> None:
    parse(b"SHOW TABLES")  # type: ignore[arg-type]


def too_deep(place: Path) -> None:
    parse("PREDICT " + "(" * 300 + "customers.age" + ")" * 300 + " FOR EACH customers.customer_id")


def too_many_values(place: Path) -> None:
    parse("PREDICT customers.age FOR customers.customer_id IN (" + ", ".join(["7"] * 10_001) + ")")


def not_a_prediction(place: Path) -> None:
    parse_predict("SHOW TABLES")


def ambiguous_table(place: Path) -> None:
    tables = (*SHOP.tables, Table("ORDERS", columns(order_id="id")))
    text = COUNT.replace("orders", "Orders")
    bind(parse_predict(text), Catalog(tables, SHOP.links), text=text)


def parameter_type(place: Path) -> None:
    text = "PREDICT COUNT(orders.*, 0, :days, days) FOR EACH customers.customer_id"
    bind(parse_predict(text), SHOP, text=text, params={"days": "thirty"})


def unused_parameter(place: Path) -> None:
    with pql.connect(clinic()) as db:
        db.predict("PREDICT COUNT(visits.*, 0, ?, days) > 0 FOR users.user_id IN ?", [20, [1, 2], 3])


def _run(*texts: str) -> None:
    with pql.connect(clinic()) as db:
        for text in texts:
            list(db.run(text))


def target_exists(place: Path) -> None:
    _run(
        "DEFINE TARGET busy AS COUNT(visits.*, 0, 20, days) > 3",
        "DEFINE TARGET busy AS COUNT(visits.*, 0, 20, days) > 5",
    )


def cyclic_target(place: Path) -> None:
    _run("DEFINE TARGET one AS churn_20d; DEFINE TARGET two AS one; DROP TARGET one; DEFINE TARGET one AS two")


def not_supported(place: Path) -> None:
    months, days = "COUNT(visits.*, 0, 1, months)", "COUNT(visits.*, 0, 30, days)"
    _run(f"EXPLAIN PREDICT {months} - {days} FOR EACH users.user_id FORECAST 3 TIMEFRAMES")


SCENES = {
    scene.__name__: scene
    for scene in (
        text_too_long, not_a_text, too_deep, too_many_values, not_a_prediction, ambiguous_table, parameter_type,
        unused_parameter,        target_exists, cyclic_target, not_supported,
    )
}  # fmt: skip
