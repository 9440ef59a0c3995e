"""Inherited clocks: a table without a time column is known when the row it belongs to is (items through their order).

Tables are taken in an order in which parents come first. What decides are rows whose every possible parent is known at
`as_of` (or whose reference is NULL), so that later rows have no say.
"""

from __future__ import annotations

from pql.backends.infer_clocks import set_no_clock
from pql.backends.infer_keys import PARTLY, decide_key, key_candidates
from pql.backends.infer_links import (
    BARE,
    GOOD,
    SAME,
    SUFFIX,
    Candidate,
    candidates_of,
    declared_links,
    measure,
    name_match,
)
from pql.backends.names import ID_WORDS, table_stem, words
from pql.backends.profile import Draft, Profile
from pql.backends.sql import identifier
from pql.language.catalog import Clock, Evidence, Link

_MANDATORY = 0.9
_YEARS = {"year", "yr", "season", "fiscal"}
_SOME = 50_000  # rows by which two clocks are compared


def decide_inherited_clocks(
    profile: Profile, *, forced: dict[str, list[Link]], barred: dict[str, set[tuple[str, str, str]]]
) -> None:
    """Set clock and key of every table that has no clock yet. `forced` and `barred` links are the user's, by child."""
    waiting = [draft for draft in profile.drafts.values() if draft.clock is None]
    while waiting:
        undecided = {draft.name for draft in waiting}
        ready = next((d for d in waiting if not _parents(profile, d) & undecided - {d.name}), waiting[0])
        waiting.remove(ready)
        _decide(profile, ready, forced.get(ready.name, []), barred.get(ready.name, set()))
        decide_key_once(profile, ready)


def decide_key_once(profile: Profile, draft: Draft) -> None:
    """Decide the key unless the user has said it."""
    if draft.key is None:
        decide_key(profile, draft)


def _potential_keys(profile: Profile) -> dict[str, list[tuple[str, int]]]:
    """Decided keys, and for tables still waiting all columns that could become theirs."""
    keys = {}
    for name, draft in profile.drafts.items():
        if draft.key_column is not None:
            keys[name] = [(draft.key_column, draft.key_score)]
        elif draft.clock is None:
            keys[name] = key_candidates(profile, draft)
    return keys


def _parents(profile: Profile, draft: Draft) -> set[str]:
    """The tables that this one may belong to, by name or declaration."""
    named = {c.parent for c in candidates_of(profile, draft, keys=_potential_keys(profile)) if c.score >= BARE}
    return named | {link.parent for link in draft.stored.links}


def _decide(profile: Profile, draft: Draft, forced: list[Link], barred: set[tuple[str, str, str]]) -> None:
    choices = _choices(profile, draft, forced, barred)
    if not forced and any(_is_year(name) for name in draft.types):
        choices = []
    if choices:
        settled = _settled(profile, draft, choices)
        if not _describes(profile, draft, choices, settled):
            best = _best(profile, draft, choices, settled)
            if best is not None:
                draft.clock = Clock("inherited", via=best, evidence=_evidence(profile, best))
                if profile.moment is not None:
                    profile.hide(draft.name, _belongs(profile, best))
                return
    set_no_clock(draft)


def _choices(profile: Profile, draft: Draft, forced: list[Link], barred: set[tuple[str, str, str]]) -> list[Link]:
    """The links to clocked parents: the user's, the declared, and for every other column the one named best."""
    made = [link for link in forced if profile.drafts[link.parent].has_clock]
    declared = [link for link in declared_links(profile, draft) if not _is_barred(link, barred)]
    taken = {column for link in (*forced, *declared) for column in link.child_columns}
    made += [link for link in declared if profile.drafts[link.parent].has_clock and link.parent != draft.name]
    keys = {name: [(d.key_column, d.key_score)] for name, d in profile.drafts.items() if d.key_column is not None}
    for candidate in candidates_of(profile, draft, keys=keys):
        if candidate.column in taken or candidate.parent == draft.name:
            continue
        if candidate.score < SAME - 1 and candidate.score != BARE:
            continue
        link = candidate.link(Evidence("inferred"))
        if _is_barred(link, barred):
            continue
        taken.add(candidate.column)
        if profile.drafts[candidate.parent].has_clock and _is_plausible(profile, candidate):
            made.append(link)
    return made


def _is_year(column: str) -> bool:
    """A year or a season of its own says that a row is not known with the row it points to: a player's seasons."""
    parts = set(words(column))
    return bool(parts & _YEARS) and parts <= _YEARS | ID_WORDS


def _is_barred(link: Link, barred: set[tuple[str, str, str]]) -> bool:
    return (link.child_columns[0], link.parent, link.parent_columns[0]) in barred


def _is_plausible(profile: Profile, candidate: Candidate) -> bool:
    """Whether values bear the name out. As of a moment they can't speak: a row without a parent may just be later."""
    if profile.as_of is not None:
        return True
    seen = measure(profile, candidate.child, (candidate.column,), candidate.parent, (candidate.key,))
    if seen.ratio is None or not profile.rows(candidate.parent):
        return True
    return seen.ratio >= (GOOD if candidate.score > BARE else 1.0)


