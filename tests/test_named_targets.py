"""Named targets: DEFINE first, else a transparent reading that is shown; several readings are an error."""

from __future__ import annotations

from dataclasses import replace

import pytest
from shop_catalog import SHOP, columns, link, own

from pql.language.ast import DefineTarget
from pql.language.binder import bind
from pql.language.bound import BoundQuery, TaskKind
from pql.language.catalog import Catalog, Key, Role, Table
from pql.language.errors import PqlError
from pql.language.named import _singular
from pql.language.parser import parse, parse_predict


def store(**purchase: str) -> Catalog:
    """Customers who purchase products of categories; `purchase` are the further columns of a purchase."""
    return Catalog(
        (
            Table("customers", columns(id="id", name="text"), Key(("id",)), role=Role.ENTITY),
            Table("products", columns(id="id", category_id="id", price="number"), Key(("id",)), role=Role.ENTITY),
            Table("category", columns(id="id", title="category"), Key(("id",)), role=Role.ENTITY),
            Table(
                "purchases", columns(id="id", customer_id="id", product_id="id", at="time", **purchase), None, own("at")
            ),
        ),
        (
            link("purchases", "customer_id", "customers", "id"),
            link("purchases", "product_id", "products", "id"),
            link("products", "category_id", "category", "id"),
        ),
    )


def read(text: str, catalog: Catalog, **given: object) -> BoundQuery:
    return bind(parse_predict(text), catalog, text=text, **given)  # type: ignore[arg-type]


USING = "FOR customer USING customer, product, purchase, category"


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("next_product", "LIST_DISTINCT(purchases.product_id, 0, 14, days) RANK TOP 10"),
        ("next_category", "LIST_DISTINCT(products.category_id, 0, 14, days) RANK TOP 10"),
        ("total_spend_12m", "SUM(purchases.amount, 0, 12, months)"),
        ("spend_2w", "SUM(purchases.amount, 0, 2, weeks)"),
        ("avg_revenue_1y", "AVG(purchases.amount, 0, 1, years)"),
        ("max_amount_30d", "MAX(purchases.amount, 0, 30, days)"),
        ("total_quantity_30d", "SUM(purchases.qty, 0, 30, days)"),
        ("purchases_30d", "COUNT(purchases.*, 0, 30, days)"),
        ("count_purchases_30d", "COUNT(purchases.*, 0, 30, days)"),
        ("churn_90d", "NOT EXISTS(purchases.*, 0, 90, days)"),
        ("NEXT_PRODUCT", "LIST_DISTINCT(purchases.product_id, 0, 14, days) RANK TOP 10"),
    ],
)
def test_the_full_query_it_was_read_as_is_shown(name: str, meaning: str) -> None:
    query = read(f"PREDICT {name} {USING}", store(amount="number", qty="count"))
    assert query.reading is not None
    assert query.reading.startswith(f"PREDICT {meaning} FOR ")
    again = read(query.reading, store(amount="number", qty="count"))
    assert (again.target, again.task, again.top_k) == (query.target, query.task, query.top_k)
    assert again.reading is None


@pytest.mark.parametrize(
    ("columns_of_purchase", "meaning"),
    [
        ({"sales_value": "number", "coupon_disc": "number"}, "SUM(purchases.sales_value, 0, 12, months)"),
        (
            {"unit_price": "number", "quantity": "count"},
            "SUM(purchases.unit_price * purchases.quantity, 0, 12, months)",
        ),
        ({"total_price": "number", "quantity": "count"}, "SUM(purchases.total_price, 0, 12, months)"),
        ({"quantity": "count"}, "SUM(products.price * purchases.quantity, 0, 12, months)"),
        ({}, "SUM(products.price, 0, 12, months)"),
    ],
)
def test_spend_is_matched_by_synonyms(columns_of_purchase: dict[str, str], meaning: str) -> None:
    query = read(f"PREDICT total_spend_12m {USING}", store(**columns_of_purchase))
    assert query.reading is not None
    assert query.reading.startswith(f"PREDICT {meaning} FOR ")
    assert query.task is TaskKind.REGRESSION


def test_two_readings_are_an_error_that_lists_both() -> None:
    text = f"PREDICT total_spend_12m {USING}"
    with pytest.raises(PqlError) as caught:
        read(text, store(price="number", quantity="count"))
    assert caught.value.code == "ambiguous_target"
    assert caught.value.faults[0].nearest == (
        "SUM(purchases.price, 0, 12, months)",
        "SUM(purchases.price * purchases.quantity, 0, 12, months)",
    )
    with pytest.raises(PqlError) as caught:
        bind(parse_predict("PREDICT next_product FOR customer"), SHOP, text="PREDICT next_product FOR customer")
    assert len(caught.value.faults[0].nearest) == 2


def test_the_window_of_next_is_the_median_gap() -> None:
    asked = []

    def gap(fact: str, column: str) -> int:
        asked.append((fact, column))
        return 9

    query = read(f"PREDICT next_product {USING}", store(), median_gap_days=gap)
    assert asked == [("purchases", "customer_id")]
    assert query.reading is not None
    assert "0, 9, days" in query.reading


def test_a_defined_target_comes_first() -> None:
    defined = parse("DEFINE TARGET churn_90d AS COUNT(purchases.*, 0, 45, days) = 0")
    assert isinstance(defined, DefineTarget)
    query = read("PREDICT churn_90d FOR EACH customers", store(), targets={"churn_90d": defined})
    assert query.reading == "PREDICT COUNT(purchases.*, 0, 45, days) = 0 FOR EACH customers"


def test_a_column_of_that_name_is_that_column() -> None:
    catalog = store()
    customers = replace(catalog.table("customers"), columns=columns(id="id", churn_90d="flag"))
    query = read("PREDICT churn_90d FOR EACH customers", catalog.with_table(customers))
    assert (query.task, query.reading, query.is_static) == (TaskKind.BINARY, None, True)


def test_a_name_that_cannot_be_read_lists_what_can() -> None:
    with pytest.raises(PqlError) as caught:
        read(f"PREDICT next_colour {USING}", store(amount="number"))
    assert caught.value.code == "unknown_target"
    assert "next_product, total_amount_30d, churn_30d" in caught.value.hint


def test_the_names_that_could_be_read_are_written_as_people_write_them() -> None:
    assert [_singular(name) for name in ("races", "categories", "boxes", "Products", "status", "buses")] == [
        "race",
        "category",
        "box",
        "product",
        "status",
        "bus",
    ]
