"""How good it is: the model beside every baseline, on the same test rows, and curves of what it said there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pql.engine.quality.metrics import MetricRow, MetricsTable, auroc
from pql.pictures.axes import percent
from pql.pictures.metrics import metrics_picture
from pql.pictures.quality import class_name, quality_figures
from pql.report.markup import (
    Markup,
    drawn_figure,
    figure,
    figures,
    folded,
    number,
    para,
    section,
    table,
    tag,
)

if TYPE_CHECKING:
    from pql.engine.answers.background import Background
    from pql.engine.planning.plan import Plan
    from pql.result import Predictions

ORDER = {"model": 0, "baseline": 1, "member": 2}
MEANING = {
    "auroc": "of two, one that came true and one that did not, how often the first has the higher score; 0.5 is chance",
    "average_precision": "precision averaged over all thresholds; the share of positives is chance",
    "logloss": "how surprised the probabilities are by the truth; lower is better",
    "brier": "mean squared distance of probability and truth; lower is better",
    "ece": "how far probabilities lie from shares that come true; lower is better",
    "mae": "mean absolute error; lower is better",
    "rmse": "root of the mean squared error, which large misses rule; lower is better",
    "r2": "share of the variance that is explained; 0 is the mean, below is worse than it",
    "spearman": "how well the order is right; 1 is perfect, 0 is chance",
    "accuracy": "share of right answers",
    "macro_f1": "F1 averaged over the classes, rare ones counting as much as common ones",
    "concordance": "of two, how often the one whose event comes first is expected first; 0.5 is chance",
    "map": "mean average precision: true items or labels stand high in the list",
    "recall": "share of the true items that the list holds",
    "ndcg": "true items found, those at the top counting most; 1 is perfect",
    "mrr": "one over the place of the first true item, averaged",
    "auroc_macro": "auroc averaged over the labels",
    "f1": "harmonic mean of precision and recall at the chosen threshold",
    "ibs": "squared distance of the survival curve and the truth, averaged over the window; lower is better",
    "pinball": "how far quantiles lie from the truth; lower is better",
    "interval_score": "width of the interval and a fine for each miss; lower is better",
    "coverage": "share of truths within their interval",
    "width": "mean width of the interval",
}


def standing(metrics: MetricsTable) -> tuple[str, str]:
    """(class, words): whether the model wins, loses, or can't be told apart from the best baseline."""
    split = measured_split(metrics)
    answer = model_of(metrics)
    rival = metrics.best_baseline(split)
    if answer is None or math.isnan(metrics.value(answer, split)):
        return "open", "Not measured"
    if metrics.answers_a_baseline():
        return "open", f"A baseline answers: {answer}"
    if rival is None:
        return "open", "No baseline to compare with"
    own, best = metrics.value(answer, split), metrics.value(rival, split)
    noise = any(d.is_noise() for d in metrics.differences if (d.rival, d.split) == (rival, split))
    if metrics.better(own, best):
        return ("open", "No clear winner") if noise else ("won", "The model beats every baseline")
    if own == best:
        return "open", "The model and a baseline tie"
    return "lost", f"A baseline wins: {rival}"


def model_of(metrics: MetricsTable) -> str | None:
    """The name of what answers."""
    return next((row.model for row in metrics.rows if row.role == "model"), None)


def measured_split(metrics: MetricsTable) -> str:
    return "test" if "test" in metrics.splits() else "valid"


def row_of(metrics: MetricsTable, model: str, split: str, metric: str) -> MetricRow | None:
    return next((r for r in metrics.rows if (r.model, r.split, r.metric) == (model, split, metric)), None)


def verdict(result: Predictions) -> Markup:
    """The box at the top."""
    cls, words = standing(result.metrics)
    told = result.metrics.verdict() or "The model was not measured."
    return tag("div", para(tag("strong", words), told), cls=f"verdict {cls}")


def quality(result: Predictions) -> Markup:
    """The section with metrics and intervals."""
    metrics = result.metrics
    split = measured_split(metrics)
    names = [m for m in metrics.metrics() if any(r.metric == m and r.split == split for r in metrics.rows)]
    order = sorted(
        (m for m in metrics.models() if any(r.model == m and r.split == split for r in metrics.rows)),
        key=lambda m: ORDER.get(_role(metrics, m), 3),
    )
    if not order:
        return section("quality", "How good it is", para("Nothing was measured: there are too few labelled rows."))
    words = (
        "test rows, which the model measured had not seen" if split == "test" else "validation rows: there is no test"
    )
    drawn = metrics_picture(metrics, split=split, width=480.0)
    caption = f"{metrics.metric} on {words}. Lines are 95 % intervals of a bootstrap over entities, where there is one."
    picture = Markup("") if drawn is None else tag("div", figure(drawn, caption), cls="rivals")
    return section(
        "quality",
        "How good it is",
        picture,
        _side_by_side(metrics, split, order, names),
        _differences(metrics, split),
        folded("What the measures mean", table(("measure", "meaning"), _meanings(names))),
        _by_split(metrics, order),
        lead="The model, its parts and simple baselines, all measured on the same rows.",
    )


def _role(metrics: MetricsTable, model: str) -> str:
    return next(row.role for row in metrics.rows if row.model == model)


def _side_by_side(metrics: MetricsTable, split: str, order: list[str], names: list[str]) -> Markup:
    rows: list[list[object]] = []
    marked: list[int] = []
    for model in order:
        cells: list[object] = [model, _role(metrics, model)]
        found = {r.metric: r for r in metrics.rows if r.model == model and r.split == split}
        for name in names:
            row = found.get(name)
            cells.append("" if row is None else value_text(row))
        if cells[1] == "model":
            marked.append(len(rows))
        first = next(iter(found.values()))
        rows.append([*cells[:2], "" if first.weight is None else f"{first.weight:.2f}", first.n, *cells[2:]])
    heads: list[object] = ["who", "role", "weight", "rows", *names]
    if not any(row[2] for row in rows):
        heads, rows = [*heads[:2], *heads[3:]], [[*row[:2], *row[3:]] for row in rows]
    return table(heads, rows, right=range(2, len(heads)), marked=marked, sortable="yes")


