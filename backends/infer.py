"""The catalog of a database: keys, links and clocks, declared, overridden or inferred, each with its evidence."""

from __future__ import annotations

import math
from dataclasses import replace

from pql.backends.base import Snapshot
from pql.backends.infer_clocks import decide_own_clock, set_no_clock, set_own_clock
from pql.backends.infer_inherited import decide_inherited_clocks, decide_key_once
from pql.backends.infer_keys import GENERIC, key_candidates
from pql.backends.infer_links import GOOD, declared_links, inferred_links, measure
from pql.backends.infer_natural import natural_keys
from pql.backends.infer_stypes import columns_of
from pql.backends.infer_values import links_by_values
from pql.backends.names import words
from pql.backends.overrides import LinkOverride, Overrides, find_name
from pql.backends.profile import Draft, Profile
from pql.backends.sql import Select, identifier, literal
from pql.backends.virtual import virtual_tables
from pql.language.catalog import AS_TEXT, NO_CLOCK, Catalog, Clock, Evidence, Key, Link, LogicalType, Role, Table
from pql.language.errors import PqlError

NEARLY = 0.9  # the share of distinct values from which a column named like a key is a key with faults
FEW = 0.01  # the share of rows that may point nowhere without a warning
WRITTEN_DATE = r"^(\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{4})([ T]|$)"
_ENROLLED = {"signup", "registered", "registration", "joined", "enrolled", "enrollment", "enrolment", "hired"}


def infer_catalog(snapshot: Snapshot, *, overrides: Overrides = Overrides(), as_of: int | None = None) -> Catalog:  # noqa: B008
    """Tables, keys, links, clocks and semantic types of everything the snapshot shows.

    Declared constraints come first, then `overrides`, then evidence. With `as_of` (µs) no row whose clock is later
    counts: without those rows, or with others in their place, the catalog is the same. PqlError if an override
    names what doesn't exist (unknown_table, unknown_column) or can't be (time_type, link_type).
    """
    profile = Profile.of(snapshot, as_of)
    if not profile.drafts:
        raise PqlError(
            "empty_source",
            "the source has no tables that can be read",
            hint="Connect to a source with at least one table.",
        )
    always_known = _apply_times(profile, overrides)
    _apply_keys(profile, overrides)
    forced, to_virtual = _resolved_links(profile, overrides.links)
    barred = _resolved_unlinks(profile, overrides.unlinks)
    for draft in profile.drafts.values():
        if draft.clock is None:
            decide_own_clock(profile, draft)
        if draft.clock is not None:
            decide_key_once(profile, draft)
    decide_inherited_clocks(profile, forced=forced, barred=barred)
    by_values = natural_keys(profile)
    links = _links(profile, forced, barred, by_values)
    virtual, more = virtual_tables(
        profile,
        links,
        barred={(table, column): parent for table, off in barred.items() for column, parent, _ in off},
        forced=to_virtual,
    )
    unknown = set(to_virtual) - {table.name for table in virtual}
    if unknown:
        find_name(sorted(unknown)[0], [*profile.drafts, *(t.name for t in virtual)], code="unknown_table", what="table")
    return _assembled(profile, links, virtual, more, always_known)


def _apply_times(profile: Profile, overrides: Overrides) -> set[str]:
    """Set the clocks that the user has said; the tables of NO TIME are returned."""
    for name, column in overrides.times:
        draft = _draft(profile, name)
        column = _column(draft, column)
        if draft.types[column] is not LogicalType.TIMESTAMP:
            times = [c for c, kind in draft.types.items() if kind is LogicalType.TIMESTAMP]
            hint = f"its time columns are {', '.join(times)}" if times else "it has no time column"
            raise PqlError("time_type", f"{draft.name}.{column} is {draft.types[column]}, not a timestamp", hint=hint)
        set_own_clock(profile, draft, column, Evidence("override"))
    always_known = set()
    for name in overrides.no_times:
        draft = _draft(profile, name)
        set_no_clock(draft, Evidence("override", "known at all times"))
        always_known.add(draft.name)
    return always_known


def _apply_keys(profile: Profile, overrides: Overrides) -> None:
    for name, columns in overrides.keys:
        draft = _draft(profile, name)
        draft.key = Key(tuple(_column(draft, column) for column in columns), Evidence("override"))
        draft.key_score = 12


