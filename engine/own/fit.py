"""Train on label tables, and score the rows of another: the stages between the tables and the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.backends.base import Snapshot
from pql.backends.sql import identifier
from pql.engine.answers.output import Ranked
from pql.engine.answers.scoring import item_values
from pql.engine.events import Events
from pql.engine.examples.stale import at_prediction
from pql.engine.examples.steps import numbers
from pql.engine.examples.targets import Classes
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.graph.build import build_graph
from pql.engine.graph.history import load, needed_tables
from pql.engine.graph.key_index import parent_rows
from pql.engine.graph.seeds import TRAIN, VALID, Examples, Seeds
from pql.engine.graph.temporal import ALWAYS, TemporalGraph
from pql.engine.models.base import Inputs
from pql.engine.own.examples import divided, known_of, lags_of, lent, own_examples, seeds_of
from pql.engine.own.items import best_way
from pql.engine.own.labels import OwnLabels, completed, known_labels, without_copies
from pql.engine.own.measured import Measured, measured, measured_ranking, truth_of
from pql.engine.own.plan import LAGGED, NO_HORIZON, Extent, Question, entity_of, plan_own, ranked_ways
from pql.engine.planning.plan import Plan, Regime
from pql.engine.planning.regime import regime_of
from pql.engine.planning.relations import TIME, relation_sql
from pql.engine.planning.statistics import measure, usual_gaps
from pql.engine.ranking.train import TrainedRanker, train_ranking
from pql.engine.training.train import TrainedModel, train
from pql.language.bound import TaskKind
from pql.language.catalog import Catalog
from pql.language.errors import PqlError

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OwnModel:
    """What training on label tables leaves: the plan, the model, and the labels, which are lags of later ones."""

    question: Question
    plan: Plan
    trained: TrainedModel | TrainedRanker
    classes: Classes
    parts: tuple[OwnLabels, ...]
    notes: tuple[str, ...]


def row_times(snapshot: Snapshot, catalog: Catalog, entity: str, keys: pa.Array) -> Ints | None:
    """int64[n], µs: the own time of the entity's row of each key, ALWAYS where there is none; None without a clock."""
    table, key = entity_of(entity, catalog)
    if catalog.table(table).clock.kind not in ("own", "inherited"):
        return None
    rows = snapshot.query(
        f"SELECT {identifier(key)}, {identifier(TIME)} FROM ({relation_sql(catalog, table, None, (key,))}) AS r"
    )
    at = parent_rows([pa.chunked_array([keys])], [rows.column(0)])
    times = np.array(rows.column(1).cast(pa.int64()).fill_null(int(ALWAYS)).to_numpy(), dtype=np.int64)
    return np.where(at >= 0, times[np.maximum(at, 0)], ALWAYS) if len(times) else np.full(len(at), ALWAYS)


def complete(parts: Sequence[OwnLabels], question: Question, cut: int) -> tuple[tuple[OwnLabels, ...], int]:
    """The rows whose label is known at `cut` (µs; of rows that are their own moment, strictly before), and how many
    are not."""
    kept, late = [], 0
    for part in parts:
        if part.anchors is None:
            kept.append(part)
            continue
        ends = completed(part.anchors, question.horizon)
        known = ends < cut if question.split == "row_time" else ends <= cut
        late += int((~known).sum())
        kept.append(part.take(np.flatnonzero(known)))
    return tuple(kept), late


