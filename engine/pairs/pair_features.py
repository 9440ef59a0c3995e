"""Features of (entity, anchor, item) pairs: rhythm, popularity, season, taste. All from the anchor's own past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pql.engine.pairs.candidates import SOURCES, Candidates
from pql.engine.pairs.category_taste import Kinds, category_features, kinds_at
from pql.engine.pairs.item_past import ItemPast, item_past
from pql.engine.pairs.latent import Latent, latent_at
from pql.engine.pairs.own_pairs import OwnPairs, own_pairs
from pql.engine.pairs.pair_history import History
from pql.engine.pairs.places import places_within

_ROWS = 4_096  # candidates whose features are written at a time, few enough to stay in the cache


@dataclass(frozen=True, slots=True)
class PairFeatures:
    """`values` float32[c, f], NaN where undefined, one row per candidate; `names` the f columns."""

    names: tuple[str, ...]
    values: NDArray[np.float32]


def featureless(candidates: int) -> PairFeatures:
    """So many candidates that nobody reads features of."""
    return PairFeatures((), np.zeros((candidates, 0), dtype=np.float32))


@dataclass(frozen=True, slots=True)
class AnchorPast:
    """What pair features need of an anchor and is the same for every entity."""

    items: ItemPast
    kinds: tuple[Kinds, ...]
    latent: Latent


def anchor_past(history: History) -> AnchorPast:
    """The items and their categories as of the anchor."""
    return AnchorPast(item_past(history), kinds_at(history), latent_at(history))


def pair_features(
    history: History,
    entities: NDArray[np.int64],
    candidates: Candidates,
    scores: tuple[tuple[str, NDArray[np.float32]], ...] = (),
    past: AnchorPast | None = None,
) -> PairFeatures:
    """Describe every candidate of `entities` (rows, int64[n]); `scores` are further columns, one value per candidate.

    Times are in horizons, so that one model serves every anchor; counts of items are shares of the active entities.
    """
    past = past or anchor_past(history)
    owner, item = candidates.owner, candidates.items
    own = own_pairs(history, entities, past.items.gap)
    at = own.at(owner, item, history.n_items)
    names = [*own.names, *past.items.names]
    columns: dict[str, NDArray] = {}
    _entity(columns, history, own, entities, owner)
    times = own.values[at, 0]
    for kinds in past.kinds:
        columns.update(category_features(history, kinds, own, owner, item, times))
    for name, numbers in history.items.numbers:
        _number(columns, own, owner, item, name, numbers)
    columns["together"] = candidates.together
    columns["together_rank"] = places_within(owner, np.nan_to_num(candidates.together, nan=-1.0))
    fit = past.latent.scores(entities[owner], item)
    columns["latent"] = fit
    columns["latent_rank"] = places_within(owner, np.nan_to_num(fit, nan=-1.0))
    for flag, name in SOURCES.items():
        columns[f"source: {name}"] = (candidates.source & flag) > 0
    columns.update(scores)
    values = np.empty((len(item), len(names) + len(columns)), dtype=np.float32)
    for start in range(0, len(item), _ROWS):
        some, block = slice(start, start + _ROWS), values[start : start + _ROWS]
        block[:, : len(own.names)] = own.values[at[some]]
        block[:, len(own.names) : len(names)] = past.items.values[item[some]]
        for place, column in enumerate(columns.values(), start=len(names)):
            block[:, place] = column[some]
    return PairFeatures((*names, *columns), values)


def _entity(
    columns: dict[str, NDArray], history: History, own: OwnPairs, entities: NDArray[np.int64], owner: NDArray[np.int64]
) -> None:
    n = len(entities)
    distinct = np.bincount(own.key // max(1, history.n_items), minlength=n)
    seen = own.sizes > 0
    recent = history.anchor - 4 * history.horizon
    since = own.values[:-1, own.names.index("since first")]
    newly = np.bincount(own.key[since < 4] // max(1, history.n_items), minlength=n)
    late = np.bincount(own.owner[own.time > recent], minlength=n)
    with np.errstate(divide="ignore", invalid="ignore"):
        table = {
            "rows": own.sizes,
            "rows in 1h": history.entity_windows[0][entities],
            "rows in 4h": history.entity_windows[-1][entities],
            "recency": np.where(seen, (history.anchor - history.entity_last[entities]) / history.horizon, np.nan),
            "basket size": np.where(seen, own.sizes / own.baskets, np.nan),
            "repeats": np.where(seen, 1.0 - distinct / own.sizes, np.nan),
            "new in 4h": np.where(late > 0, newly / late, np.nan),
        }
    for name, values in table.items():
        columns[f"entity: {name}"] = values.astype(np.float32)[owner]


def _number(
    columns: dict[str, NDArray],
    own: OwnPairs,
    owner: NDArray[np.int64],
    item: NDArray[np.int64],
    name: str,
    numbers: NDArray[np.float64],
) -> None:
    """The item's number, and against the mean over what the entity had (a sum over its own rows only)."""
    value = numbers[own.item]
    ok = np.isfinite(value)
    filled = np.where(ok, value, 0.0)
    starts = np.cumsum(own.sizes) - own.sizes
    have = np.flatnonzero(own.sizes > 0)
    total, count = np.zeros(len(own.sizes)), np.zeros(len(own.sizes))
    if len(have):
        total[have] = np.add.reduceat(filled, starts[have])
        count[have] = np.add.reduceat(ok.astype(np.int64), starts[have])
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(count > 0, total / count, np.nan)
        columns[name] = numbers[item]
        columns[f"{name} - my mean"] = numbers[item] - mean[owner]
