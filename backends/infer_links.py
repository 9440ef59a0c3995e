"""Links: declared, else told by name and type, and believed by how many of the child's values the parent has."""

from __future__ import annotations

from dataclasses import dataclass

from pql.backends.names import CODE_WORDS, ID_WORDS, ROLES_OF_SELF, id_base, is_id_name, stem, table_stem, words
from pql.backends.profile import Draft, Profile, ValueCounts
from pql.backends.sql import identifier
from pql.language.catalog import Evidence, Link, LogicalType

GOOD = 0.9  # a link is whole from here on; below, it is partial and warned of
LEAST = 0.1  # below, two columns of one name are different ids
SAME, GENERIC_KEY, SUFFIX, BARE, SELF = 5, 5, 3, 2, 1
_GENERIC = {
    "id",
    "code",
    "key",
    "uuid",
    "guid",
    "name",
    "pk",
    "sk",
    "no",
    "nr",
    "number",
    "num",
    "ref",
    "label",
    "value",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A link that names and types allow."""

    child: str
    column: str
    parent: str
    key: str
    score: int

    def link(self, evidence: Evidence) -> Link:
        return Link(self.child, (self.column,), self.parent, (self.key,), evidence)


def name_match(child: str, column: str, parent: str, key: str) -> int:
    """How well `child.column` is named for `parent.key`; 0 if it isn't."""
    mine, theirs = words(column), words(key)
    if not mine or not theirs:
        return 0
    own = table_stem(parent)
    generic = len(theirs) == 1 and theirs[0] in _GENERIC
    if child == parent:
        return SELF if _is_self_role(mine, theirs, own) else 0
    if not generic:
        if stem(mine) == stem(theirs):
            return SAME
        if len(mine) > len(theirs) and mine[-len(theirs) :] == theirs and len(theirs) > 1:
            return SUFFIX
        base = id_base(column)
        if base and stem(base) == (own if theirs[-1] in ID_WORDS else stem(theirs)):
            return SAME - 1
        if len(mine) > 1 and stem(theirs) == own == stem(mine[-1:]):
            return SUFFIX
    elif len(mine) > 1 and (mine[-1] == theirs[0] or (mine[-1] in ID_WORDS and theirs[0] in ID_WORDS)):
        meant = stem(mine[:-1])
        if meant == own:
            return GENERIC_KEY
        if any(stem(mine[i:-1]) == own for i in range(1, len(mine) - 1)):
            return SUFFIX
    elif generic and (base := id_base(column)) and stem(base) == own:
        return GENERIC_KEY
    elif len(mine) > 1 and mine[-1] in CODE_WORDS and stem(mine[:-1]) == own:
        return SUFFIX
    if stem(mine) == own and not is_id_name(column):
        return BARE
    return 0


def _is_self_role(mine: tuple[str, ...], theirs: tuple[str, ...], own: str) -> bool:
    """parent_id, manager_id, reports_to, parent_category_id: a row of the same table."""
    if mine == theirs or not set(mine) & ROLES_OF_SELF:
        return False
    rest = tuple(
        word for word in mine if word not in ROLES_OF_SELF and word not in ID_WORDS and word not in ("to", "by")
    )
    return not rest or stem(rest) == own or stem(rest) == stem(tuple(w for w in theirs if w not in ID_WORDS))


def candidates_of(profile: Profile, draft: Draft, *, keys: dict[str, list[tuple[str, int]]]) -> list[Candidate]:
    """The links that a table's columns may be by name and type, best first for every column.

    `keys` gives, for every table, the columns that are or may be its key, with the strength of their names.
    """
    found: list[tuple[int, int, Candidate]] = []
    for column in draft.types:
        if not profile.joinable(draft.name, column):
            continue
        for parent, choices in keys.items():
            for key, strength in choices:
                if (parent, key) == (draft.name, column) or not profile.same_type(draft.name, column, parent, key):
                    continue
                score = name_match(draft.name, column, parent, key)
                if score and not (column == draft.key_column and strength <= draft.key_score):
                    found.append((score, strength, Candidate(draft.name, column, parent, key, score)))
    position = {name: i for i, name in enumerate(draft.types)}

    def worse(score: int, strength: int, candidate: Candidate) -> tuple[int, int, int, bool, bool]:
        parent = profile.drafts[candidate.parent].stored
        return position[candidate.column], -score, -strength, parent.schema != draft.stored.schema, parent.is_view

    return [candidate for _, _, candidate in sorted(found, key=lambda f: worse(*f))]


def decided_keys(profile: Profile) -> dict[str, list[tuple[str, int]]]:
    """Every table's single key column, as `candidates_of` wants it."""
    return {
        name: [(draft.key_column, draft.key_score)]
        for name, draft in profile.drafts.items()
        if draft.key_column is not None
    }


def measure(profile: Profile, child: str, columns: tuple[str, ...], parent: str, keys: tuple[str, ...]) -> Evidence:
    """The inclusion ratio and the orphans of a link over the known rows, as evidence without a source."""
    if len(columns) == 1:
        mine, theirs = profile.counts(child, columns[0]), profile.counts(parent, keys[0])
        return _evidence(mine, theirs)
    here = ", ".join(identifier(c) for c in columns)
    present = " AND ".join(f"{identifier(c)} IS NOT NULL" for c in columns)
    on = " AND ".join(f"p.{identifier(k)} = c.{identifier(c)}" for c, k in zip(columns, keys, strict=True))
    row = profile.snapshot.query(
        f"WITH c AS (SELECT {here}, count(*) AS pql_n FROM {profile.known(child)} WHERE {present} GROUP BY ALL) "
        f"SELECT count(*) AS d, coalesce(sum(CASE WHEN hit THEN 1 ELSE 0 END), 0) AS k, "
        f"coalesce(sum(CASE WHEN hit THEN 0 ELSE pql_n END), 0) AS o FROM (SELECT pql_n, EXISTS "
        f"(SELECT 1 FROM {profile.known(parent)} p WHERE {on}) AS hit FROM c)"
    ).to_pylist()[0]
    return Evidence("inferred", ratio=row["k"] / row["d"] if row["d"] else None, orphans=int(row["o"]))


def _evidence(mine: ValueCounts, theirs: ValueCounts) -> Evidence:
    found, orphans = mine.found_in(theirs)
    ratio = found / mine.distinct if mine.distinct else None
    return Evidence("inferred", ratio=ratio, orphans=orphans)


def declared_links(profile: Profile, draft: Draft) -> list[Link]:
    """The foreign keys that the database declares, measured."""
    made = []
    for declared in draft.stored.links:
        if declared.parent not in profile.drafts:
            continue
        seen = measure(profile, draft.name, declared.columns, declared.parent, declared.parent_columns)
        evidence = Evidence("declared", "foreign key", seen.ratio, seen.orphans)
        made.append(Link(draft.name, declared.columns, declared.parent, declared.parent_columns, evidence))
    return made


def inferred_links(profile: Profile, draft: Draft, *, taken: set[str], barred: set[tuple[str, str, str]]) -> list[Link]:
    """For every column that isn't `taken`, the best link that names, types and values allow.

    `barred`: (column, parent, key) that the user has taken away.
    """
    made: list[Link] = []
    partial: dict[str, Link] = {}
    for candidate in candidates_of(profile, draft, keys=decided_keys(profile)):
        if candidate.column in taken or (candidate.column, candidate.parent, candidate.key) in barred:
            continue
        if is_too_wide(profile, draft, candidate.column):
            continue
        seen = measure(profile, draft.name, (candidate.column,), candidate.parent, (candidate.key,))
        if seen.ratio is None:
            if candidate.score >= SUFFIX:
                partial.setdefault(
                    candidate.column, candidate.link(Evidence("inferred", "by name; no values", score=0.5))
                )
        elif seen.ratio >= (GOOD if candidate.score > BARE else 1.0):
            made.append(candidate.link(_named(seen, candidate)))
            taken.add(candidate.column)
        elif seen.ratio >= _least(profile, candidate) and candidate.score >= SAME - 1 and seen.ratio > 0:
            partial.setdefault(candidate.column, candidate.link(_named(seen, candidate)))
    return made + [link for column, link in partial.items() if column not in taken]


def _least(profile: Profile, candidate: Candidate) -> float:
    """The least ratio of a partial link: any, where both sides have one name or the parent's rows may still come."""
    clock = profile.drafts[candidate.parent].clock
    same = stem(words(candidate.column)) == stem(words(candidate.key)) and len(words(candidate.key)) > 1
    return 0.0 if same or (clock is not None and clock.kind == "own") else LEAST


def is_too_wide(profile: Profile, draft: Draft, column: str) -> bool:
    """True for text that only happens to be called like a table."""
    return (
        draft.types[column] is LogicalType.STRING and not is_id_name(column) and profile.rows(draft.name) > 10_000_000
    )


def _named(seen: Evidence, candidate: Candidate) -> Evidence:
    how = {
        SAME: "same name",
        SUFFIX: "name with a prefix",
        BARE: "named like the table",
        SELF: "a row of the same table",
    }
    note = how.get(candidate.score, "named for its key")
    score = min(1.0, candidate.score / SAME) * (seen.ratio if seen.ratio is not None else 0.5)
    return Evidence("inferred", note, seen.ratio, seen.orphans, round(score, 3))
