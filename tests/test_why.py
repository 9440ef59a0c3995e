"""Reasons of predictions: they add up to what is shown, for every model and target, and name what was looked at."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from shops import seed_shop
from test_purchases import LAPSE, SPENT, VISITS, cafe

import pql
from pql.engine.quality.calibrate import logit
from pql.engine.reasons.reasons import Reasons, RowParts, in_words, numeric, slopes
from pql.shown_table import Why

YES_NO = ("boosted", "instant", "linear", "rate", "last_window", "entity_mean", "rfm", "bgnbd", "interval")
NUMBERS = ("boosted", "instant", "linear", "entity_mean", "last_window", "rfm", "bgnbd")
MODELS = [*((LAPSE, model) for model in YES_NO), *((SPENT, model) for model in NUMBERS), (VISITS, "bgnbd")]

EACH = "FOR EACH customers.customer_id"
CHANNEL = f"PREDICT FIRST(orders.channel, 0, 30, days) {EACH}"
CHANNELS = f"PREDICT LIST_DISTINCT(orders.channel, 0, 14, days) CLASSIFY {EACH}"
MONTHS = f"PREDICT SUM(orders.amount, 0, 14, days) FORECAST 3 TIMEFRAMES {EACH}"
WAIT = f"PREDICT TIME_TO(orders.*, 0, 30, days) {EACH}"
SEGMENT = f"PREDICT customers.segment {EACH}"
ITEMS = f"PREDICT LIST_DISTINCT(orders.product_id, 0, 14, days) RANK TOP 5 {EACH}"
PAIRS = "PREDICT BOOL(orders.product_id, 0, 14, days) FOR EACH customers.customer_id, products.product_id"
TARGETS = [
    *((CHANNEL, model) for model in ("boosted", "instant", "rate", "last_window")),
    *((CHANNELS, model) for model in ("boosted", "instant", "rate", "repeat", "popularity")),
    *((MONTHS, model) for model in ("boosted", "instant", "entity_mean", "last_window")),
    *((WAIT, model) for model in ("boosted", "rate", "interval")),
    *((SEGMENT, model) for model in ("boosted", "instant", "rate")),
    *((ITEMS, model) for model in ("boosted", "repeat", "popularity", "interval", "rules", "als")),
    (PAIRS, "repeat"),
]


def added_up(told: list[dict[str, object]]) -> list[tuple[float, float]]:
    """Of each prediction: its value and the sum of the contributions."""
    found: list[tuple[float, float]] = []
    for row in told:
        if row["reason"] == 0:
            found.append((float(row["prediction"]), 0.0))  # type: ignore[arg-type]
        found[-1] = (found[-1][0], found[-1][1] + float(row["contribution"]))  # type: ignore[arg-type]
    return found


def adds_up(why: Why) -> None:
    for shown, total in added_up(why.to_arrow_table().to_pylist()):
        wanted = float(logit(np.array(shown))) if why.scale == "log-odds" else shown
        assert total == pytest.approx(wanted, abs=1e-6)


def shop(until: dt.datetime | None = None) -> dict[str, pa.Table]:
    """The seed shop in small letters, with a channel of every order and a segment that some customers lack."""
    tables = {name.lower(): table for name, table in seed_shop(purchases=1600).items()}
    tables = {name: table.rename_columns([c.lower() for c in table.column_names]) for name, table in tables.items()}
    orders, customers = tables["orders"], tables["customers"]
    who = orders["customer_id"].to_numpy()
    rng = np.random.default_rng(1)
    channel = np.array(["web", "shop", "app"])[(who + rng.integers(0, 2, len(who))) % 3]
    orders = orders.append_column("channel", pa.array(channel))
    segment = [None if i % 10 == 0 else "gold" if i % 3 else "tin" for i in range(len(customers))]
    if until is not None:
        orders = orders.filter(pa.compute.less_equal(orders["ordered_at"], pa.scalar(until, pa.timestamp("us"))))
    return {**tables, "orders": orders, "customers": customers.append_column("segment", pa.array(segment))}


@pytest.fixture(scope="module")
def db():  # type: ignore[no-untyped-def]
    with pql.connect(cafe()) as session:
        yield session


@pytest.fixture(scope="module")
def store():  # type: ignore[no-untyped-def]
    with pql.connect(shop()) as session:
        yield session


@pytest.mark.parametrize(("query", "model"), MODELS)
def test_the_contributions_add_up_to_what_is_shown(db: pql.Session, query: str, model: str) -> None:
    result = db.predict(f"{query} WITH (model = {model})")
    why = result.why(12, most=3)
    adds_up(why)
    assert why.scale == ("log-odds" if query == LAPSE else "value")
    told = why.to_arrow_table().to_pylist()
    first = [row for row in told if row["guest_id"] == told[0]["guest_id"]]
    assert first[0]["feature"] == "what all begin with"
    assert [row["reason"] for row in first] == list(range(len(first)))
    sizes = [abs(row["contribution"]) for row in first[1:] if row["feature"] != "everything else"]
    assert sizes == sorted(sizes, reverse=True)
    assert len(first) > 1 or model in ("rate", "last_window")
    assert len(why.sentences) == 12
    assert why.sentences[0].startswith(f"guest_id {told[0]['guest_id']}: ")


@pytest.mark.parametrize(("query", "model"), TARGETS)
def test_so_they_do_of_every_target(store: pql.Session, query: str, model: str) -> None:
    result = store.predict(f"{query} WITH (model = {model}, budget = '5 s', anchors = 4)")
    why = result.why(6, most=3)
    adds_up(why)
    told = why.to_arrow_table().to_pylist()
    assert len(why.sentences) == 6
    shown = result.to_arrow_table().slice(0, 6)
    about = shown.column_names[: why.to_arrow_table().column_names.index("prediction")]
    assert {"customer_id", *about} >= {"customer_id"}
    if model not in ("rate", "last_window", "popularity"):
        assert any(row["key"] is not None for row in told)


def test_what_classes_and_waits_begin_with_is_the_same_for_all(store: pql.Session) -> None:
    for query in (CHANNELS, WAIT):
        result = store.predict(f"{query} WITH (model = boosted, budget = '5 s', anchors = 4)")
        told = result.why(12).to_arrow_table().to_pylist()
        keys = [row for row in told if row["reason"] == 0]
        item = "channel" if query == CHANNELS else "customer_id"
        by_class: dict[object, set[float]] = {}
        for row in keys:
            by_class.setdefault(row[item] if query == CHANNELS else "", set()).add(round(row["contribution"], 3))
        assert all(len(values) == 1 for values in by_class.values())


def test_the_network_tells_of_features_and_of_the_rows_around(store: pql.Session) -> None:
    query = f"PREDICT COUNT(orders.*, 0, 14, days) = 0 {EACH} WITH (model = gnn, budget = '10 s', epochs = 1)"
    why = store.predict(query).why(8, most=200)
    adds_up(why)
    told = why.to_arrow_table().to_pylist()
    begin = [row["contribution"] for row in told if row["reason"] == 0]
    assert np.ptp(begin) < 1e-3 * max(1.0, np.ptp([row["contribution"] for row in told]))
    assert {row["table"] for row in told} >= {"orders", "customers"}


def test_the_towers_tell_of_the_items_met_and_of_the_rows_around(store: pql.Session) -> None:
    why = store.predict(f"{ITEMS} WITH (model = two_tower, budget = '5 s', anchors = 4, epochs = 1)").why(6, most=300)
    adds_up(why)
    told = why.to_arrow_table().to_pylist()
    assert {row["table"] for row in told if row["feature"] == "this row"} >= {"orders", "products", "customers"}
    begin = [row["contribution"] for row in told if row["reason"] == 0]
    assert np.ptp(begin) < 1e-2 * np.ptp([row["contribution"] for row in told])


@pytest.mark.parametrize("model", ["boosted", "rules", "als", "repeat"])
def test_what_the_items_of_lists_begin_with_is_the_same_for_all(store: pql.Session, model: str) -> None:
    why = store.predict(f"{ITEMS} WITH (model = {model}, budget = '5 s', anchors = 4)").why(60)
    begin = [row["contribution"] for row in why.to_arrow_table().to_pylist() if row["reason"] == 0]
    assert len(begin) == 60
    assert np.ptp(begin) < 1e-9


def test_what_goes_with_an_item_are_other_items_that_were_bought(store: pql.Session) -> None:
    bought = {str(row["order_id"]): (row["customer_id"], row["product_id"]) for row in shop()["orders"].to_pylist()}
    told = store.predict(f"{ITEMS} WITH (model = boosted, budget = '5 s', anchors = 4)").why(60, most=99)
    seen = 0
    for row in told.to_arrow_table().to_pylist():
        if str(row["feature"]).startswith("together") and row["key"]:
            customers, items = zip(*(bought[key] for key in row["key"].split(" | ")), strict=True)
            assert set(customers) == {row["customer_id"]}
            assert row["product_id"] not in items
            seen += 1
    assert seen > 20


def test_reasons_name_the_rows_behind_them(db: pql.Session) -> None:
    """The latest visit of a guest is the row behind `days since latest visits`, and so on."""
    result = db.predict(f"{SPENT} WITH (model = boosted)")
    visits = cafe()["visits"].to_pylist()
    seen = 0
    for row in result.why(20, most=300).to_arrow_table().to_pylist():
        mine = sorted(
            (v for v in visits if v["guest_id"] == row["guest_id"]), key=lambda v: (v["visited_at"], v["visit_id"])
        )
        places = {"days since latest visits": -1, "latest visits.amount": -1, "days since first visits": 0}
        if row["feature"] == "MAX(visits.amount, -INF, 0)":
            expected = max(mine, key=lambda visit: visit["amount"])
        elif row["feature"] in places:
            expected = mine[places[row["feature"]]]
        else:
            continue
        assert row["key"] == str(expected["visit_id"])
        assert row["time"] == expected["visited_at"].replace(tzinfo=None)
        assert (row["table"], row["rows"]) == ("visits", 1)
        seen += 1
    assert seen > 10


def test_no_reason_is_later_than_the_anchor() -> None:
    until = dt.datetime(2023, 12, 1)
    for query, model in ((f"PREDICT SUM(orders.amount, 0, 14, days) {EACH}", "boosted"), (ITEMS, "boosted")):
        told = []
        for tables in (shop(), shop(until)):
            with pql.connect(tables) as session:
                asked = f"{query} AS OF '2023-12-01' WITH (model = {model}, budget = '5 s', anchors = 4)"
                told.append(session.predict(asked).why(8, most=400).to_arrow_table())
        assert told[0].equals(told[1])
        times = [time for time in told[0]["time"].to_pylist() if time is not None]
        assert times
        assert max(times) <= until


def test_a_blend_adds_its_members_up(db: pql.Session) -> None:
    adds_up(db.predict(f"{LAPSE} WITH (model = blend, budget = '5 s', epochs = 1)").why(5, most=2))


def test_reasons_of_one_entity_are_those_it_has_among_others(db: pql.Session, store: pql.Session) -> None:
    result = db.predict(f"{LAPSE} WITH (model = bgnbd)")
    many = result.why(len(result)).to_arrow_table().to_pylist()
    alone = result.why(entity=7).to_arrow_table().to_pylist()
    assert alone == [row for row in many if row["guest_id"] == 7]
    assert {row["feature"] for row in alone[1:]} == {"events so far, and over how long", "time since the last one"}
    assert any(str(row["value"]).endswith("days") for row in alone)
    assert "time since the last one" in str(result.why(entity=7))
    with pytest.raises(pql.PqlError) as error:
        result.why(entity=9_999)
    assert error.value.code == "unknown_entity"
    ranked = store.predict(f"{ITEMS} WITH (model = boosted, budget = '5 s', anchors = 4)")
    many = ranked.why(40).to_arrow_table().to_pylist()
    mine = [row for row in many if row["customer_id"] == many[0]["customer_id"]]
    alone = ranked.why(entity=many[0]["customer_id"]).to_arrow_table().to_pylist()
    assert [row.pop("contribution") for row in alone] == pytest.approx([row.pop("contribution") for row in mine])
    assert alone == mine


def test_ids_asked_for_and_kept_models_have_reasons_too(db: pql.Session) -> None:
    list(db.run(f"CREATE OR REPLACE MODEL lapse AS {LAPSE} WITH (model = rfm)"))
    asked = LAPSE.replace("FOR EACH guests.guest_id", "FOR guests.guest_id IN (3, 100000, 5)")
    told = db.predict(f"{asked} USING MODEL lapse").why().to_arrow_table().to_pylist()
    assert {row["guest_id"] for row in told} == {3, 5}
    assert any("of 5" in row["value"] for row in told)


def test_explain_prediction_tells_the_same_inside_a_script(db: pql.Session) -> None:
    few = f"{LAPSE.replace('FOR EACH guests.guest_id', 'FOR guests.guest_id IN (3, 5)')} WITH (model = rfm)"
    (told,) = db.run(f"EXPLAIN PREDICTION {few}")
    assert told.to_arrow_table() == db.predict(few).why(2).to_arrow_table()
    each = f"{LAPSE} WITH (model = rfm)"
    (told,) = db.run(f"EXPLAIN PREDICTION {each}")
    assert told.sentences == db.predict(each).why(5).sentences


def test_what_is_bought_again_is_told_by_what_was_bought(store: pql.Session) -> None:
    orders = shop()["orders"].to_pylist()
    bought = {(row["customer_id"], row["product_id"], str(row["order_id"])) for row in orders}
    told = store.predict(f"{ITEMS} WITH (model = repeat)").why(10, most=20).to_arrow_table().to_pylist()
    rows = [row for row in told if row["feature"] == "this row"]
    assert rows
    assert {(row["customer_id"], row["product_id"], row["key"]) for row in rows} <= bought
    told = store.predict(f"{ITEMS} WITH (model = rules)").why(10).to_arrow_table().to_pylist()
    fired = [str(row["value"]) for row in told if row["feature"] == "the rule that speaks most for it"]
    assert all("confidence" in value and "lift" in value for value in fired if value)


def test_importance_is_told_by_table_column_and_feature(db: pql.Session) -> None:
    result = db.predict(f"{LAPSE} WITH (model = instant)")
    by_table = result.importance("table", rows=50).to_arrow_table().to_pylist()
    assert by_table[0]["table"] == "visits"
    assert sum(row["share"] for row in by_table) == pytest.approx(1)
    by_column = result.importance().to_arrow_table().to_pylist()
    assert {row["column"] for row in by_column} >= {"amount", "age"}
    sizes = [row["contribution"] for row in result.importance("feature").to_arrow_table().to_pylist()]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"k": True}, {"most": -1}, {"most": "all"}])
def test_numbers_that_are_none_are_refused(db: pql.Session, wrong: dict[str, object]) -> None:
    result = db.predict(f"{LAPSE} WITH (model = rate)")
    with pytest.raises(pql.PqlError) as error:
        result.why(**wrong)  # type: ignore[arg-type]
    assert error.value.code == "bad_reason_argument"
    with pytest.raises(pql.PqlError) as error:
        result.importance("weekday")
    assert error.value.code == "bad_reason_argument"


def test_predictions_without_their_model_say_so(db: pql.Session) -> None:
    result = db.predict(f"{LAPSE} WITH (model = rate)")
    bare = pql.result.Predictions(
        result.to_arrow_table(), metrics=result.metrics, plan=result.plan, model=result.model, notes=()
    )
    with pytest.raises(pql.PqlError) as error:
        bare.why()
    assert error.value.code == "not_supported"


def test_sums_of_reasons_name_a_feature_once() -> None:
    words = np.array([["3", "x"]], dtype=object)
    row = np.array([0])
    rows = RowParts(row, row, row, row, np.array([2.0]))
    one = Reasons(np.array([1.0]), ("a", "b"), np.array([[0.5, -0.25]]), words, rows)
    both = Reasons.summed([one.times(0.5), one.times(0.5, 2.0)])
    assert both.names == ("a", "b")
    assert both.margin.tolist() == [one.margin[0] + 2.0]
    assert both.amounts.tolist() == [[0.5, -0.25]]
    assert both.rows.amount.tolist() == [2.0]
    assert one.take(np.array([0, 0])).margin.tolist() == [3.25, 3.25]


def test_a_change_is_shared_out_by_what_made_it() -> None:
    one = Reasons.of(np.zeros(3), ("a", "b"), np.array([[1.0, 3.0], [1.0, -1.0], [0.0, 0.0]]))
    found = one.spread(np.array([2.0, 1.0, 5.0]))
    assert found.margin == pytest.approx([2.0, 1.0, 5.0])
    assert found.amounts.tolist() == [[0.5, 1.5], [0.5, 0.5], [0.0, 0.0]]
    assert found.base == pytest.approx([0.0, 0.0, 5.0])


def test_slopes_lead_from_one_end_to_the_other() -> None:
    def score(at: np.ndarray) -> np.ndarray:
        return np.exp(at[:, 0]) * np.tanh(at[:, 1])

    before, after = np.zeros((2, 2)), np.array([[1.0, 2.0], [-3.0, 0.5]])
    found = (slopes(before, after, numeric(score)) * (after - before)).sum(axis=1)
    assert found == pytest.approx(score(after) - score(before), abs=1e-6)


def test_values_in_words() -> None:
    assert in_words(float("nan")) == "unknown"
    assert in_words(3.0) == "3"
    assert in_words(0.12345) == "0.1235"
    assert in_words(12345.678) == "12,346"
    assert in_words(-1234.6) == "-1,235"
    assert in_words(60.0004) == "60"
    assert in_words(1.274e-05) == "0.000013"
    assert in_words(1234567.0) == "1,234,567"
    assert in_words(1.0, ["tea", "mug"]) == "mug"
    assert in_words(-1.0, ["tea", "mug"]) == "another or none"


def test_items_of_the_season_tell_of_the_season(store: pql.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from pql.engine.ranking import fitting

    weights = {"calendar": 0.7, "popularity": 0.3}
    monkeypatch.setattr(
        fitting, "choose_weights", lambda judged, members, k, notes: {m: weights.get(m, 0.0) for m in members}
    )
    why = store.predict(f"{ITEMS} WITH (model = blend, budget = '5 s', anchors = 4, cache = off)").why(4, most=4)
    adds_up(why)
    told = {row["feature"] for row in why.to_arrow_table().to_pylist()}
    assert "whether anybody had it in the same season" in told
