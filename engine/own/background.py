"""What stands behind the answer to a label table of one's own: its tested rows, their parts, drift, counts, reasons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.answers.background import MOST_COMPARED, TOP_FEATURES, Background, segments_of
from pql.engine.features.as_of import fit_features
from pql.engine.graph.seeds import TEST, TRAIN, VALID, Examples, Ragged
from pql.engine.labels.counts import LabelCount, describe_labels
from pql.engine.own.examples import own_examples
from pql.engine.own.fit import OwnModel, Scored, splits_of
from pql.engine.own.labels import OwnLabels
from pql.engine.own.measured import Measured
from pql.engine.quality.checked import Checked, checked_sample, of_lists, spread
from pql.engine.quality.drift import Drift, drift_of
from pql.engine.quality.rank_metrics import hits
from pql.engine.ranking.trained import TrainedRanker
from pql.language.errors import PqlError

Ints = NDArray[np.int64]
Told = Callable[[pa.Table], tuple[str, ...]]


def own_background(model: OwnModel, rows: OwnLabels, scored: Scored, answer: pa.Table, told: Told) -> Background:
    """All of it. `rows`: the table that is answered, `answer` its predictions; `told`: sentences on rows of these.

    Tested rows are those of the answered table where it has the truth, those of validation otherwise.
    """
    graph = scored.graph
    checked, whose = model.trained.checked, np.zeros(0, dtype=np.int64)
    if scored.measured is not None and len(scored.measured.at):
        tested = np.flatnonzero(scored.known)[scored.measured.at]
        found = _tested(model, scored, scored.measured)
        if found is not None:
            checked, whose = found
            checked = replace(
                checked.keyed(graph.nodes[graph.entity].keys),
                anchors=scored.anchors[tested][whose],
            )
            whose = tested[whose]
    lists = isinstance(model.trained, TrainedRanker)
    return Background(
        "",
        _counts(model),
        checked,
        () if checked is None else segments_of(checked, graph),
        _drift(model, scored),
        {node.name: len(node) for node in graph.nodes},
        () if model.classes.values is None else tuple(str(value) for value in model.classes.values.to_pylist()),
        (lambda at: told(answer.take(pa.array(whose[at])))) if len(whose) and not lists else None,
    )


def _tested(model: OwnModel, scored: Scored, measured: Measured) -> tuple[Checked, Ints] | None:
    """The sample of the answered rows whose truth is known, and their places among these."""
    seeds = scored.seeds.take(measured.at)
    said = next(iter(measured.answers.values()))
    if isinstance(measured.truth, Ragged):
        if not isinstance(model.trained, TrainedRanker):
            return None
        sizes = np.diff(measured.truth.offsets)
        hit = hits(said, measured.truth)
        none = np.zeros(hit.shape), np.zeros(len(hit), dtype=np.int64)
        lists = of_lists("test", seeds, np.zeros(0, dtype=np.int64), hit, sizes, none, hit.shape[1])
        return None if lists is None else (lists, spread(np.flatnonzero(sizes > 0), len(lists)))
    examples = Examples(
        seeds, measured.truth, np.full(len(seeds), TEST, dtype=np.int8), np.zeros((len(seeds), 0), dtype=np.float32)
    )
    sample = checked_sample(model.plan.task.kind.value, examples, said, None, None)
    return None if sample is None else (sample, spread(np.arange(len(seeds)), len(sample)))


def _counts(model: OwnModel) -> tuple[LabelCount, ...]:
    """Rows with a label by what they are for."""
    found = []
    splits = splits_of(model.parts, model.question)
    for code, name in ((TRAIN, "train"), (VALID, "valid")):
        chosen = [part.take(np.flatnonzero(s == code)) for part, s in zip(model.parts, splits, strict=True)]
        label = pa.chunked_array([part.label for part in chosen if part.label is not None]).combine_chunks()
        anchors = [part.anchors for part in chosen if part.anchors is not None]
        moments = len(np.unique(np.concatenate(anchors))) if anchors else 0
        found.append(
            LabelCount(name, moments, len(label), 0, 0, describe_labels(label, np.ones(len(label), dtype=bool)))
        )
    return tuple(found)


def _drift(model: OwnModel, scored: Scored) -> Drift | None:
    """The features of training rows against those of the rows that are answered, each as of its anchor."""
    graph, trained = scored.graph, model.trained
    try:
        parts = list(zip(model.parts, splits_of(model.parts, model.question), strict=True))
        examples = own_examples(parts, model.plan, graph, model.question.horizon)[0]
        at = spread(np.flatnonzero(examples.split == TRAIN), MOST_COMPARED)
        asked = spread(np.arange(len(scored.seeds)), MOST_COMPARED)
        if not len(at) or not len(asked):
            return None
        before, now = examples.seeds.take(at), scored.seeds.take(asked)
        if isinstance(trained, TrainedRanker):
            spec = fit_features(graph, cut=int(before.anchors.max()), horizon=trained.horizon, hops=1, limit=60)
            return drift_of(spec.compute(graph, before), spec.compute(graph, now))
        spec = trained.spec
        lags = scored.lags[asked] if scored.lags is not None and spec.lags else None
        learnt = spec.compute(graph, before, examples.lags[at] if spec.lags else None)
        names = [name for name, _ in trained.importance[:TOP_FEATURES]]
        return drift_of(learnt, spec.compute(graph, now, lags), [name for name in names if name in spec.names])
    except PqlError:  # nothing of the training is in this graph
        return None
