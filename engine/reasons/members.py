"""Why one member of a blend says what it says: of yes or no, numbers, steps, one label of a set, or several classes.

Trees give exact Shapley values (Lundberg and others, "Consistent Individualized Feature Attribution for Tree
Ensembles", 2018), linear models weight times value, the network integrated gradients; a model of a few quantities
tells what each changes, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.features.lags import lag_names
from pql.engine.models.base import Fitted, Inputs
from pql.engine.models.baselines import BaselineFitted
from pql.engine.models.bgnbd import BgnbdFitted
from pql.engine.models.boosted import BoostedFitted, from_log
from pql.engine.models.gaps import GapsFitted
from pql.engine.models.gnn import FittedGnn
from pql.engine.models.hazards import FIRST, INTERVAL, LAST, PAST, HazardFitted
from pql.engine.models.instant import InstantFitted
from pql.engine.models.linear import LinearFitted
from pql.engine.models.rfm import FIFTHS, RfmFitted, needed
from pql.engine.models.shares import SharesFitted
from pql.engine.quality.calibrate import logit, sigmoid
from pql.engine.reasons.reasons import Floats, Ints, Reasons, Words, in_words, no_words, steps

RECENCY, FREQUENCY, VALUE = (
    "recency (days since the last one)",
    "frequency (of late)",
    "value (of one, on average)",
)
OFTEN, SINCE = "events so far, and over how long", "time since the last one"
WINDOW_BEFORE, WINDOWS_BEFORE = "the target in the window before", "the target in earlier windows"
START = "the target in earlier windows, the nearer the more"
USUAL, LATEST_LABEL = "how usual it is", "what it was when last known in training"
OWN_SHARES = "how often it was so before"
SEASON = "the target in the same season"

Vocabulary = Mapping[str, Sequence[str]]


def reasons_of(fitted: Fitted, inputs: Inputs, kind: str, vocabulary: Vocabulary, of: Ints | None = None) -> Reasons:
    """Why a member says what it says of n rows: the reasons of the log-odds of a probability (binary; multilabel, of
    the label `of` int64[n] of each row), or of the value (regression, forecast). `vocabulary`: words of coded features.
    """
    score = fitted.predict(inputs)
    if of is not None:
        score = score[np.arange(len(of)), of]
    margin = logit(score) if kind in ("binary", "multilabel") else score
    if isinstance(fitted, BoostedFitted | InstantFitted | LinearFitted):
        return _by_features(fitted, inputs, margin, vocabulary, of)
    if isinstance(fitted, RfmFitted):
        return _by_cells(fitted, inputs, kind, margin)
    if isinstance(fitted, BgnbdFitted | GapsFitted):
        return _by_past(fitted, inputs, kind, margin)
    if isinstance(fitted, HazardFitted):
        return _by_hazards(fitted, inputs, margin)
    if isinstance(fitted, FittedGnn):
        return _by_network(fitted, inputs, margin, vocabulary, of)
    assert isinstance(fitted, BaselineFitted)
    if kind == "multilabel":
        assert of is not None
        return _by_rates(fitted, of, margin)
    return _by_lags(fitted, inputs, kind, margin)


@dataclass(frozen=True, slots=True)
class Classes:
    """A member's raw scores of n rows and k classes: those all begin with and those reached, float64[n, k] each.

    `logs`: from raw scores to logarithms of probabilities; `pull`: (gradient of those, raw scores) to the gradient of
    the raw scores. `reasons`: of the sum of the raw scores by weights float64[n, k].
    """

    before: Floats
    after: Floats
    logs: Callable[[Floats], Floats]
    pull: Callable[[Floats, Floats], Floats]
    reasons: Callable[[Floats], Reasons]


def classes_of(fitted: Fitted, inputs: Inputs, vocabulary: Vocabulary) -> Classes:
    """A member's raw scores of several classes, and their reasons."""
    if isinstance(fitted, BoostedFitted | InstantFitted):
        after = fitted.raw(inputs)
        k = after.shape[1]
        one = inputs.take(np.zeros(1, dtype=np.int64))
        units = np.eye(k)
        before = np.array(
            [
                fitted.contributions(one, weights=units[[c]])[0, -1] if isinstance(fitted, InstantFitted) else 0.0
                for c in range(k)
            ]
        )
        if isinstance(fitted, BoostedFitted):
            many = inputs.take(np.zeros(k, dtype=np.int64))
            before = fitted.contributions(many, weights=units)[:, -1]

        def told(weights: Floats) -> Reasons:
            parts = fitted.contributions(inputs, weights=weights)
            names, words = _read(fitted, inputs, vocabulary)
            return Reasons(parts[:, -1], names, parts[:, :-1], words)

        start = np.tile(before, (len(inputs), 1))
        if isinstance(fitted, InstantFitted):
            return Classes(start, after, _shares, _pull_shares, told)
        if not any(fitted.trees):
            return Classes(start, after, _soft, _pull_soft, told)
        base = fitted.base
        return Classes(start, after, lambda z: _mixed(z, base), lambda g, z: _pull_mixed(g, z, base), told)
    if isinstance(fitted, FittedGnn):
        from pql.engine.reasons.network import NetworkParts

        network = NetworkParts(fitted, inputs, vocabulary)
        return Classes(network.before, network.after, _soft, _pull_soft, network.reasons)
    assert isinstance(fitted, BaselineFitted | SharesFitted)
    return _usual_classes(fitted, inputs)


