"""Splits of static targets, whose rows are asked about as they are: by each row's own time, or by a hash of its key."""

from __future__ import annotations

from pql.engine.planning.plan import Anchor, Split


def row_time_split(
    *, prediction: int, oldest: int, newest: int, valid_from: int | None = None, test_from: int | None = None
) -> Split:
    """The split of a static target whose entity has its own clock: each row is its own anchor.

    Rows before `valid_from` train, those before `test_from` validate, the rest test; without given quantiles the
    borders lie at 70 % and 85 % of the time between the oldest and the newest row.
    """
    span = newest - oldest
    if valid_from is None or test_from is None:
        valid_from, test_from = oldest + span * 70 // 100, oldest + span * 85 // 100
    valid_from = max(valid_from, oldest + 1)
    test_from = max(test_from, valid_from + 1)
    note = "every row is predicted from rows strictly earlier than its own time"
    return Split(
        kind="row_time",
        anchors=(Anchor(prediction, "predict"),),
        prediction=prediction,
        encoder_cut=valid_from - 1,
        valid_from=valid_from,
        test_from=test_from,
        notes=(note,),
    )


def hashed_split(*, prediction: int) -> Split:
    """The split of a static target without a clock: rows are dealt 70/15/15 by a seeded hash of their key."""
    return Split(
        kind="hashed",
        anchors=(Anchor(prediction, "predict"),),
        prediction=prediction,
        encoder_cut=prediction,
        notes=("rows are split by a seeded hash of their key, 70 % / 15 % / 15 %",),
    )
