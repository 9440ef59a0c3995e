"""How good the parts and the whole are: every member and baseline on the same examples, validation and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import TEST, VALID, Examples
from pql.engine.quality.bootstrap import draws_of, interval, mean_of, resampled
from pql.engine.quality.cold_start import parts_of
from pql.engine.quality.metrics import Difference, MetricRow, MetricsTable, measure, precision_of_sets

Floats = NDArray[np.float64]

MOST_STEPS = 4  # of a forecast that are measured one by one
FEWEST_SUMMED = 30  # test examples, for a word on their total
FAIR_SHARE = 0.8  # of the true total, that the predictions should add up to
NAMES = {VALID: "valid", TEST: "test"}


def metrics_table(
    kind: str,
    metric: str,
    examples: Examples,
    scores: Sequence[tuple[str, str, Floats]],
    *,
    weights: Mapping[str, float] | None = None,
    thresholds: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
    by_anchor: bool = False,
    past: NDArray[np.int64] | None = None,
) -> MetricsTable:
    """Measure each (name, role, scores of all `examples`) on the validation and test rows.

    `weights`: the blend's, by member, shown beside them. `thresholds`: of yes/no predictions, by name (0.5 if absent).
    Splits without examples are left out. Of a forecast, single steps are measured too (`mae_step_1`, …). With
    `by_anchor`, several test anchors are measured one by one as well, as the splits `test 2024-09-01`, …; with `past`
    int64[n], the examples' past rows, the test rows by how many there are, as `test, no past rows`, …
    The choosing metric has a 95 % interval on test, and so have the differences between the model and every baseline.
    """
    rows: list[MetricRow] = []
    parts = [(NAMES[split], examples.where(split)) for split in (VALID, TEST)]
    if by_anchor:
        parts += each_anchor(examples)
    if past is not None:
        at = examples.where(TEST)
        parts += [(f"test, {name}", at[place]) for name, place in parts_of(past[at])]
    for split, at in parts:
        if not len(at):
            continue
        truth = examples.labels[at] if isinstance(examples.labels, np.ndarray) else examples.labels.take(at)
        for name, role, values in scores:
            weight = (weights or {}).get(name) if role != "model" else None
            found = measure(kind, truth, values[at], (thresholds or {}).get(name, 0.5))
            rows += [MetricRow(name, role, split, m, v, len(at), weight) for m, v in found.items()]
            for step, error, n in _by_step(examples, at, values):
                rows.append(MetricRow(name, role, split, f"mae_step_{step}", error, n, weight))
    return with_intervals(MetricsTable(metric, tuple(rows), tuple(notes)), examples, scores)


def with_intervals(table: MetricsTable, examples: Examples, scores: Sequence[tuple[str, str, Floats]]) -> MetricsTable:
    """The table with intervals of the choosing metric on test (validation where there is no test), and of how far the
    model lies from every baseline."""
    code = TEST if len(examples.where(TEST)) else VALID
    at = examples.where(code)
    draws = draws_of(examples.seeds.rows[at])
    if draws is None:
        return table
    if isinstance(examples.labels, np.ndarray):
        truth = np.asarray(examples.labels[at], dtype=np.float64)
        drawn = {name: resampled(draws, table.metric, truth, values[at]) for name, _, values in scores}
    elif table.metric == "map":
        sets = examples.labels.take(at)
        drawn = {name: mean_of(draws, precision_of_sets(sets, values[at])) for name, _, values in scores}
    else:
        return table
    return drawn_intervals(table, NAMES[code], {name: values for name, values in drawn.items() if values is not None})


def drawn_intervals(table: MetricsTable, split: str, drawn: Mapping[str, Floats]) -> MetricsTable:
    """The table with the intervals that the draws (float64[b] of the choosing metric, by model) of a split give."""
    rows = []
    for row in table.rows:
        if row.split == split and row.metric == table.metric and row.model in drawn:
            low, high = interval(drawn[row.model])
            row = row if np.isnan(low) else replace(row, low=low, high=high)
        rows.append(row)
    answer = next((row.model for row in table.rows if row.role == "model"), "")
    rivals = dict.fromkeys(row.model for row in table.rows if row.role == "baseline")
    differences = []
    for rival in rivals:
        if answer in drawn and rival in drawn and rival != answer:
            low, high = interval(drawn[answer] - drawn[rival])
            value = table.value(answer, split) - table.value(rival, split)
            if not np.isnan(low):
                differences.append(Difference(rival, split, value, low, high))
    return replace(table, rows=tuple(rows), differences=tuple(differences))


def each_anchor(examples: Examples) -> list[tuple[str, NDArray[np.int64]]]:
    """(`test 2024-09-01`, the examples) of every test anchor; none where there is one test anchor only."""
    from pql.engine.planning.anchors import show_time

    at = examples.where(TEST)
    anchors = examples.seeds.anchors[at]
    distinct = np.unique(anchors)
    if len(distinct) < 2:
        return []
    return [(f"test {show_time(int(anchor))}", at[anchors == anchor]) for anchor in distinct]


def _by_step(examples: Examples, at: NDArray[np.int64], values: Floats) -> list[tuple[int, float, int]]:
    """Of a forecast the error of each step (from 1), or of the first and the last where there are many; and of how
    many rows."""
    if examples.steps is None:
        return []
    number = examples.steps.number[at]
    steps = np.unique(number)
    error = np.abs(values[at] - np.asarray(examples.labels)[at])
    chosen = steps if len(steps) <= MOST_STEPS else steps[[0, -1]]
    return [(int(i) + 1, float(error[number == i].mean()), int((number == i).sum())) for i in chosen]


def choosing_metric(kind: str, planned: str) -> str:
    """The metric that validation chooses by: the planned one if it is measured for this kind of task."""
    known = {
        "binary": ("auroc", "average_precision", "logloss", "brier", "f1", "accuracy"),
        "multiclass": ("accuracy", "macro_f1", "logloss"),
        "multilabel": ("map", "auroc_macro", "logloss"),
    }.get(kind, ("mae", "rmse", "r2", "spearman"))
    return planned if planned in known else known[0]


def of_totals(kind: str, scores: Floats, seen: Examples) -> list[str]:
    """Whether predicted numbers fall short of the truth when they are added up, which people do."""
    at = seen.where(TEST)
    if kind not in ("regression", "forecast") or len(at) < FEWEST_SUMMED:
        return []
    truth = np.asarray(seen.labels)[at]
    if truth.min() < 0 or truth.sum() <= 0:
        return []
    share = float(scores[at].sum() / truth.sum())
    if FAIR_SHARE <= share <= 1 / FAIR_SHARE:
        return []
    return [
        f"On test the predictions add up to {share:.0%} of the truth: each is made for the smallest absolute error, "
        "near the middle of what may come, so don't add them up."
    ]