def _usual_classes(fitted: BaselineFitted | SharesFitted, inputs: Inputs) -> Classes:
    """Of what is usual, or was last known: from classes that are all alike, over the rates, to what is said."""
    after = np.log(np.clip(fitted.predict(inputs), 1e-9, 1.0))
    usual = np.tile(np.log(np.clip(fitted.base, 1e-9, 1.0)), (len(inputs), 1))
    before = np.full_like(after, -np.log(after.shape[1]))

    def told(weights: Floats) -> Reasons:
        margins = [(weights * part).sum(axis=1) for part in (before, usual, after)]
        own = {"last_value": (LATEST_LABEL,), "entity_shares": (OWN_SHARES,)}.get(fitted.name, ())
        names = (USUAL, *own)
        return steps(margins if len(names) > 1 else margins[::2], names, no_words((len(inputs), len(names))))

    return Classes(before, after, lambda z: z, lambda g, z: g, told)


# ---------------------------------------------------------------- from raw scores to logarithms of probabilities


def _soft(z: Floats) -> Floats:
    z = np.clip(z, -60, 60)
    shifted = z - z.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _pull_soft(gradient: Floats, z: Floats) -> Floats:
    return np.asarray(gradient - np.exp(_soft(z)) * gradient.sum(axis=1, keepdims=True))


def _mixed(z: Floats, base: Floats) -> Floats:
    """As the boosted model mixes its probabilities with the rates."""
    mixed = 0.995 * np.exp(_soft(z)) + 0.005 * base
    return np.log(mixed / mixed.sum(axis=1, keepdims=True))


def _pull_mixed(gradient: Floats, z: Floats, base: Floats) -> Floats:
    soft = np.exp(_soft(z))
    mixed = 0.995 * soft + 0.005 * base
    pulled = 0.995 * (gradient / mixed - (gradient.sum(axis=1) / mixed.sum(axis=1))[:, None])
    return np.asarray(soft * (pulled - (pulled * soft).sum(axis=1, keepdims=True)))


def _shares(z: Floats) -> Floats:
    """As the small model turns yes/no scores into shares."""
    odds = np.maximum(sigmoid(z), 1e-9)
    return np.log(odds / odds.sum(axis=1, keepdims=True))


def _pull_shares(gradient: Floats, z: Floats) -> Floats:
    odds = np.maximum(sigmoid(z), 1e-9)
    pulled = gradient / odds - (gradient.sum(axis=1) / odds.sum(axis=1))[:, None]
    return np.asarray(pulled * odds * (1 - odds))


# ---------------------------------------------------------------- models of features


def _read(
    fitted: BoostedFitted | InstantFitted | LinearFitted, inputs: Inputs, vocabulary: Vocabulary
) -> tuple[tuple[str, ...], Words]:
    """The features a model reads, and their values as text."""
    names = fitted.names if isinstance(fitted, BoostedFitted) else inputs.features.names
    return names, words_of(names, inputs, vocabulary)


