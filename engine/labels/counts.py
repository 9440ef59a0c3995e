"""How many examples each split has, what they look like, and how many were dropped for which reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.planning.plan import Plan

if TYPE_CHECKING:
    from pql.engine.labels.training_table import LabelTable

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, slots=True)
class LabelCount:
    """One split: its anchors, examples with a label, rows dropped, and the labels in a few words.

    undefined: eligible rows whose label is undefined in their window (of a static target: to be scored).
    filtered: rows for which WHERE does not hold at the anchor. unassumed: of the others, rows for which what ASSUMING
    states of the future did not come about. ruled_out: of the undefined, those whose every item a ranking's rules
    forbid.
    """

    split: str
    anchors: int
    examples: int
    undefined: int
    filtered: int
    summary: str
    unassumed: int = 0
    ruled_out: int = 0


def count_labels(labels: LabelTable, plan: Plan) -> tuple[LabelCount, ...]:
    """The counts of a plan's training table: train, valid and test, or `all` where rows are split by a hash."""
    split = plan.split
    if split.kind == "anchors":
        return tuple(_of_anchors(labels, role, split.times(role)) for role in SPLITS)
    if split.kind == "hashed" or split.valid_from is None or split.test_from is None:
        return (_of_rows(labels, "all", np.ones(len(labels), dtype=bool)),)
    times = labels.anchors + 1  # the anchor of a row stands one microsecond before its own time
    valid, test = times >= split.valid_from, times >= split.test_from
    masks = {"train": ~valid, "valid": valid & ~test, "test": test}
    return tuple(_of_rows(labels, name, masks[name]) for name in SPLITS)


def _of_anchors(labels: LabelTable, role: str, times: tuple[int, ...]) -> LabelCount:
    rows = np.isin(labels.anchors, np.array(times, dtype=np.int64)) & labels.usable
    return LabelCount(
        role,
        len(times),
        int(rows.sum()),
        _sum(labels.no_label, times),
        _sum(labels.not_eligible, times),
        describe_labels(labels.label, rows) if labels.watched is None else describe_times(labels, rows),
        _sum(labels.not_assumed, times),
        _sum(labels.ruled_out, times),
    )


def _of_rows(labels: LabelTable, name: str, rows: NDArray[np.bool_]) -> LabelCount:
    known = labels.label.is_valid().to_numpy(zero_copy_only=False)
    eligible = rows & labels.eligible
    kept = eligible & known
    return LabelCount(
        name,
        0,
        int(kept.sum()),
        int((eligible & ~known).sum()),
        int((rows & ~labels.eligible).sum()),
        describe_labels(labels.label, kept),
    )


def _sum(counts: dict[int | None, int], times: Iterable[int]) -> int:
    return sum(counts.get(time, 0) for time in times)


def describe_times(labels: LabelTable, rows: NDArray[np.bool_]) -> str:
    """The times to an event in a few words: how often it happened, when, and how many rows were cut short."""
    assert labels.watched is not None
    if not rows.any():
        return "no labels"
    watched = labels.watched.take(rows)
    happened = watched.event >= 0
    parts = [f"{100 * happened.mean():.1f} % with the event"]
    if happened.any():
        parts.append(f"after {np.median(labels.label.to_numpy(zero_copy_only=False)[rows][happened]):.3g} (median)")
    short = ~happened & (watched.seen < watched.horizon)
    if short.any():
        parts.append(f"{100 * short.mean():.1f} % cut short")
    return ", ".join(parts)


def describe_labels(label: pa.Array, rows: NDArray[np.bool_]) -> str:
    """The labels of some rows in a few words: the share of true, mean and median, the commonest class, set sizes."""
    chosen = label.filter(pa.array(rows))
    if not len(chosen):
        return "no labels"
    kind = chosen.type
    if pa.types.is_boolean(kind):
        return f"{100 * pc.mean(chosen.cast(pa.int8())).as_py():.1f} % true"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{pc.mean(pc.list_value_length(chosen)).as_py():.1f} items each"
    if pa.types.is_floating(kind):
        values = np.sort(chosen.to_numpy(zero_copy_only=False))
        zeros = 100 * float(np.mean(values == 0))
        return f"mean {values.mean():.4g}, median {np.median(values):.4g}, {zeros:.0f} % zero"
    counts = chosen.value_counts()
    sizes = counts.field("counts").to_numpy()
    top = int(np.argmax(sizes))
    share = 100 * sizes[top] / len(chosen)
    return f"{len(sizes)} classes, most often {counts.field('values')[top].as_py()!r} ({share:.1f} %)"
