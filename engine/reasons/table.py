"""Reasons as tables and sentences: one row per reason, weightiest first, and what weighs most over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pql.engine.graph.temporal import ALWAYS, NEVER, TemporalGraph
from pql.engine.planning.plan import US_PER_DAY
from pql.engine.quality.calibrate import logit, sigmoid
from pql.engine.reasons.reasons import BASE, REST, Floats, Reasons, in_words
from pql.engine.reasons.rows import MOST_ROWS, Named
from pql.engine.reasons.why import ODDS, Why

ROW = "this row"
MOST_TOLD = 3  # reasons in a sentence, each way


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


def why_table(graph: TemporalGraph, given: pa.Table, shown: Floats, found: Why, most: int) -> ReasonTable:
    """One row per reason: the columns `given` (one row per prediction), the prediction, reason (0 is what all begin
    with), feature, table, column, key, rows, time, value and contribution. What is left is one last row, so that the
    contributions add up to `shown` float64[u], on the scale of the reasons."""
    reached = logit(shown) if found.scale == ODDS else shown
    reasons = found.reasons.with_part(found.left, reached - found.reasons.margin)
    lines: list[_Line] = []
    sentences = []
    by_unit = np.argsort(reasons.rows.unit, kind="stable")
    starts = np.searchsorted(reasons.rows.unit[by_unit], np.arange(len(reasons) + 1))
    for i in range(len(reasons)):
        mine = _lines(graph, found, reasons, i, by_unit[starts[i] : starts[i + 1]], most)
        lines += mine
        sentences.append(_sentence(given, i, float(shown[i]), found.scale, mine))
    return ReasonTable(_assembled(given, shown, lines), _displayed(given, shown, lines), tuple(sentences))


def _lines(graph: TemporalGraph, found: Why, reasons: Reasons, i: int, rows: np.ndarray, most: int) -> list[_Line]:
    """The reasons of one unit, the base first, then the weightiest, then the rest in one."""
    sizes = np.concatenate([reasons.amounts[i], reasons.rows.amount[rows]])
    order = np.argsort(-np.abs(sizes), kind="stable")
    order = order[sizes[order] != 0]
    anchor, width = int(found.anchors[i]), len(reasons.names)
    base = _Line(i, 0, BASE, "", "", None, None, None, "", float(reasons.base[i]), "")
    told = [base]
    for number, j in enumerate(order[:most].tolist(), start=1):
        if j < width:
            name = reasons.names[j]
            table, column = found.origins.source(name)
            named = found.origins.named(name, i)
            word = str(reasons.words[i, j])
        else:
            at = rows[j - width]
            one = int(reasons.rows.table[at])
            named = Named(one, reasons.rows.row[[at]], reasons.rows.time[[at]], 1)
            name, table, column, word = ROW, graph.nodes[one].name, "", ""
        told.append(_line(graph, i, number, name, table, column, named, word, float(sizes[j]), anchor))
    if len(order) > most:
        rest = float(sizes[order[most:]].sum())
        told.append(_Line(i, len(told), REST, "", "", None, None, None, f"{len(order) - most} more", rest, ""))
    return told


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
    anchor: int,
) -> _Line:
    if named is None or not len(named.rows):
        return _Line(i, number, name, table, column, None, None, None, word, size, "")
    node = graph.nodes[named.table]
    keys = [_key(node.keys, row) for row in named.rows.tolist()[:MOST_ROWS]]
    times = named.times.tolist()
    where = "; ".join(
        f"{node.name} {key}{_before(time, anchor)}".strip() for key, time in zip(keys, times, strict=False)
    )
    if named.count > len(keys):
        where += f"; {named.count - len(keys):,} more"
    time = times[0] if times[0] not in (ALWAYS, NEVER) else None
    return _Line(i, number, name, table or node.name, column, " | ".join(keys), named.count, time, word, size, where)


def _key(keys: pa.Table, row: int) -> str:
    """The key of a row as text; its columns with commas between."""
    return ", ".join(str(keys.column(name)[row].as_py()) for name in keys.column_names) if keys.num_columns else "a row"


def _before(time: int, anchor: int) -> str:
    if time in (ALWAYS, NEVER) or time > anchor:
        return ""
    days = (anchor - time) / US_PER_DAY
    if days >= 1:
        return f", {days:,.0f} day{'' if round(days) == 1 else 's'} before"
    hours = days * 24
    return f", {hours:.0f} hour{'' if round(hours) == 1 else 's'} before" if hours >= 1 else ", just before"


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


def _sentence(given: pa.Table, i: int, shown: float, scale: str, lines: Sequence[_Line]) -> str:
    """What raised a prediction and what lowered it, in words."""
    about = ", ".join(f"{name} {given.column(name)[i].as_py()}" for name in given.column_names)
    base = lines[0].amount
    value = f"{shown:.1%}" if scale == ODDS else in_words(shown)
    begin = f"{float(sigmoid(np.array(base))):.1%}" if scale == ODDS else in_words(base)
    parts = []
    for word, sign in (("raised", 1), ("lowered", -1)):
        found = [_told(line) for line in lines[1:] if line.amount * sign > 0 and line.feature != REST][:MOST_TOLD]
        if found:
            parts.append(f"{word} most by {_listed(found)}")
    return f"{about}: {value}, from {begin} that all begin with{'; ' if parts else ''}{'; '.join(parts)}."


def _told(line: _Line) -> str:
    first = line.where.split("; ")[0]
    if line.feature == ROW:
        return f"the row {first}"
    value = f" = {line.value}" if line.value else ""
    return f"{line.feature}{value}{f' ({first})' if first else ''}"


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
