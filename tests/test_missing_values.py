"""`PREDICT t.x … WHERE t.x IS NULL`: the rows without a value are scored, those with one teach."""

from __future__ import annotations

import pyarrow as pa
import pytest
from binding import bound
from shops import seed_shop

import pql
from pql.language.bound import Call
from pql.language.errors import PqlError

ASKED = "PREDICT customers.city FOR EACH customers WHERE customers.city IS NULL"


def test_the_condition_says_who_is_scored_and_leaves_the_rest_of_where() -> None:
    query = bound(ASKED)
    assert (query.where, query.missing_only) == (None, True)
    query = bound(ASKED + " AND customers.age > 30")
    assert isinstance(query.where, Call)
    assert (query.where.op, query.missing_only) == (">", True)
    query = bound(ASKED + " AND customers.age > 30 AND EXISTS(orders.*, -90, 0)")
    assert isinstance(query.where, Call)
    assert (query.where.op, len(query.where.args)) == ("and", 2)


@pytest.mark.parametrize(
    "text",
    [
        "PREDICT customers.city FOR EACH customers WHERE customers.age IS NULL",
        "PREDICT customers.city FOR EACH customers WHERE customers.city IS NULL OR customers.age > 30",
        "PREDICT customers.city IS NULL FOR EACH customers WHERE customers.city IS NULL",
        "PREDICT COUNT(orders.*, 0, 30) FOR EACH customers WHERE customers.city IS NULL",
    ],
)
def test_any_other_condition_is_an_ordinary_filter(text: str) -> None:
    query = bound(text)
    assert query.where is not None
    assert not query.missing_only


def test_rows_without_the_value_are_the_result() -> None:
    tables = seed_shop()
    plans = [None if i % 5 == 0 else "a" if i % 2 else "b" for i in range(80)]
    tables["CUSTOMERS"] = tables["CUSTOMERS"].append_column("PLAN", pa.array(plans))
    query = "PREDICT plan FROM customers WHERE plan IS NULL AND age > 30 WITH (model = boosted, budget = '1 s')"
    with pql.connect(tables) as db:
        result = db.predict(query)
        ages = dict(zip(*(tables["CUSTOMERS"][name].to_pylist() for name in ("CUSTOMER_ID", "AGE")), strict=True))
        scored = set(result.to_arrow_table()["CUSTOMER_ID"].to_pylist())
        assert scored == {i for i, plan in enumerate(plans) if plan is None and ages[i] > 30}
        assert set(result.to_arrow_table()["prediction"].to_pylist()) <= {"a", "b"}
        with pytest.raises(PqlError) as caught:
            db.predict("PREDICT name FROM customers WHERE name IS NULL WITH (model = boosted, budget = '1 s')")
        assert caught.value.code in ("no_entities", "too_many_classes")


def test_ids_that_nobody_has_are_told_before_any_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(*_: object, **__: object) -> None:
        pytest.fail("a model was asked for")

    monkeypatch.setattr("pql.engine.answers.kept.model_for", trained)
    with pql.connect(seed_shop()) as db, pytest.raises(PqlError) as caught:
        db.predict("PREDICT SUM(orders.amount, 0, 30) FOR customers.customer_id = 999")
    assert caught.value.code == "unknown_entity"


def test_where_every_row_that_where_chooses_has_the_value_all_of_them_are_scored() -> None:
    tables = seed_shop()
    tables["CUSTOMERS"] = tables["CUSTOMERS"].append_column("PLAN", pa.array([None, *("ab" * 40)][:80]))
    ages = dict(zip(*(tables["CUSTOMERS"][name].to_pylist() for name in ("CUSTOMER_ID", "AGE")), strict=True))
    limit = ages[0]  # the one customer without a plan is left out
    with pql.connect(tables) as db:
        query = f"PREDICT plan FROM customers WHERE age != {limit} WITH (model = boosted, budget = '1 s')"
        scored = db.predict(query).to_arrow_table()["CUSTOMER_ID"].to_pylist()
    assert set(scored) == {i for i, age in ages.items() if age != limit}
