"""Right about time, inside: of two histories that agree up to an anchor, everything made for it is bit-identical.

Not only for the prediction anchor: labels, earlier labels, samples, features, encoders, candidates, pair features and
derived edges of every training anchor are made from two databases that differ after it only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from databases import Database
from histories import catalog_of, late_database, other_futures, with_other_values_later

from pql.engine.events import Events
from pql.engine.examples.steps import forecast_rows, node_rows, repeat_seeds
from pql.engine.examples.targets import lag_values, make_examples
from pql.engine.features.as_of import fit_features
from pql.engine.graph.build import build_graph
from pql.engine.graph.encode import bind_readers, fit_encoders
from pql.engine.graph.history import History, load, needed_tables
from pql.engine.graph.interactions import interactions_of
from pql.engine.graph.sample import sample
from pql.engine.graph.seeds import Seeds
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.labels.training_table import LabelTable, compute_eligible, compute_labels
from pql.engine.nn.items import ItemView
from pql.engine.pairs.candidates import candidates_at
from pql.engine.pairs.latent import latent_at
from pql.engine.pairs.pair_features import pair_features
from pql.engine.pairs.pair_history import history_at, popular_order
from pql.engine.pairs.together import together_at
from pql.engine.planning.anchors import completes_at, to_datetime
from pql.engine.planning.plan import US_PER_DAY as DAY
from pql.engine.planning.plan import Plan
from pql.engine.planning.planned_graph import masked_columns
from pql.engine.planning.planner import future_windows
from pql.engine.planning.planner import plan as make_plan
from pql.engine.planning.statistics import gather
from pql.engine.planning.step_grid import grid_of
from pql.engine.ranking.towers import tower_items
from pql.engine.training.folds import fit_folds, time_borders
from pql.engine.training.predict import predict
from pql.engine.training.problem import history_width, masked_in_own_row
from pql.language.binder import bind
from pql.language.parser import parse_predict

QUERIES = {
    "binary": "PREDICT COUNT(orders.*, 0, 10) = 0 FOR EACH customers.customer_id",
    "filtered": "PREDICT SUM(orders.qty WHERE products.dept = 'food', 0, 10) > 1 FOR EACH customers.customer_id "
    "WHERE COUNT(orders.* WHERE products.price > 1, -40, 0) > 0 AND customers.age > 30",
    "regression": "PREDICT SUM(items.n * products.price, 0, 10) FOR EACH customers.customer_id",
    "multiclass": "PREDICT LAST(orders.channel, 0, 10) FOR EACH customers.customer_id",
    "multilabel": "PREDICT LIST_DISTINCT(products.dept, 0, 10) CLASSIFY FOR EACH customers.customer_id VIA orders",
    "ranking": "PREDICT LIST_DISTINCT(orders.product_id, 0, 10) RANK TOP 3 FOR EACH customers.customer_id",
    "filtered ranking": "PREDICT LIST_DISTINCT(orders.product_id WHERE makers.country != 'a' AND orders.qty > 0, "
    "0, 10) RANK TOP 3 FOR EACH customers.customer_id",
    "values": "PREDICT LIST_DISTINCT(products.dept, 0, 10) RANK TOP 2 FOR EACH customers.customer_id VIA orders",
    "forecast": "PREDICT SUM(orders.amount, 0, 5) FORECAST 3 TIMEFRAMES FOR EACH customers.customer_id",
    "products": "PREDICT COUNT(orders.*, 0, 10) FOR EACH products.product_id",
}
OPTIONS = "hops = 3, co_occurrence = on, anchors = 4"
WAIT = (
    "PREDICT TIME_TO(orders.* WHERE products.price > 1, 0, 20) FOR EACH customers.customer_id "
    "WHERE COUNT(orders.*, -40, 0) > 0"
)
RANKINGS = ("ranking", "filtered ranking", "values")


@dataclass
class Side:
    """One of two databases, read by the same plan."""

    plan: Plan
    history: History
    labels: LabelTable
    graph: TemporalGraph


def planned(text: str, database: Database, options: str = OPTIONS) -> Plan:
    query = bind(parse_predict(f"{text} WITH ({options})"), catalog_of(database), text=text)
    with database.snapshot() as snapshot:
        return make_plan(query, gather(snapshot, query))


def side(plan: Plan, database: Database) -> Side:
    with database.snapshot() as snapshot:
        history = load(snapshot, plan.query.catalog, needed_tables(plan), plan.split.prediction)
    return Side(plan, history, compute_labels(history, plan), build_graph(history, plan))


def same(left: Any, right: Any, where: str) -> None:
    """Equal to the last bit, NaN and all."""
    if is_dataclass(left) and not isinstance(left, type):
        assert type(left) is type(right), where
        for field in fields(left):
            same(getattr(left, field.name), getattr(right, field.name), f"{where}.{field.name}")
    elif isinstance(left, np.ndarray):
        assert (left.dtype, left.shape) == (right.dtype, right.shape), where
        if left.dtype == object:
            assert left.tolist() == right.tolist(), where
        else:
            assert left.tobytes() == right.tobytes(), where
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), where
        for i, (a, b) in enumerate(zip(left, right, strict=True)):
            same(a, b, f"{where}[{i}]")
    elif isinstance(left, pa.Array | pa.Table):
        assert left.equals(right), where
    else:
        assert left == right, where


@cache
def pairs(name: str, seed: int) -> list[tuple[int, Side, Side]]:
    """(anchor, the database, the same with another future) for the first and last training anchor and the test's."""
    database = late_database(seed)
    plan = planned(QUERIES[name], database)
    whole = side(plan, database)
    train = plan.split.times("train")
    anchors = dict.fromkeys((train[0], train[-1], *plan.split.times("test")))
    return [
        (anchor, whole, side(plan, other))
        for anchor in anchors
        for other in other_futures(database, to_datetime(anchor))
    ]


