"""Reasons as tables and sentences: one row per reason, weightiest first, and what weighs most over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph
from pql.engine.planning.plan import US_PER_DAY
from pql.engine.quality.calibrate import logit, sigmoid
from pql.engine.reasons.pair_origins import COMPANY
from pql.engine.reasons.reasons import BASE, BOUNDS, EVENED, OTHERWISE, REST, Floats, Ints, Reasons, in_words
from pql.engine.reasons.rows import MOST_ROWS, Named
from pql.engine.reasons.why import ODDS, OVER_TIME, Why
from pql.engine.reasons.wording import DAYS, OUTCOME, Reading, chance_in_words, saying, value_in_words

ROW, KEYLESS = "this row", "a row of "
MOST_TOLD = 3  # reasons in a sentence, each way
LEAST = 0.05  # of the weightiest, below which a reason isn't told in a sentence
OF_RHYTHM = ("expected SUM(", "fading SUM(")  # more of when rows came than of their values
UNTOLD = (BOUNDS, EVENED, OVER_TIME, COMPANY)  # in sentences: they are of the model, not of what happened


@dataclass(frozen=True, slots=True)
class ReasonTable:
    """`table`: one row per reason; `display`: the same for people, with the rows in words; `sentences`: one per
    prediction."""

    table: pa.Table
    display: pa.Table
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    unit: int
    number: int
    feature: str
    table: str
    column: str
    key: str | None
    rows: int | None
    time: int | None
    value: str
    amount: float
    where: str
    newest: str = ""
    met: bool = False


def why_table(graph: TemporalGraph, given: pa.Table, shown: Floats, found: Why, most: int) -> ReasonTable:
    """One row per reason: the columns `given` (one row per prediction), the prediction, reason (0 is what all begin
    with), feature, table, column, key, rows, time, value and contribution. What is left is one last row, so that the
    contributions add up to `shown` float64[u], on the scale of the reasons."""
    reached = logit(shown) if found.scale == ODDS else shown
    reasons = found.reasons.with_part(found.left, reached - found.reasons.margin)
    teller = _Teller(graph, given, found, reasons)
    lines: list[_Line] = []
    sentences = []
    for i in range(len(reasons)):
        parts = teller.parts(i)
        lines += teller.lines(i, parts, most)
        sentences.append(
            _sentence(given, i, float(shown[i]), found.scale, float(reasons.base[i]), teller.told(i, parts))
        )
    return ReasonTable(_assembled(given, shown, lines), _displayed(given, shown, lines), tuple(sentences))


class _Teller:
    """The reasons of units one by one: as lines of the table, and in words."""

    def __init__(self, graph: TemporalGraph, given: pa.Table, found: Why, reasons: Reasons) -> None:
        self.graph, self.found, self.reasons = graph, found, reasons
        self.keys = _own_keys(graph, given)
        self.items = [str(value) for value in given.column(-1).to_pylist()] if found.item >= 0 else []
        self.by_unit = np.argsort(reasons.rows.unit, kind="stable")
        self.starts = np.searchsorted(reasons.rows.unit[self.by_unit], np.arange(len(reasons) + 1))
        self.sources = [found.origins.source(name) for name in reasons.names]
        self.entity = graph.nodes[graph.entity].name

    def parts(self, i: int) -> tuple[Floats, Ints]:
        """What each thing adds to unit i, the single rows (their places among all) last."""
        rows = self.by_unit[self.starts[i] : self.starts[i + 1]]
        return np.concatenate([self.reasons.amounts[i], self.reasons.rows.amount[rows]]), rows

    def lines(self, i: int, parts: tuple[Floats, Ints], most: int) -> list[_Line]:
        """The base first, then the weightiest, then the rest in one."""
        sizes, _ = parts
        order = np.argsort(-np.abs(sizes), kind="stable")
        order = order[sizes[order] != 0]
        told = [_Line(i, 0, BASE, "", "", None, None, None, "", float(self.reasons.base[i]), "")]
        told += [self._line(i, number, int(j), parts) for number, j in enumerate(order[:most].tolist(), start=1)]
        if len(order) > most:
            rest = float(sizes[order[most:]].sum())
            told.append(_Line(i, len(told), REST, "", "", None, None, None, f"{len(order) - most} more", rest, ""))
        return told

    def told(self, i: int, parts: tuple[Floats, Ints]) -> dict[int, list[str]]:
        """What raised (1) and what lowered (-1) unit i most, in words.

        Things of one table and column say much the same: together they count by what they add up to, and the
        weightiest of them is told.
        """
        sizes, _ = parts
        total: dict[tuple[str, str], float] = {}
        topic: list[tuple[str, str] | None] = []
        for j, size in enumerate(sizes.tolist()):
            one = self._topic(j, parts)
            topic.append(one)
            if one is not None:
                total[one] = total.get(one, 0.0) + size
        ranked = sorted((one for one in total if total[one] != 0), key=lambda one: (-abs(total[one]), one))
        told: dict[int, list[str]] = {1: [], -1: []}
        for one in ranked:
            sign = 1 if total[one] > 0 else -1
            if len(told[sign]) == MOST_TOLD or abs(total[one]) < LEAST * abs(total[ranked[0]]):
                continue
            j = max((j for j in range(len(sizes)) if topic[j] == one), key=lambda j: sizes[j] * sign)
            told[sign].append(self._in_words(self._line(i, 0, j, parts)))
        return told

    def _topic(self, j: int, parts: tuple[Floats, Ints]) -> tuple[str, str] | None:
        width = len(self.reasons.names)
        if j >= width:
            return self.graph.nodes[int(self.reasons.rows.table[parts[1][j - width]])].name, ""
        name = self.reasons.names[j]
        if name in UNTOLD:
            return None
        table, column = self.sources[j]
        if name.startswith(OF_RHYTHM):
            column = ""
        return (table, column) if table else ("", name)

    def _line(self, i: int, number: int, j: int, parts: tuple[Floats, Ints]) -> _Line:
        sizes, rows = parts
        width, ends = len(self.reasons.names), (int(self.found.anchors[i]), int(self.found.seen[i]))
        if j < width:
            name = self.reasons.names[j]
            table, column = self.sources[j]
            named = self.found.origins.named(name, i)
            word = self._word(str(self.reasons.words[i, j]), column, named)
        else:
            at, every = rows[j - width], self.reasons.rows
            one = int(every.table[at])
            named = Named(one, every.row[[at]], every.time[[at]], 1)
            name, table, column, word = ROW, self.graph.nodes[one].name, "", ""
        line = _line(self.graph, i, number, name, table, column, named, word, float(sizes[j]), ends)
        if name == ROW and named is not None:  # another time than its own is when the entity met it
            line = replace(line, met=int(named.times[0]) != int(self.graph.nodes[named.table].time[named.rows[0]]))
        return line

    def _word(self, word: str, column: str, named: Named | None) -> str:
        """The value as text; what no vocabulary holds is looked up in the one row that it is of."""
        if word != OTHERWISE or named is None or named.count != 1:
            return word
        found = [one for one in self.graph.nodes[named.table].columns if one.name == column]
        if not found or found[0].values is None:
            return word
        code = int(found[0].data[named.rows[0]])
        return str(found[0].values[code].as_py()) if code >= 0 else "none"

    def _in_words(self, line: _Line) -> str:
        first = line.where.split("; ")[0] if line.rows is None or line.rows < 2 else _latest(line.newest)
        if line.feature == ROW and line.table == self.entity and line.key == self.keys[line.unit]:
            return f"its own row in {line.table}"
        if line.feature == ROW:
            row = line.newest if line.newest.startswith(KEYLESS) else f"the row {line.newest}"
            return f"having met {line.newest}" if line.met else row
        said = saying(line.feature, Reading(line.column, self.entity, self.found.horizon))
        value = value_in_words(line.value, said.unit, self.found.horizon)
        if said.unit == OUTCOME and self.found.scale == ODDS:
            value = {"0": "no", "1": "yes"}.get(value, value)
        item = self.found.item
        ranked = item >= 0 and line.table == self.graph.nodes[item].name and line.key == self.items[line.unit]
        if (line.table == self.entity and said.what.startswith("its ")) or ranked:
            first = ""  # the sentence is about this very row
        if said.unit == DAYS and f", {value} before" in first:
            value = ""
        inside = "; ".join(part for part in (value, first) if part)
        return f"{said.what}{f' ({inside})' if inside else ''}"


def _line(
    graph: TemporalGraph,
    i: int,
    number: int,
    name: str,
    table: str,
    column: str,
    named: Named | None,
    word: str,
    size: float,
    ends: tuple[int, int],
) -> _Line:
    if named is None or not len(named.rows):
        return _Line(i, number, name, table, column, None, None, None, word, size, "")
    node = graph.nodes[named.table]
    keys = [_key(node.keys, row) for row in named.rows.tolist()[:MOST_ROWS]]
    times = named.times.tolist()
    each = [
        f"{node.name} {key}{_before(time, *ends)}" if key else f"{KEYLESS}{node.name}{_before(time, *ends)}"
        for key, time in zip(keys, times, strict=False)
    ]
    where = "; ".join(each)
    if named.count > len(keys):
        where += f"; {named.count - len(keys):,} more"
    time = times[0] if times[0] not in (ALWAYS, NEVER) else None
    key = " | ".join(one or "a row" for one in keys)
    return _Line(i, number, name, table or node.name, column, key, named.count, time, word, size, where, each[0])


def _own_keys(graph: TemporalGraph, given: pa.Table) -> list[str]:
    """Of each prediction the key of its entity, as `_key` writes it; '' where it isn't at hand."""
    names = graph.nodes[graph.entity].keys.column_names
    if not names or not set(names) <= set(given.column_names):
        return [""] * given.num_rows
    return [", ".join(map(str, row)) for row in zip(*(given.column(name).to_pylist() for name in names), strict=True)]


