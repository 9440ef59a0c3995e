"""A WHERE that names entities by their keys: it limits what is learnt from as well, which is seldom meant."""

from __future__ import annotations

from pql.language.bound import BoundQuery, Call, ColumnRef, Constant, Expression
from pql.language.format import quote_name

MOST_NAMED = 20  # keys, up to which they are asked for rather than a group to learn from


def names_entities(query: BoundQuery) -> bool:
    """Whether WHERE holds for a few entities only, named by their key."""
    if query.ids is not None or query.asks_pairs or query.is_static:
        return False
    return any(_names(query, part) for part in _parts(query.where))


def pinned_note(query: BoundQuery) -> tuple[str, ...]:
    """What to write instead, as a note on the result."""
    if not names_entities(query):
        return ()
    return (f"WHERE names single rows of {query.entity.table}, so that only these are learnt from; {instead(query)}",)


def instead(query: BoundQuery) -> str:
    """The form that asks about some entities and learns from all."""
    key = f"{quote_name(query.entity.table)}.{quote_name(query.entity.keys[0])}"
    return f"FOR {key} IN (…) in its place learns from all and answers for these"


def _parts(where: Expression | None) -> tuple[Expression, ...]:
    """The conditions that all have to hold."""
    if isinstance(where, Call) and where.op == "and":
        return tuple(part for one in where.args for part in _parts(one))
    return () if where is None else (where,)


def _names(query: BoundQuery, part: Expression) -> bool:
    if not isinstance(part, Call) or part.op not in ("=", "in") or len(part.args) != 2:
        return False
    key, value = part.args
    if not isinstance(key, ColumnRef) or not isinstance(value, Constant) or key.route:
        return False
    few = not isinstance(value.value, tuple) or len(value.value) <= MOST_NAMED
    return few and key.table == query.entity.table and key.column in query.entity.keys
