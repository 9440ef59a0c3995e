"""Why the two towers hold an item near to an entity: how the item stands with everybody, the items met before, each by
its own part of the product, and integrated gradients over the entity's features and the rows around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pql.engine.graph.encode import bind_readers
from pql.engine.graph.sample import sample
from pql.engine.graph.seeds import Seeds
from pql.engine.models.base import Inputs
from pql.engine.reasons.network import add_counts, completed, integrated, nowhere, row_parts
from pql.engine.reasons.pair_origins import ITEM_LIKED, OTHER_ITEMS
from pql.engine.reasons.reasons import Floats, Reasons, RowParts, in_words, no_words

if TYPE_CHECKING:
    from torch import Tensor

    from pql.engine.ranking.towers import BoundTowers

AROUND = 64  # units whose surroundings are held at a time


def tower_reasons(towers: BoundTowers, seeds: Seeds, vectors: np.ndarray, usual: float, margin: Floats) -> Reasons:
    """The reasons of `margin` float64[u], the products of the entities `seeds` (u, all of one anchor) with the items'
    `vectors` float32[u, d]. `usual`: the last number of a usual item's vector, what an item gets from everybody."""
    import torch

    from pql.engine.models.towers import SHARPNESS, WIDTH
    from pql.engine.nn.hetero import collate
    from pql.engine.nn.loop import computing

    fitted, graph = towers.towers.fitted, towers.graph
    spec, n = towers.towers.spec, len(seeds)
    lags = np.zeros((n, 0), dtype=np.float32)
    inputs = Inputs(graph, seeds, spec.compute(graph, seeds, lags), lags)
    encoded = fitted.scaler.encode(inputs.features, inputs.lags)
    view, readers, module = fitted.view(graph, towers.items), bind_readers(fitted.encoders, graph), fitted.module
    liked, met_sum = np.zeros(n), np.zeros(n)
    by_feature = np.zeros(encoded.shape)
    rows = [RowParts()]
    counted: dict[str, Floats] = {}
    table = -1 if towers.items.table is None else towers.items.table
    module.eval()
    with computing(0):
        for start in range(0, n, AROUND):
            index = np.arange(start, min(start + AROUND, n))
            part = seeds.take(index)
            trees = sample(graph, part.rows, part.seen, fitted.neighbors)
            batch = collate(trees, readers)
            given = SHARPNESS * torch.from_numpy(np.ascontiguousarray(vectors[index, :WIDTH]))

            def said(root: Tensor, features: Tensor, given: Tensor = given) -> Tensor:
                return (module.head(root, features) * given).sum()

            found = integrated(module.network, batch, torch.from_numpy(encoded[index]), said)
            by_feature[index] = found.features
            rows += row_parts(trees, index, found.rows)
            add_counts(counted, graph, trees, index, found.counts, n)
            with torch.no_grad():
                begin = module.head(nowhere(module.network, batch), torch.zeros(len(index), encoded.shape[1]))
                liked[index] = (begin * given).sum(dim=1).numpy() + vectors[index, -1]
                met = view.met(trees)
                if not len(met.items):
                    continue
                codes, place = np.unique(met.items, return_inverse=True)
                items = module.items(*view.read(codes, int(part.anchors[0])))[torch.from_numpy(place), :WIDTH]
                weight = torch.exp(module.recall(module.clock(torch.from_numpy(met.ages)))[:, 0].clamp(-8, 8))
                owner = np.repeat(np.arange(len(index)), np.diff(met.offsets))
                mass = np.bincount(owner, weights=weight.double().numpy(), minlength=len(index)) + 1e-3
                scale = module.gain[0].item() / mass + module.gain[1].item() / np.sqrt(mass)
                near = (module.turn(items) * given[torch.from_numpy(owner)]).sum(dim=1).double().numpy()
                amount = near * weight.double().numpy() * scale[owner]
            if table < 0:
                met_sum[index] += np.bincount(owner, weights=amount, minlength=len(index))
                continue
            when = part.anchors[owner] - np.nan_to_num(met.ages[:, 0] * 86_400_000_000.0).astype(np.int64)
            rows.append(RowParts(index[owner], np.full(len(owner), table), met.items.astype(np.int64), when, amount))
    columns = fitted.scaler.columns
    owners = np.repeat(np.arange(len(columns)), [column.width for column in columns]).astype(np.int64)
    names = inputs.features.names
    amounts = np.zeros((n, len(names)))
    np.add.at(amounts.T, owners, by_feature.T)
    words = no_words(amounts.shape)
    vocabulary = {name: group.vocabulary for group in spec.groups for name in group.categorical}
    for j, name in enumerate(names):
        words[:, j] = [in_words(value, vocabulary.get(name)) for value in inputs.features.values[:, j].tolist()]
    simple = (ITEM_LIKED, OTHER_ITEMS, *counted)
    parts = np.column_stack([liked - usual, met_sum, *counted.values()])
    base = np.full(n, usual)
    found_all = Reasons.summed(
        [Reasons(base, names, amounts, words, RowParts.joined(rows)), Reasons.of(np.zeros(n), simple, parts)]
    )
    return completed(found_all, margin)
