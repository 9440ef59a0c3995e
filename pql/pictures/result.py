"""The pictures of a result: how far to trust it, its first forecast, the model beside its baselines, what weighs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pql.language.bound import TaskKind
from pql.pictures.bars import bars_picture
from pql.pictures.figure import Figure, Figures
from pql.pictures.forecast import forecast_picture
from pql.pictures.metrics import metrics_picture
from pql.pictures.quality import quality_figures

if TYPE_CHECKING:
    from pql.engine.quality.metrics import MetricsTable
    from pql.result import Predictions

ROWS = 60  # that importance is taken over


def result_figures(result: Predictions) -> Figures:
    """All but what weighs, which takes longer; of a result whose model isn't at hand its metrics alone."""
    plan, behind = result.plan, result.background()
    found: list[Figure] = []
    if plan.task.kind is TaskKind.FORECAST and len(result):
        found.append(first_forecast(result))
    if behind is not None:
        found += quality_figures(plan, behind)
    measured = of_metrics(result.metrics)
    return Figures([*found, *([] if measured is None else [measured])])


def of_metrics(metrics: MetricsTable) -> Figure | None:
    """The model beside its baselines; None where nothing was measured."""
    drawn = metrics_picture(metrics, width=440.0)
    caption = metrics.verdict() or ""
    return None if drawn is None else Figure("metrics", "", drawn, caption)


def first_forecast(result: Predictions) -> Figure:
    """The steps of the first entity of a forecast."""
    names = result.plan.output.keys
    rows = result.to_arrow_table()
    columns = rows.column_names
    who = [rows.column(i)[0] for i in range(len(names))]
    count = 0
    while count < len(rows) and all(rows.column(i)[count] == value for i, value in enumerate(who)):
        count += 1
    mine = rows.slice(0, count)
    behind = len(names) + 1  # the anchor stands behind the keys, then the step with its window
    begins = mine.column(behind + 1).to_pylist()
    form = "%Y-%m-%d" if all(f"{at:%H%M%S}" == "000000" for at in begins) else "%m-%d %H:%M"
    moments = [f"{at:{form}}" for at in begins]
    values = mine.column(behind + 3).to_pylist()
    bounds = None
    if columns[behind + 4 : behind + 6] == ["lower", "upper"]:
        pairs = zip(mine.column(behind + 4).to_pylist(), mine.column(behind + 5).to_pylist(), strict=True)
        bounds = [(float(low), float(high)) for low, high in pairs]
    about = ", ".join(f"{name} {value.as_py()}" for name, value in zip(names, who, strict=True))
    drawn = forecast_picture(f"Forecast for {about}", moments, [float(value) for value in values], bounds)
    band = " The band is where it is expected." if bounds else ""
    return Figure("forecast", "", drawn, f"Each step stands at the moment it begins.{band}")


def what_weighs(result: Predictions, *, by: str = "column") -> Figure:
    """The mean share of the contributions by `table` or `column`. Raises PqlError as `importance`."""
    rows = result.importance(by, rows=ROWS).to_arrow_table().to_pylist()
    names = ("table",) if by == "table" else ("table", "column")
    listed = [(named(row, names), float(row["share"])) for row in rows if row.get("share")][:12]
    title = f"What weighs, by {by}"
    drawn = bars_picture(title, [name for name, _ in listed], [share for _, share in listed], share=True, width=400.0,
                         titled=False)  # fmt: skip
    caption = "The mean share of the absolute contributions, over rows spread evenly over the result."
    return Figure("importance", title, drawn, caption if listed else "The model that answers uses no inputs.")


def named(row: dict[str, object], names: tuple[str, ...]) -> str:
    """What a share belongs to."""
    found = [str(row[name]) for name in names if row.get(name)]
    feature = str(row.get("feature") or "")
    if len(found) == len(names) or not row.get("table"):
        return ".".join(found) or feature or "the rest"
    return f"{row['table']}: {feature or 'rows and their times'}"
