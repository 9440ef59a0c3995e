"""VIA: the tables and the foreign keys that routes are to take, where several lead to the same table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pql.language import ast
from pql.language.bound import Passage, Route
from pql.language.catalog import Link
from pql.language.names import Found, listed, look_up
from pql.language.routes import to_entity
from pql.language.scope import Edit, Scope, find_column, find_table, quoted


def clause(passages: Iterable[Passage]) -> str:
    """`VIA calls.caller`."""
    return "VIA " + ", ".join(spelled(passage) for passage in passages)


def spelled(passage: Passage) -> str:
    """`calls.caller`, or a table's name."""
    return ".".join(quoted(name) for name in (passage.table, passage.column) if name is not None)


def asked(scope: Scope, passages: tuple[Passage, ...]) -> tuple[Edit, ...]:
    """The edit that takes these passages, beside those that VIA names already."""
    if not scope.query.via:
        return scope.appended(clause(passages))
    end = scope.query.via[-1].span.end
    return () if scope.query.via[-1].span == ast.NOWHERE else (Edit(end, end, clause(passages).replace("VIA", ",", 1)),)


def bind_via(scope: Scope, names: tuple[ast.Identifier | ast.ColumnName, ...]) -> tuple[Passage, ...]:
    """What VIA names; a fault for a column that is no foreign key."""
    found: list[Passage] = []
    for name in names:
        if isinstance(name, ast.ColumnName):
            passage = _link(scope, name)
        else:
            table = None if _is_bare_key(scope, name) else find_table(scope, name)
            passage = None if table is None else Passage(table.name)
        if passage is not None:
            found.append(passage)
    return tuple(found)


def _is_bare_key(scope: Scope, name: ast.Identifier) -> bool:
    """Whether a name is no table's, but that of a foreign key written without its table; then a fault."""
    if look_up(name.text, [table.name for table in scope.catalog.tables], plurals=True) != Found(None):
        return False
    own = dict.fromkeys((link.child, column) for link in scope.links for column in link.child_columns)
    near = tuple(spelled(Passage(table, column)) for table, column in own if look_up(name.text, [column]).name)
    if near:
        hint = f"did you mean {' or '.join(near)}?"
        edits = scope.replaced(name.span, near[0]) if len(near) == 1 else ()
        scope.fault("unknown_table", f"there is no table {name.text}", name.span, hint=hint, edits=edits, near=near)
    return bool(near)


def _link(scope: Scope, name: ast.ColumnName) -> Passage | None:
    found = find_column(scope, name)
    if found is None:
        return None
    table, column = found[0].name, found[1].name
    own = [link for link in scope.links if link.child == table]
    if any(column in link.child_columns for link in own):
        return Passage(table, column)
    message = f"the column {table}.{column} is no foreign key that a route could take"
    near = tuple(dict.fromkeys(spelled(_first(link)) for link in own))
    hint = f"those of {table} are: {listed(near)}" if near else f"the table {table} has none"
    if any(column in link.child_columns for link in scope.catalog.links if link.child == table):
        hint = "IGNORING takes it away"
    scope.fault("no_join_path", message, name.span, hint=hint, near=near)
    return None


def _first(link: Link) -> Passage:
    return Passage(link.child, link.child_columns[0])


def among(scope: Scope, start: str, routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Those of equal routes from `start` that VIA chooses: each passage in turn, where one of them has it."""
    for passage in scope.via:
        left = tuple(route for route in routes if passage.lies_on(start, route[:-1] if not passage.column else route))
        if left:
            scope.via_used.setdefault(passage, start)
            routes = left
    return routes


def through(scope: Scope, fact: str, entity: str, routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """The routes from `fact` to the entity that VIA chooses: a longer one too, where no shortest one has the passage.

    Only the rows that first needed a longer route go it: VIA of the target doesn't lead other tables a longer way.
    """
    taken: tuple[Passage, ...] = ()
    for passage in scope.via:
        left = tuple(route for route in routes if passage.lies_on(fact, route))
        if not left and fact != entity and scope.via_used.get(passage, fact) == fact:
            left = to_entity(fact, entity, scope.links, via=(*taken, passage))
        if left:
            scope.via_used.setdefault(passage, fact)
            routes, taken = left, (*taken, passage)
    return routes


@contextmanager
def own_via(scope: Scope, node: ast.Aggregate) -> Iterator[None]:
    """What an aggregate's own VIA names goes before what that of the query does, while the aggregate is bound."""
    own = bind_via(scope, node.via)
    before, used = scope.via, scope.via_used
    scope.via = (*own, *(passage for passage in before if passage not in own))
    scope.via_used = {passage: fact for passage, fact in used.items() if passage not in own}
    faults = len(scope.findings)
    yield
    if len(scope.findings) == faults:
        check_via(scope, own, node.via)
    scope.via, scope.via_used = before, {**scope.via_used, **used}


def check_via(scope: Scope, passages: tuple[Passage, ...], names: tuple[ast.Identifier | ast.ColumnName, ...]) -> None:
    """Each name of VIA must have chosen, or confirmed, a route."""
    if len(passages) < len(names):
        return  # a fault is noted
    for index, (passage, name) in enumerate(zip(passages, names, strict=True)):
        if passage in scope.via_used and passage not in passages[:index]:
            continue
        why = "no route of this query passes it"
        if passage in passages[:index]:
            why = "it is named already"
        elif passage.column and any(other.table == passage.table for other in scope.via_used):
            why = "another link of the table is taken by this query"
        message = f"VIA {spelled(passage)} would change nothing: {why}"
        hint = "leave it out, or name a table or a foreign key on the way to the entity"
        scope.fault("no_effect", message, name.span, hint=hint, edits=_unlisted(scope, names, index))


def _unlisted(scope: Scope, names: tuple[ast.Identifier | ast.ColumnName, ...], index: int) -> tuple[Edit, ...]:
    """The edit that takes one name out of VIA, the clause with it where it is the only one."""
    span = names[index].span
    if span == ast.NOWHERE:
        return ()
    if index > 0:
        return (Edit(names[index - 1].span.end, span.end, ""),)
    if len(names) > 1:
        return (Edit(span.start, names[1].span.start, ""),)
    return scope.without("VIA", span)
