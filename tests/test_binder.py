"""What queries mean over a catalog: names, routes, windows, tasks, clauses."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from binding import bound, fault

from pql.engine.planning.planned_graph import aggregates, columns_read
from pql.language import ast
from pql.language.bound import (
    BoundAggregate,
    BoundEntity,
    BoundWindow,
    Call,
    ColumnRef,
    Constant,
    TaskKind,
)
from pql.language.catalog import LogicalType
from pql.language.options import Duration


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
            "PREDICT COUNT(orders.*, 0, 30) FOR EACH addresses VIA orders.bill_to",
            "orders",
            ["up orders.bill_to -> addresses.address_id"],
        ),
        (
            "PREDICT COUNT(order_items.*, 0, 30) FOR EACH addresses VIA Orders.Bill_To",
            "order_items",
            ["up order_items.order_id -> orders.order_id", "up orders.bill_to -> addresses.address_id"],
        ),
        (
            "PREDICT LIST_DISTINCT(orders.bill_to, 0, 30) RANK TOP 3 FOR EACH addresses VIA orders.ship_to",
            "orders",
            ["up orders.ship_to -> addresses.address_id"],
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
    assert "VIA orders.bill_to" in fault("PREDICT COUNT(orders.*, 0, 30) FOR EACH addresses").hint


def test_via_a_link_chooses_for_target_and_filters_and_takes_no_link_away() -> None:
    text = "PREDICT COUNT(orders.* WHERE addresses.zip = '1', 0, 9) FOR EACH addresses VIA orders.bill_to"
    query = bound(text + " WHERE COUNT(orders.*, -9, 0) > 0")
    routes = [aggregate.route for side in (query.target, query.where) for aggregate in aggregates(side)]
    assert [[step.link.child_columns for step in route] for route in routes] == [[("bill_to",)]] * 2
    [condition] = [aggregate.where for aggregate in aggregates(query.target)]
    assert [step.link.child_columns for ref in columns_read(condition) for step in ref.route] == [("bill_to",)]
    assert query.ignoring == frozenset()


@pytest.mark.parametrize(
    ("text", "code", "fix"),
    [
        ("COUNT(orders.*, 0, 9) FOR EACH addresses VIA bill_to", "unknown_table", "VIA orders.bill_to"),
        (
            "COUNT(orders.*, 0, 9) FOR EACH addresses VIA orders.bill_to, orders.ship_to",
            "no_effect",
            "VIA orders.bill_to",
        ),
        ("COUNT(orders.*, 0, 9) FOR EACH addresses VIA orders.amount", "no_join_path", None),
        (
            "COUNT(orders.* VIA visits, 0, 9) FOR EACH customers",
            "no_effect",
            "COUNT(orders.*, 0, 9) FOR EACH customers",
        ),
        ("LIST_DISTINCT(orders.bill_to, 0, 9) RANK TOP 3 FOR EACH addresses VIA orders.bill_to", "target_is_key", None),
    ],
)
def test_a_link_of_via_that_no_route_takes_is_refused(text: str, code: str, fix: str | None) -> None:
    error = fault(f"PREDICT {text}")
    assert error.code == code
    assert (error.fix or "")[-len(fix or "") :] == (fix or "")


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
    assert (alone.target, alone.pair, alone.asks_pairs) == (pair.target, pair.pair, True)
    assert alone.task is TaskKind.BINARY


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


def test_the_clauses_of_a_ranking_are_bound() -> None:
    query = bound(
        "PREDICT LIST_DISTINCT(orders.product_id, 0, 9) RANK TOP 5 FOR EACH customers EXCLUDING PURCHASED "
        "CANDIDATES WHERE products.price > 3 AT MOST 2 PER products.department"
    )
    assert query.excluding is not None
    assert (query.excluding.what, query.at_most is not None, query.candidates is not None) == ("purchased", True, True)
    assert [past.window.start for past in query.excluding.pasts] == [None]
