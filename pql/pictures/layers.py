"""Where the boxes of a graph stand: in columns, so that links lead to the right, cross seldom and stay short.

Nodes are 0 … n-1, links are (child, parent). Columns by the longest chain of links, the order in each by the mean place
of a node's neighbours, heights by isotonic regression to where neighbours are.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Edge = tuple[int, int]
SWEEPS = 12
FARTHEST = 10  # columns that a link passes between boxes; a longer one runs straight behind them


@dataclass(frozen=True, slots=True)
class Placed:
    """column: of every node, from the left. middle: px from the top of its middle. ways: of every link the (column, y)
    that it passes on its way from the left end to the right one. reversed_: links that had to be turned round."""

    column: tuple[int, ...]
    middle: tuple[float, ...]
    ways: tuple[tuple[tuple[int, float], ...], ...]
    reversed_: frozenset[int]


def placed(heights: Sequence[float], edges: Sequence[Edge], *, gap: float = 28.0) -> Placed:
    """The places of boxes of these heights (px), `gap` px apart at least. Links of a node with itself don't count."""
    turned = _turned(len(heights), edges)
    forward = [(b, a) if i in turned else (a, b) for i, (a, b) in enumerate(edges)]
    column = _columns(len(heights), [edge for edge in forward if edge[0] != edge[1]])
    nodes, chains = list(heights), []
    of_column = list(column)
    short: list[Edge] = []
    for left, right in forward:
        chain = [left]
        if left != right:
            between = range(column[left] + 1, column[right])
            for at in between if len(between) <= FARTHEST else ():  # a narrow place to pass the boxes between
                chain.append(len(nodes))
                nodes.append(8.0)
                of_column.append(at)
            chain.append(right)
        chains.append(chain)
        short += pairwise(chain) if column[right] - column[left] <= FARTHEST + 1 else ()
    middle = [0.0] * len(nodes)
    top = 0.0
    for part in _parts(len(nodes), short):  # what isn't linked with each other stands one above the other
        ranks = _ordered([of_column[node] if node in part else -1 for node in range(len(nodes))], short)
        found = _heights(nodes, ranks, short, gap)
        ends = [found[node] + nodes[node] / 2 for node in part]
        above = min(found[node] - nodes[node] / 2 for node in part)
        for node in part:
            middle[node] = found[node] - above + top
        top += max(ends) - above + gap
    ways = tuple(tuple((of_column[node], middle[node]) for node in chain[1:-1]) for chain in chains)
    n = len(heights)
    return Placed(tuple(column), tuple(middle[:n]), ways, frozenset(turned))


def _parts(n: int, edges: Sequence[Edge]) -> list[frozenset[int]]:
    """The nodes that links hold together, the largest part first."""
    part = list(range(n))

    def root(node: int) -> int:
        while part[node] != node:
            part[node] = part[part[node]]
            node = part[node]
        return node

    for a, b in edges:
        part[root(b)] = root(a)
    found: dict[int, list[int]] = {}
    for node in range(n):
        found.setdefault(root(node), []).append(node)
    return sorted(map(frozenset, found.values()), key=lambda nodes: (-len(nodes), min(nodes)))


def _turned(n: int, edges: Sequence[Edge]) -> set[int]:
    """The links that close a circle when followed depth first."""
    after: list[list[tuple[int, int]]] = [[] for _ in range(n)]
    for i, (a, b) in enumerate(edges):
        if a != b:
            after[a].append((i, b))
    state, turned = [0] * n, set()
    for start in range(n):
        if state[start]:
            continue
        stack = [(start, iter(after[start]))]
        state[start] = 1
        while stack:
            node, rest = stack[-1]
            found = next(rest, None)
            if found is None:
                state[node] = 2
                stack.pop()
            elif state[found[1]] == 1:
                turned.add(found[0])
            elif not state[found[1]]:
                state[found[1]] = 1
                stack.append((found[1], iter(after[found[1]])))
    return turned


