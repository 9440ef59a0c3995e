"""The model of a plan: trained now, or loaded because the same query on the same data was answered before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pql.engine.answers.registry import Registry, Version, code_version, content_key
from pql.engine.examples.targets import make_examples, quiet_examples
from pql.engine.pairs.rule_rows import rules_of
from pql.engine.planning.assuming import assumed_future
from pql.engine.planning.bounds import bounds_of
from pql.engine.planning.plan import Plan
from pql.engine.ranking.ranked_classes import as_classes, as_ranking, as_sets, has_too_many_classes
from pql.engine.ranking.train import TrainedRanker, train_ranking
from pql.engine.training.folds import Folds, fit_folds, needs_folds
from pql.engine.training.time_to import train_time_to
from pql.engine.training.train import TrainedModel, train
from pql.language.bound import TaskKind
from pql.language.catalog import Link
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.engine.events import Events
    from pql.engine.graph.history import History
    from pql.engine.graph.temporal import TemporalGraph
    from pql.engine.labels.training_table import LabelTable


@dataclass(frozen=True, slots=True)
class KeptModel:
    """A trained model with its name in the registry. `classes`: what class codes mean (multiclass, multilabel)."""

    trained: TrainedModel | TrainedRanker
    classes: pa.Array | None
    folds: Folds | None
    key: str
    cached: bool

    @property
    def blend(self) -> TrainedModel:
        assert isinstance(self.trained, TrainedModel)
        return self.trained

    @property
    def ranker(self) -> TrainedRanker:
        assert isinstance(self.trained, TrainedRanker)
        return self.trained

    @property
    def threshold(self) -> float:
        if isinstance(self.trained, TrainedModel):
            return self.trained.threshold
        return self.trained.odds.threshold if self.trained.odds is not None else 0.5

    @property
    def weights(self) -> dict[str, float]:
        """The blend's weights by member, noughts included."""
        return dict(self.trained.blend if isinstance(self.trained, TrainedModel) else self.trained.weights)


def model_for(
    plan: Plan,
    history: History,
    labels: LabelTable,
    graph: TemporalGraph,
    registry: Registry,
    events: Events,
    *,
    keep: bool,
) -> KeptModel:
    """Load the model of this very query and data, or train and keep it.

    `keep` keeps it even with `cache = off`. With USING MODEL the named model answers, whatever data it was trained
    on, if this version of the engine made it (else `model_outdated`), for the same target, entity and columns (else
    `model_mismatch`).
    """
    folded = needs_folds(labels, plan)
    if plan.query.using_model is not None:
        return _named(plan, registry, folded=folded)
    key = content_key(_parts(plan, history, folded=folded))
    cache = plan.query.options.cache
    if cache == "refresh":
        registry.discard(key)
    elif cache == "on" or keep:
        with events.stage("load"):
            found = registry.get(key)
        if found is not None:
            return restore(found[0], key)
    if plan.task.kind is TaskKind.TIME_TO_EVENT:
        model = KeptModel(train_time_to(plan, graph, labels, events), None, None, key, cached=False)
        return _kept(model, plan, history, registry, events, keep=keep)
    if has_too_many_classes(labels, plan):
        ranked = as_ranking(plan)
        examples, _ = make_examples(as_sets(labels), ranked, graph)
        model = KeptModel(as_classes(train_ranking(ranked, graph, examples, events)), None, None, key, cached=False)
        return _kept(model, plan, history, registry, events, keep=keep)
    examples, classes = make_examples(labels, plan, graph)
    if plan.task.kind is TaskKind.RANKING:
        rules = rules_of(history, plan, graph, plan.split.times("train", "valid", "test"))
        quiet = quiet_examples(history, labels, plan, graph)
        ranker = train_ranking(plan, graph, examples, events, rules, quiet)
        model = KeptModel(ranker, None, None, key, cached=False)
    else:
        trained = train(plan, graph, examples, classes, events)
        folds = fit_folds(plan, graph, labels, examples, classes, events) if folded else None
        model = KeptModel(trained, classes.values, folds, key, cached=False)
    return _kept(model, plan, history, registry, events, keep=keep)


def _kept(
    model: KeptModel, plan: Plan, history: History, registry: Registry, events: Events, *, keep: bool
) -> KeptModel:
    if (plan.query.options.cache != "off" or keep) and not events.stopped:
        with events.stage("keep"):
            registry.put(model.key, _state(model), _about(plan, history))
    return model


def signature(plan: Plan) -> str:
    """What a model must share with a query to answer it: target, task, entity, items, tables, columns and links."""
    query = plan.query
    parts = {
        "target": repr(_shape((query.target, query.task, query.item, query.pair, query.forecast_steps))),
        "entity": repr(query.entity),
        "assuming": repr(_shape(assumed_future(query))),
        "rules": repr(_shape((query.candidates, query.excluding))),
        "width": plan.split.width_text,
        "graph": repr((plan.graph.tables, [str(link) for link in plan.graph.links], plan.graph.hops)),
    }
    return content_key(parts)


