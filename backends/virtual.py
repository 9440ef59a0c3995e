"""Virtual tables: an id column whose own table doesn't exist, or lacks values, is still an entity."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pql.backends.infer_keys import OWN
from pql.backends.names import id_base, is_entity_id, singular, stem
from pql.backends.profile import Profile
from pql.language.catalog import (
    NO_CLOCK,
    Clock,
    Column,
    Evidence,
    Key,
    Link,
    LogicalType,
    Role,
    Stype,
    Table,
    Virtual,
)

_COMPLETE = 0.98  # a table that holds so many of its id's values is complete enough: the rest are orphans
_NAMED = 0.9  # the same for a table that is named for the id
_HALF, _FEW = 0.5, 2  # so few missing values, of a table named for the id, are orphans as long as half are there
_SUFFIX = re.compile(r"[_\s.-]*(ids?|uuid|guid|pk|fk|sk|key)$", re.IGNORECASE)


@dataclass(slots=True)
class _Group:
    """One id: the columns that carry it, and the incomplete table keyed by it."""

    base: str
    sources: list[tuple[str, str]] = field(default_factory=list)
    enriched_by: str | None = None
    forced: bool = False


def is_complete(profile: Profile, link: Link) -> bool:
    """Whether the parent of a link holds its id's values, so that what it lacks are orphans.

    A table named for the id whose rows have their own clock is: what it lacks may come later.
    """
    parent = profile.drafts[link.parent]
    ratio = link.evidence.ratio
    if ratio is None or ratio == 1.0 or link.evidence.source != "inferred" or len(link.child_columns) > 1:
        return True
    named = parent.key_score >= OWN - 1
    has_own = parent.clock is not None and parent.clock.kind == "own"
    if ratio >= _COMPLETE and (named or has_own or len(parent.types) >= 3):
        return True
    if not named:
        return False
    distinct = profile.counts(link.child, link.child_columns[0]).distinct
    missing = round(distinct * (1 - ratio))
    return has_own or ratio >= _NAMED or (ratio >= _HALF and missing <= _FEW)


def virtual_tables(
    profile: Profile, links: list[Link], *, barred: dict[tuple[str, str], str], forced: dict[str, list[tuple[str, str]]]
) -> tuple[list[Table], list[Link]]:
    """The tables that aren't stored, without the columns of the tables that enrich them, and the links to them.

    `barred`: (table, column) that the user has unlinked, from which parent; such a column carries no entity, unless
    that parent is incomplete, so that what it describes is an entity anyway.
    `forced`: carriers that the user links, by virtual table.
    """
    groups = _groups(profile, links, barred)
    for name, carriers in forced.items():
        group = next((g for g in groups if g.base.lower() == name.lower()), None)
        if group is not None:
            group.sources += [carrier for carrier in carriers if carrier not in group.sources]
    taken = {name.lower() for name in profile.drafts}
    tables: list[Table] = []
    made: list[Link] = []
    for group in groups:
        table = _table(profile, group, taken)
        if table is None:
            continue
        taken.add(table.name.lower())
        tables.append(table)
        made += _links(table)
    return tables, made


def _groups(profile: Profile, links: list[Link], barred: dict[tuple[str, str], str]) -> list[_Group]:
    order = {name: i for i, name in enumerate(profile.drafts)}
    incomplete: dict[str, _Group] = {}
    for link in links:
        if link.child != link.parent and not is_complete(profile, link):
            base = _base_text(link.parent_columns[0]) or singular(link.parent)
            incomplete.setdefault(link.parent, _Group(base, [(link.parent, link.parent_columns[0])], link.parent))
    linked: set[tuple[str, str]] = set()
    for link in links:
        carriers = [(link.child, column) for column in link.child_columns]
        linked.update(carriers)
        if link.parent in incomplete and link.child != link.parent and len(carriers) == 1:
            incomplete[link.parent].sources.append(carriers[0])
    for carrier, parent in barred.items():
        if parent in incomplete and carrier not in linked:
            incomplete[parent].sources.append(carrier)
    groups = list(incomplete.values())
    loose = [
        (name, column)
        for name, draft in profile.drafts.items()
        for column in draft.types
        if is_entity_id(column)
        and profile.joinable(name, column)
        and (name, column) not in linked
        and (name, column) not in barred
        and column != draft.key_column
    ]
    groups += _loose_groups(loose)
    for group in groups:
        group.sources = _of_one_type(profile, sorted(set(group.sources), key=lambda s: order[s[0]]))
    return groups


def _loose_groups(loose: list[tuple[str, str]]) -> list[_Group]:
    """Columns of no table, by the name of their id; home_team_id and away_team_id of one table are both teams."""
    stems = {stem(id_base(column) or ()) for _, column in loose}
    groups: dict[str, _Group] = {}
    for table, column in loose:
        base = id_base(column) or ()
        last = singular(base[-1])
        siblings = [other for t, other in loose if t == table and singular((id_base(other) or ("",))[-1]) == last]
        shared = len(base) > 1 and (last in stems or len(siblings) > 1)
        name = last if shared else stem(base)
        text = last if shared else _base_text(column)
        groups.setdefault(name, _Group(text)).sources.append((table, column))
    return list(groups.values())


def _of_one_type(profile: Profile, sources: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The carriers whose values can be equal to the first one's; the others are warned of."""
    kept = []
    for table, column in sources:
        if profile.same_type(*sources[0], table, column):
            kept.append((table, column))
        else:
            first = ".".join(sources[0])
            profile.warnings.append(f"{table}.{column} and {first} have different types and aren't linked")
    return kept


