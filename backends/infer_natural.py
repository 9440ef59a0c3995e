"""Natural keys: a table's first column that is unique and that other tables carry, whatever it is called.

airlines (carrier, name) where flights have a carrier; drugs (atc, price) where prescriptions have an atc; airports
(faa, …) where the values of flights.dest are found. Asked when every clock is decided, so only known rows count.
"""

from __future__ import annotations

from pql.backends.infer_keys import OWN
from pql.backends.infer_links import measure
from pql.backends.infer_values import MEASURES, MOST_ROWS, tells
from pql.backends.names import id_base, is_id_name, words
from pql.backends.profile import Draft, Profile
from pql.language.catalog import Evidence, Key, Link, LogicalType

HALF = 0.5  # of the values of a column with the same name: then the table describes what the column names
NEARLY_ALL = 0.95  # of the values of a column with another name
LEAST_VALUES = 5
_TEXT = {"name", "title", "description", "comment", "text", "note", "notes", "body", "email", "phone", "url", "address",
         "label", "message", "subject", "lastname", "firstname", "file", "path"}  # fmt: skip


def natural_keys(profile: Profile) -> list[Link]:
    """Give the tables without a key their natural one; the links that only values tell are returned."""
    links: list[Link] = []
    for draft in profile.drafts.values():
        column = _candidate(profile, draft)
        if column is None:
            continue
        carriers = [place for place in _carriers(profile, draft, column) if _describes(profile, draft, column, *place)]
        if not carriers:
            if _is_early(profile, draft, column):
                note = "unique, never NULL; nothing that could carry it is known yet"
                draft.key, draft.key_score = Key((column,), Evidence("inferred", note, score=0.5)), OWN - 1
            continue
        named = sorted({f"{table}.{name}" for table, name in carriers})
        note = f"unique, never NULL, its values are in {', '.join(named[:3])}" + (", …" if len(named) > 3 else "")
        draft.key, draft.key_score = Key((column,), Evidence("inferred", note, score=0.6)), OWN - 1
        for table, name in carriers:
            if words(name) != words(column):
                seen = measure(profile, table, (name,), draft.name, (column,))
                evidence = Evidence("inferred", "its values are keys there", seen.ratio, seen.orphans, 0.6)
                links.append(Link(table, (name,), draft.name, (column,), evidence))
    targets: dict[tuple[str, str], int] = {}
    for link in links:
        place = (link.child, link.child_columns[0])
        targets[place] = targets.get(place, 0) + 1
    return [link for link in links if targets[link.child, link.child_columns[0]] == 1]


def _candidate(profile: Profile, draft: Draft) -> str | None:
    """The first column, if it may be a natural key: unique, never NULL, not a text, a measure or an id of others."""
    column = next(iter(draft.types), None)
    if draft.key is not None or column is None or not profile.joinable(draft.name, column):
        return None
    parts = words(column)
    if not parts or is_id_name(column) or parts[-1] in _TEXT:
        return None
    if draft.types[column] is LogicalType.INTEGER and (parts[-1] in MEASURES or len(draft.types) < 2):
        return None
    if not 2 <= profile.rows(draft.name) <= MOST_ROWS:
        return None
    return column if profile.counts(draft.name, column).is_key else None


def _is_early(profile: Profile, draft: Draft, column: str) -> bool:
    """Whether a table that could carry the values has no row yet at the moment looked at: no call of a subscriber."""
    return profile.as_of is not None and any(
        other is not draft
        and not profile.rows(other.name)
        and any(
            name != other.key_column and profile.same_type(draft.name, column, other.name, name) for name in other.types
        )
        for other in profile.drafts.values()
    )


def _carriers(profile: Profile, draft: Draft, column: str) -> list[tuple[str, str]]:
    """The columns of other tables that may hold its values."""
    return [
        (other.name, name)
        for other in profile.drafts.values()
        if other is not draft
        for name in other.types
        if name != other.key_column and profile.joinable(other.name, name)
        if profile.same_type(draft.name, column, other.name, name)
        if _is_same(name, column) or _may_hold(profile, draft, column, other, name)
    ]


def _is_same(name: str, column: str) -> bool:
    """Whether two columns have one name, but for an id word: meter_id and meter."""
    return words(column) in (words(name), id_base(name))


def _may_hold(profile: Profile, draft: Draft, column: str, other: Draft, name: str) -> bool:
    """Whether a column of another name is looked at: strings, and numbers that tell, unless its table is too large."""
    if profile.rows(other.name) > MOST_ROWS:
        return False
    kind = other.types[name]
    if kind is not LogicalType.INTEGER:
        return kind is LogicalType.STRING
    theirs = profile.counts(draft.name, column)
    if not profile.may_be_found(other.name, name, theirs):
        return False
    return tells(name, kind, profile.counts(other.name, name), theirs) is True


def _describes(profile: Profile, draft: Draft, column: str, table: str, name: str) -> bool:
    """Whether the values of `table.name` are the table's: repeated there, and enough of them found."""
    mine = profile.counts(table, name)
    if not mine.distinct or mine.is_unique:
        return False
    if not _is_same(name, column):
        found, _ = mine.found_in(profile.counts(draft.name, column))
        return mine.distinct >= LEAST_VALUES and found >= NEARLY_ALL * mine.distinct
    found, _ = mine.found_in(profile.counts(draft.name, column))
    least = 1.0 if draft.types[column] is LogicalType.INTEGER else HALF
    return found >= least * mine.distinct
