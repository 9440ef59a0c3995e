"""CPU, wall time and peak memory of each stage of a query, as it runs.

A stage is what the engine's events name, or a function that is watched for the while (`PROBES`). Each figure is a
stage's own: what runs in a stage inside it isn't counted twice. Peak memory is the process's resident memory (Linux).
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PROBES = (
    ("pql.pipeline", "prepare", "plan"),
    ("pql.backends.infer", "infer_catalog", "infer"),
    ("pql.engine.graph.history", "load", "read"),
    ("pql.engine.labels.training_table", "compute_labels", "labels"),
    ("pql.engine.answers.output", "result_table", "output"),
)


@dataclass(slots=True)
class Spent:
    """What a stage took: CPU and wall seconds, and the highest resident memory seen in it, in GB."""

    cpu: float = 0.0
    wall: float = 0.0
    peak: float = 0.0


@dataclass(slots=True)
class Meter:
    """A listener of the engine's events that measures; `spent` by stage, in the order in which they began."""

    spent: dict[str, Spent] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)
    _since: tuple[float, float] = (0.0, 0.0)

    def stage(self, name: str, detail: str, fraction: float | None) -> None:
        """The engine's word: a stage begins, or tells of its progress."""
        if fraction is None and name not in self._open:
            self.begin(name)

    def done(self, name: str, seconds: float) -> None:
        if name in self._open:
            while self.end() != name:
                pass

    def begin(self, name: str) -> None:
        self._charge()
        self._open.append(name)
        self.spent.setdefault(name, Spent())
        _forget_peak()

    def end(self) -> str:
        """Close the innermost stage; its name."""
        self._charge()
        _forget_peak()
        return self._open.pop()

    def _charge(self) -> None:
        now = time.process_time(), time.perf_counter()
        if self._open:
            one = self.spent[self._open[-1]]
            one.cpu += now[0] - self._since[0]
            one.wall += now[1] - self._since[1]
            one.peak = max(one.peak, memory("VmHWM"))
        self._since = now

    @contextmanager
    def within(self, name: str) -> Iterator[None]:
        self.begin(name)
        try:
            yield
        finally:
            while self.end() != name:
                pass

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While inside, the functions of PROBES are stages too. AttributeError if one isn't there any more."""
        before = [(importlib.import_module(module), name) for module, name, _ in PROBES]
        kept = [getattr(module, name) for module, name in before]
        try:
            for (module, name), function, (_, _, stage) in zip(before, kept, PROBES, strict=True):
                setattr(module, name, self._watched(function, stage))
            yield
        finally:
            for (module, name), function in zip(before, kept, strict=True):
                setattr(module, name, function)

    def _watched(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.within(stage):
                return function(*args, **kwargs)

        return watched

    def report(self) -> dict[str, dict[str, float]]:
        return {
            name: {"cpu_s": round(one.cpu, 2), "wall_s": round(one.wall, 2), "peak_gb": round(one.peak, 2)}
            for name, one in self.spent.items()
        }


def memory(what: str) -> float:
    """VmRSS (now) or VmHWM (highest since last forgotten) of this process in GB; nought where there is no /proc."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(what + ":")) / 1024**2
    except (OSError, StopIteration):
        return 0.0


def _forget_peak() -> None:
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        return
