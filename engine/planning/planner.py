"""The planner: from a bound query and the extent of the data to a plan, before anything is trained."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING

from pql.engine.planning.anchors import (
    Lagging,
    lag_anchors,
    longest_fit,
    longest_window,
    prediction_anchor,
    round_up,
    temporal_split,
    to_us,
    width_of,
    with_lags,
)
from pql.engine.planning.assuming import assumed_future, check_assignments
from pql.engine.planning.pinned import pinned_note
from pql.engine.planning.plan import GraphPlan, Plan, Regime, Split, Task
from pql.engine.planning.planned_graph import aggregates, plan_graph
from pql.engine.planning.planned_model import plan_model
from pql.engine.planning.planned_output import plan_output
from pql.engine.planning.regime import imitable, known_times, regime_of
from pql.engine.planning.row_splits import hashed_split, row_time_split
from pql.engine.planning.step_grid import StepGrid, grid_of, step_windows
from pql.language.ast import NOWHERE, Aggregate, Forecast
from pql.language.bound import BoundQuery, BoundWindow, TaskKind
from pql.language.errors import Fault, PqlError
from pql.language.options import Options

if TYPE_CHECKING:
    from pql.engine.planning.statistics import Statistics

HEADS = {
    TaskKind.BINARY: ("binary", "bce", "auroc"),
    TaskKind.REGRESSION: ("regression", "huber", "mae"),
    TaskKind.MULTICLASS: ("softmax", "cross_entropy", "accuracy"),
    TaskKind.MULTILABEL: ("multilabel", "bce", "map"),
    TaskKind.RANKING: ("ranking", "pairwise", "map"),
    TaskKind.FORECAST: ("regression", "huber", "mae"),
    TaskKind.TIME_TO_EVENT: ("hazard", "hazard_nll", "concordance"),
}
MOST_LINKS_WARNED = 3  # of links with rows that point nowhere, each told of by itself
NUMERIC = frozenset({TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.FORECAST})
IMITATED = frozenset({TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS, TaskKind.MULTILABEL, TaskKind.RANKING})


def plan(query: BoundQuery, statistics: Statistics, options: Options | None = None) -> Plan:
    """Decide task, split, graph, model and output of `query`.

    `statistics` describe the data at or before AS OF; `options` replace those of the query. Raises PqlError with
    `no_data` (the target's tables hold no row with a known time), `insufficient_history`, `incomplete_window`.
    """
    if options is not None:
        query = replace(query, options=options)
    if query.asks_pairs:  # yes or no of each pair, learnt as the ranking of all items
        query = replace(query, task=TaskKind.RANKING)
    rows = {table.name: _rows(statistics, table.name, table.rows) for table in query.catalog.tables}
    if statistics.entities is not None:
        rows[query.entity.table] = statistics.entities
    split = plan_split(query, statistics)
    regime = plan_regime(query, statistics, split)
    split = _with_stale_lags(query, statistics, split, regime)
    graph, warnings = plan_graph(query, rows)
    check_assignments(query, graph)
    return Plan(
        query=query,
        task=plan_task(query),
        split=split,
        graph=graph,
        model=plan_model(query, split, graph, rows, regime),
        output=plan_output(query),
        eligibility=eligibility(query),
        regime=regime,
        warnings=tuple(
            dict.fromkeys(
                (
                    *query.warnings,
                    *warnings,
                    *pinned_note(query),
                    *_of_links(query, graph),
                    *_of_staleness(split, regime),
                )
            )
        ),
    )


def plan_regime(query: BoundQuery, statistics: Statistics, split: Split) -> Regime:
    """Whether the data reaches the prediction anchor, and how stale the histories of training are to be."""
    if query.is_static:
        return Regime(why="a row's own time is its anchor: what came earlier is known")
    clocked = [table.name for table in query.catalog.tables if table.clock.kind != "none"]
    newest = {name: time for name in clocked if (time := _newest(statistics, name)) is not None}
    regime = regime_of([split.prediction], newest, statistics.gaps)
    if regime.known is None:
        return regime
    if query.task not in IMITATED:
        kind = query.task.value.replace("_", " ")
        return replace(regime, known=None, why=f"{regime.why}; a {kind} learns from fresh histories all the same")
    if split.complete_until is not None and split.complete_until > regime.known:  # rounded up to midnight
        regime = replace(regime, known=split.complete_until, high=split.prediction - split.complete_until)
        regime = replace(regime, low=regime.high)
    windows = future_windows(query)
    oldest, _ = _extent(statistics, tuple(dict.fromkeys(aggregate.fact for aggregate in aggregates(query.target))))
    assert oldest is not None
    return imitable(regime, oldest, split.times("valid")[0], width_of(windows, split.prediction))


def _with_stale_lags(query: BoundQuery, statistics: Statistics, split: Split, regime: Regime) -> Split:
    """The split with the lag anchors that histories cut earlier need, in place of those of fresh ones."""
    if regime.known is None or not split.lags:
        return split
    windows = future_windows(query)
    width = width_of(windows, split.prediction)
    used = split.times("train", "valid", "test")
    ends = {known for anchor in used for known in known_times(anchor, regime, width)} | {regime.known}
    oldest, _ = _extent(statistics, tuple(dict.fromkeys(aggregate.fact for aggregate in aggregates(query.target))))
    assert oldest is not None
    return with_lags(split, sorted(ends), Lagging(width, windows, lambda at, n: lag_anchors(at, width, n)), oldest)


def _of_staleness(split: Split, regime: Regime) -> tuple[str, ...]:
    """What to know of predictions for a moment that the data doesn't reach."""
    if split.stale_days < 1:
        return ()
    ends = f"the target's data ends {split.stale_days:,.6g} days before the anchor"
    if regime.known is not None:
        return (f"{ends}: the model learns from and is measured on histories that end as early (regime frozen)",)
    return (
        f"{ends}, but the model learns and is measured on histories that end at theirs: expect less than the "
        "metrics say",
    )


def _of_links(query: BoundQuery, graph: GraphPlan) -> tuple[str, ...]:
    """The catalog's warnings that bear on the plan: those that name no link, or a link of the graph; of many links
    one for all, which names those with the largest share of rows that point nowhere."""
    told = query.catalog.warnings
    others = [warning for warning in told if " -> " not in warning]
    by_link = {link: w for link in graph.links for w in told if w.startswith(str(link))}
    if len(by_link) <= MOST_LINKS_WARNED:
        kept = set(by_link.values())
        return tuple(warning for warning in told if warning in kept or " -> " not in warning)
    rows = {table.name: table.rows or 1 for table in query.catalog.tables}
    worst = sorted(by_link, key=lambda link: -(link.evidence.orphans or 0) / rows[link.child])[:MOST_LINKS_WARNED]
    shown = ", ".join(f"{link} ({link.evidence.orphans or 0:,} of {rows[link.child]:,})" for link in worst)
    return (
        *others,
        f"{len(by_link)} links have rows that point nowhere, most of all {shown}; SHOW GRAPH lists them all",
    )


def plan_task(query: BoundQuery) -> Task:
    """Head, loss and metric of the query's task (LANGUAGE §5)."""
    head, loss, metric = HEADS[query.task]
    if query.asks_pairs:
        metric = "auroc"
    if query.is_static and query.task is TaskKind.REGRESSION:
        metric = "rmse"
    return Task(query.task, head, loss, metric, query.reason, query.item, query.top_k)


def anchored_by(query: BoundQuery) -> tuple[str, ...]:
    """The tables whose newest row sets the anchor where no AS OF does: the target's facts, or the rows asked about."""
    if query.is_static:
        has_clock = query.catalog.table(query.entity.table).clock.kind in ("own", "inherited")
        return (query.entity.table,) if has_clock else ()
    return tuple(dict.fromkeys(aggregate.fact for aggregate in aggregates(query.target)))


def future_windows(query: BoundQuery) -> tuple[BoundWindow, ...]:
    """The windows whose end a label waits for: those of the target (every forecast step) and of ASSUMING."""
    windows = [aggregate.window for aggregate in aggregates(query.target)]
    if (grid := grid_of(query)) is not None:
        windows = [step for window in windows for step in step_windows(window, grid)]
    windows = [window for window in windows if window.end > 0]
    windows += [aggregate.window for aggregate in aggregates(query.assuming) if aggregate.window.end > 0]
    return tuple(dict.fromkeys(windows))


def plan_split(query: BoundQuery, statistics: Statistics) -> Split:
    """The anchors of the query, or the split of a static target."""
    if query.is_static:
        return _static_split(query, statistics)
    facts = anchored_by(query)
    oldest, newest = _extent(statistics, facts)
    if oldest is None or newest is None:
        bare = all(statistics.table(fact).rows == 0 for fact in facts)
        what = f"{' or '.join(facts)} has no row" if bare else f"no row of {' or '.join(facts)} has a known time"
        raise PqlError(
            "no_data",
            f"{what}{_until(query)}, so there is nothing to learn from",
            span=query.syntax.target.span,
            hint="See that the table is filled, and that AS OF is not before its first row."
            if bare
            else "Look at the table's clock with SHOW GRAPH; TIME table.column names another one.",
        )
    windows, grid = future_windows(query), grid_of(query)
    prediction = prediction_anchor(newest, windows, query.as_of)
    try:
        return temporal_split(
            windows,
            prediction=prediction,
            complete_until=min(prediction, round_up(newest, windows)),
            oldest=oldest,
            step=query.options.step,
            max_train=query.options.anchors,
            evaluate_at=tuple(to_us(when) for when in query.evaluate_at),
            with_lags=query.task in NUMERIC,
            censored=query.task is TaskKind.TIME_TO_EVENT and assumed_future(query) is None,
            lagging=None if grid is None else Lagging(grid.step, _first_step(query), grid.lag_times),
        )
    except PqlError as error:
        fix = None
        if error.code == "insufficient_history" and query.options.step is None and not query.evaluate_at:
            fix = _with_shorter_window(query, windows, oldest, min(prediction, round_up(newest, windows)))
        fault = replace(error.faults[0], span=query.syntax.target.span, fix=fix)
        if error.code == "insufficient_history" and grid is not None and query.options.step is None:
            fault = _with_fewer_steps(query, grid, fault, oldest, min(prediction, round_up(newest, windows)))
        raise PqlError.of([fault], query.text) from None


def _with_fewer_steps(query: BoundQuery, grid: StepGrid, fault: Fault, oldest: int, end: int) -> Fault:
    """The fault with the number of timeframes that fit, if any do."""
    count = (longest_fit(grid.unit, oldest, end) - grid.start) // grid.width
    clause = next(clause for clause in query.syntax.tasks if isinstance(clause, Forecast))
    if count < 1 or clause.span == NOWHERE or query.evaluate_at:
        return replace(fault, hint="Forecast narrower windows.")
    fix = f"{query.text[: clause.span.start]}FORECAST {count} TIMEFRAMES{query.text[clause.span.end :]}"
    return replace(fault, hint=f"At most {count} timeframes of {grid.step} fit.", fix=fix)


def _first_step(query: BoundQuery) -> tuple[BoundWindow, ...]:
    return tuple(aggregate.window for aggregate in aggregates(query.target))


def _with_shorter_window(query: BoundQuery, windows: Sequence[BoundWindow], oldest: int, end: int) -> str | None:
    """The query's text with the longest window that fits, where the target has one window that can be shortened."""
    found = [node.window for node in _syntax_aggregates(query.syntax.target) if node.window is not None]
    if len(found) != 1 or len(windows) != 1 or query.forecast_steps != 1 or found[0].span == NOWHERE:
        return None
    (window,) = windows
    longest, unit = longest_window(window.unit, oldest, end)
    if longest <= (window.start or 0) or (window.start and unit != window.unit):
        return None
    span, shorter = found[0].span, f"{window.start}, {longest}, {unit}"
    if query.reading is not None:  # the window stands in the target's name: total_spend_12m
        name = query.text[span.start : span.end]
        shorter = re.sub(r"_\d+[dwmy]\b", f"_{longest}{unit[0]}", name, flags=re.IGNORECASE)
        if shorter == name or unit[0] not in "dwmy" or unit == "minutes":
            return None
    return query.text[: span.start] + shorter + query.text[span.end :]


def _syntax_aggregates(node: object) -> Iterator[Aggregate]:
    """The aggregates of a target as written, outermost only."""
    if isinstance(node, Aggregate):
        yield node
    elif is_dataclass(node):
        for field in fields(node):
            yield from _syntax_aggregates(getattr(node, field.name))
    elif isinstance(node, tuple):
        for item in node:
            yield from _syntax_aggregates(item)


def _static_split(query: BoundQuery, statistics: Statistics) -> Split:
    """Rows with their own time are their own anchors; others are dealt by a hash of the key."""
    table = query.catalog.table(query.entity.table)
    oldest, newest = _extent(statistics, (table.name,))
    if table.clock.kind in ("own", "inherited") and oldest is not None and newest is not None:
        prediction = to_us(query.as_of) if query.as_of is not None else newest
        valid_from, test_from = statistics.borders or (None, None)
        return row_time_split(
            prediction=prediction, oldest=oldest, newest=newest, valid_from=valid_from, test_from=test_from
        )
    if query.as_of is not None:
        return hashed_split(prediction=to_us(query.as_of))
    latest = [_newest(statistics, t.name) for t in query.catalog.tables if t.clock.kind != "none"]
    return hashed_split(prediction=max((time for time in latest if time is not None), default=0))


def _extent(statistics: Statistics, tables: Iterable[str]) -> tuple[int | None, int | None]:
    """The oldest and the newest known time of the tables together."""
    oldest = [time for name in tables if (time := _oldest(statistics, name)) is not None]
    newest = [time for name in tables if (time := _newest(statistics, name)) is not None]
    return min(oldest, default=None), max(newest, default=None)


def _oldest(statistics: Statistics, table: str) -> int | None:
    return statistics.table(table).oldest


def _newest(statistics: Statistics, table: str) -> int | None:
    return statistics.table(table).newest


def _rows(statistics: Statistics, table: str, otherwise: int | None) -> int | None:
    counted = statistics.table(table).rows
    return otherwise if counted is None else counted


def _until(query: BoundQuery) -> str:
    return f" at or before {query.as_of.isoformat(sep=' ')}" if query.as_of is not None else ""


def eligibility(query: BoundQuery) -> str:
    """Who is predicted for at an anchor, in words (LANGUAGE §3)."""
    table = query.catalog.table(query.entity.table)
    clock = table.clock
    if query.is_static and clock.kind in ("own", "inherited"):
        text = f"every row of {table.name}, at its own time; only strictly earlier rows are read"
    elif query.is_static:
        text = f"every row of {table.name}"
    elif clock.kind == "own":
        text = f"rows of {table.name} with {clock.column} at or before the anchor"
    elif clock.kind == "inherited" and clock.via is not None:
        text = f"rows of {table.name} whose time, that of {clock.via.parent}, is at or before the anchor"
    elif clock.kind == "seen" and query.options.first_seen:
        text = f"values of {table.name} seen in a table by the anchor"
    elif query.options.first_seen:
        guard = f"first-seen guard: {table.name} has no time column"
        text = f"rows of {table.name} seen in some linked table by the anchor ({guard})"
    else:
        text = f"every row of {table.name} (first_seen = off: rows not yet seen in any table count too)"
    if query.where is not None:
        text += "; and WHERE holds at the anchor" if aggregates(query.where) else "; and WHERE holds"
    return text