def _key(keys: pa.Table, row: int) -> str:
    """The key of a row as text; its columns with commas between; '' without a key."""
    return ", ".join(str(keys.column(name)[row].as_py()) for name in keys.column_names) if keys.num_columns else ""


def _before(time: int, anchor: int, seen: int) -> str:
    """How long before the anchor a row came; or before the data ends, where that is earlier, as all features count."""
    if time in (ALWAYS, NEVER) or time > seen:
        return ""
    what = "before" if seen >= anchor else "before the data ends"
    days = (seen - time) / US_PER_DAY
    if days >= 1:
        return f", {days:,.0f} day{'' if round(days) == 1 else 's'} {what}"
    hours = days * 24
    return f", {hours:.0f} hour{'' if round(hours) == 1 else 's'} {what}" if hours >= 1 else f", just {what}"


def _assembled(given: pa.Table, shown: Floats, lines: Sequence[_Line]) -> pa.Table:
    at = [line.unit for line in lines]
    columns = {
        "prediction": pa.array(shown[at], pa.float64()),
        "reason": pa.array([line.number for line in lines], pa.int64()),
        "feature": pa.array([line.feature for line in lines], pa.string()),
        "table": pa.array([line.table or None for line in lines], pa.string()),
        "column": pa.array([line.column or None for line in lines], pa.string()),
        "key": pa.array([line.key for line in lines], pa.string()),
        "rows": pa.array([line.rows for line in lines], pa.int64()),
        "time": pa.array([line.time for line in lines], pa.timestamp("us")),
        "value": pa.array([line.value for line in lines], pa.string()),
        "contribution": pa.array([line.amount for line in lines], pa.float64()),
    }
    return _with(given, at, columns)


