"""A database as a picture: a box per table with its key, clock and rows, an arrow along every link, child to parent.

With a plan, what the query reads stands out: its entity, what it counts, how many hops everything is away; the rest is
pale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pql.html import BLUE, GREY, ORANGE, VIOLET, Html
from pql.pictures.layers import placed
from pql.pictures.svg import Picture, clipped, group, line, path, picture, rect, text, width_of

if TYPE_CHECKING:
    from pql.engine.planning.plan import Plan
    from pql.language.catalog import Catalog, Link, Table

MOST_TABLES = 150  # beyond which a picture shows nothing any more
_HEAD, _ROW, _PAD, _PORT = 24.0, 17.0, 10.0, 18.0
_NARROWEST, _WIDEST = 110.0, 230.0
_MOST_LABEL = 170.0
_CURVE = 56.0  # px between columns in which links bend
_MARGIN = 14.0
_LOOP = 26.0
_PALE = "0.45"


@dataclass(frozen=True, slots=True)
class _Box:
    table: Table
    lines: tuple[str, ...]
    width: float
    height: float
    colour: str
    badge: str
    pale: bool


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a query reads: the tables with their hops from the entity, the links, and what its target counts."""

    entity: str
    hops: dict[str, int]
    links: frozenset[Link]
    facts: frozenset[str]


def graph_picture(catalog: Catalog, plan: Plan | None = None) -> Picture:
    """The picture of a catalog; with `plan` of what its query reads of it."""
    shown = None if plan is None else _shown(plan)
    tables = _chosen(catalog, shown)
    index = {table.name: i for i, table in enumerate(tables)}
    links = [link for link in catalog.links if link.child in index and link.parent in index]
    boxes = [_box(table, links, shown) for table in tables]
    edges = [(index[link.child], index[link.parent]) for link in links]
    tied = sorted({node for edge in edges for node in edge})
    alone = [i for i in range(len(tables)) if i not in set(tied)]
    at = {node: i for i, node in enumerate(tied)}
    layout = placed([boxes[i].height for i in tied], [(at[a], at[b]) for a, b in edges])
    lefts, right = _lefts([boxes[i] for i in tied], layout.column, links, [(at[a], at[b]) for a, b in edges])
    corners = {
        node: (lefts[layout.column[i]], _MARGIN + _LOOP / 2 + layout.middle[i] - boxes[node].height / 2)
        for node, i in at.items()
    }
    bottom = max((y + boxes[node].height for node, (_, y) in corners.items()), default=_MARGIN - 20)
    width, height = _place_alone([(i, boxes[i]) for i in alone], corners, max(right, 420.0), bottom + 20)
    arrows = _arrows(boxes, corners, links, edges, layout, lefts, at, shown)
    drawn = [_drawn(boxes[i], *corners[i]) for i in range(len(boxes))]
    left_out = len(catalog.tables) - len(tables)
    legend, foot, height = _legend(shown, height, left_out)
    what = "A database" if shown is None else f"What the query reads, from {shown.entity}"
    told = "; ".join([*(f"{t.name}: {', '.join(b.lines)}" for t, b in zip(tables, boxes, strict=True))])
    told += "".join(f"; {link}" for link in links)
    title = f"{what}: {len(tables):,} tables, {len(links):,} links"
    return picture(max(width, foot), height, title, clipped(told, 20_000), *arrows, *drawn, *legend)


def _chosen(catalog: Catalog, shown: _Shown | None) -> list[Table]:
    """The tables that are drawn: all, or of very many those of the query and with the most links."""
    if len(catalog.tables) <= MOST_TABLES:
        return list(catalog.tables)
    ties: dict[str, int] = {}
    for link in catalog.links:
        ties[link.child] = ties.get(link.child, 0) + 1
        ties[link.parent] = ties.get(link.parent, 0) + 1
    asked = frozenset() if shown is None else frozenset(shown.hops)
    ranked = sorted(catalog.tables, key=lambda table: (table.name not in asked, -ties.get(table.name, 0)))
    kept = {table.name for table in ranked[:MOST_TABLES]}
    return [table for table in catalog.tables if table.name in kept]


