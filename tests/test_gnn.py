"""The `gnn` model: learns planted signal, is deterministic, blind to the future, stoppable and restorable."""

import json
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from fake_graphs import DAY, coded, make_edge, node, number, problem, shop, without_later

from pql.engine.events import Events
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.graph.seed_batches import chunks_by_anchor
from pql.engine.graph.seeds import TRAIN, VALID, Ragged, Seeds
from pql.engine.graph.temporal import ALWAYS, TemporalGraph
from pql.engine.models.base import Inputs
from pql.engine.models.gnn import Gnn
from pql.language.bound import TaskKind
from pql.language.catalog import Stype
from pql.language.errors import PqlError

KINDS = [TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS, TaskKind.MULTILABEL]


def fit(p, rounds=None):
    return Gnn().fit(p, p.examples.where(TRAIN), p.examples.where(VALID), rounds)


def bare(p):
    """The problem without features and lags: the graph alone."""
    n = len(p.inputs)
    inputs = Inputs(
        p.inputs.graph, p.inputs.seeds, FeatureMatrix((), np.zeros((n, 0), np.float32)), np.zeros((n, 0), np.float32)
    )
    return replace(p, inputs=inputs)


def auroc(y, p):
    rank = np.argsort(np.argsort(p)) + 1
    positive = y > 0
    n, m = positive.sum(), (~positive).sum()
    return (rank[positive].sum() - n * (n + 1) / 2) / (n * m)


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_have_the_shape_and_range_of_the_task(kind):
    p = problem(shop(), kind)
    out = fit(p).predict(p.inputs)
    n = len(p.inputs)
    assert out.dtype == np.float64
    assert np.isfinite(out).all()
    if kind in (TaskKind.MULTICLASS, TaskKind.MULTILABEL):
        assert out.shape == (n, 3)
    else:
        assert out.shape == (n,)
    if kind == TaskKind.MULTICLASS:
        np.testing.assert_allclose(out.sum(axis=1), 1)
    if kind != TaskKind.REGRESSION:
        assert ((out >= 0) & (out <= 1)).all()


def test_the_graph_alone_finds_the_planted_signal():
    p = bare(problem(shop(users=400, orders=6000), epochs=6))
    valid = p.examples.where(VALID)
    assert auroc(p.examples.labels[valid], fit(p).predict(p.inputs.take(valid))) > 0.75


def test_regression_beats_the_median_in_absolute_error():
    p = problem(shop(users=400, orders=6000), TaskKind.REGRESSION, epochs=8)
    train, valid = p.examples.where(TRAIN), p.examples.where(VALID)
    y = p.examples.labels
    error = np.abs(fit(p).predict(p.inputs.take(valid)) - y[valid]).mean()
    assert error < 0.9 * np.abs(y[valid] - np.median(y[train])).mean()


def test_a_mean_cannot_count_but_the_network_can():
    rng = np.random.default_rng(0)
    n, counts = 600, rng.integers(1, 30, 600)
    nodes = (node("p", np.full(n, ALWAYS)), node("c", np.zeros(counts.sum(), np.int64)))
    graph = TemporalGraph(nodes, (make_edge(nodes, "c.p", 1, 0, np.repeat(np.arange(n), counts)),), 0)
    p = bare(problem(shop(users=10), TaskKind.REGRESSION, epochs=20))
    seeds = Seeds(np.arange(n), np.full(n, DAY))
    nothing = np.zeros((n, 0), np.float32)
    examples = replace(p.examples, seeds=seeds, labels=counts.astype(float), split=np.zeros(n, np.int8), lags=nothing)
    p = replace(p, inputs=Inputs(graph, seeds, FeatureMatrix((), nothing), nothing), examples=examples, cut=DAY)
    out = Gnn().fit(p, np.arange(500), np.arange(500, 600)).predict(p.inputs)
    assert np.abs(out[500:] - counts[500:]).mean() < 2.5


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.REGRESSION])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(kind):
    p = problem(shop(), kind, threads=2)
    first, again = fit(p), fit(p)
    assert first.rounds == again.rounds
    assert (first.predict(p.inputs) == again.predict(p.inputs)).all()
    other = fit(replace(p, plan=replace(p.plan, seed=1)))
    assert (first.predict(p.inputs) != other.predict(p.inputs)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_restored_model_predicts_the_same_bits(kind):
    p = problem(shop(), kind, epochs=2)
    fitted = fit(p)
    state = fitted.state()
    assert isinstance(json.dumps(state["config"]), str)
    assert all(isinstance(v, np.ndarray) for k, v in state.items() if k != "config")
    restored = Gnn().restore({**state, "config": json.loads(json.dumps(state["config"]))})
    assert (restored.predict(p.inputs) == fitted.predict(p.inputs)).all()
    assert restored.rounds == fitted.rounds


@pytest.mark.parametrize("scramble", [None, 7])
@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.REGRESSION])
def test_rows_after_the_anchor_change_no_bit_of_fit_or_prediction(kind, scramble):
    p = problem(shop(), kind, epochs=2)
    valid = p.examples.where(VALID)
    anchor = int(p.inputs.seeds.anchors[valid][0])
    other = without_later(p.inputs.graph, anchor, scramble=scramble)
    q = replace(p, inputs=replace(p.inputs, graph=other))
    fitted, refitted = fit(p), fit(q)
    wanted = fitted.predict(p.inputs.take(valid))
    assert (fitted.predict(q.inputs.take(valid)) == wanted).all()
    assert (refitted.predict(q.inputs.take(valid)) == wanted).all()


