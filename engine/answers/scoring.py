"""Who is predicted for, and their scores: from a plan's data and its model to the rows of the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.answers.asked import asked_keys
from pql.engine.answers.output import NOT_ELIGIBLE, OK, UNKNOWN, Asked, Ranked
from pql.engine.examples.stale import at_prediction
from pql.engine.examples.steps import forecast_rows, node_rows, repeat_seeds
from pql.engine.examples.targets import lag_values
from pql.engine.features.past_facts import past_behind
from pql.engine.graph.interactions import item_values
from pql.engine.graph.seeds import Seeds
from pql.engine.labels.training_table import LabelTable, compute_eligible
from pql.engine.planning.bounds import bounds_of
from pql.engine.planning.plan import Plan
from pql.engine.planning.step_grid import grid_of
from pql.engine.training.folds import time_borders
from pql.language import ast
from pql.language.bound import TaskKind
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.engine.answers.kept import KeptModel
    from pql.engine.graph.history import History
    from pql.engine.graph.temporal import TemporalGraph
    from pql.engine.pairs.rank_rules import Rules

MOST_PAIRS = 1_000_000


def who(history: History, labels: LabelTable, plan: Plan, graph: TemporalGraph) -> tuple[Asked, Seeds]:
    """The rows of the result and the seeds of those that are scored, in the same order.

    Ids asked for that are unknown or not eligible keep a row with a status. Raises `unknown_entity` if no id asked for
    is known, `no_entities` if nobody is eligible at the prediction anchor.
    """
    if plan.query.is_static:
        keys, anchors, eligible = labels.keys, labels.anchors, labels.eligible
        if borders := time_borders(labels, plan):  # rows before every value have nothing to be predicted from
            eligible = eligible & (anchors >= borders[0])
        wanted = static_rows(labels, plan)
        keys, anchors, eligible = keys.take(pa.array(wanted)), anchors[wanted], eligible[wanted]
    else:
        found = compute_eligible(history, plan, [plan.split.prediction])
        keys, anchors, eligible = found.keys, found.anchors, found.eligible
    rows = node_rows(keys, graph)
    eligible = eligible & (rows >= 0)
    if plan.query.ids is None:
        index = np.flatnonzero(eligible)
        if not len(index):
            raise PqlError(
                "no_entities",
                f"Nobody in {plan.query.entity.table} can be predicted for at the anchor: {plan.eligibility}.",
                span=plan.query.syntax.entities[0].span,
                hint="Loosen WHERE, or choose another moment with AS OF.",
            )
        moments = anchors[index] + _own_time(plan)
        seeds = at_prediction(Seeds(rows[index], anchors[index]), plan.regime)
        return Asked(keys.take(pa.array(index)), moments), seeds
    return _asked_for(plan, graph, keys, rows, anchors, eligible)


def without_a_past(labels: LabelTable, plan: Plan) -> int:
    """How many rows of a static query are too early to be scored: no model of strictly earlier rows can be fitted."""
    borders = time_borders(labels, plan) if plan.query.is_static and plan.query.ids is None else ()
    if not borders:
        return 0
    wanted = static_rows(labels, plan)
    return int((labels.eligible[wanted] & (labels.anchors[wanted] < borders[0])).sum())


def static_rows(labels: LabelTable, plan: Plan) -> NDArray[np.int64]:
    """Which rows of a static query are scored: those without a value, else (a condition, ids asked for) all of them.

    Only rows of which WHERE holds count: where none of them lacks the value, all of them are scored, out of fold.
    """
    missing = np.array(labels.label.is_null().to_numpy(zero_copy_only=False)) & labels.eligible
    nobody_is_missing = not missing.any() and not plan.query.missing_only
    everyone = plan.query.ids is not None or plan.task.kind is TaskKind.BINARY or nobody_is_missing
    return np.arange(len(labels)) if everyone else np.flatnonzero(missing)


def _asked_for(
    plan: Plan,
    graph: TemporalGraph,
    keys: pa.Table,
    rows: NDArray[np.int64],
    anchors: NDArray[np.int64],
    eligible: NDArray[np.bool_],
) -> tuple[Asked, Seeds]:
    assert plan.query.ids is not None
    names = keys.column_names
    wanted = asked_keys(plan, keys)
    from pql.engine.graph.key_index import parent_rows

    place = parent_rows([wanted.column(n) for n in names], [keys.column(n) for n in names]).astype(np.int64)
    here = place >= 0
    known = here | (node_rows(wanted, graph) >= 0)  # rows of the entity's table that nothing has been seen of yet
    if not known.any():
        shown = ", ".join(str(one) for one in plan.query.ids[:5])
        raise PqlError(
            "unknown_entity",
            f"No row of {plan.query.entity.table} has the id {shown}{' …' if len(plan.query.ids) > 5 else ''} "
            "at the anchor.",
            span=plan.query.syntax.ids.span if plan.query.syntax.ids is not None else None,
            hint="Ids are compared with the key's own values; AS OF chooses another moment.",
        )
    ok = here & np.where(here, eligible[place], False)
    status = tuple(OK if o else NOT_ELIGIBLE if k else UNKNOWN for o, k in zip(ok, known, strict=True))
    at = np.where(here, anchors[place], plan.split.prediction)
    scored = place[ok]
    seeds = at_prediction(Seeds(rows[scored], anchors[scored]), plan.regime)
    return Asked(wanted, at + _own_time(plan), status), seeds


def _own_time(plan: Plan) -> int:
    """What the shown anchor lies after the one read up to (µs): a row with its own time shows that time."""
    return 1 if plan.split.kind == "row_time" else 0


def score(
    model: KeptModel, plan: Plan, graph: TemporalGraph, labels: LabelTable, seeds: Seeds, rules: Rules | None = None
) -> NDArray[np.float64] | Ranked:
    """The scores of the seeds; of labelled rows of a static query, out of fold; of a forecast, float64[s, steps]; of
    TIME_TO, float64[s, 3].

    Bounds asked for are a last axis: the value and its bounds. `rules`: those of a ranking. Raises `no_candidates`
    where they leave nobody anything.
    """
    from pql.engine.ranking.trained import TrainedRanker

    if isinstance(model.trained, TrainedRanker):
        from pql.engine.ranking.answer import predict_ranking
        from pql.engine.ranking.ranked_classes import MOST_SHOWN, as_ranking

        if plan.task.kind is not TaskKind.RANKING:
            plan = as_ranking(plan, MOST_SHOWN if plan.query.distribution else 1)
        ranked = predict_ranking(model.ranker, plan, graph, seeds, plan.task.top_k, rules)
        items = item_values(plan, graph).take(pa.array(ranked.item))
        if rules is not None and len(seeds) and not len(ranked.item):
            raise PqlError(
                "no_candidates",
                f"The rules leave none of {len(seeds):,} rows of {plan.query.entity.table} anything to be given.",
                span=rule_span(plan.query.syntax),
                hint="Loosen CANDIDATES or EXCLUDING; EXPLAIN shows what each of them says.",
            )
        candidates = None if rules is None else ranked.candidates
        return Ranked(ranked.seed, items, ranked.score, ranked.rank.astype(np.int64), candidates)
    from pql.engine.training.predict import predict

    if plan.task.kind is TaskKind.TIME_TO_EVENT:
        from pql.engine.training.time_to import predict_time_to

        return predict_time_to(model.blend, plan, graph, labels, seeds)
    asked = bounds_of(plan.query)
    if (grid := grid_of(plan.query)) is not None:
        rows, number = repeat_seeds(seeds, grid.count)
        steps = forecast_rows(labels, plan, graph, rows, number)
        found = predict(model.blend, graph, rows, lag_values(labels, plan, graph, rows), steps, asked)
        return found.reshape(len(seeds), grid.count, *found.shape[1:])
    lags = lag_values(labels, plan, graph, seeds)
    fold = np.full(len(seeds), -1) if model.folds is None else model.folds.of(labels, plan, graph, seeds)
    if (fold == -1).all():
        names = {fitted.name for fitted in model.blend.members}
        past = past_behind(plan.query.target, graph, seeds, names)
        return predict(model.blend, graph, seeds, lags, asked=asked, past=past)
    scores: NDArray[np.float64] | None = None
    for number in np.unique(fold).tolist():
        trained = model.blend if number == -1 or model.folds is None else model.folds.models[number]
        at = np.flatnonzero(fold == number)
        found = predict(trained, graph, seeds.take(at), lags[at], asked=asked)
        if scores is None:
            scores = np.empty((len(seeds), *found.shape[1:]))
        scores[at] = found
    assert scores is not None
    return scores


def check_pairs(plan: Plan, graph: TemporalGraph, seeds: Seeds, rules: Rules | None) -> None:
    """Raise `too_many_pairs` where more than a million pairs would have to be answered."""
    item = plan.task.item
    if not plan.query.asks_pairs or item is None or item.table is None:
        return
    known = graph.nodes[graph.index(item.table)].time <= plan.split.prediction
    pairs = len(seeds) * int(known.sum())
    if rules is not None:
        pairs = int(rules.at(plan.split.prediction, known).counts(seeds.rows).sum())
    if pairs <= MOST_PAIRS:
        return
    entity = f"{plan.query.entity.table}.{plan.query.entity.keys[0]}"
    text, end = plan.query.text, plan.query.syntax.entities[-1].span.end
    raise PqlError(
        "too_many_pairs",
        f"{pairs:,} pairs of {plan.query.entity.table} and {item.table} are asked about, at most {MOST_PAIRS:,} can be",
        span=plan.query.syntax.entities[-1].span,
        hint=f"RANK TOP k gives the likeliest of each; WHERE {entity} IN (…) or CANDIDATES WHERE names fewer",
        fix=f"{text[:end]} RANK TOP 10{text[end:]}" if end and not plan.query.syntax.tasks else None,
    )


def given_nothing(plan: Plan, scores: NDArray[np.float64] | Ranked) -> tuple[str, ...]:
    """A note on the rows that a ranking's rules leave nothing."""
    if not isinstance(scores, Ranked) or scores.candidates is None:
        return ()
    nobody = int((scores.candidates == 0).sum())
    rows = f"{nobody:,} of {len(scores.candidates):,} rows of {plan.query.entity.table}"
    return (f"The rules leave {rows} nothing to be given: they have no items here.",) if nobody else ()


def rule_span(query: ast.Predict) -> ast.Span | None:
    """Where the first rule of a ranking stands."""
    written = [node for node in (query.candidates, query.excluding, query.at_most) if node is not None]
    return min((node.span for node in written), key=lambda span: span.start, default=None)