def _shown(plan: Plan) -> _Shown:
    from pql.engine.planning.planned_graph import walk
    from pql.language.bound import BoundAggregate

    query = plan.query
    near: dict[str, list[str]] = {}
    for link in plan.graph.links:
        near.setdefault(link.child, []).append(link.parent)
        near.setdefault(link.parent, []).append(link.child)
    hops, front = {query.entity.table: 0}, [query.entity.table]
    while front:
        front = list(dict.fromkeys(b for a in front for b in near.get(a, ()) if b not in hops))
        hops.update({name: max(hops.values()) + 1 for name in front})
    facts = frozenset(
        node.fact
        for part in (query.target, query.where, query.assuming)
        for node in walk(part)
        if isinstance(node, BoundAggregate)
    )
    tables = {table.name for table in plan.graph.tables}
    far = len(hops)
    known = {name: hops.get(name, far) for name in {*tables, *hops, *facts}}
    return _Shown(query.entity.table, known, frozenset(plan.graph.links), facts)


def _box(table: Table, links: Sequence[Link], shown: _Shown | None) -> _Box:
    lines = (_key(table), _clock(table), _size(table))
    badge = _badge(table.name, shown)
    head = width_of(table.name, 13 * 1.08) + (width_of(badge, 11) + 12 if badge else 0)
    width = min(max(_NARROWEST, head + 2 * _PAD, *(width_of(said) + 2 * _PAD for said in lines)), _WIDEST)
    outgoing = sum(link.child == table.name for link in links)
    incoming = sum(link.parent == table.name for link in links)
    height = max(_HEAD + len(lines) * _ROW + 8, max(outgoing, incoming) * _PORT + 10)
    pale = shown is not None and table.name not in shown.hops
    return _Box(table, lines, width, height, _colour(table, shown), badge, pale)


def _badge(name: str, shown: _Shown | None) -> str:
    if shown is None or name not in shown.hops:
        return ""
    if name == shown.entity:
        return "entity"
    hops = shown.hops[name]
    if hops >= len(shown.hops):
        return ""
    return f"{hops} hop{'s' * (hops != 1)}"


def _colour(table: Table, shown: _Shown | None) -> str:
    if shown is not None:
        return BLUE if table.name == shown.entity else ORANGE if table.name in shown.facts else GREY
    return VIOLET if table.virtual is not None else BLUE if table.role.value == "entity" else GREY


def _key(table: Table) -> str:
    return "no key" if table.key is None else f"key {', '.join(table.key.columns)}"


def _clock(table: Table) -> str:
    clock = table.clock
    if clock.kind == "own":
        return f"clock {clock.column}"
    if clock.kind == "inherited" and clock.via is not None:
        return f"clock of {clock.via.parent}"
    if clock.kind == "seen":
        return "clock: first seen"
    return "always known" if table.always_known or table.role.value == "entity" else "no clock: not read"


def _size(table: Table) -> str:
    rows = "rows not counted" if table.rows is None else f"{table.rows:,} rows"
    return f"{rows}, {'virtual' if table.virtual is not None else table.role.value}"


def _label(link: Link) -> str:
    """The child's columns; the parent's too where they are called otherwise."""
    child, parent = ", ".join(link.child_columns), ", ".join(link.parent_columns)
    return child if child.lower() == parent.lower() else f"{child} → {parent}"


def _lefts(
    boxes: Sequence[_Box], column: Sequence[int], links: Sequence[Link], edges: Sequence[tuple[int, int]]
) -> tuple[list[float], float]:
    """The left side of every column, and where the last one ends. Between two is room for the names of the links."""
    x, lefts = _MARGIN, []
    for c in range(max(column, default=-1) + 1):
        lefts.append(x)
        wide = max(box.width for box, at in zip(boxes, column, strict=True) if at == c)
        names = [
            width_of(_label(link), 11) for link, (a, b) in zip(links, edges, strict=True) if _left(column, a, b) == c
        ]
        label = min(max(names, default=0.0), _MOST_LABEL)
        x += wide + (label + _CURVE if c < max(column) else label + 16 if names else 0)
    return lefts, x + _MARGIN


