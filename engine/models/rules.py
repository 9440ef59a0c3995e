"""Association rules: who had these items on an occasion had that one as well. For rankings.

The measures are those of Agrawal, Imieliński and Swami (1993): support = P(antecedent and consequent), confidence =
P(consequent | antecedent), lift = confidence / P(consequent). Antecedents hold one or two items. A rule from an item to
itself tells how often it is met again: of the times it was met, the share followed by another within one horizon. What
an entity had within the last horizon (else at its latest moment) fires rules; the best of them scores their consequent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.graph.key_index import parent_rows
from pql.engine.models.base import State
from pql.engine.models.popularity import popularity_scores
from pql.engine.pairs.baskets import Baskets, baskets_at
from pql.engine.pairs.pair_history import History, locate

MOST_ITEMS = 2_000  # the most frequent ones are looked at
MOST_PAIRS = 3_000  # the most frequent pairs are antecedents of two
LEAST_COUNT = 4  # occasions that a rule has to hold on
PER_ANTECEDENT = 30  # rules, those of most confidence
MOST_NEAR = 60  # candidates of an entity
DOUBT = 5.0  # occasions' worth of the usual frequency that a confidence is drawn to when it scores
SUMMED = 0.3  # weight of all fired rules together beside the best one
_NEVER_FIRED = 1e-6  # puts what no rule speaks for behind everything that one does

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rules:
    """m rules over the items `items` int64[I'] (rows of the ranking's items; -1: unknown here).

    `antecedent` int64[m, 2] (positions in `items`, the second -1 where there is one) sorted; `consequent` int64[m];
    `count` int64[m]: occasions with both; `of` int64[m]: with the antecedent; `usual` float64[m]: the consequent's
    share of all `occasions`. `what`: what an occasion is. `values`: the items as they are called in the data, `source`:
    the table and the key they are of, where they are rows of one.
    """

    items: Ints
    antecedent: Ints
    consequent: Ints
    count: Ints
    of: Ints
    usual: Floats
    occasions: int
    what: str
    values: pa.Array | None = None
    source: tuple[str, str] | None = None
    name: str = "rules"

    def __len__(self) -> int:
        return len(self.consequent)

    @property
    def support(self) -> Floats:
        return self.count / max(1, self.occasions)

    @property
    def confidence(self) -> Floats:
        return self.count / np.maximum(1, self.of)

    @property
    def lift(self) -> Floats:
        return self.confidence / np.maximum(self.usual, 1e-300)

    @property
    def trust(self) -> Floats:
        """float64[m]: the confidence a rule scores with, drawn to the usual frequency where it was seen seldom."""
        return (self.count + DOUBT * self.usual) / (self.of + DOUBT)

    def called(self, values: pa.Array, source: tuple[str, str] | None = None) -> Rules:
        """The rules with the items' own values (of all items of the ranking), by which they are found again."""
        return replace(self, values=values.take(pa.array(self.items)), source=source)

    def among(self, values: pa.Array) -> Rules:
        """The rules over another list of items, in which theirs are looked up."""
        if self.values is None:
            return self
        return replace(self, items=parent_rows([_chunked(self.values)], [_chunked(values)]).astype(np.int64))

    def reach(self, history: History, entities: Ints) -> Fired:
        """What the rules say of `entities` (rows, int64[n]) as of the history's anchor."""
        from scipy.sparse import csr_matrix

        owner, item = latest_items(history, entities)
        size = len(self.items)
        here = np.flatnonzero(self.items >= 0)
        place = np.full(history.n_items, -1, dtype=np.int64)
        place[self.items[here]] = here
        at = place[item]
        have = csr_matrix(
            (np.ones(int((at >= 0).sum()), dtype=np.int64), (owner[at >= 0], at[at >= 0])), shape=(len(entities), size)
        )
        keys, starts, groups = _antecedents(self.antecedent, size)
        two = keys % (size + 1) < size
        rows = np.concatenate([np.arange(len(keys)), np.flatnonzero(two)])
        columns = np.concatenate([keys // (size + 1), keys[two] % (size + 1)])
        needs = csr_matrix((np.ones(len(rows), dtype=np.int64), (columns, rows)), shape=(size, len(keys)))
        met = (have @ needs).tocoo()
        full = met.data == 1 + two[met.col]
        who, which = met.row[full].astype(np.int64), met.col[full].astype(np.int64)
        sizes = groups[which]
        rule = np.repeat(starts[which] - (np.cumsum(sizes) - sizes), sizes) + np.arange(int(sizes.sum()))
        who = np.repeat(who, sizes)
        consequent = self.items[self.consequent[rule]]
        known = consequent >= 0
        return Fired.of(self, history, who[known], consequent[known], rule[known], len(entities))

    def state(self) -> State:
        return {
            "name": self.name,
            "items": self.items,
            "antecedent": self.antecedent,
            "consequent": self.consequent,
            "count": self.count,
            "of": self.of,
            "usual": self.usual,
            "occasions": self.occasions,
            "what": self.what,
            "values": self.values,
            "source": None if self.source is None else list(self.source),
        }

    @classmethod
    def restore(cls, state: State) -> Rules:
        def whole(name: str) -> Ints:
            return np.asarray(state[name], dtype=np.int64)

        return cls(
            items=whole("items"),
            antecedent=whole("antecedent").reshape(-1, 2),
            consequent=whole("consequent"),
            count=whole("count"),
            of=whole("of"),
            usual=np.asarray(state["usual"], dtype=np.float64),
            occasions=int(state["occasions"]),
            what=str(state["what"]),
            values=state["values"],
            source=None if state["source"] is None else (str(state["source"][0]), str(state["source"][1])),
        )


@dataclass(frozen=True, slots=True)
class Fired:
    """The rules fired for n entities: the best of each (owner, item), by owner, then item.

    `key` int64[p] = owner * items + item, `rule` int64[p], `value` float64[p]. `nearest` int64[n, q]: the items of the
    best rules (-1: none).
    """

    history: History
    key: Ints
    rule: Ints
    value: Floats
    nearest: Ints

    @classmethod
    def of(cls, rules: Rules, history: History, owner: Ints, item: Ints, rule: Ints, n: int) -> Fired:
        width = max(1, history.n_items)
        trust = rules.trust[rule]
        order = np.lexsort((rule, -trust, item, owner))
        key, rule, trust = (owner * width + item)[order], rule[order], trust[order]
        new = np.ones(len(key), dtype=bool)
        new[1:] = key[1:] != key[:-1]
        starts = np.flatnonzero(new)
        value = trust[starts]
        if len(starts):
            value = value + SUMMED * np.add.reduceat(trust, starts)
        key, rule = key[starts], rule[starts]
        place = np.lexsort((key % width, -value, key // width))
        rank = np.arange(len(place)) - np.searchsorted(key[place] // width, key[place] // width)
        nearest = np.full((n, MOST_NEAR), -1, dtype=np.int64)
        top = place[rank < MOST_NEAR]
        nearest[key[top] // width, rank[rank < MOST_NEAR]] = key[top] % width
        return cls(history, key, rule, value, nearest)

    def score(self, owner: Ints, items: Ints) -> Floats:
        """float64[c]: the best rule's confidence and a share of all of them; popularity orders what none speaks for."""
        at, found = locate(self.key, owner * max(1, self.history.n_items) + items)
        fired = np.where(found, self.value[at], 0.0) if len(self.value) else np.zeros(len(items))
        return fired + _NEVER_FIRED * popularity_scores(self.history, items)

    def best(self, owner: Ints, items: Ints) -> Ints:
        """int64[c]: the rule that speaks most for each pair, -1 where none does."""
        at, found = locate(self.key, owner * max(1, self.history.n_items) + items)
        return np.where(found, self.rule[at], -1) if len(self.rule) else np.full(len(items), -1, dtype=np.int64)


def latest_items(history: History, entities: Ints) -> tuple[Ints, Ints]:
    """(owner, item): what entities had within the last horizon, else at their latest moment; each item once."""
    low, high = history.rows_indptr[entities], history.rows_indptr[entities + 1]
    owner = np.repeat(np.arange(len(entities), dtype=np.int64), high - low)
    at = np.arange(len(owner)) + np.repeat(low - (np.cumsum(high - low) - (high - low)), high - low)
    since = np.minimum(history.anchor - history.horizon, history.entity_last[entities] - 1)
    kept = history.row_times[at] > since[owner]
    key = np.unique(owner[kept] * max(1, history.n_items) + history.row_items[at[kept]])
    return key // max(1, history.n_items), key % max(1, history.n_items)


def rules_at(history: History) -> Rules:
    """The rules of the past of one anchor. A rule of two items is kept where it is surer than each of its halves."""
    baskets = baskets_at(history)
    most = np.bincount(baskets.items, minlength=history.n_items)
    often = np.lexsort((np.arange(history.n_items), -most))[:MOST_ITEMS]
    items = np.sort(often[most[often] >= LEAST_COUNT])
    return mined(baskets, items, history.n_items, again=(history.item_again[items], history.item_chances[items]))


def mined(
    baskets: Baskets,
    items: Ints,
    n_items: int,
    *,
    least: int = LEAST_COUNT,
    per: int = PER_ANTECEDENT,
    again: tuple[Ints, Ints] | None = None,
) -> Rules:
    """The rules over `items` (ascending) that hold on at least `least` occasions with lift above 1, up to `per` of
    each antecedent. `again`: how often each item was met again, of how many times."""
    from scipy.sparse import triu

    matrix = baskets.matrix(items, n_items)
    single = np.asarray(matrix.sum(axis=0), dtype=np.int64).ravel()
    both = (matrix.T @ matrix).tocoo()
    apart = (both.row != both.col) & (both.data >= least)
    first, then, count = both.row[apart].astype(np.int64), both.col[apart].astype(np.int64), both.data[apart]
    ante = np.column_stack([first, np.full(len(first), -1, dtype=np.int64)])
    parts = [(ante, then, count, single[first])]
    if again is not None:
        own = np.flatnonzero(again[0] >= least)
        itself = np.column_stack([own, np.full(len(own), -1, dtype=np.int64)])
        parts.append((itself, own, again[0][own], again[1][own]))
    upper = triu(both, k=1).tocoo()
    frequent = np.flatnonzero(upper.data >= least)
    order = np.lexsort((upper.col[frequent], upper.row[frequent], -upper.data[frequent]))[:MOST_PAIRS]
    a, b = upper.row[frequent][order].astype(np.int64), upper.col[frequent][order].astype(np.int64)
    if len(a):
        pairs = matrix[:, a].multiply(matrix[:, b]).tocsr()
        triple = (pairs.T @ matrix).tocoo()
        fits = (triple.data >= least) & (triple.col != a[triple.row]) & (triple.col != b[triple.row])
        pair, then, count = triple.row[fits].astype(np.int64), triple.col[fits].astype(np.int64), triple.data[fits]
        of = upper.data[frequent][order][pair]
        dense = both.tocsr()
        halves = np.maximum(
            np.asarray(dense[a[pair], then]).ravel() / single[a[pair]],
            np.asarray(dense[b[pair], then]).ravel() / single[b[pair]],
        )
        surer = count / of > halves
        parts.append((np.column_stack([a[pair], b[pair]])[surer], then[surer], count[surer], of[surer]))
    return _kept(parts, single, items, baskets, per)


def _kept(
    parts: Sequence[tuple[Ints, Ints, Ints, Ints]], single: Ints, items: Ints, baskets: Baskets, per: int
) -> Rules:
    ante, then, count, of = (np.concatenate([part[i] for part in parts]).astype(np.int64) for i in range(4))
    usual = single[then] / max(1, baskets.n)
    telling = count / np.maximum(1, of) > usual
    ante, then, count, of, usual = ante[telling], then[telling], count[telling], of[telling], usual[telling]
    group = _codes(ante, len(items))
    order = np.lexsort((then, -(count / np.maximum(1, of)), group))
    place = np.arange(len(order)) - np.searchsorted(group[order], group[order])
    order = order[place < per]
    return Rules(items, ante[order], then[order], count[order], of[order], usual[order], baskets.n, baskets.what)


def _codes(antecedent: Ints, size: int) -> Ints:
    """One number per antecedent; the second item is `size` where there is none."""
    second = np.where(antecedent[:, 1] < 0, size, antecedent[:, 1])
    return antecedent[:, 0] * (size + 1) + second


def _antecedents(antecedent: Ints, size: int) -> tuple[Ints, Ints, Ints]:
    """The distinct antecedents' numbers, where the rules of each begin, and how many there are."""
    return np.unique(_codes(antecedent, size), return_index=True, return_counts=True)


def _chunked(values: pa.Array) -> pa.ChunkedArray:
    return pa.chunked_array([values])
