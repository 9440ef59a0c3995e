"""The figures that fit a kind of target, drawn from what the model said of tested examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pql.pictures import lists, numbers, steps, times, yes_no
from pql.pictures.classes import confusion
from pql.pictures.figure import Figure, Figures

if TYPE_CHECKING:
    from pql.engine.answers.background import Background
    from pql.engine.planning.plan import Plan
    from pql.engine.quality.checked import Checked

SERIES = 3  # of single entities that are drawn


def quality_figures(plan: Plan, behind: Background) -> Figures:
    """All of them; none where no tested example is at hand."""
    checked = behind.checked
    if checked is None or not len(checked):
        return Figures()
    kind = checked.kind
    if kind in ("binary", "multilabel"):
        return Figures([_calibration(checked), *_ordered(checked, scores=True)])
    if kind == "multiclass":
        return Figures(_of_classes(checked, behind.classes))
    if kind == "ranking":
        more = checked.more
        recall = lists.by_length(more["hits"], checked.truth, more["new_hits"], more["new_truth"])
        return Figures([recall, lists.by_place(more["hits"])])
    if kind == "time_to_event":
        return Figures(_of_times(plan, checked))
    return Figures(_of_numbers(plan, checked))


def class_name(classes: tuple[str, ...], code: int) -> str:
    """What a class code means."""
    return classes[code] if 0 <= code < len(classes) else str(code)


def _calibration(checked: Checked, said: str = "probability") -> Figure:
    from pql.engine.quality.metrics import calibration_error

    ece = calibration_error(checked.truth > 0.5, checked.score)
    return yes_no.calibration(checked.truth, checked.score, said=said, ece=ece)


def _ordered(checked: Checked, *, scores: bool = False) -> list[Figure]:
    """Gain and lift, where some came true and some did not."""
    if not 0 < checked.truth.sum() < len(checked):
        return []
    found = list(yes_no.gain(checked.truth, checked.score))
    return [*found, yes_no.spread_of_scores(checked.truth, checked.score)] if scores else found


def _of_classes(checked: Checked, classes: tuple[str, ...]) -> list[Figure]:
    from pql.engine.quality.metrics import calibration_error

    chosen = checked.more["chosen"]
    right = (chosen == checked.truth).astype(np.float64)
    ece = calibration_error(right > 0.5, checked.score)
    return [
        yes_no.calibration(
            right, checked.score, said="probability of the chosen class", happened="share right", ece=ece
        ),
        confusion(checked.truth, chosen, lambda code: class_name(classes, code)),
    ]


def _of_times(plan: Plan, checked: Checked) -> list[Figure]:
    from pql.language.bound import BoundAggregate

    target, found = plan.query.target, []
    window = target.window if isinstance(target, BoundAggregate) else None
    horizon, unit = (1.0, "windows") if window is None else (float(window.end), window.unit)
    time, came = checked.more["time"], checked.truth > 0.5
    if "curve" in checked.more:
        found.append(times.survival(checked.more["curve"], time, checked.truth, horizon, unit))
    found.append(_calibration(checked, "probability within the window"))
    if came.sum() > 1:
        expected = checked.more["expected"][came] * horizon
        found.append(
            numbers.against_truth(time[came] * horizon, expected, f"expected time, {unit}", f"actual time, {unit}")
        )
    return [*found, *_ordered(checked)]


def _of_numbers(plan: Plan, checked: Checked) -> list[Figure]:
    truth, score, more = checked.truth, checked.score, checked.more
    bounds = (more["low"], more["high"]) if "low" in more else None
    found = [numbers.against_truth(truth, score), numbers.by_tenth(truth, score), numbers.errors(truth, score)]
    if bounds is not None:
        found.append(numbers.coverage(truth, score, *bounds, plan.query.interval))
    if "step" in more:
        found = [
            steps.by_step(truth, score, more["step"]),
            steps.mean_series(truth, score, more["step"], bounds),
            *_single_series(checked),
            *found,
        ]
    return found


def _single_series(checked: Checked) -> list[Figure]:
    """The series of the entities with the highest, a middling and the lowest actual total at the last tested anchor."""
    from pql.engine.planning.anchors import show_time

    if not checked.keys:
        return []
    step = checked.more["step"].astype(np.int64)
    last = int(checked.anchors.max())
    groups: dict[tuple[object, ...], list[int]] = {}
    columns = [values.to_pylist() for values in checked.keys.values()]
    for i in np.flatnonzero(checked.anchors == last).tolist():
        groups.setdefault(tuple(column[i] for column in columns), []).append(i)
    count = len(np.unique(step))
    whole = {key: at for key, at in groups.items() if len(at) == count}  # a sample may hold some steps of an entity
    order = sorted(whole, key=lambda key: (-float(checked.truth[whole[key]].sum()), str(key)))
    places = [0, len(order) // 2, len(order) - 1] if len(order) >= SERIES else range(len(order))
    found = []
    for name, key in dict(zip(("highest", "middling", "lowest"), [order[i] for i in places], strict=False)).items():
        at = sorted(whole[key], key=lambda i: step[i])
        bounds = None
        if "low" in checked.more:
            bounds = [(float(checked.more["low"][i]), float(checked.more["high"][i])) for i in at]
        about = ", ".join(f"{column} {value}" for column, value in zip(checked.keys, key, strict=True))
        caption = f"From {show_time(last)}: the {name} actual total among the tested entities."
        found.append(
            steps.one_series(
                about,
                step[at].tolist(),
                checked.score[at].tolist(),
                checked.truth[at].tolist(),
                bounds,
                caption,
            )
        )
    return found
