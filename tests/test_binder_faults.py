"""What is wrong with a query over a catalog: every fault has its code, its place, and a repair that binds."""

from __future__ import annotations

import pytest
from binding import bound, fault
from error_examples import is_whole

from pql.language.binder import unsupported

EACH = "FOR EACH customers"
FAULTS: list[tuple[str, str, str | None]] = [
    ("unknown_table", f"PREDICT COUNT(ordrs.*, 0, 9) {EACH}", f"PREDICT COUNT(orders.*, 0, 9) {EACH}"),
    (
        "unknown_table",
        "PREDICT customers.age FOR EACH users.user_id",
        "PREDICT customers.age FOR EACH customers.customer_id",
    ),
    ("missing_name", f"PREDICT customers.age {EACH} USING MODEL", None),
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
        "clause_conflict",
        f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) AS CLASS {EACH}",
        f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) RANK TOP 10 {EACH}",
    ),
    (
        "clause_conflict",
        f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) {EACH} AS NUMBER",
        f"PREDICT LIST_DISTINCT(orders.product_id, 0, 9) {EACH} RANK TOP 10",
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
        f"SELECT * FROM (PREDICT COUNT(orders.*, 0, 9) > 0 {EACH}) ORDER BY probability DESC LIMIT 3",
    ),
    (
        "rank_on_scalar",
        f"PREDICT SUM(orders.qty, 0, 9) AS spent {EACH} RANK TOP 3",
        f"SELECT * FROM (PREDICT SUM(orders.qty, 0, 9) AS spent {EACH}) ORDER BY spent DESC LIMIT 3",
    ),
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
        assert is_whole(error.fix)


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


def test_what_is_read_and_does_not_run_yet_says_what_to_do_instead() -> None:
    for text in (
        "PREDICT TIME_TO(orders.*, 0, 90) FOR EACH customers",
        "PREDICT COUNT(orders.*, 0, 7) > 0 FOR EACH customers RETURN PROBABILITY",
    ):
        query = bound(text)
        faults = unsupported(query.syntax, query)
        assert all(found.code == "not_supported" and found.hint and found.span for found in faults)
    assert faults == []
