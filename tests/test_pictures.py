"""Pictures: boxes that don't touch, links that lead on, texts that stay texts."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hostile_texts import PAYLOADS, assert_only_ours, assert_svg
from shop_catalog import SHOP

from pql.engine.quality.metrics import MetricRow, MetricsTable
from pql.graphview import GraphView
from pql.html_metrics import metrics_html
from pql.language.catalog import Catalog, Column, Key, Link, LogicalType, Stype, Table
from pql.pictures.axes import scale
from pql.pictures.bars import bars_picture
from pql.pictures.forecast import forecast_picture
from pql.pictures.graph import graph_picture
from pql.pictures.layers import placed
from pql.pictures.metrics import metrics_picture
from pql.pictures.reasons import Step, reasons_picture
from pql.pictures.svg import clipped, width_of

METRICS = MetricsTable(
    "auroc",
    (
        MetricRow("blend", "model", "test", "auroc", 0.81, 90, None, 0.75, 0.86),
        MetricRow("gnn", "member", "test", "auroc", 0.79, 90, 0.4, 0.72, 0.84),
        MetricRow("rate", "baseline", "test", "auroc", 0.5, 90, None, 0.5, 0.5),
        MetricRow("rate", "baseline", "test", "mae", float("nan"), 90),
    ),
    ("a note",),
)


def chain_of(n: int) -> Catalog:
    """n tables, each pointing to the next and to the first, the last to itself."""
    columns = (Column("id", LogicalType.INTEGER, Stype.ID), Column("next", LogicalType.INTEGER, Stype.ID))
    tables = tuple(Table(f"t{i}", columns, Key(("id",))) for i in range(n))
    links = [Link(f"t{i}", ("next",), f"t{(i + 1) % n}", ("id",)) for i in range(n)]
    links += [Link(f"t{i}", ("first",), "t0", ("id",)) for i in range(n)]
    return Catalog(tables, tuple(links))


# ------------------------------------------------------------ layout


def test_links_lead_to_the_right_and_boxes_keep_their_distance() -> None:
    edges = [(0, 1), (0, 2), (3, 1), (1, 4), (0, 4), (5, 6)]
    heights = [60.0, 80, 60, 60, 100, 60, 60]
    found = placed(heights, edges, gap=20)
    assert not found.reversed_
    assert all(found.column[a] < found.column[b] for a, b in edges)
    for a, b in combinations(range(7), 2):
        if found.column[a] == found.column[b]:
            assert abs(found.middle[a] - found.middle[b]) >= (heights[a] + heights[b]) / 2 + 20 - 1e-6
    assert [len(way) for way in found.ways] == [0, 0, 0, 0, 1, 0]
    assert min(y - h / 2 for y, h in zip(found.middle, heights, strict=True)) == 0


def test_a_circle_of_links_is_cut_at_one() -> None:
    found = placed([60.0] * 3, [(0, 1), (1, 2), (2, 0), (1, 1)])
    assert found.reversed_ == {2}
    assert found.column == (0, 1, 2)


def test_the_layout_is_the_same_every_time_and_copes_with_nothing() -> None:
    edges = [(i, j) for i in range(12) for j in range(i + 1, 12) if (i * j) % 3 == 1]
    assert placed([60.0] * 12, edges) == placed([60.0] * 12, edges)
    assert placed([], []).column == ()


def test_scales_end_at_round_numbers() -> None:
    assert scale([0.13, 0.87], 0, 100).ticks == pytest.approx((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    assert scale([5.0, 5.0], 0, 100).low < 5 < scale([5.0, 5.0], 0, 100).high
    assert scale([], 0, 100).at(0.5) == 50
    assert scale([1e-9, 3e12, float("nan"), float("inf")], 0, 1).high >= 3e12
    assert scale([0, 2500], 0, 1).labels()[-1] == "2,500"


def test_a_text_is_cut_to_its_room() -> None:
    assert clipped("short", 200) == "short"
    cut = clipped("漢字" * 50, 100)
    assert cut.endswith("…")
    assert width_of(cut) <= 100 + 12


# ------------------------------------------------------------ the graph


def test_the_graph_names_every_table_link_key_and_clock() -> None:
    root = assert_svg(graph_picture(SHOP).svg())
    said = " ".join(root.itertext())
    for table in SHOP.tables:
        assert table.name in said
    for word in (
        "key customer_id",
        "clock ordered_at",
        "clock of orders",
        "no clock: not read",
        "virtual",
        "category_id",
    ):
        assert word in said


@pytest.mark.parametrize("n", [1, 2, 40, 400])
def test_circles_and_many_tables_are_drawn(n: int) -> None:
    picture = graph_picture(chain_of(n))
    assert_svg(picture.svg())
    assert picture.width > 100
    assert ("tables with few links" in picture.svg()) == (n == 400)


def test_an_empty_database_has_a_picture() -> None:
    assert_svg(graph_picture(Catalog(())).svg())


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_hostile_names_stay_names(payload: str) -> None:
    column = Column(payload, LogicalType.INTEGER, Stype.ID)
    nasty = Table(payload, (column,), Key((payload,)))
    link = Link(payload, (payload,), "customers", ("customer_id",))
    catalog = replace(SHOP, tables=(*SHOP.tables, nasty), links=(*SHOP.links, link), warnings=(payload,))
    assert_svg(graph_picture(catalog).svg())
    assert_only_ours(GraphView(catalog, (payload,))._repr_html_())
    rows = tuple(replace(row, model=payload if row.role == "model" else row.model) for row in METRICS.rows)
    metrics = replace(METRICS, rows=rows, notes=(payload,))
    picture = metrics_picture(metrics)
    assert picture is not None
    assert_svg(picture.svg())
    assert_only_ours(metrics_html(metrics))


def test_a_file_is_light_or_dark_and_a_notebook_gets_the_bare_picture(tmp_path: Path) -> None:
    picture = graph_picture(SHOP)
    picture.save(tmp_path / "graph.svg")
    text = (tmp_path / "graph.svg").read_text(encoding="utf-8")
    assert "prefers-color-scheme:dark" in text
    assert text.startswith("<svg")
    assert "prefers-color-scheme" not in picture.inline()
    assert picture._repr_html_().startswith('<div class="pql">')


# ------------------------------------------------------------ reasons


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_hostile_reasons_stay_reasons(payload: str) -> None:
    steps = [Step("what all begin with", "", -1.2), Step(payload, payload, 0.7), Step("n", "3", -0.1)]
    assert_svg(reasons_picture(payload, steps, "log-odds").svg())
    assert_svg(bars_picture(payload, [payload, "b"], [0.2, 0.8], share=True).svg())


def test_a_forecast_is_drawn_between_its_bounds() -> None:
    made = forecast_picture("customer <3>", ["2024-01-08", "2024-01-15"], [3.0, 4.5], [(1.0, 5.0), (2.0, 7.5)])
    assert_svg(made.svg())
    assert made.description == "2024-01-08: 3 (1 to 5); 2024-01-15: 4.5 (2 to 7.5)"
    assert_svg(forecast_picture("one", ["a"], [2.0]).svg())
    assert_svg(forecast_picture("none", [], []).svg())


def test_reasons_add_up_to_what_stands_last() -> None:
    made = reasons_picture("customer 3: 40 %", [Step("base", "", -1.0), Step("a", "2", 0.5), Step("b", "", 0.25)], "x")
    said = [text for text in assert_svg(made.svg()).itertext() if text.strip()]
    assert said[-2:] == ["together", "-0.250"]
    assert "+0.500" in said
    assert "a = 2: +0.5" in made.description
    assert_svg(reasons_picture("nothing", [], "value").svg())


def test_bars_stand_by_size_and_say_how_many_there_are() -> None:
    made = assert_svg(bars_picture("t", [f"c{i}" for i in range(30)], list(range(30))).svg())
    said = [text for text in made.itertext() if text.startswith(("c", "…")) and ";" not in text]
    assert said[0] == "c29"
    assert said[-1] == "… 30 in all"


# ------------------------------------------------------------ metrics


def test_models_stand_by_how_good_they_are() -> None:
    picture = metrics_picture(METRICS)
    assert picture is not None
    said = [text for text in assert_svg(picture.svg()).itertext() if text in ("blend", "gnn", "rate")]
    assert said == ["blend", "gnn", "rate"]
    assert "0.7500 to 0.8600" in picture.description
    assert metrics_picture(METRICS, "mae") is None


def test_the_best_of_a_split_is_bold() -> None:
    made = metrics_html(METRICS)
    assert '<td class="pql-right"><b>0.8100</b></td>' in made
    assert made.count("<b>") == 1
    assert "a note" in made