def seeds_at(side: Side, anchor: int) -> Seeds:
    found = compute_eligible(side.history, side.plan, [anchor])
    rows = node_rows(found.keys, side.graph)
    rows = rows[found.eligible & (rows >= 0)]
    return Seeds(rows, np.full(len(rows), anchor, dtype=np.int64))


SEEDS = (1, 3)  # 1: customers join late; 3: so do products, and some rows come twice
MANY = [pytest.param(seed, marks=pytest.mark.slow) for seed in (0, 2, *range(4, 8))]
FEW = ("binary", "filtered", "ranking")
CASES = [
    pytest.param(name, seed, id=f"{name}-{seed}", marks=[] if fast else [pytest.mark.slow])
    for name in QUERIES
    for seed in range(8)
    for fast in [seed == 3 or (seed in SEEDS and name in FEW)]
]


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_the_training_table_of_an_anchor_is_made_of_its_own_past_and_window(name: str, seed: int) -> None:
    for anchor, one, two in pairs(name, seed):
        windows = future_windows(one.plan.query)
        done = [t for t in one.plan.split.times("train", "valid", "test", "lag") if completes_at(t, windows) <= anchor]
        for column in ("keys", "anchors", "label", "eligible"):
            left, right = (
                getattr(s.labels, column).take(pa.array(np.flatnonzero(np.isin(s.labels.anchors, done))))
                if column in ("keys", "label")
                else getattr(s.labels, column)[np.isin(s.labels.anchors, done)]
                for s in (one, two)
            )
            same(left, right, f"labels until {to_datetime(anchor)}: {column}")
        same(
            compute_eligible(one.history, one.plan, [anchor]),
            compute_eligible(two.history, two.plan, [anchor]),
            f"who is eligible at {to_datetime(anchor)}",
        )


