"""A predicted foreign key is no edge: the row that it points to would tell its value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import pql
from pql.engine.planning.planned_graph import usable_links


def tracks(*, clocked: bool) -> dict[str, pd.DataFrame]:
    """Tracks whose genre is pure chance; every genre has a size of its own, which its rows would tell."""
    rng = np.random.default_rng(0)
    n = 900
    genre = rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1]) + 1
    made = pd.DataFrame(
        {"track_id": range(n), "genre_id": genre, "album_id": rng.integers(0, 90, n), "length": rng.random(n)}
    )
    if clocked:
        made["added_at"] = pd.date_range("2023-01-01", periods=n, freq="12h")
    return {
        "tracks": made,
        "genres": pd.DataFrame({"genre_id": [1, 2, 3, 4], "mood": list("abcd")}),
        "albums": pd.DataFrame({"album_id": range(90), "price": rng.random(90)}),
    }


@pytest.mark.parametrize("model", ["boosted", "gnn"])
@pytest.mark.parametrize("clocked", [False, True])
def test_chance_stays_chance(model: str, clocked: bool) -> None:
    with pql.connect(tracks(clocked=clocked)) as db:
        result = db.predict(f"PREDICT tracks.genre_id FOR EACH tracks WITH (model = {model}, epochs = 2)")
        plan = result.plan
    assert [str(link) for link in plan.graph.links] == ["tracks.album_id -> albums.album_id"]
    predicted = dict(zip(result.df()["track_id"], result.df()["prediction"], strict=True))
    truth = dict(
        zip(tracks(clocked=clocked)["tracks"]["track_id"], tracks(clocked=clocked)["tracks"]["genre_id"], strict=True)
    )
    right = np.mean([predicted[i] == truth[i] for i in predicted])
    assert right < 0.6


def test_of_earlier_rows_it_is_read() -> None:
    with pql.connect(tracks(clocked=True)) as db:
        plan = db.explain("PREDICT tracks.genre_id FOR EACH tracks").plan
    columns = {c.name for table in plan.graph.tables if table.name == "tracks" for c in table.columns}
    assert "genre_id" in columns
    assert "tracks.genre_id -> genres.genre_id" not in {str(link) for link in usable_links(plan.query)}