def _base_text(column: str) -> str:
    """The column's name without its id suffix, as written."""
    return _SUFFIX.sub("", column) or column


def _is_worth(profile: Profile, group: _Group) -> bool:
    """Ids that repeat, or that several tables carry; not a number that every row has of its own."""
    if group.enriched_by is not None or len({table for table, _ in group.sources}) > 1:
        return True
    for table, column in group.sources:
        counts = profile.counts(table, column)
        known = counts.rows - counts.nulls
        if counts.rows and (not known or (known >= 10 and counts.distinct == 1)):
            continue
        if known >= 10 and counts.distinct > 0.9 * known:
            continue
        return True
    return False


def _table(profile: Profile, group: _Group, taken: set[str]) -> Table | None:
    if not group.sources or not _is_worth(profile, group):
        return None
    name = group.base
    if name.lower() in taken:
        name = f"{group.base}_entity"
    number = 2
    while name.lower() in taken:
        name, number = f"{group.base}_entity_{number}", number + 1
    table, column = group.sources[0]
    kind = profile.drafts[table].types[column]
    rows = _union(profile, group.sources)
    key = Column(column, kind, Stype.ID, "UUID" if kind is LogicalType.UUID else "", rows, 0)
    clocked = [source for source in group.sources if profile.drafts[source[0]].has_clock]
    clock = NO_CLOCK
    if clocked:
        seen = ", ".join(".".join(source) for source in clocked)
        clock = Clock("seen", evidence=Evidence("inferred", f"first seen in {seen}"))
    enriched_by = group.enriched_by
    if enriched_by is not None and profile.drafts[enriched_by].has_clock:
        enriched_by = None
    note = f"the distinct values of {', '.join('.'.join(source) for source in group.sources)}"
    return Table(
        name,
        (key,),
        Key((column,), Evidence("inferred", note)),
        clock,
        Role.ENTITY,
        rows,
        Virtual(tuple(group.sources), enriched_by),
    )


def _union(profile: Profile, sources: Iterable[tuple[str, str]]) -> int:
    chunks = [profile.counts(table, column).values for table, column in sources]
    return len(pc.unique(pa.chunked_array([chunk.cast(chunks[0].type) for chunk in chunks])))


def _links(table: Table) -> list[Link]:
    if table.virtual is None or table.key is None:
        return []
    evidence = Evidence("inferred", "a virtual table holds all values", 1.0, 0)
    return [
        Link(child, (column,), table.name, table.key.columns, evidence)
        for child, column in table.virtual.sources
        if child != table.virtual.enriched_by
    ]
