"""Anchors and split (LANGUAGE §3): at which moments examples are made, and which of them train, validate and test.

Pure functions of integers. Times are microseconds since 1970 (UTC); months and years follow the calendar.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from pql.engine.planning.plan import US_PER_DAY, Anchor, Split
from pql.language.bound import BoundWindow
from pql.language.errors import PqlError
from pql.language.options import Duration

UNIT_US = {
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": US_PER_DAY,
    "weeks": 7 * US_PER_DAY,
}
UNIT_MONTHS = {"months": 1, "years": 12}
SUB_DAY = frozenset({"seconds", "minutes", "hours"})
EPOCH = dt.datetime(1970, 1, 1)
MAX_TRAIN_ANCHORS = 20
MAX_LAGS = 6
PLENTY = 12  # training anchors left over: then validation may have two, or of a forecast
MOST_VALID = 4

_MONTH_US = 30.436875 * US_PER_DAY


@dataclass(frozen=True, slots=True)
class Lagging:
    """The query's own earlier targets: how wide one is, over which windows, at which anchors for (anchor, count)."""

    width: Duration
    windows: Sequence[BoundWindow]
    times: Callable[[int, int], tuple[int, ...]]


def to_us(when: dt.datetime) -> int:
    """A naive UTC datetime as microseconds."""
    return (when - EPOCH) // dt.timedelta(microseconds=1)


def to_datetime(time: int) -> dt.datetime:
    """Microseconds as a naive UTC datetime; OverflowError outside the years 1 to 9999."""
    return EPOCH + dt.timedelta(microseconds=time)


def shift(time: int, n: int, unit: str) -> int:
    """`time` moved by `n` whole units. Months and years keep the day of the month, clamped at the month's end."""
    if unit in UNIT_US:
        return time + n * UNIT_US[unit]
    months = n * UNIT_MONTHS[unit]
    try:
        moment = to_datetime(time)
        years, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
        day = min(moment.day, calendar.monthrange(years, month + 1)[1])
        return to_us(moment.replace(year=years, month=month + 1, day=day))
    except (OverflowError, ValueError):  # beyond the years 1 to 9999: no data lies there
        return time + int(months * _MONTH_US)


def shift_by(time: int, by: Duration, times: int = 1) -> int:
    """`time` moved by `times` whole durations, counted from `time` in one go (months clamp once)."""
    return shift(time, by.n * times, by.unit)