def _belongs(profile: Profile, link: Link, *, or_null: bool = False) -> str:
    """The condition that a row's parent by this link is known."""
    columns = ", ".join(identifier(c) for c in link.child_columns)
    keys = ", ".join(identifier(k) for k in link.parent_columns)
    left = columns if len(link.child_columns) == 1 else f"({columns})"
    condition = f"{left} IN (SELECT {keys} FROM {profile.known(link.parent)})"
    if or_null:
        nulls = " OR ".join(f"{identifier(c)} IS NULL" for c in link.child_columns)
        return f"{nulls} OR {condition}"
    return condition


def _settled(profile: Profile, draft: Draft, choices: list[Link]) -> str:
    """The rows that are known whichever link is chosen."""
    if profile.as_of is None:
        return profile.known(draft.name)
    return profile.known(draft.name, *(_belongs(profile, link, or_null=True) for link in choices))


def _own_keys(profile: Profile, draft: Draft) -> set[str]:
    """The key column, or those that could be it by name."""
    declared = draft.key.columns if draft.key is not None else draft.stored.primary_key
    if declared is not None:
        return set(declared) if len(declared) == 1 else set()
    return {column for column, score in key_candidates(profile, draft) if score >= PARTLY}


def _describes(profile: Profile, draft: Draft, choices: list[Link], settled: str) -> bool:
    """True for a keyed table that others point to and that isn't named as a part of its parent: always known."""
    for column in _own_keys(profile, draft) - {c for link in choices for c in link.child_columns}:
        pointed = any(
            name_match(other.name, name, draft.name, column) >= SUFFIX
            and profile.same_type(other.name, name, draft.name, column)
            for other in profile.drafts.values()
            if other is not draft
            for name in other.types
            if profile.joinable(other.name, name)
        )
        if pointed and not _is_part(profile, draft) and profile.counts(draft.name, column, settled).is_unique:
            return True
    return False


def _is_part(profile: Profile, draft: Draft) -> bool:
    """order_items where there are orders: the name says that its rows are parts."""
    own = table_stem(draft.name)
    return any(
        own.startswith(table_stem(other.name)) and own != table_stem(other.name)
        for other in profile.drafts.values()
        if other.has_clock
    )


def _best(profile: Profile, draft: Draft, choices: list[Link], settled: str) -> Link | None:
    """The link to the row that a row belongs to: mandatory; named as its part, else the closest (most distinct).

    A row can't be known before any of the rows it names: where a parent that has nothing to do with the chosen one
    comes later, as the order does in coupon_uses (coupon_id, order_id), it is that one.
    """
    own = table_stem(draft.name)
    ranked = []
    for position, link in enumerate(choices):
        counts = profile.counts(draft.name, link.child_columns[0], settled)
        known = counts.rows - counts.nulls
        if counts.rows and known < _MANDATORY * counts.rows:
            continue
        is_part = own.startswith(table_stem(link.parent))
        ranked.append((not is_part, -counts.distinct, position, link))
    if not ranked:
        return None
    best, *others = (link for *_, link in sorted(ranked, key=lambda r: r[:3]))
    for other in others:
        if not _follows(profile, other.parent, best.parent) and _comes_later(profile, settled, other, best):
            best = other
    return best


def _follows(profile: Profile, one: str, other: str) -> bool:
    """Whether the rows of `one` name rows of `other` by a link that names allow or that is declared: shipments
    follow their order."""
    return other in _parents(profile, profile.drafts[one])


def _comes_later(profile: Profile, settled: str, one: Link, other: Link) -> bool:
    """Whether the parent by `one` is later than that by `other` for most of some rows; both have their own clocks."""
    clocks = [profile.drafts[link.parent].clock for link in (one, other)]
    names = [clock.column for clock in clocks if clock is not None and clock.kind == "own" and clock.column]
    if len(names) < 2 or len(one.child_columns) + len(other.child_columns) > 2:
        return False
    columns = ", ".join(identifier(link.child_columns[0]) for link in (one, other))
    joins = " ".join(
        f"JOIN {profile.known(link.parent)} {name} ON {name}.{identifier(link.parent_columns[0])} = "
        f"c.{identifier(link.child_columns[0])}"
        for name, link in zip("ab", (one, other), strict=True)
    )
    row = profile.snapshot.query(
        f"SELECT count(*) AS n, count(*) FILTER (WHERE a.{identifier(names[0])} > b.{identifier(names[1])}) AS later "
        f"FROM (SELECT {columns} FROM {settled} LIMIT {_SOME}) c {joins}"
    ).to_pylist()[0]
    return row["later"] > 0.5 * row["n"]


def _evidence(profile: Profile, link: Link) -> Evidence:
    parent = profile.drafts[link.parent]
    clock = parent.clock
    column = f"{link.parent}.{clock.column}" if clock is not None and clock.kind == "own" else f"{link.parent}'s clock"
    return Evidence(link.evidence.source, f"known when its row of {link.parent} is ({column})")
