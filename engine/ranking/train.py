"""Train a ranking of a plan: its towers, the members that are weighed, and the models of pairs it answers with."""

from __future__ import annotations

from dataclasses import replace

from pql.engine.events import Events
from pql.engine.examples.stale import as_seen, lag_of
from pql.engine.graph.interactions import interactions_of, item_values, mean_horizon
from pql.engine.graph.seeds import TRAIN, Examples
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.pairs.pair_history import history_at
from pql.engine.pairs.rank_rules import Rules
from pql.engine.planning.plan import Plan
from pql.engine.ranking.choice import GNN, TWO_TOWER
from pql.engine.ranking.fitting import fit_ranking, held_anchors
from pql.engine.ranking.pair_models import PAIR_MODELS, made_at
from pql.engine.ranking.pasts import newest_of
from pql.engine.ranking.towers import NetworkTowers, fit_towers
from pql.engine.ranking.trained import TrainedRanker

__all__ = ["TrainedRanker", "train_ranking"]

TOWERS = (GNN, TWO_TOWER, "blend")  # the models that the towers are trained for


def train_ranking(
    plan: Plan,
    graph: TemporalGraph,
    examples: Examples,
    events: Events,
    rules: Rules | None = None,
    quiet: Examples | None = None,
) -> TrainedRanker:
    """Train the plan's members, choose their weights on VALID, measure TEST once, refit the ranker if planned.

    `examples.labels` are sets of item codes, those the `rules` forbid left out. `quiet`: eligible seeds of VALID and
    TEST whose window is empty, so that the odds are those of everybody. Raises PqlError `no_examples` without a
    training example.
    """
    lag = lag_of(examples.seeds)
    examples = replace(examples, seeds=as_seen(examples.seeds))
    quiet = None if quiet is None else replace(quiet, seeds=as_seen(quiet.seeds))
    rules = None if rules is None else rules.earlier(lag)
    with events.stage("interactions"):
        interactions = interactions_of(plan, graph)
    horizon, model = mean_horizon(plan), plan.model
    towers: NetworkTowers | None = None
    if model.name in TOWERS and len(examples.where(TRAIN)):
        with events.stage("gnn"):
            held = held_anchors(examples, model)
            towers = fit_towers(plan, graph, interactions.items, examples, horizon, events, held=held)
    bound = towers.bind(plan, graph, interactions.items) if towers is not None else None
    k = plan.task.top_k or 10
    pairs = plan.query.asks_pairs
    trained = fit_ranking(
        interactions,
        horizon,
        examples,
        model,
        events,
        k=k,
        towers=bound,
        rules=rules,
        quiet=quiet,
        pairs=pairs,
        lag=lag,
    )
    made = tuple(name for name, weight in trained.weights if weight > 0 and name in PAIR_MODELS)
    if made:
        with events.stage("refit"):
            newest = plan.split.prediction if plan.regime.known is None else plan.regime.known
            past = history_at(interactions, newest if model.refit else newest_of(examples), horizon)
            values = item_values(plan, graph)
            item = plan.task.item
            source = (item.table, item.key) if item and item.table and item.key else None
            models = tuple(one.called(values, source) for one in made_at(past, made, model.seed))
        trained = replace(trained, pair_models=models)
    if trained.checked is not None:
        trained = replace(trained, checked=trained.checked.keyed(graph.nodes[graph.entity].keys))
    return replace(trained, towers=towers) if trained.uses_towers else trained
