"""Reasons: what each thing a model looked at adds to one prediction, so that they add up to it.

A unit is one prediction: an entity's, or that of an entity and a class, a step or an item. The scale is the log-odds of
a probability, and the value itself of a number. A scale that bends (a logarithm, a softmax, a curve) is passed on by
the straight path from what all begin with to what is reached, as in Aumann and Shapley, "Values of Non-Atomic Games"
(1974): each thing gets the slope along the way times its own part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Words = NDArray[np.str_] | NDArray[np.object_]

BASE, REST = "what all begin with", "everything else"
BOUNDS, EVENED = "kept within what training has seen", "evened out along the list"
OTHERWISE = "another or none"  # than the categories that training knew
NODES = 24  # of the path from what all begin with to what is reached
STEP = 1e-5  # of a slope
STEEPEST = 10.0  # times the whole change by all parts, by which a part may be raised


@dataclass(frozen=True, slots=True)
class RowParts:
    """What single rows add: `unit` int64[r] which prediction, `table` and `row` int64[r] of the graph, `time` int64[r]
    when it became known (µs, ALWAYS possible), `amount` float64[r]."""

    unit: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    table: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    row: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    time: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    amount: Floats = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.unit)

    def at(self, unit: Ints, amount: Floats) -> RowParts:
        """The same rows as those of other units, with other amounts."""
        return replace(self, unit=unit, amount=amount)

    @staticmethod
    def joined(parts: Sequence[RowParts]) -> RowParts:
        """All of them; a row that several name of the same unit counts once."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return RowParts()
        names = ("unit", "table", "row", "time", "amount")
        every = RowParts(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
        order = np.lexsort((every.row, every.table, every.unit))
        new = np.ones(len(order), dtype=bool)
        for values in (every.unit, every.table, every.row):
            new[1:] &= values[order][1:] == values[order][:-1]
        new[1:] = ~new[1:]
        starts = np.flatnonzero(new)
        first = order[starts]
        amount = np.add.reduceat(every.amount[order], starts)
        return RowParts(every.unit[first], every.table[first], every.row[first], every.time[first], amount)


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why n units are given what they are. `base` float64[n]: what all begin with; `amounts` float64[n, f]: what each
    of the f things `names` adds; `words` [n, f]: their values as text; `rows`: what single rows add beside them.
    base + amounts.sum(axis=1) + those of the rows = margin.
    """

    base: Floats
    names: tuple[str, ...]
    amounts: Floats
    words: Words
    rows: RowParts = field(default_factory=RowParts)

    def __len__(self) -> int:
        return len(self.base)

    @property
    def added(self) -> Floats:
        """float64[n]: all that is added to what all begin with."""
        n = len(self.base)
        rows = np.bincount(self.rows.unit, weights=self.rows.amount, minlength=n) if len(self.rows) else np.zeros(n)
        return np.asarray(self.amounts.sum(axis=1) + rows)

    @property
    def margin(self) -> Floats:
        return np.asarray(self.base + self.added)

    def times(self, factor: float | Floats, shift: float | Floats = 0.0) -> Reasons:
        """The reasons of factor * margin + shift. `factor`: a number, or one per unit."""
        each = np.broadcast_to(np.asarray(factor, dtype=np.float64), self.base.shape)
        rows = self.rows.at(self.rows.unit, self.rows.amount * each[self.rows.unit])
        return replace(self, base=each * self.base + shift, amounts=each[:, None] * self.amounts, rows=rows)

    def bent(self, before: Floats, after: Floats) -> Reasons:
        """The reasons of a scale on which what all begin with is `before`, and what is reached `after`."""
        total = self.added
        moved = np.abs(total) > 1e-12
        found = self.times(np.where(moved, (after - before) / np.where(moved, total, 1.0), 0.0))
        return replace(found, base=after - found.added)

    def spread(self, change: Floats) -> Reasons:
        """The reasons of a change float64[n] that goes with these, in proportion; where they cancel out, by size."""
        total, n = self.added, len(self.base)
        size = np.abs(self.amounts).sum(axis=1)
        size += np.bincount(self.rows.unit, weights=np.abs(self.rows.amount), minlength=n) if len(self.rows) else 0.0
        some = size > 1e-12
        slope = np.where(np.abs(total) > 1e-12, change / np.where(np.abs(total) > 1e-12, total, 1.0), 0.0)
        most = STEEPEST * np.abs(change) / np.where(some, size, 1.0)
        slope = np.where(some, np.clip(slope, -most, most), 0.0)
        even = np.where(some, (change - slope * total) / np.where(some, size, 1.0), 0.0)
        rows = self.rows
        kept = rows.amount * slope[rows.unit] + np.abs(rows.amount) * even[rows.unit]
        amounts = self.amounts * slope[:, None] + np.abs(self.amounts) * even[:, None]
        found = replace(self, amounts=amounts, rows=rows.at(rows.unit, kept))
        return replace(found, base=change - found.added)

    def take(self, index: Ints) -> Reasons:
        """Those of some units, in another order; a unit may come again."""
        rows = self.rows
        if len(rows):
            order = np.argsort(rows.unit, kind="stable")
            low, high = (np.searchsorted(rows.unit[order], index, side=side) for side in ("left", "right"))
            sizes = high - low
            starts = np.cumsum(sizes) - sizes
            at = order[np.repeat(low - starts, sizes) + np.arange(int(sizes.sum()))]
            unit = np.repeat(np.arange(len(index)), sizes)
            rows = RowParts(unit, rows.table[at], rows.row[at], rows.time[at], rows.amount[at])
        return Reasons(self.base[index], self.names, self.amounts[index], self.words[index], rows)

    @staticmethod
    def of(
        base: Floats, names: tuple[str, ...] = (), amounts: Floats | None = None, words: Words | None = None
    ) -> Reasons:
        """Reasons of these things, or of nothing but the base."""
        amounts = np.zeros((len(base), len(names))) if amounts is None else amounts
        return Reasons(base, names, amounts, no_words(amounts.shape) if words is None else words)

    @staticmethod
    def summed(parts: Sequence[Reasons]) -> Reasons:
        """The reasons of the sum of margins; a thing that several parts name counts once."""
        names = tuple(dict.fromkeys(name for part in parts for name in part.names))
        place = {name: i for i, name in enumerate(names)}
        n = len(parts[0].base)
        amounts, words = np.zeros((n, len(names))), no_words((n, len(names)))
        for part in parts:
            at = [place[name] for name in part.names]
            amounts[:, at] += part.amounts
            words[:, at] = np.where(part.words == "", words[:, at], part.words)
        base = np.zeros(n)
        for part in parts:
            base = base + part.base
        return Reasons(base, names, amounts, words, RowParts.joined([part.rows for part in parts]))

    @staticmethod
    def ordered(parts: Sequence[Reasons], order: Sequence[Ints]) -> Reasons:
        """The reasons of several groups of units, at the places `order` of each group."""
        if len(parts) == 1:
            return parts[0].take(np.argsort(order[0]))
        names = tuple(dict.fromkeys(name for part in parts for name in part.names))
        place = {name: i for i, name in enumerate(names)}
        n = sum(len(at) for at in order)
        base, amounts, words, rows = np.zeros(n), np.zeros((n, len(names))), no_words((n, len(names))), []
        for part, at in zip(parts, order, strict=True):
            columns = np.array([place[name] for name in part.names], dtype=np.int64)
            base[at] = part.base
            amounts[np.ix_(at, columns)] = part.amounts
            words[np.ix_(at, columns)] = part.words
            rows.append(part.rows.at(at[part.rows.unit], part.rows.amount))
        return Reasons(base, names, amounts, words, RowParts.joined(rows))

    def with_part(self, name: str, amount: Floats, words: Words | None = None) -> Reasons:
        """One thing more, left out where it adds nothing to anybody."""
        amount = np.where(np.abs(amount) > 1e-9, amount, 0.0)
        if not amount.any():
            return self
        words = no_words((len(amount), 1)) if words is None else words
        return Reasons.summed([self, Reasons(np.zeros(len(amount)), (name,), amount[:, None], words)])


def no_words(shape: tuple[int, ...]) -> Words:
    return np.full(shape, "", dtype=object)


def in_words(value: float, vocabulary: Sequence[str] | None = None) -> str:
    """A feature's value as text: a number, a category, or `unknown`."""
    if not np.isfinite(value):
        return "unknown"
    if vocabulary is not None:
        return vocabulary[int(value)] if 0 <= int(value) < len(vocabulary) else OTHERWISE
    if value == round(value) or abs(value) >= 1e4:
        return f"{value:,.0f}"
    if abs(value) >= 1e-3:
        return f"{value:,.{max(0, 3 - int(np.floor(np.log10(abs(value)))))}f}".rstrip("0").rstrip(".")
    return np.format_float_positional(value, precision=2, fractional=False, trim="-")


def steps(margins: Sequence[Floats], names: tuple[str, ...], words: Words) -> Reasons:
    """Reasons that lead from the first margin to the last."""
    amounts = [after - before for before, after in pairwise(margins)]
    return Reasons(margins[-1] - np.sum(amounts, axis=0), names, np.column_stack(amounts), words)


def slopes(before: Floats, after: Floats, gradient: Callable[[Floats], Floats]) -> Floats:
    """float64[n, d]: the mean gradient of a score along the way from `before` to `after`, float64[n, d] each.

    `gradient`: float64[n, d] at a point float64[n, d].
    """
    places, weights = np.polynomial.legendre.leggauss(NODES)
    total = np.zeros_like(after)
    for place, weight in zip(((places + 1) / 2).tolist(), (weights / 2).tolist(), strict=True):
        total += weight * gradient(before + place * (after - before))
    return total


def numeric(score: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """The gradient of a score (float64[n, d] to float64[n]) by central differences."""

    def gradient(at: Floats) -> Floats:
        found = np.empty_like(at)
        for k in range(at.shape[1]):
            up, down = at.copy(), at.copy()
            up[:, k] += STEP
            down[:, k] -= STEP
            found[:, k] = (score(up) - score(down)) / (2 * STEP)
        return found

    return gradient