@pytest.mark.parametrize("seed", [1, 3])
def test_nobody_is_watched_past_the_border_of_its_split(seed: int) -> None:
    """TIME_TO: rows of training and of validation, and what happened before any anchor, know nothing of later times."""
    database = late_database(seed)
    plan = planned(WAIT, database)
    whole = side(plan, database)
    for role, border in (("train", plan.split.times("valid")[0]), ("valid", plan.split.times("test")[0])):
        for other in other_futures(database, to_datetime(border)):
            parts = []
            for labels in (whole.labels, side(plan, other).labels):
                assert labels.watched is not None
                chosen = np.isin(labels.anchors, plan.split.times(role))
                watched = labels.watched.take(chosen)
                parts.append(
                    [
                        labels.keys.take(pa.array(np.flatnonzero(chosen))),
                        *(getattr(watched, name) for name in ("horizon", "seen", "event", "past", "first", "last")),
                        labels.label.filter(pa.array(chosen)),
                        labels.eligible[chosen],
                    ]
                )
            assert len(parts[0][0])
            same(*parts, f"what is watched in {role}")
    past = [side(plan, other).labels for other in other_futures(database, to_datetime(plan.split.times("train")[-1]))]
    for labels in past:
        assert labels.watched is not None
        assert whole.labels.watched is not None
        for name in ("past", "first", "last"):
            left, right = (
                getattr(t.watched, name)[np.isin(t.anchors, plan.split.times("train"))] for t in (whole.labels, labels)
            )
            same(left, right, name)


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_seeds_features_and_samples_of_an_anchor_read_its_past_alone(name: str, seed: int) -> None:
    for anchor, one, two in pairs(name, seed):
        seeds = seeds_at(one, anchor)
        same(seeds, seeds_at(two, anchor), "seeds")
        lags = [lag_values(s.labels, s.plan, s.graph, seeds) for s in (one, two)]
        same(*lags, "earlier targets")
        if (grid := grid_of(one.plan.query)) is not None:
            rows, number = repeat_seeds(seeds, grid.count)
            steps = [forecast_rows(s.labels, s.plan, s.graph, rows, number) for s in (one, two)]
            same(*steps, "features of the steps")
        masked, own = masked_columns(one.plan.query), masked_in_own_row(one.plan)
        specs = [
            fit_features(
                s.graph,
                cut=anchor,
                horizon=history_width(s.plan, s.graph, anchor),
                masked=masked - own,
                masked_own=own,
                hops=3,
                lags=lags[0].shape[1],
                limit=10_000,
            )
            for s in (one, two)
        ]
        same(specs[0].groups, specs[1].groups, "the choice of features")
        later = Seeds(seeds.rows, np.full(len(seeds), one.plan.split.prediction))
        together = Seeds(*(np.concatenate([getattr(part, f) for part in (seeds, later)]) for f in ("rows", "anchors")))
        matrices = [  # on one side among seeds of a later anchor, on the other alone
            specs[0].compute(one.graph, together, np.concatenate([lags[0], lags[0]])),
            specs[1].compute(two.graph, seeds, lags[1]),
        ]
        for place, feature in enumerate(matrices[0].names):
            same(matrices[0].values[: len(seeds), place], matrices[1].values[:, place], feature)
        encoders = [fit_encoders(s.graph, anchor, masked) for s in (one, two)]
        same(*encoders, "encoders")
        trees = [sample(s.graph, seeds.rows, seeds.anchors, (4, 3, 2)) for s in (one, two)]
        same(*trees, "samples")
        readers = [bind_readers(e, s.graph) for e, s in zip(encoders, (one, two), strict=True)]
        for block in trees[0].blocks:
            for read in ("numbers", "categories", "timestamps", "texts"):
                left, right = (getattr(r[block.table], read)(block.rows) for r in readers)
                same(left, right, f"{read} of {one.graph.nodes[block.table].name}")