def train_own(
    snapshot: Snapshot,
    catalog: Catalog,
    question: Question,
    parts: Sequence[OwnLabels],
    events: Events,
    regime: Regime | None = None,
) -> OwnModel:
    """Train on the first part and choose on the second; of one part alone, the latest rows validate.

    `regime`: of the rows to be predicted, where they are known. Nothing later than the last anchor of the parts is
    read. Raises PqlError as planning and training do.
    """
    notes: list[str] = []
    plain = []
    for part in parts:
        part, copies = without_copies(part)
        if copies:
            notes.append(f"{copies:,} rows of {part.name} say the same as another and are left out.")
        plain.append(part)
    plain = [part for part in plain if len(part)]
    if not plain:
        raise PqlError(
            "no_labels",
            "no row's label is known by the first moment that is predicted",
            hint="Give labels whose windows end before the moments that are asked about. Folds of cross-validation "
            "must go by time: scikit-learn's TimeSeriesSplit over rows in its order does, KFold does not.",
        )
    splits = splits_of(plain, question)
    if len(plain) > 1 and (borrowed := int((splits[0] == VALID).sum())):
        few = f"The validation table has {len(plain[1])} rows only"
        notes.append(f"{few}: the latest {borrowed} training rows validate with them.")
    extent = _extent(plain, splits, question, snapshot, catalog)
    with events.stage("read"):
        spans = measure(snapshot, catalog, [table.name for table in catalog.tables], extent.last)
        plan = plan_own(question, catalog, spans, extent, regime)
        history = load(snapshot, catalog, needed_tables(plan), extent.last)
    with events.stage("graph"):
        graph = build_graph(history, plan)
        examples, classes, told = own_examples(list(zip(plain, splits, strict=True)), plan, graph, question.horizon)
    history.close()
    if question.kind is TaskKind.RANKING:
        query = plan.query
        ways = ranked_ways(question, catalog, query.entity.table, query.ignoring)
        ends = completed(examples.seeds.anchors, question.horizon or NO_HORIZON)
        plan = best_way(plan, ways, graph, examples, ends, extent.last)
    trained = _train(plan, graph, examples, classes, events)
    return OwnModel(question, plan, trained, classes, tuple(plain), (*notes, *told, *plan.warnings))


def regime_asked(
    snapshot: Snapshot, catalog: Catalog, question: Question, asked: OwnLabels, until: int | None
) -> Regime:
    """Whether the data, read up to `until` (µs), reaches the anchors of the rows to be predicted."""
    if question.split != "own" or asked.anchors is None or not len(asked):
        return Regime()
    last = int(asked.anchors.max())
    spans = measure(snapshot, catalog, [t.name for t in catalog.tables if t.clock.kind != "none"], until or last)
    newest = {name: min(span.newest, last) for name, span in spans.items() if span.newest is not None}
    gaps = usual_gaps(snapshot, catalog, spans, last)
    return regime_of([int(asked.anchors.min()), last], newest, gaps)