def _displayed(given: pa.Table, shown: Floats, lines: Sequence[_Line]) -> pa.Table:
    at = [line.unit for line in lines]
    columns = {
        "prediction": pa.array(shown[at], pa.float64()),
        "feature": pa.array([line.feature for line in lines], pa.string()),
        "value": pa.array([line.value for line in lines], pa.string()),
        "row": pa.array([line.where for line in lines], pa.string()),
        "contribution": pa.array([line.amount for line in lines], pa.float64()),
    }
    return _with(given, at, columns)


def _with(given: pa.Table, at: list[int], columns: dict[str, pa.Array]) -> pa.Table:
    table = given.take(pa.array(at, pa.int64()))
    for name, column in columns.items():
        taken = {other.lower() for other in table.column_names}
        while name.lower() in taken:
            name += "_"
        table = table.append_column(name, column)
    return table


def _sentence(given: pa.Table, i: int, shown: float, scale: str, base: float, told: Mapping[int, Sequence[str]]) -> str:
    """What raised a prediction and what lowered it, in words."""
    about = ", ".join(f"{name} {given.column(name)[i].as_py()}" for name in given.column_names)
    value = chance_in_words(shown) if scale == ODDS else in_words(shown)
    begin = chance_in_words(float(sigmoid(np.array(base)))) if scale == ODDS else in_words(base)
    parts = [f"{word} most by {_listed(told[sign])}" for word, sign in (("raised", 1), ("lowered", -1)) if told[sign]]
    return f"{about}: {value}, from {begin} that all begin with{'; ' if parts else ''}{'; '.join(parts)}."


