"""Why: the reasons of a trained model's predictions, member by member, blended and calibrated like its scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.calibrate import logit
from pql.engine.examples import Seeds
from pql.engine.models.base import Inputs
from pql.engine.past_facts import past_behind
from pql.engine.plan import Plan
from pql.engine.reasons import Reasons, reasons_of
from pql.engine.steps import compute_stacked
from pql.engine.targets import lag_values
from pql.engine.trained import TrainedModel
from pql.language.bound import TaskKind
from pql.language.errors import PqlError

if TYPE_CHECKING:
    from pql.engine.graph import TemporalGraph
    from pql.engine.kept import KeptModel
    from pql.engine.labels import LabelTable

BASE, REST, BOUNDS = "what all begin with", "everything else", "kept within what training has seen"
EXPLAINED = (TaskKind.BINARY, TaskKind.REGRESSION)


def why(model: KeptModel, plan: Plan, graph: TemporalGraph, labels: LabelTable, seeds: Seeds) -> Reasons:
    """The reasons of the predictions of n seeds. Their sum is the log-odds of the probability shown (binary) or the
    value shown (regression). Raises PqlError `not_supported` for other targets."""
    if plan.task.kind not in EXPLAINED or plan.query.asks_pairs or not isinstance(model.trained, TrainedModel):
        kinds = " and ".join(kind.value for kind in EXPLAINED)
        raise PqlError(
            "not_supported",
            f"Reasons aren't given for {plan.task.kind.value.replace('_', ' ')} targets.",
            hint=f"They are for {kinds} targets; `result.metrics` shows how good the model is.",
        )
    fold = np.full(len(seeds), -1) if model.folds is None else model.folds.of(labels, plan, graph, seeds)
    parts, order = [], []
    for number in np.unique(fold).tolist():
        at = np.flatnonzero(fold == number)
        trained = model.blend if number == -1 or model.folds is None else model.folds.models[number]
        parts.append(_of(trained, plan, graph, labels, seeds.take(at)))
        order.append(at)
    return _in_order(parts, order)


def _of(trained: TrainedModel, plan: Plan, graph: TemporalGraph, labels: LabelTable, seeds: Seeds) -> Reasons:
    lags = lag_values(labels, plan, graph, seeds)
    features = compute_stacked(trained.spec, graph, seeds, lags, None, trained.step_names)
    past = past_behind(plan.query.target, graph, seeds, {fitted.name for fitted in trained.members})
    inputs = Inputs(graph, seeds, features, lags, past)
    vocabulary = {name: group.vocabulary for group in trained.spec.groups for name in group.categorical}
    parts = [
        reasons_of(fitted, inputs, trained.kind, vocabulary).times(weight)
        for fitted, weight in zip(trained.members, trained.weights, strict=True)
        if weight > 0
    ]
    found = Reasons.summed(parts)
    if trained.kind == "binary":
        found = found.times(trained.calibration.slope, trained.calibration.intercept)
        shown = logit(trained.finish(_inverse(found, trained)))
    else:
        shown = trained.finish(found.margin)
    left = shown - found.margin
    if not (np.abs(left) > 1e-9).any():
        return found
    words = np.full((len(seeds), 1), "", dtype=object)
    return Reasons.summed([found, Reasons(np.zeros(len(seeds)), (BOUNDS,), left[:, None], words)])


def _inverse(found: Reasons, trained: TrainedModel) -> NDArray[np.float64]:
    """The blended probabilities before calibration."""
    from pql.engine.calibrate import sigmoid

    slope, intercept = trained.calibration.slope, trained.calibration.intercept
    return sigmoid((found.margin - intercept) / slope)


def _in_order(parts: list[Reasons], order: list[NDArray[np.int64]]) -> Reasons:
    """The reasons of several groups of seeds, back in the seeds' order."""
    if len(parts) == 1:
        return parts[0]
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    n = sum(len(at) for at in order)
    base, amounts = np.zeros(n), np.zeros((n, len(names)))
    words = np.full((n, len(names)), "", dtype=object)
    for part, at in zip(parts, order, strict=True):
        columns = np.array([names.index(name) for name in part.names], dtype=np.int64)
        base[at] = part.base
        amounts[np.ix_(at, columns)] = part.amounts
        words[np.ix_(at, columns)] = part.words
    return Reasons(base, names, amounts, words)


def why_table(keys: pa.Table, shown: pa.Array, reasons: Reasons, most: int) -> pa.Table:
    """One row per reason, the weightiest first: the key columns, the prediction, reason (0 is the base), feature,
    value and contribution. What is left of a prediction is one last row, so that the contributions add up."""
    row, number, feature, value, amount = [], [], [], [], []
    for i in range(len(reasons.base)):
        order = np.argsort(-np.abs(reasons.amounts[i]), kind="stable")
        order = order[reasons.amounts[i][order] != 0]
        told = [(BASE, "", float(reasons.base[i]))]
        told += [(reasons.names[j], str(reasons.words[i, j]), float(reasons.amounts[i, j])) for j in order[:most]]
        if len(order) > most:
            rest = order[most:]
            told.append((REST, f"{len(rest)} features", float(reasons.amounts[i, rest].sum())))
        for place, (name, word, size) in enumerate(told):
            row.append(i)
            number.append(place)
            feature.append(name)
            value.append(word)
            amount.append(size)
    at = pa.array(row, pa.int64())
    table = pa.table({name: keys.column(name).take(at) for name in keys.column_names})
    columns = {
        "prediction": shown.take(at),
        "reason": pa.array(number, pa.int64()),
        "feature": pa.array(feature, pa.string()),
        "value": pa.array(value, pa.string()),
        "contribution": pa.array(amount, pa.float64()),
    }
    for name, column in columns.items():
        taken = {other.lower() for other in table.column_names}
        while name.lower() in taken:
            name += "_"
        table = table.append_column(name, column)
    return table
