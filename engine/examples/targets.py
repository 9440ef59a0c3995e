"""From the training table to examples in the graph's terms: node rows, numbers, class and item codes, lags, splits.

Classes are learnt from training examples alone. An example of another split whose class training never showed is
dropped and counted (a set label only loses that class); so are items that no row of the item table has.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.examples.ranges import ranges
from pql.engine.examples.stale import as_stale, is_met, staled
from pql.engine.examples.steps import Lookup, forecast_rows, node_rows, numbers
from pql.engine.graph.draws import mix
from pql.engine.graph.key_index import parent_rows
from pql.engine.graph.seeds import TEST, TRAIN, VALID, Examples, Labels, Ragged, Seeds
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.labels.training_table import LabelTable, compute_eligible
from pql.engine.planning.anchors import lag_anchors
from pql.engine.planning.pinned import instead, names_entities
from pql.engine.planning.plan import Plan
from pql.engine.planning.step_grid import grid_of
from pql.language.bound import Item, TaskKind
from pql.language.errors import PqlError
from pql.language.options import Duration

if TYPE_CHECKING:
    from pql.engine.graph.history import History

ROLES = {"train": TRAIN, "valid": VALID, "test": TEST}
NAMES = {TRAIN: "training", VALID: "validation", TEST: "test"}
SHARES = (0.70, 0.85)  # of the hashed split: training below the first, validation below the second
FEWEST = 5  # training examples
MOST_MEASURED = 20_000  # examples of validation, and of test, unless the budget pays for more
MOST_CLASSES = 500
OUT = -1
WITH_LAGS = (TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.FORECAST)


@dataclass(frozen=True, slots=True)
class Classes:
    """What the codes of class and set labels mean; empty for numbers and conditions.

    values: the value of each code. table: the node table whose row numbers the codes are (ranking of keys), else
    None. dropped: how many examples (or, of sets, single items) were left out, by reason.
    """

    values: pa.Array | None = None
    table: str | None = None
    dropped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return 0 if self.values is None else len(self.values)


def make_examples(labels: LabelTable, plan: Plan, graph: TemporalGraph) -> tuple[Examples, Classes]:
    """The labelled, eligible rows of train, valid and test anchors as examples, by anchor, then key.

    At most `plan.model.max_examples` of training are kept, those with the least seeded hash of entity and anchor; of
    validation and of test an eighth as many, which measures any metric well enough.
    Raises `no_labels`, `too_few_labels`, `no_positive_labels`, `no_negative_labels`, `one_class`.
    """
    rows = node_rows(labels.keys, graph)
    split = split_of(labels, plan)
    usable = labels.usable & (split != OUT) & (rows >= 0) & labels.label.is_valid().to_numpy(zero_copy_only=False)
    index = np.flatnonzero(usable)
    index = _cap(index, split, labels, plan)
    require(split[index], labels, plan)
    seeds, code = Seeds(rows[index], labels.anchors[index]), split[index].astype(np.int8)
    if plan.regime.known is not None:
        if plan.task.kind is TaskKind.RANKING:
            seeds, source = as_stale(seeds, plan.regime), np.arange(len(seeds), dtype=np.int64)
        else:
            seeds, source, code = staled(seeds, code, plan.regime, width_of(plan), plan.model.seed)
        there = np.flatnonzero(is_met(graph, seeds, first_seen=plan.query.options.first_seen))
        seeds, index, code = seeds.take(there), index[source[there]], code[there]
        require(code, labels, plan)
    lags = lag_values(labels, plan, graph, seeds)
    values, classes, kept = coded_labels(labels.label.take(pa.array(index)), code, plan, graph)
    examples = Examples(seeds, values, code, lags)
    if not kept.all():
        examples = examples.take(np.flatnonzero(kept))
        require(examples.split, labels, plan)
    require_variety(examples, classes, plan, graph)
    if labels.steps is not None:
        examples = replace(examples, steps=forecast_rows(labels, plan, graph, examples.seeds, labels.steps[index]))
    return examples, classes


def quiet_examples(history: History, labels: LabelTable, plan: Plan, graph: TemporalGraph) -> Examples | None:
    """The eligible seeds of validation and test whose list is empty, with empty sets; None where ASSUMING decides."""
    if labels.assumed is not None or plan.split.kind != "anchors":
        return None
    found = compute_eligible(history, plan, plan.split.times("valid", "test"))
    rows = node_rows(found.keys, graph)
    usable = np.flatnonzero(found.eligible & (rows >= 0))
    width = len(graph.nodes[graph.entity].keys)
    _, place = np.unique(np.concatenate([found.anchors, labels.anchors]), return_inverse=True)
    here, there = place[: len(found)] * width + rows, place[len(found) :] * width + node_rows(labels.keys, graph)
    usable = usable[~np.isin(here[usable], there)]
    split = np.where(np.isin(found.anchors[usable], plan.split.times("valid")), VALID, TEST).astype(np.int8)
    seeds = as_stale(Seeds(rows[usable], found.anchors[usable]), plan.regime)
    if plan.regime.known is not None:
        met = np.flatnonzero(is_met(graph, seeds, first_seen=plan.query.options.first_seen))
        seeds, split, usable = seeds.take(met), split[met], usable[met]
    nothing = Ragged(np.zeros(len(usable) + 1, dtype=np.int64), np.zeros(0, dtype=np.int64))
    lags = np.zeros((len(usable), 0), dtype=np.float32)
    return Examples(seeds, nothing, split, lags)


def lag_values(labels: LabelTable, plan: Plan, graph: TemporalGraph, seeds: Seeds) -> NDArray[np.float32]:
    """float32[n, L]: the query's own target in the L windows before what each seed sees, nearest first, else NaN.

    For any seeds whose lag anchors the plan has, those at the prediction anchor included. Of a forecast, whose windows
    are one step wide.
    """
    count = plan.split.lags if plan.task.kind in WITH_LAGS else 0
    found = np.full((len(seeds), count), np.nan, dtype=np.float32)
    if not count:
        return found
    grid, past = grid_of(plan.query), Lookup(labels, graph)
    seen = seeds.seen
    for anchor in np.unique(seen).tolist():
        here = np.flatnonzero(seen == anchor)
        times = grid.recent(anchor, count) if grid else lag_anchors(anchor, width_of(plan), count)
        for i, earlier in enumerate(times):
            found[here, i] = past.at(earlier, seeds.rows[here])
    return found


def width_of(plan: Plan) -> Duration:
    """The width of the target's window."""
    n, unit = plan.split.width_text.split()
    return Duration(int(n), unit)


