"""The tables of a plan as a picture: the entity on the left, one column of boxes per step away from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pql.report.charts import drawing
from pql.report.markup import Markup, esc

if TYPE_CHECKING:
    from pql.engine.planning.plan import Plan

WIDE, HIGH, GAP, ROW = 168, 44, 76, 62


def graph_picture(plan: Plan, sizes: Mapping[str, int]) -> Markup:
    """Boxes and links. `sizes`: rows by table."""
    names = [one.name for one in plan.graph.tables]
    entity = plan.query.entity.table
    if entity not in names:
        names.insert(0, entity)
    away = {entity: 0}
    pairs = [(link.child, link.parent) for link in plan.graph.links if link.child in names and link.parent in names]
    front = [entity]
    while front:
        near = [b if a == name else a for name in front for a, b in pairs if name in (a, b)]
        front = [name for name in dict.fromkeys(near) if name not in away]
        away |= {name: 1 + max(away.values()) for name in front}
    last = max(away.values()) + 1
    columns: dict[int, list[str]] = {}
    for name in names:
        columns.setdefault(away.get(name, last), []).append(name)
    places: dict[str, tuple[float, float]] = {}
    tallest = max(len(column) for column in columns.values())
    for i, depth in enumerate(sorted(columns)):
        column = columns[depth]
        shift = (tallest - len(column)) * ROW / 2
        for j, name in enumerate(column):
            places[name] = (2 + i * (WIDE + GAP), 8 + shift + j * ROW)
    inner = [_edge(places[a], places[b]) for a, b in dict.fromkeys(pairs)]
    for name, (x, y) in places.items():
        count = f"{sizes[name]:,} rows" if name in sizes else ""
        cls = "box entity" if name == entity else "box"
        inner.append(
            f'<rect class="{cls}" x="{x}" y="{y:g}" width="{WIDE}" height="{HIGH}" rx="6"/>'
            f'<text class="name" x="{x + 12}" y="{y + 19:g}">{esc(name, 22)}</text>'
            f'<text class="tick" x="{x + 12}" y="{y + 34:g}">{esc(count)}</text>'
        )
    width = len(columns) * (WIDE + GAP) - GAP + 6
    words = f"{len(names)} tables and {len(pairs)} links around {entity}"
    return drawing(max(width, 560), 16 + tallest * ROW, words, "".join(inner), "chart wide")


def _edge(a: tuple[float, float], b: tuple[float, float]) -> str:
    """A curve between two boxes."""
    (x1, y1), (x2, y2) = sorted((a, b))
    y1, y2 = y1 + HIGH / 2, y2 + HIGH / 2
    if x1 == x2:
        side = x1 + WIDE
        return f'<path class="edge" d="M{side} {y1:g}C{side + 40} {y1:g} {side + 40} {y2:g} {side} {y2:g}"/>'
    start, middle = x1 + WIDE, (x1 + WIDE + x2) / 2
    return f'<path class="edge" d="M{start} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2} {y2:g}"/>'
