"""From the user's label tables to examples: node rows, codes, and what was known of earlier labels at each moment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.examples.stale import as_stale, is_met, staled_freely
from pql.engine.examples.steps import node_rows, numbers
from pql.engine.examples.targets import Classes, coded_labels, require_variety
from pql.engine.graph.seeds import TRAIN, VALID, Examples, Seeds
from pql.engine.graph.segments import upper_bound
from pql.engine.graph.temporal import NEVER, TemporalGraph
from pql.engine.own.labels import OwnLabels, completed
from pql.engine.own.plan import LAGGED
from pql.engine.planning.anchors import MAX_LAGS
from pql.engine.planning.plan import Plan
from pql.language.bound import TaskKind
from pql.language.errors import PqlError
from pql.language.names import listed
from pql.language.options import Duration

Ints = NDArray[np.int64]
Known = tuple[Ints, Ints, NDArray[np.float64]]

FEWEST_VALID = 200  # rows to choose by; a validation table of fewer borrows the latest training rows
VALID_SHARE = 0.15  # of the training rows, the latest, where no validation table is given


def seeds_of(labels: OwnLabels, plan: Plan, graph: TemporalGraph) -> Seeds:
    """The node row and the anchor of every row, rows -1 where the key is unknown.

    Rows that are their own moment (`row_time`) see what is strictly earlier: their anchor is a microsecond before.
    """
    key = plan.query.entity.keys[0]
    rows = node_rows(pa.table({key: labels.keys}), graph)
    if plan.split.kind == "own":
        assert labels.anchors is not None
        return Seeds(rows, labels.anchors)
    if plan.split.kind == "hashed":
        return Seeds(rows, np.full(len(rows), plan.split.prediction, dtype=np.int64))
    times = graph.nodes[graph.entity].time
    own = times[np.maximum(rows, 0)] if len(times) else np.full(len(rows), NEVER)
    rows = np.where((rows >= 0) & (own != NEVER), rows, -1)
    return Seeds(rows, np.where(rows >= 0, own, 1) - 1)


def divided(labels: OwnLabels, anchors: Ints, horizon: Duration | None, seed: int) -> NDArray[np.int8]:
    """int8[n]: TRAIN or VALID of the rows of a training table that comes without one for validation, -1 for neither.

    The latest part by time validates; training rows whose window reaches into it are left out. Rows of one moment are
    dealt at random.
    """
    split = np.full(len(labels), TRAIN, dtype=np.int8)
    if not len(anchors):
        return split
    if anchors.min() == anchors.max():
        order = np.random.default_rng(seed).permutation(len(labels))
        split[order[: max(1, round(VALID_SHARE * len(labels)))]] = VALID
        return split
    border = int(np.quantile(anchors, 1 - VALID_SHARE, method="higher"))
    border = border if border > anchors.min() else int(np.unique(anchors)[1])
    split[anchors >= border] = VALID
    split[(anchors < border) & (completed(anchors, horizon) > border)] = -1
    return split


def lent(anchors: Ints, valid: Ints, horizon: Duration | None) -> NDArray[np.int8]:
    """int8[n]: the split of training rows beside a validation table of few rows: the latest ones validate with it.

    Whole anchors, until there are `FEWEST_VALID` rows, but never more than `VALID_SHARE` of the training rows; rows
    whose window reaches into them are left out of training (-1).
    """
    split = np.full(len(anchors), TRAIN, dtype=np.int8)
    missing = FEWEST_VALID - len(valid)
    earlier = np.sort(anchors[anchors < valid.min()])
    if missing <= 0 or not len(earlier):
        return split
    most = min(missing, int(VALID_SHARE * len(anchors)))
    border = int(earlier[max(0, len(earlier) - most)]) if most else int(valid.min())
    if (anchors >= border).sum() > VALID_SHARE * len(anchors):
        later = earlier[earlier > border]
        border = int(later[0]) if len(later) else int(valid.min())
    split[(anchors >= border) & (anchors < valid.min())] = VALID
    if (split == VALID).any():
        split[(split == TRAIN) & (completed(anchors, horizon) > border) & (anchors < border)] = -1
    return split


def own_examples(
    parts: Sequence[tuple[OwnLabels, NDArray[np.int8]]], plan: Plan, graph: TemporalGraph, horizon: Duration | None
) -> tuple[Examples, Classes, list[str]]:
    """The examples of label tables, each with the split of its rows; what class codes mean; what to tell the user.

    Rows whose key the entity's table doesn't have are left out. Raises PqlError `unknown_entity` if it has none of
    them, `no_labels` without a training or a validation row, and what `require_variety` raises.
    """
    seeds, splits, kept_labels = [], [], []
    notes: list[str] = []
    for labels, split in parts:
        found = seeds_of(labels, plan, graph)
        known = found.rows >= 0
        if not known.all():
            _tell_of_unknown(labels, known, plan, notes)
        at = np.flatnonzero(known & (split >= 0))
        assert labels.label is not None
        seeds.append(found.take(at))
        splits.append(split[at])
        kept_labels.append(labels.label.take(pa.array(at)))
    joined = Seeds(np.concatenate([s.rows for s in seeds]), np.concatenate([s.anchors for s in seeds]))
    split = np.concatenate(splits)
    label = pa.concat_arrays(_alike(kept_labels))
    order = np.lexsort((joined.rows, joined.anchors))
    joined, split, label = joined.take(order), split[order], label.take(pa.array(order))
    for code, what in ((TRAIN, "training"), (VALID, "validation")):
        if not (split == code).any():
            raise PqlError(
                "no_labels",
                f"no {what} row is left",
                hint="Give more rows; a training row whose window reaches into validation doesn't count.",
            )
    known_labels = None
    if plan.task.kind in LAGGED and plan.split.kind == "own" and horizon is not None:
        known_labels = known_of(joined, numbers(label), horizon)
    limits = lag_limits(joined, split)
    if plan.regime.known is not None:
        if plan.task.kind is TaskKind.RANKING:
            joined, source = as_stale(joined, plan.regime), np.arange(len(joined), dtype=np.int64)
        else:
            valid_from = int(joined.anchors[split == VALID].min())
            joined, source, split = staled_freely(joined, split, plan.regime, plan.model.seed, valid_from)
        met = np.flatnonzero(is_met(graph, joined, first_seen=False))
        joined, split, label = joined.take(met), split[met], label.take(pa.array(source[met]))
        limits = joined.seen
    values, classes, kept = coded_labels(label, split, plan, graph)
    lags = np.full((len(joined), 0), np.nan, dtype=np.float32)
    if known_labels is not None:
        lags = lags_of(known_labels, joined, limits)
    examples = Examples(joined, values, split, lags)
    if not kept.all():
        examples = examples.take(np.flatnonzero(kept))
        notes += [f"{count:,} labels are left out: {reason}." for reason, count in classes.dropped.items()]
    require_variety(examples, classes, plan)
    return examples, classes, notes


# ---------------------------------------------------------------- earlier labels


def known_of(seeds: Seeds, values: NDArray[np.float64], horizon: Duration) -> Known:
    """Labels by entity and by when they were known: node rows, times of knowing (µs), values."""
    ends = completed(seeds.anchors, horizon)
    order = np.lexsort((ends, seeds.rows))
    return seeds.rows[order], ends[order], values[order]


def lags_of(known: Known, seeds: Seeds, limits: Ints | None = None) -> NDArray[np.float32]:
    """float32[n, MAX_LAGS]: each entity's labels known by its anchor and by `limits`, latest first; else NaN."""
    rows, ends, values = known
    until = seeds.seen if limits is None else np.minimum(seeds.seen, limits)
    low = np.searchsorted(rows, seeds.rows, side="left").astype(np.int64)
    high = np.searchsorted(rows, seeds.rows, side="right").astype(np.int64)
    stop = upper_bound(ends, low, high, until)
    found = np.full((len(seeds), MAX_LAGS), np.nan, dtype=np.float32)
    for i in range(MAX_LAGS):
        at = stop - 1 - i
        there = at >= low
        found[there, i] = values[at[there]]
    return found


