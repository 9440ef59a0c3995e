"""The options of WITH (LANGUAGE §7): one frozen value with the documented defaults."""

from __future__ import annotations

from dataclasses import dataclass

MODELS = (
    "auto",
    "gnn",
    "boosted",
    "instant",
    "linear",
    "blend",
    "entity_mean",
    "last_window",
    "rate",
    "rfm",
    "bgnbd",
    "interval",
    "popularity",
    "repeat",
    "rules",
    "als",
    "two_tower",
)


@dataclass(frozen=True, slots=True)
class Duration:
    """`n` whole `unit`s (plural, lower case)."""

    n: int
    unit: str

    def __str__(self) -> str:
        return f"{self.n} {self.unit}"


@dataclass(frozen=True, slots=True)
class Options:
    """What WITH may set. None means: chosen by the plan."""

    model: str = "auto"
    budget_seconds: float = 60.0
    anchors: int | None = None
    step: Duration | None = None
    hops: int = 2
    neighbors: tuple[int, ...] | None = None  # [8, …] within two minutes' budget, else [16, …]
    hidden: int | None = None  # 32 within two minutes' budget, else 64
    layers: int = 2
    epochs: int = 20
    refit: bool = True
    first_seen: bool = True
    cache: str = "on"  # on | off | refresh
    co_occurrence: bool = False
    seed: int = 0
    threads: int | None = None
