"""From a trained model to scores: features as of the anchors, every member, the blend, calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pql.engine.examples.steps import compute_stacked
from pql.engine.features.past import Past
from pql.engine.graph.seeds import Seeds, StepRows
from pql.engine.graph.temporal import TemporalGraph
from pql.engine.models.base import Inputs
from pql.engine.models.blend import combine
from pql.engine.planning.bounds import Bounds
from pql.engine.training.trained import TrainedModel
from pql.language.errors import PqlError

BLOCK = 100_000  # seeds scored at a time


def predict(
    trained: TrainedModel,
    graph: TemporalGraph,
    seeds: Seeds,
    lags: NDArray[np.float32] | None = None,
    steps: StepRows | None = None,
    asked: Bounds | None = None,
    past: Past | None = None,
) -> NDArray[np.float64]:
    """The scores of n seeds: float64[n] (binary: calibrated probability; regression: value) or float64[n, classes]
    (multiclass: probabilities that sum to 1; multilabel: one probability per class); never NaN.

    `lags` float32[n, L]: the query's own target over the L windows before each seed's anchor, as in `Examples`; so
    `steps`, of tasks of several steps; `past`: what lies behind the seeds of the target's own facts. With bounds
    `asked` for, float64[n, 1 + k]: the value, then their columns.
    Raises PqlError `model_mismatch` if the graph or the lags aren't like those of training, or the model was made
    without bounds.
    """
    if lags is None:
        lags = np.zeros((len(seeds), 0), dtype=np.float32)
    if len(seeds) > BLOCK:
        blocks = np.split(np.arange(len(seeds)), range(BLOCK, len(seeds), BLOCK))
        parts = [
            predict(
                trained,
                graph,
                seeds.take(at),
                lags[at],
                None if steps is None else steps.take(at),
                asked,
                None if past is None else past.take(at),
            )
            for at in blocks
        ]
        return np.concatenate(parts)
    features = compute_stacked(trained.spec, graph, seeds, lags, steps, trained.step_names)
    inputs = Inputs(graph, seeds, features, lags, past)
    scores = score(trained, inputs)
    if not asked:
        return scores
    if trained.spread is None:
        raise PqlError(
            "model_mismatch",
            "The model was made without intervals or quantiles.",
            hint="Make it again with RETURN in its query: CREATE OR REPLACE MODEL … AS PREDICT … RETURN INTERVAL 0.9",
        )
    return np.column_stack([scores, trained.spread.predict(inputs, scores, asked)])


def score(trained: TrainedModel, inputs: Inputs) -> NDArray[np.float64]:
    """`predict` on inputs whose features are computed already (by the trained model's own spec)."""
    used = [(fitted, weight) for fitted, weight in zip(trained.members, trained.weights, strict=True) if weight > 0]
    scores = [fitted.predict(inputs) for fitted, _ in used]
    return trained.finish(combine(trained.kind, scores, [weight for _, weight in used]))
