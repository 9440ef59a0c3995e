"""Run the tasks of a RelBench folder: learn, predict, measure, and write it all in RelBench's format.

The validation rows are predicted by a model of the training rows alone, the test rows by one of both: what is said of
validation is what may be expected of test.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pql.bench_folder import BenchFolder, BenchTask, DeclaredWorkspace, read_folder
from pql.bench_metrics import CHOSEN, relbench_metrics, spread_of
from pql.language.errors import PqlError
from pql.own_labels import FittedLabels, prepared
from pql.table import text_table

if TYPE_CHECKING:
    import pyarrow as pa

    from pql.engine.events import Listener

REGIMES = ("frozen", "as-of")


@dataclass(frozen=True, slots=True)
class Run:
    """One seed's predictions of one split. `metrics`: by who answered, the model first; empty without the truth."""

    seed: int
    model: str
    metrics: dict[str, dict[str, float]]
    table: pa.Table
    seconds: float
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one task on one split, over all seeds."""

    dataset: str
    task: BenchTask
    split: str
    regime: str
    until: str | None
    runs: tuple[Run, ...]

    def figures(self) -> dict[str, dict[str, tuple[float, float]]]:
        """Mean and deviation over seeds of every metric, by who answered; `model` is ours."""
        first = self.runs[0]
        found: dict[str, dict[str, tuple[float, float]]] = {}
        if not first.metrics:
            return found
        found["model"] = spread_of([next(iter(run.metrics.values())) for run in self.runs])
        for name in list(first.metrics)[1:]:
            found[name] = spread_of([run.metrics[name] for run in self.runs if name in run.metrics])
        return found

    def shown(self, limit: int = 0) -> str:
        """A line that says what was measured, and a table: the model, and every baseline."""
        n = self.runs[0].table.num_rows
        seeds = f"{len(self.runs)} seeds" if len(self.runs) > 1 else "1 seed"
        regime = self.regime if self.until is None else f"{self.regime}: data up to {self.until}"
        seconds = sum(run.seconds for run in self.runs) / len(self.runs)
        what = f"{self.task.name} ({self.task.kind}), {self.split}, {regime}"
        head = f"{what}: {n:,} rows, {seeds}, {seconds:.1f} CPU s each"
        figures = self.figures()
        if not figures:
            return f"{head}\nno truth in {self.split}.parquet: predictions only"
        names = list(figures["model"])
        rows = []
        for who, values in figures.items():
            name = " ".join(dict.fromkeys(run.model for run in self.runs)) if who == "model" else who
            rows.append((name, "model" if who == "model" else "baseline", *(_show(*values[m]) for m in names)))
        right = [False, False, *[True] * len(names)]
        return f"{head}\n" + text_table(("", "", *names), rows, right=right)

    def to_json(self) -> dict[str, Any]:
        """Everything measured, as JSON values; undefined numbers are null."""
        return {
            "dataset": self.dataset,
            "task": self.task.name,
            "task_type": self.task.kind,
            "split": self.split,
            "regime": self.regime,
            "until": self.until,
            "rows": self.runs[0].table.num_rows,
            "metric": CHOSEN[self.task.kind],
            "mean": {who: {m: _number(v[0]) for m, v in f.items()} for who, f in self.figures().items()},
            "deviation": {who: {m: _number(v[1]) for m, v in f.items()} for who, f in self.figures().items()},
            "seeds": [
                {
                    "seed": run.seed,
                    "model": run.model,
                    "cpu_seconds": round(run.seconds, 2),
                    "metrics": {who: {m: _number(v) for m, v in f.items()} for who, f in run.metrics.items()},
                    "notes": list(run.notes),
                }
                for run in self.runs
            ],
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a bench. `regime` None: RelBench's protocol, which is frozen. `options`: those of WITH; `seeds`
    are counted from its `seed`."""

    tasks: tuple[str, ...] = ()
    regime: str | None = None
    seeds: int = 1
    splits: tuple[str, ...] = ("val", "test")
    options: dict[str, Any] = field(default_factory=dict)


def bench(place: Path, wanted: Wanted, listener: Listener | None = None) -> Iterator[Outcome]:
    """The outcomes of the tasks of a folder, each when it is there; val first, then test.

    Raises PqlError `bad_bench_folder` and whatever learning raises.
    """
    from pql.backends.connect import open_backend

    folder = read_folder(place)
    tasks = [folder.task(name) for name in wanted.tasks] if wanted.tasks else list(folder.tasks)
    if wanted.regime is not None and wanted.regime not in REGIMES:
        raise PqlError("bad_fit_argument", f"there is no regime {wanted.regime}", hint=f"It is {' or '.join(REGIMES)}.")
    backend = open_backend(place / "db")
    try:
        work = DeclaredWorkspace(backend, folder, listener)
        for task in tasks:
            for split in wanted.splits:
                if task.has(split):
                    yield _outcome(work, folder, task, split, wanted)
    finally:
        backend.close()


