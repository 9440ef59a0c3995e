"""The rules of a ranking through the front door: labels, answers, measures and kept models under them."""

from __future__ import annotations

import numpy as np
import pytest
from fake_graphs import DAY
from rankings import item_table
from shops import seed_shop

import pql
from pql.language.errors import PqlError

ASKED = "PREDICT LIST_DISTINCT(orders.product_id, 0, 30, days) RANK TOP 5 FOR EACH customers.customer_id"


@pytest.fixture(scope="module")
def tables():
    return seed_shop()


@pytest.fixture
def db(tables, tmp_path, monkeypatch):
    monkeypatch.setenv("PQL_HOME", str(tmp_path / "home"))
    with pql.connect(tables) as session:
        yield session


def frame(tables):
    return tables["ORDERS"].to_pandas(), tables["PRODUCTS"].to_pandas().set_index("PRODUCT_ID")


def test_nothing_bought_comes_back_and_each_row_says_how_many_candidates_there_were(db, tables):
    orders, products = frame(tables)
    result = db.predict(f"{ASKED} EXCLUDING PURCHASED AS OF 2024-01-01 WITH (model = boosted)")
    assert result.columns == ["CUSTOMER_ID", "anchor", "PRODUCT_ID", "score", "rank", "candidates"]
    past = orders[orders["ORDERED_AT"] <= "2024-01-01"]
    bought = set(zip(past["CUSTOMER_ID"], past["PRODUCT_ID"], strict=True))
    found = result.df()
    assert not bought & set(zip(found["CUSTOMER_ID"], found["PRODUCT_ID"], strict=True))
    later = orders[orders["ORDERED_AT"] > "2024-01-01"]
    assert set(zip(later["CUSTOMER_ID"], later["PRODUCT_ID"], strict=True)) & set(
        zip(found["CUSTOMER_ID"], found["PRODUCT_ID"], strict=True)
    )
    kinds = past.groupby("CUSTOMER_ID")["PRODUCT_ID"].nunique()
    assert (found["candidates"] == len(products) - found["CUSTOMER_ID"].map(kinds)).all()
    assert (found.groupby("CUSTOMER_ID").size() == 5).all()
    assert {"repeat", "popularity"} <= set(result.metrics.models())


def test_rules_combine_and_bound_the_baselines_too(db, tables):
    orders, products = frame(tables)
    rules = "CANDIDATES WHERE products.price < 30 AT MOST 1 PER categories.category_name "
    rules += "EXCLUDING (orders.product_id, -30, 0, days)"
    for name in ("boosted", "repeat"):
        found = db.predict(f"{ASKED} {rules} WITH (model = {name})").df()
        assert (products["PRICE"].reindex(found["PRODUCT_ID"]) < 30).all()
        kind = products["CATEGORY_ID"].reindex(found["PRODUCT_ID"]).to_numpy()
        assert not found.assign(kind=kind).duplicated(["CUSTOMER_ID", "kind"]).any()
        anchor = found["anchor"].iloc[0]
        recent = orders[(orders["ORDERED_AT"] <= anchor) & (orders["ORDERED_AT"] > anchor - np.timedelta64(30, "D"))]
        assert not set(zip(recent["CUSTOMER_ID"], recent["PRODUCT_ID"], strict=True)) & set(
            zip(found["CUSTOMER_ID"], found["PRODUCT_ID"], strict=True)
        )


def test_plain_values_are_ranked_under_rules_as_well(db, tables):
    orders, products = frame(tables)
    asked = "PREDICT LIST_DISTINCT(categories.category_name, 0, 30, days) RANK TOP 3 FOR EACH customers.customer_id"
    some = db.predict(f"{asked} CANDIDATES WHERE categories.category_name != 'Category 1' WITH (model = repeat)").df()
    assert set(some["CATEGORY_NAME"]) == {f"Category {i}" for i in (0, 2, 3, 4)}
    assert (some["candidates"] == 4).all()
    new = db.predict(f"{asked} EXCLUDING (categories.category_name, -30, 0, days) WITH (model = repeat)").df()
    anchor = new["anchor"].iloc[0]
    recent = orders[orders["ORDERED_AT"] > anchor - np.timedelta64(30, "D")]
    kind = "Category " + products["CATEGORY_ID"].reindex(recent["PRODUCT_ID"]).astype(str).to_numpy()
    assert not set(zip(recent["CUSTOMER_ID"], kind, strict=True)) & set(
        zip(new["CUSTOMER_ID"], new["CATEGORY_NAME"], strict=True)
    )
    with pytest.raises(PqlError, match="AT MOST") as error:
        db.predict(f"{asked} AT MOST 1 PER products.price")
    assert error.value.code == "clause_conflict"