def value_text(row: MetricRow) -> str:
    """A measure with its interval, where it has one; the same digits as everywhere."""
    if row.low is None or row.high is None:
        return figure_text(row.value)
    return f"{figure_text(row.value)} ({figure_text(row.low)} to {figure_text(row.high)})"


def figure_text(value: float) -> str:
    """A measure as this page writes it."""
    return number(value)


def _differences(metrics: MetricsTable, split: str) -> Markup:
    rows = [
        (d.rival, number(d.value), f"{number(d.low)} to {number(d.high)}", "no" if d.is_noise() else "yes")
        for d in metrics.differences
        if d.split == split
    ]
    if not rows:
        return Markup("")
    heads = ("model less …", f"difference of {metrics.metric}", "95 % interval", "beyond chance")
    return folded("Differences from the baselines", table(heads, rows, right=(1, 2)))


def _meanings(names: list[str]) -> list[tuple[str, str]]:
    bare = dict.fromkeys(name.split("@")[0].split(" ")[0] for name in names)
    return [(name, MEANING[name]) for name in bare if name in MEANING]


def _by_split(metrics: MetricsTable, order: list[str]) -> Markup:
    """The choosing metric on validation beside test."""
    if not {"valid", "test"} <= set(metrics.splits()):
        return Markup("")
    rows = []
    for model in order:
        pair = [row_of(metrics, model, split, metrics.metric) for split in ("valid", "test")]
        rows.append((model, *("" if one is None else figure_text(one.value) for one in pair)))
    heads = ("who", f"{metrics.metric}, validation", f"{metrics.metric}, test")
    return folded("Validation beside test", table(heads, rows, right=(1, 2)))


# ---------------------------------------------------------------- curves


def curves(plan: Plan, behind: Background) -> Markup:
    """The section of figures that fits the kind of task."""
    checked = behind.checked
    if checked is None or not len(checked):
        return section("curves", "Curves", para("No tested example was kept with this model."))
    part = "" if len(checked) >= checked.total else f", a sample of {checked.total:,}"
    split = "test" if checked.split == "test" else "validation"
    lead = f"Of {len(checked):,} {split} examples{part}: the model's scores as they were before it learnt from them."
    return section(
        "curves",
        "A closer look",
        figures(*map(drawn_figure, quality_figures(plan, behind))),
        *_beneath(behind),
        lead=lead,
    )


def _beneath(behind: Background) -> list[Markup]:
    checked = behind.checked
    assert checked is not None
    if checked.kind == "multiclass":
        return [_classes(behind)]
    return [_labels(behind)] if checked.kind == "multilabel" else []


def _classes(behind: Background, most: int = 15) -> Markup:
    """Every class's own quality."""
    checked = behind.checked
    assert checked is not None
    truth, chosen = checked.truth.astype(np.int64), checked.more["chosen"].astype(np.int64)
    codes, counts = np.unique(truth, return_counts=True)
    rows = []
    for code in codes[np.argsort(-counts, kind="stable")][:most].tolist():
        mine, said = truth == code, chosen == code
        right = int((mine & said).sum())
        precision = right / said.sum() if said.any() else float("nan")
        name = class_name(behind.classes, code)
        rows.append((name, int(mine.sum()), int(said.sum()), percent(precision), percent(right / mine.sum())))
    heads = ("class", "rows", "predicted", "precision", "recall")
    return tag("div", tag("h3", "Class by class"), table(heads, rows, right=(1, 2, 3, 4), sortable="yes"))


def _labels(behind: Background, most: int = 15) -> Markup:
    """Every label's own quality."""
    checked = behind.checked
    assert checked is not None
    label = checked.more["label"].astype(np.int64)
    rows = []
    for code in np.unique(label).tolist():
        at = label == code
        truth = checked.truth[at]
        rows.append((float(truth.mean()), code, float(checked.score[at].mean()), auroc(truth > 0.5, checked.score[at])))
    rows.sort(key=lambda row: -row[0])
    cells = [
        (class_name(behind.classes, code), percent(rate), percent(mean), number(area))
        for rate, code, mean, area in rows[:most]
    ]
    heads = ("label", "comes true", "predicted on average", "auroc")
    return tag("div", tag("h3", "Label by label"), table(heads, cells, right=(1, 2, 3), sortable="yes"))


Tile = tuple[str, str, str]  # a figure, what it is, and how sure


def model_tile(result: Predictions) -> Tile:
    """The choosing metric of the model on test."""
    metrics = result.metrics
    split, answer = measured_split(metrics), model_of(metrics)
    row = None if answer is None else row_of(metrics, answer, split, metrics.metric)
    return ("–", "not measured", "") if row is None else _tile(row, f"{metrics.metric} on {split}")


def rival_tile(result: Predictions) -> Tile | None:
    """The same of the best baseline."""
    metrics = result.metrics
    split = measured_split(metrics)
    name = metrics.best_baseline(split)
    row = None if name is None else row_of(metrics, name, split, metrics.metric)
    return None if row is None else _tile(row, f"best baseline: {name}")


def _tile(row: MetricRow, words: str) -> Tile:
    sure = "" if row.low is None or row.high is None else f"95 %: {figure_text(row.low)} to {figure_text(row.high)}"
    return figure_text(row.value), words, sure
