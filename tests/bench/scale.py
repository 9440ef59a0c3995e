"""Growth: what each stage of a query takes as the shop grows 1, 10 and 100 times. Really run, never extrapolated.

`python tests/bench/scale.py QUESTION FACTOR [MODEL]` answers one of QUESTIONS on the shop grown FACTOR times and prints
one JSON line. `--data FOLDER` keeps the grown tables there for the next run; else they are made anew and deleted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from meter import Meter, memory

QUESTIONS = {
    "churn": "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id "
    "WHERE COUNT(orders.*, -90, 0, days) > 0 AS OF 2024-12-01",
    "spend": "PREDICT SUM(orders.amount, 0, 30, days) FOR EACH users.user_id "
    "WHERE COUNT(orders.*, -90, 0, days) > 0 AS OF 2024-12-01",
    "next": "PREDICT LIST_DISTINCT(orders.item_id, 0, 30, days) RANK TOP 12 FOR EACH users.user_id AS OF 2024-12-01",
}
HERE = Path(__file__).resolve().parent


def measure(question: str, folder: Path, model: str) -> dict[str, Any]:
    """One question on the tables of a folder, in this process: every stage's own CPU and wall seconds and peak."""
    query = QUESTIONS[question] + ("" if model == "auto" else f" WITH (model = {model})")
    import lightgbm  # noqa: F401
    import torch  # noqa: F401

    import pql

    meter = Meter()
    with tempfile.TemporaryDirectory(prefix="pql-home-") as home, meter.watching():
        os.environ["PQL_HOME"] = home
        imported = memory("VmRSS")
        meter.begin("rest")
        with meter.within("connect"):
            db = pql.connect(str(folder), listener=meter)
        result = db.predict(query)
        with meter.within("output"):
            rows = result.to_arrow_table().num_rows
        meter.end()
        db.close()
    stages = meter.report()
    return {
        "rows": rows,
        "cpu_s": round(sum(one["cpu_s"] for one in stages.values()), 1),
        "wall_s": round(sum(one["wall_s"] for one in stages.values()), 1),
        "peak_gb": max(one["peak_gb"] for one in stages.values()),
        "imports_gb": round(imported, 2),
        "stages": stages,
        "metrics": str(result.metrics),
        "notes": list(result.notes),
    }


def answered(question: str, factor: int, model: str, data: Path | None) -> dict[str, Any]:
    """The same in a process of its own, on tables made (by another one) where they don't stand in `data` yet."""
    with tempfile.TemporaryDirectory(prefix="pql-grown-") as temporary:
        folder = (data or Path(temporary)) / str(factor)
        if not (folder / "orders.parquet").is_file():
            subprocess.run([sys.executable, str(HERE / "grow.py"), str(factor), str(folder)], check=True)
        command = [sys.executable, str(HERE / "scale.py"), question, str(factor), model, "--folder", str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("question", choices=QUESTIONS)
    reader.add_argument("factor", type=int)
    reader.add_argument("model", nargs="?", default="auto")
    reader.add_argument("--data", type=Path, help="where grown tables are kept")
    reader.add_argument("--folder", type=Path, help="tables to answer from in this very process")
    given = reader.parse_args()
    if given.folder is not None:
        found = measure(given.question, given.folder, given.model)
    else:
        found = answered(given.question, given.factor, given.model, given.data)
    found = {"case": f"growth-{given.question}-{given.factor}x", "model": given.model, **found}
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
