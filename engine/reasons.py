"""Reasons: what each thing a model looked at adds to one prediction, so that they add up to it.

The scale is the log-odds of a probability, and the value itself of a number. Trees give exact Shapley values (Lundberg
and others, "Consistent Individualized Feature Attribution for Tree Ensembles", 2018), linear models weight times
value; a model of a few quantities tells what each changes, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pql.engine.calibrate import logit
from pql.engine.models.base import Fitted, Inputs
from pql.engine.models.baselines import BaselineFitted
from pql.engine.models.bgnbd import BgnbdFitted
from pql.engine.models.boosted import BoostedFitted, from_log
from pql.engine.models.gaps import GapsFitted
from pql.engine.models.instant import InstantFitted
from pql.engine.models.rfm import FIFTHS, RfmFitted, needed

Floats = NDArray[np.float64]
Words = NDArray[np.str_] | NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why n seeds are given what they are. `base` float64[n]: what all begin with; `amounts` float64[n, f]: what each
    of the f features `names` adds; `words` [n, f]: the features' values as text. base + amounts.sum(axis=1) = margin.
    """

    base: Floats
    names: tuple[str, ...]
    amounts: Floats
    words: Words

    @property
    def margin(self) -> Floats:
        return np.asarray(self.base + self.amounts.sum(axis=1))

    def times(self, factor: float | Floats, shift: float = 0.0) -> Reasons:
        """The reasons of factor * margin + shift. `factor`: a number, or one per seed."""
        each = np.broadcast_to(np.asarray(factor, dtype=np.float64), self.base.shape)
        return replace(self, base=each * self.base + shift, amounts=each[:, None] * self.amounts)

    @staticmethod
    def summed(parts: Sequence[Reasons]) -> Reasons:
        """The reasons of the sum of margins; a feature that several parts name counts once."""
        names = tuple(dict.fromkeys(name for part in parts for name in part.names))
        place = {name: i for i, name in enumerate(names)}
        n = len(parts[0].base)
        amounts, words = np.zeros((n, len(names))), np.full((n, len(names)), "", dtype=object)
        for part in parts:
            at = [place[name] for name in part.names]
            amounts[:, at] += part.amounts
            words[:, at] = part.words
        base = np.zeros(n)
        for part in parts:
            base = base + part.base
        return Reasons(base, names, amounts, words)


def reasons_of(fitted: Fitted, inputs: Inputs, kind: str, vocabulary: Mapping[str, Sequence[str]]) -> Reasons:
    """Why a member says what it says of some seeds (binary or regression). `vocabulary`: words of coded features."""
    score = fitted.predict(inputs)
    margin = logit(score) if kind == "binary" else score
    if isinstance(fitted, BoostedFitted | InstantFitted):
        return _by_features(fitted, inputs, kind, margin, vocabulary)
    if isinstance(fitted, RfmFitted):
        return _by_cells(fitted, inputs, kind, margin)
    if isinstance(fitted, BgnbdFitted | GapsFitted):
        return _by_past(fitted, inputs, kind, margin)
    if isinstance(fitted, BaselineFitted):
        return _by_lags(fitted, inputs, kind, margin)
    return _by_hiding(fitted, inputs, kind, margin)


def _by_features(
    fitted: BoostedFitted | InstantFitted,
    inputs: Inputs,
    kind: str,
    margin: Floats,
    vocabulary: Mapping[str, Sequence[str]],
) -> Reasons:
    """Exact contributions on the model's own scale; where that isn't the margin's, each in proportion."""
    parts = fitted.contributions(inputs)
    names = fitted.names if isinstance(fitted, BoostedFitted) else inputs.features.names
    base, amounts = parts[:, -1], parts[:, :-1]
    bent: Callable[[Floats], Floats] | None = None
    if kind != "binary" and isinstance(fitted, InstantFitted) and fitted.scale != "plain":
        bent = fitted.on_scale
    elif kind != "binary" and isinstance(fitted, BoostedFitted) and fitted.objective == "log":
        bent = from_log
    total = amounts.sum(axis=1)
    if bent is not None:
        moved = np.abs(total) > 1e-12
        factor = np.where(moved, (margin - bent(base)) / np.where(moved, total, 1.0), 0.0)
        amounts = amounts * factor[:, None]
    place = {name: i for i, name in enumerate(inputs.features.names)}
    values = inputs.features.values[:, [place[name] for name in names]]
    words = np.empty(values.shape, dtype=object)
    for j, name in enumerate(names):
        known = vocabulary.get(name)
        words[:, j] = [in_words(value, known) for value in values[:, j].tolist()]
    return Reasons(margin - amounts.sum(axis=1), names, amounts, words)


def in_words(value: float, vocabulary: Sequence[str] | None = None) -> str:
    """A feature's value as text: a number, a category, or `unknown`."""
    if not np.isfinite(value):
        return "unknown"
    if vocabulary is not None:
        return vocabulary[int(value)] if 0 <= int(value) < len(vocabulary) else "another or none"
    return f"{value:.4g}" if abs(value) < 1e6 and value != round(value) else f"{value:,.0f}"