@pytest.mark.parametrize("scramble", [None, 7])
def test_predictions_at_an_anchor_ignore_later_rows_even_beside_later_seeds(scramble):
    p = problem(shop(), epochs=1)
    fitted = fit(p)
    anchor = int(np.unique(p.inputs.seeds.anchors)[2])
    early = p.inputs.seeds.anchors <= anchor
    q = replace(p.inputs, graph=without_later(p.inputs.graph, anchor, scramble=scramble))
    assert (fitted.predict(q)[early] == fitted.predict(p.inputs)[early]).all()


def test_masked_columns_change_nothing():
    p = problem(shop(), masked=[("orders", "amount"), ("users", "country")], epochs=1)
    graph = p.inputs.graph
    orders = replace(graph.nodes[1], columns=tuple(c for c in graph.nodes[1].columns if c.name != "amount"))
    users = replace(graph.nodes[0], columns=tuple(c for c in graph.nodes[0].columns if c.name != "country"))
    without = replace(p.inputs, graph=replace(graph, nodes=(users, orders, *graph.nodes[2:])))
    assert (fit(p).predict(p.inputs) == fit(replace(p, inputs=without)).predict(without)).all()


def test_rounds_fixes_the_work_and_needs_no_validation():
    p = problem(shop())
    everything = np.arange(len(p.examples))
    assert Gnn().fit(p, everything, everything[:0], rounds=2).rounds == 2


class Stopper:
    """A listener that stops the work at its nth sign of life, as Ctrl-C or another thread would."""

    def __init__(self, n, *, interrupt):
        self.left, self.interrupt, self.events = n, interrupt, None

    def stage(self, name, detail, fraction):
        self.left -= 1
        if self.left == 0:
            if self.interrupt:
                raise KeyboardInterrupt
            threading.Thread(target=self.events.stop).start()

    def done(self, name, seconds):
        return None


@pytest.mark.parametrize("interrupt", [False, True])
@pytest.mark.parametrize("after", [1, 6])
def test_stopping_keeps_the_best_so_far(interrupt, after):
    listener = Stopper(after, interrupt=interrupt)
    events = Events(listener)
    listener.events = events
    p = replace(problem(shop(), epochs=200), events=events)
    fitted = fit(p)
    assert events.stopped
    assert len(fitted.scores) < 200
    assert np.isfinite(fitted.predict(p.inputs)).all()


def test_one_class_no_features_no_edges_still_predict():
    nodes = (node("p", np.zeros(20, np.int64), number("x", np.full(20, np.nan))),)
    graph = TemporalGraph(nodes, (), 0)
    p = problem(shop(users=20))
    seeds = Seeds(np.arange(20), np.full(20, DAY))
    nothing = np.zeros((20, 0), np.float32)
    examples = replace(p.examples, seeds=seeds, labels=np.ones(20), split=np.zeros(20, np.int8), lags=nothing)
    p = replace(p, inputs=Inputs(graph, seeds, FeatureMatrix((), nothing), nothing), examples=examples)
    out = Gnn().fit(p, np.arange(15), np.arange(15, 20)).predict(p.inputs)
    assert (out > 0.9).all()


def test_no_examples_is_a_coded_error():
    p = problem(shop())
    with pytest.raises(PqlError, match="no_examples"):
        Gnn().fit(p, np.arange(0), np.arange(0))


def test_foreign_features_are_a_coded_error():
    p = problem(shop(), epochs=1)
    with pytest.raises(PqlError, match="model_mismatch"):
        fit(p).predict(bare(p).inputs)


def test_extreme_values_never_become_nan():
    p = problem(shop(), epochs=1)
    fitted = fit(p)
    wild = p.inputs.features.values.copy()
    wild[::2], wild[1::3] = np.inf, -1e38
    features = replace(p.inputs.features, values=wild)
    assert np.isfinite(fitted.predict(replace(p.inputs, features=features))).all()
    assert len(fitted.predict(p.inputs.take(np.arange(0)))) == 0


def test_empty_multilabel_sets_are_allowed():
    p = problem(shop(), TaskKind.MULTILABEL, epochs=1)
    empty = replace(p.examples, labels=Ragged(np.zeros(len(p.examples) + 1, np.int64), np.zeros(0, np.int64)))
    assert (fit(replace(p, examples=empty)).predict(p.inputs) < 0.5).all()


def test_seeds_of_one_anchor_share_a_chunk_and_no_other():
    anchors = np.array([5, 1, 5, 1, 5])
    assert [c.tolist() for c in chunks_by_anchor(anchors, 2)] == [[1, 3], [0, 2], [4]]
    many = np.arange(10_000)
    assert len(chunks_by_anchor(many, 5_000)) == 2


def test_importing_the_model_loads_no_torch():
    code = "import sys, pql.engine.models.gnn; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_categories_first_met_after_the_cut_are_unknown_not_an_error():
    time = np.arange(40) * DAY
    values = ["a", "b"] * 15 + ["new"] * 10
    nodes = (node("p", np.full(4, ALWAYS)), node("c", time, coded("c", Stype.CATEGORY, values, time)))
    graph = TemporalGraph(nodes, (make_edge(nodes, "c.p", 1, 0, np.arange(40) % 4),), 0)
    p = problem(shop(users=4), epochs=1)
    q = replace(p, inputs=replace(p.inputs, graph=graph), cut=29 * DAY)
    assert np.isfinite(fit(q).predict(q.inputs)).all()
