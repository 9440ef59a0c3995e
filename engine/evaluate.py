"""How good the parts and the whole are: every member and baseline on the same examples, validation and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pql.engine.examples import TEST, VALID, Examples
from pql.engine.metrics import MetricRow, MetricsTable, measure

Floats = NDArray[np.float64]

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
) -> MetricsTable:
    """Measure each (name, role, scores of all `examples`) on the validation and test rows.

    `weights`: the blend's, by member, shown beside them. `thresholds`: of yes/no predictions, by name (0.5 if absent).
    Splits without examples are left out.
    """
    rows: list[MetricRow] = []
    for split in (VALID, TEST):
        at = examples.where(split)
        if not len(at):
            continue
        truth = examples.labels[at] if isinstance(examples.labels, np.ndarray) else examples.labels.take(at)
        for name, role, values in scores:
            weight = (weights or {}).get(name) if role == "member" else None
            found = measure(kind, truth, values[at], (thresholds or {}).get(name, 0.5))
            rows += [MetricRow(name, role, NAMES[split], m, v, len(at), weight) for m, v in found.items()]
    return MetricsTable(metric, tuple(rows), tuple(notes))


def choosing_metric(kind: str, planned: str) -> str:
    """The metric that validation chooses by: the planned one if it is measured for this kind of task."""
    known = {
        "binary": ("auroc", "average_precision", "logloss", "brier", "f1", "accuracy"),
        "multiclass": ("accuracy", "macro_f1", "logloss"),
        "multilabel": ("map", "auroc_macro", "logloss"),
    }.get(kind, ("mae", "rmse", "r2", "spearman"))
    return planned if planned in known else known[0]