def _train(
    plan: Plan, graph: TemporalGraph, examples: Examples, classes: Classes, events: Events
) -> TrainedModel | TrainedRanker:
    if plan.task.kind is TaskKind.RANKING:
        return train_ranking(plan, graph, examples, events)
    return train(plan, graph, examples, classes, events)


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of a table's known rows, in order, with their `seeds` in `graph` and their `lags` float32[k, L].
    `known` bool[n], `anchors` int64[n] of all rows; `measured`: where the table has the truth."""

    scores: NDArray[np.float64] | Ranked
    known: NDArray[np.bool_]
    anchors: Ints
    graph: TemporalGraph
    seeds: Seeds
    lags: NDArray[np.float32] | None
    measured: Measured | None = None


def score_own(
    snapshot: Snapshot, model: OwnModel, asked: OwnLabels, events: Events, until: int | None = None
) -> Scored:
    """Score the rows of a label table, each as of its anchor; `until` (µs): nothing later is read for any of them.

    Raises PqlError `unknown_entity` if no key is known.
    """
    plan = model.plan
    last = plan.split.prediction
    if asked.anchors is not None and len(asked.anchors):
        last = int(asked.anchors.max())
    last = last if until is None else min(last, until)
    with events.stage("read"):
        history = load(snapshot, plan.query.catalog, needed_tables(plan), last)
    with events.stage("graph"):
        graph = build_graph(history, plan)
    history.close()
    seeds = seeds_of(asked, plan, graph)
    known = seeds.rows >= 0
    if len(asked) and not known.any():
        raise PqlError(
            "unknown_entity",
            f"none of the keys of the table {asked.name} is one of {plan.query.entity.table}'s",
            hint="Name the column that holds the keys with entity_column.",
        )
    anchors = asked.anchors if asked.anchors is not None else np.where(known, seeds.anchors, plan.split.prediction)
    found = at_prediction(seeds.take(np.flatnonzero(known)), plan.regime)
    with events.stage("predict"):
        lags = earlier_labels(model, graph, found)
        scores = _scores(model, graph, found, lags)
    judged = None
    if known_labels(asked.label) and known.any():
        assert asked.label is not None
        with events.stage("evaluate"):
            judged = _judged(model, graph, found, lags, scores, asked.label.take(pa.array(np.flatnonzero(known))))
    return Scored(scores, known, anchors, graph, found, lags, judged)


def _judged(
    model: OwnModel,
    graph: TemporalGraph,
    seeds: Seeds,
    lags: NDArray[np.float32] | None,
    scores: NDArray[np.float64] | Ranked,
    label: pa.Array,
) -> Measured | None:
    plan = model.plan
    truth, at = truth_of(label, plan, graph, model.classes)
    if not len(at):
        return None
    if isinstance(model.trained, TrainedRanker):
        return measured_ranking(model.trained, plan, graph, seeds, at, truth)
    assert not isinstance(scores, Ranked)
    parts = list(zip(model.parts, splits_of(model.parts, model.question), strict=True))
    examples = own_examples(parts, plan, graph, model.question.horizon)[0]
    lags = np.zeros((len(seeds), 0), dtype=np.float32) if lags is None else lags
    inputs = Inputs(graph, seeds, FeatureMatrix((), np.zeros((len(seeds), 0), dtype=np.float32)), lags)
    return measured(model.trained, plan, examples, inputs, scores, at, truth)


def _scores(
    model: OwnModel, graph: TemporalGraph, seeds: Seeds, lags: NDArray[np.float32] | None
) -> NDArray[np.float64] | Ranked:
    plan = model.plan
    if isinstance(model.trained, TrainedRanker):
        from pql.engine.ranking.answer import predict_ranking

        ranked = predict_ranking(model.trained, plan, graph, seeds, plan.task.top_k)
        items = item_values(plan, graph).take(pa.array(ranked.item))
        return Ranked(ranked.seed, items, ranked.score, ranked.rank.astype(np.int64))
    from pql.engine.training.predict import predict

    return predict(model.trained, graph, seeds, lags)


def earlier_labels(model: OwnModel, graph: TemporalGraph, seeds: Seeds) -> NDArray[np.float32] | None:
    """The lags of seeds, from the labels that the model was trained on; None where the model has none."""
    question, horizon = model.question, model.question.horizon
    if horizon is None or question.split != "own" or question.kind not in LAGGED:
        return None
    known = [seeds_of(part, model.plan, graph) for part in model.parts]
    values = np.concatenate([numbers(part.label) for part in model.parts if part.label is not None])
    joined = Seeds(np.concatenate([s.rows for s in known]), np.concatenate([s.anchors for s in known]))
    return lags_of(known_of(joined, values, horizon), seeds)


def splits_of(parts: Sequence[OwnLabels], question: Question) -> list[NDArray[np.int8]]:
    """The split of every row: the first table trains, the second validates."""
    if len(parts) > 1:
        splits = [np.full(len(part), code, dtype=np.int8) for part, code in zip(parts, (TRAIN, VALID), strict=True)]
        first, second = parts
        if first.anchors is not None and second.anchors is not None:
            splits[0] = lent(first.anchors, second.anchors, question.horizon)
        return splits
    (only,) = parts
    anchors = only.anchors if only.anchors is not None else np.zeros(len(only), dtype=np.int64)
    seed = next((int(value) for name, value in question.options if name == "seed"), 0)
    return [divided(only, anchors, question.horizon, seed)]


def _extent(
    parts: Sequence[OwnLabels],
    splits: Sequence[NDArray[np.int8]],
    question: Question,
    snapshot: Snapshot,
    catalog: Catalog,
) -> Extent:
    count = sum(int((split == TRAIN).sum()) for split in splits)
    if any(part.anchors is None for part in parts):
        spans = measure(snapshot, catalog, [t.name for t in catalog.tables if t.clock.kind != "none"])
        last = max((span.newest for span in spans.values() if span.newest is not None), default=0)
        return Extent(count, last, last)
    anchors = np.concatenate([part.anchors for part in parts if part.anchors is not None])
    training = [p.anchors[s == TRAIN] for p, s in zip(parts, splits, strict=True) if p.anchors is not None]
    trained = np.concatenate(training)
    last_train = int(trained.max()) if len(trained) else int(anchors.max())
    valid = anchors[np.concatenate(splits) == VALID]
    asked = int(valid.max() - valid.min()) if len(valid) else 0
    return Extent(count, last_train, int(anchors.max()), _width(anchors, question), asked)


def _width(anchors: Ints, question: Question) -> int | None:
    """µs: the horizon, or the usual step from one anchor to the next; None of rows that are their own moment."""
    if question.split != "own":
        return None
    last = anchors[-1:]
    if question.horizon is not None:
        return int((completed(last, question.horizon) - last)[0])
    steps = np.diff(np.unique(anchors))
    return int(np.median(steps)) if len(steps) else None
