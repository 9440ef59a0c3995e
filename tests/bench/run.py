"""`make bench`: answer benchmark cases, keep a record of each, and renew docs/benchmarks.md.

    python tests/bench/run.py [CASE …] [--models auto,boosted] [--seeds 3] [--dry]

CASE is a name or the beginning of one: shop-churn, cj, f1-frozen, growth-churn-10x; all but growth if none is given.
Every run is a process of its own. A record stands for one case and model and replaces the one before; all others stay.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import scale
from cases import CASES, SHOP
from record import keep, render, show

HERE = Path(__file__).resolve().parent
FOLDER = SHOP.parent / "rel-f1"  # in RelBench's format
TASKS = ("driver-dnf", "driver-top3", "driver-position", "driver-circuit-compete")
AUTOCOMPLETE = ("results-position", "qualifying-position")
FACTORS = (1, 10, 100)
METRICS = ("auroc", "mae", "map@12", "recall@12", "coverage", "width", "n")


@dataclass(frozen=True, slots=True)
class Job:
    """A case: its models unless others are asked for, and a function from (model, how many seeds) to the runs."""

    case: str
    models: tuple[str, ...]
    run: Callable[[str, int], list[dict[str, Any]]]


def jobs(data: Path | None) -> Iterator[Job]:
    """All cases whose data is there."""
    for name, case in CASES.items():
        if case.database != "shop" or SHOP.is_dir():
            yield Job(name, case.models, partial(_case, name))
        else:
            sys.stderr.write(f"{name}: left out, the shop's tables are not there\n")
    if FOLDER.is_dir():
        for regime in ("frozen", "as-of"):
            for task in TASKS if regime == "frozen" else TASKS[:-1]:
                yield Job(f"f1-{regime}-{task}", ("auto",), partial(_of_folder, task, regime))
        for task in AUTOCOMPLETE:
            yield Job(f"f1-{task}", ("auto",), partial(_of_folder, task, None))
    else:
        sys.stderr.write("f1: left out, the folder of rel-f1 is not there\n")
    for question in scale.QUESTIONS:
        for factor in FACTORS:
            models = ("auto", "instant") if question == "churn" else ("auto",)
            yield Job(f"growth-{question}-{factor}x", models, partial(_grown, question, factor, data))


def _case(name: str, model: str, seeds: int) -> list[dict[str, Any]]:
    runs = []
    for seed in range(seeds):
        command = [sys.executable, str(HERE / "cases.py"), name, model, str(seed)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        answer = json.loads(done.stdout.splitlines()[-1])
        kept = ("cpu_s", "wall_s", "peak_gb", "warm_cpu_s", "warm_wall_s", "weights")
        metrics = {name: round(answer[name], 5) for name in METRICS if name in answer}
        runs.append({"seed": seed, "metrics": metrics, **{name: answer[name] for name in kept if name in answer}})
    return runs


def _of_folder(task: str, regime: str | None, model: str, seeds: int) -> list[dict[str, Any]]:
    """Validation of one task by `pql bench`; its CPU seconds are those from the label tables to the measures."""
    with tempfile.TemporaryDirectory(prefix="pql-bench-") as place:
        program = str(Path(sys.executable).with_name("pql"))
        command = [program, "bench", str(FOLDER), task, "--split", "val", "--model", model, "-q", "-o", place]
        command += ["--seeds", str(seeds), *(["--regime", regime] if regime else [])]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        (said,) = json.loads((Path(place) / "metrics.json").read_text("utf-8"))
    runs = []
    for one in said["seeds"]:
        metrics = next(iter(one["metrics"].values())) | {"n": said["rows"]}
        runs.append({"seed": one["seed"], "metrics": metrics, "cpu_s": one["cpu_seconds"]})
    return runs


def _grown(question: str, factor: int, data: Path | None, model: str, seeds: int) -> list[dict[str, Any]]:
    found = scale.answered(question, factor, model, data)  # stages, not quality: one seed says it
    return [{"seed": 0, **{name: found[name] for name in ("rows", "cpu_s", "wall_s", "peak_gb", "stages")}}]


def main() -> int:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("cases", nargs="*", help="names, or how they begin")
    reader.add_argument("--models", help="models to answer with, separated by commas; else those of each case")
    reader.add_argument("--seeds", type=int, default=1, help="how many seeds to average over")
    reader.add_argument("--data", type=Path, help="where the grown tables are kept for the next run")
    reader.add_argument("--dry", action="store_true", help="measure and show, but keep no record")
    given = reader.parse_args()
    failed = 0
    for job in jobs(given.data):
        if not any(job.case.startswith(w) for w in given.cases) and (given.cases or job.case.startswith("growth-")):
            continue
        for model in given.models.split(",") if given.models else job.models:
            sys.stderr.write(f"{job.case} with model = {model} …\n")
            try:
                runs = job.run(model, given.seeds)
            except subprocess.CalledProcessError as error:
                sys.stderr.write(f"{job.case} with model = {model} failed: {error}\n")
                failed += 1
                continue
            command = f"python tests/bench/run.py {job.case} --models {model}"
            command += f" --seeds {len(runs)}" if len(runs) > 1 else ""
            record = {"case": job.case, "model": model, "command": command, "runs": runs}
            sys.stdout.write(show(record) + "\n")
            sys.stdout.flush()
            if not given.dry:
                keep(record)
                render()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