def round_up_to_midnight(time: int) -> int:
    """The first midnight (UTC) at or after `time`."""
    return -(-time // US_PER_DAY) * US_PER_DAY


def round_up(time: int, windows: Sequence[BoundWindow]) -> int:
    """`time` rounded up to midnight, unless some window is counted in hours or less."""
    if any(window.unit in SUB_DAY for window in windows):
        return time
    return round_up_to_midnight(time)


def prediction_anchor(newest: int, windows: Sequence[BoundWindow], as_of: dt.datetime | None = None) -> int:
    """The moment of prediction: AS OF, else the newest time of the target's facts (rounded up, see `round_up`)."""
    return to_us(as_of) if as_of is not None else round_up(newest, windows)


def latest_window(windows: Sequence[BoundWindow], at: int = 0) -> BoundWindow:
    """The window that ends last when seen from `at`; its end is the width that steps the anchors."""
    return max(windows, key=lambda window: shift(at, window.end, window.unit))


def completes_at(anchor: int, windows: Sequence[BoundWindow]) -> int:
    """The time by which every window of `anchor` has ended."""
    return max(shift(anchor, window.end, window.unit) for window in windows)


def width_of(windows: Sequence[BoundWindow], at: int = 0) -> Duration:
    """The latest end of the windows, as a duration: `(30, 60] days` has the width 60 days."""
    window = latest_window(windows, at)
    return Duration(window.end, window.unit)


def lag_anchors(anchor: int, width: Duration, lags: int) -> tuple[int, ...]:
    """The anchors whose labels are the lag features of `anchor`, nearest first: their windows end by `anchor`."""
    return tuple(shift_by(anchor, width, -i) for i in range(1, lags + 1))


def temporal_split(
    windows: Sequence[BoundWindow],
    *,
    prediction: int,
    complete_until: int,
    oldest: int,
    step: Duration | None = None,
    max_train: int | None = None,
    evaluate_at: Sequence[int] = (),
    with_lags: bool = True,
    lagging: Lagging | None = None,
    censored: bool = False,
) -> Split:
    """The anchors of a temporal task with their roles.

    windows: the future windows of target and assumption (those of every forecast step). complete_until: nothing is
    labelled whose window ends later. oldest: the oldest time of the target's facts; every anchor lies after it.
    lagging: what lags are where they aren't simply whole widths apart (forecasts). censored: a window that isn't
    complete teaches as far as it goes (TIME_TO): training anchors lie up to the validation's, a third of the width
    apart, and `late` ones follow up to the end of the data.
    Raises `insufficient_history` unless one training, one validation and one test anchor fit, and
    `incomplete_window` where an anchor of EVALUATE AT has no full window yet.
    """
    width = width_of(windows, complete_until)
    asked_step = step
    if step is None:
        step = Duration(max(1, round(width.n / 3)), width.unit) if censored else width
        step = lagging.width if lagging is not None else step
    if step.n <= 0:
        raise PqlError(
            "bad_option_value", f"step must be longer than nothing, not {step}", hint="Write step = '30 days'."
        )
    notes: list[str] = []
    tests = _test_anchors(windows, complete_until, oldest, evaluate_at)
    border = tests[0] if tests else shift_by(complete_until, width, -1)
    limit = MAX_TRAIN_ANCHORS if max_train is None else max(1, max_train)
    earlier = _earlier(
        border, width, step, oldest, limit + MOST_VALID + 2 * (width.n // step.n if width.unit == step.unit else 31)
    )
    most_valid = 2 if lagging is None else MOST_VALID
    valid, train = _divide(earlier, windows, border, limit, most_valid, censored=censored)
    if not (tests and valid and train):
        raise _insufficient(width, asked_step or width, oldest, complete_until, tests, evaluate_at)
    if train[-1] < _with_history(oldest, width):
        notes.append(f"some training anchors see less than one window ({width}) of history")
    lagging = lagging or Lagging(width, windows, lambda anchor, count: lag_anchors(anchor, width, count))
    lags = _lag_count(tests[0], lagging.width, step, oldest) if with_lags else 0
    used = (*train, *valid, *tests, prediction)
    known_lags = _known_lags(used, lagging, lags, oldest, complete_until)
    late = _late(valid[-1], tests, step, complete_until) if censored else ()
    anchors = _with_roles(train, valid, tests, prediction, known_lags, late)
    days = max(0, prediction - complete_until) / US_PER_DAY
    if days:
        notes.append(
            f"the target's data ends at {show_time(complete_until)}, {days:.6g} days before the prediction anchor: "
            "labels end there too"
        )
    if not censored and step != width and completes_at(shift_by(border, step, -1), windows) > border:
        notes.append(f"the step ({step}) is shorter than the width ({width}): anchors are skipped between the splits")
    return Split(
        kind="anchors",
        anchors=anchors,
        prediction=prediction,
        width_text=str(width),
        step_text=str(step),
        lags=lags,
        encoder_cut=train[0],
        notes=tuple(notes),
        stale_days=days,
        complete_until=complete_until,
    )


def _late(after: int, tests: Sequence[int], step: Duration, end: int) -> list[int]:
    """The anchors for the refit alone: by steps from the oldest validation anchor to the end of the data."""
    found: list[int] = []
    while (anchor := shift_by(after, step, len(found) + 1)) < end:
        found.append(anchor)
    return [anchor for anchor in found if anchor not in tests]


def _test_anchors(
    windows: Sequence[BoundWindow], complete_until: int, oldest: int, evaluate_at: Sequence[int]
) -> tuple[int, ...]:
    """Ascending: those named by EVALUATE AT, else the newest whose windows are complete (none if before the data)."""
    if not evaluate_at:
        newest = shift_by(complete_until, width_of(windows, complete_until), -1)
        newest -= max(0, completes_at(newest, windows) - complete_until)
        return (newest,) if newest > oldest else ()
    for anchor in sorted(evaluate_at):
        if completes_at(anchor, windows) > complete_until:
            latest = shift_by(complete_until, width_of(windows, complete_until), -1)
            raise PqlError(
                "incomplete_window",
                f"the window after {show_time(anchor)} ends at {show_time(completes_at(anchor, windows))}, "
                f"but the target's data ends at {show_time(complete_until)}",
                hint=f"The latest anchor that can be evaluated is {show_time(latest)}.",
            )
    return tuple(sorted(set(evaluate_at)))


def _earlier(border: int, width: Duration, step: Duration, oldest: int, most: int) -> list[int]:
    """Candidates for validation and training, newest first: the first one width before `border`, then by steps.

    Where width and step share a unit, every one is counted from `border` in one go, so that months clamp once.
    """
    found: list[int] = []
    for k in range(most):
        if width.unit == step.unit:
            anchor = shift(border, -(width.n + k * step.n), width.unit)
        else:
            anchor = shift_by(shift_by(border, width, -1), step, -k)
        if anchor <= oldest:
            break
        found.append(anchor)
    enough = [anchor for anchor in found if anchor >= _with_history(oldest, width)]
    return enough if len(enough) >= 2 else found


def _with_history(oldest: int, width: Duration) -> int:
    return shift_by(oldest, width)


def _divide(
    earlier: Sequence[int],
    windows: Sequence[BoundWindow],
    border: int,
    limit: int,
    most_valid: int,
    *,
    censored: bool,
) -> tuple[list[int], list[int]]:
    """Validation and training anchors, newest first, with no label window across a border (or cut short there)."""
    free = [anchor for anchor in earlier if completes_at(anchor, windows) <= border]

    def split_at(n_valid: int) -> tuple[list[int], list[int]]:
        valid = free[:n_valid]
        train = free[n_valid:] if valid else []
        if not censored:
            train = [anchor for anchor in train if completes_at(anchor, windows) <= valid[-1]]
        return valid, train[:limit]

    for n_valid in range(most_valid, 1, -1):
        several, train = split_at(n_valid)
        if len(train) >= PLENTY:
            return several, train
    return split_at(1)


def _lag_count(test: int, width: Duration, step: Duration, oldest: int) -> int:
    """As many whole windows as lie between the oldest fact and the test anchor, at most 6 (3 off the width's grid)."""
    most = MAX_LAGS if step == width else MAX_LAGS // 2
    return sum(shift_by(test, width, -i) >= oldest for i in range(1, most + 1))


def _with_roles(
    train: Sequence[int],
    valid: Sequence[int],
    tests: Sequence[int],
    prediction: int,
    lags: Iterable[int],
    late: Iterable[int],
) -> tuple[Anchor, ...]:
    """All anchors ascending, each (time, role) once; a moment that only serves as a lag has the role `lag`."""
    anchors = {Anchor(time, "train") for time in train}
    anchors |= {Anchor(time, "valid") for time in valid}
    anchors |= {Anchor(time, "test") for time in tests}
    anchors |= {Anchor(time, "late") for time in late if Anchor(time, "valid") not in anchors}
    labelled = {anchor.time for anchor in anchors}
    anchors.add(Anchor(prediction, "predict"))
    anchors |= {Anchor(time, "lag") for time in lags if time not in labelled}
    return tuple(sorted(anchors, key=lambda anchor: (anchor.time, anchor.role)))


def _known_lags(anchors: Iterable[int], lagging: Lagging, lags: int, oldest: int, complete_until: int) -> set[int]:
    """The lag anchors whose windows lie within the data: from the day of the oldest fact until it is complete."""
    first = oldest // US_PER_DAY * US_PER_DAY
    needed = {time for anchor in anchors for time in lagging.times(anchor, lags)} if lags else set()
    return {lag for lag in needed if lag >= first and completes_at(lag, lagging.windows) <= complete_until}


def with_lags(split: Split, ends: Iterable[int], lagging: Lagging, oldest: int) -> Split:
    """The split with the lag anchors of histories that end at `ends` (µs), in place of those it has."""
    assert split.complete_until is not None
    lags = _known_lags(ends, lagging, split.lags, oldest, split.complete_until)
    kept = [anchor for anchor in split.anchors if anchor.role != "lag"]
    labelled = {anchor.time for anchor in kept if anchor.role != "predict"}
    kept += [Anchor(time, "lag") for time in lags if time not in labelled]
    return replace(split, anchors=tuple(sorted(kept, key=lambda anchor: (anchor.time, anchor.role))))


def _insufficient(
    width: Duration, step: Duration, oldest: int, end: int, tests: Sequence[int], evaluate_at: Sequence[int]
) -> PqlError:
    span = max(0, end - oldest) / US_PER_DAY
    last = tests[0] if evaluate_at and tests else None
    fits, unit = longest_window(width.unit, oldest, end, last)
    where = f" before {show_time(last)}" if last is not None else ""
    if step != width:
        hint = f"Leave out the step of {step}, or ask for a shorter window."
    elif fits:
        hint = f"The longest window that fits ends after {_counted(fits, unit)}."
    else:
        hint = "No window fits: so short a history has nothing to learn from."
    return PqlError(
        "insufficient_history",
        f"a window that ends after {_counted(width.n, width.unit)} needs three of its widths of history{where} "
        f"(one to train, one to validate, one to test), but the target's facts span {span:.4g} days "
        f"({show_time(oldest)} to {show_time(end)})",
        hint=hint,
    )


def longest_fit(unit: str, oldest: int, end: int, test: int | None = None) -> int:
    """The greatest n so that a window of n units leaves one training, validation and test anchor (0 if none)."""

    def fits(n: int) -> bool:
        if test is not None:
            return shift(test, n, unit) <= end and shift(test, -2 * n, unit) > oldest
        return shift(end, -3 * n, unit) > oldest

    low, high = 0, 1
    while fits(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def longest_window(unit: str, oldest: int, end: int, test: int | None = None) -> tuple[int, str]:
    """The same in the first unit, from this one down, of which one fits; (0, unit) if none does."""
    smaller = {"years": "months", "months": "days", "weeks": "days", "days": "hours", "hours": "minutes"}
    tried: str | None = unit
    while tried is not None:
        if count := longest_fit(tried, oldest, end, test):
            return count, tried
        tried = smaller.get(tried)
    return 0, unit


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit.removesuffix('s') if count == 1 else unit}"


def show_time(time: int) -> str:
    """A moment for people: the date alone at midnight, else with the time of day."""
    try:
        moment = to_datetime(time)
    except OverflowError:
        return f"{time} µs"
    if time % US_PER_DAY == 0:
        return moment.date().isoformat()
    return moment.isoformat(sep=" ", timespec="seconds" if time % 1_000_000 == 0 else "microseconds")
