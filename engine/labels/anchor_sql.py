"""The anchors of a label statement and the bounds of its windows at each, and until when labels may look."""

from __future__ import annotations

from collections.abc import Sequence

from pql.backends.sql import identifier
from pql.engine.labels.scope import LabelScope, unit_of
from pql.engine.planning.anchors import to_datetime
from pql.engine.planning.plan import Plan
from pql.engine.planning.relations import TIME
from pql.language.bound import BoundWindow


def anchors_sql(scope: LabelScope) -> str:
    """The anchors given: moment, anchor, of a forecast step, and the bounds of every window there."""
    moments = ", ".join(scope.parameters.bind(to_datetime(time)) for time in scope.times)
    bounds = ", ".join(["epoch_us(moment) AS anchor", *_bounds(scope, "moment")])
    source = f"SELECT unnest(CAST([{moments}] AS TIMESTAMP[])) AS moment"
    if scope.awaited is not None:
        borders = [scope.parameters.bind(time) for time in watched_until(scope.plan, scope.times)]
        source += f", unnest(CAST([{', '.join(borders)}] AS BIGINT[])) AS border"
        window, end = scope.awaited.window, scope.parameters.bind(end_of_data(scope.plan))
        ends = f"epoch_us(moment + INTERVAL ({window.end}) {unit_of(window)})"
        more = f"{ends} AS ends, least({ends}, border) AS seen, least({ends}, {end}) AS until"
        return f"SELECT moment, {bounds}, {more} FROM ({source}) AS m"
    if scope.grid is None:
        return f"SELECT moment, {bounds} FROM ({source}) AS m"
    whole = set(scope.plan.split.times("train", "valid", "test"))
    counts = ", ".join(scope.parameters.bind(scope.grid.count if time in whole else 1) for time in scope.times)
    source += f", unnest(CAST([{counts}] AS INTEGER[])) AS steps"
    each = f"SELECT moment, unnest(range(steps)) AS step FROM ({source}) AS m"
    return f"SELECT moment, step, {bounds} FROM ({each}) AS m"


def own_anchors_sql(scope: LabelScope) -> str:
    """The anchors of rows with their own time: just before it."""
    keys = ", ".join(identifier(key) for key in scope.keys)
    moment = f"make_timestamp({identifier(TIME)} - 1)"
    bounds = ", ".join([f"{moment} AS moment", f"{identifier(TIME)} - 1 AS anchor", *_bounds(scope, moment)])
    return f"SELECT {keys}, {bounds} FROM {scope.entities_name} WHERE {identifier(TIME)} IS NOT NULL"


def end_of_data(plan: Plan) -> int:
    """The time up to which labels may look."""
    split = plan.split
    return split.prediction if split.complete_until is None else min(split.prediction, split.complete_until)


def watched_until(plan: Plan, anchors: Sequence[int]) -> list[int]:
    """Up to which time the label of each anchor may look while models are chosen: the oldest validation anchor for
    training, the oldest test anchor for validation, else the end of the data."""
    split, end = plan.split, end_of_data(plan)
    valid, test = split.times("valid"), split.times("test")
    found = []
    for anchor in anchors:
        borders = (valid[:1] if anchor in split.times("train") else test[:1] if anchor in valid else ()) or (end,)
        found.append(min(end, *borders))
    return found


def _bounds(scope: LabelScope, moment: str) -> list[str]:
    found = []
    for i, (window, moves) in enumerate(scope.windows):
        moved = ""
        if scope.grid is not None and moves:
            moved = f" + step * {scope.grid.moved(BoundWindow(0, 0, window.unit), 1).end}"
        if window.start is not None:
            found.append(f"epoch_us({moment} + INTERVAL ({window.start}{moved}) {unit_of(window)}) AS after_{i}")
        found.append(f"epoch_us({moment} + INTERVAL ({window.end}{moved}) {unit_of(window)}) AS until_{i}")
    return found
