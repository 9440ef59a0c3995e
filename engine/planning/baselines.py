"""The simple rivals that are always reported beside a model, and that answer where nothing can be learnt."""

from __future__ import annotations

from collections.abc import Collection

from pql.language.bound import BoundQuery, TaskKind

BASELINES = {
    TaskKind.BINARY: ("rate", "last_window", "entity_mean"),
    TaskKind.REGRESSION: ("global_mean", "global_median", "last_window", "entity_mean"),
    TaskKind.FORECAST: ("global_mean", "global_median", "last_window", "entity_mean", "seasonal_naive"),
    TaskKind.MULTICLASS: ("majority", "last_value", "entity_shares"),
    TaskKind.MULTILABEL: ("popularity", "repeat"),
    TaskKind.RANKING: ("popularity", "repeat"),
    TaskKind.TIME_TO_EVENT: ("kaplan_meier", "recency", "interval"),
}
STATIC_BASELINES = {
    TaskKind.BINARY: ("rate",),
    TaskKind.REGRESSION: ("global_mean", "global_median"),
    TaskKind.MULTICLASS: ("majority",),
}


def baselines(query: BoundQuery) -> tuple[str, ...]:
    """The simple rivals that are always reported beside the model."""
    if query.is_static:
        return STATIC_BASELINES.get(query.task, ())
    return BASELINES[query.task]


def is_baseline(name: str, beside: Collection[str]) -> bool:
    """Whether what answers is itself one of the rivals of its kind of task; `beside`: those reported with it."""
    return any(name in rivals and (not beside or not set(rivals).isdisjoint(beside)) for rivals in BASELINES.values())
