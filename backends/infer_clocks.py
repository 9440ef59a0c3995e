"""Own clocks: which time column says when a row became known.

Candidates are chosen by type and name; values only speak for or against them where every candidate of the row is at or
before `as_of`, so that later rows have no say.
"""

from __future__ import annotations

from dataclasses import dataclass

from pql.backends.names import table_words, words
from pql.backends.profile import Draft, Profile
from pql.backends.sql import identifier
from pql.language.catalog import NO_CLOCK, Clock, Evidence, LogicalType

_BIRTH = {"birth", "dob", "born", "birthday", "birthdate", "dateofbirth", "yob", "death", "died"}
_LOADED = {"loaded", "load", "etl", "ingested", "ingest", "ingestion", "imported", "import", "synced", "sync",
           "updated", "update", "modified", "changed", "extracted", "refreshed", "dwh", "inserted", "replicated",
           "fivetran", "airbyte", "batch", "snapshot", "processed", "lastmodified", "lastupdated"}  # fmt: skip
_STRONG = {"created", "create", "creation", "ordered", "occurred", "placed", "event", "transaction", "purchased",
           "purchase", "timestamp", "ts", "datetime", "date", "time", "signup", "registered", "registration", "joined",
           "happened", "booked", "posted", "order", "invoice", "sale", "sold", "visit", "redemption",
           "logged"}  # fmt: skip
_START = {"start", "started", "starts", "begin", "began", "begins", "from", "opened", "open", "since", "effective"}
_LATE = {"end", "ended", "ends", "finish", "finished", "closed", "close", "until", "to", "due", "expiry", "expires",
         "expiration", "expired", "shipped", "shipping", "delivered", "delivery", "paid", "payment", "approved",
         "returned", "cancelled", "canceled", "completed", "estimated", "expected", "stop", "stopped",
         "last", "limit", "resolved", "valid", "scheduled", "planned", "next", "archived"}  # fmt: skip
_GONE = {"deleted", "deletion", "removed", "removal"}
TIME_WORDS = frozenset(
    (_BIRTH | _LOADED | _STRONG | _START | _LATE | _GONE | {"at", "on", "day", "dt", "epoch", "utc", "unix", "when"})
    - {"load", "import", "batch", "order", "event", "purchase", "transaction", "sale", "visit", "to", "limit", "valid"}
)  # words of a name that may speak of a moment
STRONG, START, PLAIN, LATE = 4, 3, 2, 1
_ROOT = 4  # letters that two forms of a word share: update, updated


@dataclass(frozen=True, slots=True)
class _Candidate:
    column: str
    score: int
    rows: int = 0
    known: int = 0
    first: object = None
    last: object = None
    total: int = 0

    @property
    def nulls(self) -> int:
        """Tenths of the rows where it is NULL."""
        return round(10 * (self.rows - self.known) / self.rows) if self.rows else 0

    @property
    def mean(self) -> int:
        return self.total // self.known if self.known else 0


def excluded(column: str, table: str = "") -> str | None:
    """Why the name of a time column says that it can't be a clock; None if it may be one.

    price_changes.changed_at is no stamp of loading: its table is of changes.
    """
    own = [word[:_ROOT] for word in table_words(table)]
    parts = {word for word in words(column) if len(word) < _ROOT or word[:_ROOT] not in own}
    if parts & _GONE:
        return "when a row went, not when it came"
    if parts & _BIRTH or "".join(words(column)) in _BIRTH:
        return "a date of birth"
    if parts & _LOADED and not parts & {"created", "transaction", "event"}:
        return "a load or update stamp"
    return None


def name_score(column: str, table: str) -> int:
    """How much a name speaks of the moment a row became known: 4 created, order_date; 3 start; 2 plain; 1 end, due."""
    parts = set(words(column))
    if parts & _LATE and not parts & {"created", "start", "started"}:
        return LATE
    if parts & _START:
        return START
    own = {part.rstrip("s") for part in table_words(table)}
    if parts & _STRONG or {part.rstrip("s") for part in parts} & own:
        return STRONG
    return PLAIN