def _outcome(work: DeclaredWorkspace, folder: BenchFolder, task: BenchTask, split: str, wanted: Wanted) -> Outcome:
    regime, until = "as-of", None
    if not task.autocomplete and (wanted.regime or "frozen") == "frozen":
        regime, until = "frozen", folder.cuts.get(split)
    if task.autocomplete:
        regime = "strictly earlier rows"
    first = int(wanted.options.get("seed", 0))
    runs = tuple(_run(work, task, split, until, seed, wanted.options) for seed in range(first, first + wanted.seeds))
    return Outcome(folder.name, task, split, regime, until, runs)


def _run(
    work: DeclaredWorkspace, task: BenchTask, split: str, until: str | None, seed: int, options: dict[str, Any]
) -> Run:
    from pql.backends.table_source import read_table

    start = time.process_time()
    parts = [task.table("train")] if split == "val" else [task.table("train"), task.table("val")]
    model: FittedLabels = prepared(
        work,
        *parts,
        entity=task.entity,
        entity_column=task.entity_column,
        time=task.time,
        target=task.target,
        items=task.items,
        k=task.k,
        horizon=task.horizon,
        task=task.kind,
        ignoring=task.ignoring,
        until=until,
        **{**options, "seed": seed},
    )
    rows = read_table(task.table(split), split)
    predictions, measured = model.answered(rows, until=until)
    metrics: dict[str, dict[str, float]] = {}
    if measured is not None:
        deviation = _deviation(task, split)
        metrics = {
            name: relbench_metrics(task.kind, measured.truth, answer, train_std=deviation)
            for name, answer in measured.answers.items()
        }
    table = prediction_table(task, rows, predictions.to_arrow_table())
    seconds = time.process_time() - start
    return Run(seed, predictions.model.name, metrics, table, seconds, predictions.notes)


def prediction_table(task: BenchTask, rows: pa.Table, answers: pa.Table) -> pa.Table:
    """RelBench's prediction table: the rows asked about with the target's column holding what is predicted.

    binary: the probability; regression: the value; multiclass: the class; ranking: the list of keys, best first.
    """
    import pyarrow as pa

    keys = rows.select([task.entity_column, task.time])
    if task.kind != "ranking":
        column = answers.column("probability" if task.kind == "binary" else "prediction")
        return keys.append_column(task.target, column)
    assert task.items is not None
    import numpy as np

    item = answers.column(task.items.rpartition(".")[2]).combine_chunks()
    starts = np.flatnonzero(answers.column("rank").fill_null(1).to_numpy() == 1)
    offsets = pa.array(np.append(starts, len(answers)).astype(np.int32))
    return keys.append_column(task.target, pa.ListArray.from_arrays(offsets, item))


def write_outcomes(outcomes: Sequence[Outcome], place: Path) -> None:
    """DIR/SPLIT/DATASET__TASK.csv (of further seeds in DIR/SPLIT-seed-N), as RelBench's leaderboard takes them, and
    DIR/metrics.json. Raises PqlError `file_not_writable`."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        for outcome in outcomes:
            for run in outcome.runs:
                folder = place / (outcome.split if run is outcome.runs[0] else f"{outcome.split}-seed-{run.seed}")
                folder.mkdir(exist_ok=True)
                _write_csv(run.table, folder / f"{outcome.dataset}__{outcome.task.name}.csv")
        said = [outcome.to_json() for outcome in outcomes]
        (place / "metrics.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise PqlError(
            "file_not_writable",
            f"The folder {place} can't be written: {error.strerror}.",
            hint="Name a folder that you may write to.",
        ) from error


def _write_csv(table: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(table.column_names)
        for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
            out.writerow([json.dumps(v) if isinstance(v, list) else "" if v is None else v for v in row])


def _deviation(task: BenchTask, split: str) -> float:
    """The standard deviation of the training labels, by which RelBench divides a mean absolute error."""
    import numpy as np

    from pql.backends.table_source import read_table

    if task.kind != "regression":
        return math.nan
    values = read_table(task.table("train"), "train").column(task.target).to_numpy().astype(np.float64)
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _show(mean: float, deviation: float) -> str:
    if math.isnan(mean):
        return "-"
    return f"{mean:.4f} ± {deviation:.4f}" if deviation >= 5e-5 else f"{mean:.4f}"


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
