"""Items of the same season: which seasons are looked back at, what counts, and that nothing later does."""

import numpy as np
import pytest
from fake_graphs import DAY

from pql.engine.graph.interactions import ItemTable, make_interactions
from pql.engine.graph.seeds import Ragged
from pql.engine.models.calendar import calendar_scores
from pql.engine.pairs.item_seasons import in_seasons, seasons_of
from pql.engine.pairs.pair_history import history_at
from pql.engine.ranking.choice import choose_weights
from pql.engine.ranking.judged import Judged

ANCHOR = 4_000 * DAY
MONTH, A_YEAR = 30 * DAY, 365 * DAY


def past(rows, horizon, anchor=ANCHOR, items=4):
    """`rows`: (entity, item, days before ANCHOR)."""
    entity, item, ago = (np.array(column) for column in zip(*rows, strict=True))
    table = ItemTable(np.zeros(items, dtype=np.int64))
    return history_at(make_interactions(entity, item, ANCHOR - ago * DAY, 3, table), anchor, horizon)


def test_seasons_of_long_horizons_are_the_last_horizons():
    seasons = seasons_of(ANCHOR, A_YEAR)
    assert seasons == tuple((ANCHOR - k * A_YEAR, ANCHOR - (k - 1) * A_YEAR) for k in (1, 2, 3))


def test_seasons_of_short_horizons_are_the_days_to_come_of_earlier_years():
    newest, *earlier = seasons_of(ANCHOR, MONTH)
    assert newest == (ANCHOR - MONTH, ANCHOR)
    assert [round((ANCHOR - begin) / DAY) for begin, _ in earlier] == [365, 730, 1096]
    assert all(end - begin == MONTH and end <= ANCHOR for begin, end in earlier)


def test_an_item_counts_once_a_season_however_many_met_it():
    history = past([(0, 0, 10), (1, 0, 20), (0, 1, 400), (1, 2, 10), (1, 2, 500), (2, 2, 800)], A_YEAR)
    assert in_seasons(history).tolist() == [1.0, 0.5, 1.75, 0.0]


def test_of_items_of_the_same_seasons_the_popular_one_comes_first():
    scores = calendar_scores(past([(0, 0, 10), (0, 1, 10), (1, 1, 10), (0, 2, 400), (1, 2, 400), (2, 2, 400)], A_YEAR))
    assert scores[1] > scores[0] > scores[2] > scores[3]


@pytest.mark.parametrize("horizon", [MONTH, A_YEAR])
def test_rows_after_the_anchor_change_nothing(horizon):
    rows = [(0, 0, 10), (1, 1, 340), (2, 2, 360), (1, 3, 700), (0, 2, 1_080)]
    later = [(0, 3, -1), (1, 0, -200), (2, 1, -400)]
    assert np.array_equal(calendar_scores(past(rows, horizon)), calendar_scores(past(rows + later, horizon)))


def judged_at(anchors, first, second):
    """Examples with two items of which one is true; whether a member puts it first, member by member."""
    n = len(anchors)
    scores = {"boosted": first, "popularity": second}
    return Judged(
        n, np.repeat(np.arange(n), 2), np.tile([0, 1], n), np.zeros(2 * n, bool),
        Ragged(np.arange(n + 1), np.zeros(n, np.int64)), np.zeros(n, bool),
        {name: np.column_stack([right, 1.0 - right]).ravel() for name, right in scores.items()}, 1.0,
        entities=np.arange(n), anchors=np.asarray(anchors),
    )  # fmt: skip


def test_a_gain_of_one_anchor_alone_chooses_no_learnt_member():
    anchors = np.repeat(np.arange(5), 20)
    plain = np.tile([1.0, 0.0], 50)
    lucky = np.where(anchors == 4, 1.0, plain)
    assert choose_weights(judged_at(anchors, lucky, plain), ["boosted", "popularity"], 1, [])["popularity"] == 1.0
    better = np.where(np.arange(100) % 5 == 1, 1.0, plain)  # at every anchor
    assert choose_weights(judged_at(anchors, better, plain), ["boosted", "popularity"], 1, [])["boosted"] == 1.0
