"""`make bench`: every case with the default model, the boosted model alone and the network alone.

Each runs in a process of its own. The truth lies after the anchor and is computed outside of the product.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cases import CASES, SHOP

from pql.table import text_table

HERE = Path(__file__).resolve().parent


def main(wanted: list[str]) -> int:
    rows, tables, failed = [], [], 0
    for name, case in CASES.items():
        if wanted and not any(w in name for w in wanted):
            continue
        if case.database == "shop" and not SHOP.is_dir():
            sys.stderr.write(f"{name}: left out, {SHOP} is not there\n")
            continue
        for model in case.models:
            sys.stderr.write(f"{name} with model = {model} …\n")
            done = subprocess.run(
                [sys.executable, str(HERE / "cases.py"), name, model], capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                sys.stderr.write(done.stderr[-3000:])
                failed += 1
                continue
            answer = json.loads(done.stdout.splitlines()[-1])
            quality = ", ".join(f"{k} {answer[k]:.4f}" for k in ("auroc", "mae", "map@12", "recall@12") if k in answer)
            weights = ", ".join(f"{k} {v:.2f}" for k, v in answer["weights"].items())
            rows.append(
                (name, model, quality, answer["cpu_s"], answer["wall_s"], answer["peak_gb"], weights, case.goal)
            )
            if model == "auto":
                tables.append(f"{name}, as the user sees it:\n{answer['metrics']}")
    sys.stdout.write("\n\n".join(tables) + "\n\n")
    header = ("case", "model", "against the truth", "cpu s", "wall s", "peak GB", "blend", "goal")
    sys.stdout.write(text_table(header, rows) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
