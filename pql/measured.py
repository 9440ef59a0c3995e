"""EXPLAIN ANALYZE: what a plan took and gave when it was run, as text for people and as JSON for programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pql.table import text_table

if TYPE_CHECKING:
    from pql.engine.quality.metrics import MetricsTable
    from pql.result import ModelInfo


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. seconds: by stage, in the order of the run. rows: read of every stored table. result: rows predicted."""

    seconds: dict[str, float]
    rows: dict[str, int]
    labels: int
    nodes: int
    edges: int
    result: int
    model: ModelInfo
    metrics: MetricsTable
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """Seconds of all stages."""
        return sum(self.seconds.values())

    def lines(self) -> list[str]:
        """The report: times by stage, sizes, the model that was chosen, its metrics beside the baselines'."""
        took = [(name, f"{seconds:.2f} s") for name, seconds in self.seconds.items()]
        times = text_table(("stage", "took"), [*took, ("all", f"{self.total:.2f} s")], right=(False, True))
        rows = ", ".join(f"{name} {count:,}" for name, count in self.rows.items())
        return [
            *times.splitlines(),
            "",
            f"rows read    {rows}",
            f"labels       {self.labels:,}",
            f"graph        {self.nodes:,} nodes, {self.edges:,} edges",
            f"model        {self.model}",
            f"predictions  {self.result:,} rows",
            "",
            *str(self.metrics).splitlines(),
            *(f"note: {note}" for note in self.notes if note not in self.metrics.notes),
        ]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values; undefined metrics are null."""
        metrics = [
            {
                "model": row.model,
                "role": row.role,
                "split": row.split,
                "metric": row.metric,
                "value": row.value if math.isfinite(row.value) else None,
                "n": row.n,
            }
            for row in self.metrics.rows
        ]
        return {
            "seconds": {**self.seconds, "all": self.total},
            "rows": self.rows,
            "labels": self.labels,
            "graph": {"nodes": self.nodes, "edges": self.edges},
            "model": {"name": self.model.name, "weights": self.model.weights, "loaded": self.model.cached},
            "predictions": self.result,
            "metric": self.metrics.metric,
            "metrics": metrics,
            "verdict": self.metrics.verdict(),
            "notes": list(self.notes),
        }
