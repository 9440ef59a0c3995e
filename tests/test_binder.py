"""What queries mean over a catalog: names, routes, windows, tasks, and the faults with their repairs."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from pathlib import Path

import pytest
from shop_catalog import SHOP

from pql.language import ast, codes
from pql.language.binder import bind, unsupported
from pql.language.bound import (
    BoundAggregate,
    BoundEntity,
    BoundQuery,
    BoundWindow,
    Call,
    ColumnRef,
    Constant,
    TaskKind,
)
from pql.language.catalog import LogicalType
from pql.language.errors import PqlError
from pql.language.options import Duration
from pql.language.parser import parse_predict


def bound(text: str, **given: object) -> BoundQuery:
    return bind(parse_predict(text), SHOP, text=text, **given)  # type: ignore[arg-type]


def fault(text: str, **given: object) -> PqlError:
    with pytest.raises(PqlError) as caught:
        bound(text, **given)
    return caught.value


def target(text: str) -> BoundAggregate:
    found = bound(text).target
    assert isinstance(found, BoundAggregate)
    return found


def steps(aggregate: BoundAggregate) -> list[str]:
    return [f"{'up' if step.up else 'down'} {step.link}" for step in aggregate.route]


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "text",
    [
        "PREDICT COUNT(orders.*, 0, 30, days) FOR EACH customers.customer_id",
        "PREDICT COUNT(ORDERS.*, 0, 30, days) FOR EACH CUSTOMERS.CUSTOMER_ID",
        "PREDICT COUNT(order.*, 0, 30) FOR customer",
        'PREDICT COUNT("orders".*, 0, 30) FOR EACH customers',
        "PREDICT COUNT(orders.*, 0, 30) FOR EACH customers.customer_id",
    ],
)
def test_names_resolve_exactly_then_without_case_then_in_the_other_number(text: str) -> None:
    query = bound(text)
    assert query.entity == BoundEntity("customers", ("customer_id",))
    assert isinstance(query.target, BoundAggregate)
    assert query.target.fact == "orders"


def test_a_bare_column_is_looked_for_at_hand_first() -> None:
    query = bound("PREDICT COUNT(orders.* WHERE status = 3, 0, 30) FOR EACH customers WHERE city = 'Oslo'")
    assert isinstance(query.target, BoundAggregate)
    assert isinstance(query.target.where, Call)
    left = query.target.where.args[0]
    assert isinstance(left, ColumnRef)
    assert (left.table, left.column) == ("orders", "status")
    assert isinstance(query.where, Call)
    assert query.where.args[0] == ColumnRef("customers", "city", LogicalType.STRING, left.stype)


def test_all_independent_faults_are_reported_at_once_and_one_fix_cures_them_all() -> None:
    error = fault("PREDICT SUM(orders.amuont, 0, 30) FOR EACH custmers.customer_id WHERE customers.cty = 3")
    assert {f.code for f in error.faults} == {"unknown_table", "unknown_column"}
    assert [f.nearest for f in error.faults] == [("customers",), ("amount",), ("city",)]
    assert error.fix == "PREDICT SUM(orders.amount, 0, 30) FOR EACH customers.customer_id WHERE customers.city = '3'"


# ---------------------------------------------------------------- aggregates and routes


@pytest.mark.parametrize(
    ("function", "kind", "task"),
    [
        ("COUNT", LogicalType.INTEGER, TaskKind.REGRESSION),
        ("SUM", LogicalType.FLOAT, TaskKind.REGRESSION),
        ("AVG", LogicalType.FLOAT, TaskKind.REGRESSION),
        ("MIN", LogicalType.FLOAT, TaskKind.REGRESSION),
        ("MAX", LogicalType.FLOAT, TaskKind.REGRESSION),
        ("MEDIAN", LogicalType.FLOAT, TaskKind.REGRESSION),
        ("STDDEV", LogicalType.FLOAT, TaskKind.REGRESSION),
        ("COUNT_DISTINCT", LogicalType.INTEGER, TaskKind.REGRESSION),
        ("FIRST", LogicalType.FLOAT, TaskKind.REGRESSION),
        ("LAST", LogicalType.FLOAT, TaskKind.REGRESSION),
        ("EXISTS", LogicalType.BOOLEAN, TaskKind.BINARY),
        ("BOOL", LogicalType.BOOLEAN, TaskKind.BINARY),
        ("TIME_TO", LogicalType.FLOAT, TaskKind.TIME_TO_EVENT),
    ],
)
def test_every_aggregation_has_its_type_and_task(function: str, kind: LogicalType, task: TaskKind) -> None:
    query = bound(f"PREDICT {function}(orders.amount, 0, 2, months) FOR EACH customers")
    assert isinstance(query.target, BoundAggregate)
    assert query.target.function == ("EXISTS" if function == "BOOL" else function)
    assert query.target.type is kind
    assert query.target.window == BoundWindow(0, 2, "months")
    assert query.task is task
    assert not query.is_static


@pytest.mark.parametrize(
    ("text", "fact", "route"),
    [
        (
            "PREDICT SUM(order_items.cost, 0, 30) FOR EACH customers",
            "order_items",
            ["up order_items.order_id -> orders.order_id", "up orders.customer_id -> customers.customer_id"],
        ),
        (
            "PREDICT LIST_DISTINCT(products.department, 0, 30) RANK TOP 3 FOR EACH customers VIA visits",
            "visits",
            ["up visits.customer_id -> customers.customer_id"],
        ),
        (
            "PREDICT LIST_DISTINCT(products.department WHERE orders.qty > 1, 0, 30) RANK TOP 3 FOR EACH customers",
            "orders",
            ["up orders.customer_id -> customers.customer_id"],
        ),
        (
            "PREDICT SUM(orders.qty * products.price, 0, 30) FOR EACH regions",
            "orders",
            ["up orders.customer_id -> customers.customer_id", "up customers.region_id -> regions.region_id"],
        ),
        (
            "PREDICT COUNT(orders.*, 0, 30) FOR EACH addresses IGNORING orders.ship_to",
            "orders",
            ["up orders.bill_to -> addresses.address_id"],
        ),
        (
            "PREDICT LIST_DISTINCT(orders.ship_to, 0, 30) RANK TOP 3 FOR EACH addresses",
            "orders",
            ["up orders.bill_to -> addresses.address_id"],
        ),
        (
            "PREDICT COUNT(customers.*, 0, 30) FOR EACH customers",
            "customers",
            ["up customers.referrer_id -> customers.customer_id"],
        ),
        (
            "PREDICT COUNT(customers.*, 0, 30) FOR EACH products VIA orders",
            "customers",
            ["down orders.customer_id -> customers.customer_id", "up orders.product_id -> products.product_id"],
        ),
        (
            "PREDICT COUNT(*, 0, 30) FOR EACH customers USING customers, orders",
            "orders",
            ["up orders.customer_id -> customers.customer_id"],
        ),
        (
            "PREDICT SUM(bookings.price, 0, 30) FOR EACH seats",
            "bookings",
            ["up bookings.hall, number -> seats.hall, number"],
        ),
    ],
)
def test_the_fact_table_and_the_shortest_route_are_found(text: str, fact: str, route: list[str]) -> None:
    found = target(text)
    assert (found.fact, steps(found)) == (fact, route)


def test_equal_routes_are_an_error_that_lists_the_clauses_that_choose() -> None:
    error = fault("PREDICT COUNT(customers.*, 0, 30) FOR EACH products")
    assert error.code == "ambiguous_join"
    assert error.faults[0].nearest == ("VIA orders", "VIA visits")
    assert error.fix == "PREDICT COUNT(customers.*, 0, 30) FOR EACH products VIA orders"
    assert "IGNORING orders.bill_to" in fault("PREDICT COUNT(orders.*, 0, 30) FOR EACH addresses").hint


def test_using_leaves_one_of_several_routes() -> None:
    text = (
        "PREDICT LIST_DISTINCT(products.department, 0, 9) CLASSIFY FOR EACH customers USING customers, products, visits"
    )
    assert target(text).fact == "visits"
    assert bound(text).using == ("customers", "products", "visits")


def test_row_filters_read_the_row_and_what_it_points_to() -> None:
    found = target("PREDICT COUNT(orders.* WHERE categories.title LIKE 'Ga%', 0, 30) FOR EACH customers")
    assert isinstance(found.where, Call)
    column = found.where.args[0]
    assert isinstance(column, ColumnRef)
    assert [str(step.link) for step in column.route] == [
        "orders.product_id -> products.product_id",
        "products.category_id -> categories.category_id",
    ]


def test_a_virtual_table_carries_the_columns_of_the_table_that_enriches_it() -> None:
    query = bound("PREDICT SUM(trips.spent, 0, 30) FOR EACH household WHERE demographics.income = 'high'")
    assert query.entity.table == "household"
    assert isinstance(query.where, Call)
    column = query.where.args[0]
    assert isinstance(column, ColumnRef)
    assert (column.table, column.route) == ("household", ())
    asked = bound("PREDICT SUM(trips.spent, 0, 30) FOR EACH demographics WHERE household.income = 'high'")
    assert asked.entity.table == "demographics"


def test_a_foreign_key_to_a_virtual_table_names_the_entity() -> None:
    assert bound("PREDICT SUM(trips.spent, 0, 9) FOR EACH trips.household_id").entity.table == "household"


def test_rows_that_take_their_time_from_the_entity_are_warned_about() -> None:
    assert "takes its time from orders" in bound("PREDICT SUM(order_items.cost, 0, 9) FOR EACH orders").warnings[0]


# ---------------------------------------------------------------- tasks


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("PREDICT COUNT(orders.*, 0, 30) = 0 FOR EACH customers", TaskKind.BINARY),
        ("PREDICT NOT EXISTS(orders.*, 0, 30) FOR EACH customers", TaskKind.BINARY),
        ("PREDICT customers.vip FOR EACH customers", TaskKind.BINARY),
        ("PREDICT LAST(orders.paid, 0, 30) FOR EACH customers", TaskKind.BINARY),
        ("PREDICT SUM(orders.qty, 0, 30) > SUM(orders.qty, -30, 0) FOR EACH customers", TaskKind.BINARY),
        ("PREDICT SUM(orders.qty, 0, 30) - SUM(orders.qty, -30, 0) FOR EACH customers", TaskKind.REGRESSION),
        ("PREDICT customers.age FOR EACH customers", TaskKind.REGRESSION),
        ("PREDICT customers.age AS CLASS FOR EACH customers", TaskKind.MULTICLASS),
        ("PREDICT customers.city FOR EACH customers", TaskKind.MULTICLASS),
        ("PREDICT regions.country FOR EACH customers", TaskKind.MULTICLASS),
        ("PREDICT customers.region_id FOR EACH customers", TaskKind.MULTICLASS),
        ("PREDICT FIRST(orders.product_id, 0, 30) FOR EACH customers", TaskKind.MULTICLASS),
        ("PREDICT LAST(orders.status, 0, 30) FOR EACH customers", TaskKind.MULTICLASS),
        ("PREDICT LAST(orders.status, 0, 30) AS NUMBER FOR EACH customers", TaskKind.REGRESSION),
        ("PREDICT FIRST(orders.voucher, 0, 30) FOR EACH customers", TaskKind.MULTICLASS),
        ("PREDICT LIST_DISTINCT(orders.voucher, 0, 30) CLASSIFY FOR EACH customers", TaskKind.MULTILABEL),
        ("PREDICT LIST_DISTINCT(orders.product_id, 0, 30) RANK TOP 3 FOR EACH customers", TaskKind.RANKING),
        ("PREDICT ARRAY_AGG(orders.product_id, 0, 30) RANK TOP 3 FOR EACH customers", TaskKind.RANKING),
        ("PREDICT SUM(orders.qty, 0, 7) FORECAST 4 TIMEFRAMES FOR EACH customers", TaskKind.FORECAST),
    ],
)
def test_the_target_decides_the_task(text: str, task: TaskKind) -> None:
    query = bound(text)
    assert query.task is task
    assert query.reason


def test_the_reason_says_what_would_change_it() -> None:
    assert (
        bound("PREDICT customers.age FOR EACH customers").reason
        == "age: integer: a number; `AS CLASS` makes it a class"
    )


def test_items_are_keys_of_the_linked_table_or_plain_values() -> None:
    ranked = bound("PREDICT LIST_DISTINCT(products.product_id, 0, 9) RANK TOP 7 FOR EACH customers VIA orders")
    assert ranked.item is not None
    assert (ranked.item.table, ranked.item.key, ranked.top_k) == ("products", "product_id", 7)
    assert (ranked.item.column.table, ranked.item.column.route) == ("orders", ())
    plain = bound("PREDICT LIST_DISTINCT(products.department, 0, 9) RANK TOP 7 FOR EACH customers VIA orders").item
    assert plain is not None
    assert (plain.table, plain.key, plain.column.column) == (None, None, "department")


def test_the_pair_form_equals_the_list_form() -> None:
    pair = bound("PREDICT BOOL(orders.product_id, 0, 14) FOR EACH customers, products RANK TOP 5")
    listed = bound("PREDICT LIST_DISTINCT(orders.product_id, 0, 14) RANK TOP 5 FOR EACH customers")
    assert pair.pair == BoundEntity("products", ("product_id",))
    assert (pair.target, pair.item, pair.top_k, pair.task) == (listed.target, listed.item, 5, TaskKind.RANKING)
    alone = bound("PREDICT BOOL(orders.product_id, 0, 14) FOR EACH customers, products")
    assert (alone.task, alone.pair) == (TaskKind.BINARY, pair.pair)


# ---------------------------------------------------------------- ids, parameters, times, options


def test_ids_have_the_type_of_the_key_and_stand_once() -> None:
    big = 2**60 + 1
    assert bound(f"PREDICT customers.age FOR customers IN (7, {big}, 7)").ids == (7, big)
    assert bound("PREDICT COUNT(order_items.*, 0, 9) FOR skus = 'a'").ids == ("a",)
    one = uuid.UUID(int=5)
    assert bound(f"PREDICT visits.seconds FOR visits.visit_id = '{one}'").ids == (one,)
    assert bound("PREDICT seats.kind FOR seats IN (('a', 1), ('b', 2))").ids == (("a", 1), ("b", 2))
    assert bound("PREDICT seats.kind FOR seats = ('a', 1)").ids == (("a", 1),)


def test_parameters_are_bound_wherever_a_literal_may_stand() -> None:
    text = (
        "PREDICT LIST_DISTINCT(orders.product_id WHERE orders.voucher = :v, 0, :days, days) RANK TOP :k "
        "FOR customers.customer_id IN :ids AS OF :moment WITH (seed = :seed)"
    )
    params = {"v": "x' OR 1=1 --", "days": 9, "k": 4, "ids": [3, 1], "moment": dt.date(2024, 5, 1), "seed": 8}
    query = bound(text, params=params)
    assert isinstance(query.target, BoundAggregate)
    assert isinstance(query.target.where, Call)
    assert query.target.where.args[1] == Constant("x' OR 1=1 --", LogicalType.STRING)
    assert (query.target.window.end, query.top_k, query.ids) == (9, 4, (3, 1))
    assert (query.as_of, query.options.seed) == (dt.datetime(2024, 5, 1), 8)
    placed = bound("PREDICT COUNT(orders.*, 0, ?) > ? FOR EACH customers", params=[7, 2.5])
    assert isinstance(placed.target, Call)
    assert placed.target.args[1] == Constant(2.5, LogicalType.FLOAT)


def test_moments_are_naive_utc() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    query = bound(
        "PREDICT customers.age FOR EACH customers",
        as_of=dt.datetime(2024, 1, 1, 2, tzinfo=zone),
        evaluate_at=(ast.Literal(dt.date(2023, 1, 1)), "2023-02-01"),
    )
    assert query.as_of == dt.datetime(2024, 1, 1)
    assert query.evaluate_at == (dt.datetime(2023, 1, 1), dt.datetime(2023, 2, 1))


def test_constants_take_the_type_of_what_they_stand_beside() -> None:
    query = bound("PREDICT customers.age FOR EACH customers WHERE '2024-01-01 10:00' < customers.joined")
    assert isinstance(query.where, Call)
    assert query.where.op == ">"
    assert query.where.args[1] == Constant(dt.datetime(2024, 1, 1, 10), LogicalType.TIMESTAMP)


def test_options_stand_over_their_defaults() -> None:
    text = (
        "PREDICT customers.age FOR EACH customers WITH (model = gnn, budget = '2 min', step = 7 days, "
        "refit = off, cache = refresh, neighbors = (8, 4, 2), co_occurrence = on, anchors = 5)"
    )
    options = bound(text).options
    assert (options.model, options.budget_seconds, options.step) == ("gnn", 120.0, Duration(7, "days"))
    assert (options.refit, options.cache, options.co_occurrence, options.anchors) == (False, "refresh", True, 5)
    assert (options.hops, options.neighbors) == (3, (8, 4, 2))
    assert bound("PREDICT customers.age FOR EACH customers WITH (hops = 1)").options.neighbors is None


def test_clauses_that_bind_and_do_not_run_yet_are_all_named() -> None:
    text = (
        "PREDICT LIST_DISTINCT(orders.product_id, 0, 9) RANK TOP 5 FOR EACH customers EXCLUDING PURCHASED "
        "CANDIDATES WHERE products.price > 3 AT MOST 2 PER products.department"
    )
    query = bound(text)
    assert query.excluding is not None
    assert (query.excluding.what, query.at_most is not None, query.candidates is not None) == ("purchased", True, True)
    assert [past.window.start for past in query.excluding.pasts] == [None]
    assert unsupported(query.syntax, query) == []
    for more in (
        "PREDICT TIME_TO(orders.*, 0, 90) FOR EACH customers",
        "PREDICT BOOL(orders.product_id, 0, 14) FOR EACH customers, products",
    ):
        query = bound(more)
        assert len(unsupported(query.syntax, query)) == 1
    for fine in (
        "PREDICT SUM(orders.qty, 0, 7) FORECAST 4 TIMEFRAMES FOR EACH customers",
        "PREDICT SUM(orders.qty, 0, 7) FOR EACH customers RETURN QUANTILES (0.1, 0.9)",
        "PREDICT SUM(orders.qty, 0, 7) FOR EACH customers RETURN INTERVAL 0.8",
        "PREDICT COUNT(orders.*, 0, 7) > 0 FOR EACH customers RETURN PROBABILITY",
        "PREDICT customers.city FOR EACH customers RETURN DISTRIBUTION",
    ):
        query = bound(fine)
        assert unsupported(query.syntax, query) == []


# ---------------------------------------------------------------- faults

EACH = "FOR EACH customers"
FAULTS: list[tuple[str, str, str | None]] = [
    ("unknown_table", f"PREDICT COUNT(ordrs.*, 0, 9) {EACH}", f"PREDICT COUNT(orders.*, 0, 9) {EACH}"),
    (
        "unknown_table",
        "PREDICT customers.age FOR EACH users.user_id",
        "PREDICT customers.age FOR EACH customers.customer_id",
    ),
    ("unknown_column", f"PREDICT customers.agee {EACH}", f"PREDICT customers.age {EACH}"),
    ("unknown_column", f"PREDICT customers.city = Oslo {EACH}", f"PREDICT customers.city = 'Oslo' {EACH}"),
    (
        "ambiguous_column",
        f"PREDICT SUM(price, 0, 9) {EACH} VIA orders",
        f"PREDICT SUM(products.price, 0, 9) {EACH} VIA orders",
    ),
    ("unknown_aggregation", f"PREDICT MEAN(orders.qty, 0, 9) {EACH}", f"PREDICT AVG(orders.qty, 0, 9) {EACH}"),
    ("unknown_target", f"PREDICT happiness {EACH}", None),
    (
        "ambiguous_target",
        f"PREDICT churn_30d {EACH}",
        f"PREDICT NOT EXISTS(orders.*, 0, 30, days) {EACH}",
    ),
    (
        "unknown_option",
        f"PREDICT customers.age {EACH} WITH (modle = gnn)",
        f"PREDICT customers.age {EACH} WITH (model = gnn)",
    ),
    (
        "bad_option_value",
        f"PREDICT customers.age {EACH} WITH (model = gmn, hops = 9)",
        f"PREDICT customers.age {EACH} WITH (model = 'gnn', hops = 4)",
    ),
    ("duplicate_option", f"PREDICT customers.age {EACH} WITH (hops = 1, hops = 2)", None),
    ("unbound_parameter", f"PREDICT customers.age > :x {EACH}", None),
    (
        "entity_not_key",
        "PREDICT customers.age FOR EACH customers.city",
        "PREDICT customers.age FOR EACH customers.customer_id",
    ),
    (
        "entity_not_key",
        "PREDICT COUNT(orders.*, 0, 9) FOR EACH orders.product_id",
        "PREDICT COUNT(orders.*, 0, 9) FOR EACH products.product_id",
    ),
    (
        "entity_id_operator",
        "PREDICT customers.age FOR customers.customer_id > 7 WHERE customers.vip OR customers.city = 'a'",
        "PREDICT customers.age FOR customers.customer_id WHERE (customers.vip OR customers.city = 'a') "
        "AND customers.customer_id > 7",
    ),
    (
        "pair_mismatch",
        "PREDICT BOOL(orders.product_id, 0, 9) FOR EACH products, customers RANK TOP 5",
        "PREDICT BOOL(orders.product_id, 0, 9) FOR EACH customers, products RANK TOP 5",
    ),
    ("pair_mismatch", "PREDICT SUM(orders.amount, 0, 9) FOR EACH customers, products", None),
    ("no_join_path", "PREDICT SUM(trips.spent, 0, 9) FOR EACH customers", None),
    ("no_join_path", f"PREDICT COUNT(orders.* WHERE visits.seconds > 3, 0, 9) {EACH}", None),
    ("ambiguous_join", f"PREDICT COUNT(orders.* WHERE addresses.zip = '1', 0, 9) {EACH}", None),
    (
        "using_misses_target",
        f"PREDICT COUNT(orders.*, 0, 9) {EACH} USING customers, visits",
        f"PREDICT COUNT(orders.*, 0, 9) {EACH} USING customers, visits, orders",
    ),
    ("missing_window", f"PREDICT SUM(orders.qty) {EACH}", f"PREDICT SUM(orders.qty, 0, 30, days) {EACH}"),
    (
        "missing_window",
        f"PREDICT customers.age {EACH} WHERE COUNT(orders.*) > 3",
        f"PREDICT customers.age {EACH} WHERE COUNT(orders.*, -30, 0, days) > 3",
    ),
    ("missing_window", f"PREDICT orders.qty {EACH}", f"PREDICT LAST(orders.qty, 0, 30, days) {EACH}"),
    ("window_inverted", f"PREDICT SUM(orders.qty, 9, 0, weeks) {EACH}", f"PREDICT SUM(orders.qty, 0, 9, weeks) {EACH}"),
    ("window_empty", f"PREDICT SUM(orders.qty, 7, 7) {EACH}", f"PREDICT SUM(orders.qty, 7, 37, days) {EACH}"),
    ("past_target", f"PREDICT SUM(orders.qty, -9, 0) {EACH}", f"PREDICT SUM(orders.qty, 0, 9, days) {EACH}"),
    ("past_target", f"PREDICT SUM(orders.qty, -9, 5) {EACH}", f"PREDICT SUM(orders.qty, 0, 5, days) {EACH}"),
    (
        "future_filter",
        f"PREDICT customers.age {EACH} WHERE COUNT(orders.*, 0, 5) > 3",
        f"PREDICT customers.age {EACH} WHERE COUNT(orders.*, -5, 0, days) > 3",
    ),
    (
        "assuming_past",
        f"PREDICT SUM(orders.qty, 0, 9) {EACH} ASSUMING COUNT(orders.*, -5, 0) > 3",
        f"PREDICT SUM(orders.qty, 0, 9) {EACH} WHERE COUNT(orders.*, -5, 0) > 3",
    ),
    ("assuming_static", f"PREDICT customers.age {EACH} ASSUMING COUNT(orders.*, 0, 5) > 3", None),
    ("missing_time_column", f"PREDICT COUNT(memberships.*, 0, 9) {EACH}", None),
    ("time_to_start", f"PREDICT TIME_TO(orders.*, 5, 9) {EACH}", None),
    ("type_mismatch", f"PREDICT customers.city = 5 {EACH}", f"PREDICT customers.city = '5' {EACH}"),
    ("type_mismatch", f"PREDICT customers.age > '5' {EACH}", f"PREDICT customers.age > 5 {EACH}"),
    ("type_mismatch", f"PREDICT SUM(orders.qty, 0, 9) IN 5 {EACH}", f"PREDICT SUM(orders.qty, 0, 9) IN (5) {EACH}"),
    (
        "type_mismatch",
        f"PREDICT SUM(orders.qty, 0, 9) != (5, 6) {EACH}",
        f"PREDICT SUM(orders.qty, 0, 9) NOT IN (5, 6) {EACH}",
    ),
    (
        "type_mismatch",
        f"PREDICT SUM(orders.paid, 0, 9) {EACH}",
        f"PREDICT COUNT(orders.* WHERE orders.paid, 0, 9) {EACH}",
    ),
    (
        "type_mismatch",
        f"PREDICT customers.age {EACH} WHERE COUNT(orders.*, -9, 0) AND customers.vip",
        f"PREDICT customers.age {EACH} WHERE COUNT(orders.*, -9, 0) > 0 AND customers.vip",
    ),
    ("type_mismatch", f"PREDICT customers.photo {EACH}", None),
    ("type_mismatch", f"PREDICT customers.born {EACH}", None),
    ("type_mismatch", f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) > 3 {EACH}", None),
    ("type_mismatch", "PREDICT customers.age FOR customers = '7'", "PREDICT customers.age FOR customers = 7"),
    ("type_mismatch", "PREDICT visits.seconds FOR visits = 'abc'", None),
    ("null_comparison", f"PREDICT customers.city != NULL {EACH}", f"PREDICT customers.city IS NOT NULL {EACH}"),
    ("wildcard", f"PREDICT orders.* {EACH}", f"PREDICT COUNT(orders.*, 0, 30, days) {EACH}"),
    ("wildcard", f"PREDICT SUM(orders.*, 0, 9) {EACH}", f"PREDICT COUNT(orders.*, 0, 9) {EACH}"),
    ("wildcard", f"PREDICT COUNT(*, 0, 9) {EACH}", f"PREDICT COUNT(orders.*, 0, 9) {EACH}"),
    ("nested_aggregate", f"PREDICT SUM(COUNT(orders.*, 0, 3), 0, 9) {EACH}", None),
    ("constant_condition", f"PREDICT customers.age {EACH} WHERE 1 = 1", None),
    ("constant_condition", f"PREDICT COUNT(orders.* WHERE 1 = 1, 0, 9) {EACH}", None),
    ("constant_condition", f"PREDICT 5 {EACH}", None),
    (
        "event_column_filter",
        f"PREDICT customers.age {EACH} WHERE customers.vip AND NOT orders.qty < 5",
        f"PREDICT customers.age {EACH} WHERE customers.vip AND NOT COUNT(orders.* WHERE orders.qty < 5, -INF, 0) > 0",
    ),
    (
        "event_column_filter",
        f"PREDICT customers.age {EACH} WHERE order_items.cost < 5",
        f"PREDICT customers.age {EACH} WHERE COUNT(order_items.* WHERE order_items.cost < 5, -INF, 0) > 0",
    ),
    (
        "mixed_static_temporal",
        f"PREDICT COUNT(orders.*, 0, 9) > 0 AND customers.vip {EACH} WHERE customers.age > 3 OR customers.age < 1",
        f"PREDICT COUNT(orders.*, 0, 9) > 0 {EACH} WHERE (customers.age > 3 OR customers.age < 1) AND customers.vip",
    ),
    ("mixed_static_temporal", f"PREDICT COUNT(orders.*, 0, 9) > customers.age {EACH}", None),
    ("target_is_key", f"PREDICT customers.customer_id {EACH}", None),
    ("target_is_key", f"PREDICT LAST(orders.order_id, 0, 9) {EACH}", f"PREDICT COUNT(orders.order_id, 0, 9) {EACH}"),
    ("target_is_key", f"PREDICT LAST(orders.customer_id, 0, 9) {EACH}", None),
    (
        "missing_task_clause",
        f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) {EACH}",
        f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) RANK TOP 10 {EACH}",
    ),
    (
        "rank_without_top",
        f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) RANK {EACH}",
        f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) RANK TOP 10 {EACH}",
    ),
    (
        "top_without_rank",
        f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) TOP 4 {EACH}",
        f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) RANK TOP 4 {EACH}",
    ),
    (
        "top_not_positive",
        f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) RANK TOP 0 {EACH}",
        f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) RANK TOP 10 {EACH}",
    ),
    (
        "rank_on_scalar",
        f"PREDICT COUNT(orders.*, 0, 9) > 0 RANK TOP 3 {EACH}",
        f"PREDICT COUNT(orders.*, 0, 9) > 0 {EACH}",
    ),
    ("rank_on_scalar", f"PREDICT SUM(orders.qty, 0, 9) {EACH} RANK TOP 3", f"PREDICT SUM(orders.qty, 0, 9) {EACH}"),
    (
        "forecast_needs_number",
        f"PREDICT EXISTS(orders.*, 0, 9) FORECAST 2 TIMEFRAMES {EACH}",
        f"PREDICT EXISTS(orders.*, 0, 9) {EACH}",
    ),
    ("forecast_needs_window", f"PREDICT customers.age FORECAST 2 TIMEFRAMES {EACH}", f"PREDICT customers.age {EACH}"),
    (
        "forecast_not_positive",
        f"PREDICT SUM(orders.qty, 0, 9) FORECAST 0 TIMEFRAMES {EACH}",
        f"PREDICT SUM(orders.qty, 0, 9) FORECAST 1 TIMEFRAMES {EACH}",
    ),
    (
        "quantile_range",
        f"PREDICT SUM(orders.qty, 0, 9) {EACH} RETURN QUANTILES (10, 0.5, 90)",
        f"PREDICT SUM(orders.qty, 0, 9) {EACH} RETURN QUANTILES (0.1, 0.5, 0.9)",
    ),
    (
        "clause_conflict",
        f"PREDICT SUM(orders.qty, 0, 9) {EACH} RETURN DISTRIBUTION",
        f"PREDICT SUM(orders.qty, 0, 9) {EACH}",
    ),
    ("clause_conflict", f"PREDICT SUM(orders.qty, 0, 9) CLASSIFY {EACH}", f"PREDICT SUM(orders.qty, 0, 9) {EACH}"),
    ("clause_conflict", f"PREDICT SUM(orders.qty, 0, 9) {EACH} EXCLUDING PURCHASED", None),
    ("no_effect", f"PREDICT customers.age AS NUMBER {EACH}", f"PREDICT customers.age {EACH}"),
    ("no_effect", f"PREDICT COUNT(orders.*, 0, 9) {EACH} VIA products", None),
    ("invalid_literal", f"PREDICT customers.age {EACH} AS OF 'yesterday'", None),
]


@pytest.mark.parametrize(("code", "text", "fix"), FAULTS, ids=[f"{i}-{code}" for i, (code, _, _) in enumerate(FAULTS)])
def test_a_fault_has_its_code_place_and_repair(code: str, text: str, fix: str | None) -> None:
    error = fault(text)
    assert error.code == code
    assert error.span is not None
    assert text[error.span.start : error.span.end].strip()
    if fix is not None:
        assert error.fix == fix
    if error.fix is not None:
        bound(error.fix)


MODULES = (
    "aggregates",
    "bind_options",
    "clauses",
    "ranked",
    "entities",
    "expressions",
    "joins",
    "named",
    "parameters",
    "scope",
    "targets",
    "tasks",
    "unsupported",
    "windows",
)


def test_every_code_of_the_binder_is_documented_and_tested() -> None:
    folder = Path(__file__).resolve().parent.parent / "pql" / "language"
    raised: set[str] = set()
    for name in MODULES:
        source = (folder / f"{name}.py").read_text(encoding="utf-8")
        raised |= set(re.findall(r'(?:fault|Fault|_refuse)\(\s*(?:scope, node, )?"([a-z_]+)"', source))
    assert raised <= set(codes.CODES)
    elsewhere = {"ambiguous_table", "empty_list", "too_many_values", "parameter_type", "unknown_unit", "not_supported"}
    assert raised - elsewhere <= {code for code, _, _ in FAULTS}


def test_parameters_of_a_wrong_kind_are_faults() -> None:
    assert fault("PREDICT COUNT(orders.*, 0, :d) FOR EACH customers", params={"d": "x"}).code == "parameter_type"
    assert fault("PREDICT customers.age > :d FOR EACH customers", params={"d": object()}).code == "parameter_type"
    assert fault("PREDICT customers.age FOR customers IN :d", params={"d": []}).code == "empty_list"
    assert fault("PREDICT customers.age FOR customers IN :d", params={"d": range(0)}).code == "parameter_type"
    assert fault("PREDICT customers.age FOR customers IN :d", params={"d": [1] * 10_001}).code == "too_many_values"


def test_the_same_fault_is_told_once() -> None:
    error = fault("PREDICT COUNT(ordrs.*, 0, 9) > COUNT(ordrs.*, -9, 0) FOR EACH customers")
    assert [f.code for f in error.faults] == ["unknown_table"]
    assert error.fix == "PREDICT COUNT(orders.*, 0, 9) > COUNT(orders.*, -9, 0) FOR EACH customers"
