"""What weighs, and examples: the highest, the middle and the lowest predictions with their reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from pql.language.bound import TaskKind
from pql.language.errors import PqlError
from pql.pictures.result import first_forecast, what_weighs
from pql.report.markup import Markup, esc, figure, figures, folded, key, number, panned, para, section, table, tag

if TYPE_CHECKING:
    from pql.result import Predictions

VALUE_AT = {  # behind the keys and the anchor
    TaskKind.BINARY: 0,
    TaskKind.REGRESSION: 0,
    TaskKind.MULTICLASS: 1,
    TaskKind.MULTILABEL: 1,
    TaskKind.RANKING: 1,
    TaskKind.FORECAST: 3,
    TaskKind.TIME_TO_EVENT: 2,
}
REASONS = 5


def importance(result: Predictions) -> Markup:
    """The section on what weighs, by table and by column."""
    try:
        found = [what_weighs(result, by=by) for by in ("table", "column")]
    except PqlError as error:
        return section("importance", "What weighs", para(error.message))
    titles = ("By table", "By column")
    pictures = [figure(one.picture, "", title) for one, title in zip(found, titles, strict=True) if one.picture.shapes]
    if not pictures:
        return section("importance", "What weighs", para("The model that answers uses no inputs: nothing weighs."))
    return section(
        "importance",
        "What weighs",
        figures(*pictures),
        lead="The mean share of the absolute contributions to predictions, over rows spread evenly over the result.",
    )


def answers(result: Predictions) -> Markup:
    """The section on the result: how predictions are distributed, the first rows, examples with their reasons."""
    content: list[Markup] = []
    sample = result.display.slice(0, 10)
    numeric = [i for i, field in enumerate(sample.schema) if pa.types.is_floating(field.type)]
    rows = [[_cell(v) for v in row] for row in zip(*(c.to_pylist() for c in sample.columns), strict=True)]
    content.append(table(sample.column_names, rows, right=numeric, sortable="yes"))
    if len(result) > len(rows):
        content.append(para(f"The first {len(rows)} of {len(result):,} rows.", cls="quiet"))
    if result.plan.task.kind is TaskKind.FORECAST and len(result):
        one = first_forecast(result)
        content.append(figure(panned(one.picture), one.caption))
    content += _examples(result)
    return section("answers", "The answer", *content, lead=f"{len(result):,} rows, in the query's order.")


def _cell(value: object) -> object:
    return key(value) if isinstance(value, int) else esc(value)


def value_column(result: Predictions) -> pa.ChunkedArray:
    """float64: the column of predicted values."""
    behind = len(result.plan.output.keys) + 1
    place = 0 if result.plan.query.asks_pairs else VALUE_AT[result.plan.task.kind]
    return result.to_arrow_table().column(behind + place).cast(pa.float64())


def chosen_rows(result: Predictions) -> list[tuple[str, int]]:
    """(name, row) of the highest, the middle and the lowest prediction, of different entities."""
    values = value_column(result).to_pylist()
    order = sorted((i for i, v in enumerate(values) if v is not None), key=lambda i: (-float(values[i]), i))
    if not order:
        return []
    keys = [result.to_arrow_table().column(name).to_pylist() for name in result.columns[: len(result.plan.output.keys)]]
    found: dict[tuple[object, ...], tuple[str, int]] = {}
    for name, place in (("Highest", 0), ("In the middle", len(order) // 2), ("Lowest", len(order) - 1)):
        row = order[place]
        found.setdefault(tuple(column[row] for column in keys), (name, row))
    return list(found.values())


def _examples(result: Predictions) -> list[Markup]:
    chosen = chosen_rows(result)
    if not chosen:
        return []
    try:
        told = result.why_rows([row for _, row in chosen], most=REASONS)
    except PqlError as error:
        return [tag("h3", "Examples"), para(error.message)]
    if len(told.sentences) != len(chosen):
        return []
    groups: list[list[dict[str, object]]] = []
    for row in told.display.to_pylist():
        if row["feature"] == FIRST:
            groups.append([])
        groups[-1].append(row)
    found = [tag("h3", "Examples, and why")]
    for (name, _), sentence, rows in zip(chosen, told.sentences, groups, strict=True):
        cells = [(r["feature"], _value(r["value"]), r["row"] or "", _signed(r["contribution"])) for r in rows]
        found.append(
            tag(
                "div",
                tag("h3", name),
                para(esc(sentence, 2_000)),
                folded("Contributions", table(("reason", "value", "rows", told.scale), cells, right=(3,))),
                cls="example",
            )
        )
    return found


def _value(value: object) -> object:
    return "" if value in (None, "") else value


def _signed(value: object) -> str:
    size = float(value) if isinstance(value, float) else 0.0
    size = size if abs(size) >= 1e-9 else 0.0  # what rounding leaves
    return f"+{number(size)}" if size > 0 else number(size)


FIRST = "what all begin with"