def lag_limits(seeds: Seeds, split: NDArray[np.int8]) -> Ints:
    """int64[n], µs: by when an example's earlier labels must have been known.

    Whoever is predicted for has no label of the time that is predicted, however long that is. So validation rows know
    what was known when validation began, and training rows what was known when their block began, blocks being as
    long as validation.
    """
    valid = seeds.anchors[split == VALID]
    first, length = int(valid.min()), int(valid.max() - valid.min())
    if length == 0:
        return np.minimum(seeds.anchors, first)
    blocks = np.maximum(0, -((seeds.anchors - first) // length))
    return np.where(seeds.anchors >= first, first, first - blocks * length)


# ---------------------------------------------------------------- what to tell


def _tell_of_unknown(labels: OwnLabels, known: NDArray[np.bool_], plan: Plan, notes: list[str]) -> None:
    entity = f"{plan.query.entity.table}.{plan.query.entity.keys[0]}"
    if not known.any():
        some = [repr(key) for key in labels.keys.slice(0, 3).to_pylist()]
        raise PqlError(
            "unknown_entity",
            f"none of the keys of the table {labels.name} is one of {entity}: {listed(some)}, …",
            hint="Name the column that holds the keys with entity_column, or another table with entity.",
        )
    notes.append(f"{int((~known).sum()):,} rows of {labels.name} are left out: {entity} doesn't have their keys.")


def _alike(arrays: list[pa.Array]) -> list[pa.Array]:
    """Labels of several tables in one type: that of the first, or numbers with fractions where any has them."""
    if len({str(array.type) for array in arrays}) == 1:
        return arrays
    if any(pa.types.is_floating(array.type) for array in arrays):
        return [array.cast(pa.float64()) for array in arrays]
    try:
        return [array.cast(arrays[0].type) for array in arrays]
    except pa.ArrowInvalid as error:
        raise PqlError(
            "bad_label_table",
            f"the labels of the tables have different types: {', '.join(str(array.type) for array in arrays)}",
            hint="Give the labels of both tables in one type.",
        ) from error