def _about(plan: Plan, history: History) -> dict[str, Any]:
    """What a kept model is described by without being loaded. `until`: µs, nothing later was seen in training. `code`:
    the version of the engine that made it."""
    return {
        "signature": signature(plan),
        "code": code_version(),
        "query": plan.query.text,
        "task": plan.task.kind.value,
        "until": plan.split.prediction,
        "data": history.fingerprint(),
        "rows": history.sizes(),
    }


def _shape(value: object) -> object:
    """A value without the evidence of the links in it, which changes as the data grows."""
    if isinstance(value, Link):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, *(_shape(getattr(value, f.name)) for f in fields(value) if f.repr)
    return tuple(_shape(one) for one in value) if isinstance(value, tuple) else value


def _parts(plan: Plan, history: History, *, folded: bool) -> dict[str, str]:
    """Everything that makes a model: a change in any of it is another model."""
    query = plan.query
    options = replace(query.options, cache="on")
    return {
        "query": repr((query.target, query.task, query.item, query.entity, query.pair, query.top_k, query.where)),
        "assuming": repr(assumed_future(query)),
        "rules": repr((query.candidates, query.excluding, query.at_most)),
        "using": repr((query.using, sorted(query.ignoring), query.forecast_steps, query.evaluate_at)),
        "bounds": repr(bounds_of(query)),
        "options": repr(options),
        "schema": repr((query.catalog.tables, [str(link) for link in query.catalog.links])),
        "plan": repr((plan.split, plan.regime, plan.graph, plan.model)),
        "data": history.fingerprint(),
        "folds": str(folded),
        "code": code_version(),
    }


def _named(plan: Plan, registry: Registry, *, folded: bool) -> KeptModel:
    assert plan.query.using_model is not None
    version = registry.find(plan.query.using_model)
    found = registry.get(version.key)
    if found is None:
        raise PqlError(
            "model_corrupt",
            f"The kept files of the model {version.name!r} are gone.",
            hint=f"CREATE OR REPLACE MODEL {version.name} AS PREDICT … trains it again.",
        )
    state, about = found
    if about.get("code") != code_version():
        raise PqlError(
            "model_outdated",
            f"The model {version.name!r} was made by another version of pql: {version.query}",
            hint=f"CREATE OR REPLACE MODEL {version.name} AS PREDICT … trains it again.",
        )
    if about.get("signature") != signature(plan):
        raise PqlError(
            "model_mismatch",
            f"The model {version.name!r} was made for another question: {version.query}",
            hint="USING MODEL takes the same target, entity, window and tables; leave it out to train a new model.",
        )
    _refuse_from_the_future(plan, version, about)
    model = restore(state, version.key)
    if folded and model.folds is None:
        raise PqlError(
            "model_mismatch",
            f"The model {version.name!r} can't score rows whose value it was trained on.",
            hint="Leave USING MODEL out: the rows are then scored out of fold.",
        )
    return model


def _refuse_from_the_future(plan: Plan, version: Version, about: Mapping[str, Any]) -> None:
    """A model that has seen later rows than the query may know would break the rule of time without a word."""
    from pql.engine.planning.anchors import show_time

    until = about.get("until")
    if not isinstance(until, int) or until <= plan.split.prediction:
        return
    clause = plan.query.syntax.as_of or plan.query.syntax.using_model
    raise PqlError(
        "model_from_the_future",
        f"The model {version.name!r} has learnt from rows up to {show_time(until)}, later than this query's anchor, "
        f"{show_time(plan.split.prediction)}.",
        span=clause.span if clause is not None else None,
        hint=f"AS OF {show_time(until)} or later, another version (ALTER MODEL {version.name} USE VERSION n), "
        "or no USING MODEL: a model is then trained on what was known at the anchor.",
    )


def _state(model: KeptModel) -> dict[str, Any]:
    return {
        "kind": "ranking" if isinstance(model.trained, TrainedRanker) else "scores",
        "trained": model.trained.state(),
        "classes": model.classes,
        "folds": model.folds.state() if model.folds is not None else None,
    }


def restore(state: Mapping[str, Any], key: str) -> KeptModel:
    """The model of a kept state. Raises PqlError `model_corrupt`."""
    try:
        if state["kind"] == "ranking":
            return KeptModel(TrainedRanker.restore(state["trained"]), None, None, key, cached=True)
        folds = Folds.restore(state["folds"]) if state["folds"] is not None else None
        return KeptModel(TrainedModel.restore(state["trained"]), state["classes"], folds, key, cached=True)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise PqlError(
            "model_corrupt",
            f"The stored model {key} doesn't hold what a model needs.",
            hint="Train it again with WITH (cache = refresh).",
        ) from error
