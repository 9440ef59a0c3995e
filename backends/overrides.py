"""What the user says about keys, links and clocks, against or beyond what is inferred: frozen data."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pql.backends.names import singular
from pql.language.errors import PqlError
from pql.language.format import quote_name


@dataclass(frozen=True, slots=True)
class LinkOverride:
    """`child.columns -> parent.parent_columns`, to be added or taken away."""

    child: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.child}.{', '.join(self.columns)} -> {self.parent}.{', '.join(self.parent_columns)}"


@dataclass(frozen=True, slots=True)
class Overrides:
    """All overrides of one database: LINK, UNLINK, KEY (table, columns), TIME (table, column), NO TIME (table)."""

    links: tuple[LinkOverride, ...] = ()
    unlinks: tuple[LinkOverride, ...] = ()
    keys: tuple[tuple[str, tuple[str, ...]], ...] = ()
    times: tuple[tuple[str, str], ...] = ()
    no_times: tuple[str, ...] = ()

    def link(self, child: str, column: str, parent: str, parent_column: str) -> Overrides:
        """With LINK child.column -> parent.parent_column; it takes back an UNLINK of the same pair."""
        made = LinkOverride(child, (column,), parent, (parent_column,))
        return replace(
            self,
            links=(*(old for old in self.links if old != made), made),
            unlinks=tuple(old for old in self.unlinks if old != made),
        )

    def unlink(self, child: str, column: str, parent: str, parent_column: str) -> Overrides:
        """With UNLINK child.column -> parent.parent_column; it takes back a LINK of the same pair."""
        made = LinkOverride(child, (column,), parent, (parent_column,))
        return replace(
            self,
            unlinks=(*(old for old in self.unlinks if old != made), made),
            links=tuple(old for old in self.links if old != made),
        )

    def says_link(self, child: str, column: str, parent: str, parent_column: str) -> bool:
        """True if that very link is declared."""
        return LinkOverride(child, (column,), parent, (parent_column,)) in self.links

    def says_unlink(self, child: str, column: str, parent: str, parent_column: str) -> bool:
        """True if that very link is declared not to be one."""
        return LinkOverride(child, (column,), parent, (parent_column,)) in self.unlinks

    def without_link(self, child: str, column: str, parent: str, parent_column: str) -> Overrides:
        """With nothing said about that link."""
        said = LinkOverride(child, (column,), parent, (parent_column,))
        return replace(
            self,
            links=tuple(old for old in self.links if old != said),
            unlinks=tuple(old for old in self.unlinks if old != said),
        )

    def key(self, table: str, *columns: str) -> Overrides:
        """With KEY table.columns; the last one said about a table counts."""
        return replace(self, keys=(*(old for old in self.keys if old[0] != table), (table, tuple(columns))))

    def time(self, table: str, column: str) -> Overrides:
        """With TIME table.column; it takes back a NO TIME of the table."""
        return replace(
            self,
            times=(*(old for old in self.times if old[0] != table), (table, column)),
            no_times=tuple(old for old in self.no_times if old != table),
        )

    def no_time(self, table: str) -> Overrides:
        """With NO TIME table: the table has no clock and is known at all times."""
        return replace(
            self,
            no_times=(*(old for old in self.no_times if old != table), table),
            times=tuple(old for old in self.times if old[0] != table),
        )

    def statements(self) -> tuple[str, ...]:
        """The overrides as the statements that would say them again."""
        links = [("LINK", link) for link in self.links] + [("UNLINK", link) for link in self.unlinks]
        pairs = [
            f"{verb} {_dotted(link.child, link.columns[0])} -> {_dotted(link.parent, link.parent_columns[0])}"
            for verb, link in links
        ]
        keys = [f"KEY {_dotted(table, columns[0])}" for table, columns in self.keys]
        times = [f"TIME {_dotted(table, column)}" for table, column in self.times]
        return (*pairs, *keys, *times, *(f"NO TIME {quote_name(table)}" for table in self.no_times))

    def to_json(self) -> dict[str, Any]:
        """The overrides as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Overrides:
        """The overrides of `to_json`. Raises PqlError `registry_corrupt` for anything else."""
        try:
            pairs = {
                name: tuple(
                    LinkOverride(str(o["child"]), _names(o["columns"]), str(o["parent"]), _names(o["parent_columns"]))
                    for o in value[name]
                )
                for name in ("links", "unlinks")
            }
            return cls(
                pairs["links"],
                pairs["unlinks"],
                tuple((str(table), _names(columns)) for table, columns in value["keys"]),
                tuple((str(table), str(column)) for table, column in value["times"]),
                _names(value["no_times"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PqlError(
                "registry_corrupt",
                "The kept overrides of this database can't be read.",
                hint="Delete overrides.json in its folder under PQL_HOME and say them again.",
            ) from error


def _dotted(table: str, column: str) -> str:
    return f"{quote_name(table)}.{quote_name(column)}"


def _names(values: Iterable[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise TypeError("a list of names is expected")
    return tuple(str(value) for value in values)


def find_name(name: str, names: Iterable[str], *, code: str, what: str, where: str = "") -> str:
    """The one of `names` that is meant: exact, else without case, else (tables) in the other number.

    PqlError `code` with the nearest names if there is none, or several in another case.
    """
    known = list(names)
    if name in known:
        return name
    for same in (_folded, _folded_singular) if code == "unknown_table" else (_folded,):
        hits = [other for other in known if same(other) == same(name)]
        if len(hits) == 1:
            return hits[0]
    near = _nearest(name, known)
    hint = f"did you mean {near[0]}?" if near else _hint(what, known)
    raise PqlError(code, f"there is no {what} {name}{where}", nearest=near, hint=hint)


def _folded(name: str) -> str:
    return name.lower()


def _folded_singular(name: str) -> str:
    return singular(name.lower())


def _nearest(name: str, known: Sequence[str]) -> tuple[str, ...]:
    folded = {other.lower(): other for other in known}
    return tuple(folded[hit] for hit in difflib.get_close_matches(name.lower(), list(folded), n=3, cutoff=0.5))


def _hint(what: str, known: Sequence[str]) -> str:
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f"the {what}s are {shown}" if known else f"there are no {what}s"