@pytest.mark.parametrize(("name", "seed"), [case for case in CASES if case.values[0] in RANKINGS])
def test_candidates_and_pair_features_of_an_anchor_read_its_past_alone(name: str, seed: int) -> None:
    for anchor, one, two in pairs(name, seed):
        sides = (one, two)
        made = [interactions_of(s.plan, s.graph) for s in sides]
        past = [[getattr(i, column)[i.time <= anchor] for column in ("entity", "item", "time")] for i in made]
        same(*past, "interactions")
        histories = [history_at(i, anchor, 10 * DAY) for i in made]
        moments = [together_at(history) for history in histories]
        same(moments[0].basis, moments[1].basis, "items compared")
        same(moments[0].weights, moments[1].weights, "what goes together")
        same(*(popular_order(history) for history in histories), "popularity")
        rows = np.unique(seeds_at(one, anchor).rows)
        found = [candidates_at(h, rows, t, latent=latent_at(h)) for h, t in zip(histories, moments, strict=True)]
        same(*found, "candidates")
        described = [pair_features(h, rows, c) for h, c in zip(histories, found, strict=True)]
        for place, feature in enumerate(described[0].names):
            same(described[0].values[:, place], described[1].values[:, place], feature)


@pytest.mark.parametrize(("name", "seed"), [case for case in CASES if case.values[0] in RANKINGS])
def test_what_the_towers_read_of_items_at_an_anchor_is_known_by_then(name: str, seed: int) -> None:
    for anchor, one, two in pairs(name, seed):
        read = []
        for s in (one, two):
            items = tower_items(s.plan, s.graph, interactions_of(s.plan, s.graph).items)
            encoders = fit_encoders(s.graph, anchor)
            reader = bind_readers(encoders, s.graph)[items.table] if items.table is not None else None
            view = ItemView(s.graph, items, reader, np.zeros(len(items), np.int64), 10 * DAY)
            known = np.flatnonzero(items.birth <= anchor)
            seeds = seeds_at(s, anchor)
            met = view.met(sample(s.graph, seeds.rows, seeds.anchors, (4, 4)))
            columns, *rest = view.read(known, anchor)
            texts = [] if columns is None else [columns.numbers, columns.categories, *sum(columns.texts, ())]
            read.append((known, items.names.take(pa.array(known)), met, [t.numpy() for t in (*texts, *rest)]))
        same(read[0], read[1], "items")


@pytest.mark.parametrize("seed", [*SEEDS, *MANY])
def test_a_row_with_its_own_time_is_eligible_by_what_was_known_then(seed: int) -> None:
    database = late_database(seed)
    text = "PREDICT orders.amount FOR EACH orders.order_id WHERE products.price > 1 AND COUNT(items.*, -40, 0) = 0"
    plan = planned(text, database, "hops = 3")
    whole = side(plan, database)
    middle = int(np.median(whole.labels.anchors))
    early = whole.labels.anchors < middle
    for other in other_futures(database, to_datetime(middle)):
        changed = side(plan, other).labels
        same(whole.labels.eligible[early], changed.eligible[changed.anchors < middle], "eligible")


@pytest.mark.parametrize("seed", [*SEEDS, *MANY])
def test_a_row_with_its_own_time_is_scored_by_models_of_strictly_earlier_rows(seed: int) -> None:
    database = late_database(seed)
    plan = planned("PREDICT orders.amount FOR EACH orders.order_id", database, "model = boosted, hops = 3")
    whole = side(plan, database)
    borders = time_borders(whole.labels, plan)
    middle = borders[1]
    other = side(plan, with_other_values_later(database, to_datetime(middle), seed=1, keep=("amount",)))
    same(time_borders(other.labels, plan), borders, "borders")
    made = [make_examples(s.labels, plan, s.graph)[0] for s in (whole, other)]
    models = [
        fit_folds(plan, s.graph, s.labels, examples, 0, Events()).models[:2]
        for s, examples in zip((whole, other), made, strict=True)
    ]
    at = np.flatnonzero(made[0].seeds.anchors < middle)  # a row reads its own columns, a moment after its anchor
    seeds = made[0].seeds.take(at)
    lags = np.zeros((len(seeds), 0), np.float32)
    for left, right in zip(*models, strict=True):
        same(left.spec, right.spec, "the features of a fold")
        same(*(predict(m, s.graph, seeds, lags) for m, s in ((left, whole), (right, other))), "the scores of a fold")
