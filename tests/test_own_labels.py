"""db.fit(train, val, …).predict(test): own label tables, of every task, in the order of their rows."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from label_tables import anchors, labels, shop

import pql
from pql.language.errors import PqlError

ENTITY = {"entity": "customers.customer_id", "time": "at", "target": "label", "horizon": "30 days", "model": "boosted"}


@pytest.fixture(scope="module")
def tables():
    return shop()


@pytest.fixture(scope="module")
def parts(tables):
    return [labels(tables, when, "any") for when in (anchors(60, 360), anchors(390, 450), anchors(480, 540))]


def fitted(tables, train, val=None, **more):
    return pql.connect(tables).fit(train, val, **{**ENTITY, **more})


def test_a_binary_table_is_answered_row_by_row(tables, parts) -> None:
    train, val, test = parts
    model = fitted(tables, train, val)
    shuffled = test.take(pa.array(np.random.default_rng(1).permutation(len(test))))
    result = model.predict(shuffled.drop_columns(["label"])).to_arrow_table()
    assert result.column_names == ["customer_id", "anchor", "probability", "prediction"]
    assert result["customer_id"].to_pylist() == shuffled["customer_id"].to_pylist()
    assert result["anchor"].to_pylist() == shuffled["at"].to_pylist()
    truth, score = np.array(shuffled["label"].to_pylist()), result["probability"].to_numpy()
    assert score[truth == 1].mean() > 2 * score[truth == 0].mean()
    assert model.metrics.value("boosted", "valid", "auroc") > 0.75
    assert {"rate", "entity_mean", "last_window"} <= set(model.metrics.models())


def test_options_of_the_session_hold_where_fit_says_nothing(tables, parts) -> None:
    told = {name: value for name, value in ENTITY.items() if name != "model"}
    with pql.connect(tables, options={"model": "entity_mean"}) as db:
        assert db.fit(parts[0], **told).model.name == "entity_mean"
        assert db.fit(parts[0], **told, model="last_window").model.name == "last_window"


@pytest.mark.parametrize(("kind", "columns"), [("orders", ["prediction"]), ("class", ["prediction", "probability"])])
def test_numbers_and_texts_say_which_task_it_is(tables, kind: str, columns: list[str]) -> None:
    train, test = labels(tables, anchors(60, 450), kind), labels(tables, anchors(480, 540), kind)
    model = fitted(tables, train)
    assert model.plan.task.kind.value == {"orders": "regression", "class": "multiclass"}[kind]
    result = model.predict(test).to_arrow_table()
    assert result.column_names == ["customer_id", "anchor", *columns]
    assert len(result) == len(test)
    if kind == "class":
        assert set(result["prediction"].to_pylist()) <= {"none", "few", "many"}


def test_lists_of_keys_are_ranked(tables) -> None:
    train, val = labels(tables, anchors(90, 420), "items"), labels(tables, anchors(450, 480), "items")
    test = labels(tables, anchors(510, 540), "items")
    model = fitted(tables, train, val, items="items.item_id", k=3)
    result = model.predict(test).to_arrow_table()
    assert result.column_names == ["customer_id", "anchor", "item_id", "score", "rank"]
    assert result["rank"].to_pylist()[:6] == [1, 2, 3, 1, 2, 3]
    assert len(result) == 3 * len(test)
    lists = np.array(result["item_id"].to_pylist()).reshape(-1, 3)
    hit = np.mean([one in truth for one, truth in zip(lists[:, 0], test["label"].to_pylist(), strict=True)])
    assert hit > 0.25  # three of twelve items are each one's own


def test_tables_come_in_every_form(tables, parts, tmp_path) -> None:
    pandas = pytest.importorskip("pandas")
    train, val, test = parts
    expected = fitted(tables, train, val).predict(test).to_arrow_table()
    path = tmp_path / "train.parquet"
    pq.write_table(train, path)
    assert fitted(tables, str(path), val.to_pydict()).predict(test.to_pandas()).to_arrow_table().equals(expected)
    assert isinstance(pandas.DataFrame(), pandas.DataFrame)


def test_an_autocomplete_table_reads_strictly_earlier_rows(tables) -> None:
    orders = tables["orders"].select(["order_id", "ordered_at", "amount"]).rename_columns(["order_id", "at", "amount"])
    train, test = orders.slice(0, 500), orders.slice(500)
    model = pql.connect(tables).fit(train, entity="orders.order_id", time="at", target="amount", model="boosted")
    assert model.plan.split.kind == "row_time"
    result = model.predict(test.drop_columns(["amount"])).to_arrow_table()
    assert result["anchor"].to_pylist() == test["at"].to_pylist()
    error = np.abs(result["prediction"].to_numpy() - test["amount"].to_numpy()).mean()
    assert error < np.abs(np.median(train["amount"].to_numpy()) - test["amount"].to_numpy()).mean()
    scrambled = dict(tables)
    amounts = tables["orders"]["amount"].to_numpy().copy()
    amounts[500:] = -7.0  # what is asked for, and all that is later
    at = tables["orders"].column_names.index("amount")
    scrambled["orders"] = tables["orders"].set_column(at, "amount", pa.array(amounts))
    again = pql.connect(scrambled).fit(train, entity="orders.order_id", time="at", target="amount", model="boosted")
    first = test.slice(0, 1)
    assert again.predict(first).to_arrow_table()["prediction"] == model.predict(first).to_arrow_table()["prediction"]


def test_labels_that_were_not_known_are_not_learnt_from(tables, parts) -> None:
    train, val, test = parts
    early = test.filter(pa.compute.equal(test["at"], anchors(480, 480)[0]))
    plain = fitted(tables, train, val).predict(early)
    late = val.set_column(1, "at", pa.array([t + dt.timedelta(days=20) for t in val["at"].to_pylist()]))
    model = fitted(tables, train, pa.concat_tables([val, late]))
    told = model.predict(early)
    assert any("were not known at" in note for note in told.notes)
    assert len(told) == len(plain)


def test_known_truth_is_measured_beside_the_baselines(tables, parts) -> None:
    train, val, test = parts
    metrics = fitted(tables, train, val).predict(test).metrics
    assert metrics.value("boosted", "test", "auroc") > 0.75
    assert metrics.value("entity_mean", "test", "auroc") > 0.6
    assert metrics.value("boosted", "valid", "auroc") > 0.75
    lists = fitted(tables, labels(tables, anchors(90, 420), "items"), items="items.item_id", k=3)
    metrics = lists.predict(labels(tables, anchors(480, 540), "items")).metrics
    assert metrics.value("boosted", "test", "map@3") > metrics.value("popularity", "test", "map@3")


def test_a_small_validation_table_borrows_the_latest_training_rows(tables, parts) -> None:
    train, val, _ = parts
    day = anchors(390, 390)[0]
    model = fitted(tables, train, val.filter(pa.compute.equal(val["at"], day)))
    assert any("the latest 60 training rows validate with them" in note for note in model.notes)
    n = {row.n for row in model.metrics.rows if row.split == "valid"}
    assert n == {120}  # 60 of its own, and the 60 of the training anchor whose window ends where it begins
    many = labels(tables, anchors(390, 480), "any")
    assert not any("validate with them" in note for note in fitted(tables, train, many).notes)


def test_unknown_keys_keep_their_row(tables, parts) -> None:
    train, val, _ = parts
    result = fitted(tables, train, val).predict({"customer_id": [3, 99999], "at": ["2023-06-01", "2023-06-01"]})
    assert result.to_arrow_table()["status"].to_pylist() == ["ok", "unknown id"]
    assert result.to_arrow_table()["probability"].to_pylist()[1] is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"entity": "customer.customer_id"}, None),
        ({"entity": "nobody.customer_id"}, "unknown_table"),
        ({"entity": "customers.city"}, "bad_fit_argument"),
        ({"time": "when"}, "unknown_column"),
        ({"target": "nothing"}, "unknown_column"),
        ({"horizon": "soon"}, "bad_fit_argument"),
        ({"task": "ranking"}, "bad_fit_argument"),
        ({"modell": "boosted"}, "bad_fit_argument"),
        ({"model": "oracle"}, "bad_option_value"),
        ({"model": "popularity"}, "model_not_for_task"),
        ({"ignoring": ["orders.nothing"]}, "unknown_column"),
        ({"k": 0}, "bad_fit_argument"),
    ],
)
def test_faults_have_codes(tables, parts, change: dict, code: str | None) -> None:
    train, val, _ = parts
    if code is None:
        assert len(fitted(tables, train, val, **change).predict(val)) == len(val)
        return
    with pytest.raises(PqlError) as caught:
        fitted(tables, train, val, **change)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ({"customer_id": [1, 1], "at": ["2022-06-01"] * 2, "label": [0, 1]}, "bad_label_table"),
        ({"customer_id": [1, 2], "at": ["2022-06-01", None], "label": [0, 1]}, "bad_label_table"),
        ({"customer_id": [1, 2], "at": ["2022-06-01"] * 2, "label": [float("nan"), 1.0]}, "bad_label_table"),
        ({"customer_id": [None, 2], "at": ["2022-06-01"] * 2, "label": [0, 1]}, "bad_label_table"),
        ({"customer_id": [1, 2], "at": [1, 2], "label": [0, 1]}, "bad_label_table"),
        ({"customer_id": [], "at": [], "label": []}, "bad_label_table"),
        ({"customer_id": [-1, -2], "at": ["2022-06-01"] * 2, "label": [0, 1]}, "unknown_entity"),
    ],
)
def test_faulty_tables_have_codes(tables, rows: dict, code: str) -> None:
    with pytest.raises(PqlError) as caught:
        fitted(tables, rows)
    assert caught.value.code == code


def test_the_table_that_explains_the_lists_says_who_met_what(tables) -> None:
    rng = np.random.default_rng(3)
    n = 2 * len(tables["orders"])
    when = np.sort(rng.integers(0, 600 * 86_400, n)).astype("timedelta64[s]") + np.datetime64("2022-01-01", "us")
    views = pa.table(
        {
            "view_id": range(n),
            "customer_id": rng.integers(0, 60, n),
            "item_id": rng.integers(0, 12, n),
            "viewed_at": pa.array(when.astype("datetime64[us]")),
        }
    )
    train = labels(tables, anchors(90, 450), "items")
    model = fitted({**tables, "views": views}, train, items="items.item_id", k=3)
    assert model.plan.query.target.fact == "orders"  # views are twice as many, and say nothing of the labels
