"""Where it errs: by anchor, by how much past an entity has, and by columns of the entity's table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pql.engine.quality.metrics import MetricsTable, auroc
from pql.pictures.axes import percent
from pql.pictures.quality import class_name
from pql.report.markup import Markup, esc, folded, key, moment, number, para, section, table, tag
from pql.report.quality import figure_text, measured_split, model_of, row_of

if TYPE_CHECKING:
    from pql.engine.answers.background import Background
    from pql.engine.planning.plan import Plan
    from pql.engine.quality.checked import Checked
    from pql.result import Predictions

MISSES = 5
Ints = NDArray[np.int64]


def parts(result: Predictions, behind: Background) -> Markup:
    """The section on parts of the tested rows."""
    content = [*_measured_parts(result.metrics)]
    if behind.checked is not None and behind.segments:
        content.append(_segments(behind))
    if behind.checked is not None:
        content.append(_misses(result.plan, behind))
    found = [one for one in content if one]
    return section(
        "parts",
        "Where it errs",
        *(found or [para("The tested rows are too few, or too alike, to be told apart.")]),
        lead="One number hides who is served badly. These are parts of the tested rows.",
    )


def _measured_parts(metrics: MetricsTable) -> list[Markup]:
    """The parts that the metrics tell apart: anchors, and how much past there was."""
    split, answer = measured_split(metrics), model_of(metrics)
    rival = metrics.best_baseline(split)
    if answer is None:
        return []
    found = []
    groups = {"Anchor by anchor": "test ", "By how much past there is": "test, "}
    for title, prefix in groups.items():
        rows = []
        for name in metrics.splits():
            if not name.startswith(prefix) or (prefix == "test " and name.startswith("test,")):
                continue
            own = row_of(metrics, answer, name, metrics.metric)
            best = None if rival is None else row_of(metrics, rival, name, metrics.metric)
            if own is not None:
                words = "" if best is None else figure_text(best.value)
                rows.append((name[len(prefix) :], own.n, figure_text(own.value), words))
        if rows:
            heads = ("part", "rows", f"{metrics.metric}, {answer}", f"{metrics.metric}, {rival or 'no baseline'}")
            found.append(tag("div", tag("h3", title), table(heads, rows, right=(1, 2, 3))))
    return found


def _segments(behind: Background) -> Markup:
    checked = behind.checked
    assert checked is not None
    rows = [(part.column, part.value, len(part.at), *measured(checked.take(part.at))) for part in behind.segments]
    heads = ("column", "value", "rows", *heads_of(checked.kind))
    everybody = ("all", "", len(checked), *measured(checked))
    made = table(heads, [everybody, *rows], right=range(2, len(heads)), sortable="yes", marked=(0,))
    return tag("div", tag("h3", "By columns of the entity's table"), made)


def heads_of(kind: str) -> tuple[str, ...]:
    """What is told of each part, by kind of task."""
    return {
        "binary": ("came true", "predicted", "auroc"),
        "time_to_event": ("came true", "predicted", "auroc"),
        "multilabel": ("came true", "predicted", "auroc"),
        "multiclass": ("right", "sure of itself"),
        "ranking": ("true items", "first is right", "of them in the list"),
    }.get(kind, ("mean actual", "mean predicted", "mean absolute error"))


def measured(checked: Checked) -> tuple[str, ...]:
    """The figures of `heads_of`."""
    truth, score = checked.truth, checked.score
    if checked.kind in ("binary", "time_to_event", "multilabel"):
        return percent(float(truth.mean())), percent(float(score.mean())), number(auroc(truth > 0.5, score))
    if checked.kind == "multiclass":
        return percent(float((checked.more["chosen"] == truth).mean())), percent(float(score.mean()))
    if checked.kind == "ranking":
        first, share = checked.more["hits"][:, 0], score / np.maximum(truth, 1.0)
        return number(float(truth.mean())), percent(float(first.mean())), percent(float(share.mean()))
    return tuple(number(float(v)) for v in (truth.mean(), score.mean(), np.abs(score - truth).mean()))


def worst(checked: Checked, most: int = MISSES) -> Ints:
    """Positions of the examples that were missed by the most, one of each entity."""
    if checked.kind == "multiclass":
        size = np.where(checked.more["chosen"] == checked.truth, 0.0, checked.score)
    elif checked.kind == "ranking":
        size = checked.truth - checked.score
    elif checked.kind == "time_to_event":
        size = np.abs(checked.truth - checked.score)
    else:
        size = np.abs(checked.truth - checked.score)
    order = np.argsort(-size, kind="stable")
    found: list[int] = []
    seen = set()
    for i in order.tolist():
        who = tuple(str(values[i]) for values in checked.keys.values())
        if size[i] > 0 and who not in seen:
            found.append(i)
            seen.add(who)
        if len(found) == most:
            break
    return np.array(found, dtype=np.int64)


def _misses(plan: Plan, behind: Background) -> Markup:
    """The examples that were missed by the most."""
    checked = behind.checked
    assert checked is not None
    at = worst(checked)
    if not len(at) or not checked.keys:
        return Markup("")
    rows = []
    for i in at.tolist():
        who = [key(values[i].as_py()) for values in checked.keys.values()]
        rows.append((*who, moment(int(checked.anchors[i])), *_told(checked, behind, i)))
    heads = (*checked.keys, "anchor", *_told_heads(checked.kind))
    return tag("div", tag("h3", "The biggest misses"), table(heads, rows), *_why(behind, at))


def _why(behind: Background, at: Ints) -> list[Markup]:
    """What the model goes by in the examples that it missed."""
    told = () if behind.told is None else behind.told(at)
    if not told:
        return [
            para(
                "What the model goes by there can't be told of these: a look by hand may say what the data didn't.",
                cls="quiet",
            )
        ]
    words = "The reasons are those of the model that answers now; it may have learnt from these rows since."
    listed = tag("ul", *(tag("li", esc(sentence, 2_000)) for sentence in told), cls="notes")
    return [folded("What it goes by there", listed, para(words, cls="quiet"))]


def _told_heads(kind: str) -> tuple[str, ...]:
    return {
        "binary": ("predicted", "what happened"),
        "time_to_event": ("predicted", "what happened"),
        "multilabel": ("label", "predicted", "what happened"),
        "multiclass": ("predicted", "what happened"),
        "ranking": ("in the list", "true items"),
        "forecast": ("step", "predicted", "what happened"),
    }.get(kind, ("predicted", "what happened"))


def _told(checked: Checked, behind: Background, i: int) -> tuple[str, ...]:
    truth, score = float(checked.truth[i]), float(checked.score[i])
    kind = checked.kind
    if kind in ("binary", "time_to_event", "multilabel"):
        words = percent(score), "yes" if truth > 0.5 else "no"
        return (class_name(behind.classes, int(checked.more["label"][i])), *words) if kind == "multilabel" else words
    if kind == "multiclass":
        chosen = class_name(behind.classes, int(checked.more["chosen"][i]))
        return f"{chosen} ({percent(score)})", class_name(behind.classes, int(truth))
    if kind == "ranking":
        return f"{score:.0f}", f"{truth:.0f}"
    step = (f"{checked.more['step'][i]:.0f}",) if kind == "forecast" and "step" in checked.more else ()
    return (*step, number(score), number(truth))
