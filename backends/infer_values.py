"""Links that no name tells: text codes, or whole numbers, nearly all of which are values of one table's key.

Text of some length says by itself whose value it is. Whole numbers say so where the key's numbers lie far apart, or
where a column holds just the numbers of the key and nothing else speaks against it.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow.compute as pc

from pql.backends.infer_keys import CODE
from pql.backends.infer_links import decided_keys, measure
from pql.backends.names import is_id_name, stem, table_stem, words
from pql.backends.profile import Draft, Profile, ValueCounts
from pql.language.catalog import Evidence, Link, LogicalType

LEAST_VALUES = 5
NEARLY_ALL = 0.98
MOST_ROWS = 5_000_000  # columns of larger tables aren't counted for this
MEASURES = {"rank", "position", "year", "month", "week", "day", "hour", "minute", "quantity", "qty", "count", "age",
            "value", "amount", "price", "size", "index", "level", "order", "round", "season", "seq", "sequence",
            "number", "n", "num", "row", "line", "total", "sum", "score", "points", "rating", "weight", "height",
            "cost", "duration", "seconds", "minutes", "days", "hours", "sales"}  # fmt: skip
_TOLD_BY_LENGTH = 3  # characters on average, from which text is no mere letter or abbreviation
_MANY = 10  # whole numbers that lie close together
_COVERED = 0.9  # of them must be there
_ROOT = 4  # letters that tell a word
_APART = 4  # the range of a key's numbers per row, in its own steps, from which a number found is no chance


def links_by_values(
    profile: Profile, draft: Draft, *, taken: set[str], barred: set[tuple[str, str, str]]
) -> list[Link]:
    """For every column that isn't `taken`: the one table in whose key its values are found, if they can only be its."""
    certain: list[Link] = []
    paired: list[Link] = []
    for column in draft.types:
        if column in taken or column == draft.key_column or not profile.joinable(draft.name, column):
            continue
        hits = _hits(profile, draft, column, barred)
        if len(hits) == 1:
            (parent, key), is_certain = hits.popitem()
            seen = measure(profile, draft.name, (column,), parent, (key,))
            evidence = Evidence("inferred", "all its values are keys there", seen.ratio, seen.orphans, 0.6)
            (certain if is_certain else paired).append(Link(draft.name, (column,), parent, (key,), evidence))
    made = certain + [one for one in paired if any(one is not two and one.parent == two.parent for two in paired)]
    taken.update(link.child_columns[0] for link in made)
    return made


def tells(name: str, kind: LogicalType, mine: ValueCounts, theirs: ValueCounts) -> bool | None:
    """Whether a column's values are those of a key and can't be so by chance; None where another column of its table
    must hold the same ones, as home and away do."""
    if mine.distinct < LEAST_VALUES or mine.found_in(theirs)[0] < NEARLY_ALL * mine.distinct:
        return False
    if kind is not LogicalType.INTEGER:
        return is_id_name(name) or (pc.mean(pc.utf8_length(mine.values.cast("string"))).as_py() >= _TOLD_BY_LENGTH)
    if set(words(name)) & MEASURES:
        return False
    keys = np.sort(theirs.values.to_numpy(zero_copy_only=False).astype(np.int64))
    steps = max(1, math.gcd(*np.unique(np.diff(keys)).tolist()))
    ends = pc.min_max(mine.values).as_py()
    there = keys[(keys >= ends["min"]) & (keys <= ends["max"])]  # a key of 9999 for "unknown" sets none apart
    if len(there) and (int(there[-1]) - int(there[0])) // steps + 1 >= _APART * len(there):
        return True
    if len(keys) < _MANY or mine.distinct < _COVERED * len(keys):
        return False
    return True if is_id_name(name) or not 0 <= keys[0] <= len(keys) else None


def _hits(
    profile: Profile, draft: Draft, column: str, barred: set[tuple[str, str, str]]
) -> dict[tuple[str, str], bool]:
    """The keys that hold the column's values, and whether that is certain."""
    kind = draft.types[column]
    if profile.rows(draft.name) > MOST_ROWS and not is_id_name(column):
        return {}
    hits: dict[tuple[str, str], bool] = {}
    for parent, [(key, strength)] in decided_keys(profile).items():
        if strength < CODE or (column, parent, key) in barred or not profile.same_type(draft.name, column, parent, key):
            continue
        if parent == draft.name and not (is_id_name(column) and kind is not LogicalType.INTEGER):
            continue
        theirs = profile.counts(parent, key)
        if not profile.may_be_found(draft.name, column, theirs):
            continue
        found = tells(column, kind, profile.counts(draft.name, column), theirs)
        if found is not False:
            hits[parent, key] = found is True or _sounds_like(column, parent)
    return {place: sure for place, sure in hits.items() if not _repeats(profile, place, set(hits))}


def _sounds_like(column: str, table: str) -> bool:
    """Whether one name begins as the other, in whatever language the plural is: kunde and Kunden."""
    mine, theirs = stem(words(column)), table_stem(table)
    return min(len(mine), len(theirs)) >= _ROOT and (mine.startswith(theirs) or theirs.startswith(mine))


def _repeats(profile: Profile, place: tuple[str, str], others: set[tuple[str, str]]) -> bool:
    """Whether a key holds but some values of another one of the keys: the other is the whole."""
    mine = profile.counts(*place)
    wholes = (profile.counts(*other) for other in others - {place})
    return any(mine.distinct < theirs.distinct and mine.found_in(theirs)[0] == mine.distinct for theirs in wholes)
