"""Routes between tables along links: from a fact row to the rows it points to, and to its entity.

A route may go down (to child rows) and then up (to parents); never up and then down, which would pair rows that
merely share a parent. Upward-only routes come first: each row then has at most one goal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pql.language.bound import Passage, Route, Step
from pql.language.catalog import Catalog, Link

LONGEST = 5


def links_for(
    catalog: Catalog, entity: str | None, *, ignoring: frozenset[tuple[str, str]] = frozenset()
) -> tuple[Link, ...]:
    """The links that routes may take when `entity` is asked about.

    A virtual table carries the columns of the table that enriches it: only one of both is passed through, the
    enriching table where it is the entity itself, else the virtual one. Links over ignored columns are left out.
    """
    hidden = {table.name for table in catalog.tables if table.enriches is not None and table.name != entity}
    for table in catalog.tables:
        if table.name == entity and table.enriches is not None:
            hidden.add(table.enriches)
    return tuple(
        link
        for link in catalog.links
        if link.child not in hidden
        and link.parent not in hidden
        and not any((link.child, column) in ignoring for column in link.child_columns)
    )


def tables_of(route: Route) -> tuple[str, ...]:
    """The tables a route passes, without its start."""
    return tuple(step.target for step in route)


def _shortest(
    start: str, goal: str, links: Iterable[Link], *, down: bool, keep: Callable[[Route], bool] | None
) -> tuple[Route, ...]:
    every = tuple(links)
    frontier: list[Route] = [()]
    for _ in range(LONGEST):
        longer: list[Route] = []
        for route in frontier:
            here = route[-1].target if route else start
            gone_up = any(step.up for step in route)
            passed = {start, *tables_of(route)}
            for link in every:
                if link.child == here and (link.parent not in passed or link.parent == goal):
                    longer.append((*route, Step(link)))
                if down and not gone_up and link.parent == here and (link.child not in passed or link.child == goal):
                    longer.append((*route, Step(link, up=False)))
        hits = tuple(route for route in longer if route[-1].target == goal and (keep is None or keep(route)))
        if hits:
            return hits
        frontier = [route for route in longer if route[-1].target != goal]
        if len(frontier) > 20_000:
            break
    return ()


def upward(start: str, goal: str, links: Iterable[Link]) -> tuple[Route, ...]:
    """All shortest routes from a row of `start` to the row of `goal` it points to; `((),)` if they are the same."""
    if start == goal:
        return ((),)
    return _shortest(start, goal, links, down=False, keep=None)


def to_entity(start: str, entity: str, links: Iterable[Link], *, via: tuple[Passage, ...] = ()) -> tuple[Route, ...]:
    """All shortest routes from a row of `start` to the entities it belongs to, all of `via` passed.

    Upward routes win over routes with steps down. A table reached from itself needs a link (a self-link).
    """
    every = tuple(links)

    def keep(route: Route) -> bool:
        return all(passage.lies_on(start, route) for passage in via)

    found = _shortest(start, entity, every, down=False, keep=keep if via else None)
    return found or _shortest(start, entity, every, down=True, keep=keep if via else None)


def spelled(start: str, route: Route) -> str:
    """`results -> races -> circuits`, with the column where a link alone would not tell."""
    parts = [start]
    for step in route:
        columns = ", ".join(step.link.child_columns)
        parts.append(f"-[{columns}]-> {step.target}" if step.up else f"<-[{columns}]- {step.target}")
    return " ".join(parts)
