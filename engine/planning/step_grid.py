"""The windows of FORECAST: n consecutive ones, of the width of the target's window, on one grid with its past.

All windows of the target move by that width from step to step: step i is the target as seen i widths later. Lags are
the same target over windows of ONE step's width that ended by the anchor: the latest ones in a row, and for each step
those of the same season. Pure functions of integers; months and years follow the calendar.
"""

from __future__ import annotations

from dataclasses import dataclass

from pql.engine.planning.anchors import UNIT_US, latest_window, shift
from pql.engine.planning.planned_graph import aggregates
from pql.language.bound import BoundQuery, BoundWindow, TaskKind
from pql.language.errors import PqlError
from pql.language.options import Duration

SEASONS = {"seconds": 86_400, "minutes": 1_440, "hours": 24, "weeks": 52, "months": 12}
SAME_SEASON = 2  # how many windows of the same season are looked up for each step


@dataclass(frozen=True, slots=True)
class StepGrid:
    """`count` steps of `width` units; the first step's window is `(start, end]`, in units after the anchor.

    season: after how many units the same time of the day, week or year comes again; None for windows of years.
    """

    count: int
    width: int
    unit: str
    start: int
    end: int
    season: int | None

    @property
    def step(self) -> Duration:
        """The width of one step."""
        return Duration(self.width, self.unit)

    def window(self, anchor: int, step: int) -> tuple[int, int]:
        """Between which times (µs) the window of a step (from 0) lies: later than the first, up to the second."""
        moved = step * self.width
        return shift(anchor, self.start + moved, self.unit), shift(anchor, self.end + moved, self.unit)

    def moved(self, window: BoundWindow, step: int) -> BoundWindow:
        """A window of the target as step `step` (from 0) has it."""
        by = step * self.width
        if window.unit != self.unit:
            by = by * UNIT_US[self.unit] // UNIT_US[window.unit]
        return BoundWindow(None if window.start is None else window.start + by, window.end + by, window.unit)

    def recent(self, anchor: int, lags: int) -> tuple[int, ...]:
        """The anchors whose first step is a lag of `anchor`, nearest first: their windows end by `anchor`."""
        return tuple(shift(anchor, -self.end - i * self.width, self.unit) for i in range(lags))

    def same_season(self, anchor: int, step: int) -> tuple[int, ...]:
        """The anchors whose first step ends by `anchor` and has the season of its step `step`, nearest first."""
        if self.season is None:
            return ()
        moved = step * self.width
        first = -(-(moved + self.end) // self.season)
        return tuple(shift(anchor, moved - m * self.season, self.unit) for m in range(first, first + SAME_SEASON))

    def lag_times(self, anchor: int, lags: int) -> tuple[int, ...]:
        """All anchors whose labels are features of `anchor`."""
        seasonal = (time for step in range(self.count) for time in self.same_season(anchor, step))
        return tuple(dict.fromkeys((*self.recent(anchor, lags), *seasonal)))


def grid_of(query: BoundQuery) -> StepGrid | None:
    """The grid of a FORECAST, or None. Raises `not_supported` where windows can't move by one width together."""
    if query.task is not TaskKind.FORECAST:
        return None
    windows = [aggregate.window for aggregate in aggregates(query.target)]
    latest = latest_window([window for window in windows if window.end > 0])
    start = latest.start or 0
    width = latest.end - start
    for window in windows:
        if window.unit != latest.unit and (
            not {window.unit, latest.unit} <= UNIT_US.keys()
            or (width * UNIT_US[latest.unit]) % UNIT_US[window.unit] != 0
        ):
            raise PqlError(
                "not_supported",
                f"a forecast whose windows are counted in {latest.unit} and in {window.unit} can't be made",
                span=query.syntax.target.span,
                hint=f"Count all windows of the target in {latest.unit}.",
            )
    return StepGrid(query.forecast_steps, width, latest.unit, start, latest.end, _season(width, latest.unit))


def step_windows(window: BoundWindow, grid: StepGrid) -> tuple[BoundWindow, ...]:
    """A window of the target in every step."""
    return tuple(grid.moved(window, step) for step in range(grid.count))


def _season(width: int, unit: str) -> int | None:
    """In units: a day of hours, a week of days, a year of weeks and months; a year of days keeps the weekday."""
    if unit != "days":
        return SEASONS.get(unit)
    if width < 7:
        return 7 if width == 1 else 364
    return 364 if width % 7 == 0 else 365
