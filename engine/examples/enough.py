"""Whether there are examples enough to fit a model and to validate it, and not more than the budget has work for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seed_batches import spread_over
from pql.engine.graph.seeds import TRAIN, VALID, Examples

FEWEST_TRAIN = 40  # examples below which only a baseline is fitted
FEWEST_OF_CLASS = 5  # examples of the rarer class, likewise
FEWEST_VALID = 10

Ints = NDArray[np.int64]


def within_budget(examples: Examples, most: int, notes: list[str]) -> Examples:
    """At most so many training examples, evenly spread; all the others stay."""
    at = examples.where(TRAIN)
    if len(at) <= most:
        return examples
    kept = spread_over(at, most)
    notes.append(f"{most:,} of {len(at):,} training examples are used, evenly spread (option budget).")
    others = np.flatnonzero(examples.split != TRAIN)
    return examples.take(np.sort(np.concatenate([kept, others])))


def with_validation(kind: str, examples: Examples, seed: int, notes: list[str]) -> Examples:
    """The examples with a usable validation part: a fifth of the training rows stands in where there is none."""
    at, valid = examples.where(TRAIN), examples.where(VALID)
    if len(valid) >= FEWEST_VALID and (kind != "binary" or _rarer(examples, valid) > 0):
        return examples
    if len(at) < FEWEST_TRAIN or (kind == "binary" and _rarer(examples, at) < FEWEST_OF_CLASS):
        return examples
    split = examples.split.copy()
    split[valid] = TRAIN
    at = np.flatnonzero(split == TRAIN)
    split[np.random.default_rng(seed).permutation(at)[: max(FEWEST_VALID, len(at) // 5)]] = VALID
    notes.append(
        "Validation had too few examples or one class only; a fifth of the training examples stands in for it."
    )
    return replace(examples, split=split)


def too_little(kind: str, examples: Examples) -> str:
    """Why no model can be fitted, or nothing."""
    at = examples.where(TRAIN)
    if len(at) < FEWEST_TRAIN:
        return f"Only {len(at)} training examples"
    if kind == "binary" and _rarer(examples, at) < FEWEST_OF_CLASS:
        count = _rarer(examples, at)
        return "All training examples have the same label" if not count else f"Only {count} examples of the rarer class"
    if kind == "multiclass" and len(np.unique(np.asarray(examples.labels)[at])) < 2:
        return "All training examples have the same class"
    if kind in ("regression", "forecast") and len(np.unique(np.asarray(examples.labels)[at])) < 2:
        return "All training examples have the same value"
    return ""


def _rarer(examples: Examples, at: Ints) -> int:
    positive = int((np.asarray(examples.labels)[at] > 0.5).sum())
    return min(positive, len(at) - positive)
