"""What training leaves behind, and how an artifact keeps it: plain arrays and JSON."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pql.engine.features.as_of import FeatureSpec
from pql.engine.graph.key_index import as_text
from pql.engine.models.base import Fitted, Model, State
from pql.engine.models.baselines import TASKS, BaselineModel
from pql.engine.models.bgnbd import BgnbdModel
from pql.engine.models.boosted import BoostedModel
from pql.engine.models.gaps import IntervalModel
from pql.engine.models.hazards import HAZARDS, HazardModel
from pql.engine.models.rfm import RfmModel
from pql.engine.models.shares import SharesModel
from pql.engine.quality.calibrate import Calibration
from pql.engine.quality.checked import Checked
from pql.engine.quality.metrics import MetricsTable
from pql.engine.quality.survival import Intervals
from pql.engine.training.spread import Spread
from pql.language.errors import PqlError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A fitted blend that answers one query.

    name: what answers (`blend`, or the one member). `members` with their `weights` (sum 1; nought weights are kept only
    for the record, in `metrics`). `limits`: the range predictions of numbers are kept in. `threshold`: of a yes/no
    prediction. `importance`: (feature, share of the boosted model's gain), largest first. `step_names`: the features
    of a step, in tasks of several. `spread`: the distributions behind intervals and quantiles, if the query asked for
    any. `intervals`: of TIME_TO, whose members answer yes or no for each. `checked`: a sample of what was measured.
    """

    name: str
    kind: str
    spec: FeatureSpec
    members: tuple[Fitted, ...]
    weights: tuple[float, ...]
    calibration: Calibration
    threshold: float
    limits: tuple[float, float]
    metrics: MetricsTable
    classes: int = 0
    notes: tuple[str, ...] = ()
    blend: tuple[tuple[str, float], ...] = ()
    importance: tuple[tuple[str, float], ...] = ()
    step_names: tuple[str, ...] = ()
    spread: Spread | None = None
    intervals: Intervals | None = None
    checked: Checked | None = None

    def finish(self, scores: Floats) -> Floats:
        """Calibrate and bound the blended scores; whatever isn't finite becomes the nearest sensible value."""
        low, high = self.limits
        if self.kind in ("regression", "forecast"):
            return np.clip(np.nan_to_num(scores, nan=max(low, min(0.0, high))), low, high)
        scores = np.nan_to_num(scores, nan=0.5 if scores.ndim == 1 else 1.0 / max(1, scores.shape[-1]))
        return self.calibration.apply(scores) if self.kind == "binary" else np.clip(scores, 0.0, 1.0)

    def state(self) -> State:
        """What an artifact keeps: numpy arrays and JSON values only."""
        return {
            "name": self.name,
            "kind": self.kind,
            "spec": self.spec.to_json(),
            "members": [{"name": fitted.name, "state": fitted.state()} for fitted in self.members],
            "weights": list(self.weights),
            "calibration": self.calibration.to_json(),
            "threshold": self.threshold,
            "limits": list(self.limits),
            "metrics": self.metrics.to_json(),
            "classes": self.classes,
            "notes": list(self.notes),
            "blend": [list(pair) for pair in self.blend],
            "importance": [list(pair) for pair in self.importance],
            "step_names": list(self.step_names),
            "spread": None if self.spread is None else self.spread.state(),
            "intervals": None if self.intervals is None else [list(self.intervals.ends), list(self.intervals.usual)],
            "checked": None if self.checked is None else self.checked.state(),
        }

    @classmethod
    def restore(cls, state: State) -> TrainedModel:
        """The model of a `state`, with the same predictions bit for bit."""
        return cls(
            state["name"],
            state["kind"],
            FeatureSpec.from_json(state["spec"]),
            tuple(model_called(m["name"]).restore(m["state"]) for m in state["members"]),
            tuple(float(w) for w in state["weights"]),
            Calibration(**state["calibration"]),
            float(state["threshold"]),
            (float(state["limits"][0]), float(state["limits"][1])),
            MetricsTable.from_json(state["metrics"]),
            int(state["classes"]),
            tuple(state["notes"]),
            tuple((name, float(weight)) for name, weight in state["blend"]),
            tuple((name, float(share)) for name, share in state["importance"]),
            tuple(state["step_names"]),
            None if state["spread"] is None else Spread.restore(state["spread"]),
            None
            if state["intervals"] is None
            else Intervals(*(tuple(map(float, part)) for part in state["intervals"])),
            None if state["checked"] is None else Checked.restore(state["checked"]),
        )


PURCHASES: dict[str, Model] = {"rfm": RfmModel(), "bgnbd": BgnbdModel(), "interval": IntervalModel()}


def model_called(name: str) -> Model:
    """The model of that name. Raises PqlError `not_supported` for a name that no model here answers to."""
    if name == "boosted":
        return BoostedModel()
    if name == "gnn":
        from pql.engine.models.gnn import Gnn

        return Gnn()
    if name == "instant":
        from pql.engine.models.instant import InstantModel

        return InstantModel()
    if name == "linear":
        from pql.engine.models.linear import LinearModel

        return LinearModel()
    if name == "entity_shares":
        return SharesModel()
    if name in PURCHASES:
        return PURCHASES[name]
    if name in HAZARDS:
        return HazardModel(name)
    if name in TASKS:
        return BaselineModel(name)
    raise PqlError(
        "not_supported",
        f"The model {name!r} is not supported for this kind of target.",
        hint=f"Known models: auto, blend, gnn, boosted, instant, {', '.join(sorted({*TASKS, *PURCHASES}))}.",
    )


def class_count(classes: Sized | int | None) -> int:
    """The number of classes, given as a number or as whatever lists them."""
    if classes is None:
        return 0
    return classes if isinstance(classes, int) else len(classes)


def class_names(classes: Sized | int | None) -> tuple[str, ...]:
    """The classes as text, in the order of their codes; nothing where only their number is given."""
    values = getattr(classes, "values", None)
    return tuple(as_text(values).to_pylist()) if isinstance(values, pa.Array) else ()
