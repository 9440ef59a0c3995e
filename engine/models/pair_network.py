"""The network of a ranking: one small net over the features of (entity, item) pairs, taught by a softmax over lists.

The features hold the pair's own past, the entity's and the item's state, what is bought together, and, where there are
towers, how near the entity's vector is to the item's: pair-wise where there is a past, by representation where there
is none (as in ContextGNN, Yuan et al. 2024). It reads them as rank-Gauss quantities with flags for what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pql.engine.events import Events
from pql.engine.features.matrix import FeatureMatrix
from pql.engine.models.base import State
from pql.engine.models.ranker import RankerCheck, RankerRows, columns_of
from pql.engine.pairs.pair_features import PairFeatures

if TYPE_CHECKING:
    from torch import Tensor

    from pql.engine.nn.heads import FeatureHead
    from pql.engine.nn.seed_features import FeatureScaler

HIDDEN = 128
EPOCHS = 4
BATCH = 128  # lists
SCORED = 16_384  # pairs at a time


@dataclass(frozen=True, slots=True)
class PairNetwork:
    """A fitted net. `names`: the pair features it reads; `rounds`: the epoch whose weights it has."""

    names: tuple[str, ...]
    scaler: FeatureScaler
    module: FeatureHead
    rounds: int

    def score(self, features: PairFeatures, threads: int = 1) -> NDArray[np.float64]:
        """float64[c], higher is better; only comparable within one example. `threads` don't matter."""
        return self.margin(features.values[:, columns_of(features.names, self.names)])

    def margin(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """float64[c] of the features `names`, float32[c, f]."""
        import torch

        from pql.engine.nn.loop import computing

        out = np.zeros(len(values))
        self.module.eval()
        with computing(0), torch.no_grad():
            for start in range(0, len(values), SCORED):
                read = self.encode(values[start : start + SCORED])
                out[start : start + SCORED] = self.module(torch.from_numpy(read))[:, 0].numpy()
        return np.nan_to_num(out)

    def encode(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[c, width]: the features as the net reads them."""
        return self.scaler.encode(FeatureMatrix(self.names, values), np.zeros((len(values), 0), np.float32))

    def state(self) -> State:
        """Arrays and JSON values only."""
        weights = {f"weight.{name}": value.detach().numpy().copy() for name, value in self.module.state_dict().items()}
        return {"names": list(self.names), "scaler": self.scaler.to_json(), "rounds": self.rounds, **weights}

    @classmethod
    def restore(cls, state: State) -> PairNetwork:
        """The net of a `state`, with the same scores bit for bit."""
        import torch

        from pql.engine.nn.seed_features import FeatureScaler

        scaler = FeatureScaler.from_json(state["scaler"])
        module = _module(scaler.width)
        prefix = "weight."
        weights = {k[len(prefix) :]: torch.from_numpy(np.array(v)) for k, v in state.items() if k.startswith(prefix)}
        module.load_state_dict(weights)
        module.eval()
        return cls(tuple(state["names"]), scaler, module, int(state["rounds"]))


def fit_pair_network(
    rows: RankerRows,
    names: tuple[str, ...],
    check: RankerCheck | None,
    *,
    seed: int,
    events: Events,
    rounds: int | None = None,
) -> PairNetwork:
    """Fit on lists with a true item. With `check`, keep the epoch of best MAP; else run `rounds` epochs."""
    import torch

    from pql.engine.nn.loop import computing, schedule_of, train
    from pql.engine.nn.seed_features import fit_features

    matrix, none = FeatureMatrix(names, rows.values), np.zeros((len(rows), 0), np.float32)
    scaler = fit_features(matrix, none)
    values, labels = torch.from_numpy(scaler.encode(matrix, none)), rows.labels.astype(np.float32)
    first = np.concatenate([[0], np.cumsum(rows.groups)]).astype(np.int64)
    n = len(rows.groups)
    with computing(seed):
        module = _module(scaler.width)
        fitted = PairNetwork(names, scaler, module, 1)

        def loss(index: NDArray[np.int64]) -> Any:
            sizes = rows.groups[index]
            starts = np.cumsum(sizes) - sizes
            at = np.repeat(first[index] - starts, sizes) + np.arange(sizes.sum())
            return list_loss(module(values[torch.from_numpy(at)])[:, 0], labels[at], sizes)

        schedule = schedule_of(EPOCHS, n, seed)
        schedule = replace(schedule, batch=min(BATCH, schedule.batch), patience=2)
        evaluate = None if check is None or rounds is not None else lambda: -check.map(check.margin(fitted.margin))
        outcome = train(module, schedule, n, loss, events, evaluate=evaluate, rounds=rounds)
    return replace(fitted, rounds=outcome.rounds)


def list_loss(scores: Tensor, labels: NDArray[np.float32], sizes: NDArray[np.int64]) -> Tensor:
    """The cross-entropy of a softmax over every list against its true items, averaged over lists.

    `scores` [r] and `labels` float32[r] of lists one after the other, `sizes` int64[b] their lengths (at least 1).
    """
    import torch

    owner = np.repeat(np.arange(len(sizes)), sizes)
    place = torch.from_numpy(np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes))
    of = torch.from_numpy(owner)
    padded = scores.new_full((len(sizes), int(sizes.max())), -1e9).index_put((of, place), scores)
    true = np.maximum(np.bincount(owner, weights=labels, minlength=len(sizes)), 1.0)
    weight = torch.from_numpy((labels / true[owner]).astype(np.float32))
    return -(weight * torch.log_softmax(padded, dim=1)[of, place]).sum() / len(sizes)


def _module(width: int) -> FeatureHead:
    from pql.engine.nn.heads import FeatureHead

    return FeatureHead(width, 1, hidden=HIDDEN)