def _resolved_links(
    profile: Profile, overrides: tuple[LinkOverride, ...]
) -> tuple[dict[str, list[Link]], dict[str, list[tuple[str, str]]]]:
    """The user's links by child table, and those to tables that aren't stored, by that table's name."""
    forced: dict[str, list[Link]] = {}
    to_virtual: dict[str, list[tuple[str, str]]] = {}
    for override in overrides:
        draft = _draft(profile, override.child)
        columns = tuple(_column(draft, column) for column in override.columns)
        try:
            parent = _draft(profile, override.parent)
        except PqlError:
            to_virtual.setdefault(override.parent, []).append((draft.name, columns[0]))
            continue
        keys = tuple(_column(parent, column) for column in override.parent_columns)
        for column, key in zip(columns, keys, strict=True):
            if not profile.same_type(draft.name, column, parent.name, key):
                raise PqlError(
                    "link_type",
                    f"{draft.name}.{column} is {draft.types[column]}, {parent.name}.{key} is {parent.types[key]}",
                    hint="a link needs two integers or two strings",
                )
        forced.setdefault(draft.name, []).append(Link(draft.name, columns, parent.name, keys, Evidence("override")))
        if parent.key is None:
            parent.key, parent.key_score = Key(keys, Evidence("override", "a link points to it")), 11
    return forced, to_virtual


def _resolved_unlinks(profile: Profile, overrides: tuple[LinkOverride, ...]) -> dict[str, set[tuple[str, str, str]]]:
    """(column, parent, key) that are no links, by child table. Parents may be virtual tables."""
    barred: dict[str, set[tuple[str, str, str]]] = {}
    for override in overrides:
        draft = _draft(profile, override.child)
        column = _column(draft, override.columns[0])
        try:
            parent = _draft(profile, override.parent)
            place = (column, parent.name, _column(parent, override.parent_columns[0]))
        except PqlError as error:
            if error.code != "unknown_table":
                raise
            place = (column, override.parent, override.parent_columns[0])
        barred.setdefault(draft.name, set()).add(place)
    return barred


def _draft(profile: Profile, name: str) -> Draft:
    return profile.drafts[find_name(name, profile.drafts, code="unknown_table", what="table")]


def _column(draft: Draft, name: str) -> str:
    return find_name(name, draft.types, code="unknown_column", what="column", where=f" in {draft.name}")


def _links(
    profile: Profile,
    forced: dict[str, list[Link]],
    barred: dict[str, set[tuple[str, str, str]]],
    by_values: list[Link],
) -> list[Link]:
    """All links between stored tables, measured, in the order of the tables and columns."""
    links: list[Link] = []
    for name, draft in profile.drafts.items():
        off = barred.get(name, set())
        own = []
        for link in forced.get(name, []):
            seen = measure(profile, name, link.child_columns, link.parent, link.parent_columns)
            own.append(replace(link, evidence=Evidence("override", "", seen.ratio, seen.orphans)))
        pairs = {(link.child_columns, link.parent) for link in own}
        for link in declared_links(profile, draft):
            if (link.child_columns[0], link.parent, link.parent_columns[0]) in off:
                continue
            if (link.child_columns, link.parent) not in pairs:
                own.append(link)
        taken = {column for link in own if len(link.child_columns) == 1 for column in link.child_columns}
        own += inferred_links(profile, draft, taken=taken, barred=off)
        taken = {c for link in own for c in link.child_columns}
        own += [
            link
            for link in by_values
            if link.child == name and link.child_columns[0] not in taken
            if (link.child_columns[0], link.parent, link.parent_columns[0]) not in off
        ]
        own += links_by_values(profile, draft, taken={c for link in own for c in link.child_columns}, barred=off)
        position = {column: i for i, column in enumerate(draft.types)}
        links += sorted(own, key=lambda link: position[link.child_columns[0]])
    return links


def _warn(profile: Profile, link: Link) -> None:
    """Of a link whose orphans are more than the few that any real table has; fewer show beside the link itself."""
    ratio, orphans = link.evidence.ratio, link.evidence.orphans
    if orphans and (orphans >= FEW * profile.rows(link.child) or (ratio is not None and ratio < GOOD)):
        share = f"{_percent(ratio)} of its values" if ratio is not None else "values"
        kind = "partial link" if ratio is not None and ratio < GOOD else "dangling rows"
        profile.warnings.append(f"{link}: {kind}, {share} are there, {orphans:,} rows point nowhere")


def _percent(ratio: float) -> str:
    """A share for people, never rounded up to all: 99.99 %."""
    return f"{math.floor(ratio * 10_000) / 100:g} %"


