"""Families of as-of features beyond plain windows: pace, peers, timestamps, modes, known shares; wide databases."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from fake_graphs import DAY, coded, make_edge, node, number, stamp, without_later
from test_features import linked, shop_case

from pql.engine.features.as_of import FeatureSpec, fit_features
from pql.engine.features.pace import fit_pace, pace_names
from pql.engine.features.peers import EVERYONE, peer_edges, peer_groups, peer_ways
from pql.engine.features.worth import worth_names
from pql.engine.graph.seeds import Seeds
from pql.engine.graph.temporal import ALWAYS, TemporalGraph
from pql.language.catalog import Stype

OWN = frozenset({("results", "place")})


def races(seed: int = 0, moments: int = 60) -> TemporalGraph:
    """Four results per race, of drivers of teams; races at circuits; one place in ten is unknown."""
    rng = np.random.default_rng(seed)
    n = 4 * moments
    race = np.repeat(np.arange(moments), 4)
    when = (race + 1) * 7 * DAY
    place = rng.integers(1, 9, n).astype(float)
    place[rng.random(n) < 0.1] = np.nan
    nodes = (
        node("results", when, number("grid", rng.integers(1, 9, n)), number("place", place)),
        node("races", (np.arange(moments) + 1) * 7 * DAY),
        node("drivers", [ALWAYS] * 8),
        node("teams", [ALWAYS] * 3),
        node("circuits", [ALWAYS] * 5),
    )
    edges = (
        make_edge(nodes, "race", 0, 1, race),
        make_edge(nodes, "driver", 0, 2, rng.integers(0, 8, n)),
        make_edge(nodes, "team", 0, 3, rng.integers(0, 3, n)),
        make_edge(nodes, "circuit", 1, 4, rng.integers(0, 5, moments)),
    )
    return linked(TemporalGraph(nodes, edges, 0))


def each_row(graph: TemporalGraph) -> Seeds:
    return Seeds(np.arange(len(graph.nodes[0])), graph.nodes[0].time - 1)


def columns(spec: FeatureSpec, graph: TemporalGraph, seeds: Seeds) -> dict[str, np.ndarray]:
    matrix = spec.compute(graph, seeds)
    return dict(zip(matrix.names, matrix.values.T, strict=True))


def test_a_pair_of_parents_has_a_history_of_strictly_earlier_rows():
    graph = races()
    seeds = each_row(graph)
    spec = fit_features(graph, cut=300 * DAY, horizon=30 * DAY, masked_own=OWN, limit=900)
    found = columns(spec, graph, seeds)
    place, when = graph.nodes[0].column("place").data, graph.nodes[0].time
    driver, circuit = graph.edges[1].parent_of, graph.edges[3].parent_of[graph.edges[0].parent_of]
    for i in range(20, 240, 11):
        same = (driver == driver[i]) & (circuit == circuit[i]) & (when < when[i])
        assert found["COUNT(results of the same drivers and races.circuits.*, -INF, 0)"][i] == same.sum()
        told = found["AVG(results of the same drivers and races.circuits.place, -INF, 0)"][i]
        values = place[same & np.isfinite(place)]
        assert told == pytest.approx(values.mean(), rel=1e-6) if len(values) else np.isnan(told)
        everyone = place[when < when[i]][-200:]
        assert found["AVG(all results (latest 200).place, -INF, 0)"][i] == pytest.approx(np.nanmean(everyone), rel=1e-6)
        own = place[(driver == driver[i]) & (when < when[i])]
        known = found["share of known drivers.results.place (-INF, 0)"][i]
        assert known == pytest.approx(np.isfinite(own).mean(), rel=1e-6) if len(own) else np.isnan(known)


def test_peers_of_one_race_are_told_apart_by_nothing_but_shared_parents():
    graph = races()
    assert EVERYONE in peer_ways(graph)
    edge = peer_edges(graph, ((1,), (0, 3)))
    groups = peer_groups(edge, each_row(graph))
    driver, circuit = graph.edges[1].parent_of, graph.edges[3].parent_of[graph.edges[0].parent_of]
    pairs = driver.astype(np.int64) * 5 + circuit
    assert ((groups[:, None] == groups) == (pairs[:, None] == pairs)).all()
    assert (np.diff(edge.times[edge.indptr[3] : edge.indptr[4]]) >= 0).all()


@pytest.mark.parametrize("scramble", [None, 5])
def test_rows_at_or_after_a_row_change_no_bit_of_what_is_known_for_it(scramble):
    graph = races()
    i = 150
    until = int(graph.nodes[0].time[i]) - 1
    seed = Seeds(np.array([i]), np.array([until]))
    cut = linked(without_later(graph, until + 1, scramble=scramble))
    spec = fit_features(graph, cut=until, horizon=30 * DAY, masked_own=OWN, limit=900)
    assert fit_features(cut, cut=until, horizon=30 * DAY, masked_own=OWN, limit=900) == spec
    assert spec.compute(cut, seed).values.tobytes() == spec.compute(graph, seed).values.tobytes()
    together = np.flatnonzero(graph.nodes[0].time == graph.nodes[0].time[i])
    for other in together[together != i]:  # what happened to the others at the same time is not known either
        columns = [replace(c, data=c.data.copy()) for c in graph.nodes[0].columns]
        columns[1].data[other] = 1e6
        changed = replace(graph, nodes=(replace(graph.nodes[0], columns=tuple(columns)), *graph.nodes[1:]))
        assert spec.compute(changed, seed).values.tobytes() == spec.compute(graph, seed).values.tobytes()


def test_each_row_alone_gives_the_same_bits_as_among_all():
    graph = races()
    seeds = each_row(graph)
    spec = fit_features(graph, cut=300 * DAY, horizon=30 * DAY, masked_own=OWN, limit=900)
    whole = spec.compute(graph, seeds).values
    for i in range(0, 240, 23):
        assert spec.compute(graph, seeds.take(np.array([i]))).values.tobytes() == whole[i : i + 1].tobytes()


def test_the_pace_of_regular_and_of_vanished_customers():
    days, who = [], []
    for customer in range(60):
        until = 100 if customer % 2 else 400
        bought = np.arange(5 + customer % 7, until, 10)
        days += bought.tolist()
        who += [customer] * len(bought)
    order = np.argsort(days, kind="stable")
    bought_by = np.array(who)[order]
    paid = number("paid", 10.0 + bought_by)
    nodes = (node("customers", [ALWAYS] * 61), node("orders", np.array(days)[order] * DAY, paid))
    graph = linked(TemporalGraph(nodes, (make_edge(nodes, "who", 1, 0, bought_by),), 0))
    spec = fit_features(graph, cut=400 * DAY, horizon=30 * DAY)
    found = columns(spec, graph, Seeds(np.arange(61), np.full(61, 400 * DAY)))
    stays, expected = found["chance that orders go on (BG/NBD)"], found["expected orders in 30d (BG/NBD)"]
    assert stays[0] > 0.9
    assert stays[1] < 0.1
    assert np.isnan(stays[60])
    assert expected[0] == pytest.approx(3, rel=0.1)
    assert found["chance of no orders in 30d (BG/NBD)"][1] > 0.9
    fading = found["fading count of orders (half-life 30d)"]
    ages = 400 - np.arange(5, 400, 10)
    assert fading[0] == pytest.approx(np.sum(0.5 ** (ages[-32:] / 30.0)), rel=1e-5)
    assert fading[60] == 0
    assert found["longest gap of orders"][:2].tolist() == [10, 10]
    assert found["latest gap of orders against the longest"][:2].tolist() == pytest.approx([0.5, 30.4])
    assert found["share of gaps of orders longer than the latest"][:2].tolist() == [1, 0]
    worth = found["expected SUM(orders.paid) in 30d (BG/NBD)"]
    assert worth[0] == pytest.approx(expected[0] * 10, rel=0.02)
    assert worth[0] == pytest.approx(found["expected SUM(orders.paid) in 30d (BG/NBD, late values)"][0], rel=0.05)
    assert worth[1] < 0.1 * worth[2]
    steady = found["fading SUM(orders.paid) per 30d (half-life 120d)"]
    assert steady[0] == pytest.approx(30, rel=0.1)
    assert steady[1] < 0.4 * steady[0]
    assert np.isnan(steady[60])


def test_too_few_customers_have_no_parameters():
    graph, _ = shop_case()
    assert fit_pace(graph, graph.edges[0], 30 * DAY, 0) == ()
    assert not any("BG/NBD" in name for name in pace_names("orders", ("30d", "60d", "120d"), "30d", ()))
    assert len(worth_names("orders.paid", ("30d", "120d", "240d"), "30d", ())) == 3


def test_timestamps_of_a_history_count_where_they_were_known_with_their_row():
    times = np.array([1, 5, 9]) * DAY
    nodes = (
        node("customers", [ALWAYS]),
        node(
            "orders",
            times,
            stamp("made", [0, 4 * DAY, 50 * DAY]),
            coded("kind", Stype.CATEGORY, ["a", "b", "b"], times),
        ),
    )
    graph = linked(TemporalGraph(nodes, (make_edge(nodes, "who", 1, 0, [0, 0, 0]),), 0))
    spec = fit_features(graph, cut=60 * DAY, horizon=4 * DAY)
    found = columns(spec, graph, Seeds(np.array([0, 0]), np.array([10, 60]) * DAY))
    assert found["days since latest orders.made"].tolist() == [6, 56]  # the third was filled in later
    assert found["days since oldest orders.made"].tolist() == [10, 60]
    assert found["most frequent orders.kind"].tolist() == [0, 0]  # code 0: b, the most frequent of all


def test_features_that_never_vary_or_repeat_another_are_left_out():
    graph, seeds = shop_case()
    everything = fit_features(graph, cut=150 * DAY, horizon=30 * DAY)
    few = fit_features(graph, cut=150 * DAY, horizon=30 * DAY, probe=Seeds(np.zeros(4, np.int64), seeds.anchors[:4]))
    assert "users.country" in everything.names
    assert "users.country" not in few.names
    spec = fit_features(graph, cut=150 * DAY, horizon=30 * DAY, probe=seeds)
    values = spec.compute(graph, seeds).values
    told = [values[:, i].tobytes() for i in range(values.shape[1])]
    assert len(set(told)) == len(told)
    again = FeatureSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert again.compute(graph, seeds).values.tobytes() == values.tobytes()
    whole = columns(everything, graph, seeds)
    for name, column in columns(spec, graph, seeds).items():
        assert column.tobytes() == whole[name].tobytes()


def test_a_wide_database_gives_bounded_features_in_bounded_time():
    rng = np.random.default_rng(0)
    users, rows = 300, 400
    nodes = [node("users", [ALWAYS] * users, number("age", rng.normal(size=users)))]
    links = []
    for i in range(13):
        when = np.sort(rng.integers(0, 400, rows)) * DAY
        facts = [number(f"n{j}", rng.normal(size=rows)) for j in range(8)]
        facts += [coded(f"c{j}", Stype.CATEGORY, list(rng.choice(["a", "b", "c"], rows)), when) for j in range(4)]
        nodes += [
            node(f"facts{i}", when, *facts),
            node(f"things{i}", [ALWAYS] * 40, number("size", rng.normal(size=40))),
        ]
        links.append((len(nodes) - 2, 0, rng.integers(0, users, rows)))
        links.append((len(nodes) - 2, len(nodes) - 1, rng.integers(0, 40, rows)))
    assert len(nodes) == 27
    edges = tuple(make_edge(nodes, f"e{i}", child, parent, to) for i, (child, parent, to) in enumerate(links))
    graph = linked(TemporalGraph(tuple(nodes), edges, 0))
    seeds = Seeds(rng.integers(0, users, 2_000), rng.choice([200, 300, 380], 2_000) * DAY)
    begin = time.process_time()
    spec = fit_features(graph, cut=390 * DAY, horizon=30 * DAY, probe=seeds)
    values = spec.compute(graph, seeds).values
    assert time.process_time() - begin < 5
    assert len(spec.names) == 250
    assert values.shape == (2_000, 250)
    assert {"users.age", "COUNT(facts12.*, -INF, 0)"} <= set(spec.names)