def decide_own_clock(profile: Profile, draft: Draft) -> None:
    """Set the table's own clock, if it has one, and hide the rows that come after `as_of`."""
    times = [name for name, kind in draft.types.items() if kind is LogicalType.TIMESTAMP]
    rejected = [(name, reason) for name in times if (reason := excluded(name, draft.name))]
    candidates = [_Candidate(name, name_score(name, draft.name)) for name in times if not excluded(name, draft.name)]
    if any(c.score == START for c in candidates):
        rejected += [(c.column, "the row is known from its start") for c in candidates if c.score == LATE]
        candidates = [c for c in candidates if c.score != LATE]
    if not candidates:
        draft.rejected = tuple(rejected)
        return
    before = _until(profile, *(c.column for c in candidates))
    measured = [_measured(profile, draft, c, before) for c in candidates]
    faults = {c.column: _fault(c, has_moment=profile.as_of is not None) for c in measured}
    usable = [c for c in measured if faults[c.column] is None]
    rejected += [(column, fault) for column, fault in faults.items() if fault is not None]
    if not usable:  # the rows' moments may yet be these
        profile.hide(draft.name, *_until(profile, *faults))
    order = {name: i for i, name in enumerate(times)}
    usable.sort(key=lambda c: (-c.score, c.nulls, c.mean, order[c.column]))
    if usable:
        set_own_clock(profile, draft, usable[0].column, Evidence("inferred", _note(usable)))
        rejected += [(other.column, f"{usable[0].column} says it better") for other in usable[1:]]
    draft.rejected = tuple(rejected)


def set_own_clock(profile: Profile, draft: Draft, column: str, evidence: Evidence) -> None:
    """Make `column` the table's clock; rows where it is NULL or after `as_of` are not known."""
    draft.clock = Clock("own", column, evidence=evidence)
    if profile.moment is not None:
        profile.hide(draft.name, f"{identifier(column)} <= {profile.moment}")


def set_no_clock(draft: Draft, evidence: Evidence | None = None) -> None:
    draft.clock = NO_CLOCK if evidence is None else Clock("none", evidence=evidence)


def _until(profile: Profile, *columns: str) -> tuple[str, ...]:
    """Conditions that no given column is after `as_of`."""
    if profile.moment is None:
        return ()
    return tuple(f"{identifier(name)} IS NULL OR {identifier(name)} <= {profile.moment}" for name in columns)


def _measured(profile: Profile, draft: Draft, candidate: _Candidate, before: tuple[str, ...]) -> _Candidate:
    name = identifier(candidate.column)
    row = profile.snapshot.query(
        f"SELECT count(*) AS n, count({name}) AS k, epoch_us(min({name})) AS a, epoch_us(max({name})) AS b, "
        f"CAST(sum(CAST(epoch_us({name}) AS HUGEINT)) AS VARCHAR) AS t FROM {profile.known(draft.name, *before)}"
    ).to_pylist()[0]
    return _Candidate(candidate.column, candidate.score, row["n"], row["k"], row["a"], row["b"], int(row["t"] or 0))


def _fault(candidate: _Candidate, *, has_moment: bool) -> str | None:
    """Why the values speak against a candidate. A few equal moments may be chance, many are a stamp."""
    if candidate.rows and not candidate.known:
        return "all NULL"
    many = 10 if has_moment or candidate.score >= START else 2
    if candidate.known >= many and candidate.first == candidate.last:
        return "one value in all rows"
    return None


def _note(usable: list[_Candidate]) -> str:
    best = usable[0]
    if len(usable) == 1:
        return "the only time column that can be a clock"
    others = ", ".join(other.column for other in usable[1:])
    if best.score > usable[1].score:
        return f"its name says more than {others}"
    return f"earlier than {others}"
