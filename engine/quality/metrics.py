"""Measures of quality and the table that shows model, members and baselines side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import Labels, Ragged

Floats = NDArray[np.float64]

LOWER_IS_BETTER = frozenset({"mae", "rmse", "logloss", "brier", "ece", "ibs", "width", "pinball", "interval_score"})


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One number. role: model (what answers), member (a part of it) or baseline. `n`: examples it was measured on.

    `low` and `high`: its 95 % interval (`engine.quality.bootstrap`), where it has one.
    """

    model: str
    role: str
    split: str
    metric: str
    value: float
    n: int
    weight: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much the model's metric lies above a baseline's on the same rows, with its 95 % interval."""

    rival: str
    split: str
    value: float
    low: float
    high: float

    def is_noise(self) -> bool:
        """Whether the interval has room for no difference at all."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True, repr=False)
class MetricsTable:
    """All measures of one training. `metric` is the one that validation chooses by; `notes` say what to mind."""

    metric: str
    rows: tuple[MetricRow, ...]
    notes: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    def value(self, model: str, split: str, metric: str | None = None) -> float:
        """One number; NaN where it isn't defined (one class only) or wasn't measured."""
        for row in self.rows:
            if (row.model, row.split, row.metric) == (model, split, metric or self.metric):
                return row.value
        return math.nan

    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.model for row in self.rows))

    def splits(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.split for row in self.rows))

    def metrics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.metric for row in self.rows))

    def better(self, left: float, right: float) -> bool:
        """True if `left` is a better value of the choosing metric than `right`."""
        return left < right if self.metric in LOWER_IS_BETTER else left > right

    def verdict(self) -> str:
        """One honest sentence: does the model beat the best baseline on test?"""
        roles = {row.model: row.role for row in self.rows}
        answer = next((m for m, role in roles.items() if role == "model"), None)
        split = "test" if "test" in self.splits() else "valid"
        if answer is None:
            return ""
        own = self.value(answer, split)
        if math.isnan(own):
            return f"{self.metric} can't be measured on {split}: too few examples or one class only."
        name = self.best_baseline(split)
        if name is None:
            which = f"{answer}, a baseline" if self.answers_a_baseline() else answer
            return f"{which}: {self.metric} {_said(own)} on {split}."
        best, doubt = self.value(name, split), self._doubt(name, split)
        if self.answers_a_baseline():
            ties = " just as good" if own == best else "" if self.better(own, best) else " better"
            against = f"of the others {name} is{ties or ' the best'}, {_said(best)}"
            return f"A baseline answers, {answer}: {self.metric} {_said(own)} on {split}; {against}{doubt}."
        if self.better(own, best):
            figures = f"{self.metric} {_said(own)} against {_said(best)}"
            return f"{answer} beats the best baseline, {name}, on {split}: {figures}{doubt}."
        word = "ties with" if own == best else "beats"
        return (
            f"The baseline {name} {word} {answer} on {split}: {self.metric} {_said(best)} against {_said(own)}{doubt}."
        )

    def answers_a_baseline(self) -> bool:
        """Whether what answers has learnt no more than a baseline: it is one."""
        from pql.engine.planning.baselines import is_baseline

        answer = next((row.model for row in self.rows if row.role == "model"), None)
        return answer is not None and is_baseline(answer, {row.model for row in self.rows if row.role == "baseline"})

    def best_baseline(self, split: str) -> str | None:
        """The baseline whose metric is best on a split; None where none was measured."""
        rivals = dict.fromkeys(r.model for r in self.rows if r.role == "baseline")
        known = [(self.value(m, split), m) for m in rivals if not math.isnan(self.value(m, split))]
        if not known:
            return None
        best, name = known[0]
        for value, rival in known[1:]:
            if self.better(value, best):
                best, name = value, rival
        return name

    def _doubt(self, rival: str, split: str) -> str:
        for d in self.differences:
            if (d.rival, d.split) == (rival, split) and d.is_noise():
                return f" (within the noise: the 95 % interval of the difference is {d.low:+.2g} to {d.high:+.2g})"
        return ""

    def to_text(self) -> str:
        """An aligned table, one line per model and split, and the verdict and notes below it.

        Of parts of the test rows (anchors, entities by their past) the model and the best baseline alone.
        """
        names, sure = self.metrics(), any(row.low is not None for row in self.rows)
        lines = [("model", "role", "split", "n", *_headed(names, self.metric, sure))]
        for split in self.splits():
            shown = self.models() if split in ("valid", "test") else self.foremost()
            for model in shown:
                found = [r for r in self.rows if r.model == model and r.split == split]
                if not found:
                    continue
                head = found[0]
                label = model if head.weight is None else f"{model} ({head.weight:.2f})"
                lines.append((label, head.role, split, str(head.n), *self._cells(names, found, sure)))
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        text = [
            "  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
            for line in lines
        ]
        return "\n".join([line.rstrip() for line in text] + [v for v in (self.verdict(), *self.notes) if v])

    def show(self) -> None:
        """Print the table and its notes, as every result does."""
        import sys

        sys.stdout.write(self.to_text() + "\n")

    def best_value(self, split: str) -> float:
        """The best value of the choosing metric on a split; NaN where it wasn't measured."""
        values = [row.value for row in self.rows if (row.split, row.metric) == (split, self.metric)]
        known = [value for value in values if not math.isnan(value)]
        return (min if self.metric in LOWER_IS_BETTER else max)(known, default=math.nan)

    def foremost(self) -> tuple[str, ...]:
        """What answers, and the best baseline."""
        best = self.best_baseline("test" if "test" in self.splits() else "valid")
        return tuple(dict.fromkeys(r.model for r in self.rows if r.role == "model" or r.model == best))

    def _cells(self, names: tuple[str, ...], found: list[MetricRow], sure: bool) -> list[str]:
        values = {r.metric: r for r in found}
        cells = []
        for name in names:
            row = values.get(name)
            cells.append(_show(math.nan if row is None else row.value))
            if sure and name == self.metric:
                cells.append("" if row is None or row.low is None else _between(row.low, row.high))
        return cells

    __str__ = __repr__ = to_text

    def _repr_html_(self) -> str:
        from pql.html_metrics import metrics_html

        return metrics_html(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.to_text())

    def to_json(self) -> dict[str, Any]:
        rows = [
            [r.model, r.role, r.split, r.metric, None if math.isnan(r.value) else r.value, r.n, r.weight, r.low, r.high]
            for r in self.rows
        ]
        lead = [[d.rival, d.split, d.value, d.low, d.high] for d in self.differences]
        return {"metric": self.metric, "rows": rows, "notes": list(self.notes), "differences": lead}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> MetricsTable:
        rows = tuple(
            MetricRow(r[0], r[1], r[2], r[3], math.nan if r[4] is None else r[4], *r[5:9]) for r in value["rows"]
        )
        differences = tuple(Difference(*d) for d in value.get("differences", ()))
        return cls(value["metric"], rows, tuple(value["notes"]), differences)