def _assembled(
    profile: Profile, links: list[Link], virtual: list[Table], more: list[Link], always_known: set[str]
) -> Catalog:
    enriches = {t.virtual.enriched_by: t.name for t in virtual if t.virtual is not None and t.virtual.enriched_by}
    ids: dict[str, set[str]] = {name: set() for name in profile.drafts}
    for link in (*links, *more):
        ids[link.child].update(link.child_columns)
        if link.parent in ids:
            ids[link.parent].update(link.parent_columns)
    for link in links:
        if link.parent not in enriches:
            _warn(profile, link)
    tables = []
    for name, draft in profile.drafts.items():
        ids[name].update(draft.key.columns if draft.key is not None else ())
        tables.append(
            Table(
                name,
                columns_of(profile, draft, ids[name]),
                draft.key,
                draft.clock or NO_CLOCK,
                _role(draft, links),
                profile.rows(name),
                enriches=enriches.get(name),
                always_known=name in always_known,
            )
        )
        _warn_of_table(profile, draft)
    by_name = {table.name: table for table in tables}
    whole = []
    for table in virtual:
        source = by_name.get(table.virtual.enriched_by or "") if table.virtual is not None else None
        if source is not None:
            own = set(source.key.columns if source.key is not None else ())
            copied = tuple(
                c for c in source.columns if c.name not in own and c.name not in {k.name for k in table.columns}
            )
            table = replace(table, columns=(*table.columns, *copied))
        whole.append(table)
    return Catalog((*tables, *whole), (*links, *more), tuple(profile.warnings))


def _warn_of_table(profile: Profile, draft: Draft) -> None:
    unread = [column for column, kind in draft.types.items() if kind is LogicalType.OTHER]
    if unread:
        profile.warnings.append(f"{draft.name}: columns of other types are not read: {', '.join(unread)}")
    if draft.key_column is not None and draft.key is not None and draft.key.evidence.source == "override":
        counts = profile.counts(draft.name, draft.key_column)
        if not counts.is_key and counts.rows:
            profile.warnings.append(f"{draft.name}.{draft.key_column} is not unique or has NULLs")
    if draft.clock is None or draft.clock.kind != "own":  # one that it inherits may be years too early
        for name in _dates_as_text(profile, draft):
            profile.warnings.append(
                f"{draft.name}.{name} {AS_TEXT}: as timestamps, or 2024-12-31, they could be the table's clock "
                "(pandas: to_datetime, polars: str.to_datetime, SQL: strptime)"
            )
    if (column := _nearly_a_key(profile, draft)) is not None:
        counts = profile.counts(draft.name, column)
        more = counts.rows - counts.distinct
        profile.warnings.append(
            f"{draft.name}.{column} is no key: {more:,} of {counts.rows:,} rows repeat a value or have none; "
            f"KEY {draft.name}.{column} takes one row of each value"
        )


def _dates_as_text(profile: Profile, draft: Draft) -> list[str]:
    """The text columns whose first values are all dates that could not be read for sure."""
    found = []
    for column in (name for name, kind in draft.types.items() if kind is LogicalType.STRING):
        some = Select((f"{identifier(column)} AS v",), profile.known(draft.name), limit=2_000)
        is_date = f"regexp_matches(v, {literal(WRITTEN_DATE)})"
        counted = profile.snapshot.query(str(Select(("count(v)", f"count(v) FILTER ({is_date})"), f"({some}) AS t")))
        values, dates = (counted.column(i)[0].as_py() for i in range(2))
        if values and values == dates:
            found.append(column)
    return found


def _nearly_a_key(profile: Profile, draft: Draft) -> str | None:
    """The column that is named like the key of a table without one, and is unique but for a few rows."""
    for column, score in key_candidates(profile, draft) if draft.key is None else ():
        counts = profile.counts(draft.name, column)
        if score >= GENERIC and counts.rows > counts.distinct >= NEARLY * counts.rows:
            return column
    return None


def _role(draft: Draft, links: list[Link]) -> Role:
    """entity: keyed, and pointed to or describing; fact: everything that is about other rows."""
    if draft.key is None:
        return Role.FACT
    pointed = any(link.parent == draft.name and link.child != draft.name for link in links)
    points = [link for link in links if link.child == draft.name and link.parent != draft.name]
    extends = any(link.child_columns == draft.key.columns for link in points)
    clock: Clock = draft.clock or NO_CLOCK
    if clock.kind == "none":
        return Role.ENTITY if draft.key_column is not None and (pointed or extends or not points) else Role.FACT
    if clock.kind == "inherited":
        return Role.ENTITY if extends and not pointed else Role.FACT
    enrolled = set(words(clock.column or "")) & _ENROLLED
    return Role.ENTITY if (pointed or extends) and (enrolled or not points) else Role.FACT