def words_of(names: Sequence[str], inputs: Inputs, vocabulary: Vocabulary) -> Words:
    """The values of some features as text, [n, f]."""
    place = {name: i for i, name in enumerate(inputs.features.names)}
    lags = {name: i for i, name in enumerate(lag_names(inputs.lags.shape[1]))}
    words = no_words((len(inputs), len(names)))
    for j, name in enumerate(names):
        if name in place:
            known = vocabulary.get(name)
            words[:, j] = [in_words(value, known) for value in inputs.features.values[:, place[name]].tolist()]
        elif lags.get(name, inputs.lags.shape[1]) < inputs.lags.shape[1]:
            words[:, j] = [in_words(value) for value in inputs.lags[:, lags[name]].tolist()]
    return words


def _by_features(
    fitted: BoostedFitted | InstantFitted | LinearFitted,
    inputs: Inputs,
    margin: Floats,
    vocabulary: Vocabulary,
    of: Ints | None,
) -> Reasons:
    """Exact contributions on the model's own scale; where that isn't the margin's, each in proportion."""
    bent: Callable[[Floats], Floats] | None = None
    if isinstance(fitted, BoostedFitted):
        parts = fitted.contributions(inputs, of=of)
        bent = from_log if fitted.kind in ("regression", "forecast") and fitted.objective == "log" else None
        bent = bent if any(fitted.trees) else None
    elif isinstance(fitted, InstantFitted):
        weights = None
        if of is not None:
            weights = np.zeros((len(of), len(fitted.base)))
            weights[np.arange(len(of)), of] = 1.0
        parts = fitted.contributions(inputs, weights)
        bent = fitted.on_scale if fitted.kind in ("regression", "forecast") and fitted.scale != "plain" else None
    else:
        parts = fitted.contributions(inputs)
        bent = fitted.on_scale if fitted.kind == "regression" else None
    names, words = _read(fitted, inputs, vocabulary)
    found = Reasons(parts[:, -1], names, parts[:, :-1], words)
    start = fitted.start(inputs) if isinstance(fitted, BoostedFitted) else None
    if start is not None and isinstance(fitted, BoostedFitted):
        usual = float(fitted.base[0])
        begin = float(np.sign(usual) * np.log1p(abs(usual))) if fitted.objective == "log" else usual
        found = found.times(1.0, begin).with_part(START, start - begin, _lag_words(inputs.lags))
    before = found.base if bent is None else bent(found.base)
    return found.bent(before, margin)


def _by_network(fitted: FittedGnn, inputs: Inputs, margin: Floats, vocabulary: Vocabulary, of: Ints | None) -> Reasons:
    from pql.engine.nn.losses import decode
    from pql.engine.reasons.network import NetworkParts

    network = NetworkParts(fitted, inputs, vocabulary)
    weights = np.zeros_like(network.after)
    weights[np.arange(len(inputs)), 0 if of is None else of] = 1.0
    found = network.reasons(weights)
    before = decode(fitted.target, network.before.astype(np.float32))
    if of is not None:
        before = before[np.arange(len(of)), of]
    is_odds = str(fitted.target.kind) in ("binary", "multilabel")
    return found.bent(logit(before) if is_odds else before, margin)


# ---------------------------------------------------------------- models of a few quantities


def _by_cells(fitted: RfmFitted, inputs: Inputs, kind: str, margin: Floats) -> Reasons:
    past = needed(inputs)
    r, f, m = fitted.scores(past).T
    margins = [np.full(len(r), fitted.usual), fitted.widest[r], fitted.wider[r, f]]
    scale = logit if kind == "binary" else np.asarray
    mean = np.zeros(len(past)) if past.total is None else past.total / np.maximum(1, past.moments)
    shown = (past.last * past.days, past.recent.astype(np.float64), mean)
    units = (" days", "", "")
    words = np.column_stack(
        [_with_fifth(values, fifth, unit) for values, fifth, unit in zip(shown, (r, f, m), units, strict=True)]
    ).astype(object)
    return steps([*(scale(one) for one in margins), margin], (RECENCY, FREQUENCY, VALUE), words)


