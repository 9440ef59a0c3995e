"""Regimes: whether the data reaches the moments that are predicted for, and how stale what it knows of them is.

In the *as-of* regime every prediction sees all that happened up to its anchor, and so does every training example. In
the *frozen* one the data ends earlier: what is known of an entity is stale by months or years. A model that has only
met fresh histories then reads stale ones wrongly, so that training cuts the histories of its examples as well, by as
much as will be missing (staleness augmentation), and validation does the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.planning.anchors import UNIT_US, shift_by, show_time
from pql.engine.planning.plan import US_PER_DAY, Regime, Staleness
from pql.language.options import Duration

MOST_LEVELS = 12  # different cuts of one anchor's history
RARE = 0.01  # share of all moments that see a longer gap than the natural one
LEAST_GAP = US_PER_DAY  # µs; a shorter staleness is none

Ints = NDArray[np.int64]


def natural_gap(times: Ints) -> int:
    """How old the newest row usually is, in µs: at 99 of 100 moments between the first and the last row, at most this.

    `times` int64[n], µs, ascending: when rows came. A pause that comes once a year is natural, one in a century isn't.
    """
    gaps = np.sort(np.diff(times))
    total = int(gaps.sum()) if len(gaps) else 0
    if total <= 0:
        return LEAST_GAP
    # At a random moment the newest row is older than g for the share sum(max(gap - g, 0)) / total of all moments.
    longer = np.cumsum(gaps[::-1])[::-1]
    count = np.arange(len(gaps), 0, -1)
    beyond = longer - count * gaps  # what is left over of the gaps at or above each gap
    at = int(np.searchsorted(-beyond, -RARE * total))
    at = min(at, len(gaps) - 1)
    excess = (RARE * total - float(beyond[at])) / float(count[at])
    return max(LEAST_GAP, int(gaps[at] - max(0.0, excess)))


def regime_of(asked: Sequence[int], newest: dict[str, int], gaps: dict[str, int]) -> Regime:
    """The regime of predictions at the anchors `asked` (µs).

    `newest`: the time of the newest row of every table with a clock; `gaps`: their natural gaps (tables that have none
    count as reaching the anchor). The data as a whole counts: a table that others outlive is stale by itself.
    """
    if not newest or not len(asked):
        return Regime()
    known, low, high = max(newest.values()), int(min(asked)), int(max(asked))
    tables = tuple(
        Staleness(name, time, max(0, high - time) / US_PER_DAY, gaps.get(name, LEAST_GAP) / US_PER_DAY)
        for name, time in sorted(newest.items(), key=lambda pair: (-pair[1], pair[0]))
    )
    gap = min(gaps.get(t.table, LEAST_GAP) for t in tables if t.newest == known)
    stale = high - known
    usual = f"at 99 of 100 moments the newest row is at most {days_text(gap)} old"
    if stale <= gap:
        reached = f"the data ends at {show_time(known)}, " if stale > 0 else "the data reaches the prediction anchor: "
        why = (
            f"{reached}{days_text(stale)} before the anchor, no more than usual: {usual}"
            if stale > 0
            else (f"{reached}examples see all that had happened by theirs")
        )
        return Regime(tables=tables, why=why)
    least = max(0, low - known)
    span = days_text(stale) if least == stale else f"{days_text(least)} to {days_text(stale)}"
    return Regime(
        kind="frozen",
        known=known,
        low=least,
        high=stale,
        tables=tables,
        why=f"the data ends at {show_time(known)}, {span} before what is predicted, while {usual}",
    )


def imitable(regime: Regime, oldest: int, first: int, width: Duration) -> Regime:
    """The regime with as much staleness as examples from the anchor `first` on can have, whose data begins at `oldest`.

    At least one width of history is left to each. Where not even that is there, examples stay as they are.
    """
    if regime.known is None:
        return regime
    room = first - shift_by(oldest, width)
    if room >= regime.high:
        return regime
    if room < min(regime.high, shift_by(0, width)):
        why = f"{regime.why}; the data is too short to learn from histories that are as stale"
        return replace(regime, known=None, why=why)
    why = f"{regime.why}; the data is long enough to learn from histories up to {days_text(room)} stale"
    return replace(regime, high=room, low=min(regime.low, room), why=why)


def days_text(span: int) -> str:
    """A span in µs for people."""
    days = span / US_PER_DAY
    text = f"{days:,.0f}" if days >= 10 else f"{days:,.3g}"
    return f"{text} day" if text == "1" else f"{text} days"


def known_times(anchor: int, regime: Regime, width: Duration) -> tuple[int, ...]:
    """Where the history of an example at `anchor` may end, the stalest first, each a whole number of widths later.

    The first lies as far before the anchor as the data before the prediction; of many, evenly spread ones are kept.
    """
    if regime.known is None:
        return (anchor,)
    first = anchor - regime.high
    unit = width.n * UNIT_US.get(width.unit, 28 * US_PER_DAY)
    found = [first]
    while len(found) <= regime.high // unit + 1:
        later = shift_by(first, width, len(found))
        if later > anchor:
            break
        found.append(later)
    if len(found) > MOST_LEVELS:
        found = [found[i] for i in np.linspace(0, len(found) - 1, MOST_LEVELS).astype(int).tolist()]
    return tuple(found)
