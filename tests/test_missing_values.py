"""`PREDICT t.x … WHERE t.x IS NULL`: the rows without a value are scored, those with one teach."""

from __future__ import annotations

import datetime as dt
from typing import Any

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


def season(*, stray: int = 0) -> dict[str, pa.Table]:
    """Matches of eight teams, the last twelve of which are still to be played; `stray` of these have a score."""
    n, ahead = 300, 12
    home, away = [i % 8 for i in range(n)], [(i * 3 + 1) % 8 for i in range(n)]
    goals = [(i * 7) % 4 for i in range(n)]
    lost = [(i * 5 + 1) % 3 for i in range(n)]
    ends = ["H" if a > b else "A" if a < b else "D" for a, b in zip(goals, lost, strict=True)]
    first = dt.datetime(2024, 1, 1)

    def known(values: list[Any], until: int = n - ahead) -> list[Any]:
        return [value if i < until else None for i, value in enumerate(values)]

    return {
        "teams": pa.table({"team_id": range(8)}),
        "matches": pa.table(
            {
                "match_id": range(n),
                "home_team_id": home,
                "away_team_id": away,
                "played_on": [first + dt.timedelta(days=i) for i in range(n)],
                "home_goals": known(goals, n - ahead + stray),
                "away_goals": known(lost),
                "result": known(ends),
                "crowd": [1000 + i % 17 for i in range(n)],
            }
        ),
    }


def test_what_is_filled_in_together_with_the_value_asked_for_is_not_read_of_the_row() -> None:
    query = "PREDICT matches.result FOR EACH matches.match_id WITH (model = boosted, budget = '3 s', cache = off)"
    with pql.connect(season()) as db:
        plan = db.plan(query)
        assert plan.query.unknown == {("matches", "home_goals"), ("matches", "away_goals")}
        result = db.predict(query)
        told = {row["feature"] for row in result.importance("feature").to_arrow_table().to_pylist()}
    assert len(result) == 12
    assert not told & {"matches.home_goals", "matches.away_goals"}
    assert any("home_goals" in name for name in told)  # of earlier matches they are
    assert any("so not read of the row itself" in note for note in result.notes)


def test_a_column_that_is_known_of_some_rows_to_be_scored_is_read() -> None:
    with pql.connect(season(stray=2)) as db:
        plan = db.plan("PREDICT matches.result FOR EACH matches.match_id")
        assert plan.query.unknown == {("matches", "away_goals")}
        plan = db.plan("PREDICT matches.crowd FOR EACH matches.match_id")  # every row has one
        assert not plan.query.unknown
        plan = db.plan("PREDICT matches.result FOR EACH matches.match_id AS OF 2024-09-01")  # before the gap
        assert not plan.query.unknown


def test_rows_after_the_anchor_do_not_say_what_is_filled_in_together() -> None:
    query = "PREDICT matches.result FOR EACH matches.match_id AS OF 2024-07-01"
    whole = season()
    cut = whole | {"matches": whole["matches"].slice(0, 182)}
    plans = []
    for tables in (whole, cut):
        with pql.connect(tables) as db:
            plans.append(db.plan(query).query.unknown)
    assert plans[0] == plans[1] == frozenset()
