"""Databases that nobody tidied: rows dated far ahead, no times at all, lists that are always empty."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import pql
from pql.language.errors import PqlError

START = pd.Timestamp("2023-01-01")


def shop() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    n = 800
    events = pd.DataFrame(
        {
            "user_id": rng.integers(0, 40, n),
            "kind": rng.choice(["x", "y"], n),
            "at": (START + pd.to_timedelta(np.sort(rng.uniform(0, 300, n)), unit="D")).as_unit("us"),
        }
    )
    return {"users": pd.DataFrame({"user_id": range(40), "plan": rng.choice(["a", "b"], 40)}), "events": events}


COUNT = "PREDICT COUNT(events.*, 0, 14, days) FOR EACH users WITH (model = entity_mean)"


@pytest.mark.parametrize("far", ["9999-12-31", "2199-06-01"])
def test_rows_dated_far_ahead_do_not_set_the_anchor(far: str) -> None:
    tables = shop()
    tables["events"].loc[[5, 300, 600], "at"] = pd.Timestamp(far)
    with pql.connect(tables) as db:
        result = db.predict(COUNT)
    assert {str(row[1])[:10] for row in result} == {"2023-10-28"}
    assert any("3 rows are dated far ahead of all others" in note for note in result.notes)
    tables["events"] = tables["events"].drop([5, 300, 600]).reset_index(drop=True)
    with pql.connect(tables) as db:
        assert db.predict(COUNT).fetchall() == result.fetchall()


def test_a_pause_is_no_fault() -> None:
    tables = shop()
    late = tables["events"].index >= 400
    tables["events"].loc[late, "at"] += pd.Timedelta(days=3000)
    with pql.connect(tables) as db:
        plan = db.explain(COUNT).plan
    assert plan.split.prediction > pd.Timestamp("2031-01-01").value // 1000
    assert not any("far ahead" in warning for warning in plan.warnings)


def test_a_column_is_predicted_where_nothing_has_a_time() -> None:
    rng = np.random.default_rng(1)
    size = rng.random(300)
    flowers = pd.DataFrame(
        {
            "flower_id": range(300),
            "size": size,
            "species": np.where(size > 0.5, "rosa", "viola"),
            "started_on": pd.Timestamp("2024-01-01"),  # one value in all rows is no clock
        }
    )
    with pql.connect({"flowers": flowers}) as db:
        result = db.predict("PREDICT flowers.species FOR EACH flowers WITH (model = boosted)")
    frame = result.df().sort_values("flower_id")
    assert len(frame) == 300
    assert (frame["prediction"].to_numpy() == flowers["species"].to_numpy()).mean() > 0.9


def test_lists_that_are_always_empty_are_a_coded_error() -> None:
    tables = shop()
    target = "LIST_DISTINCT(events.kind WHERE events.kind = 'never', 0, 14, days)"
    with pql.connect(tables) as db, pytest.raises(PqlError) as error:
        db.predict(f"PREDICT {target} CLASSIFY FOR EACH users")
    assert error.value.code == "no_positive_labels"