def _columns(n: int, edges: Sequence[Edge]) -> list[int]:
    """Columns in which every link leads to the right; what nothing points to stands close to what it points to."""
    column = [0] * n
    for _ in range(n):
        changed = False
        for a, b in edges:
            if column[b] <= column[a]:
                column[b], changed = column[a] + 1, True
        if not changed:
            break
    has_children = {b for _, b in edges}
    for node in range(n):
        parents = [column[b] for a, b in edges if a == node]
        if parents and node not in has_children:
            column[node] = min(parents) - 1
    return column


def _ordered(column: Sequence[int], edges: Sequence[Edge]) -> list[list[int]]:
    """The nodes of each column (those of -1 aside) from top to bottom: the best of some sweeps, with few crossings."""
    ranks = [[node for node, at in enumerate(column) if at == c] for c in range(max(column, default=-1) + 1)]
    left: dict[int, list[int]] = {}
    right: dict[int, list[int]] = {}
    for a, b in edges:
        right.setdefault(a, []).append(b)
        left.setdefault(b, []).append(a)
    edges = [(a, b) for a, b in edges if column[a] >= 0]
    best, fewest = [list(rank) for rank in ranks], _crossings(ranks, edges)
    for sweep in range(SWEEPS):
        to_right = sweep % 2 == 0
        for rank in ranks if to_right else reversed(ranks):
            place = {node: (i + 0.5) / len(other) for other in ranks for i, node in enumerate(other)}
            neighbours = left if to_right else right

            def mean(node: int, place: dict[int, float] = place, by: dict[int, list[int]] = neighbours) -> float:
                found = [place[other] for other in by.get(node, ())]
                return sum(found) / len(found) if found else place[node]

            rank.sort(key=mean)
        count = _crossings(ranks, edges)
        if count < fewest:
            best, fewest = [list(rank) for rank in ranks], count
    return best


def _crossings(ranks: Sequence[Sequence[int]], edges: Sequence[Edge]) -> int:
    place = {node: (c, i) for c, rank in enumerate(ranks) for i, node in enumerate(rank)}
    by_column: dict[int, list[tuple[int, int]]] = {}
    for a, b in edges:
        by_column.setdefault(place[a][0], []).append((place[a][1], place[b][1]))
    count = 0
    for lines in by_column.values():
        passed: list[int] = []
        for _, end in sorted(lines):
            count += len(passed) - bisect_right(passed, end)
            insort(passed, end)
    return count


def _heights(
    heights: Sequence[float], ranks: Sequence[Sequence[int]], edges: Sequence[Edge], gap: float
) -> list[float]:
    """Of every node the y of its middle, wherever 0 is: close to its neighbours', never on each other."""
    near: dict[int, list[int]] = {}
    for a, b in edges:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    middle = [0.0] * len(heights)
    for rank in ranks:
        whole = sum(heights[node] + gap for node in rank)
        top = -whole / 2
        for node in rank:
            middle[node] = top + (heights[node] + gap) / 2
            top += heights[node] + gap
    for sweep in range(SWEEPS):
        for rank in ranks if sweep % 2 == 0 else reversed(ranks):
            wanted = [sum(middle[o] for o in near[i]) / len(near[i]) if near.get(i) else middle[i] for i in rank]
            steps = [0.0]
            for above, below in pairwise(rank):
                steps.append(steps[-1] + (heights[above] + heights[below]) / 2 + gap)
            level = _rising([y - step for y, step in zip(wanted, steps, strict=True)])
            for node, y, step in zip(rank, level, steps, strict=True):
                middle[node] = y + step
    return middle


def _rising(values: Sequence[float]) -> list[float]:
    """The nearest sequence that never falls (least squares): neighbours that would cross share their mean."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        total, count = value, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            before, many = blocks.pop()
            total, count = total + before, count + many
        blocks.append((total, count))
    return [total / count for total, count in blocks for _ in range(count)]
