"""Questions to begin with, read off a catalog: what a newcomer can paste after looking at the graph."""

from __future__ import annotations

import shlex

from pql.language.catalog import Catalog, Link, Role, Stype, Table
from pql.language.errors import PqlError
from pql.language.format import quote_name

MOST = 3
DAYS = 30


def first_questions(catalog: Catalog) -> tuple[str, ...]:
    """Up to three PREDICT queries that bind: who stops, how much, what next; facts with amounts come first.

    A query with a name that doesn't print is left out: it couldn't be pasted, and might speak to the terminal.
    """
    asked: list[str] = []
    for fact, link in _facts(catalog):
        entity = f"{quote_name(link.parent)}.{quote_name(link.parent_columns[0])}"
        rows = f"COUNT({quote_name(fact.name)}.*"
        active = f"FOR EACH {entity} WHERE {rows}, -{2 * DAYS}, 0, days) > 0"
        asked.append(f"PREDICT {rows}, 0, {DAYS}, days) = 0 {active}")
        if catalog.table(link.parent).role is Role.ENTITY:
            asked += [f"PREDICT SUM({name}, 0, {DAYS}, days) FOR EACH {entity}" for name in _amounts(catalog, fact)[:1]]
        asked += [
            f"PREDICT LIST_DISTINCT({quote_name(fact.name)}.{quote_name(other.child_columns[0])}, 0, {DAYS}, days) "
            f"RANK TOP 5 {active}"
            for other in catalog.links_from(fact.name)
            if other != link and len(other.child_columns) == 1
        ]
    kinds: dict[str, str] = {}
    for query in asked:
        kind = query.split("(")[0]
        if kind not in kinds and query.isprintable() and _binds(query, catalog):
            kinds[kind] = query
    return tuple(kinds.values())[:MOST]


def _facts(catalog: Catalog) -> list[tuple[Table, Link]]:
    """Tables with a clock of their own and the link to who acts in them: tables with amounts (gifts, orders) before
    those without (mailings, clicks), then the largest tables; the largest parents."""
    found = []
    for table in catalog.tables:
        if table.role is not Role.FACT or table.clock.kind != "own":
            continue
        links = [
            link
            for link in catalog.links_from(table.name)
            if len(link.child_columns) == 1 and catalog.table(link.parent).key is not None and link.parent != table.name
        ]
        if links:
            found.append((table, max(links, key=lambda link: catalog.table(link.parent).rows or 0)))
    return sorted(found, key=lambda pair: (not _amounts(catalog, pair[0]), -(pair[0].rows or 0)))


def _amounts(catalog: Catalog, fact: Table) -> list[str]:
    """The numeric columns of a table that are worth adding up."""
    linked = {name for link in catalog.links_from(fact.name) for name in link.child_columns}
    return [
        f"{quote_name(fact.name)}.{quote_name(column.name)}"
        for column in fact.columns
        if column.stype is Stype.NUMBER and column.type.is_number and column.name not in linked
    ]


def _binds(query: str, catalog: Catalog) -> bool:
    from pql.language.binder import bind
    from pql.language.parser import parse

    try:
        bind(parse(query), catalog, text=query)  # type: ignore[arg-type]
    except PqlError:
        return False
    return True


def in_a_shell(database: str | None, catalog: Catalog) -> str:
    """The questions as commands, under a line that introduces them; nothing where there are none.

    `database`: as it was named on the command line; None where the configuration names it.
    """
    queries = first_questions(catalog)
    from pql.backends.location import shown_source

    place = "" if database is None else f"{shlex.quote(shown_source(database))} "
    lines = [f"  pql {place}-c {shlex.quote(query)}" for query in queries]
    return "\n".join(["\nto ask, for example:", *lines]) + "\n" if lines else ""