def example_hash(keys: pa.Table, anchors: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """uint64[n]: a hash of entity key and anchor that depends on nothing else but the seed."""
    mixed = mix(np.full(len(anchors), seed % 2**63, dtype=np.uint64))
    for name in keys.column_names:
        mixed = mix(mixed ^ _value_hash(keys.column(name)))
    return mix(mixed ^ anchors.view(np.uint64))


def split_names(labels: LabelTable, plan: Plan) -> NDArray[np.str_]:
    """Of each row `train`, `valid`, `test`, or nothing where the anchor only serves as a lag."""
    names = np.array(["train", "valid", "test", ""])
    return names[split_of(labels, plan)]


# ---------------------------------------------------------------- which rows, in which split


def split_of(labels: LabelTable, plan: Plan) -> NDArray[np.int8]:
    """int8[n]: TRAIN, VALID, TEST, or OUT for anchors that only serve as lags."""
    out = np.full(len(labels), OUT, dtype=np.int8)
    split = plan.split
    if split.kind == "row_time":
        times = labels.anchors + 1
        valid_from = split.valid_from if split.valid_from is not None else np.iinfo(np.int64).max
        test_from = split.test_from if split.test_from is not None else np.iinfo(np.int64).max
        out[:] = np.where(times < valid_from, TRAIN, np.where(times < test_from, VALID, TEST))
    elif split.kind == "hashed":
        still = np.zeros(len(labels), dtype=np.int64)
        share = (example_hash(labels.keys, still, plan.model.seed) >> np.uint64(11)) / float(2**53)
        out[:] = np.where(share < SHARES[0], TRAIN, np.where(share < SHARES[1], VALID, TEST))
    else:
        for role, code in ROLES.items():
            out[np.isin(labels.anchors, np.array(split.times(role), dtype=np.int64))] = code
    return out


def _cap(index: NDArray[np.int64], split: NDArray[np.int8], labels: LabelTable, plan: Plan) -> NDArray[np.int64]:
    most = plan.model.max_examples
    measured = max(most // 8, min(most, MOST_MEASURED))
    kept = []
    for code, limit in ((TRAIN, most), (VALID, measured), (TEST, measured)):
        at = index[split[index] == code]
        if len(at) > limit:
            hashed = example_hash(labels.keys.take(pa.array(at)), labels.anchors[at], plan.model.seed)
            at = at[np.argsort(hashed, kind="stable")[:limit]]
        kept.append(at)
    return np.sort(np.concatenate(kept))


def require(split: NDArray[np.int8], labels: LabelTable, plan: Plan) -> None:
    """Some training and validation examples, else `no_labels` or `too_few_labels`."""
    counts = {code: int(np.sum(split == code)) for code in (TRAIN, VALID, TEST)}
    dropped = sum(labels.no_label.values())
    filtered = sum(labels.not_eligible.values())
    unassumed = sum(labels.not_assumed.values())
    because = [f"for {filtered:,} rows WHERE does not hold"] if filtered else []
    because += [f"for {unassumed:,} rows what ASSUMING states did not come about"] if unassumed else []
    because += [f"{dropped:,} rows have no defined label"] if dropped else []
    ruled_out = sum(labels.ruled_out.values())
    because += [f"for {ruled_out:,} of them the rules forbid every item"] if ruled_out else []
    why = f": {', '.join(because)}" if because else ""
    ways = [] if plan.query.is_static else ["widen the window"]
    ways += ["loosen ASSUMING"] if unassumed else ["relax WHERE"] if filtered else []
    relax = f"{', '.join(ways)}, or " if ways else ""
    closer = "shorten the step between anchors with WITH (step = …)"
    if counts[TRAIN] == 0 or (counts[VALID] == 0 and plan.split.kind == "anchors"):
        missing = NAMES[TRAIN] if counts[TRAIN] == 0 else NAMES[VALID]
        raise PqlError(
            "no_labels",
            f"no {missing} example has a label{why}",
            span=plan.query.syntax.target.span,
            hint=f"{relax}look at the rows with LABELS",
        )
    if counts[TRAIN] < FEWEST or counts[VALID] == 0:
        raise PqlError(
            "too_few_labels",
            f"{counts[TRAIN]} training and {counts[VALID]} validation examples are too few to learn from{why}",
            span=plan.query.syntax.target.span,
            hint=f"{relax}{'look at the rows with LABELS' if plan.query.is_static else closer}",
        )


def require_variety(examples: Examples, classes: Classes, plan: Plan, graph: TemporalGraph | None = None) -> None:
    train = examples.where(TRAIN)
    kind, span = plan.task.kind, plan.query.syntax.target.span
    if kind is TaskKind.BINARY:
        labels = np.asarray(examples.labels)[train]
        positive = int(np.sum(labels > 0.5))
        if positive in (0, len(labels)):
            name, value = ("positive", "false") if positive == 0 else ("negative", "true")
            raise PqlError(
                f"no_{name}_labels",
                f"the condition is {value} for all {len(labels)} training examples: there is nothing to tell apart",
                span=span,
                hint=instead(plan.query)
                if names_entities(plan.query)
                else ranges(plan.query.target, graph)
                + "change the threshold or the window so that both outcomes occur",
            )
    if kind in (TaskKind.MULTICLASS, TaskKind.MULTILABEL) and len(classes) > MOST_CLASSES:
        raise PqlError(
            "too_many_classes",
            f"the target has {len(classes):,} different values in training; {MOST_CLASSES:,} classes can be told apart",
            span=span,
            hint="rank them instead: PREDICT LIST_DISTINCT(…, start, end) RANK TOP k",
        )
    if kind is TaskKind.MULTILABEL and not len(classes):
        raise PqlError(
            "no_positive_labels",
            f"the list is empty for all {len(train)} training examples: there is no class to learn",
            span=span,
            hint="widen the window, or look at the rows with LABELS",
        )
    if kind is TaskKind.MULTICLASS and len(classes) < 2:
        raise PqlError(
            "one_class",
            f"all {len(train)} training examples have the same value: there is nothing to tell apart",
            span=span,
            hint="predict another column, or widen the window",
        )


# ---------------------------------------------------------------- labels as numbers and codes


def coded_labels(
    label: pa.Array, split: NDArray[np.int8], plan: Plan, graph: TemporalGraph
) -> tuple[Labels, Classes, NDArray[np.bool_]]:
    """Labels as numbers or codes, what the codes mean, and which examples keep a label."""
    kind = plan.task.kind
    if kind in WITH_LAGS:
        return numbers(label), Classes(), np.ones(len(label), dtype=bool)
    if kind is TaskKind.MULTICLASS:
        values = _vocabulary(label.filter(pa.array(split == TRAIN)))
        codes = item_codes(label, values)
        kept = codes >= 0
        return np.maximum(codes, 0), Classes(values, None, _dropped("class unseen in training", ~kept)), kept
    if kind is TaskKind.MULTILABEL:
        owners, flat = _flatten(label)
        values = _vocabulary(flat.filter(pa.array(split[owners] == TRAIN)))
        codes = item_codes(flat, values)
        classes = Classes(values, None, _dropped("class unseen in training", codes < 0))
        return _ragged(owners, codes, len(label)), classes, np.ones(len(label), dtype=bool)
    owners, flat = _flatten(label)
    classes = _items(plan.task.item, flat.filter(pa.array(split[owners] == TRAIN)), graph)
    assert classes.values is not None
    codes = item_codes(flat, classes.values)
    sets = _ragged(owners, codes, len(label))
    kept = np.diff(sets.offsets) > 0
    dropped = _dropped("item without a row", codes < 0) | _dropped("no known item in the window", ~kept)
    return sets, replace(classes, dropped=dropped), kept


def _items(item: Item | None, train: pa.Array, graph: TemporalGraph) -> Classes:
    """The items that can be ranked: rows of the item's node table, else the values of its column, else those seen."""
    if item is not None and item.table is not None and item.key is not None:
        try:
            keys = graph.nodes[graph.index(item.table)].keys
            return Classes(_one(keys.column(item.key)), item.table)
        except KeyError:
            pass
    elif item is not None:
        try:
            column = graph.nodes[graph.index(item.column.table)].column(item.column.column)
            if column.values is not None:
                return Classes(column.values)
        except KeyError:
            pass
    return Classes(_vocabulary(train))


def _vocabulary(values: pa.Array) -> pa.Array:
    """The distinct values, most frequent first, ties by value."""
    counted = values.drop_null().value_counts()
    distinct, counts = counted.field("values"), counted.field("counts").to_numpy()
    if pa.types.is_boolean(distinct.type):
        order = np.lexsort((distinct.cast(pa.int8()).to_numpy(zero_copy_only=False), -counts))
    else:
        rank = np.empty(len(distinct), dtype=np.int64)
        rank[pc.sort_indices(distinct).to_numpy()] = np.arange(len(distinct))
        order = np.lexsort((rank, -counts))
    return distinct.take(pa.array(order))


def item_codes(values: pa.Array, vocabulary: pa.Array) -> NDArray[np.int64]:
    """int64[n]: the place of each value in the vocabulary, -1 where it isn't there."""
    if pa.types.is_boolean(values.type):
        values, vocabulary = values.cast(pa.int8()), vocabulary.cast(pa.int8())
    return parent_rows([pa.chunked_array([values])], [pa.chunked_array([vocabulary])]).astype(np.int64)


def _flatten(label: pa.Array) -> tuple[NDArray[np.int64], pa.Array]:
    """The elements of all lists, and to which example each belongs."""
    owners = pc.list_parent_indices(label).to_numpy(zero_copy_only=False).astype(np.int64)
    return owners, pc.list_flatten(label)


def _ragged(owners: NDArray[np.int64], codes: NDArray[np.int64], n: int) -> Ragged:
    owners, codes = owners[codes >= 0], codes[codes >= 0]
    order = np.lexsort((codes, owners))
    owners, codes = owners[order], codes[order]
    first = np.ones(len(codes), dtype=bool)
    first[1:] = (np.diff(owners) != 0) | (np.diff(codes) != 0)
    owners, codes = owners[first], codes[first]
    offsets = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(owners, minlength=n), out=offsets[1:])
    return Ragged(offsets, codes)


def _dropped(reason: str, mask: NDArray[np.bool_]) -> dict[str, int]:
    return {reason: int(mask.sum())} if mask.any() else {}


def _one(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    return pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)


# ---------------------------------------------------------------- hashes


def _value_hash(values: pa.ChunkedArray) -> NDArray[np.uint64]:
    array = _one(values)
    if pa.types.is_integer(array.type):
        return mix(array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False).view(np.uint64))
    encoded = array.cast(pa.string()).dictionary_encode()
    digests = [
        int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "little")
        for value in encoded.dictionary.to_pylist()
    ]
    codes = encoded.indices.fill_null(len(digests)).to_numpy(zero_copy_only=False)
    return np.array([*digests, 0], dtype=np.uint64)[codes]