def _left(column: Sequence[int], a: int, b: int) -> int:
    """The column behind which a link's name stands: that of its child, or where it leads to the left, of the other."""
    return min(column[a], column[b])


def _place_alone(
    boxes: Sequence[tuple[int, _Box]], corners: dict[int, tuple[float, float]], right: float, top: float
) -> tuple[float, float]:
    """Tables without links in rows at the foot; the width and height of all."""
    x, y, tallest = _MARGIN, top, 0.0
    for i, box in boxes:
        if x > _MARGIN and x + box.width > right:
            x, y, tallest = _MARGIN, y + tallest + 20, 0.0
        corners[i] = (x, y)
        x, tallest = x + box.width + 20, max(tallest, box.height)
        right = max(right, x)
    return right, y + tallest if boxes else top - 20


def _arrows(
    boxes: Sequence[_Box],
    corners: dict[int, tuple[float, float]],
    links: Sequence[Link],
    edges: Sequence[tuple[int, int]],
    layout: object,
    lefts: Sequence[float],
    at: dict[int, int],
    shown: _Shown | None,
) -> Iterator[Html]:
    """An arrow per link, its name beside the child."""
    from pql.pictures.layers import Placed

    assert isinstance(layout, Placed)
    middle = {node: y + boxes[node].height / 2 for node, (_, y) in corners.items()}
    shift = _MARGIN + _LOOP / 2
    ends: dict[int, list[tuple[float, int, int]]] = {}  # by side of a box: (y of the other end, link, which end)
    for i, (a, b) in enumerate(edges):
        if a == b:
            continue
        left, right = (b, a) if i in layout.reversed_ else (a, b)
        way = layout.ways[i]
        ends.setdefault(2 * left + 1, []).append((way[0][1] + shift if way else middle[right], i, 0))
        ends.setdefault(2 * right, []).append((way[-1][1] + shift if way else middle[left], i, 1))
    ports: dict[tuple[int, int], float] = {}
    for side, found in ends.items():
        node = side // 2
        for k, (_, i, end) in enumerate(sorted(found)):
            spread = min(_PORT, (boxes[node].height - 10) / len(found))
            ports[i, end] = middle[node] + (k - (len(found) - 1) / 2) * spread
    for i, (link, (a, b)) in enumerate(zip(links, edges, strict=True)):
        read = shown is None or link in shown.links
        colour = GREY if shown is None or not read else BLUE
        look = {"stroke_width": "2" if shown is not None and read else "1.4", "opacity": None if read else _PALE}
        if a == b:
            yield _loop(boxes[a], corners[a], link, colour, look)
            continue
        turned = i in layout.reversed_
        left, right = (b, a) if turned else (a, b)
        start = (corners[left][0] + boxes[left].width, ports[i, 0])
        stop = (corners[right][0], ports[i, 1])
        name = min(width_of(_label(link), 11), _MOST_LABEL)
        points = [(lefts[c], y + shift) for c, y in layout.ways[i]]
        wide = [
            max((boxes[n].width for n, j in at.items() if layout.column[j] == c), default=0) for c, _ in layout.ways[i]
        ]
        commands = _route(start, stop, points, wide, name, lefts[layout.column[at[left]] + 1])
        head = _head(*start, to_left=True, colour=colour) if turned else _head(*stop, to_left=False, colour=colour)
        said = text(start[0] + 8, start[1] - 5, _label(link), size=11, halo=True, most=_MOST_LABEL)
        yield group(path(commands, colour, **look), head, said, opacity=None if read else _PALE)


def _route(
    start: tuple[float, float],
    stop: tuple[float, float],
    points: Sequence[tuple[float, float]],
    wide: Sequence[float],
    name: float,
    next_left: float,
) -> str:
    """A line along the link's name, then bending through the gaps it passes to its end."""
    x, y = start
    flat = max(min(x + name + 12, next_left - _CURVE + 12), x)
    commands = f"M{x:.1f} {y:.1f}H{flat:.1f}"
    x = flat
    for (left, level), width in zip(points, wide, strict=True):
        commands += _bend(x, y, left, level) + f"H{left + width:.1f}"
        x, y = left + width, level
    return commands + _bend(x, y, stop[0] - 8, stop[1]) + f"H{stop[0]:.1f}"