def _with_fifth(values: Floats, fifths: NDArray[np.int64], unit: str) -> list[str]:
    return [
        f"{in_words(v)}{unit}, {fifth} of {FIFTHS}" if fifth else "none"
        for v, fifth in zip(values, fifths, strict=True)
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
    margins = [scale(fitted.outcomes(one_past)) for one_past in (newcomer, often)]
    margins[1] = np.where(some, margins[1], margin)
    words = no_words((n, 2))
    for i in range(n):
        words[i] = ("none", "none")
        if some[i]:
            words[i, 0] = f"{past.moments[i]:,} in {in_words(float(past.first[i] * past.days))} days"
            words[i, 1] = f"{in_words(float(past.last[i] * past.days))} days"
    return steps([*margins, margin], (OFTEN, SINCE), words)


def _by_hazards(fitted: HazardFitted, inputs: Inputs, margin: Floats) -> Reasons:
    """Of a stacked row: from everybody's hazard in its interval to that of those like it."""
    column = {name: inputs.features.values[:, i].astype(np.float64) for i, name in enumerate(inputs.features.names)}
    n = len(inputs)
    if fitted.name == "kaplan_meier":
        return Reasons.of(margin)
    if fitted.name == "interval":
        nobody = {**column, PAST: np.zeros(n), FIRST: np.zeros(n)}
        values = np.column_stack([nobody[name] for name in inputs.features.names]).astype(np.float32)
        usual = fitted.predict(replace(inputs, features=replace(inputs.features, values=values)))
        words = no_words((n, 1))
        for i, (past, first) in enumerate(zip(column[PAST].tolist(), column[FIRST].tolist(), strict=True)):
            words[i, 0] = f"{past:,.0f} in {in_words(first)} horizons" if past else "none"
        return steps([logit(usual), margin], (OFTEN,), words)
    number = np.clip(column[INTERVAL].astype(np.int64) - 1, 0, fitted.hazards.shape[1] - 1)
    usual = fitted.hazards.mean(axis=0)[number]
    words = np.array([[f"{in_words(since)} horizons" if np.isfinite(since) else "none"] for since in column[LAST]])
    return steps([logit(usual), margin], (SINCE,), words.astype(object).reshape(n, 1))


def _by_rates(fitted: BaselineFitted, of: Ints, margin: Floats) -> Reasons:
    """Of labels of a set: from the usual label, over how usual this one is, to what was last known of the entity."""
    mean = np.full(len(of), float(fitted.base.mean()))
    usual = fitted.base[of]
    words = no_words((len(of), 2))
    words[:, 0] = [f"{rate:.1%} of all" for rate in usual.tolist()]
    words[:, 1] = np.where(margin > logit(usual), "it had it", "it had it not")
    if fitted.name != "repeat":
        return steps([logit(mean), margin], (USUAL,), words[:, :1])
    return steps([logit(mean), logit(usual), margin], (USUAL, LATEST_LABEL), words)


def _by_lags(fitted: BaselineFitted, inputs: Inputs, kind: str, margin: Floats) -> Reasons:
    base = np.full(len(inputs), float(logit(fitted.base)[0] if kind == "binary" else fitted.base[0]))
    lags = inputs.lags.astype(np.float64)
    if fitted.name not in ("last_window", "entity_mean", "seasonal_naive"):
        return Reasons.of(margin)
    if fitted.name == "seasonal_naive":
        words = np.array([[in_words(value)] for value in margin.tolist()], dtype=object).reshape(-1, 1)
        return steps([base, margin], (SEASON,), words)
    if not lags.shape[1]:
        return Reasons.of(margin)
    name = WINDOW_BEFORE if fitted.name == "last_window" else WINDOWS_BEFORE
    return steps([base, margin], (name,), _lag_words(lags[:, :1] if fitted.name == "last_window" else lags))


def _lag_words(lags: NDArray) -> Words:
    words = no_words((len(lags), 1))
    for i, row in enumerate(lags.astype(np.float64)):
        known = row[np.isfinite(row)]
        words[i, 0] = (
            "unknown"
            if not len(known)
            else in_words(float(known.mean())) + (f" on average of {len(known)}" if len(known) > 1 else "")
        )
    return words
