"""The small model fitted at query time: few rows, closed form, the same bits, honest where nothing can be learnt."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from fake_graphs import problem, shop
from test_boosted import with_features
from worlds import shop as shop_tables

import pql
from pql.engine.examples.context import context, judged, natural_rates, read_rows
from pql.engine.features.linear import logistic, ridge
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.features.rank_gauss import fit_columns, matrix, normal_scores
from pql.engine.graph.seeds import TRAIN, VALID, Examples, Seeds
from pql.engine.models.instant import InstantModel
from pql.engine.planning.planned_model import MOST_CONTEXT
from pql.engine.quality.metrics import measure
from pql.language.bound import TaskKind
from pql.language.errors import PqlError

KINDS = [TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS, TaskKind.MULTILABEL]


@pytest.fixture(scope="module")
def graph():
    return shop(0, users=300, orders=5000)


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PQL_HOME", str(tmp_path))


def fitted(made):
    return InstantModel().fit(made, made.examples.where(TRAIN), made.examples.where(VALID))


def many(n: int, share: float = 0.5, anchors: int = 10, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    seeds = Seeds(np.tile(np.arange(n // anchors), anchors), np.repeat(np.arange(anchors) * 10, n // anchors))
    labels = (rng.random(n) < share).astype(np.float64)
    return Examples(seeds, labels, np.zeros(n, np.int8), np.zeros((n, 0), np.float32))


def everything(examples: Examples) -> np.ndarray:
    return np.arange(len(examples), dtype=np.int64)


# ---------------------------------------------------------------- which rows


def test_at_most_a_thousand_rows_of_the_newest_anchors_are_used():
    examples = many(20_000)
    chosen = context(examples, everything(examples), "regression")
    assert len(chosen) == MOST_CONTEXT == len(np.unique(chosen))
    assert examples.seeds.anchors[chosen].min() == 70
    assert len(np.unique(examples.seeds.rows[chosen])) > 700  # spread over the entities


def test_yes_and_no_are_taken_as_evenly_as_there_are():
    common = many(20_000, share=0.3)
    assert np.mean(common.labels[context(common, everything(common), "binary")]) == 0.5
    rare = many(20_000, share=0.004)
    chosen = context(rare, everything(rare), "binary")
    assert rare.labels[chosen].sum() == rare.labels.sum()  # older anchors are asked for all there are
    assert natural_rates(rare, everything(rare), "binary")[1] == pytest.approx(0.004, abs=0.002)


def test_every_class_is_seen_where_there_are_several():
    examples = many(20_000)
    classes = np.where(np.arange(20_000) % 100 < 2, 1, np.where(np.arange(20_000) % 100 < 20, 2, 0))
    examples = replace(examples, labels=classes)
    counts = np.bincount(classes[context(examples, everything(examples), "multiclass")])
    assert counts.sum() == MOST_CONTEXT
    assert counts.min() >= 20
    assert counts[0] > counts[2] > counts[1]


def test_the_choice_is_the_same_whatever_else_is_in_the_table():
    examples = many(20_000)
    whole = context(examples, everything(examples), "binary")
    newest = np.flatnonzero(examples.seeds.anchors >= 70)
    assert np.array_equal(newest[context(examples.take(newest), everything(examples)[: len(newest)], "binary")], whole)


def test_what_it_is_measured_on_is_a_sample_and_a_note_says_so():
    examples = many(20_000)
    examples = replace(examples, split=np.where(everything(examples) < 10_000, TRAIN, VALID).astype(np.int8))
    notes: list[str] = []
    kept = judged(examples, notes)
    assert len(kept.where(TRAIN)) == 10_000
    assert len(kept.where(VALID)) == 2_000
    assert notes == ["Measured on 2,000 of 10,000 validation examples, evenly spread."]


def test_features_of_rows_that_are_not_read_change_no_bit(graph):
    made = problem(graph)
    wanted = read_rows(made.examples, "binary")
    assert len(wanted) < len(made.examples)
    values = np.full_like(made.inputs.features.values, 7.0)
    values[wanted] = made.inputs.features.values[wanted]
    other = replace(made, inputs=replace(made.inputs, features=replace(made.inputs.features, values=values)))
    assert fitted(made).predict(made.inputs).tobytes() == fitted(other).predict(made.inputs).tobytes()
    assert fitted(made).rows <= MOST_CONTEXT


# ---------------------------------------------------------------- what is fitted


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_better_than_saying_the_same_of_everyone(graph, kind):
    made = problem(graph, kind)
    if kind is TaskKind.REGRESSION:
        made = replace(made, task=replace(made.task, metric="mae"))
    valid = made.examples.where(VALID)
    scores = fitted(made).predict(made.inputs.take(valid))
    assert np.isfinite(scores).all()
    if kind is TaskKind.BINARY:
        assert measure("binary", made.examples.labels[valid], scores)["auroc"] > 0.7
    elif kind is TaskKind.REGRESSION:
        truth, usual = made.examples.labels[valid], np.median(made.examples.labels[made.examples.where(TRAIN)])
        assert np.abs(scores - truth).mean() < np.abs(truth - usual).mean()
    elif kind is TaskKind.MULTICLASS:
        truth = made.examples.labels[valid]
        assert scores.sum(axis=1) == pytest.approx(1)
        assert (scores.argmax(axis=1) == truth).mean() > np.bincount(truth).max() / len(truth)
    else:
        assert ((scores >= 0) & (scores <= 1)).all()
        found = measure("multilabel", made.examples.labels.take(valid), scores)
        rates = np.tile(fitted(made).base, (len(valid), 1))
        assert found["logloss"] < measure("multilabel", made.examples.labels.take(valid), rates)["logloss"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_give_the_same_bits_also_when_kept_and_one_by_one(graph, kind):
    made = problem(graph, kind)
    first, second = fitted(made), fitted(made)
    scores = first.predict(made.inputs)
    assert scores.tobytes() == second.predict(made.inputs).tobytes()
    assert InstantModel().restore(first.state()).predict(made.inputs).tobytes() == scores.tobytes()
    alone = first.predict(made.inputs.take(np.array([5])))
    assert alone.tobytes() == scores[5:6].tobytes()


def test_probabilities_are_those_of_all_rows_not_of_the_balanced_ones(graph):
    made = problem(graph)
    train = made.examples.where(TRAIN)
    rare = np.zeros(len(made.examples))
    n = made.inputs.features.values[:, 0]
    rare[(n > np.quantile(n, 0.96)) & (np.arange(len(n)) % 3 > 0)] = 1.0
    made = replace(made, examples=replace(made.examples, labels=rare))
    chosen = context(made.examples, train, "binary")
    assert rare[chosen].mean() > 1.5 * rare[train].mean()
    assert fitted(made).predict(made.inputs.take(train)).mean() == pytest.approx(rare[train].mean(), rel=0.5)


def test_contributions_add_up_to_the_log_odds(graph):
    made = problem(graph)
    model, some = fitted(made), made.inputs.take(np.arange(50))
    total = model.contributions(some).sum(axis=1)
    assert 1 / (1 + np.exp(-total)) == pytest.approx(model.predict(some))
    assert sum(share for _, share in model.shares()) == pytest.approx(1)
    several = fitted(problem(graph, TaskKind.MULTICLASS))
    weights = np.eye(several.raw(some).shape[1])[[1] * len(some)]
    assert several.contributions(some, weights).sum(axis=1) == pytest.approx(several.raw(some)[:, 1])


def test_leaving_one_out_is_what_refitting_without_it_gives():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(60, 4))
    inputs -= inputs.mean(axis=0)
    values = inputs @ np.array([1.0, -0.5, 0.0, 0.2]) + rng.normal(size=60)
    chosen = ridge(inputs, values)
    strengths = [
        s for s in (3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0) if _ridge(inputs, values, s, chosen.weights)
    ]
    assert len(strengths) == 1
    left_out = []
    for i in range(60):
        kept = np.arange(60) != i
        rows = np.column_stack([inputs[kept], np.ones(59)])
        penalty = np.diag([strengths[0]] * 4 + [0.0])
        left_out.append(np.append(inputs[i], 1) @ np.linalg.solve(rows.T @ rows + penalty, rows.T @ values[kept]))
    assert chosen.held_out == pytest.approx(np.array(left_out), abs=1e-8)


def _ridge(inputs, values, strength, weights) -> bool:
    solved = np.linalg.solve(inputs.T @ inputs + strength * np.eye(4), inputs.T @ (values - values.mean()))
    return bool(np.allclose(solved, weights))


def test_noise_is_shrunk_to_nothing_and_signal_is_kept():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(200, 20))
    noise = logistic(inputs, rng.random(200) < 0.5)
    signal = logistic(inputs, inputs[:, 3] + rng.normal(size=200) > 0)
    assert np.abs(noise.weights).max() < 0.1
    assert np.abs(signal.weights).argmax() == 3
    assert signal.error < 0.6 < noise.error


def test_features_become_normal_scores_of_their_ranks():
    values = np.array([[1.0, 5.0], [2.0, 5.0], [np.nan, 5.0], [1e30, 5.0]] * 10, np.float32)
    features = FeatureMatrix(("a", "b"), values)
    columns = fit_columns(features)
    assert [column.name for column in columns] == ["a is missing", "a"]  # b says nothing
    found = matrix(columns, features)
    assert found[2, 1] == 0
    assert found[0, 1] == pytest.approx(-found[3, 1])
    assert found.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)
    distinct, scores = normal_scores(np.array([3.0, 1.0, 3.0]))
    assert (distinct.tolist(), scores[0] < 0 < scores[1]) == ([1.0, 3.0], True)


# ---------------------------------------------------------------- odd data


@pytest.mark.parametrize("values", [np.nan, 3.0, np.inf], ids=["nothing known", "all the same", "not finite"])
@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_tells_rows_apart_everyone_gets_the_usual(graph, kind, values):
    made = problem(graph, kind)
    made = with_features(made, np.full((len(made.examples), 3), values), ("f2",))
    scores = fitted(made).predict(made.inputs)
    assert np.isfinite(scores).all()
    assert (scores == scores[0]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 3])
def test_three_rows_and_one_class_are_no_accident(graph, kind, count):
    made = problem(graph, kind)
    at = np.arange(count)
    few = InstantModel().fit(made, at, at[:0])
    assert np.isfinite(few.predict(made.inputs)).all()
    assert few.rows == count


def test_extreme_values_stay_finite(graph):
    made = problem(graph, TaskKind.REGRESSION)
    labels = np.asarray(made.examples.labels) * 1e25
    made = replace(made, examples=replace(made.examples, labels=labels))
    scores = fitted(made).predict(made.inputs)
    assert np.isfinite(scores).all()


# ---------------------------------------------------------------- through the front door

CHURN = "PREDICT COUNT(orders.*, 0, 21, days) = 0 FOR EACH customers.customer_id AS OF 2023-09-01"


def test_it_answers_by_name_and_says_what_it_is():
    with pql.connect(shop_tables(0)) as db:
        result = db.predict(f"{CHURN} WITH (model = instant)")
        assert result.model.weights == {"instant": 1.0}
        assert {row.model for row in result.metrics.rows if row.role == "model"} == {"instant"}
        assert "entity_mean" in str(result.metrics)
        assert any("small model, fitted at query time on" in note for note in result.notes)
        assert "a small model fitted at query time" in str(db.explain(f"{CHURN} WITH (model = instant)"))
        again = db.predict(f"{CHURN} WITH (model = instant, cache = off)")
        assert again.to_arrow_table().equals(result.to_arrow_table())


def test_too_little_data_falls_back_to_a_baseline_with_a_note():
    tables = shop_tables(0, customers=4, orders=60)
    with pql.connect(tables) as db:
        result = db.predict(CHURN.replace("= 0", "> 0") + " WITH (model = instant)")
    assert any("a baseline answers" in note for note in result.notes)
    assert set(result.model.weights) <= {"rate", "last_window", "entity_mean"}


@pytest.mark.parametrize(
    "target",
    [
        "LIST_DISTINCT(order_lines.product_id, 0, 21, days) RANK TOP 5",
        "TIME_TO(orders.* WHERE orders.channel = 'web', 0, 21, days)",
    ],
)
def test_what_it_cannot_answer_is_refused_with_the_models_that_can(target):
    with pql.connect(shop_tables(0)) as db, pytest.raises(PqlError) as caught:
        db.predict(f"PREDICT {target} FOR EACH customers.customer_id WITH (model = instant)")
    assert caught.value.code == "model_not_for_task"
    assert "boosted" in str(caught.value)


def test_neither_torch_nor_trees_are_imported(tmp_path):
    import pyarrow.parquet as pq

    for name, table in shop_tables(0).items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    code = (
        "import sys, pql\n"
        f"r = pql.connect({str(tmp_path)!r}).predict({CHURN + ' WITH (model = instant)'!r})\n"
        "assert len(r) and str(r.metrics)\n"
        "print([m for m in ('torch', 'lightgbm', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