def _bend(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (x + to_x) / 2
    return f"C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"


def _head(x: float, y: float, *, to_left: bool, colour: str) -> Html:
    """The tip of an arrow, at the parent."""
    back = 9 if to_left else -9
    return path(f"M{x:.1f} {y:.1f}l{back} -4.5v9z", "none", fill=colour)


def _loop(box: _Box, corner: tuple[float, float], link: Link, colour: str, look: dict[str, str | None]) -> Html:
    """A link of a table with itself, over its head."""
    x, y = corner
    right = x + box.width
    commands = f"M{right - 44:.1f} {y:.1f}v{-_LOOP / 2:.1f}H{right - 16:.1f}V{y - 2:.1f}"
    tip = path(f"M{right - 16:.1f} {y:.1f}l-4.5 -9h9z", "none", fill=colour)
    name = text(right - 50, y - 4, _label(link), size=11, anchor="end", halo=True, most=box.width - 50)
    return group(path(commands, colour, **look), tip, name)


def _drawn(box: _Box, x: float, y: float) -> Html:
    """A table: a coloured head with its name, its key, clock and size beneath."""
    name, badge_wide = box.table.name, width_of(box.badge, 11) + 12 if box.badge else 0.0
    head = f"M{x:.1f} {y + _HEAD:.1f}v{-_HEAD + 5:.1f}q0 -5 5 -5h{box.width - 10:.1f}q5 0 5 5v{_HEAD - 5:.1f}z"
    dashed = "4 3" if box.table.virtual is not None else None
    shapes = [
        rect(x, y, box.width, box.height, fill="#808080", rx=5.0, fill_opacity="0.07"),
        path(head, "none", fill=box.colour),
        rect(x, y, box.width, box.height, rx=5.0, stroke=box.colour, stroke_width="1.3", stroke_dasharray=dashed),
        text(x + _PAD, y + 17, name, size=13, bold=True, fill="#fff", most=box.width - 2 * _PAD - badge_wide),
    ]
    if box.badge:
        shapes.append(text(x + box.width - _PAD, y + 16.5, box.badge, size=11, anchor="end", fill="#fff"))
    for i, said in enumerate(box.lines):
        shapes.append(text(x + _PAD, y + _HEAD + 16 + i * _ROW, said, soft=i > 0, most=box.width - 2 * _PAD))
    return group(*shapes, opacity=_PALE if box.pale else None)


def _legend(shown: _Shown | None, height: float, left_out: int) -> tuple[list[Html], float, float]:
    """What the colours mean, in lines at the foot; the width it takes, the height with it."""
    pairs = (
        [(BLUE, "describes (entity)"), (GREY, "happens (fact)"), (VIOLET, "made of values (virtual)")]
        if shown is None
        else [(BLUE, "who is asked about"), (ORANGE, "what the query counts"), (GREY, "what is read besides")]
    )
    x, y, shapes = _MARGIN, height + 26, []
    for colour, said in pairs:
        shapes += [rect(x, y - 9, 10, 10, fill=colour, rx=2.0), text(x + 15, y, said, size=11, soft=True)]
        x += width_of(said, 11) + 30
    wide = x
    y += 18
    shapes.append(line(_MARGIN, y - 4, _MARGIN + 14, y - 4, GREY, stroke_width="1.4"))
    shapes.append(path(f"M{_MARGIN + 20:.1f} {y - 4:.1f}l-8 -4v8z", "none", fill=GREY))
    told = "leads from a row to the one it names" + ("" if shown is None else "; pale: not read")
    told += f"; {left_out:,} tables with few links aren't drawn" if left_out else ""
    shapes.append(text(_MARGIN + 26, y, told, size=11, soft=True))
    return shapes, max(wide, _MARGIN + 40 + width_of(told, 11)), y + _MARGIN
