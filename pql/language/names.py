"""Name resolution: exact, then case-insensitive if unique, then singular/plural for tables if unique."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Words people use for the same kind of table; they only make suggestions, never resolve a name.
_SAME_KIND = (
    frozenset({"customer", "user", "household", "client", "member", "account", "person", "buyer", "shopper"}),
    frozenset({"product", "item", "article", "sku", "good"}),
    frozenset({"purchase", "order", "transaction", "sale", "receipt", "basket"}),
)


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of a look-up: `name` if one fits, `several` if more than one fits equally well, else neither."""

    name: str | None
    several: tuple[str, ...] = ()


def singulars(name: str) -> frozenset[str]:
    """The lower-case forms a name may have in the singular, itself included."""
    low = name.lower()
    forms = {low}
    if low.endswith("ies") and len(low) > 4:
        forms.add(low[:-3] + "y")
    if low.endswith("es") and len(low) > 3:
        forms.add(low[:-2])
    if low.endswith("s") and not low.endswith("ss") and len(low) > 2:
        forms.add(low[:-1])
    return frozenset(forms)


def look_up(name: str, names: Iterable[str], *, plurals: bool = False) -> Found:
    """The one of `names` that `name` means (LANGUAGE §4)."""
    known = list(names)
    if name in known:
        return Found(name)
    same = [other for other in known if other.lower() == name.lower()]
    if not same and plurals:
        mine = singulars(name)
        same = [other for other in known if mine & singulars(other)]
    if len(same) == 1:
        return Found(same[0])
    return Found(None, tuple(same))


def nearest(name: str, names: Iterable[str], *, n: int = 3, cutoff: float = 0.6) -> tuple[str, ...]:
    """Up to `n` of `names` that are written alike, or stand for the same kind of thing, best first.

    cutoff: how much alike, from 0 to 1.
    """
    by_low: dict[str, str] = {}
    for other in names:
        by_low.setdefault(other.lower(), other)
    close = [by_low[low] for low in difflib.get_close_matches(name.lower(), by_low, n=n, cutoff=cutoff)]
    mine = singulars(name)
    for kind in _SAME_KIND:
        if mine & kind:
            close += [other for low, other in by_low.items() if singulars(low) & kind and other not in close]
    return tuple(close[:n])


def listed(names: Sequence[str], *, limit: int = 12) -> str:
    """`a, b, c`, cut after `limit` names."""
    shown = ", ".join(names[:limit])
    return shown + (f", … ({len(names)} in all)" if len(names) > limit else "")