def _headed(names: tuple[str, ...], metric: str, sure: bool) -> list[str]:
    """The metrics' headings, with one for the interval beside the choosing one."""
    return [h for name in names for h in ((name, "95 %") if sure and name == metric else (name,))]


def _between(low: float, high: float | None) -> str:
    return f"{_show(low)} to {_show(math.nan if high is None else high)}"


def _show(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}"


def measure(kind: str, truth: Labels, scores: Floats, threshold: float = 0.5) -> dict[str, float]:
    """All measures of a task: `truth` are labels as in `Examples`, `scores` as `Fitted.predict` gives them."""
    return dict(_measures(kind, truth, scores, threshold))


def _measures(kind: str, truth: Labels, scores: Floats, threshold: float) -> Iterator[tuple[str, float]]:
    if kind == "multilabel":
        if not isinstance(truth, Ragged):
            raise TypeError("multilabel labels are sets (Ragged)")
        yield from _multilabel(truth, scores)
        return
    labels = np.asarray(truth)
    if kind == "binary":
        positive = labels > 0.5
        yield "auroc", auroc(positive, scores)
        yield "average_precision", average_precision(positive, scores)
        yield "logloss", _log_loss(positive, scores)
        yield "brier", _mean((scores - positive) ** 2)
        yield "ece", calibration_error(positive, scores)
        yield "f1", f1(positive, scores >= threshold)
        yield "accuracy", _mean((scores >= threshold) == positive)
    elif kind == "multiclass":
        yield "accuracy", _mean(scores.argmax(axis=1) == labels)
        yield "macro_f1", macro_f1(labels.astype(np.int64), scores.argmax(axis=1), scores.shape[1])
        chosen = scores[np.arange(len(labels)), labels.astype(np.int64)]
        yield "logloss", _mean(-np.log(np.clip(chosen, 1e-15, 1.0)))
        yield "ece", calibration_error(scores.argmax(axis=1) == labels, scores.max(axis=1))
    else:
        error = scores - labels
        yield "mae", _mean(np.abs(error))
        yield "rmse", float(np.sqrt(_mean(error**2)))
        spread = float(((labels - labels.mean()) ** 2).sum()) if len(labels) else 0.0
        yield "r2", 1.0 - float((error**2).sum()) / spread if spread > 0 else math.nan
        yield "spearman", _correlation(_ranks(scores), _ranks(labels))