def test_whom_the_rules_leave_nothing_is_noted_or_flagged_and_nobody_at_all_is_an_error(db, tables):
    shut = (
        "CANDIDATES WHERE products.product_id < 2 EXCLUDING (orders.product_id, -40, 0, days) WITH (model = popularity)"
    )
    result = db.predict(f"{ASKED} {shut}")
    assert any("nothing to be given" in note for note in result.notes)
    some = result.df()["CUSTOMER_ID"].tolist()
    other = next(c for c in sorted(set(tables["ORDERS"]["CUSTOMER_ID"].to_pylist())) if c not in some)
    asked = ASKED.replace("EACH customers.customer_id", f"customers.customer_id IN ({some[0]}, {other})")
    assert {row[0]: row[-1] for row in db.predict(f"{asked} {shut}")} == {some[0]: "ok", other: "no candidates"}
    with pytest.raises(PqlError) as error:
        db.predict(f"{asked.replace(f'({some[0]}, ', '(')} {shut}")
    assert error.value.code == "no_candidates"


def test_labels_hold_only_what_is_allowed_and_explain_prints_the_rules(db, tables):
    _, products = frame(tables)
    labels = db.labels(f"{ASKED} CANDIDATES WHERE products.price > 25").df()
    assert all(products["PRICE"][list(label)].min() > 25 for label in labels["label"])
    text = str(db.explain(f"{ASKED} EXCLUDING PURCHASED AT MOST 2 PER products.category_id"))
    assert "excluding  purchased: what is in LIST_DISTINCT(ORDERS.PRODUCT_ID, -INF, 0, days)" in text
    assert "at most    2 per PRODUCTS.CATEGORY_ID" in text
    assert "the rules forbid every item of the window" in text


def test_an_evaluation_measures_only_what_is_allowed(db, tables):
    free = db.evaluate(f"{ASKED} WITH (model = repeat)").metrics
    ruled = db.evaluate(f"{ASKED} EXCLUDING PURCHASED WITH (model = repeat)").metrics
    counts = [next(row.n for row in table.rows if row.split == "test") for table in (free, ruled)]
    assert counts[0] > counts[1] > 0
    assert ruled.value("repeat", "test") == pytest.approx(ruled.value("repeat", "test", "map@5 (new)"))


def test_a_model_is_kept_with_its_rules(db):
    plain = db.predict(f"{ASKED} WITH (model = popularity)")
    ruled = db.predict(f"{ASKED} EXCLUDING PURCHASED WITH (model = popularity)")
    again = db.predict(f"{ASKED} EXCLUDING PURCHASED WITH (model = popularity)")
    assert plain.model.key != ruled.model.key == again.model.key
    assert again.model.cached
    assert again.fetchall() == ruled.fetchall()


@pytest.mark.parametrize(
    ("clause", "code"),
    [
        ("EXCLUDING (orders.amount, -90, 0, days)", "clause_conflict"),
        ("EXCLUDING (orders.product_id, 0, 30, days)", "future_filter"),
        ("CANDIDATES WHERE 1 = 1", "constant_condition"),
        ("AT MOST 0 PER products.category_id", "top_not_positive"),
    ],
)
def test_a_rule_that_makes_no_sense_is_a_coded_error(db, clause, code):
    with pytest.raises(PqlError) as error:
        db.explain(f"{ASKED} {clause}")
    assert error.value.code == code


def test_items_of_the_world_are_born_before_they_are_candidates():
    assert (item_table().birth[-4:] == 100 * DAY).all()


def test_with_rules_no_row_after_the_anchor_changes_the_answer(tables, tmp_path, monkeypatch):
    """Neither a purchase after the anchor nor an item's later row bars, opens or moves anything."""
    import pyarrow as pa
    import pyarrow.compute as pc

    orders = tables["ORDERS"]
    past = pc.less_equal(orders["ORDERED_AT"], pa.scalar(np.datetime64("2024-01-01T00:00:00", "us")))
    late = orders.filter(pc.invert(past))
    swapped = late.set_column(2, "PRODUCT_ID", pa.array((late["PRODUCT_ID"].to_numpy() + 7) % 30))
    query = (
        f"{ASKED} EXCLUDING (orders.product_id, -60, 0, days) CANDIDATES WHERE products.price < 40 "
        "AT MOST 2 PER products.category_id AS OF 2024-01-01 WITH (model = boosted)"
    )
    answers = []
    for number, rows in enumerate((orders.filter(past), pa.concat_tables([orders.filter(past), swapped]))):
        monkeypatch.setenv("PQL_HOME", str(tmp_path / str(number)))
        with pql.connect({**tables, "ORDERS": rows}) as session:
            answers.append(session.predict(query))
    assert len(answers[0]) > 100
    assert answers[0].fetchall() == answers[1].fetchall()
    assert answers[0].metrics == answers[1].metrics


def test_a_named_model_answers_only_under_the_rules_it_was_trained_with(db):
    (_,) = db.run(f"CREATE MODEL fresh AS {ASKED} EXCLUDING PURCHASED WITH (model = popularity)")
    same = db.predict(f"{ASKED} EXCLUDING PURCHASED USING MODEL fresh")
    assert len(same) > 100
    with pytest.raises(PqlError) as error:
        db.predict(f"{ASKED} USING MODEL fresh")
    assert error.value.code == "model_mismatch"
