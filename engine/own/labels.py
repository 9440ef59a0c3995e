"""A label table of the user's own: who, when, and what came true, one row each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pql.engine.graph.build import moments
from pql.engine.graph.key_index import one_chunk
from pql.engine.graph.temporal import ALWAYS
from pql.engine.planning.anchors import UNIT_MONTHS, UNIT_US, shift, show_time
from pql.language.bound import TaskKind
from pql.language.errors import PqlError
from pql.language.names import listed, nearest
from pql.language.options import Duration

Ints = NDArray[np.int64]

TASKS = {
    "binary": TaskKind.BINARY,
    "regression": TaskKind.REGRESSION,
    "multiclass": TaskKind.MULTICLASS,
    "ranking": TaskKind.RANKING,
}
_SHORT = {"d": "days", "h": "hours", "w": "weeks", "y": "years", "s": "seconds", "min": "minutes"}


@dataclass(frozen=True, slots=True)
class OwnLabels:
    """n rows of a label table. `keys`: the entity's key. `anchors` int64[n] µs; None where the table has no time.

    `label`: bool, number, text or a list of items; None of a table that is only asked about. `name`: train, val, test.
    """

    name: str
    keys: pa.Array
    anchors: Ints | None
    label: pa.Array | None

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, index: Ints) -> OwnLabels:
        at = pa.array(index)
        return OwnLabels(
            self.name,
            self.keys.take(at),
            None if self.anchors is None else self.anchors[index],
            None if self.label is None else self.label.take(at),
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a label table are called."""

    entity: str
    time: str | None
    target: str


def own_labels(table: pa.Table, columns: Columns, name: str, *, labelled: bool = True) -> OwnLabels:
    """The rows of a label table. Without `labelled` the target may be absent.

    Raises PqlError `unknown_column`, `bad_label_table` (a moment or a key that is missing, a label that is none).
    """
    keys = one_chunk(table.column(_column(table, columns.entity, name)))
    if keys.null_count:
        raise _bad(name, f"{keys.null_count:,} of {len(keys):,} rows have no {columns.entity}", "Leave those rows out.")
    anchors = None
    if columns.time is not None:
        anchors = _moments(table, _column(table, columns.time, name), name)
    label = None
    if labelled or columns.target in table.column_names:
        label = _plain(one_chunk(table.column(_column(table, columns.target, name))))
    if labelled and label is not None:
        missing = int(_missing(label).sum())
        if missing:
            message = f"{missing:,} of {len(label):,} rows have no value of {columns.target}"
            raise _bad(name, message, "Leave those rows out: what is not known can't be learnt from.")
    if labelled and not len(keys):
        raise _bad(name, "it has no rows", "Give rows with a label to learn from.")
    return OwnLabels(name, keys, anchors, label)


def known_labels(label: pa.Array | None) -> bool:
    """Whether there is a column of labels without a gap."""
    return label is not None and len(label) > 0 and not _missing(label).any()


def without_copies(labels: OwnLabels) -> tuple[OwnLabels, int]:
    """The rows without those that say the same twice, and how many those were.

    Raises PqlError `bad_label_table` where two rows of one entity and moment have different labels.
    """
    if labels.anchors is None or labels.label is None or not len(labels):
        return labels, 0
    codes = labels.keys.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    order = np.lexsort((np.arange(len(codes)), codes, labels.anchors))
    same = np.zeros(len(order), dtype=bool)
    same[1:] = (np.diff(labels.anchors[order]) == 0) & (np.diff(codes[order]) == 0)
    if not same.any():
        return labels, 0
    for at in np.flatnonzero(same).tolist():
        now, before = int(order[at]), int(order[at - 1])
        if labels.label[now] != labels.label[before]:
            who, when = labels.keys[now].as_py(), show_time(int(labels.anchors[now]))
            message = f"two rows of {who!r} at {when} have different labels"
            raise _bad(labels.name, message, "One entity has one label at one moment.")
    kept = np.sort(order[~same])
    return labels.take(kept), int(same.sum())


