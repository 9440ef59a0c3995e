"""The rules of a ranking: EXCLUDING, CANDIDATES WHERE and AT MOST bound labels, candidates, fill and lists alike."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from databases import plan_by_hand, us
from random_worlds import random_database, random_time, world_of
from rankings import ANCHORS, HORIZON, examples_of, model, world

from pql.engine.events import Events
from pql.engine.graph.build import build_graph
from pql.engine.graph.history import load
from pql.engine.graph.seeds import Seeds
from pql.engine.graph.temporal import NEVER
from pql.engine.labels.training_table import compute_labels
from pql.engine.models.ranker import top_lists
from pql.engine.pairs.rank_rules import Barred, Cap, Rules
from pql.engine.pairs.rule_rows import rules_of
from pql.engine.planning.anchors import to_datetime
from pql.engine.ranking.answer import rank_items
from pql.engine.ranking.fitting import fit_ranking
from pql.language.binder import bind
from pql.language.parser import parse_predict

UNTIL = us(60)
TIMES = tuple(us(d) for d in (0, 10, 20, 30))
DAY_US = 86_400_000_000

# ---------------------------------------------------------------- what the rules mean, in plain Python


def micros(moment):
    return None if moment is None else us(0) + round((moment - to_datetime(us(0))).total_seconds() * 1e6)


class Plainly:
    """The links of a random database as (customer, product, time), and its products."""

    def __init__(self, database):
        oracle = world_of(database, to_datetime(UNTIL), first_seen=True)
        self.fact = "items" if "items" in database.tables else "orders"
        orders = {row["order_id"]: row for row in reversed(database.tables["orders"])}
        self.links = []
        for row in oracle.visible(self.fact):
            order = orders[row["order_id"]] if self.fact == "items" else row
            channel = order["channel"]
            self.links.append((order["customer_id"], row["product_id"], micros(oracle.time(self.fact, row)), channel))
        self.products = {row["product_id"]: row for row in database.tables["products"]}
        self.birth = {p: micros(oracle.time("products", row)) for p, row in self.products.items()}
        self.clocked = "products" in database.clocks

    def bought(self, customer, after, until, channel=None):
        return {
            p
            for c, p, time, where in self.links
            if c == customer and p is not None and after < time <= until and channel in (None, where)
        }

    def allowed(self, rule, customer, product, anchor):
        row = self.products.get(product)
        if rule.startswith("CANDIDATES"):
            if row is None or (self.clocked and (self.birth[product] is None or self.birth[product] > anchor)):
                return False
            return row["dept"] not in ("toys", None) if "toys" in rule else row["price"] in (1.5, 2.25)
        if "-20" in rule:
            web = "web" if "web" in rule else None
            return product not in self.bought(customer, anchor - 20 * DAY_US, anchor, web)
        return product not in self.bought(customer, -(2**62), anchor)


RULES = (
    "EXCLUDING PURCHASED",
    "EXCLUDING SEEN",
    "EXCLUDING ({fact}.product_id, -20, 0, days)",
    "EXCLUDING ({fact}.product_id WHERE orders.channel = 'web', -20, 0, days)",
    "CANDIDATES WHERE products.dept != 'toys'",
    "CANDIDATES WHERE products.price > 1",
)


def crowded(rng):
    """A random database with more orders, so that pairs come back."""
    database = random_database(rng)
    fact = "items" if "items" in database.tables else "orders"
    for _ in range(60):
        if fact == "items":
            database.tables["items"].append({"order_id": rng.randint(0, 25), "product_id": rng.randint(0, 3), "n": 1})
        else:
            row = {**rng.choice(database.tables["orders"]), "ordered_at": random_time(rng), "order_id": None}
            database.tables["orders"].append({**row, "product_id": rng.randint(0, 3)})
    return database


def planned(text, database):
    return plan_by_hand(bind(parse_predict(text), database.catalog(), text=text), TIMES, until=UNTIL)


def labels_of(plan, history):
    """(customer, anchor) → the items of the label, and how many examples the rules emptied."""
    table = compute_labels(history, plan)
    keys = zip(table.keys["customer_id"].to_pylist(), table.anchors.tolist(), strict=True)
    return dict(zip(keys, table.label.to_pylist(), strict=True)), sum(table.ruled_out.values())


@pytest.fixture(scope="module")
def crowds():
    """Random databases with enough orders, their rows read and their graphs built once."""
    found = []
    for seed in range(40):
        database = random_database(random.Random(seed))
        if len(database.tables["orders"]) < 20:
            continue
        database = crowded(random.Random(seed))
        plain, catalog = Plainly(database), database.catalog()
        text = f"PREDICT LIST_DISTINCT({plain.fact}.product_id, 0, 15, days) RANK TOP 3 FOR EACH customers.customer_id"
        plan = planned(f"{text} WITH (first_seen = off)", database)
        with database.snapshot() as snapshot:
            every = {table.name: [column.name for column in table.columns] for table in catalog.tables}
            history = load(snapshot, catalog, every, UNTIL)
        found.append((database, plain, text, history, build_graph(history, plan), labels_of(plan, history)[0]))
        if len(found) == 8:
            return found
    return found


@pytest.mark.parametrize("rule", RULES)
def test_labels_and_candidates_are_bounded_by_the_same_rule(rule, crowds):
    labelled = pairs = emptied = 0
    for database, plain, text, history, graph, unruled in crowds:
        written = rule.format(fact=plain.fact)
        plan = planned(f"{text} {written} WITH (first_seen = off)", database)
        found, out = labels_of(plan, history)
        kept = {
            place: [p for p in label if plain.allowed(written, place[0], p, place[1])]
            for place, label in unruled.items()
        }
        assert found == {place: label for place, label in kept.items() if label}
        assert out == sum(not label for label in kept.values())
        labelled, emptied = labelled + len(found), emptied + out
        items = graph.nodes[graph.index("products")]
        rules = rules_of(history, plan, graph, TIMES)
        customers = graph.nodes[graph.entity].keys["customer_id"].to_pylist()
        for anchor in TIMES:
            known = items.time <= anchor
            at = rules.at(anchor, known)
            for row, customer in enumerate(customers):
                if customer is None or customer in customers[:row]:
                    continue
                mine = at.permits(np.full(len(items), row), np.arange(len(items)))
                products = items.keys["product_id"].to_pylist()
                expected = [
                    k and plain.allowed(written, customer, p, anchor) for k, p in zip(known, products, strict=True)
                ]
                assert mine.tolist() == expected
                assert at.counts(np.array([row]))[0] == sum(expected)
                pairs += len(items)
    assert labelled > 10
    assert pairs > 100
    assert emptied > 0


# ---------------------------------------------------------------- lists on interactions made by hand

NOW = int(ANCHORS[-1] + HORIZON)
EVERYONE = Seeds(np.arange(120), np.full(120, NOW))
K = 6


def purchased(interactions):
    key = interactions.entity.astype(np.int64) * interactions.n_items + interactions.item
    order = np.lexsort((interactions.time, key))
    first = np.concatenate([[True], np.diff(key[order]) != 0])
    return Barred(key[order][first], interactions.time[order][first], ever=True)


def ruled(name):
    interactions = world()
    kind = np.arange(40) % 4
    return {
        "excluding": Rules(barred=(purchased(interactions),)),
        "candidates": Rules(since=np.where(np.arange(40) % 3 == 0, np.int64(0), NEVER)),
        "at most": Rules(cap=2, group=kind, group_known=np.zeros(40, np.int64)),
        "all": Rules(
            np.where(np.arange(40) % 5 > 0, np.int64(0), NEVER),
            (purchased(interactions),),
            1,
            np.arange(40) % 10,
            np.zeros(40, np.int64),
        ),
    }[name]


def allowed_truth(examples, rules, known):
    """The examples with only what the rules allow in their truth, those that keep any."""
    from dataclasses import replace

    from pql.engine.graph.seeds import Ragged

    owner = np.repeat(np.arange(len(examples)), np.diff(examples.labels.offsets))
    ok = np.zeros(len(owner), bool)
    for anchor in np.unique(examples.seeds.anchors):
        mine = np.flatnonzero(examples.seeds.anchors[owner] == anchor)
        at = rules.at(int(anchor), known <= anchor)
        ok[mine] = at.permits(examples.seeds.rows[owner[mine]], examples.labels.values[mine])
    sizes = np.bincount(owner[ok], minlength=len(examples))
    labels = Ragged(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), examples.labels.values[ok])
    return replace(examples, labels=labels).take(np.flatnonzero(sizes))


@pytest.mark.parametrize("name", ["excluding", "candidates", "at most", "all"])
@pytest.mark.parametrize("kind", ["auto", "popularity", "repeat"])
def test_as_many_items_come_back_as_the_rules_allow(name, kind):
    interactions, rules = world(), ruled(name)
    examples = allowed_truth(examples_of(interactions), rules, interactions.items.birth)
    trained = fit_ranking(interactions, HORIZON, examples, model(name=kind), Events(), k=K, rules=rules)
    found = rank_items(trained, interactions, EVERYONE, K, rules=rules)
    at = rules.at(NOW, interactions.items.birth <= NOW)
    assert at.permits(found.seed, found.item).all()
    assert found.candidates.tolist() == [int(at.permits(np.full(40, e), np.arange(40)).sum()) for e in range(120)]
    for entity in range(120):
        mine = found.item[found.seed == entity]
        score = found.score[found.seed == entity]
        assert len(set(mine.tolist())) == len(mine)
        assert all(a >= b for a, b in pairwise(score))
        open_ = np.flatnonzero(at.permits(np.full(40, entity), np.arange(40)))
        room = len(open_) if at.cap is None else np.minimum(np.bincount(at.group[open_]), at.cap).sum()
        assert len(mine) == min(K, room)
        if at.cap is not None:
            assert np.bincount(at.group[mine]).max(initial=0) <= at.cap
    assert trained.metrics.value("popularity", "test") >= 0


def test_evaluation_and_answer_make_the_same_lists():
    interactions, rules = world(), ruled("all")
    examples = allowed_truth(examples_of(interactions), rules, interactions.items.birth)
    trained = fit_ranking(interactions, HORIZON, examples, model(refit=False), Events(), k=K, rules=rules)
    test = examples.take(examples.where(2))
    found = rank_items(trained, interactions, test.seeds, K, rules=rules)
    from pql.engine.quality.rank_metrics import rank_metrics

    lists = np.full((len(test), K), -1, dtype=np.int64)
    lists[found.seed, found.rank - 1] = found.item
    assert rank_metrics(lists, test.labels, K).map == pytest.approx(trained.metrics.value(trained.name, "test"))


def test_what_comes_after_the_anchor_bars_nothing():
    barred = Barred(np.array([3, 5, 9]), np.array([10, 20, 30]), ever=True)
    assert Rules(barred=(barred,)).at(20, np.ones(4, bool)).barred.tolist() == [3, 5]
    once = Barred(np.array([3, 5, 5]), np.array([10, 10, 20]), ever=False)
    assert Rules(barred=(once,)).at(20, np.ones(4, bool)).barred.tolist() == [5]
    born = Rules(since=np.array([0, 10, 30]))
    assert born.at(20, np.array([True, False, True])).open.tolist() == [True, False, False]
    cap = Rules(cap=1, group=np.array([0, 1, 2]), group_known=np.array([0, 10, 30]))
    assert cap.at(20, np.ones(3, bool)).group.tolist() == [0, 1, 0]


def test_a_list_passes_over_items_of_a_full_group():
    owner, items = np.array([0, 0, 0, 0, 1, 1]), np.array([1, 2, 3, 4, 1, 2])
    score, group = np.array([4.0, 3, 2, 1, 1, 2]), np.array([7, 7, 7, 8, 7, 7])
    assert top_lists(owner, items, score, 2, 3, Cap(1, group)).tolist() == [[1, 4, -1], [2, -1, -1]]
    assert top_lists(owner, items, score, 2, 3, Cap(2, group)).tolist() == [[1, 2, 4], [2, 1, -1]]