def calibration_error(happened: NDArray[np.bool_], probability: Floats) -> float:
    """ECE: how far probabilities are from what happens, in the mean over bins of equally many examples.

    Equal probabilities share a bin; 15 bins, fewer where they would hold fewer than 20 examples.
    """
    n = len(probability)
    if not n:
        return math.nan
    bins = int(np.clip(n // 20, 1, 15))
    borders = np.unique(np.quantile(probability, np.arange(1, bins) / bins, method="inverted_cdf"))
    place = np.searchsorted(borders, probability, side="left")
    counts = np.bincount(place, minlength=len(borders) + 1)
    gap = np.bincount(place, weights=probability - happened, minlength=len(borders) + 1)
    return float(np.abs(gap).sum() / counts.sum())


def auroc(positive: NDArray[np.bool_], scores: Floats) -> float:
    """Area under the ROC curve, ties counted half; NaN with one class only."""
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return math.nan
    return float((_ranks(scores)[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def average_precision(positive: NDArray[np.bool_], scores: Floats) -> float:
    """Area under the precision-recall steps, tied scores taken together; NaN without positives."""
    ones = int(positive.sum())
    if not ones:
        return math.nan
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision = hits[last] / (last + 1)
    recall = hits[last] / ones
    return float((np.diff(np.append(0.0, recall)) * precision).sum())


def f1(positive: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and recall; 0 where nothing is found."""
    both = int((positive & predicted).sum())
    total = int(positive.sum()) + int(predicted.sum())
    return 2 * both / total if total else 0.0


def macro_f1(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> float:
    """Mean F1 over the classes that occur among labels or predictions."""
    scores = [f1(labels == c, predicted == c) for c in range(classes) if (labels == c).any() or (predicted == c).any()]
    return float(np.mean(scores)) if scores else math.nan


def _multilabel(truth: Ragged, scores: Floats) -> Iterator[tuple[str, float]]:
    member = _members(truth, scores.shape)
    precisions = precision_of_sets(truth, scores)
    yield "map", _mean(precisions[~np.isnan(precisions)])
    each = [auroc(member[:, c], scores[:, c]) for c in range(scores.shape[1])]
    known = [a for a in each if not math.isnan(a)]
    yield "auroc_macro", float(np.mean(known)) if known else math.nan
    yield "logloss", _log_loss(member, scores)


def precision_of_sets(truth: Ragged, scores: Floats) -> Floats:
    """float64[n]: of each set of labels the average precision of the classes by score; NaN of an empty one."""
    member = _members(truth, scores.shape)
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = np.take_along_axis(member, order, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, scores.shape[1] + 1)
    sizes = member.sum(axis=1)
    return np.where(sizes > 0, (precision * hits).sum(axis=1) / np.maximum(sizes, 1), np.nan)


def _members(truth: Ragged, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    member = np.zeros(shape, dtype=bool)
    member[np.repeat(np.arange(len(truth)), np.diff(truth.offsets)), truth.values] = True
    return member


def _log_loss(positive: NDArray[np.bool_], scores: Floats) -> float:
    p = np.clip(scores, 1e-15, 1 - 1e-15)
    return _mean(-np.where(positive, np.log(p), np.log1p(-p)))


def _mean(values: NDArray) -> float:
    return float(np.mean(values)) if values.size else math.nan


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts).astype(np.float64)
    return (ends - (counts - 1) / 2)[place]


def _correlation(left: Floats, right: Floats) -> float:
    if len(left) < 2:
        return math.nan
    a, b = left - left.mean(), right - right.mean()
    scale = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else math.nan


def _said(value: float) -> str:
    """A measure with four digits; large ones whole, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 9_999.5 else f"{value:.4g}"