def _latest(row: str) -> str:
    """The latest of several rows, from its own words."""
    return f"the latest row of {row.removeprefix(KEYLESS)}" if row.startswith(KEYLESS) else f"latest {row}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def importance_table(found: Why, graph: TemporalGraph, by: str) -> pa.Table:
    """The mean absolute contribution over all units, largest first: by `feature`, `column` or `table`.

    What simple models tell of no single column, and rows as the network reads them, stand by their own names."""
    reasons, n = found.reasons, max(1, len(found.reasons))
    total: dict[tuple[str, str, str], float] = {}
    count: dict[tuple[str, str, str], int] = {}

    def add(feature: str, table: str, column: str, size: float) -> None:
        key = {"table": ("", table or feature, ""), "column": ("" if table else feature, table, column)}.get(
            by, (feature, table, column)
        )
        total[key] = total.get(key, 0.0) + size
        count[key] = count.get(key, 0) + 1

    for j, name in enumerate(reasons.names):
        add(name, *found.origins.source(name), float(np.abs(reasons.amounts[:, j]).sum()) / n)
    for one in np.unique(reasons.rows.table).tolist():
        mine = reasons.rows.table == one
        size = float(np.abs(reasons.rows.amount[mine]).sum()) / n
        add("its rows", graph.nodes[one].name, "", size)
    whole = sum(total.values()) or 1.0
    ranked = sorted(((key, size) for key, size in total.items() if size > 0), key=lambda pair: (-pair[1], pair[0]))
    keys = [key for key, _ in ranked]
    columns: dict[str, pa.Array] = {}
    if by != "table":
        columns["feature"] = pa.array([key[0] or None for key in keys], pa.string())
    columns["table"] = pa.array([key[1] or None for key in keys], pa.string())
    if by != "table":
        columns["column"] = pa.array([key[2] or None for key in keys], pa.string())
    if by != "feature":
        columns["features"] = pa.array([count[key] for key in keys], pa.int64())
    columns["contribution"] = pa.array([size for _, size in ranked], pa.float64())
    columns["share"] = pa.array([size / whole for _, size in ranked], pa.float64())
    return pa.table(columns)
