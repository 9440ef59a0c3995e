"""From a budget in seconds to work in rows, anchors and epochs, by counting: the same data gives the same work."""

from __future__ import annotations

import os

from pql.engine.planning.baselines import baselines
from pql.engine.planning.bounds import bounds_of, rows_for
from pql.engine.planning.model_tasks import member_called
from pql.engine.planning.plan import GraphPlan, ModelPlan, Regime, Split
from pql.engine.planning.planned_graph import AMPLE_BUDGET
from pql.language.bound import BoundQuery, TaskKind

MOST_CONTEXT = 1_000  # examples a small model is fitted on
MOST_JUDGED = 2_000  # examples of validation and of test each that it is measured on

MAX_EXAMPLES = 200_000
# Rates of one core, measured (examples per second); they turn a budget into counts and are never read off a clock.
GNN_EXAMPLES_PER_SECOND = 20_000  # all epochs together
GNN_EPOCH_EXAMPLES_PER_SECOND = 60_000
FEATURE_EXAMPLES_PER_SECOND = 60_000
FEATURE_ROWS_PER_SECOND = 1_500_000
BOOSTED_EXAMPLES_PER_SECOND = 25_000
INSTANT_SECONDS = 0.4  # of a thousand rows, fitted twice
BOUNDS_EXAMPLES_PER_SECOND = 1_500  # of a dozen sets of quantile trees, fitted twice
FEW_EXAMPLES = 15_000  # of training, up to which a linear model takes part
LABEL_ROWS_PER_SECOND = 2_000_000
RANKED_EXAMPLES_PER_SECOND = 1_500

GNN_SHARE = 0.35  # of the budget, for the network
SMALLEST_GNN_BUDGET = 10.0  # seconds; below it `auto` fits the boosted model alone
SMALLEST_RANKED_GNN_BUDGET = 120.0  # the same of a ranking


def plan_model(
    query: BoundQuery, split: Split, graph: GraphPlan, rows: dict[str, int | None], regime: Regime | None = None
) -> ModelPlan:
    """The models fitted, their baselines and how much work they get. `rows`: row counts at or before the anchor."""
    options = query.options
    examples = count_examples(query, split, rows)
    epochs = _epochs(query, examples)
    members = _members(query, regime or Regime(), examples)
    read = sum(rows.get(table.name) or 0 for table in graph.tables)
    return ModelPlan(
        name=options.model,
        members=members,
        baselines=baselines(query),
        epochs=epochs,
        hidden=options.hidden or (32 if options.budget_seconds < AMPLE_BUDGET else 64),
        layers=options.layers,
        max_examples=_max_examples(query),
        refit=options.refit,
        seed=options.seed,
        threads=options.threads or os.cpu_count() or 1,
        budget_seconds=options.budget_seconds,
        estimate=_estimate(query, members, examples, read),
    )


def count_examples(query: BoundQuery, split: Split, rows: dict[str, int | None]) -> int:
    """An upper bound of the training examples: entities times training anchors (times steps), or static rows."""
    entities = rows.get(query.entity.table) or 0
    anchors = len(split.times("train")) if split.kind == "anchors" else 1
    return min(entities * anchors * query.forecast_steps, _max_examples(query))


def _max_examples(query: BoundQuery) -> int:
    """Examples the budget pays for: a minute or more buys the full 200,000; never fewer than 2,000."""
    per_second = RANKED_EXAMPLES_PER_SECOND if query.task is TaskKind.RANKING else MAX_EXAMPLES / 60
    return int(min(MAX_EXAMPLES, max(2_000, query.options.budget_seconds * per_second)))


def _members(query: BoundQuery, regime: Regime, examples: int) -> tuple[str, ...]:
    """What is fitted: the one model asked for, or what `auto` and `blend` put together.

    A linear model takes part where trees have little to go by: few examples, or stale histories. In these a network is
    fitted by `blend` alone.
    """
    model = query.options.model
    if model not in ("auto", "blend"):
        return (member_called(query, model),)
    smallest = SMALLEST_RANKED_GNN_BUDGET if query.task is TaskKind.RANKING else SMALLEST_GNN_BUDGET
    few = examples <= FEW_EXAMPLES or regime.known is not None
    linear = ("linear",) if few and query.task in (TaskKind.BINARY, TaskKind.REGRESSION) else ()
    if model == "auto" and (query.options.budget_seconds < smallest or regime.known is not None):
        return ("boosted", *linear)
    return ("boosted", *linear, "gnn")


def _epochs(query: BoundQuery, examples: int) -> int:
    """Epochs of the network that its share of the budget pays for, at least 2 and at most the option's number."""
    if examples == 0:
        return 1
    share = 1.0 if query.options.model == "gnn" else GNN_SHARE
    affordable = int(share * query.options.budget_seconds * GNN_EPOCH_EXAMPLES_PER_SECOND / examples)
    return max(1, min(query.options.epochs, max(2, affordable)))


def _estimate(query: BoundQuery, members: tuple[str, ...], examples: int, read: int) -> str:
    """What the work should cost on one core, part by part."""
    seconds = {
        "labels": read / LABEL_ROWS_PER_SECOND,
        "graph and features": read / FEATURE_ROWS_PER_SECOND + examples / FEATURE_EXAMPLES_PER_SECOND,
    }
    if "boosted" in members:
        seconds["boosted"] = examples / BOOSTED_EXAMPLES_PER_SECOND
    if "instant" in members:
        seconds["instant"] = INSTANT_SECONDS
        if members == ("instant",):
            examples = min(examples, 2 * MOST_CONTEXT + 2 * MOST_JUDGED)
            seconds["graph and features"] = read / FEATURE_ROWS_PER_SECOND + examples / FEATURE_EXAMPLES_PER_SECOND
    if "gnn" in members:
        seconds["gnn"] = examples / GNN_EXAMPLES_PER_SECOND
    if bounds_of(query):
        seconds["bounds"] = min(examples, rows_for(query.options.budget_seconds)) / BOUNDS_EXAMPLES_PER_SECOND
    total = sum(seconds.values())
    parts = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
    return f"about {max(1, round(total))} s of one core for up to {examples:,} examples and {read:,} rows read: {parts}"
