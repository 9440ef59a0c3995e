"""A trained ranking: what answers it, what it weighs, how good it is, and what is kept of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np

from pql.engine.models.base import State
from pql.engine.models.pair_network import PairNetwork
from pql.engine.models.ranker import Ranker
from pql.engine.models.rules import Rules
from pql.engine.pairs.candidates import Limits
from pql.engine.quality.checked import Checked
from pql.engine.quality.metrics import MetricsTable
from pql.engine.ranking.odds import Odds
from pql.engine.ranking.pair_models import PairModel, restored
from pql.engine.ranking.towers import NetworkTowers


@dataclass(frozen=True, slots=True)
class TrainedRanker:
    """What answers a ranking. `weights`: (member, weight), sum 1, noughts included.

    Members: boosted, boosted + gnn (the ranker with the towers' scores as features), gnn (`network`), two_tower,
    calendar, repeat, popularity, and those of `pair_models`, which are kept as they were made at the newest anchor.

    `k`: the list's length it was chosen by. `horizon`: µs, the unit of its windows. `recall`: share of the validation
    truth among the candidates. `uses_towers`: whether the answer needs the network. `odds`: turns scores into
    probabilities; None where validation had too little to tell. `limits`: of the candidates it was trained on.
    `checked`: a sample of the lists that were measured.
    """

    name: str
    k: int
    horizon: int
    weights: tuple[tuple[str, float], ...]
    ranker: Ranker | None
    metrics: MetricsTable
    notes: tuple[str, ...] = ()
    recall: float = float("nan")
    towers: NetworkTowers | None = None
    uses_towers: bool = False
    odds: Odds | None = None
    limits: Limits = field(default_factory=Limits)
    pair_models: tuple[PairModel, ...] = ()
    network: PairNetwork | None = None
    checked: Checked | None = None

    @property
    def rules(self) -> Rules | None:
        """The association rules that the ranking has learnt, if any."""
        return next((model for model in self.pair_models if isinstance(model, Rules)), None)

    @property
    def importance(self) -> tuple[tuple[str, float], ...]:
        """(pair feature, share of the ranker's gain), largest first."""
        return self.ranker.importance if self.ranker else ()

    @property
    def reads_features(self) -> bool:
        """Whether the answer needs the features of pairs."""
        return self.ranker is not None or self.network is not None

    def state(self) -> State:
        """What an artifact keeps: numpy arrays and JSON values only."""
        return {
            "name": self.name,
            "k": self.k,
            "horizon": self.horizon,
            "weights": [list(pair) for pair in self.weights],
            "ranker": self.ranker.state() if self.ranker else None,
            "metrics": self.metrics.to_json(),
            "notes": list(self.notes),
            "recall": None if np.isnan(self.recall) else self.recall,
            "limits": asdict(self.limits),
            "odds": self.odds.state() if self.odds else None,
            "towers": self.towers.state() if self.towers else None,
            "pair_models": [model.state() for model in self.pair_models],
            "network": self.network.state() if self.network else None,
            "checked": self.checked.state() if self.checked else None,
        }

    @classmethod
    def restore(cls, state: State) -> TrainedRanker:
        """The ranking of a `state`, with the same answers bit for bit."""
        return cls(
            str(state["name"]),
            int(state["k"]),
            int(state["horizon"]),
            tuple((name, float(weight)) for name, weight in state["weights"]),
            Ranker.restore(state["ranker"]) if state["ranker"] else None,
            MetricsTable.from_json(state["metrics"]),
            tuple(state["notes"]),
            float("nan") if state["recall"] is None else float(state["recall"]),
            NetworkTowers.restore(state["towers"]) if state["towers"] else None,
            bool(state["towers"]),
            Odds.restore(state["odds"]) if state["odds"] else None,
            Limits(**{name: int(most) for name, most in state["limits"].items()}),
            restored(state["pair_models"]),
            PairNetwork.restore(state["network"]) if state["network"] else None,
            Checked.restore(state["checked"]) if state["checked"] else None,
        )
