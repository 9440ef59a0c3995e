"""Primary keys: declared, else a column that is unique, never NULL, and named like this table's key."""

from __future__ import annotations

from pql.backends.names import CODE_WORDS, ID_WORDS, id_base, is_id_name, stem, table_stem, table_words, words
from pql.backends.profile import Draft, Profile
from pql.backends.sql import identifier
from pql.language.catalog import Evidence, Key

OWN, GENERIC, OWN_CODE, PARTLY, CODE, SHARED = 10, 9, 8, 6, 5, 3  # how strongly a name makes a column this table's key
_DESCRIBING = {"description", "descriptions", "detail", "details", "info", "profile", "profiles", "demographics",
               "demographic", "attributes", "meta", "metadata", "master", "lookup", "features"}  # fmt: skip
_COMPOSITE_ROWS = 5_000_000
_PREFIX = 20_000
_FEW_ROWS = 50  # of fewer rows an id of another thing may be unique by chance


def key_name_score(column: str, table: str) -> int:
    """How much a column's name says that it is the key of `table`; 0 for nothing."""
    parts = words(column)
    if not parts:
        return 0
    own = table_stem(table)
    base = id_base(column)
    if base == ():
        return GENERIC
    if base is not None:
        meant = stem(base)
        if meant == own or "".join(base) == "".join(table_words(table)):
            return OWN
        if meant.endswith(own) or own.startswith(meant) or _shares_root(meant, own) or own.endswith(meant):
            return PARTLY
        return SHARED
    if parts[-1] in CODE_WORDS:
        meant = stem(parts[:-1])
        if meant == own:
            return OWN_CODE
        if meant and meant == stem(table_words(table)[-1:]):
            return PARTLY  # ticket_no of support_tickets
        return CODE if len(parts) == 1 else (SHARED if is_id_name(column) else 0)
    return CODE if stem(parts) == own else 0


def _shares_root(one: str, other: str) -> bool:
    """qualify and qualifying: one word in two forms."""
    size = min(len(one), len(other))
    return size >= 5 and one[: size - 1] == other[: size - 1]


def key_candidates(profile: Profile, draft: Draft) -> list[tuple[str, int]]:
    """The columns that could be the key by type and name, best first."""
    scored = [
        (name, score)
        for name in draft.types
        if profile.joinable(draft.name, name) and (score := key_name_score(name, draft.name))
    ]
    return sorted(scored, key=lambda pair: -pair[1])


def decide_key(profile: Profile, draft: Draft) -> None:
    """Set the table's key from its known rows, if it has one."""
    declared = draft.stored.primary_key
    if declared is not None:
        draft.key, draft.key_score = Key(declared, Evidence("declared", "primary key")), OWN + 1
        return
    for column, score in key_candidates(profile, draft):
        shared = score == SHARED or (score == PARTLY and _is_of_another(profile, draft, column))
        if shared and not _may_share(profile, draft, column):
            continue
        counts = profile.counts(draft.name, column)
        if counts.is_key and score == GENERIC and (known := _better_known(profile, draft)) is not None:
            note = "unique, never NULL, the id that other tables carry"
            draft.key, draft.key_score = Key((known,), Evidence("inferred", note, score=GENERIC / (OWN + 1))), GENERIC
            return
        if counts.is_key:
            note = "unique, never NULL" if score > SHARED else "unique, never NULL, first id column"
            draft.key, draft.key_score = Key((column,), Evidence("inferred", note, score=score / (OWN + 1))), score
            return
    if not profile.rows(draft.name):
        _by_name_alone(profile, draft)
        return
    _composite(profile, draft)


def _may_share(profile: Profile, draft: Draft, column: str) -> bool:
    """Whether another thing's id can be this table's key: it stands first and the table describes that thing."""
    names = list(draft.types)
    if names[0] != column:
        return False
    if set(table_words(draft.name)) & _DESCRIBING:
        return True
    if sum(is_id_name(name) for name in names) > 1:
        return False
    return draft.clock is None or draft.clock.kind != "own" or profile.rows(draft.name) >= _FEW_ROWS


def _better_known(profile: Profile, draft: Draft) -> str | None:
    """Another unique id that several tables carry, of a table whose `id` none does: People (ID, playerID, …)."""
    others = [other for other in profile.drafts.values() if other is not draft]
    own = table_stem(draft.name)
    if profile.rows(draft.name) < _FEW_ROWS:
        return None
    if any(stem(id_base(name) or words(name)).endswith(own) for other in others for name in other.types):
        return None
    carried = {
        name: number
        for name in draft.types
        if is_id_name(name) and id_base(name) != () and profile.joinable(draft.name, name)
        if (number := sum(name in other.types for other in others)) >= 2
    }
    for name in sorted(carried, key=lambda name: -carried[name]):
        if not _is_of_another(profile, draft, name) and profile.counts(draft.name, name).is_key:
            return name
    return None


def _is_of_another(profile: Profile, draft: Draft, column: str) -> bool:
    """True if another table has this column and is named for it: order_id of order_items, where there are orders."""
    return any(
        other is not draft and column in other.types and key_name_score(column, other.name) >= OWN_CODE
        for other in profile.drafts.values()
    )


def _by_name_alone(profile: Profile, draft: Draft) -> None:
    """A table without known rows: its key can only be told by its name."""
    for column, score in key_candidates(profile, draft)[:1]:
        if score >= GENERIC:
            draft.key, draft.key_score = Key((column,), Evidence("inferred", "by name; no rows", score=0.5)), score


def _composite(profile: Profile, draft: Draft) -> None:
    """Two or more id columns that are unique together, in a table without a time column of its own."""
    columns = [name for name in draft.types if is_id_name(name) and profile.joinable(draft.name, name)]
    if not 2 <= len(columns) <= 4 or (draft.clock is not None and draft.clock.kind == "own"):
        return
    if any(words(name)[-1] not in ID_WORDS | CODE_WORDS for name in columns):
        return
    if profile.rows(draft.name) > _COMPOSITE_ROWS or not _unique_together(profile, draft, columns, limit=_PREFIX):
        return
    if _unique_together(profile, draft, columns, limit=None):
        draft.key = Key(tuple(columns), Evidence("inferred", "unique together", score=0.5))


def _unique_together(profile: Profile, draft: Draft, columns: list[str], *, limit: int | None) -> bool:
    listed = ", ".join(identifier(name) for name in columns)
    source = profile.known(draft.name)
    if limit is not None:
        source = f"(SELECT {listed} FROM {source} LIMIT {limit})"
    present = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in columns)
    row = profile.snapshot.query(
        f"SELECT count(*) AS n, count(*) FILTER (WHERE {present}) AS k, count(DISTINCT ({listed})) AS d FROM {source}"
    ).to_pylist()[0]
    return row["n"] == row["k"] == row["d"] and row["n"] > 0
