"""How good a ranking is, beside its members and baselines: over all items, over new ones, and part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import Seeds
from pql.engine.quality.bootstrap import draws_of, mean_of
from pql.engine.quality.checked import MOST_LISTED, Checked, of_lists
from pql.engine.quality.cold_start import parts_of
from pql.engine.quality.metrics import MetricRow, MetricsTable
from pql.engine.quality.rank_metrics import average_precision, hits, rank_metrics, without_known
from pql.engine.ranking.choice import CALENDAR, GNN, RANKERS, SIMPLE, TWO_TOWER
from pql.engine.ranking.judged import Judged
from pql.engine.ranking.pair_models import PAIR_MODELS
from pql.engine.ranking.scoring import blended
from pql.engine.training.evaluate import drawn_intervals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Listed = list[tuple[str, str, Floats, float | None]]  # name, role, scores of all pairs, weight


def ranking_table(judged: Mapping[str, Judged], weights: Mapping[str, float], k: int) -> MetricsTable:
    """Every member, baseline and the blend on every split: MAP, recall, NDCG and MRR, over all and over new items.

    Of the test rows also by anchor, where there are several, and by how much past the entity had, as
    `test, 1-5 past rows`: the model and the baselines, MAP alone. MAP on test (validation without test) has a 95 %
    interval, and so have the differences between the model and every baseline.
    """
    rows: list[MetricRow] = []
    shown = "test" if "test" in judged else "valid"
    drawn: dict[str, Floats] = {}
    for split, part in judged.items():
        draws = draws_of(part.entities) if split == shown and len(part.entities) else None
        new_truth = without_known(part.truth, part.truth_met)
        for name, role, score, weight in _listed(part, weights):
            lists = part.lists(score, k)
            over_all = rank_metrics(lists, part.truth, k)
            over_new = rank_metrics(part.new_lists(score, k), new_truth, k)
            for measures, suffix in ((over_all, ""), (over_new, " (new)")):
                rows += [MetricRow(name, role, split, m, v, measures.n, weight) for m, v in measures.rows(suffix)]
            precision = average_precision(lists, part.truth, k)
            if draws is not None:
                drawn[name] = mean_of(draws, precision)
            if split == "test" and role != "member":
                rows += _by_part(part, name, role, precision, k)
    order = list(dict.fromkeys(row.split for row in rows if "," not in row.split))
    rows.sort(key=lambda row: order.index(row.split) if row.split in order else len(order))
    return drawn_intervals(MetricsTable(f"map@{k}", tuple(rows)), shown, drawn)


def sample_of(judged: Mapping[str, Judged], weights: Mapping[str, float], k: int) -> Checked | None:
    """A sample of the model's lists on test (validation without test): which of their items are true."""
    split = "test" if "test" in judged else "valid"
    part = judged.get(split)
    if part is None or len(part.entities) != part.n:
        return None
    used = {m: w for m, w in weights.items() if w > 0}
    score = part.scores[next(iter(used))] if len(used) == 1 else blended(part.owner, part.scores, used)
    width = max(k, MOST_LISTED)
    new_truth = without_known(part.truth, part.truth_met)
    sizes, new_sizes = np.diff(part.truth.offsets), np.diff(new_truth.offsets)
    new = hits(part.new_lists(score, width), new_truth).astype(np.float64), new_sizes
    seeds = Seeds(part.entities, part.anchors)
    hit = hits(part.lists(score, width), part.truth)
    return of_lists(split, seeds, part.past, hit, sizes, new, k)


def _listed(judged: Judged, weights: Mapping[str, float]) -> Listed:
    """What is reported of a split: the model first, then its members, then the baselines."""
    used = {m: w for m, w in weights.items() if w > 0}
    single = next(iter(used)) if len(used) == 1 else None
    listed: Listed = [] if single else [("blend", "model", blended(judged.owner, judged.scores, used), None)]
    for name in (*RANKERS, GNN, TWO_TOWER, *PAIR_MODELS, CALENDAR, *SIMPLE):
        if name in judged.scores and (name in weights or name in SIMPLE):
            role = "model" if name == single else "baseline" if name in SIMPLE else "member"
            weight = weights.get(name) if role != "model" and (role == "member" or used.get(name)) else None
            listed.append((name, role, judged.scores[name], weight))
    listed.sort(key=lambda entry: ("model", "member", "baseline").index(entry[1]))
    return listed


def _by_part(judged: Judged, name: str, role: str, precision: Floats, k: int) -> Iterator[MetricRow]:
    """MAP of the test examples by anchor and by past, of the examples that have a true item."""
    from pql.engine.planning.anchors import show_time

    counted = np.flatnonzero(~np.isnan(precision))
    moments = np.unique(judged.anchors)
    parts: list[tuple[str, Ints]] = []
    if len(moments) > 1:
        parts += [(f"test {show_time(int(a))}", counted[judged.anchors[counted] == a]) for a in moments]
    if len(judged.past):
        parts += [(f"test, {title}", counted[at]) for title, at in parts_of(judged.past[counted])]
    for split, at in parts:
        if len(at):
            yield MetricRow(name, role, split, f"map@{k}", float(precision[at].mean()), len(at))
