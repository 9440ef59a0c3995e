"""What each part of the network and of the blend is worth: `python tests/bench/ablate.py [CASE …] [--seeds 3]`.

Every variant learns from the same examples, stops on the same validation rows, and is measured on the test rows of the
query's own split, once for every seed. Each case has a record under `tests/bench/ablations/`; docs/ablation.md is made
of all records (`--page` makes it without measuring).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ablate_ranking import ranked
from cases import CASES, SHOP, tables

HERE = Path(__file__).resolve().parent
RECORDS = HERE / "ablations"
TRIED = RECORDS / "tried.md"  # written by hand: what was tried and is no longer in the code
PAGE = HERE.parents[1] / "docs" / "ablation.md"
F1 = SHOP.parent / "rel-f1" / "db"

_DRIVERS = "FOR EACH drivers.driverId WHERE COUNT(results.*, -365, 0, days) > 0 AS OF 2010-01-01"
DRIVERS = {
    "f1-dnf": f"PREDICT COUNT(results.* WHERE results.statusId <> 1, 0, 30, days) > 0 {_DRIVERS}",
    "f1-top3": f"PREDICT MIN(qualifying.position, 0, 30, days) <= 3 {_DRIVERS}",
    "f1-position": f"PREDICT AVG(results.positionOrder, 0, 60, days) {_DRIVERS}",
}
VALUED = ("shop-churn", "shop-spend", "cj-churn", "cj-spend", *DRIVERS)
RANKED = ("shop-next", "cj-types")

VARIANTS: dict[str, dict[str, bool]] = {
    "network": {},
    "… without the as-of features (neighbours alone)": {"features": False},
    "… neighbours alone, without relative time": {"features": False, "ages": False},
    "… neighbours alone, without counts": {"features": False, "counts": False},
    "… without neighbours (features alone)": {"graph": False},
    "… features and neighbours learnt at once": {"staged": False},
}


def session(name: str) -> tuple[Any, str]:
    """The database of a case and its query."""
    import pql

    if name in DRIVERS:
        return pql.connect(str(F1)), DRIVERS[name]
    case = CASES[name]
    return pql.connect(tables(case.database, cut=True)), case.query


def problem_of(name: str) -> Any:
    """The problem that the models of a case's query are fitted on, as `pql.engine.training.train` makes it."""
    from pql.engine.training import train

    made = train.problem_of

    def kept(*of: Any, **named: Any) -> Any:
        raise _MadeError(made(*of, **named))

    db, query = session(name)
    train.problem_of = kept
    try:
        db.evaluate(f"{query} WITH (model = blend, refit = off, cache = off)")
    except _MadeError as error:
        return error.args[0]
    finally:
        train.problem_of = made
    raise SystemExit(f"{name}: no problem was made")


class _MadeError(Exception):
    """Carries the problem out, before anything is fitted on it."""


def measured(problem: Any, seeds: int) -> Iterator[tuple[str, list[float], list[float]]]:
    """(variant, its metric on the test rows by seed, CPU seconds by seed); of the blend, then its weights too."""
    from pql.engine.graph.seeds import TEST, TRAIN, VALID
    from pql.engine.models.blend import combine, fit_weights
    from pql.engine.models.gnn import Gnn, NetworkParts
    from pql.engine.quality.metrics import measure
    from pql.engine.training.trained import model_called

    kind, metric = problem.task.kind.value, problem.task.metric
    train, valid, test = (problem.examples.where(split) for split in (TRAIN, VALID, TEST))
    y = problem.examples.labels
    scores: dict[str, list[Any]] = {}
    networks = {name: Gnn(NetworkParts(**parts)) for name, parts in VARIANTS.items()}
    models = {"boosted trees": model_called("boosted"), **networks}
    for name, model in models.items():
        found, seconds = [], []
        for seed in range(seeds):
            start = time.process_time()
            seeded = replace(problem, plan=replace(problem.plan, seed=seed))
            fitted = model.fit(seeded, train, valid)
            scores.setdefault(name, []).append([fitted.predict(problem.inputs.take(at)) for at in (valid, test)])
            found.append(measure(kind, y[test], scores[name][-1][1])[metric])
            seconds.append(time.process_time() - start)
        yield name, found, seconds
    blends, shares = [], []
    for (tree_valid, tree_test), (net_valid, net_test) in zip(scores["boosted trees"], scores["network"], strict=True):
        weights = fit_weights(kind, [tree_valid, net_valid], y[valid])
        blends.append(measure(kind, y[test], combine(kind, [tree_test, net_test], weights))[metric])
        shares.append(weights[1])
    yield f"blend (network {statistics.mean(shares):.2f})", blends, []


def ablated(name: str, seeds: int) -> dict[str, Any]:
    """The record of a case."""
    os.environ["PQL_HOME"] = tempfile.mkdtemp(prefix="pql-ablate-")
    if name in RANKED:
        query = CASES[name].query
        rows = list(ranked(lambda: session(name)[0], query, seeds))
        about = {"metric": "map", "examples": None, "test": None}
    else:
        problem = problem_of(name)
        split = problem.examples.split
        about = {"metric": problem.task.metric, "examples": int((split == 0).sum()), "test": int((split == 2).sum())}
        rows = list(measured(problem, seeds))
    return {"case": name, **about, "seeds": seeds, "rows": rows}


def page() -> str:
    """docs/ablation.md, of all records."""
    lines = [
        "# What each part is worth",
        "",
        "Made by `python tests/bench/ablate.py [CASE …] [--seeds 3]`, which keeps one record per case under "
        "`tests/bench/ablations/`.",
        "",
        "All variants learn from the same examples and stop on the same validation rows; the figures are those of the "
        "test rows of",
        "the query's own split (earlier than the anchor), mean ± standard deviation over seeds. CPU seconds are of one "
        "core, for fitting",
        "and predicting. The network learns over the seed's as-of features first; sampled neighbours are added where "
        "they better",
        "validation by a thousandth.",
    ]
    for name in (*VALUED, *RANKED):
        path = RECORDS / f"{name}.json"
        if not path.exists():
            continue
        record = json.loads(path.read_text("utf-8"))
        size = f", {record['examples']:,} training and {record['test']:,} test rows" if record["examples"] else ""
        lines += ["", f"## `{name}`{size}, seeds: {record['seeds']}", ""]
        lines += [f"| variant | {record['metric'].upper()} | CPU s |", "|---|---|---|"]
        for variant, found, seconds in record["rows"]:
            digits = 4 if statistics.mean(found) < 1 else 2
            value = f"{statistics.mean(found):.{digits}f}"
            if len(found) > 1:
                value += f" ± {statistics.stdev(found):.{digits}f}"
            lines.append(f"| {variant} | {value} | {f'{statistics.mean(seconds):.1f}' if seconds else '–'} |")
    return "\n".join(lines) + "\n\n" + TRIED.read_text("utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join((*VALUED, *RANKED)))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--page", action="store_true", help="only make the page of the records there are")
    asked = parser.parse_args()
    RECORDS.mkdir(exist_ok=True)
    for name in [] if asked.page else asked.cases or (*VALUED, *RANKED):
        record = ablated(name, asked.seeds)
        (RECORDS / f"{name}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
        PAGE.write_text(page(), "utf-8")
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(page())


if __name__ == "__main__":
    main()
