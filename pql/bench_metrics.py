"""RelBench's metrics under RelBench's names, of scores and of ranked lists."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pql.engine.graph.seeds import Labels

CHOSEN = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "mae", "ranking": "link_prediction_map"}
LOWER = frozenset({"mae", "rmse", "nmae"})


def relbench_metrics(kind: str, truth: Labels, answer: NDArray, *, train_std: float = math.nan) -> dict[str, float]:
    """All metrics of one answer, the one that RelBench compares by first.

    binary: scores float64[n], cut at a half for accuracy and f1. multiclass: float64[n, classes]. regression: values;
    nmae is mae over `train_std`, the deviation of the training labels. ranking: item codes int64[n, k].
    """
    import numpy as np
    from sklearn import metrics as sk

    if kind == "ranking":
        return _of_lists(truth, answer)
    known = np.asarray(truth)
    if kind == "binary":
        one_class = known.min() == known.max() if len(known) else True
        return {
            "roc_auc": math.nan if one_class else float(sk.roc_auc_score(known, answer)),
            "average_precision": math.nan if one_class else float(sk.average_precision_score(known, answer)),
            "accuracy": float(sk.accuracy_score(known, answer > 0.5)),
            "f1": float(sk.f1_score(known, answer >= 0.5, zero_division=0.0)),
        }
    if kind == "multiclass":
        said = answer.argmax(axis=1)
        return {
            "accuracy": float(sk.accuracy_score(known, said)),
            "macro_f1": float(sk.f1_score(known, said, average="macro", zero_division=0.0)),
            "micro_f1": float(sk.f1_score(known, said, average="micro", zero_division=0.0)),
        }
    mae = float(np.abs(known - answer).mean())
    return {
        "mae": mae,
        "rmse": float(np.sqrt(((known - answer) ** 2).mean())),
        "r2": float(sk.r2_score(known, answer)) if len(known) > 1 else math.nan,
        "nmae": mae / train_std if train_std > 0 else math.nan,
    }


def spread_of(runs: list[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation (0 of one run) of every metric over runs."""
    import numpy as np

    found = {}
    for name in runs[0] if runs else ():
        values = np.array([run[name] for run in runs], dtype=np.float64)
        found[name] = (float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0)
    return found


def _of_lists(truth: Labels, lists: NDArray[np.int64]) -> dict[str, float]:
    import numpy as np

    from pql.engine.graph.seeds import Ragged
    from pql.engine.quality.rank_metrics import average_precision, hits

    assert isinstance(truth, Ragged)
    size = np.diff(truth.offsets)
    counted = np.flatnonzero(size > 0)
    if not len(counted):
        return dict.fromkeys(("link_prediction_map", "link_prediction_precision", "link_prediction_recall"), math.nan)
    k = lists.shape[1]
    hit = hits(lists[counted], truth.take(counted))
    return {
        "link_prediction_map": float(average_precision(lists[counted], truth.take(counted), k).mean()),
        "link_prediction_precision": float(hit.sum(axis=1).mean() / k),
        "link_prediction_recall": float((hit.sum(axis=1) / size[counted]).mean()),
    }
