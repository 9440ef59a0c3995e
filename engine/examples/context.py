"""Which labelled examples a small model learns from: few, recent, evenly spread, rare classes well represented."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.engine.graph.seeds import TEST, TRAIN, VALID, Examples
from pql.engine.planning.planned_model import MOST_CONTEXT, MOST_JUDGED

FEWEST_ANCHORS = 3  # the newest ones, if there are so many
RARE_SHARE = 0.25  # of the context: older anchors are asked too until the rarest class could fill its part of this
FEWEST_OF_CLASS = 20  # of every class, where there are several

Ints = NDArray[np.int64]


def context(examples: Examples, among: Ints, kind: str, most: int = MOST_CONTEXT) -> Ints:
    """The positions, ascending, of at most `most` of the examples `among`.

    They come from the newest anchors: at least three, and as many as hold twice the rows that are wanted and enough of
    the rarest class. Among those the least hashes of entity and anchor decide, of yes and no as evenly as there are,
    of several classes in proportion with at least twenty of each: the same examples are chosen whatever else is asked.
    """
    if len(among) <= most:
        return np.sort(among)
    labels = _classes(examples, among, kind)
    recent = _recent(examples.seeds.anchors[among], labels, most)
    among, labels = among[recent], labels[recent]
    order = np.argsort(seed_hash(examples.seeds.rows[among], examples.seeds.anchors[among], among), kind="stable")
    among, labels = among[order], labels[order]
    values, code, counts = np.unique(labels, return_inverse=True, return_counts=True)
    wanted = _quotas(counts, min(most, len(among)), even=kind == "binary")
    kept = [among[np.flatnonzero(code == i)[: wanted[i]]] for i in range(len(values))]
    return np.sort(np.concatenate(kept))


def natural_rates(examples: Examples, among: Ints, kind: str, most: int = MOST_CONTEXT) -> NDArray[np.float64]:
    """The share of each class code from 0 among the rows that `context` draws from; of sets and numbers, nothing."""
    if kind not in ("binary", "multiclass"):
        return np.zeros(0)
    labels = _classes(examples, among, kind)
    if len(among) > most:
        labels = labels[_recent(examples.seeds.anchors[among], labels, most)]
    counts = np.bincount(labels, minlength=2).astype(np.float64)
    return counts / max(1.0, counts.sum())


def told(examples: Examples) -> str:
    """What a small model is, for people."""
    n = len(examples.where(TRAIN))
    return f"A small model, fitted at query time on {min(n, MOST_CONTEXT):,} of {n:,} training examples."


def judged(examples: Examples, notes: list[str], most: int = MOST_JUDGED) -> Examples:
    """The examples with at most `most` of validation and of test each, those with the least hashes; all the others."""
    kept = np.ones(len(examples), dtype=bool)
    for split, name in ((VALID, "validation"), (TEST, "test")):
        at = examples.where(split)
        if len(at) > most:
            order = np.argsort(seed_hash(examples.seeds.rows[at], examples.seeds.anchors[at], at), kind="stable")
            kept[at[order[most:]]] = False
            notes.append(f"Measured on {most:,} of {len(at):,} {name} examples, evenly spread.")
    return examples if kept.all() else examples.take(np.flatnonzero(kept))


def read_rows(examples: Examples, kind: str) -> Ints:
    """The examples whose features a fit, its measurement and its refit on everything read: positions, ascending."""
    first = context(examples, examples.where(TRAIN), kind)
    again = context(examples, np.arange(len(examples), dtype=np.int64), kind)
    measured = np.flatnonzero(examples.split != TRAIN)
    return np.unique(np.concatenate([first, again, measured]))


def seed_hash(rows: Ints, anchors: Ints, otherwise: Ints) -> NDArray[np.uint64]:
    """uint64[n]: a hash of entity row and anchor; those of one entity and anchor (the steps of a forecast) differ by
    how far each stands behind the first."""
    fresh = np.ones(len(rows), dtype=bool)
    fresh[1:] = (np.diff(rows) != 0) | (np.diff(anchors) != 0)
    step = otherwise - otherwise[np.maximum.accumulate(np.where(fresh, np.arange(len(rows)), 0))]
    mixed = _mix(rows.astype(np.uint64))
    return _mix(_mix(mixed ^ anchors.astype(np.int64).view(np.uint64)) + step.astype(np.uint64))


def _classes(examples: Examples, among: Ints, kind: str) -> Ints:
    """int64[n]: the class of each example, or nought where there are none to balance."""
    if kind == "binary":
        return (np.asarray(examples.labels)[among] > 0.5).astype(np.int64)
    if kind == "multiclass":
        return np.asarray(examples.labels)[among].astype(np.int64)
    return np.zeros(len(among), dtype=np.int64)


def _recent(anchors: Ints, labels: Ints, most: int) -> NDArray[np.bool_]:
    """bool[n]: the rows of the newest anchors."""
    times = np.unique(anchors)[::-1]
    place = len(times) - 1 - np.searchsorted(times[::-1], anchors)
    total = np.cumsum(np.bincount(place, minlength=len(times)))
    enough = total >= 2 * most
    classes = np.unique(labels)
    if len(classes) > 1:
        wanted = min(RARE_SHARE, 1.0 / len(classes)) * most
        for value in classes:
            enough &= np.cumsum(np.bincount(place[labels == value], minlength=len(times))) >= wanted
    last = int(np.argmax(enough)) if enough.any() else len(times) - 1
    return place <= max(last, FEWEST_ANCHORS - 1)


def _quotas(counts: Ints, most: int, *, even: bool) -> Ints:
    """How many of each class are taken, `most` together, none beyond its `counts`."""
    floor = most // len(counts) if even else min(FEWEST_OF_CLASS, most // len(counts))
    wanted = np.minimum(counts, floor)
    room = counts - wanted
    left = most - int(wanted.sum())
    if left <= 0 or not room.sum():
        return wanted
    share = room * (left / room.sum())
    extra = np.minimum(np.floor(share).astype(np.int64), room)
    for i in np.argsort(-(share - extra), kind="stable")[: left - int(extra.sum())].tolist():
        extra[i] += 1
    return wanted + np.minimum(extra, room)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
