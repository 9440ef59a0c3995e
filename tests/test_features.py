"""As-of features: exact windows, nothing later than the anchor, the same bits alone and in a batch."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from fake_graphs import DAY, coded, make_edge, node, number, shop, stamp, without_later

from pql.engine.features.as_of import FeatureSpec, duration, fit_features
from pql.engine.graph.seeds import Seeds
from pql.engine.graph.segments import count_ranges, ragged_ranges, reduce_ranges, upper_bound
from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph
from pql.language.catalog import Link, Stype
from pql.language.errors import PqlError


def linked(graph: TemporalGraph) -> TemporalGraph:
    """The graph with a declared link behind every edge type."""
    edges = []
    for edge in graph.edges:
        child, parent = graph.nodes[edge.child].name, graph.nodes[edge.parent].name
        edges.append(replace(edge, link=Link(child, (edge.name,), parent, ("id",))))
    return replace(graph, edges=tuple(edges))


def tiny() -> TemporalGraph:
    """Two customers; the first bought on days 1, 5, 5 and 20 (amounts 10, 20, NaN, 40), the second never."""
    days = np.array([1, 5, 5, 20])
    customers = node(
        "customers",
        [ALWAYS, ALWAYS],
        number("age", [30, np.nan]),
        coded("plan", Stype.CATEGORY, ["free", "pro"], [0, 0]),
        stamp("born", [-10 * DAY, 50 * DAY]),
    )
    products = node(
        "products", [ALWAYS, 10 * DAY], number("price", [1.0, 7.0]), coded("kind", Stype.CATEGORY, ["a", "b"], [0, 1])
    )
    orders = node("orders", days * DAY, number("amount", [10, 20, np.nan, 40]))
    nodes = (customers, orders, products)
    edges = (make_edge(nodes, "who", 1, 0, [0, 0, 0, 0]), make_edge(nodes, "what", 1, 2, [0, 0, 1, 1]))
    return linked(TemporalGraph(nodes, edges, 0))


def at(graph: TemporalGraph, day: float, row: int = 0, **changes) -> dict[str, float]:
    spec = fit_features(graph, cut=100 * DAY, horizon=4 * DAY, **changes)
    seeds = Seeds(np.array([row]), np.array([int(day * DAY)]))
    matrix = spec.compute(graph, seeds)
    return dict(zip(matrix.names, matrix.values[0].tolist(), strict=True))


def test_counts_sums_and_means_over_whole_history_and_windows():
    found = at(tiny(), 20)
    assert found["COUNT(orders.*, -INF, 0)"] == 4
    assert found["COUNT(orders.*, -16d, 0)"] == 3  # (4, 20]: day 5 twice and day 20
    assert found["COUNT(orders.*, -4d, 0)"] == 1
    assert found["SUM(orders.amount, -INF, 0)"] == 70
    assert found["AVG(orders.amount, -INF, 0)"] == pytest.approx(70 / 3)
    assert found["MIN(orders.amount, -INF, 0)"] == 10
    assert found["MAX(orders.amount, -16d, 0)"] == 40
    assert found["STDDEV(orders.amount, -INF, 0)"] == pytest.approx(np.std([10, 20, 40], ddof=1))
    assert found["latest orders.amount"] == 40
    assert found["mean of last 3 orders.amount"] == 30


def test_a_window_is_open_at_its_start_and_closed_at_the_anchor():
    graph = tiny()
    assert at(graph, 9)["COUNT(orders.*, -4d, 0)"] == 0  # (5, 9]
    assert at(graph, 8.9)["COUNT(orders.*, -4d, 0)"] == 2
    assert at(graph, 5)["COUNT(orders.*, -INF, 0)"] == 3
    assert at(graph, 4.999)["COUNT(orders.*, -INF, 0)"] == 1


def test_recency_and_rhythm_count_moments_not_rows():
    found = at(tiny(), 22)
    assert found["days since latest orders"] == 2
    assert found["days since orders 2 back"] == 17
    assert found["days since orders 3 back"] == 21
    assert np.isnan(found["days since orders 5 back"])
    assert found["days since first orders"] == 21
    assert found["mean gap of orders"] == pytest.approx((4 + 15) / 2)
    assert found["spread of gaps of orders"] == pytest.approx(np.std([4, 15]))
    assert found["moments of orders (-INF, 0)"] == 3


def test_a_parent_counts_only_from_when_the_fact_could_know_it():
    found = at(tiny(), 20)
    # product b exists from day 10: the order of day 5 did not know it, that of day 20 did
    assert found["SUM(orders.products.price, -INF, 0)"] == 1 + 1 + 7
    assert found["latest orders.products.kind"] == 1
    assert found["share of orders.products.kind = b (-INF, 0)"] == pytest.approx(1 / 4)
    assert found["COUNT_DISTINCT(orders.products, -INF, 0)"] == 2
    assert found["first-time orders.products (-4d, 0)"] == 1


def test_own_columns_are_read_relative_to_the_anchor():
    found = at(tiny(), 20)
    assert found["customers.plan"] == 0
    assert found["days since customers.born"] == 30
    other = at(tiny(), 20, row=1)
    assert other["customers.plan"] == 1
    assert np.isnan(other["days since customers.born"])  # a date later than the anchor is unknown


def test_an_entity_without_history_has_counts_of_nought_and_no_means():
    found = at(tiny(), 20, row=1)
    assert found["COUNT(orders.*, -INF, 0)"] == 0
    assert found["SUM(orders.amount, -INF, 0)"] == 0
    for name in ("AVG(orders.amount, -INF, 0)", "days since latest orders", "latest orders.amount"):
        assert np.isnan(found[name])


def test_masked_columns_are_not_read():
    graph = tiny()
    names = at(graph, 20, masked=frozenset({("orders", "amount"), ("customers", "plan")}))
    assert not [n for n in names if "amount" in n or "customers.plan" in n]


def test_one_hop_stays_at_the_entitys_own_facts():
    assert not [n for n in at(tiny(), 20, hops=1) if "products." in n]


def test_lags_become_features_with_a_summary():
    graph = tiny()
    spec = fit_features(graph, cut=100 * DAY, horizon=4 * DAY, lags=3)
    seeds = Seeds(np.array([0, 1]), np.array([20 * DAY, 20 * DAY]))
    lags = np.array([[1, 3, np.nan], [np.nan, np.nan, np.nan]], dtype=np.float32)
    matrix = spec.compute(graph, seeds, lags)
    found = dict(zip(matrix.names, matrix.values.T, strict=True))
    assert found["target 1 windows ago"][0] == 1
    assert found["mean of earlier targets"][0] == 2
    assert found["trend of earlier targets"][0] == -1
    assert np.isnan(found["mean of earlier targets"][1])


SPAN = 400


def shop_case(seed: int = 0):
    graph = linked(shop(seed, users=60, items=12, orders=900))
    rng = np.random.default_rng(seed)
    n = 300
    anchors = rng.choice(np.array([150, 200, 260, 330]) * DAY, n)
    return graph, Seeds(rng.integers(0, 60, n), anchors.astype(np.int64))


def test_counts_and_sums_agree_with_a_plain_loop():
    graph, seeds = shop_case()
    spec = fit_features(graph, cut=150 * DAY, horizon=30 * DAY)
    matrix = spec.compute(graph, seeds)
    found = dict(zip(matrix.names, matrix.values.T, strict=True))
    orders, who = graph.nodes[1], graph.edges[0].parent_of
    amount = orders.column("amount").data
    for i in range(0, len(seeds), 7):
        row, anchor = seeds.rows[i], seeds.anchors[i]
        for name, width in (("-INF", None), ("-120d", 120), ("-15d", 15)):
            inside = (who == row) & (orders.time <= anchor)
            if width is not None:
                inside &= orders.time > anchor - width * DAY
            assert found[f"COUNT(orders.*, {name}, 0)"][i] == inside.sum()
            assert found[f"SUM(orders.amount, {name}, 0)"][i] == pytest.approx(np.nansum(amount[inside]), rel=1e-6)


def test_each_seed_alone_gives_the_same_bits_as_in_a_batch():
    graph, seeds = shop_case()
    spec = fit_features(graph, cut=150 * DAY, horizon=30 * DAY)
    whole = spec.compute(graph, seeds).values
    for i in range(0, len(seeds), 11):
        alone = spec.compute(graph, seeds.take(np.array([i]))).values
        assert alone.tobytes() == whole[i : i + 1].tobytes()
    assert set(whole.view(np.uint32)[np.isnan(whole)]) == {0x7FC00000}, "what has no value has one bit pattern"


@pytest.mark.parametrize("scramble", [None, 3])
@pytest.mark.parametrize("seed", range(4))
def test_rows_after_the_anchor_change_no_bit(seed, scramble):
    graph, seeds = shop_case(seed)
    anchor = 200 * DAY
    seeds = Seeds(np.arange(60), np.full(60, anchor))
    cut = linked(without_later(graph, anchor, scramble=scramble))
    spec = fit_features(graph, cut=anchor, horizon=30 * DAY)
    assert {"clock", "pace", "number", "worth"} <= {group.kind for group in spec.groups}
    assert fit_features(cut, cut=anchor, horizon=30 * DAY) == spec
    assert spec.compute(cut, seeds).values.tobytes() == spec.compute(graph, seeds).values.tobytes()


def test_long_histories_are_added_up_in_a_fixed_order():
    rng = np.random.default_rng(0)
    n = 40_000
    time = np.sort(rng.integers(0, SPAN * DAY, n))
    nodes = (node("a", [ALWAYS] * 3), node("b", time, number("x", rng.normal(0, 1e6, n))))
    graph = linked(TemporalGraph(nodes, (make_edge(nodes, "ab", 1, 0, rng.integers(0, 3, n)),), 0))
    spec = fit_features(graph, cut=SPAN * DAY, horizon=30 * DAY)
    anchors = np.array([100, 250, 399]) * DAY
    seeds = Seeds(np.repeat([0, 1, 2], 3), np.tile(anchors, 3))
    whole = spec.compute(graph, seeds).values
    for i in range(len(seeds)):
        early = linked(without_later(graph, int(seeds.anchors[i])))
        assert spec.compute(early, seeds.take(np.array([i]))).values.tobytes() == whole[i : i + 1].tobytes()


def test_infinite_huge_and_missing_values_never_reach_the_matrix_as_infinity():
    value = [1e308, -1e308, 1e308, np.nan, 3.0]
    nodes = (node("a", [ALWAYS]), node("b", np.arange(5) * DAY, number("x", value), number("empty", [np.nan] * 5)))
    graph = linked(TemporalGraph(nodes, (make_edge(nodes, "ab", 1, 0, [0] * 5),), 0))
    spec = fit_features(graph, cut=10 * DAY, horizon=DAY)
    values = spec.compute(graph, Seeds(np.array([0]), np.array([10 * DAY]))).values
    assert not np.isinf(values).any()
    assert not [n for n in spec.names if "empty" in n]


def test_clockless_facts_dangling_links_and_empty_tables_are_met():
    nodes = (
        node("a", [ALWAYS] * 3),
        node("b", [ALWAYS, ALWAYS, NEVER], number("x", [1, 2, 3])),
        node("c", []),
    )
    edges = (
        make_edge(nodes, "ab", 1, 0, [0, 0, 1]),
        make_edge(nodes, "ca", 2, 0, []),
        make_edge(nodes, "bc", 1, 2, [-1, -1, -1]),
    )
    graph = linked(TemporalGraph(nodes, edges, 0))
    spec = fit_features(graph, cut=DAY, horizon=DAY)
    matrix = spec.compute(graph, Seeds(np.arange(3), np.full(3, DAY)))
    found = dict(zip(matrix.names, matrix.values.T, strict=True))
    assert found["COUNT(b.*, -INF, 0)"].tolist() == [2, 0, 0]
    assert np.isnan(found["days since latest b"]).all()
    assert spec.compute(graph, Seeds(np.zeros(0, np.int64), np.zeros(0, np.int64))).values.shape == (0, len(spec.names))


def test_histories_over_two_links_and_over_a_parent():
    nodes = (
        node("drivers", [ALWAYS] * 2),
        node("entries", np.array([1, 2, 3, 4]) * DAY, number("points", [1, 2, 3, 4])),
        node("teams", [ALWAYS] * 2),
        node("laps", np.array([1, 1, 2, 3, 4]) * DAY, number("speed", [5, 6, 7, 8, 9])),
    )
    edges = (
        make_edge(nodes, "driver", 1, 0, [0, 1, 0, 1]),
        make_edge(nodes, "team", 1, 2, [0, 0, 1, 1]),
        make_edge(nodes, "entry", 3, 1, [0, 0, 1, 2, 3]),
    )
    found = at(linked(TemporalGraph(nodes, edges, 0)), 4)
    assert found["COUNT(entries.laps.*, -INF, 0)"] == 3  # laps of entries 0 and 2
    assert found["MAX(entries.laps.speed, -INF, 0)"] == 8
    assert found["COUNT(latest entries.teams.entries.*, -INF, 0)"] == 2  # team 1 has entries 2 and 3
    assert found["MAX(latest entries.teams.entries.points, -INF, 0)"] == 4


def test_a_row_that_predicts_itself_reads_its_parents_but_no_sibling_of_its_own_time():
    nodes = (
        node("results", np.array([1, 1, 2]) * DAY, number("position", [1, 2, 3])),
        node("races", np.array([1, 2]) * DAY, number("laps", [50, 60])),
    )
    graph = linked(TemporalGraph(nodes, (make_edge(nodes, "race", 0, 1, [0, 0, 1]),), 0))
    spec = fit_features(graph, cut=9 * DAY, horizon=DAY, masked=frozenset({("results", "position")}))
    seeds = Seeds(np.arange(3), nodes[0].time - 1)
    matrix = spec.compute(graph, seeds)
    found = dict(zip(matrix.names, matrix.values.T, strict=True))
    assert found["races.laps"].tolist() == [50, 50, 60]
    assert found["COUNT(races.results.*, -INF, 0)"].tolist() == [0, 0, 0]


def test_two_links_to_one_parent_are_told_apart():
    nodes = (node("teams", [ALWAYS] * 2), node("games", np.arange(3) * DAY, number("goals", [1, 2, 3])))
    edges = (make_edge(nodes, "home", 1, 0, [0, 1, 0]), make_edge(nodes, "away", 1, 0, [1, 0, 1]))
    found = at(linked(TemporalGraph(nodes, edges, 0)), 5)
    assert found["COUNT(games[home].*, -INF, 0)"] == 2
    assert found["COUNT(games[away].*, -INF, 0)"] == 1


def test_a_spec_survives_json_and_refuses_another_schema():
    graph, seeds = shop_case()
    spec = fit_features(graph, cut=150 * DAY, horizon=30 * DAY, lags=0)
    again = FeatureSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert again.compute(graph, seeds).values.tobytes() == spec.compute(graph, seeds).values.tobytes()
    with pytest.raises(PqlError) as caught:
        spec.compute(tiny(), seeds)
    assert caught.value.code == "model_mismatch"


def test_no_more_features_than_asked_for_and_every_name_once():
    graph, _ = shop_case()
    spec = fit_features(graph, cut=150 * DAY, horizon=30 * DAY, limit=40)
    assert len(spec.names) <= 40
    names = fit_features(graph, cut=150 * DAY, horizon=30 * DAY).names
    assert len(names) == len(set(names))


def test_segments_search_and_reduce_empty_ranges():
    times = np.array([1, 2, 2, 5, ALWAYS, 3], dtype=np.int64)
    low, high = np.array([0, 0, 4, 4, 6]), np.array([4, 4, 6, 4, 6])
    assert upper_bound(times, low, high, np.array([2, 0, 3, 9, 9])).tolist() == [3, 0, 6, 4, 6]
    values = np.array([1.0, 2.0, 4.0, 0.0])
    bounds = np.array([[0, 0, 2], [3, 3, 3], [1, 3, 3]])
    assert reduce_ranges(np.add, values, bounds, 0.0).tolist() == [[0, 3], [0, 0], [6, 0]]
    assert reduce_ranges(np.maximum, values, bounds, -np.inf).tolist() == [[-np.inf, 2], [-np.inf] * 2, [4, -np.inf]]
    assert count_ranges(np.array([True, False, True]), bounds).tolist() == [[0, 1], [0, 0], [1, 0]]
    assert ragged_ranges(np.array([5, 9, 0]), np.array([2, 0, 1])).tolist() == [5, 6, 0]


def test_widths_are_written_for_people():
    assert [duration(w) for w in (30 * DAY, DAY // 2, 15 * DAY // 2, 90_000_000)] == ["30d", "12h", "7.5d", "1.5min"]


def test_a_static_targets_column_is_read_of_earlier_rows_only():
    nodes = (
        node("results", np.array([1, 2, 3]) * DAY, number("position", [4, 8, 100])),
        node("drivers", [ALWAYS]),
    )
    graph = linked(TemporalGraph(nodes, (make_edge(nodes, "driver", 0, 1, [0, 0, 0]),), 0))
    own = frozenset({("results", "position")})
    spec = fit_features(graph, cut=9 * DAY, horizon=DAY, masked_own=own)
    matrix = spec.compute(graph, Seeds(np.arange(3), nodes[0].time - 1))
    found = dict(zip(matrix.names, matrix.values.T, strict=True))
    assert "results.position" not in found
    assert found["AVG(drivers.results.position, -INF, 0)"][1:].tolist() == [4, 6]
