"""Some examples of one anchor at a time: candidates, features and truth, for training pairs and for judging members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import Examples, Ragged
from pql.engine.models.ranker import PairScorer, RankerCheck, RankerRows
from pql.engine.pairs.candidates import candidate_recall
from pql.engine.pairs.pair_history import locate
from pql.engine.pairs.rank_rules import Cap
from pql.engine.planning.plan import ModelPlan
from pql.engine.ranking.judged import Judged
from pql.engine.ranking.scoring import BATCH, Described, Moment, describe, ranker_scores, training_rows

NEGATIVES = 20
KEPT_PER_SPLIT = 1_500  # examples whose pairs are kept for the refit


@dataclass(frozen=True, slots=True)
class Block:
    """Some examples of one anchor, described. `labels` bool[c]: which candidates are true.

    `truth_met`: of every value of `truth`, whether the pair is in the entity's history. `past` int64[n]: how many
    interactions each entity had. `cap`: AT MOST for the candidates. The moment itself, which is large, isn't kept.
    """

    anchor: int
    entities: NDArray[np.int64]
    truth: Ragged
    truth_met: NDArray[np.bool_]
    past: NDArray[np.int64]
    described: Described
    labels: NDArray[np.bool_]
    cap: Cap | None


def block_of(moment: Moment, examples: Examples, index: NDArray[np.int64]) -> Block:
    assert isinstance(examples.labels, Ragged)
    index = index[np.argsort(examples.seeds.rows[index], kind="stable")]
    entities, truth = examples.seeds.rows[index], examples.labels.take(index)
    described = describe(moment, entities)
    width = max(1, moment.history.n_items)
    owner = np.repeat(np.arange(len(index), dtype=np.int64), np.diff(truth.offsets))
    candidates = described.candidates
    _, labels = locate(owner * width + truth.values, candidates.owner * width + candidates.items)
    history = moment.history
    met = history.find(np.repeat(entities, np.diff(truth.offsets)), truth.values)[1]
    past, cap = history.entity_count[entities].astype(np.int64), moment.allowed.caps(candidates.items)
    return Block(history.anchor, entities, truth, met, past, described, labels, cap)


def collect(blocks: Iterable[Block], rows: dict[int, list[RankerRows]], seed: int) -> tuple[str, ...]:
    """Draw the training pairs of every block into `rows` by anchor; the names of the features."""
    names: tuple[str, ...] = ()
    for number, block in enumerate(blocks):
        names = block.described.features.names
        drawn = training_rows(block.described, block.labels, negatives=NEGATIVES, seed=seed + number)
        rows.setdefault(block.anchor, []).append(drawn)
    return names


def check_of(listed: Sequence[Block], k: int) -> RankerCheck:
    return RankerCheck(
        tuple(b.described.features.values for b in listed),
        _owners(listed),
        np.concatenate([b.described.candidates.items for b in listed]),
        _joined([b.truth for b in listed]),
        k,
        _one_cap([b.cap for b in listed]),
    )


def judge(
    blocks: Iterable[Block],
    scorers: Mapping[str, PairScorer],
    model: ModelPlan,
    rows: dict[int, list[RankerRows]] | None,
) -> Judged:
    """Score all pairs of a split with every member; with `rows`, keep training pairs for the refit as well."""
    owner, items, met, truths, truth_met, recalls, activity = [], [], [], [], [], [], []
    entities: list[NDArray[np.int64]] = []
    anchors, past = list(entities), list(entities)
    scores: dict[str, list[NDArray[np.float64]]] = {}
    caps: list[Cap | None] = []
    n = 0
    for number, block in enumerate(blocks):
        candidates = block.described.candidates
        members = dict(block.described.scores)
        for name, ranker in scorers.items():
            members[name] = ranker_scores(ranker, block.described, model.threads)
        for name, values in members.items():
            scores.setdefault(name, []).append(values)
        owner.append(candidates.owner + n)
        caps.append(block.cap)
        items.append(candidates.items)
        met.append(block.described.met)
        activity.append(block.described.activity)
        entities.append(block.entities)
        anchors.append(np.full(len(block.entities), block.anchor, dtype=np.int64))
        past.append(block.past)
        truths.append(block.truth)
        truth_met.append(block.truth_met)
        recalls.append(candidate_recall(candidates, block.truth) * candidates.n)
        if rows is not None and number * BATCH < KEPT_PER_SPLIT:
            drawn = training_rows(block.described, block.labels, negatives=NEGATIVES, seed=model.seed + number)
            rows.setdefault(block.anchor, []).append(drawn)
        n += candidates.n
    return Judged(
        n,
        np.concatenate(owner),
        np.concatenate(items),
        np.concatenate(met),
        _joined(truths),
        np.concatenate(truth_met),
        {name: np.concatenate(parts) for name, parts in scores.items()},
        float(np.nansum(recalls) / max(1, n)),
        _one_cap(caps),
        np.concatenate(activity),
        np.concatenate(entities),
        np.concatenate(anchors),
        np.concatenate(past),
    )


def _one_cap(caps: Sequence[Cap | None]) -> Cap | None:
    found = [cap for cap in caps if cap is not None]
    return Cap(found[0].n, np.concatenate([cap.group for cap in found])) if found else None


def _owners(blocks: Sequence[Block]) -> NDArray[np.int64]:
    starts = np.concatenate([[0], np.cumsum([b.described.candidates.n for b in blocks])])
    return np.concatenate([b.described.candidates.owner + s for b, s in zip(blocks, starts, strict=False)])


def _joined(parts: Sequence[Ragged]) -> Ragged:
    sizes = np.concatenate([np.diff(p.offsets) for p in parts])
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Ragged(offsets, np.concatenate([p.values for p in parts]))