def task_of(label: pa.Array, asked: str | None) -> TaskKind:
    """What kind of task the labels make: the one `asked` for, else what their values say.

    Only 0 and 1 (or true and false): binary. Other numbers: regression. Text: multiclass. Lists: ranking.
    Raises PqlError `bad_fit_argument` for a task that isn't known, or that the values don't allow.
    """
    kind = label.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    values = pc.unique(label) if not is_list else label
    is_yes_no = pa.types.is_boolean(kind) or (is_number and set(values.to_pylist()) <= {0, 1})
    if asked is not None:
        chosen = TASKS.get(asked.lower().replace("_classification", "").replace("recommendation", "ranking"))
        if chosen is None:
            near = nearest(asked.lower(), tuple(TASKS))
            hint = f"did you mean {near[0]}?" if near else f"the tasks are {listed(tuple(TASKS))}"
            raise PqlError("bad_fit_argument", f"there is no task {asked!r}", hint=hint, nearest=near)
        fits = {
            TaskKind.BINARY: is_yes_no,
            TaskKind.REGRESSION: is_number,
            TaskKind.MULTICLASS: not is_list,
            TaskKind.RANKING: is_list,
        }
        if fits[chosen]:
            return chosen
        wanted = {"binary": "0 and 1 or true and false", "ranking": "lists of keys"}.get(chosen.value, "single values")
        wanted = "numbers" if chosen is TaskKind.REGRESSION else wanted
        raise PqlError(
            "bad_fit_argument",
            f"the labels are {kind}, and a {chosen.value} task has {wanted}",
            hint="Leave task out: the values say which task it is.",
        )
    if is_list:
        return TaskKind.RANKING
    if is_yes_no:
        return TaskKind.BINARY
    if is_number:
        return TaskKind.REGRESSION
    if is_text:
        return TaskKind.MULTICLASS
    raise PqlError(
        "bad_fit_argument",
        f"labels of type {kind} are none that can be learnt",
        hint="Labels are true or false, numbers, texts, or lists of keys.",
    )


def duration(value: object) -> Duration:
    """A horizon as whole units: of a timedelta, a text like '30 days', or a number of days.

    Raises PqlError `bad_fit_argument`.
    """
    if isinstance(value, Duration):
        return value
    if isinstance(value, timedelta) and value > timedelta(0):
        seconds = round(value.total_seconds())
        for unit in ("days", "hours", "minutes"):
            if seconds and seconds * 1_000_000 % UNIT_US[unit] == 0:
                return Duration(seconds * 1_000_000 // UNIT_US[unit], unit)
        if seconds:
            return Duration(seconds, "seconds")
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return Duration(value, "days")
    text = value.lower().strip() if isinstance(value, str) else ""
    found = re.fullmatch(r"(\d{1,6})\s*([a-z]+)(?:,?\s*0?0:00:00)?", text)
    if found and int(found[1]) > 0:
        unit = _SHORT.get(found[2], found[2].removesuffix("s") + "s")
        if unit in UNIT_US or unit in UNIT_MONTHS:
            return Duration(int(found[1]), unit)
    raise PqlError(
        "bad_fit_argument",
        f"the horizon {value!r} is no duration",
        hint="Give a timedelta, or whole units as in '30 days'.",
    )


def completed(anchors: Ints, horizon: Duration | None) -> Ints:
    """int64[n]: when each label is known, which is when its window ends; its anchor, where no horizon is given."""
    if horizon is None:
        return anchors
    distinct, place = np.unique(anchors, return_inverse=True)
    ends = np.array([shift(int(a), horizon.n, horizon.unit) for a in distinct], dtype=np.int64)
    return ends[place] if len(ends) else anchors


def _column(table: pa.Table, wanted: str, name: str) -> str:
    if wanted in table.column_names:
        return wanted
    same = [column for column in table.column_names if column.lower() == wanted.lower()]
    if len(same) == 1:
        return same[0]
    near = nearest(wanted, tuple(table.column_names))
    hint = f"did you mean {near[0]}?" if near else f"its columns are {listed(table.column_names)}"
    raise PqlError("unknown_column", f"the table {name} has no column {wanted}", hint=hint, nearest=near)


def _moments(table: pa.Table, column: str, name: str) -> Ints:
    array = one_chunk(table.column(column))
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        try:
            array = array.cast(pa.timestamp("us"))
        except pa.ArrowInvalid as error:
            hint = "Give timestamps, or texts like 2024-12-31."
            raise _bad(name, f"{column} is text that holds no moments: {error}", hint) from error
    elif not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise _bad(name, f"{column} is {kind}, not a moment", "Name the column of timestamps: time=…")
    found = moments(array)
    missing = int((found == ALWAYS).sum())
    if missing:
        raise _bad(name, f"{missing:,} of {len(found):,} rows have no {column}", "Leave those rows out.")
    return found


def _plain(label: pa.Array) -> pa.Array:
    """Labels as bool, int64, float64, string, or lists of such."""
    kind = label.type
    if pa.types.is_decimal(kind) or pa.types.is_float32(kind):
        return label.cast(pa.float64())
    if pa.types.is_integer(kind):
        return label.cast(pa.int64())
    return label


def _missing(label: pa.Array) -> NDArray[np.bool_]:
    found = np.array(label.is_null().to_numpy(zero_copy_only=False), dtype=bool)
    if pa.types.is_floating(label.type):
        found |= ~np.isfinite(label.fill_null(0.0).to_numpy(zero_copy_only=False))
    return found


def _bad(name: str, message: str, hint: str) -> PqlError:
    return PqlError("bad_label_table", f"the table {name}: {message}", hint=hint)