def _by_cells(fitted: RfmFitted, inputs: Inputs, kind: str, margin: Floats) -> Reasons:
    past = needed(inputs)
    r, f, m = fitted.scores(past).T
    steps = [np.full(len(r), fitted.usual), fitted.widest[r], fitted.wider[r, f]]
    scale = logit if kind == "binary" else np.asarray
    names = ("recency (days since the last one)", "frequency (of late)", "value (of one, on average)")
    mean = np.zeros(len(past)) if past.total is None else past.total / np.maximum(1, past.moments)
    shown = (past.last * past.days, past.recent.astype(np.float64), mean)
    words = np.column_stack(
        [_with_fifth(values, fifth) for values, fifth in zip(shown, (r, f, m), strict=True)]
    ).astype(object)
    return _steps([*(scale(step) for step in steps), margin], names, words)


def _with_fifth(values: Floats, fifths: NDArray[np.int64]) -> list[str]:
    return [
        f"{in_words(v)} ({fifth} of {FIFTHS})" if fifth else "none" for v, fifth in zip(values, fifths, strict=True)
    ]


def _by_past(fitted: BgnbdFitted | GapsFitted, inputs: Inputs, kind: str, margin: Floats) -> Reasons:
    """From an entity that has just had its first event, over how often it had them, to how long ago the last was."""
    past = needed(inputs)
    some = past.moments > 0
    n = len(past)
    nought, one = np.zeros(n), np.ones(n, dtype=np.int64)
    total: Floats | None = past.total
    if total is not None and isinstance(fitted, BgnbdFitted):
        total = np.full(n, fitted.size, dtype=np.float64)
    newcomer = replace(past, rows=one, moments=one, first=nought, last=nought, total=total)
    span = np.where(some, past.first - past.last, 0.0)
    often = replace(past, first=span, last=nought)
    scale = logit if kind == "binary" else np.asarray
    steps = [scale(fitted.outcomes(one_past)) for one_past in (newcomer, often)]
    steps[1] = np.where(some, steps[1], margin)
    names = ("events so far, and over how long", "time since the last one")
    words = np.empty((n, 2), dtype=object)
    for i in range(n):
        words[i] = ("none", "none")
        if some[i]:
            words[i, 0] = f"{past.moments[i]:,} in {in_words(float(past.first[i] * past.days))} days"
            words[i, 1] = f"{in_words(float(past.last[i] * past.days))} days"
    return _steps([*steps, margin], names, words)


def _by_lags(fitted: BaselineFitted, inputs: Inputs, kind: str, margin: Floats) -> Reasons:
    base = np.full(len(inputs), float(logit(fitted.base)[0] if kind == "binary" else fitted.base[0]))
    lags = inputs.lags.astype(np.float64)
    if fitted.name not in ("last_window", "entity_mean") or not lags.shape[1]:
        return Reasons(margin, (), np.zeros((len(inputs), 0)), np.empty((len(inputs), 0), dtype=object))
    name = "the target in the window before" if fitted.name == "last_window" else "the target in earlier windows"
    shown = lags[:, :1] if fitted.name == "last_window" else lags
    words = np.empty((len(inputs), 1), dtype=object)
    for i, row in enumerate(shown):
        known = row[np.isfinite(row)]
        words[i, 0] = (
            "unknown"
            if not len(known)
            else in_words(float(known.mean())) + (f" on average of {len(known)}" if len(known) > 1 else "")
        )
    return _steps([base, margin], (name,), words)


def _by_hiding(fitted: Fitted, inputs: Inputs, kind: str, margin: Floats) -> Reasons:
    """Of a model that reads more than its features: what is lost as they are hidden, table by table."""
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(inputs.features.names):
        groups.setdefault(_table_of(name), []).append(i)
    scale = logit if kind == "binary" else np.asarray
    values, lags = inputs.features.values.copy(), inputs.lags
    margins, names = [margin], []
    for name, columns in groups.items():
        values = values.copy()
        values[:, columns] = np.nan
        hidden = replace(inputs, features=replace(inputs.features, values=values), lags=lags)
        margins.append(scale(fitted.predict(hidden)))
        names.append(f"what is known from {name}")
    words = np.full((len(inputs), len(names)), "", dtype=object)
    return _steps(margins[::-1], tuple(names[::-1]), words)


def _table_of(name: str) -> str:
    inside = name.split("(", 1)[-1]
    return inside.split(".", 1)[0].strip() if "." in inside else "the target's own past"


def _steps(margins: Sequence[Floats], names: tuple[str, ...], words: Words) -> Reasons:
    """Reasons that lead from the first margin to the last."""
    amounts = [after - before for before, after in pairwise(margins)]
    return Reasons(margins[-1] - np.sum(amounts, axis=0), names, np.column_stack(amounts), words)
